//! One application inside an engine: what is known of it, and where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::automation::{Automation, Backoff, Fights, Retry, Trigger};
use crate::diff::{self, Change, Comparison};
use crate::plan::{HookRun, Request};
use crate::policy::window::{Asked as By, Windows};
use crate::problem::Problem;
use crate::reconcile::App;
use crate::resource::{GroupKind, ResourceKey};
use crate::source::{Revision, RevisionId, Target};
use crate::state::{DesiredState, LiveState};
use crate::sync::{HEALING, HistoryEntry, Ledger, Machine, Phase, Record};
use crate::time::Timestamp;

use super::WorkId;
use super::cache::Cache;
use super::elsewhere::Elsewhere;
use super::read::Heard;
use super::status::AppStatus;
use super::tally::Tally;

/// One application that an engine looks after.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Application {
    /// What to read, where to put it, and how. Its name is the name of the application in the engine.
    pub app: App,
    /// The source, by the name that the ports give it.
    pub source: Arc<str>,
    /// The cluster, by the name that the ports give it.
    pub cluster: Arc<str>,
    /// The project that it belongs to. Default: `default`.
    pub project: Arc<str>,
    /// What it may do by itself.
    pub automation: Automation,
    /// When it may be synced: the windows of its project that are for it.
    pub windows: Windows,
    /// Applications that must be in sync, healthy and up to date before anything starts here by itself.
    pub depends_on: BTreeSet<Arc<str>>,
    /// The repositories that the source is made of. Where applications have one in common, an object may move from one to
    /// the other by a single commit, whatever names and targets they have it by. Default: the name of the source.
    pub repositories: BTreeSet<Arc<str>>,
}

impl Application {
    /// Describes an application of one source and one cluster, which does nothing by itself.
    #[must_use]
    pub fn new(app: App, source: &str, cluster: &str) -> Self {
        let (automation, windows, depends_on) = (Automation::default(), Windows::default(), BTreeSet::new());
        let (project, source): (_, Arc<str>) = ("default".into(), source.into());
        let repositories = [Arc::clone(&source)].into();
        Self { app, source, cluster: cluster.into(), project, automation, windows, depends_on, repositories }
    }

    /// Sets what it may do by itself.
    #[must_use]
    pub fn with_automation(self, automation: Automation) -> Self {
        Self { automation, ..self }
    }

    /// Sets when it may be synced.
    #[must_use]
    pub fn with_windows(self, windows: Windows) -> Self {
        Self { windows, ..self }
    }

    /// Adds an application that must be ready first.
    #[must_use]
    pub fn after(mut self, other: &str) -> Self {
        self.depends_on.insert(other.into());
        self
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.app.owner.app
    }

    /// Returns what it follows: a source and a target, which it may share with others.
    pub(super) fn follows(&self) -> (Arc<str>, Target) {
        (Arc::clone(&self.source), self.app.target.clone())
    }
}

/// An operation that somebody asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) by: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) request: Request,
    /// Whether it must wait, so that it is kept in the ledger.
    pub(super) waits: bool,
    /// Whether no sync window counts: it completes what was left half done.
    pub(super) completes: bool,
}

/// A rollback that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HoldWish {
    /// To this revision, from what the source named then.
    Set { to: RevisionId, from: Option<RevisionId>, by: Arc<str>, at: Timestamp },
    /// That it no longer holds.
    Lift,
}

/// Where an application stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing is under way.
    Idle,
    /// The answer to this work is awaited.
    Away(WorkId),
    /// An operation is under way.
    Running(Box<Running>),
}

/// An operation under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) machine: Machine,
    /// Which operation of the engine it is: answers to an earlier one are not for it.
    pub(super) turn: WorkId,
    /// How far its own time is ahead of the clock, which was set back.
    pub(super) ahead: std::time::Duration,
    pub(super) trigger: Trigger,
    /// How it was wanted, as windows tell it apart.
    pub(super) by: By,
    pub(super) started: Timestamp,
    pub(super) steps: usize,
    /// What it heals and has not written yet.
    pub(super) heals: BTreeMap<ResourceKey, Arc<[Change]>>,
    /// When its windows are asked again.
    pub(super) window_at: Option<Timestamp>,
}

/// How much must be looked at again. The most that was asked for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    None,
    /// What was compared may differ now. An answer that is under way still counts.
    Live,
    /// It is judged by something else now, such as a wish: an answer that is under way is about what was before.
    Anew,
    /// What is declared may be something else, even at the same revision.
    Desired,
}

