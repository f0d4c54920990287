//! Ending an application whose objects stay. Rule 32 of the exact rules.

use std::collections::BTreeMap;

use gitops_core::cluster::{Cluster, Failure, Force, Write};
use gitops_core::memory::{Action, Patch, Request, ready};
use gitops_core::plan::{Intent, Request as Asked};
use gitops_core::reconcile::{self, App, Report, SyncStatus};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::ssa::ManagedFields;
use gitops_core::state::{Leaving, Live, Owner, Standing, TrackingStyle};
use gitops_core::sync::{Event, Ledger, Phase};
use gitops_core::time::Timer;
use gitops_core::value::Value;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

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
metadata: {name: small}
spec: {size: 1}
"#;

/// A synced shop with an object of each sort.
fn shop() -> Shop {
    let shop = Shop::new();
    let noted = config("noted", "1").replace("metadata:\n", "metadata:\n  annotations: {team: a}\n");
    let hook = job("migrate", &[("argocd.argoproj.io/hook", "PreSync")]);
    shop.commit(
        "all",
        &[
            ("n.yaml", Some(NAMESPACE)),
            ("web.yaml", Some(&deployment("web", 2, "nginx:1"))),
            ("plain.yaml", Some(&config("plain", "1"))),
            ("noted.yaml", Some(&noted)),
            ("crd.yaml", Some(CRD)),
            ("hook.yaml", Some(&hook)),
        ],
    );
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    shop.written();
    shop
}

fn orphan(shop: &Shop) -> Report {
    ready(reconcile::orphan(&shop.app, shop.world())).expect("ready").expect("an answer")
}

fn objects(shop: &Shop) -> Vec<Resource> {
    shop.cluster.inner.with_server(|server| server.objects().cloned().collect())
}

/// What is there, who owns nothing of it included, without marks.
fn content(shop: &Shop) -> BTreeMap<String, String> {
    let parts = ["spec", "data", "rules"];
    let of = |object: &Resource| parts.map(|part| object.tree().get(part).map(|value| value.to_json()));
    let all = objects(shop);
    let ours = all.iter().filter(|object| object.key().namespace.as_deref() != Some("gitops-system"));
    ours.map(|object| (format!("{} {:?}", object.key(), object.uid()), format!("{:?}", of(object)))).collect()
}

/// What says of an object that it is ours.
fn marked(shop: &Shop) -> Vec<String> {
    let is_ours = |object: &Resource| {
        let managed = ManagedFields::read(object).unwrap();
        object.annotation("gitops.rs/tracking-id").is_some()
            || object.annotation("gitops.rs/operation").is_some()
            || managed.entries().iter().any(|entry| entry.manager.starts_with("gitops:"))
    };
    objects(shop).iter().filter(|object| is_ours(object)).map(|object| object.key().to_string()).collect()
}

fn ledger(shop: &Shop) -> Ledger {
    let key = shop.app.ledger_key();
    let live = shop.cluster.inner.with_server(|server| server.get(&key).cloned());
    Ledger::read(&key, live.as_ref().map_or(Live::Absent, Live::Present)).unwrap().0
}

#[test]
fn objects_stay_as_they_are_and_nothing_says_any_more_whose_they_were() {
    let shop = shop();
    let before = content(&shop);
    assert_eq!(marked(&shop).len(), 7);
    let plan = ready(reconcile::look_to_orphan(&shop.app, shop.world())).unwrap().unwrap().plan;
    let text = plan.to_string();
    assert!(text.starts_with("Let go\n  orphan  ConfigMap shop/noted: its application is deleted"), "{text}");
    let report = orphan(&shop);
    let receipt = report.receipt.unwrap();
    assert_eq!((receipt.phase, &*receipt.message), (Phase::Succeeded, "ending the application: 7 orphaned"));
    assert_eq!(content(&shop), before);
    assert_eq!(marked(&shop), [""; 0]);
    assert!(!ledger(&shop).is_stored(), "the record is gone");
    let noted = shop.get("ConfigMap", "noted").unwrap();
    assert_eq!(noted.annotation("team"), Some("a"));
    assert!(shop.get("ConfigMap", "plain").unwrap().tree().dig(&["metadata", "annotations"]).is_none());
    assert!(shop.written().iter().all(|line| line.starts_with("patch ")));
    // What is nobody's is not deleted by anybody's deletion.
    let deleted = ready(reconcile::delete(&shop.app.clone().with_request(Asked::to_delete()), shop.world())).unwrap();
    assert!(deleted.unwrap().receipt.is_none());
    assert_eq!(content(&shop), before);
}

