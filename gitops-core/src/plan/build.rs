//! Which steps a plan has.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::diff::{Change, Claim, Compared, Comparison, Context, Outcome, Prediction, Repair, Why};
use crate::policy::{Hook, Phase, Role, SyncPolicy, Verb};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Declared, DesiredState, Inventory, Owner, Tracking};

use super::hooks::{self, Asker, settle};
use super::node::{Fate, Node, Work};
use super::{
    Action, Extent, HookRun, Impact, Intent, Payload, Plan, Precondition, Reason, Request, SkipReason, Skipped, adopt,
    awaiting, budget, confirm, contents, delete, depend, held, impact, leftover, order, orphan, prune, recreate,
    select, take, trial,
};

/// Decides what an operation will do: a sync, or with [`Intent::Delete`] the deletion of the application. Total: what
/// cannot be decided is skipped with a reason.
///
/// - A declared object that is missing is created, one that differs is applied; one that is in sync has no step.
/// - An object that a problem holds back has no step, nor has what must follow it: the contents of its namespace, the
///   custom resources of its CRD, what names it as a dependency, and the hooks after the sync. Later waves go on. A hook
///   that is held back holds back the waves and phases that follow its own, as if it had failed; one before the sync
///   everything.
/// - What `request` does not ask for is left alone; of what it asks for, nothing is done that needs more.
/// - Hooks run when anything else is done, unless `request` says otherwise; so a sync of an application that is in sync
///   writes nothing.
/// - An object that is no longer declared is deleted only by rules 26 to 31 of the exact rules, after everything that
///   is declared was applied and is healthy.
#[must_use]
pub fn plan(
    comparison: &Comparison,
    desired: &DesiredState,
    policy: &SyncPolicy,
    context: &Context<'_>,
    request: impl Into<Request>,
) -> Plan {
    let request = request.into();
    let desired = &*desired.as_heir(&policy.sync_options);
    match request.scope.intent {
        Intent::Delete => return delete::plan(comparison, desired, policy, context, request),
        Intent::Orphan | Intent::Release => return orphan::plan(comparison, desired, context, request),
        Intent::Adopt => return take::plan(comparison, desired, context, request),
        Intent::Sync => {}
    }
    let runs = request.hooks;
    let mut problems: Vec<Problem> = desired.problems.iter().chain(&comparison.problems).cloned().collect();
    let judge = Judge { owner: context.owner, inventory: context.inventory, policy, request: &request };
    let (mut nodes, extras) = decided(comparison, desired, &judge, &mut problems);
    let declared = nodes.iter().map(|node| (node.key, Some(&node.declared.resource)));
    let known = declared.chain(extras.iter().map(|(key, extra)| (*key, extra.live.as_ref())));
    problems.extend(select::unmatched(&request, known));
    let absent = select::narrow(&mut nodes, &request);
    let (mut removals, mut skipped) =
        prune::removals(&extras, comparison, desired, policy, context, &request, &mut problems);
    adopt::leave_unclaimed(&mut nodes, comparison, policy, context.inventory, &mut problems);
    let stops = adopt::stop_at_shared(&mut nodes, policy);
    if stops {
        prune::keep(&mut removals, &mut skipped, SkipReason::StopsAtShared);
    }
    rest_if_idle(&mut nodes, &removals, runs);
    prune::leave_to_go(&mut removals, &mut skipped, &nodes);
    awaiting::add(&mut nodes, comparison, deletes(&removals), &request);
    let asker = Asker::new(desired, comparison, policy, context, &request);
    let allowed = settle(&mut nodes, &asker, &mut problems);
    let mut left = leftover::decide(&mut nodes, &asker, &mut problems);
    let (graph, loose) = depend::connect(&nodes, Verb::Upsert);
    depend::report(&mut nodes, loose, &mut problems);
    let providers_first = depend::sort(&graph, &mut nodes, &mut problems);
    select::hold(&graph, &mut nodes, &providers_first, absent.clone());
    held::hold(&graph, &mut nodes, &providers_first);
    budget::ration(&mut nodes, policy, comparison, &graph, &providers_first);
    held::hold(&graph, &mut nodes, &providers_first);
    while held::hold_unanswered(&mut nodes, &absent) || held::hold_after_hooks(&mut nodes) {
        held::hold(&graph, &mut nodes, &providers_first);
    }
    let stops = stops || held::stopped_by_hook(&nodes);
    if stops {
        left.stop(SkipReason::FollowsHeld);
    }
    if stops || held::leaves_undone(&nodes) {
        prune::keep(&mut removals, &mut skipped, SkipReason::FollowsHeld);
    }
    held::hold_phases(&mut nodes);
    prune::leave_to_go(&mut removals, &mut skipped, &nodes);
    rest_if_idle(&mut nodes, &removals, runs);
    left.settle(&nodes);
    awaiting::add_needed(&mut nodes, comparison, &graph, &providers_first, &request);
    skipped.append(&mut left.skipped);
    skipped.extend(nodes.iter().filter_map(|node| match node.fate {
        Fate::Skip(reason) => Some(Skipped::new(node.key, reason)),
        Fate::InPlace | Fate::Do(_) => None,
    }));
    skipped.sort();
    let (mut steps, gates) = order::lay_out(&nodes, graph, providers_first, &removals, &mut problems);
    trial::mark(&mut steps, comparison, desired, policy);
    let revisions = desired.revisions.iter().map(|revision| revision.id.clone()).collect();
    let recreated = nodes.iter().filter_map(|node| recreate::confirmed(node, comparison, policy, &request));
    let confirmed = removals.iter().filter_map(|removal| removal.confirmed.clone()).chain(recreated).chain(allowed);
    let confirmed = left.confirmed(confirmed, &steps);
    // An older revision asks for whatever goes.
    let older = extras.iter().map(|(key, _)| *key).filter(|_| request.newer.is_some());
    problems.extend(confirm::unasked(&request, confirmed.iter().map(|confirmed| &confirmed.key).chain(older)));
    problems.sort();
    problems.dedup();
    let contents = contents::contents(&request, &removals, &steps, &left.leftovers);
    let (leftovers, scope) = (left.leftovers, request.scope);
    let empty = Plan::empty(context.owner);
    Plan { revisions, scope, confirmed, contents, steps, leftovers, gates, skipped, problems, ..empty }
}

