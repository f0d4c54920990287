//! From what is written down to what a driver needs.

use crate::app::{AppSpec, Application};
use crate::path::FieldPath;
use crate::source::InvalidPaths;
use crate::state::{InvalidName, Owner};

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
    /// Returns what a driver needs, for an application of this name.
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
    /// When it has no source or several, its path leaves the repository, or a glob of it can match nothing.
    pub fn app(&self, owner: Owner) -> Result<App, InvalidApp> {
        let wrong = |path: &[&str], what: String| InvalidApp { field: FieldPath::fields(path), what };
        let source = match self.sources() {
            [source] => source,
            [] => return Err(wrong(&["spec", "source"], "the application has no source; set one".to_owned())),
            _ => return Err(wrong(&["spec", "sources"], "several sources cannot be followed yet; use one".to_owned())),
        };
        let place: &[&str] = if self.sources.is_empty() { &["spec", "source"] } else { &["spec", "sources"] };
        let paths = source.paths().map_err(|error: InvalidPaths| wrong(place, error.to_string()))?;
        let mut app = App::new(owner, source.target()).with_paths(paths).with_policy(self.sync_policy());
        app.rules = self.ignore_differences.rules().clone();
        app.namespace = Some(&self.destination.namespace).filter(|namespace| !namespace.is_empty()).cloned();
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
