//! A plan that was stored, and is followed after something newer came.

use std::sync::Arc;

use gitops_core::memory::ready;
use gitops_core::plan::{Confirmation, Plan, Validity};
use gitops_core::reconcile::{FollowError, SyncStatus, follow, look_at};
use gitops_core::source::Target;
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, job};

fn planned(shop: &Shop) -> Arc<Plan> {
    ready(look_at(&shop.app, shop.world())).unwrap().unwrap().plan
}

fn followed(shop: &Shop, plan: &Plan) -> Result<Validity, FollowError> {
    ready(follow(&shop.app, plan, shop.world())).unwrap().map(|(_, validity)| validity)
}

fn why_not(shop: &Shop, plan: &Plan) -> String {
    followed(shop, plan).unwrap_err().to_string()
}

/// `data` was synced, and the plan of the next revision, which drops it, is confirmed by its name.
fn dropped() -> (Shop, Arc<Plan>) {
    let mut shop = Shop::new().pruning();
    let [keep, data] = [config("keep", "1"), config("data", "1")];
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("keep.yaml", Some(&keep)), ("data.yaml", Some(&data))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    shop.commit("second", &[("data.yaml", None)]);
    let request = shop.app.request.clone();
    let only = ["ConfigMap/data".parse().unwrap()];
    shop.app.request = request.clone().confirmed(Confirmation::of("ann", shop.time.now(), only));
    let plan = planned(&shop);
    assert_eq!(plan.losses().count(), 1);
    shop.app.request = request;
    (shop, plan)
}

#[test]
fn a_confirmed_plan_deletes_nothing_that_a_newer_synced_revision_declares() {
    let (shop, plan) = dropped();
    assert!(matches!(followed(&shop, &plan), Ok(Validity::StillValid)));
    shop.commit("third", &[("data.yaml", Some(&config("data", "2")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let why = why_not(&shop, &plan);
    assert!(why.contains("shop/data: is declared by") && why.contains("was synced, and is newer"), "{why}");
}

#[test]
fn a_plan_deletes_nothing_that_the_followed_revision_declares_again() {
    let (mut shop, plan) = dropped();
    shop.commit("third", &[("data.yaml", Some(&config("data", "2")))]);
    let why = why_not(&shop, &plan);
    assert!(why.contains("shop/data: is declared by") && why.contains("which is followed by now"), "{why}");
    shop.app.target = Target::new(plan.revisions[0].as_str());
    assert!(followed(&shop, &plan).is_ok(), "who follows the revision of the plan wants it");
}

#[test]
fn a_plan_that_deletes_is_stale_where_the_followed_revision_cannot_be_read_whole() {
    let (shop, plan) = dropped();
    shop.commit("third", &[("broken.yaml", Some("kind: {"))]);
    let why = why_not(&shop, &plan);
    assert!(why.contains("cannot be read whole"), "{why}");
}

#[test]
fn an_older_plan_runs_no_hook_after_a_newer_revision_was_synced() {
    let shop = Shop::new();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    let migrate = |image: &str| {
        let hook = job("migrate", &[("argocd.argoproj.io/hook", "PreSync")]);
        hook.replacen("name: migrate", "generateName: migrate-", 1) + &format!("# {image}\n")
    };
    shop.commit("second", &[("new.yaml", Some(&config("new", "1"))), ("hook.yaml", Some(&migrate("v2")))]);
    let plan = planned(&shop);
    shop.commit("third", &[("new.yaml", None), ("hook.yaml", Some(&migrate("v3")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let why = why_not(&shop, &plan);
    assert!(why.contains("was synced, and is newer than its own"), "{why}");
}

#[test]
fn a_plan_to_go_back_is_followed_as_long_as_nothing_newer_was_synced() {
    let mut shop = Shop::new().pruning();
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("a", "1")))]);
    shop.sync();
    let first = planned(&shop).revisions[0].clone();
    let [second, third] = [config("a", "2"), config("a", "3")];
    shop.commit("second", &[("a.yaml", Some(&second)), ("b.yaml", Some(&config("b", "2")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    shop.app.target = Target::new(first.as_str());
    let back = planned(&shop);
    shop.app.target = Target::new("main");
    assert!(followed(&shop, &back).is_ok());
    shop.commit("third", &[("a.yaml", Some(&third))]);
    shop.sync();
    assert!(why_not(&shop, &back).contains("was synced, and is newer"));
}

#[test]
fn a_plan_makes_no_room_for_a_hook_where_the_followed_revision_wants_the_object() {
    let shop = Shop::new().pruning();
    let plain = job("migrate", &[]);
    let hook = job("migrate", &[("argocd.argoproj.io/hook", "PostSync")]);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE)), ("job.yaml", Some(&plain))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    shop.commit("second", &[("job.yaml", Some(&hook)), ("a.yaml", Some(&config("a", "1")))]);
    let plan = planned(&shop);
    assert_eq!(plan.losses().count(), 1, "{plan}");
    assert!(followed(&shop, &plan).is_ok());
    shop.commit("third", &[("job.yaml", Some(&plain))]);
    let why = why_not(&shop, &plan);
    assert!(why.contains("shop/migrate: is declared by"), "{why}");
}
