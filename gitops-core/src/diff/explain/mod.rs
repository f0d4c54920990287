//! Why a field is as it is: what Git says of it, what the cluster holds, who wrote that, and what a sync makes of it.

mod field;
mod find;
mod show;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use crate::path::FieldPath;
use crate::source::Revision;

use super::{ChangeKind, ChangeReason, FieldOwner, Shown};

pub use field::explain;
pub(crate) use show::told;

/// Everything there is to say of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldExplanation {
    /// The field, as people write it.
    pub field: FieldPath,
    /// The field as a JSON Pointer; into the live object where it is there, else into the declared one.
    pub pointer: Arc<str>,
    /// What a sync makes of it, and why.
    pub verdict: FieldVerdict,
    /// Why a sync changes it, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ChangeReason>,
    /// What Git says; secret values as letters, of which equal ones mean equal values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Shown>,
    /// Where Git says so. Filled in by whoever can read the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// The revision that dropped the field, if Git no longer declares it. Filled in by whoever can read the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_in: Option<Revision>,
    /// What the cluster holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Shown>,
    /// Who owns what the cluster holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<FieldOwner>,
    /// What the cluster puts there when nobody says anything, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Shown>,
    /// The rule that leaves it alone, as people read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// Where the field is in the declared object, by fields and indices alone.
    #[serde(skip)]
    pub(crate) place: Option<FieldPath>,
}

/// A line of a file, and who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Written {
    /// Path of the file from the root of the source.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted from 1 in characters.
    pub column: u32,
    /// The revision that last changed the line, if the source knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Revision>,
}

/// What a sync makes of a field, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "detail")]
#[non_exhaustive]
pub enum FieldVerdict {
    /// Git and cluster agree.
    Agrees,
    /// They write the same in different ways, such as `1000m` and `1`.
    MeansTheSame,
    /// The cluster holds all that Git declares, and more that is not ours.
    HoldsMore,
    /// A sync changes it.
    Changes(ChangeKind),
    /// A sync changes this many fields below it.
    ChangesBelow(usize),
    /// It is left to an autoscaler, which scales the object (rule 20 of the exact rules).
    Yielded,
    /// A rule leaves it alone (rules 13 to 16 of the exact rules).
    Ignored,
    /// The policy leaves it to its owner (rule 20 of the exact rules).
    Ceded,
    /// Git no longer declares it, and it stays, since the object's annotation asks for that (rule 17 of the exact rules).
    KeptOnRemove,
    /// Git no longer declares it, and it stays, since others hold it (rule 11 of the exact rules).
    Residue,
    /// The cluster makes another value of what Git says, and has done so already.
    Rewritten,
    /// Git declares it, and the cluster stores nothing for it.
    NotStored,
    /// Git does not declare it, and it has its default.
    Default,
    /// Git does not declare it, and others set it.
    OfOthers,
    /// Git does not declare it, and nobody owns it: the server filled it in.
    FilledIn,
    /// Git does not declare it, and the last apply owns it: an apply without it leaves it as it is.
    Kept,
    /// Only the server sets it; never compared.
    ServerSet,
    /// Controllers report it; never compared.
    Status,
    /// Neither Git nor the cluster has it.
    Absent,
    /// A sync creates the object with it.
    Created,
    /// It goes with the object, which is no longer declared.
    GoesWithObject,
    /// The object was not compared, or could not be.
    NotCompared,
}

impl FieldVerdict {
    /// Whether a field that Git does not declare was ours, so that Git must have declared it once.
    pub(crate) fn is_dropped(self) -> bool {
        matches!(self, Self::Changes(_) | Self::Kept | Self::KeptOnRemove | Self::Residue)
    }
}

/// A field that neither Git nor the cluster has, and no schema knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither Git nor the cluster has a field `{field}`{}", similar_text(.similar))]
#[non_exhaustive]
pub struct UnknownField {
    /// The field, as asked for.
    pub field: Arc<str>,
    /// Fields that are close to it.
    pub similar: Vec<FieldPath>,
}

fn similar_text(similar: &[FieldPath]) -> String {
    let names: Vec<String> = similar.iter().map(|name| format!("`{name}`")).collect();
    match &*names {
        [] => "; write it as `spec.replicas`, `spec.containers[name=web].image` or `/spec/replicas`".to_owned(),
        [name] => format!("; did you mean {name}?"),
        names => format!("; did you mean one of {}?", names.join(", ")),
    }
}
