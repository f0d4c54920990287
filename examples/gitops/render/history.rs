//! What was done before.

use gitops_core::reconcile::{Audited, Edit};
use gitops_core::sync::{Ledger, Phase};

use super::{Cell, Paint, Style, clean, hold, table};

/// Lists operations, newest first, and the rollback that holds.
pub(crate) fn history(ledger: &Ledger, paint: Paint) -> String {
    let headings = ["NUMBER", "FINISHED", "OUTCOME", "BY", "REVISION", "COMMIT"];
    let mut rows = vec![headings.map(Cell::dim).to_vec()];
    for entry in &ledger.history {
        let style = if entry.phase == Phase::Succeeded { Style::Good } else { Style::Bad };
        let revisions: Vec<&str> = entry.revisions.iter().map(|revision| revision.id.short()).collect();
        let commits: Vec<String> = entry
            .revisions
            .iter()
            .filter_map(|revision| revision.commit.as_ref())
            .map(|commit| format!("{}: {}", clean(&commit.author), clean(commit.subject())))
            .collect();
        let mut commit = commits.join(" and ");
        let signed: Vec<&str> = entry.revisions.iter().filter_map(|revision| revision.signature.as_deref()).collect();
        if !signed.is_empty() {
            commit = format!("{commit} [{}]", clean(&signed.join(" and ")));
        }
        if entry.phase != Phase::Succeeded {
            commit = format!("{commit} ({})", clean(&entry.message));
        }
        if entry.attempts > 1 {
            commit = format!("{commit} (try {})", entry.attempts);
        }
        rows.push(vec![
            Cell::plain(&entry.number.to_string()),
            Cell::plain(&entry.finished.whole_seconds().to_string()),
            Cell::new(
                &if entry.partial { format!("{}, in part", entry.phase) } else { entry.phase.to_string() },
                style,
            ),
            Cell::plain(&entry.initiator),
            Cell::plain(&revisions.join(" and ")),
            Cell::plain(&commit),
        ]);
    }
    table(&rows, paint) + &hold(ledger.hold.as_ref(), paint)
}

/// Lists commits, newest first, with what each changed of the objects.
pub(crate) fn log(told: &[Audited], paint: Paint) -> String {
    let mut text = String::new();
    for Audited { revision, objects, gaps, .. } in told {
        let (id, commit) = (paint.paint(revision.id.short(), Style::Strong), revision.commit.as_ref());
        let about = commit.map(|commit| format!("  {}  {}", commit.time.whole_seconds(), clean(&commit.author)));
        text += &format!("{id}{}\n", about.unwrap_or_default());
        text += &format!("  {}\n", commit.map(|commit| clean(commit.subject())).unwrap_or_default());
        for edit in objects {
            let style = match edit.edit {
                Edit::Added => Style::Good,
                Edit::Removed => Style::Bad,
                _ => Style::Plain,
            };
            text += &format!("  {}\n", paint.paint(&clean(&edit.heading()), style));
            text.extend(edit.fields.iter().map(|field| format!("    {}\n", clean(&field.to_string()))));
        }
        if objects.is_empty() && gaps.is_empty() {
            text += &format!("  {}\n", paint.paint("no object changed", Style::Dim));
        }
        for gap in gaps {
            text += &format!("  {}\n", paint.paint(&format!("could not be told: {}", clean(gap)), Style::Waiting));
        }
    }
    text
}
