//! What may be deleted, and what never.

use gitops_core::cluster::{Cluster, Force, Write};
use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Request, Selection, SkipReason};
use gitops_core::policy::{Prune, Shared, SyncPolicy};
use gitops_core::problem::Code;
use gitops_core::reconcile::{self, SyncStatus, look, read_desired};
use gitops_core::resource::{GroupKind, Propagation, Resource, ResourceKey};
use gitops_core::source::Target;
use gitops_core::state::TrackingStyle;
use gitops_core::sync::Phase;
use gitops_core::time::Timer;
use gitops_core::value::{Draft, Value};

use crate::world::{NAMESPACE, Shop, config};

fn shop() -> Shop {
    let shop = Shop::new();
    let files = [
        ("namespace.yaml", NAMESPACE.to_owned()),
        ("a.yaml", config("a", "1")),
        ("b.yaml", config("b", "1")),
        ("c.yaml", config("c", "1")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("first", &files);
    shop.sync();
    shop
}

#[test]
fn a_file_removed_from_git_is_extra_and_goes_only_when_pruning_is_on() {
    let shop = shop();
    shop.commit("drop b", &[("b.yaml", None)]);
    let report = shop.sync();
    assert_eq!((report.sync, Shop::status(&report, "b")), (SyncStatus::OutOfSync, "Extra"));
    assert!(shop.get("ConfigMap", "b").is_some());

    let shop = shop.pruning();
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.problems);
    assert!(shop.get("ConfigMap", "b").is_none());
    assert!(shop.get("ConfigMap", "a").is_some());
}

#[test]
fn what_is_older_is_so_also_where_it_changed_no_file_and_where_nothing_tells_that_is_said() {
    let mut shop = shop().pruning();
    shop.commit("empty", &[]);
    let empty = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap().revisions.remove(0).id;
    shop.commit("add d", &[("d.yaml", Some(&config("d", "1")))]);
    shop.sync();
    shop.app.target = Target::new(empty.as_str());
    let report = shop.sync();
    let of_d = report.plan.skipped.iter().find(|skipped| &*skipped.key.name == "d").map(|skipped| skipped.reason);
    assert_eq!(of_d, Some(SkipReason::OlderRevision), "{}", report.plan);
    assert!(shop.get("ConfigMap", "d").is_some());
    // A newer one that changed no file is newer.
    shop.app.target = Target::new("main");
    shop.commit("drop d", &[("d.yaml", None)]);
    shop.commit("empty", &[]);
    let report = shop.sync();
    assert!(shop.get("ConfigMap", "d").is_none() && report.problems.is_empty(), "{:?}", report.problems);
    // Of two branches neither is older.
    shop.source.checkout("other");
    shop.commit("drop c", &[("c.yaml", None)]);
    shop.source.checkout("main");
    shop.commit("change a", &[("a.yaml", Some(&config("a", "2")))]);
    shop.sync();
    shop.app.target = Target::new("other");
    let problems = shop.preview().problems;
    assert!(problems.iter().any(|problem| problem.text.contains("is older than")), "{problems:?}");
    shop.sync();
    assert!(shop.get("ConfigMap", "c").is_none(), "it is said, and holds nothing back");
}

#[test]
fn a_look_alike_that_is_not_ours_stays() {
    let shop = shop().pruning();
    // Carries our tracking id, but of another object: a copy, as backup tools make.
    let copy = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b-copy","namespace":"shop",
        "annotations":{"gitops.rs/tracking-id":"shop:/ConfigMap:shop/b"}},"data":{"key":"1"}}"#;
    shop.create(copy, "velero");
    let foreign = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"foreign","namespace":"shop"}}"#;
    shop.create(foreign, "kubectl-create");
    shop.commit("drop b", &[("b.yaml", None)]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.resources);
    assert!(shop.get("ConfigMap", "b").is_none());
    assert!(shop.get("ConfigMap", "b-copy").is_some() && shop.get("ConfigMap", "foreign").is_some());
}

