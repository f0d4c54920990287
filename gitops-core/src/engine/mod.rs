//! Many applications at once: what to do next, and what came of it.
//!
//! An [`Engine`] performs nothing itself. It hands out [`Work`], is told what came of it as [`Event`]s, and says when it
//! wants to be woken: the same shape as the [`Machine`](crate::sync::Machine) of a single operation. [`run`] drives one
//! against real ports; [`Simulation`](crate::memory::Simulation) drives one through virtual months.
//!
//! What many applications need is done once: a target is resolved once for all that follow it, a cluster has one list
//! of each kind in use and one watch. What changed on a cluster is compared for the applications that it concerns; a
//! changed status costs no comparison of anything else, and what nobody manages costs a look at its name. While nothing
//! changes, each target is resolved once per interval, and nothing else happens.
//!
//! | it happens | this follows |
//! |---|---|
//! | a target names another revision | those of its applications are compared for which it says something else |
//! | an object changes that is declared, recorded or claimed | its applications are compared |
//! | a source or cluster gives no answer | its applications keep what is known, and say so; it is asked again, ever more rarely |
//! | an operation ends | its application is compared again |
//! | a person asks | the application is compared, and the operation starts unless a window denies it |
//!
//! Before anything is written, every application of the cluster was read once, so that two which declare the same object
//! are found: one that holds the object already keeps it, else neither applies it. Nothing is pruned that another
//! application declares, or may declare (rule 28 of the exact rules): once the one that holds it declares it no longer,
//! it is handed over (rule 32).

mod again;
mod cache;
mod clock;
mod clusters;
mod described;
mod drift;
mod elsewhere;
mod events;
mod flight;
mod handover;
mod heat;
mod judge;
mod members;
mod metrics;
mod news;
mod notify;
mod operations;
mod read;
mod recording;
mod requested;
mod run;
mod schedule;
mod share;
mod shared;
mod span;
mod status;
mod store;
mod subject;
mod tally;
mod tell;
mod unknown;
mod wishes;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::Request;
use crate::reconcile::Report;
use crate::source::{RevisionId, Target};
use crate::time::Timestamp;

use cache::Cache;
use clusters::{ClusterState, Listing};
use flight::{Flight, UnderWay};
use members::Followed;
use news::Board;
use share::{Class, Places};
use subject::{Level, Stage, Subject};
use unknown::Unknown;

pub use metrics::metrics;
pub use news::{BACKLOG, Counters, Item, News};
pub use notify::{Details, Notification, Notifier, Occasion};
pub use recording::{Divergence, InvalidRecording, Lines, Log, Recorder, Replay, Replayed};
pub use run::{Observer, run, run_recorded};
pub use span::{Span, SpanEvent};
pub use status::{AppStatus, Condition, ConditionKind, Decided, OperationState, WORST, Worst};
pub use subject::Application;
pub use tally::{CLASSES, Durations, Tally};
pub use work::{Done, Ports, Task, Work, WorkId};

/// How an engine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How often a target is resolved. Default: 120 s, as Argo CD; a tenth of it at most is added, by the name.
    pub interval: Duration,
    /// How long changes of the cluster are gathered before they are compared. Default: 200 ms.
    pub gather: Duration,
    /// The same for changes of status alone. Default: 3 s.
    pub gather_statuses: Duration,
    /// How often an application is looked at whose health depends on time. Default: 30 s.
    pub health: Duration,
    /// Most pieces of work at once, watches apart. Nobody gets all of them: a source, a cluster, and a class of work have
    /// half of them at most, an operation a third. Default: 32.
    pub in_flight: usize,
    /// Most operations at once. Default: 32.
    pub operations: usize,
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A piece of work was done.
    Done {
        /// Which one.
        id: WorkId,
        /// What came of it.
        done: Done,
    },
    /// Somebody wants something of an application.
    Wish {
        /// Of which one.
        app: Arc<str>,
        /// What.
        wish: Wish,
    },
    /// A source may have changed, such as by what a webhook says: its targets are resolved now.
    SourceChanged {
        /// Which one.
        source: Arc<str>,
    },
    /// The engine shall stop: nothing new begins, and what is under way is recorded, so that another engine goes on. Only
    /// what was deleted to be created again is created first; see [`Engine::has_stopped`].
    Stop,
}

/// What somebody wants of an application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Wish {
    /// That everything is looked at anew.
    Refresh,
    /// That it is synced.
    Sync {
        /// Who wants it.
        by: Arc<str>,
        /// What exactly.
        request: Box<Request>,
    },
    /// That it goes back to an earlier revision and stays there until its source names something new.
    Rollback {
        /// Who wants it.
        by: Arc<str>,
        /// Where to.
        to: RevisionId,
    },
    /// That a rollback no longer holds.
    Resume,
    /// That the operation under way stops now; where none is, that what was asked for and has to wait is not done.
    Terminate,
}

/// How much an engine keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sizes {
    /// Applications.
    pub applications: usize,
    /// Targets that they follow.
    pub targets: usize,
    /// Clusters.
    pub clusters: usize,
    /// Objects of the clusters.
    pub objects: usize,
    /// Entries of the indexes by object.
    pub indexed: usize,
    /// Uids of deleted objects; at most 10,000 for each cluster.
    pub buried: usize,
    /// Applications and targets that are due at some time; each once.
    pub due: usize,
    /// Applications that wait for their turn, and applications and targets that wait for a place.
    pub waiting: usize,
    /// Pieces of work under way, watches included.
    pub under_way: usize,
    /// Pieces of news that nobody has fetched; at most [`BACKLOG`].
    pub news: usize,
}

