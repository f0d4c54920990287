//! Standing for election against a real server, for as long as the program runs.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::{Cluster, ClusterError, Failure, Interest};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::Live;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Clocks, Election, Fence, Step};

/// How long giving the lease back may take.
const PARTING: Duration = Duration::from_secs(5);

/// Where a replica stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it leads.
    pub(super) leads: bool,
    /// Who does, as was seen last.
    pub(super) holder: Option<Arc<str>>,
    /// Why the lease could not be looked at or written, the last time.
    pub(super) trouble: Option<Arc<str>>,
}

/// A replica that stands for election. Dropping it gives nothing back: the others wait until the lease ends.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) standing: watch::Receiver<Standing>,
    retire: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Campaign {
    /// Begins. The fence is open while the lease is held, and at no other time.
    pub(super) fn begin(cluster: Arc<dyn Cluster>, election: Election, fence: Fence, clocks: Arc<dyn Clocks>) -> Self {
        let (told, standing) = watch::channel(Standing::default());
        let (retire, retired) = watch::channel(false);
        let task = tokio::spawn(stand(Stand { cluster, election, fence, clocks, told }, retired));
        Self { standing, retire, task }
    }

    /// Closes the fence, and gives the lease back.
    pub(super) async fn retire(mut self) {
        self.retire.send_replace(true);
        // Whoever cannot give it back in time leaves it to end by itself.
        timeout(PARTING, &mut self.task).await.map(drop).unwrap_or_default();
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Stand {
    cluster: Arc<dyn Cluster>,
    election: Election,
    fence: Fence,
    clocks: Arc<dyn Clocks>,
    told: watch::Sender<Standing>,
}

async fn stand(mut this: Stand, mut retired: watch::Receiver<bool>) {
    loop {
        if *retired.borrow_and_update() {
            break;
        }
        let step = this.election.next(this.clocks.moment());
        this.tell();
        match step {
            Step::Wait(time) => {
                // Not longer than the lease is held, so that its end is told at once.
                let time = this.left().map_or(time, |left| left.min(time));
                tokio::select! {
                    () = sleep(time) => {}
                    _ = retired.changed() => {}
                }
            }
            Step::Look(key) => {
                let lease = this.look(&key).await;
                let trouble = lease.as_ref().err().map(|error| error.to_string().into());
                this.election.looked(lease, this.clocks.moment());
                this.answered(trouble);
            }
            Step::Write(write) => {
                let result = this.in_time(this.cluster.write(&write)).await;
                // That somebody was faster is nothing to complain of.
                let trouble = result.as_ref().err().filter(|error| error.failure != Failure::Stale);
                let trouble = trouble.map(|error| error.to_string().into());
                this.election.wrote(result, this.clocks.moment());
                this.answered(trouble);
            }
        }
    }
    let write = this.election.release(this.clocks.moment());
    this.tell();
    if let Some(write) = write {
        // Where it cannot be given back it ends by itself.
        this.cluster.write(&write).await.map(drop).unwrap_or_default();
    }
}

impl Stand {
    /// Opens or closes the fence first, and says so then.
    fn tell(&self) {
        let trouble = self.told.borrow().trouble.clone();
        self.answered(trouble);
    }

    /// The same, after an answer: with what is wrong now, if anything is.
    fn answered(&self, trouble: Option<Arc<str>>) {
        let leads = self.election.holds(self.clocks.moment());
        self.fence.set(self.election.until().filter(|_| leads));
        let new = Standing { leads, holder: self.election.holder().map(Arc::from), trouble };
        self.told.send_if_modified(|told| {
            let is_new = *told != new;
            *told = new;
            is_new
        });
    }

    /// How long the lease is held, if it is.
    fn left(&self) -> Option<Duration> {
        Some(self.election.until()?.steady.saturating_sub(self.clocks.moment().steady))
    }

    async fn look(&self, key: &ResourceKey) -> Result<Option<Resource>, ClusterError> {
        let interest = Interest::in_objects([key.clone()]);
        let seen = self.in_time(self.cluster.observe(&interest)).await?;
        match seen.live.get(key) {
            Live::Present(lease) => Ok(Some(lease.clone())),
            Live::Absent => Ok(None),
            Live::Unreadable(why) => Err(Failure::Unavailable { message: why.to_string().into() }.into()),
            _ => Err(Failure::KindNotServed.into()),
        }
    }

    /// An answer that comes when the lease has ended is none. The retries of a connection take longer.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
        let time = self.left().filter(|left| !left.is_zero()).unwrap_or(PARTING);
        let late = || Failure::InDoubt { message: "the server did not answer in time".into() }.into();
        timeout(time, answer).await.unwrap_or_else(|_| Err(late()))
    }
}
