//! Who we are on the cluster: installation, application, field manager, tracking id.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::resource::{Resource, ResourceKey};
use crate::value::{Hasher, Purpose};

/// Names the application, and its object, on every object it applies.
pub const TRACKING_ANNOTATION: &str = "gitops.rs/tracking-id";
/// Names the operation that created an object; rule 27 takes it as the proof of a create whose answer was lost.
pub const OPERATION_ANNOTATION: &str = "gitops.rs/operation";
const ARGO_TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";

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
    /// Which tracking annotation is written. Both are understood.
    #[serde(default)]
    pub style: TrackingStyle,
}

/// Which tracking annotation is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TrackingStyle {
    /// `gitops.rs/tracking-id`, with the installation.
    #[default]
    Own,
    /// `argocd.argoproj.io/tracking-id`.
    ArgoCd,
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
        match self.style {
            TrackingStyle::Own => TRACKING_ANNOTATION,
            TrackingStyle::ArgoCd => ARGO_TRACKING_ANNOTATION,
        }
    }

    /// Returns the tracking id of one object: `[installation/]app:group/Kind:namespace/name`.
    #[must_use]
    pub fn tracking_id(&self, key: &ResourceKey) -> String {
        let tracking = Tracking {
            style: self.style,
            installation: Arc::clone(&self.installation),
            app: Arc::clone(&self.app),
            key: key.clone(),
        };
        match self.style {
            TrackingStyle::Own => tracking.to_string(),
            TrackingStyle::ArgoCd => Tracking { installation: "".into(), ..tracking }.to_string(),
        }
    }

    /// Returns the annotations by which `resource` says that it, this very object, belongs to this application.
    #[must_use]
    pub fn marks(&self, resource: &Resource) -> Vec<&'static str> {
        let styles = [(TRACKING_ANNOTATION, TrackingStyle::Own), (ARGO_TRACKING_ANNOTATION, TrackingStyle::ArgoCd)];
        let is_ours = |(name, style): &(&str, TrackingStyle)| {
            let tracking = resource.annotation(name).and_then(Tracking::parse);
            tracking.is_some_and(|id| id.key == *resource.key() && self.is(&Tracking { style: *style, ..id }))
        };
        styles.into_iter().filter(is_ours).map(|(name, _)| name).collect()
    }

    /// Returns whether `tracking` names this application.
    #[must_use]
    pub fn is(&self, tracking: &Tracking) -> bool {
        let installation = match (self.style, tracking.style) {
            (_, TrackingStyle::Own) => &*self.installation,
            (TrackingStyle::ArgoCd, TrackingStyle::ArgoCd) => "",
            // Argo CD's application of that name is not ours.
            (TrackingStyle::Own, TrackingStyle::ArgoCd) => return false,
        };
        tracking.app == self.app && &*tracking.installation == installation
    }
}

impl Tracking {
    /// Reads the tracking id of an object; ours wins over Argo CD's.
    #[must_use]
    pub fn of(resource: &Resource) -> Option<Self> {
        let read = |annotation: &str| Self::parse(resource.annotation(annotation)?);
        read(TRACKING_ANNOTATION)
            .or_else(|| Some(Self { style: TrackingStyle::ArgoCd, ..read(ARGO_TRACKING_ANNOTATION)? }))
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
    fn a_field_manager_never_exceeds_what_the_server_takes() {
        assert_eq!(&*Owner::new("", "shop").unwrap().manager(), "gitops:shop");
        let long = Owner::new(&"i".repeat(150), &"a".repeat(150)).unwrap().manager();
        assert!(long.len() <= 128, "{long}");
        assert_ne!(long, Owner::new(&"i".repeat(150), &"a".repeat(151)).unwrap().manager());
    }
}
