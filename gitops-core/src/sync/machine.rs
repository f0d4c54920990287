//! The machine: stages of an operation, the graph of steps, and the ledger around them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::cluster::{ClusterError, Interest, Write};
use crate::plan::{Action, Plan, Step};
use crate::policy::ignore::Rules;
use crate::resource::{Resource, ResourceKey};
use crate::state::{HookResult, LiveState};
use crate::time::Timestamp;
use crate::value::Digest;

use super::flights::Flights;
use super::graph::{Level, Node};
use super::part::content;
use super::progress::{Board, News};
use super::record::PlannedHook;
use super::step::{At, Next, Run};
use super::survey::Survey;
use super::trial::Layers;
use super::{
    Effect, EffectId, Event, Ledger, OperationId, Part, Phase, Receipt, Record, RecordV1, Setup, StepOutcome, Wait,
    hooks,
};

/// Carries out one plan. See the module documentation.
#[derive(Debug)]
pub struct Machine {
    pub(super) plan: Arc<Plan>,
    /// Of the plan.
    pub(super) digest: Digest,
    pub(super) setup: Setup,
    /// The field manager of the owner.
    pub(super) manager: Arc<str>,
    pub(super) record: RecordV1,
    pub(super) runs: Vec<Run>,
    pub(super) nodes: Vec<Node>,
    pub(super) stage: Stage,
    /// The latest instant it was told.
    now: Timestamp,
    pub(super) ready: VecDeque<u32>,
    /// Steps that are begun and have not ended.
    pub(super) active: usize,
    pub(super) effects: VecDeque<Effect>,
    pub(super) looks: BTreeSet<u32>,
    pub(super) flying: Flights,
    pub(super) timers: BTreeSet<(Timestamp, u32)>,
    /// Steps whose hook ended, waiting for the next record.
    pub(super) unrecorded: Vec<u32>,
    pub(super) record_flying: bool,
    pub(super) record_tries: u32,
    pub(super) record_at: Option<Timestamp>,
    /// Uid of the namespace that was made for the ledger.
    pub(super) home: Option<Arc<str>>,
    pub(super) cleanup: Vec<HookResult>,
    /// Whether the deletion of a hook object failed.
    pub(super) uncleaned: bool,
    /// Whether a hook that may run could not be looked for.
    pub(super) blind: bool,
    pub(super) stop: Option<Phase>,
    pub(super) end: Option<(Phase, String)>,
    pub(super) receipt: Option<Receipt>,
    pub(super) board: Option<Board>,
    /// What is tried before it is written.
    pub(super) layers: Layers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The record of the start is being stored.
    Starting,
    /// Steps run.
    Running,
    /// Something failed; the SyncFail hooks run.
    Failing,
    /// Hook objects are being deleted.
    Cleaning,
    /// The record of the end is being stored.
    Ending,
    /// There is a receipt.
    Ended,
}

/// What an answer will be about.
#[derive(Debug)]
pub(super) enum Flight {
    /// A record; these hooks count as ended once it is stored. And what was sent.
    Record(Vec<u32>, Option<Resource>),
    /// The namespace of the ledger.
    Namespace,
    /// A look at the ledger after a lost answer.
    Ledger(Vec<u32>, Option<Resource>),
    /// A write of a step.
    Step(u32, Next),
    /// A look at what would die with the object of a step.
    Survey(u32, Box<Survey>),
    /// A look for several steps.
    Looks(Vec<u32>),
    /// A look at hook objects that are to go.
    CleanupLook(Vec<HookResult>),
    /// A look at what would die with a hook object, and its deletion.
    CleanupSurvey(HookResult, Box<Write>, Interest),
    /// The deletion of a hook object.
    Cleanup(HookResult),
}

impl Flight {
    /// Whether the answer is one to a write.
    pub(super) fn is_write(&self) -> bool {
        matches!(self, Self::Record(..) | Self::Namespace | Self::Step(..) | Self::Cleanup(_))
    }
}

impl Machine {
    /// Starts an operation. Nothing is written before its record is stored; an empty plan stores only its end.
    #[must_use]
    pub fn start(plan: Arc<Plan>, setup: Setup, now: Timestamp) -> Self {
        let digest = plan.digest();
        let record = RecordV1 {
            operation: OperationId::derive(&setup.owner, &digest, setup.ledger.next_number(), now),
            plan: setup.approved.unwrap_or(digest),
            revisions: setup.desired.revisions.clone(),
            initiator: Arc::clone(&setup.initiator),
            started: now,
            attempt: 1,
            intent: plan.scope.intent,
            hooks: Vec::new(),
            planned: Vec::new(),
            begun: Vec::new(),
            desired: content(&setup.desired),
            part: Part::of(setup.asked, &plan),
            recreating: setup.recreating.clone(),
        };
        let record = RecordV1 { planned: Self::planned(&plan, &setup, &record.operation), ..record };
        Self::with_record(plan, digest, setup, record, now)
    }

