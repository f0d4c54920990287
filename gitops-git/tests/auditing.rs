//! What the history of a repository tells of objects, and that it says so where it cannot.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use gitops_core::memory::{MemoryCluster, VirtualTime};
use gitops_core::model::ApiModel;
use gitops_core::reconcile::{self, App, Audited, Explanation, World};
use gitops_core::resource::ResourceKey;
use gitops_core::state::Owner;
use gitops_git::GitSource;
use support::{Repo, START, answer, git, revision, succeed};
use tempfile::TempDir;

fn config(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{{data}}}\n")
}

fn app() -> App {
    App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("default")
}

/// The last `depth` commits of a repository.
fn shallow(repo: &Repo, depth: usize) -> (TempDir, GitSource) {
    let (folder, url) = (tempfile::tempdir().unwrap(), format!("file://{}", repo.path().display()));
    succeed(git(folder.path(), START, &["clone", "-q", &format!("--depth={depth}"), &url, "part"]).output().unwrap());
    let source = GitSource::open(folder.path().join("part")).unwrap();
    (folder, source)
}

fn told(audited: &[Audited]) -> Vec<String> {
    let line = |one: &Audited| {
        let objects: Vec<String> = one.objects.iter().map(|edit| edit.heading()).collect();
        format!("{}: {objects:?} {:?}", one.revision.commit.as_ref().unwrap().subject(), one.gaps)
    };
    audited.iter().map(line).collect()
}

#[test]
fn where_a_history_is_cut_off_the_audit_has_a_gap_and_makes_nothing_up() {
    let repo = Repo::new();
    repo.write("web.yaml", &config("web", "a: one")).write("old.yaml", &config("old", "a: one")).commit("Open");
    let end = repo.write("web.yaml", &config("web", "a: two")).commit("Second");
    let head = repo.write("web.yaml", &config("web", "a: three")).commit("Third");
    let audit = |source: &GitSource| {
        told(&answer(reconcile::audit(&app(), source, &ApiModel::builtin(), &revision(&head), 9)).unwrap())
    };
    let web = r#"["changed ConfigMap default/web (web.yaml:1)"] []"#;
    let added = r#"["added ConfigMap default/old (old.yaml:1)", "added ConfigMap default/web (web.yaml:1)"] []"#;
    assert_eq!(audit(&repo.source()), [format!("Third: {web}"), format!("Second: {web}"), format!("Open: {added}")]);
    let (_folder, part) = shallow(&repo, 2);
    let found = audit(&part);
    assert_eq!((found.len(), &*found[0]), (2, &*format!("Third: {web}")));
    let gap = format!("what came before lies before commit `{end}`, where this shallow clone ends");
    assert!(found[1].starts_with(&format!("Second: [] [\"{gap}")), "{}", found[1]);
}

#[test]
fn what_was_dropped_before_a_history_is_cut_off_is_explained_as_unknown() {
    let repo = Repo::new();
    let time = VirtualTime::default();
    let cluster = MemoryCluster::new(1, time.clone());
    repo.write("web.yaml", &config("web", "a: one, b: one")).write("old.yaml", &config("old", "a: one")).commit("Open");
    let full = repo.source();
    answer(reconcile::sync(&app(), World::new(&full, &cluster, &time))).unwrap();
    std::fs::remove_file(repo.inner("old.yaml")).unwrap();
    let dropping = repo.write("web.yaml", &config("web", "a: one")).commit("Drop");
    for text in ["two", "three"] {
        repo.write("web.yaml", &config("web", &format!("a: {text}"))).commit("Later");
    }
    let explain = |source: &GitSource, name: &str, field: Option<&str>| -> Explanation {
        let key = ResourceKey::new("", "ConfigMap", Some("default"), name);
        let field = field.map(|field| field.parse().unwrap());
        answer(reconcile::explain(&app(), World::new(source, &cluster, &time), &key, field.as_ref())).unwrap()
    };
    let (object, field) = (explain(&full, "old", None), explain(&full, "web", Some("data.b")));
    assert_eq!(object.dropped_in.unwrap().revision.id.as_str(), dropping);
    assert_eq!(field.fields[0].dropped_in.as_ref().unwrap().id.as_str(), dropping);
    assert!(object.gaps.is_empty() && field.gaps.is_empty());

    let (_folder, part) = shallow(&repo, 2);
    let (object, field) = (explain(&part, "old", None), explain(&part, "web", Some("data.b")));
    assert_eq!((object.dropped_in, &field.fields[0].dropped_in), (None, &None));
    for gaps in [&object.gaps, &field.gaps] {
        assert!(gaps.len() == 1 && gaps[0].contains("where this shallow clone ends"), "{gaps:?}");
    }
    // Where the revision that did so is here, it is told, and what came before does not matter.
    let (_folder, part) = shallow(&repo, 4);
    assert_eq!(explain(&part, "old", None).dropped_in.unwrap().revision.id.as_str(), dropping);
}
