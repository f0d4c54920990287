//! Applying an object of which rules leave fields alone. Rules 13 to 16 of the exact rules.
//!
//! The object is looked at, what is ignored and ours leaves our entry, and only then it is applied without it: an apply
//! without a field that we own removes it, or sets it to its default (recorded).

use crate::cluster::{Force, Guard};
use crate::diff::{self, Adapted, Context, Mending, Scaled};
use crate::plan::{Action, Precondition, Reason, Step};
use crate::resource::{Resource, ResourceKey};

use super::StepOutcome;
use super::machine::Machine;
use super::step::{At, Look, Next};

impl Machine {
    pub(super) fn declared(&self, step: &Step) -> Option<Resource> {
        // Looked up once for each step; a plan from a file may number its steps as it likes.
        let known = self.run(step.id.0).and_then(|run| run.declared.as_ref());
        let known = known.filter(|known| *known.key() == step.key);
        known.or_else(|| Some(&self.setup.desired.get(&step.key)?.resource)).cloned()
    }

    /// Whether anything of the object of a step may be left alone.
    pub(super) fn has_rules(&self, step: &Step) -> bool {
        let declared = self.declared(step);
        declared.is_some_and(|declared| diff::may_adapt(&declared, &self.context(), self.scaled(&step.key)))
    }

    /// Whether the object of a step is still with another application, which gives it away.
    pub(super) fn receives(&self, step: &Step) -> bool {
        self.setup.ledger.inventory.receiving.contains_key(&step.key)
    }

