//! Which objects that others hold become ours: nothing but who owns what changes. Rules 20, 21 and 32 of the exact rules.

use std::collections::BTreeMap;

use crate::diff::{self, Compared, Comparison, Context, Outcome, Repair};
use crate::policy::Role;
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};
use crate::state::{Declared, DesiredState, Tool, Tracking};

use super::build::{as_seen, at, foreign};
use super::{Action, Format, Impact, Plan, Reason, Request, SkipReason, Skipped, Step, StepId, adopt, select};
use crate::policy::Phase;

/// Plans that declared objects become ours which others give away: see [`Inventory::receiving`]. What others keep is
/// left alone, and it is said who they are. Nothing is created, applied or deleted.
///
/// [`Inventory::receiving`]: crate::state::Inventory::receiving
pub(super) fn plan(comparison: &Comparison, desired: &DesiredState, context: &Context<'_>, request: Request) -> Plan {
    let mut plan = Plan::empty(context.owner);
    plan.problems = desired.problems.iter().chain(&comparison.problems).cloned().collect();
    let resources = desired.declared.iter().filter(|(_, of)| of.options.is_resource());
    plan.problems.extend(select::unmatched(&request, resources.map(|(key, of)| (key, Some(&of.resource)))));
    let (mut kept, mut taken) = (BTreeMap::<String, Vec<&ResourceKey>>::new(), BTreeMap::new());
    let chosen = desired.declared.iter().filter(|(key, of)| request.chooses(key, Some(&of.resource)));
    for (key, declared) in chosen.filter(|(_, of)| of.options.role == Role::Resource) {
        let fate = match desired.is_held(key) {
            true => Fate::Skip(SkipReason::Held),
            false => fate(key, declared, comparison.get(key), context),
        };
        match fate {
            Fate::Nothing => {}
            Fate::Skip(reason) => plan.skipped.push(Skipped::new(key, reason)),
            Fate::Foreign(tracking) => {
                plan.skipped.push(Skipped::new(key, SkipReason::NotOurs));
                let live = comparison.get(key).and_then(|compared| compared.live.as_ref());
                plan.problems.push(at(declared, adopt::hinted(tracking, live, context.owner).of(key)));
            }
            Fate::Kept(holder) => {
                plan.skipped.push(Skipped::new(key, SkipReason::NotAdopted));
                kept.entry(holder).or_default().push(key);
            }
            Fate::Take(step) => {
                let id = StepId(u32::try_from(plan.steps.len()).unwrap_or(u32::MAX));
                plan.steps.push(Step { id, wave: declared.options.wave, ..*step });
                if let Some(live) = comparison.get(key).and_then(|compared| compared.live.as_ref())
                    && let Some(tool) = Tool::holding(live)
                    && (tool != Tool::ArgoCd || !is_apps(live, context))
                {
                    taken.entry(tool.holder(live)).or_insert((tool, key));
                }
            }
        }
    }
    plan.problems.extend(kept.iter().filter_map(|(holder, keys)| told(holder, keys)));
    plan.problems.extend(taken.iter().filter_map(|(holder, (tool, key))| {
        let (does, hint) = tool.caution()?;
        Some(Problem::warning(Code::NotOurs, format!("{holder} {does}")).of(key).hint(hint))
    }));
    plan.skipped.sort();
    plan.problems.sort();
    plan.problems.dedup();
    let revisions = desired.revisions.iter().map(|revision| revision.id.clone()).collect();
    Plan { format: Format::V2, revisions, scope: request.scope, ..plan }
}

enum Fate<'c> {
    /// It is ours, or not there.
    Nothing,
    Skip(SkipReason),
    /// Another application has it.
    Foreign(&'c Tracking),
    /// Somebody has it from whom nothing was to be taken.
    Kept(String),
    Take(Box<Step>),
}

fn fate<'c>(key: &ResourceKey, declared: &Declared, compared: Option<&'c Compared>, context: &Context<'_>) -> Fate<'c> {
    let Some(compared) = compared else { return Fate::Skip(SkipReason::Unknown) };
    let Some(live) = &compared.live else {
        let is_absent = matches!(compared.outcome, Outcome::Missing);
        return if is_absent { Fate::Nothing } else { Fate::Skip(SkipReason::Unknown) };
    };
    if live.is_terminating() {
        return Fate::Skip(SkipReason::Terminating);
    }
    let is_received = context.inventory.receives(live).is_some();
    // What is left of an earlier time, as after a crash between two patches, is put right with it.
    let is_due = compared.claim.tracked && !compared.repairs.is_empty();
    if !is_received && !is_due {
        if let Some(tracking) = foreign(key, &compared.claim, context.owner) {
            return Fate::Foreign(tracking);
        }
        let holder = Tool::holding(live).filter(|_| !compared.claim.tracked);
        return holder.map_or(Fate::Nothing, |tool| Fate::Kept(tool.holder(live)));
    }
    // Who owns which fields cannot be read, so neither can they change hands.
    let is_readable = diff::repair(&declared.resource, live, context, compared.scaled()).is_some();
    let Some(requires) = as_seen(compared).filter(|_| is_readable) else { return Fate::Skip(SkipReason::Unknown) };
    Fate::Take(Box::new(Step {
        id: StepId(0),
        key: key.clone(),
        version: declared.resource.version().into(),
        phase: Phase::Sync,
        wave: 0,
        action: Action::Own { repairs: repairs(compared) },
        requires,
        after: Vec::new(),
        reason: if is_received { Reason::Adopt } else { Reason::Claim },
        impact: Impact::Ownership,
        recreate: None,
        trial: None,
    }))
}

/// Whether what says that it is Argo CD's was written by another application of ours.
fn is_apps(live: &Resource, context: &Context<'_>) -> bool {
    Tracking::of(live).is_some_and(|id| id.is_of_another_app(live, context.owner))
}

/// What changes in who owns what, all of it: no replace follows that would make any of it needless.
fn repairs(compared: &Compared) -> Vec<Repair> {
    let fields = compared.releases.to_vec();
    let released = (!fields.is_empty()).then_some(Repair::Release { fields });
    let mut repairs: Vec<Repair> = compared.repairs.iter().cloned().chain(released).collect();
    repairs.sort();
    repairs
}

/// Says of a holder what it keeps, once for all of it.
fn told(holder: &str, keys: &[&ResourceKey]) -> Option<Problem> {
    let (first, more) = (keys.first()?, keys.len().saturating_sub(1));
    let text = match more {
        0 => format!("is held by {holder}, which keeps it"),
        _ => format!("and {more} more are held by {holder}, which keeps them"),
    };
    Some(Problem::note(Code::NotOurs, text).of(first).hint("say from which tool to take over"))
}
