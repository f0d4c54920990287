//! Which files a snapshot names, and what it says of the rest.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use gitops_core::source::{ContentId, Entry, Folder, Paths, Recurse, Snapshot, Source, SourceFailure};
use gitops_git::{GitLimits, GitSource};

use support::{Repo, answer, described, git, listed, resolve, revision, snapshot, under};

fn folder<'s>(snapshot: &'s Snapshot, path: &str) -> &'s Arc<Folder> {
    path.split('/').fold(&snapshot.root, |folder, name| match folder.entries.get(name) {
        Some(Entry::Folder(below)) => below,
        other => panic!("{path}: {other:?}"),
    })
}

fn names(source: &GitSource, paths: &Paths) -> Vec<String> {
    snapshot(source, "HEAD", paths).unwrap().files().iter().map(|file| file.path.to_string()).collect()
}

fn limited(repo: &Repo, change: impl FnOnce(&mut GitLimits)) -> GitSource {
    let mut limits = GitLimits::default();
    change(&mut limits);
    repo.source().with_limits(limits)
}

#[test]
fn the_wanted_files_are_listed_by_path_with_the_bytes_of_the_commit() {
    let repo = Repo::new();
    for path in ["a.yaml", "apps/web.yml", "apps/web.json", "apps/README.md", "apps/base/x/y.yaml", "apps-2/z.yaml"] {
        repo.write(path, path);
    }
    repo.write("crlf.yaml", "a\r\nb\r\n").write(".gitattributes", "* text=auto eol=lf\n*.yaml ident\n");
    repo.commit("Add");
    let source = repo.source();
    let all = ["a.yaml", "apps-2/z.yaml", "apps/base/x/y.yaml", "apps/web.json", "apps/web.yml", "crlf.yaml"];
    for (paths, expected) in [
        (Paths::default(), &all[..]),
        (under("."), &all[..]),
        (under("apps"), &all[2..5]),
        (under("apps").with_recurse(Recurse::No), &all[3..5]),
        (under("apps/base/x"), &all[2..3]),
        (under("apps/web.json"), &all[3..4]),
        (under("apps/README.md"), &["apps/README.md"]),
        (Paths::under(["apps-2", "apps/base"]).unwrap(), &all[1..3]),
        (under("apps").with_include("**/*.md"), &["apps/README.md"]),
        (under("apps").with_exclude("base/**"), &all[3..5]),
    ] {
        assert_eq!(names(&source, &paths), expected, "{paths:?}");
    }
    let snapshot = snapshot(&source, "HEAD", &Paths::default()).unwrap();
    assert_eq!(snapshot.root.id.as_ref().unwrap().as_str(), repo.id("HEAD^{tree}"));
    assert_eq!(folder(&snapshot, "apps/base").id.as_ref().unwrap().as_str(), repo.id("HEAD:apps/base"));
    let file = snapshot.files().into_iter().find(|file| &*file.path == "apps/web.yml").unwrap();
    assert_eq!(file.id.as_str(), repo.id("HEAD:apps/web.yml"));
    assert!(described(&source, &snapshot).contains(&"apps/web.yml: apps/web.yml".to_owned()));
    assert_eq!((&snapshot.paths, &snapshot.problems), (&Some(Paths::default()), &vec![]));
}

#[test]
fn the_work_tree_and_the_index_are_never_read() {
    let repo = Repo::new();
    repo.write("a.yaml", "committed").write("b.yaml", "committed").commit("Add");
    let source = repo.source();
    let before = ["a.yaml: committed", "b.yaml: committed"];
    repo.write("a.yaml", "dirty").write("untracked.yaml", "untracked");
    assert_eq!(listed(&source, "HEAD", &Paths::default()), before);
    repo.write("staged.yaml", "staged").git(&["add", "-A"]);
    repo.git(&["rm", "-q", "--cached", "b.yaml"]);
    assert_eq!(listed(&source, "HEAD", &Paths::default()), before);
    for entry in fs::read_dir(repo.path()).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != ".git") {
        fs::remove_file(entry.path()).unwrap();
    }
    fs::write(repo.inner(".git/index"), "no index").unwrap();
    assert_eq!(listed(&source, "HEAD", &Paths::default()), before);
}

