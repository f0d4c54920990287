//! Gathering: cluster → live state; with desired state → comparison and plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Cluster, Interest};
use crate::diff::{self, Answers, Comparison, Forecast, Outcome};
use crate::health;
use crate::model::ApiModel;
use crate::plan::{self, Action, HookRun, Plan, Request, SkipReason};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::source::RevisionId;
use crate::state::{DesiredState, Handover, LiveState, Standing, Trust};
use crate::sync::{self, HistoryEntry, Ledger, Machine, OperationId, Phase, Record, Setup};
use crate::time::Timestamp;
use crate::value::Digest;

use super::{App, SyncError, World, gone_kinds, hooks, ledgers, read_desired};

/// Everything known of one application at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Looked {
    /// What Git says.
    pub desired: Arc<DesiredState>,
    /// What the cluster holds.
    pub live: LiveState,
    /// Kinds and schemas, with the CRDs of the set.
    pub model: ApiModel,
    /// What is kept on the cluster.
    pub ledger: Ledger,
    /// Desired × live.
    pub comparison: Comparison,
    /// What a sync would do.
    pub plan: Arc<Plan>,
    /// What it would do to fields of others, for each object that it applies.
    pub forecasts: BTreeMap<ResourceKey, Forecast>,
    /// What lies in namespaces, or is of the kinds of CRDs, that may go.
    pub contents: BTreeMap<ResourceKey, BTreeSet<ResourceKey>>,
    /// The revision that was synced last, where the one that is wanted is older.
    pub newer: Option<RevisionId>,
    /// Whether the history of the source, which says whether `newer` is, could not be read.
    pub history_is_unread: bool,
    /// Problems of looking itself.
    pub problems: Vec<Problem>,
    /// Digest of what the plan was asked for, where that is not all that differs.
    asked: Option<Digest>,
    /// Whether hooks that waited for what was held back cannot run yet, and nothing else is left to do.
    hooks_wait: bool,
    /// The plan that a person approved, where one is followed.
    pub(super) approved: Option<Digest>,
}

/// Looks at the cluster, compares, and plans.
///
/// It has no clock: see [`App::as_of`].
///
/// # Errors
/// When the cluster gives no answer at all, or a newer program works on this application.
pub async fn look(app: &App, desired: DesiredState, cluster: &dyn Cluster) -> Result<Looked, SyncError> {
    look_again(app, desired, cluster, &Comparison::default()).await
}

/// Looks once more: what did not change since `previous` is neither compared nor asked about again.
///
/// # Errors
/// As [`look`].
pub async fn look_again(
    app: &App,
    desired: DesiredState,
    cluster: &dyn Cluster,
    previous: &Comparison,
) -> Result<Looked, SyncError> {
    let ledger_key = app.ledger_key();
    let first = cluster.observe(&Interest::in_objects([ledger_key.clone()])).await?;
    let (ledger, damage) = Ledger::read(&ledger_key, first.live.get(&ledger_key))?;
    let mut kinds = desired.kinds();
    kinds.extend(ledger.inventory.entries.keys().map(|key| (*key.group_kind).clone()));
    let model = cluster.model(&kinds).await?;
    let model = model.with_crds(desired.declared.values().map(|declared| &declared.resource));
    // An autoscaler that is not declared may scale what is, also where Git has no number for it (any more).
    let may_be_scaled = |kind: &GroupKind| diff::is_scalable(kind, &model);
    if kinds.iter().any(may_be_scaled) || desired.declared.values().any(|declared| has_replicas(&declared.resource)) {
        kinds.extend(diff::autoscaler_kinds(&model));
    }
    let left = hooks::left(&ledger, &kinds);
    let mut observed = cluster.observe(&Interest::in_kinds(kinds).and_objects(left)).await?;
    if app.request.scope.intent.ends_app() {
        gone_kinds::settle(&mut observed.live, &ledger.inventory, cluster).await;
    }
    let mut looked = Looked::compared(app, Arc::new(desired), observed.live, model, (ledger, damage), previous);
    looked.ask_all(app, cluster).await;
    looked.plan(app);
    Ok(looked)
}

