//! Time as it passes, and the one loop that waits for it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use gitops_core::time::{Timer, Timestamp};

/// How long nothing is looked at while everything waits.
const NAP: Duration = Duration::from_millis(50);

/// The clock of this machine, moved ahead to where the embedded cluster is: there, time never runs back. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallClock {
    ahead: Arc<AtomicI64>,
}

impl WallClock {
    /// Moves ahead to an instant; nothing happens when it has passed.
    pub(crate) fn advance_to(&self, at: Timestamp) {
        self.ahead.fetch_max(at.millis().saturating_sub(machine_time().millis()), Ordering::SeqCst);
    }
}

#[async_trait]
impl Timer for WallClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst);
        Timestamp::from_millis(machine_time().millis().saturating_add(ahead))
    }

    /// Nobody is woken: [`wait_for`] looks often enough.
    async fn sleep_until(&self, at: Timestamp) {
        poll_fn(|_| if self.now() >= at { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// The time of this machine.
pub(crate) fn machine_time() -> Timestamp {
    Timestamp::EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Runs a future to its end, looking at it twenty times a second while it waits: enough for a program whose answers come
/// from this machine, and no runtime is needed.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::sleep(NAP);
    }
}
