//! The step machine that carries out a plan.
//!
//! A [`Machine`] performs nothing itself. It hands out [`Effect`]s, is told of their answers as [`Event`]s, and says
//! when it wants to be woken. No write precedes the answer to the record that covers it, so that a crash between any
//! two effects loses nothing: the next run finds the record, resumes the operation, and runs no hook twice.
#![doc = ""]
#![doc = include_str!("refusals.md")]

#[cfg(test)]
mod aim;
mod answers;
mod cause;
mod conflict;
mod fight;
mod fitness;
mod flights;
mod given_up;
mod graph;
mod history;
mod hold;
mod hook_deletion;
mod hook_run;
mod hooks;
mod intent;
mod leaving;
mod ledger;
mod looks;
mod machine;
mod packed;
mod part;
mod patience;
mod progress;
mod receipt;
mod record;
mod recording;
mod recreate;
mod release;
mod requested;
mod setup;
mod stages;
mod step;
mod survey;
mod trial;
mod unseen;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{ClusterError, Interest, Write, Written};
use crate::plan::StepId;
use crate::resource::ResourceKey;
use crate::state::LiveState;
use crate::time::Timestamp;
use crate::value::{Digest, Hasher, Purpose};

#[cfg(test)]
pub(crate) use aim::Aim;
pub use cause::Cause;
pub use fight::{Fight, Fights};
pub use history::{AUTOMATIC, HEALING, HistoryEntry};
pub use hold::Hold;
pub use intent::intend;
pub use ledger::{HISTORY, Ledger, TooNew};
pub use machine::Machine;
pub use part::Part;
pub(crate) use part::asked;
pub use progress::{BACKLOG, News, Progress};
pub use receipt::{Answer, Receipt, StepOutcome, StepResult};
pub use record::{BegunHook, PlannedHook, Record, RecordV1};
pub use requested::Requested;
pub use setup::Setup;

/// Names an operation: one attempt to make one plan true. Survives restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(Arc<str>);

/// Names an effect. Answers carry it back; late and unknown ones are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectId(u64);

/// Something to perform. A driver must know all of them.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all")]
pub enum Effect {
    /// Store the ledger. Answer with [`Event::Recorded`].
    Record {
        /// Its name.
        id: EffectId,
        /// The write that stores it.
        write: Box<Write>,
    },
    /// Perform a write. Answer with [`Event::Wrote`].
    Write {
        /// Its name.
        id: EffectId,
        /// The write.
        write: Box<Write>,
    },
    /// Look up objects, past every cache. Answer with [`Event::Observed`].
    Observe {
        /// Its name.
        id: EffectId,
        /// The objects.
        keys: BTreeSet<ResourceKey>,
    },
    /// List objects, past every cache: what would die with a namespace or CRD. Answer with [`Event::Observed`].
    List {
        /// Its name.
        id: EffectId,
        /// Which.
        interest: Box<Interest>,
    },
}

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The answer to [`Effect::Record`].
    Recorded {
        /// Which one.
        id: EffectId,
        /// The answer.
        result: Result<Written, ClusterError>,
    },
    /// The answer to [`Effect::Write`].
    Wrote {
        /// Which one.
        id: EffectId,
        /// The answer.
        result: Result<Written, ClusterError>,
    },
    /// The answer to [`Effect::Observe`] or [`Effect::List`].
    Observed {
        /// Which one.
        id: EffectId,
        /// The answer.
        result: Result<LiveState, ClusterError>,
    },
    /// There is a newer revision: stop at the next safe point.
    Superseded,
    /// Somebody wants it to stop: no new write, running hooks are deleted.
    Terminate,
    /// Time has passed.
    Tick,
}

/// How an operation stands, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Everything was applied, and healthy where something waited for it.
    Succeeded,
    /// Something was refused, or failed.
    Failed,
    /// A newer revision took its place.
    Superseded,
    /// Somebody stopped it.
    Terminated,
    /// It could not start, or not go on: the ledger could not be written.
    Error,
}

/// What a machine waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Wait {
    /// The step that waits.
    pub step: StepId,
    /// Its object.
    pub key: ResourceKey,
    /// What for.
    pub what: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// When it gives up.
    pub until: Timestamp,
}

impl OperationId {
    /// Names the operation that starts `plan` now, as the `number`th of its application ([`Ledger::next_number`]). Equal
    /// inputs give equal names; there is no randomness. The same plan may well start again within a millisecond, as after
    /// a hook that failed at once.
    #[must_use]
    pub fn derive(owner: &crate::state::Owner, plan: &Digest, number: u64, now: Timestamp) -> Self {
        let hasher = Hasher::new(Purpose::Identity).text(&*owner.installation).text(&*owner.app);
        Self(
            hasher.digest(plan).bytes(&number.to_le_bytes()).bytes(&now.millis().to_le_bytes()).finish().short().into(),
        )
    }

    /// Returns the text: 16 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod ledger_tests;
