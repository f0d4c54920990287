//! Operations that are interrupted, given up, watched and accounted for.

use gitops_core::cluster::{Failure, Verb, Write};
use gitops_core::memory::{Moment, VirtualTime, ready};
use gitops_core::reconcile::{
    self, Looked, Report, SyncStatus, Watcher, Wish, look, perform, read_desired, run_watched,
};
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::state::DesiredState;
use gitops_core::sync::{Effect, Event, Machine, News, Phase, Progress, Receipt, StepOutcome};
use gitops_core::time::{Timer, Timestamp};
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";
const OUTCOME: &str = "memory.gitops.rs/outcome";

fn looked(shop: &Shop) -> Looked {
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap()
}

fn machine(shop: &Shop) -> Machine {
    looked(shop).machine(&shop.app, shop.time.now()).unwrap()
}

fn writes(effect: &Effect, verb: &str, name: &str) -> bool {
    let Effect::Write { write, .. } = effect else { return false };
    let Write { key, verb: does, .. } = &**write;
    let is = match does {
        Verb::Apply { .. } => "apply",
        Verb::Delete { .. } => "delete",
        _ => "",
    };
    is == verb && key.name.starts_with(name)
}

/// Drives a machine until it is about to do something; that is not done.
fn drive_until(shop: &Shop, machine: &mut Machine, stop: impl Fn(&Effect) -> bool) {
    while machine.outcome().is_none() {
        if let Some(effect) = machine.next_effect() {
            if stop(&effect) {
                return;
            }
            let event = ready(perform(effect, &shop.cluster)).unwrap();
            machine.handle(event, shop.time.now());
        } else {
            ready(shop.time.sleep_until(machine.wake_at().expect("a machine waits for something"))).unwrap();
            machine.handle(Event::Tick, shop.time.now());
        }
    }
    panic!("it ended: {:?}", machine.outcome());
}

fn receipt(report: &Report) -> &Receipt {
    report.receipt.as_ref().expect("something was done")
}

fn generated(annotations: &[(&str, &str)]) -> String {
    job("migrate-", annotations).replace("  name: migrate-", "  generateName: migrate-")
}

fn brief(seconds: u32) -> String {
    generated(&[(HOOK, "PreSync")]).replacen("spec:\n", &format!("spec:\n  ttlSecondsAfterFinished: {seconds}\n"), 1)
}

