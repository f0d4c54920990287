//! Desired × live → [`Comparison`]: what is in sync, what is not, and why. Pure and total.

mod adapt;
mod adapting;
mod answers;
mod atomic;
mod audit;
mod beside;
mod between;
mod carry;
mod claim;
mod compare;
mod confirm;
mod dropped;
mod entries;
mod equal;
mod explain;
mod facts;
mod forecast;
mod forgotten;
mod handing;
mod judge;
mod lists;
mod mask;
mod memo;
mod merged;
mod orphan;
mod owned;
mod places;
mod plain;
mod recompare;
mod render;
mod repair;
mod scaled;
mod show;
mod standing;
mod step;
mod subject;
mod trail;
mod tree;
mod undeclared;
mod verdict;
mod versions;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};

use crate::model::ApiModel;
use crate::path::FieldPath;
use crate::policy::Conflicts;
use crate::policy::ignore::Rules;
use crate::problem::Problem;
use crate::resource::{Resource, ResourceKey};
use crate::ssa::{ManagedEntry, Operation};
use crate::state::{Inventory, Owner, Standing, Tracking, Unreadable};
use crate::time::Timestamp;
use crate::value::{Digest, Value};

pub(crate) use adapt::may_adapt;
pub use adapt::{Adapted, Ignored, IgnoredBy, Scaled, adapt};
pub use answers::{Answers, Question, Receipt, questions, settled};
pub use audit::RuleAudit;
pub use between::{FieldEdit, edits};
pub use claim::claim;
pub(crate) use claim::{claim_as, created_as, created_by};
use compare::Kinds;
pub(crate) use compare::stamp_with;
pub use compare::{compare, compare_one, stamp};
pub use entries::Entries;
pub(crate) use explain::told;
pub use explain::{FieldExplanation, FieldVerdict, UnknownField, Written, explain};
pub use facts::facts;
pub(crate) use facts::said;
pub use forecast::{Effect, Forecast, Foreseen, forecast};
pub(crate) use forecast::{refusal, refusal_of_fields};
pub(crate) use forgotten::sent_fields;
pub use forgotten::{applied_fields, takeover};
pub(crate) use judge::is_plainly_applied;
pub(crate) use mask::{is_plain, is_plain_metadata, is_secret};
pub use orphan::orphan;
pub use recompare::recompare;
pub use render::{Sides, Unified, table};
pub use repair::{Mending, Repair, repair};
pub use scaled::autoscaled;
pub(crate) use scaled::{autoscaler_kinds, is_autoscaler, is_scalable, unread_autoscalers};
pub use show::lines;
pub use standing::standing;
use undeclared::Claimed;
pub use verdict::{ChangeReason, Doubt, Evidence, Note, Prediction, Strategy};

/// What every comparison is made against.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Context<'a> {
    /// Kinds and schemas.
    pub model: &'a ApiModel,
    /// Who we are.
    pub owner: &'a Owner,
    /// What we applied.
    pub inventory: &'a Inventory,
    /// What is left alone.
    pub rules: &'a Rules,
    /// Whose fields are taken over.
    pub conflicts: &'a Conflicts,
    /// What the cluster answered to earlier questions, if it was asked.
    pub answers: Option<&'a Answers>,
}

/// The result for every object that is declared or claimed. Objects that nobody of us claims are not in it; nor are
/// hooks and ignored objects.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Comparison {
    /// One entry per object.
    pub entries: Entries,
    /// What is wrong with objects, beside what the desired state said already.
    pub problems: Vec<Problem>,
    kinds: Arc<Kinds>,
    /// What autoscalers scale.
    scaled: Arc<BTreeSet<ResourceKey>>,
    claimed: Claimed,
}

/// The result for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// The verdict.
    pub outcome: Outcome,
    /// What ties the live object to us, or to others.
    pub claim: Claim,
    /// The live object, if it was read.
    pub live: Option<Resource>,
    /// Digest of what the verdict read of the live object.
    pub facts: Option<Facts>,
    /// What is left alone, by whose word, and the differences that this hid.
    pub ignored: Arc<[Ignored]>,
    /// Fields that leave our ownership before the next apply, since they are left alone: no drift (rule 15).
    pub releases: Arc<[FieldPath]>,
    /// Annotations whose values are not shown; of Secrets only.
    pub masked: Arc<[Arc<str>]>,
    /// What else changes in who owns what before the next apply; no drift either.
    pub repairs: Arc<[Repair]>,
    /// What was taken for ours.
    pub strategy: Strategy,
    /// How sure the verdict is.
    pub evidence: Evidence,
    /// What could be told without asking the cluster.
    pub predicted: Prediction,
    /// What is worth knowing and is no drift.
    pub notes: Arc<[Note]>,
    /// Names the question whose answer would settle the verdict: see [`questions`].
    pub open: Option<Receipt>,
}

/// The verdict on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Git and cluster agree on everything we own or want.
    Synced,
    /// They do not; empty only where the cluster refuses what Git says and nothing else is known to differ.
    OutOfSync(Arc<[Change]>),
    /// Declared, and not on the cluster.
    Missing,
    /// On the cluster and claimed by us, and not declared.
    Extra,
    /// Being deleted: neither present nor absent (rule 12).
    Terminating,
    /// Could not be told.
    Unknown(Why),
}

