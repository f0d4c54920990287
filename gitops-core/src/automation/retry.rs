//! When an operation that failed is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sync::Cause;

/// How an operation that failed is tried again: by itself, never in a tight loop, and for as long as it may succeed.
///
/// Argo CD tries a failed revision five times and then never again, also where a webhook was down for ten minutes
/// (its issue 18442). Here each cause has a pace of its own, and only hooks have a limit, since they have effects that
/// nobody can take back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Retry {
    /// Most tries for one revision, the first included. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Most tries of a revision whose hooks fail. Default: `limit`, or 5 where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook_limit: Option<u32>,
    /// The pace for all causes, instead of one for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
}

/// A pause that grows with each try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Backoff {
    /// The pause after the first failure. Whole seconds on the wire.
    #[serde(rename = "firstSeconds", with = "crate::policy::seconds")]
    pub first: Duration,
    /// By what each further pause is longer.
    pub factor: u32,
    /// The longest pause. Whole seconds on the wire.
    #[serde(rename = "mostSeconds", with = "crate::policy::seconds")]
    pub most: Duration,
}

/// No pause is shorter, whatever is asked for.
const SHORTEST: Duration = Duration::from_secs(1);

/// Most tries of a revision whose hooks fail, where nothing else is said.
const HOOK_LIMIT: u32 = 5;

impl Retry {
    /// Returns the pause before the next try, after `tries` that failed for this cause; `None` once it was enough.
    #[must_use]
    pub fn pause(&self, cause: Cause, tries: u32) -> Option<Duration> {
        let limit = match cause {
            Cause::Hook => self.hook_limit.or(self.limit).or(Some(HOOK_LIMIT)),
            _ => self.limit,
        };
        if limit.is_some_and(|limit| tries >= limit.max(1)) {
            return None;
        }
        Some(self.backoff.unwrap_or_else(|| Backoff::of(cause)).pause(tries))
    }
}

impl Retry {
    /// Returns the pause after `tries` operations that went well, each but for what was held back.
    pub(super) fn pace(&self, tries: u32) -> Duration {
        self.backoff.unwrap_or_else(|| Backoff::of(Cause::Passing)).pause(tries)
    }

    /// Returns whether so many tries of a revision, for whatever causes they failed, are all that are wanted.
    #[must_use]
    pub fn is_enough(&self, tries: u32) -> bool {
        self.limit.is_some_and(|limit| tries >= limit.max(1))
    }
}

impl Backoff {
    /// Starts at `first`, multiplies by `factor`, and stays at `most`.
    #[must_use]
    pub fn new(first: Duration, factor: u32, most: Duration) -> Self {
        Self { first, factor, most }
    }

    /// The pace that a cause has by default: what passes by itself soon is tried soon.
    fn of(cause: Cause) -> Self {
        let (first, factor, most) = match cause {
            // Argo CD's pace.
            Cause::Passing => (5, 2, 180),
            Cause::Refused => (60, 2, 3600),
            Cause::Unhealthy => (60, 2, 1800),
            Cause::Hook => (60, 3, 3600),
        };
        Self::new(Duration::from_secs(first), factor, Duration::from_secs(most))
    }

    /// Returns the pause after the `tries`th failure, counted from 1.
    #[must_use]
    pub fn pause(&self, tries: u32) -> Duration {
        let grown = self.factor.max(1).checked_pow(tries.saturating_sub(1).min(64));
        let pause = grown.and_then(|grown| self.first.checked_mul(grown)).unwrap_or(self.most);
        // A pause of nothing would be a tight loop.
        pause.min(self.most).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_with_each_try_up_to_its_limit_and_only_hooks_are_given_up() {
        let seconds = |cause, tries| Retry::default().pause(cause, tries).map(|pause| pause.as_secs());
        for (cause, expected) in [
            (Cause::Passing, [Some(5), Some(10), Some(20), Some(40), Some(80), Some(160), Some(180)]),
            (Cause::Refused, [Some(60), Some(120), Some(240), Some(480), Some(960), Some(1920), Some(3600)]),
            (Cause::Unhealthy, [Some(60), Some(120), Some(240), Some(480), Some(960), Some(1800), Some(1800)]),
            (Cause::Hook, [Some(60), Some(180), Some(540), Some(1620), None, None, None]),
        ] {
            assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|tries| seconds(cause, tries)), expected, "{cause:?}");
        }
        let none = Backoff::new(Duration::ZERO, 2, Duration::ZERO);
        assert_eq!(none.pause(1), Duration::from_secs(1), "never in a tight loop");
        assert_eq!(seconds(Cause::Refused, u32::MAX), Some(3600), "it never ends, and never overflows");
    }

    #[test]
    fn a_user_sets_pace_and_limit_for_all_causes() {
        let backoff = Backoff::new(Duration::from_secs(1), 10, Duration::from_secs(500));
        let retry = Retry { limit: Some(4), backoff: Some(backoff), ..Retry::default() };
        for cause in [Cause::Passing, Cause::Refused, Cause::Unhealthy, Cause::Hook] {
            let pauses = [1, 2, 3, 4].map(|tries| retry.pause(cause, tries).map(|pause| pause.as_secs()));
            assert_eq!(pauses, [Some(1), Some(10), Some(100), None], "{cause:?}");
        }
    }

    #[test]
    fn hooks_may_be_tried_less_often_than_the_rest_or_more_often_than_by_default() {
        for (limit, hook_limit, expected) in [
            (None, None, (true, 5)),
            (None, Some(2), (true, 2)),
            (None, Some(9), (true, 9)),
            (Some(7), None, (false, 7)),
            (Some(7), Some(2), (false, 2)),
        ] {
            let retry = Retry { limit, hook_limit, backoff: None };
            let is_tried_for_ever = retry.pause(Cause::Refused, 1_000_000).is_some();
            let tries = (1..).find(|tries| retry.pause(Cause::Hook, *tries).is_none());
            assert_eq!((is_tried_for_ever, tries.unwrap()), expected, "{limit:?} {hook_limit:?}");
        }
    }
}
