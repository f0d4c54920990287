//! The whole world in memory: a Kubernetes API server as one value, a Git-like source, and time that passes when told.
//!
//! [`ApiServer`] is synchronous and clockless; [`MemoryCluster`] puts the [`Cluster`](crate::cluster::Cluster) port on
//! it, [`MemorySource`] is a [`Source`](crate::source::Source), [`VirtualTime`] a [`Timer`](crate::time::Timer). None
//! of them waits for anything, so [`ready`] runs every future and no runtime is needed. [`ApiServer::answer`] gives
//! answers as they go over the wire, in the form that an [`Accept`] header asks for: plain, Tables, or metadata only.

mod accept;
mod aggregate;
mod authorize;
mod autoscalers;
mod bind;
mod blame;
mod budgets;
mod clock;
mod cluster;
mod collect;
mod crd;
mod decode;
mod defaults;
mod delete;
mod deployments;
mod documents;
mod events;
mod export;
mod faults;
mod http;
mod labels;
mod list;
mod namespaces;
mod options;
mod outage;
mod ownership;
mod patching;
mod pods;
mod prepare;
mod ranges;
mod refuse;
mod repository;
mod request;
mod response;
mod rules;
mod scale;
mod select;
mod server;
mod service;
mod serving;
mod settle;
mod simulation;
mod source;
mod store;
mod strategic;
mod table;
mod unknown;
mod url;
mod validate;
mod warnings;
mod watch;
mod wire;
mod workloads;
mod write;

pub use accept::{Accept, Media};
pub use authorize::User;
pub use clock::{VirtualTime, ready};
pub use cluster::MemoryCluster;
pub use export::ImportError;
pub use faults::{Faults, Moment};
pub use request::{Action, DeleteOptions, Endpoint, Patch, Request, Select, Validation, Watch};
pub use response::{Body, CauseReason, Details, Event, Events, List, Reason, Response, Status};
pub use server::ApiServer;
pub use serving::OpenWatch;
pub use settle::{AFTER_ANNOTATION, OUTCOME_ANNOTATION, Outcome};
pub use simulation::{Performed, Simulation};
pub use source::MemorySource;
pub use url::HttpRequest;
pub use wire::{Content, Wire};

#[cfg(test)]
mod authorize_tests;
#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod definition_tests;
#[cfg(test)]
mod patch_tests;
#[cfg(test)]
mod ranges_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod settle_tests;
#[cfg(test)]
mod source_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod warnings_tests;
