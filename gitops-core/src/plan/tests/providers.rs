//! Providers come before what needs them, and go after it, whatever state either is in.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::laws::{finished_before, is_delete, is_own, lines, raised, yes};
use super::{World, edges};
use crate::diff::Compared;
use crate::plan::{Action, Plan, Reason, Request, Selection, SkipReason, Step};
use crate::policy::{self, Phase, SyncPolicy};
use crate::resource::{Resource, ResourceKey};

/// Why one object needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bond {
    /// Its annotation names it.
    Named,
    /// It is of the kind that the other defines.
    Defined,
    /// It lives in the other.
    Held,
    /// The API server calls the other for it: a service, or a workload behind one.
    Answered,
}

/// How one object needs another, if it does.
fn bond(object: &Resource, on: &Resource, services: &[&Resource]) -> Option<Bond> {
    let (key, other) = (object.key(), on.key());
    let calls = called(object);
    let is_called = |service: &Resource| {
        let key = service.key();
        key.is("", "Service") && calls == Some((key.namespace.as_deref().unwrap_or_default(), &*key.name))
    };
    let is_behind = |service: &&&Resource| {
        is_called(service) && service.key().namespace == other.namespace && selects(service) && is_selected(on)
    };
    if policy::options(object).0.depends_on.contains(other) {
        Some(Bond::Named)
    } else if other.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        (key.kind() == format!("W{}", other.name)).then_some(Bond::Defined)
    } else if other.is("", "Namespace") {
        (key.namespace.as_ref() == Some(&other.name)).then_some(Bond::Held)
    } else {
        (is_called(on) || services.iter().any(|service| is_behind(&service))).then_some(Bond::Answered)
    }
}

fn called(webhook: &Resource) -> Option<(&str, &str)> {
    let hook = webhook.tree().get("webhooks")?.as_list()?.into_iter().next()?;
    let service = hook.dig(&["clientConfig", "service"])?;
    Some((service.get("namespace")?.as_str()?, service.get("name")?.as_str()?))
}

fn selects(service: &Resource) -> bool {
    service.tree().dig(&["spec", "selector", "app"]).is_some()
}

fn is_selected(workload: &Resource) -> bool {
    workload.tree().dig(&["spec", "template", "metadata", "labels", "app"]).is_some()
}

impl World {
    /// Some of what is there is unwell.
    fn unwell(&self, pick: u64) -> Vec<ResourceKey> {
        let live = self.comparison.entries.iter().filter(|(_, compared)| compared.live.is_some());
        live.enumerate().filter(|(at, _)| pick >> (at % 64) & 1 == 1).map(|(_, (key, _))| key.clone()).collect()
    }

    fn live(&self, key: &ResourceKey) -> Option<&Resource> {
        self.comparison.get(key).and_then(|compared: &Compared| compared.live.as_ref())
    }

    /// What a step writes, or what it deletes.
    fn object_of(&self, step: &Step) -> &Resource {
        match is_delete(step) {
            true => self.live(&step.key).unwrap(),
            false => &self.desired.declared[&step.key].resource,
        }
    }
}

fn left_alone(plan: &Plan) -> BTreeMap<&ResourceKey, SkipReason> {
    plan.skipped.iter().map(|skipped| (&skipped.key, skipped.reason)).collect()
}

