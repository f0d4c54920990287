//! Sync options that an application hands down to its objects. The object always wins.

use gitops_core::plan::{Action, Confirmation, Request, SkipReason};
use gitops_core::policy::{Confirm, SyncOptions};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::Propagation;

use crate::world::{NAMESPACE, Shop, config, deployment};

fn options(options: &[&str]) -> SyncOptions {
    SyncOptions::new(options.iter().map(|option| option.parse().unwrap())).unwrap()
}

/// A shop whose application has these options; two objects of the first commit are not declared any more, and `said` is
/// what the second says itself.
fn leaving(of_app: &[&str], said: &str) -> Shop {
    let mut shop = Shop::new().pruning();
    let own = config("own", "a").replacen(
        "  name: own\n",
        &format!("  name: own\n  annotations: {{argocd.argoproj.io/sync-options: '{said}'}}\n"),
        1,
    );
    let files =
        [("n.yaml", NAMESPACE), ("a.yaml", &config("plain", "a")), ("b.yaml", &own), ("c.yaml", &config("c", "a"))];
    shop.commit("first", &files.map(|(file, text)| (file, Some(text))));
    shop.sync();
    shop.written();
    shop.app.policy = shop.app.policy.clone().with_sync_options(&options(of_app));
    shop.commit("less", &[("a.yaml", None), ("b.yaml", None)]);
    shop
}

fn kept(shop: &Shop) -> Vec<(String, SkipReason)> {
    let plan = shop.preview().plan;
    plan.skipped.iter().map(|skipped| (skipped.key.name.to_string(), skipped.reason)).collect()
}

#[test]
fn what_is_not_declared_any_more_inherits_how_it_is_pruned_and_wins_where_it_says_so_itself() {
    use SkipReason::{PruneForbidden, PruneUnconfirmed};
    for (of_app, said, expected) in [
        (&[][..], "", vec![]),
        (&["Prune=false"], "Prune=true", vec![("plain", PruneForbidden)]),
        (&["Prune=confirm"], "Prune=true", vec![("plain", PruneUnconfirmed)]),
        (&["Prune=confirm"], "PruneLast=true", vec![("own", PruneUnconfirmed), ("plain", PruneUnconfirmed)]),
        (&["Prune=false"], "Prune=confirm", vec![("own", PruneUnconfirmed), ("plain", PruneForbidden)]),
        (&["Prune=true"], "Prune=false", vec![("own", PruneForbidden)]),
        (&["Delete=false"], "", vec![]),
    ] {
        let shop = leaving(of_app, said);
        let expected: Vec<_> = expected.into_iter().map(|(name, reason)| (name.to_owned(), reason)).collect();
        assert_eq!(kept(&shop), expected, "{of_app:?} {said}");
        shop.sync();
        let gone = ["own", "plain"].iter().filter(|name| shop.get("ConfigMap", name).is_none()).count();
        assert_eq!(gone, 2 - expected.len(), "{of_app:?} {said}");
    }
}

#[test]
fn a_person_who_confirms_prunes_what_inherits_that_it_asks() {
    let mut shop = leaving(&["Prune=confirm"], "Prune=true");
    shop.app.request =
        Request::default().confirmed(Confirmation::of_all("ann", "2026-03-01T00:00:00Z".parse().unwrap()));
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    assert!(shop.get("ConfigMap", "plain").is_none());
}

#[test]
fn how_deletions_go_and_when_is_inherited_too() {
    let shop = leaving(
        &["PruneLast=true", "PrunePropagationPolicy=foreground"],
        "PrunePropagationPolicy=orphan, PruneLast=false",
    );
    let plan = shop.preview().plan;
    let found: Vec<_> = plan
        .steps
        .iter()
        .map(|step| match step.action {
            Action::Delete { propagation } => (&*step.key.name, propagation),
            _ => panic!("{step}"),
        })
        .collect();
    assert_eq!(found, [("own", Propagation::Orphan), ("plain", Propagation::Foreground)]);
    assert!(!plan.steps[1].after.is_empty(), "the last one waits for the other");
}

