//! What people do with the program, from the first sync to the prune.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::process::Stdio;

use support::{NAMESPACE, Run, World, config, deployment};

fn shop() -> World {
    World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("config.yaml", &config("web", "greeting: hello")),
        ("web.yaml", &deployment(2, "nginx:1.26")),
    ])
}

fn synced() -> World {
    let world = shop();
    world.gitops("sync").exits(0);
    world
}

/// The last line of an output.
fn last(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

#[test]
fn a_first_sync_creates_everything_in_order_and_a_second_one_writes_nothing() {
    let world = shop();
    let first = world.gitops("sync").exits(0);
    let position = |what: &str| first.find(what).unwrap_or_else(|| panic!("no `{what}` in\n{first}"));
    assert!(position("created  Namespace shop") < position("created  ConfigMap shop/web"));
    assert!(position("created  ConfigMap shop/web") < position("created  apps/Deployment shop/web"));
    let id = world.git(&["rev-parse", "HEAD"])[..12].to_owned();
    let summary = format!("Synced, Healthy at {id} (HEAD) by Ann <ann@example.org>: Add the shop");
    assert_eq!(last(&first), summary);

    let before = world.state();
    let second = world.gitops("sync").exits(0);
    assert!(second.starts_with("nothing to do\n") && last(&second) == summary, "{second}");
    for verb in ["status", "diff", "plan", "history", "validate", "cluster get", "sync --dry-run"] {
        world.gitops(verb).exits(0);
    }
    assert_eq!(world.state(), before);
}

#[test]
fn objects_are_marked_as_argo_cd_marks_them_where_that_is_asked_and_other_installations_keep_off() {
    let world = shop();
    let asked = "--tracking argocd+label --installation eu";
    world.gitops(&format!("sync {asked}")).exits(0);
    let object = world.gitops("cluster get cm/web -n shop").exits(0).replace(['"', '\''], "");
    for mark in [
        "argocd.argoproj.io/tracking-id: shop:/ConfigMap:shop/web",
        "argocd.argoproj.io/installation-id: eu",
        "app.kubernetes.io/instance: shop",
    ] {
        assert!(object.contains(mark), "{mark} is not in\n{object}");
    }
    world.gitops(&format!("plan {asked}")).exits(0);
    let other = world.gitops("plan --tracking argocd --installation us");
    let told = format!("{}{}", other.out, other.err);
    assert!(other.code == 2 && told.contains("belongs to application `shop` of installation `eu`"), "{told}");
    world.gitops("plan --installation .eu").exits(2);
}

#[test]
fn looking_before_the_first_sync_tells_what_is_missing_and_stores_nothing() {
    let world = shop();
    for (verb, expected) in [
        ("diff", "Missing apps/Deployment shop/web  web.yaml:1"),
        ("status", "OutOfSync, Missing at "),
        ("plan", "create  apps/Deployment shop/web: is missing"),
        ("sync --dry-run", "create  apps/Deployment shop/web: is missing"),
    ] {
        let text = world.gitops(verb).exits(1);
        assert!(text.contains(expected), "{verb}: {text}");
    }
    assert_eq!(world.state(), None);
}

#[test]
fn a_new_commit_is_named_field_by_field_and_a_sync_brings_it_in() {
    let world = synced();
    world.write("config.yaml", &config("web", "greeting: good day"));
    assert_eq!(world.gitops("diff").exits(0), "", "what is not committed does not exist");
    world.commit("Greet politely");
    assert_eq!(
        without_times(&world.gitops("diff --format fields").exits(1)),
        "OutOfSync ConfigMap shop/web  config.yaml:1\n  \
           data.greeting  live value set by `gitops:shop` at TIME\n    \
             - \"hello\"\n    \
             + \"good day\"\n"
    );
    assert!(world.gitops("plan").exits(1).contains("apply   ConfigMap shop/web: differs"));
    assert!(world.gitops("sync").exits(0).contains("changed  ConfigMap shop/web"));
    assert_eq!(world.gitops("diff").exits(0), "");
}

#[test]
fn a_hand_edit_is_named_with_who_made_it_and_a_sync_undoes_it() {
    let world = synced();
    world.gitops("cluster set deploy/web spec.replicas=5").exits(0);
    let difference = without_times(&world.gitops("diff --context 1").exits(1));
    assert_eq!(
        difference,
        "OutOfSync apps/Deployment shop/web  web.yaml:1
--- apps/Deployment shop/web (live)
+++ apps/Deployment shop/web (after a sync)
@@ -11,3 +11,3 @@
   progressDeadlineSeconds: 600
-  replicas: 5
+  replicas: 2
   revisionHistoryLimit: 10
  spec.replicas  live value set by `kubectl-edit` at TIME
  takes over `spec.replicas` from `kubectl-edit`
"
    );
    let report = world.gitops("status -o json").json();
    let web =
        report["resources"].as_array().unwrap().iter().find(|resource| resource["status"] == "OutOfSync").unwrap();
    assert_eq!(web["changes"][0]["live"], 5);
    assert_eq!(web["changes"][0]["desired"], 2);
    assert_eq!(web["changes"][0]["owners"][0]["manager"], "kubectl-edit");
    world.gitops("sync").exits(0);
    assert!(world.gitops("cluster get deploy/web").exits(0).contains("replicas: 2"));
    assert_eq!(world.gitops("diff").exits(0), "");
}

#[test]
fn a_git_revert_brings_the_earlier_state_back_and_the_history_tells_who_when_and_why() {
    let world = synced();
    world.change("config.yaml", &config("web", "greeting: rubbish"), "Greet badly");
    world.gitops("sync").exits(0);
    world.git(&["revert", "--no-edit", "HEAD"]);
    world.gitops("sync").exits(0);
    assert!(world.gitops("cluster get cm/web").exits(0).contains("greeting: hello"));

    let history = world.gitops("history -o json").json();
    let told: Vec<(u64, &str, &str, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let commit = &entry["revisions"][0]["commit"];
            let text = |value: &'_ serde_json::Value| -> &'static str { value.as_str().unwrap().to_owned().leak() };
            (
                entry["number"].as_u64().unwrap(),
                text(&entry["phase"]),
                text(&entry["initiator"]),
                text(&commit["message"]),
            )
        })
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!((told[2].0, told[2].1, told[2].2, told[2].3), (1, "Succeeded", "ann", "Add the shop"));
    assert!(told[0].0 == 3 && told[0].3.starts_with("Revert \"Greet badly\""));
    let table = world.gitops("history").exits(0);
    assert!(table.lines().nth(1).unwrap().ends_with("Ann <ann@example.org>: Revert \"Greet badly\""), "{table}");
}