#[test]
fn a_root_that_does_not_exist_is_an_error_and_one_without_manifests_is_not() {
    let repo = Repo::new();
    repo.write("apps/README.md", "x").write("a.yaml", "a");
    let id = repo.commit("Add");
    let source = repo.source();
    for path in ["app", "apps/web", "a.yaml/b", "APPS", "apps\n"] {
        let text = format!(
            "revision `{id}` has no `{}`; paths start at the root of the repository",
            path.replace('\n', "\\n")
        );
        assert_eq!(listed(&source, "HEAD", &under(path)), [text], "{path}");
    }
    let both = Paths::under(["a.yaml", "gone"]).unwrap();
    assert!(listed(&source, "HEAD", &both)[0].contains("has no `gone`"));
    assert_eq!(listed(&source, "HEAD", &under("apps")), [""; 0]);
}

#[test]
fn a_revision_of_no_commit_is_unknown() {
    let repo = Repo::new();
    repo.commit("Add");
    for id in ["main", "", "0123456789012345678901234567890123456789", &"0".repeat(64), "\u{1b}x"] {
        let error = answer(repo.source().snapshot(&revision(id), &Paths::default(), None)).unwrap_err();
        assert!(matches!(error.failure, SourceFailure::UnknownRevision { .. }), "{id}: {error}");
    }
}

#[test]
fn folders_that_did_not_change_are_shared_and_not_read_again() {
    let repo = Repo::new();
    repo.write("apps/web/pod.yaml", "1").write("apps/db/pod.yaml", "1").write("infra/x/y.yaml", "1").commit("One");
    let source = repo.source();
    let first = snapshot(&source, "HEAD", &Paths::default()).unwrap();
    repo.write("apps/web/pod.yaml", "2");
    let second_id = repo.commit("Two");
    for unread in ["HEAD:infra", "HEAD:infra/x", "HEAD:apps/db"].map(|path| repo.id(path)) {
        repo.remove(&unread);
    }
    let take = |known| answer(source.snapshot(&revision(&second_id), &Paths::default(), known)).unwrap();
    let second = take(Some(&first));
    assert_eq!(described(&source, &second), ["apps/db/pod.yaml: 1", "apps/web/pod.yaml: 2", "infra/x/y.yaml: 1"]);
    for (path, same) in [("apps", false), ("apps/web", false), ("apps/db", true), ("infra", true), ("infra/x", true)] {
        assert_eq!(Arc::ptr_eq(folder(&first, path), folder(&second, path)), same, "{path}");
    }
    assert!(Arc::ptr_eq(&second.root, &take(Some(&second)).root));
}

#[test]
fn a_snapshot_of_other_paths_is_no_substitute_for_reading() {
    let repo = Repo::new();
    repo.write("apps/a.yaml", "1").write("apps/b.json", "1").write("same/c.yaml", "1").commit("One");
    let source = repo.source();
    let id = resolve(&source, "HEAD").unwrap().id;
    let yaml = Paths::default().with_include("**/*.yaml");
    let narrow = answer(source.snapshot(&id, &yaml, None)).unwrap();
    let wide = answer(source.snapshot(&id, &Paths::default(), Some(&narrow))).unwrap();
    assert_eq!(described(&source, &wide), ["apps/a.yaml: 1", "apps/b.json: 1", "same/c.yaml: 1"]);
    // What turned out equal is still one allocation.
    assert!(Arc::ptr_eq(folder(&narrow, "same"), folder(&wide, "same")));

    let untold = Snapshot::new(&id, Arc::clone(&narrow.root));
    let wide = answer(source.snapshot(&id, &yaml, Some(&untold))).unwrap();
    assert!(Arc::ptr_eq(&wide.root, &narrow.root), "read again, and found equal");
}