/// What has a step although what it needs is not ready, and why; empty if the law holds.
fn unready(world: &World, plan: &Plan, request: &Request) -> Vec<String> {
    let (before, left) = (finished_before(plan), left_alone(plan));
    let services: Vec<&Resource> = world.desired.declared.values().map(|declared| &declared.resource).collect();
    let mut wrong = Vec::new();
    let writes = |step: &&Step| step.phase != Phase::SyncFail && !is_delete(step) && step.action != Action::Await;
    for step in plan.steps.iter().filter(writes) {
        for (key, declared) in world.desired.declared.iter().filter(|(key, _)| **key != step.key) {
            let Some(bond) = bond(world.object_of(step), &declared.resource, &services) else { continue };
            let is_later = bond == Bond::Answered && declared.options.wave > step.wave;
            // A hook is ordered by phase and wave; only who names it is told so.
            if is_later || !declared.options.is_resource() && bond != Bond::Named {
                continue;
            }
            let last = plan.steps.iter().rfind(|other| other.key == *key && other.reason != Reason::Hook);
            let fine = match (last, left.get(key)) {
                (Some(last), _) => {
                    let found = before[step.id.0 as usize].get(&last.id.0);
                    let is_circle = || before[last.id.0 as usize].contains_key(&step.id.0);
                    match bond {
                        Bond::Held => found.is_some(),
                        Bond::Answered if last.phase > step.phase => true,
                        Bond::Answered if last.key.is("", "Service") => found.is_some() || is_circle(),
                        Bond::Answered => found == Some(&true) || found.is_some() && is_own(last) || is_circle(),
                        Bond::Named | Bond::Defined => found == Some(&true) || found.is_some() && is_own(last),
                    }
                }
                _ if !declared.options.is_resource() => false,
                (None, Some(reason)) if reason.passes() => false,
                (None, Some(SkipReason::NotOurs | SkipReason::NotAdopted)) => bond != Bond::Named,
                // That a service is unwell is no matter of who is called.
                (None, _) => {
                    let must_be_well = bond != Bond::Held && !key.is("", "Service");
                    world.live(key).is_some() && !(must_be_well && request.unwell.contains(key))
                }
            };
            if !fine {
                wrong.push(format!("{step} needs `{key}` ({bond:?}, {:?})\n{plan}", left.get(key)));
            }
        }
    }
    wrong
}

/// What is deleted although something that stays, or goes later, needs it; empty if the law holds.
fn missed(world: &World, plan: &Plan, declared_stay: bool) -> Vec<String> {
    let (before, left) = (finished_before(plan), left_alone(plan));
    let goes = |reason: SkipReason| {
        matches!(
            reason,
            SkipReason::Terminating | SkipReason::NotOurs | SkipReason::OwnedByAnother | SkipReason::SameObject
        )
    };
    let kept = left.iter().filter(|(_, reason)| !goes(**reason)).filter_map(|(key, _)| world.live(key));
    let declared = world.desired.declared.values().filter(|declared| declared_stay && declared.options.is_resource());
    let stay: Vec<&Resource> = kept.chain(declared.map(|declared| &declared.resource)).collect();
    let deletes: Vec<&Step> = plan.steps.iter().filter(|step| is_delete(step)).collect();
    let going: Vec<&Resource> = deletes.iter().map(|step| world.object_of(step)).collect();
    let services: Vec<&Resource> = stay.iter().chain(&going).copied().collect();
    let serves = |object: &&&Resource| is_selected(object);
    // What these ask for wins over what is only found in the content.
    let has_rules = going.iter().any(|object| !policy::options(object).0.change_rules.is_empty());
    let mut wrong = Vec::new();
    for (step, object) in deletes.iter().zip(&going).filter(|(step, _)| step.reason != Reason::Terminating) {
        let is_replaced = stay.iter().filter(serves).any(|other| other.key().namespace == object.key().namespace);
        for other in &stay {
            let bond = bond(other, object, &services);
            if bond.is_some() && !(bond == Some(Bond::Answered) && is_replaced && !object.key().is("", "Service")) {
                wrong.push(format!("{step}, and {} stays, which needs it ({bond:?})\n{plan}", other.key()));
            }
        }
        for (later, other) in deletes.iter().zip(&going).filter(|(later, _)| later.id != step.id) {
            let is_needed = bond(other, object, &services).is_some();
            let is_before = before[step.id.0 as usize].contains_key(&later.id.0);
            if is_needed && !is_before && !reaches(object, other, &going) && !has_rules {
                wrong.push(format!("{step} before {later}, which needs it\n{plan}"));
            }
        }
    }
    wrong
}

