//! From what is written down to what an engine looks after.

use crate::app::{self, Catalog};
use crate::automation::Automation;
use crate::reconcile::{InvalidApp, Restriction};

use super::Application;

impl Application {
    /// Returns what an engine needs to look after an application that is written down: with what it does by itself, what
    /// its project permits and when, and what it depends on. `source` and `cluster` are names that the ports know.
    ///
    /// # Errors
    /// As [`app::Application::app`].
    pub fn described(
        described: &app::Application,
        catalog: &Catalog,
        source: &str,
        cluster: &str,
    ) -> Result<Self, InvalidApp> {
        let mut application = Self::new(described.app("")?, source, cluster);
        application.project = described.spec.project.clone();
        application.automation = Automation::of(&described.spec);
        if let Some(project) = catalog.project_of(described) {
            let destination = described.spec.destination.clone();
            application.app.restriction = Some(Restriction::new(&described.spec.project, project.clone(), destination));
        }
        application.windows = catalog.windows_of(described);
        application.depends_on.clone_from(&described.spec.depends_on);
        application.repositories = described.spec.read_sources().map(app::AppSource::repository).collect();
        Ok(application)
    }
}
