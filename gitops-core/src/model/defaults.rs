//! What the server makes of fields that are not there.

use super::encoding::Zero;
use super::schema::{Field, TypeRef};
use crate::value::{Draft, Value, ValueRef, View};

/// What the server makes of a field that is not there.
///
/// Of the kinds of a CRD everything is known: the schema states it. Of built-in kinds it is known as recorded from
/// Kubernetes 1.36, field by field; where the schema comes from the OpenAPI document of a cluster, only what is stated
/// there.
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
                    let nullable = self.to(field.type_id).is_nullable();
                    let missing = draft.get(&field.name).is_none_or(|value| *value == Draft::Null && !nullable);
                    if missing && !is_envelope(&field.name) {
                        draft.set(&field.name, default);
                    }
                }
                for (name, value) in draft.as_map_mut().into_iter().flatten() {
                    if !is_envelope(name) {
                        self.field(name).fill(value, depth + 1);
                    }
                }
            }
            Draft::List(items) => items.iter_mut().for_each(|item| self.element().fill(item, depth + 1)),
            _ => {}
        }
    }
}
