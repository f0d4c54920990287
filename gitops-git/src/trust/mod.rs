//! Who signed a commit or tag, and whether that is enough.

mod openpgp;
mod paths;
mod signers;
mod ssh;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use gitops_core::source::{RevisionId, SourceError, SourceFailure};
use gitops_core::time::Timestamp;
use gix::bstr::ByteSlice;
use gix::objs::Kind;
use gix::{ObjectId, Repository};

use crate::error::{beyond, shown, too_large};
use crate::resolve::AskedTag;
use crate::{GitLimits, objects};

pub(crate) use paths::Resolved;

use signers::Signer;
use ssh::{Key, Signature};

/// The most commits that are looked at for one answer.
const COMMITS: usize = 100_000;

/// Which commits and tags are trusted, by SSH signatures as `git commit -S` makes them with `gpg.format=ssh`, and by those
/// of OpenPGP, which it makes otherwise.
///
/// ```
/// use gitops_git::{Demand, Trust};
///
/// let signers = "ann@example.org namespaces=\"git\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEtWuTadt1cOS/SqCFM/1zmlnDo5bS4FnJeBlVEKsGn";
/// let trust = Trust::by_signers(signers)?.with_demand(Demand::Head);
/// # Ok::<(), gitops_git::InvalidSigners>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trust {
    signers: Vec<Signer>,
    revoked: BTreeSet<Key>,
    keyring: Vec<openpgp::Certificate>,
    demand: Demand,
    /// Who must have signed what lies below a path, besides.
    paths: Vec<(Arc<str>, Arc<Self>)>,
}

/// What must be signed by somebody who is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// The commit itself.
    #[default]
    Head,
    /// The tag that was asked for. A target that is no annotated tag is not trusted.
    Tag,
    /// The tag that was asked for, and its commit.
    TagAndHead,
    /// Every commit since this one, which is trusted itself: those that it cannot be reached from.
    EveryCommitSince(RevisionId),
    /// Nothing but what [`Trust::with_path`] demands.
    Paths,
}

/// What a signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is right, and by somebody on the list.
    Good {
        /// Who, as the list names them.
        signer: Arc<str>,
        /// The fingerprint of the key.
        key: Arc<str>,
    },
    /// There is none.
    Unsigned,
    /// It does not belong to what is signed, or cannot be read: somebody may have changed the one or the other.
    Wrong,
    /// It is right, and by nobody on the list.
    UnknownKey {
        /// The fingerprint of the key.
        key: Arc<str>,
    },
    /// It is by somebody on the list, but not when they could sign.
    Expired {
        /// Who.
        signer: Arc<str>,
        /// The fingerprint of the key.
        key: Arc<str>,
    },
    /// It is by a key that is known to be in other hands.
    Revoked {
        /// The fingerprint of the key.
        key: Arc<str>,
    },
    /// It is of a kind that cannot be checked.
    Unsupported {
        /// Which.
        kind: Arc<str>,
    },
}

/// A list of signers that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list of signers is wrong: {why}; write `ann@example.org ssh-ed25519 AAAA…`")]
#[non_exhaustive]
pub struct InvalidSigners {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A keyring that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keyring is wrong: {why}; make one with `gpg --export --armor KEY`")]
#[non_exhaustive]
pub struct InvalidKeyring {
    /// What is wrong with it.
    pub why: &'static str,
}

impl Trust {
    /// Trusts whom a list names, in the format of `gpg.ssh.allowedSignersFile`. Times without a zone are UTC.
    ///
    /// # Errors
    /// When a line cannot be read. None is skipped, since a wrong line may be a key that somebody meant to limit.
    pub fn by_signers(list: &str) -> Result<Self, InvalidSigners> {
        let (revoked, keyring, paths) = (BTreeSet::new(), Vec::new(), Vec::new());
        Ok(Self { signers: signers::read(list)?, revoked, keyring, demand: Demand::default(), paths })
    }

    /// Trusts the OpenPGP keys of a keyring as well, as `gpg --export` writes it, with `--armor` or without.
    ///
    /// All keys in it are trusted, each until it expires by its owner's word, and not at all once it is revoked: by a
    /// revocation that is in the keyring. Keys of version 4 are read; they sign by RSA of 2048 bits and more, Ed25519, P-256
    /// or P-384, with SHA-2. A key may not sign whose owner's last word on it cannot be checked, such as one by SHA-1.
    ///
    /// # Errors
    /// When a key cannot be read. None is skipped, since it may be a revocation that is missing then.
    pub fn with_keyring(mut self, keyring: &[u8]) -> Result<Self, InvalidKeyring> {
        self.keyring.extend(openpgp::read(keyring)?);
        Ok(self)
    }

    /// Sets what must be signed. Default: the commit itself.
    #[must_use]
    pub fn with_demand(self, demand: Demand) -> Self {
        Self { demand, ..self }
    }

