//! What an engine was told, and what it did: recorded line by line, and gone through again.
//!
//! An engine decides by nothing but what it is told, and when. A [`Recorder`] writes that down: every event, every look
//! for work, and what sources and clusters answered. A [`Replay`] tells another engine the same, at the same virtual
//! times, and compares all that it does; so an incident of production can be gone through in a test, and the first thing
//! that a mended engine does otherwise is named.
//!
//! A recording holds no value of a Secret: each has a name by which equal values are equal, in files and on the cluster,
//! so that what is decided is the same. Nor does it hold credentials that stand in the address of a source. It does
//! hold everything else that was read.

mod answering;
mod answers;
mod kept;
mod lines;
mod mask;
mod names;
mod ports;
mod replay;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cluster::{Changes, ClusterError, Cursor, Interest};
use crate::source::{ContentId, SourceFailure};
use crate::time::Timestamp;
use crate::value::{Digest, Purpose};

use super::{Done, Event, Item, Ports, Settings, Task, Work, WorkId};
use answers::Answer;
use lines::{Line, Pace, Told};
use mask::Masks;
use names::Names;
use ports::{RecordedCluster, RecordedSource};

pub use replay::{Divergence, InvalidRecording, Replay, Replayed};

/// The version of the lines.
const VERSION: u32 = 1;
/// Most large answers that are remembered, so that they are not written twice.
const MOST: usize = 100_000;

/// Takes the lines of a recording, such as a file that grows.
///
/// An implementor promises to return soon. What it cannot store it drops from then on: a recording that ends early is
/// one, a recording with a gap is none.
pub trait Log: fmt::Debug + Send {
    /// Takes the next line, without its end.
    fn line(&mut self, line: &str);
}

/// Lines in memory.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

/// Records an engine. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    log: Box<dyn Log>,
    masks: Masks,
    names: Names,
    /// Large answers that were written.
    known: BTreeSet<Digest>,
    /// How many bytes may still be written.
    left: u64,
}

impl Lines {
    /// Returns what was recorded until now.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

impl Log for Lines {
    fn line(&mut self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

impl Recorder {
    /// Records into `log`, at most so many bytes; what comes later is not recorded.
    #[must_use]
    pub fn new(log: impl Log + 'static, most: u64) -> Self {
        let (masks, names, known) = (Masks::default(), Names::default(), BTreeSet::new());
        Self(Arc::new(Mutex::new(State { log: Box::new(log), masks, names, known, left: most })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An engine begins that knows nothing.
    pub fn begins(&self, settings: &Settings) {
        self.state().write(&Line::Begins { version: VERSION, settings: Pace::of(settings) });
    }

    /// It looks after an application from now on, or otherwise than before.
    pub fn put(&self, app: &str, at: Timestamp) {
        self.state().write(&Line::Put { at, app: app.into() });
    }

    /// There is an application that it cannot look after: see [`super::Engine::put_unknown`].
    pub fn unknown(&self, app: &str, cluster: &str, why: &str, at: Timestamp) {
        self.state().write(&Line::Unknown { at, app: app.into(), cluster: cluster.into(), why: why.into() });
    }

    /// It no longer looks after an application.
    pub fn removed(&self, app: &str, at: Timestamp) {
        self.state().write(&Line::Removed { at, app: app.into() });
    }

    /// It is told something.
    pub fn told(&self, event: &Event, at: Timestamp) {
        let mut state = self.state();
        let line = match event {
            Event::Done { id, .. } => Line::Done { at, id: id.0 },
            Event::Wish { app, wish } => Line::Told { at, event: Told::wish(app, wish, at) },
            Event::SourceChanged { source } => {
                Line::Told { at, event: Told::SourceChanged { source: state.names.of(source) } }
            }
            Event::Stop => Line::Told { at, event: Told::Stop },
        };
        state.write(&line);
    }

    /// It was asked for work.
    pub fn gave(&self, work: Option<&Work>, at: Timestamp) {
        let mut state = self.state();
        let line = match work {
            Some(Work { id, task }) => Line::Work { at, id: id.0, task: lines::about(task, &mut state.names) },
            None => Line::NoWork { at },
        };
        state.write(&line);
    }

    /// It told something.
    pub fn news(&self, item: &Item) {
        // Nothing in it has a `Serialize` that fails.
        let item = serde_json::to_value(item).unwrap_or_default();
        self.state().write(&Line::News { item });
    }

    /// Does a piece of work as [`Ports::perform`] does, and records what was asked and answered.
    pub async fn perform(&self, ports: &Ports<'_>, id: WorkId, task: Task) -> Done {
        let sources: Vec<_> =
            ports.sources.iter().map(|(name, port)| RecordedSource::new(*port, (name, id), self)).collect();
        let clusters: Vec<_> = ports.clusters.values().map(|port| RecordedCluster::new(*port, id, self)).collect();
        let mut recorded = Ports::new(ports.timer);
        recorded.kept = Arc::clone(&ports.kept);
        for (name, source) in ports.sources.keys().zip(&sources) {
            recorded.sources.insert(Arc::clone(name), source);
        }
        for (name, cluster) in ports.clusters.keys().zip(&clusters) {
            recorded.clusters.insert(Arc::clone(name), cluster);
        }
        recorded.perform(task).await
    }

    /// A watch was answered otherwise than by [`Recorder::perform`].
    pub fn changed(&self, id: WorkId, asked: (&Interest, &Cursor), answer: &Result<Changes, ClusterError>) {
        let request = lines::changed(asked.0, asked.1);
        self.asked(id, request, |state| state.changes(answer));
    }

    fn asked(&self, id: WorkId, request: String, answer: impl FnOnce(&mut State) -> Answer) {
        let mut state = self.state();
        let answer = answer(&mut state);
        state.write(&Line::Asked { id: id.0, request, answer });
    }

    fn file(&self, source: &Arc<str>, id: &ContentId, content: Result<&[u8], &SourceFailure>) {
        let mut state = self.state();
        // Equal ids are equal bytes for ever.
        let name = Digest::of(Purpose::Identity, format!("{source}\n{id}").as_bytes());
        if content.is_ok() && !state.remember(name) {
            return;
        }
        let content = content.map(|bytes| answers::encode(&state.masks.file(bytes))).map_err(SourceFailure::clone);
        let source = state.names.give(source);
        state.write(&Line::File { source, id: id.as_str().into(), content });
    }
}

impl State {
    fn write(&mut self, line: &Line) {
        // Nothing in it has a `Serialize` that fails.
        let text = serde_json::to_string(line).unwrap_or_default();
        let size = text.len() as u64 + 1;
        if self.left < size {
            self.left = 0;
            return;
        }
        self.left -= size;
        self.log.line(&text);
    }

    /// Returns whether this is new; it is remembered as long as there is room.
    fn remember(&mut self, name: Digest) -> bool {
        !self.known.contains(&name) && (self.known.len() >= MOST || self.known.insert(name))
    }

    /// Writes a large part of answers once, and returns its name.
    fn stored(&mut self, text: String) -> Digest {
        let digest = Digest::of(Purpose::Identity, text.as_bytes());
        if self.remember(digest) {
            self.write(&Line::Stored { digest, text });
        }
        digest
    }
}
