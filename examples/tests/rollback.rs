//! `gitops rollback`: going back to an earlier revision and staying there.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

#[path = "../../gitops-git/tests/support/server.rs"]
#[allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a part of it is used")]
mod server;
mod support;

use std::fs;

use support::{NAMESPACE, World, config};

/// Three revisions, each synced; the last one is bad.
fn broken() -> (World, [String; 3]) {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "colour: blue"))]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.gitops("sync").exits(0);
    let second = world.change("web.yaml", &config("web", "colour: green"), "Paint it green");
    world.gitops("sync").exits(0);
    let bad = world.change("web.yaml", &config("web", "colour: red"), "Paint it red");
    world.gitops("sync").exits(0);
    (world, [first, second, bad])
}

fn colour(world: &World) -> String {
    let object = world.gitops("cluster get cm/web -n shop").exits(0);
    object.lines().find_map(|line| line.trim().strip_prefix("colour: ")).unwrap().to_owned()
}

#[test]
fn a_rollback_brings_an_earlier_revision_and_keeps_the_bad_one_out() {
    let (world, [first, second, bad]) = broken();
    let told = world.run(&["rollback", &second[..8]]).exits(0);
    assert_eq!(colour(&world), "green");
    let (to, from) = (&second[..12], &bad[..12]);
    let held = format!("rolled back to {to} by ann at ");
    assert!(told.contains(&held) && told.contains(&format!("{from} is kept back until")), "{told}");

    let status = world.gitops("status").exits(0);
    assert!(status.contains(&held) && status.contains("Synced, Healthy"), "{status}");
    assert_eq!(world.gitops("status -o json").json()["hold"]["skipped"][0], *bad);
    let history = world.gitops("history").exits(0);
    assert!(history.contains(&held) && history.contains("ann (rollback)"), "{history}");

    let refused = world.gitops("sync").refuses();
    assert!(
        refused.starts_with(&format!("error: `{from}`, which `HEAD` names, was rolled back to `{to}` by ann at "))
            && refused.contains("`--resume`"),
        "{refused}"
    );
    assert_eq!(colour(&world), "green");

    // Further back, by its number in the history: both are kept back.
    let told = world.gitops("rollback 1").exits(0);
    assert_eq!(colour(&world), "blue");
    assert!(told.contains(&format!("rolled back to {}", &first[..12])) && told.contains(" and "), "{told}");
}

#[test]
fn a_newer_commit_ends_a_rollback_by_itself() {
    let (world, [_, second, _]) = broken();
    world.run(&["rollback", &second]).exits(0);
    world.change("web.yaml", &config("web", "colour: white"), "Paint it white");
    let told = world.gitops("sync").exits(0);
    assert!(!told.contains("rolled back"), "{told}");
    assert_eq!(colour(&world), "white");
    assert!(world.gitops("sync --resume").refuses().contains("no rollback of application `shop` holds"));
}

#[test]
fn a_commit_that_says_nothing_new_does_not_end_a_rollback() {
    let (world, [_, second, _]) = broken();
    world.run(&["rollback", &second]).exits(0);
    world.change("notes.txt", "not the application's", "Take notes");
    let head = world.change("web.yaml", &format!("# still red\n{}", config("web", "colour: red")), "Say so");
    let refused = world.gitops("sync").refuses();
    assert!(refused.contains(&head[..12]) && refused.contains("was rolled back"), "{refused}");
    assert_eq!(colour(&world), "green");
    world.change("web.yaml", &config("web", "colour: white"), "Paint it white");
    world.gitops("sync").exits(0);
    assert_eq!(colour(&world), "white");
}

