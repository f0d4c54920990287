//! Which lines of two texts are the same, as `git blame` has it.
//!
//! A difference of two texts can often be told in several ways, and which one is told decides who is blamed. So this goes
//! by the rules of Git: the common ends first, then lines that the other text lacks, then a shortest edit by Myers'
//! algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986) with Git's choice among equals, and at last each
//! group of changed lines moved to where people expect it (`diff.indentHeuristic`, which is on by default).
//!
//! Two texts of more than 65,000 lines together, of which nearly all differ, are compared more coarsely, in another way
//! than Git does.

mod shortest;
mod slide;

use std::collections::BTreeMap;

use gix::bstr::ByteSlice;

use slide::Side;

/// Bytes of a common end that are set aside at once.
const TAIL: usize = 1024;
/// The most occurrences of a line for it to count as a match.
const FREQUENT: usize = 1024;
/// How many lines around a frequent one are looked at.
const AROUND: usize = 100;

/// Returns where line `line` of `after`, counted from 0, is in `before`, if it is the same there.
pub(crate) fn line_before(before: &[u8], after: &[u8], line: usize) -> Option<usize> {
    let (before, after, rest) = without_tail(before, after);
    let mut known = BTreeMap::new();
    let mut names = |text: &'_ [u8]| -> Vec<usize> {
        let mut name = |line: &[u8]| {
            let next = known.len();
            *known.entry(line.to_owned()).or_insert(next)
        };
        text.lines_with_terminator().map(&mut name).collect()
    };
    let (old, new) = (names(before), names(after));
    if let Some(beyond) = line.checked_sub(new.len()) {
        return (beyond < rest).then_some(old.len().saturating_add(beyond));
    }
    let (removed, added) = differing(&old, &new, known.len());
    let (mut old, mut new) = (Side::new(old, before, removed), Side::new(new, after, added));
    slide::settle(&mut old, &new);
    slide::settle(&mut new, &old);
    partner(&old.changed, &new.changed, line)
}

/// Sets a long common end aside: what is left of both, and the number of lines set aside.
fn without_tail<'t>(before: &'t [u8], after: &'t [u8]) -> (&'t [u8], &'t [u8], usize) {
    let blocks = before.rchunks_exact(TAIL).zip(after.rchunks_exact(TAIL)).take_while(|(left, right)| left == right);
    let tail = blocks.count().saturating_mul(TAIL);
    let (start, set_aside) = after.split_at(after.len().saturating_sub(tail));
    // The line that is cut stays whole.
    let kept = set_aside.find_byte(b'\n').map_or(set_aside.len(), |end| end + 1);
    let cut = tail.saturating_sub(kept);
    let without = |text: &'t [u8]| text.get(..text.len().saturating_sub(cut)).unwrap_or_default();
    let rest = after.get(start.len().saturating_add(kept)..).unwrap_or_default();
    (without(before), without(after), rest.lines_with_terminator().count())
}

/// Marks the lines of both that are not the same in the other.
fn differing(old: &[usize], new: &[usize], names: usize) -> (Vec<bool>, Vec<bool>) {
    let start = old.iter().zip(new).take_while(|(left, right)| left == right).count();
    let (old_rest, new_rest) = (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(left, right)| left == right).count();
    let (in_old, in_new) = (occurrences(old, names), occurrences(new, names));
    let matched = |lines: &[usize], others: &[usize]| {
        let frequent = rough_root(lines.len()).min(FREQUENT);
        let middle = lines.get(start..lines.len().saturating_sub(end)).unwrap_or_default();
        let matches: Vec<Matches> = middle.iter().map(|name| Matches::of(others.get(*name), frequent)).collect();
        let counts = |at: &usize| match matches.get(*at) {
            Some(Matches::Some) => true,
            Some(Matches::Many) => !is_among_unmatched(&matches, *at),
            Some(Matches::None) | None => false,
        };
        (0..middle.len()).filter(counts).map(|at| at.saturating_add(start)).collect::<Vec<usize>>()
    };
    let (old_places, new_places) = (matched(old, &in_new), matched(new, &in_old));
    let mut changes = [vec![false; old.len()], vec![false; new.len()]];
    for (changed, places) in changes.iter_mut().zip([&old_places, &new_places]) {
        let middle = start..changed.len().saturating_sub(end);
        changed.get_mut(middle).into_iter().flatten().for_each(|changed| *changed = true);
        for place in places {
            changed.get_mut(*place).into_iter().for_each(|changed| *changed = false);
        }
    }
    let at = |lines: &[usize], places: &[usize]| -> Vec<usize> {
        places.iter().filter_map(|place| lines.get(*place).copied()).collect()
    };
    let [mut removed, mut added] = changes;
    let (left, right) = shortest::edit(&at(old, &old_places), &at(new, &new_places));
    for (changed, places, nths) in [(&mut removed, &old_places, left), (&mut added, &new_places, right)] {
        for place in nths.iter().filter_map(|nth| places.get(*nth)) {
            changed.get_mut(*place).into_iter().for_each(|changed| *changed = true);
        }
    }
    (removed, added)
}

