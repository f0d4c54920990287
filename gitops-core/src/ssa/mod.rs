//! Kubernetes' server-side apply: who owns which field, and what an apply leads to.
//!
//! Three layers. [`FieldSet`] is a set of fields and its algebra; [`ManagedFields`] keeps one for each manager of an
//! object. [`Typed`] is a value with its schema: it validates, merges, compares, removes and extracts, and
//! [`Updater`] puts these together for any conversion between versions. [`apply`] and [`update`] do to whole objects
//! what the API server does.
//!
//! Agrees with structured-merge-diff case by case (`tests/conformance`).

mod algebra;
mod apply;
mod build;
mod convert;
mod element;
mod fields_v1;
mod kubectl;
mod label;
mod managed;
mod order;
mod repair;
mod set;
mod text;
mod tracked;
mod typed;
mod updater;
mod write;

pub use algebra::Pattern;
pub(crate) use apply::merge;
pub use apply::{Apply, ApplyError, Conflict, Update, apply, update};
pub use fields_v1::{FieldsV1Error, segment_from_text, segment_to_text};
pub(crate) use label::Label;
pub use managed::{ManagedEntry, ManagedFields, ManagedFieldsError, ManagedFieldsProblem, Operation};
pub use order::{compare_segments, compare_values, equal_values};
pub use set::FieldSet;
pub(crate) use set::{Entry, Level, MAX_DEPTH};
pub(crate) use text::fault_text;
pub use text::path_text;
pub use tracked::ANCIENT_CHANGES;
pub use typed::{Comparison, Duplicates, Emptied, Typed, TypedError, TypedProblem};
pub use updater::{
    Applied, ConvertError, Converter, Filter, Force, Managers, Owned, UpdateError, Updater, changed_managers,
};
pub use write::{BEFORE_FIRST_APPLY, keep_times};
