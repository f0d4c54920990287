//! `docs/deviations.toml`: where we differ on purpose, and why.

use crate::Case;

/// One deliberate difference.
#[derive(Default)]
struct Deviation {
    suite: String,
    /// A case id, or a glob over case ids.
    case: String,
    reason: String,
}

/// The whole list.
pub(crate) struct Deviations(Vec<Deviation>);

impl Deviations {
    /// Reads `[[deviation]]` tables of the text keys `suite`, `case` and `reason`: all of TOML that the file uses.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut entries: Vec<Deviation> = Vec::new();
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line == "[[deviation]]" {
                entries.push(Deviation::default());
                continue;
            }
            let entry = line.split_once('=').zip(entries.last_mut());
            let Some(((key, value), entry)) = entry else {
                return Err(format!("line {at}: expected `[[deviation]]` or `key = \"value\"`"));
            };
            let value = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            let value = value.ok_or_else(|| format!("line {at}: expected a text in double quotes"))?.to_owned();
            match key.trim() {
                "suite" => entry.suite = value,
                "case" => entry.case = value,
                "reason" => entry.reason = value,
                key => return Err(format!("line {at}: unknown key `{key}`")),
            }
        }
        match entries.iter().find(|entry| [&entry.suite, &entry.case, &entry.reason].iter().any(|text| text.is_empty()))
        {
            Some(entry) => Err(format!("`{}` of `{}` needs suite, case and reason", entry.case, entry.suite)),
            None => Ok(Self(entries)),
        }
    }

    /// Returns why this case may fail.
    pub(crate) fn reason(&self, suite: &str, case: &str) -> Option<&str> {
        self.of(suite).find(|entry| fast_glob::glob_match(&entry.case, case)).map(|entry| entry.reason.as_str())
    }

    /// Returns the entries of `suite` that no case matches.
    pub(crate) fn unused<'a>(&'a self, suite: &'a str, cases: &'a [Case]) -> impl Iterator<Item = &'a str> {
        let matches = |glob: &str| cases.iter().any(|case| fast_glob::glob_match(glob, &case.id));
        self.of(suite).map(|entry| entry.case.as_str()).filter(move |glob| !matches(glob))
    }

    fn of(&self, suite: &str) -> impl Iterator<Item = &Deviation> {
        self.0.iter().filter(move |entry| entry.suite == suite)
    }
}
