//! YAML 1.1 as Go's yaml.v2 reads it: the rules of the libyaml of its day, quirks included.
//!
//! Text → [`scan`] tokens → [`compose`] a flat tree of nodes → [`load`] events. Everything is iterative: no input can
//! exhaust the stack. The rules are those of the YAML 1.1 specification with the narrowings and slips of that scanner,
//! as the recorded facts show them; `docs/decisions/manifest-parser.md` says why it is our own.

mod compose;
mod cursor;
mod fast;
mod fast_scalar;
mod load;
mod properties;
mod resolve;
mod scalar;
mod scan;
mod steps;

pub(super) use compose::compose;
pub(super) use fast::read_fast;
pub(super) use load::load;

/// A place in one document: line and column from 0, and the number of characters before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) index: u32,
}