#[test]
fn an_earlier_revision_can_be_synced_without_touching_git() {
    let world = synced();
    world.change("config.yaml", &config("web", "greeting: later"), "Later");
    world.gitops("sync").exits(0);
    let summary = world.gitops("sync --revision HEAD~1").exits(0);
    assert!(last(&summary).contains("(HEAD~1) by Ann <ann@example.org>: Add the shop"), "{summary}");
    assert!(world.gitops("cluster get cm/web").exits(0).contains("greeting: hello"));
}

#[test]
fn a_file_removed_from_git_is_reported_and_deleted_only_with_prune() {
    let world = synced();
    world.remove("config.yaml");
    world.commit("Remove the greeting");
    let status = world.gitops("status").exits(1);
    assert!(status.contains("ConfigMap web") && status.contains("Extra"), "{status}");
    assert!(world.gitops("plan").exits(0).contains("ConfigMap shop/web: not declared any more; pruning is off"));
    world.gitops("sync").exits(1);
    world.gitops("cluster get cm/web").exits(0);
    assert!(world.gitops("plan --prune").exits(1).contains("delete  ConfigMap shop/web: not declared any more"));
    assert!(world.gitops("sync --prune").exits(0).contains("deleted  ConfigMap shop/web"));
    world.gitops("cluster get cm/web").refuses();
    assert_eq!(world.gitops("diff").exits(0), "");
}

#[test]
fn what_another_application_applied_is_neither_taken_nor_pruned() {
    let world = World::with(&[
        ("one/namespace.yaml", NAMESPACE),
        ("one/a.yaml", &config("a", "from: one")),
        ("one/b.yaml", &config("b", "from: one")),
        ("two/c.yaml", &config("c", "from: two")),
    ]);
    world.gitops("sync --path one").exits(0);
    world.gitops("sync --path two").exits(0);
    // Two wants what one has.
    world.change("two/a.yaml", &config("a", "from: two"), "Want what one has");
    let refused = world.gitops("sync --path two").exits(2);
    assert!(refused.contains("ConfigMap shop/a"), "{refused}");
    assert!(world.gitops("cluster get cm/a").exits(0).contains("from: one"));
    world.remove("two/a.yaml");
    world.commit("Leave it");
    world.gitops("sync --path two --prune").exits(0);
    assert!(world.gitops("cluster get cm/a").exits(0).contains("from: one"));
}