/// Looks after many applications. See the module documentation.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    subjects: BTreeMap<Arc<str>, Subject>,
    followed: BTreeMap<(Arc<str>, Target), Followed>,
    /// When targets are to be resolved.
    resolves: BTreeSet<(Timestamp, (Arc<str>, Target))>,
    clusters: BTreeMap<Arc<str>, ClusterState>,
    /// When applications are to be looked at.
    ready: BTreeSet<(Timestamp, Arc<str>)>,
    running: BTreeSet<Arc<str>>,
    /// Who would begin an operation if not as many were under way as may be; each once, in order.
    queue: VecDeque<Arc<str>>,
    queued: BTreeSet<Arc<str>>,
    /// Whose turn it is, and who is looked at for it.
    called: BTreeSet<Arc<str>>,
    /// Who depends on an application.
    dependents: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Applications that are declared, and cannot be looked after.
    unknown: BTreeMap<Arc<str>, Unknown>,
    /// By their repositories, what is followed.
    shelves: BTreeMap<Arc<str>, BTreeSet<(Arc<str>, Target)>>,
    /// Who waits until an application was judged, since an object moves between the two.
    awaited: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Who was served last of those that run.
    served: Option<Arc<str>>,
    flying: BTreeMap<WorkId, Flight>,
    /// Who has how much of it.
    places: Places,
    /// Which class of work has its turn.
    turn: Class,
    last_id: u64,
    now: Timestamp,
    is_stopping: bool,
    /// When it stops at the latest, whatever is half done.
    stops_at: Option<Timestamp>,
    board: Board,
    counters: Counters,
    /// The last report of each application that nobody has fetched yet, if anybody wants them.
    reports: Option<BTreeMap<Arc<str>, Report>>,
    /// What began and ended, and nobody has fetched yet, if anybody wants to know.
    spans: Option<span::Spans>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            gather: Duration::from_millis(200),
            gather_statuses: Duration::from_secs(3),
            health: Duration::from_secs(30),
            in_flight: 32,
            operations: 32,
        }
    }
}

impl Engine {
    /// Starts with no application.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            subjects: BTreeMap::new(),
            followed: BTreeMap::new(),
            resolves: BTreeSet::new(),
            clusters: BTreeMap::new(),
            ready: BTreeSet::new(),
            running: BTreeSet::new(),
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            called: BTreeSet::new(),
            dependents: BTreeMap::new(),
            unknown: BTreeMap::new(),
            shelves: BTreeMap::new(),
            awaited: BTreeMap::new(),
            served: None,
            flying: BTreeMap::new(),
            places: Places::new(settings.in_flight),
            turn: Class::default(),
            last_id: 0,
            now: Timestamp::EPOCH,
            is_stopping: false,
            stops_at: None,
            board: Board::default(),
            counters: Counters::default(),
            reports: None,
            spans: None,
        }
    }

    /// Returns what there is to say about an application.
    #[must_use]
    pub fn status(&self, app: &str) -> Option<&AppStatus> {
        self.subjects.get(app).map(|subject| &subject.status)
    }

    /// Returns what there is to say about every application, in order of their names.
    pub fn statuses(&self) -> impl Iterator<Item = &AppStatus> {
        self.subjects.values().map(|subject| &subject.status)
    }

    /// Returns the applications, in order of their names.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.subjects.values().map(|subject| &*subject.application)
    }

    /// Returns the next news, oldest first; `None` once all was told.
    pub fn next_news(&mut self) -> Option<Item> {
        self.board.take()
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns whether nothing is under way and nothing waits to be done at once, or as soon as changes of the cluster are
    /// gathered: all that is left is to wait.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let soon = self.now + self.settings.gather;
        self.places.taken() == 0 && self.running.is_empty() && self.ready.first().is_none_or(|(due, _)| *due > soon)
    }

    /// Returns whether every application was compared, and none has anything to do at once.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        let settled = |subject: &Subject| {
            let broken = |condition: &Condition| condition.kind <= ConditionKind::LedgerError;
            let known = subject.status.compared.is_some() || subject.status.conditions.iter().any(broken);
            known
                && subject.is_read()
                && subject.level == Level::None
                && subject.asked.as_ref().is_none_or(|asked| asked.waits)
                && matches!(subject.stage, Stage::Idle)
        };
        self.places.taken() == 0 && self.subjects.values().all(settled)
    }

    /// Returns how many pieces of work are under way, watches apart.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.places.taken()
    }

    /// Returns how much is kept, for metrics and to see that nothing grows without end.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let clusters = || self.clusters.values();
        let caches = || clusters().filter_map(|cluster| cluster.cache.as_ref());
        Sizes {
            applications: self.subjects.len(),
            targets: self.followed.len(),
            clusters: self.clusters.len(),
            objects: caches().map(|cache| cache.live.objects().count()).sum(),
            indexed: clusters().map(|cluster| cluster.concerned.len().saturating_add(cluster.declared.len())).sum(),
            buried: caches().map(Cache::buried).sum(),
            due: self.ready.len().saturating_add(self.resolves.len()),
            waiting: self.queue.len().saturating_add(self.places.waiting()),
            under_way: self.flying.len(),
            news: self.board.len(),
        }
    }

    /// Looks at an application after a while, or sooner if that was wanted.
    fn wake(&mut self, name: &Arc<str>, after: Duration) {
        self.reckon(name);
        let at = self.now + after;
        self.wake_at_time(name, at);
    }

    fn wake_at_time(&mut self, name: &Arc<str>, at: Timestamp) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        match subject.due {
            Some(due) if due <= at => return,
            Some(due) => drop(self.ready.remove(&(due, Arc::clone(name)))),
            None => {}
        }
        subject.due = Some(at);
        self.ready.insert((at, Arc::clone(name)));
    }
}
