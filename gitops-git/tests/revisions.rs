//! What a target means.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;

use gitops_core::source::{Source, SourceFailure};
use gitops_core::time::Timestamp;

use support::{Repo, START, answer, resolve, resolved, revision};

/// Five commits: `one`, `two`, a `side` branch from `one`, their `merge`, and `last`.
struct History {
    repo: Repo,
    one: String,
    two: String,
    side: String,
    merge: String,
    last: String,
}

fn history() -> History {
    let repo = Repo::new();
    let one = repo.write("a.yaml", "1").commit("One");
    let two = repo.write("a.yaml", "2").commit("Two");
    repo.git(&["checkout", "-q", "-b", "feature/side", &one]);
    let side = repo.write("b.yaml", "1").commit("Side");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", "feature/side"]);
    let merge = repo.id("HEAD");
    let last = repo.write("a.yaml", "3").commit("Last");
    repo.git(&["tag", "light", &two]);
    repo.git(&["tag", "-a", "-m", "Annotated", "v1.2.0", &merge]);
    repo.git(&["tag", "-a", "-m", "Of a tag", "nested", "v1.2.0"]);
    repo.git(&["update-ref", "refs/remotes/origin/next", &side]);
    repo.git(&["update-ref", "refs/remotes/origin/main", &two]);
    repo.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"]);
    repo.git(&["update-ref", "refs/pull/7/head", &side]);
    History { repo, one, two, side, merge, last }
}

#[test]
fn a_target_names_the_commit_that_git_would_take() {
    let History { repo, one, two, side, merge, last } = history();
    let source = repo.source();
    let tag = repo.id("v1.2.0");
    assert_ne!(tag, merge, "the tag is an object of its own");
    let upper = last.to_uppercase();
    let cases = [
        ("HEAD", &last),
        ("", &last),
        ("@", &last),
        ("main", &last),
        ("heads/main", &last),
        ("refs/heads/main", &last),
        ("feature/side", &side),
        ("light", &two),
        ("v1.2.0", &merge),
        ("tags/v1.2.0", &merge),
        ("refs/tags/v1.2.0", &merge),
        ("nested", &merge),
        ("origin/next", &side),
        ("origin", &two),
        ("refs/remotes/origin/HEAD", &two),
        ("refs/pull/7/head", &side),
        ("pull/7/head", &side),
        (&last, &last),
        (&upper, &last),
        (&tag, &merge),
        (&last[..4], &last),
        (&last[..7], &last),
        (&last[..39], &last),
        (&tag[..10], &merge),
        ("HEAD~1", &merge),
        ("HEAD~", &merge),
        ("HEAD^", &merge),
        ("@~1", &merge),
        ("HEAD~0", &last),
        ("HEAD^0", &last),
        ("HEAD~2", &two),
        ("HEAD~3", &one),
        ("main~1^2", &side),
        ("main^^2~1", &one),
        ("v1.2.0^{}", &merge),
        ("v1.2.0^{commit}~1", &two),
        ("v1.2.0^1", &two),
        ("feature/side~1", &one),
    ];
    for packed in [false, true] {
        for (target, expected) in cases {
            assert_eq!(&resolved(&source, target), expected, "{target}, packed: {packed}");
        }
        repo.git(&["pack-refs", "--all"]);
        repo.git(&["gc", "-q"]);
    }
    repo.git(&["checkout", "-q", "--detach", &two]);
    assert_eq!(resolved(&source, "HEAD"), two);
    assert_eq!(resolved(&source, "HEAD~1"), one);
}

#[test]
fn a_full_id_resolves_to_itself_and_carries_author_time_and_message() {
    let repo = Repo::new();
    repo.write("a.yaml", "1");
    let id = repo.commit("Add the shop\n\nIt sells.\n\n\n");
    let found = resolve(&repo.source(), &id).unwrap();
    assert_eq!((found.id.as_str(), found.target.as_str()), (id.as_str(), id.as_str()));
    let commit = found.commit.unwrap();
    assert_eq!(&*commit.author, "Ann <ann@example.org>");
    assert_eq!(commit.time, Timestamp::from_millis(START * 1000));
    assert_eq!(&*commit.message, "Add the shop\n\nIt sells.");
    assert_eq!(commit.subject(), "Add the shop");
}