fn shop_with(hook: &str) -> Shop {
    let shop = Shop::new();
    let files = [("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&*config("a", "1"))), ("hook.yaml", Some(hook))];
    shop.commit("first", &files);
    shop
}

#[test]
fn an_operation_given_up_for_a_newer_revision_is_in_the_history_and_its_running_hook_goes_before_the_new_one_runs() {
    let shop = shop_with(&generated(&[(HOOK, "PreSync"), (OUTCOME, "never")]));
    let mut first = machine(&shop);
    drive_until(
        &shop,
        &mut first,
        |effect| matches!(effect, Effect::Observe { keys, .. } if keys.iter().any(|key| key.name.starts_with("migrate-") && shop.get("Job", &key.name).is_some())),
    );
    let given_up = first.operation().clone();
    drop(first);
    shop.written();
    shop.commit("second", &[("hook.yaml", Some(&generated(&[(HOOK, "PreSync")])))]);
    let report = shop.sync();
    assert_eq!(receipt(&report).phase, Phase::Succeeded, "{:?}", report.receipt);
    assert_eq!(report.sync, SyncStatus::Synced);
    let told: Vec<_> = report.history.iter().map(|entry| (entry.number, entry.phase)).collect();
    assert_eq!(told, [(2, Phase::Succeeded), (1, Phase::Superseded)]);
    assert_eq!(report.history[1].operation, given_up);
    let written = shop.written();
    let of = |verb: &str| written.iter().position(|line| line.starts_with(verb) && line.contains("/migrate-"));
    assert!(of("delete").unwrap() < of("apply").unwrap(), "{written:?}");
    let jobs =
        shop.cluster.inner.with_server(|server| server.objects().filter(|of| of.key().is("batch", "Job")).count());
    assert_eq!(jobs, 1);
}

#[test]
fn a_ledger_that_cannot_be_read_is_said_to_be_that_and_nothing_is_written() {
    let shop = Shop::new();
    shop.commit(
        "first",
        &[
            ("n.yaml", Some(NAMESPACE)),
            ("s.yaml", Some("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n")),
        ],
    );
    shop.sync();
    shop.written();
    shop.commit("second", &[("n.yaml", Some(&NAMESPACE.replace("  name: shop", "  name: shop\n  labels: {a: b}")))]);
    shop.cluster.inner.with_faults(|faults| faults.unreadable(&GroupKind::new("", "ConfigMap"), "403 Forbidden"));
    let report = shop.sync();
    let receipt = receipt(&report);
    assert_eq!(receipt.phase, Phase::Error);
    assert_eq!(&*receipt.message, "the ledger could not be read: 403 Forbidden; nothing was written");
    assert!(shop.written().is_empty());
}

#[test]
fn an_applier_that_takes_a_field_after_the_refusal_is_not_overridden_by_the_forced_apply() {
    let shop = Shop::new();
    let two = |value: &str| config("a", value).replace("\ndata:\n", "\ndata:\n  two: \"1\"\n");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&two("1")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?} {:?}", report.problems, report.receipt);
    let live = shop.get("ConfigMap", "a").unwrap();
    shop.edit(&live, |draft| draft.entry("data").set("key", "by hand"));
    let mut machine = machine(&shop);
    // The apply is refused for the field that was edited; then it looks who owns it.
    let mut is_refused = false;
    while machine.outcome().is_none() {
        let effect = machine.next_effect().expect("nothing has to be waited for");
        if is_refused && matches!(effect, Effect::Observe { .. }) {
            let theirs = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"},"data":{"two":"theirs"}}"#;
            let object = Resource::new(Value::from_json(theirs.as_bytes()).unwrap()).unwrap();
            let write = Write::apply(&object, "helm", gitops_core::cluster::Force::Yes);
            ready(gitops_core::cluster::Cluster::write(&shop.cluster.inner, &write)).unwrap().unwrap();
        }
        is_refused = writes(&effect, "apply", "a");
        let event = ready(perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
    assert!(machine.outcome().unwrap().message.contains("is applied by `helm`"), "{:?}", machine.outcome());
    let live = shop.get("ConfigMap", "a").unwrap();
    assert_eq!(live.tree().dig(&["data", "two"]).unwrap().as_str(), Some("theirs"));
}

#[test]
fn without_revisions_an_interrupted_operation_is_resumed_only_for_the_same_desired_state() {
    let shop = Shop::new();
    let desired = |value: &str| {
        let json =
            format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"key":"{value}"}}}}"#);
        let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;
        let objects = [namespace, &json].map(|json| Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap());
        let model = gitops_core::model::ApiModel::builtin();
        DesiredState::from_resources(&objects, &model, Some("shop"))
    };
    let look = |value: &str| ready(look(&shop.app, desired(value), &shop.cluster)).unwrap().unwrap();
    let mut first = look("1").machine(&shop.app, shop.time.now()).unwrap();
    drive_until(&shop, &mut first, |effect| writes(effect, "apply", "a"));
    assert!(look("1").resumed().is_some());
    assert!(look("2").resumed().is_none());
    let report = ready(reconcile::sync_desired(&shop.app, desired("2"), &shop.cluster, &shop.time)).unwrap().unwrap();
    let told: Vec<_> = report.history.iter().map(|entry| entry.phase).collect();
    assert_eq!(told, [Phase::Succeeded, Phase::Superseded]);
}

#[test]
fn a_hook_that_the_cluster_removed_while_nobody_looked_never_runs_twice_and_its_result_is_said_to_be_unknown() {
    let shop = shop_with(&brief(60));
    let mut first = machine(&shop);
    drive_until(
        &shop,
        &mut first,
        |effect| matches!(effect, Effect::Observe { keys, .. } if keys.iter().any(|key| key.name.starts_with("migrate-") && shop.get("Job", &key.name).is_some())),
    );
    let operation = first.operation().clone();
    drop(first);
    ready(shop.time.sleep_until(shop.time.now() + std::time::Duration::from_secs(90))).unwrap();
    let report = shop.sync();
    assert_eq!(receipt(&report).operation, operation);
    assert_eq!(receipt(&report).phase, Phase::Failed);
    assert!(receipt(&report).message.contains("its result is unknown"), "{:?}", report.receipt);
    let ran = |written: Vec<String>| written.iter().filter(|line| line.starts_with("apply batch/Job")).count();
    assert_eq!(ran(shop.written()), 1);
    // The next operation runs it.
    let report = shop.sync();
    assert_eq!(receipt(&report).phase, Phase::Succeeded, "{:?}", report.receipt);
    assert_eq!(ran(shop.written()), 1);
}

