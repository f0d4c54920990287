//! Objects that are taken over from other tools and applications, and single ones that are let go. Rules 20, 21 and 32 of
//! the exact rules.

use std::collections::BTreeSet;

use gitops_core::memory::ready;
use gitops_core::plan::{Objects, Request, Selection};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{self, App, Looked, Report, SyncStatus};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::source::Paths;
use gitops_core::ssa::ManagedFields;
use gitops_core::state::{Live, Owner, Standing, Tool, TrackingStyle};
use gitops_core::sync::{Event, Ledger, Phase};
use gitops_core::time::Timer;

use crate::world::{NAMESPACE, Shop, config, deployment, job};

const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What Git says of `web`; on the cluster it has `old` besides, and a label of its own.
const DESIRED: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  namespace: shop\ndata:\n  a: one\n";

fn live(annotations: &str, labels: &str) -> String {
    let maps = [("annotations", annotations), ("labels", labels)].into_iter().filter(|(_, map)| !map.is_empty());
    let maps: String = maps.map(|(name, map)| format!(r#","{name}":{{{map}}}"#)).collect();
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web","namespace":"shop"{maps}}},
            "data":{{"a":"one","old":"1"}}}}"#
    )
}

fn shop() -> Shop {
    let shop = Shop::new().pruning();
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "kubectl-create");
    shop.commit("first", &[("web.yaml", Some(DESIRED))]);
    shop
}

fn adopt(shop: &Shop, from: &[Tool]) -> Report {
    let from: BTreeSet<Tool> = from.iter().copied().collect();
    ready(reconcile::adopt(&shop.app, &from, shop.world())).expect("ready").expect("an answer")
}

fn ledger(shop: &Shop, app: &App) -> Ledger {
    let key = app.ledger_key();
    let live = shop.cluster.inner.with_server(|server| server.get(&key).cloned());
    Ledger::read(&key, live.as_ref().map_or(Live::Absent, Live::Present)).unwrap().0
}

fn web() -> ResourceKey {
    ResourceKey::new("", "ConfigMap", "shop", "web")
}

fn entries(object: &Resource) -> Vec<String> {
    let managed = ManagedFields::read(object).unwrap();
    managed.entries().iter().map(|entry| format!("{} {}: {}", entry.manager, entry.operation, entry.fields)).collect()
}

fn data(object: &Resource) -> String {
    object.tree().get("data").unwrap().to_json()
}