/// Whether an object needs another one, directly or not: then what is only found in their content gives way.
fn reaches(object: &Resource, other: &Resource, all: &[&Resource]) -> bool {
    let (mut found, mut due) = (vec![object], vec![object]);
    while let Some(at) = due.pop() {
        for on in all.iter().copied().filter(|on| bond(at, on, all).is_some()) {
            if !found.iter().any(|known| known.key() == on.key()) {
                found.push(on);
                due.push(on);
            }
        }
    }
    found.iter().any(|known| known.key() == other.key()) && object.key() != other.key()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_written_before_what_it_needs_is_ready(lines in lines(), pick in any::<u64>(), partial in any::<bool>()) {
        let world = World::new(&lines.join("\n"));
        let only = ["ConfigMap", "Deployment.apps", "ValidatingWebhookConfiguration.admissionregistration.k8s.io"];
        let only = Selection::of(only.iter().filter(|_| partial).map(|kind| kind.parse().unwrap()));
        let request = Request { unwell: world.unwell(pick).into_iter().collect(), ..Request::default().with_only(only) };
        let plan = world.asked(&raised(), request.clone());
        let wrong = unready(&world, &plan, &request);
        prop_assert!(wrong.is_empty(), "{}", wrong[0]);
    }

    #[test]
    fn nothing_is_deleted_before_what_needs_it_is_gone_nor_while_that_stays(lines in lines(), confirmed in any::<bool>()) {
        let world = World::new(&lines.join("\n"));
        let asked = |request: Request| if confirmed { yes(request) } else { request };
        let plan = world.asked(&raised(), asked(Request::default()));
        let wrong = missed(&world, &plan, true);
        prop_assert!(wrong.is_empty(), "{}", wrong[0]);
        let plan = world.asked(&SyncPolicy::default(), asked(Request::to_delete()));
        let wrong = missed(&world, &plan, false);
        prop_assert!(wrong.is_empty(), "{}", wrong[0]);
    }
}

/// What is deleted, and what stays for the sake of something else.
fn pruned(world: &str) -> (Vec<String>, Vec<String>) {
    let plan = World::new(world).plan(&raised());
    let name = |key: &ResourceKey| key.name.to_string();
    let goes = plan.steps.iter().filter(|step| is_delete(step)).map(|step| name(&step.key)).collect();
    let guarded = plan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Guarded);
    (goes, guarded.map(|skipped| name(&skipped.key)).collect())
}

#[test]
fn what_an_object_that_stays_names_is_not_pruned_nor_what_that_names() {
    let world = |kept: &str| {
        format!(
            "
            v1 ConfigMap shop/declared | synced
            v1 ConfigMap shop/kept {kept} needs=/namespaces/shop/ConfigMap/db | extra
            v1 ConfigMap shop/db needs=/namespaces/shop/ConfigMap/disk | extra
            v1 ConfigMap shop/disk | extra
            v1 ConfigMap shop/free | extra
            "
        )
    };
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(pruned(&world("options=Prune=false")), (texts(&["free"]), texts(&["db", "disk"])));
    assert_eq!(pruned(&world("wave=0")), (texts(&["free", "kept", "db", "disk"]), texts(&[])));
    let plan = World::new(&world("options=Prune=false")).plan(&raised());
    let told = plan.problems.iter().map(ToString::to_string).find(|told| told.contains("ConfigMap shop/db")).unwrap();
    assert!(told.contains("is not pruned: `ConfigMap shop/kept`, which stays, needs it; remove that first"), "{told}");
}

#[test]
fn what_the_api_server_calls_for_a_webhook_that_stays_is_pruned_only_where_another_workload_answers() {
    let world = |webhook: &str, more: &str| {
        format!(
            "
            v1 ConfigMap shop/declared | synced
            admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration guard calls=shop/svc {webhook}
            v1 Service shop/svc selects=web | extra
            apps/v1 Deployment shop/old labels=web | extra
            {more}
            "
        )
    };
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let new = "apps/v1 Deployment shop/new labels=web | synced";
    for webhook in ["| synced", "options=Prune=false | extra"] {
        assert_eq!(pruned(&world(webhook, "")), (vec![], texts(&["svc", "old"])), "{webhook}");
        assert_eq!(pruned(&world(webhook, new)), (texts(&["old"]), texts(&["svc"])), "{webhook}");
    }
    assert_eq!(pruned(&world("| extra", "")), (texts(&["guard", "old", "svc"]), vec![]));
}

