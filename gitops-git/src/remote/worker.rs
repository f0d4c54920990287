//! Blocking work of one remote on a thread of its own, awaited without a runtime.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use gitops_core::source::{SourceError, SourceFailure};

/// Runs one piece of work after the other; the thread goes when there is none.
#[derive(Clone, Default)]
pub(super) struct Worker(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    is_running: bool,
}

/// What comes of a piece of work. Dropping it cancels the work.
pub(super) struct Answer<T> {
    slot: Arc<Mutex<Slot<T>>>,
    cancelled: Arc<AtomicBool>,
}

struct Slot<T> {
    result: Option<Result<T, SourceError>>,
    waker: Option<Waker>,
}

impl Worker {
    /// Queues work. It gets a flag that says when nobody waits for it any more.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<AtomicBool>) -> Result<T, SourceError> + Send + 'static,
    ) -> Answer<T> {
        let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
        let cancelled = Arc::new(AtomicBool::new(false));
        let (place, flag) = (Arc::clone(&slot), Arc::clone(&cancelled));
        let job = move || {
            if !flag.load(Ordering::Relaxed) {
                // What comes over the wire must not end the thread, whatever it is.
                let result = catch_unwind(AssertUnwindSafe(|| work(&flag))).unwrap_or_else(|_| Err(broken()));
                finish(&place, result);
            }
        };
        let mut queue = lock(&self.0);
        queue.waiting.push_back(Box::new(job));
        if !queue.is_running {
            let jobs = Arc::clone(&self.0);
            match thread::Builder::new().name("gitops-git".to_owned()).spawn(move || work_off(&jobs)) {
                Ok(_) => queue.is_running = true,
                Err(error) => {
                    queue.waiting.pop_back();
                    let what = format!("a thread for fetching ({error})").into();
                    finish(&slot, Err(SourceFailure::Unavailable { what }.into()));
                }
            }
        }
        drop(queue);
        Answer { slot, cancelled }
    }
}

fn work_off(jobs: &Mutex<Queue>) {
    loop {
        let job = {
            let mut queue = lock(jobs);
            let job = queue.waiting.pop_front();
            queue.is_running = job.is_some();
            job
        };
        match job {
            Some(job) => job(),
            None => return,
        }
    }
}

fn finish<T>(slot: &Mutex<Slot<T>>, result: Result<T, SourceError>) {
    let waker = {
        let mut slot = lock(slot);
        slot.result = Some(result);
        slot.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn broken() -> SourceError {
    SourceFailure::Unsupported { what: "what the remote sent broke the reading of it; that".into() }.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Future for Answer<T> {
    type Output = Result<T, SourceError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.slot);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("waiting", &lock(&self.0).waiting.len()).finish()
    }
}
