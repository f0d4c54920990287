//! Crash enumeration: generated applications, stopped after every single effect, before and after the server took it,
//! started again from what is stored on the cluster. Nothing is lost, nothing leaks, no hook runs twice.
//!
//! `GITOPS_CRASH_SCENARIOS` says how many applications are tried (default: 24).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a law that cannot be set up must fail")]
#![expect(clippy::disallowed_methods, reason = "reads how much to try from the environment")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use gitops_core::cluster::{
    Changes, Cluster, ClusterError, Cursor, Force, Interest, Mode, Observed, Verb, Write, WriteOutcome, Written,
};
use gitops_core::memory::{ApiServer, MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::model::ApiModel;
use gitops_core::policy::{Prune, SyncPolicy, Validate};
use gitops_core::reconcile::{self, App, Report, World, look, perform, read_desired};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{Leaving, Live, Owner, Standing};
use gitops_core::sync::{Event, Ledger, Phase};
use gitops_core::time::{Timer, Timestamp};
use gitops_core::value::Value;
use proptest::prelude::*;

/// What becomes of a ConfigMap with the second revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    New,
    Changed,
    Kept,
    Dropped,
    /// It cannot be changed, so it is deleted and created again.
    Recreated,
}

#[derive(Clone, Debug)]
struct Thing {
    wave: i32,
    fate: Fate,
}

/// What a hook of the second revision was in the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Was {
    New,
    /// An ordinary object, if it has a name.
    Ordinary,
    /// A hook that ran, and runs again.
    Ran,
    /// A hook that ran; the second revision does not declare it.
    Forgotten,
}

#[derive(Clone, Debug)]
struct Hook {
    was: Was,
    phases: &'static str,
    named: bool,
    delete: &'static str,
    outcome: &'static str,
    brief: bool,
}

/// Who made an object before us that we declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    ByHand,
    ByApplier,
}

#[derive(Clone, Debug)]
struct Scenario {
    things: Vec<Thing>,
    hooks: Vec<Hook>,
    namespace: bool,
    crd: bool,
    deployment: bool,
    secret: bool,
    theirs: Option<Theirs>,
    validate: Validate,
    /// After the first restart it stops once more, after that many effects.
    again: Option<usize>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let fate =
        prop::sample::select(vec![Fate::New, Fate::New, Fate::Changed, Fate::Kept, Fate::Dropped, Fate::Recreated]);
    let thing = (-1..=1i32, fate).prop_map(|(wave, fate)| Thing { wave, fate });
    let phases = prop::sample::select(vec!["PreSync", "PreSync", "Sync", "PostSync", "PreSync,PostSync", "SyncFail"]);
    let delete = prop::sample::select(vec!["", "BeforeHookCreation", "HookSucceeded", "HookFailed"]);
    let outcome = prop::sample::select(vec!["succeed", "succeed", "succeed", "succeed", "fail"]);
    let was = prop::sample::select(vec![Was::New, Was::New, Was::Ordinary, Was::Ran, Was::Forgotten]);
    let hook = (was, phases, any::<bool>(), delete, outcome, prop::bool::weighted(0.2))
        .prop_map(|(was, phases, named, delete, outcome, brief)| Hook { was, phases, named, delete, outcome, brief });
    let theirs = prop::sample::select(vec![None, None, None, Some(Theirs::ByHand), Some(Theirs::ByApplier)]);
    let rare = || prop::bool::weighted(0.3);
    let again = prop::option::of(0..12usize);
    let validate = prop::sample::select(vec![Validate::Never, Validate::Layers, Validate::UpFront]);
    (
        prop::collection::vec(thing, 1..4),
        prop::collection::vec(hook, 0..3),
        rare(),
        rare(),
        rare(),
        rare(),
        theirs,
        (validate, again),
    )
        .prop_map(|(things, hooks, namespace, crd, deployment, secret, theirs, (validate, again))| Scenario {
            things,
            hooks,
            namespace,
            crd,
            deployment,
            secret,
            theirs,
            validate,
            again,
        })
}

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: widget}
spec: {size: 1}
"#;

