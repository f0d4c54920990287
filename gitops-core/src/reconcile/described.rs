//! From what is written down to what a driver needs.

use crate::app::{AppSource, AppSpec, Application};
use crate::path::FieldPath;
use crate::source::{InvalidPaths, Paths, Target};
use crate::state::{InvalidName, Owner, TrackingStyle};

use super::App;

/// A description that no driver can follow. Says which field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {what}")]
#[non_exhaustive]
pub struct InvalidApp {
    /// Which field of the document.
    pub field: FieldPath,
    /// What is wrong.
    pub what: String,
}

impl AppSpec {
    /// Returns what a driver needs, for an application of this name. One with several sources needs them as one:
    /// [`Several`](crate::source::Several), of [`AppSpec::read_sources`].
    ///
    /// ```
    /// use gitops_core::app::AppSpec;
    /// use gitops_core::policy::Prune;
    /// use gitops_core::state::Owner;
    ///
    /// let spec: AppSpec = serde_json::from_str(
    ///     r#"{"source": {"repoURL": "https://example.org/shop.git", "path": "deploy", "targetRevision": "main"},
    ///         "destination": {"namespace": "shop"}, "syncPolicy": {"automated": {"prune": true}}}"#,
    /// )?;
    /// let app = spec.app(Owner::new("", "shop")?)?;
    /// assert_eq!((app.target.as_str(), app.namespace.as_deref(), app.policy.prune), ("main", Some("shop"), Prune::Owned));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it has no source, a path leaves the repository, or a glob can match nothing.
    pub fn app(&self, owner: Owner) -> Result<App, InvalidApp> {
        let wrong = |path: &[&str], what: String| InvalidApp { field: FieldPath::fields(path), what };
        let place: &[&str] = if self.sources.is_empty() { &["spec", "source"] } else { &["spec", "sources"] };
        let mut paths = Vec::new();
        for source in self.read_sources() {
            paths.push(source.paths().map_err(|error: InvalidPaths| wrong(place, error.to_string()))?);
        }
        let target = Target::joined(self.read_sources().map(AppSource::target));
        let paths = match paths.len() {
            0 => return Err(wrong(place, "the application has no source; set one".to_owned())),
            1 => paths.pop().unwrap_or_default(),
            // Each of several has its own.
            _ => Paths::default(),
        };
        let owner = if self.tracking == TrackingStyle::default() { owner } else { owner.with_style(self.tracking) };
        let mut app = App::new(owner, target.as_str()).with_paths(paths).with_policy(self.sync_policy());
        app.rules = self.ignore_differences.rules().clone();
        app.namespace = Some(&self.destination.namespace).filter(|namespace| !namespace.is_empty()).cloned();
        app.info = self.info.as_slice().into();
        app.history = self.history_limit();
        Ok(app)
    }
}

impl Application {
    /// Returns what a driver needs; `installation` may be empty.
    ///
    /// # Errors
    /// When a name cannot be one of an owner, and as [`AppSpec::app`].
    pub fn app(&self, installation: &str) -> Result<App, InvalidApp> {
        let named = |error: InvalidName| InvalidApp {
            field: FieldPath::fields(&["metadata", "name"]),
            what: error.to_string(),
        };
        self.spec.app(Owner::new(installation, &self.name).map_err(named)?)
    }
}
