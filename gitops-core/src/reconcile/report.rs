//! What there is to say about one application: a value that people and programs read.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::app::Info;
use crate::diff::{Change, Compared, Evidence, Forecast, Ignored, IgnoredBy, Outcome, RuleAudit, Strategy, Why};
use crate::health::{self, AppHealth, Clues, Health, HealthStatus, Part, SETTLE_REPORTING};
use crate::path::FieldPath;
use crate::plan::{Plan, SkipReason};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Origin, ResourceKey};
use crate::source::Revision;
use crate::state::Completeness;
use crate::sync::{HistoryEntry, Hold, Receipt};
use crate::time::Timestamp;

use super::{App, Looked};

/// Whether Git and cluster agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub enum SyncStatus {
    /// They do.
    Synced,
    /// They do not.
    OutOfSync,
    /// It could not be told; never means "absent".
    Unknown,
}

/// What there is to say about one application. Its JSON is a stable contract.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// Name of the application.
    pub app: Arc<str>,
    /// What people should know about it.
    #[serde(skip_serializing_if = "<[Info]>::is_empty")]
    pub info: Arc<[Info]>,
    /// The revisions compared, one per source.
    pub revisions: Vec<Revision>,
    /// Whether Git and cluster agree.
    pub sync: SyncStatus,
    /// The worst health of its objects.
    pub health: HealthStatus,
    /// The objects that are as bad as that; none if it is healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health_causes: Vec<ResourceKey>,
    /// How many objects are taken for healthy because they say nothing.
    pub unconfirmed: usize,
    /// Counts of the objects.
    pub totals: Totals,
    /// The objects, in order of their keys.
    pub resources: Vec<ResourceReport>,
    /// What a sync would do; after a sync, what it did.
    pub plan: Arc<Plan>,
    /// What the sync did, after one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The rollback that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What was done before, newest first.
    pub history: Vec<HistoryEntry>,
    /// What came of each rule of what is left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleAudit>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Counts of the objects of an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Totals {
    /// Declared and as declared.
    pub synced: usize,
    /// There, and not as declared.
    pub out_of_sync: usize,
    /// Declared, and not there.
    pub missing: usize,
    /// There and ours, and not declared.
    pub extra: usize,
    /// Could not be told, or is being deleted.
    pub unknown: usize,
}

/// What there is to say about one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceReport {
    /// Which one.
    #[serde(flatten)]
    pub key: ResourceKey,
    /// Where it is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Sync wave.
    pub wave: i32,
    /// `Synced`, `OutOfSync`, `Missing`, `Extra`, `Terminating` or `Unknown`.
    pub status: &'static str,
    /// How it is; `None` if it is not there or does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// The fields that differ.
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    pub changes: Arc<[Change]>,
    /// What a sync does to fields of others.
    #[serde(skip_serializing_if = "Forecast::is_empty")]
    pub forecast: Forecast,
    /// What rules leave alone of it, and the differences that this hides.
    #[serde(skip_serializing_if = "<[Ignored]>::is_empty")]
    pub ignored: Arc<[Ignored]>,
    /// Fields that leave our ownership before the next apply.
    #[serde(skip_serializing_if = "<[FieldPath]>::is_empty")]
    pub releases: Arc<[FieldPath]>,
    /// Why it is unknown, or why a sync leaves it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
    /// What was taken for ours.
    pub strategy: Strategy,
    /// How sure the verdict is.
    pub evidence: Evidence,
    /// What is worth knowing and is no drift, such as fields that Git dropped and others hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Arc<str>>,
}

impl Report {
    /// Gathers what there is to say.
    #[must_use]
    pub fn new(app: &App, looked: &Looked, now: Timestamp) -> Self {
        let manager = app.owner.manager();
        let clues = Clues::new(&looked.model, now).checking(&app.checks).applied_by(&manager);
        let entries = &looked.comparison.entries;
        // Where others of a kind report, the silence of one is waited out longer (rule 40).
        let reporting = health::reporting(looked.live.objects());
        let judged = |key: &ResourceKey, compared: &Compared| {
            let settle = if reporting.contains(&*key.group_kind) { SETTLE_REPORTING } else { clues.settle };
            resource(looked, key, compared, &clues.settling(settle))
        };
        let resources: Vec<_> = entries.iter().map(|(key, compared)| judged(key, compared)).collect();
        let parts = entries.values().zip(&resources);
        let health = AppHealth::of(parts.filter_map(|(compared, report)| Some((&report.key, part(compared, report)?))));
        let mut problems = looked.problems.clone();
        problems.extend(looked.desired.problems.iter().cloned());
        problems.extend(looked.comparison.problems.iter().cloned());
        problems.extend(looked.plan.problems.iter().cloned());
        problems.sort();
        problems.dedup();
        let totals = Totals::of(&resources);
        Self {
            app: Arc::clone(&app.owner.app),
            info: Arc::clone(&app.info),
            revisions: looked.desired.revisions.clone(),
            sync: totals.status(looked.desired.completeness),
            health: health.status,
            health_causes: health.causes,
            unconfirmed: health.unconfirmed,
            totals,
            resources,
            plan: Arc::clone(&looked.plan),
            receipt: None,
            hold: looked.ledger.hold.clone(),
            history: looked.ledger.history.clone(),
            rules: looked.comparison.audit(&app.rules),
            problems,
        }
    }