/// Whether anything is deleted that is not being deleted already.
fn deletes(removals: &[prune::Removal<'_>]) -> bool {
    removals.iter().any(|removal| !removal.is_under_way())
}

/// Takes out the hooks where there is nothing else to do, and what changes no value (rule 11 of the exact rules).
fn rest_if_idle(nodes: &mut [Node<'_>], removals: &[prune::Removal<'_>], hooks: HookRun) {
    let only = |work: &Work, reasons: &[Reason]| reasons.contains(&work.reason);
    let rests = |work: &Work| only(work, &[Reason::Claim, Reason::Unwell]);
    let is_busy = |node: &Node<'_>| node.is_resource() && node.work().is_some_and(|work| !rests(work));
    if hooks == HookRun::Always || deletes(removals) || nodes.iter().any(is_busy) {
        return;
    }
    let claims = |node: &Node<'_>| node.is_resource() && node.work().is_some_and(|work| only(work, &[Reason::Claim]));
    let stays = |node: &Node<'_>| hooks == HookRun::NewRevision && claims(node);
    nodes.iter_mut().filter(|node| node.work().is_some() && !stays(node)).for_each(|node| node.fate = Fate::InPlace);
}

/// Decides on every declared object, and returns what was compared and is not declared.
///
/// Both are sorted by key; walking them side by side costs one comparison per object.
fn decided<'a>(
    comparison: &'a Comparison,
    desired: &'a DesiredState,
    judge: &Judge<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<Node<'a>>, Vec<prune::Extra<'a>>) {
    let (mut nodes, mut extras) = (Vec::with_capacity(desired.declared.len()), Vec::new());
    let mut entries = comparison.entries.rows().peekable();
    for (key, declared) in &desired.declared {
        let mut found = None;
        while let Some(row) = entries.peek().copied().filter(|_| found.is_none()) {
            match row.key.cmp(key) {
                Ordering::Less => extras.push((&row.key, &*row.compared)),
                Ordering::Equal => found = Some(row),
                Ordering::Greater => break,
            }
            entries.next();
        }
        let held = desired.is_held(key);
        let compared = found.map(|row| &*row.compared);
        // Most often there is nothing to do, and nothing more need be read to know.
        let at_rest = !held && declared.options.is_resource() && found.is_some_and(|row| row.is_at_rest);
        let mut fate = if at_rest { Fate::InPlace } else { judge.decide(key, declared, compared, held, problems) };
        if let (Extent::Everything, Fate::InPlace, Some(compared)) = (judge.request.scope.extent, &fate, compared) {
            fate = judge.again(key, declared, compared);
        }
        nodes.push(Node::new(key, declared, fate, Intent::Sync));
    }
    extras.extend(entries.map(|row| (&row.key, &*row.compared)));
    (nodes, extras)
}

/// Who decides on objects, and by what.
struct Judge<'a> {
    owner: &'a Owner,
    inventory: &'a Inventory,
    policy: &'a SyncPolicy,
    request: &'a Request,
}