#[test]
fn links_within_the_repository_are_followed() {
    let repo = Repo::new();
    repo.write("base/a.yaml", "a").write("base/deep/b.yaml", "b").write("docs/notes.txt", "n");
    repo.link("apps/a.yaml", "../base/a.yaml");
    repo.link("apps/tree", "../base");
    repo.link("apps/twice.yaml", "./tree/deep/../a.yaml");
    repo.link("apps/notes.md", "../docs/notes.txt");
    repo.link("apps/named.yaml", "../docs/notes.txt");
    repo.link("apps/up", "../shortcut");
    repo.link("shortcut", "base/deep");
    repo.commit("Add");
    let source = repo.source();
    let expected = [
        "apps/a.yaml: a",
        "apps/named.yaml: n",
        "apps/tree/a.yaml: a",
        "apps/tree/deep/b.yaml: b",
        "apps/twice.yaml: a",
        "apps/up/b.yaml: b",
    ];
    assert_eq!(listed(&source, "HEAD", &under("apps")), expected);
    assert_eq!(listed(&source, "HEAD", &under("shortcut")), ["shortcut/b.yaml: b"]);
    assert_eq!(listed(&source, "HEAD", &under("apps/tree/deep")), ["apps/tree/deep/b.yaml: b"]);
    assert_eq!(listed(&source, "HEAD", &under("apps/tree/a.yaml")), ["apps/tree/a.yaml: a"]);
    assert_eq!(
        listed(&source, "HEAD", &under("apps").with_recurse(Recurse::No)),
        [expected[0], expected[1], expected[4]]
    );
}

#[test]
fn a_folder_with_a_link_is_read_again_since_its_id_does_not_cover_the_target() {
    let repo = Repo::new();
    repo.write("base/a.yaml", "1").link("apps/a.yaml", "../base/a.yaml").write("apps/own/b.yaml", "b").commit("One");
    let source = repo.source();
    let first = snapshot(&source, "HEAD", &under("apps")).unwrap();
    assert_eq!((&folder(&first, "apps").id, &first.root.id), (&None, &None));
    repo.write("base/a.yaml", "2").commit("Two");
    let id = resolve(&source, "HEAD").unwrap().id;
    let second = answer(source.snapshot(&id, &under("apps"), Some(&first))).unwrap();
    assert_eq!(described(&source, &second), ["apps/a.yaml: 2", "apps/own/b.yaml: b"]);
    assert!(Arc::ptr_eq(folder(&first, "apps/own"), folder(&second, "apps/own")));
    let third = answer(source.snapshot(&id, &under("apps"), Some(&second))).unwrap();
    assert!(Arc::ptr_eq(&second.root, &third.root), "equal, although read again");
}

#[test]
fn a_link_that_cannot_be_followed_is_a_problem_that_blocks_where_a_manifest_is_missing() {
    for (link, target, told) in [
        (
            "a.yaml",
            "gone.yaml",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `gone.yaml`, which does not exist at this revision; HINT",
        ),
        (
            "gone",
            "../gone",
            "Warning apps/gone: the link `apps/gone` points to `../gone`, which does not exist at this revision; HINT",
        ),
        (
            "a.yaml",
            "../../x.yaml",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `../../x.yaml`, which is outside the repository; HINT",
        ),
        (
            "a.yaml",
            "/etc/passwd",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `/etc/passwd`, which is outside the repository; HINT",
        ),
        (
            "etc",
            "/etc",
            "Warning apps/etc: the link `apps/etc` points to `/etc`, which is outside the repository; HINT",
        ),
        (
            "a.yaml",
            "a.yaml",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `a.yaml`, which leads round in a circle; HINT",
        ),
        (
            "a.yaml",
            "../apps/../apps/a.yaml",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `../apps/../apps/a.yaml`, which leads round in a circle; HINT",
        ),
        ("self", ".", "Warning apps/self: the link `apps/self` leads back to a folder around it; it is not followed"),
        ("root", "..", "Warning apps/root: the link `apps/root` leads back to a folder around it; it is not followed"),
        (
            "a.yaml",
            "x\u{1b}[2J",
            "Blocks apps/a.yaml: the link `apps/a.yaml` points to `x\\u{1b}[2J`, which does not exist at this revision; HINT",
        ),
    ] {
        let repo = Repo::new();
        repo.write("apps/z.yaml", "z").link(&format!("apps/{link}"), target).commit("Add");
        let told = told.replace("HINT", "commit the file itself, or remove the link");
        assert_eq!(listed(&repo.source(), "HEAD", &under("apps")), ["apps/z.yaml: z", &told], "{link} -> {target}");
    }
}

