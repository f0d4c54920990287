//! Verbs of one application that a file describes: its sources, its project, and what it says.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config};

const APPS: &str = "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: web}
spec:
  sources:
  - {repoURL: ., path: web}
  - {repoURL: ../common, targetRevision: main}
  destination: {namespace: shop}
  info: [{name: docs, value: 'https://example.org/web'}]
---
apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: base}
spec:
  source: {repoURL: ., path: base}
";

/// Two repositories, and two applications of them.
fn world() -> World {
    let world = World::with(&[("base/namespace.yaml", NAMESPACE), ("web/web.yaml", &config("web", "colour: blue"))]);
    world.git(&["init", "-q", "-b", "main", "../common"]);
    std::fs::write(world.inner("common/quota.yaml"), config("quota", "pods: '5'").replace("  namespace: shop\n", ""))
        .unwrap();
    commit_common(&world, "Add a quota");
    world.write("apps.yaml", APPS);
    world
}

fn commit_common(world: &World, message: &str) -> String {
    world.git(&["-C", "../common", "add", "-A"]);
    world.git(&["-C", "../common", "commit", "-q", "-m", message]);
    world.git(&["-C", "../common", "rev-parse", "HEAD"])
}

#[test]
fn an_application_of_several_sources_is_planned_synced_shown_and_rolled_back() {
    let world = world();
    world.gitops("sync -f apps.yaml --app base").exits(0);
    let planned = world.gitops("plan -f apps.yaml --app web").exits(1);
    assert!(planned.contains("ConfigMap shop/web") && planned.contains("ConfigMap shop/quota"), "{planned}");
    let synced = world.gitops("sync --file apps.yaml --app web").exits(0);
    assert!(synced.contains("docs: https://example.org/web\n"), "{synced}");

    let status = world.gitops("status -f apps.yaml --app web -o json");
    let report = status.json();
    assert_eq!((&report["sync"], &report["app"]), (&"Synced".into(), &"web".into()));
    assert_eq!(report["info"][0]["name"], "docs");
    let id = report["revisions"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(id.split('+').count(), 2, "one revision of each: {id}");
    let explained = world.gitops("explain cm/quota data.pods -f apps.yaml --app web").exits(0);
    assert!(explained.contains("common/quota.yaml"), "{explained}");

    std::fs::write(world.inner("common/quota.yaml"), config("quota", "pods: '9'")).unwrap();
    commit_common(&world, "More pods");
    world.gitops("diff -f apps.yaml --app web").exits(1);
    // A plan of several sources is kept, and carried out as it was made.
    world.gitops("plan -f apps.yaml --app web -o ../plan.json").exits(1);
    world.gitops("sync -f apps.yaml --app web --plan ../plan.json").exits(0);
    assert!(world.gitops("cluster get cm/quota -n shop").exits(0).contains("pods: '9'"));
    world.gitops("rollback 1 -f apps.yaml --app web").exits(0);
    assert!(world.gitops("cluster get cm/quota -n shop").exits(0).contains("pods: '5'"));
    let refused = world.gitops("sync -f apps.yaml --app web").refuses();
    assert!(refused.contains("was rolled back"), "{refused}");
    assert!(world.gitops("history -f apps.yaml --app web").exits(0).contains("ann (rollback)"));
    let revert = world.gitops("rollback 2 -f apps.yaml --app web --revert back").refuses();
    assert!(revert.contains("a commit is made in one repository, and the application has several"), "{revert}");
    world.gitops("log -f apps.yaml --app web").exits(0);

    let named = format!("sync -f apps.yaml --app web --revision {id}");
    world.gitops(&named).exits(0);
    let wrong = world.gitops("sync -f apps.yaml --app web --revision main").refuses();
    assert!(wrong.contains("`main`") && wrong.contains("HEAD+main"), "{wrong}");
    world.gitops("delete -f apps.yaml --app web --yes").exits(0);
    assert_eq!(world.gitops("cluster get cm/quota -n shop").code, 2);
}

/// `argocd app sync` prunes with `--prune` only, whatever is automated.
#[test]
fn what_is_synced_by_hand_is_pruned_where_that_is_asked_for_or_is_the_policy_itself() {
    let automated = "  syncPolicy: {automated: {prune: true}}\n";
    let own = "  policy: {prune: owned}\n";
    for (said, arguments, goes) in
        [("", "", false), (automated, "", false), (automated, "--prune", true), (own, "", true)]
    {
        let world = world();
        world.change("web/other.yaml", &config("other", "a: one"), "Another");
        world.write(
            "apps.yaml",
            &APPS.replace("  destination: {namespace: shop}\n", &format!("  destination: {{namespace: shop}}\n{said}")),
        );
        world.gitops("sync -f apps.yaml --app base").exits(0);
        world.gitops("sync -f apps.yaml --app web").exits(0);
        world.remove("web/other.yaml");
        world.commit("Without the other");
        let code = world.gitops(&format!("sync -f apps.yaml --app web {arguments}")).code;
        let is_there = world.gitops("cluster get cm/other -n shop").code == 0;
        assert_eq!((is_there, code), (!goes, i32::from(!goes)), "{said} {arguments}");
    }
}

#[test]
fn nothing_is_written_by_hand_where_it_is_written_down_that_nothing_may_be() {
    let world = world();
    world.gitops("sync -f apps.yaml --app base").exits(0);
    let suspended = APPS.replace("  info:", "  suspend: true\n  info:");
    let window = "---
apiVersion: gitops.rs/v1alpha1
kind: Project
metadata: {name: default}
spec:
  sourceRepos: ['*']
  destinations: [{server: '*', namespace: '*'}]
  clusterResourceWhitelist: [{group: '*', kind: '*'}]
  syncWindows: [{kind: deny, schedule: '* * * * *', duration: 1h, applications: [web]}]
";
    for (documents, expected) in [
        (suspended, "application `web` is suspended, so nothing is written; take `suspend` out of `apps.yaml` first"),
        (format!("{APPS}{window}"), "or say `manualSync` there"),
    ] {
        world.write("apps.yaml", &documents);
        world.gitops("plan -f apps.yaml --app web").exits(1);
        for verb in ["sync", "adopt --yes"] {
            let refused = world.gitops(&format!("{verb} -f apps.yaml --app web")).refuses();
            assert!(refused.contains(expected), "{verb}: {refused}");
        }
        assert_eq!(world.gitops("cluster get cm/web -n shop").code, 2, "nothing was applied");
    }
    world.write(
        "apps.yaml",
        &format!("{APPS}{}", window.replace("applications: [web]", "applications: [web], manualSync: true")),
    );
    world.gitops("sync -f apps.yaml --app web").exits(0);
}

#[test]
fn what_its_project_forbids_is_held_back() {
    let world = world();
    let project = "---
apiVersion: gitops.rs/v1alpha1
kind: Project
metadata: {name: default}
spec:
  sourceRepos: ['*']
  destinations: [{server: '*', namespace: '*'}]
";
    world.write("apps.yaml", &format!("{APPS}{project}"));
    let run = world.gitops("sync -f apps.yaml --app base");
    assert_eq!(run.code, 2, "{}", run.out);
    assert!(run.out.contains("is not in `clusterResourceWhitelist`"), "{}", run.out);
    assert_eq!(world.gitops("cluster get ns/shop").code, 2);
}

#[test]
fn what_cannot_be_meant_is_said_and_what_would_help() {
    let world = world();
    for (arguments, expected) in [
        ("-f apps.yaml", "there are several applications in `apps.yaml`; name one of `base`, `web` with `--app`"),
        ("-f apps.yaml --app wep", "there is no application `wep` in `apps.yaml`; did you mean `web`?"),
        ("-f none.yaml", "`none.yaml` cannot be read"),
        ("-f web/web.yaml", "there is no application in `web/web.yaml`"),
        ("-f apps.yaml --app web --path web", "cannot be used with"),
        ("-f apps.yaml --app web --namespace shop", "cannot be used with"),
        ("-f apps.yaml --app web --repo ../common", "write it as `URL=FOLDER`"),
        (
            "--repo . --repo ../common",
            "`--repo` is given twice; several repositories are named in a file: see `--file`",
        ),
    ] {
        let told = world.gitops(&format!("status {arguments}")).refuses();
        assert!(told.contains(expected), "{arguments}: {told}");
    }
    let wrong = APPS.replace("path: web}", "path: web, pth: a}");
    world.write("apps.yaml", &wrong.replace("../common", "https://example.org/common.git"));
    let told = world.gitops("status -f apps.yaml --app web").refuses();
    assert!(told.contains("error: apps.yaml:6:") && told.contains("application `web` is held back"), "{told}");
    let other = world.gitops("status -f apps.yaml --app base").exits(1);
    assert!(!other.contains("pth"), "{other}");

    world.write("apps.yaml", &APPS.replace("../common", "https://example.org/common.git"));
    world.gitops("sync -f apps.yaml --app base").exits(0);
    world.gitops("sync -f apps.yaml --app web --repo https://example.org/common.git=../common").exits(0);
}