#[test]
fn an_odd_commit_is_told_as_well_as_it_can_be() {
    let repo = Repo::new();
    repo.commit("First");
    let tree = repo.id("HEAD^{tree}");
    for (author, message, shown, time, text) in [
        (&b"A <a@b> 253402300799 +0000"[..], &b"m"[..], "A <a@b>", "9999-12-31T23:59:59Z", "m"),
        (b"A <a@b> 99999999999999 +0000", b"m", "A <a@b>", "9999-12-31T23:59:59Z", "m"),
        (b"A <a@b> 99999999999999999999999 +0000", b"m", "A <a@b>", "1970-01-01T00:00:00Z", "m"),
        (b"A <a@b> -62167219201 +0000", b"m", "A <a@b>", "0000-01-01T00:00:00Z", "m"),
        (b"A <a@b> soon", b"m", "A <a@b>", "1970-01-01T00:00:00Z", "m"),
        (b"A <a@b> 60 +9999", b"m", "A <a@b>", "1970-01-01T00:01:00Z", "m"),
        (b"J\xf6rg <j@b> 60 +0100", b"Gr\xfc\xdfe", "J\u{fffd}rg <j@b>", "1970-01-01T00:01:00Z", "Gr\u{fffd}\u{fffd}e"),
        (b" <> 60 +0000", b"", "<>", "1970-01-01T00:01:00Z", ""),
        (b"nobody at all", b"m", "nobody at all", "1970-01-01T00:00:00Z", "m"),
    ] {
        let head = format!("tree {tree}\nauthor ");
        let object = [head.as_bytes(), author, b"\ncommitter C <c@d> 60 +0000\n\n", message].concat();
        let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin", "--literally"], &object);
        let found = resolve(&repo.source(), &id).unwrap_or_else(|error| panic!("{time} {error:?}"));
        let commit = found.commit.unwrap();
        let told = (&*commit.author, commit.time.to_string(), &*commit.message);
        assert_eq!(told, (shown, time.to_owned(), text), "{}", String::from_utf8_lossy(author));
    }
}

#[test]
fn a_name_with_two_meanings_is_refused_unless_both_are_the_same_commit() {
    let History { repo, one, two, last, .. } = history();
    let source = repo.source();
    repo.git(&["branch", "release", &one]);
    repo.git(&["tag", "-a", "-m", "The same", "release", &one]);
    assert_eq!(resolved(&source, "release"), one);

    repo.git(&["branch", "-f", "release", &two]);
    let text = "revision `release` is ambiguous; give one of `refs/heads/release`, `refs/tags/release`";
    assert_eq!(resolved(&source, "release"), text);
    assert_eq!(resolved(&source, "refs/heads/release"), two);
    assert_eq!(resolved(&source, "refs/tags/release"), one);
    assert_eq!(resolved(&source, "tags/release~0"), one);

    // A full id is always the object; otherwise a reference goes before the start of an id.
    repo.git(&["update-ref", &format!("refs/heads/{last}"), &one]);
    repo.git(&["update-ref", &format!("refs/heads/{}", &last[..8]), &one]);
    assert_eq!(resolved(&source, &last), last);
    assert_eq!(resolved(&source, &last[..8]), one);
    assert_eq!(resolved(&source, &last[..9]), last);
}

#[test]
fn a_short_id_with_two_meanings_lists_the_full_ids() {
    let repo = Repo::new();
    let mut script = String::new();
    for number in 0..900 {
        let text = format!("commit {number}");
        script += "commit refs/heads/main\ncommitter C <c@d> 60 +0000\n";
        script += &format!("data {}\n{text}\n", text.len());
    }
    repo.git_with(&["fast-import", "--quiet"], script.as_bytes());
    let mut ids: Vec<String> = repo.git(&["rev-list", "main"]).lines().map(str::to_owned).collect();
    ids.sort();
    let pair = ids.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).expect("900 ids share 4 digits somewhere");
    let (short, mut same) = (&pair[0][..4], Vec::new());
    same.extend(ids.iter().filter(|id| id.starts_with(short)).map(|id| format!("`{id}`")));
    let text = format!("revision `{short}` is ambiguous; give one of {}", same.join(", "));
    assert_eq!(resolved(&repo.source(), short), text);
    assert!(matches!(resolve(&repo.source(), short).unwrap_err().failure, SourceFailure::AmbiguousRevision { .. }));
    let short = &short[..3];
    assert_eq!(
        resolved(&repo.source(), short),
        format!("revision `{short}` does not exist; give a branch, a tag or a commit id")
    );
}

