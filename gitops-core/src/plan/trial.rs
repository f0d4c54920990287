//! Which steps are tried by a dry run before they are written, and when. Rule 33 of the exact rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diff::{Compared, Comparison, Evidence, Note, Outcome};
use crate::policy::{Phase, SyncPolicy, Validate};
use crate::resource::{GroupKind, ResourceKey};
use crate::state::DesiredState;

use super::depend::defines;
use super::{Action, Plan, Step, StepId};

/// When and how a step is tried before it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Trial {
    /// When: with what it is refused together.
    pub when: When,
    /// How.
    pub dry_run: DryRun,
}

/// When a step is tried. What is tried together is written or refused together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all")]
pub enum When {
    /// Before anything is written.
    First,
    /// Before anything of its wave is written.
    Wave,
    /// Once these steps of its wave are done, before anything else that waits for the same ones is written: they make the
    /// namespace that it lives in, or its kind.
    Once(Vec<StepId>),
}

/// How a step is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a driver must know all")]
pub enum DryRun {
    /// By a dry run, when it is time.
    Due,
    /// By the dry run of the comparison: the cluster has said that it would take it.
    Answered,
    /// Not at all: its options say so, or a dry run would tell nothing of it.
    Skipped,
}

/// A place in the order of an operation.
type Place = (Phase, i32);

/// What this plan makes, and others live in.
#[derive(Default)]
struct Makes<'a> {
    namespaces: BTreeMap<&'a str, (StepId, Place)>,
    kinds: BTreeMap<GroupKind, (StepId, Place)>,
}

impl<'a> Makes<'a> {
    fn of(steps: &'a [Step], desired: &DesiredState) -> Self {
        let mut makes = Self::default();
        for step in steps {
            let made = (step.id, (step.phase, step.wave));
            match &step.action {
                Action::Create { .. } if step.key.is("", "Namespace") => {
                    makes.namespaces.insert(&step.key.name, made);
                }
                // Also where it only changes: what is declared may need the new form of the kind.
                Action::Create { .. } | Action::Apply { .. } | Action::Replace { .. } => {
                    let kind = desired.get(&step.key).and_then(|declared| defines(&declared.resource));
                    makes.kinds.extend(kind.map(|kind| (kind, made)));
                }
                _ => {}
            }
        }
        makes
    }

    fn needed_by(&self, key: &ResourceKey) -> impl Iterator<Item = (StepId, Place)> {
        let namespace = key.namespace.as_deref().and_then(|name| self.namespaces.get(name));
        namespace.into_iter().chain(self.kinds.get(&*key.group_kind)).copied()
    }
}

/// Says of each step when and how it is tried.
pub(super) fn mark(steps: &mut [Step], comparison: &Comparison, desired: &DesiredState, policy: &SyncPolicy) {
    let usual = match policy.validate {
        Validate::Never => return,
        Validate::Layers => When::Wave,
        Validate::UpFront => When::First,
    };
    let makes = Makes::of(steps, desired);
    let trials: Vec<Option<Trial>> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            let is_mended = at
                .checked_sub(1)
                .and_then(|before| steps.get(before))
                .is_some_and(|before| matches!(before.action, Action::Own { .. }) && before.key == step.key);
            let trial = trial(step, &makes, &usual, comparison.get(&step.key), desired)?;
            // What becomes of an object whose ownership is put right first cannot be tried before.
            Some(if is_mended { Trial { dry_run: DryRun::Skipped, ..trial } } else { trial })
        })
        .collect();
    for (step, trial) in steps.iter_mut().zip(trials) {
        step.trial = trial;
    }
}

fn trial(
    step: &Step,
    makes: &Makes<'_>,
    usual: &When,
    compared: Option<&Compared>,
    desired: &DesiredState,
) -> Option<Trial> {
    let is_left_to_failure = step.phase == Phase::SyncFail && *usual == When::Wave;
    if matches!(step.action, Action::Delete { .. } | Action::Await) || is_left_to_failure {
        return None;
    }
    let here = (step.phase, step.wave);
    let needed: Vec<(StepId, Place)> = makes.needed_by(&step.key).filter(|(id, _)| *id != step.id).collect();
    let beside = |(id, place): &(StepId, Place)| (*place == here).then_some(*id);
    let when = match needed.iter().filter_map(beside).collect::<Vec<_>>() {
        _ if needed.is_empty() => usual.clone(),
        beside if beside.is_empty() => When::Wave,
        mut beside => {
            beside.sort_unstable();
            beside.dedup();
            When::Once(beside)
        }
    };
    let skips = desired.get(&step.key).is_none_or(|declared| declared.options.skip_validation);
    let comes_later = needed.iter().any(|(_, place)| *place > here);
    let dry_run = match &step.action {
        _ if skips || comes_later => DryRun::Skipped,
        Action::Create { .. } | Action::Replace { .. } | Action::Hook { .. } => DryRun::Due,
        Action::Apply { .. } if needed.is_empty() && compared.is_some_and(is_answered) => DryRun::Answered,
        Action::Apply { .. } => DryRun::Due,
        // No dry run can do without the object that stands in the way.
        Action::Recreate { .. } | Action::Own { .. } | Action::Delete { .. } | Action::Await | Action::Orphan => {
            DryRun::Skipped
        }
    };
    Some(Trial { when, dry_run })
}

/// Whether the comparison has heard that the cluster would take an apply.
fn is_answered(compared: &Compared) -> bool {
    let refused = compared.notes.iter().any(|note| matches!(note, Note::Refused(_)));
    compared.outcome == Outcome::Synced || (compared.evidence == Evidence::Confirmed && !refused)
}

impl Trial {
    /// The same in a plan of which some steps are done, and the others have these numbers.
    pub(super) fn narrowed(self, ids: &BTreeMap<StepId, StepId>) -> Self {
        let When::Once(needed) = self.when else { return self };
        let needed: Vec<StepId> = needed.iter().filter_map(|id| ids.get(id).copied()).collect();
        Self { when: if needed.is_empty() { When::Wave } else { When::Once(needed) }, ..self }
    }
}

impl Plan {
    /// Returns how the steps of this plan are tried before they are written.
    #[must_use]
    pub fn validation(&self) -> Validate {
        let is_first = |trial: &Trial| trial.when == When::First;
        match self.steps.iter().filter_map(|step| step.trial.as_ref()).map(is_first).max() {
            None => Validate::Never,
            Some(true) => Validate::UpFront,
            Some(false) => Validate::Layers,
        }
    }

    /// Returns the steps that cannot be tried as early as the others: what they need is made on the way.
    pub fn tried_late(&self) -> impl Iterator<Item = &Step> {
        let up_front = self.validation() == Validate::UpFront;
        self.steps.iter().filter(move |step| {
            step.trial.as_ref().is_some_and(|trial| match (&trial.when, trial.dry_run) {
                (_, DryRun::Skipped | DryRun::Answered) | (When::First, _) => false,
                (When::Wave, _) => up_front,
                (When::Once(_), _) => true,
            })
        })
    }
}
