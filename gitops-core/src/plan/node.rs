//! A declared object while it is decided what becomes of it.

use crate::diff::Repair;
use crate::policy::{Options, Phase, Role};
use crate::resource::{Resource, ResourceKey};
use crate::state::Declared;

use super::{Action, Impact, Intent, Precondition, Reason, SkipReason, depend};

/// A declared object, and what becomes of it. What every pass over the nodes asks stands here, not behind a pointer.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) key: &'a ResourceKey,
    pub(super) declared: &'a Declared,
    pub(super) fate: Fate,
    pub(super) intent: Intent,
    pub(super) role: Role,
    pub(super) wave: i32,
    asks: bool,
    /// Phases in which a hook does not run, although it is declared to.
    dropped: u8,
}

impl depend::Subject for Node<'_> {
    fn key(&self) -> &ResourceKey {
        self.key
    }
    fn resource(&self) -> &Resource {
        &self.declared.resource
    }
    fn options(&self) -> &Options {
        &self.declared.options
    }
    fn works(&self) -> bool {
        self.work().is_some()
    }
    fn asks(&self) -> bool {
        self.asks
    }
}

/// What becomes of a declared object.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is as declared.
    InPlace,
    /// It is left alone.
    Skip(SkipReason),
    /// It has a step; a hook has one per phase.
    Do(Box<Work>),
}

#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) action: Action,
    pub(super) requires: Precondition,
    pub(super) reason: Reason,
    pub(super) impact: Impact,
    /// What changes first in who owns what.
    pub(super) repairs: Vec<Repair>,
}

impl<'a> Node<'a> {
    pub(super) fn new(key: &'a ResourceKey, declared: &'a Declared, fate: Fate, intent: Intent) -> Self {
        let options = &declared.options;
        let asks = depend::asks(options);
        Self { key, declared, fate, intent, role: options.role, wave: options.wave, asks, dropped: 0 }
    }

    pub(super) fn is_resource(&self) -> bool {
        self.role == Role::Resource
    }

    pub(super) fn work(&self) -> Option<&Work> {
        if let Fate::Do(work) = &self.fate { Some(work) } else { None }
    }

    /// Phases in which it has a step, should it have any.
    pub(super) fn phases(&self) -> impl Iterator<Item = Phase> {
        let hook = Some(self.declared).filter(|_| self.role == Role::Hook).and_then(|of| of.options.hook.as_ref());
        let hook = hook.into_iter().flat_map(|hook| hook.phases.iter().copied());
        let syncs = self.intent == Intent::Sync;
        let declared = hook.chain(self.is_resource().then_some(Phase::Sync));
        declared.filter(move |phase| (*phase <= Phase::SyncFail) == syncs && self.dropped & bit(*phase) == 0)
    }

    /// Takes back the step in each phase that `drops` names. Once none is left, it is held back for `reason`; what is
    /// only waited for is in place.
    pub(super) fn drop_phases(&mut self, drops: impl Fn(Phase) -> bool, reason: SkipReason) {
        let Some(action) = self.work().map(|work| &work.action) else { return };
        let is_in_place = *action == Action::Await;
        let dropped = self.phases().filter(|phase| drops(*phase)).map(bit).fold(0, |all, one| all | one);
        self.dropped |= dropped;
        if dropped != 0 && self.phases().next().is_none() {
            self.fate = if is_in_place { Fate::InPlace } else { Fate::Skip(reason) };
        }
    }
}

fn bit(phase: Phase) -> u8 {
    1 << phase as u8
}
