//! Putting a commit of a repository on this machine on a branch of a remote.

mod pack;

use std::collections::BTreeSet;
use std::io::Write;

use gitops_core::source::{RevisionId, SourceError, SourceFailure};
use gix::ObjectId;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::client::{MessageKind, WriteMode};
use gix::refs::FullName;

use super::wire::{AGENT, Wire};
use crate::error::{shown, unsupported};
use crate::relation::{Relation, relation};
use crate::{GitSource, objects};

use pack::Lacking;

/// The most lines that a remote answers.
const LINES: usize = 1_000;

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

/// What a remote made of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pushed {
    /// The branch is at the commit now.
    Done,
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

/// Pushes over a conversation that was begun for it.
pub(super) fn push(mut wire: Wire, from: &GitSource, push: &Push) -> Result<Pushed, SourceError> {
    let repository = from.local();
    let (commit, _) = objects::pinned(&repository, &push.commit)?;
    let Ok(name) = FullName::try_from(format!("refs/heads/{}", push.branch)) else {
        return Err(unsupported(format!("`{}` as the name of a branch", shown(&push.branch))));
    };
    let name = name.as_bstr().to_string();
    let refs = wire.handshake.refs.take().unwrap_or_default();
    let null = repository.object_hash().null();
    let there = refs.iter().find_map(|listed| match listed {
        Ref::Direct { full_ref_name, object } if *full_ref_name == name => Some(*object),
        Ref::Symbolic { full_ref_name, object, .. } if *full_ref_name == name => Some(*object),
        _ => None,
    });
    if there == Some(commit) {
        return Ok(Pushed::AlreadyThere);
    }
    let expected = push.replaces.as_ref().map(|id| objects::pinned(&repository, id)).transpose()?.map(|(id, _)| id);
    let moved =
        |what: &str| Err(unsupported(format!("pushing to `{}` of `{}`, which {what},", shown(&push.branch), wire.url)));
    match (expected, there) {
        (None, Some(id)) => return moved(&format!("exists already, at `{id}`")),
        (Some(old), Some(id)) if old != id => return moved(&format!("is at `{id}` now, not at `{old}`")),
        (Some(_), None) => return moved("does not exist any more"),
        _ => {}
    }
    check(&wire, &repository)?;
    let tips: BTreeSet<ObjectId> = refs.iter().filter_map(|listed| commit_of(&repository, listed)).collect();
    if let Some(old) = &push.replaces
        && relation(&repository, old, &push.commit)? != Relation::Forward
    {
        return moved("has commits that would be lost");
    }
    let pack = Lacking::find(&repository, from.limits(), commit, &tips)?.pack()?;
    let mut line = format!("{} {commit} {name}\0 report-status agent={}", expected.unwrap_or(null), AGENT.1);
    if repository.object_hash() != gix::hash::Kind::Sha1 {
        line += &format!(" object-format={}", repository.object_hash());
    }
    match wire.send(line.as_bytes(), &pack) {
        Ok(lines) => report(&wire, &name, &lines),
        Err(error) => Err(wire.failed(error).meaning()),
    }
}

/// Fails where it would not be known what became of a push.
fn check(wire: &Wire, repository: &gix::Repository) -> Result<(), SourceError> {
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
fn commit_of(repository: &gix::Repository, listed: &Ref) -> Option<ObjectId> {
    let id = match listed {
        Ref::Direct { object, .. } | Ref::Symbolic { object, .. } | Ref::Peeled { object, .. } => *object,
        Ref::Unborn { .. } => return None,
    };
    objects::peel(repository, "", id).ok()
}

/// Reads what became of a push: `unpack ok`, and `ok REF` or `ng REF WHY`.
fn report(wire: &Wire, name: &str, lines: &[String]) -> Result<Pushed, SourceError> {
    let url = &wire.url;
    let says = |prefix: String| lines.iter().find_map(|line| line.strip_prefix(&prefix).map(shown));
    if let Some(why) = says(format!("ng {name} ")) {
        let what = format!("`{name}` of `{url}` (it says: {why})");
        return Err(SourceFailure::Denied { what: what.into() }.into());
    }
    match says("unpack ".to_owned()) {
        Some(why) if &*why != "ok" => Err(unsupported(format!("what was pushed to `{url}` (it says: {why})"))),
        Some(_) if lines.iter().any(|line| *line == format!("ok {name}")) => Ok(Pushed::Done),
        _ => {
            let what = format!("`{url}` (it did not say what became of `{name}`; look there, or push again)");
            Err(SourceFailure::Unavailable { what: what.into() }.into())
        }
    }
}

impl Wire {
    /// Sends a command and a pack, and returns what is said to it. Nothing is sent twice.
    fn send(&mut self, command: &[u8], pack: &[u8]) -> Result<Vec<String>, gix::Error> {
        let request = self.transport.request(WriteMode::Binary, MessageKind::Flush, false)?;
        let (mut writer, mut reader) = request.into_parts();
        let length = command.len().saturating_add(4);
        let sent = write!(writer, "{length:04x}").and_then(|()| writer.write_all(command));
        let sent = sent.and_then(|()| writer.write_all(b"0000")).and_then(|()| writer.write_all(pack));
        sent.and_then(|()| writer.flush()).map_err(gix::Error::from_error)?;
        // The request is sent when its answer is read.
        drop(writer);
        let mut lines = Vec::new();
        while let Some(line) = reader.readline().filter(|_| lines.len() < LINES) {
            let line = line.map_err(gix::Error::from_error)??;
            let Some(text) = line.as_bstr() else { break };
            lines.push(text.to_string().trim_end().to_owned());
        }
        Ok(lines)
    }
}
