//! What a verb works on: the embedded cluster, and an application on it.

use std::env;
use std::future::Future;

use gitops_core::cluster::Interest;
use gitops_core::memory::{MemoryCluster, VirtualTime};
use gitops_core::plan::{Confirmation, Extent, HookRun, Objects, Request, Selection};
use gitops_core::policy::Validate;
use gitops_core::problem::Problem;
use gitops_core::reconcile::{self, App, Looked};
use gitops_core::sync::Ledger;
use gitops_core::time::Timer;

use crate::Failure;
use crate::cli;
use crate::clock::{machine_time, wait_for};
use crate::kinds;
use crate::repository::Repository;
use crate::site::Site;
use crate::state_file::StateFile;

/// The embedded cluster of one run, and its clock.
///
/// Its time starts at the clock of this machine, is never behind what the last run saw, and passes at once when
/// something waits for it.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) cluster: MemoryCluster,
    pub(crate) time: VirtualTime,
    file: StateFile,
    /// The state of the server as it was read.
    before: Vec<u8>,
}

/// What a run may do to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Look. Nothing is stored, even where time has passed for the cluster.
    Read,
    /// Change. Other such runs wait.
    Write,
}

impl Embedded {
    pub(crate) fn open(backend: &cli::Backend, access: Access) -> Result<Self, Failure> {
        let mut file = state_file(backend)?;
        if access == Access::Write {
            file.lock()?;
        }
        let state = file.load()?;
        let time = VirtualTime::starting(state.time.max(machine_time()));
        let before = state.server.export();
        let cluster = MemoryCluster::over(state.server, time.clone());
        Ok(Self { cluster, time, file, before })
    }

    /// Stores what was done, if anything was.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let after = self.cluster.with_server(|server| server.export());
        if after != self.before {
            self.file.save(&after, self.time.now())?;
        }
        Ok(())
    }
}

/// Names the file of the embedded cluster.
pub(crate) fn state_file(backend: &cli::Backend) -> Result<StateFile, Failure> {
    let cli::Cluster::Memory(path) = &backend.cluster else {
        return Err("this is for the embedded cluster only; use `kubectl` on a real one".into());
    };
    Ok(StateFile::locate(path.as_deref())?)
}

/// Runs a future to its end. Those of the embedded cluster and of a local repository wait for nothing, those of a remote
/// for what is fetched.
pub(crate) fn finish<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(wait_for(future))
}

/// Sets what the arguments ask for. Kinds go by the names that the cluster knows; others are taken as they are written, since
/// their CRD may be about to be synced.
pub(crate) fn ask(app: &mut App, select: &cli::Select, world: &Site) -> Result<(), Failure> {
    let mut only = Selection::of(named(&select.only, world)?);
    if let Some(labels) = &select.selector {
        only = only.with_labels(labels.clone());
    }
    let extent = if select.reapply { Extent::Everything } else { Extent::Differing };
    let hooks = if select.no_hooks { HookRun::Never } else { HookRun::WithChanges };
    let request = Request::default().with_only(only).with_extent(extent).with_hooks(hooks);
    app.request = confirmed(request, &select.confirm, world)?;
    if select.rollout_budget.is_some() {
        app.policy.rollout_budget = select.rollout_budget;
    }
    if let Some(when) = select.validate.validate {
        app.policy.validate = validation(when);
    }
    Ok(())
}

/// Returns when what is to be written is tried.
fn validation(when: cli::Validation) -> Validate {
    match when {
        cli::Validation::Layers => Validate::Layers,
        cli::Validation::UpFront => Validate::UpFront,
    }
}

/// Adds the confirmation that the arguments say.
pub(crate) fn confirmed(request: Request, confirm: &cli::Confirm, world: &Site) -> Result<Request, Failure> {
    if confirm.confirm.is_empty() {
        return Ok(request);
    }
    let objects = named(&confirm.confirm, world)?;
    Ok(request.confirmed(Confirmation::of(&initiator(), world.now(), objects)))
}

pub(crate) fn named(all: &[Objects], world: &Site) -> Result<Vec<Objects>, Failure> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let model = world.kinds()?;
    let named = |objects: &Objects| {
        let kind = kinds::kind(objects.kind_text(), &model);
        kind.map_or_else(|_| objects.clone(), |kind| objects.with_kind(&kind))
    };
    Ok(all.iter().map(named).collect())
}

/// Reads what Git says and what the cluster holds, compares and plans.
pub(crate) fn look(app: &App, source: &Repository, world: &Site) -> Result<Looked, Failure> {
    let between = reconcile::World::new(source, world.cluster(), world.timer());
    Ok(world.finish(reconcile::look_at(app, between))??)
}

/// Reads what the cluster keeps of an application that was synced before.
pub(crate) fn ledger(app: &App, world: &Site) -> Result<Ledger, Failure> {
    match ledger_or_damage(app, world)? {
        (_, Some(damage)) => Err(damage.to_string().into()),
        (ledger, None) if ledger.history.is_empty() => Err(never_synced(app)),
        (ledger, None) => Ok(ledger),
    }
}

/// The same, and what is wrong with it.
pub(crate) fn ledger_or_damage(app: &App, world: &Site) -> Result<(Ledger, Option<Problem>), Failure> {
    let key = app.ledger_key();
    let observed = world.finish(world.cluster().observe(&Interest::in_objects([key.clone()])))??;
    Ok(Ledger::read(&key, observed.live.get(&key))?)
}

pub(crate) fn never_synced(app: &App) -> Failure {
    let name = &app.owner.app;
    format!("application `{name}` was never synced to this cluster; sync it first, or name another one with `--app`")
        .into()
}

/// Who starts operations, for the history.
pub(crate) fn initiator() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| env::var(name).ok().filter(|n| !n.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}
