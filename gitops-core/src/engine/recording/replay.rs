//! Going through a recording again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::manifest::Kept;
use crate::plan::Request;
use crate::source::ContentId;
use crate::time::Timestamp;

use super::super::{Application, Done, Engine, Event, Ports, Settings, Task, Wish, Work, WorkId};
use super::answering::{AnsweringCluster, AnsweringSource, Answers, Still};
use super::lines::{self, Line, Told};
use super::names::Names;
use super::{VERSION, answers};

/// A recording.
#[derive(Debug)]
pub struct Replay(Vec<Line>);

/// A text that is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the recording cannot be read: {text}; record with the same version of this program")]
#[non_exhaustive]
pub struct InvalidRecording {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub text: Arc<str>,
}

/// The first thing that went otherwise than recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// At which line of the recording, counted from 1.
    pub line: usize,
    /// When.
    pub at: Timestamp,
    /// What was recorded.
    pub recorded: Arc<str>,
    /// What happens now.
    pub now: Arc<str>,
}

/// What came of a replay.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replayed {
    /// The engine as it was in the end, or where it went otherwise.
    pub engine: Engine,
    /// When that was.
    pub at: Timestamp,
    /// Pieces of work, and of news, that were the same.
    pub work: usize,
    /// Pieces of news that were the same.
    pub news: usize,
    /// What went otherwise.
    pub divergence: Option<Divergence>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, at, recorded, now } = self;
        write!(f, "line {line}, at {at}: recorded is `{recorded}`, and now it is `{now}`")
    }
}

impl Replay {
    /// Reads a recording. Its last line may be cut off.
    ///
    /// # Errors
    /// When a line before cannot be read, or another version of this program wrote it.
    pub fn read(text: &str) -> Result<Self, InvalidRecording> {
        let mut read = Vec::new();
        let mut rest = text.lines().enumerate().filter(|(_, line)| !line.is_empty()).peekable();
        while let Some((at, line)) = rest.next() {
            let invalid = |text: String| InvalidRecording { line: at.saturating_add(1), text: text.into() };
            match serde_json::from_str(line) {
                Ok(Line::Begins { version, .. }) if version != VERSION => {
                    return Err(invalid(format!("it is of version {version}, and only {VERSION} is understood")));
                }
                Ok(line) => read.push(line),
                Err(_) if rest.peek().is_none() && !read.is_empty() => {}
                Err(error) => return Err(invalid(error.to_string())),
            }
        }
        Ok(Self(read))
    }

    /// Returns the names of the applications in it.
    #[must_use]
    pub fn applications(&self) -> BTreeSet<Arc<str>> {
        let put = self.0.iter().filter_map(|line| match line {
            Line::Put { app, .. } => Some(Arc::clone(app)),
            _ => None,
        });
        put.collect()
    }

    /// Tells an engine what was recorded, until it does something else. `describe` is asked whenever an application was
    /// described, in that order.
    pub fn run(&self, describe: impl FnMut(&str) -> Option<Application>) -> Replayed {
        let mut run = Run {
            engine: Engine::new(Settings::default()),
            at: Timestamp::EPOCH,
            tasks: BTreeMap::new(),
            answers: Answers::default(),
            kept: Arc::default(),
            ports: BTreeSet::new(),
            names: Names::default(),
            describe,
            work: 0,
            news: 0,
        };
        let mut divergence = None;
        for (line, number) in self.0.iter().zip(1..) {
            if let Err(Otherwise { recorded, now }) = run.step(line) {
                let (recorded, now) = (recorded.into(), now.into());
                divergence = Some(Divergence { line: number, at: run.at, recorded, now });
                break;
            }
        }
        let Run { engine, at, work, news, .. } = run;
        Replayed { engine, at, work, news, divergence }
    }
}

/// What was recorded, and what happens instead.
#[derive(Debug)]
pub(super) struct Otherwise {
    pub(super) recorded: String,
    pub(super) now: String,
}

impl Otherwise {
    fn unless(same: bool, recorded: &str, now: &str) -> Result<(), Self> {
        if same { Ok(()) } else { Err(Self { recorded: recorded.to_owned(), now: now.to_owned() }) }
    }
}

struct Run<D> {
    engine: Engine,
    at: Timestamp,
    tasks: BTreeMap<u64, Task>,
    answers: Answers,
    kept: Arc<Kept>,
    /// Sources and clusters.
    ports: BTreeSet<(Arc<str>, Arc<str>)>,
    /// What sources are called in the recording: the engine itself goes by their addresses, in whose order it works.
    names: Names,
    describe: D,
    work: usize,
    news: usize,
}

