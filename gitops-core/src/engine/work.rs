//! What an engine wants done, and how it is done: all I/O of an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::app::AppSource;
use crate::cluster::{Changes, Cluster, ClusterError, Cursor, Interest, Observed, Write, Written};
use crate::manifest::Kept;
use crate::model::ApiModel;
use crate::reconcile::{App, Known, Looked, Read, Reader, SyncError, perform, read};
use crate::resource::{GroupKind, ResourceKey};
use crate::source::{Revision, Source, SourceError, Target};
use crate::state::LiveState;
use crate::sync::{self, Effect};
use crate::time::Timer;

/// Names a piece of work. Answers carry it back; late and unknown ones are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct WorkId(pub(super) u64);

/// Something to be done outside.
#[derive(Debug)]
#[non_exhaustive]
pub struct Work {
    /// Its name.
    pub id: WorkId,
    /// What.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Task {
    /// Pin a target to a revision; for all applications that follow it.
    Resolve {
        /// Of which source.
        source: Arc<str>,
        /// Which target.
        target: Target,
    },
    /// Read what a revision declares for an application.
    Load {
        /// The application.
        app: Box<App>,
        /// Its source.
        source: Arc<str>,
        /// Its cluster, which knows the kinds.
        cluster: Arc<str>,
        /// Which revision.
        revision: Revision,
        /// Earlier ones: it goes by the name of one that says the same.
        known: Vec<Known>,
    },
    /// Read kinds completely, with their schemas; for all applications of a cluster.
    List {
        /// Of which cluster.
        cluster: Arc<str>,
        /// Which kinds.
        kinds: BTreeSet<GroupKind>,
    },
    /// Wait for changes. It may take as long as it likes, and counts for no limit.
    Watch {
        /// Of which cluster.
        cluster: Arc<str>,
        /// Of which kinds.
        interest: Interest,
        /// Since when.
        after: Cursor,
    },
    /// Look up objects, past every cache.
    Look {
        /// Of which cluster.
        cluster: Arc<str>,
        /// Which objects.
        keys: BTreeSet<ResourceKey>,
    },
    /// Ask source and cluster what the plan of an application needs to know.
    Ask {
        /// The application.
        app: Box<App>,
        /// What is known.
        looked: Box<Looked>,
        /// Its source.
        source: Arc<str>,
        /// Its cluster.
        cluster: Arc<str>,
    },
    /// Perform an effect of an operation.
    Effect {
        /// On which cluster.
        cluster: Arc<str>,
        /// Which one.
        effect: Effect,
    },
    /// Store the ledger of an application.
    Store {
        /// On which cluster.
        cluster: Arc<str>,
        /// The write.
        write: Box<Write>,
    },
}

/// What came of a piece of work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Done {
    /// Of [`Task::Resolve`].
    Resolved(Result<Revision, SourceError>),
    /// Of [`Task::Load`].
    Loaded(Result<Box<Read>, SyncError>),
    /// Of [`Task::List`].
    Listed(Result<Box<(ApiModel, Observed)>, ClusterError>),
    /// Of [`Task::Watch`].
    Changed(Result<Changes, ClusterError>),
    /// Of [`Task::Look`].
    Seen(Result<LiveState, ClusterError>),
    /// Of [`Task::Ask`].
    Asked(Box<Looked>),
    /// Of [`Task::Effect`].
    Performed(sync::Event),
    /// Of [`Task::Store`].
    Stored(Result<Written, ClusterError>),
}

/// The outside world of an engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ports<'w> {
    /// Sources by the names that applications give them.
    pub sources: BTreeMap<Arc<str>, &'w dyn Source>,
    /// Clusters by the names that applications give them.
    pub clusters: BTreeMap<Arc<str>, &'w dyn Cluster>,
    /// The clock.
    pub timer: &'w dyn Timer,
    /// Parsed files, which all applications share; clones of the ports as well.
    pub(super) kept: Arc<Kept>,
}

impl<'w> Ports<'w> {
    /// Begins with a clock alone.
    #[must_use]
    pub fn new(timer: &'w dyn Timer) -> Self {
        Self { sources: BTreeMap::new(), clusters: BTreeMap::new(), timer, kept: Arc::default() }
    }

    /// Adds a source.
    #[must_use]
    pub fn with_source(mut self, name: &str, source: &'w dyn Source) -> Self {
        if self.sources.insert(name.into(), source).is_some() {
            // The names of contents are those of one source.
            self.kept = Arc::new(self.kept.emptied());
        }
        self
    }

    /// Adds a cluster.
    #[must_use]
    pub fn with_cluster(mut self, name: &str, cluster: &'w dyn Cluster) -> Self {
        self.clusters.insert(name.into(), cluster);
        self
    }

