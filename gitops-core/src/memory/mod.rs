//! The whole world in memory: a Kubernetes API server as one value, a Git-like source, and time that passes when told.
//!
//! [`ApiServer`] is synchronous and clockless; [`MemoryCluster`] puts the [`Cluster`](crate::cluster::Cluster) port on
//! it, [`MemorySource`] is a [`Source`](crate::source::Source), [`VirtualTime`] a [`Timer`](crate::time::Timer). None
//! of them waits for anything, so [`ready`] runs every future and no runtime is needed.

mod blame;
mod clock;
mod cluster;
mod collect;
mod crd;
mod decode;
mod defaults;
mod delete;
mod export;
mod faults;
mod list;
mod ownership;
mod patching;
mod pods;
mod prepare;
mod refuse;
mod repository;
mod request;
mod response;
mod scale;
mod select;
mod server;
mod service;
mod settle;
mod source;
mod store;
mod strategic;
mod validate;
mod watch;
mod workloads;
mod write;

pub use clock::{VirtualTime, ready};
pub use cluster::MemoryCluster;
pub use export::ImportError;
pub use faults::{Faults, Moment};
pub use request::{Action, DeleteOptions, Endpoint, Patch, Request, Select, Watch};
pub use response::{Body, CauseReason, Event, Events, List, Reason, Response, Status};
pub use server::ApiServer;
pub use settle::{AFTER_ANNOTATION, OUTCOME_ANNOTATION, Outcome};
pub use source::MemorySource;

#[cfg(test)]
mod settle_tests;
#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;
