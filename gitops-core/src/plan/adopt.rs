//! Whether objects that existed before us become ours.

use crate::diff::{Claim, Comparison, Outcome};
use crate::policy::{Adopt, Shared, SyncPolicy};
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::state::Owner;

use super::SkipReason;
use super::build::{Fate, Node, foreign, not_ours};
use super::depend::problem_at;

/// Leaves alone what exists and is nobody's, where the policy says so.
pub(super) fn leave_unclaimed(
    nodes: &mut [Node<'_>],
    comparison: &Comparison,
    policy: &SyncPolicy,
    problems: &mut Vec<Problem>,
) {
    if policy.adopt == Adopt::Unclaimed {
        return;
    }
    for node in nodes.iter_mut().filter(|node| node.work().is_some() && node.is_resource()) {
        let Some(compared) = comparison.get(node.key) else { continue };
        let is_claimed = compared.claim.tracked || compared.claim.standing.is_some();
        if matches!(compared.outcome, Outcome::OutOfSync(_)) && !is_claimed {
            let text = "exists, and was not created by this application";
            let hint = "remove one of the two, or set `adopt` to `unclaimed`";
            problems.push(problem_at(Problem::blocks(Code::NotOurs, text), node).hint(hint));
            node.fate = Fate::Skip(SkipReason::NotAdopted);
        }
    }
}

/// Returns whether nothing may be done, since an object belongs to another application and the policy stops there.
pub(super) fn stop_at_shared(nodes: &mut [Node<'_>], policy: &SyncPolicy) -> bool {
    let is_shared = |node: &Node<'_>| matches!(node.fate, Fate::Skip(SkipReason::NotOurs));
    let stops = policy.shared == Shared::Stop && nodes.iter().any(is_shared);
    for node in nodes.iter_mut().filter(|node| stops && node.work().is_some()) {
        node.fate = Fate::Skip(SkipReason::StopsAtShared);
    }
    stops
}

/// Returns why an object is not written: it is another application's, also if it was not when it was compared.
pub(crate) fn belongs_to_another(key: &ResourceKey, claim: &Claim, owner: &Owner) -> Option<String> {
    let problem = not_ours(foreign(key, claim, owner)?);
    Some(format!("{}; {}", problem.text, problem.hint.as_deref().unwrap_or_default()))
}
