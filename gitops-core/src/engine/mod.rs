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
//! | a target names another revision | its applications are read anew, and compared |
//! | an object changes that is declared, recorded or claimed | its applications are compared |
//! | a source or cluster gives no answer | its applications keep what is known, and say so; it is asked again, ever more rarely |
//! | an operation ends | its application is compared again |
//! | a person asks | the application is compared, and the operation starts unless a window denies it |
//!
//! Before anything is written, every application of the cluster was read once, so that two which declare the same object
//! are found: one that holds the object already keeps it, else neither applies it. Nothing is pruned that another
//! application declares, or may declare (rule 28 of the exact rules).

mod cache;
mod events;
mod judge;
mod news;
mod run;
mod schedule;
mod shared;
mod status;
mod subject;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::Request;
use crate::resource::{GroupKind, ResourceKey};
use crate::source::{Revision, RevisionId, Target};
use crate::time::Timestamp;

use cache::Cache;
use news::Board;
use subject::{Asked, Level, Stage, Subject};

pub use news::{BACKLOG, Counters, Item, News};
pub use run::{Observer, run};
pub use status::{AppStatus, Condition, ConditionKind, Decided, OperationState, WORST, Worst};
pub use subject::Application;
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
    /// Most pieces of work at once, watches apart. Default: 16.
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
    /// The engine shall stop: nothing new begins, and what is under way is recorded, so that another engine goes on.
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
    /// That the operation under way stops now.
    Terminate,
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
    /// Who was served last of those that run.
    served: Option<Arc<str>>,
    flying: BTreeMap<WorkId, Flight>,
    /// How much of it counts.
    counted: usize,
    last_id: u64,
    now: Timestamp,
    is_stopping: bool,
    board: Board,
    counters: Counters,
}

/// A target that applications follow.
#[derive(Debug, Default)]
struct Followed {
    head: Option<Revision>,
    apps: BTreeSet<Arc<str>>,
    due: Option<Timestamp>,
    is_flying: bool,
    tries: u32,
}

/// A cluster with applications.
#[derive(Debug, Default)]
struct ClusterState {
    cache: Option<Cache>,
    apps: BTreeSet<Arc<str>>,
    /// Those of which nobody has tried yet to read what they declare.
    unread: BTreeSet<Arc<str>>,
    /// Which kinds must be known.
    wanted: BTreeSet<GroupKind>,
    /// Which kinds are being listed.
    asked: BTreeSet<GroupKind>,
    /// Whether everything must be listed anew.
    is_lost: bool,
    is_listing: bool,
    is_watching: bool,
    retry_at: Option<Timestamp>,
    tries: u32,
    /// Whom a change of an object concerns.
    concerned: BTreeMap<ResourceKey, BTreeSet<Arc<str>>>,
    /// Who declares an object.
    declared: BTreeMap<ResourceKey, BTreeSet<Arc<str>>>,
}

