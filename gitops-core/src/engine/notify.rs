//! What people want to be told of, out of all that happens.

use std::sync::Arc;

use serde::Serialize;

use crate::health::HealthStatus;
use crate::reconcile::Report;
use crate::sync::Phase;
use crate::time::Timestamp;

use super::{Engine, Item, News};

/// Something that people want to be told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Notification {
    /// When it was known.
    pub at: Timestamp,
    /// Which application it is about.
    pub app: Arc<str>,
    /// What happened.
    pub occasion: Occasion,
    /// One line for people.
    pub text: String,
}

/// Occasions to tell people of. The names of the triggers are those of Argo CD's notifications, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Occasion {
    /// An operation started.
    OnSyncRunning,
    /// An operation made its revision true.
    OnSyncSucceeded,
    /// An operation failed.
    OnSyncFailed,
    /// An application became degraded.
    OnHealthDegraded,
    /// Objects were changed on the cluster.
    OnDrift,
}

/// Somebody who tells people, such as by mail or chat.
///
/// An implementor promises to return at once: nothing goes on in between.
pub trait Notifier: Send {
    /// Tells of something.
    fn notify(&mut self, notification: &Notification);
}

/// A store of full detail: the engine itself keeps of an application only what does not grow with it.
///
/// An implementor promises to return at once: nothing goes on in between.
pub trait Details: Send {
    /// Keeps what was found out about an application, in place of what was found out before.
    fn keep(&mut self, report: &Report);
}

impl Engine {
    /// Keeps the last report of each application from now on, until somebody fetches it.
    pub fn keep_reports(&mut self) {
        self.reports.get_or_insert_default();
    }

    /// Returns a report that nobody has fetched yet; none unless [`Engine::keep_reports`] was called before.
    pub fn next_report(&mut self) -> Option<Report> {
        self.reports.as_mut()?.pop_first().map(|(_, report)| report)
    }
}

impl Notification {
    /// Returns what people are told of a piece of news, if anything.
    ///
    /// ```
    /// # use gitops_core::automation::Automation;
    /// # use gitops_core::engine::Application;
    /// # use gitops_core::memory::Simulation;
    /// # use gitops_core::reconcile::App;
    /// # use gitops_core::state::Owner;
    /// use gitops_core::engine::Notification;
    ///
    /// # let mut world = Simulation::new(1, "2026-03-01T12:00:00Z".parse()?);
    /// # let app = App::new(Owner::new("", "shop")?, "main").with_namespace("default");
    /// # world.put(Application::new(app, "git", "cluster").with_automation(Automation::healing()));
    /// # let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}";
    /// # world.source.commit("Ann <ann@example.org>", world.now(), "Open", [("web.yaml", Some(map))]);
    /// # world.pass(std::time::Duration::from_secs(300));
    /// let mut told = Vec::new();
    /// while let Some(item) = world.engine.next_news() {
    ///     told.extend(Notification::of(&item).map(|notification| notification.occasion.name()));
    /// }
    /// assert_eq!(told, ["on-sync-running", "on-sync-succeeded"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of(item: &Item) -> Option<Self> {
        let occasion = match &item.news {
            News::Started { .. } => Occasion::OnSyncRunning,
            News::Ended { phase: Phase::Succeeded, .. } => Occasion::OnSyncSucceeded,
            News::Ended { phase: Phase::Failed | Phase::Error, .. } => Occasion::OnSyncFailed,
            News::Health { now: HealthStatus::Degraded, .. } => Occasion::OnHealthDegraded,
            News::Drift { .. } => Occasion::OnDrift,
            _ => return None,
        };
        Some(Self { at: item.at, app: Arc::clone(&item.app), occasion, text: item.to_string() })
    }
}

impl Occasion {
    /// Returns its name, as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OnSyncRunning => "on-sync-running",
            Self::OnSyncSucceeded => "on-sync-succeeded",
            Self::OnSyncFailed => "on-sync-failed",
            Self::OnHealthDegraded => "on-health-degraded",
            Self::OnDrift => "on-drift",
        }
    }
}
