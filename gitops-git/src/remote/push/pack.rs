//! What a remote lacks of a commit, as a pack.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use gitops_core::source::SourceError;
use gix::bstr::BString;
use gix::objs::tree::EntryKind;
use gix::objs::{Kind, Write as _};
use gix::zlib::Compression;
use gix::zlib::stream::deflate;
use gix::{ObjectId, Repository};

use crate::error::{beyond, cannot_write, damaged, too_large, unsupported};
use crate::{GitLimits, objects};

/// The most commits that are new to a remote, and the most bytes of their objects.
const COMMITS: usize = 1_000;
const BYTES: usize = 64 << 20;
/// The most commits that are looked at to find those that a remote has.
const LOOKED_AT: usize = 100_000;
/// Folders within folders, as for reading.
const DEPTH: usize = 128;

/// The objects that a remote lacks.
pub(super) struct Lacking<'r> {
    repository: &'r Repository,
    limits: &'r GitLimits,
    ids: BTreeSet<ObjectId>,
    objects: Vec<(Kind, Vec<u8>)>,
    bytes: usize,
}

impl<'r> Lacking<'r> {
    /// Finds what is needed for `commit` where everything of `theirs` is.
    pub(super) fn find(
        repository: &'r Repository,
        limits: &'r GitLimits,
        commit: ObjectId,
        theirs: &BTreeSet<ObjectId>,
    ) -> Result<Self, SourceError> {
        let mut lacking = Self { repository, limits, ids: BTreeSet::new(), objects: Vec::new(), bytes: 0 };
        let ends = objects::boundary(repository)?;
        for id in new_commits(repository, commit, theirs, &ends)? {
            if ends.contains(&id) {
                return Err(beyond("what the remote has", id));
            }
            let commit = objects::commit(repository, id)?;
            let mut trees = Vec::new();
            for parent in commit.parents {
                trees.push(objects::commit(repository, parent)?.tree);
            }
            lacking.add(id, Kind::Commit)?;
            lacking.tree(commit.tree, &trees, 0)?;
        }
        Ok(lacking)
    }

    /// Adds a tree and what is below it, but for what one of the trees in its place before has there.
    fn tree(&mut self, id: ObjectId, before: &[ObjectId], depth: usize) -> Result<(), SourceError> {
        if before.contains(&id) || self.ids.contains(&id) {
            return Ok(());
        }
        if depth > DEPTH {
            return Err(unsupported(format!("folders more than {DEPTH} deep")));
        }
        let mut old: Vec<BTreeMap<BString, (EntryKind, ObjectId)>> = Vec::new();
        for tree in before {
            let entries = objects::tree(self.repository, self.limits, *tree)?;
            old.push(entries.into_iter().map(|entry| (entry.name, (entry.kind, entry.id))).collect());
        }
        for entry in objects::tree(self.repository, self.limits, id)? {
            let there: Vec<&(EntryKind, ObjectId)> = old.iter().filter_map(|tree| tree.get(&entry.name)).collect();
            match entry.kind {
                _ if there.iter().any(|(_, old)| *old == entry.id) => {}
                // It is in another repository.
                EntryKind::Commit => {}
                EntryKind::Tree => {
                    let trees = there.iter().filter(|(kind, _)| *kind == EntryKind::Tree).map(|(_, id)| *id);
                    self.tree(entry.id, &trees.collect::<Vec<_>>(), depth + 1)?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link => self.add(entry.id, Kind::Blob)?,
            }
        }
        self.add(id, Kind::Tree)
    }

    fn add(&mut self, id: ObjectId, kind: Kind) -> Result<(), SourceError> {
        if !self.ids.insert(id) {
            return Ok(());
        }
        let data = objects::load(self.repository, self.limits, id, kind)?;
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > BYTES {
            return Err(too_large(format!("more than {BYTES} bytes are new to the remote; use `git push`")));
        }
        self.objects.push((kind, data));
        Ok(())
    }

    /// Writes the objects into a repository: files first, commits last, so that a commit that is there is whole.
    pub(super) fn write(&self, into: &Repository) -> Result<(), SourceError> {
        for wanted in [Kind::Blob, Kind::Tree, Kind::Commit] {
            for (_, data) in self.objects.iter().filter(|(kind, _)| *kind == wanted) {
                into.write_buf(wanted, data).map_err(cannot_write)?;
            }
        }
        Ok(())
    }

    /// Writes a pack, see gitformat-pack(5).
    pub(super) fn pack(&self) -> Result<Vec<u8>, SourceError> {
        let failed = |error: io::Error| unsupported("packing what is pushed".into()).caused_by(error);
        let count = u32::try_from(self.objects.len()).unwrap_or(u32::MAX);
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&count.to_be_bytes());
        for (kind, data) in &self.objects {
            pack.extend(header(*kind, data.len()));
            let mut packed = deflate::Write::new(Vec::new(), Compression::DEFAULT);
            packed.write_all(data).and_then(|()| packed.flush()).map_err(failed)?;
            pack.append(&mut packed.into_inner());
        }
        let mut hasher = gix::hash::hasher(self.repository.object_hash());
        hasher.update(&pack);
        let sum = hasher.try_finalize().map_err(|error| damaged("the sum of a pack".into(), error))?;
        pack.extend_from_slice(sum.as_slice());
        Ok(pack)
    }
}

