//! What is under way, and waiting for it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gitops_core::cluster::{ClusterError, Written};
use gitops_core::engine::{Done, WorkId};
use gitops_core::resource::ResourceKey;
use gitops_core::value::Digest;
use tokio::sync::watch;
use tokio::time::sleep;

use super::campaign::Standing;
use super::watching::{Seen, Watching};

/// What came of something.
pub(super) enum Told {
    Engine(WorkId, Box<Done>),
    Seen(Box<Watching>, Result<Seen, ClusterError>),
    Status(ResourceKey, Digest, Result<(), ClusterError>),
    /// Whether the ledger of an application that ends is there.
    Ledger(Arc<str>, Result<bool, ClusterError>),
    /// The finalizer of an application was taken off.
    Freed(Arc<str>, Result<Written, ClusterError>),
    Event,
}

pub(super) type Pending<'r> = Pin<Box<dyn Future<Output = Told> + Send + 'r>>;

/// Why it is awake.
pub(super) enum Woken {
    Stop,
    Told(Told),
    Round,
    /// Nobody knows any more who leads.
    Deposed,
}

/// Waits until there is something to do.
pub(super) async fn woken(
    pending: &mut Vec<Pending<'_>>,
    standing: &mut watch::Receiver<Standing>,
    mut stop: Option<Pin<&mut (impl Future<Output = ()> + Send)>>,
    longest: Duration,
) -> Woken {
    let (mut rest, mut changed) = (pin!(sleep(longest)), pin!(standing.changed()));
    let woken = poll_fn(|context| {
        match changed.as_mut().poll(context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Woken::Round),
            Poll::Ready(Err(_)) => return Poll::Ready(Woken::Deposed),
            Poll::Pending => {}
        }
        if stop.as_mut().is_some_and(|stop| stop.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Woken::Stop);
        }
        if let Some(told) = first(pending, context) {
            return Poll::Ready(Woken::Told(told));
        }
        rest.as_mut().poll(context).map(|()| Woken::Round)
    });
    woken.await
}

/// Returns the first of what is pending that is done.
fn first(pending: &mut Vec<Pending<'_>>, context: &mut Context<'_>) -> Option<Told> {
    let mut found = None;
    for (at, work) in pending.iter_mut().enumerate() {
        if let Poll::Ready(told) = work.as_mut().poll(context) {
            found = Some((at, told));
            break;
        }
    }
    let (at, told) = found?;
    drop(pending.swap_remove(at));
    Some(told)
}
