//! What is left of an operation that was interrupted, and that nobody resumes: another revision is wanted by now.

use std::sync::Arc;

use crate::resource::ResourceKey;
use crate::state::{Live, LiveState, OPERATION_ANNOTATION};
use crate::time::Timestamp;

use super::{HistoryEntry, HookResult, Ledger, Phase, Record, hooks};

impl Record {
    /// Returns the objects of hooks that the operation may have left running.
    pub fn hook_objects(&self) -> impl Iterator<Item = &ResourceKey> {
        let Self::V1(running) = self;
        running.planned.iter().map(|hook| &hook.object)
    }
}

impl Ledger {
    /// Ends the operation that is under way, which nobody resumes: the history tells of it, and what its hooks left is
    /// known to the next runs of these hooks. A hook that still runs is deleted before the same hook runs again.
    pub fn give_up_running(&mut self, live: &LiveState, now: Timestamp) {
        let Some(Record::V1(given_up)) = self.running.take() else { return };
        let ended = |object: &ResourceKey| given_up.hooks.iter().any(|hook| hook.object == *object);
        for hook in given_up.planned.iter().filter(|hook| !ended(&hook.object)) {
            let Live::Present(object) = live.get(&hook.object) else { continue };
            let mark = hooks::mark_in(&given_up.operation, hook.phase);
            let Some(uid) = object.uid().filter(|_| object.annotation(OPERATION_ANNOTATION) == Some(&*mark)) else {
                continue;
            };
            self.hooks.retain(|other| other.object != hook.object);
            self.hooks.push(HookResult {
                declared: hook.declared.clone(),
                phase: hook.phase,
                object: hook.object.clone(),
                uid: uid.into(),
                version: Arc::clone(&hook.version),
                succeeded: false,
                running: true,
            });
        }
        self.hooks.extend(given_up.hooks);
        self.remember(HistoryEntry {
            number: self.next_number(),
            operation: given_up.operation,
            revisions: given_up.revisions,
            initiator: given_up.initiator,
            started: given_up.started,
            finished: now,
            plan: given_up.plan,
            phase: Phase::Superseded,
            message: "was interrupted, and another operation took its place".into(),
            partial: false,
            cause: None,
            attempts: 1,
        });
    }
}
