//! What stands where a hook runs, what hooks leave behind, and what of it may be deleted.

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Objects, Plan, Request, Selection, SkipReason, Validity};
use gitops_core::reconcile::{self, Looked, Report, look_at, look_to_delete};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::source::Target;
use gitops_core::sync::Phase;

use crate::world::{NAMESPACE, Shop, config, job};

const HOOK: &str = "argocd.argoproj.io/hook";
const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\nspec:\n  accessModes: [ReadWriteOnce]\n  \
    resources: {requests: {storage: 1Gi}}\n";
const EXTRA: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: extra\n";

fn annotated(manifest: &str, annotations: &[(&str, &str)]) -> String {
    let lines: String = annotations.iter().map(|(name, value)| format!("    {name}: {value:?}\n")).collect();
    manifest.replacen("metadata:\n", &format!("metadata:\n  annotations:\n{lines}"), 1)
}

fn generated(prefix: &str, annotations: &[(&str, &str)]) -> String {
    job(prefix, annotations).replace(&format!("  name: {prefix}\n"), &format!("  generateName: {prefix}\n"))
}

fn looked(shop: &Shop) -> Looked {
    ready(look_at(&shop.app, shop.world())).unwrap().unwrap()
}

fn deletion(shop: &Shop) -> Looked {
    let mut app = shop.app.clone();
    app.request = Request::to_delete();
    ready(look_to_delete(&app, shop.world())).unwrap().unwrap()
}

/// A shop whose first revision holds a namespace and these objects, and is synced.
fn holding(manifests: &[&str]) -> Shop {
    let shop = Shop::new();
    let files: Vec<(String, &str)> =
        manifests.iter().enumerate().map(|(at, text)| (format!("{at}.yaml"), *text)).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(*text))).collect();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    // A revision that changes nothing is in no history.
    if !files.is_empty() {
        shop.commit("objects", &files);
    }
    let report = shop.sync();
    assert_eq!(phase(&report), Some(Phase::Succeeded), "{:?}", report.receipt);
    shop.written();
    shop
}

fn phase(report: &Report) -> Option<Phase> {
    report.receipt.as_ref().map(|receipt| receipt.phase)
}

/// Changes something else, so that hooks run with it.
fn change(shop: &Shop, value: &str, files: &[(&str, Option<&str>)]) {
    let a = config("a", value);
    let files: Vec<_> = files.iter().copied().chain([("a.yaml", Some(a.as_str()))]).collect();
    shop.commit("change", &files);
}

fn deletions(shop: &Shop) -> Vec<String> {
    shop.written().into_iter().filter(|line| line.starts_with("delete")).collect()
}

fn uid(shop: &Shop, kind: &str, name: &str) -> String {
    shop.get(kind, name).and_then(|object| object.uid().map(str::to_owned)).unwrap_or_default()
}

fn skipped(plan: &Plan, name: &str) -> Option<SkipReason> {
    plan.skipped.iter().find(|skipped| skipped.key.name.starts_with(name)).map(|skipped| skipped.reason)
}

fn confirm(shop: &mut Shop) {
    use gitops_core::time::Timer;
    shop.app.request = Request::default().confirmed(Confirmation::of_all("ann", shop.time.now()));
}

/// What must be said of a hook that is held, and that nothing was deleted.
#[track_caller]
fn is_held(shop: &Shop, name: &str, why: &str) {
    let text = looked(shop).plan.to_string();
    assert!(text.contains("this hook cannot run: ") && text.contains(why), "{why}: {text}");
    let report = shop.sync();
    assert_eq!(deletions(shop), Vec::<String>::new(), "{text}");
    assert_eq!(skipped(&report.plan, name), Some(SkipReason::HookOccupied), "{text}");
    assert!(report.is_blocked(), "{text}");
}

