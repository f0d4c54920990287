//! What differs, object by object, in the form that was asked for.

use gitops_core::diff::{self, Change, ChangeKind, FieldOwner, Shown, Sides, Unified};
use gitops_core::reconcile::{Looked, Report, ResourceReport};
use gitops_core::resource::ResourceKey;
use gitops_core::value::Value;
use serde::Serialize;

use super::{Paint, Style, clean};
use crate::cli::Format;

/// Lines of a table are no wider; longer values are cut.
const WIDTH: usize = 120;

/// Lists every object that is not in sync: what a sync changes, who set the live values, and from whom it takes fields.
/// `-` is what the cluster holds and `+` what a sync makes of it.
pub(crate) fn diff(report: &Report, looked: &Looked, format: Format, style: &Unified, paint: Paint) -> String {
    let mut text = String::new();
    for resource in differing(report) {
        text.push_str(&heading(resource, paint));
        match format {
            Format::Fields => resource.changes.iter().for_each(|change| text.push_str(&field(change, paint))),
            Format::Table if resource.changes.is_empty() => {}
            Format::Table => text.push_str(&cleaned(&diff::table(&resource.changes, WIDTH))),
            _ => {
                text.push_str(&unified(looked, resource, style, paint));
                let owned = resource.changes.iter().filter(|change| !change.owners.is_empty());
                owned.for_each(|change| text.push_str(&line(change, paint)));
            }
        }
        for line in resource.forecast.lines() {
            text.push_str(&format!("  {}\n", paint.paint(&clean(&line), Style::Waiting)));
        }
    }
    text
}

/// What a sync changes in one object, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Patched<'r> {
    #[serde(flatten)]
    key: &'r ResourceKey,
    patch: Value,
}

/// Makes a patch of each object that is not in sync.
pub(crate) fn patches<'r>(report: &'r Report, looked: &Looked, patch: fn(&Sides) -> Value) -> Vec<Patched<'r>> {
    let patched =
        |resource: &'r ResourceReport| Some(Patched { key: &resource.key, patch: patch(&sides(looked, resource)?) });
    differing(report).filter_map(patched).collect()
}

fn differing(report: &Report) -> impl Iterator<Item = &ResourceReport> {
    report.resources.iter().filter(|resource| resource.status != "Synced")
}

fn sides(looked: &Looked, resource: &ResourceReport) -> Option<Sides> {
    let desired = looked.desired.get(&resource.key).map(|declared| &declared.resource);
    Some(Sides::of(desired, looked.comparison.get(&resource.key)?))
}

fn heading(resource: &ResourceReport, paint: Paint) -> String {
    let origin = resource.origin.as_ref().map(|origin| format!("  {}", clean(&origin.to_string()))).unwrap_or_default();
    let note = resource.note.as_ref().map(|note| format!("  {}", clean(note))).unwrap_or_default();
    let head = paint.paint(&clean(&format!("{} {}", resource.status, resource.key)), Style::Strong);
    format!("{head}{}\n", paint.paint(&format!("{origin}{note}"), Style::Dim))
}

fn unified(looked: &Looked, resource: &ResourceReport, style: &Unified, paint: Paint) -> String {
    let Some(sides) = sides(looked, resource) else { return String::new() };
    let painted = |line: &str| {
        let style = match line.chars().next() {
            Some('-') => Style::Bad,
            Some('+') => Style::Good,
            Some('@') => Style::Dim,
            _ => Style::Plain,
        };
        paint.paint(&clean(line), style) + "\n"
    };
    sides.unified(&resource.key.to_string(), style).lines().map(painted).collect()
}

fn cleaned(text: &str) -> String {
    text.lines().map(|line| format!("  {}\n", clean(line))).collect()
}

/// One field and who set it.
fn line(change: &Change, paint: Paint) -> String {
    let moved = if change.kind == ChangeKind::Moved { " (moved)" } else { "" };
    let owners = match &*change.owners {
        [] => String::new(),
        owners => format!("  live value set by {}", owners.iter().map(owner).collect::<Vec<_>>().join(" and ")),
    };
    format!("  {}{moved}{}\n", clean(&change.path.to_string()), paint.paint(&owners, Style::Dim))
}

fn field(change: &Change, paint: Paint) -> String {
    let mut text = line(change, paint);
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
