//! Plans that are stored, reviewed, and carried out later: exactly as they are, or not at all.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use support::{NAMESPACE, World, config, deployment};

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\n  namespace: shop\nstringData:\n  token: hunter2\n";

fn shop() -> World {
    World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("config.yaml", &config("web", "greeting: hello")),
        ("key.yaml", SECRET),
        ("web.yaml", &deployment(2, "nginx:1.26")),
    ])
}

/// A synced shop with a change, an addition and a removal that are not synced yet.
fn changed() -> World {
    let world = shop();
    world.gitops("sync").exits(0);
    world.write("config.yaml", &config("web", "greeting: good day"));
    world.write("more.yaml", &config("more", "a: one"));
    world.remove("key.yaml");
    world.commit("Change the shop");
    world
}

fn plan_file(world: &World) -> String {
    fs::read_to_string(world.inner("plan.json")).unwrap()
}

#[test]
fn a_plan_is_stored_for_review_and_a_sync_does_exactly_that() {
    let world = shop();
    let text = world.gitops("plan -o ../plan.json").exits(1);
    let json: serde_json::Value = serde_json::from_str(&plan_file(&world)).unwrap();
    let digest = json["digest"].as_str().unwrap().get(..16).unwrap();
    assert!(text.contains("create  Namespace shop: is missing"), "{text}");
    assert!(text.ends_with(&format!("plan {digest} is in ../plan.json\n")), "{text}");
    assert!(!plan_file(&world).contains("hunter2") && !plan_file(&world).contains("aHVudGVyMg"), "no secret in a plan");
    assert_eq!(world.state(), None, "a plan writes nothing");

    // What is committed later is not in the plan, so it is not done.
    world.change("late.yaml", &config("late", "a: one"), "Come late");
    let done = world.gitops("sync --plan ../plan.json").exits(0);
    assert!(done.contains("created  ConfigMap shop/web") && !done.contains("late"), "{done}");
    assert!(world.gitops("plan").exits(1).contains("create  ConfigMap shop/late: is missing"));
    let again = world.gitops("sync --plan ../plan.json");
    assert!(again.err.contains("0 of 4 steps are still to be done"), "{}", again.err);
    assert!(again.exits(0).starts_with("nothing to do\n"));
}

#[test]
fn the_json_of_a_plan_on_the_standard_output_is_a_plan_file_as_well() {
    let world = shop();
    let json = world.gitops("plan -o json").exits(1);
    fs::write(world.inner("plan.json"), json).unwrap();
    assert!(
        world.gitops("sync --plan ../plan.json --dry-run").exits(1).contains("create  Secret shop/key: is missing")
    );
    world.gitops("sync --plan ../plan.json").exits(0);
}

#[test]
fn an_approved_deletion_is_done_and_one_that_is_not_in_the_plan_is_not() {
    let world = changed();
    world.gitops("plan -o ../plan.json").exits(1);
    let done = world.gitops("sync --plan ../plan.json").exits(1);
    assert!(!done.contains("deleted"), "{done}");

    let world = changed();
    world.gitops("plan --prune -o ../plan.json").exits(1);
    let done = world.gitops("sync --plan ../plan.json").exits(0);
    assert!(done.contains("deleted  Secret shop/key"), "{done}");
}

#[test]
fn whether_pruning_is_on_is_what_the_plan_file_says() {
    let world = changed();
    let kept =
        config("kept", "a: one").replace("metadata:\n", "metadata:\n  annotations: {gitops.rs/prune: confirm}\n");
    world.change("kept.yaml", &kept, "Keep one");
    world.gitops("sync").exits(1);
    world.remove("kept.yaml");
    world.change("config.yaml", &config("web", "greeting: hi"), "Drop it, and greet");
    world.gitops("plan --prune -o ../plan.json").exits(1);
    let done = world.gitops("sync --plan ../plan.json").out;
    assert!(done.contains("deleted  Secret shop/key") && !done.contains("pruning is off"), "{done}");
    assert!(done.contains("not declared any more; pruning it must be confirmed"), "{done}");
}

