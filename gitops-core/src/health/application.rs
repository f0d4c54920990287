//! The health of an application, from that of its objects.

use std::fmt;

use serde::Serialize;

use crate::policy::{self, Role};
use crate::resource::{Resource, ResourceKey};

use super::{Confidence, Health, HealthStatus};

/// How many causes are named in a text.
const NAMED: usize = 3;

/// How an application is, and because of what.
///
/// ```
/// use gitops_core::health::{AppHealth, Health, HealthStatus, Part};
/// use gitops_core::resource::ResourceKey;
///
/// let web = ResourceKey::new("apps", "Deployment", Some("shop"), "web");
/// let health = Health::reported(HealthStatus::Degraded, "apps/Deployment", "exceeded its progress deadline");
/// let shop = AppHealth::of([(&web, Part::Judged(&health))]);
/// assert_eq!((shop.status, &*shop.to_string()), (HealthStatus::Degraded, "Caused by apps/Deployment:shop/web"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AppHealth {
    /// The worst status of its objects.
    pub status: HealthStatus,
    /// The objects that are as bad as that, in the order given; none if it is healthy, or if nothing is there.
    pub causes: Vec<ResourceKey>,
    /// How many objects are taken for healthy because they say nothing (rule 40 of the exact rules).
    pub unconfirmed: usize,
}

/// What one object adds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Part<'a> {
    /// It is declared and not there.
    Missing,
    /// It could not be read.
    Unreadable,
    /// It is there, and how it is does not count.
    Ignored,
    /// It is there.
    Judged(&'a Health),
}

impl<'a> Part<'a> {
    /// Returns what a live object adds; nothing for a hook. Ignored is one that asks for it, and a child `Application` of
    /// which nothing is known, or nothing is there yet.
    ///
    /// Rule: Argo CD's aggregation.
    #[must_use]
    pub fn of(live: &Resource, health: &'a Health) -> Option<Self> {
        let options = policy::options(live).0;
        let is_child = live.key().group() == "argoproj.io" && live.key().kind() == "Application";
        let is_blank = matches!(health.status, HealthStatus::Missing | HealthStatus::Unknown);
        match options.role {
            Role::Hook => None,
            _ if options.ignore_health || is_child && is_blank => Some(Self::Ignored),
            _ => Some(Self::Judged(health)),
        }
    }
}

impl AppHealth {
    /// Sums up. A missing object does not worsen the application, which is out of sync, unless nothing is there at all.
    ///
    /// Rule: Argo CD's aggregation; that an object which could not be read is `Unknown`, is ours.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a ResourceKey, Part<'a>)>) -> Self {
        let mut sum = Self::default();
        let (mut some_missing, mut some_there) = (false, false);
        for (key, part) in parts {
            let status = match part {
                Part::Missing => {
                    some_missing = true;
                    continue;
                }
                Part::Ignored => HealthStatus::Healthy,
                Part::Unreadable => HealthStatus::Unknown,
                Part::Judged(health) => {
                    sum.unconfirmed += usize::from(health.confidence == Confidence::Unconfirmed);
                    health.status
                }
            };
            some_there = true;
            if status > sum.status {
                sum.status = status;
                sum.causes.clear();
            }
            if status == sum.status && status != HealthStatus::Healthy {
                sum.causes.push(key.clone());
            }
        }
        if some_missing && !some_there {
            sum.status = HealthStatus::Missing;
        }
        sum
    }
}

/// `Caused by apps/Deployment:shop/web, Service:shop/web`; at most three are named. Empty without causes.
///
/// Rule: Argo CD's text.
impl fmt::Display for AppHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, key) in self.causes.iter().take(NAMED).enumerate() {
            f.write_str(if at == 0 { "Caused by " } else { ", " })?;
            if !key.group().is_empty() {
                write!(f, "{}/", key.group())?;
            }
            write!(f, "{}:", key.kind())?;
            if let Some(namespace) = key.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
                write!(f, "{namespace}/")?;
            }
            f.write_str(&key.name)?;
        }
        match self.causes.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_the_worst_and_three_are_named() {
        let health = |status| Health::reported(status, "test", "");
        let (bad, on_its_way) = (health(HealthStatus::Degraded), health(HealthStatus::Progressing));
        let keys: Vec<_> = (0..5).map(|at| ResourceKey::new("", "Pod", Some("shop"), &format!("p{at}"))).collect();
        let parts = keys
            .iter()
            .enumerate()
            .map(|(at, key)| (key, if at == 0 { Part::Judged(&on_its_way) } else { Part::Judged(&bad) }));
        let sum = AppHealth::of(parts);
        assert_eq!((sum.status, sum.causes.len()), (HealthStatus::Degraded, 4));
        assert_eq!(sum.to_string(), "Caused by Pod:shop/p1, Pod:shop/p2, Pod:shop/p3 and 1 more");
    }

    #[test]
    fn what_is_missing_counts_only_where_nothing_is_there() {
        let key = ResourceKey::new("", "Pod", Some("shop"), "p");
        let well = Health::reported(HealthStatus::Healthy, "test", "");
        for (parts, status) in [
            (vec![], HealthStatus::Healthy),
            (vec![Part::Missing, Part::Judged(&well)], HealthStatus::Healthy),
            (vec![Part::Missing, Part::Missing], HealthStatus::Missing),
            (vec![Part::Missing, Part::Ignored], HealthStatus::Healthy),
            (vec![Part::Missing, Part::Unreadable], HealthStatus::Unknown),
        ] {
            let sum = AppHealth::of(parts.iter().map(|part| (&key, *part)));
            assert_eq!(sum.status, status, "{parts:?}");
        }
    }
}
