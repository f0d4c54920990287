//! Objects that somebody rewrites after each of our writes. Rule 23 of the exact rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::diff::Change;
use crate::resource::ResourceKey;
use crate::time::Timestamp;

/// The pause after the first heal of an object, which doubles with each further one.
const FIRST: Duration = Duration::from_secs(60);
/// The longest pause.
const MOST: Duration = Duration::from_secs(3600);
/// An object that was left in peace for this long, and for twice its pause, is no longer fought over.
const PEACE: Duration = Duration::from_secs(600);
/// From this many heals in a row on, it is a fight.
const FOUGHT: u32 = 3;
/// Most fights that are stored.
pub(super) const STORED: usize = 50;
/// Most names of managers, and of fields, that are remembered of one fight.
const NAMED: usize = 8;

/// Which objects of one application were healed lately, and what is therefore left to rest.
///
/// The first change by hand is undone at once. If the object is changed again soon after, the next heal waits a
/// minute, then two, doubling up to an hour; everything else of the application goes on healing. So one object is
/// written at most seven times in its first hour, and once an hour from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fights(BTreeMap<ResourceKey, Fight>);

/// One object that is healed again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fight {
    /// How often it was healed in a row.
    pub heals: u32,
    /// When it was healed first.
    pub first: Timestamp,
    /// When it was healed last.
    pub last: Timestamp,
    /// Who held the fields that were healed; none where nobody did, such as a server that does not keep what is sent.
    pub managers: BTreeSet<Arc<str>>,
    /// The fields that were healed, as people write them.
    pub fields: BTreeSet<Arc<str>>,
}

impl Fights {
    /// Notes that an object is healed now, which differs by `changes`.
    pub fn healed(&mut self, key: &ResourceKey, changes: &[Change], now: Timestamp) {
        self.0.retain(|_, fight| !fight.is_over(now));
        let fight = self.0.entry(key.clone()).or_insert_with(|| Fight {
            heals: 0,
            first: now,
            last: now,
            managers: BTreeSet::new(),
            fields: BTreeSet::new(),
        });
        fight.heals = fight.heals.saturating_add(1);
        fight.last = now;
        let managers = changes.iter().flat_map(|change| &change.owners).map(|owner| Arc::clone(&owner.manager));
        extend(&mut fight.managers, managers);
        extend(&mut fight.fields, changes.iter().map(|change| change.path.to_string().into()));
    }

    /// Returns what is to be remembered should the program end: objects that were healed more than once in a row, at most
    /// 50 of them, those that were healed most.
    #[must_use]
    pub fn lasting(&self) -> Self {
        let mut again: Vec<_> = self.0.iter().filter(|(_, fight)| fight.heals > 1).collect();
        again.sort_by_key(|(_, fight)| std::cmp::Reverse(fight.heals));
        Self(again.into_iter().take(STORED).map(|(key, fight)| (key.clone(), fight.clone())).collect())
    }

    /// Takes what was remembered, as far as it still counts. What lies ahead was written by a clock that was wrong.
    #[must_use]
    pub fn recalled(mut self, now: Timestamp) -> Self {
        self.0.retain(|_, fight| fight.last <= now && !fight.is_over(now));
        self
    }

    /// Returns whether nothing was healed lately.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all: another revision is another beginning.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes all back by a while, as a clock was set.
    pub(crate) fn set_back(&mut self, by: Duration) {
        let back = |at: Timestamp| {
            Timestamp::from_millis(at.millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
        };
        for fight in self.0.values_mut() {
            (fight.first, fight.last) = (back(fight.first), back(fight.last));
        }
    }

    /// Returns the objects that are left to rest.
    #[must_use]
    pub fn resting(&self, now: Timestamp) -> BTreeSet<ResourceKey> {
        self.0.iter().filter(|(_, fight)| fight.rests_until() > now).map(|(key, _)| key.clone()).collect()
    }

    /// Returns when the first of `keys` may be healed again, of those that could not be healed at `since` yet.
    #[must_use]
    pub fn wake_at<'k>(&self, keys: impl IntoIterator<Item = &'k ResourceKey>, since: Timestamp) -> Option<Timestamp> {
        let fights = keys.into_iter().filter_map(|key| self.0.get(key));
        fights.map(Fight::rests_until).filter(|until| *until > since).min()
    }

    /// Forgets what was left in peace.
    pub fn settle(&mut self, now: Timestamp) {
        self.0.retain(|_, fight| !fight.is_over(now));
    }