#[test]
fn links_between_two_folders_end_after_one_round() {
    let repo = Repo::new();
    repo.write("a/a.yaml", "a").write("b/b.yaml", "b").link("a/to-b", "../b").link("b/to-a", "../a").commit("Add");
    let round =
        |path: &str| format!("Warning {path}: the link `{path}` leads back to a folder around it; it is not followed");
    let expected = [
        "a/a.yaml: a".to_owned(),
        "a/to-b/b.yaml: b".to_owned(),
        "b/b.yaml: b".to_owned(),
        "b/to-a/a.yaml: a".to_owned(),
        round("a/to-b/to-a"),
        round("b/to-a/to-b"),
    ];
    assert_eq!(listed(&repo.source(), "HEAD", &Paths::default()), expected);
}

#[test]
fn a_submodule_is_named_and_not_read() {
    let repo = Repo::new();
    let id = repo.write("apps/a.yaml", "a").commit("Add");
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},apps/vendor")]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},elsewhere")]);
    repo.git(&["commit", "-q", "-m", "Add submodules"]);
    let told = "Warning apps/vendor: `apps/vendor` is a submodule; its files are not read; \
                commit its files here, or make its repository a source of its own";
    assert_eq!(listed(&repo.source(), "HEAD", &under("apps")), ["apps/a.yaml: a", told]);
    let text = "`apps/vendor/x` is in a submodule; reading it is not supported";
    assert_eq!(listed(&repo.source(), "HEAD", &under("apps/vendor/x")), [text]);
}

#[test]
fn a_name_that_is_not_utf_8_is_read_and_named_as_well_as_it_can_be() {
    let repo = Repo::new();
    let folder = repo.inner("apps").join(std::ffi::OsStr::from_bytes(b"d\xff"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("x.yaml"), "x").unwrap();
    fs::write(repo.inner("apps").join(std::ffi::OsStr::from_bytes(b"a\xfe.yaml")), "one").unwrap();
    fs::write(repo.inner("apps").join(std::ffi::OsStr::from_bytes(b"a\xff.yaml")), "two").unwrap();
    std::os::unix::fs::symlink("x.yaml", folder.join("link.yaml")).unwrap();
    repo.commit("Add");
    let expected = [
        "apps/a\u{fffd}.yaml: one",
        "apps/d\u{fffd}/link.yaml: x",
        "apps/d\u{fffd}/x.yaml: x",
        "Warning apps/a\u{fffd}.yaml: the name `a\u{fffd}.yaml` is not UTF-8; it is shown with replacement characters; rename it",
        "Blocks apps/a\u{fffd}.yaml: two entries of one folder are called `a\u{fffd}.yaml`; only the first is read; rename one of them",
        "Warning apps/d\u{fffd}: the name `d\u{fffd}` is not UTF-8; it is shown with replacement characters; rename it",
    ];
    assert_eq!(listed(&repo.source(), "HEAD", &under("apps")), expected);
}

#[test]
fn impossible_names_in_a_tree_block_and_are_not_followed() {
    let repo = Repo::new();
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], b"evil");
    let bytes: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&blob[2 * at..2 * at + 2], 16).unwrap()).collect();
    let entry = |name: &str| [b"100644 ", name.as_bytes(), b"\0", &bytes].concat();
    let tree = ["..", "a/b.yaml", "a.yaml", "a.yaml"].map(entry).concat();
    let tree = repo.git_with(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &tree);
    let commit = repo.git(&["commit-tree", "-m", "Evil", &tree]);
    let what = "a folder of the commit has an entry with the impossible name";
    let expected = [
        "a.yaml: evil".to_owned(),
        format!("Blocks ..: {what} `..`"),
        format!("Blocks a/b.yaml: {what} `a/b.yaml`"),
        "Blocks a.yaml: two entries of one folder are called `a.yaml`; only the first is read; rename one of them"
            .into(),
    ];
    assert_eq!(listed(&repo.source(), &commit, &Paths::default()), expected);
}

