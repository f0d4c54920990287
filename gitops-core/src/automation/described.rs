//! From what is written down to what an application may do by itself.

use std::time::Duration;

use crate::app::{AppSpec, RetryLimit};

use super::{Automation, Backoff, Retry, Switch};

/// Stands for no limit of a pause: no pause is longer anyway.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Automation {
    /// Reads what an application may do by itself.
    ///
    /// Where it says nothing of retries, each cause has its own pace (see [`Retry`]): that one is tried again for as long
    /// as it may succeed. Argo CD then tries five times.
    ///
    /// ```
    /// use gitops_core::app::AppSpec;
    /// use gitops_core::automation::Automation;
    ///
    /// let spec: AppSpec = serde_json::from_str(r#"{"syncPolicy": {"automated": {"selfHeal": true}}}"#)?;
    /// assert_eq!(Automation::of(&spec), Automation::healing());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn of(spec: &AppSpec) -> Self {
        let automated = spec.automated();
        let mut retry = spec.sync_policy.retry.as_ref().map_or_else(Retry::default, |retry| {
            let limit = match retry.limit {
                // There the first try does not count.
                RetryLimit::Times(again) => Some(again.saturating_add(1)),
                RetryLimit::Unlimited => None,
            };
            let most = if retry.backoff.max_duration.is_zero() { WEEK } else { retry.backoff.max_duration };
            let backoff = Backoff::new(retry.backoff.duration, retry.backoff.factor.max(1), most);
            Retry { limit, backoff: Some(backoff), ..Retry::default() }
        });
        retry.hook_limit = spec.hook_limit.map(u32::from);
        Self {
            sync: Switch::from(automated.is_some()),
            self_heal: Switch::from(automated.is_some_and(|automated| automated.self_heal)),
            hooks_on_heal: Switch::from(spec.hooks_on_heal),
            retry,
            suspend: Switch::from(spec.suspend),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Cause;

    fn read(json: &str) -> Automation {
        Automation::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn what_is_written_down_is_what_is_done() {
        for (json, sync, heal, suspended) in [
            (r#"{}"#, false, false, false),
            (r#"{"syncPolicy": {"automated": {}}}"#, true, false, false),
            (r#"{"syncPolicy": {"automated": {"selfHeal": true}}, "suspend": true}"#, true, true, true),
            (r#"{"syncPolicy": {"automated": {"enabled": false, "selfHeal": true}}}"#, false, false, false),
        ] {
            let read = read(json);
            let switches = (read.sync.is_on(), read.self_heal.is_on(), read.suspend.is_on());
            assert_eq!(switches, (sync, heal, suspended), "{json}");
            assert!(!read.hooks_on_heal.is_on(), "{json}");
        }
        assert!(read(r#"{"hooksOnHeal": true}"#).hooks_on_heal.is_on());
    }

    #[test]
    fn retries_are_as_many_and_as_far_apart_as_written() {
        let retry = read(
            r#"{"syncPolicy": {"retry": {"limit": 2, "backoff": {"duration": "10s", "factor": 3, "maxDuration": "1m"}}}}"#,
        )
        .retry;
        let pauses = [1, 2, 3].map(|tries| retry.pause(Cause::Refused, tries).map(|pause| pause.as_secs()));
        assert_eq!(pauses, [Some(10), Some(30), None]);
        let endless = read(r#"{"syncPolicy": {"retry": {"limit": -1}}}"#).retry;
        assert_eq!(endless.pause(Cause::Passing, 100), Some(Duration::from_secs(180)));
        for (json, tries) in [
            (r#"{"hookLimit": 2}"#, 2),
            (r#"{"syncPolicy": {"retry": {"limit": 2}}}"#, 3),
            (r#"{"syncPolicy": {"retry": {"limit": 9}}, "hookLimit": 1}"#, 1),
        ] {
            let retry = read(json).retry;
            let pauses = (1..9).find(|tries| retry.pause(Cause::Hook, *tries).is_none());
            assert_eq!(pauses, Some(tries), "{json}");
        }
    }
}