impl Judge<'_> {
    fn decide(
        &self,
        key: &ResourceKey,
        declared: &Declared,
        compared: Option<&Compared>,
        held: bool,
        problems: &mut Vec<Problem>,
    ) -> Fate {
        if held {
            return Fate::Skip(SkipReason::Held);
        }
        match declared.options.role {
            Role::Ignored => return Fate::Skip(SkipReason::Ignored),
            Role::Hook => return hook(declared),
            Role::Resource => {}
        }
        let Some(compared) = compared else { return Fate::Skip(SkipReason::Unknown) };
        match &compared.outcome {
            Outcome::Synced => match self.not_ours(key, declared, compared, problems) {
                // It has all that we would write, and is another's all the same: an installation of no name writes none.
                Some(fate) => fate,
                None => claims(declared, compared),
            },
            Outcome::Missing => missing(declared),
            // Something that is applied before will bring the kind (rule 34 of the exact rules).
            Outcome::Unknown(Why::UnknownKind) if declared.options.skip_dry_run_on_missing_resource => {
                missing(declared)
            }
            Outcome::OutOfSync(_) if adopt::is_only_received(declared, compared, self.inventory) => received(compared),
            Outcome::OutOfSync(_) if declared.options.create_only => Fate::Skip(SkipReason::CreateOnly),
            Outcome::OutOfSync(changes) => match self.not_ours(key, declared, compared, problems) {
                Some(fate) => fate,
                None => self.differs(key, declared, compared, changes, problems),
            },
            // We were about to create it again, or Git has changed its mind since: it goes first (rules 12 and 37).
            Outcome::Terminating if self.deletes(key, compared) => {
                let text = "is being deleted; this is waited for, and then it is created again";
                problems.push(at(declared, Problem::note(Code::Terminating, text).of(key)));
                missing(declared)
            }
            Outcome::Terminating => {
                let text = "is being deleted; once it is gone, the next sync creates it again";
                problems.push(at(declared, Problem::note(Code::Terminating, text).of(key)));
                Fate::Skip(SkipReason::AwaitsDeletion)
            }
            Outcome::Unknown(Why::UnknownKind | Why::Held) => Fate::Skip(SkipReason::Held),
            // `Extra` is never said of a declared object.
            Outcome::Unknown(Why::Unreadable(_) | Why::NotLooked) | Outcome::Extra => Fate::Skip(SkipReason::Unknown),
        }
    }

    /// Whether it is an operation of ours, which was interrupted, that deletes an object.
    fn deletes(&self, key: &ResourceKey, compared: &Compared) -> bool {
        let uid = compared.live.as_ref().and_then(Resource::uid);
        self.inventory.get(key).is_some_and(|entry| entry.is_deleting(uid))
    }

    /// Leaves alone what is another application's.
    fn not_ours(
        &self,
        key: &ResourceKey,
        declared: &Declared,
        compared: &Compared,
        problems: &mut Vec<Problem>,
    ) -> Option<Fate> {
        let tracking = adopt::foreign(key, compared, self.owner, self.inventory)?;
        problems.push(at(declared, adopt::hinted(tracking, compared.live.as_ref(), self.owner).of(key)));
        Some(Fate::Skip(SkipReason::NotOurs))
    }

    /// Applies what is in sync once more.
    fn again(&self, key: &ResourceKey, declared: &Declared, compared: &Compared) -> Fate {
        if declared.options.create_only {
            return Fate::Skip(SkipReason::CreateOnly);
        }
        match self.differs(key, declared, compared, &[], &mut Vec::new()) {
            Fate::Do(work) => Fate::Do(Box::new(Work { reason: Reason::Asked, impact: Impact::Rewrites, ..*work })),
            fate => fate,
        }
    }

    fn differs(
        &self,
        key: &ResourceKey,
        declared: &Declared,
        compared: &Compared,
        changes: &[Change],
        problems: &mut Vec<Problem>,
    ) -> Fate {
        let Some(requires) = as_seen(compared) else { return Fate::Skip(SkipReason::Unknown) };
        let payload = payload(declared);
        if let Some(fixed) = recreate::fixed(compared) {
            let allowed = recreate::allowed(&declared.options);
            let seen = compared.live.as_ref().map(|live| (live, &compared.claim));
            let instead = recreate::instead(key, allowed, self.policy, &declared.options, seen);
            let instead = instead.or_else(|| recreate::unasked(declared, compared, self.policy, self.request));
            let Some(instead) = instead else {
                let propagation = declared.options.propagation.unwrap_or_default();
                let (action, impact) = (Action::Recreate { payload, propagation }, Impact::Recreates);
                return Fate::Do(Box::new(Work {
                    action,
                    requires,
                    reason: Reason::Differs,
                    impact,
                    repairs: Vec::new(),
                }));
            };
            problems.push(at(declared, recreate::problem(key, &fixed, instead)));
        }
        let replace = declared.options.replace;
        let repairs = repairs(declared, compared);
        let action = if replace { Action::Replace { payload } } else { Action::Apply { payload } };
        let claimed = compared.claim.is_ours();
        let reason = if !claimed && changes.iter().all(impact::is_stamp) { Reason::Adopt } else { Reason::Differs };
        let impact = impact::of(&declared.resource, changes);
        Fate::Do(Box::new(Work { action, requires, reason, impact, repairs }))
    }
}

