//! What would a sync come to? A plan carried out on a copy of the cluster in memory, with failures on purpose.
//!
//! The copy is an [`ApiServer`] that holds a snapshot of live objects: [`ApiServer::holding`] takes what
//! `kubectl get -o yaml` prints, [`ApiServer::import`] what another one exported. The plan, the machine and what is
//! recorded are those of a real sync; hours of waiting pass at once. What controllers, webhooks and quotas of the real
//! cluster would do is known only as far as [`crate::memory`] knows it.
//!
//! ```
//! use gitops_core::cluster::Failure;
//! use gitops_core::memory::{ApiServer, Moment};
//! use gitops_core::reconcile::App;
//! use gitops_core::resource::Resource;
//! use gitops_core::state::{DesiredState, Owner};
//! use gitops_core::sync::Phase;
//! use gitops_core::value::Value;
//! use gitops_core::what_if::{Trouble, what_if};
//!
//! let web = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"default"}}"#;
//! let web = Resource::new(Value::from_json(web)?)?;
//! let app = App::new(Owner::new("", "shop")?, "main");
//! let server = ApiServer::new(1);
//! let desired = DesiredState::from_resources([&web], server.model(), Some("default"));
//! let denied = Trouble::with(web.key(), Failure::Denied { message: "quota".into() });
//!
//! let came = what_if(&app, &desired, server, &[denied], "2026-03-01T12:00:00Z".parse()?)?;
//! assert_eq!(came.receipt.map(|receipt| receipt.phase), Some(Phase::Failed));
//! assert!(came.changes.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod troubled;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::cluster::Failure;
use crate::diff::{Comparison, Sides};
use crate::memory::{ApiServer, MemoryCluster, Moment, VirtualTime, ready};
use crate::plan::Plan;
use crate::policy::ignore::Rules;
use crate::reconcile::{App, Looked, Report, SyncError, Watcher, Wish, look, look_again, run_watched};
use crate::resource::{Resource, ResourceKey};
use crate::state::DesiredState;
use crate::sync::{Machine, Progress, Receipt};
use crate::time::{Timer, Timestamp};

use troubled::Troubled;

/// A failure on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// Whose writes fail; a hook with a generated name is meant by its prefix.
    pub object: ResourceKey,
    /// Which of its writes fails, counted from 1; `None`: all of them.
    pub nth: Option<u32>,
    /// Whether it takes effect all the same.
    pub moment: Moment,
    /// What the answer means.
    pub failure: Failure,
}

/// What a plan came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WhatIf {
    /// The plan that was carried out.
    pub plan: Arc<Plan>,
    /// What was done; `None` if there was nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// What happened, in order.
    pub progress: Vec<Progress>,
    /// The objects that are other than before, in order of their keys. What the engine records for itself is left out.
    pub changes: Vec<Changed>,
    /// How Git and cluster compare then; `None` if nobody compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Report>,
}

/// An object that is other than before.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Changed {
    /// Which one.
    #[serde(flatten)]
    pub key: ResourceKey,
    /// Whether another object owns it, so that a controller made it, changed it or took it away.
    pub owned: bool,
    /// What it was and what it is, as both may be shown.
    #[serde(flatten)]
    pub sides: Sides,
}

impl Trouble {
    /// Makes every write of an object fail before it has an effect.
    #[must_use]
    pub fn with(object: &ResourceKey, failure: Failure) -> Self {
        Self { object: object.clone(), nth: None, moment: Moment::Before, failure }
    }

    /// Only the `nth` write fails; 1 is the first.
    #[must_use]
    pub fn only(self, nth: u32) -> Self {
        Self { nth: Some(nth), ..self }
    }

    /// The write takes effect, and only its answer is lost.
    #[must_use]
    pub fn after(self) -> Self {
        Self { moment: Moment::After, ..self }
    }
}

/// Syncs `desired` to the cluster that `server` holds, from the look at it to the report afterwards.
///
/// The source is not asked. Where a newer revision was synced before, say so in the request of the application
/// ([`Request::newer`](crate::plan::Request::newer)): a sync would prune nothing then, and neither does this.
///
/// # Errors
/// As a sync: when the cluster gives no answer at all, or a newer program works on this application.
pub fn what_if(
    app: &App,
    desired: &DesiredState,
    server: ApiServer,
    trouble: &[Trouble],
    now: Timestamp,
) -> Result<WhatIf, SyncError> {
    let app = &app.as_of(now);
    let world = Copy::of(server, trouble, now);
    let looked = world.wait(look(app, desired.clone(), &world.cluster))??;
    world.carry_out(app, &looked, now)
}

