//! What the objects of an application inherit from it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::policy::SyncOptions;
use crate::problem::{Code, Problem, Severity};

use super::DesiredState;
use super::desired::awaited;

impl DesiredState {
    /// Hands sync options down to the objects that do not say otherwise, in place of those handed down before.
    ///
    /// A kind that is not served is no fault of an object that inherits `SkipDryRunOnMissingResource=true`, and does not
    /// hold it back.
    #[must_use]
    pub fn inheriting(mut self, options: &SyncOptions) -> Self {
        if self.inherits(options) {
            return self;
        }
        for declared in self.declared.values_mut() {
            declared.options.inherit(options);
        }
        let waived = std::mem::take(&mut self.waived);
        let notes: BTreeSet<Problem> = waived.iter().cloned().map(awaited).collect();
        self.problems.retain(|problem| !notes.contains(problem));
        self.held.extend(waived.iter().filter_map(|problem| problem.key.clone()));
        self.problems.extend(waived);
        let mut freed = BTreeSet::new();
        for problem in &mut self.problems {
            let of = problem.key.as_ref().filter(|_| problem.code == Code::UnknownKind);
            let Some((key, declared)) = of.and_then(|key| self.declared.get_key_value(key)) else { continue };
            if problem.severity == Severity::Blocks && declared.options.skip_dry_run_on_missing_resource {
                freed.insert(key.clone());
                self.waived.push(problem.clone());
                *problem = awaited(problem.clone());
            }
        }
        if !freed.is_empty() {
            let blocks = self.problems.iter().filter(|problem| problem.severity == Severity::Blocks);
            let blocked: BTreeSet<_> = blocks.filter_map(|problem| problem.key.as_ref()).collect();
            self.held.retain(|key| !freed.contains(key) || blocked.contains(key));
        }
        self.problems.sort();
        self.inherited = options.clone();
        self
    }

    /// The same for one that is only looked at.
    pub(crate) fn as_heir(&self, options: &SyncOptions) -> Cow<'_, Self> {
        if self.inherits(options) { Cow::Borrowed(self) } else { Cow::Owned(self.clone().inheriting(options)) }
    }

    /// Returns whether these options were handed down.
    pub(crate) fn inherits(&self, options: &SyncOptions) -> bool {
        self.inherited == *options
    }
}
