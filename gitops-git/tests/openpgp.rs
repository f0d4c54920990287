//! OpenPGP signatures of commits and tags, made by `git` and `gpg`.
//!
//! Where there is no `gpg` these tests say so and check nothing.

#![cfg(feature = "signatures")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use gitops_git::{Demand, Trust, Verdict};
use tempfile::TempDir;

use support::{Repo, START, git, resolve, revision, succeed};

/// A home of `gpg`; short, since its sockets are in it.
struct Gpg(TempDir);

impl Gpg {
    /// `None` where there is no `gpg`.
    fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: there is no `gpg` to sign with");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("gpg").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self(folder))
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.0.path()).args(["--batch", "--no-tty", "--quiet", "--yes", "--pinentry-mode"]);
        let output = gpg.args(["loopback", "--passphrase", ""]).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key, at a fixed time before all commits, and returns its fingerprint.
    fn key(&self, name: &str, kind: &str, usage: &str, expires: &str) -> String {
        let time = (START - 86_400).to_string();
        self.run(&["--faked-system-time", &time, "--quick-generate-key", name, kind, usage, expires]);
        self.fingerprints(name).remove(0)
    }

    /// The fingerprints of a key and its subkeys.
    fn fingerprints(&self, name: &str) -> Vec<String> {
        let listed = String::from_utf8(self.run(&["--with-colons", "--list-keys", name])).unwrap();
        listed
            .lines()
            .filter(|line| line.starts_with("fpr:"))
            .map(|line| line.split(':').nth(9).unwrap().to_owned())
            .collect()
    }

    fn export(&self, arguments: &[&str]) -> Vec<u8> {
        self.run(&[&["--export"], arguments].concat())
    }

    /// A program that Git takes for `gpg`: in this home, at the time of `clock`.
    fn program(&self, clock: i64) -> String {
        let path = self.0.path().join(format!("gpg-{clock}"));
        let home = self.0.path().display();
        let script = format!(
            "#!/bin/sh\nexec gpg --homedir {home} --batch --no-tty --pinentry-mode loopback --passphrase '' \
             --faked-system-time {clock} \"$@\"\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    fn commit(&self, repo: &Repo, key: &str, text: &str, clock: i64) -> String {
        repo.write("a.yaml", text);
        repo.git(&["add", "-A"]);
        self.signed(repo, key, clock, &["commit", "-q", "--allow-empty", "-S", "-m", text]);
        repo.id("HEAD")
    }

    fn signed(&self, repo: &Repo, key: &str, clock: i64, arguments: &[&str]) {
        let (program, key) = (format!("gpg.program={}", self.program(clock)), format!("user.signingkey={key}"));
        let arguments = [&["-c", &program, "-c", &key], arguments].concat();
        succeed(git(repo.path(), clock, &arguments).output().unwrap());
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        drop(end.arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).output());
    }
}

fn trust(keyring: &[u8]) -> Trust {
    Trust::by_signers("").unwrap().with_keyring(keyring).unwrap()
}

fn verdict(repo: &Repo, trust: &Trust, id: &str) -> Verdict {
    repo.source().verdict(trust, &revision(id)).unwrap()
}

fn good(name: &str, key: &str) -> Verdict {
    Verdict::Good { signer: name.into(), key: key.into() }
}

const ANN: &str = "Ann <ann@example.org>";
const BOB: &str = "Bob <bob@example.org>";

