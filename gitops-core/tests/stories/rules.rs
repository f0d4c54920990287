//! Rules of what is left alone: adding one never changes a live value.

use gitops_core::cluster::Failure;
use gitops_core::memory::Moment;
use gitops_core::policy::ignore::{Rule, Rules, Selector, Target};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::value::{Value, ValueRef};

use crate::world::{NAMESPACE, Shop, deployment};

const AUTOSCALER: &str = r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler",
    "metadata":{"name":"web","namespace":"shop"},
    "spec":{"maxReplicas":9,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}}"#;

pub(crate) fn rules(paths: &[&str]) -> Rules {
    let fields = paths.iter().map(|path| Selector::path(path).unwrap()).collect();
    Rules::new([Rule::new(Target::all(), fields).unwrap()])
}

fn replicas(object: &Resource) -> Option<i64> {
    object.tree().dig(&["spec", "replicas"]).and_then(ValueRef::as_i64)
}

/// Whether our Apply entry names a field.
fn owns(object: &Resource, field: &str) -> bool {
    let entries = object.tree().dig(&["metadata", "managedFields"]).unwrap().to_value().to_json();
    let entries = Value::from_json(entries.as_bytes()).unwrap();
    let ours = entries.root().as_list().unwrap().iter().find(|entry| {
        entry.get("operation").and_then(ValueRef::as_str) == Some("Apply")
            && entry.get("manager").and_then(ValueRef::as_str).is_some_and(|manager| manager.starts_with("gitops"))
    });
    ours.is_some_and(|entry| entry.to_json().contains(field))
}

/// A shop whose Deployment `web` is applied with three replicas.
fn shop() -> Shop {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 3, "nginx:1")))]);
    shop.sync();
    shop.written();
    shop
}

#[test]
fn an_owned_field_keeps_its_value_when_a_rule_is_added() {
    let mut shop = shop();
    shop.app.rules = rules(&["spec.replicas"]);
    let report = shop.preview();
    assert_eq!(report.sync, SyncStatus::Synced, "a release is no drift");
    assert_eq!(report.resources[1].releases.len(), 1);

    shop.commit("image", &[("web.yaml", Some(&deployment("web", 5, "nginx:2")))]);
    let plan = shop.preview().plan.to_string();
    let steps: Vec<&str> = plan.lines().skip(1).map(str::trim).collect();
    let gives_up = "own     apps/Deployment shop/web: gives up `spec.replicas`; changes no value";
    assert_eq!(steps, [gives_up, "apply   apps/Deployment shop/web: differs; restarts what runs"]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert_eq!(shop.written(), ["patch apps/Deployment shop/web", "apply apps/Deployment shop/web"]);
    let live = shop.get("Deployment", "web").unwrap();
    assert_eq!(replicas(&live), Some(3));
    assert!(!owns(&live, "f:replicas") && owns(&live, "f:selector"));

    // Released once; from now on one write is enough.
    shop.commit("image", &[("web.yaml", Some(&deployment("web", 5, "nginx:3")))]);
    shop.sync();
    assert_eq!(shop.written(), ["apply apps/Deployment shop/web"]);
    assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), Some(3));

    // A rule that is lifted makes Git's value wanted again.
    shop.app.rules = Rules::default();
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), Some(5));
}

#[test]
fn replicas_stay_where_an_autoscaler_wrote_the_same_or_another_value() {
    for wrote in [3, 7] {
        let mut shop = shop();
        shop.create(AUTOSCALER, "somebody");
        shop.scale("web", wrote);
        shop.app.rules = rules(&["spec.replicas"]);
        // Git drops the field as well.
        let without = deployment("web", 3, "nginx:2").replace("  replicas: 3\n", "");
        shop.commit("image", &[("web.yaml", Some(&without))]);
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
        assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), Some(wrote));
    }
}