#[test]
fn an_object_deleted_and_made_again_by_somebody_else_stays() {
    let shop = shop().pruning();
    let key = shop.get("ConfigMap", "b").unwrap().key().clone();
    let delete = Write::delete(&key, "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).unwrap().unwrap();
    shop.create(
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"shop"}}"#,
        "kubectl-create",
    );
    shop.commit("drop b", &[("b.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "b").is_some());
}

#[test]
fn an_empty_source_never_prunes() {
    let shop = shop().pruning();
    let gone = [("namespace.yaml", None), ("a.yaml", None), ("b.yaml", None), ("c.yaml", None)];
    shop.commit("wipe", &gone);
    shop.written();
    let report = shop.sync();
    assert!(!shop.written().iter().any(|line| line.starts_with("delete")), "nothing is deleted");
    assert!(report.is_blocked(), "{:?}", report.problems);
    assert!(shop.get("ConfigMap", "a").is_some());
}

#[test]
fn a_file_that_cannot_be_parsed_blocks_all_pruning_and_nothing_else() {
    let shop = shop().pruning();
    shop.commit("typo", &[("a.yaml", Some(&config("a", "2"))), ("b.yaml", None), ("c.yaml", Some("kind: [\n"))]);
    let report = shop.sync();
    assert!(shop.get("ConfigMap", "b").is_some() && shop.get("ConfigMap", "c").is_some());
    let a = shop.get("ConfigMap", "a").unwrap();
    assert_eq!(a.tree().dig(&["data", "key"]).and_then(|value| value.as_str()), Some("2"));
    assert!(report.problems.iter().any(|problem| problem.origin.as_ref().is_some_and(|at| &*at.file == "c.yaml")));
}

#[test]
fn a_kind_that_cannot_be_read_is_unknown_and_nothing_of_it_is_pruned() {
    let shop = shop().pruning();
    shop.commit("drop b", &[("b.yaml", None)]);
    shop.cluster.inner.with_faults(|faults| faults.unreadable(&GroupKind::new("", "ConfigMap"), "forbidden"));
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Unknown);
    shop.cluster.inner.with_faults(gitops_core::memory::Faults::clear);
    assert!(shop.get("ConfigMap", "b").is_some());
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.get("ConfigMap", "b").is_none());
}

#[test]
fn a_lost_inventory_prunes_nothing_in_that_run() {
    let shop = shop().pruning();
    shop.commit("drop b", &[("b.yaml", None)]);
    let delete = Write::delete(&shop.app.ledger_key(), "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).unwrap().unwrap();
    shop.sync();
    assert!(shop.get("ConfigMap", "b").is_some());
}

#[test]
fn a_lost_or_damaged_ledger_is_written_anew_also_where_all_that_is_left_to_do_is_to_prune() {
    for is_damaged in [false, true] {
        let mut shop = shop().pruning();
        shop.commit("drop b", &[("b.yaml", None)]);
        let key = shop.app.ledger_key();
        match is_damaged {
            true => {
                let live = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
                shop.edit(&live, |draft| draft.entry("data").set("ledger", ""));
            }
            false => {
                let delete = Write::delete(&key, "v1", Propagation::Background);
                ready(shop.cluster.inner.write(&delete)).unwrap().unwrap();
            }
        }
        let report = shop.sync();
        assert!(report.receipt.is_some(), "{:?}", report.problems);
        let yes = Confirmation::of_all("ann", shop.time.now());
        shop.app.request = Request::default().confirmed(yes);
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.problems);
        assert!(shop.get("ConfigMap", "b").is_none());
    }
}

/// An object that somebody made before us.
fn before_us(name: &str, annotations: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop","annotations":{{{annotations}}}}},"data":{{"key":"1"}}}}"#
    )
}

