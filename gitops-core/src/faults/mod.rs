//! Fault enumeration: every effect fails once with every meaning of an error, and what comes of it is what the table in
//! the documentation of `sync` says. The table is read from there.
//!
//! It is complete by construction: `sync::Aim` names what an effect can be for by matching on all that a machine may
//! do, `serde` knows all meanings of an error, and each aim must be met in one of the worlds.

mod manifests;
mod table;
mod worlds;

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{ClusterError, Failure};
use crate::memory::{MemoryCluster, ready};
use crate::plan::Action;
use crate::reconcile::perform;
use crate::resource::ResourceKey;
use crate::sync::{Aim, Effect, Event, Machine, Phase, StepOutcome};
use crate::time::{Timer, Timestamp};

use table::{Meaning, meanings, table, variants};
use worlds::{Attempt, World, worlds};

/// What came of one failure.
struct Came {
    word: &'static str,
    phase: Phase,
    message: String,
}

/// What an effect is for, and when.
type About<'a> = (&'a BTreeMap<ResourceKey, Aim>, Timestamp);

/// What a first failure was about, and what came next of the same objects.
#[derive(Default)]
struct Trace {
    failed: Option<(BTreeSet<ResourceKey>, Timestamp)>,
    next: Option<(Aim, Timestamp)>,
}

impl Attempt<'_> {
    fn machine(&self) -> Machine {
        let (app, looked) = self.look();
        looked.machine(&app, self.time.now()).expect("there is something to do")
    }

    /// Drives the machine and tells of each effect to `meet`, which may answer in place of the cluster.
    fn drive(&self, machine: &mut Machine, mut meet: impl FnMut(About<'_>) -> Option<(bool, Failure)>) {
        let (mut lost, mut met) = (self.world.lost.to_vec(), BTreeSet::new());
        while machine.outcome().is_none() {
            let Some(effect) = machine.next_effect() else {
                ready(self.time.sleep_until(machine.wake_at().expect("it waits for something"))).unwrap();
                machine.handle(Event::Tick, self.time.now());
                continue;
            };
            let aims = machine.aims(&effect);
            self.meddle(&aims, &mut met);
            let is_lost = lost.iter().position(|lost| aims.values().any(|aim| aim == lost));
            let answer = match is_lost {
                Some(at) => Some((true, Failure::InDoubt { message: lost.remove(at).column().into() })),
                None => meet((&aims, self.time.now())),
            };
            let event = match answer {
                None => ready(perform(effect, &self.cluster)).unwrap(),
                Some((done, failure)) => fail(effect, done.then_some(&self.cluster), failure),
            };
            machine.handle(event, self.time.now());
        }
    }

    /// Lets somebody else do what they do at this point, once.
    fn meddle(&self, aims: &BTreeMap<ResourceKey, Aim>, met: &mut BTreeSet<usize>) {
        for (at, meddling) in self.world.meddling.iter().enumerate() {
            let is_now = |(key, aim): &(&ResourceKey, &Aim)| **aim == meddling.before && &*key.name == meddling.name;
            if let Some((key, _)) = aims.iter().find(is_now).filter(|_| met.insert(at)) {
                (meddling.act)(&self.cluster, key);
            }
        }
    }

    /// How many effects there are for each aim when nothing fails, and what the plan does.
    fn count(&self) -> (BTreeMap<Aim, usize>, BTreeSet<&'static str>) {
        let mut counts = BTreeMap::new();
        let mut machine = self.machine();
        let verbs = machine.plan().steps.iter().map(|step| word(&step.action)).collect();
        self.drive(&mut machine, |(aims, _)| {
            let aims: BTreeSet<Aim> = aims.values().copied().collect();
            aims.into_iter().for_each(|aim| *counts.entry(aim).or_default() += 1);
            None
        });
        assert_eq!(machine.outcome().unwrap().phase, Phase::Succeeded, "{} {:?}", self.world.name, machine.outcome());
        (counts, verbs)
    }

    /// Fails the `nth` effect for an aim.
    fn fail(&self, of: Aim, nth: usize, done: bool, failure: &Failure) -> Came {
        let mut machine = self.machine();
        let (mut seen, mut trace) = (0, Trace::default());
        self.drive(&mut machine, |(aims, now)| {
            if let Some((keys, _)) = &trace.failed {
                let next = aims.iter().find(|(key, _)| keys.contains(*key));
                trace.next = trace.next.or(next.map(|(_, aim)| (*aim, now)));
                return None;
            }
            let keys: BTreeSet<_> = aims.iter().filter(|(_, aim)| **aim == of).collect();
            seen += usize::from(!keys.is_empty());
            (seen == nth).then(|| {
                trace.failed = Some((keys.into_iter().map(|(key, _)| key.clone()).collect(), now));
                (done, failure.clone())
            })
        });
        let receipt = machine.outcome().unwrap();
        let word = trace.word(of, &machine);
        Came { word, phase: receipt.phase, message: receipt.message.to_string() }
    }
}

