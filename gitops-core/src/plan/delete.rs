//! What the deletion of an application does: its PreDelete hooks, its objects in the reverse order, its PostDelete hooks.
//! The ledger goes last, by the machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::{Compared, Comparison, Context, Outcome, Why};
use crate::policy::{self, Hook, Options, Permission, Phase, Role, SyncPolicy};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Completeness, Declared, DesiredState, Trust, is_ledger};

use super::build::{as_seen, foreign};
use super::confirm::{self, Consent};
use super::contents::{self, is_container};
use super::depend::Graph;
use super::node::{Fate, Node};
use super::prune::{Extra, Removal};
use super::{HookRun, Intent, Plan, Reason, Request, SkipReason, Skipped, homes, hooks, kept, leftover, order};

/// Plans the deletion of a whole application. Where anything that it must know or be told is missing, nothing is done.
pub(super) fn plan(
    comparison: &Comparison,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
    request: Request,
) -> Plan {
    let mut problems = Vec::new();
    let mut nodes = hook_nodes(desired, &request, &mut problems);
    let asker = hooks::Asker::new(desired, comparison, policy, context, &request);
    let allowed = hooks::settle(&mut nodes, &asker, &mut problems);
    let mut left = leftover::decide(&mut nodes, &asker, &mut problems);
    let mut asking = BTreeMap::new();
    let entries = comparison.entries.iter().map(|(key, compared)| (key, &**compared));
    let ordinary = hooks::ordinary(&nodes, comparison, context, &request);
    // Sorted by key, as whoever connects them expects.
    let entries: BTreeMap<&ResourceKey, &Compared> = entries.chain(ordinary).collect();
    let entries = entries.into_iter().collect();
    let (mut removals, mut skipped) = removals(entries, desired, policy, context, &request, &mut asking, &mut problems);
    skipped.append(&mut left.skipped);
    // Nobody is asked about what stays anyway, since something that stays lies in it or needs it.
    let nothing = DesiredState::default();
    kept::keep(&mut removals, &mut skipped, (comparison, &nothing, policy, &request), Intent::Delete, &mut problems);
    problems.extend(homes::homeless(&nodes, &removals, comparison));
    let going: BTreeSet<&ResourceKey> = removals.iter().map(|removal| removal.key).collect();
    for (key, reason) in removals
        .extract_if(.., |removal| asking.contains_key(removal.key))
        .filter_map(|removal| asking.get(removal.key).map(|reason| (removal.key, *reason)))
    {
        skipped.push(Skipped::new(key, reason));
    }
    problems.extend(obstacles(&nodes, &skipped, &going, desired, context, &request));
    let is_stopped = problems.iter().any(|problem| problem.severity == Severity::Blocks);
    if is_stopped {
        skipped.extend(removals.drain(..).map(|removal| Skipped::new(removal.key, SkipReason::Guarded)));
        let working = nodes.iter_mut().filter(|node| node.work().is_some());
        working.for_each(|node| node.fate = Fate::Skip(SkipReason::FollowsHeld));
        left.stop(SkipReason::FollowsHeld);
    }
    let containers = removals.iter().filter(|removal| is_container(removal.key) && !removal.is_under_way());
    for key in containers.map(|removal| removal.key) {
        let text = format!("is a {}: everything in it is deleted with it{}", key.kind(), request.dying(key, &going));
        problems.push(Problem::warning(Code::PruneGuard, text).of(key));
    }
    skipped.append(&mut left.skipped);
    skipped.extend(nodes.iter().filter_map(|node| match node.fate {
        Fate::Skip(reason) => Some(Skipped::new(node.key, reason)),
        Fate::InPlace | Fate::Do(_) => None,
    }));
    skipped.sort();
    let (steps, gates) = order::lay_out(&nodes, Graph::default(), Vec::new(), &removals, &mut problems);
    let revisions = desired.revisions.iter().map(|revision| revision.id.clone()).collect();
    let confirmed = removals.iter().filter_map(|removal| removal.confirmed.clone()).chain(allowed);
    let confirmed = left.confirmed(confirmed, &steps);
    if !is_stopped {
        let gone = skipped.iter().filter(|skipped| skipped.reason == SkipReason::NotServed);
        let asked = confirmed.iter().map(|confirmed| &confirmed.key).chain(gone.map(|skipped| &skipped.key));
        problems.extend(confirm::unasked(&request, asked));
    }
    problems.sort();
    problems.dedup();
    let contents = contents::contents(&request, &removals, &steps, &left.leftovers);
    let (leftovers, scope) = (left.leftovers, request.scope.clone());
    let empty = Plan::empty(context.owner);
    Plan { revisions, scope, confirmed, contents, steps, leftovers, gates, skipped, problems, ..empty }
}

