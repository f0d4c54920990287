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
