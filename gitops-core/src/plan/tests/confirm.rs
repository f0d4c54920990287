use std::collections::BTreeSet;
use std::sync::Arc;

use super::{World, pruning, shows};
use crate::plan::SkipReason::{self, *};
use crate::plan::{Confirmation, Plan, Request};
use crate::policy::{Share, SyncPolicy};
use crate::resource::{GroupKind, ResourceKey};
use crate::source::RevisionId;
use crate::time::Timestamp;

const STAYS: &str = "v1 ConfigMap shop/stays | synced\nv1 ConfigMap shop/stays2 | synced\n";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn yes(objects: &[&str]) -> Request {
    let objects = objects.iter().map(|text| text.parse().unwrap());
    Request::default().confirmed(Confirmation::of("ann", time("2026-03-01T12:00:00Z"), objects))
}

fn fate(plan: &Plan, key: &str) -> Option<SkipReason> {
    plan.skipped.iter().find(|skipped| skipped.key.to_string() == key).map(|skipped| skipped.reason)
}

#[test]
fn what_asks_goes_only_when_a_person_confirmed_it_by_argument_or_by_annotation() {
    let now = Request { approvals_until: Some(time("2026-03-01T12:00:00Z")), ..Request::default() };
    for (line, request, expected) in [
        ("v1 ConfigMap shop/old | extra", Request::default(), None),
        ("v1 ConfigMap shop/old options=Prune=confirm | extra", Request::default(), Some(PruneUnconfirmed)),
        ("v1 ConfigMap shop/old options=Prune=confirm | extra", yes(&[]), None),
        ("v1 ConfigMap shop/old options=Prune=confirm | extra", yes(&["ConfigMap/old"]), None),
        ("v1 ConfigMap shop/old options=Prune=confirm | extra", yes(&["ConfigMap/other"]), Some(PruneUnconfirmed)),
        ("v1 ConfigMap shop/old options=Prune=false | extra", yes(&[]), Some(PruneForbidden)),
        ("v1 ConfigMap shop/old options=Prune=confirm | extra tracked", yes(&[]), Some(NoProof)),
        ("v1 ConfigMap shop/old options=Prune=confirm approved=2026-03-01T10:00:00Z | extra", now, None),
        ("v1 ConfigMap shop/old options=Prune=confirm approved=yes | extra", yes(&[]), Some(Held)),
        ("v1 PersistentVolumeClaim shop/old | extra", Request::default(), Some(PruneUnconfirmed)),
        ("v1 PersistentVolumeClaim shop/old | extra", yes(&["PersistentVolumeClaim/old"]), None),
        ("v1 PersistentVolumeClaim shop/old prune=enabled | extra", Request::default(), None),
    ] {
        let world = World::new(&format!("{STAYS}{line}"));
        let key = line.split(' ').nth(1).unwrap();
        let plan = world.asked(&pruning(), request);
        assert_eq!(fate(&plan, &format!("{key} shop/old")), expected, "{line}: {plan}");
        assert_eq!(plan.steps.len(), usize::from(expected.is_none()), "{line}: {plan}");
    }
}

#[test]
fn what_existed_before_us_goes_only_when_a_person_named_it_or_it_says_so_itself() {
    let asked = |line: &str, request| World::new(&format!("{STAYS}{line}")).asked(&pruning(), request);
    let found = "v1 ConfigMap shop/old | extra adopted";
    let now = Request { approvals_until: Some(time("2026-03-01T12:00:00Z")), ..Request::default() };
    for (line, request, expected) in [
        (found, Request::default(), Some(Adopted)),
        // A yes to all that asks is none to this.
        (found, yes(&[]), Some(Adopted)),
        (found, yes(&["*"]), Some(Adopted)),
        (found, yes(&["ConfigMap/other"]), Some(Adopted)),
        (found, yes(&["ConfigMap/shop/old"]), None),
        (found, yes(&["*", "ConfigMap/shop/old"]), None),
        ("v1 ConfigMap shop/old approved=2026-03-01T10:00:00Z | extra adopted", now, None),
        ("v1 ConfigMap shop/old options=Prune=false | extra adopted", yes(&["ConfigMap/old"]), Some(PruneForbidden)),
        ("v1 PersistentVolumeClaim shop/old prune=enabled | extra adopted", Request::default(), Some(Adopted)),
        ("v1 ConfigMap shop/old | extra of=other", yes(&["ConfigMap/old"]), Some(NotOurs)),
    ] {
        let key = line.split(' ').nth(1).unwrap();
        let plan = asked(line, request);
        assert_eq!(fate(&plan, &format!("{key} shop/old")), expected, "{line}: {plan}");
        let (gone, confirmed) = (plan.steps.len(), plan.confirmed.len());
        assert_eq!((gone, confirmed), if expected.is_none() { (1, 1) } else { (0, 0) }, "{line}: {plan}");
    }
    let told = asked(found, yes(&[])).to_string();
    let why = "is not pruned: it existed before this application; delete it by hand, confirm it by its name \
        (`--confirm=ConfigMap/shop/old`), or set `pruneAdopted` to `yes`";
    assert!(told.contains(why), "{told}");
    let told = asked(found, yes(&["ConfigMap/shop/old"])).to_string();
    assert!(told.contains("deletion confirmed by ann") && !told.contains("awaits a confirmation"), "{told}");
}

