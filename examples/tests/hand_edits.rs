//! `gitops cluster`: looking into the embedded cluster and changing it by hand.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::process::Stdio;

use support::{NAMESPACE, Run, World, config, deployment};

fn synced() -> World {
    let other = NAMESPACE.replace("name: shop", "name: other");
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        (
            "other.yaml",
            &format!("{other}---\n{}", config("web", "a: other").replace("namespace: shop", "namespace: other")),
        ),
        ("config.yaml", &config("web", "a: one")),
        ("web.yaml", &deployment(2, "nginx:1.26")),
    ]);
    world.gitops("sync").exits(0);
    world
}

#[test]
fn objects_are_listed_by_kind_and_namespace() {
    let world = synced();
    let listed = world.gitops("cluster get cm -n shop").exits(0);
    assert!(listed.starts_with("NAMESPACE  KIND") && listed.contains("shop       ConfigMap  web"), "{listed}");
    assert!(!listed.contains("other"), "{listed}");
    assert!(world.gitops("cluster get").exits(0).contains("apps/Deployment"));
    assert!(world.gitops("cluster get deployments.apps/web").exits(0).starts_with("apiVersion: apps/v1\n"));
    assert!(!world.gitops("cluster get deploy/web").out.contains("managedFields"));
    assert!(world.gitops("cluster get deploy/web --show-managed-fields").out.contains("manager: gitops:shop"));
}

#[test]
fn a_field_is_set_by_its_path_and_removed_by_null() {
    let world = synced();
    let image = "spec.template.spec.containers[name=web].image";
    for (assignment, expected) in [
        ("spec.replicas=5".to_owned(), "replicas: 5"),
        (format!("{image}=nginx:1.27"), "image: nginx:1.27"),
        ("metadata.annotations[\"example.org/note\"]=mine".to_owned(), "example.org/note: mine"),
    ] {
        world.run(&["cluster", "set", "deploy/web", &assignment]).exits(0);
        let now = world.gitops("cluster get deploy/web").exits(0);
        assert!(now.contains(expected), "{assignment}: {now}");
    }
    world.run(&["cluster", "set", "deploy/web", "metadata.annotations[\"example.org/note\"]=null"]).exits(0);
    assert!(!world.gitops("cluster get deploy/web").out.contains("example.org/note"));
    let missing = format!("{}=x", image.replace("name=web", "name=none"));
    assert_eq!(
        world.run(&["cluster", "set", "deploy/web", &missing]).refuses(),
        "error: the object has no `spec.template.spec.containers[name=none]`; `gitops cluster get KIND/NAME` shows what \
         it has\n"
    );
    let error = world.gitops("cluster set deploy/web spec.replicas.most=5").refuses();
    assert!(error.starts_with("error: `spec.replicas` is a number, so it has no fields"), "{error}");
    assert_eq!(world.gitops("cluster set deploy/web spec.replicas=5").exits(0), "apps/Deployment shop/web unchanged\n");
}

#[test]
fn a_file_is_applied_as_a_whole_or_not_at_all() {
    let world = synced();
    let good = format!("{}---\n{}", config("new", "a: one"), NAMESPACE.replace("name: shop", "name: fresh"));
    world.write("../file.yaml", &good);
    assert_eq!(
        world.gitops("cluster apply ../file.yaml").exits(0),
        "Namespace fresh created\nConfigMap shop/new created\n"
    );
    let before = world.state();
    let bad = format!("{}---\nkind: Pod\n", config("other", "a: one"));
    let nowhere = config("other", "a: one").replace("namespace: shop", "namespace: none");
    for (text, expected) in [
        (&bad, "error: nothing was applied\n  ../file.yaml:9: `apiVersion` is missing;"),
        (&nowhere, "error: ConfigMap none/other was not changed: namespace `none` does not exist"),
    ] {
        world.write("../file.yaml", text);
        let error = world.gitops("cluster apply ../file.yaml").refuses();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(world.state(), before);
    }
    assert!(world.gitops("cluster apply none.yaml").refuses().starts_with("error: `none.yaml` cannot be read: "));
}

