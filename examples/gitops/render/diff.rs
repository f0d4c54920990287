//! The fields that differ, with the live and the desired value, and who set the live one.

use gitops_core::diff::{Change, ChangeKind, FieldOwner, Shown};
use gitops_core::reconcile::{Report, ResourceReport};

use super::{Paint, Style, clean};

/// Lists every object that is not in sync. Of a field, `-` is what the cluster holds and `+` what Git wants.
pub(crate) fn diff(report: &Report, paint: Paint) -> String {
    let differ = report.resources.iter().filter(|resource| resource.status != "Synced");
    differ.map(|resource| object(resource, paint)).collect()
}

fn object(resource: &ResourceReport, paint: Paint) -> String {
    let origin = resource.origin.as_ref().map(|origin| format!("  {}", clean(&origin.to_string()))).unwrap_or_default();
    let note = resource.note.as_ref().map(|note| format!("  {}", clean(note))).unwrap_or_default();
    let head = paint.paint(&clean(&format!("{} {}", resource.status, resource.key)), Style::Strong);
    let mut text = format!("{head}{}\n", paint.paint(&format!("{origin}{note}"), Style::Dim));
    for change in &*resource.changes {
        text.push_str(&field(change, paint));
    }
    text
}

fn field(change: &Change, paint: Paint) -> String {
    let moved = if change.kind == ChangeKind::Moved { " (moved)" } else { "" };
    let owners = match &*change.owners {
        [] => String::new(),
        owners => format!("  live value set by {}", owners.iter().map(owner).collect::<Vec<_>>().join(" and ")),
    };
    let mut text = format!("  {}{moved}{}\n", clean(&change.path.to_string()), paint.paint(&owners, Style::Dim));
    let (live, desired) = (lines(change.live.as_ref()), lines(change.desired.as_ref()));
    // Of long texts only the lines between the common beginning and the common end.
    let start = live.iter().zip(&desired).take_while(|(live, desired)| live == desired).count();
    let (live, desired) = (live.get(start..).unwrap_or_default(), desired.get(start..).unwrap_or_default());
    let end = live.iter().rev().zip(desired.iter().rev()).take_while(|(live, desired)| live == desired).count();
    for (sign, lines, style) in [("-", live, Style::Bad), ("+", desired, Style::Good)] {
        for line in lines.get(..lines.len() - end).unwrap_or_default() {
            text.push_str(&format!("    {}\n", paint.paint(&format!("{sign} {line}"), style)));
        }
    }
    text
}

fn owner(owner: &FieldOwner) -> String {
    let time = owner.time.map(|time| format!(" at {}", time.whole_seconds())).unwrap_or_default();
    format!("`{}`{time}", clean(&owner.to_string()))
}

/// Texts of several lines line by line, everything else as JSON.
fn lines(shown: Option<&Shown>) -> Vec<String> {
    let Some(shown) = shown else { return Vec::new() };
    if let Shown::Plain(value) = shown
        && let Some(text) = value.root().as_str().filter(|text| text.contains('\n'))
    {
        return text.split('\n').map(clean).collect();
    }
    vec![clean(&shown.to_string())]
}
