//! Moving groups of changed lines to where people expect them, as Git's `diff.indentHeuristic` does.

use gix::bstr::ByteSlice;

/// The furthest that a group is moved.
const FURTHEST: usize = 100;
/// Empty lines in a row that are counted.
const BLANKS: usize = 20;
/// The deepest indent that is told from deeper ones.
const DEEPEST: i64 = 200;

/// One of two texts.
pub(super) struct Side {
    lines: Vec<usize>,
    /// How far each line is indented; `None` if there is nothing on it.
    indents: Vec<Option<i64>>,
    /// Which lines are not the same in the other text.
    pub(super) changed: Vec<bool>,
}

/// A run of changed lines, maybe none, between two unchanged ones. The n-th of one text stands beside the n-th of the other.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
}

impl Group {
    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

impl Side {
    pub(super) fn new(lines: Vec<usize>, text: &[u8], changed: Vec<bool>) -> Self {
        Self { lines, indents: text.lines_with_terminator().map(indent).collect(), changed }
    }

    fn mark(&mut self, at: usize, is_changed: bool) {
        self.changed.get_mut(at).into_iter().for_each(|changed| *changed = is_changed);
    }

    fn group_from(&self, start: usize) -> Group {
        Group { start, end: self.end_of(start) }
    }

    fn end_of(&self, start: usize) -> usize {
        start.saturating_add(self.changed.iter().skip(start).take_while(|changed| **changed).count())
    }

    fn start_of(&self, end: usize) -> usize {
        let above = self.changed.get(..end).unwrap_or_default();
        end.saturating_sub(above.iter().rev().take_while(|changed| **changed).count())
    }

    fn after(&self, group: Group) -> Option<Group> {
        (group.end < self.changed.len()).then(|| self.group_from(group.end + 1))
    }

    fn before(&self, group: Group) -> Option<Group> {
        let end = group.start.checked_sub(1)?;
        Some(Group { start: self.start_of(end), end })
    }

    /// Moves a group up by one line, if that says the same; it may come to include the group above.
    fn up(&mut self, group: Group) -> Option<Group> {
        let (above, last) = (group.start.checked_sub(1)?, group.end.checked_sub(1)?);
        if group.is_empty() || self.lines.get(above) != self.lines.get(last) {
            return None;
        }
        self.mark(above, true);
        self.mark(last, false);
        Some(Group { start: self.start_of(above), end: last })
    }

    /// Moves a group down by one line, if that says the same; it may come to include the group below.
    fn down(&mut self, group: Group) -> Option<Group> {
        let below = self.lines.get(group.end)?;
        if group.is_empty() || self.lines.get(group.start) != Some(below) {
            return None;
        }
        self.mark(group.start, false);
        self.mark(group.end, true);
        Some(Group { start: group.start + 1, end: self.end_of(group.end) })
    }

    /// Returns where a group that lies as far down as it can should end.
    fn best_end(&self, group: Group, earliest: usize) -> usize {
        let size = group.len();
        let first = earliest.max(group.start.saturating_sub(1)).max(group.end.saturating_sub(FURTHEST));
        let mut best: Option<(usize, Score)> = None;
        for end in first..=group.end {
            let score = self.split(end).plus(self.split(end.saturating_sub(size)));
            if best.is_none_or(|(_, best)| !score.is_worse_than(best)) {
                best = Some((end, score));
            }
        }
        best.map_or(group.end, |(end, _)| end)
    }

