//! The side-effect-free core of a GitOps reconciliation engine.

pub mod value;

pub mod path;

pub mod time;

pub mod resource;

pub mod problem;

pub mod manifest;

pub mod model;

pub mod ssa;

pub mod source;

pub mod policy;

pub mod state;

pub mod cluster;

pub mod diff;

pub mod health;

pub mod plan;

pub mod sync;

pub mod reconcile;

pub mod memory;

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
