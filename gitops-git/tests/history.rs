//! Who changed a path or a line.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use gitops_core::source::{History, Paths, Source, SourceError};
use gitops_git::GitSource;

use support::{Repo, START, answer, git, revision, succeed, under};

fn subjects(source: &GitSource, from: &str, paths: &Paths, limit: usize) -> Vec<String> {
    let history = source.history().unwrap();
    let found = answer(history.log(&revision(from), paths, limit));
    found.unwrap().into_iter().map(|revision| revision.commit.unwrap().subject().to_owned()).collect()
}

fn blamed(source: &GitSource, at: &str, file: &str, line: u32) -> String {
    match answer(source.blame(&revision(at), file, line)) {
        Ok(revision) => revision.commit.unwrap().subject().to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What `git` itself says.
fn git_log(repo: &Repo, arguments: &[&str]) -> Vec<String> {
    let text = repo.git(&[&["log", "--format=%s"], arguments].concat());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_log_lists_the_commits_that_changed_a_wanted_file_newest_first() {
    let repo = Repo::new();
    repo.write("README.md", "1").commit("Begin");
    repo.write("apps/web/a.yaml", "1").commit("Add web");
    repo.write("apps/db/b.yaml", "1").commit("Add db");
    repo.write("apps/web/a.yaml", "2").commit("Change web");
    repo.write("apps/web/notes.txt", "2").commit("Add notes");
    repo.write("infra/c.yaml", "1").commit("Add infra");
    repo.git(&["mv", "apps/db/b.yaml", "apps/db/c.yaml"]);
    repo.commit("Rename db");
    repo.git(&["rm", "-q", "-r", "apps/web"]);
    repo.commit("Remove web");
    repo.commit("Nothing");
    let (source, head) = (repo.source(), repo.id("HEAD"));
    for (paths, limit, expected) in [
        (Paths::default(), 99, &["Remove web", "Rename db", "Add infra", "Change web", "Add db", "Add web"][..]),
        (under("apps"), 99, &["Remove web", "Rename db", "Change web", "Add db", "Add web"]),
        (under("apps/web"), 99, &["Remove web", "Change web", "Add web"]),
        (under("apps/web"), 2, &["Remove web", "Change web"]),
        (under("apps/web"), 0, &[]),
        (under("apps/web/a.yaml"), 99, &["Remove web", "Change web", "Add web"]),
        (under("apps").with_include("**/b.yaml"), 99, &["Rename db", "Add db"]),
        (under("README.md"), 99, &["Begin"]),
        (under("never"), 99, &[]),
    ] {
        assert_eq!(subjects(&source, &head, &paths, limit), expected, "{paths:?}");
    }
    let old = repo.id("HEAD~5");
    assert_eq!(subjects(&source, &old, &under("apps"), 99), ["Change web", "Add db", "Add web"]);
    let first = answer(source.log(&revision(&head), &under("apps"), 1)).unwrap().remove(0);
    assert_eq!(first.id.as_str(), repo.id("HEAD~1"));
    assert_eq!((first.target.as_str(), &*first.commit.unwrap().author), (first.id.as_str(), "Ann <ann@example.org>"));
}

#[test]
fn merges_are_followed_as_git_log_does() {
    let repo = Repo::new();
    repo.write("a.yaml", "1").write("b.yaml", "1").commit("Begin");
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("b.yaml", "2").commit("Side changes b");
    repo.write("b.yaml", "3").commit("Side changes b again");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("a.yaml", "2").commit("Main changes a");
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"]);
    repo.write("a.yaml", "3").commit("Main changes a again");
    repo.git(&["checkout", "-q", "-b", "conflict", "HEAD~1"]);
    repo.write("a.yaml", "4").commit("Conflict changes a");
    repo.git(&["checkout", "-q", "main"]);
    succeed(git(repo.path(), START, &["merge", "-q", "-s", "ours", "--no-commit", "conflict"]).output().unwrap());
    repo.write("a.yaml", "5").commit("Merge conflict");
    let (source, head) = (repo.source(), repo.id("HEAD"));
    for path in ["a.yaml", "b.yaml", "."] {
        let expected = git_log(&repo, &["HEAD", "--", path]);
        assert_eq!(subjects(&source, &head, &under(path), 99), expected, "{path}");
    }
    assert_eq!(subjects(&source, &head, &under("b.yaml"), 99), ["Side changes b again", "Side changes b", "Begin"]);
    assert!(subjects(&source, &head, &under("a.yaml"), 99).contains(&"Merge conflict".to_owned()));
}

#[test]
fn a_change_behind_a_link_is_a_change() {
    let repo = Repo::new();
    repo.write("base/a.yaml", "1").link("apps/a.yaml", "../base/a.yaml").commit("Add");
    repo.write("base/a.yaml", "2").commit("Change the target");
    repo.write("base/other.yaml", "1").commit("Add another");
    let found = subjects(&repo.source(), &repo.id("HEAD"), &under("apps"), 99);
    assert_eq!(found, ["Change the target", "Add"]);
}

#[test]
fn blame_names_the_commit_that_wrote_a_line_as_git_blame_does() {
    let repo = Repo::new();
    let lines = |lines: &[&str]| lines.join("\n") + "\n";
    repo.write("a.yaml", &lines(&["kind: A", "name: x", "spec:", "  size: 1"])).commit("Begin");
    repo.write("other.yaml", "x").commit("Other");
    repo.write("a.yaml", &lines(&["# top", "kind: A", "name: x", "spec:", "  size: 1"])).commit("Comment");
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("a.yaml", &lines(&["# top", "kind: A", "name: x", "spec:", "  size: 2"])).commit("Grow");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("a.yaml", &lines(&["# top", "kind: A", "name: y", "spec:", "  size: 1"])).commit("Rename");
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", "side"]);
    repo.write("a.yaml", &lines(&["# top", "kind: A", "name: y", "spec:", "  new: 0", "  size: 2", "  end: 1"]));
    repo.commit("Extend");
    let (source, head) = (repo.source(), repo.id("HEAD"));
    let expected = ["Comment", "Begin", "Rename", "Begin", "Extend", "Grow", "Extend"];
    for (line, subject) in (1..).zip(expected) {
        let range = format!("{line},{line}");
        let theirs = repo.git(&["blame", "-s", "-l", "--root", "-L", &range, "HEAD", "--", "a.yaml"]);
        let theirs = repo.git(&["log", "-1", "--format=%s", &theirs[..40]]);
        assert_eq!((blamed(&source, &head, "a.yaml", line), theirs.as_str()), (subject.to_owned(), subject), "{line}");
    }
}

#[test]
fn a_line_that_is_not_there_is_refused() {
    let repo = Repo::new();
    repo.write("apps/a.yaml", "one\ntwo").link("link.yaml", "apps/a.yaml");
    let id = repo.commit("Add");
    let source = repo.source();
    for (file, line, answer) in [
        ("apps/a.yaml", 1, None),
        ("apps/a.yaml", 2, None),
        ("./apps//a.yaml", 2, None),
        ("link.yaml", 2, None),
        ("apps/a.yaml", 0, Some("apps/a.yaml:0")),
        ("apps/a.yaml", 3, Some("apps/a.yaml:3")),
        ("apps/a.yaml", u32::MAX, Some("apps/a.yaml:4294967295")),
        ("apps", 1, Some("apps")),
        ("gone.yaml", 1, Some("gone.yaml")),
        ("../a.yaml", 1, Some("../a.yaml")),
    ] {
        let expected = answer.map_or("Add".to_owned(), |path| {
            format!("revision `{id}` has no `{path}`; paths start at the root of the repository")
        });
        assert_eq!(blamed(&source, &id, file, line), expected, "{file}:{line}");
    }
}

#[test]
fn in_a_shallow_clone_the_log_ends_and_blame_does_not_guess() {
    let repo = Repo::new();
    for number in 1..=4 {
        repo.write("a.yaml", &format!("old\n{number}\n")).commit(&format!("Set {number}"));
    }
    let (folder, url) = (tempfile::tempdir().unwrap(), format!("file://{}", repo.path().display()));
    succeed(git(folder.path(), START, &["clone", "-q", "--depth=2", &url, "part"]).output().unwrap());
    let source = GitSource::open(folder.path().join("part")).unwrap();
    let (head, end) = (repo.id("HEAD"), repo.id("HEAD~1"));
    assert_eq!(subjects(&source, &head, &Paths::default(), 99), ["Set 4", "Set 3"]);
    assert_eq!(blamed(&source, &head, "a.yaml", 2), "Set 4");
    let text = format!(
        "the last change of line 1 of `a.yaml` lies before commit `{end}`, where this shallow clone ends \
         (`git fetch --unshallow` gets the rest); going there is not supported"
    );
    assert_eq!(blamed(&source, &head, "a.yaml", 1), text);
}

#[test]
fn a_history_with_a_missing_commit_is_damaged_not_short() {
    let repo = Repo::new();
    repo.write("a.yaml", "1").commit("One");
    let lost = repo.write("a.yaml", "2").commit("Two");
    let head = repo.write("a.yaml", "3").commit("Three");
    repo.remove(&lost);
    let source = repo.source();
    let text = format!("the commit `{lost}` is missing: the repository is damaged; run `git fsck`, or clone again");
    let log: SourceError = answer(source.log(&revision(&head), &Paths::default(), 9)).unwrap_err();
    assert_eq!(log.to_string(), text);
    assert_eq!(blamed(&source, &head, "a.yaml", 1), text);
}

#[test]
fn a_folder_that_cannot_be_read_does_not_look_like_a_change() {
    let repo = Repo::new();
    repo.write("apps/web/a.yaml", "1").write("apps/db/b.yaml", "1").commit("One");
    let head = repo.write("apps/web/a.yaml", "2").commit("Two");
    let lost = repo.id("HEAD~1:apps/web");
    repo.remove(&lost);
    let source = repo.source();
    let text = format!("the tree `{lost}` is missing: the repository is damaged; run `git fsck`, or clone again");
    assert_eq!(answer(source.log(&revision(&head), &under("apps"), 9)).unwrap_err().to_string(), text);
    assert_eq!(subjects(&source, &head, &under("apps/db"), 9), ["One"]);
}

#[test]
fn a_long_history_is_walked_without_deep_recursion() {
    let repo = Repo::new();
    let mut script = String::new();
    for number in 0..3000 {
        script += &format!("commit refs/heads/main\ncommitter C <c@d> {} +0000\ndata 1\nx\n", START + number);
        script += &format!("M 100644 inline {}.yaml\ndata 4\n{number:04}\n", number % 7);
    }
    repo.git_with(&["fast-import", "--quiet"], script.as_bytes());
    let (source, head) = (repo.source(), repo.id("main"));
    assert_eq!(subjects(&source, &head, &Paths::default(), 9999).len(), 3000);
    assert_eq!(subjects(&source, &head, &under("3.yaml"), 9999).len(), 3000 / 7 + 1);
}

#[test]
fn names_and_messages_are_read_in_the_encoding_that_the_commit_names() {
    let repo = Repo::new();
    let tree = repo.git(&["write-tree"]);
    for (header, text, expected) in [
        ("encoding ISO-8859-1\n", &b"J\xf6rg"[..], "Jörg"),
        ("encoding shift_jis\n", b"\x93\xfa\x96{", "日本"),
        ("", "Jörg".as_bytes(), "Jörg"),
        ("encoding nobody-knows\n", b"J\xf6rg", "J\u{fffd}rg"),
    ] {
        let person = [b"author ".as_slice(), text, b" <j@x> 1700000000 +0000\n"].concat();
        let commit = [
            format!("tree {tree}\n").as_bytes(),
            &person,
            b"committer C <c@x> 1700000000 +0000\n",
            header.as_bytes(),
            b"\n",
            text,
        ]
        .concat();
        let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], &commit);
        let told = support::resolve(&repo.source(), &id).unwrap().commit.unwrap();
        assert_eq!((&*told.author, &*told.message), (&*format!("{expected} <j@x>"), expected), "{header}");
    }
}
