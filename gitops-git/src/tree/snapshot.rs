//! What a commit holds of what is wanted.

use gitops_core::source::{Entry, Folder, Paths, RevisionId, Snapshot, SourceError, SourceFailure};
use gix::Repository;
use gix::bstr::ByteSlice;

use super::{Known, Lister};
use crate::GitLimits;
use crate::error::{shown, unsupported};
use crate::links::Place;
use crate::objects;
use crate::submodules::Rule;

pub(crate) fn snapshot(
    repository: &Repository,
    limits: &GitLimits,
    revision: &RevisionId,
    paths: &Paths,
    known: Option<&Snapshot>,
    rule: Rule<'_>,
) -> Result<Snapshot, SourceError> {
    let (_, commit) = objects::pinned(repository, revision)?;
    let mut lister = Lister::new(repository, limits, paths).with_rule(rule);
    let known = known.map(|known| match known.paths.as_ref() {
        Some(same) if same == paths => Known::SamePaths(&known.root),
        _ => Known::OtherPaths(&known.root),
    });
    let root = lister.list(commit.tree, known)?;
    if count(&root) > limits.files {
        return Err(lister.too_many());
    }
    // What is listed is there: the folders on the way to it need not be read, if they are known.
    for path in paths.roots.iter().filter(|path| !holds(&root, path)) {
        match lister.reader.locate(commit.tree, path.as_bytes().as_bstr())? {
            Place::Nothing => return Err(unknown_path(path, revision)),
            Place::Submodule if !matches!(rule, Rule::Follow(_)) => {
                return Err(unsupported(format!("`{path}` is in a submodule; reading it")));
            }
            // Where submodules are followed, what they hold is listed, or there is a problem with them.
            Place::Submodule if lister.problems.is_empty() => return Err(unknown_path(path, revision)),
            // A link that leads nowhere is a problem with a file, which was found.
            Place::Submodule | Place::File(_) | Place::Folder(_) | Place::Outside | Place::Circle => {}
        }
    }
    Ok(Snapshot::new(revision, root).with_paths(paths).with_problems(lister.problems))
}

fn unknown_path(path: &str, revision: &RevisionId) -> SourceError {
    SourceFailure::UnknownPath { path: shown(path), revision: revision.as_str().into() }.into()
}

/// Whether something is listed at a path.
fn holds(folder: &Folder, path: &str) -> bool {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (folder.entries.get(name), rest) {
        _ if path.is_empty() => true,
        (Some(Entry::Folder(below)), Some(rest)) => holds(below, rest),
        (found, rest) => found.is_some() && rest.is_none(),
    }
}

fn count(folder: &Folder) -> usize {
    let below = |entry: &Entry| match entry {
        Entry::File { .. } => 1,
        Entry::Folder(folder) => count(folder),
    };
    folder.entries.values().map(below).sum()
}
