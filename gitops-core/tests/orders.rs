//! Whatever order a driver performs a plan in, as far as the plan permits it, the end is the same.

#![expect(clippy::unwrap_used, reason = "a law that cannot be set up must fail")]

use std::collections::BTreeMap;

use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{App, Report, SyncStatus, World, look, perform, preview, read_desired, sync};
use gitops_core::state::Owner;
use gitops_core::sync::{Effect, EffectId, Event, Phase};
use gitops_core::time::Timer;
use proptest::prelude::*;

/// What is declared under one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Config,
    /// A ConfigMap that is deleted and created again where it changes.
    Fixed,
    Hook(&'static str),
    /// A namespace of its own, and a ConfigMap in it.
    Inside,
    /// A definition, and an object of its kind.
    Custom,
    /// A webhook configuration, the service it calls, and the workload behind that.
    Called,
}

/// Its wave, whom it names as a dependency, and whether the second revision has it.
#[derive(Clone, Debug)]
struct Declared {
    sort: Sort,
    wave: i32,
    needs: Vec<usize>,
    stays: bool,
    changes: bool,
}

fn declared() -> impl Strategy<Value = Vec<Declared>> {
    let hook = prop::sample::select(vec!["PreSync", "Sync", "PostSync"]).prop_map(Sort::Hook);
    let sort = prop_oneof![
        4 => Just(Sort::Config),
        2 => Just(Sort::Fixed),
        2 => hook,
        1 => Just(Sort::Inside),
        1 => Just(Sort::Custom),
        1 => Just(Sort::Called),
    ];
    let one = (sort, 0..3_i32, prop::collection::vec(0..8_usize, 0..3), any::<bool>(), any::<bool>());
    let one = one.prop_map(|(sort, wave, needs, stays, changes)| Declared { sort, wave, needs, stays, changes });
    prop::collection::vec(one, 2..9)
}

impl Declared {
    fn is_config(&self) -> bool {
        matches!(self.sort, Sort::Config | Sort::Fixed)
    }

    /// The manifest of number `at`; `more` are further annotations, each after a comma.
    fn manifest(&self, at: usize, more: &str, value: bool) -> String {
        let wave = format!("gitops.rs/sync-wave: \"{}\"{more}", self.wave);
        let goes = format!("{wave}, gitops.rs/prune: enabled");
        match self.sort {
            Sort::Config => format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{at}, annotations: {{{wave}}}}}, data: {{v: \"{value}\"}}}}"
            ),
            Sort::Fixed => format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{at}, annotations: {{{wave}, gitops.rs/sync-options: \
                 Force=true}}}}, immutable: true, data: {{v: \"{value}\"}}}}"
            ),
            Sort::Hook(phase) => format!(
                "{{apiVersion: batch/v1, kind: Job, metadata: {{name: c{at}, annotations: {{{wave}, gitops.rs/hook: {phase}}}}}, \
                 spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: run, image: \"{value}\"}}]}}}}}}}}"
            ),
            Sort::Inside => format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: n{at}, annotations: {{{goes}}}}}}}\n---\n\
                 {{apiVersion: v1, kind: ConfigMap, metadata: {{name: in, namespace: n{at}, annotations: {{{wave}}}}}, data: {{v: \"{value}\"}}}}"
            ),
            Sort::Custom => format!(
                "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: w{at}s.example.org, \
                 annotations: {{{goes}}}}}, spec: {{group: example.org, scope: Namespaced, names: {{kind: W{at}, plural: w{at}s, \
                 singular: w{at}, listKind: W{at}List}}, versions: [{{name: v1, served: true, storage: true, schema: \
                 {{openAPIV3Schema: {{type: object, properties: {{v: {{type: string}}}}}}}}}}]}}}}\n---\n\
                 {{apiVersion: example.org/v1, kind: W{at}, metadata: {{name: c{at}, annotations: {{{wave}}}}}, v: \"{value}\"}}"
            ),
            Sort::Called => format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: c{at}, annotations: {{{wave}, \
                 memory.gitops.rs/after-seconds: \"7\"}}}}, spec: {{selector: {{matchLabels: {{app: c{at}}}}}, template: {{metadata: \
                 {{labels: {{app: c{at}}}}}, spec: {{containers: [{{name: c, image: \"{value}\"}}]}}}}}}}}\n---\n\
                 {{apiVersion: v1, kind: Service, metadata: {{name: c{at}, annotations: {{{wave}}}}}, spec: {{clusterIP: None, \
                 selector: {{app: c{at}}}, ports: [{{port: 443}}]}}}}\n---\n\
                 {{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {{name: c{at}, \
                 annotations: {{{wave}}}}}, webhooks: [{{name: c{at}.example.org, clientConfig: {{service: {{namespace: shop, name: \
                 c{at}}}}}, sideEffects: None, admissionReviewVersions: [v1]}}]}}"
            ),
        }
    }
}

/// The files of a revision. Everything needs only what stands before it, and is there as long as what it needs.
fn files(all: &[Declared], second: bool) -> Vec<(String, Option<String>)> {
    let is_there = |at: usize| !second || all.get(at).is_some_and(|of| of.stays);
    let is_config = |at: usize| all.get(at).is_some_and(Declared::is_config);
    let file = |(at, of): (usize, &Declared)| {
        let needs = of.needs.iter().filter(|on| **on < at && is_there(**on) && is_config(**on));
        let needs: std::collections::BTreeSet<_> = needs.filter(|_| !matches!(of.sort, Sort::Hook(_))).collect();
        let needs: Vec<String> = needs.into_iter().map(|on| format!("/namespaces/shop/ConfigMap/c{on}")).collect();
        let more =
            if needs.is_empty() { String::new() } else { format!(", gitops.rs/depends-on: \"{}\"", needs.join(",")) };
        (format!("c{at}.yaml"), is_there(at).then(|| of.manifest(at, &more, second && of.changes)))
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

    fn preview(&self) -> Report {
        ready(preview(&self.app, World::new(&self.source, &self.cluster, &self.time))).unwrap().unwrap()
    }

    fn sync(&self) -> SyncStatus {
        ready(sync(&self.app, World::new(&self.source, &self.cluster, &self.time))).unwrap().unwrap().sync
    }

    /// What is there, and what each object holds.
    fn end(&self) -> BTreeMap<String, String> {
        let made_by_controllers = ["Event", "Pod", "ReplicaSet", "Lease", "EndpointSlice", "ControllerRevision"];
        self.cluster.with_server(|server| {
            let ours = server.objects().filter(|object| {
                let recorded = object.key().namespace.as_deref() == Some("gitops-system");
                !recorded && !made_by_controllers.contains(&object.key().kind())
            });
            let text = |object: &gitops_core::resource::Resource| {
                let tree = object.tree();
                // A hook has labels of its own uid.
                let is_job = object.key().is("batch", "Job");
                let parts = ["data", "spec", "v", "webhooks"].into_iter().filter(|_| !is_job);
                let parts: Vec<String> =
                    parts.filter_map(|part| tree.get(part)).map(|part| part.to_value().to_json()).collect();
                let marks = ["gitops.rs/tracking-id", "gitops.rs/depends-on", "gitops.rs/sync-wave"];
                format!("{parts:?} {:?}", marks.map(|mark| object.annotation(mark)))
            };
            ours.map(|object| (object.key().to_string(), text(object))).collect()
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
            let report = shuffled.preview();
            prop_assert!(report.plan.is_empty() && report.sync == SyncStatus::Synced, "{}", report.plan);
        }
    }
}
