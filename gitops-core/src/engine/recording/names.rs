//! Names of sources: their addresses without the credentials that may stand in them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::app::AppSource;

/// The names of sources. Those that are shown alike are told apart by when there was work for them first, which is the
/// same in a recording and when it is gone through.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Arc<str>, Arc<str>>);

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", self.0.len())
    }
}

impl Names {
    /// Returns the name that a source has, or would be given now.
    pub(super) fn of(&self, source: &Arc<str>) -> Arc<str> {
        if let Some(name) = self.0.get(source) {
            return Arc::clone(name);
        }
        let shown = AppSource::new(source).shown_repository();
        let is_taken = |name: &str| self.0.values().any(|other| **other == *name);
        let mut name = shown.clone();
        let mut number = 1_usize;
        while is_taken(&name) {
            number = number.saturating_add(1);
            name = format!("{shown} ({number})");
        }
        name.into()
    }

    /// Names a source for good.
    pub(super) fn give(&mut self, source: &Arc<str>) -> Arc<str> {
        let name = self.of(source);
        self.0.entry(Arc::clone(source)).or_insert(name).clone()
    }

    /// Returns which source has a name, or would be given it now.
    pub(super) fn source<'s>(&'s self, name: &Arc<str>, mut known: impl Iterator<Item = &'s Arc<str>>) -> Arc<str> {
        let given = self.0.iter().find(|(_, other)| *other == name).map(|(source, _)| source);
        given.or_else(|| known.find(|source| self.of(source) == *name)).unwrap_or(name).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_no_credentials_and_belongs_to_one_source() {
        let [ann, bob, eve]: [Arc<str>; 3] =
            ["ann:one", "bob:two", "eve:six"].map(|user| format!("https://{user}@example.org/shop.git").into());
        let mut names = Names::default();
        assert_eq!(&*names.give(&bob), "https://example.org/shop.git");
        assert_eq!(&*names.give(&ann), "https://example.org/shop.git (2)");
        assert_eq!(names.give(&bob), names.of(&bob));
        for source in [&ann, &bob, &eve] {
            assert_eq!(names.source(&names.of(source), [&ann, &bob, &eve].into_iter()), *source);
        }
        assert!(!format!("{names:?}").contains("two"));
    }
}
