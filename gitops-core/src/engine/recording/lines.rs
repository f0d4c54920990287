//! The lines of a recording.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cluster::{Cursor, Interest};
use crate::source::{RevisionId, SourceFailure};
use crate::sync::{Effect, Requested};
use crate::time::Timestamp;
use crate::value::Digest;

use super::super::{Settings, Task, Wish};
use super::answers::Answer;
use super::names::Names;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "line", deny_unknown_fields)]
pub(super) enum Line {
    Begins { version: u32, settings: Pace },
    Put { at: Timestamp, app: Arc<str> },
    Unknown { at: Timestamp, app: Arc<str>, cluster: Arc<str>, why: Arc<str> },
    Removed { at: Timestamp, app: Arc<str> },
    Told { at: Timestamp, event: Told },
    Work { at: Timestamp, id: u64, task: String },
    NoWork { at: Timestamp },
    Asked { id: u64, request: String, answer: Answer },
    File { source: Arc<str>, id: Arc<str>, content: Result<String, SourceFailure> },
    Stored { digest: Digest, text: String },
    Done { at: Timestamp, id: u64 },
    News { item: serde_json::Value },
}

/// [`Settings`], in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Pace {
    interval: u64,
    gather: u64,
    gather_statuses: u64,
    health: u64,
    in_flight: usize,
    operations: usize,
}

/// What an engine was told, answers apart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "told", deny_unknown_fields)]
pub(super) enum Told {
    Refresh { app: Arc<str> },
    Sync { app: Arc<str>, requested: Requested },
    Rollback { app: Arc<str>, by: Arc<str>, to: RevisionId },
    Resume { app: Arc<str> },
    Terminate { app: Arc<str> },
    SourceChanged { source: Arc<str> },
    Stop,
}

impl Pace {
    pub(super) fn of(settings: &Settings) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            interval: millis(settings.interval),
            gather: millis(settings.gather),
            gather_statuses: millis(settings.gather_statuses),
            health: millis(settings.health),
            in_flight: settings.in_flight,
            operations: settings.operations,
        }
    }

    pub(super) fn settings(self) -> Settings {
        Settings {
            interval: Duration::from_millis(self.interval),
            gather: Duration::from_millis(self.gather),
            gather_statuses: Duration::from_millis(self.gather_statuses),
            health: Duration::from_millis(self.health),
            in_flight: self.in_flight,
            operations: self.operations,
        }
    }
}

impl Told {
    pub(super) fn wish(app: &Arc<str>, wish: &Wish, at: Timestamp) -> Self {
        let app = Arc::clone(app);
        match wish {
            Wish::Refresh => Self::Refresh { app },
            Wish::Sync { by, request } => Self::Sync { app, requested: Requested::new(by, at, request) },
            Wish::Rollback { by, to } => Self::Rollback { app, by: Arc::clone(by), to: to.clone() },
            Wish::Resume => Self::Resume { app },
            Wish::Terminate => Self::Terminate { app },
        }
    }
}

/// Says which task it is. What it asks for is compared where it is asked.
pub(super) fn about(task: &Task, names: &mut Names) -> String {
    let source = task.source().map(|source| names.give(source)).unwrap_or_default();
    let what: String = match task {
        Task::Resolve { target, .. } => format!("{target} of {source}"),
        Task::Load { app, revision, .. } => format!("{} at {}", app.owner.app, revision.id),
        Task::Ask { app, .. } => app.owner.app.to_string(),
        Task::List { cluster, kinds } => {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("{}/{}", kind.group, kind.kind)).collect();
            format!("{} of {cluster}", kinds.join(","))
        }
        Task::Look { keys, cluster } => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            format!("{} of {cluster}", keys.join(","))
        }
        Task::Watch { cluster, after, .. } => format!("{cluster} after {}", after.as_str()),
        Task::Effect { effect: Effect::Record { write, .. }, .. } => format!("record {}", write.key),
        Task::Effect { effect: Effect::Write { write, .. }, .. } | Task::Store { write, .. } => write.key.to_string(),
        Task::Effect { effect: Effect::Observe { keys, .. }, .. } => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            format!("observe {}", keys.join(","))
        }
        Task::Effect { effect: Effect::List { .. }, .. } => "list".to_owned(),
    };
    format!("{} {what}", task.verb())
}

pub(super) fn observe(interest: &Interest) -> String {
    format!("observe {}", interested(interest))
}

pub(super) fn changed(interest: &Interest, after: &Cursor) -> String {
    format!("watch after {}: {}", after.as_str(), interested(interest))
}

fn interested(interest: &Interest) -> String {
    let Interest { kinds, namespaces, keys, versions } = interest;
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("{}/{}", kind.group, kind.kind)).collect();
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let versions: Vec<String> = versions.iter().map(|(key, version)| format!("{key} as {version}")).collect();
    format!("kinds {} in {namespaces:?}, objects {}, {}", kinds.join(","), keys.join(","), versions.join(","))
}