    /// Adds keys that are not to be trusted any more, whatever the list says and whenever they signed: one a line, as in
    /// `authorized_keys`.
    ///
    /// # Errors
    /// When a line cannot be read.
    pub fn with_revoked(mut self, keys: &str) -> Result<Self, InvalidSigners> {
        self.revoked.extend(signers::keys(keys)?);
        Ok(self)
    }

    /// Fails unless `commit`, asked for by the tag `tag` if by any, is signed as is demanded. Returns by whom.
    pub(crate) fn check(
        &self,
        repository: &Repository,
        commit: ObjectId,
        tag: Option<&AskedTag>,
    ) -> Result<Option<String>, SourceError> {
        let head = || self.demand_good(repository, Kind::Commit, commit);
        let tag = || match tag {
            Some(tag) => {
                let verdict = self.demand_good(repository, Kind::Tag, tag.id)?;
                bears_its_name(repository, tag).map(|()| format!("tag {verdict}"))
            }
            None => Err(untrusted(format!(
                "commit `{commit}` (it was not asked for by a signed tag; give one as revision)"
            ))),
        };
        Ok(Some(match &self.demand {
            Demand::Head => head()?.to_string(),
            Demand::Tag => tag()?,
            Demand::TagAndHead => format!("{}; commit {}", tag()?, head()?),
            Demand::EveryCommitSince(base) => {
                self.check_since(repository, commit, base)?;
                format!("every commit since `{}`", base.short())
            }
            Demand::Paths => return Ok(None),
        }))
    }

    /// Checks all commits that are not in the history of `base`.
    fn check_since(&self, repository: &Repository, head: ObjectId, base: &RevisionId) -> Result<(), SourceError> {
        let ends = objects::boundary(repository)?;
        let base = match objects::pinned(repository, base) {
            Ok((base, _)) => base,
            Err(_) if !ends.is_empty() => return Err(beyond(&format!("the trusted commit `{base}`"), head)),
            Err(error) => return Err(error),
        };
        let trusted = reach(repository, base, &BTreeSet::new(), &ends, AtEnd::Stop, |_| Ok(()))?;
        let check = |id| self.demand_good(repository, Kind::Commit, id).map(drop);
        let seen = reach(repository, head, &trusted, &ends, AtEnd::Fail, check)?;
        // Else the history was rewritten below the base, and what came of that was compared with nothing.
        let mut is_based = trusted.contains(&head);
        for id in seen {
            is_based = is_based || objects::commit(repository, id)?.parents.contains(&base);
        }
        match is_based {
            true => Ok(()),
            false => Err(untrusted(format!("commit `{head}` (the trusted commit `{base}` is not in its history)"))),
        }
    }

    fn demand_good(&self, repository: &Repository, kind: Kind, id: ObjectId) -> Result<Verdict, SourceError> {
        match self.verdict(repository, kind, id)? {
            good @ Verdict::Good { .. } => Ok(good),
            verdict => Err(untrusted(format!("{kind} `{id}` ({verdict})"))),
        }
    }

    /// Judges the signature of one commit or tag.
    pub(crate) fn verdict(&self, repository: &Repository, kind: Kind, id: ObjectId) -> Result<Verdict, SourceError> {
        let data = objects::load(repository, &GitLimits::default(), id, kind)?;
        let (signed, signature) = match kind {
            Kind::Tag => parts_of_tag(&data),
            _ => parts_of_commit(&data),
        };
        Ok(signature.map_or(Verdict::Unsigned, |signature| self.judge(&signed, &signature, when(&data))))
    }

    fn judge(&self, signed: &[u8], signature: &str, time: Timestamp) -> Verdict {
        let first = signature.lines().next().unwrap_or_default().trim_matches('-');
        if signature.starts_with(openpgp::BEGIN) && !self.keyring.is_empty() {
            return openpgp::judge(signed, signature, &self.keyring);
        }
        if !signature.starts_with(ssh::BEGIN) {
            return Verdict::Unsupported { kind: shown(first.trim_start_matches("BEGIN ")) };
        }
        let Some(signature) = Signature::parse(signature) else { return Verdict::Wrong };
        match signature.is_of(signed) {
            Some(true) => {}
            Some(false) => return Verdict::Wrong,
            None => return Verdict::Unsupported { kind: "this kind of SSH key".into() },
        }
        let key = signature.key.fingerprint();
        if self.revoked.contains(&signature.key) {
            return Verdict::Revoked { key };
        }
        let mut expired = None;
        for signer in self.signers.iter().filter(|signer| signer.key == signature.key) {
            let begun = signer.valid_after.is_none_or(|after| after <= time);
            if begun && signer.valid_before.is_none_or(|before| time < before) {
                return Verdict::Good { signer: Arc::clone(&signer.name), key };
            }
            expired = Some(Arc::clone(&signer.name));
        }
        match expired {
            Some(signer) => Verdict::Expired { signer, key },
            None => Verdict::UnknownKey { key },
        }
    }
}

/// Fails if a tag is found under another name than was signed: whoever may push, and not sign, could make an old release
/// the newest one.
fn bears_its_name(repository: &Repository, tag: &AskedTag) -> Result<(), SourceError> {
    let Some(name) = tag.name.as_deref().and_then(|name| name.strip_prefix("refs/tags/")) else { return Ok(()) };
    let data = objects::load(repository, &GitLimits::default(), tag.id, Kind::Tag)?;
    let lines = data.lines().take_while(|line| !line.is_empty());
    let signed = lines.filter_map(|line| line.strip_prefix(b"tag ")).next().unwrap_or_default();
    match signed == name.as_bytes() {
        true => Ok(()),
        false => {
            let signed = shown(&String::from_utf8_lossy(signed));
            Err(untrusted(format!("tag `{}` (what was signed is the tag `{signed}`)", shown(name))))
        }
    }
}

/// What to do where a shallow clone ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    Stop,
    Fail,
}

