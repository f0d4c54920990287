//! Random histories, read by `git` and by us: trees, globs, changes, revisions, logs, blame.
//!
//! `git` is the judge. Where it is not installed these tests say so and check nothing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use gitops_core::source::{History, Paths};
use gitops_git::{GitSource, Relation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use support::{Repo, START, answer, resolved, revision, snapshot, under};

const FILES: [&str; 7] =
    ["a.yaml", "apps/a.yaml", "apps/b.yaml", "apps/web/a.yaml", "apps/web/c d.yml", "infra/ä.json", "notes.txt"];
const LINES: [&str; 8] = ["a:", "  x: 1", "  y: 2", "", "- z", "    deep: 1", "}", "\tq"];

#[derive(Clone, Debug)]
enum Edit {
    Insert { file: usize, at: Index, lines: Vec<usize> },
    Unique { file: usize, at: Index, count: usize },
    Remove { file: usize, at: Index, count: usize },
    Rename { from: usize, to: usize },
    Delete { file: usize },
    Copy { from: usize, to: usize },
}

#[derive(Clone, Debug)]
struct Step {
    edits: Vec<Edit>,
    parent: Index,
    /// The second parent, and which files are taken from it.
    merge: Option<(Index, u8)>,
    late: i64,
}

type Files = BTreeMap<&'static str, Vec<String>>;

fn edit() -> impl Strategy<Value = Edit> {
    let file = || 0..FILES.len();
    prop_oneof![
        4 => (file(), any::<Index>(), vec(0..LINES.len(), 1..6)).prop_map(|(file, at, lines)| Edit::Insert { file, at, lines }),
        3 => (file(), any::<Index>(), 1..9_usize).prop_map(|(file, at, count)| Edit::Unique { file, at, count }),
        3 => (file(), any::<Index>(), 1..5_usize).prop_map(|(file, at, count)| Edit::Remove { file, at, count }),
        2 => (file(), file()).prop_map(|(from, to)| Edit::Rename { from, to }),
        1 => file().prop_map(|file| Edit::Delete { file }),
        1 => (file(), file()).prop_map(|(from, to)| Edit::Copy { from, to }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let merge = prop::option::weighted(0.3, (any::<Index>(), any::<u8>()));
    (vec(edit(), 0..5), any::<Index>(), merge, -200..200_i64).prop_map(|(edits, parent, merge, late)| Step {
        edits,
        parent,
        merge,
        late,
    })
}

impl Edit {
    fn apply(&self, files: &mut Files, unique: &mut usize) {
        match self {
            Self::Insert { file, at, lines } => {
                let text = files.entry(FILES[*file]).or_default();
                let at = at.index(text.len() + 1);
                text.splice(at..at, lines.iter().map(|line| LINES[*line].to_owned()));
            }
            Self::Unique { file, at, count } => {
                let text = files.entry(FILES[*file]).or_default();
                let at = at.index(text.len() + 1);
                text.splice(at..at, (0..*count).map(|nth| format!("  key{}: {nth}", *unique + nth)));
                *unique += count;
            }
            Self::Remove { file, at, count } => {
                let Some(text) = files.get_mut(FILES[*file]) else { return };
                let start = at.index(text.len() + 1);
                text.drain(start..text.len().min(start + count));
            }
            Self::Rename { from, to } if from != to => {
                if let Some(text) = files.remove(FILES[*from]) {
                    files.insert(FILES[*to], text);
                }
            }
            Self::Copy { from, to } => {
                if let Some(text) = files.get(FILES[*from]).cloned() {
                    files.insert(FILES[*to], text);
                }
            }
            Self::Delete { file } => drop(files.remove(FILES[*file])),
            Self::Rename { .. } => {}
        }
    }
}

/// Commits the steps to a repository and returns the ids. The last commit is the branch `main`.
fn commit(repo: &Repo, steps: &[Step]) -> Vec<String> {
    let mut trees: Vec<Files> = Vec::new();
    let (mut script, mut unique) = (String::new(), 0);
    for (nth, step) in steps.iter().enumerate() {
        let late = i64::try_from(nth).unwrap() * 60 + step.late;
        script += &format!("commit refs/heads/c{nth}\nmark :{}\ncommitter A <a@b> {} +0000\n", nth + 1, START + late);
        script += &format!("data 3\n{nth:03}\n");
        let mut files = Files::new();
        if nth > 0 {
            // Mostly the last commit, so that histories are long.
            let recent = nth.saturating_sub(3);
            let first = recent + step.parent.index(nth - recent);
            script += &format!("from :{}\n", first + 1);
            files.clone_from(&trees[first]);
            if let Some((second, taken)) = step.merge {
                let second = second.index(nth);
                if second != first {
                    script += &format!("merge :{}\n", second + 1);
                    for (at, file) in FILES.iter().enumerate().filter(|(at, _)| taken & (1 << at) != 0) {
                        match trees[second].get(file) {
                            // Half of each, for some.
                            Some(text) if at % 2 == 0 && files.contains_key(file) => {
                                let own = &files[file];
                                let mixed = [&own[..own.len() / 2], &text[text.len() / 2..]].concat();
                                files.insert(file, mixed);
                            }
                            Some(text) => drop(files.insert(file, text.clone())),
                            None => drop(files.remove(file)),
                        }
                    }
                }
            }
        }
        step.edits.iter().for_each(|edit| edit.apply(&mut files, &mut unique));
        script += "deleteall\n";
        for (file, lines) in &files {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            script +=
                &format!("M 100644 inline \"{}\"\ndata {}\n{text}\n", file.replace('ä', "\\303\\244"), text.len());
        }
        trees.push(files);
    }
    script += &format!("reset refs/heads/main\nfrom :{}\n", steps.len());
    repo.git_with(&["fast-import", "--quiet"], script.as_bytes());
    (0..steps.len()).map(|nth| repo.id(&format!("c{nth}"))).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn has_git() -> bool {
    let found = Command::new("git").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `git` to compare with");
    }
    found
}

/// The commit of each line, as `git blame --porcelain` says.
fn blame_of_git(repo: &Repo, at: &str, file: &str) -> Vec<String> {
    let text = repo.git(&["blame", "--porcelain", at, "--", file]);
    let id = |line: &str| Some(line.split_once(' ')?.0).filter(|id| id.len() == 40).map(str::to_owned);
    text.lines().filter(|line| !line.starts_with('\t')).filter_map(id).collect()
}

fn same_blame(repo: &Repo, source: &GitSource, at: &str, file: &str) -> Result<(), TestCaseError> {
    let theirs = blame_of_git(repo, at, file);
    let ours: Vec<String> = (1..=u32::try_from(theirs.len()).unwrap())
        .map(|line| answer(source.blame(&revision(at), file, line)).unwrap().id.to_string())
        .collect();
    prop_assert_eq!(ours, theirs, "{} at {}", file, at);
    Ok(())
}

fn paths() -> [(Paths, Vec<&'static str>); 6] {
    [
        (Paths::default(), vec![":(glob)**/*.yaml", ":(glob)**/*.yml", ":(glob)**/*.json"]),
        (under("apps"), vec![":(glob)apps/**/*.yaml", ":(glob)apps/**/*.yml", ":(glob)apps/**/*.json"]),
        (Paths::default().with_include("**/a.yaml"), vec![":(glob)**/a.yaml"]),
        (Paths::default().with_include("apps/*.yaml"), vec![":(glob)apps/*.yaml"]),
        (
            Paths::default().with_include("**/*.y*ml").with_exclude("apps/web/**"),
            vec![":(glob)**/*.y*ml", ":(glob,exclude)apps/web/**"],
        ),
        (under("notes.txt"), vec![":(literal)notes.txt"]),
    ]
}

fn same_trees(repo: &Repo, source: &GitSource, ids: &[String]) -> Result<(), TestCaseError> {
    let empty = repo.git_with(&["hash-object", "-t", "tree", "-w", "--stdin"], b"");
    let mut before = None;
    // Every third commit, the last one among them.
    for id in ids.iter().rev().step_by(3) {
        for (paths, specs) in paths() {
            let mut arguments =
                vec!["-c", "core.quotePath=false", "diff-tree", "-r", "--no-renames", &*empty, id, "--"];
            arguments.extend(&specs);
            let theirs = lines(&repo.git(&arguments)).into_iter().map(|line| {
                let (facts, path) = line.split_once('\t').unwrap();
                format!("{path} {}", facts.split(' ').nth(3).unwrap())
            });
            let ours = match snapshot(source, id, &paths) {
                Ok(snapshot) => snapshot.files().iter().map(|file| format!("{} {}", file.path, file.id)).collect(),
                Err(_) => Vec::new(),
            };
            prop_assert_eq!(ours, theirs.collect::<Vec<_>>(), "{:?} at {}", specs, id);

            let mut arguments = vec!["log", "--format=%H", id, "--"];
            arguments.extend(&specs);
            let theirs = lines(&repo.git(&arguments));
            let ours = answer(source.log(&revision(id), &paths, 999)).unwrap();
            prop_assert_eq!(ours.iter().map(|found| found.id.to_string()).collect::<Vec<_>>(), theirs, "{:?}", specs);
        }
        let all = snapshot(source, id, &Paths::default()).unwrap();
        if let Some((previous, old)) = before.replace((id, all.clone())) {
            let specs = [":(glob)**/*.yaml", ":(glob)**/*.yml", ":(glob)**/*.json"];
            let mut arguments = vec!["-c", "core.quotePath=false", "diff-tree", "-r", "--no-renames", "--name-only"];
            arguments.extend([&**previous, id, "--"].iter().chain(&specs));
            let ours: Vec<String> = all.changes_since(&old).iter().map(|change| change.path.to_string()).collect();
            prop_assert_eq!(ours, lines(&repo.git(&arguments)));
        }
    }
    Ok(())
}

fn same_revisions(repo: &Repo, source: &GitSource, ids: &[String]) -> Result<(), TestCaseError> {
    let last = ids.len() - 1;
    for name in [format!("c{last}"), format!("refs/heads/c{}", last / 2), ids[last / 3][..12].to_owned()] {
        for steps in ["", "~1", "^2", "^^", "~2^2", "^2~1", "^0", "~4"] {
            let expression = format!("{name}{steps}");
            let theirs =
                support::git(repo.path(), START, &["rev-parse", "--verify", "-q", &expression]).output().unwrap();
            let theirs = theirs.status.success().then(|| String::from_utf8(theirs.stdout).unwrap().trim().to_owned());
            let ours = Some(resolved(source, &expression)).filter(|id| id.len() == 40 && !id.contains(' '));
            prop_assert_eq!(ours, theirs, "{}", expression);
        }
    }
    for (left, right) in ids.iter().zip(ids.iter().rev()).step_by(2) {
        let is_ancestor = |old: &str, new: &str| {
            let arguments = ["merge-base", "--is-ancestor", old, new];
            support::git(repo.path(), START, &arguments).status().unwrap().success()
        };
        let expected = match (is_ancestor(left, right), is_ancestor(right, left)) {
            (true, true) => "same",
            (true, false) => "forward",
            (false, true) => "back",
            (false, false) => "rewritten",
        };
        let found = match source.relation(&revision(left), &revision(right)).unwrap() {
            Relation::Same => "same",
            Relation::Forward => "forward",
            Relation::Back => "back",
            Relation::Rewritten { base } => {
                let bases = support::git(repo.path(), START, &["merge-base", "--all", left, right]).output().unwrap();
                let bases = String::from_utf8(bases.stdout).unwrap();
                let is_one = |base: &String| bases.lines().any(|line| line == base);
                let base = base.map(|base| base.to_string());
                prop_assert!(base.as_ref().map_or(bases.is_empty(), is_one), "{:?} of {}", base, bases);
                "rewritten"
            }
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        prop_assert_eq!(found, expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn trees_globs_logs_and_revisions_are_those_of_git(steps in vec(step(), 1..14)) {
        prop_assume!(has_git());
        let repo = Repo::new();
        let ids = commit(&repo, &steps);
        let source = repo.source();
        same_trees(&repo, &source, &ids)?;
        same_revisions(&repo, &source, &ids)?;
    }

    #[test]
    fn every_line_is_blamed_as_git_blames_it(steps in vec(step(), 1..24)) {
        prop_assume!(has_git());
        let repo = Repo::new();
        let ids = commit(&repo, &steps);
        let source = repo.source();
        let head = ids.last().unwrap();
        let files = lines(&repo.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", head]));
        for file in files {
            same_blame(&repo, &source, head, &file)?;
        }
    }
}

#[test]
fn large_changes_are_blamed_as_git_blames_them() {
    if !has_git() {
        return;
    }
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below).unwrap()
    };
    let repo = Repo::new();
    let mut text: Vec<String> = (0..2000).map(|_| format!("{}", random(300))).collect();
    for _ in 0..4 {
        repo.write("large.yaml", &(text.join("\n") + "\n")).commit("Change much");
        for _ in 0..700 {
            let at = random(text.len().try_into().unwrap());
            match random(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, format!("{}", random(300))),
                _ => text[at] = format!("{}", random(300)),
            }
        }
    }
    let (source, head) = (repo.source(), repo.id("HEAD"));
    let theirs = blame_of_git(&repo, &head, "large.yaml");
    for at in (0..theirs.len()).step_by(41) {
        let line = u32::try_from(at + 1).unwrap();
        let ours = answer(source.blame(&revision(&head), "large.yaml", line)).unwrap();
        assert_eq!(ours.id.as_str(), theirs[at], "line {line}");
    }
}