#[test]
fn what_another_tool_holds_becomes_ours_without_a_change_of_values_and_the_next_sync_removes_what_git_dropped() {
    let last = r#"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"},\"data\":{\"a\":\"one\",\"old\":\"1\"}}"#;
    let last = format!(r#""{LAST}":"{last}""#);
    let argo = r#""argocd.argoproj.io/tracking-id":"old:/ConfigMap:shop/web""#;
    let flux = r#""kustomize.toolkit.fluxcd.io/name":"apps","kustomize.toolkit.fluxcd.io/namespace":"flux-system""#;
    let helm = r#""meta.helm.sh/release-name":"web","meta.helm.sh/release-namespace":"shop""#;
    for (tool, manager, applies, annotations, labels, holder) in [
        (Tool::Kubectl, "kubectl-client-side-apply", false, &*last, "", "kubectl"),
        (Tool::Kubectl, "kubectl", true, "", "", "kubectl"),
        (Tool::ArgoCd, "argocd-controller", true, argo, "", "Argo CD application `old`"),
        (Tool::ArgoCd, "argocd-controller", false, &*format!("{argo},{last}"), "", "Argo CD application `old`"),
        (Tool::Flux, "kustomize-controller", true, "", flux, "Flux Kustomization `flux-system/apps`"),
        (Tool::Helm, "helm", true, helm, "", "Helm release `shop/web`"),
    ] {
        let shop = shop();
        let before = live(annotations, labels);
        if applies {
            shop.apply(&before, manager)
        } else {
            shop.create(&before, manager)
        }
        let uid = shop.get("ConfigMap", "web").unwrap().uid().unwrap().to_owned();
        let from = BTreeSet::from([tool]);
        let looked = ready(reconcile::look_to_adopt(&shop.app, &from, shop.world())).unwrap().unwrap();
        let text = looked.plan.to_string();
        let step = format!("Take over\n  own     ConfigMap shop/web: takes it over from {holder}; changes no value");
        assert!(text.contains(&step), "{text}");
        shop.written();
        let report = adopt(&shop, &[tool]);
        let receipt = report.receipt.unwrap();
        assert_eq!((receipt.phase, &*receipt.message), (Phase::Succeeded, "taking over: 1 changed"), "{manager}");
        assert!(shop.written().iter().all(|line| line.starts_with("patch ")), "nothing but patches");
        let taken = shop.get("ConfigMap", "web").unwrap();
        assert_eq!((data(&taken).as_str(), taken.uid()), (r#"{"a":"one","old":"1"}"#, Some(&*uid)));
        assert_eq!(taken.annotation("gitops.rs/tracking-id"), Some("shop:/ConfigMap:shop/web"));
        assert_eq!(Tool::holding(&taken), None, "{}", taken.tree().to_json());
        let ours = "gitops:shop Apply: data.a, data.old, metadata.annotations[\"gitops.rs/tracking-id\"]";
        // Where there were no annotations, the patch made the map.
        let entries: Vec<String> = entries(&taken).iter().map(|of| of.replace(" metadata.annotations,", "")).collect();
        assert_eq!(entries, [ours], "{manager}");
        assert_eq!(ledger(&shop, &shop.app).inventory.get(&web()).unwrap().standing, Standing::Adopted);
        assert!(adopt(&shop, &[tool]).receipt.is_none(), "there is nothing left to take");
        assert_eq!(shop.sync().sync, SyncStatus::Synced);
        let synced = shop.get("ConfigMap", "web").unwrap();
        assert_eq!((data(&synced).as_str(), synced.uid()), (r#"{"a":"one"}"#, Some(&*uid)), "{manager}");
    }
}

#[test]
fn helm_3_and_hands_keep_what_they_wrote_beyond_what_git_says() {
    let shop = shop();
    shop.create(&live(r#""meta.helm.sh/release-name":"web""#, r#""team":"a""#), "helm");
    adopt(&shop, &[Tool::Helm]);
    let taken = shop.get("ConfigMap", "web").unwrap();
    let entries = entries(&taken);
    assert!(entries.iter().any(|entry| entry.starts_with("gitops:shop Apply: data.a, metadata")), "{entries:?}");
    assert!(entries.iter().any(|entry| entry.starts_with("helm Update") && entry.contains("data.old")), "{entries:?}");
    assert_eq!((taken.label("team"), taken.annotation("meta.helm.sh/release-name")), (Some("a"), None));
}

#[test]
fn nothing_is_taken_from_whom_nobody_named_nor_what_is_not_there_or_not_selected() {
    let flux = r#""kustomize.toolkit.fluxcd.io/name":"apps""#;
    let shop = shop();
    shop.apply(&live("", flux), "kustomize-controller");
    shop.commit("more", &[("more.yaml", Some(&config("more", "1")))]);
    let before = shop.get("ConfigMap", "web");
    let looked = ready(reconcile::look_to_adopt(&shop.app, &BTreeSet::from([Tool::Kubectl]), shop.world()));
    let plan = looked.unwrap().unwrap().plan;
    assert!(plan.steps.is_empty(), "{plan}");
    assert!(plan.to_string().contains("is held by Flux Kustomization `apps`, which keeps it"), "{plan}");
    let only = Selection::of(["cm/other".parse::<Objects>().unwrap()]);
    let app = shop.app.clone().with_request(Request::to_adopt(only));
    let looked = ready(reconcile::look_to_adopt(&app, &BTreeSet::from([Tool::Flux]), shop.world()));
    assert!(looked.unwrap().unwrap().plan.steps.is_empty());
    assert!(adopt(&shop, &[Tool::Kubectl]).receipt.is_none());
    assert_eq!(shop.get("ConfigMap", "web"), before);
    // What nobody holds is taken whoever is named.
    shop.create(&live("", "").replace("\"web\"", "\"more\""), "somebody");
    let plan = ready(reconcile::look_to_adopt(&shop.app, &BTreeSet::new(), shop.world())).unwrap().unwrap().plan;
    assert!(plan.to_string().contains("own     ConfigMap shop/more: makes it ours"), "{plan}");
}

#[test]
fn what_a_problem_holds_back_is_not_taken() {
    let shop = shop();
    let odd = DESIRED.replace("metadata:\n", "metadata:\n  annotations: {argocd.argoproj.io/sync-wave: odd}\n");
    shop.commit("odd", &[("web.yaml", Some(&odd))]);
    shop.create(&live("", ""), "somebody");
    let plan = ready(reconcile::look_to_adopt(&shop.app, &BTreeSet::new(), shop.world())).unwrap().unwrap().plan;
    assert!(plan.steps.is_empty(), "{plan}");
    assert!(plan.to_string().contains("ConfigMap shop/web: held back by a problem"), "{plan}");
}

#[test]
fn a_field_that_a_rule_leaves_alone_stays_with_nobody_when_its_object_is_taken() {
    let mut shop = shop();
    let rules = gitops_core::value::Value::from_json(br#"[{"kind": "ConfigMap", "paths": ["data.old"]}]"#);
    shop.app.rules = gitops_core::policy::ignore::Rules::read(rules.unwrap().root()).unwrap();
    shop.apply(&live("", ""), "helm");
    adopt(&shop, &[Tool::Helm]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let synced = shop.get("ConfigMap", "web").unwrap();
    assert_eq!(data(&synced), r#"{"a":"one","old":"1"}"#);
}

/// Two applications over two folders: `shop` holds all of its folder, and `market` declares `web` by now as well.
fn two() -> (Shop, App) {
    two_of(TrackingStyle::Own)
}

fn two_of(style: TrackingStyle) -> (Shop, App) {
    let mut shop = Shop::new().pruning();
    shop.app.owner.style = style;
    shop.app.paths = Paths::under(["shop"]).unwrap();
    let both = [("shop/n.yaml", Some(NAMESPACE)), ("shop/web.yaml", Some(DESIRED)), ("shop/own.yaml", None)];
    shop.commit("first", &both);
    shop.commit("own", &[("shop/own.yaml", Some(&config("own", "1")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    let market = App::new(Owner::new("", "market").unwrap(), "main").with_namespace("shop").with_policy(policy);
    let market = market.with_paths(Paths::under(["market"]).unwrap());
    shop.commit("move", &[("shop/web.yaml", None), ("market/web.yaml", Some(DESIRED))]);
    (shop, market)
}

fn look(shop: &Shop, market: &App) -> Looked {
    ready(reconcile::look_to_transfer(market, &shop.app.owner, shop.world())).unwrap().unwrap()
}

fn is_moved(shop: &Shop, market: &App, uid: &str, about: &str) {
    let web_now = shop.get("ConfigMap", "web").expect(about);
    assert_eq!(web_now.annotation("gitops.rs/tracking-id"), Some("market:/ConfigMap:shop/web"), "{about}");
    assert_eq!((web_now.uid(), data(&web_now).as_str()), (Some(uid), r#"{"a":"one"}"#), "{about}");
    assert!(entries(&web_now).iter().all(|entry| entry.starts_with("gitops:market Apply")), "{about}");
    let (giver, taker) = (ledger(shop, &shop.app), ledger(shop, market));
    assert_eq!(giver.inventory.get(&web()), None, "{about}");
    assert_eq!(taker.inventory.get(&web()).unwrap().standing, Standing::Created, "{about}");
}

#[test]
fn a_transfer_stopped_anywhere_loses_nothing_and_called_again_comes_to_its_end() {
    let mut stops = 0;
    for (reaches, prunes) in [(false, false), (true, false), (false, true), (true, true)] {
        for effects in 0.. {
            let (shop, market) = two();
            let uid = shop.get("ConfigMap", "web").unwrap().uid().unwrap().to_owned();
            let about = format!("stopped after {effects} effects, reached: {reaches}, pruned: {prunes}");
            let mut machine = look(&shop, &market).machine(&market, shop.time.now()).unwrap();
            let mut count = 0;
            while let Some(effect) = machine.next_effect() {
                if count == effects {
                    if reaches {
                        ready(reconcile::perform(effect, &shop.cluster)).unwrap();
                    }
                    break;
                }
                count += 1;
                let event = ready(reconcile::perform(effect, &shop.cluster)).unwrap();
                machine.handle(event, shop.time.now());
            }
            let ended = machine.outcome().is_some();
            if prunes {
                // The one that gives it away has it no more in its source, and prunes: only what is still its own goes.
                let given = ledger(&shop, &market).inventory.get(&web()).is_some();
                let has_moved = shop.get("ConfigMap", "web").unwrap().annotation("gitops.rs/tracking-id")
                    == Some("market:/ConfigMap:shop/web");
                shop.sync();
                assert_eq!(shop.get("ConfigMap", "web").is_some(), has_moved, "{about}");
                if !has_moved {
                    assert!(!given || !ended, "{about}");
                    continue;
                }
            }
            let report = ready(reconcile::transfer(&market, &shop.app.owner, shop.world())).unwrap().unwrap();
            assert!(report.receipt.is_none_or(|receipt| receipt.phase == Phase::Succeeded), "{about}");
            is_moved(&shop, &market, &uid, &about);
            shop.sync();
            is_moved(&shop, &market, &uid, &about);
            if ended {
                break;
            }
            stops += 1;
            assert!(effects < 30);
        }
    }
    assert!(stops > 10, "{stops}");
}

#[test]
fn what_was_moved_is_pruned_by_its_new_application_alone() {
    let (shop, market) = two();
    ready(reconcile::transfer(&market, &shop.app.owner, shop.world())).unwrap().unwrap();
    shop.commit("more", &[("market/other.yaml", Some(&config("other", "1")))]);
    ready(reconcile::sync(&market, shop.world())).unwrap().unwrap();
    shop.commit("drop", &[("market/web.yaml", None)]);
    shop.sync();
    assert!(shop.get("ConfigMap", "web").is_some(), "it is not the old one's any more");
    ready(reconcile::sync(&market, shop.world())).unwrap().unwrap();
    assert!(shop.get("ConfigMap", "web").is_none());
    assert!(shop.get("ConfigMap", "own").is_some());
}

#[test]
fn nothing_is_taken_from_an_application_of_which_the_record_is_missing_or_in_use_or_of_another_installation() {
    let (shop, market) = two();
    for (from, why) in [
        (Owner::new("", "none").unwrap(), "was never synced"),
        (Owner::new("eu", "shop").unwrap(), "is of another installation"),
        (market.owner.clone(), "is this one"),
    ] {
        let looked = ready(reconcile::look_to_transfer(&market, &from, shop.world())).unwrap().unwrap();
        assert!(looked.plan.steps.is_empty());
        assert!(looked.problems.iter().any(|problem| problem.text.contains(why)), "{why}: {:?}", looked.problems);
    }
    shop.commit("more", &[("shop/more.yaml", Some(&config("more", "1")))]);
    let looked = ready(reconcile::look_at(&shop.app, shop.world())).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    let effect = machine.next_effect().unwrap();
    ready(reconcile::perform(effect, &shop.cluster)).unwrap();
    let looked = look(&shop, &market);
    assert!(looked.plan.steps.is_empty());
    assert!(looked.problems.iter().any(|problem| problem.text.contains("has an operation under way")));
}

#[test]
fn single_objects_are_let_go_and_the_application_goes_on() {
    let shop = shop();
    shop.commit("more", &[("more.yaml", Some(&config("more", "1")))]);
    shop.sync();
    let only = Selection::of(["ConfigMap/web".parse::<Objects>().unwrap()]);
    let app = shop.app.clone().with_request(Request::to_release(only));
    let looked = ready(reconcile::look_to_release(&app, shop.world())).unwrap().unwrap();
    let text = looked.plan.to_string();
    assert!(text.contains("Let go\n  orphan  ConfigMap shop/web: is let go, as asked"), "{text}");
    assert!(text.contains("web.yaml:1: ConfigMap shop/web: is still declared"), "{text}");
    let shown: String = looked.mendings(&app).values().map(ToString::to_string).collect();
    assert_eq!(shown, "`gitops:shop` (Apply): 3 → 0 fields\nremoves `metadata.annotations`\n",);
    let before = shop.get("ConfigMap", "web").unwrap();
    let receipt = ready(reconcile::release(&app, shop.world())).unwrap().unwrap().receipt.unwrap();
    assert_eq!((receipt.phase, &*receipt.message), (Phase::Succeeded, "letting go: 1 orphaned"));
    let after = shop.get("ConfigMap", "web").unwrap();
    assert_eq!((data(&after), after.uid()), (data(&before), before.uid()));
    assert!(after.annotation("gitops.rs/tracking-id").is_none());
    let kept = ledger(&shop, &shop.app);
    let names: Vec<&str> = kept.inventory.entries.keys().map(|key| &*key.name).collect();
    assert_eq!((names, kept.running.is_none()), (vec!["more"], true));
    assert!(kept.history.first().unwrap().partial, "it is no sync of the application");
    // It is dropped from the source: it stays, since it is nobody's.
    shop.commit("drop", &[("web.yaml", None)]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.get("ConfigMap", "web").is_some() && shop.get("ConfigMap", "more").is_some());
}

#[test]
fn an_object_of_somebody_else_is_not_let_go() {
    let shop = shop();
    shop.commit("more", &[("more.yaml", Some(&config("more", "1")))]);
    shop.apply(&live("", r#""kustomize.toolkit.fluxcd.io/name":"apps""#), "kustomize-controller");
    let only = Selection::of(["ConfigMap/web".parse::<Objects>().unwrap(), "ConfigMap/none".parse().unwrap()]);
    let app = shop.app.clone().with_request(Request::to_release(only));
    let plan = ready(reconcile::look_to_release(&app, shop.world())).unwrap().unwrap().plan;
    assert!(plan.steps.is_empty());
    let text = plan.to_string();
    assert!(text.contains("nothing on the cluster says that it is of this application"), "{text}");
    assert!(text.contains("`ConfigMap/none` was asked for"), "{text}");
}

#[test]
fn a_sibling_that_writes_argo_cds_annotation_gives_objects_by_a_transfer_only() {
    let (shop, market) = two_of(TrackingStyle::ArgoCd);
    let looked = ready(reconcile::look_to_adopt(&market, &BTreeSet::from([Tool::ArgoCd]), shop.world()));
    let plan = looked.unwrap().unwrap().plan;
    assert!(plan.steps.is_empty() && plan.to_string().contains("`gitops transfer --from shop`"), "{plan}");
    ready(reconcile::transfer(&market, &Owner::new("", "shop").unwrap(), shop.world())).unwrap().unwrap();
    let taken = shop.get("ConfigMap", "web").unwrap();
    assert_eq!(taken.annotation("gitops.rs/tracking-id"), Some("market:/ConfigMap:shop/web"));
    assert_eq!(taken.annotation("argocd.argoproj.io/tracking-id"), None);
    assert_eq!(ledger(&shop, &shop.app).inventory.get(&web()), None);
}

#[test]
fn what_an_interrupted_sync_is_about_to_create_again_is_not_forgotten_when_owners_change() {
    let shop = shop();
    shop.commit("app", &[("app.yaml", Some(&deployment("app", 1, "nginx:1")))]);
    shop.sync();
    let force = "  name: app\n  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";
    let other = deployment("app", 1, "nginx:1").replace("app: app", "app: other").replacen("  name: app\n", force, 1);
    shop.commit("selector", &[("app.yaml", Some(&other))]);
    let looked = ready(reconcile::look_at(&shop.app, shop.world())).unwrap().unwrap();
    let mut machine = looked.machine(&shop.app, shop.time.now()).unwrap();
    while shop.get("Deployment", "app").is_some() {
        assert!(machine.outcome().is_none(), "it is deleted before the end");
        let event = match machine.next_effect() {
            Some(effect) => ready(reconcile::perform(effect, &shop.cluster)).unwrap(),
            None => {
                ready(shop.time.sleep_until(machine.wake_at().unwrap())).unwrap();
                Event::Tick
            }
        };
        machine.handle(event, shop.time.now());
    }
    let only = Selection::of(["ConfigMap/web".parse::<Objects>().unwrap()]);
    let app = shop.app.clone().with_request(Request::to_release(only));
    let report = ready(reconcile::release(&app, shop.world())).unwrap().unwrap();
    assert!(report.receipt.is_none() && report.plan.steps.is_empty() && report.is_blocked());
    assert!(report.problems.iter().any(|problem| problem.text.contains("has an operation under way")));
    assert!(adopt(&shop, &[]).receipt.is_none());
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert!(shop.get("Deployment", "app").is_some());
    assert!(ready(reconcile::release(&app, shop.world())).unwrap().unwrap().receipt.is_some());
}

#[test]
fn a_hook_is_no_object_that_is_taken_or_let_go() {
    let shop = shop();
    shop.commit("hook", &[("pre.yaml", Some(&job("migrate", &[("argocd.argoproj.io/hook", "PreSync")])))]);
    let only = Selection::of(["Job/migrate".parse::<Objects>().unwrap()]);
    let app = shop.app.clone().with_request(Request::to_release(only.clone()));
    let released = ready(reconcile::look_to_release(&app, shop.world())).unwrap().unwrap().plan;
    let app = shop.app.clone().with_request(Request::to_adopt(only));
    let adopted = ready(reconcile::look_to_adopt(&app, &BTreeSet::new(), shop.world())).unwrap().unwrap().plan;
    assert!([released, adopted].iter().all(|plan| plan.to_string().contains("`Job/migrate` was asked for")));
}

#[test]
fn of_an_object_that_is_replaced_it_is_told_as_well_from_whom_it_is_taken() {
    let shop = shop();
    let replaced = "metadata:\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n";
    shop.commit("replace", &[("web.yaml", Some(&DESIRED.replace("metadata:\n", replaced)))]);
    shop.apply(&live("", ""), "kubectl");
    let looked = ready(reconcile::look_to_adopt(&shop.app, &BTreeSet::from([Tool::Kubectl]), shop.world()));
    let plan = looked.unwrap().unwrap().plan;
    assert!(plan.to_string().contains("takes it over from kubectl"), "{plan}");
}
