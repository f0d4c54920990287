//! The thin drivers: they perform the effects of the pure parts through the ports, and decide nothing.
//!
//! [`sync`] and [`preview`] take one application from its source to the cluster. A controller that builds its objects
//! itself uses [`sync_desired`], or drives a [`Machine`](crate::sync::Machine) of its own with [`perform`]. Nothing here spawns, names a
//! runtime, or waits otherwise than through [`Timer`].

mod audit;
mod contents;
mod described;
mod explain;
mod follow;
mod gone_kinds;
mod hooks;
mod ledgers;
mod look;
mod overtaken;
mod past;
mod questions;
mod read;
mod report;
mod restrict;
mod taking;
mod unwell;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use crate::app::Info;
use crate::cluster::{Cluster, ClusterError, Interest};
use crate::diff::Context;
use crate::health::Checks;
use crate::manifest::{Dialect, Limits};
use crate::model::ApiModel;
use crate::plan::{HookRun, Request, Scope};
use crate::policy::SyncPolicy;
use crate::policy::ignore::Rules;
use crate::resource::ResourceKey;
use crate::source::{Paths, Source, SourceError, Target};
use crate::state::{DesiredState, Inventory, Owner};
use crate::sync::{Effect, Event, HISTORY, Ledger, TooNew};
use crate::time::{Timer, Timestamp};

pub use audit::{Audited, Edit, ObjectEdit, audit};
pub use described::InvalidApp;
pub use explain::{Dropped, ExplainError, Explanation, PlannedStep, explain};
pub use follow::{FollowError, follow};
pub use look::{Looked, look, look_again, look_at};
pub use read::{Known, Read, declares_same, read_desired};
pub(crate) use read::{Reader, read};
pub use report::{Report, ResourceReport, SyncStatus, Totals};
pub use restrict::Restriction;
pub use taking::{Struck, adopt, look_to_adopt, look_to_release, look_to_transfer, release, strike_out, transfer};
pub use watch::{Watcher, Wish, run, run_watched};

/// How much the clock that dated an approval may be ahead of ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// One application: what to read, where to put it, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Who it is.
    pub owner: Owner,
    /// What to follow.
    pub target: Target,
    /// Which files of the source.
    pub paths: Paths,
    /// Namespace of namespaced objects that name none.
    pub namespace: Option<Arc<str>>,
    /// How to sync.
    pub policy: SyncPolicy,
    /// What is left alone.
    pub rules: Rules,
    /// Rules of health that the user brought.
    pub checks: Checks,
    /// What it may have, and where, if anything limits it.
    pub restriction: Option<Restriction>,
    /// How manifests are read.
    pub dialect: Dialect,
    /// How much one file may ask for.
    pub limits: Limits,
    /// Namespace in which the ledger lies. Default: `gitops-system`.
    pub ledger_namespace: Arc<str>,
    /// What people should know about it; it has no effect.
    pub info: Arc<[Info]>,
    /// Most operations kept in the history; at least 2, at most 100. Default: 10.
    pub history: usize,
    /// Who or what starts operations, for the history.
    pub initiator: Arc<str>,
    /// What the next operation is asked to do; all that differs by default.
    pub request: Request,
    /// The present instant, where a driver said.
    pub(crate) now: Option<Timestamp>,
}

/// The outside world of a driver.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct World<'w> {
    /// Desired state.
    pub source: &'w dyn Source,
    /// Live state.
    pub cluster: &'w dyn Cluster,
    /// The clock.
    pub timer: &'w dyn Timer,
}

/// No answer at all. Whatever is wrong with single objects is in the problems of a [`Report`] instead.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The source gave nothing; the cluster was not touched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cluster gave nothing.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A newer program works on this application.
    #[error(transparent)]
    TooNew(#[from] TooNew),
}