#[test]
fn an_ordinary_object_that_becomes_a_hook_is_never_deleted_by_a_plain_sync_or_deletion() {
    for (manifest, kind, name) in [(EXTRA, "Namespace", "extra"), (CLAIM, "PersistentVolumeClaim", "data")] {
        let mut shop = holding(&[manifest]);
        let uid = uid(&shop, kind, name);
        change(&shop, "2", &[("0.yaml", Some(&annotated(manifest, &[(HOOK, "PreSync")])))]);
        is_held(&shop, name, "it was applied as an ordinary object, and pruning is off");
        shop = shop.pruning();
        let why = if kind == "Namespace" { "whatever is in this Namespace would be" } else { "must be confirmed" };
        is_held(&shop, name, why);
        let plan = deletion(&shop).plan;
        assert!(plan.is_empty(), "{plan}");
        assert!(plan.to_string().contains("nothing is deleted: "), "{plan}");
        assert_eq!(shop.get(kind, name).unwrap().uid(), Some(&*uid));
        confirm(&mut shop);
        let plan = looked(&shop).plan;
        let text = plan.to_string();
        assert!(text.contains(&format!("{name}: hook; is deleted, and created again")), "{text}");
        assert_eq!(plan.confirmed.iter().map(|it| &*it.key.name).collect::<Vec<_>>(), [name], "{text}");
        assert!(plan.losses().any(|key| &*key.name == name), "whoever asks before deletions sees it");
    }
}

#[test]
fn an_ordinary_job_that_we_created_makes_room_for_its_hook_where_pruning_is_on_and_the_plan_says_so() {
    let mut shop = holding(&[&job("migrate", &[("note", "x")])]);
    let before = uid(&shop, "Job", "migrate");
    change(&shop, "2", &[("0.yaml", Some(&job("migrate", &[(HOOK, "PreSync")])))]);
    is_held(&shop, "migrate", "pruning is off");
    shop = shop.pruning();
    let text = looked(&shop).plan.to_string();
    assert!(text.contains("run     batch/Job shop/migrate: hook; is deleted, and created again"), "{text}");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_ne!(uid(&shop, "Job", "migrate"), before);
    let ledger = looked(&shop).ledger;
    assert!(
        ledger.inventory.get(&ResourceKey::new("batch", "Job", "shop", "migrate")).is_none(),
        "it is none any more"
    );
    shop.written();
    change(&shop, "3", &[]);
    let text = looked(&shop).plan.to_string();
    assert!(text.contains("shop/migrate: hook; what its last run left is deleted first"), "{text}");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
}