#[test]
fn a_look_alike_that_somebody_else_made_is_neither_changed_nor_pruned() {
    let world = synced();
    world.write("../foreign.yaml", &config("foreign", "from: somebody"));
    world.gitops("cluster apply ../foreign.yaml").exits(0);
    // It even carries our label; that proves nothing.
    world.gitops("cluster set cm/foreign metadata.labels.app=shop").exits(0);
    world.remove("config.yaml");
    world.commit("Remove the greeting");
    world.gitops("sync --prune").exits(0);
    world.gitops("cluster get cm/web").refuses();
    assert!(world.gitops("cluster get cm/foreign").exits(0).contains("from: somebody"));
}

#[test]
fn an_empty_or_half_unreadable_source_never_prunes() {
    let world = synced();
    world.remove("config.yaml");
    world.change("broken.yaml", "a: [1,\n", "Break and remove");
    let plan = world.gitops("plan --prune").exits(2);
    assert!(plan.contains("ConfigMap shop/web: not declared any more, as far as the source could be read"), "{plan}");
    world.gitops("sync --prune --yes").exits(2);
    world.gitops("cluster get cm/web").exits(0);

    for file in ["broken.yaml", "web.yaml", "namespace.yaml"] {
        world.remove(file);
    }
    world.change("README.md", "Empty", "Remove everything");
    let refused = world.gitops("sync --prune --yes").exits(2);
    assert!(refused.contains("check the path; nothing is pruned from an empty source"), "{refused}");
    world.gitops("cluster get cm/web").exits(0);
    world.gitops("cluster get deploy/web").exits(0);
}

#[test]
fn a_namespace_a_crd_and_its_custom_resource_come_in_one_application() {
    let crd = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: shops.example.org
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Shop, plural: shops, singular: shop, listKind: ShopList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                owner: {type: string}
";
    let shop =
        "apiVersion: example.org/v1\nkind: Shop\nmetadata:\n  name: corner\n  namespace: shop\nspec:\n  owner: ann\n";
    let world = World::with(&[("a-shop.yaml", shop), ("b-crd.yaml", crd), ("c-namespace.yaml", NAMESPACE)]);
    world.gitops("sync").exits(0);
    assert!(world.gitops("cluster get shops.example.org/corner").exits(0).contains("owner: ann"));
    assert!(world.gitops("sync").exits(0).starts_with("nothing to do"));
}

#[test]
fn the_value_of_a_secret_is_shown_nowhere() {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\n  namespace: shop\nstringData:\n  token: {value}\n"
        )
    };
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("key.yaml", &secret("hunter2"))]);
    let mut said = String::new();
    for round in ["hunter2", "swordfish"] {
        world.change("key.yaml", &secret(round), "Set the key");
        for verb in ["diff", "plan", "plan -o json", "status -o yaml", "sync -o json", "status", "history -o json"] {
            said.push_str(&world.gitops(verb).out);
        }
    }
    assert!(said.contains("data.token"), "{said}");
    for value in ["hunter2", "swordfish", "aHVudGVyMg", "c3dvcmRmaXNo"] {
        assert!(!said.contains(value), "{value} in {said}");
    }
}

#[test]
fn runs_at_the_same_time_wait_for_each_other_and_lose_nothing() {
    let names = ["a", "b", "c", "d"];
    let files: Vec<(String, String)> = names
        .iter()
        .flat_map(|name| {
            let namespace = NAMESPACE.replace("name: shop", &format!("name: {name}"));
            let config = config("web", "a: one").replace("namespace: shop", &format!("namespace: {name}"));
            [(format!("{name}/namespace.yaml"), namespace), (format!("{name}/web.yaml"), config)]
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let world = World::with(&files);
    let start = |name: &&str| {
        let mut command = world.program(&["sync", "--path", name]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let runs: Vec<_> = names.iter().map(start).collect();
    for run in runs {
        Run::of(run.wait_with_output().unwrap()).exits(0);
    }
    for name in names {
        world.gitops(&format!("cluster get cm/web -n {name}")).exits(0);
    }
}

#[test]
fn json_and_yaml_say_the_same() {
    let world = synced();
    world.gitops("cluster set deploy/web spec.replicas=5").exits(0);
    for verb in ["status", "diff", "plan", "history", "validate", "cluster get", "cluster get deploy/web"] {
        let json = world.gitops(&format!("{verb} -o json")).json();
        let yaml = world.gitops(&format!("{verb} -o yaml")).out;
        let yaml: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(json, yaml, "{verb}");
    }
}

/// Replaces instants by `TIME`.
fn without_times(text: &str) -> String {
    text.split_inclusive([' ', '\n'])
        .map(|word| if word.len() > 19 && word.starts_with("20") && word.contains('T') { "TIME\n" } else { word })
        .collect()
}