#[test]
fn somebody_who_insists_gets_what_was_rolled_back() {
    for arguments in ["sync --resume", "sync --revision ID"] {
        let (world, [_, second, bad]) = broken();
        world.run(&["rollback", &second]).exits(0);
        // To sync what it went to keeps it.
        assert!(world.run(&["sync", "--revision", &second]).exits(0).contains("rolled back to"));
        world.gitops(&arguments.replace("ID", &bad)).exits(0);
        assert_eq!(colour(&world), "red", "{arguments}");
        assert!(!world.gitops("history").exits(0).contains("rolled back to"), "{arguments}");
    }
    let (world, [_, second, _]) = broken();
    world.run(&["rollback", &second]).exits(0);
    let told = world.gitops("rollback --resume").exits(0);
    assert_eq!(
        told,
        format!("the rollback to {} by ann holds no longer; `gitops sync` brings what is followed\n", &second[..12])
    );
    assert_eq!(colour(&world), "green");
    world.gitops("sync").exits(0);
    assert_eq!(colour(&world), "red");
}

#[test]
fn a_rollback_to_nowhere_says_what_is_wrong_and_changes_nothing() {
    let (world, [_, _, bad]) = broken();
    let before = world.state();
    for (arguments, expected) in [
        ("rollback v9", "error: `v9` is neither in the history of the application nor in the repository: "),
        ("rollback HEAD", "error: `HEAD` names `ID` itself, so there is nothing to go back from"),
        ("rollback --resume", "error: no rollback of application `shop` holds, so there is nothing to resume"),
        ("rollback 1 --app other", "error: application `other` was never synced to this cluster"),
    ] {
        let told = world.gitops(arguments).refuses();
        assert!(told.starts_with(&expected.replace("ID", &bad[..12])), "{arguments}: {told}");
    }
    assert!(world.gitops("rollback").refuses().contains("<REVISION>"));
    let planned = world.gitops("rollback 1 --dry-run").exits(1);
    assert!(planned.contains("apply ConfigMap shop/web") || planned.contains("ConfigMap shop/web"), "{planned}");
    assert_eq!(world.state(), before);
}

#[test]
fn an_object_that_came_later_stays_unless_its_deletion_is_confirmed() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "colour: blue"))]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.gitops("sync").exits(0);
    world.change("new.yaml", &config("new", "a: one"), "Add new");
    world.gitops("sync").exits(0);
    let kept = world.run(&["rollback", &first, "--prune"]);
    assert!(kept.out.contains("nothing is pruned: this revision is older"), "{}{}", kept.out, kept.err);
    world.gitops("cluster get cm/new -n shop").exits(0);
    let told = world.run(&["rollback", &first, "--prune", "--confirm"]).exits(0);
    assert!(told.contains("deleted"), "{told}");
    assert_eq!(world.gitops("cluster get cm/new -n shop").code, 2);
}

#[test]
fn a_rollback_leaves_a_commit_to_review_that_ends_it_once_merged() {
    let (world, [_, second, _]) = broken();
    world.change("notes.txt", "not the application's", "Take notes");
    let told = world.run(&["rollback", &second[..8], "--revert", "revert/red"]).exits(0);
    assert!(told.contains("on branch `revert/red` takes the files back; push it and have it reviewed"), "{told}");
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["diff", "--name-only", "main", "revert/red"]), "web.yaml");
    assert_eq!(
        world.git(&["log", "-1", "--format=%an: %s", "revert/red"]),
        format!("ann: Revert shop to {}", &second[..12])
    );
    world.gitops("sync").refuses();
    world.git(&["merge", "-q", "--ff-only", "revert/red"]);
    world.gitops("sync").exits(0);
    assert_eq!(colour(&world), "green");
    let again = world.run(&["rollback", &second[..8], "--revert", "revert/red"]).refuses();
    assert!(again.contains("as they were"), "{again}");
}

#[test]
fn an_empty_revision_is_no_revision() {
    let (world, _) = broken();
    for arguments in [["rollback", ""], ["sync", "--revision="], ["plan", "--revision="]] {
        let error = world.run(&arguments).refuses();
        assert!(error.contains("a value is required for"), "{arguments:?}: {error}");
    }
}