#[test]
fn an_older_revision_in_which_it_was_a_hook_deletes_no_ordinary_object() {
    let shop = Shop::new().pruning();
    let hook = job("migrate", &[(HOOK, "PreSync")]);
    let old = {
        let files = [("n.yaml", Some(NAMESPACE)), ("a.yaml", Some("x: [")), ("0.yaml", Some(&*hook))];
        shop.commit("old", &files[..1]);
        change(&shop, "1", &[("0.yaml", Some(&hook))]);
        looked(&shop).desired.revisions[0].id.clone()
    };
    change(&shop, "2", &[("0.yaml", Some(&job("migrate", &[("note", "x")])))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    shop.written();
    let mut shop = shop;
    shop.app.target = Target::new(old.as_str());
    is_held(&shop, "migrate", "this revision is older than");
}

#[test]
fn a_hook_never_deletes_what_is_adopted_foreign_anothers_or_nobodys_and_is_held_before_anything_runs() {
    let by_hand = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"seed","namespace":"shop"}}"#;
    let seed = annotated(&config("seed", "1"), &[(HOOK, "PreSync")]);
    // Adopted: it was there, then declared, then it became a hook.
    let mut shop = holding(&[]).pruning();
    shop.app.policy.prune_adopted = gitops_core::policy::PruneAdopted::Yes;
    shop.create(by_hand, "kubectl-create");
    change(&shop, "2", &[("0.yaml", Some(&config("seed", "1")))]);
    shop.sync();
    change(&shop, "3", &[("0.yaml", Some(&seed))]);
    confirm(&mut shop);
    is_held(&shop, "seed", "it existed before this application");
    // Nobody's, with and without a terminating mark of ours copied onto it.
    let marks = r#""annotations":{"gitops.rs/operation":"0123456789abcdef.PreSync","gitops.rs/tracking-id":"shop:/ConfigMap:shop/seed"},"#;
    for (marks, why) in [("", "it is not ours"), (marks, "nothing proves that a hook of this application created it")] {
        let mut shop = holding(&[]).pruning();
        shop.create(&by_hand.replace(r#""metadata":{"#, &format!(r#""metadata":{{{marks}"#)), "kubectl-create");
        change(&shop, "2", &[("0.yaml", Some(&seed))]);
        confirm(&mut shop);
        is_held(&shop, "seed", why);
        assert_eq!(shop.get("ConfigMap", "a").unwrap().tree().dig(&["data", "key"]).unwrap().as_str(), Some("1"));
    }
    // Another application's.
    let mut shop = holding(&[]).pruning();
    let other = by_hand.replace(
        r#""metadata":{"#,
        r#""metadata":{"annotations":{"gitops.rs/tracking-id":"other:/ConfigMap:shop/seed"},"#,
    );
    shop.apply(&other, "gitops:other");
    change(&shop, "2", &[("0.yaml", Some(&seed))]);
    confirm(&mut shop);
    is_held(&shop, "seed", "it belongs to application `other`");
}

#[test]
fn what_an_option_of_the_live_or_of_the_declared_object_keeps_holds_its_hook() {
    for option in ["Delete=false", "Prune=false"] {
        let hook = job("migrate", &[(HOOK, "PreSync")]);
        let shop = holding(&[&hook]).pruning();
        let live = shop.get("Job", "migrate").unwrap();
        shop.edit(&live, |draft| draft.entry("metadata").entry("annotations").set(OPTIONS, option));
        change(&shop, "2", &[]);
        is_held(&shop, "migrate", "its option (`Delete=false` or `Prune=false`) keeps it");
        let shop = holding(&[&hook]).pruning();
        change(&shop, "2", &[("0.yaml", Some(&job("migrate", &[(HOOK, "PreSync"), (OPTIONS, option)])))]);
        is_held(&shop, "migrate", "its option (`Delete=false` or `Prune=false`) keeps it");
        let text = deletion(&shop).plan.to_string();
        assert!(text.contains("Job shop/migrate: stays, as its options say"), "{text}");
    }
    let asks = job("migrate", &[(HOOK, "PreSync"), (OPTIONS, "Delete=confirm")]);
    let mut shop = holding(&[&asks]);
    change(&shop, "2", &[]);
    is_held(&shop, "migrate", "its deletion must be confirmed");
    confirm(&mut shop);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_eq!(deletions(&shop), ["delete batch/Job shop/migrate"]);
}

#[test]
fn an_option_that_is_set_while_an_operation_runs_is_found_before_anything_is_deleted() {
    let hook = job("migrate", &[(HOOK, "PreSync")]);
    let shop = holding(&[&hook]);
    change(&shop, "2", &[]);
    let looked = looked(&shop);
    let live = shop.get("Job", "migrate").unwrap();
    shop.edit(&live, |draft| draft.entry("metadata").entry("annotations").set(OPTIONS, "Delete=false"));
    let mut machine = looked.machine(&shop.app, looked.ledger.history[0].finished).unwrap();
    ready(reconcile::run(&mut machine, &shop.cluster, &shop.time)).unwrap();
    let receipt = machine.outcome().unwrap();
    assert_eq!((receipt.phase, deletions(&shop)), (Phase::Failed, Vec::new()));
    assert!(receipt.message.contains("is kept: its option says so"), "{}", receipt.message);
}

#[test]
fn a_namespace_that_is_a_hook_runs_once_and_again_only_with_a_yes_that_knows_what_dies() {
    let mut shop = holding(&[&annotated(EXTRA, &[(HOOK, "PreSync")])]);
    let inside = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"precious","namespace":"extra"}}"#;
    shop.create(inside, "kubectl-create");
    change(&shop, "2", &[]);
    is_held(
        &shop,
        "extra",
        "deleted with it; 1 object that is not in this plan dies with it: `ConfigMap extra/precious`",
    );
    confirm(&mut shop);
    let text = looked(&shop).plan.to_string();
    assert!(text.contains("Namespace extra: is a Namespace: everything in it is deleted with it; 1 object"), "{text}");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_eq!(deletions(&shop), ["delete Namespace extra"]);
}

