//! Signers path by path: who last changed what is read must have signed it.

#![cfg(feature = "signatures")]
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gitops_core::source::{Paths, Snapshot, Source, SourceError, SourceFailure, Target};
use gitops_git::{Demand, GitStore, RemoteUrl, Trust};
use tempfile::TempDir;

use support::server::Server;
use support::{Repo, START, git, snapshot, succeed, under, wait};

struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        let keys = Self(tempfile::tempdir().unwrap());
        for name in ["ann", "bob"] {
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-N", "", "-C", "", "-t", "ed25519", "-f"]).arg(keys.file(name));
            assert!(made.status().unwrap().success());
        }
        keys
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn of(&self, name: &str) -> Trust {
        let public = fs::read_to_string(self.file(name).with_extension("pub")).unwrap();
        Trust::by_signers(&format!("{name}@example.org {public}")).unwrap()
    }

    fn commit(&self, repo: &Repo, by: Option<&str>, files: &[(&str, &str)]) -> String {
        files.iter().for_each(|(path, text)| _ = repo.write(path, text));
        repo.git(&["add", "-A"]);
        let signing = format!("user.signingkey={}", self.file(by.unwrap_or("ann")).display());
        let sign = if by.is_some() { "-S" } else { "--no-gpg-sign" };
        repo.git(&["-c", "gpg.format=ssh", "-c", &signing, "commit", "-q", sign, "-m", "x"]);
        repo.id("HEAD")
    }

    /// Ann signs for `pay`, Bob for `shop`, and nothing is asked of the commit itself.
    fn trust(&self) -> Trust {
        let nobody = Trust::by_signers("").unwrap().with_demand(Demand::Paths);
        nobody.with_path("pay", self.of("ann")).unwrap().with_path("./shop/", self.of("bob")).unwrap()
    }
}

fn refusal(found: Result<Snapshot, SourceError>) -> String {
    let error = found.unwrap_err();
    assert!(matches!(error.failure, SourceFailure::Untrusted { .. }), "{error}");
    error.to_string()
}

#[test]
fn each_path_needs_its_own_signers_and_commits_to_other_paths_need_none() {
    let (keys, repo) = (Keys::new(), Repo::new());
    keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "1")]);
    keys.commit(&repo, Some("bob"), &[("shop/a.yaml", "1")]);
    keys.commit(&repo, None, &[("docs/a.md", "1")]);
    let source = repo.source().with_trust(keys.trust());
    let at = |path: &str| snapshot(&source, "HEAD", &under(path));
    assert_eq!((at("pay").unwrap().files().len(), at("shop").unwrap().files().len()), (1, 1));
    assert_eq!(snapshot(&source, "HEAD", &Paths::under(["pay", "shop"]).unwrap()).unwrap().files().len(), 2);
    for path in ["docs", "", "payments"] {
        assert!(refusal(at(path)).contains("no list of signers is for this path"), "{path}");
    }

    // Somebody who may sign elsewhere may not here, and not through the back door of a merge either.
    let id = keys.commit(&repo, Some("bob"), &[("pay/a.yaml", "2")]);
    assert!(refusal(at("pay")).contains(&format!("`pay`, last changed by commit `{id}` (signed with key")));
    assert_eq!(at("shop").unwrap().files().len(), 1);
    keys.commit(&repo, None, &[("docs/a.md", "2")]);
    assert!(refusal(at("pay")).contains(&id));
    keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "3")]);
    assert_eq!(at("pay").unwrap().files().len(), 1);
    repo.git(&["checkout", "-q", "-b", "side", "HEAD~1"]);
    keys.commit(&repo, None, &[("pay/b.yaml", "evil")]);
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-ff", "--no-edit", "side"]);
    assert!(refusal(at("pay")).contains("it is not signed"));
}

