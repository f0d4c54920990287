//! How an application is, and what a sync does not wait for.

use std::time::Duration;

use gitops_core::health::{HealthStatus, Standstill};
use gitops_core::memory::{Action, Patch, Request, ready};
use gitops_core::reconcile::{SyncStatus, look, perform, read_desired};
use gitops_core::resource::ResourceKey;
use gitops_core::sync::Phase;
use gitops_core::time::Timer;
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

#[test]
fn a_claim_that_waits_for_its_first_consumer_does_not_hold_up_the_wave_with_the_consumer() {
    let shop = Shop::new();
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n  annotations:\n    \
                 memory.gitops.rs/outcome: never\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      \
                 storage: 1Gi\n";
    let web = deployment("web", 1, "nginx:1").replacen(
        "  name: web\n",
        "  name: web\n  annotations:\n    argocd.argoproj.io/sync-wave: \"1\"\n",
        1,
    );
    shop.commit("first", &[("ns.yaml", Some(NAMESPACE)), ("data.yaml", Some(claim)), ("web.yaml", Some(&web))]);

    let report = shop.sync();
    let receipt = report.receipt.as_ref().unwrap();
    assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
    let data = report.resources.iter().find(|resource| &*resource.key.name == "data").unwrap();
    let health = data.health.as_ref().unwrap();
    assert_eq!((health.status, health.standstill), (HealthStatus::Progressing, Some(Standstill::FirstConsumer)));
}

#[test]
fn the_report_names_what_makes_the_application_unwell() {
    let shop = Shop::new();
    let bad = deployment("bad", 1, "nginx:1").replacen(
        "  name: bad\n",
        "  name: bad\n  annotations:\n    memory.gitops.rs/outcome: never\n",
        1,
    );
    let files = [
        ("ns.yaml", NAMESPACE.to_owned()),
        ("settings.yaml", config("settings", "blue")),
        ("bad.yaml", bad),
        ("good.yaml", deployment("good", 1, "nginx:1")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("first", &files);
    shop.sync();

    let report = shop.preview();
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Progressing), "{:?}", report.problems);
    let causes: Vec<&str> = report.health_causes.iter().map(|key| &*key.name).collect();
    assert_eq!((causes, report.unconfirmed), (vec!["bad"], 0));
}

