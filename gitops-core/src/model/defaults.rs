//! What the server makes of fields that are not there.

use std::collections::BTreeSet;

use super::ApiModel;
use super::encoding::Zero;
use super::schema::{Field, TypeId, TypeRef};
use crate::resource::GroupKind;
use crate::value::{Draft, Value, ValueRef, View};

/// What the server makes of a field that is not there.
///
/// Of the kinds of a CRD everything is known: the schema states it. Of built-in kinds it is known as recorded from
/// Kubernetes 1.36, field by field; of kinds and fields that only the OpenAPI document of a cluster has, as stated there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FieldDefault {
    /// It becomes this value, whatever the other fields hold. A map is defaulted in turn.
    Known(Value),
    /// It stays away.
    None,
    /// Other fields decide, or an allocator, an admission plugin or a controller, or nothing is known of it.
    Unknown,
}

static UNKNOWN: FieldDefault = FieldDefault::Unknown;
static NONE: FieldDefault = FieldDefault::None;

impl FieldDefault {
    /// Returns the value, where it is known that there is one.
    #[must_use]
    pub fn known(&self) -> Option<&Value> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// What a field's schema states, else `unstated`.
    pub(super) fn stated(of: ValueRef<'_>, unstated: &Self) -> Self {
        let default = of.get("default").filter(|default| !default.is_null());
        default.map_or_else(|| unstated.clone(), |default| Self::Known(default.to_value()))
    }
}

impl Field {
    /// What becomes of the field. A default that the server leaves out again when it writes, as OpenAPI states them of
    /// Go's zero values, fills in nothing; it still stands for an absent key of a list item.
    fn filled(&self) -> &FieldDefault {
        let is_left_out = match (&self.default, self.encoding) {
            (FieldDefault::Known(value), Some(encoding)) => match (encoding.zero, value.root().view()) {
                // Times, for which OpenAPI states `{}`.
                (Zero::Null, View::Map(map)) => map.is_empty() && !encoding.omitted,
                (Zero::Text, View::String(text)) => text.is_empty() && encoding.omitted,
                (Zero::Number, View::Int(number)) => number == 0 && encoding.omitted,
                (Zero::Bool, View::Bool(flag)) => !flag && encoding.omitted,
                _ => false,
            },
            _ => false,
        };
        if is_left_out { &NONE } else { &self.default }
    }

    /// Whether a value is what is there when nothing was set: `null` where it is none of the values, and the zero value
    /// of a Go field that is no pointer.
    fn is_unset(&self, value: &Draft, of: TypeRef<'_>) -> bool {
        match (self.encoding.map(|encoding| encoding.zero), value) {
            (_, Draft::Null) => !of.to(self.type_id).is_nullable(),
            (Some(Zero::Text), Draft::String(text)) => text.is_empty(),
            (Some(Zero::Number), Draft::Int(number)) => *number == 0,
            (Some(Zero::Bool), Draft::Bool(flag)) => !flag,
            // `SetDefaults_*` ask for the length.
            (Some(Zero::Empty), Draft::List(items)) => items.is_empty(),
            (Some(Zero::Empty), Draft::Map(entries)) => entries.is_empty(),
            _ => false,
        }
    }
}

/// How deep an object may nest; what lies deeper stays as it is.
const MAX_DEPTH: usize = 128;

