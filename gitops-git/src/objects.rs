//! Reading single objects: commits, trees, and the bytes of files.

use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_core::source::{Commit, ContentId, RevisionId, SourceError, SourceFailure};
use gitops_core::time::Timestamp;
use gix::bstr::{BString, ByteSlice};
use gix::objs::{Kind, TreeRefIter};
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::error::{damaged, missing, shown, too_large, unknown, unsupported};

/// The years 0 to 9999, which is what can be written as RFC 3339. Git allows any number of seconds.
const SECONDS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;
/// Tags that point to tags; more is a repository made to annoy.
const TAG_DEPTH: usize = 32;

/// How a pointer of Git LFS begins, and how long one may be: its specification.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
const LFS_BYTES: usize = 1024;

/// A commit as far as it matters.
pub(crate) struct ParsedCommit {
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// When it was committed, in seconds. Orders a log.
    pub(crate) committed: i64,
    pub(crate) about: Commit,
}

/// One entry of a tree.
pub(crate) struct TreeEntry {
    pub(crate) name: BString,
    pub(crate) kind: gix::objs::tree::EntryKind,
    pub(crate) id: ObjectId,
}

pub(crate) fn commit(repository: &Repository, id: ObjectId) -> Result<ParsedCommit, SourceError> {
    let data = load(repository, &GitLimits::default(), id, Kind::Commit)?;
    parse_commit(repository, &data)
        .ok_or_else(|| SourceFailure::Corrupt { what: format!("commit `{id}`").into() }.into())
}

/// Reads a commit as Git does, which overlooks faults in its people and times; gix would refuse the whole commit.
fn parse_commit(repository: &Repository, data: &[u8]) -> Option<ParsedCommit> {
    let (head, message) = data.split_once_str("\n\n").unwrap_or((data, b""));
    let (mut tree, mut parents, mut author, mut committed) = (None, Vec::new(), None, 0);
    let decode = decoder(head);
    let id = |hex: &[u8]| parse(repository, hex.to_str().ok()?);
    for line in head.lines() {
        match line.split_once_str(" ").unwrap_or_default() {
            (b"tree", hex) => tree = tree.or(Some(id(hex)?)),
            (b"parent", hex) => parents.push(id(hex)?),
            (b"author", person) if author.is_none() => author = Some(parse_person(person, &decode)),
            (b"committer", person) => committed = parse_person(person, &decode).1,
            _ => {}
        }
    }
    let (author, seconds) = author.unwrap_or_default();
    let time = Timestamp::from_millis(seconds.clamp(*SECONDS.start(), *SECONDS.end()).saturating_mul(1000));
    Some(ParsedCommit { tree: tree?, parents, committed, about: Commit::new(&author, time, &decode(message)) })
}

/// Returns how the texts of a commit are read: as its header `encoding` says, else as UTF-8.
fn decoder(head: &[u8]) -> impl Fn(&[u8]) -> String + use<> {
    let label = head.lines().find_map(|line| line.strip_prefix(b"encoding "));
    let encoding = label.and_then(encoding_rs::Encoding::for_label).unwrap_or(encoding_rs::UTF_8);
    move |text| encoding.decode_without_bom_handling(text).0.into_owned()
}

/// Splits `Ann <ann@example.org> 1700000000 +0100`. A time that is none is 0.
fn parse_person(line: &[u8], decode: impl Fn(&[u8]) -> String) -> (String, i64) {
    let end = line.rfind_byte(b'>').map_or(line.len(), |end| end + 1);
    let (person, time) = line.split_at(end);
    let seconds = time.trim().split_str(" ").next().and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    (decode(person.trim()), seconds.unwrap_or(0))
}

/// Reads the commit of a pinned revision.
pub(crate) fn pinned(repository: &Repository, revision: &RevisionId) -> Result<(ObjectId, ParsedCommit), SourceError> {
    let id = parse(repository, revision.as_str()).ok_or_else(|| unknown(revision.as_str(), Vec::new()))?;
    if kind(repository, id)?.is_none() {
        return Err(unknown(revision.as_str(), Vec::new()));
    }
    Ok((id, commit(repository, id)?))
}

pub(crate) fn tree(repository: &Repository, limits: &GitLimits, id: ObjectId) -> Result<Vec<TreeEntry>, SourceError> {
    let data = load(repository, limits, id, Kind::Tree)?;
    TreeRefIter::from_bytes(&data, id.kind())
        .map(|entry| {
            let entry = entry.map_err(|error| damaged(format!("tree `{id}`"), error))?;
            Ok(TreeEntry { name: entry.filename.to_owned(), kind: entry.mode.kind(), id: entry.oid.to_owned() })
        })
        .collect()
}

