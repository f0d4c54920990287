//! `gitops watch`: many applications from one file.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::watch::Watch;
use support::{NAMESPACE, World, config, deployment};

/// Two applications in one repository, and one that is Argo CD's.
const APPS: &str = "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: base}
spec:
  source: {repoURL: ., path: base}
  syncPolicy: {automated: {selfHeal: true}}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  project: default
  source: {repoURL: ., path: web, targetRevision: main}
  destination: {server: 'https://kubernetes.default.svc', namespace: shop}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
";

fn world() -> World {
    World::with(&[
        ("apps.yaml", APPS),
        ("base/config.yaml", &config("base", "a: one").replace("namespace: shop", "namespace: default")),
        ("web/namespace.yaml", NAMESPACE),
        ("web/config.yaml", &config("web", "colour: blue")),
        ("web/web.yaml", &deployment(2, "nginx:1.26")),
    ])
}

#[test]
fn all_applications_of_a_file_are_brought_in_sync_once() {
    let world = world();
    let told = world.gitops("watch apps.yaml --once").exits(0);
    for line in ["base: Synced", "web: Synced", "web: Healthy"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let summary = told.split("APPLICATION").nth(1).unwrap();
    assert_eq!(summary.matches("Synced  Healthy").count(), 2, "{told}");
    assert!(world.gitops("history --app web").exits(0).contains("automatic sync"));

    // With nothing to do, only what is found out is told.
    let again = world.gitops("watch apps.yaml --once").exits(0);
    assert!(!again.contains("operation") && again.contains("web: Synced"), "{again}");

    let lines = world.gitops("watch apps.yaml --once -o json").exits(0);
    let items: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(items.iter().any(|item| item["event"] == "sync" && item["now"] == "Synced"), "{lines}");
    assert_eq!(items.last().unwrap()["status"]["app"], "web");
}

#[test]
fn what_is_not_synced_by_itself_is_out_of_sync_and_code_1() {
    let world = world();
    let manual = APPS
        .replace("syncPolicy: {automated: {selfHeal: true}}", "")
        .replace("{automated: {prune: true, selfHeal: true}}", "{}");
    world.write("apps.yaml", &manual);
    let told = world.gitops("watch apps.yaml --once").exits(1);
    assert!(told.contains("base: rests: nothing is synced automatically"), "{told}");
    assert_eq!(world.gitops("cluster get ns/shop").code, 2, "nothing was applied");
}

#[test]
fn a_watch_heals_follows_commits_and_rollbacks_and_stops_when_told() {
    let world = world();
    let mut watch = Watch::start(&world, &["--interval", "1", "--metrics", "127.0.0.1:0", "--details", "../details"]);
    watch.until("web: Healthy");
    // Another run changes the cluster meanwhile.
    world.run(&["cluster", "set", "cm/web", "data.colour=pink", "-n", "shop"]).exits(0);
    watch.until("changed on the cluster: ConfigMap shop/web");
    watch.until("the cluster was changed");
    watch.until("Succeeded");
    assert!(world.gitops("cluster get cm/web -n shop").exits(0).contains("colour: blue"));

    world.change("web/config.yaml", &config("web", "colour: red"), "Paint it red");
    watch.until("a new revision");
    watch.until("Succeeded");
    // A rollback by another run is seen, and holds.
    world.gitops("rollback 1 --app web --path web").exits(0);
    let held = || std::fs::read_to_string(world.inner("details/web.json")).is_ok_and(|told| told.contains("\"hold\""));
    let patience = std::time::Instant::now();
    while !held() && patience.elapsed() < std::time::Duration::from_secs(60) {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert!(world.gitops("cluster get cm/web -n shop").exits(0).contains("colour: blue"));

    let details = std::fs::read_to_string(world.inner("details/web.json")).unwrap();
    assert!(details.contains("\"resources\""), "{details}");
    let address = watch.address("metrics are at");
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut page = String::new();
    client.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK") && page.contains("argocd_app_info{"), "{page}");

    let (code, rest) = watch.stop();
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("rolled back to"), "{rest}");
}

#[test]
fn a_command_is_run_for_what_people_want_to_know() {
    let world = world();
    let command = "echo \"$GITOPS_APP $GITOPS_OCCASION\" >> ../told";
    world.run(&["watch", "apps.yaml", "--once", "--notify", command]).exits(0);
    let told = std::fs::read_to_string(world.inner("told")).unwrap();
    for line in ["base on-sync-running", "base on-sync-succeeded", "web on-sync-succeeded"] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn a_window_of_the_project_keeps_automatic_sync_out() {
    let world = world();
    let windows = "[{kind: deny, schedule: '* * * * *', duration: 1h, applications: ['web'], manualSync: true}]";
    let project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: default}\nspec:\n  sourceRepos: ['*']\n  \
                   destinations: [{server: '*', namespace: '*'}]\n  clusterResourceWhitelist: [{group: '*', kind: '*'}]\n  syncWindows: WINDOWS\n";
    world.write("apps.yaml", &format!("{APPS}---\n{}", project.replace("WINDOWS", windows)));
    let told = world.gitops("watch apps.yaml --once").exits(1);
    assert!(told.contains("base: Synced"), "{told}");
    let rests = told.lines().find(|line| line.contains("web: rests: ")).unwrap();
    assert!(rests.contains("window"), "{told}");
}