/// The hooks of a deletion.
fn hook_nodes<'a>(desired: &'a DesiredState, request: &Request, problems: &mut Vec<Problem>) -> Vec<Node<'a>> {
    let mut nodes = Vec::new();
    for (key, declared) in &desired.declared {
        let of_deletion = |hook: &Hook| hook.phases.iter().any(|at| is_of_deletion(*at));
        let is_now = declared.options.hook.as_ref().is_some_and(of_deletion);
        let Some(work) = hooks::work(declared).filter(|_| is_now) else { continue };
        let fate = match request.hooks {
            HookRun::Never => Fate::Skip(SkipReason::HooksOff),
            _ if desired.is_held(key) => {
                problems.extend(desired.problems.iter().filter(|problem| problem.key.as_ref() == Some(key)).cloned());
                Fate::Skip(SkipReason::Held)
            }
            _ => Fate::Do(Box::new(work)),
        };
        nodes.push(Node::new(key, declared, fate, Intent::Delete));
    }
    nodes
}

fn is_of_deletion(phase: Phase) -> bool {
    matches!(phase, Phase::PreDelete | Phase::PostDelete)
}

/// Returns what goes, and what stays and why. Of what goes, those that nobody said yes to are `asking`.
fn removals<'a>(
    entries: Vec<Extra<'a>>,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
    request: &Request,
    asking: &mut BTreeMap<&'a ResourceKey, SkipReason>,
    problems: &mut Vec<Problem>,
) -> (Vec<Removal<'a>>, Vec<Skipped>) {
    let asker = Asker { policy, context, request };
    let (mut removals, mut skipped) = (Vec::new(), Vec::new());
    for (key, compared) in entries {
        match asker.fate(key, compared, desired.get(key), asking) {
            None => {}
            Some(Ok(removal)) => removals.push(removal),
            Some(Err(reason)) => {
                problems.extend(why_kept(key, reason).map(|problem| problem.of(key)));
                problems.extend(request.why_not_permitted(key).filter(|_| reason == SkipReason::NotPermitted));
                skipped.push(Skipped::new(key, reason));
            }
        }
    }
    (removals, skipped)
}

struct Asker<'a> {
    policy: &'a SyncPolicy,
    context: &'a Context<'a>,
    request: &'a Request,
}

