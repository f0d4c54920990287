//! Whatever order a driver performs a plan in, as far as the plan permits it, the end is the same.

#![expect(clippy::unwrap_used, reason = "a law that cannot be set up must fail")]

use std::collections::BTreeMap;

use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{App, SyncStatus, World, look, perform, read_desired, sync};
use gitops_core::state::Owner;
use gitops_core::sync::{Effect, EffectId, Event, Phase};
use gitops_core::time::Timer;
use proptest::prelude::*;

/// One ConfigMap: its wave, whom it names as a dependency, and whether the second revision has it.
#[derive(Clone, Debug)]
struct Declared {
    wave: i32,
    needs: Vec<usize>,
    stays: bool,
    changes: bool,
}

fn declared() -> impl Strategy<Value = Vec<Declared>> {
    let one = (0..3_i32, prop::collection::vec(0..8_usize, 0..3), any::<bool>(), any::<bool>());
    let one = one.prop_map(|(wave, needs, stays, changes)| Declared { wave, needs, stays, changes });
    prop::collection::vec(one, 2..9)
}

/// The files of a revision. Everything needs only what stands before it, and is there as long as what it needs.
fn files(all: &[Declared], second: bool) -> Vec<(String, Option<String>)> {
    let is_there = |at: usize| !second || all.get(at).is_some_and(|of| of.stays);
    let file = |(at, of): (usize, &Declared)| {
        let needs: Vec<String> = of
            .needs
            .iter()
            .filter(|on| **on < at && is_there(**on))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|on| format!("/namespaces/shop/ConfigMap/c{on}"))
            .collect();
        let needs =
            if needs.is_empty() { String::new() } else { format!(", gitops.rs/depends-on: \"{}\"", needs.join(",")) };
        let text = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{at}, annotations: {{gitops.rs/sync-wave: \"{}\"{needs}}}}}, data: {{v: \"{}\"}}}}",
            of.wave,
            second && of.changes,
        );
        (format!("c{at}.yaml"), is_there(at).then_some(text))
    };
    let mut files: Vec<_> = all.iter().enumerate().map(file).collect();
    files.push(("namespace.yaml".into(), Some("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}".into())));
    files
}

struct Shop {
    source: MemorySource,
    cluster: MemoryCluster,
    time: VirtualTime,
    app: App,
}

impl Shop {
    fn new() -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let mut policy = SyncPolicy::default().with_prune(Prune::Owned);
        policy.prune_budget_percent = 100;
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_policy(policy);
        Self { source: MemorySource::default(), cluster: MemoryCluster::new(3, time.clone()), time, app }
    }

    fn commit(&self, files: &[(String, Option<String>)]) {
        let files = files.iter().map(|(name, text)| (&**name, text.as_deref()));
        self.source.commit("Ann <ann@example.org>", self.time.now(), "change", files);
    }

    /// Carries out what is to be done; each number picks what happens next.
    fn sync_shuffled(&self, moves: &[u8]) -> Phase {
        let desired = ready(read_desired(&self.app, &self.source, &self.cluster)).unwrap().unwrap();
        let looked = ready(look(&self.app, desired, &self.cluster)).unwrap().unwrap();
        let mut machine = looked.machine(&self.app, self.time.now()).unwrap();
        let mut moves = moves.iter().copied().cycle();
        let mut pick = |of: usize| usize::from(moves.next().unwrap_or(0)) % of.max(1);
        let (mut effects, mut answers) = (Vec::<Effect>::new(), Vec::<(EffectId, Event)>::new());
        loop {
            if let Some(receipt) = machine.outcome() {
                return receipt.phase;
            }
            effects.extend(std::iter::from_fn(|| machine.next_effect()));
            // Whatever the moves are, it goes on.
            if !effects.is_empty() && (answers.is_empty() || pick(2) == 0) {
                let effect = effects.swap_remove(pick(effects.len()));
                let id = match &effect {
                    Effect::Record { id, .. } | Effect::Write { id, .. } => *id,
                    Effect::Observe { id, .. } | Effect::List { id, .. } => *id,
                };
                answers.push((id, ready(perform(effect, &self.cluster)).unwrap()));
            } else if !answers.is_empty() {
                let (_, event) = answers.swap_remove(pick(answers.len()));
                machine.handle(event, self.time.now());
            } else {
                ready(self.time.sleep_until(machine.wake_at().unwrap())).unwrap();
                machine.handle(Event::Tick, self.time.now());
            }
        }
    }

    fn sync(&self) -> SyncStatus {
        ready(sync(&self.app, World::new(&self.source, &self.cluster, &self.time))).unwrap().unwrap().sync
    }

    /// What each object of the application holds.
    fn end(&self) -> BTreeMap<String, String> {
        self.cluster.with_server(|server| {
            let ours = server.objects().filter(|object| object.key().kind() == "ConfigMap");
            let ours = ours.filter(|object| object.key().name.starts_with('c'));
            let text = |object: &gitops_core::resource::Resource| {
                let tree = object.tree();
                let parts = [tree.get("data"), tree.dig(&["metadata", "annotations"])];
                parts.map(|part| part.map(|part| part.to_value().to_json()).unwrap_or_default()).concat()
            };
            ours.map(|object| (object.key().name.to_string(), text(object))).collect()
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_order_that_a_plan_permits_ends_in_the_same_state(
        all in declared(),
        moves in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let (straight, shuffled) = (Shop::new(), Shop::new());
        for second in [false, true] {
            let files = files(&all, second);
            straight.commit(&files);
            shuffled.commit(&files);
            let status = straight.sync();
            prop_assert_eq!(status, SyncStatus::Synced);
            prop_assert_eq!(shuffled.sync_shuffled(&moves), Phase::Succeeded);
            prop_assert_eq!(straight.end(), shuffled.end());
            // Nothing is left to do.
            prop_assert_eq!(shuffled.sync(), SyncStatus::Synced);
        }
    }
}
