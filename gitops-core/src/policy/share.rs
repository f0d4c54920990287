//! A number, or a part of a whole.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number, or a part of a whole: `3` or `25%`.
///
/// ```
/// use gitops_core::policy::Share;
///
/// assert_eq!("25%".parse::<Share>()?.of(10), 3, "a part is rounded up");
/// assert_eq!("3".parse::<Share>()?.of(2), 2);
/// assert!("120%".parse::<Share>().is_err());
/// # Ok::<(), gitops_core::policy::InvalidShare>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u8),
}

/// A text that is neither a number nor a part of a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share; write it as a number such as `3`, or a part such as `25%`")]
pub struct InvalidShare(String);

impl Share {
    /// Returns how many that is of `whole`; parts are rounded up.
    #[must_use]
    pub fn of(self, whole: usize) -> usize {
        match self {
            Self::Count(count) => whole.min(usize::try_from(count).unwrap_or(usize::MAX)),
            Self::Percent(percent) => whole.saturating_mul(usize::from(percent)).div_ceil(100),
        }
    }
}

impl FromStr for Share {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        let read = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        read.ok_or_else(|| InvalidShare(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Count(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Count(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}