impl Trace {
    fn word(&self, of: Aim, machine: &Machine) -> &'static str {
        let (keys, at) = self.failed.as_ref().expect("it came to that effect");
        let receipt = machine.outcome().unwrap();
        // An object may have two steps: its ownership is put right before it is applied.
        let mut of_object = receipt.results.iter().filter(|result| keys.contains(&result.key));
        let has_failed = of_object.any(|result| result.outcome == StepOutcome::Failed);
        let is_for_record = matches!(of, Aim::LookAtRecord | Aim::RecordNamespace);
        match self.next {
            _ if receipt.phase == Phase::Error => "stops",
            _ if has_failed => "fails",
            // What comes after a trial is the step itself, whatever it begins with.
            Some((next, _)) if of == Aim::Try && next != of => "done",
            Some((Aim::Record, then)) if is_for_record && then > *at => "again",
            Some((Aim::Record, _)) if is_for_record => "done",
            Some((Aim::Apply, _)) if of == Aim::OwnAfterApply => "applies",
            // Of a forced apply nothing is left when it is classed again.
            Some((next, then)) if next == of || (of, next) == (Aim::Forced, Aim::Apply) => match then > *at {
                true => "again",
                false if of == Aim::Record => "makes",
                false => "looks",
            },
            Some((Aim::RecordNamespace, _)) if of == Aim::Record => "makes",
            Some((next, _)) if next.is_look() => "looks",
            None if of.column().ends_with("clean up") && keys.iter().any(|key| machine.knows_hook(key)) => "keeps",
            _ => "done",
        }
    }
}

/// Answers that an effect failed; on `cluster` it took place before.
fn fail(effect: Effect, cluster: Option<&MemoryCluster>, failure: Failure) -> Event {
    let error = ClusterError::from(failure);
    let answer = match &effect {
        Effect::Record { id, .. } => Event::Recorded { id: *id, result: Err(error) },
        Effect::Write { id, .. } => Event::Wrote { id: *id, result: Err(error) },
        Effect::Observe { id, .. } | Effect::List { id, .. } => Event::Observed { id: *id, result: Err(error) },
    };
    if let Some(cluster) = cluster {
        ready(perform(effect, cluster)).unwrap();
    }
    answer
}

/// The word that serde knows an action by.
fn word(action: &Action) -> &'static str {
    match action {
        Action::Create { .. } => "create",
        Action::Apply { .. } => "apply",
        Action::Own { .. } => "own",
        Action::Replace { .. } => "replace",
        Action::Recreate { .. } => "recreate",
        Action::Delete { .. } => "delete",
        Action::Orphan => "orphan",
        Action::Await => "await",
        Action::Hook { .. } => "hook",
    }
}

/// Whether what is answered tells that the effect has taken place, by whomever.
fn is_done(of: Aim, failure: &Failure) -> bool {
    let deletes = matches!(of, Aim::Delete | Aim::DeleteToCreate | Aim::HookDelete | Aim::CleanUp | Aim::Forget);
    match failure {
        Failure::NotFound => deletes,
        Failure::NamespaceMissing { .. } => of == Aim::Forget,
        Failure::AlreadyExists => of == Aim::RecordNamespace,
        _ => false,
    }
}

