//! How a verdict was reached and how sure it is, in words.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::path::FieldPath;

use super::{FieldOwner, Shown};

/// What a verdict takes for ours, of what Git does not declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// There was nothing to compare.
    None,
    /// What our last apply owns, by `metadata.managedFields`, and what the inventory remembers of it.
    Ownership,
    /// What client-side apply wrote last, by its annotation: we have not applied the object yet.
    ThreeWay,
    /// Nothing: neither we nor client-side apply have applied the object.
    Adoption,
}

/// How sure a verdict is. Rules 6 and 8 of the exact rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Evidence {
    /// It follows from what was read; the cluster need not be asked.
    Read,
    /// It is predicted; the cluster was not asked, or gave no answer.
    Predicted,
    /// The cluster answered a dry run.
    Confirmed,
    /// An earlier answer of the cluster to the same question.
    Remembered,
}

/// What can be told of an object without asking the cluster. Rule 6 of the exact rules: it may acquit, it never
/// convicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Prediction {
    /// There was nothing to predict.
    None,
    /// An apply changes nothing.
    NoChange,
    /// An apply changes no value, only who owns what.
    Claim,
    /// An apply changes something, unless the cluster makes the same of it.
    Change,
    /// It cannot be told: see the doubts.
    Indeterminate,
}

/// Why an object cannot be predicted. Rule 7 of the exact rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Doubt {
    /// `metadata.managedFields` cannot be read.
    UnreadableOwnership,
    /// We applied the object in another version, and what we own may have other names in this one.
    OtherVersion(Arc<str>),
    /// We own the field and it is not there: the cluster dropped what we sent, and may do so again.
    Dropped(FieldPath),
    /// The cluster holds more in a value that is replaced whole than Git says: a default, or what Git dropped.
    Surplus(FieldPath),
    /// Git no longer declares the field, and the default that takes its place is not known.
    Default(FieldPath),
    /// A list holds items with equal keys.
    Duplicates(FieldPath),
}

/// Something worth knowing of an object that is no drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Note {
    /// Git no longer declares a field that stays, since others hold it (rule 11).
    Residue {
        /// The field.
        field: FieldPath,
        /// Who holds it.
        owners: Vec<FieldOwner>,
    },
    /// Git no longer declares a field, which stays as it is: it has the value that the cluster puts there.
    KeepsDefault {
        /// The field.
        field: FieldPath,
    },
    /// The cluster makes another value of what Git says, and has done so already.
    Rewritten {
        /// The field.
        field: FieldPath,
        /// What Git says.
        desired: Shown,
        /// What the cluster makes of it.
        becomes: Shown,
    },
    /// The cluster refuses to apply what Git says.
    Refused(Arc<str>),
    /// All that it finds wrong is that these fields, by the names it gives them, cannot change once set.
    Immutable(Vec<Arc<str>>),
    /// The cluster gave no answer to a dry run, so that the prediction stands.
    NotConfirmed(Arc<str>),
    /// Why the object could not be predicted.
    Doubted(Doubt),
}

/// Why a sync changes a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeReason {
    /// Git declares it so.
    Declared,
    /// It is ours, and Git no longer declares it.
    Undeclared,
    /// It is ours, and Git no longer declares it; the default takes its place.
    Reset,
    /// It was ours, and Git no longer declares it; only our own record, or that of client-side apply, still says so.
    Remembered,
    /// It is part of a value that is replaced whole, and Git does not have it.
    Surplus,
    /// The order of the items is Git's.
    Order,
    /// The item is there twice.
    Doubled,
    /// It marks the object as ours.
    Stamp,
    /// The cluster makes this of what Git says.
    Rewritten,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "there was nothing to compare",
            Self::Ownership => "compared by what our last apply owns",
            Self::ThreeWay => "compared by what client-side apply wrote last; we have not applied it yet",
            Self::Adoption => "compared by what Git says alone; nobody has recorded applying it before",
        })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "follows from what was read",
            Self::Predicted => "predicted; the cluster was not asked",
            Self::Confirmed => "confirmed by a dry run",
            Self::Remembered => "confirmed by a dry run before",
        })
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableOwnership => f.write_str("`metadata.managedFields` cannot be read"),
            Self::OtherVersion(version) => {
                write!(f, "it was applied as `{version}`; what we own of it may have other names now")
            }
            Self::Dropped(field) => write!(f, "`{field}` is ours and not there: the cluster may drop it again"),
            Self::Surplus(field) => write!(f, "`{field}` is not in Git: it may be a default, or was dropped from Git"),
            Self::Default(field) => write!(f, "the default that takes the place of `{field}` is not known"),
            Self::Duplicates(field) => write!(f, "`{field}` holds items with equal keys"),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Residue { field, owners } => {
                write!(f, "`{field}` is no longer declared and stays, held by ")?;
                for (at, owner) in owners.iter().enumerate() {
                    write!(f, "{}`{owner}`", if at == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::KeepsDefault { field } => write!(f, "`{field}` is no longer declared and has its default"),
            Self::Rewritten { field, desired, becomes } => {
                write!(f, "the cluster makes {becomes} of {desired} in `{field}`")
            }
            Self::Refused(why) => write!(f, "the cluster would refuse it: {why}"),
            Self::Immutable(fields) => write!(f, "cannot change once set: `{}`", fields.join("`, `")),
            Self::NotConfirmed(why) => write!(f, "predicted, since a dry run gave no answer: {why}"),
            Self::Doubted(doubt) => write!(f, "cannot be told without a dry run: {doubt}"),
        }
    }
}

impl fmt::Display for ChangeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Declared => "Git declares it so",
            Self::Undeclared => "Git no longer declares it",
            Self::Reset => "Git no longer declares it; it resets to default",
            Self::Remembered => "Git no longer declares it, as our record of it says",
            Self::Surplus => "Git does not have it, and the value around it is replaced whole",
            Self::Order => "the order is Git's",
            Self::Doubled => "it is there twice",
            Self::Stamp => "it marks the object as ours",
            Self::Rewritten => "the cluster makes this of what Git says",
        })
    }
}