#[test]
fn what_a_link_leads_to_and_what_lies_within_must_be_signed_as_well() {
    let (keys, repo) = (Keys::new(), Repo::new());
    repo.link("pay/shared.yaml", "../shared/x.yaml");
    keys.commit(&repo, Some("ann"), &[("shared/x.yaml", "1"), ("pay/secret/s.yaml", "1"), ("pay/notes.txt", "1")]);
    let source = repo.source().with_trust(keys.trust());
    assert_eq!(snapshot(&source, "HEAD", &under("pay")).unwrap().files().len(), 2);
    keys.commit(&repo, None, &[("shared/x.yaml", "2")]);
    assert!(refusal(snapshot(&source, "HEAD", &under("pay"))).contains("it is not signed"));
    keys.commit(&repo, Some("ann"), &[("shared/x.yaml", "3")]);

    let within = keys.trust().with_path("pay/secret", keys.of("bob")).unwrap();
    let source = repo.source().with_trust(within);
    assert!(refusal(snapshot(&source, "HEAD", &under("pay"))).contains("`pay/secret`, last changed by"));
    assert!(refusal(snapshot(&source, "HEAD", &under("pay/secret"))).contains("`pay/secret`"));
    keys.commit(&repo, Some("bob"), &[("pay/secret/s.yaml", "2")]);
    assert_eq!(snapshot(&source, "HEAD", &under("pay/secret")).unwrap().files().len(), 1);
    // Then that change is one of `pay`, for which Bob does not sign.
    assert!(refusal(snapshot(&source, "HEAD", &under("pay"))).contains("`pay`, last changed by"));
}

#[test]
fn that_nothing_is_left_at_a_path_must_be_signed_as_well() {
    let (keys, repo) = (Keys::new(), Repo::new());
    keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "1")]);
    repo.git(&["checkout", "-q", "--orphan", "empty"]);
    repo.git(&["rm", "-r", "-f", "-q", "."]);
    keys.commit(&repo, None, &[("pay/README.md", "1")]);
    // What is merged has the same files at the path as the other root, which had none.
    repo.git(&["merge", "-q", "--no-edit", "--allow-unrelated-histories", "-s", "ours", "main"]);
    let source = repo.source().with_trust(keys.trust());
    let told = refusal(snapshot(&source, "empty", &under("pay")));
    assert!(told.contains(&format!("`pay`, of which commit `{}` (it is not signed)", repo.id("HEAD"))), "{told}");
    keys.commit(&repo, Some("ann"), &[("docs/a.md", "1")]);
    assert_eq!(snapshot(&source, "empty", &under("pay")).unwrap().files().len(), 0);
}

/// Makes a merge by hand: its parents, and the commit whose files it has.
fn merge(keys: &Keys, repo: &Repo, by: Option<&str>, parents: [&str; 2], files: &str) -> String {
    let signing = format!("user.signingkey={}", keys.file(by.unwrap_or("ann")).display());
    let mut arguments = vec!["-c", "gpg.format=ssh", "-c", &signing, "commit-tree", "-m", "merge"];
    arguments.extend(by.map(|_| "-S"));
    let tree = format!("{files}^{{tree}}");
    arguments.extend(["-p", parents[0], "-p", parents[1], &tree]);
    repo.git(&arguments)
}