#[test]
fn what_existed_before_us_goes_by_its_name_only_also_without_a_record_and_with_our_tracking_id() {
    let id = r#""gitops.rs/tracking-id":"shop:/ConfigMap:shop/before""#;
    let argo = r#""argocd.argoproj.io/tracking-id":"shop:/ConfigMap:shop/before""#;
    for (annotations, style, loses) in [
        ("", TrackingStyle::Own, true),
        (id, TrackingStyle::Own, false),
        (id, TrackingStyle::Own, true),
        (argo, TrackingStyle::ArgoCd, false),
    ] {
        let mut shop = Shop::new();
        shop.app.owner = shop.app.owner.clone().with_style(style);
        shop.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
        shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "ann");
        shop.create(&before_us("before", annotations), "ann");
        let before = config("before", "1");
        shop.commit("first", &[("a.yaml", Some(&config("a", "1"))), ("b.yaml", Some(&config("b", "1")))]);
        shop.sync();
        shop.commit("declare", &[("before.yaml", Some(&before))]);
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
        if loses {
            let lose = Write::delete(&shop.app.ledger_key(), "v1", Propagation::Background);
            ready(shop.cluster.inner.write(&lose)).unwrap().unwrap();
        }
        shop.commit("drop", &[("before.yaml", None), ("b.yaml", None)]);
        shop.sync();
        shop.app.request = Request::default().confirmed(Confirmation::of_all("ann", shop.time.now()));
        let report = shop.sync();
        assert!(shop.get("ConfigMap", "before").is_some(), "{annotations} {loses}: {}", report.plan);
        assert!(shop.get("ConfigMap", "b").is_none(), "{annotations} {loses}: {}", report.plan);
        let by_name = Confirmation::of("ann", shop.time.now(), ["ConfigMap/shop/before".parse().unwrap()]);
        shop.app.request = Request::default().confirmed(by_name);
        shop.sync();
        assert!(shop.get("ConfigMap", "before").is_none(), "{annotations} {loses}");
    }
}

