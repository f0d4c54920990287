//! Values as text for people, or as JSON and YAML for programs.

mod diff;
mod history;
mod receipt;
mod table;
mod tree;

use std::env;
use std::io::{self, IsTerminal};

use gitops_core::problem::{Problem, Severity};
use gitops_core::reconcile::{Looked, Report, SyncStatus};
use gitops_core::source::Revision;
use gitops_core::sync::Hold;
use serde::Serialize;

use crate::Failure;

pub(crate) use diff::{diff, patches};
pub(crate) use history::{history, log};
pub(crate) use receipt::receipt;
pub(crate) use table::{Cell, table};
pub(crate) use tree::{Family, health_style, sync_style, tree};

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    On,
    Off,
}

/// What a text means; decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Plain,
    Good,
    Waiting,
    Bad,
    Dim,
    Strong,
}

impl Paint {
    /// Colours only on a terminal, and not where somebody asked for none (<https://no-color.org>).
    pub(crate) fn for_stdout(no_color: bool) -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if no_color || set("NO_COLOR") || dumb || !io::stdout().is_terminal() { Self::Off } else { Self::On }
    }

    pub(crate) fn paint(self, text: &str, style: Style) -> String {
        let code = match style {
            Style::Good => "32",
            Style::Waiting => "33",
            Style::Bad => "31",
            Style::Dim => "2",
            Style::Strong => "1",
            Style::Plain => "",
        };
        if self == Self::Off || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Returns lines without what else could steer a terminal.
pub(crate) fn clean_lines(text: &str) -> String {
    text.lines().map(|line| clean(line) + "\n").collect()
}

/// Returns a text of somebody else without what could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// `1 object`, `2 objects`
pub(crate) fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    // By way of JSON, so that both say the same: YAML has tags for what JSON nests.
    Ok(serde_yaml::to_string(&serde_json::to_value(value)?)?)
}

/// Names a revision: what it is, what it was resolved from, and who made it and why.
pub(crate) fn revision(revision: &Revision) -> String {
    let id = revision.id.short();
    let target = revision.target.as_str();
    let from = if revision.id.as_str().starts_with(target) { String::new() } else { format!(" ({})", clean(target)) };
    let signed = revision.signature.as_ref().map(|by| format!(" [{}]", clean(by))).unwrap_or_default();
    match &revision.commit {
        Some(commit) => format!("{id}{from} by {}: {}{signed}", clean(&commit.author), clean(commit.subject())),
        None => format!("{id}{from}{signed}"),
    }
}

/// Tells what came of the rules of what is left alone.
pub(crate) fn rules(report: &Report, paint: Paint) -> String {
    report.rules.iter().map(|rule| format!("{}\n", paint.paint(&clean(&format!("rule {rule}")), Style::Dim))).collect()
}

/// Tells what a sync does to fields of others.
pub(crate) fn forecasts(looked: &Looked, paint: Paint) -> String {
    let lines = looked.forecasts.iter().flat_map(|(key, forecast)| {
        forecast.lines().into_iter().map(move |line| format!("  {}\n", clean(&format!("{key}: {line}"))))
    });
    let text: String = lines.collect();
    if text.is_empty() { text } else { format!("{}\n{text}", paint.paint("fields of others", Style::Plain)) }
}

/// Lists problems, the worst first.
pub(crate) fn problems(problems: &[Problem], paint: Paint) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let line = |problem: &&Problem| {
        let (word, style) = match problem.severity {
            Severity::Blocks => ("error", Style::Bad),
            Severity::Warning => ("warning", Style::Waiting),
            _ => ("note", Style::Dim),
        };
        format!("{}: {}\n", paint.paint(word, style), clean(&problem.to_string()))
    };
    sorted.iter().map(line).collect()
}

/// Tells of the rollback that holds.
pub(crate) fn hold(hold: Option<&Hold>, paint: Paint) -> String {
    let Some(hold) = hold else { return String::new() };
    let skipped: Vec<&str> = hold.skipped.iter().map(gitops_core::source::RevisionId::short).collect();
    let line = format!(
        "rolled back to {} by {} at {}; {} is kept back until there is something newer, or `--resume`\n",
        hold.to.short(),
        clean(&hold.by),
        hold.at.whole_seconds(),
        skipped.join(" and ")
    );
    paint.paint(&line, Style::Waiting)
}

/// Lists what people should know about an application.
pub(crate) fn info(report: &Report) -> String {
    report.info.iter().map(|info| format!("{}: {}\n", clean(&info.name), clean(&info.value))).collect()
}

/// Says in one line how an application is, and of which revision that is said.
pub(crate) fn summary(report: &Report, paint: Paint) -> String {
    let sync = paint.paint(&report.sync.to_string(), sync_style(report.sync));
    let health = paint.paint(&report.health.to_string(), health_style(report.health));
    let revisions: Vec<String> = report.revisions.iter().map(revision).collect();
    let at = if revisions.is_empty() { String::new() } else { format!(" at {}", revisions.join(" and ")) };
    format!("{}{sync}, {health}{at}\n", hold(report.hold.as_ref(), paint))
}

/// The exit code for a report.
pub(crate) fn code(report: &Report) -> u8 {
    let failed = report.receipt.as_ref().is_some_and(|receipt| receipt.phase != gitops_core::sync::Phase::Succeeded);
    match report.sync {
        _ if failed || report.is_blocked() => crate::ERROR,
        SyncStatus::Synced => 0,
        SyncStatus::OutOfSync => 1,
        _ => crate::ERROR,
    }
}
