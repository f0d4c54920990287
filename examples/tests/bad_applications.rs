//! What `gitops watch` says of applications that cannot be as they are written.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config};

/// Two folders with an object each.
fn world() -> World {
    let other = config("other", "a: one");
    World::with(&[
        ("one/namespace.yaml", NAMESPACE),
        ("one/web.yaml", &config("web", "colour: blue")),
        ("two/other.yaml", &other),
    ])
}

fn application(name: &str, folder: &str, more: &str) -> String {
    format!(
        "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {{name: {name}}}
spec:
  source: {{repoURL: ., path: {folder}}}
  syncPolicy: {{automated: {{selfHeal: true}}}}
{more}---
"
    )
}

fn project(windows: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {{name: default}}
spec:
  sourceRepos: ['*']
  destinations: [{{server: '*', namespace: '*'}}]
  clusterResourceWhitelist: [{{group: '*', kind: '*'}}]
  syncWindows:
{windows}"
    )
}

fn watch(world: &World, documents: &str) -> support::Run {
    world.write("apps.yaml", documents);
    world.gitops("watch apps.yaml --once")
}

#[test]
fn windows_that_contradict_each_other_are_a_warning() {
    let world = world();
    let windows = "    - {kind: allow, schedule: '0 22 * * *', duration: 1h, applications: ['*']}
    - {kind: deny, schedule: '0 22 * * *', duration: 1h, applications: ['*']}
";
    let run = watch(&world, &(application("one", "one", "") + &project(windows)));
    assert!(
        run.err.contains("warning: apps.yaml:15:")
            && run.err.contains("`spec.syncWindows`: window 1 (`0 22 * * *` for 1h"),
        "{}",
        run.err
    );
}

#[test]
fn a_schedule_that_cannot_be_read_is_an_error_with_its_line_and_field() {
    let world = world();
    let windows = "    - {kind: allow, schedule: '0 25 * * *', duration: 1h, applications: ['*']}\n";
    let told = watch(&world, &(application("one", "one", "") + &project(windows))).refuses();
    assert!(told.contains("error: apps.yaml:16:21:") && told.contains("`spec.syncWindows[0].schedule`: "), "{told}");
    assert!(told.contains("its project `default` cannot be used") && world.state().is_none(), "{told}");
}

#[test]
fn an_unknown_field_stops_its_application_and_no_other() {
    let world = world();
    let wrong = application("two", "two", "").replace("selfHeal", "selfHeel");
    let run = watch(&world, &(application("one", "one", "") + &wrong));
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert!(
        run.err.contains(
            "error: apps.yaml:13:28: gitops.rs/Application two: `spec.syncPolicy.automated.selfHeel`: there is no such \
             field; did you mean `selfHeal`?"
        ),
        "{}",
        run.err
    );
    assert!(run.out.contains("one: Synced") && !run.out.contains("two:"), "{}", run.out);
}

#[test]
fn two_applications_with_the_same_object_are_both_named_before_anything_is_applied() {
    let world = world();
    world.change("two/web.yaml", &config("web", "colour: red"), "Paint it twice");
    let documents = application("one", "one", "") + &application("two", "two", "");
    let run = watch(&world, &documents);
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    for (name, other) in [("one", "two"), ("two", "one")] {
        let wanted =
            format!("ConfigMap shop/web: is declared by application `{other}` as well, and neither holds it yet");
        assert!(
            run.out.lines().any(|line| line.contains(&format!(" {name}: ")) && line.contains(&wanted)),
            "{}",
            run.out
        );
    }
    assert_eq!(world.gitops("cluster get cm/web -n shop").code, 2, "nobody applied it");
    world.gitops("cluster get cm/other -n shop").exits(0);
}

#[test]
fn what_another_application_holds_is_left_to_it() {
    let world = world();
    watch(&world, &application("one", "one", "")).exits(0);
    // `one` is not looked after any more, and still holds it.
    world.change("two/web.yaml", &config("web", "colour: red"), "Claim it");
    let run = watch(&world, &application("two", "two", ""));
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert!(run.out.contains("ConfigMap shop/web") && run.out.contains("`one`"), "{}", run.out);
    assert!(world.gitops("cluster get cm/web -n shop").exits(0).contains("colour: blue"));
}

#[test]
fn applications_that_wait_for_each_other_say_so() {
    let world = world();
    let documents =
        application("one", "one", "  dependsOn: [two]\n") + &application("two", "two", "  dependsOn: [one]\n");
    let run = watch(&world, &documents);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(run.out.contains("one: rests: waits for itself, in a circle: one → two → one"), "{}", run.out);
}

#[test]
fn an_application_waits_for_the_one_it_depends_on() {
    let world = world();
    let documents = application("two", "two", "  dependsOn: [zero]\n") + &application("zero", "one", "");
    let told = watch(&world, &documents).exits(0);
    let at = |text: &str| told.find(text).unwrap_or_else(|| panic!("{text}: {told}"));
    assert!(at("two: rests: waits for application `zero`") < at("zero: Synced"), "{told}");
    assert!(at("zero: Synced") < at("two: Synced"), "{told}");
}

#[test]
fn a_repository_project_or_cluster_that_is_not_there_is_named_with_its_application() {
    let world = world();
    let one = application("one", "one", "");
    for (from, to, expected) in [
        ("repoURL: .", "repoURL: ../none", "its repository `../none` cannot be opened: "),
        (
            "repoURL: .",
            "repoURL: 'ftp://me:secret@example.org/shop.git'",
            "has a scheme other than `https`, `http`, `ssh` and `git`",
        ),
        ("spec:\n", "spec:\n  project: none\n", "there is no project `none`"),
        (
            "spec:\n",
            "spec:\n  destination: {server: 'https://far.example.org'}\n",
            "its cluster `https://far.example.org` is not known here",
        ),
        ("path: one", "path: ../one", "`spec.source`: "),
    ] {
        let told = watch(&world, &one.replace(from, to)).refuses();
        assert!(told.contains("error: apps.yaml:") && told.contains(expected), "{to}: {told}");
        assert!(told.contains("Application one: ") && !told.contains("secret"), "{to}: {told}");
        assert!(told.ends_with("error: there is no application to look after in `apps.yaml`\n"), "{to}: {told}");
    }
    // The same repository, under an address of its own.
    world.write("apps.yaml", &one.replace("repoURL: .", "repoURL: 'https://example.org/shop.git'"));
    world.gitops("watch apps.yaml --once --repo https://example.org/shop.git=.").exits(0);
    // A folder that is not there gives nothing, and nothing is pruned.
    let run = watch(&world, &one.replace("path: one", "path: none"));
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
}

#[test]
fn what_a_project_does_not_permit_is_not_applied() {
    let world = world();
    let limited = project("    []\n")
        .replace("syncWindows:\n    []", "namespaceResourceBlacklist: [{group: '', kind: ConfigMap}]");
    let run = watch(&world, &(application("one", "one", "") + &limited));
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    assert!(run.out.contains("ConfigMap shop/web: project `default`: ConfigMap `web` is forbidden by"), "{}", run.out);
    assert_eq!(world.gitops("cluster get cm/web -n shop").code, 2);
}

#[test]
fn files_that_say_nothing_are_an_error() {
    let world = world();
    assert!(world.gitops("watch none.yaml").refuses().starts_with("error: `none.yaml` cannot be read: "));
    for text in ["", "# nothing\n", "kind: [\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"] {
        let told = watch(&world, text).refuses();
        assert!(told.ends_with("error: there is no application to look after in `apps.yaml`\n"), "{text}: {told}");
    }
}
