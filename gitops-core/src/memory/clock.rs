//! Time that passes when told to, and futures that are always ready.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use crate::time::{Timer, Timestamp};

/// A [`Timer`] whose time passes only when somebody advances it, or sleeps. Clones share it.
///
/// [`Timer::sleep_until`] moves time on and returns at once, so that hours pass in a test without waiting. With
/// several sleepers the latest one wins: time never goes back.
///
/// ```
/// use std::time::Duration;
/// use gitops_core::memory::{VirtualTime, ready};
/// use gitops_core::time::Timer;
///
/// let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse()?);
/// time.advance(Duration::from_secs(60));
/// ready(time.sleep_until("2026-03-01T13:00:00Z".parse()?));
/// assert_eq!(time.now().to_string(), "2026-03-01T13:00:00Z");
/// # Ok::<(), gitops_core::time::InvalidTimestamp>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualTime(Arc<AtomicI64>);

impl VirtualTime {
    /// Starts at an instant.
    #[must_use]
    pub fn starting(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.millis())))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        // The closure always gives a value, so this cannot fail.
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(now.saturating_add(by))).unwrap_or_default();
    }

    /// Moves on to an instant; nothing happens when it has passed.
    pub fn advance_to(&self, at: Timestamp) {
        self.0.fetch_max(at.millis(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Timer for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.advance_to(at);
    }
}

/// How often [`ready`] polls. More than once, since a future may hand over to itself.
const POLLS: usize = 64;

/// Runs a future that waits for nothing: everything in this module. `None` when it did wait.
///
/// So laws and tests over the in-memory world need no async runtime.
///
/// ```
/// use gitops_core::memory::ready;
///
/// assert_eq!(ready(async { 6 * 7 }), Some(42));
/// assert_eq!(ready(std::future::pending::<()>()), None);
/// ```
pub fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
    }
    None
}
