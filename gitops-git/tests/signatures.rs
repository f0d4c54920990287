//! Signatures of commits and tags, made by `git` and `ssh-keygen`, and which are enough.

#![cfg(feature = "signatures")]
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use gitops_core::source::{Source, SourceFailure, Target};
use gitops_git::{Demand, GitSource, GitStore, RemoteUrl, Trust, Verdict};
use tempfile::TempDir;

use support::server::Server;
use support::{Repo, resolve, revision, wait};

/// Makes a key and returns its public half.
fn key(folder: &TempDir, name: &str, kind: &[&str]) -> String {
    let path = folder.path().join(name);
    let made =
        Command::new("ssh-keygen").args(["-q", "-N", "", "-C", "", "-f"]).arg(&path).arg("-t").args(kind).status();
    assert!(made.unwrap().success(), "ssh-keygen makes a key {kind:?}");
    fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

fn signed(repo: &Repo, key: &Path, arguments: &[&str]) -> String {
    let signing = format!("user.signingkey={}", key.display());
    repo.git(&[&["-c", "gpg.format=ssh", "-c", &signing], arguments].concat());
    repo.id("HEAD")
}

fn commit(repo: &Repo, key: &Path, text: &str) -> String {
    repo.write("a.yaml", text);
    repo.git(&["add", "-A"]);
    signed(repo, key, &["commit", "-q", "-S", "-m", text])
}

fn verdict(source: &GitSource, trust: &Trust, id: &str) -> Verdict {
    source.verdict(trust, &revision(id)).unwrap()
}

#[test]
fn each_kind_of_signature_is_told_for_what_it_is() {
    let (repo, folder) = (Repo::new(), tempfile::tempdir().unwrap());
    for (name, kind) in [
        ("ed25519", &["ed25519"][..]),
        ("p256", &["ecdsa", "-b", "256"]),
        ("p384", &["ecdsa", "-b", "384"]),
        ("rsa", &["rsa", "-b", "3072"]),
    ] {
        let public = key(&folder, name, kind);
        let id = commit(&repo, &folder.path().join(name), name);
        let source = repo.source();
        let judge = |list: &str| verdict(&source, &Trust::by_signers(list).unwrap(), &id);
        let fingerprint =
            Command::new("ssh-keygen").arg("-lf").arg(folder.path().join(format!("{name}.pub"))).output().unwrap();
        let fingerprint = String::from_utf8(fingerprint.stdout).unwrap();
        let fingerprint = fingerprint.split(' ').nth(1).unwrap();

        let good = Verdict::Good { signer: "ann@example.org".into(), key: fingerprint.into() };
        assert_eq!(judge(&format!("# people\nann@example.org {public}\n")), good, "{name}");
        let limited = format!(
            "ann@example.org namespaces=\"file,git\",valid-after=\"20200101\",valid-before=\"20330101Z\" {public}"
        );
        assert_eq!(judge(&limited), good, "{name}");

        let unknown = Verdict::UnknownKey { key: fingerprint.into() };
        assert_eq!(judge(""), unknown, "{name}");
        assert_eq!(judge(&format!("ann@example.org namespaces=\"file\" {public}")), unknown, "{name}");

        let expired = Verdict::Expired { signer: "ann@example.org".into(), key: fingerprint.into() };
        for times in ["valid-before=\"20200101\"", "valid-after=\"20330101\""] {
            assert_eq!(judge(&format!("ann@example.org {times} {public}")), expired, "{name} {times}");
        }
        let trust = Trust::by_signers(&format!("ann@example.org {public}")).unwrap();
        let revoked = trust.clone().with_revoked(&public).unwrap();
        assert_eq!(verdict(&source, &revoked, &id), Verdict::Revoked { key: fingerprint.into() }, "{name}");

        // The same signature over something else, and a damaged one.
        let raw = repo.git(&["cat-file", "commit", &id]);
        let changed =
            repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], format!("{raw}, changed\n").as_bytes());
        let line = raw.lines().nth(6).unwrap();
        let flipped = line.replace(['A', 'B'], "C");
        let damaged = raw.replacen(line, &flipped, 1);
        let damaged =
            repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], format!("{damaged}\n").as_bytes());
        let bare = repo.git(&["commit-tree", "-m", "x", &format!("{id}^{{tree}}")]);
        let source = repo.source();
        assert_eq!(verdict(&source, &trust, &changed), Verdict::Wrong, "{name}");
        let found = verdict(&source, &trust, &damaged);
        assert!(matches!(found, Verdict::Wrong | Verdict::Unsupported { .. }) || line == flipped, "{name}: {found:?}");
        assert_eq!(verdict(&source, &trust, &bare), Verdict::Unsigned, "{name}");
    }
}

