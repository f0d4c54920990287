//! Objects that somebody changes again and again: whom they concern is looked at more rarely.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::resource::{Resource, ResourceKey};
use crate::state::Live;
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::Engine;
use super::clusters::ClusterState;
use super::status::ConditionKind;
use super::subject::Level;

/// How long changes of a hot object are gathered: whom it concerns is compared for it no more often.
pub(super) const GATHER: Duration = Duration::from_secs(1);
/// So many changes more than one in a second make an object hot.
const HOT: u32 = 20;
/// It cools for no longer than it takes from here.
const HOTTEST: u32 = 40;
/// Most objects of which it is known how often they change. Of more, those that are coolest are forgotten.
const OBJECTS: usize = 1_000;
/// Most hot objects that a condition names.
const NAMED: usize = 3;

/// How often objects were changed lately: one more with each change, one less with each second.
#[derive(Debug, Default)]
pub(super) struct Heats(BTreeMap<ResourceKey, Heat>);

#[derive(Clone, Copy, Debug)]
struct Heat {
    level: u32,
    at: Timestamp,
}

impl Heat {
    fn now(self, now: Timestamp) -> u32 {
        let cooled = u32::try_from(now.since(self.at).as_secs()).unwrap_or(u32::MAX);
        self.level.saturating_sub(cooled)
    }
}

impl Heats {
    /// Counts a change of an object; returns whether it is hot.
    pub(super) fn count(&mut self, key: &ResourceKey, now: Timestamp) -> bool {
        let known = self.0.get(key).copied();
        // The whole seconds that passed are taken off; what is left of the last one counts next time.
        let (level, at) = match known {
            Some(heat) if heat.at <= now => {
                let passed = now.since(heat.at).as_secs();
                (heat.now(now), heat.at + Duration::from_secs(passed))
            }
            Some(heat) => (heat.level, now),
            None => (0, now),
        };
        let level = level.saturating_add(1).min(HOTTEST);
        self.0.insert(key.clone(), Heat { level, at });
        if self.0.len() > OBJECTS {
            self.0.retain(|_, heat| heat.now(now) > 1);
            while self.0.len() > OBJECTS {
                self.0.pop_first();
            }
        }
        level >= HOT
    }

    /// Returns what is hot, and for how long it stays so if nobody changes it.
    fn hot(&self, now: Timestamp) -> impl Iterator<Item = (&ResourceKey, Duration)> {
        self.0.iter().filter_map(move |(key, heat)| {
            let above = heat.now(now).checked_sub(HOT)?;
            Some((key, Duration::from_secs(u64::from(above).saturating_add(1))))
        })
    }
}

impl Engine {
    /// States which objects of an application somebody changes again and again, and has it looked at when they calm down.
    pub(super) fn note_hot(&mut self, name: &Arc<str>) {
        let Some(cluster) = self.subjects.get(name).and_then(|subject| self.clusters.get(&subject.application.cluster))
        else {
            return;
        };
        let concerns = |key: &ResourceKey| cluster.concerned.get(key).is_some_and(|apps| apps.contains(name));
        let hot: Vec<(&ResourceKey, Duration)> = cluster.heats.hot(self.now).filter(|(key, _)| concerns(key)).collect();
        let calm = hot.iter().map(|(_, calm)| *calm).min();
        let mut lines: Vec<String> = hot.iter().take(NAMED).map(|(key, _)| cluster.line(key)).collect();
        if let more @ 1.. = hot.len().saturating_sub(NAMED) {
            lines.push(format!("and {more} more"));
        }
        let text = (!lines.is_empty())
            .then(|| format!("changed again and again, and looked at once a second: {}", lines.join(", ")).into());
        self.condition(name, ConditionKind::HotObject, text);
        if let Some(calm) = calm {
            self.stir(name, Level::Live, calm);
        }
    }
}

impl ClusterState {
    /// Names an object, and who changed it last.
    fn line(&self, key: &ResourceKey) -> String {
        let live = self.cache.as_ref().map(|cache| cache.live.get(key));
        match live {
            Some(Live::Present(object)) => match last_manager(object) {
                Some(manager) => format!("{key} by `{manager}`"),
                None => key.to_string(),
            },
            _ => key.to_string(),
        }
    }
}

/// Who wrote an object last, its status apart.
fn last_manager(object: &Resource) -> Option<&str> {
    let entries = object.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list)?;
    let text = |entry: ValueRef<'_>, name| entry.get(name).and_then(ValueRef::as_str).map(str::to_owned);
    let main = entries.iter().filter(|entry| text(*entry, "subresource").is_none());
    let last = main.max_by_key(|entry| text(*entry, "time"))?;
    last.get("manager").and_then(ValueRef::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_millis(millis)
    }

    fn key(name: &str) -> ResourceKey {
        ResourceKey::new("", "ConfigMap", "default", name)
    }

    /// Changes an object so often in a second, and returns which change made it hot.
    fn hot_after(per_second: u64) -> Option<u64> {
        let mut heats = Heats::default();
        (1..2_000).find(|nth| heats.count(&key("web"), at(nth * 1000 / per_second)))
    }

    #[test]
    fn an_object_is_hot_that_is_changed_several_times_a_second_for_a_while() {
        assert_eq!([1, 2, 5, 10].map(hot_after).map(|after| after.is_some()), [false, true, true, true]);
        assert!(hot_after(5).is_some_and(|changes| (20..40).contains(&changes)));
    }

    #[test]
    fn it_cools_within_a_minute_and_a_clock_set_back_keeps_it_no_longer() {
        let mut heats = Heats::default();
        for nth in 0..1_000 {
            heats.count(&key("web"), at(1_000_000 + nth * 100));
        }
        let now = at(1_100_000);
        let calm = heats.hot(now).next().map(|(_, calm)| calm).unwrap();
        assert!(calm <= Duration::from_secs(30), "{calm:?}");
        assert_eq!(heats.hot(now + calm).count(), 0);
        assert!(heats.count(&key("web"), at(5_000)));
        assert_eq!(heats.hot(at(5_000) + Duration::from_secs(30)).count(), 0);
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let mut heats = Heats::default();
        for nth in 0..5_000_u64 {
            heats.count(&key(&format!("m{nth}")), at(nth));
        }
        assert!(heats.0.len() <= OBJECTS);
    }
}
