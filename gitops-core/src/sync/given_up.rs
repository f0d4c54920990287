//! What is left of an operation that was interrupted, and that nobody resumes: another revision is wanted by now.

use crate::resource::ResourceKey;
use crate::state::{HookResult, Live, LiveState, OPERATION_ANNOTATION};
use crate::time::Timestamp;

use super::{HistoryEntry, Ledger, Phase, Record, RecordV1, hooks};

impl Record {
    /// Returns the objects of hooks that the operation may have left running.
    pub fn hook_objects(&self) -> impl Iterator<Item = &ResourceKey> {
        let Self::V1(running) = self;
        running.planned.iter().map(|hook| &hook.object)
    }
}

impl Ledger {
    /// Ends the operation that is under way, which nobody resumes: the history tells of it, and what its hooks left is
    /// known to the next runs of these hooks.
    pub fn give_up_running(&mut self, live: &LiveState, now: Timestamp) {
        self.hooks = self.left_by_hooks(false, live);
        let partial = self.running.as_ref().is_some_and(Record::is_partial);
        let Some(Record::V1(given_up)) = self.running.take() else { return };
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
            partial,
            incomplete: false,
            cause: None,
            attempts: 1,
            settled: false,
        });
    }

    /// Returns what hooks of earlier operations left, without what is known to be gone. Unless the operation that is
    /// under way goes on, its hooks are among them; those that still run are deleted before the same hook runs again.
    pub(crate) fn left_by_hooks(&self, goes_on: bool, live: &LiveState) -> Vec<HookResult> {
        let mut left = self.hooks.clone();
        if let (Some(Record::V1(given_up)), false) = (&self.running, goes_on) {
            leave(&mut left, given_up, live);
        }
        left.retain(|hook| !is_gone(hook, live));
        left
    }

    /// Forgets objects of hooks that are known to be gone, and those that the inventory has: they are ordinary by now.
    pub(crate) fn settle_hooks(&mut self, live: &LiveState) {
        let entries = &self.inventory.entries;
        let is_ordinary = |hook: &HookResult| {
            let entry = entries.get(&hook.object);
            entry.is_some_and(|entry| hook.is_about(&hook.object, entry.uid.as_deref()))
        };
        self.hooks.retain(|hook| !is_gone(hook, live) && !is_ordinary(hook));
    }
}

/// Whether an object is not there, or another one is.
fn is_gone(hook: &HookResult, live: &LiveState) -> bool {
    match live.get(&hook.object) {
        Live::Absent => true,
        Live::Present(object) | Live::MetadataOnly(object) => object.uid().is_some_and(|uid| *uid != *hook.uid),
        Live::NotServed | Live::Unreadable(_) | Live::NotLooked => false,
    }
}

/// Adds what an operation that is given up left.
fn leave(hooks: &mut Vec<HookResult>, given_up: &RecordV1, live: &LiveState) {
    hooks.retain(|other| !given_up.hooks.iter().any(|hook| hook.object == other.object));
    hooks.extend(given_up.hooks.iter().cloned());
    for hook in given_up.planned.iter().filter(|hook| !given_up.has_seen_end(hook)) {
        let Live::Present(object) = live.get(&hook.object) else { continue };
        let mark = hooks::mark_in(&given_up.operation, hook.phase);
        let Some(uid) = object.uid().filter(|_| object.annotation(OPERATION_ANNOTATION) == Some(&*mark)) else {
            continue;
        };
        // Of an earlier run under the same name nothing is left.
        hooks.retain(|other| other.object != hook.object);
        let running = HookResult::of(&hook.declared, hook.phase, &hook.object, uid, &hook.version);
        hooks.push(HookResult { running: true, ..running });
    }
}
