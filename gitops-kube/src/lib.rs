//! Live state from Kubernetes: the [`Cluster`](gitops_core::cluster::Cluster) port over a real API server.
//!
//! [`Connection`] says how to reach a cluster and as whom, [`KubeCluster`] is the port. Objects are read and written as
//! JSON, whole: nothing that this crate does not know is lost. It translates and does I/O; what to prune, what to wait
//! for and what to heal is decided in `gitops-core`.
//!
//! - **Discovery** comes in one document (aggregated), or group by group from servers that have none. A group that does
//!   not answer is neither served nor not served.
//! - **Schemas** of custom resources come from their CRDs, others from OpenAPI v3, each asked for only when a kind is in
//!   use and what is known has changed.
//! - **Lists** are complete and as of one moment; what could not be read is coverage, and never absent.
//! - **Changes** come from one watch per kind that stays open; a break leaves no gap.
//! - **Writes** are one request each, with the guard inside it. Where the answer is lost they are in doubt.
//!
//! With the feature `server` there is an API server without Kubernetes, for tests and to try things out: `memory_server`.
//!
//! Each answer of a server is mapped to what it means, see [`Failure`](gitops_core::cluster::Failure).

mod changes;
mod cluster;
mod conflicts;
mod connect;
mod cursor;
mod discover;
mod learn;
mod observe;
mod page;
mod patch;
mod place;
mod reading;
mod refusal;
mod seen;
mod talk;
mod watch;
mod write;

#[cfg(feature = "control-plane")]
pub mod control_plane;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg(feature = "server")]
pub mod memory_server;

pub use cluster::KubeCluster;
pub use connect::{ConnectError, Connection};