#[test]
fn a_webhook_is_held_back_with_what_answers_for_it() {
    let world = |service: &str, workload: &str, wave: &str| {
        format!(
            "
            admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration guard calls=shop/svc | missing
            v1 Service shop/svc selects=web | {service}
            apps/v1 Deployment shop/web labels=web wave={wave} | {workload}
            "
        )
    };
    for (service, workload, wave, is_held) in [
        ("missing", "missing", "0", false),
        ("missing", "held", "0", true),
        ("held", "synced", "0", true),
        ("synced", "unreadable", "0", true),
        // Somebody wants the webhook first.
        ("missing", "held", "1", false),
    ] {
        let plan = World::new(&world(service, workload, wave)).plan(&raised());
        let reason = left_alone(&plan).into_iter().find(|(key, _)| &*key.name == "guard").map(|(_, reason)| reason);
        assert_eq!(reason, is_held.then_some(SkipReason::FollowsHeld), "{service} {workload} {wave}: {plan}");
    }
    let only = |text: &str| Request::default().with_only(Selection::of([text.parse().unwrap()]));
    for (service, expected) in [("missing", Some(SkipReason::FollowsNotSelected)), ("differs", None)] {
        let world = World::new(&world(service, "synced", "0"));
        let plan = world.asked(&raised(), only("ValidatingWebhookConfiguration.admissionregistration.k8s.io/guard"));
        let reason = left_alone(&plan).into_iter().find(|(key, _)| &*key.name == "guard").map(|(_, reason)| reason);
        assert_eq!(reason, expected, "{service}: {plan}");
    }
}

/// Nothing is written to what is created once, or left out; what needs it waits all the same.
#[test]
fn what_is_unwell_is_waited_for_by_what_names_it_also_where_nothing_is_written_to_it() {
    let world = |options: &str| {
        World::new(&format!(
            "
            apps/v1 Deployment shop/bad {options} | differs
            v1 ConfigMap shop/x needs=apps/namespaces/shop/Deployment/bad | missing
            "
        ))
    };
    let bad = ResourceKey::new("apps", "Deployment", "shop", "bad");
    let only = Selection::of(["ConfigMap/x".parse().unwrap()]);
    for (options, request) in [
        ("ssa=IfNotPresent", Request::default()),
        ("wave=0", Request::default().with_only(only)),
        ("wave=0", Request { resting: [bad.clone()].into(), ..Request::default() }),
    ] {
        let request = Request { unwell: [bad.clone()].into(), ..request };
        let plan = world(options).asked(&raised(), request);
        assert_eq!(edges(&plan), ["bad <- ", "x <- bad healthy"], "{options}: {plan}");
    }
}

#[test]
fn a_webhook_is_held_with_its_service_also_where_that_is_there_and_unwell() {
    for pick in [8_617_525_712_669_290_752, 0, u64::MAX] {
        let world = World::new(
            "
            admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration n0 wave=0 calls=n2/n1 | missing
            v1 ConfigMap n0/n0 wave=0 | synced
            v1 ConfigMap n0/n1 wave=0 | terminating
            v1 ConfigMap n0/n2 wave=0 | synced
            v1 ConfigMap n1/n0 wave=0 | synced
            v1 ConfigMap n1/n1 wave=0 | synced
            v1 ConfigMap n2/n0 wave=0 | terminating
            v1 Namespace n0 wave=1 | differs
            v1 Secret n0/n0 wave=0 | extra
            v1 Service n2/n1 wave=0 needs=/namespaces/n2/ConfigMap/n1 options=Prune=false | synced
            ",
        );
        let request = Request { unwell: world.unwell(pick).into_iter().collect(), ..Request::default() };
        let plan = world.asked(&raised(), request);
        let calls = |step: &Step| step.key.kind() == "ValidatingWebhookConfiguration";
        assert!(!plan.steps.iter().any(calls), "{pick} {plan}");
    }
}