#[test]
fn an_application_that_may_not_be_deleted_keeps_its_objects_but_those_that_say_otherwise() {
    let mut shop = leaving(&["Delete=false"], "Delete=true");
    shop.commit("back", &[("b.yaml", None)]);
    shop.app.policy.prune = gitops_core::policy::Prune::Never;
    shop.app.request = Request::to_delete();
    let looked =
        gitops_core::memory::ready(gitops_core::reconcile::look_to_delete(&shop.app, shop.world())).unwrap().unwrap();
    let going: Vec<_> = looked.plan.steps.iter().map(|step| &*step.key.name).collect();
    assert_eq!(going, ["own"], "{:?}", looked.plan.problems);
}

#[test]
fn replacing_and_creating_again_are_inherited_and_stand_in_the_steps() {
    let web = |image: &str, tier: &str| deployment("web", 1, image).replace("app: web", &format!("app: {tier}"));
    let mut shop = Shop::new();
    shop.app.policy = shop.app.policy.with_sync_options(&options(&["Force=true"])).with_confirm(Confirm::Never);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&web("nginx:1", "web")))]);
    shop.sync();
    let before = shop.get("Deployment", "web").unwrap().uid().map(str::to_owned);
    shop.commit("selector", &[("web.yaml", Some(&web("nginx:1", "other")))]);
    let plan = shop.preview().plan;
    assert_eq!(plan.steps[0].recreate, Some(Propagation::default()));
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_ne!(shop.get("Deployment", "web").unwrap().uid().map(str::to_owned), before);

    shop.app.policy = shop.app.policy.with_sync_options(&options(&["Force=false", "Replace=true"]));
    shop.commit("image", &[("web.yaml", Some(&web("nginx:2", "other")))]);
    let plan = shop.preview().plan;
    assert!(matches!(plan.steps[0].action, Action::Replace { .. }), "{plan}");
    assert_eq!(plan.steps[0].recreate, None);
}

#[test]
fn a_kind_that_is_not_served_yet_is_waited_for_where_the_application_says_so() {
    let widget =
        "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: small, namespace: shop}\nspec: {size: 3}\n";
    let own = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: own, namespace: shop, annotations: \
        {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=false}}\nspec: {size: 3}\n";
    let mut shop = Shop::new();
    shop.commit("all", &[("n.yaml", Some(NAMESPACE)), ("w.yaml", Some(widget)), ("o.yaml", Some(own))]);
    let steps =
        |shop: &Shop| shop.preview().plan.steps.iter().map(|step| step.key.name.to_string()).collect::<Vec<_>>();
    assert_eq!(steps(&shop), ["shop"]);
    shop.app.policy = shop.app.policy.clone().with_sync_options(&options(&["SkipDryRunOnMissingResource=true"]));
    assert_eq!(steps(&shop), ["shop", "small"]);
    let desired =
        gitops_core::memory::ready(gitops_core::reconcile::read_desired(&shop.app, &shop.source, &shop.cluster));
    let desired = desired.unwrap().unwrap();
    let held: Vec<_> = desired.declared.keys().filter(|key| desired.is_held(key)).map(|key| &*key.name).collect();
    assert_eq!(held, ["own"]);
    let plain = desired.clone().inheriting(&SyncOptions::default());
    assert!(plain.declared.keys().filter(|key| plain.is_held(key)).count() == 2, "what was waived holds back again");
    let again = plain.inheriting(&shop.app.policy.sync_options);
    assert_eq!((again.problems, again.declared), (desired.problems, desired.declared));
}

#[test]
fn hooks_inherit_nothing() {
    let hook = crate::world::job("migrate", &[("argocd.argoproj.io/hook", "PreSync")]);
    let mut shop = Shop::new();
    shop.app.policy =
        shop.app.policy.with_sync_options(&options(&["Replace=true", "Force=true", "Prune=confirm", "PruneLast=true"]));
    shop.commit("all", &[("n.yaml", Some(NAMESPACE)), ("h.yaml", Some(&hook))]);
    let desired =
        gitops_core::memory::ready(gitops_core::reconcile::read_desired(&shop.app, &shop.source, &shop.cluster));
    let desired = desired.unwrap().unwrap();
    let hook = desired.declared.values().find(|declared| declared.options.hook.is_some()).unwrap();
    assert!(!hook.options.replace && !hook.options.force && !hook.options.prune_last);
}
