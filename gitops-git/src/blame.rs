//! Who wrote a line.

use gitops_core::source::{Revision, RevisionId, SourceError, SourceFailure};
use gix::bstr::ByteSlice;
use gix::objs::Kind;
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::error::{beyond, shown};
use crate::history::revision;
use crate::lines::line_before;
use crate::links::{Place, Reader};
use crate::objects::{self, ParsedCommit};
use crate::renames;

/// A line of a file of a commit; lines count from 0.
struct Suspect {
    id: ObjectId,
    commit: ParsedCommit,
    file: String,
    blob: ObjectId,
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
    let (id, commit) = objects::pinned(repository, at)?;
    let unknown = |path: String| SourceFailure::UnknownPath { path: path.into(), revision: at.as_str().into() };
    let blob = find(&mut reader, commit.tree, file)?.ok_or_else(|| unknown(shown(file).to_string()))?;
    let lines = objects::load(repository, limits, blob, Kind::Blob)?.lines_with_terminator().count();
    let wanted = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).filter(|line| *line < lines);
    let mut line = wanted.ok_or_else(|| unknown(format!("{}:{line}", shown(file))))?;
    let mut suspect = Suspect { id, commit, file: file.to_owned(), blob };
    loop {
        if ends.contains(&suspect.id) {
            let what = format!("the last change of line {} of `{}`", line + 1, shown(&suspect.file));
            return Err(beyond(&what, suspect.id));
        }
        let mut older = None;
        for before in before(&mut reader, &suspect)? {
            if before.blob == suspect.blob {
                older = Some((before, line));
                break;
            }
            let text = |blob| objects::load(repository, limits, blob, Kind::Blob);
            if let Some(line) = line_before(&text(before.blob)?, &text(suspect.blob)?, line) {
                older = Some((before, line));
                break;
            }
        }
        match older {
            Some(found) => (suspect, line) = found,
            None => return Ok(revision(suspect.id, suspect.commit)),
        }
    }
}

/// Finds the file in the parents of a commit: under its path, or else under the one it was renamed from. A parent with the
/// very same file comes alone, for it is to blame whatever the others have.
fn before(reader: &mut Reader<'_>, suspect: &Suspect) -> Result<Vec<Suspect>, SourceError> {
    let mut parents = Vec::new();
    for id in suspect.commit.parents.iter().copied() {
        let commit = objects::commit(reader.repository, id)?;
        reader.restart();
        let blob = find(reader, commit.tree, &suspect.file)?;
        if let Some(blob) = blob.filter(|blob| *blob == suspect.blob) {
            return Ok(vec![Suspect { id, commit, file: suspect.file.clone(), blob }]);
        }
        parents.push((id, commit, blob));
    }
    let mut found: Vec<Suspect> = Vec::new();
    for (id, commit, blob) in parents {
        let (file, blob) = match blob {
            Some(blob) => (suspect.file.clone(), blob),
            None => match renames::origin(reader, commit.tree, suspect.commit.tree, &suspect.file)? {
                Some((file, blob)) if blob == suspect.blob => return Ok(vec![Suspect { id, commit, file, blob }]),
                Some(from) => from,
                None => continue,
            },
        };
        found.push(Suspect { id, commit, file, blob });
    }
    Ok(found)
}

fn find(reader: &mut Reader<'_>, tree: ObjectId, file: &str) -> Result<Option<ObjectId>, SourceError> {
    match reader.locate(tree, file.as_bytes().as_bstr())? {
        Place::File(id) => Ok(Some(id)),
        _ => Ok(None),
    }
}