    /// Returns when the first of what is fought over will have been left in peace.
    #[must_use]
    pub fn peace_at(&self) -> Option<Timestamp> {
        let moment = Duration::from_millis(1);
        self.fought().map(|(_, fight)| fight.last + fight.peace() + moment).min()
    }

    /// Returns what is fought over, in order.
    pub fn fought(&self) -> impl Iterator<Item = (&ResourceKey, &Fight)> {
        self.0.iter().filter(|(_, fight)| fight.heals >= FOUGHT)
    }
}

impl Fight {
    /// Returns when the object may be healed again.
    #[must_use]
    pub fn rests_until(&self) -> Timestamp {
        self.last + self.pause()
    }

    /// Returns the time between two heals, on average; `None` after the first one.
    #[must_use]
    pub fn period(&self) -> Option<Duration> {
        self.last.since(self.first).checked_div(self.heals.saturating_sub(1))
    }

    fn pause(&self) -> Duration {
        let grown = 2u32.checked_pow(self.heals.saturating_sub(1)).and_then(|grown| FIRST.checked_mul(grown));
        grown.unwrap_or(MOST).min(MOST)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.last) > self.peace()
    }

    fn peace(&self) -> Duration {
        self.pause().checked_mul(2).unwrap_or(MOST).max(PEACE)
    }
}

/// On the wire a list, since JSON keys are texts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(flatten)]
    key: ResourceKey,
    fight: Fight,
}

impl Serialize for Fights {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, fight)| Row { key: key.clone(), fight: fight.clone() }))
    }
}

impl<'de> Deserialize<'de> for Fights {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<Row>::deserialize(deserializer)?;
        Ok(Self(rows.into_iter().map(|row| (row.key, row.fight)).collect()))
    }
}

fn extend(known: &mut BTreeSet<Arc<str>>, more: impl Iterator<Item = Arc<str>>) {
    for name in more {
        if known.len() >= NAMED {
            return;
        }
        known.insert(name);
    }
}

impl fmt::Display for Fight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<Arc<str>>| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        match (self.managers.is_empty(), self.fields.is_empty()) {
            // No field differs where the object itself was missing.
            (_, true) => f.write_str("it is gone")?,
            (true, false) => write!(f, "the cluster does not keep {}", list(&self.fields))?,
            (false, false) => write!(f, "{} rewrites {}", list(&self.managers), list(&self.fields))?,
        }
        write!(f, " after each heal ({} so far", self.heals)?;
        if let Some(period) = self.period() {
            write!(f, ", every {} s", period.as_secs())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(seconds)
    }

    /// Heals an object that somebody rewrites at once, for `seconds`; returns when it was written.
    fn fought_for(seconds: u64, rewritten_after: u64) -> Vec<u64> {
        let key = ResourceKey::new("apps", "Deployment", "shop", "web");
        let (mut fights, mut written, mut differs_at) = (Fights::default(), Vec::new(), 0);
        for now in 0..seconds {
            if now >= differs_at && !fights.resting(at(now)).contains(&key) {
                fights.healed(&key, &[], at(now));
                written.push(now);
                differs_at = now + rewritten_after;
            }
        }
        written
    }

    #[test]
    fn an_object_that_is_rewritten_after_each_heal_is_healed_ever_more_rarely() {
        let written = fought_for(5 * 3600, 1);
        assert_eq!(written.get(..8).unwrap(), [0, 60, 180, 420, 900, 1860, 3780, 7380], "{written:?}");
        assert!(written.windows(2).skip(6).all(|pair| pair[1] - pair[0] == 3600), "{written:?}");
    }

    #[test]
    fn a_change_by_hand_now_and_then_is_undone_at_once() {
        let written = fought_for(24 * 3600, 1800);
        assert!(written.windows(2).all(|pair| pair[1] - pair[0] == 1800), "{written:?}");
    }

    #[test]
    fn a_fight_is_named_with_its_period_and_forgotten_in_peace() {
        let key = ResourceKey::new("apps", "Deployment", "shop", "web");
        let mut fights = Fights::default();
        for now in [0, 60, 180] {
            fights.healed(&key, &[], at(now));
        }
        let (_, fight) = fights.fought().next().unwrap();
        assert_eq!(fight.to_string(), "it is gone after each heal (3 so far, every 90 s)");
        assert_eq!(fights.wake_at([&key], at(180)), Some(at(180 + 240)));
        fights.healed(&key, &[], at(5000));
        assert_eq!(fights.fought().count(), 0);
    }
}