const EXTRA: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n---\n\
    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inside, namespace: extra}\ndata: {a: b}\n";

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {memory.gitops.rs/after-seconds: "3"}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
"#;

fn config(name: &str, wave: i32, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{argocd.argoproj.io/sync-wave: \
         \"{wave}\"}}\ndata: {{key: \"{value}\"}}\n"
    )
}

/// The same as one that cannot change, and is created again where it should.
fn fixed(config: &str) -> String {
    let force = "annotations: {argocd.argoproj.io/sync-options: Force=true, ";
    config.replace("annotations: {", force) + "immutable: true\n"
}

impl Hook {
    /// What the first revision declares instead; it always succeeds.
    fn before(&self, index: usize) -> Option<String> {
        let first = Self { outcome: "succeed", brief: false, ..self.clone() }.manifest(index);
        match self.was {
            Was::Ran | Was::Forgotten => Some(first),
            Was::Ordinary if self.named => {
                let is_hook = |line: &&str| line.contains("argocd.argoproj.io/hook");
                Some(first.lines().filter(|line| !is_hook(line)).map(|line| format!("{line}\n")).collect())
            }
            Was::New | Was::Ordinary => None,
        }
    }

    fn manifest(&self, index: usize) -> String {
        let name = if self.named { format!("name: hook-{index}") } else { format!("generateName: hook-{index}-") };
        let delete = match self.delete {
            "" => String::new(),
            policy => format!("    argocd.argoproj.io/hook-delete-policy: {policy}\n"),
        };
        let ttl = if self.brief { "  ttlSecondsAfterFinished: 60\n" } else { "" };
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  {name}\n  annotations:\n    argocd.argoproj.io/hook: {}\n{delete}    \
             memory.gitops.rs/outcome: {}\nspec:\n{ttl}  template:\n    spec:\n      restartPolicy: Never\n      \
             containers: [{{name: run, image: busybox}}]\n",
            self.phases, self.outcome
        )
    }
}

/// Notes which Jobs came into being: the runs of hooks. And sees to it that nothing of the inventory is deleted before that
/// is recorded (rule 26 of the exact rules).
#[derive(Debug)]
struct Spy {
    inner: MemoryCluster,
    runs: Mutex<Vec<String>>,
    ledger: ResourceKey,
}

impl Spy {
    fn ledger(&self) -> Ledger {
        self.inner.with_server(|server| {
            let live = server.get(&self.ledger).map_or(Live::Absent, Live::Present);
            let (ledger, damage) = Ledger::read(&self.ledger, live).unwrap();
            assert_eq!(damage, None);
            ledger
        })
    }
}

#[async_trait]
impl Cluster for Spy {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.inner.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.inner.observe(interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.inner.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        if let (Verb::Delete { .. }, Mode::Commit) = (&write.verb, write.mode) {
            let entry = self.ledger().inventory.get(&write.key).cloned();
            let uid = self.inner.with_server(|server| Some(server.get(&write.key)?.uid()?.to_owned()));
            let is_recorded = entry.filter(|entry| entry.uid.as_deref() == uid.as_deref());
            let leaving = is_recorded.map(|entry| entry.leaving);
            assert!(leaving.is_none_or(|leaving| leaving == Some(Leaving::Deleting)), "{} {leaving:?}", write.key);
        }
        let result = self.inner.write(write).await;
        if let (Ok(written), Mode::Commit) = (&result, write.mode)
            && written.outcome == WriteOutcome::Created
            && write.key.is("batch", "Job")
            && let Verb::Apply { object, .. } = &write.verb
        {
            let mark = object.annotation("gitops.rs/operation").unwrap_or("unmarked");
            // `hook-N`, whatever is generated behind it, in its phase.
            let name: String = write.key.name.split('-').take(2).collect::<Vec<_>>().join("-");
            self.runs.lock().unwrap().push(format!("{mark} {name}"));
        }
        result
    }
}

/// The world before the second revision is synced.
struct Before {
    source: MemorySource,
    app: App,
    server: ApiServer,
    now: Timestamp,
}