#[test]
fn replicas_of_a_scaled_object_are_left_alone_without_a_rule() {
    let shop = shop();
    shop.create(AUTOSCALER, "somebody");
    // The same value: no write shows in the ownership.
    shop.scale("web", 3);
    shop.commit("image", &[("web.yaml", Some(&deployment("web", 4, "nginx:2")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let live = shop.get("Deployment", "web").unwrap();
    assert_eq!(replicas(&live), Some(3));
    assert!(!owns(&live, "f:replicas"));
}

#[test]
fn replicas_of_a_scaled_object_stay_when_git_drops_them() {
    let without = deployment("web", 3, "nginx:2").replace("  replicas: 3\n", "");
    for is_readable in [true, false] {
        let shop = shop();
        shop.create(AUTOSCALER, "somebody");
        shop.scale("web", 3);
        if !is_readable {
            // Nobody can tell whether there is an autoscaler.
            let kind = GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
            shop.cluster.inner.with_faults(|faults| faults.unreadable(&kind, "forbidden"));
        }
        shop.commit("drop", &[("web.yaml", Some(&without))]);
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
        let live = shop.get("Deployment", "web").unwrap();
        assert_eq!(replicas(&live), Some(3), "readable: {is_readable}");
        assert!(!owns(&live, "f:replicas"));
        let warned =
            report.problems.iter().any(|problem| problem.text.contains("replicas on the cluster are left alone"));
        assert_eq!(warned, !is_readable, "{:?}", report.problems);
    }
}

#[test]
fn a_list_item_stays_when_a_rule_is_added_and_git_drops_it() {
    let mut shop = shop();
    let with = deployment("web", 3, "nginx:1")
        .replace("      containers:\n", "      containers:\n        - name: side\n          image: side:1\n");
    shop.commit("side", &[("web.yaml", Some(&with))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let names = |live: &Resource| {
        let containers = live.tree().dig(&["spec", "template", "spec", "containers"]).unwrap().as_list().unwrap();
        containers.iter().map(|one| one.get("name").unwrap().as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(&shop.get("Deployment", "web").unwrap()).contains(&"side".to_owned()));

    shop.app.rules = rules(&["spec.template.spec.containers[name=side]"]);
    shop.commit("no side", &[("web.yaml", Some(&deployment("web", 3, "nginx:2")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert!(names(&shop.get("Deployment", "web").unwrap()).contains(&"side".to_owned()));
}

#[test]
fn a_leaf_of_a_value_that_is_owned_as_a_whole_is_sent_as_it_is_live() {
    let role = |verb: &str, label: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: r\n  labels: {{a: {label}}}\nrules:\n\
             - apiGroups: ['']\n  resources: [pods]\n  verbs: [{verb}]\n- apiGroups: ['']\n  resources: [secrets]\n  verbs: [get]\n"
        )
    };
    let mut shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("r.yaml", Some(&role("get", "one")))]);
    shop.sync();
    let find = |shop: &Shop| {
        let key = gitops_core::resource::ResourceKey::new("rbac.authorization.k8s.io", "Role", "shop", "r");
        shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap()
    };
    shop.edit(&find(&shop), |draft| {
        let rules = draft.get_mut("rules").unwrap().as_list_mut().unwrap();
        rules[0].set("verbs", vec![gitops_core::value::Draft::from("list")]);
    });
    shop.app.rules = rules(&["rules[0].verbs"]);
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
    shop.commit("label", &[("r.yaml", Some(&role("get", "two")))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let live = find(&shop);
    assert_eq!(live.label("a"), Some("two"));
    assert_eq!(live.tree().get("rules").unwrap().item(0).unwrap().get("verbs").unwrap().to_json(), "[\"list\"]");
}

#[test]
fn a_status_write_that_races_with_the_release_only_delays_it() {
    let mut shop = shop();
    shop.app.rules = rules(&["spec.replicas"]);
    shop.commit("image", &[("web.yaml", Some(&deployment("web", 3, "nginx:2")))]);
    let request = shop.request("web", "status", r#"{"status":{"collisionCount":1}}"#, "kube-controller-manager");
    *shop.cluster.before_patch.lock().unwrap() = Some(request);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let patch = "patch apps/Deployment shop/web";
    assert_eq!(shop.written(), [patch, patch, "apply apps/Deployment shop/web"]);
    assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), Some(3));
}

#[test]
fn nothing_is_applied_while_a_release_fails() {
    for (failure, moment) in [
        (Failure::Denied { message: "no patch".into() }, Moment::Before),
        (Failure::InDoubt { message: "connection reset".into() }, Moment::After),
    ] {
        let mut shop = shop();
        shop.app.rules = rules(&["spec.replicas"]);
        shop.commit("image", &[("web.yaml", Some(&deployment("web", 5, "nginx:2")))]);
        // The first write is the ledger's.
        let is_final = matches!(failure, Failure::Denied { .. });
        shop.cluster.inner.with_faults(|faults| faults.fail_write(2, moment, failure));
        let report = shop.sync();
        assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), Some(3));
        assert_eq!(report.sync == SyncStatus::OutOfSync, is_final, "{:?}", report.receipt);
        assert_eq!(shop.written().contains(&"apply apps/Deployment shop/web".to_owned()), !is_final);
    }
}

#[test]
fn what_a_rule_hid_is_told_and_whether_it_was_a_removal() {
    let mut shop = shop();
    let live = shop.get("Deployment", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("spec").set("replicas", 9));
    let paths = rules(&["spec.replicas", "spec.paused"]);
    shop.app.rules = paths.and(&rules(&["spec.nothing"]));
    let report = shop.preview();
    assert_eq!(report.sync, SyncStatus::Synced);
    let audit: Vec<String> = report.rules.iter().map(ToString::to_string).collect();
    assert_eq!(
        audit,
        [
            "`spec.replicas`, `spec.paused` of */* */*: 1 field of 1 object, hides 1 difference",
            "`spec.nothing` of */* */*: names nothing",
        ]
    );

    let config = |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n");
    shop.commit("two", &[("c.yaml", Some(&config("a: one, b: two")))]);
    shop.sync();
    shop.app.rules = rules(&["data.b"]);
    shop.commit("one", &[("c.yaml", Some(&config("a: one")))]);
    let [audit] = &*shop.preview().rules else { panic!("one rule") };
    let text = "`data.b` of */* */*: 1 field of 1 object, hides 1 difference; `data.b` of ConfigMap shop/c stays though Git dropped it";
    assert_eq!(audit.to_string(), text);
}

#[test]
fn a_new_object_gets_gits_value_or_none() {
    use gitops_core::policy::ignore::OnCreate;
    for (on_create, expected) in [(OnCreate::Send, Some(3)), (OnCreate::Omit, Some(1))] {
        let mut shop = Shop::new();
        let rule = Rule::new(Target::kind("apps", "Deployment"), vec![Selector::pointer("/spec/replicas").unwrap()]);
        shop.app.rules = Rules::new([rule.unwrap().with_on_create(on_create)]);
        shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&deployment("web", 3, "nginx:1")))]);
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
        assert_eq!(replicas(&shop.get("Deployment", "web").unwrap()), expected);
    }
}

#[test]
fn what_somebody_removed_and_a_rule_leaves_alone_stays_removed_when_the_object_is_applied_for_another_reason() {
    let config =
        |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop}}\ndata: {data}\n");
    let mut shop = Shop::new();
    shop.app.rules = rules(&["data.a"]);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&config("{a: '1', b: '1'}")))]);
    shop.sync();
    let data = |shop: &Shop| shop.get("ConfigMap", "c").unwrap().tree().get("data").unwrap().to_json();
    assert_eq!(data(&shop), r#"{"a":"1","b":"1"}"#, "a new object gets Git's value");
    shop.edit(&shop.get("ConfigMap", "c").unwrap(), |draft| drop(draft.entry("data").remove("a")));
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
    shop.commit("other", &[("c.yaml", Some(&config("{a: '1', b: '2'}")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(data(&shop), r#"{"b":"2"}"#);
}

#[test]
fn what_git_drops_stays_where_the_object_says_so_and_is_removed_otherwise() {
    let config = |keep: &str, data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop{keep}}}\ndata: {data}\n")
    };
    for (keep, left) in [
        (", annotations: {gitops.rs/on-remove: keep}", Some("1")),
        (", annotations: {gitops.rs/on-remove: unset}", None),
    ] {
        let shop = Shop::new();
        shop.commit("both", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&config("", "{a: \"1\", b: \"1\"}")))]);
        shop.sync();
        shop.commit("one", &[("c.yaml", Some(&config(keep, "{b: \"1\"}")))]);
        for _ in 0..2 {
            let report = shop.sync();
            assert_eq!(report.sync, SyncStatus::Synced, "{keep}: {:?}", report.resources);
            let live = shop.get("ConfigMap", "c").unwrap();
            assert_eq!(live.tree().dig(&["data", "a"]).and_then(ValueRef::as_str), left, "{keep}");
            assert!(!owns(&live, "f:a\""), "{keep}");
        }
        assert_eq!(shop.preview().sync, SyncStatus::Synced);
    }
}

