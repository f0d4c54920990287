//! Pushing to a repository on this machine, without the `git` that would receive it there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gitops_core::source::{SourceError, SourceFailure};
use gix::actor::Signature;
use gix::date::Time;
use gix::date::parse::TimeBuf;
use gix::refs::FullName;
use gix::refs::transaction::{PreviousValue, RefEdit};
use gix::{ObjectId, Repository};

use super::pack::Lacking;
use super::{Move, Push, Pushed};
use crate::branches::in_the_way;
use crate::error::{because, damaged, shown, unsupported};
use crate::{GitSource, objects};

/// What Git runs when something is pushed, see githooks(5).
const HOOKS: [&str; 6] =
    ["pre-receive", "update", "proc-receive", "post-receive", "post-update", "reference-transaction"];
/// The most refs that are looked at for what is here already.
const REFS: usize = 100_000;

impl GitSource {
    /// Puts a commit of another repository on this machine on a branch of this one, as [`crate::GitRemote::push`] does at
    /// a remote: with what is lacking of it, and only if the branch still is where it was said to be.
    ///
    /// # Errors
    /// When the branch is elsewhere or checked out, when the repository cannot be written to, or when it has hooks that
    /// are run for what is pushed, or is shared between users: then it takes `git push`.
    pub fn receive(&self, from: &Self, push: &Push) -> Result<Pushed, SourceError> {
        let (theirs, here, place) = (from.local(), self.local(), self.location.display());
        let Some(wanted) = Move::plan(&theirs, push, &place, |name| at(&here, name))? else {
            return Ok(Pushed::AlreadyThere);
        };
        let refused = |why: String| Err(unsupported(format!("pushing to `{place}`, {why}; use `git push`: that")));
        if here.object_hash() != theirs.object_hash() {
            return Err(unsupported(format!("pushing to `{place}`, whose ids are of another kind,")));
        }
        if let Some(hook) = hook(&here) {
            return refused(format!("which runs `{}` then", hook.display()));
        }
        if is_shared(&here) {
            return refused("which is shared between users (`core.sharedRepository`)".to_owned());
        }
        if let Some(other) = in_the_way(&here, &wanted.branch)? {
            let (branch, other) = (shown(&push.branch), shown(&other));
            return Err(unsupported(format!("pushing to `{branch}` of `{place}`, beside `{other}`,")));
        }
        if is_checked_out(&here, &wanted.branch)? {
            let branch = shown(&push.branch);
            return Err(unsupported(format!("pushing to `{branch}` of `{place}`, which is checked out there,")));
        }
        Lacking::find(&theirs, from.limits(), wanted.commit, &common(&here, &theirs)?)?.write(&here)?;
        let previous = match wanted.from {
            Some(old) => PreviousValue::MustExistAndMatch(old.into()),
            None => PreviousValue::MustNotExist,
        };
        let edit = RefEdit::update(wanted.branch, wanted.commit, previous, "push");
        let time = Time::new(objects::commit(&theirs, wanted.commit)?.committed, 0);
        let person = Signature { name: "gitops".into(), email: "gitops@localhost".into(), time };
        let moved = here.edit_references_as(Some(edit), Some(person.to_ref(&mut TimeBuf::default())));
        moved.map_err(|error| {
            let what = format!("moving `{}` of `{place}` (see whether it was moved meanwhile)", shown(&push.branch));
            because(SourceFailure::Denied { what: what.into() }, error)
        })?;
        Ok(Pushed::Done { said: Vec::new() })
    }
}

/// Returns what a branch is at.
fn at(here: &Repository, name: &FullName) -> Result<Option<ObjectId>, SourceError> {
    let unreadable = |error| damaged(format!("the reference `{}`", shown(&name.as_bstr().to_string())), error);
    let Some(mut found) = here.try_find_reference(name).map_err(unreadable)? else { return Ok(None) };
    found.peel_to_id().map(|id| Some(id.detach())).map_err(unreadable)
}

/// Returns the commits that branches and tags of `here` lead to and that are in `theirs` as well.
fn common(here: &Repository, theirs: &Repository) -> Result<BTreeSet<ObjectId>, SourceError> {
    let unreadable = |error| damaged("the references of the repository".into(), error);
    let platform = here.references().map_err(unreadable)?;
    let mut common = BTreeSet::new();
    for reference in platform.all().map_err(unreadable)?.take(REFS).flatten() {
        let id = reference.try_id().and_then(|id| objects::peel(here, "", id.detach()).ok());
        common.extend(id.filter(|id| objects::peel(theirs, "", *id).is_ok()));
    }
    Ok(common)
}

/// Returns a hook that Git would run.
fn hook(here: &Repository) -> Option<PathBuf> {
    let configured = here.config_snapshot().string("core.hooksPath").map(|path| path.to_string());
    let folders = match configured.as_deref() {
        None => vec![here.common_dir().join("hooks")],
        // Where that leads is Git's to say.
        Some(path) if path.starts_with(['~', '%']) => return Some(PathBuf::from(path)),
        // It is relative to where a hook is run, which is not the same for all.
        Some(path) => [Some(here.git_dir()), here.workdir()].into_iter().flatten().map(|at| at.join(path)).collect(),
    };
    let mut files = folders.iter().flat_map(|folder| HOOKS.map(|name| folder.join(name)));
    files.find(|file| is_run(file))
}

#[cfg(unix)]
fn is_run(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_run(file: &Path) -> bool {
    file.is_file()
}

/// Returns whether what is written must be for others to write as well.
fn is_shared(here: &Repository) -> bool {
    let shared = here.config_snapshot().string("core.sharedRepository");
    shared.is_some_and(|shared| !matches!(&*shared.to_string().to_ascii_lowercase(), "umask" | "false" | "0"))
}

/// Returns whether a work tree shows a branch, and would show changes that nobody made once it is moved.
fn is_checked_out(here: &Repository, branch: &FullName) -> Result<bool, SourceError> {
    let unreadable = |error| damaged("the work trees of the repository".into(), error);
    let shows = |repository: &Repository| -> Result<bool, SourceError> {
        Ok(repository.head_name().map_err(unreadable)?.as_ref() == Some(branch))
    };
    let main = here.main_repo().map_err(unreadable)?;
    if !main.is_bare() && shows(&main)? {
        return Ok(true);
    }
    for other in main.worktrees().map_err(unreadable)? {
        if shows(&other.into_repo_with_possibly_inaccessible_worktree().map_err(unreadable)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
