//! Who we are on the cluster: installation, application, field manager, tracking id.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::FieldPath;
use crate::resource::{Resource, ResourceKey};
use crate::value::{Hasher, Purpose, ValueRef};

/// Names the application, and its object, on every object it applies.
pub const TRACKING_ANNOTATION: &str = "gitops.rs/tracking-id";
/// Names the operation that created an object; rule 27 takes it as the proof of a create whose answer was lost.
pub const OPERATION_ANNOTATION: &str = "gitops.rs/operation";
pub(super) const ARGO_TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";
pub(crate) const ARGO_INSTALLATION_ANNOTATION: &str = "argocd.argoproj.io/installation-id";
/// Who writes ledgers.
pub(crate) const LEDGER_MANAGER: &str = "gitops-ledger";
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
pub(crate) const ANNOTATIONS: &str = "annotations";
const LABELS: &str = "labels";

/// Returns whether a live object is the ledger of an application, of whichever one: it is nobody's to declare or to prune.
pub(crate) fn is_ledger(live: &Resource) -> bool {
    let entries = || live.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list);
    let is_writer = |entry: ValueRef<'_>| entry.get("manager").and_then(ValueRef::as_str) == Some(LEDGER_MANAGER);
    // Asked of every ConfigMap at each look, so that no set of fields is read.
    live.key().is("", "ConfigMap") && entries().into_iter().flatten().any(is_writer)
}

/// An application of one installation of the engine; the identity behind field manager and tracking ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Owner {
    /// Tells installations apart, so that equal application names never prove each other's objects. May be empty.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub installation: Arc<str>,
    /// Name of the application.
    pub app: Arc<str>,
    /// By what its objects are marked. Ids of both kinds are understood.
    #[serde(default)]
    pub style: TrackingStyle,
}

/// By what the objects of an application are marked as its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TrackingStyle {
    /// `gitops.rs/tracking-id`, with the installation.
    #[default]
    Own,
    /// `argocd.argoproj.io/tracking-id`, and `argocd.argoproj.io/installation-id` where there is an installation: to go
    /// on with what Argo CD has applied under the same names. There is no way back to [`TrackingStyle::Own`] but to take
    /// these annotations off, since such an id is Argo CD's to an application of that style.
    ArgoCd,
    /// The same, and the label `app.kubernetes.io/instance` for tools that select by it; it proves nothing.
    /// Rule: Argo CD, tracking method `annotation+label`.
    ArgoCdAndLabel,
}

/// What an application writes on an object to say whose it is: an annotation, or a label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// In which map of the metadata.
    pub(crate) map: &'static str,
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// A tracking id: who says that an object is theirs, and which object they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tracking {
    /// Under which annotation it stands. An id under Argo CD's is Argo CD's own, unless we write these ourselves.
    pub style: TrackingStyle,
    /// The installation; empty where none is named.
    pub installation: Arc<str>,
    /// The application.
    pub app: Arc<str>,
    /// The object the id was written for.
    pub key: ResourceKey,
}

/// A name that cannot be an application or installation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name an application or installation; use 1 to 200 letters, digits, `-`, `_` or `.`, \
     starting with a letter or digit"
)]
pub struct InvalidName(String);

impl Owner {
    /// Names an application; `installation` may be empty.
    ///
    /// # Errors
    /// When a name has characters that tracking ids and file names cannot carry.
    pub fn new(installation: &str, app: &str) -> Result<Self, InvalidName> {
        for (name, may_be_empty) in [(installation, true), (app, false)] {
            let first = name.bytes().next();
            let valid = name.len() <= 200
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
                && first.map_or(may_be_empty, |byte| byte.is_ascii_alphanumeric());
            if !valid {
                return Err(InvalidName(name.chars().take(64).collect()));
            }
        }
        Ok(Self { installation: installation.into(), app: app.into(), style: TrackingStyle::default() })
    }

    /// Sets which tracking annotation is written.
    #[must_use]
    pub fn with_style(self, style: TrackingStyle) -> Self {
        Self { style, ..self }
    }

    /// Returns the field manager under which this application applies.
    ///
    /// At most 128 bytes, printable (the API server's limit). Rule 24 of the exact rules.
    #[must_use]
    pub fn manager(&self) -> Arc<str> {
        let name = match &*self.installation {
            "" => format!("gitops:{}", self.app),
            installation => format!("gitops:{installation}/{}", self.app),
        };
        if name.len() <= 128 {
            return name.into();
        }
        let digest = Hasher::new(Purpose::Identity).text(&*name).finish().short();
        format!("{}~{digest}", name.get(..100).unwrap_or(&name)).into()
    }

