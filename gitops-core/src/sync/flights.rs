//! Effects whose answers are awaited.

use std::collections::VecDeque;

use super::EffectId;
use super::machine::Flight;

/// What each awaited answer will be about. Numbers are given out in order and never again, so an answer is found by
/// counting.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// The number before that of the first slot.
    before: u64,
    slots: VecDeque<Option<Flight>>,
    awaited: usize,
}

impl Flights {
    /// Names an effect and remembers what its answer will be about.
    pub(super) fn add(&mut self, flight: Flight) -> EffectId {
        self.slots.push_back(Some(flight));
        self.awaited += 1;
        EffectId(self.before.saturating_add(self.slots.len() as u64))
    }

    pub(super) fn get(&self, id: EffectId) -> Option<&Flight> {
        self.slots.get(self.place(id)?)?.as_ref()
    }

    /// Takes what an answer is about; `None` if that is not awaited, or not any more, or is something else than wanted.
    pub(super) fn take(&mut self, id: EffectId, is_wanted: impl FnOnce(&Flight) -> bool) -> Option<Flight> {
        let place = self.place(id)?;
        let flight = self.slots.get_mut(place)?.take_if(|flight| is_wanted(flight))?;
        self.awaited = self.awaited.saturating_sub(1);
        while matches!(self.slots.front(), Some(None)) {
            self.slots.pop_front();
            self.before = self.before.saturating_add(1);
        }
        Some(flight)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.awaited == 0
    }

    /// Awaits nothing any more.
    pub(super) fn clear(&mut self) {
        self.before = self.before.saturating_add(self.slots.len() as u64);
        self.slots.clear();
        self.awaited = 0;
    }

    fn place(&self, id: EffectId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.before)?.checked_sub(1)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_taken_once_in_any_order_and_numbers_are_never_given_out_again() {
        let mut flights = Flights::default();
        let looks = |step: u32| Flight::Looks(vec![step]);
        let step_of = |flight: Option<Flight>| match flight {
            Some(Flight::Looks(steps)) => steps.first().copied(),
            _ => None,
        };
        let ids: Vec<EffectId> = (0..4).map(|step| flights.add(looks(step))).collect();
        for step in [2, 0, 3] {
            assert!(flights.get(ids[step]).is_some());
            assert!(flights.take(ids[step], |_| false).is_none(), "it is kept for the answer that is meant");
            assert_eq!(step_of(flights.take(ids[step], |_| true)), u32::try_from(step).ok());
            assert!(flights.take(ids[step], |_| true).is_none() && flights.get(ids[step]).is_none());
        }
        assert!(!flights.is_empty());
        assert!(flights.take(EffectId(0), |_| true).is_none() && flights.take(EffectId(u64::MAX), |_| true).is_none());
        assert_eq!(step_of(flights.take(ids[1], |_| true)), Some(1));
        assert!(flights.is_empty());
        let later = flights.add(looks(9));
        assert!(!ids.contains(&later));
        flights.clear();
        assert!(flights.is_empty() && flights.take(later, |_| true).is_none());
        assert_ne!(flights.add(looks(9)), later);
    }
}