#[test]
fn what_cannot_be_read_is_never_left_out_silently() {
    let repo = Repo::new();
    repo.write("apps/web/pod.yaml", "web").write("apps/db/pod.yaml", "db").write("apps/db/x/y.yaml", "y").commit("Add");
    let source = repo.source();
    let whole = snapshot(&source, "HEAD", &under("apps")).unwrap();
    let (tree, blob) = (repo.id("HEAD:apps/db/x"), repo.id("HEAD:apps/web/pod.yaml"));
    repo.remove(&tree);
    repo.remove(&blob);
    let missing = "is missing: the repository is damaged; run `git fsck`, or clone again";
    let expected = [
        "apps/db/pod.yaml: db".to_owned(),
        format!("apps/web/pod.yaml: the blob `{blob}` {missing}"),
        format!("Blocks apps/db/x: the tree `{tree}` {missing}"),
    ];
    assert_eq!(listed(&source, "HEAD", &under("apps")), expected);
    let broken = snapshot(&source, "HEAD", &under("apps")).unwrap();
    assert_eq!(folder(&broken, "apps/db").id, None, "it must be read again next time");
    assert!(folder(&broken, "apps/web").id.is_some());
    assert!(folder(&whole, "apps/db").id.is_some());

    for (path, damage) in [("HEAD:apps", false), ("HEAD:apps", true), ("HEAD^{tree}", false)] {
        let tree = repo.id(path);
        let bytes = fs::read(repo.object(&tree)).unwrap();
        repo.remove(&tree);
        if damage {
            fs::write(repo.object(&tree), &bytes[..bytes.len() / 2]).unwrap();
        }
        let error = snapshot(&source, "HEAD", &under("apps")).unwrap_err();
        assert!(matches!(error.failure, SourceFailure::Corrupt { .. }), "{path}: {error}");
        assert_eq!(error.to_string().contains(missing), !damage, "{path}: {error}");
        if damage {
            fs::remove_file(repo.object(&tree)).unwrap();
        }
        fs::write(repo.object(&tree), bytes).unwrap();
    }
}

#[test]
fn files_are_read_in_order_and_fail_one_by_one() {
    let repo = Repo::new();
    repo.write("a.yaml", "a").write("big.yaml", &"x".repeat(2000)).write("dir/c.yaml", "c").commit("Add");
    let source = limited(&repo, |limits| limits.object_bytes = 1000);
    let (a, big, tree) = (repo.id("HEAD:a.yaml"), repo.id("HEAD:big.yaml"), repo.id("HEAD:dir"));
    let swapped = repo.id("HEAD:dir/c.yaml");
    fs::remove_file(repo.object(&swapped)).unwrap();
    fs::copy(repo.object(&a), repo.object(&swapped)).unwrap();
    let absent = "0123456789012345678901234567890123456789";
    let ids = [&*a, &big, absent, "x", &tree, &swapped, &a].map(ContentId::new);
    let told: Vec<String> = answer(source.read(&ids))
        .unwrap()
        .into_iter()
        .map(|one| one.map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned()))
        .collect();
    let expected = [
        "a".to_owned(),
        format!("the blob `{big}` has 2000 bytes, more than the limit of 1000"),
        format!("the blob `{absent}` is missing: the repository is damaged; run `git fsck`, or clone again"),
        "`x` is no id of a Git object; reading it is not supported".into(),
        format!("`{tree}` is a tree; reading it as a blob is not supported"),
        format!("the blob `{swapped}` is damaged; run `git fsck`, or clone again"),
        "a".to_owned(),
    ];
    assert_eq!(told, expected);
    assert!(answer(source.read(&[])).unwrap().is_empty());
}

#[test]
fn limits_hold_whatever_the_repository() {
    let repo = Repo::new();
    for number in 0..20 {
        repo.write(&format!("apps/{number}.yaml"), "x");
    }
    repo.commit("Add");
    let files = "there are more than 19 files under these paths; narrow them";
    let entries = "there are more than 20 files and folders; narrow the paths";
    let known = snapshot(&repo.source(), "HEAD", &under("apps")).unwrap();
    let source = limited(&repo, |limits| limits.files = 19);
    assert_eq!(listed(&source, "HEAD", &under("apps")), [files]);
    let again = answer(source.snapshot(&known.revision, &under("apps"), Some(&known))).unwrap_err();
    assert_eq!(again.to_string(), files, "shared folders count too");
    assert_eq!(listed(&limited(&repo, |limits| limits.entries = 20), "HEAD", &under("apps")), [entries]);
    assert_eq!(names(&limited(&repo, |limits| limits.entries = 30), &under("apps")).len(), 20);
}

