//! What differs between revisions, how they stand to each other, and commits that take files back.

#![allow(clippy::unwrap_used, reason = "tests may fail")]
#![allow(clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::process::Command;
use std::sync::Mutex;

use gitops_core::source::{Paths, Source, SourceError, Target};
use gitops_core::time::Timestamp;
use gitops_git::{Asked, CredentialHelper, Credentials, GitStore, Relation, RemoteUrl, Restore};

use support::server::Server;
use support::{Repo, answer, listed, resolved, revision, snapshot, under, wait};

#[test]
fn changed_files_are_those_that_git_names() {
    let repo = Repo::new();
    repo.write("a/x.yaml", "1").write("a/y.yaml", "1").write("b/z.yaml", "1").write("n.txt", "1");
    let first = repo.commit("One");
    repo.write("a/x.yaml", "2").write("c/w.yaml", "1").write("n.txt", "2");
    fs::remove_file(repo.inner("b/z.yaml")).unwrap();
    let second = repo.commit("Two");
    let source = repo.source();
    let old = snapshot(&source, &first, &Paths::default()).unwrap();
    let new = answer(source.snapshot(&revision(&second), &Paths::default(), Some(&old))).unwrap();
    let shown = |change: &gitops_core::source::FileChange| {
        let kind = match (&change.old, &change.new) {
            (None, _) => "A",
            (_, None) => "D",
            _ => "M",
        };
        format!("{kind}\t{}", change.path)
    };
    let found: Vec<String> = new.changes_since(&old).iter().map(shown).collect();
    assert_eq!(found.join("\n"), repo.git(&["diff", "--name-status", "--no-renames", &first, &second, "--", "*.yaml"]));
    assert!(new.changes_since(&new).is_empty());
    // What touches nothing that is wanted leaves the very same snapshot.
    repo.write("n.txt", "3");
    let third = repo.commit("Three");
    let (old, new) = (snapshot(&source, &second, &under("a")).unwrap(), third);
    let new = answer(source.snapshot(&revision(&new), &under("a"), Some(&old))).unwrap();
    assert!(new.changes_since(&old).is_empty());
}

#[test]
fn a_forced_push_is_told_from_one_that_moves_on() {
    let repo = Repo::new();
    let ids: Vec<String> = (0..4).map(|number| repo.write("a.yaml", &number.to_string()).commit("Change")).collect();
    repo.git(&["checkout", "-q", "-b", "side", &ids[1]]);
    let side = repo.write("b.yaml", "x").commit("Side");
    repo.git(&["merge", "-q", "--no-edit", &ids[2]]);
    let merge = repo.id("HEAD");
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    let other = repo.commit("Other");
    repo.git(&["checkout", "-q", "main"]);
    let base = |id: &String| Relation::Rewritten { base: Some(revision(id)) };
    let server = Server::start(repo.path());
    let store = tempfile::tempdir().unwrap();
    let remote = GitStore::new(store.path()).remote(&RemoteUrl::parse(&server.url(".git")).unwrap()).unwrap();
    let source = repo.source();
    for (old, new, expected) in [
        (&ids[0], &ids[3], Relation::Forward),
        (&ids[3], &ids[0], Relation::Back),
        (&ids[3], &ids[3], Relation::Same),
        (&ids[3], &side, base(&ids[1])),
        (&ids[2], &merge, Relation::Forward),
        (&side, &merge, Relation::Forward),
        (&merge, &ids[3], base(&ids[2])),
        (&ids[3], &other, Relation::Rewritten { base: None }),
    ] {
        assert_eq!(source.relation(&revision(old), &revision(new)).unwrap(), expected);
        assert_eq!(wait(remote.relation(&revision(old), &revision(new))).unwrap(), expected);
        let is_ancestor = |one: &str, of: &str| {
            let mut git = support::git(repo.path(), 0, &["merge-base", "--is-ancestor", one, of]);
            git.status().unwrap().success()
        };
        assert_eq!(is_ancestor(old, new), matches!(expected, Relation::Forward | Relation::Same));
    }
}

