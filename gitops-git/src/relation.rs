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
    let (old, _) = objects::pinned(repository, old)?;
    let (new, _) = objects::pinned(repository, new)?;
    if old == new {
        return Ok(Relation::Same);
    }
    let painted = paint(repository, old, new)?;
    Ok(if painted.is_common(old) {
        Relation::Forward
    } else if painted.is_common(new) {
        Relation::Back
    } else {
        Relation::Rewritten { base: base(repository, &painted)?.map(|id| RevisionId::new(&id.to_string())) }
    })
}

/// Returns what is in the history of `new`, with itself, and not in that of `old`. Where clocks went wrong some of it may be
/// in that as well: ask [`relation`] where it matters.
pub(crate) fn since(repository: &Repository, old: ObjectId, new: ObjectId) -> Result<Vec<ObjectId>, SourceError> {
    if old == new {
        return Ok(Vec::new());
    }
    let painted = paint(repository, old, new)?;
    let mut since: Vec<(i64, ObjectId)> = painted
        .commits
        .into_iter()
        .filter(|(_, (paint, _))| *paint == NEW)
        .map(|(id, (_, committed))| (committed, id))
        .collect();
    since.sort_unstable_by(|left, right| right.cmp(left));
    Ok(since.into_iter().map(|(_, id)| id).collect())
}

/// Finds a common commit that no other one is built upon. Clocks go wrong, so that the newest need not be it.
fn base(repository: &Repository, painted: &Painted) -> Result<Option<ObjectId>, SourceError> {
    let common = painted.commits.iter().filter(|(id, _)| painted.is_common(**id));
    let mut common: Vec<(i64, ObjectId)> = common.map(|(id, (_, committed))| (*committed, *id)).collect();
    common.sort_unstable_by(|left, right| right.cmp(left));
    let mut below = BTreeSet::new();
    for (_, id) in &common {
        below.extend(objects::commit(repository, *id)?.parents);
    }
    let mut candidates = common.into_iter().map(|(_, id)| id).filter(|id| !below.contains(id));
    let Some(mut best) = candidates.next() else { return Ok(None) };
    for other in candidates {
        if paint(repository, best, other)?.is_common(best) {
            best = other;
        }
    }
    Ok(Some(best))
}

/// Commits by whether they are below the old one, the new one or both, and when they were committed.
struct Painted {
    commits: BTreeMap<ObjectId, (u8, i64)>,
}

impl Painted {
    fn is_common(&self, id: ObjectId) -> bool {
        self.commits.get(&id).is_some_and(|(paint, _)| *paint == BOTH)
    }
}

/// Walks back from two commits until all that is left is below both.
fn paint(repository: &Repository, old: ObjectId, new: ObjectId) -> Result<Painted, SourceError> {
    let committed = |id| objects::commit(repository, id).map(|commit| commit.committed);
    let ends = objects::boundary(repository)?;
    let mut painted = BTreeMap::from([(old, (OLD, committed(old)?)), (new, (NEW, committed(new)?))]);
    // The newest first, so that what both have is reached before what is below it.
    let mut queue: BinaryHeap<(i64, ObjectId)> = painted.iter().map(|(id, (_, committed))| (*committed, *id)).collect();
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
                None => (0, committed(parent)?),
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
    Ok(Painted { commits: painted })
}