#[derive(Debug)]
pub(super) struct Subject {
    pub(super) application: Arc<Application>,
    pub(super) head: Option<Revision>,
    /// What was read of what the source names, or named before.
    pub(super) read: Option<Heard>,
    /// Which work reads it while an operation is under way.
    pub(super) reading: Option<WorkId>,
    /// What is wanted, as it was read, and the revision that it goes by.
    pub(super) desired: Option<(RevisionId, Arc<DesiredState>)>,
    /// The objects it declares, and those that concern it, as the indexes of its cluster have them.
    pub(super) declares: BTreeSet<ResourceKey>,
    pub(super) concerns: BTreeSet<ResourceKey>,
    /// The namespaces of these, and the kinds that must be known to compare it.
    pub(super) places: BTreeSet<Option<Arc<str>>>,
    pub(super) kinds: BTreeSet<GroupKind>,
    /// Counts how often it was described anew, or was to be read anew.
    pub(super) edition: u64,
    /// Whether another target of a repository that it follows named something new since its own was asked.
    pub(super) is_outdated: bool,
    pub(super) load_tries: u32,
    /// When it may be read again, after that failed.
    pub(super) load_after: Option<Timestamp>,
    pub(super) ledger: Option<(Ledger, Option<Problem>)>,
    pub(super) ledger_tries: u32,
    pub(super) comparison: Comparison,
    /// What others held of it when it was compared last.
    pub(super) held_by_others: BTreeSet<ResourceKey>,
    /// Why it was not known then what others declare.
    pub(super) unasked: Option<Arc<str>>,
    /// Who had objects then in what it may give up.
    pub(super) lived_in: BTreeMap<ResourceKey, Arc<str>>,
    /// The revision that it was judged at last, and what it was like then.
    pub(super) judged: Option<(RevisionId, u64)>,
    /// When it was compared last.
    pub(super) looked_at: Timestamp,
    pub(super) level: Level,
    pub(super) due: Option<Timestamp>,
    pub(super) stage: Stage,
    pub(super) asked: Option<Asked>,
    /// Whether what the ledger keeps of what somebody asked for is not wanted any more.
    pub(super) withdrawn: bool,
    pub(super) fights: Fights,
    pub(super) status: AppStatus,
    /// Operations that could not even store that they began, in a row, and when the last one ended.
    pub(super) errors: u32,
    pub(super) error_at: Timestamp,
    /// When something came that may have been missing.
    pub(super) eased_at: Option<Timestamp>,
    /// A rollback to be stored, or to be taken back.
    pub(super) hold: Option<HoldWish>,
    pub(super) store_tries: u32,
    pub(super) store_at: Timestamp,
    /// What differed when it was last told of drift.
    pub(super) drifted: BTreeSet<ResourceKey>,
    /// How often it was compared in a row without anything of its health changing.
    pub(super) silent: u32,
    /// Since when it is being looked at.
    pub(super) began: Option<Timestamp>,
    pub(super) tally: Tally,
}

