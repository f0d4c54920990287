//! When an application may be synced: windows that open by a schedule of cron, and allow or deny.
//!
//! Rule: Argo CD user guide, "Sync Windows", and `SyncWindows.CanSync`. Where several windows are for an application, an
//! open one that denies wins; else an open one that allows; else, if any window allows at all, nothing is allowed. A
//! person may sync in spite of windows that have `manualSync`, and a sync that began while it was allowed may go on in
//! spite of windows that have `syncOverrun`.
//!
//! What Argo CD gets wrong, and is right here:
//! - A schedule, duration, glob or time zone that cannot be read is an error when it is loaded. There, the first two
//!   deny every sync, a glob matches nothing, and the zone is taken to be UTC.
//! - Clocks that are changed: there, the offset of a zone is that of the present moment, for whatever moment is asked
//!   about. Here each opening has the offset of its own: see [`Window`].
//! - A schedule that no day fits, such as 30 February, is an error; there, the window is open for ever.
//! - A window that denies never allows more: there, an open one with `manualSync` or `syncOverrun` allows what the
//!   windows that allow, all shut and without these, do not.
//! - A window is open at the very instant of its schedule; there, only after it.

mod decide;
#[cfg(test)]
mod decided;
mod fields;
mod opening;
mod schedule;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Glob;
use super::duration;

pub use decide::{Asked, Permit};
pub use schedule::{InvalidSchedule, Schedule};
pub use zone::{InvalidZone, Zone};

/// One window: when it is open, for which applications, and what it does to them while it is.
///
/// It is open from each time of its schedule for its duration. The schedule is read from a clock on the wall of its
/// zone; the duration is measured with a stop-watch: a window of eight hours is open for eight hours also in the night
/// in which clocks are changed. An opening that the clock skips is at the moment of the change, so that it is not lost,
/// and one that the clock shows twice happens twice, as in `robfig/cron`. Openings that overlap are one long one, and a
/// duration longer than the schedule's period means for ever: `* * * * *` is open at any time.
///
/// ```
/// use gitops_core::policy::window::Window;
///
/// let window = r#"{"kind": "deny", "schedule": "0 17 * * fri", "duration": "63h", "timeZone": "Europe/Berlin"}"#;
/// let window: Window = serde_json::from_str(window)?;
/// assert_eq!(window.to_string(), "deny window `0 17 * * fri` for 63h (Europe/Berlin)");
/// assert!(window.is_open("2026-06-06T12:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Window {
    /// What it does while it is open.
    pub kind: Kind,
    /// When it opens.
    pub schedule: Schedule,
    /// How long it is open. Written as Go does, such as `1h30m`.
    #[serde(with = "duration")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub duration: Duration,
    /// Where the clock hangs that the schedule is read from. Default: UTC.
    #[serde(default, skip_serializing_if = "Zone::is_utc")]
    pub time_zone: Zone,
    /// Names of applications that it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<Glob>,
    /// Namespaces that applications are synced to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Glob>,
    /// Clusters, by name or address, that applications are synced to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Glob>,
    /// Whether all of applications, namespaces and clusters that are given must match. Default: one of them must.
    #[serde(default, skip_serializing_if = "is_false")]
    pub and_operator: bool,
    /// Whether a person may sync in spite of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub manual_sync: bool,
    /// Whether a sync that began while it was allowed may go on in spite of it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sync_overrun: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
}

/// What a window does while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the kinds of Argo CD")]
pub enum Kind {
    /// Syncs are allowed; while all such windows are shut, they are not.
    Allow,
    /// Syncs are not allowed.
    Deny,
}

/// The windows of a project, in order; or those of them that are for one application.
///
/// ```
/// use gitops_core::policy::window::{Asked, Placed, Windows};
///
/// let windows: Windows = serde_json::from_str(
///     r#"[{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "applications": ["shop-*"]}]"#,
/// )?;
/// let windows = windows.of(&Placed::named("shop-web"));
/// let permit = windows.decide(Asked::Automatically, "2026-03-01T12:00:00Z".parse()?, None);
/// assert!(!permit.allowed);
/// assert_eq!(permit.reason, "no allow window is open; the next is window 1 (`0 22 * * *` for 1h, UTC) at 2026-03-01T22:00:00Z");
/// assert_eq!(permit.next_change, Some("2026-03-01T22:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// Each with its number in the list of the project, counted from 1.
    list: Vec<(usize, Arc<Window>)>,
}