#[test]
fn each_kind_of_key_is_judged_as_gpg_judges_it() {
    let Some(gpg) = Gpg::new() else { return };
    let repo = Repo::new();
    for (kind, name) in [
        ("ed25519", ANN),
        ("rsa2048", "Rsa <rsa@example.org>"),
        ("nistp256", "P256 <p256@example.org>"),
        ("nistp384", "P384 <p384@example.org>"),
    ] {
        let key = gpg.key(name, kind, "sign", "never");
        let id = gpg.commit(&repo, &key, name, START);
        let ring = gpg.export(&[name]);
        assert_eq!(verdict(&repo, &trust(&ring), &id), good(name, &key), "{kind}");
        assert_eq!(verdict(&repo, &trust(&gpg.export(&["--armor", name])), &id), good(name, &key), "{kind}, armoured");

        // Somebody else's keyring, the same signature over something else, and a damaged one.
        let raw = repo.git(&["cat-file", "commit", &id]);
        let stored = |text: &str| repo.git_with(&["hash-object", "-t", "commit", "-w", "--stdin"], text.as_bytes());
        let changed = stored(&format!("{raw}, changed\n"));
        assert_eq!(verdict(&repo, &trust(&ring), &changed), Verdict::Wrong, "{kind}");
        let line = raw.lines().rfind(|line| line.starts_with(' ') && line.len() > 50).unwrap();
        let flip = |from: char, to: char| {
            line.replace(from, "\0").replace(to, &from.to_string()).replace('\0', &to.to_string())
        };
        let damaged = stored(&format!("{}\n", raw.replacen(line, &flip('A', 'B').replace('c', "d"), 1)));
        let found = verdict(&repo, &trust(&ring), &damaged);
        assert!(!matches!(found, Verdict::Good { .. }) || flip('A', 'B') == line, "{kind}: {found:?}");
    }
    let all = gpg.export(&[]);
    let last = repo.id("HEAD");
    assert!(matches!(verdict(&repo, &trust(&all), &last), Verdict::Good { .. }));
    let ann = gpg.export(&[ANN]);
    assert!(matches!(verdict(&repo, &trust(&ann), &last), Verdict::UnknownKey { .. }));
    let bare = repo.commit("Unsigned");
    assert_eq!(verdict(&repo, &trust(&all), &bare), Verdict::Unsigned);
    assert_eq!(
        verdict(&repo, &Trust::by_signers("").unwrap(), &last),
        Verdict::Unsupported { kind: "PGP SIGNATURE".into() }
    );
}

#[test]
fn an_expired_key_counts_for_what_it_signed_before_and_a_revoked_one_for_nothing() {
    let Some(gpg) = Gpg::new() else { return };
    let repo = Repo::new();
    let key = gpg.key(ANN, "ed25519", "sign", "never");
    let early = gpg.commit(&repo, &key, "early", START);
    let late = gpg.commit(&repo, &key, "late", START + 40 * 86_400);
    assert_eq!(verdict(&repo, &trust(&gpg.export(&[ANN])), &late), good(ANN, &key));
    gpg.run(&["--faked-system-time", &(START + 60).to_string(), "--quick-set-expire", &key, "30d"]);
    let expiring = trust(&gpg.export(&[ANN]));
    assert_eq!(verdict(&repo, &expiring, &early), good(ANN, &key));
    assert_eq!(verdict(&repo, &expiring, &late), Verdict::Expired { signer: ANN.into(), key: (*key).into() });

    // A revocation counts even if it cannot be checked: by somebody else, by SHA-1, or of an old version.
    let ring = gpg.export(&[ANN]);
    let (head, tail) = ring.split_at(2 + usize::from(ring[1]));
    for revocation in [&[0x88, 10, 4, 0x20, 1, 2, 0, 0, 0, 0, 0, 0][..], &[0x88, 5, 3, 5, 0x20, 0, 0]] {
        // Wherever it stands, as when it was added to the end of the file.
        for ring in [[head, revocation, tail].concat(), [&ring[..], revocation].concat()] {
            assert_eq!(verdict(&repo, &trust(&ring), &early), Verdict::Revoked { key: (*key).into() });
        }
    }
    // And an owner's last word that cannot be checked may take back what was said before.
    let mut last = vec![4, 0x1f, 22, 2, 0, 6, 5, 2, 0xff, 0, 0, 0, 0, 10, 9, 16];
    last.extend((0..8).map(|at| u8::from_str_radix(&key[24 + 2 * at..26 + 2 * at], 16).unwrap()));
    last.extend([0, 0]);
    let packet = [&[0x88, u8::try_from(last.len()).unwrap()], &*last].concat();
    let found = verdict(&repo, &trust(&[head, &packet, tail].concat()), &early);
    assert!(matches!(found, Verdict::Unsupported { .. }), "{found:?}");

    let certificate = gpg.0.path().join(format!("openpgp-revocs.d/{key}.rev"));
    let text = fs::read_to_string(&certificate).unwrap().replace("\n:-----BEGIN", "\n-----BEGIN");
    fs::write(&certificate, text).unwrap();
    gpg.run(&["--import", &certificate.display().to_string()]);
    let revoked = trust(&gpg.export(&[ANN]));
    for id in [&early, &late] {
        assert_eq!(verdict(&repo, &revoked, id), Verdict::Revoked { key: (*key).into() });
    }
}

