//! How far a fetch has come.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::RemoteUrl;

/// How often it is told at most.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is told how far fetches have come. Default: nobody.
///
/// ```
/// use gitops_git::{Progress, RemoteOptions};
///
/// let mut options = RemoteOptions::default();
/// options.progress = Progress::new(|url, fetched| println!("{url}: {} bytes", fetched.bytes));
/// ```
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Hear>>);

type Hear = dyn Fn(&RemoteUrl, Fetched) + Send + Sync;

/// How far one fetch has come. How much there will be is not known before it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Bytes of its pack that have come.
    pub bytes: u64,
    /// Whether no more will come: all is here, or it failed.
    pub is_over: bool,
}

impl Progress {
    /// Tells a function, ten times a second at most and when a fetch is over. It is called by the thread that fetches, which
    /// waits for it.
    pub fn new(hear: impl Fn(&RemoteUrl, Fetched) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    fn tell(&self, url: &RemoteUrl, bytes: u64, is_over: bool) {
        if let Some(hear) = &self.0 {
            hear(url, Fetched { bytes, is_over });
        }
    }
}

impl PartialEq for Progress {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Progress {}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(told)" } else { "Progress(untold)" })
    }
}

/// Counts what comes in, and ends it at a limit.
pub(super) struct Bounded<'r> {
    inner: &'r mut dyn BufRead,
    limit: u64,
    come: u64,
    passed: &'r AtomicBool,
    url: &'r RemoteUrl,
    progress: &'r Progress,
    told: Instant,
}

impl<'r> Bounded<'r> {
    /// Reads at most `limit` bytes; that there were more is noted in `passed`.
    pub(super) fn new(
        inner: &'r mut dyn BufRead,
        limit: u64,
        passed: &'r AtomicBool,
        url: &'r RemoteUrl,
        progress: &'r Progress,
    ) -> Self {
        Self { inner, limit, come: 0, passed, url, progress, told: Instant::now() }
    }
}

impl BufRead for Bounded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.come >= self.limit {
            self.passed.store(true, Ordering::Relaxed);
            return Err(io::Error::other("more than the limit"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.come = self.come.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
        self.inner.consume(amount);
        if self.progress.0.is_some() && self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            self.progress.tell(self.url, self.come, false);
        }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl Drop for Bounded<'_> {
    fn drop(&mut self) {
        self.progress.tell(self.url, self.come, true);
    }
}