#[test]
fn a_blob_that_shares_the_start_of_a_commit_does_not_make_it_ambiguous() {
    let repo = Repo::new();
    let id = repo.write("a.yaml", "1").commit("One");
    // Content found by trying: its blob id starts as the commit does.
    let text = (0..2_000_000_u32).map(|number| number.to_string()).find(|text| blob_id(text).starts_with(&id[..4]));
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], text.unwrap().as_bytes());
    assert_eq!(blob[..4], id[..4]);
    assert_eq!(resolved(&repo.source(), &id[..4]), id);
}

fn blob_id(text: &str) -> String {
    let kind = gix::objs::Kind::Blob;
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, text.as_bytes()).unwrap().to_string()
}

#[test]
fn an_unknown_target_is_answered_with_names_that_are_close() {
    let History { repo, last, .. } = history();
    let source = repo.source();
    let plain = |target: &str| format!("revision `{target}` does not exist; give a branch, a tag or a commit id");
    for (target, names) in [
        ("mian", "`main`, `origin/main`"),
        ("v1.2.1", "`v1.2.0`"),
        ("next", "`origin/next`"),
        ("side", "`feature/side`"),
        ("feature/sied", "`feature/side`"),
    ] {
        let text = format!("revision `{target}` does not exist; did you mean {names}?");
        assert_eq!(resolved(&source, target), text, "{target}");
    }
    let absent = "0123456789012345678901234567890123456789";
    for target in ["production", absent, &absent[..8], &format!("{last}0"), "refs/heads/absent", "x y", "a*b^{}~x"] {
        let text = resolved(&source, target);
        let expected = match target {
            "a*b^{}~x" => plain("a*b"),
            _ => plain(target),
        };
        assert_eq!(text, expected, "{target}");
    }
    for target in ["HEAD~9", "HEAD^2", "HEAD~99999999999999999999999", "main~4294967295"] {
        assert_eq!(resolved(&source, target), plain(target), "{target}");
    }
}

#[test]
fn what_is_no_commit_is_named_for_what_it_is() {
    let repo = Repo::new();
    repo.write("a.yaml", "1").commit("One");
    let (tree, blob) = (repo.id("HEAD^{tree}"), repo.id("HEAD:a.yaml"));
    repo.git(&["tag", "-a", "-m", "A file", "file", &blob]);
    let source = repo.source();
    for (target, kind) in [(&*tree, "tree"), (&tree[..6], "tree"), (&*blob, "blob"), ("refs/tags/file", "blob")] {
        let text = format!("`{target}` names a {kind}; following anything but a commit is not supported");
        assert_eq!(resolved(&source, target), text);
    }
    let error = answer(source.snapshot(&revision(&tree), &gitops_core::source::Paths::default(), None)).unwrap_err();
    assert_eq!(error.to_string(), format!("`{tree}` is a tree; reading it as a commit is not supported"));
}

#[test]
fn a_target_that_is_no_name_is_refused_in_one_clear_line() {
    let History { repo, .. } = history();
    let source = repo.source();
    let long = "x".repeat(5000);
    let shortened = format!("{}…", "x".repeat(80));
    let unknown = |shown: &str| format!("revision `{shown}` does not exist; give a branch, a tag or a commit id");
    let refused = |shown: &str, what: &str| format!("`{shown}` is {what}; following that is not supported");
    let reflog = "an entry of a reflog, which differs in each clone";
    for (target, text) in [
        ("--upload-pack=touch /tmp/x", unknown("--upload-pack=touch /tmp/x")),
        ("-1", unknown("-1")),
        (long.as_str(), unknown(&shortened)),
        ("main\n\u{1b}[2J", unknown("main\\n\\u{1b}[2J")),
        ("absent\u{202e}", unknown("absent\\u{202e}")),
        ("a\0b", unknown("a\\u{0}b")),
        ("../../etc/passwd", refused("../../etc/passwd", "a range of commits")),
        ("main..feature/side", refused("main..feature/side", "a range of commits")),
        ("main...origin/main", refused("main...origin/main", "a range of commits")),
        (":/One", refused(":/One", "a search in commit messages")),
        ("main^{/One}", refused("main^{/One}", "a search in commit messages")),
        ("HEAD:a.yaml", refused("HEAD:a.yaml", "a path and not a commit")),
        ("@{-1}", refused("@{-1}", reflog)),
        ("main@{1}", refused("main@{1}", reflog)),
        ("@{upstream}", refused("@{upstream}", reflog)),
        ("^main", refused("^main", "neither a range of versions nor a name")),
        ("~1 || main", refused("~1 || main", "neither a range of versions nor a name")),
        ("main^{tree}", refused("main^{tree}", "not followed by `~2` or `^2` only")),
        ("main^@", refused("main^@", "not followed by `~2` or `^2` only")),
        ("main~x", refused("main~x", "not followed by `~2` or `^2` only")),
        ("main~-1", refused("main~-1", "not followed by `~2` or `^2` only")),
        ("main~é", refused("main~é", "not followed by `~2` or `^2` only")),
        ("é", unknown("é")),
        ("/etc/passwd", unknown("/etc/passwd")),
        ("refs/", unknown("refs/")),
        (".", unknown(".")),
        (" ", unknown(" ")),
    ] {
        assert_eq!(resolved(&source, target), text, "{target:?}");
    }
}