impl App {
    /// Describes the application `owner`, which follows `target`, with every option at its default.
    #[must_use]
    pub fn new(owner: Owner, target: &str) -> Self {
        Self {
            owner,
            target: Target::new(target),
            paths: Paths::default(),
            namespace: None,
            policy: SyncPolicy::default(),
            rules: Rules::default(),
            checks: Checks::default(),
            restriction: None,
            dialect: Dialect::default(),
            limits: Limits::default(),
            ledger_namespace: "gitops-system".into(),
            info: Arc::from([]),
            history: HISTORY,
            initiator: "unknown".into(),
            request: Request::default(),
            now: None,
        }
    }

    /// Sets which files are read.
    #[must_use]
    pub fn with_paths(self, paths: Paths) -> Self {
        Self { paths, ..self }
    }

    /// Sets the namespace of objects that name none.
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.into()), ..self }
    }

    /// Sets how to sync.
    #[must_use]
    pub fn with_policy(self, policy: SyncPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets what is left alone: rules for every application, and those for this one.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// Sets rules of health that come before those that are built in.
    #[must_use]
    pub fn with_checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    /// Sets who or what starts operations.
    #[must_use]
    pub fn with_initiator(self, initiator: &str) -> Self {
        Self { initiator: initiator.into(), ..self }
    }

    /// Sets what the next operation is asked to do.
    #[must_use]
    pub fn with_request(self, request: Request) -> Self {
        Self { request, ..self }
    }

    /// Gathers what the objects of the application are compared against.
    pub(crate) fn context<'a>(&'a self, model: &'a ApiModel, inventory: &'a Inventory) -> Context<'a> {
        Context::new(model, &self.owner, inventory).with_rules(&self.rules).with_conflicts(&self.policy.conflicts)
    }

    /// Says what time it is, for what is about to be looked at ([`look`]): until then, and five minutes more, since clocks
    /// differ, annotations that approve a deletion count
    /// ([`Request::approvals_until`](crate::plan::Request::approvals_until), where nobody set it). Without it none does.
    #[must_use]
    pub fn as_of(&self, now: Timestamp) -> Self {
        let mut app = self.clone();
        app.request.approvals_until.get_or_insert(now + CLOCKS_DIFFER);
        app.now = Some(now);
        app
    }

    /// Returns where the ledger lies.
    #[must_use]
    pub fn ledger_key(&self) -> ResourceKey {
        Ledger::key(&self.owner, &self.ledger_namespace)
    }
}

impl<'w> World<'w> {
    /// Gathers the ports.
    #[must_use]
    pub fn new(source: &'w dyn Source, cluster: &'w dyn Cluster, timer: &'w dyn Timer) -> Self {
        Self { source, cluster, timer }
    }
}

/// Looks at one application and says what a sync would do. Touches nothing.
///
/// # Errors
/// When source or cluster give no answer at all.
pub async fn preview(app: &App, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_at(app, world).await?;
    let now = world.timer.now();
    Ok(Report::new(app, &looked, now))
}

/// Syncs one application, to the end: resolves, compares, plans, writes, waits, and reports what is there afterwards.
///
/// # Errors
/// When source or cluster give no answer at all. Failures of single objects, and of the operation, are in the report.
pub async fn sync(app: &App, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_at(app, world).await?;
    carry_out(app, looked, world.cluster, world.timer, &mut ()).await
}

/// Deletes one application: runs its PreDelete hooks, deletes what is provably its own in the reverse order of applying,
/// runs its PostDelete hooks, deletes the objects of its hooks, and its ledger last. What its annotations keep stays.
///
/// It is crash-safe as a sync is: called again, it goes on. A request whose hooks never run does not read the source.
///
/// # Errors
/// As [`sync`]. What holds the deletion back, such as a confirmation that is missing, is in the report; then nothing was
/// deleted.
pub async fn delete(app: &App, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_to_delete(app, world).await?;
    carry_out(app, looked, world.cluster, world.timer, &mut ()).await
}

