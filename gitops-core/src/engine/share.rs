//! Who may have how many pieces of work under way, so that nobody keeps the others waiting.
//!
//! Work that hangs cannot be taken back; so nobody gets all the places. Each party may have as many as are free beside
//! it: alone at most half of them, with another one that takes what it can get a third, and so on. Whatever hangs, some
//! places are left for all others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::source::Target;

use super::{Flight, WorkId};

/// Who takes places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    /// Work of one class.
    Class(Class),
    /// Targets whose source did not answer the last time: there may be many, of many sources that are one host.
    Ailing,
    /// Work with one source.
    Source(Arc<str>),
    /// Work on one cluster.
    Cluster(Arc<str>),
    /// The operation of one application.
    Operation(Arc<str>),
}

/// Classes of work, each of which has its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// To resolve targets.
    #[default]
    Resolve,
    /// To list clusters.
    List,
    /// Effects of operations.
    Effect,
    /// To look at applications.
    Look,
}

/// Places for work: who has them, and who waits for one.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: BTreeMap<WorkId, Vec<Party>>,
    counts: BTreeMap<Party, usize>,
    pub(super) targets: Line<(Arc<str>, Target)>,
    pub(super) apps: Line<Arc<str>>,
}

/// Those who wait for a place of a party, each of them once, in order.
#[derive(Debug)]
pub(super) struct Line<K> {
    waiting: BTreeMap<Party, BTreeMap<u64, K>>,
    known: BTreeMap<K, (Party, u64)>,
    count: u64,
}

impl Party {
    /// An operation has as many objects as it likes, and a source may be down for days: half of what others may have.
    fn weight(&self) -> usize {
        if matches!(self, Self::Operation(_) | Self::Ailing) { 2 } else { 1 }
    }
}

impl Class {
    pub(super) const ALL: [Self; 4] = [Self::Resolve, Self::List, Self::Effect, Self::Look];

    /// All of them, beginning with this one.
    pub(super) fn onwards(self) -> impl Iterator<Item = Self> {
        let later = Self::ALL.into_iter().filter(move |class| *class >= self);
        later.chain(Self::ALL.into_iter().filter(move |class| *class < self))
    }

    /// The one that comes after it.
    pub(super) fn next(self) -> Self {
        self.onwards().nth(1).unwrap_or_default()
    }
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let (targets, apps) = (Line::default(), Line::default());
        Self { most: most.max(1), taken: BTreeMap::new(), counts: BTreeMap::new(), targets, apps }
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Whether a party may have one more.
    pub(super) fn has_room(&self, party: &Party) -> bool {
        let (free, has) = (self.most.saturating_sub(self.taken.len()), self.counts.get(party).copied().unwrap_or(0));
        has.saturating_mul(party.weight()) < free
    }

    pub(super) fn take(&mut self, id: WorkId, parties: Vec<Party>) {
        for party in &parties {
            let count = self.counts.entry(party.clone()).or_default();
            *count = count.saturating_add(1);
        }
        self.taken.insert(id, parties);
    }

    pub(super) fn release(&mut self, id: WorkId) {
        for party in self.taken.remove(&id).unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&party) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&party);
            }
        }
    }

    /// The next application that may go on.
    pub(super) fn next_app(&mut self) -> Option<Arc<str>> {
        let party = self.apps.parties().find(|party| self.has_room(party))?.clone();
        self.apps.next(&party)
    }

    /// The next target that may be resolved.
    pub(super) fn next_target(&mut self) -> Option<(Arc<str>, Target)> {
        let party = self.targets.parties().find(|party| self.has_room(party))?.clone();
        self.targets.next(&party)
    }

    /// Whether somebody waits who may go on.
    pub(super) fn may_go_on<K: Clone + Ord>(&self, line: &Line<K>) -> bool {
        line.parties().any(|party| self.has_room(party))
    }
}

impl<K> Default for Line<K> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), known: BTreeMap::new(), count: 0 }
    }
}

