//! Finding what lies at a path of a commit, links followed.

use std::collections::BTreeMap;

use gitops_core::source::SourceError;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::objs::Kind;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::error::too_large;
use crate::objects::{self, TreeEntry};

/// Links on the way to one file, as in Linux.
const LINKS: usize = 40;
/// Bytes of the target of a link, as in Linux.
const TARGET: usize = 4096;

/// Reads trees and counts their entries against the limit.
pub(crate) struct Reader<'r> {
    pub(crate) repository: &'r Repository,
    pub(crate) limits: &'r GitLimits,
    entries: usize,
    /// Trees that were looked into for a path; links tend to lead to the same few.
    passed: BTreeMap<ObjectId, BTreeMap<BString, (EntryKind, ObjectId)>>,
}

/// What lies at a path.
pub(crate) enum Place {
    File(ObjectId),
    Folder(ObjectId),
    Submodule,
    Nothing,
    /// A link on the way leads out of the repository.
    Outside,
    /// More links on the way than anybody would make who does not make them in a circle.
    Circle,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(repository: &'r Repository, limits: &'r GitLimits) -> Self {
        Self { repository, limits, entries: 0, passed: BTreeMap::new() }
    }

    /// Starts counting anew.
    pub(crate) fn restart(&mut self) {
        self.entries = 0;
        self.passed.clear();
    }

    /// Counts what another one has counted, as if it were of the same repository.
    pub(crate) fn counting_on(self, other: &Reader<'_>) -> Self {
        Self { entries: other.entries, ..self }
    }

    /// Goes on from what another one has counted.
    pub(crate) fn continue_from(&mut self, other: &Reader<'_>) {
        self.entries = other.entries;
    }

    pub(crate) fn tree(&mut self, id: ObjectId) -> Result<Vec<TreeEntry>, SourceError> {
        let entries = objects::tree(self.repository, self.limits, id)?;
        self.entries = self.entries.saturating_add(entries.len());
        if self.entries > self.limits.entries {
            let limit = self.limits.entries;
            return Err(too_large(format!("there are more than {limit} files and folders; narrow the paths")));
        }
        Ok(entries)
    }

    /// Finds what lies at `path` below the tree `root`.
    pub(crate) fn locate(&mut self, root: ObjectId, path: &BStr) -> Result<Place, SourceError> {
        let mut here = vec![root];
        let mut rest: Vec<BString> = path.rsplit_str("/").map(BString::from).collect();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    here.pop();
                    continue;
                }
                _ => {}
            }
            let Some(tree) = here.last() else { return Ok(Place::Outside) };
            let Some((kind, id)) = self.entry(*tree, &name)? else { return Ok(Place::Nothing) };
            match kind {
                EntryKind::Tree => here.push(id),
                EntryKind::Commit => return Ok(Place::Submodule),
                EntryKind::Blob | EntryKind::BlobExecutable if rest.is_empty() => return Ok(Place::File(id)),
                EntryKind::Blob | EntryKind::BlobExecutable => return Ok(Place::Nothing),
                EntryKind::Link => {
                    links += 1;
                    let target = objects::load(self.repository, self.limits, id, Kind::Blob)?;
                    if links > LINKS {
                        return Ok(Place::Circle);
                    }
                    if target.is_empty() || target.len() > TARGET {
                        return Ok(Place::Nothing);
                    }
                    if target.starts_with(b"/") {
                        return Ok(Place::Outside);
                    }
                    rest.extend(target.rsplit_str("/").map(BString::from));
                }
            }
        }
        Ok(here.last().map_or(Place::Outside, |tree| Place::Folder(*tree)))
    }

    fn entry(&mut self, tree: ObjectId, name: &BString) -> Result<Option<(EntryKind, ObjectId)>, SourceError> {
        if !self.passed.contains_key(&tree) {
            let entries = self.tree(tree)?.into_iter().map(|entry| (entry.name, (entry.kind, entry.id)));
            self.passed.insert(tree, entries.collect());
        }
        Ok(self.passed.get(&tree).and_then(|entries| entries.get(name)).copied())
    }
}

/// Writes a path.
pub(crate) fn join(parent: &BStr, name: &BStr) -> BString {
    let mut path = BString::new(Vec::with_capacity(parent.len() + 1 + name.len()));
    if !parent.is_empty() {
        path.extend_from_slice(parent);
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
