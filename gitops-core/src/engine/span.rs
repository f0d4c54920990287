//! How long work and operations take, as data: whoever embeds an engine turns it into spans of its tracing library.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use crate::resource::ResourceKey;
use crate::sync::{self, Effect, OperationId};
use crate::time::Timestamp;

use super::{BACKLOG, Done, Engine, Flight, Task, WorkId};

/// Something that takes time began or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "span")]
#[non_exhaustive]
pub enum SpanEvent {
    /// It began.
    Began(Span),
    /// It ended.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// Which one.
        id: WorkId,
        /// When.
        at: Timestamp,
        /// Whether it came to nothing.
        failed: bool,
    },
}

/// A piece of work, or an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Span {
    /// Its name, until it ended.
    pub id: WorkId,
    /// The operation that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<WorkId>,
    /// What: `operation`, or as [`Task::verb`] has it.
    pub what: &'static str,
    /// The application that it is for; `None` where it is for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Arc<str>>,
    /// The source, the cluster, the object or the operation that it is about.
    pub about: Arc<str>,
    /// When it began.
    pub at: Timestamp,
}

/// What nobody has fetched yet; of more than [`BACKLOG`], the oldest go.
#[derive(Debug, Default)]
pub(super) struct Spans(VecDeque<SpanEvent>);

impl Spans {
    fn push(&mut self, event: SpanEvent) {
        self.0.push_back(event);
        if self.0.len() > BACKLOG {
            self.0.pop_front();
        }
    }
}

impl Engine {
    /// Has the engine keep spans, for [`Engine::next_span`]. Watches have none: they last as long as they like.
    pub fn keep_spans(&mut self) {
        self.spans.get_or_insert_default();
    }

    /// Returns what began or ended next, oldest first.
    pub fn next_span(&mut self) -> Option<SpanEvent> {
        self.spans.as_mut()?.0.pop_front()
    }

    pub(super) fn span_of_work(&mut self, id: WorkId, task: &Task, flight: &Flight) {
        if self.spans.is_none() || matches!(flight, Flight::Watch(..)) {
            return;
        }
        let (parent, app) = match flight {
            Flight::Effect(under_way) => (Some(under_way.turn), Some(Arc::clone(&under_way.app))),
            Flight::Load(app, ..) | Flight::Ask(app) | Flight::Store(app, _) => (None, Some(Arc::clone(app))),
            Flight::Resolve(..) | Flight::List(_) | Flight::Watch(..) | Flight::Ledgers(_) => (None, None),
        };
        let span = Span { id, parent, what: task.verb(), app, about: about(task), at: self.now };
        self.push_span(SpanEvent::Began(span));
    }

    pub(super) fn span_of_operation(&mut self, id: WorkId, app: &Arc<str>, operation: &OperationId) {
        let (app, about) = (Some(Arc::clone(app)), operation.as_str().into());
        self.push_span(SpanEvent::Began(Span { id, parent: None, what: "operation", app, about, at: self.now }));
    }

    pub(super) fn span_ended(&mut self, id: WorkId, failed: bool) {
        let at = self.now;
        self.push_span(SpanEvent::Ended { id, at, failed });
    }

    fn push_span(&mut self, event: SpanEvent) {
        if let Some(spans) = &mut self.spans {
            spans.push(event);
        }
    }
}

impl Done {
    /// Returns whether it came to nothing.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Resolved(result) => result.is_err(),
            Self::Loaded(result) => result.is_err(),
            Self::Listed(result) => result.is_err(),
            Self::Changed(result) => result.is_err(),
            Self::Seen(result) => result.is_err(),
            Self::Stored(result) => result.is_err(),
            Self::Asked(_) => false,
            Self::Performed(event) => match event {
                sync::Event::Recorded { result, .. } | sync::Event::Wrote { result, .. } => result.is_err(),
                sync::Event::Observed { result, .. } => result.is_err(),
                sync::Event::Superseded | sync::Event::Terminate | sync::Event::Tick => false,
            },
        }
    }
}

fn about(task: &Task) -> Arc<str> {
    let named = |key: &ResourceKey| key.to_string().into();
    match task {
        Task::Resolve { source, target } => format!("{target} of {source}").into(),
        Task::Load { revision, .. } => revision.id.as_str().into(),
        Task::List { cluster, .. } | Task::Watch { cluster, .. } | Task::Look { cluster, .. } => Arc::clone(cluster),
        Task::Ask { cluster, .. } => Arc::clone(cluster),
        Task::Store { write, .. } => named(&write.key),
        Task::Effect { cluster, effect } => match effect {
            Effect::Record { write, .. } | Effect::Write { write, .. } => named(&write.key),
            Effect::List { .. } => Arc::clone(cluster),
            Effect::Observe { keys, .. } => match keys.first().filter(|_| keys.len() == 1) {
                Some(key) => named(key),
                None => Arc::clone(cluster),
            },
        },
    }
}
