//! What is done about submodules: repositories in which a commit names a commit of another one.

mod declared;
mod local;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gitops_core::source::SourceError;
use gix::ObjectId;

use crate::error::too_large;
use crate::{GitSource, RemoteUrl};

pub use declared::{InvalidSubmodule, InvalidSubmodules, Submodule, SubmoduleList};

pub(crate) use local::LocalModules;

/// Repositories of submodules that one source keeps open, and the listings after which one makes room that was in none.
const OPEN: usize = 256;
const LISTINGS: u64 = 64;

/// What is done about submodules. Default: `Skip`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Submodules {
    /// One among the wanted folders blocks, as a file does that cannot be read.
    Refuse,
    /// Their files are not read, and a warning says so.
    #[default]
    Skip,
    /// Their files are read at the commit that is named, as if they were files of the repository.
    Follow(Follow),
}

/// Which submodules are followed, and how far.
///
/// A submodule is fetched with what signs in at its host ([`crate::Credentials`] is asked with its address), so whoever can write
/// a `.gitmodules` can have every repository read that these credentials open at the hosts which are followed. What is
/// signed is the commit that names the submodule, and by its id all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Follow {
    /// Whether the host of the repository is enough. Default: it is.
    pub hosts: Hosts,
    /// Repositories that are followed wherever they are. One at another host must be listed, as must a bundle.
    pub listed: Vec<RemoteUrl>,
    /// Submodules of submodules of submodules. Default: 4.
    pub depth: usize,
    /// Submodules in one snapshot. Default: 64.
    pub count: usize,
}

/// Which repositories are followed besides those that are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Hosts {
    /// Those that are reached as the repository itself is: by the same scheme, host and port.
    #[default]
    Same,
    /// None.
    Listed,
}

impl Default for Follow {
    fn default() -> Self {
        Self { hosts: Hosts::default(), listed: Vec::new(), depth: 4, count: 64 }
    }
}

impl Follow {
    /// Follows a repository wherever it is. A password in its address is what it is asked with.
    #[must_use]
    pub fn with_listed(mut self, url: RemoteUrl) -> Self {
        self.listed.push(url);
        self
    }

    /// Sets which repositories are followed besides those that are listed.
    #[must_use]
    pub fn with_hosts(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    /// Returns the address to ask for a submodule of the repository at `root`; `None` if it may not be.
    pub(crate) fn allowed(&self, root: &RemoteUrl, url: &RemoteUrl) -> Option<RemoteUrl> {
        match self.listed.iter().find(|listed| listed.anonymous().is_same_repository(&url.anonymous())) {
            Some(listed) => Some(listed.clone()),
            None => Some(url.anonymous()).filter(|url| self.hosts == Hosts::Same && url.is_beside(root)),
        }
    }
}

/// What a listing does where it comes upon a submodule.
#[derive(Clone, Copy)]
pub(crate) enum Rule<'m> {
    Refuse,
    Skip,
    /// Its commit counts as its content.
    Pin,
    Follow(&'m dyn Modules),
}

impl Rule<'_> {
    /// What it does where nothing is followed.
    pub(crate) fn unfollowed(policy: &Submodules) -> Self {
        match policy {
            Submodules::Refuse => Self::Refuse,
            Submodules::Skip | Submodules::Follow(_) => Self::Skip,
        }
    }

    /// What it does where files are not read, and only whether they changed matters.
    pub(crate) fn of_history(policy: &Submodules) -> Self {
        match policy {
            Submodules::Refuse | Submodules::Skip => Self::Skip,
            Submodules::Follow(_) => Self::Pin,
        }
    }
}

/// Finds the repositories of the submodules of one repository. `path` is for what people are told.
pub(crate) trait Modules {
    fn find(&self, path: &str, submodule: &Submodule, commit: ObjectId) -> Result<Module, NotFound>;
}

/// The repository of a submodule, which holds the commit that is named.
pub(crate) struct Module {
    pub(crate) source: GitSource,
    /// Finds those within.
    pub(crate) within: Box<dyn Modules>,
}