/// Visits what can be reached from `from` and is not in `known`, and returns it.
fn reach(
    repository: &Repository,
    from: ObjectId,
    known: &BTreeSet<ObjectId>,
    ends: &BTreeSet<ObjectId>,
    at_end: AtEnd,
    visit: impl Fn(ObjectId) -> Result<(), SourceError>,
) -> Result<BTreeSet<ObjectId>, SourceError> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(id) = waiting.pop() {
        if known.contains(&id) || !seen.insert(id) {
            continue;
        }
        if seen.len() > COMMITS {
            return Err(too_large(format!("there are more than {COMMITS} commits to check; trust a later one")));
        }
        visit(id)?;
        match ends.contains(&id) {
            true if at_end == AtEnd::Fail => return Err(beyond("the rest of the history that must be signed", id)),
            true => {}
            false => waiting.extend(objects::commit(repository, id)?.parents),
        }
    }
    Ok(seen)
}

/// Splits a commit into what was signed and the signature: a header of its own, whose further lines begin with a space.
fn parts_of_commit(data: &[u8]) -> (Vec<u8>, Option<String>) {
    let end = data.find(b"\n\n").unwrap_or(data.len());
    let (head, rest) = data.split_at(end);
    let (mut signed, mut signature, mut within) = (Vec::with_capacity(data.len()), None::<String>, false);
    let mut lines = head.split_str("\n").peekable();
    while let Some(line) = lines.next() {
        within = within && line.starts_with(b" ");
        if let Some(first) = [&b"gpgsig "[..], b"gpgsig-sha256 "].iter().find_map(|name| line.strip_prefix(*name)) {
            within = true;
            signature.get_or_insert_default().push_str(&first.to_str_lossy());
        } else if within {
            let signature = signature.get_or_insert_default();
            signature.push('\n');
            signature.push_str(&line.get(1..).unwrap_or_default().to_str_lossy());
        } else {
            signed.extend_from_slice(line);
            if lines.peek().is_some() {
                signed.push(b'\n');
            }
        }
    }
    // Where the signature was the last header, its line break goes with it.
    if signed.ends_with(b"\n") {
        signed.pop();
    }
    signed.extend_from_slice(rest);
    (signed, signature)
}

/// Splits a tag: the signature is the end of its message.
fn parts_of_tag(data: &[u8]) -> (Vec<u8>, Option<String>) {
    let begins = |at: &usize| *at == 0 || at.checked_sub(1).and_then(|before| data.get(before)) == Some(&b'\n');
    match data.rfind_iter(b"-----BEGIN ").find(begins) {
        Some(at) => {
            let (signed, signature) = data.split_at(at);
            (signed.to_vec(), Some(signature.to_str_lossy().into_owned()))
        }
        None => (data.to_vec(), None),
    }
}

/// When the commit or tag says it was made. Git checks the times of signers against it as well: there is no other time that
/// stays the same.
fn when(data: &[u8]) -> Timestamp {
    let person =
        data.lines().find_map(|line| line.strip_prefix(b"committer ").or_else(|| line.strip_prefix(b"tagger ")));
    let seconds = person.and_then(|line| {
        let after = line.get(line.rfind_byte(b'>')? + 1..)?.trim();
        after.split_str(" ").next()?.to_str().ok()?.parse::<i64>().ok()
    });
    Timestamp::from_millis(seconds.unwrap_or(0).clamp(0, 253_402_300_799).saturating_mul(1000))
}

fn untrusted(what: String) -> SourceError {
    SourceFailure::Untrusted { what: what.into() }.into()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { signer, key } => write!(f, "signed by `{}` with key `{key}`", shown(signer)),
            Self::Unsigned => f.write_str("it is not signed"),
            Self::Wrong => f.write_str("its signature is wrong: it, or what it was made for, was changed"),
            Self::UnknownKey { key } => write!(f, "signed with key `{key}`, which is on no list"),
            Self::Expired { signer, key } => {
                write!(f, "signed with key `{key}` of `{}` at a time when it was not valid", shown(signer))
            }
            Self::Revoked { key } => write!(f, "signed with key `{key}`, which is revoked"),
            Self::Unsupported { kind } => write!(f, "signed with {kind}, which cannot be checked here"),
        }
    }
}
