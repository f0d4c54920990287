//! Whether objects that existed before us become ours.

use crate::diff::{Claim, Compared, Comparison, Outcome};
use crate::policy::{Adopt, Shared, SyncPolicy};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};
use crate::ssa::ManagedFields;
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
pub(crate) fn belongs_to_another(live: &Resource, claim: &Claim, owner: &Owner) -> Option<String> {
    let problem = hinted(build::foreign(live.key(), claim, owner)?, Some(live), owner);
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
    Problem::blocks(Code::NotOurs, text)
}

/// The same, and how the object may become ours.
pub(super) fn hinted(tracking: &Tracking, live: Option<&Resource>, owner: &Owner) -> Problem {
    let is_apps = match live {
        Some(live) => tracking.is_of_another_app(live, owner),
        None => !tracking.style.is_argo(),
    };
    let take = if !is_apps {
        "take it over from Argo CD (`gitops adopt --from argocd`)".to_owned()
    } else if tracking.installation == owner.installation {
        format!("take it over from the other one (`gitops transfer --from {}`)", tracking.app)
    } else {
        "drop it there, let it go there (`gitops release`), and take it here (`gitops adopt`)".to_owned()
    };
    not_ours(tracking).hint(format!("remove it from one of the two applications, or {take}"))
}

impl Tracking {
    /// Returns whether this id on `live` is that of another application of ours: also one that writes Argo CD's
    /// annotation, which Argo CD does not apply under that application's name.
    pub(crate) fn is_of_another_app(&self, live: &Resource, owner: &Owner) -> bool {
        let is_owners = self.app == owner.app && self.installation == owner.installation;
        let has_applied = || {
            let manager = Owner::new(&self.installation, &self.app).ok()?.manager();
            ManagedFields::read(live).ok()?.applied_by(&manager).map(|_| ())
        };
        !is_owners && (!self.style.is_argo() || has_applied().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn a_hint_names_what_takes_an_object_from_its_holder() {
        let object = |annotations: &str, manager: &str| {
            let text = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web","namespace":"shop",
                    "annotations":{{{annotations}}},"managedFields":[{{"manager":"{manager}","operation":"Apply",
                    "apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{}}}}}}]}}}}"#
            );
            Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap()
        };
        let argo = r#""argocd.argoproj.io/tracking-id":"old:/ConfigMap:shop/web""#;
        let ours = r#""gitops.rs/tracking-id":"old:/ConfigMap:shop/web""#;
        let abroad = r#""gitops.rs/tracking-id":"eu/old:/ConfigMap:shop/web""#;
        let owner = Owner::new("", "shop").unwrap();
        for (annotations, manager, expected) in [
            (ours, "gitops:old", "`gitops transfer --from old`"),
            (argo, "gitops:old", "`gitops transfer --from old`"),
            (argo, "argocd-controller", "`gitops adopt --from argocd`"),
            (abroad, "gitops:eu/old", "`gitops release`"),
        ] {
            let live = object(annotations, manager);
            let problem = hinted(&Tracking::of(&live).unwrap(), Some(&live), &owner);
            assert!(problem.hint.as_deref().unwrap().contains(expected), "{annotations} {manager}: {problem}");
        }
    }
}