    /// Goes on with an operation after a restart.
    ///
    /// `plan` is a fresh one of the recorded revisions: what was done is no longer in it, and what hooks did is in the
    /// record.
    #[must_use]
    pub fn resume(record: Record, plan: Arc<Plan>, setup: Setup, now: Timestamp) -> Self {
        let Record::V1(record) = record;
        let (attempt, recreating) = (record.attempt.saturating_add(1), setup.recreating.clone());
        let mut record = RecordV1 { attempt, recreating, ..record };
        let known: BTreeSet<PlannedHook> = record.planned.iter().cloned().collect();
        let planned = Self::planned(&plan, &setup, &record.operation);
        record.planned.extend(planned.into_iter().filter(|hook| !known.contains(hook)));
        let digest = plan.digest();
        Self::with_record(plan, digest, setup, record, now)
    }

    fn with_record(plan: Arc<Plan>, digest: Digest, setup: Setup, record: RecordV1, now: Timestamp) -> Self {
        let declared = |step: &Step| setup.desired.get(&step.key).map(|declared| &declared.resource);
        let runs = plan.steps.iter().map(|step| Run::new(step, declared(step), now)).collect();
        let mut machine = Self {
            nodes: Self::graph(&plan),
            plan,
            digest,
            manager: setup.owner.manager(),
            setup,
            record,
            runs,
            stage: Stage::Starting,
            now,
            ready: VecDeque::new(),
            active: 0,
            effects: VecDeque::new(),
            looks: BTreeSet::new(),
            flying: Flights::default(),
            timers: BTreeSet::new(),
            unrecorded: Vec::new(),
            record_flying: false,
            record_tries: 0,
            record_at: None,
            home: None,
            cleanup: Vec::new(),
            uncleaned: false,
            blind: false,
            stop: None,
            end: None,
            receipt: None,
            board: None,
            layers: Layers::default(),
        };
        machine.ready = machine.roots();
        if let Some(why) = machine.setup.ledger.obstacle() {
            machine.give_up(why, now);
        } else if machine.plan.is_empty() {
            machine.go_on(now);
        } else {
            machine.store(Vec::new(), now);
        }
        machine
    }