/// Fails every effect of a world with every meaning; returns how many were tried, and what differs from the table. Of many
/// that are alike it is the first and the last, and the first only of what `known` has met in another world.
fn enumerate(
    world: &World,
    table: &BTreeMap<(String, String), String>,
    known: &mut BTreeSet<Aim>,
) -> (usize, Vec<String>) {
    let whole = world.attempt();
    let (counts, _) = whole.count();
    let expected = whole.state();
    let (mut tried, mut wrong) = (0, Vec::new());
    for Meaning { name, done, failure } in meanings() {
        for (of, count) in &counts {
            let Some(documented) = table.get(&(name.to_owned(), of.column().to_owned())) else {
                wrong.push(format!("{name} × {} is not in the table", of.column()));
                continue;
            };
            for nth in BTreeSet::from([1, if known.contains(of) { 1 } else { *count }]) {
                tried += 1;
                let attempt = world.attempt();
                let about = format!("{}: {name} × {of:?} ({nth})", world.name);
                let came = attempt.fail(*of, nth, done || is_done(*of, &failure), &failure);
                let phase = match &**documented {
                    "fails" => Phase::Failed,
                    "stops" => Phase::Error,
                    _ => Phase::Succeeded,
                };
                if came.word != documented || came.phase != phase {
                    let Came { word, phase, message } = came;
                    wrong.push(format!("{about}: `{documented}`, but `{word}`: {phase} {message}"));
                    continue;
                }
                // Whatever failed, or stayed, asked once more it is made good.
                let is_whole = came.phase == Phase::Succeeded && came.word != "keeps";
                if !is_whole && attempt.whole() != Phase::Succeeded {
                    wrong.push(format!("{about}: asked once more, it is not made good"));
                }
                if attempt.state() != expected {
                    wrong.push(format!("{about}: {:?} instead of {expected:?}", attempt.state()));
                }
            }
        }
    }
    known.extend(counts.keys());
    (tried, wrong)
}

#[test]
fn what_comes_of_each_failure_of_each_effect_is_what_the_table_says() {
    let (table, mut known) = (table(), BTreeSet::new());
    let (tried, wrong): (Vec<usize>, Vec<Vec<String>>) =
        worlds().iter().map(|world| enumerate(world, &table, &mut known)).unzip();
    let (tried, wrong) = (tried.iter().sum::<usize>(), wrong.concat());
    assert!(wrong.is_empty(), "{} of {tried} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn every_aim_and_every_action_is_met_in_some_world() {
    let counted: Vec<_> = worlds().iter().map(|world| world.attempt().count()).collect();
    let aims: BTreeSet<Aim> = counted.iter().flat_map(|(counts, _)| counts.keys().copied()).collect();
    let unmet: Vec<&Aim> = Aim::ALL.iter().filter(|aim| !aims.contains(aim)).collect();
    assert!(unmet.is_empty(), "{unmet:?}");
    let verbs: BTreeSet<String> =
        counted.iter().flat_map(|(_, verbs)| verbs.iter().map(|verb| (*verb).to_owned())).collect();
    assert_eq!(verbs, variants::<Action>("\"none\""));
}

#[test]
fn the_table_has_every_meaning_of_an_error_for_every_aim_once() {
    let table = table();
    let kind = |meaning: &Meaning| serde_json::to_value(&meaning.failure).unwrap()["kind"].as_str().unwrap().to_owned();
    let kinds: BTreeSet<String> = meanings().iter().map(kind).collect();
    assert_eq!(kinds, variants::<Failure>(r#"{"kind":"none"}"#));
    let columns: BTreeSet<&str> = Aim::ALL.iter().map(|aim| aim.column()).collect();
    let meanings: Vec<Meaning> = meanings();
    let all: BTreeSet<(&str, &str)> =
        meanings.iter().flat_map(|meaning| columns.iter().map(|column| (meaning.name, *column))).collect();
    let documented: BTreeSet<(&str, &str)> = table.keys().map(|(name, column)| (&**name, &**column)).collect();
    assert_eq!(documented, all);
}
