//! Revisions that were rolled back.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::source::RevisionId;
use crate::time::Timestamp;

/// A rollback: the application follows an earlier revision, and none of those that were rolled back comes by itself,
/// until the source has another one.
///
/// Argo CD has to be told to stop syncing before it can be rolled back, and forgets to start again (its issues 6147
/// and 9570).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Hold {
    /// What is followed meanwhile.
    pub to: RevisionId,
    /// What is skipped: all that the source named since the rollback.
    pub skipped: BTreeSet<RevisionId>,
    /// Who asked for it.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl Hold {
    /// Goes back to `to`, from what the source names now.
    #[must_use]
    pub fn new(to: &RevisionId, from: &RevisionId, by: &str, at: Timestamp) -> Self {
        Self { to: to.clone(), skipped: [from.clone()].into(), by: by.into(), at }
    }

    /// Adds a rollback on top of this one: what was skipped stays skipped.
    #[must_use]
    pub fn again(mut self, to: &RevisionId, from: &RevisionId, by: &str, at: Timestamp) -> Self {
        self.skipped.insert(from.clone());
        self.skipped.insert(self.to);
        self.skipped.remove(to);
        Self { to: to.clone(), skipped: self.skipped, by: by.into(), at }
    }

    /// Adds a revision that says what is skipped already, under another name.
    #[must_use]
    pub fn skipping(mut self, revision: &RevisionId) -> Self {
        if *revision != self.to {
            self.skipped.insert(revision.clone());
        }
        self
    }

    /// Returns whether it still holds where the source names `head` now. A revision that was not skipped ends it: a
    /// newer commit, a revert, or a branch that was set back. A `head` that is what is followed anyway ends it, too.
    #[must_use]
    pub fn holds(&self, head: &RevisionId) -> bool {
        self.skipped.contains(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(name: &str) -> RevisionId {
        RevisionId::new(name)
    }

    #[test]
    fn a_rollback_holds_until_the_source_names_something_else() {
        let hold = Hold::new(&revision("good"), &revision("bad"), "Ann", Timestamp::EPOCH);
        for (head, holds) in [("bad", true), ("newer", false), ("good", false)] {
            assert_eq!(hold.holds(&revision(head)), holds, "{head}");
        }
    }

    #[test]
    fn a_second_rollback_skips_both() {
        let first = Hold::new(&revision("b"), &revision("c"), "Ann", Timestamp::EPOCH);
        let second = first.again(&revision("a"), &revision("c"), "Ben", Timestamp::EPOCH);
        let held = ["a", "b", "c", "d"].map(|head| second.holds(&revision(head)));
        assert_eq!(held, [false, true, true, false]);
        // Back to what was skipped: a person wants it.
        let third = second.again(&revision("b"), &revision("c"), "Ann", Timestamp::EPOCH);
        assert_eq!(["a", "b", "c"].map(|head| third.holds(&revision(head))), [true, false, true]);
    }
}
