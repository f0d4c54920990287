//! The suites that every [`Source`](crate::source::Source) and every [`Cluster`](crate::cluster::Cluster) must pass
//! (feature `contract`).
//!
//! An adapter gives a fixture, which says how to set things up, and runs the suite in one of its tests. Each promise of
//! the port has a check; the suite runs them all and tells which are broken, and how.
//!
//! ```
//! use gitops_core::cluster::Cluster;
//! use gitops_core::contract::{self, ClusterFixture};
//! use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
//!
//! #[derive(Debug)]
//! struct Fixture(MemoryCluster);
//!
//! impl ClusterFixture for Fixture {
//!     fn cluster(&self) -> &dyn Cluster {
//!         &self.0
//!     }
//!     fn namespace(&self) -> &str {
//!         "default"
//!     }
//! }
//!
//! let fixture = Fixture(MemoryCluster::new(1, VirtualTime::default()));
//! ready(contract::cluster(&fixture)).unwrap().unwrap();
//! ```

mod cluster;
mod source;
mod writes;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

pub use cluster::{ClusterFixture, cluster};
pub use source::{SourceFixture, source};

/// A promise that an adapter does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// The promise, as a sentence.
    pub promise: &'static str,
    /// What happened instead.
    pub how: String,
}

/// The promises that an adapter does not keep. `Debug` prints them line by line, so that `unwrap` tells all.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenPromises(pub Vec<Broken>);

impl fmt::Debug for BrokenPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for BrokenPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} promises are broken:", self.0.len())?;
        self.0.iter().try_for_each(|broken| write!(f, "\n- {}: {}", broken.promise, broken.how))
    }
}

impl std::error::Error for BrokenPromises {}

/// What came of one check.
type Verdict = Result<(), String>;

/// One check under way.
type Check<'f> = Pin<Box<dyn Future<Output = Verdict> + Send + 'f>>;

/// Runs checks one after the other.
async fn run(checks: Vec<(&'static str, Check<'_>)>) -> Result<(), BrokenPromises> {
    let mut broken = Vec::new();
    for (promise, check) in checks {
        if let Err(how) = check.await {
            broken.push(Broken { promise, how });
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(BrokenPromises(broken)) }
}

/// Drops a future after it has begun.
fn begun(future: impl Future) {
    let mut context = Context::from_waker(Waker::noop());
    drop(pin!(future).as_mut().poll(&mut context));
}

/// States what was expected and what came.
fn expect<T: fmt::Debug>(what: &str, got: T, fine: impl FnOnce(&T) -> bool) -> Verdict {
    if fine(&got) { Ok(()) } else { Err(format!("expected {what}, got {got:?}")) }
}

#[cfg(test)]
mod tests;
