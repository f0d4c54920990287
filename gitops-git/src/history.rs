//! Who changed a path or a line.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use gitops_core::source::{Entry, Folder, Paths, Revision, RevisionId, SourceError, SourceFailure, Target};
use gix::bstr::ByteSlice;
use gix::objs::Kind;
use gix::{ObjectId, Repository};
use imara_diff::{Algorithm, Diff, InternedInput};

use crate::GitLimits;
use crate::error::{beyond, shown};
use crate::links::{Place, Reader};
use crate::objects::{self, ParsedCommit};
use crate::tree::{Known, Lister};

/// A commit and the wanted files in it.
struct Listed {
    id: ObjectId,
    commit: ParsedCommit,
    files: Arc<Folder>,
}

/// What to do where a shallow clone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// Take the last commit for the first one.
    Stop,
    /// Fail, for more to be fetched.
    Fail,
}

pub(crate) fn log(
    repository: &Repository,
    limits: &GitLimits,
    from: &RevisionId,
    paths: &Paths,
    limit: usize,
    at_end: AtEnd,
) -> Result<Vec<Revision>, SourceError> {
    let ends = objects::boundary(repository)?;
    let mut lister = Lister::new(repository, limits, paths);
    let (id, commit) = objects::pinned(repository, from)?;
    let files = list(&mut lister, commit.tree, None)?;

    let mut queue = BinaryHeap::from([(commit.committed, Reverse(0), id)]);
    let mut waiting = BTreeMap::from([(id, Listed { id, commit, files })]);
    let mut queued = BTreeSet::from([id]);
    let mut revisions = Vec::new();
    while let Some((_, _, id)) = queue.pop().filter(|_| revisions.len() < limit) {
        let Some(child) = waiting.remove(&id) else { continue };
        let mut parents = Vec::new();
        if ends.contains(&id) {
            if at_end == AtEnd::Fail {
                return Err(beyond("the rest of the history", id));
            }
        } else {
            for id in child.commit.parents.iter().copied() {
                let commit = objects::commit(repository, id)?;
                let files = list(&mut lister, commit.tree, Some(&child.files))?;
                parents.push(Listed { id, commit, files });
            }
        }
        // History simplification, see "History Simplification" in git-log(1).
        match parents.iter().position(|parent| same_files(&parent.files, &child.files)) {
            Some(same) => parents = vec![parents.swap_remove(same)],
            None if parents.is_empty() && child.files.entries.is_empty() => {}
            None => revisions.push(revision(child.id, child.commit)),
        }
        for parent in parents {
            if queued.insert(parent.id) {
                queue.push((parent.commit.committed, Reverse(queued.len()), parent.id));
                waiting.insert(parent.id, parent);
            }
        }
    }
    Ok(revisions)
}

pub(crate) fn blame(
    repository: &Repository,
    limits: &GitLimits,
    at: &RevisionId,
    file: &str,
    line: u32,
) -> Result<Revision, SourceError> {
    let ends = objects::boundary(repository)?;
    let mut reader = Reader::new(repository, limits);
    let (mut id, mut commit) = objects::pinned(repository, at)?;
    let unknown = |path: String| SourceFailure::UnknownPath { path: path.into(), revision: at.as_str().into() };
    let mut blob = find(&mut reader, commit.tree, file)?.ok_or_else(|| unknown(shown(file).to_string()))?;
    let lines = objects::load(repository, limits, blob, Kind::Blob)?.lines_with_terminator().count();
    let mut line = match line.checked_sub(1) {
        Some(line) if usize::try_from(line).is_ok_and(|line| line < lines) => line,
        _ => return Err(unknown(format!("{}:{line}", shown(file))).into()),
    };
    loop {
        if ends.contains(&id) {
            return Err(beyond(&format!("the last change of line {} of `{}`", line + 1, shown(file)), id));
        }
        let mut parents = Vec::new();
        for id in commit.parents.iter().copied() {
            let parent = objects::commit(repository, id)?;
            reader.restart();
            if let Some(before) = find(&mut reader, parent.tree, file)? {
                parents.push((id, parent, before));
            }
        }
        // A parent with the very same file is to blame, whatever the others have.
        parents.sort_by_key(|(_, _, before)| *before != blob);
        let mut older = None;
        for (id, parent, before) in parents {
            if let Some(line) = line_before(repository, limits, before, blob, line)? {
                older = Some((id, parent, before, line));
                break;
            }
        }
        match older {
            Some(found) => (id, commit, blob, line) = found,
            None => return Ok(revision(id, commit)),
        }
    }
}

fn revision(id: ObjectId, commit: ParsedCommit) -> Revision {
    let id = id.to_string();
    Revision::new(&RevisionId::new(&id), &Target::new(&id)).with_commit(commit.about)
}

/// Returns whether two folders hold the same wanted files, whatever else their trees hold.
fn same_files(left: &Arc<Folder>, right: &Arc<Folder>) -> bool {
    let same = |(left, right): (&Entry, &Entry)| match (left, right) {
        (Entry::File { id: left }, Entry::File { id: right }) => left == right,
        (Entry::Folder(left), Entry::Folder(right)) => same_files(left, right),
        _ => false,
    };
    Arc::ptr_eq(left, right)
        || left.entries.keys().eq(right.entries.keys()) && left.entries.values().zip(right.entries.values()).all(same)
}

/// Lists a tree of which nothing may be missing: what cannot be read must not look like a change.
fn list(lister: &mut Lister<'_>, tree: ObjectId, known: Option<&Arc<Folder>>) -> Result<Arc<Folder>, SourceError> {
    let files = lister.list(tree, known.map(Known::SamePaths))?;
    match lister.damage.take() {
        Some(error) => Err(error),
        None => Ok(files),
    }
}

fn find(reader: &mut Reader<'_>, tree: ObjectId, file: &str) -> Result<Option<ObjectId>, SourceError> {
    match reader.locate(tree, file.as_bytes().as_bstr())? {
        Place::File(id) => Ok(Some(id)),
        _ => Ok(None),
    }
}

/// Returns where a line of the blob `after`, counted from 0, is in the blob `before`, if it is the same there.
fn line_before(
    repository: &Repository,
    limits: &GitLimits,
    before: ObjectId,
    after: ObjectId,
    line: u32,
) -> Result<Option<u32>, SourceError> {
    if before == after {
        return Ok(Some(line));
    }
    let before = objects::load(repository, limits, before, Kind::Blob)?;
    let after = objects::load(repository, limits, after, Kind::Blob)?;
    let input = InternedInput::new(before.as_slice(), after.as_slice());
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut moved = line;
    for hunk in diff.hunks().take_while(|hunk| hunk.after.start <= line) {
        if hunk.after.contains(&line) {
            return Ok(None);
        }
        if hunk.after.end <= line {
            moved = (line - hunk.after.end).saturating_add(hunk.before.end);
        }
    }
    Ok(Some(moved))
}