#[test]
fn a_merge_cannot_bring_an_older_signed_state_back_unless_it_is_signed_itself() {
    let (keys, repo) = (Keys::new(), Repo::new());
    let old = keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "1"), ("shop/a.yaml", "1")]);
    let newer = keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "2")]);
    let docs = keys.commit(&repo, None, &[("docs/a.md", "1")]);
    let source = repo.source().with_trust(keys.trust());
    let at = |id: &str| snapshot(&source, id, &under("pay")).map(|found| found.files()[0].id.to_string());
    let now = at(&docs).unwrap();

    // Whoever may push, but not sign, merges what was there once, by whichever way.
    repo.git(&["checkout", "-q", "-b", "side", &old]);
    let side = keys.commit(&repo, None, &[("docs/b.md", "1")]);
    for (parents, of) in
        [([&*docs, &*old], &old), ([&old, &docs], &old), ([&docs, &side], &side), ([&side, &newer], &side)]
    {
        let unsigned = merge(&keys, &repo, None, parents, of);
        let told = refusal(snapshot(&source, &unsigned, &under("pay")));
        let expected = format!("`pay`, which is as in commit `{old}` and not as `{newer}` made it");
        assert!(told.contains(&expected), "{told}");
        // Nor is it enough to sign for another path, or to go on from there.
        let by_bob = merge(&keys, &repo, Some("bob"), parents, of);
        refusal(snapshot(&source, &by_bob, &under("pay")));
        repo.git(&["checkout", "-q", "--detach", &unsigned]);
        let on_top = keys.commit(&repo, None, &[("docs/c.md", "1")]);
        refusal(snapshot(&source, &on_top, &under("pay")));
        // Who signs for the path may choose, and what is built upon that may be anybody's.
        let by_ann = merge(&keys, &repo, Some("ann"), parents, of);
        assert_ne!(at(&by_ann).unwrap(), now);
        let again = merge(&keys, &repo, None, [&by_ann, &docs], &by_ann);
        assert_ne!(at(&again).unwrap(), now);
        // But that choice is no licence to undo what comes later.
        repo.git(&["checkout", "-q", "--detach", &by_ann]);
        let third = keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "3")]);
        refusal(snapshot(&source, &merge(&keys, &repo, None, [&third, &by_ann], &by_ann), &under("pay")));
    }

    // A merge that keeps what is newest needs no signature, whichever side that is on.
    for parents in [[&*docs, &*side], [&side, &docs], [&side, &newer], [&newer, &old]] {
        assert_eq!(at(&merge(&keys, &repo, None, parents, &newer)).unwrap(), now, "{parents:?}");
    }
    // The same change on both sides is no older state.
    repo.git(&["checkout", "-q", "--detach", &side]);
    let same = keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "2")]);
    assert_eq!(at(&merge(&keys, &repo, None, [&same, &docs], &docs)).unwrap(), now);
    // What nobody signed and a merge drops is told as well: only who signs for the path says that it does not count.
    let unsigned = keys.commit(&repo, None, &[("pay/a.yaml", "evil")]);
    let told = refusal(snapshot(&source, &merge(&keys, &repo, None, [&docs, &unsigned], &docs), &under("pay")));
    assert!(told.contains(&format!("not as `{unsigned}` made it")), "{told}");
    assert_eq!(at(&merge(&keys, &repo, Some("ann"), [&docs, &unsigned], &docs)).unwrap(), now);
}

#[test]
fn clocks_that_went_wrong_make_nothing_look_newer() {
    let (keys, repo) = (Keys::new(), Repo::new());
    keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "0")]);
    // Committed long after all that is built upon it, as far as the clock told.
    let dated = |clock: i64, text: &str| {
        repo.write("pay/a.yaml", text).git(&["add", "-A"]);
        let signing = format!("user.signingkey={}", keys.file("ann").display());
        let sign = ["-c", "gpg.format=ssh", "-c", &signing, "commit", "-q", "-S", "-m", "x"];
        succeed(git(repo.path(), clock, &sign).output().unwrap());
        repo.id("HEAD")
    };
    let ahead = dated(START + 9_000_000, "1");
    dated(START + 60, "2");
    let behind = dated(START - 9_000_000, "3");
    let source = repo.source().with_trust(keys.trust());
    let side = merge(&keys, &repo, None, [&ahead, &behind], &behind);
    let head = merge(&keys, &repo, None, [&side, &ahead], &behind);
    assert_eq!(snapshot(&source, &head, &under("pay")).unwrap().files().len(), 1);
    let back = merge(&keys, &repo, None, [&ahead, &side], &ahead);
    refusal(snapshot(&source, &back, &under("pay")));
}

#[test]
fn at_a_remote_as_much_history_is_fetched_as_that_takes() {
    let (keys, repo) = (Keys::new(), Repo::new());
    keys.commit(&repo, Some("ann"), &[("pay/a.yaml", "1")]);
    for at in 0..70 {
        keys.commit(&repo, None, &[("docs/a.md", &at.to_string())]);
    }
    let (folder, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clone = ["clone", "-q", "--bare", &repo.path().to_string_lossy(), "r.git"];
    succeed(git(folder.path(), START, &clone).output().unwrap());
    let server = Server::start(folder.path());
    let url = RemoteUrl::parse(&server.url("r.git")).unwrap();
    let remote = GitStore::new(store.path()).with_trust(keys.trust()).remote(&url).unwrap();
    let head = wait(remote.resolve(&Target::new("main"))).unwrap();
    assert_eq!(head.signature, None);
    assert_eq!(wait(remote.snapshot(&head.id, &under("pay"), None)).unwrap().files().len(), 1);
    assert!(refusal(wait(remote.snapshot(&head.id, &under("docs"), None))).contains("no list of signers"));
}
