//! A shortest way from one sequence to another: Myers' algorithm in linear space, from both ends at once.

use std::ops::Range;

use super::rough_root;

/// The least number of steps from each end after which a split is made at the furthest point that was reached.
const PATIENCE: usize = 256;
/// More than any place or sum of two.
const BEYOND: isize = isize::MAX / 4;

/// Returns which items of both are not the same in the other.
pub(super) fn edit(old: &[usize], new: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let patience = rough_root(old.len().saturating_add(new.len()).saturating_add(3)).max(PATIENCE);
    let mut search = Search { old, new, fore: Reach::new(old, new), back: Reach::new(old, new), patience };
    // A stack of our own, so that no input makes ours overflow.
    let mut boxes = vec![Area { old: 0..old.len(), new: 0..new.len(), thorough: false }];
    while let Some(area) = boxes.pop() {
        let area = search.shrunk(area);
        if area.old.is_empty() || area.new.is_empty() {
            removed.extend(area.old);
            added.extend(area.new);
            continue;
        }
        let (first, second) = search.split(&area);
        boxes.extend([first, second]);
    }
    (removed, added)
}

/// A part of both sequences.
#[derive(Clone)]
struct Area {
    old: Range<usize>,
    new: Range<usize>,
    /// Whether its end is known to be near, so that the search does not give up.
    thorough: bool,
}

/// How far along the old sequence each diagonal (old place minus new place) was followed.
struct Reach {
    zero: isize,
    furthest: Vec<isize>,
}

impl Reach {
    fn new(old: &[usize], new: &[usize]) -> Self {
        // One more diagonal at either side, to look at.
        Self { zero: signed(new.len()) + 1, furthest: vec![0; old.len().saturating_add(new.len()).saturating_add(3)] }
    }

    fn at(&self, diagonal: isize) -> isize {
        let at = usize::try_from(diagonal + self.zero).ok();
        at.and_then(|at| self.furthest.get(at)).copied().unwrap_or_default()
    }

    fn set(&mut self, diagonal: isize, place: isize) {
        let at = usize::try_from(diagonal + self.zero).ok();
        at.and_then(|at| self.furthest.get_mut(at)).into_iter().for_each(|furthest| *furthest = place);
    }
}

/// The diagonals that one end has come to.
struct Front {
    low: isize,
    high: isize,
}

impl Front {
    /// Takes a step to both sides, as far as there are diagonals; `beyond` stands outside.
    fn widen(&mut self, (least, most): (isize, isize), reach: &mut Reach, beyond: isize) {
        if self.low > least {
            self.low -= 1;
            reach.set(self.low - 1, beyond);
        } else {
            self.low += 1;
        }
        if self.high < most {
            self.high += 1;
            reach.set(self.high + 1, beyond);
        } else {
            self.high -= 1;
        }
    }

    fn has(&self, diagonal: isize) -> bool {
        (self.low..=self.high).contains(&diagonal)
    }

    /// Its diagonals, the highest first: of ways of equal length the one with the later removals is taken.
    fn diagonals(&self) -> impl Iterator<Item = isize> + use<> {
        let (low, high) = (self.low, self.high);
        (0..).map(move |step| high - 2 * step).take_while(move |diagonal| *diagonal >= low)
    }
}

struct Search<'s> {
    old: &'s [usize],
    new: &'s [usize],
    fore: Reach,
    back: Reach,
    patience: usize,
}