#[test]
fn a_hook_that_is_removed_as_soon_as_it_ends_is_kept_until_it_was_seen_to_end() {
    let shop = shop_with(&brief(0));
    let report = shop.sync();
    assert_eq!(receipt(&report).phase, Phase::Succeeded, "{:?}", report.receipt);
    let hook = receipt(&report).results.iter().find(|result| result.key.kind() == "Job").unwrap();
    let is_there = || shop.cluster.inner.with_server(|server| server.get(&hook.key).is_some());
    assert!(is_there());
    ready(shop.time.sleep_until(shop.time.now() + std::time::Duration::from_secs(90))).unwrap();
    shop.preview();
    let now = shop.time.now();
    shop.cluster.inner.with_server(|server| server.settle(now));
    assert!(!is_there());
    assert!(shop.preview().plan.is_empty());
}

#[test]
fn a_hook_that_was_announced_and_never_created_runs_after_the_restart_while_it_cannot_have_vanished() {
    let shop = shop_with(&brief(60));
    let mut first = machine(&shop);
    drive_until(&shop, &mut first, |effect| writes(effect, "apply", "migrate-"));
    drop(first);
    let report = shop.sync();
    assert_eq!(receipt(&report).phase, Phase::Succeeded, "{:?}", report.receipt);
    assert_eq!(shop.written().iter().filter(|line| line.starts_with("apply batch/Job")).count(), 1);
}

/// Remembers what it saw, and stops once something is waited for.
#[derive(Default)]
struct Impatient {
    seen: Vec<Progress>,
    waited: bool,
}

impl Watcher for Impatient {
    fn saw(&mut self, progress: &Progress) {
        self.waited |= matches!(progress.news, News::Waits { .. });
        self.seen.push(progress.clone());
    }

    fn wish(&mut self) -> Wish {
        if self.waited { Wish::Terminate } else { Wish::GoOn }
    }
}

#[test]
fn who_watches_sees_each_step_begin_wait_and_end_and_may_stop_it_in_a_moment() {
    let shop = shop_with(&job("migrate", &[(HOOK, "PreSync"), (OUTCOME, "never")]));
    let mut machine = machine(&shop);
    let mut watcher = Impatient::default();
    ready(run_watched(&mut machine, &shop.cluster, &shop.time, &mut watcher)).unwrap();
    let told: Vec<String> = watcher
        .seen
        .iter()
        .map(ToString::to_string)
        .map(|line| line.replace(machine.operation().as_str(), "ID"))
        .collect();
    assert_eq!(
        told,
        [
            "operation ID started: 3 steps",
            "create Namespace shop",
            "Namespace shop: created",
            "run batch/Job shop/migrate",
            "Namespace shop: created, done",
            "batch/Job shop/migrate: created",
            "batch/Job shop/migrate: waits for it to be healthy: 0 pods succeeded, 1 run, 0 failed, 1800 s at most",
            "stops on request",
            "batch/Job shop/migrate: failed: was stopped while it ran",
            "Terminated: stopped on request",
        ]
    );
    assert!(shop.get("Job", "migrate").is_some_and(|job| job.is_terminating()) || shop.get("Job", "migrate").is_none());
}

/// Notes when it was asked.
struct Patient<'a> {
    time: &'a VirtualTime,
    asked: Vec<Timestamp>,
}

impl Watcher for Patient<'_> {
    fn saw(&mut self, _: &Progress) {}

    fn wish(&mut self) -> Wish {
        self.asked.push(self.time.now());
        Wish::GoOn
    }
}