#[test]
fn what_is_demanded_must_be_signed_here_and_at_a_remote() {
    let (repo, folder) = (Repo::new(), tempfile::tempdir().unwrap());
    let public = key(&folder, "ann", &["ed25519"]);
    let ann = folder.path().join("ann");
    let base = repo.write("a.yaml", "0").commit("Unsigned, and trusted as it is");
    let first = commit(&repo, &ann, "1");
    signed(&repo, &ann, &["tag", "-s", "-m", "x", "signed"]);
    repo.git(&["tag", "-a", "-m", "x", "annotated"]);
    repo.git(&["tag", "light"]);
    // An old release under a newer name, which needs nobody who may sign.
    repo.git(&["update-ref", "refs/tags/v9.0.0", "refs/tags/signed"]);
    let bare = repo.write("a.yaml", "2").commit("Unsigned");
    signed(&repo, &ann, &["tag", "-s", "-m", "x", "signed-unsigned"]);
    repo.git(&["branch", "bare"]);
    repo.git(&["reset", "-q", "--hard", &first]);
    let last = commit(&repo, &ann, "3");
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    let orphan = commit(&repo, &ann, "4");
    repo.git(&["checkout", "-q", "main"]);

    let trust = Trust::by_signers(&format!("ann@example.org {public}")).unwrap();
    let since = Demand::EveryCommitSince(revision(&base));
    let server = Server::start(repo.path());
    let url = RemoteUrl::parse(&server.url(".git")).unwrap();
    for (number, (demand, good, bad)) in [
        (
            Demand::Head,
            vec![("main", &last), ("annotated", &first), (&*first, &first), ("other", &orphan)],
            vec!["bare", "signed-unsigned", &*base],
        ),
        (
            Demand::Tag,
            vec![("signed", &first), ("signed-unsigned", &bare)],
            vec!["annotated", "light", "main", &*first, "signed~1", "v9.0.0", ">=9.0.0"],
        ),
        (Demand::TagAndHead, vec![("signed", &first)], vec!["signed-unsigned", "annotated", "main"]),
        (since, vec![("main", &last), ("signed", &first), (&*base, &base)], vec!["bare", "other"]),
    ]
    .into_iter()
    .enumerate()
    {
        let trust = trust.clone().with_demand(demand.clone());
        let local = repo.source().with_trust(trust.clone());
        let store = GitStore::new(folder.path().join(number.to_string())).with_trust(trust);
        let remote = store.remote(&url).unwrap();
        for (target, id) in good {
            assert_eq!(&*resolve(&local, target).unwrap().id.to_string(), id, "{demand:?} {target}");
            assert_eq!(
                &*wait(remote.resolve(&Target::new(target))).unwrap().id.to_string(),
                id,
                "{demand:?} {target} remote"
            );
        }
        for target in bad {
            for found in [resolve(&local, target), wait(remote.resolve(&Target::new(target)))] {
                let failure = found.map_err(|error| error.failure);
                assert!(matches!(failure, Err(SourceFailure::Untrusted { .. })), "{demand:?} {target}: {failure:?}");
            }
        }
    }
}

#[test]
fn what_is_signed_otherwise_is_not_trusted() {
    let repo = Repo::new();
    let id = repo.write("a.yaml", "1").commit("One");
    let raw = repo.git(&["cat-file", "commit", &id]);
    let (head, message) = raw.split_once("\n\n").unwrap();
    let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----";
    let text = format!("{head}\n{signature}\n\n{message}\n");
    let id = repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], text.as_bytes());
    let found = verdict(&repo.source(), &Trust::by_signers("").unwrap(), &id);
    assert_eq!(found, Verdict::Unsupported { kind: "PGP SIGNATURE".into() });
}

#[test]
fn a_list_of_signers_is_read_as_a_whole_or_not_at_all() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEtWuTadt1cOS/SqCFM/1zmlnDo5bS4FnJeBlVEKsGn";
    for (list, line) in [
        ("ann@example.org".to_owned(), 1),
        (format!("ann@example.org {key}\n\n# x\nbob@example.org ssh-ed25519"), 4),
        ("ann@example.org ssh-ed25519 AAAA".to_owned(), 1),
        (format!("ann@example.org valid-before=\"soon\" {key}"), 1),
        (format!("ann@example.org cert-authority {key}"), 1),
        (format!("ann@example.org shiny {key}"), 1),
        (format!("ann@example.org ecdsa-sha2-nistp256 {}", key.split(' ').nth(1).unwrap()), 1),
    ] {
        assert_eq!(Trust::by_signers(&list).unwrap_err().line, line, "{list}");
    }
    assert!(Trust::by_signers(&format!("\"ann, bob\" valid-before=\"20300101\" {key} a comment")).is_ok());
}