impl<K: Clone + Ord> Line<K> {
    /// Has somebody wait; who waits already keeps its place.
    pub(super) fn wait(&mut self, who: &K, party: Party) {
        if self.known.contains_key(who) {
            return;
        }
        self.count = self.count.saturating_add(1);
        self.known.insert(who.clone(), (party.clone(), self.count));
        self.waiting.entry(party).or_default().insert(self.count, who.clone());
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&mut self, who: &K) {
        let Some((party, at)) = self.known.remove(who) else { return };
        let Some(waiting) = self.waiting.get_mut(&party) else { return };
        waiting.remove(&at);
        if waiting.is_empty() {
            self.waiting.remove(&party);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    fn parties(&self) -> impl Iterator<Item = &Party> {
        self.waiting.keys()
    }

    fn next(&mut self, party: &Party) -> Option<K> {
        let who = self.waiting.get(party)?.first_key_value().map(|(_, who)| who.clone())?;
        self.leave(&who);
        Some(who)
    }
}

/// Who takes places with a piece of work.
pub(super) fn parties(flight: &Flight, source: Option<&Arc<str>>, cluster: Option<&Arc<str>>) -> Vec<Party> {
    let class = match flight {
        Flight::Watch(..) => return Vec::new(),
        Flight::Resolve(..) => Class::Resolve,
        Flight::List(_) => Class::List,
        Flight::Effect(_) => Class::Effect,
        Flight::Load(..) | Flight::Ledgers(_) | Flight::Ask(_) | Flight::Store(..) => Class::Look,
    };
    let mut parties = vec![Party::Class(class)];
    parties.extend(source.cloned().map(Party::Source));
    parties.extend(cluster.cloned().map(Party::Cluster));
    if let Flight::Effect(under_way) = flight {
        parties.push(Party::Operation(Arc::clone(&under_way.app)));
    }
    parties
}

/// The parties that wait, for sizes.
impl Places {
    /// How many wait for a place.
    pub(super) fn waiting(&self) -> usize {
        self.targets.len().saturating_add(self.apps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party::Cluster(name.into())
    }

    fn fill(places: &mut Places, parties: &[Party], first: u64) -> u64 {
        let mut taken = 0;
        while parties.iter().any(|party| places.has_room(party)) {
            for party in parties {
                if places.has_room(party) {
                    places.take(WorkId(first + taken), vec![party.clone()]);
                    taken += 1;
                }
            }
        }
        taken
    }

    #[test]
    fn whoever_takes_what_it_can_get_leaves_places_for_the_others() {
        for (names, expected) in [(&["a"][..], 16), (&["a", "b"], 21), (&["a", "b", "c"], 24)] {
            let mut places = Places::new(32);
            let parties: Vec<Party> = names.iter().map(|name| party(name)).collect();
            let taken = fill(&mut places, &parties, 0);
            assert!(taken >= expected && taken < 32, "{names:?}: {taken}");
            assert!(places.has_room(&party("z")));
        }
        let mut places = Places::new(32);
        assert_eq!(fill(&mut places, &[Party::Operation("a".into())], 0), 11);
        let mut places = Places::new(1);
        assert_eq!(fill(&mut places, &[party("a")], 0), 1, "there is always one");
    }

    #[test]
    fn who_waits_goes_on_in_order_once_there_is_room() {
        let mut places = Places::new(2);
        places.take(WorkId(1), vec![party("a")]);
        for name in ["z", "y", "z"] {
            places.apps.wait(&name.into(), party("a"));
        }
        assert_eq!((places.waiting(), places.next_app()), (2, None));
        places.release(WorkId(1));
        let order: Vec<Arc<str>> = std::iter::from_fn(|| places.next_app()).collect();
        assert_eq!(order, ["z".into(), "y".into()]);
        assert_eq!((places.waiting(), places.taken(), places.counts.len()), (0, 0, 0));
    }

    #[test]
    fn each_class_has_its_turn() {
        let order: Vec<Class> = Class::Effect.onwards().collect();
        assert_eq!(order, [Class::Effect, Class::Look, Class::Resolve, Class::List]);
        assert_eq!((Class::Look.next(), Class::Resolve.next()), (Class::Resolve, Class::List));
    }
}