#[test]
fn a_hook_policy_deletes_a_protected_object_only_with_a_yes_and_the_hook_runs_without() {
    let hook = annotated(CLAIM, &[(HOOK, "PostSync"), (POLICY, "HookSucceeded")]);
    let mut shop = holding(&[]);
    change(&shop, "2", &[("0.yaml", Some(&hook))]);
    let text = looked(&shop).plan.to_string();
    assert!(text.contains("its object stays after it has run: its deletion must be confirmed"), "{text}");
    assert!(!text.contains("goes if all succeeds"), "{text}");
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert!(shop.get("PersistentVolumeClaim", "data").is_some() && deletions(&shop).is_empty());
    let mut shop2 = holding(&[]);
    change(&shop2, "2", &[("0.yaml", Some(&hook))]);
    confirm(&mut shop2);
    let text = looked(&shop2).plan.to_string();
    assert!(text.contains("PersistentVolumeClaim shop/data: hook; goes if all succeeds"), "{text}");
    assert_eq!(phase(&shop2.sync()), Some(Phase::Succeeded));
    assert_eq!(deletions(&shop2), ["delete PersistentVolumeClaim shop/data"]);
    // Two phases under one name delete it in between.
    change(
        &shop,
        "3",
        &[("0.yaml", Some(&annotated(CLAIM, &[(HOOK, "PreSync,PostSync")]).replace("name: data", "name: both")))],
    );
    confirm(&mut shop);
    shop.app.request.confirmations.clear();
    is_held(&shop, "both", "it runs in several phases under one name");
}

#[test]
fn a_hook_waits_until_what_is_being_deleted_where_it_runs_is_gone_whoever_made_it() {
    let shop = holding(&[]);
    let theirs = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"migrate","namespace":"shop","finalizers":["example.org/slow"]},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"run","image":"busybox"}]}}}}"#;
    shop.create(theirs, "kubectl-create");
    let live = shop.get("Job", "migrate").unwrap();
    let write = Write::delete(live.key(), "v1", gitops_core::resource::Propagation::Background);
    ready(shop.cluster.inner.write(&write)).unwrap().unwrap();
    change(&shop, "2", &[("0.yaml", Some(&job("migrate", &[(HOOK, "PreSync")])))]);
    let report = shop.sync();
    assert_eq!(phase(&report), Some(Phase::Failed));
    let message = &report.receipt.unwrap().message;
    assert!(message.contains("waited 300 s for its finalizers: example.org/slow"), "{message}");
    assert_eq!(deletions(&shop), Vec::<String>::new());
}

