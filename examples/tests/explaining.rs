//! `gitops explain` and the forms of `gitops diff`.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config, deployment};

fn synced() -> World {
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("config.yaml", &config("web", "a: one")),
        ("web.yaml", &deployment(2, "nginx:1.26")),
    ]);
    world.gitops("sync").exits(0);
    world
}

#[test]
fn a_field_is_explained_from_the_line_in_git_to_the_hand_that_changed_it() {
    let world = synced();
    let commit = world.change("web.yaml", &deployment(3, "nginx:1.26"), "Three of them");
    world.gitops("cluster set deploy/web spec.replicas=5").exits(0);
    for what in ["deploy/web spec.replicas", "deployments.apps/web /spec/replicas", "Deployment/shop/web"] {
        let told = world.gitops(&format!("explain {what}")).exits(1);
        for line in [
            "apps/Deployment shop/web: OutOfSync\n  declared at web.yaml:1\n",
            "\n  planned: apply in Sync, wave 0: differs\n  takes over `spec.replicas` from `kubectl-edit`\n",
            "\nspec.replicas: a sync sets another value; Git declares it so\n  desired  3\n           web.yaml:7:3, last changed in ",
            &format!("{} by Ann <ann@example.org> at 2023-", commit.get(..12).unwrap()),
            ": Three of them\n  live     5\n           owned by `kubectl-edit` (Update, last at ",
            "  default  1\n",
        ] {
            assert!(told.contains(line), "{what}: {line}\n{told}");
        }
    }
    let json = world.gitops("explain deploy/web spec.replicas -o json").json();
    assert_eq!((json["status"].as_str(), json["fields"][0]["live"].as_i64()), (Some("OutOfSync"), Some(5)));
    assert_eq!(json["fields"][0]["written"]["by"]["id"].as_str(), Some(&*commit));
    assert_eq!(json["forecast"]["fields"][0]["effect"].as_str(), Some("takes-over"));
    let plan = world.gitops("plan").exits(1);
    let line = "fields of others\n  apps/Deployment shop/web: takes over `spec.replicas` from `kubectl-edit`\n";
    assert!(plan.contains(line), "{plan}");
    let plan = world.gitops("plan -o json").json();
    assert_eq!(plan["forecasts"][0]["fields"][0]["field"].as_str(), Some("spec.replicas"));
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_was_probably_meant() {
    let world = synced();
    for (arguments, expected) in [
        ("deploi/web", "the cluster serves no kind `deploi`; did you mean `deploy`?"),
        ("deploy/wep", "the application has no Deployment `wep`; did you mean `web`?"),
        (
            "deploy/none/web",
            "the application has no Deployment `web` in namespace `none`; did you mean `deploy/shop/web`?",
        ),
        ("web", "`web` names no object; write it as `KIND/NAME`"),
        (
            "deploy/web spec.replica",
            "apps/Deployment shop/web: neither Git nor the cluster has a field `spec.replica`; did you mean `spec.replicas`?",
        ),
        ("deploy/web spec..a", "path `spec..a` cannot be read: column 6: "),
    ] {
        let error = world.gitops(&format!("explain {arguments}")).refuses();
        assert!(error.starts_with(&format!("error: {expected}")), "{arguments}: {error}");
    }
    assert!(world.gitops("explain cm/web data.a").exits(0).contains("data.a: Git and cluster agree\n"));
}

#[test]
fn differences_are_shown_in_the_form_that_was_asked_for() {
    let world = synced();
    world.change("config.yaml", &config("web", "a: two"), "Two");
    for (format, expected) in [
        ("unified", "-  a: one\n+  a: two\n"),
        ("fields", "    - \"one\"\n    + \"two\"\n"),
        ("table", "  data.a  \"one\"  \"two\"         gitops:shop\n"),
    ] {
        let shown = world.gitops(&format!("diff --format {format}")).exits(1);
        assert!(shown.contains(expected), "{format}: {shown}");
        let error = world.gitops(&format!("diff --format {format} -o json")).refuses();
        assert!(error.contains("this `--format` is a text"), "{error}");
    }
    for (format, expected) in [
        ("json-patch", serde_json::json!([{"op": "replace", "path": "/data/a", "value": "two"}])),
        ("merge-patch", serde_json::json!({"data": {"a": "two"}})),
    ] {
        let patches = world.gitops(&format!("diff --format {format}")).json();
        assert_eq!((patches[0]["name"].as_str(), &patches[0]["patch"]), (Some("web"), &expected));
    }
}