    /// What objects are compared against.
    pub(super) fn context(&self) -> Context<'_> {
        let setup = &self.setup;
        let context = Context::new(&setup.model, &setup.owner, &setup.ledger.inventory);
        context.with_rules(&setup.rules).with_conflicts(&setup.policy.conflicts)
    }

    pub(super) fn scaled(&self, key: &ResourceKey) -> Scaled {
        if self.setup.scaled.contains(key) { Scaled::Yes } else { Scaled::No }
    }

    pub(super) fn adapt(&self, declared: &Resource, live: Option<&Resource>) -> Option<Adapted> {
        diff::adapt(declared, live, &self.context(), self.scaled(declared.key()))
    }

    /// Ownership has changed: what is sent is decided anew where rules ask for the live object.
    pub(super) fn apply_again(&mut self, id: u32, step: &Step) {
        let next = match (&step.requires, self.has_rules(step)) {
            (_, true) => Next::Look(Look::BeforeApply),
            (Precondition::Present { uid, .. }, false) => Next::Apply(Force::No, Guard::same(uid)),
            (_, false) => Next::Apply(Force::No, Guard::None),
        };
        self.proceed(id, next);
    }

    /// The object was looked at before it is applied.
    pub(super) fn saw_before_apply(&mut self, id: u32, live: Option<&Resource>) {
        let Some((step, live)) = self.step(id).zip(live) else { return self.fail(id, "is gone; sync again") };
        match (self.unfit(&step, live), live.uid()) {
            (Some(why), _) => self.fail(id, &why),
            (None, uid) => self.apply_to(id, live, Force::No, uid.map_or(Guard::None, Guard::same)),
        }
    }

    /// Applies over `live` as it was just read, once nothing that is ignored is ours any more.
    pub(super) fn apply_to(&mut self, id: u32, live: &Resource, force: Force, guard: Guard) {
        if let Some(mending) = self.mending(id, live) {
            return self.proceed(id, Next::Own(Box::new(mending)));
        }
        let declared = self.step(id).and_then(|step| self.declared(&step));
        let adapted = declared.and_then(|declared| self.adapt(&declared, Some(live)));
        // Parts of the live object fit only the very version they were read at.
        let guard = if adapted.as_ref().is_some_and(|adapted| adapted.carries) { Guard::exactly(live) } else { guard };
        if let Some(run) = self.run_mut(id) {
            run.sent = adapted.map(|adapted| adapted.sent);
        }
        self.proceed(id, Next::Apply(force, guard));
    }

    /// The object was looked at before it is replaced: with all that is ignored as it is.
    pub(super) fn saw_before_replace(&mut self, id: u32, live: Option<&Resource>) {
        let Some((step, live)) = self.step(id).zip(live) else { return self.fail(id, "is gone; sync again") };
        // A replace knows no field conflicts: nothing else stands between it and what others wrote.
        if let Some(why) = self.unfit(&step, live).or_else(|| self.changed_since(&step, live)) {
            return self.fail(id, &why);
        }
        let declared = self.declared(&step);
        let adapted = declared.and_then(|declared| self.adapt(&declared, Some(live)));
        if let Some(run) = self.run_mut(id) {
            run.sent = adapted.map(|adapted| adapted.replacement);
        }
        self.proceed(id, Next::Replace(Guard::exactly(live)));
    }

    /// What must change in who owns what before the object of a step is applied.
    fn mending(&self, id: u32, live: &Resource) -> Option<Mending> {
        let step = self.step(id)?;
        if step.action == Action::Orphan {
            return diff::orphan(live, &self.context());
        }
        let declared = self.declared(&step)?;
        diff::repair(&declared, live, &self.context(), self.scaled(declared.key()))
    }

    /// The object was looked at before its ownership is put right.
    pub(super) fn saw_before_own(&mut self, id: u32, live: Option<&Resource>) {
        self.seems_to_stay(id);
        let Some(step) = self.step(id) else { return };
        let lets_go = step.action == Action::Orphan;
        let live = match live {
            Some(live) => live,
            None if lets_go => return self.let_go(id, StepOutcome::Unchanged),
            None => return self.fail(id, "is gone; sync again"),
        };
        let mending = self.mending(id, live);
        if !lets_go {
            let changed_hands = step.reason == Reason::Adopt && !self.claims(live).tracked;
            return match (self.unfit(&step, live), mending) {
                (Some(why), _) => self.fail(id, &why),
                (None, Some(mending)) => self.proceed(id, Next::Own(Box::new(mending))),
                (None, None) if changed_hands => self.fail(id, "changed hands meanwhile; take over anew"),
                (None, None) => self.finish(id, At::Ended(StepOutcome::Unchanged, "".into())),
            };
        }
        match (&step.requires, live.uid(), mending) {
            // It is gone, and what stands there by now was not meant.
            (Precondition::Present { uid, .. }, Some(seen), None) if **uid != *seen => {
                self.let_go(id, StepOutcome::Unchanged);
            }
            (Precondition::Present { uid, .. }, Some(seen), _) if **uid != *seen => {
                self.fail(id, "is no longer the object that was compared; sync again");
            }
            (_, _, Some(mending)) => self.proceed(id, Next::Own(Box::new(mending))),
            // Nothing says any more that it is ours; or nobody can read who owns what, which was not so before.
            (_, _, None) if self.claims(live).marked() => {
                self.fail(id, "says no longer who owns which fields, so it is left alone; try again");
            }
            (_, _, None) => self.let_go(id, StepOutcome::Unchanged),
        }
    }

    pub(super) fn lets_go(&self, id: u32) -> bool {
        self.step(id).is_some_and(|step| step.action == Action::Orphan)
    }

    /// Nothing says any more that an object is ours.
    fn let_go(&mut self, id: u32, outcome: StepOutcome) {
        if let Some(step) = self.step(id) {
            self.setup.ledger.inventory.entries.remove(&step.key);
        }
        self.finish(id, At::Ended(outcome, "".into()));
    }

    /// The answer to a change of ownership. Only an answer that shows it counts: the server drops all entries when it
    /// cannot read one, and says 200 all the same (recorded).
    pub(super) fn owned(&mut self, id: u32, mending: &Mending, object: Option<&Resource>) {
        let action = self.step(id).map(|step| step.action);
        let is_own = matches!(action, Some(Action::Own { .. } | Action::Orphan));
        let look = if is_own { Look::BeforeOwn } else { Look::BeforeApply };
        let Some(object) = object else { return self.proceed(id, Next::Look(look)) };
        if !mending.is_done_in(object) {
            return self.fail(
                id,
                "the cluster took the change of who owns which fields, and did not make it; nothing was applied",
            );
        }
        if action == Some(Action::Orphan) {
            return self.let_go(id, StepOutcome::Orphaned);
        }
        // The mark that was just set is ours otherwise than by an apply: in an operation of nothing else that is put right.
        let is_due = self.plan.scope.intent.is_about_owners() && self.run(id).is_some_and(|run| run.taken == 0);
        if let Some(mending) = is_due.then(|| self.mending(id, object)).flatten() {
            self.run_mut(id).into_iter().for_each(|run| run.taken += 1);
            return self.proceed(id, Next::Own(Box::new(mending)));
        }
        if is_own {
            return self.finish(id, At::Ended(StepOutcome::Changed, "".into()));
        }
        self.saw_before_apply(id, Some(object));
    }
}