/// Lists the commits that a remote lacks, which has `theirs` and all that came before.
fn new_commits(
    repository: &Repository,
    commit: ObjectId,
    theirs: &BTreeSet<ObjectId>,
    ends: &BTreeSet<ObjectId>,
) -> Result<Vec<ObjectId>, SourceError> {
    let mut known = theirs.clone();
    let mut is_complete = false;
    let (mut new, mut seen, mut waiting) = (Vec::new(), BTreeSet::new(), vec![commit]);
    while let Some(id) = waiting.pop() {
        if known.contains(&id) || !seen.insert(id) {
            continue;
        }
        // Most often what is pushed was built upon a tip. Only else all that the remote has is gone through.
        if id != commit && !is_complete {
            known = reachable(repository, theirs, ends)?;
            is_complete = true;
            if known.contains(&id) {
                continue;
            }
        }
        new.push(id);
        if new.len() > COMMITS {
            return Err(too_large(format!("more than {COMMITS} commits are new to the remote; use `git push`")));
        }
        if !ends.contains(&id) {
            waiting.extend(objects::commit(repository, id)?.parents);
        }
    }
    Ok(new)
}

/// Lists what some commits were built upon, as far as it is here.
fn reachable(
    repository: &Repository,
    from: &BTreeSet<ObjectId>,
    ends: &BTreeSet<ObjectId>,
) -> Result<BTreeSet<ObjectId>, SourceError> {
    let (mut seen, mut waiting) = (BTreeSet::new(), from.iter().copied().collect::<Vec<_>>());
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) || ends.contains(&id) {
            continue;
        }
        if seen.len() > LOOKED_AT {
            return Err(too_large(format!("the remote has more than {LOOKED_AT} commits to look at; use `git push`")));
        }
        waiting.extend(objects::commit(repository, id)?.parents);
    }
    Ok(seen)
}

/// Writes kind and size of an object: four bits in the first byte, seven in each of the others.
fn header(kind: Kind, size: usize) -> Vec<u8> {
    let code = match kind {
        Kind::Commit => 1_u8,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let low = |size: usize, bits: usize| u8::try_from(size & bits).unwrap_or_default();
    let (mut bytes, mut last, mut rest) = (Vec::new(), code << 4 | low(size, 0x0f), size >> 4);
    while rest > 0 {
        bytes.push(last | 0x80);
        last = low(rest, 0x7f);
        rest >>= 7;
    }
    bytes.push(last);
    bytes
}