/// Why there is no repository to read.
pub(crate) enum NotFound {
    /// By what the commit says; it will not do at any time.
    Refused { why: String, hint: &'static str },
    /// By what is elsewhere.
    Failed(SourceError),
    /// It must be fetched first, and is noted.
    Later,
}

impl NotFound {
    /// States that no more repositories can be kept open.
    pub(crate) fn too_many() -> Self {
        let what = format!("one source follows {OPEN} repositories of submodules at a time at most; follow fewer");
        Self::Failed(too_large(what))
    }
}

/// What all submodules of one listing count against.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Rc<RefCell<usize>>,
    depth: usize,
}

impl Budget {
    pub(crate) fn of(follow: &Follow) -> Self {
        Self { left: Rc::new(RefCell::new(follow.count)), depth: follow.depth }
    }

    /// Takes one, and returns what is left for those within it.
    pub(crate) fn spend(&self) -> Result<Self, NotFound> {
        const HINT: &str = "commit its files here, or raise the limit";
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(NotFound::Refused { why: "lies in more submodules than are followed".into(), hint: HINT });
        };
        let mut left = self.left.borrow_mut();
        *left = left.checked_sub(1).ok_or_else(|| NotFound::Refused {
            why: "is one more than the submodules that are followed".into(),
            hint: HINT,
        })?;
        Ok(Self { left: Rc::clone(&self.left), depth })
    }
}

/// The repositories of submodules that were read, for their files to be read.
#[derive(Clone)]
pub(crate) struct Opened<T>(Arc<Mutex<Kept<T>>>);

struct Kept<T> {
    /// By place, with the listing in which each was found last.
    all: BTreeMap<PathBuf, (u64, T)>,
    listings: u64,
}

impl<T> Default for Opened<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept { all: BTreeMap::new(), listings: 0 })))
    }
}

impl<T: Clone> Opened<T> {
    /// Begins a listing, which finds all submodules that it names.
    pub(crate) fn begin(&self) {
        let mut kept = self.lock();
        kept.listings = kept.listings.saturating_add(1);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.lock().all.values().map(|(_, opened)| opened.clone()).collect()
    }

    pub(crate) fn get(&self, place: &PathBuf) -> Option<T> {
        let mut kept = self.lock();
        let now = kept.listings;
        let (seen, opened) = kept.all.get_mut(place)?;
        *seen = now;
        Some(opened.clone())
    }

    /// Keeps one, in the place of the one that no listing has found for longest if there are many. Returns whether there
    /// is room.
    pub(crate) fn keep(&self, place: PathBuf, opened: T) -> bool {
        let mut kept = self.lock();
        let now = kept.listings;
        if kept.all.len() >= OPEN && !kept.all.contains_key(&place) {
            let oldest = kept.all.iter().min_by_key(|(_, (seen, _))| *seen);
            let unused = oldest.filter(|(_, (seen, _))| now.saturating_sub(*seen) > LISTINGS);
            let Some(unused) = unused.map(|(place, _)| place.clone()) else { return false };
            kept.all.remove(&unused);
        }
        kept.all.insert(place, (now, opened));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Opened<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_listing_has_found_for_long_makes_room() {
        let (opened, place) = (Opened::default(), |at: usize| PathBuf::from(at.to_string()));
        opened.begin();
        assert!((0..OPEN).all(|at| opened.keep(place(at), at)));
        assert!(!opened.keep(place(OPEN), OPEN) && opened.keep(place(1), 1), "all were found just now");
        for _ in 0..LISTINGS {
            opened.begin();
            assert_eq!(opened.get(&place(0)), Some(0));
        }
        assert!(!opened.keep(place(OPEN), OPEN), "what was read a while ago may be asked for its files");
        opened.begin();
        assert!(opened.keep(place(OPEN), OPEN));
        assert_eq!((opened.get(&place(0)), opened.get(&place(OPEN)), opened.all().len()), (Some(0), Some(OPEN), OPEN));
        // Those that are found stay, however many come.
        (OPEN..3 * OPEN).for_each(|at| _ = opened.keep(place(at), at));
        assert_eq!((opened.get(&place(0)), opened.get(&place(OPEN)), opened.all().len()), (Some(0), Some(OPEN), OPEN));
    }
}