/// Carries out what was looked at on the cluster that `server` holds, which must be the one that was looked at: what an
/// approved plan still has to do ([`crate::reconcile::follow`]), for instance.
///
/// # Errors
/// As [`what_if`].
pub fn what_if_of(
    app: &App,
    looked: &Looked,
    server: ApiServer,
    trouble: &[Trouble],
    now: Timestamp,
) -> Result<WhatIf, SyncError> {
    Copy::of(server, trouble, now).carry_out(&app.as_of(now), looked, now)
}

/// Carries out the plan of any machine on the cluster that `server` holds: a stored plan, for instance.
///
/// # Errors
/// Never in practice: nothing in memory waits.
pub fn rehearse(
    machine: &mut Machine,
    server: ApiServer,
    trouble: &[Trouble],
    now: Timestamp,
) -> Result<WhatIf, SyncError> {
    let plan = Arc::clone(machine.plan());
    Copy::of(server, trouble, now).rehearse(machine, plan)
}

/// The copy of a cluster, and its clock.
struct Copy {
    cluster: Troubled,
    time: VirtualTime,
    before: BTreeMap<ResourceKey, Resource>,
}

impl Copy {
    fn of(server: ApiServer, trouble: &[Trouble], now: Timestamp) -> Self {
        let time = VirtualTime::starting(now);
        let cluster = MemoryCluster::over(server, time.clone());
        // What controllers still have to do is not what the plan did.
        let before = objects(&cluster);
        Self { cluster: Troubled::new(cluster, trouble), time, before }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, SyncError> {
        let stuck = || Failure::Unavailable { message: "the cluster in memory waits".into() };
        ready(future).ok_or_else(|| SyncError::Cluster(stuck().into()))
    }

    fn carry_out(&self, app: &App, looked: &Looked, now: Timestamp) -> Result<WhatIf, SyncError> {
        let plan = Arc::clone(&looked.plan);
        let Some(mut machine) = looked.machine(app, now) else {
            let after = Some(Report::new(app, looked, now));
            return Ok(WhatIf { plan, receipt: None, progress: Vec::new(), changes: Vec::new(), after });
        };
        let came = self.rehearse(&mut machine, plan)?;
        self.cluster.calm();
        let desired = looked.desired.as_ref().clone();
        let after = self.wait(look_again(app, desired, &self.cluster, &Comparison::default()))??;
        Ok(WhatIf { after: Some(Report::new(app, &after, self.time.now())), ..came })
    }

    fn rehearse(&self, machine: &mut Machine, plan: Arc<Plan>) -> Result<WhatIf, SyncError> {
        let mut told = Told::default();
        self.wait(run_watched(machine, &self.cluster, &self.time, &mut told))?;
        let ledger = machine.ledger_key();
        let home = ledger.namespace.as_deref().map(|name| ResourceKey::new("", "Namespace", None, name));
        let made_home = home.filter(|home| !self.before.contains_key(home));
        let is_own = |key: &ResourceKey| {
            let lives_there = |home: &ResourceKey| key == home || key.namespace.as_ref() == Some(&home.name);
            key == ledger || made_home.as_ref().is_some_and(lives_there)
        };
        let after = objects(self.cluster.inner());
        let keys = self.before.keys().chain(after.keys().filter(|key| !self.before.contains_key(key)));
        let mut changes: Vec<Changed> = keys
            .filter(|key| !is_own(key) && !key.is("", "Event"))
            .filter_map(|key| changed(key, self.before.get(key), after.get(key), machine.rules()))
            .collect();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(WhatIf { plan, receipt: machine.outcome().cloned(), progress: told.0, changes, after: None })
    }
}

fn objects(cluster: &MemoryCluster) -> BTreeMap<ResourceKey, Resource> {
    cluster.with_server(|server| server.settle(cluster.now()));
    cluster.with_server(|server| server.objects().map(|object| (object.key().clone(), object.clone())).collect())
}

fn changed(key: &ResourceKey, before: Option<&Resource>, after: Option<&Resource>, rules: &Rules) -> Option<Changed> {
    let sides = Sides::between(before, after, rules.masked_annotations());
    let is_owned = |object: &Resource| object.tree().dig(&["metadata", "ownerReferences"]).is_some();
    let owned = before.into_iter().chain(after).any(is_owned);
    (sides.live != sides.after).then(|| Changed { key: key.clone(), owned, sides })
}

#[derive(Default)]
struct Told(Vec<Progress>);

impl Watcher for Told {
    fn saw(&mut self, progress: &Progress) {
        self.0.push(progress.clone());
    }

    fn wish(&mut self) -> Wish {
        Wish::GoOn
    }
}

#[cfg(test)]
mod tests;
