//! `.sourceignore`: the same rules as `.gitignore`, tried against `git check-ignore`, and what is special about them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;

use gitops_core::source::{IgnoreFiles, Ignoring, Kind, Paths, Source};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::{Repo, answer, listed, resolve, snapshot, under};

fn ruled() -> Paths {
    Paths::default().with_ignore_files(IgnoreFiles::SourceIgnore)
}

const NAMES: [&str; 7] = ["a", "b", "ab", "a.b", "[a]", "a*b", "é"];

/// Makes a file of each name in each folder, two levels deep.
fn universe(repo: &Repo) -> Vec<(String, Kind)> {
    let mut all = Vec::new();
    for outer in NAMES {
        all.push((outer.to_owned(), Kind::Folder));
        for inner in NAMES {
            all.push((format!("{outer}/{inner}"), Kind::Folder));
            for name in NAMES {
                let path = format!("{outer}/{inner}/{name}");
                repo.write(&path, "");
                all.push((path, Kind::File));
            }
        }
        repo.write(&format!("{outer}/file"), "");
        all.push((format!("{outer}/file"), Kind::File));
    }
    all
}

/// Which rule Git finds for each path, if any.
fn asked(repo: &Repo, paths: &[(String, Kind)]) -> BTreeMap<String, String> {
    let input: Vec<u8> = paths.iter().flat_map(|(path, _)| [path.as_bytes(), b"\0"].concat()).collect();
    let file = repo.inner(".git/input");
    std::fs::write(&file, input).unwrap();
    let arguments = ["-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "-v", "-z", "--stdin"];
    let mut git = support::git(repo.path(), support::START, &arguments);
    let output = git.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert!(output.status.code().unwrap() <= 1, "{}", String::from_utf8_lossy(&output.stderr));
    let fields: Vec<String> =
        output.stdout.split(|byte| *byte == 0).map(|field| String::from_utf8_lossy(field).into_owned()).collect();
    fields.chunks_exact(4).map(|of| (of[3].clone(), of[2].clone())).collect()
}

fn line() -> impl Strategy<Value = String> {
    let part = select(vec![
        "a",
        "b",
        "ab",
        "*",
        "?",
        "**",
        "a*",
        "*b",
        "[ab]",
        "[!a]",
        "[a-z]*",
        "\\[a\\]",
        "a\\*b",
        "[[:alpha:]]",
        "é",
        "a.b",
        "[",
        "[]a]",
        "***",
        "a?b",
    ]);
    let marks = (select(vec!["", "", "", "!"]), select(vec!["", "", "/"]), select(vec!["", "", "/", " ", "\r", "\\ "]));
    (marks, vec(part, 1..4), select(vec!["/", "/", ""]))
        .prop_map(|((not, begin, end), parts, joint)| format!("{not}{begin}{}{end}", parts.join(joint)))
}

#[test]
fn rules_fit_what_they_fit_for_git() {
    let repo = Repo::new();
    let paths = universe(&repo);
    let (compared, ignored) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let cases = (vec(line(), 1..6), vec(line(), 0..3));
    let done = runner.run(&cases, |(outer, inner)| {
        let (outer, inner) = (outer.join("\n"), inner.join("\n"));
        repo.write(".gitignore", &outer).write("a/.gitignore", &inner);
        let found = asked(&repo, &paths);
        let rules = Ignoring::new().with_file("", outer.as_bytes()).with_file("a", inner.as_bytes());
        for (path, kind) in &paths {
            let mut around = path.match_indices('/').map(|(at, _)| &path[..at]);
            // Of what lies in a folder that a rule names, Flux has its own idea.
            if around.any(|folder| found.contains_key(folder)) {
                continue;
            }
            let expected = found.get(path).is_some_and(|rule| !rule.starts_with('!'));
            prop_assert_eq!(rules.ignores(path, *kind), expected, "{} {:?} {:?}", path, &outer, &inner);
            compared.set(compared.get() + 1);
            ignored.set(ignored.get() + usize::from(expected));
        }
        Ok(())
    });
    assert!(done.is_ok(), "{done:?}");
    let (compared, ignored) = (compared.get(), ignored.get());
    assert!(compared > 1000 && ignored > 100 && ignored < compared, "{ignored} of {compared}");
}

#[test]
fn what_a_repository_keeps_out_is_listed_only_for_who_does_not_ask() {
    let repo = Repo::new();
    repo.write("web.yaml", "w")
        .write("dev/web.yaml", "d")
        .write("charts/values.yaml", "v")
        .write(".github/ci.yaml", "c");
    repo.write("dev/deep/keep.yaml", "k").write(".sourceignore", "/dev/\n!/dev/deep/keep.yaml\nvalues.yaml\n");
    repo.commit("Add all");
    let source = repo.source();
    assert_eq!(listed(&source, "main", &ruled()), ["dev/deep/keep.yaml: k", "web.yaml: w"]);
    assert_eq!(listed(&source, "main", &Paths::default()).len(), 5);
    // The rules above a root are in force in it.
    let within = under("dev").with_ignore_files(IgnoreFiles::SourceIgnore);
    assert_eq!(listed(&source, "main", &within), ["dev/deep/keep.yaml: k"]);
}

#[test]
fn other_rules_are_heeded_though_no_file_changed() {
    let repo = Repo::new();
    repo.write("apps/a/x.yaml", "x").write("apps/b/y.yaml", "y").write(".sourceignore", "a/\n");
    repo.commit("One");
    let source = repo.source();
    let first = snapshot(&source, "main", &ruled()).unwrap();
    let next = |known, rules: &str| {
        repo.write(".sourceignore", rules).commit("Other rules");
        let revision = resolve(&source, "main").unwrap();
        let seen = answer(source.snapshot(&revision.id, &ruled(), Some(known))).unwrap();
        let fresh = answer(source.snapshot(&revision.id, &ruled(), None)).unwrap();
        assert_eq!(seen.files(), fresh.files());
        seen
    };
    let names = |seen: &gitops_core::source::Snapshot| {
        seen.files().iter().map(|file| file.path.to_string()).collect::<Vec<_>>()
    };
    let second = next(&first, "b/\n");
    assert_eq!((names(&first), names(&second)), (vec!["apps/b/y.yaml".to_owned()], vec!["apps/a/x.yaml".to_owned()]));
    assert!(next(&second, "*.yaml\n").files().is_empty());
    assert_eq!(names(&next(&second, "# none\n")).len(), 2);
}

#[test]
fn rules_that_cannot_be_read_block_since_too_much_would_be_wanted() {
    let long = "x\n".repeat(10_001);
    for (rules, link, expected) in [
        (None, Some("../elsewhere"), "`.sourceignore` leads to no file of the repository"),
        (None, Some("rules"), ""),
        (Some(long.as_str()), None, "`.sourceignore` has more rules than are heeded"),
    ] {
        let repo = Repo::new();
        repo.write("a.yaml", "a").write("b.yaml", "b").write("rules", "b.yaml\n");
        rules.map(|text| repo.write(".sourceignore", text));
        link.map(|target| repo.link(".sourceignore", target));
        repo.commit("One");
        let lines = listed(&repo.source(), "main", &ruled());
        if expected.is_empty() {
            assert_eq!(lines, ["a.yaml: a"], "a link within the repository is followed");
        } else {
            assert!(lines.iter().any(|line| line.starts_with("Blocks") && line.contains(expected)), "{lines:?}");
        }
    }
}