#[test]
fn a_ledger_is_nobodys_to_declare_or_to_prune_whoever_wrote_it() {
    let shop = shop().pruning();
    let place = |namespace: &str, name: &str| ResourceKey::new("", "ConfigMap", namespace, name);
    let ledger = |key: &ResourceKey| shop.cluster.inner.with_server(|server| server.get(key).cloned());
    // One of an application that keeps its own elsewhere.
    let theirs = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"gitops.other","namespace":"shop"},"data":{"ledger":"{}"}}"#;
    shop.create(theirs, "gitops-ledger");
    let declared = |namespace: &str, name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {{ledger: evil}}\n"
        )
    };
    let own = shop.app.ledger_key();
    let namespace = own.namespace.clone().unwrap();
    let files = [
        ("own.yaml", declared(&namespace, &own.name)),
        ("to-come.yaml", declared(&namespace, "gitops.to-come")),
        ("theirs.yaml", declared("shop", "gitops.other")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
    shop.commit("evil", &files);
    let report = shop.sync();
    let refused = report.problems.iter().filter(|problem| problem.code == Code::NotOurs);
    let places: Vec<String> = refused.filter_map(|problem| Some(problem.origin.as_ref()?.to_string())).collect();
    assert_eq!(places.len(), 3, "{:?}", report.problems);
    assert!(ledger(&place(&namespace, "gitops.to-come")).is_none());
    let text =
        |key: &ResourceKey| ledger(key).unwrap().tree().dig(&["data", "ledger"]).unwrap().as_str().unwrap().to_owned();
    assert_eq!(text(&place("shop", "gitops.other")), "{}");
    assert!(text(&own).starts_with('{'), "{}", text(&own));
    // Also one that bears our marks stays.
    let marked = theirs.replace(
        "gitops.other\"",
        "gitops.marked\",\"annotations\":{\"gitops.rs/tracking-id\":\"shop:/ConfigMap:shop/gitops.marked\"}",
    );
    shop.create(&marked, "gitops-ledger");
    shop.apply(&marked, "gitops:shop");
    let report = shop.sync();
    assert!(ledger(&place("shop", "gitops.marked")).is_some(), "{}", report.plan);
    let kept = report.plan.skipped.iter().find(|skipped| &*skipped.key.name == "gitops.marked");
    assert_eq!(kept.map(|skipped| skipped.reason), Some(SkipReason::NotOurs), "{}", report.plan);
}

#[test]
fn an_object_whose_namespace_got_lost_in_git_is_held_back_and_not_pruned() {
    let mut shop = shop().pruning();
    shop.app.namespace = None;
    let place = |name: &str| config(name, "1").replace("metadata:\n", "metadata:\n  namespace: shop\n");
    shop.commit("b loses it", &[("a.yaml", Some(&place("a"))), ("c.yaml", Some(&place("c")))]);
    let report = shop.sync();
    assert!(shop.get("ConfigMap", "b").is_some(), "{:?}", report.problems);
    assert!(report.is_blocked());
}

#[test]
fn a_namespace_that_git_dropped_stays_with_all_that_is_in_it() {
    let shop = shop().pruning();
    let other = NAMESPACE.replace("shop", "extra");
    shop.commit("one more", &[("extra.yaml", Some(&other))]);
    shop.sync();
    shop.commit("drop it", &[("extra.yaml", None)]);
    shop.sync();
    let kept = ResourceKey::new("", "Namespace", None, "extra");
    assert!(shop.cluster.inner.with_server(|server| server.get(&kept).is_some()));
}

#[test]
fn what_stopped_being_provably_ours_between_plan_and_delete_stays() {
    // Equal seeds give equal uids.
    let uid = shop().get("ConfigMap", "a").unwrap().uid().unwrap().to_owned();
    let owner = |draft: &mut Draft| {
        let value = format!(r#"[{{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"{uid}"}}]"#);
        draft.entry("metadata").set("ownerReferences", Value::from_json(value.as_bytes()).unwrap().root().to_draft());
    };
    let annotate = |name: &'static str, value: &'static str| {
        move |draft: &mut Draft| draft.entry("metadata").entry("annotations").set(name, value)
    };
    type Case<'c> = (&'c str, &'c dyn Fn(&mut Draft), bool);
    let edits: [Case<'_>; 4] = [
        ("it got an owner", &owner, true),
        ("somebody forbade it", &annotate("gitops.rs/prune", "disabled"), true),
        ("another application took it", &annotate("gitops.rs/tracking-id", "other:/ConfigMap:shop/b"), true),
        ("somebody noted something", &annotate("note", "hello"), false),
    ];
    for (about, edit, stays) in edits {
        let shop = shop().pruning();
        shop.commit("drop b", &[("b.yaml", None)]);
        let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
        let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
        shop.edit(&shop.get("ConfigMap", "b").unwrap(), |draft| edit(draft));
        let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
        ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
        assert_eq!(shop.get("ConfigMap", "b").is_some(), stays, "{about}: {:?}", machine.outcome());
        assert_eq!(machine.outcome().unwrap().phase == Phase::Failed, stays, "{about}");
    }
}

#[test]
fn an_object_made_again_under_our_own_name_between_plan_and_delete_stays() {
    let shop = shop().pruning();
    shop.commit("drop b", &[("b.yaml", None)]);
    let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
    let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
    let seen = shop.get("ConfigMap", "b").unwrap();
    let delete = Write::delete(seen.key(), "v1", Propagation::Background);
    ready(shop.cluster.inner.write(&delete)).unwrap().unwrap();
    let again = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"shop",
        "annotations":{"gitops.rs/tracking-id":"shop:/ConfigMap:shop/b"}}}"#;
    let again = Resource::new(Value::from_json(again.as_bytes()).unwrap()).unwrap();
    ready(shop.cluster.inner.write(&Write::apply(&again, &shop.app.owner.manager(), Force::No))).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    assert!(shop.get("ConfigMap", "b").is_some(), "it is another object: {:?}", machine.outcome());
}