#[test]
fn an_object_is_edited_as_yaml_in_the_editor() {
    let world = synced();
    let script = "#!/bin/sh\nsed 's/a: one/a: two/' \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n";
    let path = world.inner("editor");
    fs::write(&path, script).unwrap();
    let editor = format!("sh {}", path.display());
    let edit = |what: &str, editor: &str| {
        let mut command = world.program(&["cluster", "edit", what, "-n", "shop"]);
        Run::of(command.env("EDITOR", editor).output().unwrap())
    };
    assert_eq!(edit("cm/web", &editor).exits(0), "ConfigMap shop/web changed\n");
    let difference = world.gitops("diff").exits(1);
    assert!(difference.contains("data.a  live value set by `kubectl-edit`"), "{difference}");
    // Nothing was changed in the editor.
    assert_eq!(edit("cm/web", "true").exits(0), "ConfigMap shop/web unchanged\n");
    let before = world.state();
    for (editor, expected) in [
        ("false", "nothing was changed"),
        ("sh -c 'echo x: [ > $0'", "what was saved is no YAML"),
        ("sh -c 'echo kind: Pod > $0'", "what was saved is no object"),
        ("sed -i 's/name: web/name: other/'", "`ConfigMap shop/web` cannot become `ConfigMap shop/other`"),
        ("no-such-editor", "nothing was changed"),
    ] {
        let error = edit("cm/web", editor).refuses();
        assert!(error.contains(expected), "{editor}: {error}");
        assert_eq!(world.state(), before, "{editor}");
    }
}

#[test]
fn a_deleted_object_is_missing_until_the_next_sync() {
    let world = synced();
    assert_eq!(world.gitops("cluster delete cm/web -n shop").exits(0), "ConfigMap shop/web deleted\n");
    assert!(world.gitops("diff").exits(1).contains("Missing ConfigMap shop/web"));
    assert!(world.gitops("sync").exits(0).contains("created  ConfigMap shop/web"));
}

#[test]
fn what_is_not_there_or_not_clear_is_refused_and_nothing_is_changed() {
    let world = synced();
    let before = world.state();
    for (arguments, expected) in [
        ("get deploi", "the cluster serves no kind `deploi`"),
        ("get deploy/nobody", "there is no Deployment `nobody`; `gitops cluster get deploy` lists what there is"),
        ("get deploy/web -n other", "there is no Deployment `web` in namespace `other`"),
        ("delete web", "`web` names no object; write it as `KIND/NAME`, such as `deploy/web`"),
        ("delete cm/web", "there is a ConfigMap `web` in each of the namespaces `other`, `shop`; choose one with `-n`"),
        ("set deploy/web spec.replicas", "a `=` and a value must follow the field"),
        (
            "set deploy/web metadata.labels.app=a:b",
            "apps/Deployment shop/web was not changed: not valid: `metadata.labels`",
        ),
        ("set cm/web metadata.name=other -n shop", "ConfigMap shop/web was not changed"),
        ("get --cluster kube", "this is for the embedded cluster only; use `kubectl` on a real one"),
    ] {
        let error = world.gitops(&format!("cluster {arguments}")).refuses();
        assert!(error.starts_with(&format!("error: {expected}")) || error.contains(expected), "{arguments}: {error}");
        assert_eq!(world.state(), before, "{arguments}");
    }
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let world = synced();
    let mut run = world.program(&["cluster", "get", "-o", "yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(run.stdout.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn rules_of_a_file_leave_fields_alone_and_say_what_they_hid() {
    let world = synced();
    world.gitops("cluster set deploy/web spec.replicas=5").exits(0);
    world.gitops("diff").exits(1);
    let rules = world.inner("rules.yaml");
    for (text, rule) in [
        ("- {kind: Deployment, paths: [spec.replicas]}", "`spec.replicas` of */Deployment */*"),
        ("- {group: apps, kind: '*', jsonPointers: [/spec/replicas]}", "`/spec/replicas` of apps/* */*"),
        ("- paths: [/spec/replicas]\n  target: {kind: Deploy.*}", "`/spec/replicas` of */Deploy.* */*"),
        (
            "- {group: apps, kind: Deployment, jqPathExpressions: ['.spec | .replicas']}",
            "jq `.spec | .replicas` of apps/Deployment */*",
        ),
    ] {
        fs::write(&rules, text).unwrap();
        let shown = world.run(&["diff", "--ignore", rules.to_str().unwrap()]).exits(0);
        assert_eq!(shown, format!("rule {rule}: 1 field of 1 object, hides 1 difference\n"));
    }
    fs::write(&rules, "- {paths: ['spec..replicas']}").unwrap();
    let error = world.run(&["diff", "--ignore", rules.to_str().unwrap()]).refuses();
    assert!(error.contains("rules.yaml`: rule 1: path `spec..replicas` cannot be read: column 6: "), "{error}");
}
