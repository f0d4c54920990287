//! The embedded cluster while a run goes on: others may look at its file, and change it, in between.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Mode, Observed, Write, Written};
use gitops_core::memory::{MemoryCluster, ready};
use gitops_core::model::ApiModel;
use gitops_core::resource::GroupKind;
use gitops_core::time::{Timer, Timestamp};

use crate::cli;
use crate::clock::WallClock;
use crate::state_file::{Stamp, StateFile};
use crate::world::{self, Embedded};

/// How often the file is looked at while nothing else happens.
const PAUSE: Duration = Duration::from_secs(1);

/// An embedded cluster that many things wait for at once, for an engine.
#[derive(Debug)]
pub(crate) struct LiveCluster {
    inner: MemoryCluster,
    /// The file that is shared with other runs; without one, nobody else is let in.
    shared: Option<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    file: StateFile,
    clock: WallClock,
    /// The file as it was read or written last.
    seen: Option<Stamp>,
    /// Whether what is in memory was not stored, and counts for nobody.
    is_unstored: bool,
    /// The version of the cluster that was stored last.
    stored: u64,
    /// Counts how often somebody else changed the file: what was known before is of no use then.
    generation: u64,
    looked: Timestamp,
}

impl LiveCluster {
    /// Takes the cluster of a run that keeps others out until it ends.
    pub(crate) fn alone(world: &Embedded) -> Self {
        Self { inner: world.cluster.clone(), shared: None }
    }

    /// Opens a cluster that others may change meanwhile: it is locked for each write alone, and read anew when it
    /// changed. Time passes as it does.
    pub(crate) fn shared(backend: &cli::Backend) -> Result<(Self, WallClock), crate::Failure> {
        let file = world::state_file(backend)?;
        let clock = WallClock::default();
        let seen = file.stamp();
        let state = file.load()?;
        clock.advance_to(state.time);
        let stored = state.server.version();
        let inner = MemoryCluster::over(state.server, clock.clone());
        let looked = clock.now();
        let shared = Shared { file, clock: clock.clone(), seen, is_unstored: false, stored, generation: 0, looked };
        let shared = Some(Mutex::new(shared));
        Ok((Self { inner, shared }, clock))
    }

    fn lock(&self) -> Option<MutexGuard<'_, Shared>> {
        self.shared.as_ref().map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file if somebody else changed it.
    fn refresh(&self) -> Result<u64, ClusterError> {
        let Some(mut shared) = self.lock() else { return Ok(0) };
        shared.refresh(&self.inner)?;
        Ok(shared.generation)
    }

    /// Looks, at most once a second, whether the file or the cluster changed, and stores what time has changed.
    fn look(&self) -> Result<(), ClusterError> {
        let Some(mut shared) = self.lock() else { return Ok(()) };
        let now = shared.clock.now();
        if now.since(shared.looked) < PAUSE && now >= shared.looked {
            return Ok(());
        }
        shared.looked = now;
        shared.refresh(&self.inner)?;
        if self.inner.with_server(|server| server.version()) == shared.stored {
            return Ok(());
        }
        shared.exclusively(&self.inner, |_| Ok(()))
    }

    fn changes(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.look()?;
        let generation = self.lock().map_or(0, |shared| shared.generation);
        let (before, place) = after.as_str().split_once(':').ok_or(Failure::CursorExpired)?;
        if before != generation.to_string() {
            return Err(Failure::CursorExpired.into());
        }
        let mut changes = self.inner.changes(interest, &Cursor::new(place))?;
        changes.cursor = cursor(generation, &changes.cursor);
        Ok(changes)
    }
}

impl Shared {
    fn refresh(&mut self, inner: &MemoryCluster) -> Result<(), ClusterError> {
        let stamp = self.file.stamp();
        if stamp == self.seen && !self.is_unstored {
            return Ok(());
        }
        let state = self.file.load().map_err(unavailable)?;
        self.clock.advance_to(state.time);
        self.stored = state.server.version();
        inner.with_server(|server| *server = state.server);
        (self.seen, self.is_unstored) = (stamp, false);
        self.generation = self.generation.saturating_add(1);
        Ok(())
    }

    /// Keeps others out while something is done, on the newest state, and stores what came of it.
    fn exclusively<T>(
        &mut self,
        inner: &MemoryCluster,
        work: impl FnOnce(&MemoryCluster) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        self.file.lock().map_err(unavailable)?;
        let result = match self.refresh(inner) {
            Ok(()) => {
                let result = work(inner);
                let stored = self.store(inner);
                // What was done here never happened for anybody else.
                self.is_unstored |= stored.is_err();
                result.and_then(|value| stored.map(|()| value))
            }
            // A file that cannot be read is not written either.
            Err(error) => Err(error),
        };
        self.file.unlock();
        result
    }

    fn store(&mut self, inner: &MemoryCluster) -> Result<(), ClusterError> {
        let (version, state) = inner.with_server(|server| (server.version(), server.export()));
        if version != self.stored {
            self.file.save(&state, self.clock.now()).map_err(unavailable)?;
            (self.stored, self.seen) = (version, self.file.stamp());
        }
        Ok(())
    }
}

#[async_trait]
impl Cluster for LiveCluster {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.refresh()?;
        self.inner.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        let generation = self.refresh()?;
        let mut observed = self.inner.observe(interest).await?;
        observed.cursor = cursor(generation, &observed.cursor);
        Ok(observed)
    }

    /// Asked again by whoever waits: see [`crate::clock::wait_for`].
    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        poll_fn(|_| match self.changes(interest, after) {
            Ok(changes) if changes.changed.is_empty() && changes.gone.is_empty() => Poll::Pending,
            result => Poll::Ready(result),
        })
        .await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        if write.mode == Mode::DryRun || self.shared.is_none() {
            self.refresh()?;
            return self.inner.write(write).await;
        }
        let now = || ready(self.inner.write(write)).unwrap_or_else(|| Err(unavailable("the cluster waits")));
        match self.lock() {
            Some(mut shared) => shared.exclusively(&self.inner, |_| now()),
            None => now(),
        }
    }
}

fn cursor(generation: u64, place: &Cursor) -> Cursor {
    Cursor::new(&format!("{generation}:{}", place.as_str()))
}

fn unavailable(error: impl ToString) -> ClusterError {
    Failure::Unavailable { message: error.to_string().into() }.into()
}
