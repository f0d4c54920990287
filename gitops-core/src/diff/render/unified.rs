//! Both sides as YAML, line by line, as `diff -u` prints them.

use std::fmt::Write;

use imara_diff::{Algorithm, Diff, InternedInput};

use crate::value::Value;

use super::Sides;

/// How unified text looks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unified {
    /// Lines shown around a change. Default: 3.
    pub context: usize,
    /// Whether lines are coloured by ANSI escapes: removed red, added green, places cyan. Default: no.
    pub colour: bool,
}

impl Default for Unified {
    fn default() -> Self {
        Self { context: 3, colour: false }
    }
}

impl Unified {
    /// Sets how many lines are shown around a change.
    #[must_use]
    pub fn with_context(self, context: usize) -> Self {
        Self { context, ..self }
    }

    /// Colours the lines by ANSI escapes.
    #[must_use]
    pub fn coloured(self) -> Self {
        Self { colour: true, ..self }
    }

    fn line(&self, text: &mut String, mark: char, line: &str) {
        let colour = match mark {
            '-' => "31",
            '+' => "32",
            '@' => "36",
            _ => "",
        };
        let line = line.trim_end_matches('\n');
        let _infallible = match (self.colour && !colour.is_empty(), mark) {
            (true, '@') => writeln!(text, "\u{1b}[{colour}m{line}\u{1b}[0m"),
            (true, _) => writeln!(text, "\u{1b}[{colour}m{mark}{line}\u{1b}[0m"),
            (false, '@') => writeln!(text, "{line}"),
            (false, _) => writeln!(text, "{mark}{line}"),
        };
    }
}

impl Sides {
    /// Returns the difference as unified text under the title `name`; empty when there is none.
    #[must_use]
    pub fn unified(&self, name: &str, style: &Unified) -> String {
        let (live, after) = (yaml(&self.live), yaml(&self.after));
        let input = InternedInput::new(live.as_str(), after.as_str());
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        let hunks: Vec<_> = diff.hunks().collect();
        let mut text = String::new();
        if hunks.is_empty() {
            return text;
        }
        style.line(&mut text, '-', &format!("-- {name} (live)"));
        style.line(&mut text, '+', &format!("++ {name} (after a sync)"));
        let before: Vec<&str> = input.before.iter().map(|token| input.interner[*token]).collect();
        let after: Vec<&str> = input.after.iter().map(|token| input.interner[*token]).collect();
        let context = u32::try_from(style.context).unwrap_or(u32::MAX);
        for group in hunks.chunk_by(|one, next| next.before.start - one.before.end <= context.saturating_mul(2)) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let lead = first.before.start.min(context);
            let (start, new_start) = (first.before.start - lead, first.after.start - lead);
            let total = u32::try_from(before.len()).unwrap_or(u32::MAX);
            let tail = (total - last.before.end).min(context);
            let (end, new_end) = (last.before.end + tail, last.after.end + tail);
            let places = format!("@@ -{} +{} @@", span(start, end), span(new_start, new_end));
            style.line(&mut text, '@', &places);
            let mut at = start;
            for hunk in group {
                lines(&before, at..hunk.before.start).for_each(|line| style.line(&mut text, ' ', line));
                lines(&before, hunk.before.clone()).for_each(|line| style.line(&mut text, '-', line));
                lines(&after, hunk.after.clone()).for_each(|line| style.line(&mut text, '+', line));
                at = hunk.before.end;
            }
            lines(&before, at..end).for_each(|line| style.line(&mut text, ' ', line));
        }
        text
    }
}

/// Lines as `diff -u` counts them: from 1, and the line before where there is none.
fn span(start: u32, end: u32) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        count => format!("{},{count}", start + 1),
    }
}

fn lines<'t>(of: &'t [&'t str], range: std::ops::Range<u32>) -> impl Iterator<Item = &'t str> {
    of.get(range.start as usize..range.end as usize).unwrap_or_default().iter().copied()
}

/// YAML of what is there; nothing of null.
fn yaml(value: &Value) -> String {
    if value.root().is_null() { String::new() } else { serde_yaml::to_string(value).unwrap_or_default() }
}