#[test]
fn a_hook_that_becomes_an_ordinary_object_is_one_and_what_it_was_counts_no_more() {
    let shop = holding(&[&annotated(&config("seed", "1"), &[(HOOK, "PostSync")])]).pruning();
    let before = uid(&shop, "ConfigMap", "seed");
    change(&shop, "2", &[("0.yaml", Some(&config("seed", "1")))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    let ledger = looked(&shop).ledger;
    assert!(ledger.hooks.is_empty(), "{:?}", ledger.hooks);
    assert_eq!(uid(&shop, "ConfigMap", "seed"), before);
    // Not declared any more, it is no left-over of a hook: it is pruned as what we created.
    shop.commit("drop", &[("0.yaml", None)]);
    let plan = looked(&shop).plan;
    assert!(plan.leftovers.is_empty() && plan.to_string().contains("seed: not declared any more"), "{plan}");
    // And declared as a hook again, it makes room for it.
    change(&shop, "3", &[("0.yaml", Some(&annotated(&config("seed", "1"), &[(HOOK, "PreSync")])))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_ne!(uid(&shop, "ConfigMap", "seed"), before);
}

#[test]
fn what_a_hook_left_that_is_not_declared_any_more_goes_only_as_what_is_pruned_goes() {
    let hook = job("migrate", &[(HOOK, "PreSync")]);
    let drop = |shop: &Shop| change(shop, "2", &[("0.yaml", None)]);
    // Pruning is off.
    let shop = holding(&[&hook]);
    drop(&shop);
    shop.sync();
    assert!(shop.get("Job", "migrate").is_some() && deletions(&shop).is_empty());
    // Pruning is on: the plan shows it, and it goes.
    let shop = holding(&[&hook]).pruning();
    drop(&shop);
    let plan = looked(&shop).plan;
    let line = "Left by hooks\n  delete  batch/Job shop/migrate: left by a hook that is not declared any more; goes if all succeeds\n";
    assert!(plan.to_string().contains(line), "{plan}");
    let json = serde_json::to_value(&*plan).unwrap();
    assert_eq!(
        (&json["leftovers"][0]["reason"], &json["leftovers"][0]["key"]["name"]),
        (&"notDeclared".into(), &"migrate".into())
    );
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_eq!(deletions(&shop), ["delete batch/Job shop/migrate"]);
    assert!(looked(&shop).ledger.hooks.is_empty());
    // A part of the application that it is not in.
    let mut shop = holding(&[&hook]).pruning();
    drop(&shop);
    shop.app.request = Request::default().with_only(Selection::of(["ConfigMap".parse::<Objects>().unwrap()]));
    let report = shop.sync();
    assert_eq!((phase(&report), deletions(&shop)), (Some(Phase::Succeeded), Vec::new()));
    assert_eq!(skipped(&report.plan, "migrate"), Some(SkipReason::NotSelected), "{}", report.plan);
    shop.app.request = Request::default();
    // Its own option, and one that asks.
    for (option, kept) in
        [("Delete=false", SkipReason::DeleteForbidden), ("Prune=confirm", SkipReason::DeleteUnconfirmed)]
    {
        let mut shop = holding(&[&hook]).pruning();
        let live = shop.get("Job", "migrate").unwrap();
        shop.edit(&live, |draft| draft.entry("metadata").entry("annotations").set(OPTIONS, option));
        drop(&shop);
        assert_eq!(skipped(&looked(&shop).plan, "migrate"), Some(kept));
        shop.sync();
        assert_eq!(deletions(&shop), Vec::<String>::new());
        confirm(&mut shop);
        shop.sync();
        assert_eq!(deletions(&shop).len(), usize::from(kept == SkipReason::DeleteUnconfirmed), "{option}");
    }
}

#[test]
fn an_older_revision_that_does_not_know_a_hook_keeps_what_it_left() {
    let mut shop = holding(&[]).pruning();
    let old = looked(&shop).desired.revisions[0].id.clone();
    change(&shop, "2", &[("9.yaml", Some(&job("migrate", &[(HOOK, "PreSync")])))]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    shop.written();
    assert_eq!(looked(&shop).ledger.last_synced(), Some(vec![looked(&shop).desired.revisions[0].id.clone()]));
    shop.app.target = Target::new(old.as_str());
    let report = shop.sync();
    assert_eq!(deletions(&shop), Vec::<String>::new(), "{}", report.plan);
    assert_eq!(skipped(&report.plan, "migrate"), Some(SkipReason::OlderRevision));
}

#[test]
fn objects_of_hooks_that_somebody_deleted_leave_the_ledger() {
    let shop = holding(&[&generated("keep-", &[(HOOK, "PreSync"), (POLICY, "HookFailed")])]);
    for value in ["2", "3", "4"] {
        change(&shop, value, &[]);
        shop.sync();
    }
    let ledger = looked(&shop).ledger;
    assert_eq!(ledger.hooks.len(), 4, "its policy keeps each of them");
    for hook in &ledger.hooks {
        let write = Write::delete(&hook.object, "v1", gitops_core::resource::Propagation::Background);
        ready(shop.cluster.inner.write(&write)).unwrap().unwrap();
    }
    change(&shop, "5", &[]);
    shop.sync();
    assert_eq!(looked(&shop).ledger.hooks.len(), 1, "what was seen to be gone is forgotten");
}

#[test]
fn what_earlier_runs_of_a_generated_name_left_is_in_the_plan_and_goes_once_the_hook_has_run_again() {
    let shop = holding(&[&generated("migrate-", &[(HOOK, "PreSync")])]);
    let first = looked(&shop).ledger.hooks[0].object.clone();
    change(&shop, "2", &[]);
    let text = looked(&shop).plan.to_string();
    assert!(
        text.contains(&format!("delete  {first}: left by an earlier run; goes once its hook has run again")),
        "{text}"
    );
    shop.sync();
    assert_eq!(deletions(&shop), [format!("delete {first}")]);
    // One that must stay stays, and holds nothing.
    let kept = looked(&shop).ledger.hooks[0].object.clone();
    let live = shop.get("Job", &kept.name).unwrap();
    shop.edit(&live, |draft| draft.entry("metadata").entry("annotations").set(OPTIONS, "Delete=false"));
    change(&shop, "3", &[]);
    assert_eq!(phase(&shop.sync()), Some(Phase::Succeeded));
    assert_eq!(deletions(&shop), Vec::<String>::new());
    assert_eq!(looked(&shop).ledger.hooks.len(), 2);
}

#[test]
fn an_approved_plan_is_stale_once_another_object_would_go_for_its_hook() {
    let shop = holding(&[]);
    change(&shop, "2", &[("0.yaml", Some(&job("migrate", &[(HOOK, "PreSync")])))]);
    let approved = Plan::clone(&looked(&shop).plan);
    let follow = |plan: &Plan| ready(reconcile::follow(&shop.app, plan, shop.world())).unwrap();
    assert!(matches!(follow(&approved), Ok((_, Validity::StillValid))));
    shop.sync();
    let live: Resource = shop.get("ConfigMap", "a").unwrap();
    shop.edit(&live, |draft| draft.entry("data").set("key", "drifted"));
    let fresh = Plan::clone(&looked(&shop).plan);
    assert!(matches!(follow(&fresh), Ok((_, Validity::StillValid))));
    // The hook runs once more, by another operation: what was approved is gone.
    shop.sync();
    shop.edit(&shop.get("ConfigMap", "a").unwrap(), |draft| draft.entry("data").set("key", "drifted"));
    let text = follow(&fresh).unwrap_err().to_string();
    assert!(text.contains("another object stands there by now, and would be deleted for it"), "{text}");
}

#[test]
fn a_hook_whose_place_cannot_be_read_is_held_and_so_is_what_follows_it() {
    use gitops_core::resource::GroupKind;
    let shop = holding(&[&job("migrate", &[(HOOK, "PreSync")])]);
    change(&shop, "2", &[]);
    shop.cluster.inner.with_faults(|faults| faults.unreadable(&GroupKind::new("batch", "Job"), "forbidden"));
    let report = shop.sync();
    assert_eq!(skipped(&report.plan, "migrate"), Some(SkipReason::Unknown), "{}", report.plan);
    assert_eq!(skipped(&report.plan, "a"), Some(SkipReason::FollowsHeld), "{}", report.plan);
    let text = report.plan.to_string();
    assert!(text.contains("whether an object stands there cannot be told: it could not be read: forbidden"), "{text}");
    assert_eq!(shop.written(), Vec::<String>::new());
    let text = deletion(&shop).plan.to_string();
    assert!(text.contains("nothing is deleted: whether it is there cannot be told"), "{text}");
}
