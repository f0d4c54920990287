//! An explanation as text.

use std::fmt;

use crate::diff::show::shown;
use crate::diff::{ChangeKind, FieldOwner};
use crate::source::Revision;

use super::{FieldExplanation, FieldVerdict, Written};

/// The field and what a sync makes of it; below, each side with its history.
impl fmt::Display for FieldExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.verdict)?;
        match self.reason {
            Some(reason) => writeln!(f, "; {reason}")?,
            None => writeln!(f)?,
        }
        if let Some(rule) = &self.rule {
            writeln!(f, "  rule     {rule}")?;
        }
        if let Some(desired) = &self.desired {
            writeln!(f, "  desired  {}", shown(desired))?;
        }
        if let Some(written) = &self.written {
            writeln!(f, "           {written}")?;
        }
        if let Some(revision) = &self.dropped_in {
            writeln!(f, "  desired  nothing; dropped in {}", told(revision))?;
        }
        if let Some(live) = &self.live {
            writeln!(f, "  live     {}", shown(live))?;
        }
        for owner in &self.owners {
            writeln!(f, "           owned by {}", owned(owner))?;
        }
        match &self.default {
            Some(default) if self.default != self.live => writeln!(f, "  default  {}", shown(default)),
            _ => Ok(()),
        }
    }
}

/// `web.yaml:7:3, last changed in 3f2a… by Ann <ann@example.org> at 2026-03-01T08:00:00Z: Add web`
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)?;
        match &self.by {
            Some(revision) => write!(f, ", last changed in {}", told(revision)),
            None => Ok(()),
        }
    }
}

/// `3f2a… by Ann <ann@example.org> at 2026-03-01T08:00:00Z: Add web`
pub(crate) fn told(revision: &Revision) -> String {
    let id = revision.id.short();
    match &revision.commit {
        Some(commit) => format!("{id} by {} at {}: {}", commit.author, commit.time.whole_seconds(), commit.subject()),
        None => id.to_owned(),
    }
}

fn owned(owner: &FieldOwner) -> String {
    let through = owner.subresource.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
    let time = owner.time.map(|time| format!(", last at {}", time.whole_seconds())).unwrap_or_default();
    format!("`{}` ({}{through}{time})", owner.manager, owner.operation)
}

impl fmt::Display for FieldVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agrees => "Git and cluster agree",
            Self::MeansTheSame => "Git and cluster write the same in different ways",
            Self::HoldsMore => "the cluster holds all that Git declares, and more that is left alone",
            Self::Changes(ChangeKind::Value) => "a sync sets another value",
            Self::Changes(ChangeKind::Added) => "a sync adds it",
            Self::Changes(ChangeKind::Removed) => "a sync removes it",
            Self::Changes(ChangeKind::Moved) => "a sync moves its items",
            Self::ChangesBelow(1) => "a sync changes a field below it",
            Self::ChangesBelow(count) => return write!(f, "a sync changes {count} fields below it"),
            Self::Yielded => "left to the autoscaler that scales the object",
            Self::Ignored => "left alone by a rule",
            Self::Ceded => "left to its owner, as the policy says",
            Self::KeptOnRemove => "not declared any more; it stays, as `gitops.rs/on-remove` says",
            Self::Residue => "not declared any more; it stays, since others hold it",
            Self::Rewritten => "the cluster makes another value of what Git says, and has done so already",
            Self::NotStored => "Git declares it, and the cluster stores nothing for it",
            Self::Default => "not declared; it has its default",
            Self::OfOthers => "not declared; others own it, so it is left alone",
            Self::FilledIn => "not declared; nobody owns it: the server filled it in, and it is left alone",
            Self::Kept => "not declared any more; a sync gives it up, and it stays as it is",
            Self::ServerSet => "only the server sets it; never compared",
            Self::Status => "controllers report it; never compared",
            Self::Absent => "neither Git nor the cluster has it",
            Self::Created => "a sync creates the object with it",
            Self::GoesWithObject => "the object is no longer declared",
            Self::NotCompared => "not compared",
        })
    }
}