const CRD: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.org"},
    "spec":{"group":"example.org","scope":"Namespaced","names":{"kind":"Widget","listKind":"WidgetList","plural":"widgets","singular":"widget"},
    "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":
    {"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;

/// Rule 40 of the exact rules.
#[test]
fn a_wave_waits_longer_for_a_silent_object_where_others_of_its_kind_report() {
    let theirs = r#"{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"theirs","namespace":"shop"}}"#;
    let ours = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: ours}\n";
    let next = config("next", "a").replacen(
        "  name: next\n",
        "  name: next\n  annotations: {argocd.argoproj.io/sync-wave: '1'}\n",
        1,
    );
    for (others_report, waits) in [(false, 30..=120), (true, 300..=400)] {
        let shop = Shop::new();
        shop.create(CRD, "operator");
        shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
        shop.sync();
        if others_report {
            shop.create(theirs, "operator");
            let key = ResourceKey::new("example.org", "Widget", "shop", "theirs");
            let patch = br#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
            let patch = Patch::Merge(Value::from_json(patch).unwrap());
            let now = shop.cluster.inner.now();
            let answer = shop.cluster.inner.with_server(|server| {
                let endpoint = server.endpoint(&key, "v1").unwrap().under("status");
                server.handle(&Request::new(endpoint, Action::Patch(patch)).by("operator"), now)
            });
            assert!(answer.refusal().is_none(), "{answer:?}");
        }
        shop.commit("second", &[("ours.yaml", Some(ours)), ("next.yaml", Some(&next))]);
        let began = shop.time.now();
        let receipt = shop.sync().receipt.unwrap();
        assert_eq!(receipt.phase, Phase::Succeeded, "{receipt:?}");
        let waited = shop.time.now().since(began).as_secs();
        assert!(waits.contains(&waited), "{others_report}: {waited} s");
    }
}

fn unwell(name: &str) -> String {
    annotated(&deployment(name, 1, "nginx:1"), name, "memory.gitops.rs/outcome: never")
}

fn annotated(object: &str, name: &str, annotation: &str) -> String {
    object.replacen(&format!("  name: {name}\n"), &format!("  name: {name}\n  annotations:\n    {annotation}\n"), 1)
}

/// What is as declared has no step to wait for; an operation that is tried again must wait for it all the same.
#[test]
fn a_wave_that_was_held_back_does_not_begin_by_trying_again() {
    let next = config("next", "a").replacen(
        "  name: next\n",
        "  name: next\n  annotations: {argocd.argoproj.io/sync-wave: '1'}\n",
        1,
    );
    let check = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: check\n  annotations: {argocd.argoproj.io/hook: PostSync}\nspec:\n  \
                 template: {spec: {restartPolicy: Never, containers: [{name: check, image: check}]}}\n";
    let shop = Shop::new().pruning();
    let old = config("old", "a");
    shop.commit("zeroth", &[("ns.yaml", Some(NAMESPACE)), ("old.yaml", Some(&old))]);
    shop.sync();
    let bad = unwell("web");
    shop.commit(
        "first",
        &[("web.yaml", Some(&bad)), ("next.yaml", Some(&next)), ("check.yaml", Some(check)), ("old.yaml", None)],
    );
    for attempt in 0..3 {
        let report = shop.sync();
        let receipt = report.receipt.as_ref().unwrap();
        assert_eq!(receipt.phase, Phase::Failed, "{attempt}: {receipt:?}");
        assert!(shop.get("Deployment", "web").is_some() && shop.get("ConfigMap", "old").is_some(), "{attempt}");
        assert!(shop.get("ConfigMap", "next").is_none() && shop.get("Job", "check").is_none(), "{attempt}");
    }
    let plan = shop.preview().plan.to_string();
    assert!(plan.contains("await   apps/Deployment shop/web: is as declared, and not healthy yet"), "{plan}");

    // The next revision mends it, and all goes on.
    let good = deployment("web", 1, "nginx:2");
    shop.commit("second", &[("web.yaml", Some(&good))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
}

/// Neither does what follows it within its wave: what names it, and what makes the API server call it.
#[test]
fn what_needs_an_unwell_object_of_its_own_wave_does_not_come_by_trying_again() {
    let after = annotated(&config("after", "a"), "after", "gitops.rs/depends-on: apps/namespaces/shop/Deployment/db");
    let far = annotated(&config("far", "a"), "far", "kapp.k14s.io/change-rule: upsert after upserting example.org/db");
    let db = annotated(&deployment("db", 1, "nginx:1"), "db", "kapp.k14s.io/change-group: example.org/db").replacen(
        "  annotations:\n",
        "  annotations:\n    memory.gitops.rs/outcome: never\n",
        1,
    );
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {selector: {app: db}, ports: [{port: 443}]}\n";
    let webhook = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: guard}\n\
                   webhooks:\n- name: guard.example.org\n  failurePolicy: Fail\n  sideEffects: None\n  \
                   admissionReviewVersions: [v1]\n  clientConfig: {service: {namespace: shop, name: db}}\n";
    let shop = Shop::new();
    let guard = ResourceKey::new("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", None, "guard");
    let has_guard = || shop.cluster.inner.with_server(|server| server.get(&guard).is_some());
    let files = [("ns", NAMESPACE), ("db", &db), ("s", service), ("a", &after), ("far", &far), ("guard", webhook)];
    let files: Vec<_> = files.iter().map(|(name, text)| (format!("{name}.yaml"), *text)).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), Some(*text))).collect();
    shop.commit("first", &files);
    for attempt in 0..3 {
        let receipt = shop.sync().receipt.unwrap();
        assert_eq!(receipt.phase, Phase::Failed, "{attempt}: {receipt:?}");
        assert!(shop.get("Deployment", "db").is_some(), "{attempt}");
        assert!(shop.get("ConfigMap", "after").is_none() && shop.get("ConfigMap", "far").is_none(), "{attempt}");
        assert!(!has_guard(), "{attempt}");
    }
    shop.commit("second", &[("db.yaml", Some(&deployment("db", 1, "nginx:2"))), ("far.yaml", None)]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.get("ConfigMap", "after").is_some() && has_guard());
}