#[test]
fn a_tree_that_unfolds_without_end_stops_at_the_limit() {
    // Ten entries that are all the same tree, ten levels deep: ten thousand million files in eleven objects.
    let repo = Repo::new();
    let mut id = repo.git_with(&["hash-object", "-w", "--stdin"], b"x");
    let (mut mode, mut kind, mut end) = ("100644", "blob", ".yaml");
    for _ in 0..10 {
        let lines: String = (0..10).map(|number| format!("{mode} {kind} {id}\t{number}{end}\n")).collect();
        id = repo.git_with(&["mktree"], lines.as_bytes());
        (mode, kind, end) = ("040000", "tree", "");
    }
    let commit = repo.git(&["commit-tree", "-m", "Bomb", &id]);
    let paths = Paths::default();
    let source = limited(&repo, |limits| limits.files = 2000);
    let files = "there are more than 2000 files under these paths; narrow them";
    assert_eq!(listed(&source, &commit, &paths), [files]);
    let source = limited(&repo, |limits| limits.entries = 3000);
    let entries = "there are more than 3000 files and folders; narrow the paths";
    assert_eq!(listed(&source, &commit, &paths), [entries]);
    assert_eq!(listed(&source, &commit, &paths.with_include("*.nothing")), [entries]);
}

#[test]
fn folders_that_lie_too_deep_block() {
    let repo = Repo::new();
    let mut id = repo.git_with(&["hash-object", "-w", "--stdin"], b"x");
    id = repo.git_with(&["mktree"], format!("100644 blob {id}\tx.yaml\n").as_bytes());
    for _ in 0..400 {
        id = repo.git_with(&["mktree"], format!("040000 tree {id}\td\n").as_bytes());
    }
    let top = repo.git_with(&["hash-object", "-w", "--stdin"], b"top");
    id = repo.git_with(&["mktree"], format!("040000 tree {id}\td\n100644 blob {top}\ttop.yaml\n").as_bytes());
    let commit = repo.git(&["commit-tree", "-m", "Deep", &id]);
    let deep = vec!["d"; 128].join("/");
    let told = format!("Blocks {deep}: folders lie more than 128 deep; what is below is not read; use fewer levels");
    assert_eq!(listed(&repo.source(), &commit, &Paths::default()), ["top.yaml: top", &told]);
}

#[test]
fn packed_objects_and_deltas_are_read_like_loose_ones() {
    let repo = Repo::new();
    let lines: String = (0..2000).map(|number| format!("line {number}\n")).collect();
    for number in 0..30 {
        repo.write("big.yaml", &format!("{lines}{number}\n")).commit("Change");
    }
    repo.git(&["repack", "-adfq", "--depth=50", "--window=50"]);
    repo.git(&["prune-packed"]);
    let deltas = git(repo.path(), support::START, &["count-objects", "-v"]).output().unwrap();
    assert!(String::from_utf8_lossy(&deltas.stdout).contains("count: 0"));
    for back in [0, 10, 29] {
        let text = format!("big.yaml: {lines}{}\n", 29 - back);
        assert_eq!(listed(&repo.source(), &format!("HEAD~{back}"), &Paths::default()), [text], "{back}");
    }
}

#[test]
fn many_files_are_answered_in_the_order_they_were_asked_for_each_by_itself() {
    let repo = Repo::new();
    let text = |number: usize| format!("{}# {number}\n", "the same in every file: nothing\n".repeat(number % 40));
    let write = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            repo.write(&format!("{number:04}.yaml"), &text(number));
        }
        repo.commit("Add");
    };
    write(0..700);
    repo.git(&["repack", "-adq", "--depth=20", "--window=20"]);
    // In no pack.
    write(700..750);
    let source = repo.source();
    let files = snapshot(&source, "HEAD", &Paths::default()).unwrap().files();
    assert_eq!(files.len(), 750);
    let mut ids: Vec<ContentId> = files.into_iter().rev().map(|file| file.id).collect();
    let gone = ContentId::new(&"1".repeat(40));
    ids.extend([gone.clone(), ContentId::new("no id"), ids[0].clone()]);
    ids.insert(300, gone);
    let contents = answer(source.read(&ids)).unwrap();
    let expected = (0..750).rev().map(Some);
    let mut expected: Vec<Option<usize>> = expected.chain([None, None, Some(749)]).collect();
    expected.insert(300, None);
    assert_eq!(contents.len(), expected.len());
    for (place, (content, number)) in contents.iter().zip(expected).enumerate() {
        assert_eq!(content.as_deref().ok(), number.map(text).as_ref().map(String::as_bytes), "{place}");
    }
}
