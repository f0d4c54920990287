//! Whether objects that existed before us become ours.

use crate::diff::{Claim, Compared, Comparison, Outcome};
use crate::policy::{Adopt, Shared, SyncPolicy};
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::state::{Declared, Inventory, Owner, Tracking};

use super::SkipReason;
use super::build;
use super::depend::problem_at;
use super::node::{Fate, Node};
use super::recreate;

/// Leaves alone what exists and is nobody's, where the policy says so.
pub(super) fn leave_unclaimed(
    nodes: &mut [Node<'_>],
    comparison: &Comparison,
    policy: &SyncPolicy,
    inventory: &Inventory,
    problems: &mut Vec<Problem>,
) {
    if policy.adopt == Adopt::Unclaimed {
        return;
    }
    for node in nodes.iter_mut().filter(|node| node.work().is_some() && node.is_resource()) {
        let Some(compared) = comparison.get(node.key) else { continue };
        let is_claimed = compared.claim.is_ours() || is_received(compared, inventory);
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
    let problem = not_ours(build::foreign(key, claim, owner)?);
    Some(format!("{}; {}", problem.text, problem.hint.as_deref().unwrap_or_default()))
}

/// Returns whether another application gives the object to us (rule 32 of the exact rules).
fn is_received(compared: &Compared, inventory: &Inventory) -> bool {
    compared.live.as_ref().is_some_and(|live| inventory.receives(live).is_some())
}

/// Returns whether the object is given to us by another application, and becomes ours in a step of its own: where it is
/// not applied at all, or not by an apply over the live object.
pub(super) fn is_only_received(declared: &Declared, compared: &Compared, inventory: &Inventory) -> bool {
    let options = &declared.options;
    is_received(compared, inventory) && (options.create_only || options.replace || recreate::fixed(compared).is_some())
}

/// Returns the tracking id of another owner that does not give the object to us.
pub(super) fn foreign<'c>(
    key: &ResourceKey,
    compared: &'c Compared,
    owner: &Owner,
    inventory: &Inventory,
) -> Option<&'c Tracking> {
    build::foreign(key, &compared.claim, owner).filter(|_| !is_received(compared, inventory))
}

pub(super) fn not_ours(tracking: &Tracking) -> Problem {
    let text = match &*tracking.installation {
        "" => format!("belongs to application `{}`", tracking.app),
        installation => format!("belongs to application `{}` of installation `{installation}`", tracking.app),
    };
    let (app, take) = match tracking.style.is_argo() {
        true => ("Argo CD", "`gitops adopt --from argocd`".to_owned()),
        false => ("the other one", format!("`gitops transfer --from {}`", tracking.app)),
    };
    Problem::blocks(Code::NotOurs, text)
        .hint(format!("remove it from one of the two applications, or take it over from {app} ({take})"))
}