#[test]
fn a_plan_file_is_replaced_whole_through_links_and_keeps_its_permissions() {
    let world = changed();
    world.gitops("plan -o ../plan.json").exits(1);
    let first = plan_file(&world);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let mode = |name: &str| fs::metadata(world.inner(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("plan.json") & 0o600, 0o600);
        fs::set_permissions(world.inner("plan.json"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("plan.json", world.inner("link.json")).unwrap();
        symlink("to-come.json", world.inner("dangling.json")).unwrap();
        symlink("round.json", world.inner("round.json")).unwrap();
        world.gitops("plan -o ../dangling.json").exits(1);
        assert!(world.inner("to-come.json").is_file() && world.inner("dangling.json").is_symlink());
        let error = world.gitops("plan -o ../round.json").refuses();
        assert!(error.contains("links lead round in a circle"), "{error}");
        world.change("config.yaml", &config("web", "greeting: hi"), "Greet");
        world.gitops("plan -o ../link.json").exits(1);
        assert!(world.inner("link.json").is_symlink());
        assert_eq!(mode("plan.json"), 0o640);
    }
    assert_ne!(plan_file(&world), first);
    let beside = fs::read_dir(world.inner("")).unwrap().map(|file| file.unwrap().file_name());
    assert!(beside.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")), "nothing is left beside it");
}

#[test]
fn a_plan_whose_objects_were_changed_since_is_refused_whole_and_names_them() {
    let world = changed();
    world.gitops("plan --prune -o ../plan.json").exits(1);
    world.gitops("cluster set cm/web data.greeting=hi -n shop").exits(0);
    let before = world.state();
    let error = world.gitops("sync --plan ../plan.json").refuses();
    assert!(
        error.contains(
            "the plan is stale, so nothing was done: ConfigMap shop/web: it was changed on the cluster since"
        ),
        "{error}"
    );
    assert!(error.contains("plan and approve anew"), "{error}");
    assert_eq!(world.state(), before);
    world.gitops("cluster delete cm/web -n shop").exits(0);
    assert!(
        world
            .gitops("sync --plan ../plan.json")
            .refuses()
            .contains("ConfigMap shop/web: it was there, and is missing now")
    );
}

#[test]
fn what_somebody_did_meanwhile_as_planned_is_not_done_again() {
    let world = changed();
    world.gitops("plan --prune -o ../plan.json").exits(1);
    world.gitops("cluster delete secret/key -n shop").exits(0);
    let run = world.gitops("sync --plan ../plan.json");
    assert!(run.err.contains("2 of 3 steps are still to be done"), "{}", run.err);
    let done = run.exits(0);
    assert!(done.contains("changed  ConfigMap shop/web") && !done.contains("Secret shop/key"), "{done}");
}

#[test]
fn a_file_that_is_not_the_reviewed_plan_is_refused_with_one_clear_error() {
    let world = changed();
    world.gitops("plan -o ../plan.json").exits(1);
    let plan = plan_file(&world);
    let before = world.state();
    let other = world.gitops("plan --app other -o other.json");
    assert!(other.out.contains("is in other.json"), "{}", other.out);
    for (name, text, expected) in [
        ("bytes.json", plan.replacen("\"Sync\"", "\"PostSync\"", 1), "`bytes.json` was changed after it was written"),
        (
            "digest.json",
            plan.replacen("\"digest\": \"", "\"digest\": \"0", 1),
            "`digest.json` was changed after it was written",
        ),
        (
            "future.json",
            plan.replace("plan/v2", "plan/v9"),
            "`future.json` has the format `gitops.rs/plan/v9`, which this program does not know",
        ),
        ("cut.json", plan[..plan.len() - 40].to_owned(), "`cut.json` is not JSON, or not all of it"),
        ("yaml.json", "kind: Plan\n".to_owned(), "`yaml.json` is not JSON"),
        ("report.json", world.gitops("status -o json").out, "`report.json` holds no plan: it has no `format`"),
        ("empty.json", String::new(), "`empty.json` is not JSON"),
        (
            "other.json",
            fs::read_to_string(world.repo().join("other.json")).unwrap(),
            "the plan is of application `other`, and this is `shop`",
        ),
    ] {
        fs::write(world.repo().join(name), text).unwrap();
        let error = world.run(&["sync", "--plan", name]).refuses();
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!(error.lines().count(), 1, "{name}: {error}");
    }
    assert!(world.gitops("sync --plan none.json").refuses().contains("the plan `none.json` cannot be read"));
    assert!(world.gitops("sync --plan ../plan.json --prune").refuses().contains("cannot be used with"));
    assert!(world.gitops("plan -o plan.txt").refuses().contains("a file whose name ends in `.json`"));
    fs::write(world.inner("notes.json"), "{}").unwrap();
    assert!(world.gitops("plan -o ../notes.json").refuses().contains("is there, and is no plan"));
    assert!(world.gitops("plan -o nowhere/plan.json").refuses().contains("`nowhere/plan.json` cannot be written"));
    assert_eq!(world.state(), before, "nothing was touched");
}

#[test]
fn a_selection_syncs_what_was_asked_for_and_the_application_stays_out_of_sync() {
    let world = changed();
    let plan = world.gitops("plan --only cm/web").exits(1);
    assert!(plan.starts_with("only `ConfigMap/web`: not a sync of the application\n"), "{plan}");
    assert!(plan.contains("ConfigMap shop/more: was not asked for"), "{plan}");
    let done = world.gitops("sync --only cm/web --prune").exits(1);
    assert!(done.contains("changed  ConfigMap shop/web") && !done.contains("shop/more created"), "{done}");
    let history = world.gitops("history -o json").json();
    assert_eq!(history[0]["partial"], true);
    let none = world.gitops("plan -l app=none").exits(2);
    assert!(
        none.contains("labels `app=none` were asked for, and no such object of the application has them"),
        "{none}"
    );
    assert!(
        world
            .gitops("sync --only cm/wbe")
            .exits(2)
            .contains("`ConfigMap/wbe` was asked for, and the application has no such object")
    );
    let error = world.gitops("sync --only a/b/c/d").refuses();
    assert!(error.contains("names no objects; write it as"), "{error}");
    assert!(world.gitops("sync --prune").exits(0).contains("deleted  Secret shop/key"));
}

#[test]
fn everything_is_applied_again_on_request() {
    let world = shop();
    world.gitops("sync").exits(0);
    world.gitops("sync --reapply").exits(0);
    let text = world.gitops("sync --reapply").exits(0);
    assert!(text.contains("unchanged  ConfigMap shop/web"), "{text}");
}

#[test]
fn sync_options_of_the_application_are_arguments_and_what_they_decide_is_in_the_stored_plan() {
    let world = changed();
    let plan = world.gitops("plan --prune --sync-option Prune=confirm").exits(1);
    assert!(plan.contains("Secret shop/key: not declared any more; pruning it must be confirmed"), "{plan}");
    let plan = world.gitops("plan --prune --sync-option Prune=confirm --confirm -o ../plan.json").exits(1);
    assert!(plan.contains("Secret shop/key: deletion confirmed by ann at "), "{plan}");
    assert!(!plan_file(&world).contains("\"recreate\""));
    let forced = world.gitops("plan --sync-option Force=true -o ../forced.json").exits(1);
    assert!(forced.contains("apply"), "{forced}");
    let stored = fs::read_to_string(world.inner("forced.json")).unwrap();
    assert!(stored.contains("\"recreate\": \"foreground\""), "{stored}");
    world.gitops("sync --plan ../plan.json").exits(0);

    for (option, told) in [
        ("Prune=fasle", "`Prune=fasle` is no sync option; its value is `true`, `false` or `confirm`"),
        ("Prnue=false", "did you mean `Prune`"),
        ("ServerSideApply=false", "`ServerSideApply=false` has no effect: what it turns off is always done"),
        ("Prune=true --sync-option Prune=false", "there are both `Prune=true` and `Prune=false`; remove one"),
    ] {
        let error = world.gitops(&format!("plan --sync-option {option}")).refuses();
        assert!(error.contains(told), "{error}");
    }
}