impl Subject {
    pub(super) fn new(application: Application) -> Self {
        let status = AppStatus::unknown(application.name(), &application.app.info);
        Self {
            application: Arc::new(application),
            head: None,
            read: None,
            reading: None,
            desired: None,
            declares: BTreeSet::new(),
            concerns: BTreeSet::new(),
            places: BTreeSet::new(),
            kinds: BTreeSet::new(),
            edition: 0,
            is_outdated: false,
            load_tries: 0,
            load_after: None,
            ledger: None,
            ledger_tries: 0,
            comparison: Comparison::default(),
            held_by_others: BTreeSet::new(),
            unasked: None,
            lived_in: BTreeMap::new(),
            judged: None,
            looked_at: Timestamp::EPOCH,
            level: Level::Desired,
            due: None,
            stage: Stage::Idle,
            asked: None,
            withdrawn: false,
            fights: Fights::default(),
            status,
            errors: 0,
            error_at: Timestamp::EPOCH,
            eased_at: None,
            hold: None,
            store_tries: 0,
            store_at: Timestamp::EPOCH,
            drifted: BTreeSet::new(),
            silent: 0,
            began: None,
            tally: Tally::default(),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    /// Returns the kinds that must be known to compare it, autoscalers apart.
    pub(super) fn kinds(&self) -> BTreeSet<GroupKind> {
        let mut kinds: BTreeSet<GroupKind> =
            [GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition")].into();
        kinds.extend(self.keys().into_iter().map(|key| GroupKind::clone(&key.group_kind)));
        kinds
    }

    /// Returns the objects whose changes concern it: declared, recorded, or left of its hooks.
    pub(super) fn keys(&self) -> BTreeSet<ResourceKey> {
        let declared = self.desired.iter().flat_map(|(_, desired)| desired.declared.keys());
        let known = self.ledger.iter().flat_map(|(ledger, _)| {
            let left = ledger.hooks.iter().map(|hook| &hook.object);
            ledger.inventory.entries.keys().chain(ledger.running.iter().flat_map(Record::hook_objects)).chain(left)
        });
        let ledger = [self.application.app.ledger_key()];
        declared.chain(known).chain(&ledger).cloned().collect()
    }

    /// Whether what its status says is about what is wanted now.
    pub(super) fn is_judged(&self) -> bool {
        let judged = self.judged.as_ref().map(|(id, edition)| (Some(id), *edition));
        self.is_loaded() && !self.is_outdated && judged == Some((self.wanted_id(), self.edition))
    }

    /// Takes back a rollback that is not stored yet, with the operation that was asked for with it; returns where it was to
    /// go.
    pub(super) fn take_rollback(&mut self) -> Option<RevisionId> {
        let Some(HoldWish::Set { to, by, .. }) = self.hold.take_if(|hold| matches!(hold, HoldWish::Set { .. })) else {
            return None;
        };
        if self.asked.take_if(|asked| asked.by == rolling_back(&by)).is_some() {
            self.withdrawn = true;
        }
        Some(to)
    }

    /// Returns the part of what is known of the cluster that concerns it.
    pub(super) fn view(&self, cache: &Cache) -> LiveState {
        let mut keys = self.concerns.clone();
        keys.extend(cache.claimed(self.application.name()).cloned());
        let namespaces: BTreeSet<Option<Arc<str>>> = keys.iter().map(|key| key.namespace.clone()).collect();
        let scalers: Vec<_> = diff::autoscaler_kinds(&cache.model).collect();
        for kind in &scalers {
            let near = namespaces.iter().flatten().flat_map(|namespace| cache.live.objects_in(kind, namespace));
            keys.extend(near.map(|object| object.key().clone()));
        }
        let mut kinds = self.kinds.clone();
        kinds.extend(scalers);
        kinds.extend(cache.claimed(self.application.name()).map(|key| (*key.group_kind).clone()));
        cache.live.narrowed(&kinds, &keys)
    }

    /// Returns the application with what is asked of its next plan.
    pub(super) fn app(&self, elsewhere: Elsewhere, now: Timestamp) -> App {
        let mut app = self.application.app.clone();
        if let Some(asked) = &self.asked {
            app.request = asked.request.clone();
        } else if self.heals() {
            app.request.resting = self.fights.resting(now);
            if !self.application.automation.hooks_on_heal.is_on() && self.undoes() {
                app.request.hooks = HookRun::Never;
            }
        }
        if self.asked.is_none() && self.goes_on() {
            app.request.resting = self.fights.resting(now);
        }
        app.request.declared_elsewhere = elsewhere.declared;
        app.request.lived_in = elsewhere.lived_in;
        app.request.unasked = elsewhere.unasked;
        app
    }

    /// Whether an operation that starts now by itself is about a revision that was made true before: it undoes what was
    /// changed on the cluster. One that was interrupted goes on as what it was.
    pub(super) fn heals(&self) -> bool {
        let (Some((ledger, _)), Some(wanted)) = (&self.ledger, self.wanted_id()) else { return false };
        let is_heal = |Record::V1(running): &Record| &*running.initiator == HEALING;
        let synced = ledger.stands_at();
        ledger.running.as_ref().is_none_or(is_heal) && synced.is_some_and(|synced| synced == [wanted.clone()])
    }

    /// Whether the last operation was about what is wanted, went well, and left something out: whatever is done now for
    /// that revision is paced as a heal is, object by object (rule 23 of the exact rules).
    pub(super) fn goes_on(&self) -> bool {
        let (Some((ledger, _)), Some(wanted)) = (&self.ledger, self.wanted_id()) else { return false };
        let last = ledger.history.iter().find(|entry| !entry.partial);
        let is_of = |entry: &HistoryEntry| entry.revisions.iter().map(|revision| &revision.id).eq([wanted]);
        last.is_some_and(|last| last.went_well() && last.incomplete && is_of(last))
    }

    /// Whether the last operation left no hook to be run: it went well, or it was a heal itself.
    pub(super) fn undoes(&self) -> bool {
        let last = self.ledger.iter().find_map(|(ledger, _)| ledger.history.iter().find(|entry| !entry.partial));
        last.is_some_and(|last| last.phase == Phase::Succeeded || &*last.initiator == HEALING)
    }

    /// When an operation that could not start may be tried again.
    pub(super) fn pause_after_errors(&self) -> Option<Timestamp> {
        let pause = Retry::default().pause(crate::sync::Cause::Passing, self.errors.max(1))?;
        (self.errors > 0).then(|| self.error_at + pause)
    }
}

/// What follows the name of whoever asked for a rollback, where the operation that was asked for with it is told.
pub(super) const ROLLBACK: &str = " (rollback)";

/// Who asks for the operation of a rollback.
pub(super) fn rolling_back(by: &str) -> Arc<str> {
    format!("{by}{ROLLBACK}").into()
}

/// The pause before source or cluster are asked again that gave no answer: 5 s doubling to 5 min.
pub(super) fn pause(tries: u32) -> std::time::Duration {
    let seconds = std::time::Duration::from_secs;
    Backoff::new(seconds(5), 2, seconds(300)).pause(tries.max(1))
}
