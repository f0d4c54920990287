//! The step machine alone: what each class of events costs it. Only its own time counts, every answer comes at once.
//!
//! An event is one call of [`Machine::handle`] with all that it decides, and with the effects that come of it:
//!
//! - a step that **begins**: its object is stamped and the write handed out;
//! - an answer to an **apply**: whether the object is as declared now, what of it the inventory and the receipt keep,
//!   and who may go on. Answers hold what a server's do: our entry in `managedFields`, uid, version, generation;
//! - an object that is **observed**: whether it is healthy. Half of the looks at Deployments come too early;
//! - a step that **wakes up** since its time has come.
//!
//! The record of the ledger, which is written whole at the start and at the end, is told apart, as it is the size of
//! the application. Its last text is made with the last answer, so how long that takes is measured once more.
//!
//! `cargo bench -p gitops-benches --bench machine`

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use gitops_benches::{Effort, each, peak_mib, resources, show, timed};
use gitops_core::cluster::{Verb, Write, WriteOutcome, Written};
use gitops_core::diff::{self, Comparison, Context};
use gitops_core::model::ApiModel;
use gitops_core::plan::{HookRun, plan};
use gitops_core::policy::{SyncPolicy, WaitFor};
use gitops_core::resource::{InvalidResource, Resource, ResourceKey};
use gitops_core::ssa;
use gitops_core::state::{DesiredState, LiveState, Namespaces, Owner};
use gitops_core::sync::{Effect, Event, Ledger, Machine, Phase, Setup};
use gitops_core::time::Timestamp;

fn main() -> Result<(), Box<dyn Error>> {
    let effort = Effort::from_args();
    for count in effort.sizes() {
        let declared = resources(count);
        let owner = Owner::new("", "bench")?;
        let (mut cluster, everything) = (Objects::new(&owner), WaitFor::Everything);
        let ledger = sync(&format!("{count}_creates"), &declared, &mut cluster, Ledger::default(), everything)?;
        let edited: Vec<Resource> = declared.iter().map(edit).collect::<Result<_, _>>()?;
        sync(&format!("{count}_changes"), &edited, &mut cluster, ledger, everything)?;

        let waves: Vec<Resource> = declared.iter().map(in_wave).collect::<Result<_, _>>()?;
        let mut cluster = Objects::new(&owner);
        sync(&format!("{count}_creates_3_waves"), &waves, &mut cluster, Ledger::default(), WaitFor::Gates)?;
        if let Some(peak) = peak_mib() {
            show(&format!("machine/{count}_peak"), &format!("{peak} MiB with manifests, objects and both plans"));
        }

        let (stamped, time) = timed(|| declared.iter().map(|object| diff::stamp(object, &owner)).collect::<Vec<_>>());
        assert_eq!(stamped.len(), count);
        show(&format!("machine/{count}_stamp_alone"), &each(time, count));
    }
    Ok(())
}

/// Time spent on one class of events, and how many there were.
#[derive(Clone, Copy, Default)]
struct Class {
    time: Duration,
    events: usize,
}

impl Class {
    fn add(&mut self, time: Duration, events: usize) {
        (self.time, self.events) = (self.time + time, self.events + events);
    }
}

#[derive(Default)]
struct Costs {
    began: Class,
    applied: Class,
    observed: Class,
    woken: Class,
    recorded: Class,
    /// Whether the answer that ended the last step was a look, not a write.
    ends_with_look: bool,
}