    /// Returns the annotation under which the tracking id is written.
    #[must_use]
    pub fn annotation(&self) -> &'static str {
        if self.style.is_argo() { ARGO_TRACKING_ANNOTATION } else { TRACKING_ANNOTATION }
    }

    /// Returns what is written on an object to mark it as one of this application.
    ///
    /// Rule: Argo CD, `util/argo/resource_tracking.go`.
    #[must_use]
    pub fn marks(&self, key: &ResourceKey) -> Vec<Mark> {
        let mut marks = vec![Mark { map: ANNOTATIONS, name: self.annotation(), value: self.tracking_id(key) }];
        if self.style.is_argo() && !self.installation.is_empty() {
            let value = self.installation.to_string();
            marks.push(Mark { map: ANNOTATIONS, name: ARGO_INSTALLATION_ANNOTATION, value });
        }
        if self.style == TrackingStyle::ArgoCdAndLabel {
            marks.push(Mark { map: LABELS, name: INSTANCE_LABEL, value: self.instance().to_owned() });
        }
        marks
    }

    /// Returns where these stand.
    pub(crate) fn marked(&self) -> impl Iterator<Item = FieldPath> {
        let nobody = ResourceKey::new("", "", None, "");
        self.marks(&nobody).into_iter().map(|mark| mark.path())
    }

    /// Returns the name of the application as a label can hold it: 63 bytes that end in a letter or digit.
    fn instance(&self) -> &str {
        self.app.get(..63).unwrap_or(&self.app).trim_end_matches(|last: char| !last.is_ascii_alphanumeric())
    }

    /// Returns the tracking id of one object: `[installation/]app:group/Kind:namespace/name`.
    #[must_use]
    pub fn tracking_id(&self, key: &ResourceKey) -> String {
        let installation = if self.style.is_argo() { "".into() } else { Arc::clone(&self.installation) };
        let app = Arc::clone(&self.app);
        Tracking { style: self.style, installation, app, key: key.clone() }.to_string()
    }

    /// Returns by what `resource` says that it, this very object, belongs to this application.
    #[must_use]
    pub fn marks_of(&self, resource: &Resource) -> Vec<Mark> {
        let is_ours = |id: &Tracking| id.key == *resource.key() && self.is(id);
        let annotation = |name| {
            let value = resource.annotation(name)?.to_owned();
            Some(Mark { map: ANNOTATIONS, name, value })
        };
        let own = Tracking::own(resource).filter(is_ours).and_then(|_| annotation(TRACKING_ANNOTATION));
        let Some(theirs) = Tracking::argo(resource).filter(is_ours).and_then(|_| annotation(ARGO_TRACKING_ANNOTATION))
        else {
            return own.into_iter().collect();
        };
        let label = resource.tree().dig(&["metadata", LABELS, INSTANCE_LABEL]).and_then(ValueRef::as_str);
        let label = label.filter(|label| self.style == TrackingStyle::ArgoCdAndLabel && *label == self.instance());
        let label = label.map(|label| Mark { map: LABELS, name: INSTANCE_LABEL, value: label.to_owned() });
        own.into_iter().chain([theirs]).chain(annotation(ARGO_INSTALLATION_ANNOTATION)).chain(label).collect()
    }

    /// Returns whether `tracking` names this application.
    ///
    /// Under Argo CD's annotation an application without installation has nothing of one with: two of one name would
    /// prune each other's objects (rule 25 of the exact rules). Argo CD itself takes them for its own.
    #[must_use]
    pub fn is(&self, tracking: &Tracking) -> bool {
        // Argo CD's application of that name is not ours, unless we go on with it.
        let is_told = self.style.is_argo() || !tracking.style.is_argo();
        is_told && tracking.app == self.app && tracking.installation == self.installation
    }
}

impl TrackingStyle {
    /// Whether ids stand under Argo CD's annotation.
    pub(crate) fn is_argo(self) -> bool {
        matches!(self, Self::ArgoCd | Self::ArgoCdAndLabel)
    }
}

impl Mark {
    /// Returns where it stands.
    #[must_use]
    pub fn path(&self) -> FieldPath {
        FieldPath::fields(&["metadata", self.map, self.name])
    }
}

impl Tracking {
    /// Reads the tracking id of an object; ours wins over Argo CD's.
    #[must_use]
    pub fn of(resource: &Resource) -> Option<Self> {
        Self::own(resource).or_else(|| Self::argo(resource))
    }

    fn own(resource: &Resource) -> Option<Self> {
        Self::parse(resource.annotation(TRACKING_ANNOTATION)?)
    }

