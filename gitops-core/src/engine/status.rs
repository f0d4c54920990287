//! What there is to say about one application at any time: small, whatever the size of the application.

use std::sync::Arc;

use serde::Serialize;

use crate::app::Info;
use crate::automation::{Decision, Fight, Hold};
use crate::health::HealthStatus;
use crate::plan::Intent;
use crate::reconcile::{Report, ResourceReport, SyncStatus, Totals};
use crate::resource::ResourceKey;
use crate::source::{Revision, RevisionId};
use crate::sync::{HistoryEntry, OperationId, Wait};
use crate::time::Timestamp;
use crate::value::{Digest, Hasher, Purpose};

/// Most objects that a status names.
pub const WORST: usize = 10;
/// Most waits of an operation that a status names.
const WAITS: usize = 10;

/// What there is to say about one application: counts, the worst objects and a digest of all. Its size does not grow
/// with the application; the details are in the [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppStatus {
    /// Name of the application.
    pub app: Arc<str>,
    /// What people should know about it, as it is described.
    #[serde(skip_serializing_if = "<[Info]>::is_empty")]
    pub info: Arc<[Info]>,
    /// Whether Git and cluster agree.
    pub sync: SyncStatus,
    /// The worst health of its objects.
    pub health: HealthStatus,
    /// What its source names now; `None` until it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Revision>,
    /// What was compared.
    pub revisions: Vec<Revision>,
    /// What was made true last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<Vec<RevisionId>>,
    /// Counts of the objects.
    pub totals: Totals,
    /// The worst objects, at most [`WORST`]; none when all are in sync and healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<Worst>,
    /// Digest of the state of all objects: equal digests, equal states.
    pub resources: Digest,
    /// What is out of order, or stands in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The operation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationState>,
    /// What was decided last, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
    /// The rollback that holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// What was done, newest first.
    pub history: Vec<HistoryEntry>,
    /// When it was compared last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Timestamp>,
}

/// An object that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Worst {
    /// Which one.
    #[serde(flatten)]
    pub key: ResourceKey,
    /// `OutOfSync`, `Missing`, `Extra`, `Terminating`, `Unknown`, or `Synced`.
    pub status: &'static str,
    /// How it is, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatus>,
    /// One line for people; may be empty.
    pub message: Arc<str>,
}

/// Something that is out of order, or stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Condition {
    /// What kind.
    pub kind: ConditionKind,
    /// One line for people.
    pub message: Arc<str>,
    /// Since when.
    pub since: Timestamp,
}

/// What is out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub enum ConditionKind {
    /// The source gives nothing. What was read before stays the desired state.
    SourceError,
    /// The cluster gives nothing.
    ClusterError,
    /// The ledger cannot be used.
    LedgerError,
    /// A problem holds something back.
    Blocked,
    /// The last operation failed.
    SyncFailed,
    /// Another application declares objects of this one, or holds them.
    SharedResource,
    /// Nothing is pruned until it is known what another application declares.
    PruneWaits,
    /// Somebody rewrites an object after each heal.
    Fight,
    /// Something on the cluster was changed and is not undone.
    Drift,
    /// Somebody changes an object several times a second.
    HotObject,
}

/// The operation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OperationState {
    /// Which one.
    pub id: OperationId,
    /// Who or what started it, for people.
    pub trigger: Arc<str>,
    /// When it started here.
    pub started: Timestamp,
    /// What it is for. Default: a sync.
    #[serde(skip_serializing_if = "Intent::is_sync")]
    pub intent: Intent,
    /// How many steps it has.
    pub steps: usize,
    /// What it waits for; the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
}

/// A decision and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Decided {
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// Since when it is so.
    pub since: Timestamp,
}