impl Asker<'_> {
    fn fate<'c>(
        &self,
        key: &'c ResourceKey,
        compared: &'c Compared,
        declared: Option<&Declared>,
        asking: &mut BTreeMap<&'c ResourceKey, SkipReason>,
    ) -> Option<Result<Removal<'c>, SkipReason>> {
        // Held objects may be dying as well.
        let is_dying =
            compared.outcome == Outcome::Terminating || compared.live.as_ref().is_some_and(Resource::is_terminating);
        match compared.outcome {
            // Held, and looked for in vain, is missing as well.
            Outcome::Missing => return None,
            Outcome::Unknown(Why::Held) if compared.live.is_none() => return None,
            // What holds the ledger cannot outlive this operation.
            _ if is_dying && self.request.holds_ledger(key) => return Some(Err(SkipReason::Terminating)),
            _ if is_dying => return Some(Removal::under_way(key, compared, self.context, self.policy)),
            // What was never recorded was never created. Of what was, the kind may be back tomorrow, and its objects
            // with it (rule 29); unless a person says that they are gone.
            Outcome::Unknown(Why::UnknownKind) if self.context.inventory.get(key).is_none() => return None,
            Outcome::Unknown(Why::UnknownKind) => return Some(Err(SkipReason::NotServed)),
            Outcome::Unknown(_) if compared.live.is_none() => return Some(Err(SkipReason::Unknown)),
            _ => {}
        }
        let (Some(live), Some(requires)) = (&compared.live, as_seen(compared)) else {
            return Some(Err(SkipReason::Unknown));
        };
        let (options, wrong) = self.policy.options_of(live);
        let unreadable = wrong.iter().any(|problem| problem.severity == Severity::Blocks);
        if is_ledger(live) {
            return Some(Err(SkipReason::NotOurs));
        }
        if let Err(reason) = self.may_go(key, compared, &options, declared, unreadable) {
            return Some(Err(reason));
        }
        // What Git says and what was applied last both count; the more careful one wins.
        let said = declared.map_or(Permission::Default, |declared| declared.options.delete);
        let permissions = [options.delete, options.prune, said];
        let confirmed = match self.request.consent(live, &options, &permissions, self.policy, &compared.claim) {
            Consent::Given(confirmed) => Some(confirmed),
            Consent::NotAsked if confirm::is_adopted(&compared.claim, self.policy) => self.request.yes(key, &options),
            Consent::NotAsked => None,
            Consent::Missing => {
                asking.insert(key, SkipReason::DeleteUnconfirmed);
                None
            }
            Consent::MissingForRecord => {
                asking.insert(key, SkipReason::Rebuilt);
                None
            }
        };
        let wave = self.context.inventory.get(key).map_or(options.wave, |entry| entry.wave);
        // What is asked for now wins over the policy, and not over what the object says itself.
        let asked = self.request.scope.propagation;
        let said = options.propagation.filter(|_| asked.is_none() || policy::options(live).0.propagation.is_some());
        let propagation = said.or(asked).unwrap_or_default();
        let last = options.prune_last;
        let reason = Reason::Application;
        Some(Ok(Removal { key, live, requires, wave, last, propagation, options, reason, confirmed }))
    }

    fn may_go(
        &self,
        key: &ResourceKey,
        compared: &Compared,
        options: &Options,
        declared: Option<&Declared>,
        unreadable: bool,
    ) -> Result<(), SkipReason> {
        let claim = &compared.claim;
        let kept = |options: &Options| options.delete == Permission::Never;
        let stops = [
            (foreign(key, claim, self.context.owner).is_some(), SkipReason::NotOurs),
            (claim.owned, SkipReason::OwnedByAnother),
            (!claim.proves_ours(), SkipReason::NoProof),
            (self.request.not_permitted.contains_key(key), SkipReason::NotPermitted),
            (self.request.declared_elsewhere.contains_key(key), SkipReason::HandedOver),
            (self.request.unasked.is_some(), SkipReason::OthersUnknown),
            (unreadable, SkipReason::Held),
            (kept(options) || declared.is_some_and(|declared| kept(&declared.options)), SkipReason::DeleteForbidden),
            (options.role != Role::Resource, SkipReason::DeleteForbidden),
            (self.request.holds_ledger(key), SkipReason::HoldsLedger),
            (self.request.keeps_adopted(key, options, claim, self.policy), SkipReason::Adopted),
        ];
        stops.into_iter().find(|(stop, _)| *stop).map_or(Ok(()), |(_, reason)| Err(reason))
    }
}

fn why_kept(key: &ResourceKey, reason: SkipReason) -> Option<Problem> {
    let (text, hint) = match reason {
        SkipReason::DeleteForbidden => ("stays when the application is deleted, as its options say", ""),
        SkipReason::Adopted => {
            let hint = format!("if it is to go as well, confirm it by its name (`--confirm={}`)", confirm::name(key));
            return Some(Problem::note(Code::PruneGuard, "stays: it existed before this application").hint(hint));
        }
        SkipReason::HoldsLedger => ("stays: it holds the ledger of the application", "delete it by hand afterwards"),
        SkipReason::NoProof => {
            ("stays: nothing proves that it is ours to delete", "delete it by hand if nobody needs it")
        }
        _ => return None,
    };
    let problem = Problem::note(Code::PruneGuard, text);
    Some(if hint.is_empty() { problem } else { problem.hint(hint) })
}

