//! The step machine alone: three waves of creations, every answer at once, only its own time counted.
//!
//! `cargo bench -p gitops-benches --bench machine`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gitops_benches::{Effort, each, resources, show, timed};
use gitops_core::cluster::{Verb, Write, WriteOutcome, Written};
use gitops_core::diff::{self, Comparison, Context};
use gitops_core::model::ApiModel;
use gitops_core::plan::{HookRun, plan};
use gitops_core::policy::SyncPolicy;
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{DesiredState, Inventory, LiveState, Namespaces, Owner};
use gitops_core::sync::{Effect, Event, Ledger, Machine, Phase, Setup};
use gitops_core::time::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let effort = Effort::from_args();
    for count in effort.sizes() {
        let mut machine = start(count)?;
        let mut cluster = Objects::default();
        let (mut now, mut spent, mut events) = (Timestamp::EPOCH, Duration::ZERO, 0_u32);
        while machine.outcome().is_none() {
            let (effect, asked) = timed(|| machine.next_effect());
            let event = match (effect, machine.wake_at()) {
                (Some(effect), _) => cluster.answer(effect)?,
                (None, Some(at)) => {
                    now = at;
                    Event::Tick
                }
                (None, None) => return Err("the machine waits for nothing".into()),
            };
            let ((), handled) = timed(|| machine.handle(event, now));
            spent += asked + handled;
            events += 1;
        }
        let receipt = machine.outcome().ok_or("no receipt")?;
        assert_eq!((receipt.phase, receipt.results.len()), (Phase::Succeeded, count), "{}", receipt.message);
        let numbers = format!("{events} events, {:.2} µs per event", spent.as_secs_f64() * 1e6 / f64::from(events));
        show(&format!("machine/{count}_creates_3_waves"), &numbers);

        // Most of an event that begins a step: the object that is sent carries the tracking id.
        let (objects, owner) = (resources(count), Owner::new("", "bench")?);
        let (stamped, time) = timed(|| objects.iter().map(|object| diff::stamp(object, &owner)).collect::<Vec<_>>());
        assert_eq!(stamped.len(), count);
        show(&format!("machine/{count}_stamp_alone"), &each(time, count));
    }
    Ok(())
}

fn start(count: usize) -> Result<Machine, Box<dyn std::error::Error>> {
    let (owner, model, policy) = (Owner::new("", "bench")?, ApiModel::builtin(), SyncPolicy::default());
    let declared: Vec<Resource> = resources(count).iter().map(in_wave).collect::<Result<_, _>>()?;
    let desired = DesiredState::from_resources(&declared, &model, None);
    let mut live = LiveState::default();
    desired.kinds().iter().for_each(|kind: &GroupKind| live.listed(kind, &Namespaces::All));
    let inventory = Inventory::whole([]);
    let context = Context::new(&model, &owner, &inventory);
    let comparison = diff::compare(&desired, &live, &context, &Comparison::default());
    let plan = plan(&comparison, &desired, &policy, &context, HookRun::WithChanges);
    let ledger_key = Ledger::key(&owner, "gitops-system");
    let setup = Setup::new(Arc::new(desired), model, owner, policy, ledger_key, Ledger::default());
    Ok(Machine::start(Arc::new(plan), setup, Timestamp::EPOCH))
}

/// ConfigMaps first, then Services, then Deployments.
fn in_wave(object: &Resource) -> Result<Resource, gitops_core::resource::InvalidResource> {
    let wave = match object.key().kind() {
        "ConfigMap" => "0",
        "Service" => "1",
        _ => "2",
    };
    object.edit(|draft| draft.entry("metadata").entry("annotations").set("argocd.argoproj.io/sync-wave", wave))
}

/// A cluster that takes everything.
#[derive(Default)]
struct Objects(BTreeMap<ResourceKey, Resource>);

impl Objects {
    fn answer(&mut self, effect: Effect) -> Result<Event, Box<dyn std::error::Error>> {
        Ok(match effect {
            Effect::Record { id, write } => Event::Recorded { id, result: Ok(self.take(&write)?) },
            Effect::Write { id, write } => Event::Wrote { id, result: Ok(self.take(&write)?) },
            Effect::Observe { id, keys } => Event::Observed { id, result: Ok(self.look(&keys)) },
        })
    }

    fn take(&mut self, write: &Write) -> Result<Written, Box<dyn std::error::Error>> {
        let (Verb::Apply { object, .. } | Verb::Create { object, .. } | Verb::Replace { object, .. }) = &write.verb
        else {
            return Err("only creations were planned".into());
        };
        let number = self.0.len();
        let stored = object.edit(|draft| {
            draft.entry("metadata").set("uid", format!("u{number}"));
            draft.entry("metadata").set("resourceVersion", number.to_string());
        })?;
        self.0.insert(write.key.clone(), stored.clone());
        Ok(Written::new(WriteOutcome::Created, Some(stored)))
    }

    fn look(&self, keys: &BTreeSet<ResourceKey>) -> LiveState {
        let mut live = LiveState::default();
        for key in keys {
            match self.0.get(key) {
                Some(object) => live.insert(object.clone()),
                None => live.absent(key),
            }
        }
        live
    }
}
