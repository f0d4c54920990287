//! What changed: one watch for each place, kept open, and what it told since.
//!
//! A feed begins where a list ended and goes on over every break: it asks for what came after the last version it heard of.
//! When the server no longer has that, or refuses, the feed ends, and who reads it lists again: there is no gap.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gitops_core::model::ServedKind;
use gitops_core::resource::Resource;
use http_body_util::BodyExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::page::Event;
use crate::place;
use crate::refusal::Refusal;
use crate::talk::{Ask, Talk};

/// How long the server keeps a watch open, in seconds. It sends a mark about every minute.
const OPEN: &str = "290";
/// Longer silence means that the connection is dead: marks come about once a minute.
const DEAD: Duration = Duration::from_secs(150);
/// How many changes wait to be read; whoever comes later than that lists again.
const WAITING: usize = 2_000;
/// How many changes are kept that somebody has read: others may be a little behind.
const READ: usize = 100;
/// The largest line of a watch: objects have 1.5 MB at most, and `managedFields` beside.
const LINE: usize = 64 << 20;

/// What one watch told.
#[derive(Debug)]
pub(crate) struct Feed {
    told: Arc<Told>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Told {
    state: Mutex<State>,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// All changes after this version are here.
    start: u64,
    /// Up to this version.
    end: u64,
    changes: VecDeque<(u64, Change)>,
    end_of_all: Option<End>,
}

/// Why a feed tells nothing more.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The version to go on from is too old, or what was told cannot be read.
    Lost,
    /// Watching is refused.
    Refused,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Present(Resource),
    Gone(Resource),
}

/// What is new in a feed.
pub(crate) enum News {
    /// These changes, up to a version.
    Changes(Vec<Change>, u64),
    /// It is not known: list again.
    Lost,
    /// It cannot be watched.
    Refused,
}

impl Feed {
    /// Watches a place from a version on. `news` is told of everything.
    pub(crate) fn open(
        talk: &Talk,
        kind: &Arc<ServedKind>,
        namespace: Option<&str>,
        from: u64,
        news: &Arc<Notify>,
    ) -> Self {
        let state = State { start: from, end: from, changes: VecDeque::new(), end_of_all: None };
        let told = Arc::new(Told { state: Mutex::new(state), news: Arc::clone(news) });
        let path = place::collection(kind, &kind.preferred, namespace);
        let watch = follow(talk.clone(), path, Arc::clone(&told));
        Self { told, task: tokio::spawn(watch).abort_handle() }
    }

    /// Returns what happened after a version.
    pub(crate) fn since(&self, version: u64) -> News {
        let mut state = self.told.lock();
        match state.end_of_all {
            Some(End::Refused) => return News::Refused,
            Some(End::Lost) => return News::Lost,
            None if version < state.start => return News::Lost,
            None => {}
        }
        let new = state.changes.iter().filter(|(at, _)| *at > version).map(|(_, change)| change.clone()).collect();
        let read = state.changes.iter().take_while(|(at, _)| *at <= version).count();
        for _ in READ..read {
            state.drop_first();
        }
        News::Changes(new, state.end.max(version))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one line; `false` when the watch cannot go on from where it is.
    fn hear(&self, line: &[u8]) -> bool {
        let Ok(event) = Event::read(line) else { return false };
        let version = |text: &str| text.parse::<u64>().ok();
        let (at, change) = match event {
            Event::Mark(at) => (version(&at), None),
            Event::Present(object) => (object.resource_version().and_then(version), Some(Change::Present(object))),
            Event::Gone(object) => (object.resource_version().and_then(version), Some(Change::Gone(object))),
            Event::Refused => return false,
        };
        let Some(at) = at else { return false };
        let mut state = self.lock();
        if let Some(change) = change {
            state.changes.push_back((at, change));
            self.news.notify_waiters();
        }
        state.end = state.end.max(at);
        if state.changes.len() > WAITING {
            state.drop_first();
        }
        true
    }

    fn end(&self, why: End) {
        self.lock().end_of_all = Some(why);
        self.news.notify_waiters();
    }
}

impl State {
    fn drop_first(&mut self) {
        if let Some((at, _)) = self.changes.pop_front() {
            self.start = self.start.max(at);
        }
    }
}

/// Follows a place until it is refused.
async fn follow(talk: Talk, path: String, told: Arc<Told>) {
    let mut pause = Duration::from_millis(100);
    let why = loop {
        let from = told.lock().end;
        let query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", OPEN),
            ("resourceVersion", &*from.to_string()),
        ];
        match talk.stream(&Ask::get(place::with_query(&path, query))).await {
            Ok(response) if response.status().as_u16() == 200 => {
                if !listen(response.into_body(), &told).await {
                    break End::Lost;
                }
                if told.lock().end > from {
                    pause = Duration::from_millis(100);
                }
            }
            Ok(response) => {
                let code = response.status().as_u16();
                let body = match timeout(Duration::from_secs(10), response.into_body().collect()).await {
                    Ok(Ok(body)) => body.to_bytes(),
                    _ => Default::default(),
                };
                let refusal = Refusal::read(code, None, &body);
                match refusal.code {
                    429 | 500.. => {}
                    401 | 403 | 405 => break End::Refused,
                    _ => break End::Lost,
                }
            }
            Err(_) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    };
    told.end(why);
}

/// Hears what one connection says until it ends; `false` when the watch is over for good.
async fn listen(mut body: kube::client::Body, told: &Told) -> bool {
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let Ok(Some(Ok(frame))) = timeout(DEAD, body.frame()).await else { return true };
        let Some(data) = frame.data_ref() else { continue };
        let mut rest: &[u8] = data;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, more) = rest.split_at_checked(end + 1).unwrap_or((rest, &[]));
            buffer.extend_from_slice(line);
            if !told.hear(&buffer) {
                return false;
            }
            buffer.clear();
            rest = more;
        }
        buffer.extend_from_slice(rest);
        if buffer.len() > LINE {
            return false;
        }
    }
}
