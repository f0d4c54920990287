//! A plan as text.

use std::fmt;

use super::{Action, Impact, Intent, Plan, Precondition, Reason, Skipped, Step, When};
use crate::policy::{HookDelete, Phase};
use crate::problem::Severity;

/// What runs in its order, then what is left alone and why, then what is wrong.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for confirmed in &self.confirmed {
            writeln!(f, "{}: deletion confirmed by {} at {}", confirmed.key, confirmed.by, confirmed.at)?;
        }
        if self.scope.is_partial() {
            match (self.scope.intent.is_about_owners(), self.scope.only.is_everything()) {
                (false, _) => writeln!(f, "only {}: not a sync of the application", self.scope.only)?,
                (true, false) => writeln!(f, "only {}", self.scope.only)?,
                (true, true) => {}
            }
        }
        if self.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        let mut part = None;
        for step in &self.steps {
            let next = (step.phase, part_of(step).filter(|_| !self.scope.intent.is_about_owners()));
            if part != Some(next) {
                heading(f, step, self.scope.intent)?;
                part = Some(next);
            }
            writeln!(f, "  {step}")?;
        }
        validated_late(f, self)?;
        if !self.leftovers.is_empty() {
            writeln!(f, "Left by hooks")?;
        }
        for left in &self.leftovers {
            writeln!(f, "  {left}")?;
        }
        if !self.skipped.is_empty() {
            writeln!(f, "left alone")?;
        }
        for skipped in &self.skipped {
            writeln!(f, "  {}", skipped.in_words(self.scope.intent))?;
        }
        if !self.problems.is_empty() {
            writeln!(f, "problems")?;
        }
        for problem in &self.problems {
            let word = match problem.severity {
                Severity::Note => "note",
                Severity::Warning => "warning",
                Severity::Blocks => "error",
            };
            writeln!(f, "  {word}: {problem}")?;
        }
        Ok(())
    }
}

/// Names what is tried later than the rest, and after what.
fn validated_late(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let mut late = plan.tried_late().peekable();
    if late.peek().is_some() {
        writeln!(f, "validated later")?;
    }
    for step in late {
        write!(f, "  {}: ", step.key)?;
        match step.trial.as_ref().map(|trial| &trial.when) {
            Some(When::Once(ids)) => {
                let made: Vec<String> =
                    ids.iter().filter_map(|id| Some(format!("`{}`", plan.step(*id)?.key))).collect();
                writeln!(f, "once {} is there", made.join(" and "))?;
            }
            _ => writeln!(f, "when its wave begins")?,
        }
    }
    Ok(())
}

/// The wave; `None` for deletions.
fn part_of(step: &Step) -> Option<i32> {
    (!matches!(step.action, Action::Delete { .. })).then_some(step.wave)
}

fn heading(f: &mut fmt::Formatter<'_>, step: &Step, intent: Intent) -> fmt::Result {
    match (part_of(step), step.phase) {
        (None, _) if intent == Intent::Delete => writeln!(f, "Delete"),
        _ if matches!(intent, Intent::Orphan | Intent::Release) => writeln!(f, "Let go"),
        _ if intent == Intent::Adopt => writeln!(f, "Take over"),
        (None, phase) => writeln!(f, "{phase}, once all is healthy"),
        (Some(wave), Phase::SyncFail) => writeln!(f, "SyncFail, wave {wave}, only if something fails"),
        (Some(wave), phase) => writeln!(f, "{phase}, wave {wave}"),
    }
}

/// `apply   apps/Deployment shop/web: differs; restarts what runs`
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<7} {}: ", self.action.verb(), self.key)?;
        match &self.action {
            Action::Own { repairs } => {
                for (at, repair) in repairs.iter().enumerate() {
                    write!(f, "{}{repair}", if at == 0 { "" } else { "; " })?;
                }
            }
            _ => write!(f, "{}", self.reason)?,
        }
        if let Action::Hook { delete, .. } = &self.action {
            if self.impact == Impact::Runs && matches!(self.requires, Precondition::Present { .. }) {
                f.write_str("; what its last run left is deleted first")?;
            }
            for policy in delete {
                f.write_str(match policy {
                    HookDelete::BeforeHookCreation => "",
                    HookDelete::HookSucceeded => "; goes if all succeeds",
                    HookDelete::HookFailed => "; goes if anything fails",
                })?;
            }
        }
        match self.impact {
            Impact::Restarts => f.write_str("; restarts what runs"),
            Impact::Stops => f.write_str("; stops what runs"),
            Impact::DeletesContents => f.write_str("; all that is in it goes too"),
            Impact::Recreates => f.write_str("; is deleted, and created again"),
            Impact::Ownership => f.write_str("; changes no value"),
            Impact::Waits | Impact::Creates | Impact::Rewrites | Impact::Changes | Impact::Deletes | Impact::Runs => {
                Ok(())
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Differs => "differs",
            Self::Adopt => "is not marked as ours yet",
            Self::Asked => "is applied again, as asked",
            Self::NotDeclared => "not declared any more",
            Self::Application => "its application is deleted",
            Self::Terminating => "is being deleted already, and is waited for",
            Self::Unwell => "is as declared, and not healthy yet",
            Self::Hook => "hook",
            Self::Claim => "is as declared, and not ours alone",
            Self::Released => "is let go, as asked",
        })
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}
