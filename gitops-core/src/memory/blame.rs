//! Where a line was before.

/// The most cells of the table that [`line_before`] fills; larger changes count as changed throughout.
const CELLS: usize = 4_000_000;

/// The lines of a file.
pub(super) fn lines(content: &[u8]) -> Vec<&[u8]> {
    let text = content.strip_suffix(b"\n").unwrap_or(content);
    if content.is_empty() { Vec::new() } else { text.split(|byte| *byte == b'\n').collect() }
}

/// Returns where line `line` of `after`, counted from 0, is in `before`, if it was there already: by the longest common
/// subsequence of what lies between equal beginnings and ends.
pub(super) fn line_before(before: &[u8], after: &[u8], line: usize) -> Option<usize> {
    let (before, after) = (lines(before), lines(after));
    let head = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    if line < head {
        return Some(line);
    }
    let (old, new) = (before.get(head..)?, after.get(head..)?);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    if line >= after.len() - tail {
        return Some(before.len() - (after.len() - line));
    }
    let (old, new) = (old.get(..old.len() - tail)?, new.get(..new.len() - tail)?);
    Some(head + matched(old, new, line - head)?)
}

/// Which old line the new one at `wanted` is matched with.
fn matched(old: &[&[u8]], new: &[&[u8]], wanted: usize) -> Option<usize> {
    let width = new.len() + 1;
    let cells = (old.len() + 1).checked_mul(width).filter(|cells| *cells <= CELLS)?;
    // `lengths[i * width + j]`: the longest common subsequence of `old[i..]` and `new[j..]`.
    let mut lengths = vec![0_u32; cells];
    let at = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for (i, old_line) in old.iter().enumerate().rev() {
        for (j, new_line) in new.iter().enumerate().rev() {
            let length = if old_line == new_line {
                at(&lengths, i + 1, j + 1) + 1
            } else {
                at(&lengths, i + 1, j).max(at(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = length;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while let (Some(old_line), Some(new_line)) = (old.get(i), new.get(j)) {
        match (old_line == new_line, j == wanted) {
            (true, true) => return Some(i),
            (true, false) => (i, j) = (i + 1, j + 1),
            (false, _) if at(&lengths, i + 1, j) >= at(&lengths, i, j + 1) => i += 1,
            (false, true) => return None,
            (false, false) => j += 1,
        }
    }
    None
}