impl<D: FnMut(&str) -> Option<Application>> Run<D> {
    fn step(&mut self, line: &Line) -> Result<(), Otherwise> {
        match line {
            Line::Begins { settings, .. } => {
                self.engine = Engine::new(settings.settings());
                self.tasks.clear();
                self.answers.forget();
            }
            Line::Put { at, app } => {
                self.at = *at;
                let Some(application) = (self.describe)(app) else {
                    let recorded = format!("the application {app}");
                    return Err(Otherwise { recorded, now: "nobody describes it".to_owned() });
                };
                self.ports.insert((Arc::clone(&application.source), Arc::clone(&application.cluster)));
                self.engine.put(application, *at);
            }
            Line::Unknown { at, app, cluster, why } => {
                self.at = *at;
                self.engine.put_unknown(app, cluster, why, *at);
            }
            Line::Removed { at, app } => {
                self.at = *at;
                self.engine.remove(app, *at);
            }
            Line::Told { at, event } => {
                self.at = *at;
                let event = match event.event() {
                    Event::SourceChanged { source } => {
                        let known = self.ports.iter().map(|(source, _)| source);
                        Event::SourceChanged { source: self.names.source(&source, known) }
                    }
                    event => event,
                };
                self.engine.handle(event, *at);
            }
            Line::Work { at, id, task } => {
                self.at = *at;
                let Some(Work { id: now, task: work }) = self.engine.next_work(*at) else {
                    return Otherwise::unless(false, task, "nothing is to be done");
                };
                let about = lines::about(&work, &mut self.names);
                Otherwise::unless(now.0 == *id && about == *task, task, &about)?;
                self.tasks.insert(*id, work);
                self.work = self.work.saturating_add(1);
            }
            Line::NoWork { at } => {
                self.at = *at;
                if let Some(work) = self.engine.next_work(*at) {
                    Otherwise::unless(false, "nothing is to be done", &lines::about(&work.task, &mut self.names))?;
                }
            }
            Line::Asked { id, request, answer } => self.answers.asked(*id, request, answer),
            Line::File { source, id, content } => {
                let content = content.clone().map(|text| answers::decode(&text).unwrap_or_default().into());
                self.answers.file(source, &ContentId::new(id), content);
            }
            Line::Stored { digest, text } => self.answers.store(*digest, text),
            Line::Done { at, id } => {
                self.at = *at;
                let done = self.done(*id)?;
                self.engine.handle(Event::Done { id: WorkId(*id), done }, *at);
            }
            Line::News { item } => {
                let now = self.engine.next_news().map(|item| serde_json::to_value(item).unwrap_or_default());
                let told = now.as_ref().map_or_else(|| "nothing is told".to_owned(), ToString::to_string);
                Otherwise::unless(now.as_ref() == Some(item), &item.to_string(), &told)?;
                self.news = self.news.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Does a piece of work by what was answered.
    fn done(&mut self, id: u64) -> Result<Done, Otherwise> {
        let Some(task) = self.tasks.remove(&id) else {
            return Err(Otherwise { recorded: format!("work {id} is done"), now: "there is no such work".to_owned() });
        };
        self.answers.begin(id);
        let answering = |source| AnsweringSource::new(self.names.of(source), &self.answers);
        let sources: BTreeMap<_, _> = self.ports.iter().map(|(source, _)| (source, answering(source))).collect();
        let cluster = AnsweringCluster(&self.answers);
        let timer = Still(self.at);
        let mut ports = Ports::new(&timer);
        ports.kept = Arc::clone(&self.kept);
        for (source, cluster_name) in &self.ports {
            if let Some(port) = sources.get(source) {
                ports.sources.insert(Arc::clone(source), port);
            }
            ports.clusters.insert(Arc::clone(cluster_name), &cluster);
        }
        let work = pin!(ports.perform(task));
        let done = match work.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => {
                return Err(Otherwise { recorded: format!("work {id} is done"), now: "it waits".to_owned() });
            }
        };
        match self.answers.end() {
            Some(otherwise) => Err(otherwise),
            None => Ok(done),
        }
    }
}

impl Told {
    fn event(&self) -> Event {
        let (app, wish) = match self {
            Self::SourceChanged { source } => return Event::SourceChanged { source: Arc::clone(source) },
            Self::Stop => return Event::Stop,
            Self::Refresh { app } => (app, Wish::Refresh),
            Self::Resume { app } => (app, Wish::Resume),
            Self::Terminate { app } => (app, Wish::Terminate),
            Self::Rollback { app, by, to } => (app, Wish::Rollback { by: Arc::clone(by), to: to.clone() }),
            Self::Sync { app, requested } => {
                let request: Request = requested.request();
                (app, Wish::Sync { by: Arc::clone(&requested.by), request: Box::new(request) })
            }
        };
        Event::Wish { app: Arc::clone(app), wish }
    }
}