/// What an answer will be about.
#[derive(Clone, Debug)]
enum Flight {
    Resolve(Arc<str>, Target),
    Load(Arc<str>, RevisionId),
    List(Arc<str>),
    Watch(Arc<str>),
    Ledgers(BTreeSet<Arc<str>>),
    Ask(Arc<str>),
    Effect(Arc<str>, Option<(ResourceKey, Arc<str>)>),
    Store(Arc<str>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            gather: Duration::from_millis(200),
            gather_statuses: Duration::from_secs(3),
            health: Duration::from_secs(30),
            in_flight: 16,
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
            served: None,
            flying: BTreeMap::new(),
            counted: 0,
            last_id: 0,
            now: Timestamp::EPOCH,
            is_stopping: false,
            board: Board::default(),
            counters: Counters::default(),
        }
    }

    /// Looks after an application from now on, or after one of its name otherwise than before. An operation under way
    /// goes on as it was begun.
    pub fn put(&mut self, application: Application, now: Timestamp) {
        self.tell(now);
        let name = Arc::clone(application.name());
        let follows = application.follows();
        match self.subjects.get_mut(&name) {
            Some(known) => {
                let (before, cluster) = (known.application.follows(), Arc::clone(&known.application.cluster));
                if cluster != application.cluster {
                    let left = std::mem::replace(known, Subject::new(application.clone()));
                    self.forget_cluster(&name, &left);
                    self.running.remove(&name);
                }
                if before != follows {
                    self.unfollow(&name, &before);
                }
                if let Some(known) = self.subjects.get_mut(&name) {
                    if before != follows {
                        known.head = None;
                    }
                    known.level = Level::Desired;
                    known.application = Arc::new(application);
                }
            }
            None => drop(self.subjects.insert(Arc::clone(&name), Subject::new(application))),
        }
        self.follow(&name, follows);
        if let Some(subject) = self.subjects.get(&name) {
            let cluster = self.clusters.entry(Arc::clone(&subject.application.cluster)).or_default();
            if cluster.apps.insert(Arc::clone(&name)) {
                cluster.unread.insert(Arc::clone(&name));
            }
        }
        self.wake(&name, Duration::ZERO);
    }

    /// No longer looks after an application. Nothing of it is deleted; an operation under way is left as recorded.
    pub fn remove(&mut self, name: &str, now: Timestamp) {
        self.tell(now);
        let Some((name, subject)) = self.subjects.remove_entry(name) else { return };
        self.unfollow(&name, &subject.application.follows());
        self.forget_cluster(&name, &subject);
        self.running.remove(&name);
        if let Some(due) = subject.due {
            self.ready.remove(&(due, Arc::clone(&name)));
        }
        self.board.pin(self.now, &name, News::Gone);
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

    /// Returns whether nothing is under way and nothing waits to be done at once: all that is left is to wait.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.counted == 0 && self.running.is_empty() && self.ready.first().is_none_or(|(due, _)| *due > self.now)
    }

    /// Returns whether every application was compared, and none has anything to do at once.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        let settled = |subject: &Subject| {
            let broken = |condition: &Condition| condition.kind <= ConditionKind::LedgerError;
            let known = subject.status.compared.is_some() || subject.status.conditions.iter().any(broken);
            known && subject.level == Level::None && subject.asked.is_none() && matches!(subject.stage, Stage::Idle)
        };
        self.counted == 0 && self.subjects.values().all(settled)
    }

    /// Returns how many pieces of work are under way, watches apart.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.counted
    }

    fn tell(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    fn follow(&mut self, name: &Arc<str>, follows: (Arc<str>, Target)) {
        let followed = self.followed.entry(follows.clone()).or_default();
        followed.apps.insert(Arc::clone(name));
        if let Some(subject) = self.subjects.get_mut(name) {
            subject.head.clone_from(&followed.head);
            subject.status.head.clone_from(&followed.head);
        }
        if followed.due.is_none() && !followed.is_flying {
            followed.due = Some(self.now);
            self.resolves.insert((self.now, follows));
        }
    }

    fn unfollow(&mut self, name: &Arc<str>, follows: &(Arc<str>, Target)) {
        let Some(followed) = self.followed.get_mut(follows) else { return };
        followed.apps.remove(name);
        if followed.apps.is_empty() {
            if let Some(due) = followed.due {
                self.resolves.remove(&(due, follows.clone()));
            }
            self.followed.remove(follows);
        }
    }

    fn forget_cluster(&mut self, name: &Arc<str>, left: &Subject) {
        let cluster = &left.application.cluster;
        let Some(state) = self.clusters.get_mut(cluster) else { return };
        state.apps.remove(name);
        state.unread.remove(name);
        for (index, keys) in [(&mut state.concerned, &left.concerns), (&mut state.declared, &left.declares)] {
            drop(shared::reindex(index, name, keys, &BTreeSet::new()));
        }
        if state.apps.is_empty() {
            self.clusters.remove(cluster);
        }
    }

    /// Looks at an application after a while, or sooner if that was wanted.
    fn wake(&mut self, name: &Arc<str>, after: Duration) {
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

    fn ask_of(subject: &mut Subject, by: Arc<str>, request: Request) {
        subject.asked = Some(Asked { by, request });
        subject.level = subject.level.max(Level::Live);
    }
}
