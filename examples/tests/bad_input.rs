//! What cannot be used is refused with one message that says what, where and what to do, and nothing is touched.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use support::{NAMESPACE, World, config};

fn shop() -> World {
    World::with(&[("apps/namespace.yaml", NAMESPACE), ("apps/web.yaml", &config("web", "a: one"))])
}

/// A shop that was synced, so that there is a state that could be damaged.
fn synced() -> World {
    let world = shop();
    world.gitops("sync").exits(0);
    assert!(world.state().is_some());
    world
}

#[test]
fn without_an_answer_there_is_one_message_and_the_cluster_is_as_it_was() {
    let world = synced();
    let head = world.git(&["rev-parse", "HEAD"]);
    fs::create_dir(world.inner("plain")).unwrap();
    let plain = world.inner("plain").display().to_string();
    let before = world.state();
    for (arguments, expected) in [
        (
            format!("sync --repo {plain}"),
            format!("`{plain}` is not a Git repository; give the folder that holds it, or a bare repository"),
        ),
        (
            "sync --repo https://me:secret@127.0.0.1:1/shop.git".into(),
            "`https://127.0.0.1:1/shop.git` (io: Connection refused (os error 111)) cannot be reached now".into(),
        ),
        (
            "sync --repo ext::sh".into(),
            "`ext::sh` asks for a remote helper, which may run any program is not supported".into(),
        ),
        ("diff --revision mian".into(), "revision `mian` does not exist; did you mean `main`?".into()),
        ("status --revision v9".into(), "revision `v9` does not exist; give a branch, a tag or a commit id".into()),
        (
            "plan --path app".into(),
            format!("revision `{head}` has no `app`; paths start at the root of the repository"),
        ),
        (
            "validate --path ../apps".into(),
            "path `../apps` leaves the repository; give a path relative to its root, without `..`".into(),
        ),
        (
            "sync --app .shop".into(),
            "`.shop` cannot name an application or installation; use 1 to 200 letters, digits, `-`, `_` or `.`, \
             starting with a letter or digit; set it with `--app`"
                .into(),
        ),
        (
            "sync --cluster kube:prod".into(),
            if cfg!(feature = "kube") {
                "the kubeconfig does not say how to reach cluster `prod`; see `kubectl config get-contexts`".into()
            } else {
                "this program was built without real clusters; build it with `--features kube`, or use `--cluster \
                 memory`"
                    .into()
            },
        ),
        (
            "history --app nobody".into(),
            "application `nobody` was never synced to this cluster; sync it first, or name another one with `--app`"
                .into(),
        ),
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let error = world.run(&arguments).refuses();
        assert_eq!(error.lines().next().unwrap(), format!("error: {expected}"), "{arguments:?}");
        assert_eq!(world.state(), before, "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_refused_with_what_would_be_right() {
    let world = shop();
    for (arguments, expected) in [
        ("sync --prun", "a similar argument exists: '--prune'"),
        ("snyc", "a similar subcommand exists: 'sync'"),
        ("", "Usage: gitops"),
        ("sync -o xml", "[possible values: text, json, yaml]"),
        ("sync --cluster mem", "it must be `memory`, `memory:FILE`, `kube` or `kube:CONTEXT`"),
        ("sync --cluster memory:", "a file must follow `memory:`, such as `memory:cluster.json`"),
        ("plan --prune-budget 101", "101 is not in 0..=100"),
        ("diff --dry-run", "unexpected argument '--dry-run'"),
    ] {
        let error = world.gitops(arguments).refuses();
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    assert_eq!(world.state(), None);
}

#[test]
fn an_ambiguous_commit_id_is_refused_with_the_candidates() {
    let world = shop();
    let ids = world.many_commits(600);
    // Of 600 ids two begin with the same four digits, and since they never change, always the same two.
    let twin = |id: &&String| ids.iter().filter(|other| other[..4] == id[..4]).count() == 2;
    let id = ids.iter().find(twin).unwrap();
    let error = world.gitops(&format!("sync --revision {}", &id[..4])).refuses();
    let twins: Vec<String> = ids.iter().filter(|other| other[..4] == id[..4]).map(|id| format!("`{id}`")).collect();
    let expected = format!("error: revision `{}` is ambiguous; give one of {}\n", &id[..4], twins.join(", "));
    assert_eq!(error, expected);
}

#[test]
fn a_file_that_is_no_embedded_cluster_is_reported_and_left_as_it_is() {
    let world = synced();
    let good = world.state().unwrap();
    let cut = &good[..good.len() - 20];
    let flipped: Vec<u8> = String::from_utf8(good.clone()).unwrap().replace("one", "two").into_bytes();
    let newer = String::from_utf8(good.clone()).unwrap().replacen("\"version\":1", "\"version\":7", 1).into_bytes();
    let path = world.state_file().display().to_string();
    let hint = "restore it from a copy, or remove it to start with an empty cluster";
    let damaged = format!(
        "the cluster file `{path}` cannot be used: the cluster state is damaged: its checksum does not match, so it \
         was cut off or changed; {hint}"
    );
    let foreign = format!(
        "`{path}` is no file of an embedded cluster: its first line does not say so; restore it from a copy, remove it \
         to start with an empty cluster, or name another file"
    );
    for (about, bytes, expected) in [
        ("cut off", cut, &damaged),
        ("changed", &flipped, &damaged),
        ("foreign", b"{\"kind\": \"Pod\"}\n", &foreign),
        ("empty", b"", &foreign),
        (
            "newer",
            &newer,
            &format!("the cluster file `{path}` was written by a newer version of this program; update this one"),
        ),
    ] {
        fs::write(world.state_file(), bytes).unwrap();
        for verb in ["sync", "diff", "history", "cluster get"] {
            assert_eq!(world.gitops(verb).refuses(), format!("error: {expected}\n"), "{about}, {verb}");
            assert_eq!(world.state().unwrap(), bytes, "{about}, {verb}");
        }
    }
}

#[test]
fn a_cluster_file_can_lie_anywhere_but_its_folder_must_exist() {
    let world = shop();
    world.gitops("sync --cluster memory:../mine.json").exits(0);
    assert!(world.inner("mine.json").exists() && world.state().is_none());
    let error = world.gitops("sync --cluster memory:../none/mine.json").refuses();
    assert_eq!(
        error,
        "error: the folder `../none` does not exist; create it, or name another file in `--cluster memory:FILE`\n"
    );
    let error = world.gitops("sync --cluster memory:../shop").refuses();
    assert!(error.contains("` is no file; name a file in `--cluster memory:FILE`"), "{error}");
}

#[test]
fn what_a_killed_run_left_beside_the_cluster_file_is_gone_after_the_next() {
    let world = shop();
    fs::create_dir_all(world.inner("cache/gitops")).unwrap();
    fs::write(world.inner("cache/gitops/cluster.json.new"), "half").unwrap();
    world.gitops("sync").exits(0);
    let mut left: Vec<_> =
        fs::read_dir(world.inner("cache/gitops")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["cluster.json", "cluster.json.lock"]);
}

#[test]
fn a_bad_manifest_is_named_with_its_place_and_holds_back_only_itself() {
    for (about, text, expected) in [
        ("no YAML", "a: [1,\n", "apps/bad.yaml:2:1: a value is expected here"),
        (
            "no kind",
            "apiVersion: v1\nmetadata:\n  name: bad\n",
            "apps/bad.yaml:1: `kind` is missing; a manifest needs `apiVersion`, `kind` and `metadata.name`; leave files \
             that are no manifests out of the source's paths",
        ),
        (
            "no name",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
            "apps/bad.yaml:1: `metadata.name` is missing; a manifest needs `apiVersion`, `kind` and `metadata.name`, or for \
             a hook `metadata.generateName`; ",
        ),
        (
            "no namespace",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\n",
            "apps/bad.yaml:1: ConfigMap bad: has no namespace, and the application sets none; \
             set `metadata.namespace`, or give the application a namespace",
        ),
        (
            "unknown kind",
            "apiVersion: example.org/v1\nkind: Shop\nmetadata:\n  name: bad\n",
            "apps/bad.yaml:1: example.org/Shop bad: the cluster serves no kind `example.org/Shop` and no CRD of this \
             set declares it; check `apiVersion` and `kind`, or add the CRD",
        ),
        (
            "unknown option",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: bad\n  namespace: shop\n  annotations:\n    \
             argocd.argoproj.io/sync-options: Prun=false\n",
            "apps/bad.yaml:1: ConfigMap shop/bad: `metadata.annotations[\"argocd.argoproj.io/sync-options\"]`: \
             sync option `Prun=false` is unknown; use `Prune`, ",
        ),
    ] {
        let world = shop();
        world.change("apps/bad.yaml", text, "Break it");
        let listed = world.gitops("validate").exits(2);
        assert!(listed.lines().any(|line| line.starts_with(&format!("error: {expected}"))), "{about}: {listed}");
        let synced = world.gitops("sync").exits(2);
        assert!(synced.contains(expected), "{about}: {synced}");
        assert!(world.gitops("cluster get cm/web").exits(0).contains("a: one"), "{about}");
        let error = world.gitops("cluster get cm/bad").refuses();
        assert!(error.starts_with("error: there is no ConfigMap `bad`"), "{about}: {error}");
    }
}

#[test]
fn files_that_are_no_manifests_can_be_left_out() {
    let world = shop();
    world.change("apps/values.yaml", "replicas: 3\n", "Add a file for another tool");
    world.gitops("validate --path apps").exits(2);
    world.gitops("validate --path apps --exclude values.yaml").exits(0);
    world.gitops("validate --include apps/{web,namespace}.yaml").exits(0);
}

#[test]
fn an_object_declared_twice_is_held_back_and_both_places_are_named() {
    let world = shop();
    let twice = format!("{}---\n{}", config("other", "b: two"), config("web", "a: three"));
    world.change("apps/again.yaml", &twice, "Say it twice");
    let expected = "error: apps/web.yaml:1: ConfigMap shop/web: is declared twice (also at apps/again.yaml:9); keep one \
                    of the two declarations";
    let listed = world.gitops("validate").exits(2);
    assert!(listed.lines().any(|line| line == expected), "{listed}");
    world.gitops("sync").exits(2);
    assert!(world.gitops("cluster get cm/other").exits(0).contains("b: two"));
    world.gitops("cluster get cm/web").refuses();
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_to_no_cluster_file_yet_is_followed_and_never_replaced() {
    let world = World::with(&[("namespace.yaml", NAMESPACE)]);
    std::os::unix::fs::symlink("elsewhere.json", world.inner("link.json")).unwrap();
    world.gitops("sync --cluster memory:../link.json").exits(0);
    assert!(world.inner("link.json").is_symlink() && world.inner("elsewhere.json").is_file());
    assert!(world.gitops("status --cluster memory:../link.json").exits(0).contains("Synced"));
    std::os::unix::fs::symlink("nowhere/cluster.json", world.inner("broken.json")).unwrap();
    let error = world.gitops("sync --cluster memory:../broken.json").refuses();
    assert!(error.contains("does not exist") && world.inner("broken.json").is_symlink(), "{error}");
}