/// Fields of an object that no schema of a CRD declares.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl<'a> TypeRef<'a> {
    /// Returns what the server makes of the field `name` where it is not there.
    ///
    /// ```
    /// use gitops_core::model::{ApiModel, FieldDefault};
    /// use gitops_core::resource::GroupKind;
    ///
    /// let model = ApiModel::builtin();
    /// let service = model.schema(&GroupKind::new("", "Service"), "v1").field("spec");
    /// assert_eq!(service.default_of("type").known().and_then(|value| value.root().as_str()), Some("ClusterIP"));
    /// assert_eq!(service.default_of("externalName"), &FieldDefault::None);
    /// // It depends on the type.
    /// assert_eq!(service.default_of("externalTrafficPolicy"), &FieldDefault::Unknown);
    /// ```
    #[must_use]
    pub fn default_of(self, name: &str) -> &'a FieldDefault {
        let Some(map) = self.atom().map.as_ref().filter(|_| !self.is_deduced()) else { return &UNKNOWN };
        match map.field(name) {
            Some(field) => field.filled(),
            // Nobody fills in entries of a map.
            None if map.element.is_some() => &NONE,
            None => &UNKNOWN,
        }
    }

    /// Returns what an absent key field of a list item stands for, such as `protocol: TCP` of a port.
    pub(crate) fn key_default(self, name: &str) -> Option<ValueRef<'a>> {
        Some(self.atom().map.as_ref()?.field(name)?.default.known()?.root())
    }

    /// Fills in every default that is known, also in what a default brings. What is not known is left as it is.
    ///
    /// A default counts where its parent is there, in list items and values of maps too; a `null` that the schema does
    /// not allow counts as absent. Rule: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions",
    /// "Defaulting" and "Defaulting and Nullable"; the functions `SetDefaults_*` keep to the same.
    pub fn fill_defaults(self, object: &mut Draft) {
        self.fill(object, 0);
    }

    fn fill(self, draft: &mut Draft, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        // The envelope of a custom resource is the server's own business.
        let is_envelope = |name: &str| depth == 0 && ENVELOPE.contains(&name);
        match draft {
            Draft::Map(_) => {
                for field in self.atom().map.iter().flat_map(|map| &map.fields) {
                    let FieldDefault::Known(default) = field.filled() else { continue };
                    let is_missing = draft.get(&field.name).is_none_or(|value| field.is_unset(value, self));
                    if is_missing && !is_envelope(&field.name) {
                        draft.set(&field.name, default);
                    }
                }
                for (name, value) in draft.as_map_mut().into_iter().flatten() {
                    if !is_envelope(name) {
                        self.field(name).fill_null(value);
                        self.field(name).fill(value, depth + 1);
                    }
                }
            }
            Draft::List(items) => {
                for item in items {
                    self.element().fill_null(item);
                    self.element().fill(item, depth + 1);
                }
            }
            _ => {}
        }
    }
}

impl TypeRef<'_> {
    /// Puts the default of list items, or of values of a map, where a null is not allowed.
    fn fill_null(self, value: &mut Draft) {
        if let (Draft::Null, false, Some(default)) = (&*value, self.is_nullable(), &self.atom().default) {
            *value = default.root().to_draft();
        }
    }
}

impl ApiModel {
    /// Returns the fields of a kind of which it is not known what the server makes of their absence, as
    /// `spec.template.spec.containers[].image`, in order of their paths; `status` and `metadata`, which the server and
    /// its controllers write, aside. A kind is fully defaulted when it is declared and there are none.
    ///
    /// Kinds of CRDs are fully defaulted, and of the built-in kinds all but these:
    /// - with a Pod template: `Pod`, `PodTemplate`, `ReplicationController`, `DaemonSet`, `Deployment`, `ReplicaSet`,
    ///   `StatefulSet`, `CronJob`, `Job`;
    /// - with fields that are allocated, bound or admitted: `CertificateSigningRequest`, `Ingress`, `Namespace`, `Node`,
    ///   `PersistentVolume`, `PersistentVolumeClaim`, `Service`, `ServiceAccount`, `VolumeAttachment`, `ResourceSlice`;
    /// - with fields by which others are decided: `ClusterRole`, `ClusterRoleBinding`, `LimitRange`, `NetworkPolicy`,
    ///   `ResourceClaim`, `ResourceClaimTemplate`, `RoleBinding`, `Secret`;
    /// - not recorded: `APIService`, `CustomResourceDefinition`.
    ///
    /// ```
    /// use gitops_core::model::ApiModel;
    /// use gitops_core::resource::GroupKind;
    ///
    /// let model = ApiModel::builtin();
    /// assert!(model.unknown_defaults(&GroupKind::new("storage.k8s.io", "StorageClass"), "v1").is_empty());
    /// let policy = model.unknown_defaults(&GroupKind::new("networking.k8s.io", "NetworkPolicy"), "v1");
    /// assert_eq!(policy, ["spec.policyTypes"]);
    /// ```
    #[must_use]
    pub fn unknown_defaults(&self, kind: &GroupKind, version: &str) -> Vec<String> {
        let mut unknown = Vec::new();
        collect(self.schema(kind, version), "", &mut BTreeSet::new(), &mut unknown);
        unknown
    }
}