/// One attempt in a copy of that world.
struct Try<'a> {
    before: &'a Before,
    cluster: Spy,
    time: VirtualTime,
}

impl Before {
    fn of(scenario: &Scenario) -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let cluster = MemoryCluster::new(5, time.clone());
        let source = MemorySource::default();
        let policy = SyncPolicy::default().with_prune(Prune::Owned).with_validate(scenario.validate);
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_policy(policy);
        let commit = |files: Vec<(String, Option<String>)>| {
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            source.commit("Ann <ann@example.org>", time.now(), "change", files);
        };
        let named = |index: usize| (format!("c{index}.yaml"), format!("c{index}"));
        let mut first =
            vec![("ns.yaml".to_owned(), Some("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n".to_owned()))];
        let mut second = Vec::new();
        for (index, thing) in scenario.things.iter().enumerate() {
            let (path, name) = named(index);
            let (old, new) = (config(&name, thing.wave, "1"), config(&name, thing.wave, "2"));
            match thing.fate {
                Fate::New => second.push((path, Some(new))),
                Fate::Changed => {
                    first.push((path.clone(), Some(old)));
                    second.push((path, Some(new)));
                }
                Fate::Kept => first.push((path, Some(old))),
                Fate::Dropped => {
                    first.push((path.clone(), Some(old)));
                    second.push((path, None));
                }
                Fate::Recreated => {
                    first.push((path.clone(), Some(fixed(&old))));
                    second.push((path, Some(fixed(&new))));
                }
            }
        }
        for (index, hook) in scenario.hooks.iter().enumerate() {
            let path = format!("hook{index}.yaml");
            first.extend(hook.before(index).map(|text| (path.clone(), Some(text))));
            second.push((path, (hook.was != Was::Forgotten).then(|| hook.manifest(index))));
        }
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\nstringData: {password: hunter2}\n";
        for (is, text) in [
            (scenario.namespace, EXTRA),
            (scenario.crd, CRD),
            (scenario.deployment, DEPLOYMENT),
            (scenario.secret, secret),
        ] {
            if is {
                second.push((format!("part{}.yaml", second.len()), Some(text.to_owned())));
            }
        }
        second.push(("always.yaml".to_owned(), Some(config("always", 0, "2"))));
        if scenario.theirs.is_some() {
            second.push(("theirs.yaml".to_owned(), Some(config("theirs", 0, "2"))));
        }
        commit(first);
        let report = ready(reconcile::sync(&app, World::new(&source, &cluster, &time))).unwrap().unwrap();
        assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
        for (name, theirs) in [("theirs", scenario.theirs), ("unrelated", Some(Theirs::ByHand))] {
            let json = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop"}},"data":{{"key":"theirs"}}}}"#
            );
            let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
            let write = match theirs {
                None => continue,
                Some(Theirs::ByHand) => Write::create(&object, "kubectl-create"),
                Some(Theirs::ByApplier) => Write::apply(&object, "another-tool", Force::No),
            };
            ready(cluster.write(&write)).unwrap().unwrap();
        }
        commit(second);
        let server = cluster.with_server(|server| server.clone());
        Self { source, app, server, now: time.now() }
    }

    fn attempt(&self) -> Try<'_> {
        let time = VirtualTime::starting(self.now);
        let inner = MemoryCluster::over(self.server.clone(), time.clone());
        Try { before: self, cluster: Spy { inner, runs: Mutex::default(), ledger: self.app.ledger_key() }, time }
    }
}