#[test]
fn an_approval_counts_once_and_a_policy_protects_other_kinds() {
    let old = "v1 ConfigMap shop/old options=Prune=confirm approved=2026-03-01T10:00:00Z | extra";
    let world = World::new(&format!("{STAYS}{old}"));
    let now = Some(time("2026-03-01T12:00:00Z"));
    let after = |at| Request { approvals_after: Some(time(at)), approvals_until: now, ..Request::default() };
    let timeless = world.asked(&pruning(), Request { approvals_until: None, ..after("2026-03-01T09:00:00Z") });
    assert_eq!(
        fate(&timeless, "ConfigMap shop/old"),
        Some(PruneUnconfirmed),
        "nobody knows whether it is in the future"
    );
    assert_eq!(world.asked(&pruning(), after("2026-03-01T09:00:00Z")).steps.len(), 1);
    let stale = world.asked(&pruning(), after("2026-03-01T11:00:00Z"));
    assert_eq!(fate(&stale, "ConfigMap shop/old"), Some(PruneUnconfirmed), "it was given for another operation");

    let until = |at| Request { approvals_until: Some(time(at)), ..Request::default() };
    assert_eq!(world.asked(&pruning(), until("2026-03-01T10:00:00Z")).steps.len(), 1);
    let early = world.asked(&pruning(), until("2026-03-01T09:59:59Z"));
    assert_eq!(fate(&early, "ConfigMap shop/old"), Some(PruneUnconfirmed), "a date in the future would count for ever");
    let same = world.asked(&pruning(), after("2026-03-01T10:00:00Z"));
    assert_eq!(fate(&same, "ConfigMap shop/old"), Some(PruneUnconfirmed), "the operation may have followed it");

    let mut policy = pruning();
    policy.protected = BTreeSet::from([GroupKind::new("", "Secret")]);
    let world = World::new(&format!(
        "{STAYS}v1 Secret shop/old | extra\nv1 PersistentVolumeClaim shop/old | extra\nv1 Namespace old | extra"
    ));
    let plan = world.asked(&policy, Request::default());
    assert_eq!(fate(&plan, "Secret shop/old"), Some(PruneUnconfirmed));
    assert_eq!(fate(&plan, "Namespace old"), Some(PruneUnconfirmed), "rule 31 asks in any case");
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn a_namespace_says_what_dies_with_it_and_a_plan_says_who_confirmed_it() {
    let world = World::new(&format!("{STAYS}v1 Namespace old | extra\nv1 ConfigMap old/a | extra"));
    let key = |kind, name| ResourceKey::new("", kind, "old", name);
    let mut request = yes(&["Namespace/old"]);
    let dying =
        [key("ConfigMap", "a"), key("ConfigMap", "b"), key("Secret", "x"), key("Secret", "y"), key("Secret", "z")];
    request.contents.insert(ResourceKey::new("", "Namespace", None, "old"), dying.into());
    shows(
        &world.asked(&pruning(), request.clone()),
        "
        Namespace old: deletion confirmed by ann at 2026-03-01T12:00:00Z
        Sync, once all is healthy
          delete  ConfigMap old/a: not declared any more
          delete  Namespace old: not declared any more; all that is in it goes too
        problems
          warning: Namespace old: is a Namespace: everything in it is deleted with it; 4 objects that are not in this plan die with it: `ConfigMap old/b`, `Secret old/x`, `Secret old/y` and 1 more
        ",
    );
    request.confirmations.clear();
    shows(
        &world.asked(&pruning(), request),
        "
        Sync, once all is healthy
          delete  ConfigMap old/a: not declared any more
        left alone
          Namespace old: not declared any more; pruning it must be confirmed
        problems
          note: Namespace old: is not pruned: whatever is in it would be deleted with it; 4 objects that are not in this plan die with it: `ConfigMap old/b`, `Secret old/x`, `Secret old/y` and 1 more; confirm it (`--confirm`), or set its annotation `gitops.rs/prune` to `enabled`
        ",
    );
}

#[test]
fn an_older_revision_prunes_nothing_without_a_yes() {
    let world = World::new(&format!("{STAYS}v1 ConfigMap shop/old | extra\nv1 ConfigMap shop/new | missing"));
    let older = |request: Request| Request { newer: Some(RevisionId::new("abc")), ..request };
    shows(
        &world.asked(&pruning(), older(Request::default())),
        "
        Sync, wave 0
          create  ConfigMap shop/new: is missing
        left alone
          ConfigMap shop/old: not declared by this revision, which is older than the one synced last
        problems
          error: nothing is pruned: this revision is older than `abc`, which was synced last; sync the newer one, or confirm what is to go (`--confirm`)
        ",
    );
    assert_eq!(world.asked(&pruning(), older(yes(&["ConfigMap/old"]))).steps.len(), 2);
}

#[test]
fn no_more_workloads_restart_than_the_budget_and_the_others_wait() {
    let world = World::new(
        "
        apps/v1 Deployment shop/a wave=1 | template
        apps/v1 Deployment shop/b | template
        apps/v1 StatefulSet shop/c | template
        apps/v1 DaemonSet shop/d | differs
        v1 ConfigMap shop/after needs=apps/namespaces/shop/Deployment/a | differs
        batch/v1 Job shop/check hook=PostSync | hook
        batch/v1 Job shop/failed hook=SyncFail | hook
        ",
    );
    let plan = |budget: &str| {
        let policy = SyncPolicy { rollout_budget: Some(budget.parse::<Share>().unwrap()), ..SyncPolicy::default() };
        world.plan(&policy)
    };
    shows(
        &plan("50%"),
        "
        Sync, wave 0
          apply   apps/DaemonSet shop/d: differs
          apply   apps/Deployment shop/b: differs; restarts what runs
          apply   apps/StatefulSet shop/c: differs; restarts what runs
        SyncFail, wave 0, only if something fails
          run     batch/Job shop/failed: hook
        left alone
          ConfigMap shop/after: must follow an object that is held back
          apps/Deployment shop/a: waits for the next sync: this one may restart no more
          batch/Job shop/check: waits for the next sync: this one may restart no more
        ",
    );
    assert!(plan("50%").is_partial() && !plan("3").is_partial());
    assert_eq!(plan("3").steps.len(), 7);
    assert!(plan("0").steps.iter().all(|step| step.impact != crate::plan::Impact::Restarts));
}

/// What takes the budget must be able to use it: else it would be put off, and what it needs as well, for ever.
#[test]
fn a_budget_goes_to_what_others_need_first_and_last_to_what_would_be_refused() {
    for (lines, order) in [
        // The key of what is needed comes later; so does its wave.
        (vec!["Deployment shop/app needs=DB", "StatefulSet shop/db"], vec!["db", "app"]),
        (vec!["Deployment shop/app needs=DB", "StatefulSet shop/db wave=2"], vec!["db", "app"]),
        // Through an object that does not restart, and through a group.
        (
            vec!["Deployment shop/app needs=/namespaces/shop/ConfigMap/mid", "MID needs=DB", "StatefulSet shop/db"],
            vec!["db", "app"],
        ),
        (
            vec![
                "Deployment shop/app rule=upsert_after_upserting_example.org/db",
                "StatefulSet shop/db group=example.org/db",
            ],
            vec!["db", "app"],
        ),
        (vec!["Deployment shop/a REFUSED", "Deployment shop/b", "Deployment shop/c"], vec!["b", "c", "a"]),
        (vec!["Deployment shop/a needs=DB", "Deployment shop/z", "StatefulSet shop/db REFUSED"], vec!["z", "db", "a"]),
        // What is held back takes no place.
        (vec!["Deployment shop/a needs=/namespaces/shop/ConfigMap/held", "HELD", "Deployment shop/b"], vec!["b"]),
    ] {
        let text = |line: &&str| match line.strip_prefix("MID ") {
            Some(rest) => format!("v1 ConfigMap shop/mid {rest} | synced"),
            None if *line == "HELD" => "v1 ConfigMap shop/held | held".to_owned(),
            None => format!("apps/v1 {} | template", line.trim_end_matches(" REFUSED")),
        };
        let text: Vec<String> = lines.iter().map(text).collect();
        let text = text.join("\n").replace("DB", "apps/namespaces/shop/StatefulSet/db");
        let mut world = World::new(&text);
        for line in lines.iter().filter_map(|line| line.strip_suffix(" REFUSED")) {
            let name = line.split(['/', ' ']).nth(2).unwrap();
            let key = world.comparison.entries.iter().find(|(key, _)| &*key.name == name).unwrap().0.clone();
            let compared = crate::diff::Compared::clone(world.comparison.get(&key).unwrap());
            let notes = [crate::diff::Note::Immutable(vec!["spec.selector".into()])].into();
            world.comparison.entries.insert(key, Arc::new(crate::diff::Compared { notes, ..compared }));
        }
        let policy = SyncPolicy { rollout_budget: Some("1".parse::<Share>().unwrap()), ..SyncPolicy::default() };
        let mut went: Vec<String> = Vec::new();
        for _ in 0..4 {
            let plan = world.plan(&policy);
            let steps = plan.steps.iter().filter(|step| step.key.group() == "apps");
            let now: Vec<ResourceKey> = steps.map(|step| step.key.clone()).collect();
            assert!(now.len() <= 1, "{lines:?}: {plan}");
            for key in now {
                went.push(key.name.to_string());
                let done = World::in_sync(&world, &key);
                world.comparison.entries.insert(key, done);
            }
        }
        assert_eq!(went, order, "{lines:?}");
    }
}