    /// Argo CD's. The installation stands in an annotation of its own; no name of its applications has a slash.
    pub(super) fn argo(resource: &Resource) -> Option<Self> {
        let text = resource.annotation(ARGO_TRACKING_ANNOTATION)?;
        let (app, _) = text.split_once(':')?;
        let installation = resource.annotation(ARGO_INSTALLATION_ANNOTATION).unwrap_or_default();
        let key = Self::parse(text)?.key;
        Some(Self { style: TrackingStyle::ArgoCd, installation: installation.into(), app: app.into(), key })
    }

    /// Reads a tracking id, as one of ours.
    ///
    /// Rule: Argo CD's format, split at the first two colons, since names may hold colons (`system:node`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (owner, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (installation, app) = owner.rsplit_once('/').unwrap_or(("", owner));
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = name.split_once('/')?;
        if app.is_empty() || kind.is_empty() || name.is_empty() {
            return None;
        }
        let key = ResourceKey::new(group, kind, namespace, name);
        Some(Self { style: TrackingStyle::Own, installation: installation.into(), app: app.into(), key })
    }
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.installation.is_empty() {
            write!(f, "{}/", self.installation)?;
        }
        let namespace = self.key.namespace.as_deref().unwrap_or("");
        write!(f, "{}:{}/{}:{namespace}/{}", self.app, self.key.group(), self.key.kind(), self.key.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracking_id_names_application_and_object_and_reads_back() {
        let role = ResourceKey::new("rbac.authorization.k8s.io", "ClusterRole", None, "system:node");
        let config = ResourceKey::new("", "ConfigMap", "shop", "web");
        for (installation, key, text) in [
            ("", &role, "shop:rbac.authorization.k8s.io/ClusterRole:/system:node"),
            ("eu", &config, "eu/shop:/ConfigMap:shop/web"),
        ] {
            let owner = Owner::new(installation, "shop").unwrap();
            assert_eq!(owner.tracking_id(key), text);
            let read = Tracking::parse(text).unwrap();
            assert!(owner.is(&read) && read.key == *key);
            assert!(!Owner::new("us", "shop").unwrap().is(&read));
        }
    }

    #[test]
    fn an_application_of_argo_cd_with_our_name_is_not_us() {
        let theirs = Tracking { style: TrackingStyle::ArgoCd, ..Tracking::parse("shop:/ConfigMap:shop/web").unwrap() };
        let owner = Owner::new("", "shop").unwrap();
        assert!(!owner.is(&theirs));
        assert!(owner.with_style(TrackingStyle::ArgoCd).is(&theirs));
    }

    #[test]
    fn what_argo_cd_tracks_is_ours_only_if_the_installation_is_as_well() {
        let object = |annotations: &str| {
            let text = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web","namespace":"shop","annotations":{{
                    "argocd.argoproj.io/tracking-id":"shop:/ConfigMap:shop/web"{annotations}}}}}}}"#
            );
            Resource::new(crate::value::Value::from_json(text.as_bytes()).unwrap()).unwrap()
        };
        let of = |installation: &str| format!(r#","argocd.argoproj.io/installation-id":"{installation}""#);
        for (ours, theirs, expected) in [
            ("", String::new(), true),
            ("eu", of("eu"), true),
            ("eu", of("us"), false),
            ("eu", String::new(), false),
            ("", of("eu"), false),
        ] {
            let owner = Owner::new(ours, "shop").unwrap().with_style(TrackingStyle::ArgoCd);
            let live = object(&theirs);
            assert_eq!(owner.is(&Tracking::of(&live).unwrap()), expected, "`{ours}` {theirs}");
            let marks: Vec<String> = owner.marks_of(&live).iter().map(|mark| mark.path().to_string()).collect();
            assert_eq!(marks.len(), usize::from(expected) + usize::from(expected && !ours.is_empty()), "{marks:?}");
        }
    }

    #[test]
    fn the_label_ends_where_a_label_may_end() {
        let app = format!("a{}", "-".repeat(80));
        let owner = Owner::new("", &app).unwrap().with_style(TrackingStyle::ArgoCdAndLabel);
        let marks = owner.marks(&ResourceKey::new("", "ConfigMap", "shop", "web"));
        assert_eq!(marks.last().map(|mark| (mark.map, &*mark.value)), Some(("labels", "a")));
    }

    #[test]
    fn a_field_manager_never_exceeds_what_the_server_takes() {
        assert_eq!(&*Owner::new("", "shop").unwrap().manager(), "gitops:shop");
        let long = Owner::new(&"i".repeat(150), &"a".repeat(150)).unwrap().manager();
        assert!(long.len() <= 128, "{long}");
        assert_ne!(long, Owner::new(&"i".repeat(150), &"a".repeat(151)).unwrap().manager());
    }
}