#[test]
fn nothing_is_done_while_an_object_belongs_to_another_application_where_the_policy_says_so() {
    for (shared, written) in [(Shared::Leave, 3), (Shared::Stop, 0)] {
        let mut shop = Shop::new().pruning();
        shop.app.policy.shared = shared;
        let first = [
            ("n.yaml", Some(NAMESPACE)),
            ("old.yaml", Some(&*config("old", "1"))),
            ("keep.yaml", Some(&*config("keep", "1"))),
        ];
        shop.commit("first", &first);
        shop.sync();
        shop.create(
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"theirs","namespace":"shop",
            "annotations":{"gitops.rs/tracking-id":"other:/ConfigMap:shop/theirs"}}}"#,
            "gitops:other",
        );
        shop.written();
        let second = [
            ("t.yaml", Some(&*config("theirs", "1"))),
            ("old.yaml", None),
            ("new.yaml", Some(&*config("new", "1"))),
            ("keep.yaml", Some(&*config("keep", "2"))),
        ];
        shop.commit("second", &second);
        let report = shop.sync();
        assert!(report.problems.iter().any(|problem| problem.text.contains("belongs to application `other`")));
        assert_eq!(shop.written().len(), written, "{shared:?}: {:?}", report.plan.skipped);
    }
}

#[test]
fn a_prune_that_is_tried_again_keeps_a_namespace_until_what_is_dying_in_it_is_gone() {
    let old = "{apiVersion: v1, kind: Namespace, metadata: {name: old, annotations: {gitops.rs/prune: enabled}}}";
    let inside =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: in, namespace: old, finalizers: [example.org/hold]}}";
    let shop = shop().pruning();
    shop.commit("more", &[("old.yaml", Some(old)), ("in.yaml", Some(inside))]);
    shop.sync();
    shop.commit("less", &[("old.yaml", None), ("in.yaml", None)]);
    let old = ResourceKey::new("", "Namespace", None, "old");
    for attempt in ["the first", "the second"] {
        let report = shop.sync();
        assert_eq!(report.receipt.map(|receipt| receipt.phase), Some(Phase::Failed), "{attempt}");
        let found = shop.cluster.inner.with_server(|server| server.get(&old).cloned());
        assert!(found.is_some_and(|namespace| !namespace.is_terminating()), "{attempt}");
    }
    let key = ResourceKey::new("", "ConfigMap", "old", "in");
    let inside = shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap();
    shop.edit(&inside, |draft| drop(draft.entry("metadata").remove("finalizers")));
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.cluster.inner.with_server(|server| server.get(&old).is_none()));
}

#[test]
fn a_sync_that_leaves_a_deletion_under_way_says_so() {
    let shop = shop().pruning();
    let held = "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.org/hold]}}";
    shop.commit("held", &[("held.yaml", Some(held))]);
    shop.sync();
    shop.commit("less", &[("held.yaml", None)]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Failed, "it is waited for by whoever deletes it");
    shop.commit("more", &[("a.yaml", Some(&config("a", "2")))]);
    let receipt = shop.sync().receipt.unwrap();
    assert_eq!((receipt.phase, &*receipt.message), (Phase::Succeeded, "1 changed; 1 still being deleted"));
}

#[test]
fn what_was_asked_for_and_pruned_is_not_called_unknown_afterwards() {
    let mut shop = shop().pruning();
    shop.commit("drop b", &[("b.yaml", None)]);
    shop.app.request = Request::default().with_only(Selection::of(["ConfigMap/b".parse().unwrap()]));
    let report = shop.sync();
    assert!(shop.get("ConfigMap", "b").is_none() && report.problems.is_empty(), "{:?}", report.problems);
    let report = shop.sync();
    assert!(report.problems.iter().any(|problem| problem.code == Code::NotFound), "now it is unknown");
}

#[test]
fn what_is_being_deleted_and_declared_again_is_not_called_missing_alone() {
    let shop = shop().pruning();
    let live = shop.get("ConfigMap", "b").unwrap();
    shop.edit(&live, |draft| {
        draft.entry("metadata").set("finalizers", vec![Draft::from("example.org/hold")]);
    });
    shop.commit("drop b", &[("b.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "b").unwrap().is_terminating());
    shop.commit("b again", &[("b.yaml", Some(&config("b", "1")))]);
    let plan = shop.preview().plan.to_string();
    assert!(
        plan.contains("create  ConfigMap shop/b") && plan.contains("is being deleted; this is waited for"),
        "{plan}"
    );
}