#[test]
fn where_a_shallow_clone_ends_is_told() {
    let History { repo, last, merge, .. } = history();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repo.path().display());
    let clone = support::git(folder.path(), START, &["clone", "-q", "--depth=2", &url, "shallow"]).output().unwrap();
    support::succeed(clone);
    let source = gitops_git::GitSource::open(folder.path().join("shallow")).unwrap();
    assert_eq!(resolved(&source, "HEAD"), last);
    assert_eq!(resolved(&source, "HEAD~1"), merge);
    let end = format!("commit `{merge}`, where this shallow clone ends (`git fetch --unshallow` gets the rest)");
    let text = format!("`HEAD~2` lies before {end}; going there is not supported");
    assert_eq!(resolved(&source, "HEAD~2"), text);
}

#[test]
fn a_damaged_commit_or_reference_is_told_from_an_unknown_one() {
    let repo = Repo::new();
    repo.write("a.yaml", "1").commit("One");
    let second = repo.write("a.yaml", "2").commit("Two");
    let source = repo.source();
    fs::write(repo.inner(".git/refs/heads/torn"), "12").unwrap();
    assert_eq!(resolved(&source, "torn"), "the reference `refs/heads/torn` is damaged; run `git fsck`, or clone again");

    repo.remove(&second);
    let text = format!("the commit `{second}` is missing: the repository is damaged; run `git fsck`, or clone again");
    assert_eq!(resolved(&source, "main"), text);
    assert_eq!(
        resolved(&source, &second),
        format!("revision `{second}` does not exist; give a branch, a tag or a commit id")
    );

    fs::write(repo.object(&second), "no zlib").unwrap();
    let error = resolve(&source, "main").unwrap_err();
    assert_eq!(error.to_string(), format!("object `{second}` is damaged; run `git fsck`, or clone again"));
    assert!(error.cause.is_some());
}

#[test]
fn replaced_objects_are_not_used() {
    let repo = Repo::new();
    let one = repo.write("a.yaml", "1").commit("One");
    let two = repo.write("a.yaml", "2").commit("Two");
    repo.git(&["replace", &two, &one]);
    let found = resolve(&repo.source(), "main").unwrap();
    assert_eq!((found.id.as_str(), found.commit.unwrap().subject()), (two.as_str(), "Two"));
}

#[test]
fn a_range_of_versions_leads_to_the_highest_tag_in_it() {
    let repo = Repo::new();
    repo.write("a.yaml", "1");
    let mut ids = Vec::new();
    for tag in ["v1.2.0", "v1.2.10", "v1.2.9", "v2.0.0-rc.1", "other", "v0.1.0"] {
        ids.push(repo.commit(tag));
        repo.git(&["tag", "-a", "-m", "x", tag]);
    }
    repo.git(&["branch", "1.x", &ids[5]]);
    let source = repo.source();
    for (target, id) in [
        ("*", &ids[1]),
        ("^1.2", &ids[1]),
        ("~1.2.0 !=1.2.10", &ids[2]),
        (">=1.0.0-0 <3", &ids[3]),
        ("1.2.*~1", &ids[0]),
        ("1.x", &ids[5]),
        ("X", &ids[1]),
    ] {
        assert_eq!(&resolved(&source, target), id, "{target}");
    }
    let text = resolved(&source, ">=3");
    assert_eq!(text, "revision `>=3` does not exist; give a branch, a tag or a commit id");
    repo.git(&["tag", "1.2.10", &ids[0]]);
    let text = resolved(&source, "^1");
    assert_eq!(text, "revision `^1` is ambiguous; give one of `1.2.10`, `v1.2.10`");
    assert_eq!(resolved(&source, "v1.2.10"), ids[1]);
}