impl Try<'_> {
    fn sync(&self) -> Report {
        let world = World::new(&self.before.source, &self.cluster, &self.time);
        ready(reconcile::sync(&self.before.app, world)).unwrap().unwrap()
    }

    /// Syncs and stops with the effect after `effects`, which reaches the server or not. Returns whether it ended before.
    fn stop_after(&self, effects: usize, reaches: bool) -> bool {
        let app = &self.before.app;
        let desired = ready(read_desired(app, &self.before.source, &self.cluster)).unwrap().unwrap();
        let looked = ready(look(app, desired, &self.cluster)).unwrap().unwrap();
        let Some(mut machine) = looked.machine(app, self.time.now()) else { return true };
        let mut count = 0;
        while machine.outcome().is_none() {
            if let Some(effect) = machine.next_effect() {
                if count == effects {
                    if reaches {
                        ready(perform(effect, &self.cluster)).unwrap();
                    }
                    return false;
                }
                count += 1;
                let event = ready(perform(effect, &self.cluster)).unwrap();
                machine.handle(event, self.time.now());
            } else {
                ready(self.time.sleep_until(machine.wake_at().expect("it waits for something"))).unwrap();
                machine.handle(Event::Tick, self.time.now());
            }
        }
        true
    }

    /// What is there, without what differs between any two runs.
    fn state(&self) -> BTreeMap<String, String> {
        let content = |object: &Resource| {
            let tree = object.tree();
            let parts =
                ["data", "spec", "rules"].map(|part| tree.get(part).map(|value| format!("{:?}", value.to_json())));
            let marks = object.annotation("gitops.rs/tracking-id").map(str::to_owned);
            format!("{parts:?} {marks:?}")
        };
        self.objects(|object| {
            let key = object.key();
            let made_by_controllers = ["Pod", "ReplicaSet", "Event", "Job"].contains(&key.kind());
            (!made_by_controllers && key.namespace.as_deref() != Some("gitops-system"))
                .then(|| (key.to_string(), content(object)))
        })
    }

    /// The hooks whose objects are there, and how many of each.
    fn hooks(&self) -> BTreeMap<String, usize> {
        let names = self.objects(|object| {
            let name: String = object.key().name.split('-').take(2).collect::<Vec<_>>().join("-");
            object.key().is("batch", "Job").then(|| (object.key().to_string(), name))
        });
        names.into_values().fold(BTreeMap::new(), |mut counts, name| {
            *counts.entry(name).or_default() += 1;
            counts
        })
    }

    fn uids(&self) -> BTreeMap<String, String> {
        // Objects of hooks come and go.
        let is_of_hook = |object: &Resource| ["Pod", "Job"].contains(&object.key().kind());
        self.objects(|object| (!is_of_hook(object)).then_some((object.key().to_string(), object.uid()?.to_owned())))
    }

    fn ledger(&self) -> Ledger {
        self.cluster.ledger()
    }

    /// How each object came to the application, as its record says it.
    fn standings(&self) -> BTreeMap<String, Standing> {
        let entries = self.ledger().inventory.entries;
        entries.into_iter().map(|(key, entry)| (key.to_string(), entry.standing)).collect()
    }

    fn objects(&self, pick: impl Fn(&Resource) -> Option<(String, String)>) -> BTreeMap<String, String> {
        self.cluster.inner.with_server(|server| server.objects().filter_map(pick).collect())
    }

    fn runs(&self) -> Vec<String> {
        let mut runs = self.cluster.runs.lock().unwrap().clone();
        runs.sort();
        runs
    }
}

/// What an application comes to if nothing stops it.
struct Undisturbed {
    phase: Phase,
    state: BTreeMap<String, String>,
    hooks: BTreeMap<String, usize>,
    uids: BTreeMap<String, String>,
    /// What is another object afterwards.
    recreated: BTreeSet<String>,
    standings: BTreeMap<String, Standing>,
}

static POINTS: AtomicUsize = AtomicUsize::new(0);
static SCENARIOS: AtomicUsize = AtomicUsize::new(0);