#[test]
fn files_are_taken_back_on_a_branch_of_their_own() {
    let repo = Repo::new();
    repo.write("shop/web.yaml", "1").write("shop/run.sh", "x").write("other/a.yaml", "1");
    let old = repo.commit("One");
    repo.write("shop/web.yaml", "2").write("shop/new.yaml", "1").write("other/a.yaml", "2").write("shop/run.sh", "y");
    let new = repo.commit("Two");
    let source = repo.source();
    let (old_id, new_id) = (revision(&old), revision(&new));
    let noon: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    let restore = Restore::new(&new_id, &old_id, &under("shop"), "revert/shop").by("Ann <ann@example.org>", noon);
    let made = source.restore(&restore.clone().with_message("Revert \"Two\"\n")).unwrap();
    assert_eq!(resolved(&source, "revert/shop"), made.as_str());
    assert_eq!(listed(&source, "revert/shop", &Paths::default()), ["other/a.yaml: 2", "shop/web.yaml: 1"]);
    // What is no manifest is not the application's.
    assert_eq!(repo.git(&["show", "revert/shop:shop/run.sh"]), "y");
    assert_eq!(repo.git(&["rev-parse", "revert/shop^"]), new);
    let about = repo.git(&["log", "-1", "--format=%an|%ae|%aI|%s", "revert/shop"]);
    assert_eq!(about, "Ann|ann@example.org|2026-03-01T12:00:00+00:00|Revert \"Two\"");
    repo.git(&["fsck", "--strict"]);
    assert_eq!(repo.git(&["status", "--porcelain"]), "", "the work tree is left alone");

    repo.git(&["pack-refs", "--all"]);
    for (restore, expected) in [
        (restore.clone(), "exists already"),
        (Restore::new(&old_id, &old_id, &under("shop"), "x"), "as they were"),
        (Restore::new(&new_id, &old_id, &under("shop"), "a..b"), "as the name of a branch"),
        (Restore::new(&new_id, &old_id, &under("shop"), "main/back"), "beside `refs/heads/main`"),
        (Restore::new(&new_id, &old_id, &under("shop"), "revert"), "beside `refs/heads/revert/shop`"),
    ] {
        let text = source.restore(&restore).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_pointer_to_a_file_elsewhere_is_no_manifest() {
    let repo = Repo::new();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n", "0".repeat(64));
    repo.write("a.yaml", &pointer).write("b.yaml", "version https://git-lfs.github.com/spec/v2\n");
    repo.commit("One");
    let found = listed(&repo.source(), "main", &Paths::default());
    assert!(found[0].contains("is a pointer of Git LFS") && found[0].contains("git lfs untrack"), "{found:?}");
    assert!(found[1].starts_with("b.yaml: version"), "{found:?}");
}

#[test]
fn names_that_differ_in_case_only_are_a_warning() {
    let repo = Repo::new();
    repo.write("a/Web.yaml", "1").write("a/web.yaml", "2").write("b/Web.yaml", "3");
    repo.commit("One");
    let found = listed(&repo.source(), "main", &Paths::default());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[3].contains("`Web.yaml` and `web.yaml` differ in case only"), "{found:?}");
}

#[test]
fn a_credential_helper_is_asked_and_told_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = (folder.path().join("helper"), folder.path().join("log"));
    let script = format!(
        "#!/bin/sh\nverb=$2\n{{ echo \"$1 $verb\"; cat; }} >> {}\ncount=$(grep -c ' get$' {0})\n\
         [ \"$verb\" = get ] && printf 'username=ann\\npassword=s3cret-%s\\n' \"$count\"\nexit 0\n",
        log.display()
    );
    fs::write(&program, script).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&program).status().unwrap().success());
    let helper = CredentialHelper::new(&program).with_argument("--flag");
    let url = RemoteUrl::parse("https://example.org:8443/shop/web.git").unwrap();
    let given = |asked| {
        format!(
            "{:?}",
            helper.credential(&url, asked).unwrap().map(|given| match given {
                gitops_git::Credential::Basic { user, password } => format!("{user} {}", password.reveal()),
                _ => String::new(),
            })
        )
    };
    assert_eq!(given(Asked::First), "Some(\"ann s3cret-1\")");
    assert_eq!(given(Asked::Refused), "Some(\"ann s3cret-2\")");
    let told = fs::read_to_string(log).unwrap();
    let question = "protocol=https\nhost=example.org:8443\npath=shop/web.git\n";
    let expected = format!(
        "--flag get\n{question}\n--flag erase\n{question}username=ann\npassword=s3cret-1\n\n--flag get\n{question}\n"
    );
    assert_eq!(told, expected);
    for (program, expected) in [("/no/such/helper", "cannot be run"), ("false", "it fails")] {
        let text = CredentialHelper::new(program).credential(&url, Asked::First).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

/// Counts what is asked of a remote and its credentials, to see that an answer is not asked for twice.
#[derive(Debug, Default)]
struct Counting(Mutex<u32>);

impl Credentials for Counting {
    fn credential(&self, _: &RemoteUrl, _: Asked) -> Result<Option<gitops_git::Credential>, SourceError> {
        *self.0.lock().unwrap() += 1;
        Ok(Some(gitops_git::Credential::basic("git", "token")))
    }
}

#[test]
fn credentials_are_asked_for_once() {
    let repo = Repo::new();
    repo.write("a.yaml", "1").commit("One");
    let server = Server::start(repo.path());
    let folder = tempfile::tempdir().unwrap();
    let counting = std::sync::Arc::new(Counting::default());
    #[derive(Debug)]
    struct Shared(std::sync::Arc<Counting>);
    impl Credentials for Shared {
        fn credential(&self, url: &RemoteUrl, asked: Asked) -> Result<Option<gitops_git::Credential>, SourceError> {
            self.0.credential(url, asked)
        }
    }
    let store = GitStore::new(folder.path()).with_credentials(Shared(std::sync::Arc::clone(&counting)));
    let remote = store.remote(&RemoteUrl::parse(&server.url(".git")).unwrap()).unwrap();
    for _ in 0..3 {
        wait(remote.resolve(&Target::new("main"))).unwrap();
    }
    assert_eq!(*counting.0.lock().unwrap(), 1);
}
