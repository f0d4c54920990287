//! Deleting an application, and the deletions that a person must confirm.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config, deployment};

const OTHER: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: old\n";

fn synced() -> World {
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("old.yaml", OTHER),
        ("config.yaml", &config("web", "greeting: hello")),
        ("web.yaml", &deployment(2, "nginx:1.26")),
    ]);
    world.gitops("sync").exits(0);
    world
}

#[test]
fn an_application_is_deleted_when_it_is_confirmed_and_its_namespaces_too() {
    let world = synced();
    let before = world.state();
    let plan = world.gitops("delete --confirm --dry-run").exits(1);
    assert!(plan.contains("Delete\n  delete  apps/Deployment shop/web: its application is deleted"), "{plan}");
    let asks = world.gitops("delete --yes").exits(2);
    assert!(
        asks.contains("Namespace shop: nothing is deleted: all that is in this Namespace would go with it"),
        "{asks}"
    );
    assert!(asks.contains("confirm it (`gitops delete --confirm`)"), "{asks}");
    assert!(world.gitops("delete --confirm=ns/shop --yes").exits(2).contains("Namespace old: nothing is deleted"));
    let error = world.gitops("delete --confirm").refuses();
    assert!(error.contains("the deletion was not confirmed; say `--yes`"), "{error}");
    assert_eq!(world.state(), before, "nothing was touched");

    let done = world.gitops("delete --confirm --yes").exits(0);
    assert!(
        done.contains("deleted  apps/Deployment shop/web") && done.ends_with("application shop is deleted\n"),
        "{done}"
    );
    let left = world.gitops("cluster get").exits(0);
    assert!(!left.contains("shop") && !left.contains("gitops.shop"), "{left}");
    assert!(world.gitops("history").refuses().contains("was never synced"));
    assert!(
        world
            .gitops("delete --yes")
            .refuses()
            .contains("was never synced to this cluster, so there is nothing to delete")
    );
    world.gitops("sync").exits(0);
}

#[test]
fn a_namespace_is_pruned_when_it_is_confirmed_and_the_plan_counts_what_dies_with_it() {
    let world = synced();
    let foreign = config("foreign", "a: one").replace("namespace: shop", "namespace: old");
    std::fs::write(world.inner("foreign.yaml"), foreign).unwrap();
    world.gitops("cluster apply ../foreign.yaml").exits(0);
    world.remove("old.yaml");
    world.commit("Drop a namespace");
    let plan = world.gitops("plan --prune").exits(0);
    assert!(plan.contains("1 object that is not in this plan dies with it: `ConfigMap old/foreign`"), "{plan}");
    assert!(plan.contains("Namespace old: not declared any more; pruning it must be confirmed"), "{plan}");
    let plan = world.gitops("plan --prune --confirm=ns/old -o ../plan.json").exits(1);
    assert!(plan.contains("Namespace old: deletion confirmed by ann at "), "{plan}");
    let late = config("late", "a: one").replace("namespace: shop", "namespace: old");
    std::fs::write(world.inner("late.yaml"), late).unwrap();
    world.gitops("cluster apply ../late.yaml").exits(0);
    let stale = world.gitops("sync --plan ../plan.json").refuses();
    let why = "Namespace old: more would die with it than was approved: `ConfigMap old/late`; plan and approve anew";
    assert!(stale.contains(why), "{stale}");
    world.gitops("cluster delete cm/late -n old").exits(0);
    let done = world.gitops("sync --plan ../plan.json").exits(0);
    assert!(done.contains("deleted  Namespace old"), "{done}");
}

#[test]
fn an_older_revision_prunes_nothing_unless_it_is_confirmed() {
    let world = synced();
    let first = world.git(&["rev-parse", "HEAD"]);
    world.change("more.yaml", &config("more", "a: one"), "Add more");
    world.gitops("sync").exits(0);
    let back = world.run(&["sync", "--prune", "--revision", &first]);
    assert!(back.out.contains("nothing is pruned: this revision is older than"), "{}", back.out);
    assert!(back.exits(2).contains("ConfigMap more"));
    let done = world.run(&["sync", "--prune", "--confirm=cm/more", "--revision", &first]).exits(0);
    assert!(done.contains("deleted  ConfigMap shop/more"), "{done}");
}

#[test]
fn workloads_beyond_the_budget_wait_for_the_next_sync() {
    let world = synced();
    let api = deployment(1, "nginx:1.26").replace("name: web\n  namespace", "name: api\n  namespace");
    world.change("api.yaml", &api, "Add an API");
    world.gitops("sync").exits(0);
    world.write("api.yaml", &api.replace("1.26", "1.27"));
    world.change("web.yaml", &deployment(2, "nginx:1.27"), "Move to 1.27");
    let first = world.gitops("sync --rollout-budget 1").exits(1);
    assert!(
        first.contains("changed  apps/Deployment shop/api") && !first.contains("changed  apps/Deployment shop/web"),
        "{first}"
    );
    let second = world.gitops("sync --rollout-budget 50%").exits(0);
    assert!(second.contains("changed  apps/Deployment shop/web"), "{second}");
    assert!(world.gitops("plan --rollout-budget half").refuses().contains("write it as a number such as `3`"));
}

