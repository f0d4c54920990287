//! What is as declared, and not healthy: what comes after it, or needs it, waits for it.

use std::collections::BTreeSet;

use crate::diff::Outcome;
use crate::health::{self, Clues, HealthStatus, SETTLE_REPORTING, Standstill};
use crate::plan::{self, Extent, HookRun, Intent};
use crate::policy::{Options, Phase};
use crate::resource::ResourceKey;
use crate::time::Timestamp;

use super::{App, Looked};

impl Looked {
    /// Returns the objects that are there, are not written whatever they are like, and are not healthy, where an operation
    /// may have to wait for them.
    ///
    /// An object with `ignore-healthcheck` is kept out of the health of its application, and gates waves all the same, at
    /// the first try of a revision and at later ones. Rule: Argo CD's `setApplicationHealth` reads it, its sync does not.
    pub(super) fn unwell(&self, app: &App, hooks: HookRun) -> BTreeSet<ResourceKey> {
        if app.request.scope.intent != Intent::Sync || !self.may_wait(app, hooks) {
            return BTreeSet::new();
        }
        // Without a clock, what says nothing is unwell; whoever waits for it has one.
        let (manager, now) = (app.owner.manager(), app.now.unwrap_or(Timestamp::EPOCH));
        let clues = Clues::new(&self.model, now).checking(&app.checks).applied_by(&manager);
        let reporting = health::reporting(self.live.objects());
        let rests = |key: &ResourceKey, options: &Options| {
            options.create_only || app.request.resting.contains(key) || app.request.scope.is_partial()
        };
        let in_place = self.comparison.entries.iter().filter(|(key, compared)| {
            let options = self.desired.get(key).map(|declared| &declared.options).filter(|of| of.is_resource());
            options.is_some_and(|options| match compared.outcome {
                Outcome::Synced => true,
                Outcome::OutOfSync(_) => rests(key, options),
                _ => false,
            })
        });
        let unwell = in_place.filter(|(key, compared)| {
            let settle = if reporting.contains(&*key.group_kind) { SETTLE_REPORTING } else { clues.settle };
            let health = compared.live.as_ref().map(|live| health::assess(live, &clues.settling(settle)));
            health.is_some_and(|health| {
                health.status != HealthStatus::Healthy && health.standstill != Some(Standstill::FirstConsumer)
            })
        });
        unwell.map(|(key, _)| key.clone()).collect()
    }

    /// Whether anything that an operation may do comes after something that has no step: a later wave of a revision that
    /// is not made true yet, a deletion, or what needs others to be healthy.
    fn may_wait(&self, app: &App, hooks: HookRun) -> bool {
        let found = |is: fn(&Outcome) -> bool| self.comparison.entries.values().any(|compared| is(&compared.outcome));
        if found(|outcome| *outcome == Outcome::Extra) {
            return true;
        }
        let makes_true = self.is_new() || matches!(hooks, HookRun::NewRevision | HookRun::Always);
        if makes_true && self.has_stages() {
            return true;
        }
        let writes = makes_true
            || app.request.scope.extent == Extent::Everything
            || found(|outcome| *outcome != Outcome::Synced);
        writes && self.desired.declared.values().any(plan::may_await)
    }

    /// Whether anything of the application comes after something else of it, by waves and phases.
    fn has_stages(&self) -> bool {
        let mut waves = self.desired.declared.values().map(|declared| declared.options.wave);
        let first = waves.next();
        let comes_after = |phases: &BTreeSet<Phase>| phases.contains(&Phase::PostSync);
        let mut hooks = self.desired.declared.values().filter_map(|declared| declared.options.hook.as_ref());
        waves.any(|wave| Some(wave) != first) || hooks.any(|hook| comes_after(&hook.phases))
    }
}
