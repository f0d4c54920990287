//! Objects that change hands because a person says so: taken over from other tools and applications, or let go. Rules 20,
//! 21 and 32 of the exact rules. No value changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Cluster, ClusterError, Failure, Interest};
use crate::diff::{self, Compared, Mending};
use crate::plan::{Action, Intent, Request};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Entry, Handover, Inventory, Live, Owner, Standing, Tool, Tracking, Trust};
use crate::sync::{Ledger, Record};

use super::{App, Looked, Report, SyncError, World, carry_out, look, read_desired};

/// How often the record of the giver is tried to be written when others write it as well.
const TRIES: usize = 5;

/// What left the record of an application that gave objects away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Struck {
    /// Objects that left it.
    pub out: usize,
    /// Objects that are still in it.
    pub left: usize,
}

/// Makes the declared objects ours that exist and are nobody's, or are held by one of these tools: the tool's marks leave
/// them, what it applied becomes our part, and our tracking id is set, in one patch for each. What [`App::request`]
/// selects is taken, or all of it. What another application of ours holds is not: see [`transfer`].
///
/// Called again after a crash, it takes what is not taken yet.
///
/// # Errors
/// As [`super::sync`].
pub async fn adopt(app: &App, from: &BTreeSet<Tool>, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_to_adopt(app, from, world).await?;
    carry_out(&asking(app, Intent::Adopt), looked, world.cluster, world.timer, &mut ()).await
}

/// Says what [`adopt`] would do. Touches nothing.
///
/// # Errors
/// As [`super::preview`].
pub async fn look_to_adopt(app: &App, from: &BTreeSet<Tool>, world: World<'_>) -> Result<Looked, SyncError> {
    let app = asking(app, Intent::Adopt).as_of(world.timer.now());
    let mut looked = look(&app, read_desired(&app, world.source, world.cluster).await?, world.cluster).await?;
    let wanted = |live: &Resource| Tool::holding(live).is_none_or(|tool| from.contains(&tool));
    let taken = looked.others().filter(|(key, live, compared)| {
        let is_apps = Tracking::of(live).is_some_and(|id| id.key == **key && id.is_of_another_app(live, &app.owner));
        !compared.claim.tracked && !is_apps && wanted(live)
    });
    let given = taken.filter_map(|(key, live, _)| Some((key.clone(), Handover::by_adoption(live)?))).collect();
    looked.receive(&app, given);
    Ok(looked)
}

/// Makes the declared objects ours that the application `from` of the same installation holds, whether or not it still
/// declares them: our record comes first, then each object changes hands in one patch, and the record of the other one
/// goes last, so that at every moment one of the two knows of an object, and neither deletes it.
///
/// Called again after a crash, it goes on.
///
/// # Errors
/// As [`super::sync`].
pub async fn transfer(app: &App, from: &Owner, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_to_transfer(app, from, world).await?;
    let is_forbidden = looked.problems.iter().any(|problem| problem.severity == Severity::Blocks);
    let stopped = is_forbidden || looked.under_way(&asking(app, Intent::Adopt)).is_some();
    let report = carry_out(&asking(app, Intent::Adopt), looked, world.cluster, world.timer, &mut ()).await?;
    if !stopped {
        strike_out(app, from, world.cluster).await?;
    }
    Ok(report)
}

