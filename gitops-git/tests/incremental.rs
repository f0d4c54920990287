//! What is known is not read again. What is not there any more cannot be read, so that proves it.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::Arc;

use gitops_core::source::{Entry, Folder, IgnoreFiles, Paths, Snapshot, Source, SourceError};
use support::{Repo, answer, resolve, snapshot, under};

fn again(repo: &Repo, paths: &Paths, known: Option<&Snapshot>) -> Result<Snapshot, SourceError> {
    let source = repo.source();
    let revision = resolve(&source, "main")?;
    answer(source.snapshot(&revision.id, paths, known))
}

fn folder(of: &Snapshot, name: &str) -> Arc<Folder> {
    match of.root.entries.get(name) {
        Some(Entry::Folder(folder)) => Arc::clone(folder),
        other => panic!("{name}: {other:?}"),
    }
}

fn names(of: &Snapshot) -> Vec<String> {
    assert!(of.problems.is_empty(), "{:?}", of.problems);
    of.files().iter().map(|file| file.path.to_string()).collect()
}

#[test]
fn an_unchanged_folder_is_never_read_twice() {
    let repo = Repo::new();
    repo.write("a/x.yaml", "x").write("b/deep/y.yaml", "y").write(".sourceignore", "z.yaml\n").commit("One");
    for paths in [Paths::default(), Paths::default().with_ignore_files(IgnoreFiles::SourceIgnore)] {
        let known = snapshot(&repo.source(), "main", &paths).unwrap();
        repo.write("a/x.yaml", &format!("{:?}", paths.ignore_files)).commit("Two");
        let gone = ["HEAD:b", "HEAD:b/deep", "HEAD:b/deep/y.yaml"].map(|name| repo.id(name));
        let kept = gone.each_ref().map(|id| std::fs::read(repo.object(id)).unwrap());
        gone.iter().for_each(|id| repo.remove(id));
        let next = again(&repo, &paths, Some(&known)).unwrap();
        assert_eq!(names(&next), ["a/x.yaml", "b/deep/y.yaml"]);
        assert!(Arc::ptr_eq(&folder(&known, "b"), &folder(&next, "b")));
        assert_eq!(next.changes_since(&known).len(), 1);
        let fresh = again(&repo, &paths, None);
        assert!(fresh.is_err() || !fresh.unwrap().problems.is_empty(), "it is really gone");
        gone.iter().zip(kept).for_each(|(id, bytes)| std::fs::write(repo.object(id), bytes).unwrap());
    }
}

#[test]
fn a_commit_that_touches_nothing_of_it_costs_an_application_one_folder() {
    let repo = Repo::new();
    repo.write("apps/a/x.yaml", "x").write("apps/b/y.yaml", "y").write("other/z.yaml", "z").commit("One");
    let paths = under("apps/a");
    let known = snapshot(&repo.source(), "main", &paths).unwrap();
    repo.write("other/z.yaml", "other").commit("Two");
    let gone = ["HEAD:apps", "HEAD:apps/a", "HEAD:other"].map(|name| repo.id(name));
    gone.iter().for_each(|id| repo.remove(id));
    let next = again(&repo, &paths, Some(&known)).unwrap();
    assert_eq!(names(&next), ["apps/a/x.yaml"]);
    assert!(next.changes_since(&known).is_empty());
    assert!(again(&repo, &paths, None).is_err(), "it is really gone");
}

#[test]
fn a_folder_that_is_gone_is_an_error_whatever_was_known() {
    let repo = Repo::new();
    repo.write("apps/a/x.yaml", "x").write("apps/b/y.yaml", "y").commit("One");
    let paths = Paths::under(["apps/a", "apps/b"]).unwrap();
    let known = snapshot(&repo.source(), "main", &paths).unwrap();
    std::fs::remove_dir_all(repo.inner("apps/a")).unwrap();
    repo.commit("Two");
    let told = again(&repo, &paths, Some(&known)).unwrap_err().to_string();
    assert!(told.contains("apps/a"), "{told}");
    // One without manifests is there all the same.
    repo.write("apps/a/README", "none").commit("Three");
    assert_eq!(names(&again(&repo, &paths, Some(&known)).unwrap()), ["apps/b/y.yaml"]);
}