#[test]
fn another_application_may_adopt_what_was_let_go_and_what_others_own_stays_theirs() {
    let mut shop = shop();
    shop.apply(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"plain","namespace":"shop"},"data":{"theirs":"1"}}"#,
        "another-tool",
    );
    orphan(&shop);
    let plain = shop.get("ConfigMap", "plain").unwrap();
    let managed = ManagedFields::read(&plain).unwrap();
    let owners: Vec<&str> = managed.entries().iter().map(|entry| &*entry.manager).collect();
    assert_eq!(owners, ["another-tool"]);
    shop.app = App::new(Owner::new("", "market").unwrap(), "main").with_namespace("shop").with_policy(shop.app.policy);
    // The object of a hook is in the way of the same hook as anybody's would be.
    shop.commit("change", &[("web.yaml", Some(&deployment("web", 3, "nginx:2"))), ("hook.yaml", None)]);
    let report = shop.sync();
    let phase = report.receipt.as_ref().map(|receipt| receipt.phase);
    assert_eq!(
        (phase, report.sync),
        (Some(Phase::Succeeded), SyncStatus::Synced),
        "{} {:?}",
        report.plan,
        report.problems
    );
    let web = shop.get("Deployment", "web").unwrap();
    assert_eq!(web.annotation("gitops.rs/tracking-id"), Some("market:apps/Deployment:shop/web"));
}

#[test]
fn stopped_anywhere_and_started_again_it_lets_go_of_everything_and_loses_nothing() {
    let mut stops = 0;
    for reaches in [false, true] {
        for effects in 0.. {
            let shop = shop();
            let before = content(&shop);
            let looked = ready(reconcile::look_to_orphan(&shop.app, shop.world())).unwrap().unwrap();
            let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
            let mut count = 0;
            while let Some(effect) = machine.next_effect() {
                if count == effects {
                    if reaches {
                        ready(reconcile::perform(effect, &shop.cluster)).unwrap();
                    }
                    break;
                }
                count += 1;
                let event: Event = ready(reconcile::perform(effect, &shop.cluster)).unwrap();
                machine.handle(event, shop.time.now());
            }
            if machine.outcome().is_some() {
                break;
            }
            stops += 1;
            assert!(effects < 100);
            let reached_the_end = !ledger(&shop).is_stored();
            let report = orphan(&shop);
            let phase = report.receipt.map(|receipt| receipt.phase);
            assert_eq!(phase, (!reached_the_end).then_some(Phase::Succeeded), "{effects} {reaches}");
            assert_eq!((marked(&shop), content(&shop)), (vec![], before), "{effects} {reaches}");
            assert!(!ledger(&shop).is_stored());
        }
    }
    assert!(stops > 15, "{stops}");
}