#[test]
fn a_subkey_signs_for_its_owner_until_it_is_said_not_to() {
    let Some(gpg) = Gpg::new() else { return };
    let repo = Repo::new();
    let primary = gpg.key(BOB, "ed25519", "cert", "never");
    let time = START.to_string();
    gpg.run(&["--faked-system-time", &time, "--quick-add-key", &primary, "rsa2048", "sign", "30d"]);
    let subkey = gpg.fingerprints(BOB).remove(1);
    let early = gpg.commit(&repo, &subkey, "early", START + 60);
    let ring = gpg.export(&[BOB]);
    assert_eq!(verdict(&repo, &trust(&ring), &early), good(BOB, &subkey));
    // A signature at a time after the end of the subkey: gpg makes none, so the end is moved instead.
    let later = (START + 120).to_string();
    gpg.run(&["--faked-system-time", &later, "--quick-set-expire", &primary, "1d", &subkey]);
    let late = gpg.commit(&repo, &subkey, "late", START + 3_600);
    assert_eq!(verdict(&repo, &trust(&gpg.export(&[BOB])), &late), good(BOB, &subkey));
    let before = (START + 180).to_string();
    gpg.run(&["--faked-system-time", &before, "--quick-set-expire", &primary, "seconds=600", &subkey]);
    let expired = verdict(&repo, &trust(&gpg.export(&[BOB])), &late);
    assert_eq!(expired, Verdict::Expired { signer: BOB.into(), key: (*subkey).into() });

    // Somebody who hangs another's subkey on a key of their own does not become them.
    let thief = gpg.key("Eve <eve@example.org>", "ed25519", "cert", "never");
    assert_ne!(thief, primary);
    let mut stolen = gpg.export(&["Eve <eve@example.org>"]);
    let bob = gpg.export(&[BOB]);
    let at = bob.windows(2).rposition(|bytes| bytes == [0xb9, 0x01]).expect("the packet of the subkey");
    stolen.extend_from_slice(bob.get(at..).unwrap());
    let found = verdict(&repo, &trust(&stolen), &early);
    assert!(matches!(found, Verdict::Unsupported { .. }), "{found:?}");
}

#[test]
fn tags_and_demands_know_both_kinds() {
    let Some(gpg) = Gpg::new() else { return };
    let repo = Repo::new();
    let key = gpg.key(ANN, "ed25519", "sign", "never");
    let base = repo.write("a.yaml", "0").commit("Unsigned, and trusted as it is");
    let signed = gpg.commit(&repo, &key, "1", START + 60);
    gpg.signed(&repo, &key, START + 120, &["tag", "-s", "-m", "x", "signed"]);
    repo.git(&["tag", "-a", "-m", "x", "annotated"]);
    repo.git(&["branch", "signed-only"]);
    repo.write("a.yaml", "2").commit("Unsigned");
    let trust = trust(&gpg.export(&[ANN]));
    for (demand, target, is_good) in [
        (Demand::Head, "signed-only", true),
        (Demand::Head, "main", false),
        (Demand::Head, &*base, false),
        (Demand::Tag, "signed", true),
        (Demand::Tag, "annotated", false),
        (Demand::TagAndHead, "signed", true),
        (Demand::EveryCommitSince(revision(&base)), "signed-only", true),
        (Demand::EveryCommitSince(revision(&base)), "main", false),
        (Demand::EveryCommitSince(revision(&signed)), "main", false),
    ] {
        let found = resolve(&repo.source().with_trust(trust.clone().with_demand(demand.clone())), target);
        assert_eq!(found.is_ok(), is_good, "{demand:?} {target}: {found:?}");
    }
}

#[test]
fn a_keyring_is_read_as_a_whole_or_not_at_all() {
    let Some(gpg) = Gpg::new() else { return };
    gpg.key(ANN, "ed25519", "sign", "never");
    let ring = gpg.export(&[ANN]);
    let secret = gpg.run(&["--export-secret-keys", ANN]);
    let armoured = gpg.export(&["--armor", ANN]);
    let read = |bytes: &[u8]| Trust::by_signers("").unwrap().with_keyring(bytes).err().map(|error| error.why);
    assert_eq!(read(&ring), None);
    assert_eq!(read(&[&*armoured, b"\n", &*armoured].concat()), None);
    assert_eq!(read(&secret), Some("it holds a secret key, which does not belong here"));
    assert_eq!(read(b""), Some("it holds no key"));
    assert_eq!(read(b"ssh-ed25519 AAAA"), Some("it is damaged, or no keyring"));
    for end in 1..ring.len() {
        // Whatever is cut or changed, it is read or refused.
        let mut changed = ring.clone();
        changed[end] ^= 0x55;
        for broken in [&ring[..end], &changed] {
            assert!(read(broken).is_none_or(|why| why.starts_with("it ")), "at {end}");
        }
    }
    let cut = ring.len() - 1;
    assert_eq!(read(&ring[..cut]), Some("it is damaged, or no keyring"));
}