    /// Judges an edge of a group before line `at`.
    fn split(&self, at: usize) -> Score {
        let here = self.indents.get(at).copied().flatten();
        let (above, below) = self.indents.split_at_checked(at).unwrap_or((&self.indents, &[]));
        let (blanks_above, above) = first_of(&mut above.iter().rev());
        let (blanks_below, below) = first_of(&mut below.iter().skip(1));
        let blanks_below = if here.is_none() { 1 + blanks_below } else { 0 };
        let blanks = blanks_above + blanks_below;
        let start = i64::from(above.is_none() && blanks_above == 0);
        let end = if at >= self.indents.len() { 21 } else { 0 };
        let mut penalty = start + end - 30 * blanks + 6 * blanks_below;
        let indent = here.or(below);
        if let (Some(indent), Some(above)) = (indent, above) {
            penalty += match (indent.cmp(&above), blanks != 0) {
                (std::cmp::Ordering::Equal, _) => 0,
                (std::cmp::Ordering::Greater, true) => 10,
                (std::cmp::Ordering::Greater, false) => -4,
                (std::cmp::Ordering::Less, true) => 17,
                // Less than what stands above, and than what follows.
                (std::cmp::Ordering::Less, false) if below.is_some_and(|below| below > indent) => 24,
                (std::cmp::Ordering::Less, false) => 23,
            };
        }
        Score { indent: indent.unwrap_or(-1), penalty }
    }
}

/// How odd it is to begin or end a group somewhere. The weights are Git's.
#[derive(Clone, Copy)]
struct Score {
    indent: i64,
    penalty: i64,
}

impl Score {
    fn plus(self, other: Self) -> Self {
        Self { indent: self.indent + other.indent, penalty: self.penalty + other.penalty }
    }

    fn is_worse_than(self, other: Self) -> bool {
        60 * (self.indent - other.indent).signum() + self.penalty - other.penalty > 0
    }
}

/// Counts empty lines, and returns the indent of the first that is not.
fn first_of(lines: &mut dyn Iterator<Item = &Option<i64>>) -> (i64, Option<i64>) {
    let mut blanks = 0;
    for (nth, indent) in lines.enumerate() {
        if indent.is_some() {
            return (blanks, *indent);
        }
        blanks += 1;
        if nth + 1 == BLANKS {
            return (blanks, Some(0));
        }
    }
    (blanks, None)
}

fn indent(line: &[u8]) -> Option<i64> {
    let mut indent = 0;
    for byte in line {
        match byte {
            b' ' => indent += 1,
            b'\t' => indent += 8 - indent % 8,
            b'\n' | b'\r' | 0x0b | 0x0c => {}
            _ => return Some(indent),
        }
        if indent >= DEEPEST {
            return Some(DEEPEST);
        }
    }
    None
}

/// Moves each group of `side` to the best of all places that say the same: beside a group of `other`, or else by indents.
pub(super) fn settle(side: &mut Side, other: &Side) {
    let (mut group, mut beside) = (side.group_from(0), other.group_from(0));
    loop {
        if !group.is_empty() {
            (group, beside) = settled(side, other, group, beside);
        }
        match (side.after(group), other.after(beside)) {
            (Some(next), Some(next_beside)) => (group, beside) = (next, next_beside),
            _ => return,
        }
    }
}

fn settled(side: &mut Side, other: &Side, mut group: Group, mut beside: Group) -> (Group, Group) {
    let (mut earliest, mut meets);
    loop {
        let size = group.len();
        while let Some((up, previous)) = side.up(group).zip(other.before(beside)) {
            (group, beside) = (up, previous);
        }
        (earliest, meets) = (group.end, !beside.is_empty());
        while let Some((down, next)) = side.down(group).zip(other.after(beside)) {
            (group, beside) = (down, next);
            meets |= !beside.is_empty();
        }
        // Having met another group it is larger, and may move further.
        if group.len() == size {
            break;
        }
    }
    let end = match meets {
        _ if group.end == earliest => group.end,
        true => earliest,
        false => side.best_end(group, earliest),
    };
    // Of two groups that can stand beside each other the lowest place is taken.
    while group.end > end && (!meets || beside.is_empty()) {
        let Some((up, previous)) = side.up(group).zip(other.before(beside)) else { break };
        (group, beside) = (up, previous);
    }
    (group, beside)
}