/// Reads what the source declares, looks at the cluster, compares, and plans.
///
/// Where anything would be pruned, the history of the source says whether the revision that was synced last is a newer
/// one (rule 28 of the exact rules). A source without history cannot tell; where a history cannot, that is a problem.
///
/// # Errors
/// When source or cluster give no answer at all, or a newer program works on this application.
pub async fn look_at(app: &App, world: World<'_>) -> Result<Looked, SyncError> {
    let desired = read_desired(app, world.source, world.cluster).await?;
    let app = &app.as_of(world.timer.now());
    let mut looked = look(app, desired, world.cluster).await?;
    looked.ask_history(app, world.source).await;
    Ok(looked)
}

fn has_replicas(object: &Resource) -> bool {
    object.tree().dig(&["spec", "replicas"]).is_some()
}

fn unread_autoscalers(looked: &Looked) -> Option<Problem> {
    let why = diff::unread_autoscalers(&looked.desired, &looked.live, &looked.model)?;
    let text = format!("autoscalers could not be read, so replicas on the cluster are left alone: {why}");
    Some(Problem::warning(Code::UnreadableLive, text).hint("allow `list` of `horizontalpodautoscalers`"))
}

impl Looked {
    /// Compares what was read, and asks nobody. There is no plan yet.
    pub(crate) fn compared(
        app: &App,
        desired: Arc<DesiredState>,
        live: LiveState,
        model: ApiModel,
        (ledger, damage): (Ledger, Option<Problem>),
        previous: &Comparison,
    ) -> Self {
        let desired = if desired.inherits(&app.policy.sync_options) {
            desired
        } else {
            Arc::new(desired.as_ref().clone().inheriting(&app.policy.sync_options))
        };
        let desired = ledgers::held_back(desired, &app.ledger_key(), &live);
        let mut looked = Self {
            desired,
            live,
            model,
            ledger,
            comparison: Comparison::default(),
            plan: Arc::new(Plan::empty(&app.owner)),
            forecasts: BTreeMap::new(),
            contents: BTreeMap::new(),
            newer: None,
            history_is_unread: false,
            problems: damage.into_iter().collect(),
            asked: None,
            approved: None,
            hooks_wait: false,
        };
        looked.problems.extend(unread_autoscalers(&looked));
        looked.compare(app, &Answers::new(), previous);
        looked
    }

    pub(super) fn compare(&mut self, app: &App, answers: &Answers, previous: &Comparison) {
        let context = app.context(&self.model, &self.ledger.inventory).with_answers(answers);
        self.comparison = diff::compare(&self.desired, &self.live, &context, previous);
    }

    /// Compares and plans anew, with what other applications give to this one.
    pub(crate) fn receive(&mut self, app: &App, given: BTreeMap<ResourceKey, Handover>) {
        self.ledger.inventory.receiving = given;
        let previous = std::mem::take(&mut self.comparison);
        self.compare(app, &Answers::new(), &previous);
        self.plan(app);
    }

    /// Plans what a sync would do, by all that is known.
    pub(crate) fn plan(&mut self, app: &App) {
        let context = app.context(&self.model, &self.ledger.inventory);
        let hooks = self.hooks(&app.request);
        let request = Request {
            hooks,
            unwell: self.unwell(app, hooks),
            is_new: self.is_new(),
            approvals_after: self.ledger.history.first().map(|last| last.finished),
            contents: self.contents.clone(),
            newer: self.newer.clone().or_else(|| app.request.newer.clone()),
            ledger: app.ledger_key().namespace,
            hook_objects: self.hook_objects(app),
            not_permitted: self.not_permitted(app),
            ..app.request.clone()
        };
        self.asked = sync::asked(&app.request);
        let plan = |request| plan::plan(&self.comparison, &self.desired, &app.policy, &context, request);
        let may_complete = hooks == HookRun::NewRevision && self.was_incomplete();
        let mut made = plan(request.clone());
        self.hooks_wait = false;
        if may_complete && made.held_back(&self.desired) == 0 {
            // What was held back is there, maybe by itself: now the hooks run that waited for it. If one of them cannot, those
            // that can ran before, and are not run again for nothing.
            let all = plan(request.with_hooks(HookRun::Always));
            self.hooks_wait = all.held_back(&self.desired) > 0;
            if !self.hooks_wait || all.is_empty() {
                made = all;
            }
        }
        if let Some(problem) = self.under_way(app) {
            made.steps.clear();
            made.problems.push(problem);
            made.problems.sort();
        }
        made.last_synced = self.last_synced().cloned();
        self.plan = Arc::new(made);
        self.foresee(app);
    }

