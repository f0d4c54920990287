//! The step machine under a hostile driver: several effects outstanding, answers in any order, faults, a stop at any
//! moment, other hands on the cluster, and a clock that jumps.

#![expect(clippy::unwrap_used, reason = "a law that cannot be set up must fail")]

use std::time::Duration;

use gitops_core::cluster::{Cluster, Failure, Guard, Verb, Write};
use gitops_core::memory::{MemoryCluster, MemorySource, Moment, VirtualTime, ready};
use gitops_core::policy::{Prune, SyncPolicy, WaitFor};
use gitops_core::reconcile::{self, App, Report, SyncStatus, look, perform, read_desired};
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::state::Owner;
use gitops_core::sync::{Effect, EffectId, Event, Machine, Phase, StepOutcome};
use gitops_core::time::{Timer, Timestamp};
use gitops_core::value::Value;
use proptest::prelude::*;

const TRACKING: &str = "gitops.rs/tracking-id";

/// What somebody else does while the operation runs.
#[derive(Clone, Copy, Debug)]
enum Hand {
    /// Creates an object that is about to be created.
    Creates(&'static str),
    /// Deletes an object.
    Deletes(&'static str),
    /// Takes our tracking id off an object.
    Strips(&'static str),
    /// Touches an object, so that its version moves on.
    Touches(&'static str),
}

#[derive(Clone, Debug)]
struct Script {
    /// One number decides each move.
    moves: Vec<u8>,
    faults: Vec<(u64, Moment, Failure)>,
    blind: Vec<u64>,
    stop: Option<(usize, Stop)>,
    hands: Vec<(usize, Hand)>,
    everything: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Terminate,
    Supersede,
}

fn script() -> impl Strategy<Value = Script> {
    let lost = || Failure::InDoubt { message: "connection reset".into() };
    let failure = prop_oneof![
        3 => Just((Moment::After, lost())),
        3 => Just((Moment::Before, lost())),
        2 => Just((Moment::Before, Failure::Unavailable { message: "connection refused".into() })),
        1 => Just((Moment::Before, Failure::Throttled { retry_after: None })),
        1 => Just((Moment::Before, Failure::Stale)),
        1 => Just((Moment::Before, Failure::AlreadyExists)),
        1 => Just((Moment::Before, Failure::NotFound)),
        1 => Just((Moment::Before, Failure::KindNotServed)),
        1 => Just((Moment::Before, Failure::Denied { message: "forbidden".into() })),
        1 => Just((Moment::Before, Failure::NamespaceMissing { namespace: "gitops-system".into() })),
        1 => Just((Moment::Before, Failure::NamespaceTerminating { namespace: "shop".into() })),
    ];
    let fault = (1..24u64, failure).prop_map(|(nth, (moment, failure))| (nth, moment, failure));
    let hand = prop_oneof![
        prop::sample::select(vec!["a", "b", "c"]).prop_map(Hand::Creates),
        prop::sample::select(vec!["old", "kept", "a"]).prop_map(Hand::Deletes),
        prop::sample::select(vec!["old", "kept"]).prop_map(Hand::Strips),
        prop::sample::select(vec!["old", "kept", "a"]).prop_map(Hand::Touches),
    ];
    let stop = (0..60usize, prop_oneof![Just(Stop::Terminate), Just(Stop::Supersede)]);
    (
        prop::collection::vec(any::<u8>(), 1..200),
        prop::collection::vec(fault, 0..6),
        prop::collection::vec(1..30u64, 0..4),
        prop::option::of(stop),
        prop::collection::vec((0..40usize, hand), 0..3),
        any::<bool>(),
    )
        .prop_map(|(moves, faults, blind, stop, hands, everything)| Script {
            moves,
            faults,
            blind,
            stop,
            hands,
            everything,
        })
}

struct Shop {
    source: MemorySource,
    cluster: MemoryCluster,
    time: VirtualTime,
    app: App,
}

fn config(name: &str, wave: i32) -> String {
    let annotations = format!("  annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}\n");
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{annotations}data: {{wave: \"{wave}\"}}\n")
}

fn hook(name: &str, phase: &str, delete: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  {name}\n  annotations:\n    argocd.argoproj.io/hook: {phase}\n    \
         argocd.argoproj.io/hook-delete-policy: {delete}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{{name: run, image: busybox}}]\n"
    )
}

fn key(kind: &str, name: &str) -> ResourceKey {
    ResourceKey::new("", kind, (kind != "Namespace").then_some("shop"), name)
}

impl Shop {
    /// An application that has two objects, and whose next revision drops one, changes one and adds the rest.
    fn new(everything: bool) -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let cluster = MemoryCluster::new(3, time.clone());
        let wait = if everything { WaitFor::Everything } else { WaitFor::Gates };
        let policy = SyncPolicy::default().with_prune(Prune::Owned).with_wait(wait);
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_policy(policy);
        let shop = Self { source: MemorySource::default(), cluster, time, app };
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        shop.commit(&[
            ("namespace.yaml", Some(namespace)),
            ("old.yaml", Some(&config("old", 0))),
            ("kept.yaml", Some(&config("kept", 0))),
        ]);
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
        shop.commit(&[
            ("old.yaml", None),
            ("kept.yaml", Some(&config("kept", 1))),
            ("a.yaml", Some(&config("a", 0))),
            ("b.yaml", Some(&config("b", 0))),
            ("c.yaml", Some(&config("c", 2))),
            ("pre.yaml", Some(&hook("generateName: pre-", "PreSync", "BeforeHookCreation"))),
            ("pre2.yaml", Some(&hook("name: both", "PreSync,PostSync", "HookFailed"))),
            ("post.yaml", Some(&hook("name: post", "PostSync", "HookSucceeded"))),
            ("fail.yaml", Some(&hook("name: fail", "SyncFail", "HookSucceeded"))),
        ]);
        shop
    }

    fn commit(&self, files: &[(&str, Option<&str>)]) {
        self.source.commit("Ann <ann@example.org>", self.time.now(), "change", files.iter().copied());
    }

    fn sync(&self) -> Report {
        let world = reconcile::World::new(&self.source, &self.cluster, &self.time);
        ready(reconcile::sync(&self.app, world)).unwrap().unwrap()
    }

    fn machine(&self) -> (Machine, usize) {
        let desired = ready(read_desired(&self.app, &self.source, &self.cluster)).unwrap().unwrap();
        let looked = ready(look(&self.app, desired, &self.cluster)).unwrap().unwrap();
        (looked.machine(&self.app, self.time.now()).unwrap(), looked.plan.steps.len())
    }

    fn live(&self, key: &ResourceKey) -> Option<Resource> {
        self.cluster.with_server(|server| server.get(key).cloned())
    }

    fn interfere(&self, hand: Hand) {
        let replace = |name: &str, edit: &dyn Fn(&mut gitops_core::value::Draft)| {
            Some(Write::replace(&self.live(&key("ConfigMap", name))?.edit(|draft| edit(draft)).unwrap(), "somebody"))
        };
        let write = match hand {
            Hand::Creates(name) => {
                let json = format!(
                    r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop"}},"data":{{"of":"somebody"}}}}"#
                );
                Some(Write::create(&Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap(), "somebody"))
            }
            Hand::Deletes(name) => Some(Write::delete(&key("ConfigMap", name), "v1", Propagation::Background)),
            Hand::Strips(name) => replace(name, &|draft| {
                drop(draft.entry("metadata").entry("annotations").remove(TRACKING));
            }),
            Hand::Touches(name) => {
                replace(name, &|draft| draft.entry("metadata").entry("labels").set("touched", "yes"))
            }
        };
        // Past the scripted faults; what the server refuses is no concern of ours.
        let faults = self.cluster.with_faults(std::mem::take);
        let _refused = write.map(|write| ready(self.cluster.write(&write)));
        self.cluster.with_faults(|now| *now = faults);
    }
}

/// What the driver has seen so far.
#[derive(Default)]
struct Seen {
    recorded: bool,
    stopped: Option<Stop>,
}

fn is_hook(write: &Write) -> bool {
    write.key.is("batch", "Job")
}

/// The promises about one effect, checked before it is performed.
fn check(effect: &Effect, seen: &Seen, shop: &Shop) -> Result<(), TestCaseError> {
    let Effect::Write { write, .. } = effect else { return Ok(()) };
    if write.key == key("Namespace", "gitops-system") {
        return Ok(());
    }
    prop_assert!(seen.recorded, "written before the record was stored: {:?}", write);
    let deletes = matches!(write.verb, Verb::Delete { .. });
    if let Some(stop) = seen.stopped {
        prop_assert!(deletes && is_hook(write), "a new write after {:?}: {:?}", stop, write);
    }
    prop_assert!(!matches!(write.verb, Verb::Create { .. } | Verb::Patch { .. }), "{:?}", write);
    if deletes {
        let Guard::Present { uid, version } = &write.guard else {
            return Err(TestCaseError::fail(format!("a delete without proof: {write:?}")));
        };
        prop_assert!(is_hook(write) || version.is_some(), "{:?}", write);
        let live = shop.live(&write.key).filter(|live| live.uid() == Some(&**uid));
        let same = |live: &Resource| version.is_none() || live.resource_version() == version.as_deref();
        if let Some(live) = live.filter(same) {
            prop_assert!(live.annotation(TRACKING).is_some_and(|id| id.starts_with("shop:")), "{:?}", live);
        }
    }
    Ok(())
}

fn note(event: &Event, seen: &mut Seen) {
    match event {
        Event::Recorded { result: Ok(_), .. } => seen.recorded = true,
        // A lost answer whose effect is then seen counts as well.
        Event::Observed { result: Ok(live), .. } if !seen.recorded => {
            let ledger = ResourceKey::new("", "ConfigMap", "gitops-system", "gitops.shop");
            let stored = matches!(live.get(&ledger), gitops_core::state::Live::Present(object)
                if object.tree().dig(&["data", "ledger"]).and_then(|text| text.as_str())
                    .is_some_and(|text| text.contains("\"running\"")));
            seen.recorded = stored;
        }
        _ => {}
    }
}

/// Answers that no longer, or never, belong to anything.
fn stray(id: EffectId, pick: u8) -> Event {
    let failure = || Err(Failure::Stale.into());
    match pick % 3 {
        0 => Event::Recorded { id, result: failure() },
        1 => Event::Wrote { id, result: failure() },
        _ => Event::Observed { id, result: Err(Failure::Stale.into()) },
    }
}

fn id_of(effect: &Effect) -> EffectId {
    match effect {
        Effect::Record { id, .. } | Effect::Write { id, .. } => *id,
        Effect::Observe { id, .. } | Effect::List { id, .. } => *id,
    }
}

fn drive(shop: &Shop, machine: &mut Machine, script: &Script) -> Result<(), TestCaseError> {
    let mut moves = script.moves.iter().copied().cycle();
    let mut seen = Seen::default();
    let (mut answers, mut answered) = (Vec::<(EffectId, Event)>::new(), Vec::new());
    for turn in 0.. {
        prop_assert!(turn < 20_000, "it does not end: {:?}", machine.waits().collect::<Vec<_>>());
        if machine.outcome().is_some() {
            break;
        }
        script.hands.iter().filter(|(at, _)| *at == turn).for_each(|(_, hand)| shop.interfere(*hand));
        let pick = moves.next().unwrap_or(0);
        // Now and then the clock runs behind.
        let now = if pick % 16 == 0 { Timestamp::from_millis(0) } else { shop.time.now() };
        if let Some((_, stop)) = script.stop.filter(|(at, _)| *at == turn) {
            seen.stopped = Some(stop);
            let event = if stop == Stop::Terminate { Event::Terminate } else { Event::Superseded };
            machine.handle(event, now);
            continue;
        }
        if let (3, 0, Some(id)) = (pick % 7, turn % 2, answered.last()) {
            machine.handle(stray(*id, pick / 7), now);
            continue;
        }
        let fetches = pick % 3 != 0 || answers.is_empty();
        if let Some(effect) = fetches.then(|| machine.next_effect()).flatten() {
            check(&effect, &seen, shop)?;
            answers.push((id_of(&effect), ready(perform(effect, &shop.cluster)).unwrap()));
            continue;
        }
        if !answers.is_empty() {
            let (id, event) = answers.swap_remove(usize::from(pick) % answers.len());
            note(&event, &mut seen);
            machine.handle(event, now);
            answered.push(id);
            continue;
        }
        let Some(at) = machine.wake_at() else {
            return Err(TestCaseError::fail(format!("a dead end: {machine:?}")));
        };
        ready(shop.time.sleep_until(at)).unwrap();
        machine.handle(Event::Tick, shop.time.now());
    }
    // Late answers and late wishes change nothing.
    let receipt = machine.outcome().cloned();
    for (_, event) in answers {
        machine.handle(event, shop.time.now());
    }
    machine.handle(Event::Terminate, shop.time.now() + Duration::from_secs(3600));
    machine.handle(Event::Tick, shop.time.now() + Duration::from_secs(3600));
    prop_assert_eq!(machine.outcome(), receipt.as_ref());
    prop_assert!(machine.next_effect().is_none() && machine.wake_at().is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn in_whatever_order_answers_come_it_ends_deletes_nothing_unproven_and_accounts_for_every_step(script in script()) {
        let shop = Shop::new(script.everything);
        let (mut machine, steps) = shop.machine();
        shop.cluster.with_faults(|faults| {
            script.faults.iter().for_each(|(nth, moment, failure)| faults.fail_write(*nth, *moment, failure.clone()));
            let gone = || Failure::Unavailable { message: "connection refused".into() };
            script.blind.iter().for_each(|nth| faults.fail_observe(*nth, gone()));
        });
        drive(&shop, &mut machine, &script)?;
        let receipt = machine.outcome().expect("it ended").clone();
        prop_assert_eq!(receipt.results.len(), steps);
        for (index, result) in receipt.results.iter().enumerate() {
            prop_assert_eq!(result.step.0 as usize, index);
            if receipt.phase == Phase::Succeeded && !result.key.name.contains("fail") {
                let done = !matches!(result.outcome, StepOutcome::Failed | StepOutcome::NotRun);
                prop_assert!(done, "{:?}", receipt);
            }
        }
        if script.stop.is_none() && script.faults.is_empty() && script.hands.is_empty() && script.blind.is_empty() {
            prop_assert_eq!(receipt.phase, Phase::Succeeded, "{:?}", receipt);
        }
        // What somebody else created in between is theirs still.
        for name in ["a", "b", "c"] {
            let live = shop.live(&key("ConfigMap", name));
            if let Some(live) = live.filter(|live| live.tree().dig(&["data", "of"]).is_some()) {
                prop_assert!(live.annotation(TRACKING).is_none(), "{} was adopted: {:?}", name, receipt);
            }
        }
        // A quiet world converges, and nothing is orphaned.
        shop.cluster.with_faults(|faults| faults.clear());
        let strips = script.hands.iter().any(|(_, hand)| matches!(hand, Hand::Strips("old")));
        shop.sync();
        shop.sync();
        let report = shop.sync();
        // What nobody can prove stays, as an extra.
        prop_assert!(strips || report.sync == SyncStatus::Synced, "{:?}", report.problems);
        prop_assert!(strips || shop.live(&key("ConfigMap", "old")).is_none(), "{:?}", report.problems);
        let jobs: Vec<String> = shop.cluster.with_server(|server| {
            let jobs = server.objects().filter(|object| object.key().is("batch", "Job"));
            jobs.map(|job| job.key().name.to_string()).collect()
        });
        prop_assert!(jobs.iter().filter(|name| name.starts_with("pre-")).count() <= 1, "{:?}: {:?}", jobs, receipt);
    }
}
