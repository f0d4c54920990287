//! How two revisions stand to each other.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use gitops_core::source::{RevisionId, SourceError};
use gix::{ObjectId, Repository};

use crate::error::{beyond, too_large};
use crate::objects;

/// The most commits that are looked at for one answer.
const COMMITS: usize = 1_000_000;
const OLD: u8 = 1;
const NEW: u8 = 2;
const BOTH: u8 = OLD | NEW;

/// How a revision stands to one that was followed before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// It is the same.
    Same,
    /// It is built upon the old one: the branch moved on.
    Forward,
    /// The old one is built upon it: the branch was set back.
    Back,
    /// Neither is built upon the other: history was rewritten, such as by a forced push.
    Rewritten {
        /// The last commit that both are built upon, if there is one.
        base: Option<RevisionId>,
    },
}

pub(crate) fn relation(repository: &Repository, old: &RevisionId, new: &RevisionId) -> Result<Relation, SourceError> {
    let (old, old_commit) = objects::pinned(repository, old)?;
    let (new, new_commit) = objects::pinned(repository, new)?;
    if old == new {
        return Ok(Relation::Same);
    }
    let ends = objects::boundary(repository)?;
    let mut painted = BTreeMap::from([(old, (OLD, old_commit.committed)), (new, (NEW, new_commit.committed))]);
    // The newest first, so that what both have is reached before what is below it.
    let mut queue = BinaryHeap::from([(old_commit.committed, old), (new_commit.committed, new)]);
    let mut open = BTreeSet::from([old, new]);
    // Commits that are queued and not known to both.
    while !open.is_empty() {
        let Some((_, id)) = queue.pop() else { break };
        open.remove(&id);
        let (paint, _) = painted.get(&id).copied().unwrap_or_default();
        if paint != BOTH && ends.contains(&id) {
            return Err(beyond("what two revisions have in common", id));
        }
        if painted.len() > COMMITS {
            return Err(too_large(format!("two revisions have more than {COMMITS} commits between them")));
        }
        if ends.contains(&id) {
            continue;
        }
        for parent in objects::commit(repository, id)?.parents {
            let (known, committed) = match painted.get(&parent) {
                Some((known, committed)) => (*known, *committed),
                None => (0, objects::commit(repository, parent)?.committed),
            };
            // Painted anew, it is looked at again, for the sake of a clock that went wrong.
            if known | paint != known {
                painted.insert(parent, (known | paint, committed));
                match known | paint {
                    BOTH => open.remove(&parent),
                    _ => open.insert(parent),
                };
                queue.push((committed, parent));
            }
        }
    }
    let common = |id: ObjectId| painted.get(&id).is_some_and(|(paint, _)| *paint == BOTH);
    // The newest: what is below it is common through it.
    let base =
        painted.iter().filter(|(_, (paint, _))| *paint == BOTH).max_by_key(|(id, (_, committed))| (*committed, **id));
    Ok(if common(old) {
        Relation::Forward
    } else if common(new) {
        Relation::Back
    } else {
        Relation::Rewritten { base: base.map(|(id, _)| RevisionId::new(&id.to_string())) }
    })
}