/// Syncs, and shows what the machine took.
fn sync(
    name: &str,
    declared: &[Resource],
    cluster: &mut Objects,
    ledger: Ledger,
    wait: WaitFor,
) -> Result<Ledger, Box<dyn Error>> {
    let mut machine = start(declared, cluster, ledger, wait)?;
    let mut costs = run(&mut machine, cluster)?;
    let (record, took) = timed(|| machine.ledger().write(machine.ledger_key()));
    assert_eq!(record?.key, *machine.ledger_key());
    let last = if costs.ends_with_look { &mut costs.observed } else { &mut costs.applied };
    last.time = last.time.saturating_sub(took);
    costs.recorded.add(took, 1);
    let receipt = machine.outcome().ok_or("no receipt")?;
    assert_eq!((receipt.phase, receipt.results.len()), (Phase::Succeeded, declared.len()), "{}", receipt.message);
    let Costs { began, applied, observed, woken, recorded, .. } = costs;
    let classes = [("begun", began), ("applied", applied), ("observed", observed), ("woken", woken)];
    let mut all = Class::default();
    for (class, of) in classes {
        all.add(of.time, of.events);
        if of.events > 0 {
            show(&format!("machine/{name}_{class}"), &format!("{} of {}", each(of.time, of.events), of.events));
        }
    }
    show(&format!("machine/{name}_ledger"), &format!("{:.2} ms", recorded.time.as_secs_f64() * 1e3));
    let total = all.time + recorded.time;
    let per_event = each(all.time, all.events).replace("each", "per event");
    show(&format!("machine/{name}_whole"), &format!("{per_event}, {:.2} ms per sync", total.as_secs_f64() * 1e3));
    Ok(machine.ledger().clone())
}

fn start(declared: &[Resource], cluster: &Objects, ledger: Ledger, wait: WaitFor) -> Result<Machine, Box<dyn Error>> {
    let (owner, model) = (cluster.owner.clone(), cluster.model.clone());
    let mut policy = SyncPolicy::default();
    policy.wait = wait;
    let desired = DesiredState::from_resources(declared, &model, None);
    let mut live = LiveState::default();
    desired.kinds().iter().for_each(|kind| live.listed(kind, &Namespaces::All));
    cluster.objects.values().for_each(|object| live.insert(object.clone()));
    let context = Context::new(&model, &owner, &ledger.inventory);
    let comparison = diff::compare(&desired, &live, &context, &Comparison::default());
    let plan = plan(&comparison, &desired, &policy, &context, HookRun::WithChanges);
    let ledger_key = Ledger::key(&owner, "gitops-system");
    let setup = Setup::new(Arc::new(desired), model, owner, policy, ledger_key, ledger);
    Ok(Machine::start(Arc::new(plan), setup, Timestamp::EPOCH))
}

fn run(machine: &mut Machine, cluster: &mut Objects) -> Result<Costs, Box<dyn Error>> {
    let (mut now, mut costs) = (Timestamp::EPOCH, Costs::default());
    let mut begun = 0;
    while machine.outcome().is_none() {
        let (effect, asked) = timed(|| machine.next_effect());
        let Some(effect) = effect else {
            now = machine.wake_at().ok_or("the machine waits for nothing")?;
            let ((), handled) = timed(|| machine.handle(Event::Tick, now));
            costs.woken.add(asked + handled, 0);
            continue;
        };
        let (event, class, events) = match effect {
            Effect::Record { id, write } => {
                (Event::Recorded { id, result: Ok(cluster.store(&write)?) }, &mut costs.recorded, 1)
            }
            Effect::Write { id, write } => {
                begun += 1;
                costs.ends_with_look = false;
                (Event::Wrote { id, result: Ok(cluster.take(&write)?) }, &mut costs.applied, 1)
            }
            Effect::List { .. } => return Err("no namespace or CRD is deleted here".into()),
            Effect::Observe { id, keys } => {
                if costs.woken.time > Duration::ZERO && costs.woken.events == 0 {
                    costs.woken.events = keys.len();
                }
                let events = keys.len();
                costs.ends_with_look = true;
                (Event::Observed { id, result: Ok(cluster.look(&keys)) }, &mut costs.observed, events)
            }
        };
        let is_first = matches!(event, Event::Recorded { .. }) && begun == 0;
        let ((), handled) = timed(|| machine.handle(event, now));
        // The first record lets everything begin, where nothing waits for anything.
        if is_first { costs.began.add(asked + handled, 0) } else { class.add(asked + handled, events) }
    }
    costs.began.events = begun;
    Ok(costs)
}