fn enumerate(scenario: &Scenario) -> Result<(), TestCaseError> {
    let before = Before::of(scenario);
    let whole = before.attempt();
    let uids = whole.uids();
    let report = whole.sync();
    let phase = report.receipt.as_ref().unwrap().phase;
    let (hooks, standings) = (whole.hooks(), whole.standings());
    let after = whole.uids();
    let is_other = |(key, uid): (&String, &String)| after.get(key).is_some_and(|after| after != uid);
    let recreated = uids.iter().filter(|found| is_other(*found)).map(|(key, _)| key.clone()).collect();
    let expected = Undisturbed { phase, state: whole.state(), hooks, uids, recreated, standings };
    for reaches in [false, true] {
        for effects in 0.. {
            prop_assert!(effects < 500, "it does not end");
            let attempt = before.attempt();
            if attempt.stop_after(effects, reaches) {
                break;
            }
            POINTS.fetch_add(1, Ordering::Relaxed);
            if let Some(again) = scenario.again {
                attempt.stop_after(again, !reaches);
            }
            check(&attempt, &expected, &format!("stopped after {effects} effects, reached: {reaches}"))?;
        }
    }
    SCENARIOS.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// The promises, once somebody has started again.
fn check(attempt: &Try<'_>, expected: &Undisturbed, about: &str) -> Result<(), TestCaseError> {
    // Whoever failed to the very end has failed once, and tries again: its hooks run anew, and leave what they leave.
    let has_failed = attempt.ledger().history.first().is_some_and(|last| last.phase == Phase::Failed);
    let report = attempt.sync();
    let phase = report.receipt.as_ref().map_or(Phase::Succeeded, |receipt| receipt.phase);
    prop_assert_eq!(phase, expected.phase, "{}: {:?}", about, report.receipt);
    prop_assert_eq!(&attempt.state(), &expected.state, "{}", about);
    let runs = attempt.runs();
    let once: BTreeSet<&String> = runs.iter().collect();
    prop_assert_eq!(once.len(), runs.len(), "{}: a hook ran twice: {:?}", about, runs);
    // Another operation runs hooks only if the first had come to its end.
    for run in &runs {
        let ended = report.history.iter().find(|entry| run.starts_with(entry.operation.as_str()));
        let phase = ended.map(|entry| entry.phase);
        prop_assert!(phase.is_some_and(|phase| phase != Phase::Superseded), "{}: {} {:?}", about, run, phase);
    }
    if !has_failed {
        prop_assert_eq!(attempt.hooks(), expected.hooks.clone(), "{}: hooks that are left", about);
    }
    if expected.phase == Phase::Succeeded {
        prop_assert_eq!(&attempt.standings(), &expected.standings, "{}: how objects came to us", about);
    }
    let uids = attempt.uids();
    prop_assert!(!attempt.ledger().inventory.is_leaving(), "{}: nothing goes any more", about);
    for (key, uid) in expected.uids.iter().filter(|(key, _)| !expected.recreated.contains(*key)) {
        let is = uids.get(key);
        prop_assert!(is.is_none_or(|is| is == uid), "{}: {} is another object by now", about, key);
        prop_assert!(is.is_some() || !expected.state.contains_key(key), "{}: {} is lost", about, key);
    }
    if expected.phase == Phase::Succeeded {
        let report = attempt.sync();
        prop_assert!(report.receipt.is_none(), "{}: something was left to do: {:?}", about, report.receipt);
    }
    Ok(())
}

fn scenarios() -> u32 {
    std::env::var("GITOPS_CRASH_SCENARIOS").ok().and_then(|count| count.parse().ok()).unwrap_or(24)
}

#[test]
fn stopped_anywhere_and_started_again_it_comes_to_the_same_end_and_no_hook_runs_twice() {
    // Two halves side by side, each with its own seed.
    let halves: Vec<_> = (0..2u8)
        .map(|half| {
            std::thread::spawn(move || {
                let config = ProptestConfig {
                    cases: scenarios().div_ceil(2),
                    max_shrink_iters: 40,
                    failure_persistence: None,
                    ..ProptestConfig::default()
                };
                let rng =
                    proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[half; 32]);
                let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
                runner.run(&scenario(), |scenario| enumerate(&scenario)).map_err(|error| error.to_string())
            })
        })
        .collect();
    let failures: Vec<String> = halves.into_iter().filter_map(|half| half.join().unwrap().err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let (scenarios, points) = (SCENARIOS.load(Ordering::Relaxed), POINTS.load(Ordering::Relaxed));
    println!("crash enumeration: {scenarios} applications, {points} stops");
    assert!(points > scenarios * 5, "{points} stops in {scenarios} applications");
}