#[test]
fn half_let_go_and_wanted_again_a_sync_takes_it_back() {
    let shop = shop();
    let looked = ready(reconcile::look_to_orphan(&shop.app, shop.world())).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    for _ in 0..6 {
        let effect = machine.next_effect().unwrap();
        let event = ready(reconcile::perform(effect, &shop.cluster)).unwrap();
        machine.handle(event, shop.time.now());
    }
    assert!(marked(&shop).len() < 7);
    let key = shop.app.ledger_key();
    let text = shop.cluster.inner.with_server(|server| server.get(&key).unwrap().tree().to_json());
    assert!(text.contains(r#"\"version\":11"#), "a program that knows only of deleting must not go on with it");
    // What was let go, or may have been, is recorded as such before it is, and taken back as what is not ours by birth.
    let key = |name: &str| ResourceKey::new("", "ConfigMap", "shop", name);
    let is_marked = |name: &str| marked(&shop).contains(&key(name).to_string());
    let (gone, stays) = if is_marked("plain") { ("noted", "plain") } else { ("plain", "noted") };
    let before = ledger(&shop).inventory;
    for name in [gone, stays] {
        let entry = before.get(&key(name)).unwrap();
        assert_eq!((entry.leaving, &entry.standing), (Some(Leaving::Releasing), &Standing::Created), "{name}");
    }
    let stays = is_marked(stays).then_some(stays);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert!(marked(&shop).len() >= 6);
    let after = ledger(&shop).inventory;
    assert!(!after.is_leaving());
    let standing = |name: &str| after.get(&key(name)).map(|entry| entry.standing.clone());
    assert_eq!(standing(gone), Some(Standing::Adopted));
    assert!(stays.is_none_or(|stays| standing(stays) == Some(Standing::Created)));
}

#[test]
fn an_object_that_changes_meanwhile_is_looked_at_again() {
    let shop = shop();
    let patch = Value::from_json(br#"{"data":{"more":"1"}}"#).unwrap();
    let key = ResourceKey::new("", "ConfigMap", "shop", "noted");
    let endpoint = shop.cluster.inner.with_server(|server| server.endpoint(&key, "v1").unwrap());
    *shop.cluster.before_patch.lock().unwrap() =
        Some(Request::new(endpoint, Action::Patch(Patch::Merge(patch))).by("somebody"));
    assert_eq!(orphan(&shop).receipt.unwrap().phase, Phase::Succeeded);
    let noted = shop.get("ConfigMap", "noted").unwrap();
    assert_eq!(noted.tree().dig(&["data", "more"]).and_then(|value| value.as_str()), Some("1"));
    assert_eq!(marked(&shop), [""; 0]);
}

#[test]
fn what_is_refused_keeps_the_record_and_is_done_by_the_next_try() {
    let shop = shop();
    *shop.cluster.meets.lock().unwrap() = Some(("plain", Failure::Denied { message: "no".into() }));
    assert_eq!(orphan(&shop).receipt.unwrap().phase, Phase::Failed);
    let kept = ledger(&shop);
    assert!(kept.is_stored() && kept.running.is_none());
    assert_eq!(marked(&shop), ["ConfigMap shop/plain"]);
    *shop.cluster.meets.lock().unwrap() = None;
    assert_eq!(orphan(&shop).receipt.unwrap().phase, Phase::Succeeded);
    assert!(marked(&shop).is_empty() && !ledger(&shop).is_stored());
}

#[test]
fn nothing_is_let_go_while_anything_of_it_cannot_be_read() {
    let shop = shop();
    shop.cluster.inner.with_faults(|faults| faults.unreadable(&GroupKind::new("apps", "Deployment"), "forbidden"));
    let report = orphan(&shop);
    assert!(report.receipt.is_none());
    let told = report.problems.iter().any(|problem| problem.text.starts_with("nothing is let go"));
    assert!(told, "{:?}", report.problems);
    assert_eq!(marked(&shop).len(), 7);
}

#[test]
fn what_belongs_to_another_application_by_now_keeps_its_mark() {
    let shop = shop();
    let plain = shop.get("ConfigMap", "plain").unwrap();
    shop.edit(&plain, |draft| {
        draft.entry("metadata").entry("annotations").set("gitops.rs/tracking-id", "market:/ConfigMap:shop/plain");
    });
    // A copy that carries our mark along with it, and was never ours.
    let copy = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"copy","namespace":"shop","annotations":{"gitops.rs/tracking-id":"shop:/ConfigMap:shop/noted"}}}"#;
    let copy = Resource::new(Value::from_json(copy.as_bytes()).unwrap()).unwrap();
    ready(shop.cluster.inner.write(&Write::apply(&copy, "somebody", Force::No))).unwrap().unwrap();
    assert_eq!(orphan(&shop).receipt.unwrap().phase, Phase::Succeeded);
    let mark = |name| shop.get("ConfigMap", name).unwrap().annotation("gitops.rs/tracking-id").map(str::to_owned);
    assert_eq!(mark("plain").as_deref(), Some("market:/ConfigMap:shop/plain"));
    assert_eq!(mark("copy").as_deref(), Some("shop:/ConfigMap:shop/noted"));
    let managed = ManagedFields::read(&shop.get("ConfigMap", "plain").unwrap()).unwrap();
    assert!(managed.entries().iter().all(|entry| &*entry.manager != "gitops:shop"));
}

#[test]
fn a_plan_to_let_go_can_be_stored_and_followed() {
    let shop = shop();
    let plan = ready(reconcile::look_to_orphan(&shop.app, shop.world())).unwrap().unwrap().plan;
    assert_eq!(plan.scope.intent, Intent::Orphan);
    let (looked, _) = ready(reconcile::follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    assert_eq!(machine.outcome().unwrap().phase, Phase::Succeeded);
    assert!(marked(&shop).is_empty());
}

#[test]
fn what_is_deleted_meanwhile_is_let_go_as_well() {
    let shop = shop();
    let key = ResourceKey::new("", "ConfigMap", "shop", "noted");
    let endpoint = shop.cluster.inner.with_server(|server| server.endpoint(&key, "v1").unwrap());
    *shop.cluster.before_patch.lock().unwrap() = Some(Request::new(endpoint, Action::Delete(Default::default())));
    let report = orphan(&shop);
    assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
    assert!(shop.get("ConfigMap", "noted").is_none() && marked(&shop).is_empty());
}

#[test]
fn the_label_beside_argo_cds_annotation_stays_since_git_may_declare_it() {
    let mut shop = Shop::new();
    shop.app.owner = Owner::new("eu", "shop").unwrap().with_style(TrackingStyle::ArgoCdAndLabel);
    let labelled =
        config("helm", "1").replace("metadata:\n", "metadata:\n  labels: {app.kubernetes.io/instance: shop}\n");
    shop.commit(
        "all",
        &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&labelled)), ("b.yaml", Some(&config("b", "1")))],
    );
    shop.sync();
    orphan(&shop);
    for name in ["helm", "b"] {
        let live = shop.get("ConfigMap", name).unwrap();
        assert_eq!(live.label("app.kubernetes.io/instance"), Some("shop"), "{name}");
        assert!(live.tree().dig(&["metadata", "annotations"]).is_none(), "{name}: {}", live.tree().to_json());
        let managed = ManagedFields::read(&live).unwrap();
        assert!(managed.entries().iter().all(|entry| !entry.manager.starts_with("gitops:")), "{name}");
    }
    assert!(!ledger(&shop).is_stored());
}