    /// Takes an event. Answers to unknown effects are ignored. A clock that runs back stands still for the machine:
    /// else a deadline set meanwhile would be long over once the clock is right again.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.now = self.now.max(now);
        let now = self.now;
        match event {
            Event::Recorded { id, result } | Event::Wrote { id, result } => {
                match self.flying.take(id, Flight::is_write) {
                    Some(Flight::Record(hooks, sent)) => self.recorded(hooks, sent, result, now),
                    Some(Flight::Namespace) => self.namespace_made(result, now),
                    Some(Flight::Step(step, next)) => self.wrote(step, next, result, now),
                    Some(Flight::Cleanup(hook)) => self.cleaned(hook, result, now),
                    _ => {}
                }
            }
            Event::Observed { id, result } => match self.flying.take(id, |flight| !flight.is_write()) {
                Some(Flight::Looks(steps)) => self.looked(&steps, result, now),
                Some(Flight::Survey(step, survey)) => self.surveyed(step, survey, result, now),
                Some(Flight::CleanupSurvey(hook, write, interest)) => {
                    self.surveyed_to_clean((hook, write, interest), result, now);
                }
                Some(Flight::CleanupLook(hooks)) => self.looked_to_clean(hooks, result, now),
                Some(Flight::Ledger(hooks, sent)) => self.ledger_seen(hooks, sent.as_ref(), result, now),
                _ => {}
            },
            Event::Superseded => self.stop_as(self.stop.unwrap_or(Phase::Superseded)),
            Event::Terminate => self.stop_as(Phase::Terminated),
            Event::Tick => {}
        }
        self.go_on(now);
    }

    /// Returns the next thing to perform, if there is one now.
    pub fn next_effect(&mut self) -> Option<Effect> {
        if let Some(effect) = self.effects.pop_front() {
            return Some(effect);
        }
        if self.looks.is_empty() {
            return None;
        }
        let steps: Vec<u32> = std::mem::take(&mut self.looks).into_iter().collect();
        Some(self.observe(steps))
    }

    /// One look for several steps.
    pub(super) fn observe(&mut self, steps: Vec<u32>) -> Effect {
        let keys = steps.iter().filter_map(|step| Some(self.run(*step)?.key.clone())).collect();
        let id = self.fly(Flight::Looks(steps));
        Effect::Observe { id, keys }
    }

    /// Returns when the machine wants an [`Event::Tick`], if it waits for time to pass.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.record_at].into_iter().flatten().min()
    }

    /// Returns what the machine waits for, and for how long.
    pub fn waits(&self) -> impl Iterator<Item = Wait> + '_ {
        self.plan.steps.iter().zip(&self.runs).filter_map(|(step, run)| {
            let what = run.waits_for()?;
            Some(Wait { step: step.id, key: run.key.clone(), what: what.into(), since: run.since, until: run.deadline })
        })
    }

    /// Returns what the operation did, once it has ended.
    #[must_use]
    pub fn outcome(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Returns the ledger as it stands.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.setup.ledger
    }

    /// Returns the plan that it carries out.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns the rules of what it leaves alone.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.setup.rules
    }

    /// Returns where its ledger lies.
    #[must_use]
    pub fn ledger_key(&self) -> &ResourceKey {
        &self.setup.ledger_key
    }

    /// Returns which operation this is.
    #[must_use]
    pub fn operation(&self) -> &OperationId {
        &self.record.operation
    }

    /// The latest instant it was told.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    fn stop_as(&mut self, phase: Phase) {
        if self.stop != Some(phase) && self.receipt.is_none() {
            self.tell(|| News::Stops { phase });
        }
        self.stop = Some(phase);
    }

    /// The hooks of a plan under the names they will run with.
    fn planned(plan: &Plan, setup: &Setup, operation: &OperationId) -> Vec<PlannedHook> {
        let hooks = plan.steps.iter().filter(|step| matches!(step.action, Action::Hook { .. }));
        let planned = hooks.filter_map(|step| {
            let declared = &setup.desired.get(&step.key)?.resource;
            let object = hooks::key(step, declared, operation, Self::revision_of(plan));
            let (declared, version) = (step.key.clone(), Arc::clone(&step.version));
            Some(PlannedHook { declared, phase: step.phase, object, version })
        });
        planned.collect()
    }

    /// The revision that names of hooks carry.
    pub(super) fn revision_of(plan: &Plan) -> &str {
        plan.revisions.first().map_or("", |revision| revision.as_str())
    }

    pub(super) fn run(&self, step: u32) -> Option<&Run> {
        self.runs.get(step as usize)
    }

    pub(super) fn run_mut(&mut self, step: u32) -> Option<&mut Run> {
        self.runs.get_mut(step as usize)
    }

    /// Hands out a write of a step.
    pub(super) fn send(&mut self, step: u32, next: Next, write: Write) {
        if let Some(run) = self.run_mut(step) {
            run.at = At::Flying(next.clone());
        }
        let id = self.fly(Flight::Step(step, next));
        self.effects.push_back(Effect::Write { id, write: Box::new(write) });
    }

    /// Wants to see the object of a step; all looks that are due together become one effect.
    pub(super) fn look(&mut self, step: u32) {
        self.looks.insert(step);
    }

    /// Wants to go on with a step at `at`.
    pub(super) fn wake(&mut self, step: u32, at: Timestamp) {
        self.timers.insert((at, step));
    }

    /// Ends a step.
    pub(super) fn finish(&mut self, step: u32, at: At) {
        self.active = self.active.saturating_sub(1);
        let succeeded = !matches!(at, At::Ended(StepOutcome::Failed | StepOutcome::NotRun, _));
        if let At::Ended(outcome, message) = &at {
            let (outcome, message) = (*outcome, Arc::clone(message));
            self.tell_of(step, |step, key| News::Ended { step, key, outcome, message });
        }
        let now = self.now;
        if let Some(run) = self.run_mut(step) {
            (run.at, run.finished) = (at, Some(now));
        }
        if succeeded {
            self.reach(step, Level::Settled);
        }
    }

    /// Notes how a hook ended. It counts once the note is stored: a hook that vanished after that never runs again.
    pub(super) fn hook_ended(&mut self, step: u32, result: HookResult) {
        self.record.hooks.retain(|old| !(old.is_of(&result.declared, result.phase)));
        self.record.hooks.push(result);
        if let Some(run) = self.run_mut(step) {
            run.at = At::Recording;
        }
        self.unrecorded.push(step);
    }

    fn looked(&mut self, steps: &[u32], result: Result<LiveState, ClusterError>, now: Timestamp) {
        for step in steps {
            let Some(run) = self.run(*step) else { continue };
            match &result {
                Ok(live) => self.saw(*step, live.get(&run.key), now),
                Err(error) => self.look_failed(*step, error, now),
            }
        }
    }

    /// Names an effect and remembers what its answer will be about.
    pub(super) fn fly(&mut self, flight: Flight) -> EffectId {
        self.flying.add(flight)
    }
}