/// The first sync ends well, since nothing waited for the new one.
#[test]
fn nothing_is_pruned_beside_an_unwell_replacement_by_a_second_sync() {
    let mut shop = Shop::new();
    let old = deployment("web-v1", 1, "nginx:1");
    shop.commit("first", &[("ns.yaml", Some(NAMESPACE)), ("web.yaml", Some(&old))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    shop.commit("second", &[("web.yaml", Some(&unwell("web-v2")))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    let plain = std::mem::replace(&mut shop.app.policy, Shop::new().pruning().app.policy);
    for attempt in 0..2 {
        let receipt = shop.sync().receipt.unwrap();
        assert_eq!(receipt.phase, Phase::Failed, "{attempt}: {receipt:?}");
        assert!(shop.get("Deployment", "web-v1").is_some(), "{attempt}");
    }
    // Without pruning there is nothing to wait for, and nothing to do.
    shop.app.policy = plain;
    assert!(shop.preview().plan.is_empty());
}

/// Rule 40 of the exact rules: from our last change on, however old the object is.
#[test]
fn what_was_changed_a_moment_ago_is_not_taken_as_silent_since_it_was_created() {
    let widget = |size: u8| {
        format!("apiVersion: example.org/v1\nkind: Widget\nmetadata: {{name: ours}}\nspec: {{size: {size}}}\n")
    };
    let next = |value: &str| annotated(&config("next", value), "next", "argocd.argoproj.io/sync-wave: '1'");
    let shop = Shop::new();
    shop.create(CRD, "operator");
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("w.yaml", Some(&widget(1))), ("c.yaml", Some(&next("a")))]);
    shop.sync();
    ready(shop.time.sleep_until(shop.time.now() + Duration::from_secs(3600))).unwrap();
    assert_eq!(shop.preview().unconfirmed, 1);

    shop.commit("second", &[("w.yaml", Some(&widget(2))), ("c.yaml", Some(&next("b")))]);
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    // It stops while it waits for the first wave.
    while let Some(effect) = machine.next_effect() {
        machine.handle(ready(perform(effect, &shop.cluster)).unwrap(), shop.time.now());
    }
    drop(machine);
    let report = shop.preview();
    assert_eq!((report.health, report.unconfirmed), (HealthStatus::Progressing, 0));
    let began = shop.time.now();
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    let waited = shop.time.now().since(began).as_secs();
    assert!((25..=60).contains(&waited), "{waited} s");
    let next = shop.get("ConfigMap", "next").unwrap();
    assert_eq!(next.tree().dig(&["data", "key"]).unwrap().as_str(), Some("b"));
}

/// Ten minutes that a server fills in for every Deployment are nobody's wish; what Git or the policy says is.
#[test]
fn a_wave_is_waited_for_as_long_as_somebody_said() {
    let next = annotated(&config("next", "a"), "next", "argocd.argoproj.io/sync-wave: '1'");
    let own = unwell("web").replacen("spec:\n", "spec:\n  progressDeadlineSeconds: 400\n", 1);
    for (web, policy, expected) in [(unwell("web"), None, 600), (unwell("web"), Some(120), 120), (own, Some(120), 400)]
    {
        let mut shop = Shop::new();
        if let Some(seconds) = policy {
            shop.app.policy.wave_timeout = Duration::from_secs(seconds);
        }
        shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("w.yaml", Some(&web)), ("c.yaml", Some(&next))]);
        let began = shop.time.now();
        let receipt = shop.sync().receipt.unwrap();
        assert_eq!(receipt.phase, Phase::Failed, "{receipt:?}");
        let waited = shop.time.now().since(began).as_secs();
        assert!((expected..expected + 10).contains(&waited), "{policy:?}: {waited} s: {}", receipt.message);
    }
}

#[test]
fn what_makes_no_pods_of_its_own_gets_well_and_lets_later_hooks_run() {
    let shop = Shop::new();
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {minAvailable: 1, selector: \
                  {matchLabels: {app: web}}}\n";
    let controller = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: old}\nspec: {replicas: 2, selector: {a: b}, \
                      template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n";
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk}\nspec: {capacity: {storage: 1Gi}, accessModes: \
                  [ReadWriteOnce], hostPath: {path: /disk}}\n";
    let hook = job("after", &[("argocd.argoproj.io/hook", "PostSync")]);
    shop.commit(
        "first",
        &[
            ("n.yaml", Some(NAMESPACE)),
            ("budget.yaml", Some(budget)),
            ("old.yaml", Some(controller)),
            ("disk.yaml", Some(volume)),
            ("hook.yaml", Some(&hook)),
        ],
    );
    let report = shop.sync();
    assert_eq!((report.sync, report.health), (SyncStatus::Synced, HealthStatus::Healthy), "{report:?}");
    assert!(shop.get("Job", "after").is_some());
}

#[test]
fn an_autoscaler_in_the_old_version_is_in_sync_once_it_was_synced() {
    let shop = Shop::new();
    let scaler = |cpu: &str| {
        format!(
            "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec: {{maxReplicas: 3, \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}{cpu}}}\n"
        )
    };
    shop.commit(
        "first",
        &[("n.yaml", Some(NAMESPACE)), ("s.yaml", Some(&scaler(", targetCPUUtilizationPercentage: 50")))],
    );
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    shop.written();
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(shop.written(), Vec::<String>::new());
    shop.commit("second", &[("s.yaml", Some(&scaler("")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{report:?}");
}