/// Returns what must be known or said before anything of an application is deleted. To delete most of it, and then to
/// forget it, would leave objects that are nobody's.
fn obstacles(
    nodes: &[Node<'_>],
    skipped: &[Skipped],
    going: &BTreeSet<&ResourceKey>,
    desired: &DesiredState,
    context: &Context<'_>,
    request: &Request,
) -> Vec<Problem> {
    let of = |reason| skipped.iter().filter(move |skipped| skipped.reason == reason).map(|skipped| &skipped.key);
    let first = |reason| skipped.iter().find(|skipped| skipped.reason == reason).map(|skipped| &skipped.key);
    let mut obstacles = Vec::new();
    if context.inventory.trust == Trust::Lost {
        let text = "nothing is deleted: there is no record of what was applied here";
        obstacles.push(Problem::blocks(Code::PruneGuard, text).hint("sync once, which writes one; then delete"));
    }
    if let Some(key) = first(SkipReason::Unknown) {
        let text = "nothing is deleted: whether it is there cannot be told";
        let hint = "see to it that it can be read, then delete again";
        obstacles.push(Problem::blocks(Code::UnreadableLive, text).of(key).hint(hint));
    }
    if let Some(why) = &request.unasked {
        let text = format!("nothing is deleted: what other applications declare is not known yet: {why}");
        obstacles.push(Problem::blocks(Code::PruneGuard, text).hint("it goes on once they were read"));
    }
    for (key, other) in of(SkipReason::HandedOver).filter_map(|key| request.declared_elsewhere.get_key_value(key)) {
        let text = format!("nothing is deleted: application `{other}` declares it as well, and takes it over first");
        let hint = format!("sync `{other}`, or take the object out of it");
        obstacles.push(Problem::blocks(Code::NotOurs, text).of(key).hint(hint));
    }
    for key in of(SkipReason::Held) {
        let text = "nothing is deleted: its annotations cannot be read, so that nobody knows whether it may go";
        let hint = "correct them on the cluster, or delete it by hand, then delete again";
        obstacles.push(Problem::blocks(Code::PruneGuard, text).of(key).hint(hint));
    }
    for key in of(SkipReason::NotServed).filter(|key| !request.confirms_by_name(key)) {
        let text = "nothing is deleted: its kind is not served now, so that nobody knows whether it is there";
        let hint = format!(
            "see to it that the kind is served; if it is gone for good, name it (`--confirm={}`)",
            confirm::name(key)
        );
        obstacles.push(Problem::blocks(Code::UnreadableLive, text).of(key).hint(hint));
    }
    obstacles.extend(lost_records(&of(SkipReason::Rebuilt).collect::<Vec<_>>()));
    for unconfirmed in skipped.iter().filter(|skipped| skipped.reason == SkipReason::DeleteUnconfirmed) {
        let text = if is_container(&unconfirmed.key) {
            let dying = request.dying(&unconfirmed.key, going);
            format!("nothing is deleted: all that is in this {} would go with it{dying}", unconfirmed.key.kind())
        } else {
            "nothing is deleted: the deletion of this object must be confirmed".to_owned()
        };
        let hint = "confirm it (`gitops delete --confirm`), or keep it with the option `Delete=false`";
        obstacles.push(Problem::blocks(Code::PruneGuard, text).of(&unconfirmed.key).hint(hint));
    }
    let runs_hooks = request.hooks != HookRun::Never;
    let held = nodes.iter().any(|node| matches!(node.fate, Fate::Skip(SkipReason::Held)));
    if runs_hooks && (desired.completeness == Completeness::Partial || held) {
        let text = "nothing is deleted: which hooks run before and after cannot be told";
        let hint = "solve the problems of the source first, or delete without hooks (`--no-hooks`)";
        obstacles.push(Problem::blocks(Code::IncompleteSource, text).hint(hint));
    }
    obstacles
}

/// One problem for all that was recorded anew after the record was lost: there are as many as the application has objects.
fn lost_records(keys: &[&ResourceKey]) -> Option<Problem> {
    let count = match keys.len() {
        0 => return None,
        1 => "1 object".to_owned(),
        many => format!("{many} objects"),
    };
    let named = contents::named(keys);
    let text = format!(
        "nothing is deleted: the record of the application was lost, so that {count} may have been here before: {named}"
    );
    let hint = "confirm that they go (`gitops delete --confirm`), or keep them with the option `Delete=false`";
    Some(Problem::blocks(Code::PruneGuard, text).hint(hint))
}