impl Search<'_> {
    fn is_same(&self, old: isize, new: isize) -> bool {
        let item = |items: &[usize], at: isize| usize::try_from(at).ok().and_then(|at| items.get(at)).copied();
        item(self.old, old).is_some_and(|left| item(self.new, new) == Some(left))
    }

    /// Leaves out the common ends.
    fn shrunk(&self, mut area: Area) -> Area {
        let same = |old: usize, new: usize| self.is_same(signed(old), signed(new));
        while !area.old.is_empty() && !area.new.is_empty() && same(area.old.start, area.new.start) {
            (area.old.start, area.new.start) = (area.old.start + 1, area.new.start + 1);
        }
        while !area.old.is_empty() && !area.new.is_empty() && same(area.old.end - 1, area.new.end - 1) {
            (area.old.end, area.new.end) = (area.old.end - 1, area.new.end - 1);
        }
        area
    }

    /// Divides an area at a point of a shortest way through it.
    fn split(&mut self, area: &Area) -> (Area, Area) {
        let (old, new) = (signed(area.old.start)..signed(area.old.end), signed(area.new.start)..signed(area.new.end));
        let bounds = (old.start - new.end, old.end - new.start);
        let (start, end) = (old.start - new.start, old.end - new.end);
        let (mut fore, mut back) = (Front { low: start, high: start }, Front { low: end, high: end });
        let is_odd = (start - end) % 2 != 0;
        self.fore.set(start, old.start);
        self.back.set(end, old.end);
        for steps in 1_usize.. {
            fore.widen(bounds, &mut self.fore, -1);
            for diagonal in fore.diagonals() {
                let (left, right) = (self.fore.at(diagonal - 1), self.fore.at(diagonal + 1));
                let mut place = if left >= right { left + 1 } else { right };
                while place < old.end && place - diagonal < new.end && self.is_same(place, place - diagonal) {
                    place += 1;
                }
                self.fore.set(diagonal, place);
                if is_odd && back.has(diagonal) && self.back.at(diagonal) <= place {
                    return area.divided(place, place - diagonal, [true, true]);
                }
            }
            back.widen(bounds, &mut self.back, BEYOND);
            for diagonal in back.diagonals() {
                let (left, right) = (self.back.at(diagonal - 1), self.back.at(diagonal + 1));
                let mut place = if left < right { left } else { right - 1 };
                while place > old.start && place - diagonal > new.start && self.is_same(place - 1, place - diagonal - 1)
                {
                    place -= 1;
                }
                self.back.set(diagonal, place);
                if !is_odd && fore.has(diagonal) && place <= self.fore.at(diagonal) {
                    return area.divided(place, place - diagonal, [true, true]);
                }
            }
            if steps >= self.patience && !area.thorough {
                break;
            }
        }
        self.furthest(area, &fore, &back)
    }

    /// Divides an area where one end has come furthest. That part of it needs no more than the steps it took.
    fn furthest(&self, area: &Area, fore: &Front, back: &Front) -> (Area, Area) {
        let (old, new) = (signed(area.old.start)..signed(area.old.end), signed(area.new.start)..signed(area.new.end));
        let mut best = (-1, old.start);
        for diagonal in fore.diagonals() {
            let place = self.fore.at(diagonal).min(old.end).min(new.end + diagonal);
            let sum = 2 * place - diagonal;
            if best.0 < sum {
                best = (sum, place);
            }
        }
        let mut least = (BEYOND, old.end);
        for diagonal in back.diagonals() {
            let place = self.back.at(diagonal).max(old.start).max(new.start + diagonal);
            let sum = 2 * place - diagonal;
            if sum < least.0 {
                least = (sum, place);
            }
        }
        if old.end + new.end - least.0 < best.0 - old.start - new.start {
            area.divided(best.1, best.0 - best.1, [true, false])
        } else {
            area.divided(least.1, least.0 - least.1, [false, true])
        }
    }
}

impl Area {
    fn divided(&self, old: isize, new: isize, thorough: [bool; 2]) -> (Self, Self) {
        let within = |place: isize, range: &Range<usize>| {
            usize::try_from(place).unwrap_or_default().clamp(range.start, range.end)
        };
        let (old, new) = (within(old, &self.old), within(new, &self.new));
        let [first, second] = thorough;
        (
            Self { old: self.old.start..old, new: self.new.start..new, thorough: first },
            Self { old: old..self.old.end, new: new..self.new.end, thorough: second },
        )
    }
}

/// A length always fits: no sequence in memory has more than `isize::MAX` items.
fn signed(number: usize) -> isize {
    isize::try_from(number).unwrap_or(isize::MAX)
}
