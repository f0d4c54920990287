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