fn missing(declared: &Declared) -> Fate {
    Fate::Do(Box::new(Work {
        action: Action::Create { payload: payload(declared) },
        requires: Precondition::Absent,
        reason: Reason::Missing,
        impact: Impact::Creates,
        repairs: Vec::new(),
    }))
}

/// What another application gives us, and is not applied in the same step.
fn received(compared: &Compared) -> Fate {
    let Some(requires) = as_seen(compared) else { return Fate::Skip(SkipReason::Unknown) };
    let (action, impact) = (Action::Own { repairs: compared.repairs.to_vec() }, Impact::Ownership);
    Fate::Do(Box::new(Work { action, requires, reason: Reason::Differs, impact, repairs: Vec::new() }))
}

fn hook(declared: &Declared) -> Fate {
    let runs = |hook: &Hook| hook.phases.iter().any(|phase| *phase <= Phase::SyncFail);
    let is_now = declared.options.hook.as_ref().is_some_and(runs);
    let work = hooks::work(declared).filter(|_| is_now);
    work.map_or(Fate::Skip(SkipReason::NotThisPhase), |work| Fate::Do(Box::new(work)))
}

/// What is as declared and not ours alone: a later removal would not work, or an apply remove what is left alone.
fn claims(declared: &Declared, compared: &Compared) -> Fate {
    let options = &declared.options;
    let due = compared.predicted == Prediction::Claim || !compared.releases.is_empty() || !compared.repairs.is_empty();
    if !due || options.create_only || options.replace {
        return Fate::InPlace;
    }
    let Some(requires) = as_seen(compared) else { return Fate::InPlace };
    let repairs = repairs(declared, compared);
    let (action, repairs) = match compared.predicted {
        Prediction::Claim => (Action::Apply { payload: payload(declared) }, repairs),
        _ => (Action::Own { repairs }, Vec::new()),
    };
    Fate::Do(Box::new(Work { action, requires, reason: Reason::Claim, impact: Impact::Ownership, repairs }))
}

/// What changes first in who owns what. A replaced object needs only entries that the server can read.
fn repairs(declared: &Declared, compared: &Compared) -> Vec<Repair> {
    let mut repairs = compared.repairs.to_vec();
    if declared.options.replace {
        repairs.retain(|repair| matches!(repair, Repair::Rewrite { .. }));
    } else if !compared.releases.is_empty() {
        repairs.push(Repair::Release { fields: compared.releases.to_vec() });
    }
    repairs.sort();
    repairs
}

/// Demands the object that the decision was made on.
pub(super) fn as_seen(compared: &Compared) -> Option<Precondition> {
    let uid = compared.live.as_ref()?.uid()?.into();
    Some(Precondition::Present { uid, facts: compared.facts? })
}

/// Returns the tracking id of another owner.
///
/// An id that was copied along with an object names another object and claims nothing (Argo CD's self-reference rule).
/// The API group is left out: an object keeps its id when its kind moves to another group.
pub(super) fn foreign<'c>(key: &ResourceKey, claim: &'c Claim, owner: &Owner) -> Option<&'c Tracking> {
    let tracking = claim.tracking.as_ref()?;
    let of = &tracking.key;
    let same =
        of.kind() == key.kind() && of.name == key.name && (key.namespace.is_none() || of.namespace == key.namespace);
    (same && !owner.is(tracking)).then_some(tracking)
}

pub(super) fn at(declared: &Declared, problem: Problem) -> Problem {
    match &declared.origin {
        Some(origin) => problem.at(origin),
        None => problem,
    }
}

/// Secrets leave no digest: that of a guessable secret would tell it (rule 39 of the exact rules).
pub(super) fn payload(declared: &Declared) -> Payload {
    if !declared.resource.key().is("", "Secret") {
        return Payload::Digest(declared.resource.intent());
    }
    match &declared.origin {
        Some(origin) => {
            Payload::Declared { source: origin.source, file: Arc::clone(&origin.file), document: origin.document }
        }
        None => Payload::Opaque,
    }
}
