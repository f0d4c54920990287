//! Looking at one application: what is missing to judge it, and the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::automation::{Attempt, Decision, Drift, Permission, Situation, Trigger, Why, decide};
use crate::diff::Outcome;
use crate::plan::{HookRun, Intent, Objects, Reason, Request, Selection, SkipReason};
use crate::policy::window::Asked as By;
use crate::reconcile::{App, Looked, Report, SyncStatus};
use crate::resource::ResourceKey;
use crate::source::RevisionId;
use crate::sync::{Cause, HEALING, Record};
use crate::time::Timestamp;

use super::drift::is_all_drift;
use super::status::OperationState;
use super::store::ToStore;
use super::subject::{Asked, Level, Running, Stage, Subject};
use super::{Engine, Flight, News, Task, WorkId};

/// When an application asks again at the latest that waits for its turn.
const BUSY: std::time::Duration = std::time::Duration::from_secs(600);

/// Who starts an operation that completes what was left half done, in the history.
const COMPLETING: &str = "what was interrupted";

impl Engine {
    /// Goes on with an application as far as that needs no answer from outside.
    pub(super) fn advance(&mut self, name: &Arc<str>) -> Option<(Task, Flight)> {
        let now = self.now;
        if let Some(subject) = self.subjects.get_mut(name).filter(|one| one.level > Level::None || one.asked.is_some())
        {
            subject.began.get_or_insert(now);
        }
        let subject = self.subjects.get(name)?;
        match subject.stage {
            Stage::Idle => {}
            Stage::Running(_) => return self.read_ahead(name),
            Stage::Away(_) => return None,
        }
        let application = Arc::clone(&subject.application);
        if subject.ledger.is_none() {
            return self.read_ledgers(&application.cluster);
        }
        self.recall(name);
        let is_held_up = match self.store(name) {
            ToStore::Now(store) => return Some(*store),
            ToStore::First => true,
            ToStore::Later | ToStore::Nothing => false,
        };
        let subject = self.subjects.get(name)?;
        if !subject.is_loaded() {
            return self.load(name);
        }
        if !self.knows_kinds(name) || !self.all_were_read(&application.cluster) || is_held_up {
            // What is missing wakes it when it is there.
            return None;
        }
        let subject = self.subjects.get(name)?;
        if subject.level == Level::None && subject.asked.is_none() {
            return None;
        }
        let (app, looked, awaited) = self.compared(subject)?;
        let now = self.now;
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.looked_at = now;
            subject.held_by_others = Self::held_by_others(&looked);
            subject.unasked.clone_from(&app.request.unasked);
            subject.lived_in.clone_from(&app.request.lived_in);
        }
        self.await_all(name, awaited);
        if (app.request.unasked.is_some() || !app.request.lived_in.is_empty())
            && let Some(cluster) = self.clusters.get_mut(&application.cluster)
        {
            cluster.held.insert(Arc::clone(name));
        }
        if looked.has_questions(&app) {
            let (source, cluster) = (Arc::clone(&application.source), Arc::clone(&application.cluster));
            if let Some(subject) = self.subjects.get_mut(name) {
                subject.level = Level::None;
            }
            let task = Task::Ask { app: Box::new(app), looked: Box::new(looked), source, cluster };
            return Some((task, Flight::Ask(Arc::clone(name))));
        }
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.level = Level::None;
        }
        self.judged(name, looked);
        None
    }

    /// Compares an application with what is known of its cluster, and plans.
    fn compared(&self, subject: &Subject) -> Option<(App, Looked, BTreeSet<Arc<str>>)> {
        let cache = self.clusters.get(&subject.application.cluster)?.cache.as_ref()?;
        let (_, desired) = subject.desired.as_ref()?;
        let app = subject.app(self.elsewhere(subject), self.now).as_of(self.now);
        let desired = self.contest(subject, desired);
        let model = cache.model.with_crds(desired.declared.values().map(|declared| &declared.resource));
        let (mut ledger, damage) = subject.ledger.clone()?;
        let (given, mut awaited) = self.given(subject, &subject.held_by_others);
        ledger.inventory.receiving = given;
        let live = subject.view(cache);
        let mut looked = Looked::compared(&app, desired, live, model, (ledger, damage), &subject.comparison);
        looked.plan(&app);
        let keys = Self::held_by_others(&looked);
        if keys != subject.held_by_others {
            let given;
            (given, awaited) = self.given(subject, &keys);
            if given != looked.ledger.inventory.receiving {
                looked.receive(&app, given);
            }
        }
        Some((app, looked, awaited))
    }

    /// Whether the cluster was listed for all that this application needs to know; if not, it will be.
    fn knows_kinds(&mut self, name: &Arc<str>) -> bool {
        let Some(subject) = self.subjects.get(name) else { return false };
        let Some(cluster) = self.clusters.get_mut(&subject.application.cluster) else { return false };
        cluster.wanted.extend(subject.kinds.difference(&cluster.wanted).cloned().collect::<Vec<_>>());
        let Some(cache) = cluster.cache.as_ref() else { return false };
        let scalers: Vec<_> = crate::diff::autoscaler_kinds(&cache.model).collect();
        let knows = cache.kinds.is_superset(&subject.kinds) && scalers.iter().all(|kind| cache.kinds.contains(kind));
        cluster.wanted.extend(scalers);
        knows
    }

    /// Judges an application that was compared, and starts an operation if that is what is decided.
    pub(super) fn judged(&mut self, name: &Arc<str>, mut looked: Looked) {
        self.counters.compared = self.counters.compared.saturating_add(1);
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let application = Arc::clone(&subject.application);
        let mut report = Report::new(&application.app, &looked, self.now);
        if let Some(shown) = subject.shown() {
            report.revisions = vec![shown];
        }
        subject.comparison.clone_from(&looked.comparison);
        subject.judged = subject.desired.as_ref().map(|(id, _)| (id.clone(), subject.edition));
        let before = (subject.status.sync, subject.status.health);
        let resources = subject.status.resources;
        if let Some(began) = subject.began.take() {
            subject.tally.reconciles.count(self.now.since(began));
        }
        if report.sync == SyncStatus::Synced {
            let wanted: Vec<RevisionId> = looked.desired.revisions.iter().map(|revision| revision.id.clone()).collect();
            looked.ledger.settle(&wanted);
            subject.ledger.iter_mut().for_each(|(ledger, _)| ledger.settle(&wanted));
        }
        subject.status.take(&report, self.now);
        subject.status.synced = looked.ledger.last_synced();
        subject.status.hold.clone_from(&looked.ledger.hold);
        self.tell_of_changes(name, before, &report, &looked);
        let decision = self.decide(name, &looked, &report);
        self.note(name, &looked, &report, &decision);
        self.look_again(name, &looked);
        if self.completes(name, &looked, &decision) {
            return self.stir(name, Level::Anew, std::time::Duration::ZERO);
        }
        match decision {
            Decision::Start { trigger } => {
                self.narrow(name, &mut looked, &trigger);
                self.start(name, &mut looked, trigger);
            }
            Decision::Rest { why, until } => {
                self.put_off(name, &why, until.is_some());
                if let Some(until) = until {
                    self.stir(name, Level::Live, until.since(self.now));
                }
            }
        }
        self.stir_waiting(name);
        self.stir_awaiting(name);
        if self.running.len() < self.settings.operations {
            self.next_turn();
        }
        let pause = self.health_pause(name, &report, resources);
        if let Some(pause) = pause {
            self.wake_for_health(name, pause);
        }
        if let Some(reports) = &mut self.reports {
            reports.insert(Arc::clone(name), report);
        }
    }

    fn decide(&mut self, name: &Arc<str>, looked: &Looked, report: &Report) -> Decision {
        let Some(subject) = self.subjects.get(name) else { return rest(Why::Suspended) };
        let wanted: Vec<RevisionId> = looked.desired.revisions.iter().map(|revision| revision.id.clone()).collect();
        let synced = looked.ledger.stands_at();
        let fought = looked.plan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Fought);
        let rests_until = subject.fights.wake_at(fought.map(|skipped| &skipped.key), subject.looked_at);
        let drift = match (looked.has_work(), rests_until, report.sync) {
            (true, ..) | (false, Some(_), _) => Drift::Something,
            (false, None, SyncStatus::Synced) => Drift::None,
            (false, None, _) => Drift::OutOfReach,
        };
        let mut seen = Situation::new(&wanted, drift);
        seen.synced = synced.as_deref();
        seen.attempt = Attempt::last(&looked.ledger.history, &wanted);
        if let Some(attempt) = seen.attempt.as_mut().filter(|attempt| subject.eased_at > Some(attempt.finished)) {
            // What it may have failed for is there by now: its pause is over.
            attempt.finished = Timestamp::EPOCH;
        }
        seen.begun = looked.resumed().is_some();
        seen.asked = subject.asked.as_ref().map(|asked| Arc::clone(&asked.by));
        let is_by_hand = subject.asked.is_some() || looked.resumed().is_some_and(Record::is_by_hand);
        let by = if is_by_hand { By::ByHand } else { By::Automatically };
        let began = looked.resumed().map(|Record::V1(record)| record.started);
        let permit = subject.application.windows.decide(by, self.now, began);
        let completes = subject.asked.as_ref().is_some_and(|asked| asked.completes);
        if !permit.allowed && !completes {
            seen.permission = Permission::Denied { why: permit.reason.into(), until: permit.next_change };
        }
        seen.dependency = self.dependency(subject);
        let given = &looked.ledger.inventory.receiving;
        seen.takes_over = !given.is_empty() && looked.plan.steps.iter().any(|step| given.contains_key(&step.key));
        seen.approved = looked.plan.was_approved();
        seen.only_drift = is_all_drift(looked, &subject.application.app.owner.manager());
        // What can be healed now is not held up by what cannot.
        seen.rests_until = rests_until.filter(|_| !looked.has_work());
        // What could not even begin, or end, is tried again after a while. That says nothing of what is wanted, and counts
        // against no limit.
        let errors = subject.errors;
        let pause = subject.pause_after_errors().filter(|until| *until > self.now);
        let is_called = self.called.remove(name);
        let decision = decide(&subject.application.automation, &seen, self.now);
        match decision {
            // It was left to rest when it was compared, and need not rest any longer.
            Decision::Start { .. } if !looked.has_work() && rests_until.is_some() => {
                Decision::Rest { why: Why::Fought, until: rests_until.map(|until| until.max(self.now)) }
            }
            // It is deleted once others have what they declare of it, or are known not to declare it.
            Decision::Start { .. } if waits_for_others(looked) => {
                let why = Why::Dependency { text: "others, which declare some of its objects or may do so".into() };
                Decision::Rest { why, until: Some(self.now + BUSY) }
            }
            // Somebody asked for what is there already.
            Decision::Start { .. } if !looked.has_work() => {
                rest(if drift == Drift::None { Why::InSync } else { Why::OutOfReach })
            }
            Decision::Start { .. } if pause.is_some() => {
                Decision::Rest { why: Why::Pause { cause: Cause::Passing, tries: errors }, until: pause }
            }
            // Who waits already goes first.
            Decision::Start { .. } if self.is_busy(is_called) => {
                self.queue_up(name, is_called);
                Decision::Rest { why: Why::Busy, until: Some(self.now + BUSY) }
            }
            decision => decision,
        }
    }

    /// Plans anew where less is done than all that differs: what was approved, if drift is only reported; and no hooks for
    /// a heal, if heals run none.
    fn narrow(&self, name: &Arc<str>, looked: &mut Looked, trigger: &Trigger) {
        let Some(subject) = self.subjects.get(name) else { return };
        let automation = &subject.application.automation;
        let mut app = subject.app(self.elsewhere(subject), self.now).as_of(self.now);
        match trigger {
            Trigger::Approved if !automation.self_heal.is_on() => {
                let approved = looked.plan.approved();
                app.request.scope.only = selection(&approved);
                app.request.within = Some(Arc::new(approved));
            }
            Trigger::Heal if subject.goes_on() && !automation.hooks_on_heal.is_on() => {
                app.request.hooks = HookRun::Never;
            }
            _ => return,
        }
        looked.plan(&app);
    }

    /// Whether a window holds back what must not wait for it: an object that was deleted to be created again. Then it is
    /// asked for that one alone; the rest of what was interrupted waits.
    fn completes(&mut self, name: &Arc<str>, looked: &Looked, decision: &Decision) -> bool {
        let (half, now) = (looked.half_recreated(), self.now);
        let Some(subject) = self.subjects.get_mut(name) else { return false };
        let is_held = matches!(decision, Decision::Rest { why: Why::Window { .. }, .. });
        // What somebody asked for waits as well, and is not forgotten over it once it is kept.
        if !is_held || half.is_empty() || !subject.asks_only_what_is_kept() {
            return false;
        }
        if let Some(until) = subject.pause_after_errors().filter(|until| *until > now) {
            // It could not even begin: tried again in a while, and the window is looked at meanwhile.
            self.stir(name, Level::Anew, until.since(now));
            return false;
        }
        let mut request = Request::default().with_only(selection(&half));
        request.within = Some(Arc::new(half));
        subject.asked = Some(Asked { by: COMPLETING.into(), at: now, request, waits: false, completes: true });
        true
    }

    fn start(&mut self, name: &Arc<str>, looked: &mut Looked, trigger: Trigger) {
        let now = self.now;
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let mut app = subject.application.app.clone();
        let is_heal = matches!(trigger, Trigger::Heal | Trigger::Retry { .. }) && subject.heals();
        let is_paced = is_heal || (matches!(trigger, Trigger::NewRevision | Trigger::Heal) && subject.goes_on());
        // What is tried again is what it was before, so that its tries add up.
        app.initiator = if is_heal && subject.undoes() { HEALING.into() } else { trigger.initiator() };
        let asked = subject.asked.take();
        if let Some(asked) = asked.as_ref().filter(|asked| !asked.completes) {
            looked.ledger.requested = Some(asked.requested());
        }
        app.request = asked.map_or_else(Request::default, |asked| asked.request);
        let (mut heals, mut fights) = (BTreeMap::new(), subject.fights.clone());
        if is_paced {
            let healed =
                looked.plan.steps.iter().filter(|step| matches!(step.reason, Reason::Differs | Reason::Missing));
            for step in healed {
                let changes = match looked.comparison.get(&step.key).map(|compared| &compared.outcome) {
                    Some(Outcome::OutOfSync(changes)) => Arc::clone(changes),
                    _ => Arc::from([]),
                };
                fights.healed(&step.key, &changes, now);
                heals.insert(step.key.clone(), changes);
            }
        } else if matches!(trigger, Trigger::Asked { .. } | Trigger::NewRevision) {
            fights.clear();
            subject.fights.clear();
        }
        // As they are once all of it is healed; here each one counts when it is written.
        looked.ledger.fights = fights.lasting();
        let resumed = looked.resumed().filter(|_| !looked.plan.scope.is_partial());
        let began = resumed.map(|Record::V1(record)| record.started.min(now));
        // What a person began is theirs also after a restart.
        let is_by_hand = matches!(trigger, Trigger::Asked { .. }) || resumed.is_some_and(Record::is_by_hand);
        let by = if is_by_hand { By::ByHand } else { By::Automatically };
        let Some(mut machine) = looked.machine(&app, now) else { return };
        machine.watch();
        self.last_id = self.last_id.saturating_add(1);
        let turn = WorkId(self.last_id);
        let started = began.unwrap_or(now);
        let window_at = subject.application.windows.decide(by, now, Some(started)).next_change;
        let operation = machine.operation().clone();
        let steps = looked.plan.steps.len();
        let (text, intent) = (trigger.to_string().into(), looked.plan.scope.intent);
        let state = OperationState::new(&operation, text, started, intent, steps, std::iter::empty());
        subject.status.operation = Some(state);
        let begun = operation.clone();
        let told = News::Started { operation, trigger: trigger.clone() };
        subject.stage = Stage::Running(Box::new(Running {
            machine,
            turn,
            ahead: std::time::Duration::ZERO,
            trigger,
            by,
            started,
            steps,
            heals,
            window_at,
        }));
        self.board.pin(now, name, told);
        self.span_of_operation(turn, name, &begun);
        self.running.insert(Arc::clone(name));
        self.stir_sharing(name);
        self.moved(name);
    }
}

/// Whether an application is to be deleted, and objects of it that others declare, or may declare, are still its own.
fn waits_for_others(looked: &Looked) -> bool {
    let waits = |reason| matches!(reason, SkipReason::HandedOver | SkipReason::OthersUnknown);
    looked.plan.scope.intent == Intent::Delete && looked.plan.skipped.iter().any(|skipped| waits(skipped.reason))
}

fn rest(why: Why) -> Decision {
    Decision::Rest { why, until: None }
}

/// Names these objects as a request does.
fn selection(keys: &BTreeSet<ResourceKey>) -> Selection {
    let place = |key: &ResourceKey| {
        let kind = [key.kind(), key.group()].join(".");
        let kind = kind.trim_end_matches('.');
        match &key.namespace {
            Some(namespace) => format!("{kind}/{namespace}/{}", key.name),
            None => format!("{kind}/{}", key.name),
        }
    };
    Selection::of(keys.iter().filter_map(|key| place(key).parse::<Objects>().ok()))
}