#[test]
fn a_revert_onto_a_branch_that_exists_does_nothing_and_says_why() {
    let (world, [_, second, _]) = broken();
    let before = world.state();
    let error = world.run(&["rollback", &second, "--revert", "main"]).refuses();
    let told = "nothing was done: making the branch `main`, which exists already, is not supported; `--revert` makes a new \
                branch: name another\n";
    assert_eq!(error, format!("error: {told}"));
    assert_eq!(world.state(), before);
    assert!(world.run(&["rollback", &second, "--revert="]).refuses().contains("a value is required for"));
}

#[test]
fn a_revision_that_leaves_nothing_to_write_is_in_the_history_and_a_part_of_one_is_marked() {
    let (world, _) = broken();
    world.change("more.yaml", &config("more", "a: one"), "Add more");
    let told = world.gitops("sync --only cm/more").exits(0);
    assert!(told.contains("created  ConfigMap shop/more"), "{told}");
    let history = world.gitops("history").exits(0);
    assert!(history.lines().nth(1).unwrap().contains("Succeeded, in part"), "{history}");
    world.remove("more.yaml");
    world.commit("Drop more");
    world.gitops("sync").exits(1);
    let history = world.gitops("history").exits(0);
    let newest = history.lines().nth(1).unwrap();
    assert!(newest.contains("Drop more") && !newest.contains("in part"), "{history}");
    world.gitops("sync").exits(1);
    assert_eq!(world.gitops("history").exits(0), history, "once");
}

#[test]
fn the_commit_of_a_revert_is_pushed_where_that_is_asked_for() {
    let (world, [_, second, _]) = broken();
    let hosted = world.inner("hosted").display().to_string();
    world.git(&["clone", "-q", "--bare", ".", &format!("{hosted}/shop.git")]);
    world.git(&["--git-dir", &format!("{hosted}/shop.git"), "config", "http.receivepack", "true"]);
    let server = server::Server::start(hosted.as_ref());
    let url = server.url("shop.git");

    let nowhere = world.run(&["rollback", &second, "--revert", "back", "--push", "upstream"]).refuses();
    assert!(nowhere.contains("nothing was done") && nowhere.contains("takes the name of a remote"), "{nowhere}");
    assert_eq!(colour(&world), "red");
    assert!(world.run(&["rollback", &second, "--push"]).refuses().contains("--revert"));

    world.git(&["remote", "add", "origin", &url]);
    let hook = world.inner("hosted/shop.git/hooks/post-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho 'Open a pull request at https://git.example/new' >&2\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let told = world.run(&["rollback", &second, "--revert", "back", "--push"]).exits(0);
    assert!(told.contains(&format!("it was pushed to `{url}`: have it reviewed")), "{told}");
    assert!(told.contains("\n  it says: Open a pull request at https://git.example/new\n"), "{told}");
    let pushed = world.git(&["ls-remote", &url, "refs/heads/back"]);
    assert!(pushed.starts_with(&world.git(&["rev-parse", "back"])), "{pushed}");
    assert_eq!(colour(&world), "green");

    // A folder takes it without a server, but not past a hook.
    let folder = world.inner("other.git").display().to_string();
    world.git(&["clone", "-q", "--bare", &url, &folder]);
    world.git(&["remote", "add", "beside", "../other.git"]);
    world.gitops("rollback --resume").exits(0);
    let told = world.run(&["rollback", &second, "--revert", "beside", "--push", "beside"]).exits(0);
    assert!(told.contains("other.git`: have it reviewed"), "{told}");
    assert_eq!(world.git(&["--git-dir", &folder, "rev-parse", "beside"]), world.git(&["rev-parse", "beside"]));
    let told = world.gitops("log --repo ../other.git --revision beside").exits(0);
    assert!(told.contains("Revert "), "{told}");

    // What cannot be pushed is rolled back all the same, and told.
    let first = world.git(&["rev-list", "--max-parents=0", "main"]);
    let failed = world.run(&["rollback", &first, "--revert", "other", "--push", "http://127.0.0.1:1/x.git"]);
    assert_eq!(failed.code, 2, "{}", failed.err);
    assert!(
        failed.out.contains("it was not pushed: ") && failed.out.contains("push it with `git push`"),
        "{}",
        failed.out
    );
    assert_eq!(colour(&world), "blue");
}