    /// Whether the last operation made the revision that is wanted true as far as it could be.
    fn was_incomplete(&self) -> bool {
        let last = self.ledger.history.iter().find(|entry| !entry.partial);
        let is_of = |entry: &HistoryEntry| entry.revisions.iter().map(|revision| &revision.id).eq(&self.wanted());
        last.is_some_and(|last| last.went_well() && last.incomplete && is_of(last))
    }

    /// What lives, and is not permitted: where the application is deleted, that may be declared.
    fn not_permitted(&self, app: &App) -> BTreeMap<ResourceKey, Arc<str>> {
        let Some(restriction) = &app.restriction else { return BTreeMap::new() };
        let ends = app.request.scope.intent.ends_app();
        let keys = self.comparison.entries.iter().map(|(key, _)| key);
        restriction.refused(keys.filter(|key| ends || self.desired.get(key).is_none()), &self.model)
    }

    /// Foresees what the applies of the plan do to fields of others.
    fn foresee(&mut self, app: &App) {
        let context = app.context(&self.model, &self.ledger.inventory);
        let applied = self.plan.steps.iter().filter(|step| matches!(step.action, Action::Apply { .. }));
        let foreseen = applied.filter_map(|step| {
            let (declared, compared) = (self.desired.get(&step.key)?, self.comparison.get(&step.key)?);
            let forecast = diff::forecast(&declared.resource, compared.live.as_ref()?, &context, compared.scaled());
            Some((step.key.clone(), forecast))
        });
        self.forecasts = foreseen.filter(|(_, forecast)| !forecast.is_empty()).collect();
    }

    /// Returns the operation that was under way for these very revisions, and for what was asked for now, if there is
    /// one. An operation on some objects only is always one of its own.
    #[must_use]
    pub fn resumed(&self) -> Option<&Record> {
        let record = self.ledger.running.as_ref().filter(|_| !self.plan.scope.is_partial())?;
        record.is_about(&self.desired, self.plan.scope.intent, self.asked).then_some(record)
    }

    /// Returns whether a sync has anything to write: steps, an operation to end, or a revision that the history does
    /// not have.
    #[must_use]
    pub fn has_work(&self) -> bool {
        if self.plan.scope.intent.ends_app() {
            let stopped = self.plan.problems.iter().any(|problem| problem.severity == Severity::Blocks);
            return !stopped && self.ledger.is_stored();
        }
        let is_whole = self.is_as_wanted() && self.plan.held_back(&self.desired) == 0 && !self.hooks_wait;
        let is_news = is_whole && self.ledger.stands_at() != Some(self.wanted());
        // A part of an application neither ends what was interrupted nor makes a revision true.
        let ends = self.ledger.running.is_some() || (is_news && !self.comparison.entries.is_empty());
        !self.plan.is_empty() || ((ends || self.lacks_record()) && !self.plan.is_partial())
    }

    /// Whether no record, or a damaged one, says what of all this is ours: it is written anew, whatever else may be done,
    /// or nothing could ever be pruned. Rule 30 of the exact rules.
    fn lacks_record(&self) -> bool {
        self.plan.scope.intent.is_sync()
            && self.ledger.inventory.trust == Trust::Lost
            && self.ledger.obstacle().is_none()
            && self.comparison.entries.values().any(|compared| compared.claim.is_ours())
    }

