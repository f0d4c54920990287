//! Whether an object is deleted and created again, where a change of it is refused since it cannot be made in place.

use crate::diff::{Claim, Compared, Comparison, Note};
use crate::policy::{Options, Permission, PruneAdopted, SyncPolicy};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Propagation, Resource, ResourceKey};
use crate::state::{Declared, Standing};

use super::confirm::Consent;
use super::contents::is_protected;
use super::node::Node;
use super::{Confirmed, Request};

const UNCONFIRMED: &str =
    "undo the change, or confirm that the object is deleted and created again (`--confirm`), since it asks for that";

const KEPT: &str = "undo the change, or delete the object by hand: its options keep it (such as `Delete=false` or \
                    `Prune=false`, in Git or on the cluster), so it is not deleted to be created again";

/// Returns how an object is deleted and created again, should a change of it be refused as one that cannot be made;
/// `None` where its options do not allow that.
pub(super) fn allowed(options: &Options) -> Option<Propagation> {
    (options.force && !keeps(options)).then(|| options.propagation.unwrap_or_default())
}

/// Returns what to do instead, where an object is not deleted and created again. `recreate`: how its options allow it, if
/// they do. `declared`: what Git says of it. `seen`: the live object, where it was looked at, and what ties it to us;
/// nothing is deleted without proof that it is ours (rule 28 of the exact rules), nor what options keep, whether Git or
/// the live object has them: to be created again is to be deleted.
pub(crate) fn instead(
    key: &ResourceKey,
    recreate: Option<Propagation>,
    policy: &SyncPolicy,
    declared: &Options,
    seen: Option<(&Resource, &Claim)>,
) -> Option<&'static str> {
    let is_kept = |live: &Resource| {
        let (options, wrong) = policy.options_of(live);
        keeps(&options) || wrong.iter().any(|problem| problem.severity == Severity::Blocks)
    };
    if keeps(declared) || seen.is_some_and(|(live, _)| is_kept(live)) {
        return Some(KEPT);
    }
    if is_protected(key, policy) {
        return Some(
            "undo the change; what the object holds would be lost with it, so it is never deleted and created again",
        );
    }
    if recreate.is_none() {
        return Some(
            "undo the change, or set the sync option `Force=true`: the object is deleted and created again then",
        );
    }
    if seen.is_some_and(|(_, claim)| !claim.proves_ours()) {
        return Some("undo the change, or delete the object by hand: nothing proves that it is ours to delete");
    }
    None
}

/// Whether an object stays, whatever else its options say.
fn keeps(options: &Options) -> bool {
    [options.delete, options.prune].contains(&Permission::Never)
}

/// Returns what to do, where nobody has said yes to the end of a live object whose options, or whose record, ask for it.
pub(crate) fn unconfirmed(
    declared: &Options,
    live: &Resource,
    claim: &Claim,
    policy: &SyncPolicy,
) -> Option<&'static str> {
    let is_rebuilt = claim.standing == Some(Standing::Rebuilt) && policy.prune_adopted == PruneAdopted::No;
    let asks = is_rebuilt || permissions(declared, &policy.options_of(live).0).contains(&Permission::Confirm);
    asks.then_some(UNCONFIRMED)
}

/// What Git says and what was applied last both count.
fn permissions(declared: &Options, live: &Options) -> [Permission; 4] {
    [declared.delete, declared.prune, live.delete, live.prune]
}

/// Asks for the yes to the end of an object that differs.
fn consent(declared: &Declared, compared: &Compared, policy: &SyncPolicy, request: &Request) -> Consent {
    let Some(live) = &compared.live else { return Consent::NotAsked };
    let (options, _) = policy.options_of(live);
    let permissions = permissions(&declared.options, &options);
    request.consent(live, &options, &permissions, policy, &compared.claim)
}

/// Returns what to do instead, where an object that differs asks and nobody said yes.
pub(super) fn unasked(
    declared: &Declared,
    compared: &Compared,
    policy: &SyncPolicy,
    request: &Request,
) -> Option<&'static str> {
    match consent(declared, compared, policy, request) {
        Consent::Missing | Consent::MissingForRecord => Some(UNCONFIRMED),
        Consent::Given(_) | Consent::NotAsked => None,
    }
}

/// Returns the yes to the end of an object that is created again, or may be once the cluster refuses its change.
pub(super) fn confirmed(
    node: &Node<'_>,
    comparison: &Comparison,
    policy: &SyncPolicy,
    request: &Request,
) -> Option<Confirmed> {
    if node.work().is_none() || !node.is_resource() || !node.declared.options.force {
        return None;
    }
    let compared = comparison.get(node.key)?;
    let seen = compared.live.as_ref().map(|live| (live, &compared.claim));
    let options = &node.declared.options;
    match consent(node.declared, compared, policy, request) {
        Consent::Given(yes) => instead(node.key, allowed(options), policy, options, seen).is_none().then_some(yes),
        _ => None,
    }
}

/// The fields that cannot change once set, where the cluster said that this is all it finds wrong.
pub(super) fn fixed(compared: &Compared) -> Option<String> {
    compared.notes.iter().find_map(|note| match note {
        Note::Immutable(fields) => Some(format!("`{}`", fields.join("`, `"))),
        _ => None,
    })
}

pub(super) fn problem(key: &ResourceKey, fixed: &str, instead: &str) -> Problem {
    Problem::warning(Code::Immutable, format!("{fixed} cannot change once set, so the change is refused"))
        .of(key)
        .hint(instead)
}