/// Says what [`transfer`] would do. Touches nothing. Whatever forbids it is a problem that blocks; then nothing is planned.
///
/// # Errors
/// As [`super::preview`].
pub async fn look_to_transfer(app: &App, from: &Owner, world: World<'_>) -> Result<Looked, SyncError> {
    let app = asking(app, Intent::Adopt).as_of(world.timer.now());
    let mut looked = look(&app, read_desired(&app, world.source, world.cluster).await?, world.cluster).await?;
    let key = Ledger::key(from, &app.ledger_namespace);
    let observed = world.cluster.observe(&Interest::in_objects([key.clone()])).await?;
    let (ledger, damage) = Ledger::read(&key, observed.live.get(&key))?;
    if let Some(problem) = damage.or_else(|| obstacle(&app.owner, from, &ledger)) {
        looked.problems.push(problem);
        Arc::make_mut(&mut looked.plan).steps.clear();
        return Ok(looked);
    }
    let held = looked.others().filter_map(|(key, live, _)| {
        let id = Tracking::of(live).filter(|id| id.key == *key)?;
        if from.is(&id) {
            return Some((key, live, from.clone()));
        }
        // It writes Argo CD's annotation, and this application does not.
        let from = from.clone().with_style(id.style);
        (from.is(&id) && id.is_of_another_app(live, &app.owner)).then_some((key, live, from))
    });
    let given = held.map(|(key, live, from)| {
        let entry = ledger.inventory.get(key).filter(|entry| entry.uid.as_deref() == live.uid());
        let entry = entry.cloned().unwrap_or_else(|| unrecorded(live, &from, &ledger.inventory));
        (key.clone(), Handover::new(&from, ledger.inventory.managers.iter().cloned(), entry))
    });
    let given = given.collect();
    looked.receive(&app, given);
    Ok(looked)
}

