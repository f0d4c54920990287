//! Changes as text for people: one line each, short, the same every time.

use std::fmt;

use crate::value::{Value, View};

use super::{Change, ChangeKind, Compared, Outcome, Shown};

/// Most characters of one value on a line.
const WIDTH: usize = 100;

/// Returns the verdict on one object as lines: what differs, or why there is no answer. Nothing when in sync.
#[must_use]
pub fn lines(compared: &Compared) -> Vec<String> {
    match &compared.outcome {
        Outcome::Synced => Vec::new(),
        Outcome::OutOfSync(changes) => changes.iter().map(ToString::to_string).collect(),
        Outcome::Missing => vec!["is not on the cluster".to_owned()],
        Outcome::Extra => vec!["is on the cluster and no longer declared".to_owned()],
        Outcome::Terminating => vec!["is being deleted".to_owned()],
        Outcome::Unknown(why) => vec![why.to_string()],
    }
}

/// `~ spec.replicas: 5 -> 3 (live value by kubectl-edit)`; `+` adds, `-` removes, `>` moves.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.kind {
            ChangeKind::Value => '~',
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Moved => '>',
        };
        write!(f, "{mark} {}: ", self.path)?;
        match (&self.live, &self.desired) {
            (Some(Shown::Plain(live)), Some(Shown::Plain(desired))) => f.write_str(&both(live, desired))?,
            (Some(live), Some(desired)) => write!(f, "{} -> {}", shown(live), shown(desired))?,
            (Some(one), None) | (None, Some(one)) => f.write_str(&shown(one))?,
            (None, None) => {}
        }
        for (at, owner) in self.owners.iter().enumerate() {
            write!(f, "{}{owner}", if at == 0 { " (live value by " } else { ", " })?;
        }
        if self.owners.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

fn both(live: &Value, desired: &Value) -> String {
    if let (View::String(live), View::String(desired)) = (live.root().view(), desired.root().view())
        && (live.contains('\n') || desired.contains('\n'))
    {
        // Of long texts only the first line that differs.
        // Split, since `lines` would pass over the last line break and carriage returns.
        let (mut before, mut after) = (live.split('\n'), desired.split('\n'));
        for number in 1.. {
            let (before, after) = (before.next(), after.next());
            if before != after || before.is_none() {
                let line =
                    |line: Option<&str>| line.map_or("(end)".to_owned(), |line| short(&Value::from(line).to_json()));
                return format!("line {number}: {} -> {}", line(before), line(after));
            }
        }
    }
    format!("{} -> {}", short(&live.to_json()), short(&desired.to_json()))
}

pub(super) fn shown(shown: &Shown) -> String {
    match shown {
        Shown::Plain(value) => short(&value.to_json()),
        masked => masked.to_string(),
    }
}

fn short(json: &str) -> String {
    let length = json.chars().count();
    if length <= WIDTH {
        return json.to_owned();
    }
    let start: String = json.chars().take(WIDTH).collect();
    format!("{start}… ({} characters more)", length - WIDTH)
}
