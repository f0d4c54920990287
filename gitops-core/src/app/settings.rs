//! What an application does by itself, and how it is synced: Argo CD's `syncPolicy`.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::AppSpec;
use super::spec::is_default;
use crate::policy::{
    CreateNamespace, NamespaceMetadata, Prune, SyncOption, SyncOptions, SyncPolicy, WhenEmpty, duration,
};

/// What an application does by itself, and how it is synced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SyncSettings {
    /// What it does by itself. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// Options of a sync.
    #[serde(skip_serializing_if = "SyncOptions::is_empty")]
    pub sync_options: SyncOptions,
    /// How an operation that failed is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What the namespace of the application is labelled and annotated with, if it is made (`CreateNamespace=true`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<NamespaceMetadata>,
}

/// What an application does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Automated {
    /// Whether it does. Default: yes.
    pub enabled: bool,
    /// Whether it prunes what is no longer declared. Default: no.
    pub prune: bool,
    /// Whether it undoes changes made on the cluster. Default: no.
    pub self_heal: bool,
    /// Whether it may prune everything. Default: no.
    pub allow_empty: bool,
}

/// How an operation that failed is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Retry {
    /// How often it is tried again. Default: `0`, as in Argo CD where there is a `retry` without a limit.
    pub limit: RetryLimit,
    /// How long the pauses are.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff: Backoff,
}

/// How often an operation is tried again. A number; one below zero is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum RetryLimit {
    /// So many times.
    Times(u32),
    /// Without end.
    Unlimited,
}

/// How long the pauses between tries are: each one a multiple of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Backoff {
    /// The first pause: a duration such as `5s`; a bare number is seconds; at least 1 s. Default: 5 s.
    #[serde(with = "pause")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub duration: Duration,
    /// By what each further pause is longer. Default: 2.
    pub factor: u32,
    /// The longest pause; zero is no limit. Default: 3 m.
    #[serde(with = "pause")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub max_duration: Duration,
}

impl SyncSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Automated {
    fn default() -> Self {
        Self { enabled: true, prune: false, self_heal: false, allow_empty: false }
    }
}

impl Default for RetryLimit {
    fn default() -> Self {
        Self::Times(0)
    }
}

/// Rule: `DefaultSyncRetryDuration`, `DefaultSyncRetryFactor` and `DefaultSyncRetryMaxDuration` of Argo CD.
impl Default for Backoff {
    fn default() -> Self {
        Self { duration: Duration::from_secs(5), factor: 2, max_duration: Duration::from_secs(180) }
    }
}

impl Retry {
    /// Returns the pause before the next try, after so many tries again (none yet: 0); `None` once it was enough.
    ///
    /// Rule: `NextRetryAt` of Argo CD: the first pause is `duration`. A factor of 0 means 1.
    #[must_use]
    pub fn pause(&self, tried_again: u32) -> Option<Duration> {
        if let RetryLimit::Times(limit) = self.limit
            && tried_again >= limit
        {
            return None;
        }
        let Backoff { duration, factor, max_duration } = self.backoff;
        let grown = factor.max(1).checked_pow(tried_again).and_then(|times| duration.checked_mul(times));
        let most = if max_duration.is_zero() { LONGEST_PAUSE } else { max_duration.min(LONGEST_PAUSE) };
        Some(grown.unwrap_or(most).min(most).max(SHORTEST_PAUSE))
    }
}

/// No pause is shorter, whatever is written down: an operation that fails at once would be tried in a tight loop.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 86_400);

impl AppSpec {
    /// Returns how it is synced: `policy`, and over it what `syncPolicy` says.
    #[must_use]
    pub fn sync_policy(&self) -> SyncPolicy {
        let mut policy = self.policy.clone();
        if self.automated().is_some_and(|automated| automated.prune) {
            policy.prune = Prune::Owned;
        }
        if self.automated().is_some_and(|automated| automated.allow_empty) {
            policy.when_empty = WhenEmpty::Prune;
        }
        let options = &self.sync_policy.sync_options;
        let metadata = self.sync_policy.managed_namespace_metadata.as_ref();
        if let Some(metadata) = metadata.filter(|_| options.has(SyncOption::CreateNamespace(true))) {
            policy.create_namespace = CreateNamespace::Managed(metadata.clone());
        }
        policy.with_sync_options(options)
    }

    /// Returns the sync options that ask for what is never done, and are not heeded.
    pub fn unheeded_options(&self) -> impl Iterator<Item = SyncOption> {
        self.sync_policy.sync_options.iter().filter(|option| option.is_unheeded())
    }
}

impl Serialize for RetryLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Times(times) => serializer.serialize_u32(*times),
            Self::Unlimited => serializer.serialize_i32(-1),
        }
    }
}

impl<'de> Deserialize<'de> for RetryLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            ..=-1 => Ok(Self::Unlimited),
            limit => u32::try_from(limit).map(Self::Times).map_err(|_| {
                D::Error::custom(format!("`{limit}` tries are too many; use a number below 4294967296, or -1 for ever"))
            }),
        }
    }
}

/// A duration, of which a bare number is seconds. Rule: `parseStringToDuration` of Argo CD.
mod pause {
    use serde::de::Error as _;

    use super::{Deserialize, Deserializer, Duration, duration};

    pub(super) use crate::policy::duration::serialize;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Seconds(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(seconds) => Ok(Duration::from_secs(seconds.into())),
            Written::Text(text) => match text.parse::<u32>() {
                Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
                Err(_) => duration::parse(&text).map_err(D::Error::custom),
            },
        }
    }
}