/// An application, and where it is synced to: what a window is for. What is empty matches nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed<'a> {
    /// Name of the application.
    pub application: &'a str,
    /// Namespace that it is synced to.
    pub namespace: &'a str,
    /// Address of the cluster.
    pub server: &'a str,
    /// Name of the cluster.
    pub cluster: &'a str,
}

impl<'a> Placed<'a> {
    /// Names an application that is synced to no place yet.
    #[must_use]
    pub fn named(application: &'a str) -> Self {
        Self { application, ..Self::default() }
    }
}

impl Window {
    /// Describes a window that is for no application yet.
    #[must_use]
    pub fn new(kind: Kind, schedule: Schedule, duration: Duration) -> Self {
        Self {
            kind,
            schedule,
            duration,
            time_zone: Zone::utc(),
            applications: Vec::new(),
            namespaces: Vec::new(),
            clusters: Vec::new(),
            and_operator: false,
            manual_sync: false,
            sync_overrun: false,
            description: None,
        }
    }

    /// Returns whether it is for an application. One that names no application, namespace or cluster is for none.
    #[must_use]
    pub fn is_for(&self, placed: &Placed<'_>) -> bool {
        let any = |globs: &[Glob], texts: &[&str]| {
            let matching = |glob: &Glob| texts.iter().any(|text| !text.is_empty() && glob.matches(text));
            (!globs.is_empty()).then(|| globs.iter().any(matching))
        };
        let mut given = [
            any(&self.applications, &[placed.application]),
            any(&self.clusters, &[placed.cluster, placed.server]),
            any(&self.namespaces, &[placed.namespace]),
        ]
        .into_iter()
        .flatten()
        .peekable();
        if self.and_operator { given.peek().is_some() && given.all(|fits| fits) } else { given.any(|fits| fits) }
    }

    /// Describes when it is open.
    fn times(&self) -> String {
        format!("`{}` for {}, {}", self.schedule, duration::show(self.duration), self.time_zone)
    }
}

impl Windows {
    /// Gathers the windows of a project.
    #[must_use]
    pub fn new(windows: impl IntoIterator<Item = Window>) -> Self {
        Self { list: (1..).zip(windows.into_iter().map(Arc::new)).collect() }
    }

    /// Returns the windows, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.list.iter().map(|(_, window)| &**window)
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns those that are for one application; they keep their numbers.
    #[must_use]
    pub fn of(&self, placed: &Placed<'_>) -> Self {
        Self { list: self.list.iter().filter(|(_, window)| window.is_for(placed)).cloned().collect() }
    }

    /// Says, a sentence each, what was probably not meant: windows that are for no application, that never open, and
    /// that allow only while another one denies.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for (number, window) in &self.list {
            let times = window.times();
            if window.applications.is_empty() && window.namespaces.is_empty() && window.clusters.is_empty() {
                doubts.push(format!(
                    "window {number} ({times}) is for no application; give it `applications`, `namespaces` or \
                     `clusters`, such as `[\"*\"]`"
                ));
            }
            if window.duration.as_millis() == 0 {
                doubts.push(format!("window {number} ({times}) never opens; give it a `duration` such as `1h`"));
            }
            let shut = self.list.iter().find(|(_, other)| other.always_shuts(window));
            if let Some((other, deny)) = shut {
                doubts.push(format!(
                    "window {number} ({times}) allows only what window {other} ({}) denies at the same time; change one",
                    deny.times()
                ));
            }
        }
        doubts
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = duration::show(self.duration);
        write!(f, "{} window `{}` for {duration} ({})", self.kind, self.schedule, self.time_zone)
    }
}

impl Serialize for Windows {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Windows {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Vec<Window>>::deserialize(deserializer).map(|windows| Self::new(windows.unwrap_or_default()))
    }
}