/// A type within itself is looked at once.
fn collect(of: TypeRef<'_>, path: &str, around: &mut BTreeSet<TypeId>, unknown: &mut Vec<String>) {
    if of.is_deduced() || !around.insert(of.id) {
        return;
    }
    let atom = of.atom();
    for field in atom.map.iter().flat_map(|map| &map.fields) {
        let is_root = path.is_empty();
        if is_root && (ENVELOPE.contains(&&*field.name) || &*field.name == "status") {
            continue;
        }
        let below = if is_root { field.name.to_string() } else { format!("{path}.{}", field.name) };
        if field.default == FieldDefault::Unknown {
            unknown.push(below.clone());
        }
        if &*field.name != "metadata" {
            collect(of.to(field.type_id), &below, around, unknown);
        }
    }
    let elements = [atom.list.as_ref().map(|list| list.element), atom.map.as_ref().and_then(|map| map.element)];
    for element in elements.into_iter().flatten() {
        collect(of.to(element), &format!("{path}[]"), around, unknown);
    }
    around.remove(&of.id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_kinds_that_are_not_fully_defaulted_are_those_of_the_documentation() {
        let model = ApiModel::builtin();
        let unknown =
            model.kinds().filter(|kind| !model.unknown_defaults(&kind.group_kind, &kind.preferred).is_empty());
        let mut unknown: Vec<&str> = unknown.map(|kind| &*kind.group_kind.kind).collect();
        let said = include_str!("defaults.rs").lines().skip_while(|line| !line.contains("all but these")).skip(1);
        let said: String = said.take_while(|line| line.len() > "    ///".len()).collect();
        let mut said: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
        unknown.sort_unstable();
        said.sort_unstable();
        assert_eq!(unknown, said);
    }

    #[test]
    fn a_default_is_known_where_nothing_but_the_absence_of_the_field_decides() {
        let pod = ["spec", "template", "spec"];
        let container = ["spec", "template", "spec", "containers", "[]"];
        for (group, kind, path, field, expected) in [
            ("apps", "Deployment", &["spec"][..], "replicas", "1"),
            ("apps", "Deployment", &["spec"], "paused", "none"),
            ("apps", "Deployment", &["spec"], "nonsense", "unknown"),
            ("apps", "Deployment", &["spec", "strategy"], "type", "\"RollingUpdate\""),
            ("apps", "Deployment", &["spec", "strategy"], "rollingUpdate", "unknown"),
            ("apps", "Deployment", &["spec", "strategy", "rollingUpdate"], "maxSurge", "\"25%\""),
            ("apps", "Deployment", &["spec", "template", "metadata", "labels"], "app", "none"),
            ("apps", "Deployment", &pod, "securityContext", "{}"),
            ("apps", "Deployment", &pod, "enableServiceLinks", "none"),
            ("apps", "Deployment", &container, "imagePullPolicy", "unknown"),
            ("apps", "Deployment", &container, "livenessProbe", "none"),
            ("apps", "Deployment", &[], "status", "{}"),
            ("apps", "Deployment", &["status"], "replicas", "unknown"),
            ("", "Pod", &["spec"], "enableServiceLinks", "true"),
            ("", "Pod", &["metadata"], "labels", "unknown"),
            // The same Go type, defaulted where it stands.
            ("batch", "Job", &["spec"], "suspend", "false"),
            ("batch", "CronJob", &["spec", "jobTemplate", "spec"], "suspend", "none"),
            ("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"], "apiGroup", "\"rbac.authorization.k8s.io\""),
            ("flowcontrol.apiserver.k8s.io", "FlowSchema", &["spec"], "matchingPrecedence", "1000"),
            ("", "ConfigMap", &[], "data", "none"),
            ("", "ConfigMap", &["data"], "a", "none"),
            ("example.com", "Widget", &["spec"], "a", "unknown"),
        ] {
            let model = ApiModel::builtin();
            let at = path.iter().fold(model.schema(&GroupKind::new(group, kind), "v1"), |at, step| match *step {
                "[]" => at.element(),
                name => at.field(name),
            });
            let found = match at.default_of(field) {
                FieldDefault::Known(value) => value.to_json(),
                FieldDefault::None => "none".into(),
                FieldDefault::Unknown => "unknown".into(),
            };
            assert_eq!(found, expected, "{kind} {path:?} {field}");
        }
    }
}