/// Says what [`delete`] would do. Touches nothing.
///
/// # Errors
/// When source or cluster give no answer at all.
pub async fn look_to_delete(app: &App, world: World<'_>) -> Result<Looked, SyncError> {
    let mut app = app.as_of(world.timer.now());
    app.request.scope = Scope { propagation: app.request.scope.propagation, ..Request::to_delete().scope };
    let desired = match app.request.hooks {
        HookRun::Never => DesiredState::default(),
        _ => read_desired(&app, world.source, world.cluster).await?,
    };
    look(&app, desired, world.cluster).await
}

/// Ends one application and lets its objects stay: our tracking id and our field ownership leave each of them, no value
/// changes, no hook runs, and its ledger goes last. The source is not read.
///
/// It is crash-safe as a sync is: called again, it goes on.
///
/// # Errors
/// When the cluster gives no answer at all. What holds it back, such as an object that cannot be read, is in the report;
/// then nothing was done.
pub async fn orphan(app: &App, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_to_orphan(app, world).await?;
    carry_out(app, looked, world.cluster, world.timer, &mut ()).await
}

/// Says what [`orphan`] would do. Touches nothing.
///
/// # Errors
/// When the cluster gives no answer at all.
pub async fn look_to_orphan(app: &App, world: World<'_>) -> Result<Looked, SyncError> {
    let mut app = app.as_of(world.timer.now());
    app.request =
        Request { confirmations: app.request.confirmations, within: app.request.within, ..Request::to_orphan() };
    look(&app, DesiredState::default(), world.cluster).await
}

/// Syncs a desired state that was built elsewhere: for controllers that make their objects themselves.
///
/// # Errors
/// When the cluster gives no answer at all.
pub async fn sync_desired(
    app: &App,
    desired: DesiredState,
    cluster: &dyn Cluster,
    timer: &dyn Timer,
) -> Result<Report, SyncError> {
    sync_watched(app, desired, cluster, timer, &mut ()).await
}

/// The same while somebody watches, and may stop it.
///
/// # Errors
/// When the cluster gives no answer at all.
pub async fn sync_watched(
    app: &App,
    desired: DesiredState,
    cluster: &dyn Cluster,
    timer: &dyn Timer,
    watcher: &mut (dyn Watcher + '_),
) -> Result<Report, SyncError> {
    let looked = look(&app.as_of(timer.now()), desired, cluster).await?;
    carry_out(app, looked, cluster, timer, watcher).await
}

/// Makes the plan true, and looks again.
async fn carry_out(
    app: &App,
    looked: Looked,
    cluster: &dyn Cluster,
    timer: &dyn Timer,
    watcher: &mut (dyn Watcher + '_),
) -> Result<Report, SyncError> {
    let Some(mut machine) = looked.machine(app, timer.now()) else {
        return Ok(Report::new(app, &looked, timer.now()));
    };
    run_watched(&mut machine, cluster, timer, watcher).await;
    let after =
        look_again(&app.as_of(timer.now()), looked.desired.as_ref().clone(), cluster, &looked.comparison).await?;
    Ok(Report::new(app, &after, timer.now()).with_receipt(&looked.plan, machine.outcome()))
}

/// Performs one effect of a [`Machine`](crate::sync::Machine): all I/O of a sync.
pub async fn perform(effect: Effect, cluster: &dyn Cluster) -> Event {
    match effect {
        Effect::Record { id, write } => Event::Recorded { id, result: write.discreet(cluster.write(&write).await) },
        Effect::Write { id, write } => Event::Wrote { id, result: write.discreet(cluster.write(&write).await) },
        Effect::List { id, interest } => {
            let observed = cluster.observe(&interest).await;
            Event::Observed { id, result: observed.map(|observed| observed.live) }
        }
        Effect::Observe { id, keys } => {
            let observed = cluster.observe(&Interest::in_objects(keys)).await;
            Event::Observed { id, result: observed.map(|observed| observed.live) }
        }
    }
}
