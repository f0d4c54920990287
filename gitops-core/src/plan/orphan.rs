//! Objects that are let go and stay: our mark and our ownership leave them. Rule 32 of the exact rules. Either all of an
//! application that ends, of which the ledger goes last, by the machine; or some of one that goes on.

use std::collections::BTreeMap;

use crate::diff::{self, Compared, Comparison, Context, Outcome, Why};
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::state::{DesiredState, Trust};

use super::build::{as_seen, at};
use super::{Action, Format, Impact, Intent, Plan, Reason, Request, SkipReason, Skipped, Step, StepId, select};
use crate::policy::Phase;

/// Plans that objects are let go. Where any object of an application that ends cannot be read nothing is done: what keeps
/// our mark once the ledger is gone would be known to nobody.
pub(super) fn plan(comparison: &Comparison, desired: &DesiredState, context: &Context<'_>, request: Request) -> Plan {
    if request.scope.intent == Intent::Release {
        return release(comparison, desired, context, request);
    }
    let mut plan = Plan::empty(context.owner);
    let known = comparison.entries.iter().map(|(key, compared)| (key, &**compared));
    let of_hooks = request.hook_objects.seen.iter();
    let all: BTreeMap<&ResourceKey, &Compared> = of_hooks.chain(known).collect();
    for (key, compared) in all {
        match fate(key, compared, Reason::Application, context) {
            Fate::Nothing => {}
            Fate::Skip(reason) => plan.skipped.push(Skipped::new(key, reason)),
            Fate::Orphan(step) => {
                let id = StepId(u32::try_from(plan.steps.len()).unwrap_or(u32::MAX));
                plan.steps.push(Step { id, ..*step });
            }
        }
    }
    plan.problems = obstacles(&plan.skipped, context, &request);
    let is_stopped = !plan.problems.is_empty();
    plan.problems.extend(missing(comparison, context));
    plan.problems.sort();
    if is_stopped {
        plan.skipped.extend(plan.steps.drain(..).map(|step| Skipped::new(&step.key, SkipReason::Guarded)));
        plan.skipped.sort();
    }
    Plan { format: Format::V2, scope: request.scope, ..plan }
}

/// Plans that some objects are let go.
fn release(comparison: &Comparison, desired: &DesiredState, context: &Context<'_>, request: Request) -> Plan {
    let mut plan = Plan::empty(context.owner);
    let live = comparison.entries.iter().map(|(key, compared)| (key, compared.live.as_ref()));
    let resources = desired.declared.iter().filter(|(_, of)| of.options.is_resource());
    let known = live.chain(resources.map(|(key, of)| (key, Some(&of.resource))));
    plan.problems = select::unmatched(&request, known);
    for (key, compared) in &comparison.entries {
        let declared = desired.get(key);
        let object = declared.map(|declared| &declared.resource).or(compared.live.as_ref());
        if !request.chooses(key, object) {
            continue;
        }
        match fate(key, compared, Reason::Released, context) {
            Fate::Nothing => {
                let text = "is not let go: nothing on the cluster says that it is of this application";
                plan.problems.push(Problem::note(Code::NotOurs, text).of(key));
            }
            Fate::Skip(reason) => plan.skipped.push(Skipped::new(key, reason)),
            Fate::Orphan(step) => {
                let id = StepId(u32::try_from(plan.steps.len()).unwrap_or(u32::MAX));
                plan.steps.push(Step { id, ..*step });
                if let Some(declared) = declared {
                    let text = "is still declared, so that the next sync takes it again";
                    let problem = Problem::warning(Code::NotOurs, text).of(key);
                    plan.problems.push(at(declared, problem.hint("drop it from the source before that")));
                }
            }
        }
    }
    plan.skipped.sort();
    plan.problems.sort();
    let revisions = desired.revisions.iter().map(|revision| revision.id.clone()).collect();
    Plan { format: Format::V2, revisions, scope: request.scope, ..plan }
}

enum Fate {
    /// Nothing on it says that it is ours.
    Nothing,
    Skip(SkipReason),
    Orphan(Box<Step>),
}

fn fate(key: &ResourceKey, compared: &Compared, reason: Reason, context: &Context<'_>) -> Fate {
    let is_recorded = context.inventory.get(key).is_some();
    let Some(live) = &compared.live else {
        return match compared.outcome {
            Outcome::Missing => Fate::Nothing,
            // What was never recorded was never created.
            Outcome::Unknown(Why::UnknownKind) if !is_recorded => Fate::Nothing,
            Outcome::Unknown(Why::UnknownKind) => Fate::Skip(SkipReason::NotServed),
            _ => Fate::Skip(SkipReason::Unknown),
        };
    };
    if live.is_terminating() {
        return Fate::Skip(SkipReason::Terminating);
    }
    if diff::orphan(live, context).is_none() {
        let is_ours = compared.claim.tracked || compared.claim.applied;
        return if is_ours { Fate::Skip(SkipReason::Unknown) } else { Fate::Nothing };
    }
    let Some(requires) = as_seen(compared) else { return Fate::Skip(SkipReason::Unknown) };
    Fate::Orphan(Box::new(Step {
        id: StepId(0),
        key: key.clone(),
        version: live.version().into(),
        phase: Phase::Sync,
        wave: 0,
        action: Action::Orphan,
        requires,
        after: Vec::new(),
        reason,
        impact: Impact::Ownership,
        recreate: None,
        trial: None,
    }))
}

/// Says which recorded objects are not there, so that they cannot stay: they were never created, somebody deleted them, or
/// an operation that was interrupted did, to create them again.
fn missing(comparison: &Comparison, context: &Context<'_>) -> Vec<Problem> {
    let entries = context.inventory.entries.keys();
    let is_missing = |key: &&ResourceKey| comparison.get(key).is_none_or(|found| found.outcome == Outcome::Missing);
    let missing = entries.filter(is_missing).map(|key| {
        let text = "is recorded and not there, so it does not stay: it was deleted, or is still to be created";
        Problem::warning(Code::NotFound, text).of(key).hint("sync first, where it is to stay")
    });
    missing.collect()
}

/// Returns what must be known before anything is let go.
fn obstacles(skipped: &[Skipped], context: &Context<'_>, request: &Request) -> Vec<Problem> {
    let mut obstacles = Vec::new();
    if context.inventory.trust == Trust::Lost {
        let text = "nothing is let go: there is no record of what was applied here";
        obstacles.push(Problem::blocks(Code::PruneGuard, text).hint("sync once, which writes one; then try again"));
    }
    for skipped in skipped {
        let (text, hint) = match skipped.reason {
            SkipReason::Unknown => (
                "nothing is let go: it, or who owns its fields, cannot be read",
                "see to it that it can be read, then try again",
            ),
            SkipReason::NotServed if !request.confirms_by_name(&skipped.key) => (
                "nothing is let go: its kind is not served now, so that nobody knows whether it is there",
                "see to it that the kind is served, or confirm by its name that it is gone for good",
            ),
            _ => continue,
        };
        obstacles.push(Problem::blocks(Code::UnreadableLive, text).of(&skipped.key).hint(hint));
    }
    obstacles
}
