//! Putting a commit of a repository on this machine on a branch of another one.

mod answer;
mod folder;
mod pack;

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use gitops_core::source::{RevisionId, SourceError, SourceFailure};
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::{MessageKind, WriteMode};
use gix::refs::FullName;
use gix::{ObjectId, Repository};

use super::wire::{AGENT, Wire};
use crate::error::{shown, unsupported};
use crate::relation::{Relation, relation};
use crate::{GitSource, objects};

use answer::Answer;
use pack::Lacking;

/// The capability by which a host can speak to people besides its report.
const BANDS: &str = "side-band-64k";

/// What is to be pushed: one commit, to one branch, which is never forced.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// The commit.
    pub commit: RevisionId,
    /// The branch, such as `main`.
    pub branch: String,
    /// Where the branch is, if there is one: the commit must have been built upon it. Default: there must be none.
    pub replaces: Option<RevisionId>,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed {
    /// The branch is at the commit now.
    Done {
        /// What the host says to people, such as where to open a pull request: a few lines, without control characters.
        said: Vec<Arc<str>>,
    },
    /// It was there already.
    AlreadyThere,
}

impl Push {
    /// Pushes a commit to a branch that is not there yet.
    #[must_use]
    pub fn new(commit: &RevisionId, branch: &str) -> Self {
        Self { commit: commit.clone(), branch: branch.to_owned(), replaces: None }
    }

    /// Pushes to a branch that is at `old`, from which the commit must be reached. If it has been moved meanwhile, nothing
    /// is done.
    #[must_use]
    pub fn replacing(self, old: &RevisionId) -> Self {
        Self { replaces: Some(old.clone()), ..self }
    }
}

/// What is done to a branch.
struct Move {
    branch: FullName,
    commit: ObjectId,
    /// Where it is, if it is there.
    from: Option<ObjectId>,
}

impl Move {
    /// States what is to be done where the branch is at what `find` says; `None` if that is nothing.
    fn plan(
        repository: &Repository,
        push: &Push,
        place: &dyn fmt::Display,
        find: impl FnOnce(&FullName) -> Result<Option<ObjectId>, SourceError>,
    ) -> Result<Option<Self>, SourceError> {
        let (commit, _) = objects::pinned(repository, &push.commit)?;
        let name = shown(&push.branch);
        let Ok(branch) = FullName::try_from(format!("refs/heads/{}", push.branch)) else {
            return Err(unsupported(format!("`{name}` as the name of a branch")));
        };
        let there = find(&branch)?;
        if there == Some(commit) {
            return Ok(None);
        }
        let moved = |what: &str| Err(unsupported(format!("pushing to `{name}` of `{place}`, which {what},")));
        let from = push.replaces.as_ref().map(|id| objects::pinned(repository, id)).transpose()?.map(|(id, _)| id);
        match (from, there) {
            (None, Some(id)) => return moved(&format!("exists already, at `{id}`")),
            (Some(old), Some(id)) if old != id => return moved(&format!("is at `{id}` now, not at `{old}`")),
            (Some(_), None) => return moved("does not exist any more"),
            _ => {}
        }
        match &push.replaces {
            Some(old) if relation(repository, old, &push.commit)? != Relation::Forward => {
                moved("has commits that would be lost")
            }
            _ => Ok(Some(Self { branch, commit, from })),
        }
    }
}

/// Pushes over a conversation that was begun for it.
pub(super) fn push(mut wire: Wire, from: &GitSource, push: &Push) -> Result<Pushed, SourceError> {
    let repository = from.local();
    let refs = wire.handshake.refs.take().unwrap_or_default();
    let find = |name: &FullName| {
        Ok(refs.iter().find_map(|listed| match listed {
            Ref::Direct { full_ref_name, object } | Ref::Symbolic { full_ref_name, object, .. } => {
                Some(*object).filter(|_| full_ref_name == name.as_bstr())
            }
            _ => None,
        }))
    };
    let Some(Move { branch, commit, from: old }) = Move::plan(&repository, push, &wire.url, find)? else {
        return Ok(Pushed::AlreadyThere);
    };
    check(&wire, &repository)?;
    let tips: BTreeSet<ObjectId> = refs.iter().filter_map(|listed| commit_of(&repository, listed)).collect();
    let pack = Lacking::find(&repository, from.limits(), commit, &tips)?.pack()?;
    let capabilities = &wire.handshake.capabilities;
    let is_banded = capabilities.contains(BANDS);
    let wanted = [BANDS, "quiet"].into_iter().filter(|name| capabilities.contains(name));
    let wanted: String = wanted.flat_map(|name| [" ", name]).collect();
    let (old, branch) = (old.unwrap_or_else(|| repository.object_hash().null()), branch.as_bstr());
    let mut line = format!("{old} {commit} {branch}\0 report-status{wanted} agent={}", AGENT.1);
    if repository.object_hash() != gix::hash::Kind::Sha1 {
        line += &format!(" object-format={}", repository.object_hash());
    }
    match wire.send(line.as_bytes(), &pack, is_banded) {
        Ok(answer) => report(&wire, &branch.to_string(), answer),
        Err(error) => Err(wire.failed(error).meaning()),
    }
}