/// ConfigMaps first, then Services, then Deployments.
fn in_wave(object: &Resource) -> Result<Resource, InvalidResource> {
    let wave = match object.key().kind() {
        "ConfigMap" => "0",
        "Service" => "1",
        _ => "2",
    };
    object.edit(|draft| draft.entry("metadata").entry("annotations").set("argocd.argoproj.io/sync-wave", wave))
}

fn edit(object: &Resource) -> Result<Resource, InvalidResource> {
    object.edit(|draft| draft.entry("metadata").entry("labels").set("edited", "yes"))
}

/// A cluster that takes everything.
struct Objects {
    owner: Owner,
    manager: Arc<str>,
    model: ApiModel,
    objects: BTreeMap<ResourceKey, Resource>,
    /// Of whom a look was too early.
    seen: BTreeSet<ResourceKey>,
    writes: usize,
}

impl Objects {
    fn new(owner: &Owner) -> Self {
        let (objects, seen) = (BTreeMap::new(), BTreeSet::new());
        Self { owner: owner.clone(), manager: owner.manager(), model: ApiModel::builtin(), objects, seen, writes: 0 }
    }

    fn store(&mut self, write: &Write) -> Result<Written, Box<dyn Error>> {
        let (Verb::Create { object, .. } | Verb::Replace { object, .. }) = &write.verb else {
            return Err("a ledger is created or replaced".into());
        };
        Ok(Written::new(WriteOutcome::Changed, Some(self.numbered(object, "ledger")?)))
    }

    fn take(&mut self, write: &Write) -> Result<Written, Box<dyn Error>> {
        let Verb::Apply { object, .. } = &write.verb else { return Err("only applies were planned".into()) };
        let live = self.objects.get(&write.key);
        let outcome = if live.is_some() { WriteOutcome::Changed } else { WriteOutcome::Created };
        let uid = live.and_then(Resource::uid).map_or_else(|| format!("u{}", self.writes), str::to_owned);
        let apply = ssa::Apply::new(live, object, &self.manager, Timestamp::EPOCH, &self.model);
        let stored = self.numbered(&ssa::apply(&apply)?, &uid)?;
        self.objects.insert(write.key.clone(), stored.clone());
        self.seen.remove(&write.key);
        Ok(Written::new(outcome, Some(stored)))
    }

    fn numbered(&mut self, object: &Resource, uid: &str) -> Result<Resource, InvalidResource> {
        self.writes += 1;
        object.edit(|draft| {
            let metadata = draft.entry("metadata");
            metadata.set("uid", uid);
            metadata.set("resourceVersion", self.writes.to_string());
            metadata.set("creationTimestamp", "1970-01-01T00:00:00Z");
            metadata.set("generation", 1_i64);
        })
    }

    fn look(&mut self, keys: &BTreeSet<ResourceKey>) -> LiveState {
        let mut live = LiveState::default();
        for key in keys {
            match self.objects.get(key) {
                Some(object) if key.kind() == "Deployment" && !self.seen.insert(key.clone()) => {
                    live.insert(rolled_out(object).unwrap_or_else(|_| object.clone()));
                }
                Some(object) => live.insert(object.clone()),
                None => live.absent(key),
            }
        }
        live
    }
}

/// A Deployment of which every pod runs.
fn rolled_out(object: &Resource) -> Result<Resource, InvalidResource> {
    let replicas = object.tree().dig(&["spec", "replicas"]).and_then(|replicas| replicas.as_i64()).unwrap_or(1);
    object.edit(|draft| {
        let status = draft.entry("status");
        status.set("observedGeneration", 1_i64);
        for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
            status.set(field, replicas);
        }
    })
}