    /// Adds what the sync did, and the plan it followed.
    #[must_use]
    pub fn with_receipt(self, plan: &Arc<Plan>, receipt: Option<&Receipt>) -> Self {
        // What was asked for, found and deleted is not there any more, and was there when it was asked for.
        let mut problems = self.problems;
        problems.retain(|problem| problem.code != Code::NotFound || plan.problems.contains(problem));
        // What kept it from deleting is told, also where nothing would by now.
        let is_guard = |problem: &&Problem| problem.code == Code::PruneGuard && problem.severity == Severity::Blocks;
        let guards: Vec<Problem> = plan.problems.iter().filter(is_guard).cloned().collect();
        if !guards.is_empty() {
            problems.retain(|problem| !(is_guard(&problem) && guards.iter().any(|guard| guard.key == problem.key)));
            problems.extend(guards);
            problems.sort();
        }
        Self { plan: Arc::clone(plan), receipt: receipt.cloned(), problems, ..self }
    }

    /// Returns whether anything is held back.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Blocks)
    }
}

impl Totals {
    fn of(resources: &[ResourceReport]) -> Self {
        let mut totals = Self::default();
        for resource in resources {
            match resource.status {
                "Synced" => totals.synced += 1,
                "OutOfSync" => totals.out_of_sync += 1,
                "Missing" => totals.missing += 1,
                "Extra" => totals.extra += 1,
                _ => totals.unknown += 1,
            }
        }
        totals
    }

    /// Certain drift outweighs doubt; doubt outweighs agreement.
    fn status(self, completeness: Completeness) -> SyncStatus {
        if self.out_of_sync + self.missing + self.extra > 0 {
            SyncStatus::OutOfSync
        } else if self.unknown > 0 || completeness == Completeness::Partial {
            SyncStatus::Unknown
        } else {
            SyncStatus::Synced
        }
    }
}

fn resource(looked: &Looked, key: &ResourceKey, compared: &Compared, clues: &Clues<'_>) -> ResourceReport {
    let declared = looked.desired.get(key);
    let ignore_health = declared.is_some_and(|declared| declared.options.ignore_health);
    let health = compared.live.as_ref().filter(|_| !ignore_health).map(|live| health::assess(live, clues));
    let (skipped, intent) = (&looked.plan.skipped, looked.plan.scope.intent);
    // Sorted by key; an object may well be one of 100,000 that are left alone.
    let at = skipped.partition_point(|skipped| skipped.key < *key);
    let skipped = skipped.get(at).filter(|skipped| skipped.key == *key);
    let (status, why) = match skipped.map(|skipped| skipped.reason) {
        // It is there, and that is all that is wanted.
        Some(SkipReason::CreateOnly) => ("Synced", None),
        _ => status(&compared.outcome),
    };
    let changes = match &compared.outcome {
        Outcome::OutOfSync(changes) if status == "OutOfSync" => Arc::clone(changes),
        _ => Arc::from([]),
    };
    let skip =
        skipped.filter(|skipped| skipped.reason != SkipReason::Unknown).map(|skipped| skipped.reason.in_words(intent));
    ResourceReport {
        key: key.clone(),
        origin: declared.and_then(|declared| declared.origin.clone()),
        wave: declared.map_or(0, |declared| declared.options.wave),
        status,
        health,
        changes,
        forecast: looked.forecasts.get(key).cloned().unwrap_or_default(),
        ignored: Arc::clone(&compared.ignored),
        releases: Arc::clone(&compared.releases),
        note: why.or(skip.map(str::to_owned)).or_else(|| left_to_autoscaler(compared)).map(Arc::from),
        strategy: compared.strategy,
        evidence: compared.evidence,
        notes: compared.notes.iter().map(|note| note.to_string().into()).collect(),
    }
}

/// Names an outcome, and why nothing can be told.
pub(super) fn status(outcome: &Outcome) -> (&'static str, Option<String>) {
    match outcome {
        Outcome::Synced => ("Synced", None),
        Outcome::OutOfSync(_) => ("OutOfSync", None),
        Outcome::Missing => ("Missing", None),
        Outcome::Extra => ("Extra", None),
        Outcome::Terminating => ("Terminating", None),
        Outcome::Unknown(why) => ("Unknown", Some(why.to_string())),
    }
}

fn left_to_autoscaler(compared: &Compared) -> Option<String> {
    let ignored = compared.ignored.iter().find(|ignored| ignored.by == IgnoredBy::Autoscaler)?;
    let change = ignored.hidden.first()?;
    Some(format!("`{}` is left to `{}`, which scales it", change.path, change.owners.first()?.manager))
}

/// What an object adds to the health of the application.
fn part<'a>(compared: &Compared, report: &'a ResourceReport) -> Option<Part<'a>> {
    match (&compared.outcome, &compared.live, &report.health) {
        (Outcome::Missing, ..) => Some(Part::Missing),
        (Outcome::Unknown(Why::Unreadable(_)), ..) => Some(Part::Unreadable),
        (_, Some(live), Some(health)) => Part::of(live, health),
        (_, Some(_), None) => Some(Part::Ignored),
        _ => None,
    }
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
