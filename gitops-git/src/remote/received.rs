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

/// Returns what is lacking of the files of those that are `wanted`, as Git makes sure of after each fetch: one of them, and an
/// object. What one of `known` has in the same place is here.
pub(super) fn lacking(
    repository: &Repository,
    limits: &GitLimits,
    wanted: &[ObjectId],
    known: &[ObjectId],
) -> Result<Option<(ObjectId, ObjectId)>, SourceError> {
    // Nobody reads more than this of a commit, and of many most is the same.
    let mut walk = Walk { repository, limits, seen: BTreeSet::new(), left: limits.entries };
    for id in wanted {
        let commit = match objects::peel(repository, "", *id) {
            Ok(commit) => objects::commit(repository, commit)?,
            // A tag may be of anything; nobody reads that.
            Err(SourceError { failure: SourceFailure::Unsupported { .. }, .. }) => continue,
            Err(_) => return Ok(Some((*id, *id))),
        };
        let near = commit.parents.iter().filter(|parent| known.contains(parent)).chain(known);
        let of = |id: &ObjectId| objects::commit(repository, objects::peel(repository, "", *id).ok()?).ok();
        let before = near.filter_map(of).next().map(|base| base.tree);
        if let Some(object) = walk.lacks(commit.tree, before) {
            return Ok(Some((*id, object)));
        }
    }
    Ok(None)
}

struct Walk<'r> {
    repository: &'r Repository,
    limits: &'r GitLimits,
    seen: BTreeSet<ObjectId>,
    left: usize,
}

impl Walk<'_> {
    fn lacks(&mut self, tree: ObjectId, before: Option<ObjectId>) -> Option<ObjectId> {
        let mut waiting = vec![(tree, before)];
        while let Some((tree, before)) = waiting.pop().filter(|_| self.left > 0) {
            if before == Some(tree) || !self.seen.insert(tree) {
                continue;
            }
            if !self.repository.has_object(tree) {
                return Some(tree);
            }
            let before = before.and_then(|before| objects::tree(self.repository, self.limits, before).ok());
            let before: BTreeMap<_, _> =
                before.into_iter().flatten().map(|entry| (entry.name, (entry.kind, entry.id))).collect();
            // One that cannot be read is told where somebody wants what is in it.
            let Ok(entries) = objects::tree(self.repository, self.limits, tree) else { continue };
            for entry in entries {
                let old = before.get(&entry.name).filter(|(kind, _)| *kind == entry.kind).map(|(_, id)| *id);
                match entry.kind {
                    EntryKind::Tree => waiting.push((entry.id, old)),
                    // It is in another repository.
                    EntryKind::Commit => {}
                    _ if old == Some(entry.id) || self.repository.has_object(entry.id) => {}
                    _ => return Some(entry.id),
                }
                self.left = self.left.saturating_sub(1);
            }
        }
        None
    }
}
