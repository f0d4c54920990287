//! What a fetch brought: whether it is all that was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use gitops_core::source::{SourceError, SourceFailure};
use gix::objs::tree::EntryKind;
use gix::odb::pack::{Bundle, bundle, data};
use gix::progress::Discard;
use gix::{ObjectId, Repository};

use crate::{GitLimits, GitSource, objects};

/// The most memory that one object may take while a pack is received.
const OBJECT: usize = 1 << 30;

/// The files of a pack, unless it was here already.
#[derive(Debug, Default)]
pub(super) struct Received(Vec<PathBuf>);

impl Received {
    /// Removes what came, so that it is not taken for what was asked for.
    pub(super) fn discard(self) -> io::Result<()> {
        self.0.into_iter().try_for_each(fs::remove_file)
    }
}

/// Writes a pack that comes in, and completes it with what is here where it was made so.
pub(super) fn receive(reader: &mut dyn BufRead, into: &GitSource, stop: &AtomicBool) -> Result<Received, gix::Error> {
    let repository = into.local();
    let folder = repository.objects.store_ref().path().join("pack");
    let options = bundle::write::Options {
        iteration_mode: data::input::Mode::Verify,
        alloc_limit_bytes: Some(OBJECT),
        ..Default::default()
    };
    let bases = repository.objects.clone();
    let hash = repository.object_hash();
    let done = Bundle::write_to_directory(reader, Some(&folder), &mut Discard, stop, Some(bases), hash, options)?;
    let Some(keep) = done.keep_path else { return Ok(Received::default()) };
    fs::remove_file(keep).map_err(gix::Error::from_error)?;
    // The index first, without which there is no pack.
    Ok(Received(done.index_path.into_iter().chain(done.data_path).collect()))
}

/// Returns an object that is lacking of the files of `wanted`, as Git makes sure of after each fetch. What one of `known` has
/// in the same place is here.
pub(super) fn lacking(
    repository: &Repository,
    limits: &GitLimits,
    wanted: ObjectId,
    known: &[ObjectId],
) -> Result<Option<ObjectId>, SourceError> {
    let commit = match objects::peel(repository, "", wanted) {
        Ok(id) => objects::commit(repository, id)?,
        // A tag may be of anything; nobody reads that.
        Err(SourceError { failure: SourceFailure::Unsupported { .. }, .. }) => return Ok(None),
        Err(_) => return Ok(Some(wanted)),
    };
    let near = commit.parents.iter().filter(|parent| known.contains(parent)).chain(known);
    let base = near.filter_map(|id| objects::commit(repository, objects::peel(repository, "", *id).ok()?).ok()).next();
    let (mut seen, mut left) = (BTreeSet::new(), limits.entries);
    let mut waiting = vec![(commit.tree, base.map(|base| base.tree))];
    while let Some((tree, before)) = waiting.pop() {
        if before == Some(tree) || !seen.insert(tree) {
            continue;
        }
        if !repository.has_object(tree) {
            return Ok(Some(tree));
        }
        let before = before.and_then(|before| objects::tree(repository, limits, before).ok()).unwrap_or_default();
        let before: BTreeMap<_, _> = before.into_iter().map(|entry| (entry.name, entry.id)).collect();
        for entry in objects::tree(repository, limits, tree)? {
            let old = before.get(&entry.name).copied();
            match entry.kind {
                EntryKind::Tree => waiting.push((entry.id, old)),
                // It is in another repository.
                EntryKind::Commit => {}
                _ if old == Some(entry.id) || repository.has_object(entry.id) => {}
                _ => return Ok(Some(entry.id)),
            }
            // Nobody reads more than this of a commit.
            left = left.saturating_sub(1);
            if left == 0 {
                return Ok(None);
            }
        }
    }
    Ok(None)
}
