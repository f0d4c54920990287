use std::sync::Arc;

use super::{MemorySource, ready};
use crate::problem::Severity;
use crate::source::{Entry, Folder, History, IgnoreFiles, Paths, RevisionId, Snapshot, Source, SourceFailure, Target};
use crate::time::Timestamp;

const ANN: &str = "Ann <ann@example.org>";

fn commit(source: &MemorySource, message: &str, files: &[(&str, Option<&str>)]) -> RevisionId {
    source.commit(ANN, Timestamp::EPOCH, message, files.iter().copied())
}

fn snapshot(source: &MemorySource, id: &RevisionId, known: Option<&Snapshot>) -> Snapshot {
    ready(source.snapshot(id, &Paths::default(), known)).unwrap().unwrap()
}

fn folder<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Arc<Folder> {
    match &snapshot.root.entries[name] {
        Entry::Folder(folder) => folder,
        Entry::File { .. } => panic!("a folder"),
    }
}

#[test]
fn a_target_names_the_commit_that_git_would_take() {
    let source = MemorySource::default();
    let resolve = |target: &str| ready(source.resolve(&Target::new(target))).unwrap().map_err(|error| error.failure);
    assert!(matches!(resolve("HEAD"), Err(SourceFailure::NoCommit { .. })));
    let first = commit(&source, "first", &[("a.yaml", Some("1"))]);
    let second = commit(&source, "second", &[("a.yaml", Some("2"))]);
    source.tag("v1", Some(&first));
    source.checkout("release");
    let third = commit(&source, "third", &[("a.yaml", Some("3"))]);
    for (target, expected) in [
        ("HEAD", &third),
        ("main", &second),
        ("refs/heads/main", &second),
        ("release~1", &second),
        ("HEAD^^", &first),
        ("HEAD~2", &first),
        ("v1", &first),
        (first.as_str(), &first),
        (&first.as_str()[..12], &first),
    ] {
        assert_eq!(resolve(target).unwrap().id, *expected, "{target}");
    }
    let unknown = SourceFailure::UnknownRevision { target: "mai".into(), similar: vec!["main".into()] };
    assert_eq!(resolve("mai").unwrap_err(), unknown);
    assert!(matches!(resolve("HEAD~3"), Err(SourceFailure::UnknownRevision { .. })));
}

#[test]
fn folders_that_did_not_change_are_shared() {
    let source = MemorySource::default();
    let first = commit(&source, "first", &[("a/x.yaml", Some("1")), ("b/y.yaml", Some("1"))]);
    let second = commit(&source, "second", &[("a/x.yaml", Some("2"))]);
    let before = snapshot(&source, &first, None);
    let after = snapshot(&source, &second, Some(&before));
    assert!(Arc::ptr_eq(folder(&before, "b"), folder(&after, "b")));
    assert_ne!(folder(&before, "a").id, folder(&after, "a").id);
}

#[test]
fn a_revert_brings_back_what_was_before_and_says_so() {
    let source = MemorySource::default();
    let first = commit(&source, "first", &[("a.yaml", Some("1")), ("b.yaml", Some("1"))]);
    let second = commit(&source, "change a, drop b", &[("a.yaml", Some("2")), ("b.yaml", None)]);
    let reverted = source.revert(ANN, Timestamp::EPOCH, &second).unwrap();
    assert_eq!(snapshot(&source, &reverted, None).files(), snapshot(&source, &first, None).files());
    let revision = ready(source.resolve(&Target::new("HEAD"))).unwrap().unwrap();
    assert_eq!(revision.commit.unwrap().subject(), "Revert \"change a, drop b\"");
}

#[test]
fn the_log_lists_the_commits_that_changed_a_wanted_file_newest_first() {
    let source = MemorySource::default();
    commit(&source, "one", &[("app/a.yaml", Some("1"))]);
    commit(&source, "readme", &[("README.md", Some("1"))]);
    let tip = commit(&source, "two", &[("app/a.yaml", Some("2"))]);
    let log = ready(source.log(&tip, &Paths::default(), 10)).unwrap().unwrap();
    let subjects: Vec<String> =
        log.iter().map(|revision| revision.commit.as_ref().unwrap().subject().to_owned()).collect();
    assert_eq!(subjects, ["two", "one"]);
    assert_eq!(ready(source.log(&tip, &Paths::default(), 1)).unwrap().unwrap().len(), 1);
}

#[test]
fn blame_names_the_commit_that_wrote_a_line() {
    let source = MemorySource::default();
    commit(&source, "one", &[("a.yaml", Some("a\nb\nc\n"))]);
    commit(&source, "two", &[("a.yaml", Some("x\na\nB\nc\n"))]);
    let tip = commit(&source, "three", &[("a.yaml", Some("x\na\nB\nc\nd\n"))]);
    for (line, subject) in [(1, "two"), (2, "one"), (3, "two"), (4, "one"), (5, "three")] {
        let revision = ready(source.blame(&tip, "a.yaml", line)).unwrap().unwrap();
        assert_eq!(revision.commit.unwrap().subject(), subject, "line {line}");
    }
    for (file, line) in [("a.yaml", 0), ("a.yaml", 6), ("b.yaml", 1)] {
        let error = ready(source.blame(&tip, file, line)).unwrap().unwrap_err();
        assert!(matches!(error.failure, SourceFailure::UnknownPath { .. }), "{file}:{line}");
    }
}

#[test]
fn what_cannot_be_read_is_never_left_out_silently() {
    let source = MemorySource::default();
    let tip = commit(&source, "one", &[("a/x.yaml", Some("1")), ("b/y.yaml", Some("2"))]);
    source.make_unreadable("a/x.yaml");
    source.make_unreadable("b");
    let seen = snapshot(&source, &tip, None);
    assert_eq!(seen.files().len(), 1, "the file is listed");
    assert_eq!(seen.problems.len(), 1, "the folder is a problem");
    let ids: Vec<_> = seen.files().into_iter().map(|file| file.id).collect();
    assert!(ready(source.read(&ids)).unwrap().unwrap()[0].is_err());
    source.make_readable();
    assert_eq!(snapshot(&source, &tip, None).files().len(), 2);
    assert_eq!(&*ready(source.read(&ids)).unwrap().unwrap().remove(0).unwrap(), b"1");
    source.go_down(Some(SourceFailure::Unavailable { what: "the network".into() }));
    assert!(ready(source.resolve(&Target::new("HEAD"))).unwrap().is_err());
}

#[test]
fn more_rules_than_are_heeded_block_since_too_much_would_be_wanted() {
    let source = MemorySource::default();
    let paths = Paths::default().with_ignore_files(IgnoreFiles::SourceIgnore);
    let listed = |rules: &str| {
        let id = commit(&source, "ruled", &[("a.yaml", Some("a: 1")), (".sourceignore", Some(rules))]);
        ready(source.snapshot(&id, &paths, None)).unwrap().unwrap()
    };
    let blocked = listed(&"x\n".repeat(10_001));
    let told: Vec<String> = blocked.problems.iter().map(ToString::to_string).collect();
    assert!(told[0].contains(".sourceignore") && told[0].contains("has more rules than are heeded"), "{told:?}");
    assert_eq!(blocked.problems[0].severity, Severity::Blocks);
    assert!(listed("x\n").problems.is_empty());
}