/// Why a verdict is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The object, its kind or its namespace could not be read.
    Unreadable(Unreadable),
    /// Nobody looked.
    NotLooked,
    /// The cluster serves no such kind and no CRD of the set declares it.
    UnknownKind,
    /// A problem holds the object back; it is among the problems.
    Held,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Change {
    /// The field, as people write it.
    pub path: FieldPath,
    /// The field as a JSON Pointer into the live object. What is not there has the pointer that it gets: an item that is
    /// added is named by its place in the list that a sync leads to.
    pub pointer: Arc<str>,
    /// What a sync will do.
    pub kind: ChangeKind,
    /// What the cluster holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Shown>,
    /// What Git wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Shown>,
    /// Who owns the live value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<FieldOwner>,
    /// Why a sync changes it.
    pub reason: ChangeReason,
}

/// What a sync does to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// It sets another value.
    Value,
    /// It adds the field.
    Added,
    /// It removes the field, which we own and Git no longer declares.
    Removed,
    /// It moves an item of an ordered list.
    Moved,
}

/// A value that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "shown or not")]
pub enum Shown {
    /// It holds no secret.
    Plain(Value),
    /// It holds a secret. In everything told of one object equal letters mean equal values, and there is no way
    /// back; `?` stands for those beyond 21,000.
    Masked(char),
}

/// An owner of a live field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldOwner {
    /// Field manager.
    pub manager: Arc<str>,
    /// `Apply` or `Update`.
    pub operation: &'static str,
    /// Subresource, if it wrote through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<Arc<str>>,
    /// When it last changed what it owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// What ties a live object to us, or to others. Rule 28 of the exact rules builds the proof for pruning from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// How the inventory has it, if its uid matches (or is not known yet).
    pub standing: Option<Standing>,
    /// Its tracking id, whoever's it is.
    pub tracking: Option<Tracking>,
    /// Whether the tracking id is ours and names this very object.
    pub tracked: bool,
    /// Whether our field manager has an Apply entry on it.
    pub applied: bool,
    /// Whether it has owner references that are not declared: then it is somebody's child.
    pub owned: bool,
}

/// Digest of exactly what a decision read of a live object: content, ownership without times, finalizers, deletion.
/// Status and versions are out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Facts(pub(crate) Digest);

impl<'a> Context<'a> {
    /// Gathers what comparisons are made against.
    #[must_use]
    pub fn new(model: &'a ApiModel, owner: &'a Owner, inventory: &'a Inventory) -> Self {
        static RULES: OnceLock<Rules> = OnceLock::new();
        static CONFLICTS: OnceLock<Conflicts> = OnceLock::new();
        let (rules, conflicts) = (RULES.get_or_init(Rules::default), CONFLICTS.get_or_init(Conflicts::default));
        Self { model, owner, inventory, rules, conflicts, answers: None }
    }

    /// Sets what is left alone.
    #[must_use]
    pub fn with_rules(self, rules: &'a Rules) -> Self {
        Self { rules, ..self }
    }

    /// Sets whose fields are taken over.
    #[must_use]
    pub fn with_conflicts(self, conflicts: &'a Conflicts) -> Self {
        Self { conflicts, ..self }
    }

    /// Adds what the cluster answered to [`questions`].
    #[must_use]
    pub fn with_answers(self, answers: &'a Answers) -> Self {
        Self { answers: Some(answers), ..self }
    }
}

impl Outcome {
    /// Returns what differs.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        if let Self::OutOfSync(changes) = self { changes } else { &[] }
    }
}

impl Compared {
    /// Returns whether there is nothing whatever to do about the object.
    fn is_at_rest(&self) -> bool {
        // All fields are named, so that who adds one has to think of it here.
        #[rustfmt::skip]
        let Self {
            outcome, claim, releases, repairs, predicted, live: _, facts: _, masked: _, ignored: _, strategy: _, evidence: _,
            notes: _, open: _,
        } = self;
        let settled = matches!(predicted, Prediction::None | Prediction::NoChange);
        *outcome == Outcome::Synced && releases.is_empty() && repairs.is_empty() && settled && claim.tracked
    }

    /// Whether an autoscaler was heard to target the object.
    pub(crate) fn scaled(&self) -> Scaled {
        let is_scaled = self.ignored.iter().any(|ignored| ignored.by == IgnoredBy::Autoscaler);
        if is_scaled { Scaled::Yes } else { Scaled::No }
    }
}

impl Comparison {
    /// Returns the result for one object.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Compared> {
        self.entries.get(key).map(|entry| &**entry)
    }

    /// Returns whether every object is in sync.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.entries.is_synced()
    }
}

impl FieldOwner {
    /// Names the manager of an entry.
    pub(crate) fn of(entry: &ManagedEntry) -> Self {
        Self {
            manager: Arc::clone(&entry.manager),
            operation: if entry.operation == Operation::Apply { "Apply" } else { "Update" },
            subresource: entry.subresource.clone(),
            time: entry.time,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => f.write_str(&value.to_json()),
            Self::Masked(letter) => write!(f, "(secret {letter})"),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Masked(_) => serializer.collect_str(self),
        }
    }
}

impl fmt::Display for FieldOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.manager)?;
        match &self.subresource {
            Some(subresource) => write!(f, " ({subresource})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "could not be read: {why}"),
            Self::NotLooked => f.write_str("was not looked up"),
            Self::UnknownKind => f.write_str("is of a kind the cluster does not serve"),
            Self::Held => f.write_str("is held back by a problem"),
        }
    }
}

#[cfg(test)]
mod forecast_tests;
#[cfg(test)]
mod mask_tests;
#[cfg(test)]
mod state_tests;
#[cfg(test)]
mod tests;