impl AppStatus {
    /// Begins with an application of which nothing is known.
    pub(super) fn unknown(app: &Arc<str>, info: &Arc<[Info]>) -> Self {
        Self {
            app: Arc::clone(app),
            info: Arc::clone(info),
            sync: SyncStatus::Unknown,
            health: HealthStatus::Unknown,
            head: None,
            revisions: Vec::new(),
            synced: None,
            totals: Totals::default(),
            worst: Vec::new(),
            resources: Hasher::new(Purpose::Identity).finish(),
            conditions: Vec::new(),
            operation: None,
            decision: None,
            hold: None,
            history: Vec::new(),
            compared: None,
        }
    }

    /// Takes what a comparison came to.
    pub(super) fn take(&mut self, report: &Report, now: Timestamp) {
        (self.sync, self.health, self.totals) = (report.sync, report.health, report.totals);
        self.revisions.clone_from(&report.revisions);
        self.history.clone_from(&report.history);
        self.worst = worst(report);
        let hasher = report.resources.iter().fold(Hasher::new(Purpose::Identity), |hasher, resource| {
            let health = resource.health.as_ref().map_or("", |health| name(health.status));
            hasher.text(&*resource.key.to_string()).text(resource.status).text(health)
        });
        self.resources = hasher.finish();
        self.compared = Some(now);
    }

    /// States what is out of order; what was so before keeps its time.
    pub(super) fn state(&mut self, kind: ConditionKind, message: Option<Arc<str>>, now: Timestamp) {
        let known = self.conditions.iter().position(|condition| condition.kind == kind);
        match (known, message) {
            (Some(at), None) => drop(self.conditions.remove(at)),
            (None, None) => {}
            (None, Some(message)) => {
                self.conditions.push(Condition { kind, message, since: now });
                self.conditions.sort_by_key(|condition| condition.kind);
            }
            (Some(at), Some(message)) => {
                if let Some(condition) = self.conditions.get_mut(at) {
                    condition.message = message;
                }
            }
        }
    }

    pub(super) fn fights<'f>(&mut self, fought: impl Iterator<Item = (&'f ResourceKey, &'f Fight)>, now: Timestamp) {
        let lines: Vec<String> = fought.take(WORST).map(|(key, fight)| format!("{key}: {fight}")).collect();
        self.state(ConditionKind::Fight, (!lines.is_empty()).then(|| lines.join("; ").into()), now);
    }
}

impl OperationState {
    pub(super) fn new(
        id: &OperationId,
        trigger: Arc<str>,
        started: Timestamp,
        intent: Intent,
        steps: usize,
        waits: impl Iterator<Item = Wait>,
    ) -> Self {
        Self { id: id.clone(), trigger, started, intent, steps, waits: waits.take(WAITS).collect() }
    }
}

fn name(health: HealthStatus) -> &'static str {
    match health {
        HealthStatus::Healthy => "Healthy",
        HealthStatus::Suspended => "Suspended",
        HealthStatus::Progressing => "Progressing",
        HealthStatus::Missing => "Missing",
        HealthStatus::Degraded => "Degraded",
        HealthStatus::Unknown => "Unknown",
    }
}

/// The objects that are worst: by health, then by whether they are in sync.
fn worst(report: &Report) -> Vec<Worst> {
    let rank = |resource: &&ResourceReport| {
        let health = resource.health.as_ref().map_or(HealthStatus::Healthy, |health| health.status);
        (std::cmp::Reverse(health), resource.status == "Synced")
    };
    let well = |resource: &&ResourceReport| {
        resource.status == "Synced"
            && resource.health.as_ref().is_none_or(|health| health.status == HealthStatus::Healthy)
    };
    let mut bad: Vec<&ResourceReport> = report.resources.iter().filter(|resource| !well(resource)).collect();
    bad.sort_by_key(rank);
    let told = bad.into_iter().take(WORST).map(|resource| {
        let message = resource.health.as_ref().map(|health| Arc::clone(&health.message));
        let message = message.filter(|message| !message.is_empty()).or_else(|| resource.note.clone());
        Worst {
            key: resource.key.clone(),
            status: resource.status,
            health: resource.health.as_ref().map(|health| health.status),
            message: message.unwrap_or_else(|| "".into()),
        }
    });
    told.collect()
}