/// Fails where it would not be known what became of a push.
fn check(wire: &Wire, repository: &Repository) -> Result<(), SourceError> {
    let capabilities = &wire.handshake.capabilities;
    if !capabilities.contains("report-status") {
        return Err(unsupported(format!("pushing to `{}`, which does not say what became of it,", wire.url)));
    }
    let format = capabilities.capability("object-format").and_then(|format| format.value().map(ToString::to_string));
    match format.as_deref().unwrap_or("sha1") == repository.object_hash().to_string() {
        true => Ok(()),
        false => Err(unsupported(format!("pushing to `{}`, whose ids are of another kind,", wire.url))),
    }
}

/// Returns the commit that a ref of the remote leads to, if it is here.
fn commit_of(repository: &Repository, listed: &Ref) -> Option<ObjectId> {
    let id = match listed {
        Ref::Direct { object, .. } | Ref::Symbolic { object, .. } | Ref::Peeled { object, .. } => *object,
        Ref::Unborn { .. } => return None,
    };
    objects::peel(repository, "", id).ok()
}

/// Reads what became of a push: `unpack ok`, and `ok REF` or `ng REF WHY`.
fn report(wire: &Wire, name: &str, answer: Answer) -> Result<Pushed, SourceError> {
    let (url, said) = (&wire.url, answer.said());
    let lines = answer.report();
    let says = |prefix: String| lines.iter().find_map(|line| line.strip_prefix(&prefix).map(shown));
    let all = |first: &str| [first].into_iter().chain(said.iter().map(|line| &**line)).collect::<Vec<_>>().join("; ");
    if let Some(why) = says(format!("ng {name} ")) {
        let what = format!("`{name}` of `{url}` (it says: {})", all(&why));
        return Err(SourceFailure::Denied { what: what.into() }.into());
    }
    match says("unpack ".to_owned()) {
        Some(why) if &*why != "ok" => Err(unsupported(format!("what was pushed to `{url}` (it says: {})", all(&why)))),
        Some(_) if lines.iter().any(|line| *line == format!("ok {name}")) => Ok(Pushed::Done { said }),
        _ => {
            let why = all(&format!("it did not say what became of `{name}`"));
            let what = format!("`{url}` ({why}; look there, or push again)");
            Err(SourceFailure::Unavailable { what: what.into() }.into())
        }
    }
}

impl Wire {
    /// Sends a command and a pack, and returns what is said to it. Nothing is sent twice.
    fn send(&mut self, command: &[u8], pack: &[u8], is_banded: bool) -> Result<Answer, gix::Error> {
        let request = self.transport.request(WriteMode::Binary, MessageKind::Flush, false)?;
        let (mut writer, mut reader) = request.into_parts();
        let length = command.len().saturating_add(4);
        let sent = write!(writer, "{length:04x}").and_then(|()| writer.write_all(command));
        let sent = sent.and_then(|()| writer.write_all(b"0000")).and_then(|()| writer.write_all(pack));
        sent.and_then(|()| writer.flush()).map_err(gix::Error::from_error)?;
        // The request is sent when its answer is read.
        drop(writer);
        let mut answer = Answer::new(is_banded);
        while let Some(line) = reader.readline() {
            let line = line.map_err(gix::Error::from_error)??;
            if !line.as_slice().is_some_and(|line| answer.hear(line)) {
                break;
            }
        }
        Ok(answer)
    }
}