    /// Whether nothing differs but what is meant to: objects that are created only once, and what Git no longer declares
    /// where that is not pruned.
    fn is_as_wanted(&self) -> bool {
        let meant =
            |reason| matches!(reason, SkipReason::PruneOff | SkipReason::PruneForbidden | SkipReason::CreateOnly);
        let is_meant = |key: &ResourceKey| {
            let found = self.plan.skipped.binary_search_by(|skipped| skipped.key.cmp(key));
            found.ok().and_then(|at| self.plan.skipped.get(at)).is_some_and(|skipped| meant(skipped.reason))
        };
        let mut entries = self.comparison.entries.iter();
        self.comparison.is_synced()
            || entries.all(|(key, compared)| compared.outcome == Outcome::Synced || is_meant(key))
    }

    /// Hooks run with changes; when the last operation did not end well, or not at all, since some may not have run;
    /// and once per revision where there is nothing but hooks. Operations on a part of the application do not count.
    fn hooks(&self, request: &Request) -> HookRun {
        let ends = request.scope.intent.ends_app();
        if request.hooks != HookRun::WithChanges || request.scope.is_partial() || ends {
            return request.hooks;
        }
        let last = self.ledger.history.iter().find(|entry| !entry.partial);
        let ended_badly = last.is_some_and(|last| last.phase != Phase::Succeeded);
        let unfinished = ended_badly || self.ledger.running.as_ref().is_some_and(|running| !running.is_partial());
        let nothing_else = self.is_new() && !self.was_incomplete() && !self.declares_resources();
        if unfinished || nothing_else {
            HookRun::Always
        } else if self.is_new() {
            HookRun::NewRevision
        } else {
            HookRun::WithChanges
        }
    }

    /// Whether the revision that is wanted is not made true yet.
    pub(super) fn is_new(&self) -> bool {
        self.ledger.stands_at() != Some(self.wanted())
    }

    /// Whether anything but hooks is declared. The namespace that the policy adds is no part of the source.
    fn declares_resources(&self) -> bool {
        let made = self.desired.made_namespace();
        let mut declared = self.desired.declared.iter().filter(|(key, _)| Some(*key) != made);
        declared.any(|(_, declared)| declared.options.is_resource())
    }

    pub(super) fn wanted(&self) -> Vec<RevisionId> {
        self.desired.revisions.iter().map(|revision| revision.id.clone()).collect()
    }

    /// Returns the machine that makes the plan true; `None` if there is nothing to write.
    #[must_use]
    pub fn machine(&self, app: &App, now: Timestamp) -> Option<Machine> {
        if !self.has_work() {
            return None;
        }
        let record = self.resumed().cloned();
        let mut ledger = self.ledger.clone();
        if record.is_none() {
            ledger.give_up_running(&self.live, now);
        }
        let operation = match &record {
            Some(Record::V1(running)) => running.operation.clone(),
            None => OperationId::derive(&app.owner, &self.plan.digest(), ledger.next_number(), now),
        };
        let context = app.context(&self.model, &self.ledger.inventory);
        ledger.inventory =
            sync::intend(&context, &self.plan, &self.comparison, &self.desired, &self.live, &ledger, &operation);
        ledger.settle_hooks(&self.live);
        let setup = Setup {
            desired: Arc::clone(&self.desired),
            model: self.model.clone(),
            owner: app.owner.clone(),
            policy: app.policy.clone(),
            ledger_key: app.ledger_key(),
            ledger,
            rules: app.rules.clone(),
            checks: app.checks.clone(),
            history: app.history,
            reporting: health::reporting(self.live.objects()),
            scaled: diff::autoscaled(&self.desired, &self.live, &self.model),
            initiator: Arc::clone(&app.initiator),
            asked: self.asked,
            approved: self.approved,
            seen: self.seen_to_follow(),
            recreating: self.half_recreated(),
        };
        Some(match record {
            Some(record) => Machine::resume(record, Arc::clone(&self.plan), setup, now),
            None => Machine::start(Arc::clone(&self.plan), setup, now),
        })
    }

    /// What an operation that was interrupted deleted to create it again, and this plan creates.
    pub(crate) fn half_recreated(&self) -> BTreeSet<ResourceKey> {
        self.ledger.half_recreated(&self.plan, &self.live)
    }

    /// Returns whether a create whose answer was lost is still open.
    #[must_use]
    pub fn has_open_intents(&self) -> bool {
        self.ledger.inventory.entries.values().any(|entry| matches!(entry.standing, Standing::Intended(_)))
    }
}