fn labels(text: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop, labels: {text}}}\ndata: {{a: {image}}}\n"
    )
}

#[test]
fn what_is_left_alone_stays_when_git_drops_the_last_field_beside_it() {
    // With the last field that we own an apply takes away the map around it, and all that is in it.
    for released_before in [false, true] {
        let mut shop = Shop::new();
        shop.commit("both", &[("n.yaml", Some(NAMESPACE)), ("c.yaml", Some(&labels("{x: one, z: two}", "a")))]);
        shop.sync();
        shop.app.rules = rules(&["metadata.labels.x"]);
        if released_before {
            shop.commit("data", &[("c.yaml", Some(&labels("{x: one, z: two}", "b")))]);
            shop.sync();
            assert!(!owns(&shop.get("ConfigMap", "c").unwrap(), "f:x"));
        }
        shop.commit("drop", &[("c.yaml", Some(&labels("{x: other}", "b")))]);
        for round in 0..3 {
            let report = shop.sync();
            assert_eq!(report.sync, SyncStatus::Synced, "{released_before} {round}: {:?}", report.resources);
            let live = shop.get("ConfigMap", "c").unwrap();
            assert_eq!(live.label("x"), Some("one"), "{released_before} {round}");
            assert_eq!(live.label("z"), None, "{released_before} {round}");
            shop.commit(&format!("{round}"), &[("c.yaml", Some(&labels("{x: other}", &format!("c{round}"))))]);
        }
    }
}

#[test]
fn an_item_that_git_drops_goes_with_the_leaf_that_a_rule_names() {
    let both = deployment("web", 1, "nginx:1") + "        - name: side\n          image: side:1\n";
    let mut shop = Shop::new();
    shop.commit("both", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&both))]);
    shop.sync();
    shop.app.rules = rules(&["spec.template.spec.containers[name=side].image"]);
    shop.commit("drop", &[("web.yaml", Some(&deployment("web", 1, "nginx:1")))]);
    let report = shop.preview();
    let changes: Vec<String> = report.resources[1].changes.iter().map(ToString::to_string).collect();
    assert!(
        changes.iter().any(|change| change.starts_with("- spec.template.spec.containers[name=side]: ")),
        "{changes:?}"
    );
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.resources);
    assert!(!shop.get("Deployment", "web").unwrap().tree().to_json().contains("side:1"));
}