#[test]
fn an_application_ends_and_its_objects_stay_where_that_is_asked_for() {
    let world = synced();
    let before = world.gitops("cluster get cm/web -n shop -o yaml").exits(0);
    assert!(before.contains("gitops.rs/tracking-id"), "{before}");
    let plan = world.gitops("delete --orphan --dry-run").exits(1);
    assert!(plan.starts_with("Let go\n  orphan  ConfigMap shop/web: its application is deleted"), "{plan}");
    assert!(world.gitops("delete --orphan").refuses().contains("say `--yes`"));
    let error = world.gitops("delete --orphan --propagation orphan --yes");
    assert!(error.err.contains("cannot be used with"), "{}", error.err);
    let done = world.gitops("delete --orphan --yes").exits(0);
    assert!(done.starts_with("Let go\n  orphaned  ConfigMap shop/web"), "{done}");
    assert!(done.ends_with("application shop is ended, and its objects stay\n"), "{done}");
    let live = world.gitops("cluster get cm/web -n shop -o yaml --show-managed-fields").exits(0);
    assert!(live.contains("greeting: hello") && !live.contains("gitops"), "{live}");
    assert!(world.gitops("history").refuses().contains("was never synced"));
    // Wanted again, they are adopted; and what was adopted is not pruned.
    let text = world.gitops("sync").exits(0);
    assert!(text.contains("changed  ConfigMap shop/web"), "{text}");
}

#[test]
fn what_was_there_before_is_pruned_once_a_person_names_it_also_by_a_stored_plan() {
    let world = synced();
    let foreign = config("foreign", "a: one");
    std::fs::write(world.inner("foreign.yaml"), &foreign).unwrap();
    world.gitops("cluster apply ../foreign.yaml").exits(0);
    world.change("foreign.yaml", &foreign, "Adopt it");
    world.gitops("sync").exits(0);
    world.remove("foreign.yaml");
    world.commit("Drop it");
    let told = world.gitops("sync --prune --confirm").exits(1);
    assert!(told.contains("not declared any more; it existed before us"), "{told}");
    let told = world.gitops("plan --prune --confirm=cm/foreign -o ../plan.json").exits(1);
    assert!(told.contains("ConfigMap shop/foreign: deletion confirmed by ann at "), "{told}");
    let told = world.gitops("sync --plan ../plan.json").exits(0);
    assert!(told.contains("deleted  ConfigMap shop/foreign"), "{told}");
}

#[test]
fn a_confirmation_of_what_awaits_none_is_told() {
    let world = synced();
    world.remove("old.yaml");
    world.commit("Drop a namespace");
    let told = world.gitops("plan --prune --confirm=ns/odl").exits(0);
    let typo = "warning: `Namespace/odl` was confirmed, and nothing of that name awaits a confirmation";
    assert!(told.contains(typo), "{told}");
    let told = world.gitops("sync --prune --confirm=ns/odl").out;
    assert!(told.contains("`Namespace/odl` was confirmed, and nothing of that name awaits a confirmation"), "{told}");
    let told = world.gitops("sync --prune --confirm=ns/old").exits(0);
    assert!(told.contains("deleted  Namespace old") && !told.contains("awaits a confirmation"), "{told}");
    let told = world.gitops("delete --confirm --confirm=ns/shpo --dry-run").exits(1);
    assert!(told.contains("`Namespace/shpo` was confirmed, and nothing of that name"), "{told}");
}

#[test]
fn a_deletion_that_is_stopped_says_so_in_its_own_words() {
    let world = synced();
    let told = world.gitops("delete --yes").exits(2);
    assert!(told.contains("ConfigMap shop/web: stays: a guard stopped its deletion"), "{told}");
    assert!(!told.contains("prun") && !told.contains("not declared any more"), "{told}");
    let foreign = config("foreign", "a: one");
    std::fs::write(world.inner("foreign.yaml"), &foreign).unwrap();
    world.gitops("cluster apply ../foreign.yaml").exits(0);
    world.change("foreign.yaml", &foreign, "Adopt it");
    world.gitops("sync").exits(0);
    let told = world.gitops("delete --confirm --confirm=cm/foreign --dry-run").exits(1);
    assert!(told.contains("delete  ConfigMap shop/foreign"), "{told}");
    let told = world.gitops("delete --confirm --yes").exits(0);
    assert!(told.contains("kept  ConfigMap shop/foreign: existed before us"), "{told}");
    assert!(told.contains("Namespace shop: stays: the Namespace holds objects that stay"), "{told}");
    assert!(!told.contains("prun") && !told.contains("not declared any more"), "{told}");
}

#[test]
fn a_sync_tells_what_kept_it_from_pruning() {
    let world = synced();
    let first = world.git(&["rev-parse", "HEAD"]);
    world.write("more.yaml", &config("more", "a: one"));
    world.change("config.yaml", &config("web", "greeting: hi"), "Add more, and greet");
    world.gitops("sync").exits(0);
    let plan = world.run(&["plan", "--prune", "--revision", &first]).exits(2);
    assert!(plan.contains("nothing is pruned: this revision is older than"), "{plan}");
    let done = world.run(&["sync", "--prune", "--revision", &first]).exits(2);
    assert!(done.contains("changed  ConfigMap shop/web"), "{done}");
    assert!(done.contains("nothing is pruned: this revision is older than"), "{done}");
}