    /// Sets how many bytes of parsed files are kept, so that of what changes only that is read. Default: 64 MiB.
    #[must_use]
    pub fn with_kept(self, bytes: usize) -> Self {
        Self { kept: Arc::new(Kept::new(bytes)), ..self }
    }

    fn source(&self, name: &str) -> Result<&'w dyn Source, SourceError> {
        let unknown = || SourceError::from(crate::source::SourceFailure::Unavailable { what: unknown("source", name) });
        self.sources.get(name).copied().ok_or_else(unknown)
    }

    fn cluster(&self, name: &str) -> Result<&'w dyn Cluster, ClusterError> {
        let unknown = || crate::cluster::Failure::Unavailable { message: unknown("cluster", name) }.into();
        self.clusters.get(name).copied().ok_or_else(unknown)
    }

    /// Does a piece of work. Nothing is retried here.
    pub async fn perform(&self, task: Task) -> Done {
        match task {
            Task::Resolve { source, target } => Done::Resolved(match self.source(&source) {
                Ok(source) => source.resolve(&target).await,
                Err(error) => Err(error),
            }),
            Task::Load { app, source, cluster, revision, known } => {
                let places = (&*source, &*cluster);
                Done::Loaded(self.load(&app, places, revision, &known).await.map(Box::new))
            }
            Task::List { cluster, kinds } => Done::Listed(self.list(&cluster, kinds).await.map(Box::new)),
            Task::Watch { cluster, interest, after } => Done::Changed(match self.cluster(&cluster) {
                Ok(cluster) => cluster.changed(&interest, &after).await,
                Err(error) => Err(error),
            }),
            Task::Look { cluster, keys } => Done::Seen(match self.cluster(&cluster) {
                Ok(cluster) => cluster.observe(&Interest::in_objects(keys)).await.map(|observed| observed.live),
                Err(error) => Err(error),
            }),
            Task::Ask { app, mut looked, source, cluster } => {
                if let Ok(cluster) = self.cluster(&cluster) {
                    looked.ask_all(&app, cluster).await;
                }
                looked.plan(&app);
                if let Ok(source) = self.source(&source) {
                    looked.ask_history(&app, source).await;
                }
                Done::Asked(looked)
            }
            Task::Effect { cluster, effect } => Done::Performed(match self.cluster(&cluster) {
                Ok(cluster) => perform(effect, cluster).await,
                Err(error) => refused(&effect, error),
            }),
            Task::Store { cluster, write } => Done::Stored(match self.cluster(&cluster) {
                Ok(cluster) => cluster.write(&write).await,
                Err(error) => Err(error),
            }),
        }
    }

    async fn load(
        &self,
        app: &App,
        (source, cluster): (&str, &str),
        revision: Revision,
        known: &[Known],
    ) -> Result<Read, SyncError> {
        let from = Reader { source: self.source(source)?, kept: Some((&self.kept, source)) };
        read(app, revision, known, from, self.cluster(cluster)?).await
    }

    async fn list(&self, cluster: &str, kinds: BTreeSet<GroupKind>) -> Result<(ApiModel, Observed), ClusterError> {
        let cluster = self.cluster(cluster)?;
        let model = cluster.model(&kinds).await?;
        let observed = cluster.observe(&Interest::in_kinds(kinds)).await?;
        Ok((model, observed))
    }
}

fn unknown(what: &str, name: &str) -> Arc<str> {
    let name = AppSource::new(name).shown_repository();
    format!("there is no {what} `{name}`; add it to the ports of the engine, or correct the application").into()
}

fn refused(effect: &Effect, error: ClusterError) -> sync::Event {
    match effect {
        Effect::Record { id, .. } => sync::Event::Recorded { id: *id, result: Err(error) },
        Effect::Write { id, .. } => sync::Event::Wrote { id: *id, result: Err(error) },
        Effect::Observe { id, .. } | Effect::List { id, .. } => sync::Event::Observed { id: *id, result: Err(error) },
    }
}

impl Task {
    /// The source that it is about.
    pub(super) fn source(&self) -> Option<&Arc<str>> {
        match self {
            Self::Resolve { source, .. } | Self::Load { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The cluster that it is about.
    pub(super) fn cluster(&self) -> Option<&Arc<str>> {
        match self {
            Self::Resolve { .. } => None,
            Self::Load { cluster, .. }
            | Self::List { cluster, .. }
            | Self::Watch { cluster, .. }
            | Self::Look { cluster, .. }
            | Self::Ask { cluster, .. }
            | Self::Effect { cluster, .. }
            | Self::Store { cluster, .. } => Some(cluster),
        }
    }

    /// Returns one word for it, for counters and logs.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::Load { .. } => "load",
            Self::List { .. } => "list",
            Self::Watch { .. } => "watch",
            Self::Look { .. } => "look",
            Self::Ask { .. } => "ask",
            Self::Effect { .. } => "effect",
            Self::Store { .. } => "store",
        }
    }
}

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