fn occurrences(lines: &[usize], names: usize) -> Vec<usize> {
    let mut counts = vec![0_usize; names];
    for name in lines {
        counts.get_mut(*name).into_iter().for_each(|count| *count += 1);
    }
    counts
}

/// How often a line is in the other text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matches {
    None,
    Some,
    /// So often that it tells little, such as an empty line.
    Many,
}

impl Matches {
    fn of(count: Option<&usize>, frequent: usize) -> Self {
        match count.copied().unwrap_or(0) {
            0 => Self::None,
            count if count >= frequent => Self::Many,
            _ => Self::Some,
        }
    }
}

/// Whether a frequent line stands between lines that the other text lacks, so that it counts as one of them.
fn is_among_unmatched(matches: &[Matches], at: usize) -> bool {
    let run = |lines: &mut dyn Iterator<Item = &Matches>| {
        let run: Vec<&Matches> = lines.take(AROUND).take_while(|line| **line != Matches::Some).collect();
        let unmatched = run.iter().filter(|line| ***line == Matches::None).count();
        // The line itself is counted on both sides.
        (unmatched, run.len() - unmatched + 1)
    };
    let (above, below) = matches.split_at_checked(at).unwrap_or_default();
    let (unmatched_above, frequent_above) = run(&mut above.iter().rev());
    let (unmatched_below, frequent_below) = run(&mut below.iter().skip(1));
    let (unmatched, frequent) = (unmatched_above + unmatched_below, frequent_above + frequent_below);
    unmatched_above > 0 && unmatched_below > 0 && frequent * 4 < frequent + unmatched
}

/// A power of two near the square root.
pub(crate) fn rough_root(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    1 << bits.div_ceil(2)
}

/// Finds the line of the old text that stands beside an unchanged line of the new one.
fn partner(removed: &[bool], added: &[bool], line: usize) -> Option<usize> {
    if *added.get(line)? {
        return None;
    }
    let unchanged = added.iter().take(line).filter(|added| !**added).count();
    removed.iter().enumerate().filter(|(_, removed)| !**removed).nth(unchanged).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<Option<usize>> {
        (0..after.lines().count()).map(|line| line_before(before.as_bytes(), after.as_bytes(), line)).collect()
    }

    #[test]
    fn a_line_is_found_where_it_stood_before() {
        for (before, after, expected) in [
            ("a\nb\n", "a\nb\n", vec![Some(0), Some(1)]),
            ("a\nb\n", "x\na\nb\n", vec![None, Some(0), Some(1)]),
            ("a\nb\nc\n", "a\nc\n", vec![Some(0), Some(2)]),
            ("", "a\n", vec![None]),
            ("a", "a\n", vec![None]),
            ("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", vec![None, Some(1), None, Some(4), Some(6), None]),
        ] {
            assert_eq!(told(before, after).len(), expected.len());
            let found = told(before, after);
            let is_same = |(at, place): (usize, &Option<usize>)| {
                place.is_none_or(|place| before.lines().nth(place) == after.lines().nth(at))
            };
            assert!(found.iter().enumerate().all(|(at, place)| is_same((at, place))), "{before:?} {after:?} {found:?}");
            if before.len() < 10 {
                assert_eq!(found, expected, "{before:?} {after:?}");
            }
        }
        assert_eq!(line_before(b"a\n", b"a\n", 1), None);
    }

    #[test]
    fn a_group_moves_to_where_people_expect_it() {
        let before = "a:\n  x: 1\n\nc:\n  x: 1\n";
        let after = "a:\n  x: 1\n\nb:\n  x: 1\n\nc:\n  x: 1\n";
        assert_eq!(told(before, after), [Some(0), Some(1), Some(2), None, None, None, Some(3), Some(4)]);
    }

    #[test]
    fn a_long_common_end_is_set_aside_and_found_again() {
        let tail: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let (before, after) = (format!("a\n{tail}"), format!("b\nc\n{tail}"));
        let found = told(&before, &after);
        assert_eq!((&found[..3], found[1001]), (&[None, None, Some(1)][..], Some(1000)));
    }

    #[test]
    fn texts_that_share_nothing_and_much_are_compared_in_bounded_time() {
        let lines = |seed: usize| -> String { (0..30_000).map(|at| format!("{}\n", at * seed % 7_919)).collect() };
        let (before, after) = (lines(31), lines(57));
        assert_eq!(line_before(after.as_bytes(), after.as_bytes(), 29_999), Some(29_999));
        let place = line_before(before.as_bytes(), after.as_bytes(), 15_000);
        assert!(place.is_none_or(|place| before.lines().nth(place) == after.lines().nth(15_000)));
    }
}
