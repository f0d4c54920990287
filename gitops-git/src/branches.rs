//! New branches: which names they may have beside those that are there.

use gitops_core::source::SourceError;
use gix::Repository;
use gix::refs::FullName;

use crate::error::damaged;

/// Returns the branch that a new one cannot stand beside, since one of them would be a folder of the other. Git refuses
/// that; gix does so only where the other one is not packed.
pub(crate) fn in_the_way(repository: &Repository, new: &FullName) -> Result<Option<String>, SourceError> {
    let unreadable = |error| damaged("the references of the repository".into(), error);
    let name = new.as_bstr().to_string();
    let above = name.match_indices('/').map(|(at, _)| name.get(..at).unwrap_or_default());
    for folder in above.filter(|folder| folder.starts_with("refs/heads/")) {
        if repository.try_find_reference(folder).map_err(unreadable)?.is_some() {
            return Ok(Some(folder.to_owned()));
        }
    }
    let platform = repository.references().map_err(unreadable)?;
    let mut below = platform.prefixed(&*format!("{name}/")).map_err(unreadable)?;
    Ok(below.next().and_then(Result::ok).map(|found| found.name().as_bstr().to_string()))
}