#[test]
fn who_watches_is_asked_every_five_seconds_also_while_the_machine_sleeps_longer() {
    let shop = shop_with(&job("migrate", &[(HOOK, "PreSync")]));
    let busy = Failure::Throttled { retry_after: Some(std::time::Duration::from_secs(90)) };
    shop.cluster.inner.with_faults(|faults| faults.fail_write(4, Moment::Before, busy));
    let (mut machine, began) = (machine(&shop), shop.time.now());
    let mut watcher = Patient { time: &shop.time, asked: Vec::new() };
    ready(run_watched(&mut machine, &shop.cluster, &shop.time, &mut watcher)).unwrap();
    assert_eq!(machine.outcome().unwrap().phase, Phase::Succeeded);
    assert!(shop.time.now().since(began).as_secs() >= 90, "it waited as it was told");
    let longest = watcher.asked.windows(2).map(|two| two[1].since(two[0]).as_secs()).max();
    assert!(longest.is_some_and(|seconds| seconds <= 5), "{longest:?} s");
}

#[test]
fn news_that_nobody_fetches_is_bounded_and_what_was_dropped_is_counted() {
    let shop = shop_with(&job("migrate", &[(HOOK, "PreSync"), ("memory.gitops.rs/after-seconds", "5000")]));
    let mut machine = machine(&shop);
    machine.watch();
    // A clock that nobody moves on, and a cluster that always fails: it tries again and again.
    drive_until(&shop, &mut machine, |effect| writes(effect, "apply", "migrate"));
    for _ in 0..gitops_core::sync::BACKLOG + 100 {
        machine.handle(Event::Superseded, shop.time.now());
        machine.handle(Event::Terminate, shop.time.now());
    }
    let told: Vec<_> = std::iter::from_fn(|| machine.next_progress()).collect();
    assert!(told.len() <= gitops_core::sync::BACKLOG + 4 * 3 + 1, "{}", told.len());
    assert!(matches!(told[0].news, News::Started { .. } | News::Missed { .. }), "{:?}", told[0]);
}

#[test]
fn a_receipt_tells_what_was_there_before_and_after_what_the_server_answered_and_no_secret() {
    let shop = Shop::new();
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {value}}}\n")
    };
    shop.commit(
        "first",
        &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1"))), ("s.yaml", Some(&secret("hunter1")))],
    );
    let created = shop.sync();
    shop.commit("second", &[("a.yaml", Some(&config("a", "2"))), ("s.yaml", Some(&secret("hunter2")))]);
    let changed = shop.sync();
    let of = |report: &Report| receipt(report).results.iter().find(|result| &*result.key.name == "a").unwrap().clone();
    let (first, second) = (of(&created), of(&changed));
    assert_eq!((first.outcome, second.outcome), (StepOutcome::Created, StepOutcome::Changed));
    assert!(first.before.is_none() && first.started.is_some() && first.finished >= first.started);
    let (was, is) = (first.answer.unwrap(), second.answer.unwrap());
    assert_eq!(second.before, Some(was.after));
    assert_ne!(was.after, is.after);
    let live = shop.get("ConfigMap", "a").unwrap();
    assert_eq!((is.uid.as_deref(), is.resource_version.as_deref()), (live.uid(), live.resource_version()));
    assert_eq!(receipt(&changed).plan, changed.plan.digest());
    let json = serde_json::to_string(receipt(&changed)).unwrap();
    assert!(!json.contains("hunter") && !json.contains("aHVudGVy"), "{json}");
    assert_eq!(&serde_json::from_str::<Receipt>(&json).unwrap(), receipt(&changed));
}

/// Rule 35 of the exact rules.
#[test]
fn a_webhook_that_cannot_be_reached_is_waited_for_until_its_deadline_and_one_that_says_no_is_not() {
    let failed = "failed calling webhook \"check.shop.example.org\": connection refused";
    let denied = "admission webhook \"check.shop.example.org\" denied the request: no";
    let unavailable = Failure::WebhookUnavailable { message: failed.into() };
    for (failure, text, waits) in
        [(unavailable, failed, 180..=240), (Failure::Refused { message: denied.into() }, denied, 0..=5)]
    {
        let shop = Shop::new();
        shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "a")))]);
        *shop.cluster.meets.lock().unwrap() = Some(("web", failure));
        let began = shop.time.now();
        let receipt = shop.sync().receipt.unwrap();
        let waited = shop.time.now().since(began).as_secs();
        assert_eq!(receipt.phase, Phase::Failed);
        assert!(receipt.message.contains("ConfigMap shop/web") && receipt.message.contains(text), "{receipt:?}");
        assert!(waits.contains(&waited), "{waited} s");
        *shop.cluster.meets.lock().unwrap() = None;
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
    }
}
