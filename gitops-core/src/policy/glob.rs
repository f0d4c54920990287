//! Globs over names and addresses.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ignore::check_glob;

/// A glob over a whole text: `*` stands for any characters, also `/`; `?` for one; `[a-z]` and `{a,b}` for one of some.
///
/// Rule: `util/glob` of Argo CD without separators. One that cannot be read is an error; there it matches nothing.
///
/// ```
/// use gitops_core::policy::Glob;
///
/// let glob: Glob = "https://*.example.org".parse()?;
/// assert!(glob.matches("https://prod.eu.example.org") && !glob.matches("https://example.com"));
/// assert!("shop-[".parse::<Glob>().is_err());
/// # Ok::<(), gitops_core::policy::InvalidGlob>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glob(Arc<str>);

/// A text that is no glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidGlob(pub(crate) String);

/// Longer globs are refused.
const LONGEST: usize = 1024;

/// The matcher stops `*` at a `/`; this stands for it, so that it does not.
const SLASH: &str = "\u{1}";

impl Glob {
    /// Matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self("*".into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the text matches where `*` and `?` stop at a `/`, as in addresses of repositories.
    pub(crate) fn matches_path(&self, text: &str) -> bool {
        &*self.0 == "*" || fast_glob::glob_match(&*self.0, text)
    }

    /// Returns whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &*self.0 {
            "*" => true,
            glob if !glob.contains(['*', '?', '[', '{', '\\']) => glob == text,
            glob => fast_glob::glob_match(glob.replace('/', SLASH), text.replace('/', SLASH)),
        }
    }
}

impl FromStr for Glob {
    type Err = InvalidGlob;

    fn from_str(text: &str) -> Result<Self, InvalidGlob> {
        let shown = || text.chars().take(64).collect::<String>();
        if text.len() > LONGEST {
            return Err(InvalidGlob(format!("`{}…` is longer than {LONGEST} bytes; use a shorter glob", shown())));
        }
        if text.starts_with('!') {
            return Err(InvalidGlob(format!(
                "`{}` starts with `!`, which says nothing here; name what is meant",
                shown()
            )));
        }
        check_glob(text).map_err(InvalidGlob)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_passes_slashes() {
        for (glob, text, matches) in [
            ("*", "https://a/b", true),
            ("https://*", "https://a/b", true),
            ("https://*/b", "https://a/b", true),
            ("https:??a/b", "https://a/b", true),
            ("https://a/[!c]", "https://a/c", false),
            ("shop-{eu,us}", "shop-eu", true),
            ("shop-[!a-c]*", "shop-blue", false),
            ("shop", "shop", true),
            ("shop", "shops", false),
            ("", "", true),
        ] {
            assert_eq!(glob.parse::<Glob>().unwrap().matches(text), matches, "{glob} {text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["a[", "{a", "a\\", "!prod", &"a".repeat(2000)] {
            assert!(text.parse::<Glob>().is_err(), "{text}");
        }
    }
}
