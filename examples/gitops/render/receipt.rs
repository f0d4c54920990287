//! What a sync did.

use gitops_core::plan::{Action, Intent, Step};
use gitops_core::policy;
use gitops_core::reconcile::Report;
use gitops_core::sync::{Phase, Receipt, StepOutcome};

use super::{Cell, Paint, Style, clean, table};

/// Lists the steps of a sync in their order, by phase and wave.
pub(crate) fn receipt(report: &Report, receipt: &Receipt, paint: Paint) -> String {
    let mut rows = Vec::new();
    let mut part = None;
    for result in &receipt.results {
        let Some(step) = report.plan.step(result.step) else { continue };
        // What waits for a failure that did not come is no news.
        if step.phase == policy::Phase::SyncFail && receipt.phase == Phase::Succeeded {
            continue;
        }
        let wave = if report.plan.scope.intent.is_about_owners() { 0 } else { step.wave };
        let this = (step.phase, wave, is_deletion(step));
        if part.replace(this) != Some(this) {
            // Being the last cell of its row, it widens no column.
            rows.push(vec![Cell::new(&heading(step, report.plan.scope.intent), Style::Strong)]);
        }
        let (word, style) = outcome(result.outcome);
        rows.push(vec![
            Cell::new(&format!("  {word}"), style),
            Cell::plain(&result.key.to_string()),
            Cell::dim(&result.message),
        ]);
    }
    let mut text = table(&rows, paint);
    if receipt.phase != Phase::Succeeded {
        let message = format!("{}: {}\n", receipt.phase, clean(&receipt.message));
        text.push_str(&paint.paint(&message, Style::Bad));
    }
    text
}

fn is_deletion(step: &Step) -> bool {
    matches!(step.action, Action::Delete { .. })
}

/// As a plan names its parts.
fn heading(step: &Step, intent: Intent) -> String {
    match step.phase {
        _ if is_deletion(step) && intent == Intent::Delete => "Delete".to_owned(),
        _ if matches!(intent, Intent::Orphan | Intent::Release) => "Let go".to_owned(),
        _ if intent == Intent::Adopt => "Take over".to_owned(),
        phase if is_deletion(step) => format!("{phase}, once all is healthy"),
        phase => format!("{phase}, wave {}", step.wave),
    }
}

fn outcome(outcome: StepOutcome) -> (&'static str, Style) {
    match outcome {
        StepOutcome::Created => ("created", Style::Good),
        StepOutcome::Changed => ("changed", Style::Good),
        StepOutcome::Unchanged => ("unchanged", Style::Dim),
        StepOutcome::Deleted => ("deleted", Style::Good),
        StepOutcome::Orphaned => ("orphaned", Style::Good),
        StepOutcome::Succeeded => ("succeeded", Style::Good),
        StepOutcome::Failed => ("failed", Style::Bad),
        StepOutcome::NotRun => ("not run", Style::Waiting),
        _ => ("done", Style::Plain),
    }
}