/// Reads the bytes of a file.
pub(crate) fn content(repository: &Repository, limits: &GitLimits, id: &ContentId) -> Result<Arc<[u8]>, SourceError> {
    let id = parse(repository, id.as_str())
        .ok_or_else(|| unsupported(format!("`{}` is no id of a Git object; reading it", shown(id.as_str()))))?;
    let bytes = load(repository, limits, id, Kind::Blob)?;
    if bytes.len() < LFS_BYTES && bytes.starts_with(LFS) {
        let hint = "commit the file itself; `git lfs untrack` leaves it to Git";
        return Err(unsupported(format!("`{id}` is a pointer of Git LFS to a file elsewhere ({hint}); fetching it")));
    }
    Ok(bytes.into())
}

/// Reads the bytes of a file from the first repository that has it.
pub(crate) fn content_in(
    repositories: &[Repository],
    limits: &GitLimits,
    id: &ContentId,
) -> Result<Arc<[u8]>, SourceError> {
    let (mut here, mut absent) = (None, None);
    for repository in repositories {
        let error = match content(repository, limits, id) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        let is_here = parse(repository, id.as_str()).is_some_and(|id| repository.has_object(id));
        _ = if is_here { here.get_or_insert(error) } else { absent.get_or_insert(error) };
    }
    Err(here.or(absent).unwrap_or_else(|| unknown(id.as_str(), Vec::new())))
}

/// Reads a full id, of the kind of hash that this repository uses.
pub(crate) fn parse(repository: &Repository, hex: &str) -> Option<ObjectId> {
    ObjectId::from_hex(hex.as_bytes()).ok().filter(|id| id.kind() == repository.object_hash())
}

/// Returns the kind of an object, if there is such an object.
pub(crate) fn kind(repository: &Repository, id: ObjectId) -> Result<Option<Kind>, SourceError> {
    let header = repository.try_find_header(id).map_err(|error| damaged(format!("object `{id}`"), error))?;
    Ok(header.map(|header| header.kind()))
}

/// Follows tags to a commit. `name` is what a person called it.
pub(crate) fn peel(repository: &Repository, name: &str, mut id: ObjectId) -> Result<ObjectId, SourceError> {
    for _ in 0..TAG_DEPTH {
        match kind(repository, id)? {
            None => return Err(missing(repository, Kind::Commit, id)),
            Some(Kind::Commit) => return Ok(id),
            Some(Kind::Tag) => {
                let data = load(repository, &GitLimits::default(), id, Kind::Tag)?;
                let object = data.strip_prefix(b"object ").and_then(|rest| rest.lines().next());
                let object = object.and_then(|hex| parse(repository, hex.to_str().ok()?));
                id = object.ok_or_else(|| SourceFailure::Corrupt { what: format!("tag `{id}`").into() })?;
            }
            Some(other) => {
                let name = shown(name);
                return Err(unsupported(format!("`{name}` names a {other}; following anything but a commit")));
            }
        }
    }
    Err(unsupported(format!("`{}` is a tag of a tag of a tag; following more than {TAG_DEPTH}", shown(name))))
}

/// Reads one object after a look at its size, and checks that the bytes are those its id promises.
pub(crate) fn load(
    repository: &Repository,
    limits: &GitLimits,
    id: ObjectId,
    expected: Kind,
) -> Result<Vec<u8>, SourceError> {
    let broken = |error| damaged(format!("the {expected} `{id}`"), error);
    let header = repository.try_find_header(id).map_err(broken)?.ok_or_else(|| missing(repository, expected, id))?;
    if header.kind() != expected {
        return Err(unsupported(format!("`{id}` is a {}; reading it as a {expected}", header.kind())));
    }
    if header.size() > limits.object_bytes {
        let (size, limit) = (header.size(), limits.object_bytes);
        return Err(too_large(format!("the {expected} `{id}` has {size} bytes, more than the limit of {limit}")));
    }
    let object = repository.find_object(id).map_err(broken)?.detach();
    gix::objs::Data::new(&object.data, object.kind, id.kind()).verify_checksum(&id).map_err(broken)?;
    Ok(object.data)
}

/// Returns the commits whose parents a shallow clone does not have.
pub(crate) fn boundary(repository: &Repository) -> Result<BTreeSet<ObjectId>, SourceError> {
    let commits =
        repository.shallow_commits().map_err(|error| damaged("the file `shallow` of the repository".into(), error))?;
    Ok(commits.iter().flat_map(|commits| commits.iter().copied()).collect())
}