/// Strikes out of the record of `from` what `app` has in its own by now and holds on the cluster.
///
/// # Errors
/// When the cluster gives no answer, or others keep writing that record.
pub async fn strike_out(app: &App, from: &Owner, cluster: &dyn Cluster) -> Result<Struck, SyncError> {
    let (theirs, ours) = (Ledger::key(from, &app.ledger_namespace), app.ledger_key());
    let mut last = ClusterError::new(Failure::Stale);
    for _ in 0..TRIES {
        let observed = cluster.observe(&Interest::in_objects([theirs.clone(), ours.clone()])).await?;
        let (mut giver, _) = Ledger::read(&theirs, observed.live.get(&theirs))?;
        let (taker, _) = Ledger::read(&ours, observed.live.get(&ours))?;
        let has = |key: &ResourceKey, entry: &Entry| {
            let recorded = taker.inventory.get(key);
            entry.uid.is_some() && recorded.is_some_and(|recorded| recorded.uid == entry.uid)
        };
        let both: Vec<ResourceKey> =
            giver.inventory.entries.iter().filter(|(key, entry)| has(key, entry)).map(|(key, _)| key.clone()).collect();
        let live = match both.is_empty() {
            true => return Ok(Struck { out: 0, left: giver.inventory.len() }),
            false => cluster.observe(&Interest::in_objects(both.iter().cloned())).await?.live,
        };
        let is_ours = |key: &ResourceKey, uid: Option<&str>| match live.get(key) {
            Live::Present(live) => {
                let id = Tracking::of(live);
                live.uid() == uid && id.is_some_and(|id| app.owner.is(&id) && id.key == *key)
            }
            _ => false,
        };
        let before = giver.inventory.len();
        giver.inventory.entries.retain(|key, entry| !(both.contains(key) && is_ours(key, entry.uid.as_deref())));
        let struck = Struck { out: before.saturating_sub(giver.inventory.len()), left: giver.inventory.len() };
        // An operation of the other one would stop at a record that somebody changed: the next call strikes it out.
        if struck.out == 0 || giver.running.is_some() {
            return Ok(Struck { out: 0, left: before });
        }
        let Ok(write) = giver.write(&theirs) else { return Ok(Struck { out: 0, left: before }) };
        match cluster.write(&write).await {
            Ok(_) => return Ok(struck),
            Err(error) if matches!(error.failure, Failure::Stale | Failure::InDoubt { .. }) => last = error,
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.into())
}

/// Lets the objects go that [`App::request`] selects: our tracking id and our field ownership leave them, no value
/// changes, and they leave our record. The application goes on; what it still declares it takes again with the next sync.
///
/// # Errors
/// As [`super::sync`].
pub async fn release(app: &App, world: World<'_>) -> Result<Report, SyncError> {
    let looked = look_to_release(app, world).await?;
    carry_out(&asking(app, Intent::Release), looked, world.cluster, world.timer, &mut ()).await
}

/// Says what [`release`] would do. Touches nothing.
///
/// # Errors
/// As [`super::preview`].
pub async fn look_to_release(app: &App, world: World<'_>) -> Result<Looked, SyncError> {
    let app = asking(app, Intent::Release).as_of(world.timer.now());
    look(&app, read_desired(&app, world.source, world.cluster).await?, world.cluster).await
}

/// The application, asked for nothing but who owns what it selects.
fn asking(app: &App, intent: Intent) -> App {
    let only = app.request.scope.only.clone();
    let request = if intent == Intent::Adopt { Request::to_adopt(only) } else { Request::to_release(only) };
    app.clone().with_request(request)
}

/// Why nothing is taken from another application.
fn obstacle(taker: &Owner, from: &Owner, ledger: &Ledger) -> Option<Problem> {
    let no = |text: String, hint: &str| Some(Problem::blocks(Code::NotOurs, text).hint(hint));
    if (&taker.installation, &taker.app) == (&from.installation, &from.app) {
        return no(format!("application `{}` is this one", from.app), "name the one that holds the objects");
    }
    if taker.installation != from.installation {
        let text = format!("application `{}` is of another installation, of which nothing is taken", from.app);
        return no(text, "let its objects go there first, then adopt them");
    }
    if !ledger.is_stored() {
        return no(format!("application `{}` was never synced to this cluster", from.app), "name another one");
    }
    ledger.running.is_some().then(|| busy(from))
}

fn busy(owner: &Owner) -> Problem {
    let text = format!("application `{}` has an operation under way", owner.app);
    Problem::blocks(Code::NotOurs, text).hint("wait for its end, or sync it once; then try again")
}

/// What is said of an object that carries a tracking id, and that no inventory has: that it may have been there before.
fn unrecorded(live: &Resource, owner: &Owner, inventory: &Inventory) -> Entry {
    let created = diff::created_as(live, &owner.manager(), inventory).is_some();
    let standing = if created && inventory.trust == Trust::Lost { Standing::Rebuilt } else { Standing::Adopted };
    Entry::held(standing, live.uid().unwrap_or_default(), live.version(), 0)
}

impl Looked {
    /// Why nothing changes in who owns what, where that is asked for: an operation was interrupted that this would give
    /// up, and with its record what it deleted to create it again.
    pub(super) fn under_way(&self, app: &App) -> Option<Problem> {
        let record = self.ledger.running.as_ref().filter(|_| app.request.scope.intent.is_about_owners())?;
        let Record::V1(running) = record;
        // Before the answer to a delete, only the entry tells of it.
        let deletes = !running.intent.is_about_owners() && self.ledger.inventory.is_leaving();
        (!record.is_partial() || !running.recreating.is_empty() || deletes).then(|| busy(&app.owner))
    }

    /// Declared objects that are there.
    fn others(&self) -> impl Iterator<Item = (&ResourceKey, &Resource, &Compared)> {
        let declared = self.desired.declared.keys();
        declared.filter_map(|key| {
            let compared = self.comparison.get(key)?;
            Some((key, compared.live.as_ref()?, compared))
        })
    }

    /// Returns the writes by which the plan would change who owns what, as things are now.
    #[must_use]
    pub fn mendings(&self, app: &App) -> BTreeMap<ResourceKey, Mending> {
        let context = app.context(&self.model, &self.ledger.inventory);
        let steps = self.plan.steps.iter().filter_map(|step| {
            let compared = self.comparison.get(&step.key)?;
            let live = compared.live.as_ref()?;
            let mending = match &step.action {
                Action::Own { .. } => {
                    let declared = &self.desired.get(&step.key)?.resource;
                    diff::repair(declared, live, &context, compared.scaled())
                }
                Action::Orphan => diff::orphan(live, &context),
                _ => None,
            };
            Some((step.key.clone(), mending?))
        });
        steps.collect()
    }
}
