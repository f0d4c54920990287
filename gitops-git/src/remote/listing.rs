//! What a remote says of its branches and tags, and which commit a target means there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::source::{SourceError, SourceFailure};
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::protocol::handshake::Ref;

use crate::error::unknown;
use crate::resolve::{self, Base, PLACES};

/// The branches and tags of a remote, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    refs: BTreeMap<String, Listed>,
    /// The branch that `HEAD` leads to.
    head: Option<String>,
}

/// One branch or tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// The commit or tag.
    pub(super) id: ObjectId,
    /// What the tag leads to in the end.
    pub(super) peeled: ObjectId,
}

/// What a target means at a remote.
#[derive(Debug)]
pub(super) enum Meaning {
    /// This branch or tag.
    Ref(String, Listed),
    /// Nothing that a list of refs tells: perhaps the start of an id.
    Unlisted,
}

impl Listing {
    pub(super) fn new(found: Vec<Ref>) -> Self {
        let mut listing = Self::default();
        for reference in found {
            let (name, id, peeled) = match reference {
                Ref::Direct { full_ref_name, object } => (full_ref_name, object, object),
                Ref::Peeled { full_ref_name, tag, object } => (full_ref_name, tag, object),
                Ref::Symbolic { full_ref_name, target, tag, object } => {
                    if full_ref_name == "HEAD" {
                        listing.head = Some(target.to_string());
                    }
                    (full_ref_name, tag.unwrap_or(object), object)
                }
                Ref::Unborn { full_ref_name, target } => {
                    if full_ref_name == "HEAD" {
                        listing.head = Some(target.to_string());
                    }
                    continue;
                }
            };
            // A name that is no UTF-8 cannot be asked for.
            if let Ok(name) = name.to_str() {
                listing.refs.insert(name.to_owned(), Listed { id, peeled });
            }
        }
        listing
    }

    /// Returns which commit `base`, a target without its steps, means.
    pub(super) fn meaning(&self, base: &Base) -> Result<Meaning, SourceError> {
        match base {
            Base::Head => match (self.refs.get("HEAD"), &self.head) {
                (Some(listed), _) => Ok(Meaning::Ref("HEAD".to_owned(), *listed)),
                (None, Some(branch)) => Err(resolve::no_commit(branch)),
                (None, None) => Err(resolve::no_commit("HEAD")),
            },
            Base::Name(name) => self.named(name),
            Base::Range(range) => {
                if let Meaning::Ref(name, listed) = self.named(range.as_str())? {
                    return Ok(Meaning::Ref(name, listed));
                }
                let tags =
                    self.refs.iter().filter_map(|(name, listed)| Some((name.strip_prefix("refs/tags/")?, listed)));
                let (tag, listed) = range.highest(tags)?;
                Ok(Meaning::Ref(format!("refs/tags/{tag}"), *listed))
            }
            Base::Id(_) => Ok(Meaning::Unlisted),
        }
    }

    fn named(&self, name: &str) -> Result<Meaning, SourceError> {
        let full = |place: &&str| format!("{place}{name}");
        let names: Vec<String> = match name.starts_with("refs/") {
            true => vec![name.to_owned()],
            false => PLACES.iter().map(full).collect(),
        };
        let found: Vec<(String, Listed)> =
            names.into_iter().filter_map(|name| self.refs.get(&name).copied().map(|listed| (name, listed))).collect();
        let commits: BTreeSet<ObjectId> = found.iter().map(|(_, listed)| listed.peeled).collect();
        if commits.len() > 1 {
            return Err(resolve::ambiguous(name, found.iter().map(|(name, _)| name.as_str())));
        }
        Ok(found.into_iter().next().map_or(Meaning::Unlisted, |(name, listed)| Meaning::Ref(name, listed)))
    }

    /// Lists all branches and tags.
    pub(super) fn tips(&self) -> impl Iterator<Item = ObjectId> {
        let wanted = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        self.refs.iter().filter(move |(name, _)| wanted(name)).map(|(_, listed)| listed.id)
    }

    /// States that a target does not exist here, with names that are close to it.
    pub(super) fn unknown(&self, target: &str) -> SourceError {
        let names = self.refs.keys().filter_map(|name| PLACES.iter().find_map(|place| name.strip_prefix(place)));
        let similar: Vec<Arc<str>> = resolve::closest(target, names);
        unknown(target, similar)
    }
}

/// The prefixes of refs to ask for to learn what `base` means.
pub(super) fn prefixes(base: &Base) -> Vec<String> {
    match base {
        Base::Head => vec!["HEAD".to_owned()],
        Base::Name(name) if name.starts_with("refs/") => vec![name.clone()],
        Base::Name(name) => PLACES.iter().map(|place| format!("{place}{name}")).collect(),
        Base::Range(range) => {
            let mut all = vec!["refs/tags/".to_owned()];
            // What could be a name is looked for as one first.
            if range.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
                all.extend(PLACES.iter().map(|place| format!("{place}{}", range.as_str())));
            }
            all
        }
        Base::Id(_) => Vec::new(),
    }
}

/// Tags of one version are one if they lead to the same commit.
impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.peeled == other.peeled
    }
}

/// States that an id is not at the remote.
pub(super) fn no_such_id(id: ObjectId) -> SourceError {
    SourceFailure::UnknownRevision { target: id.to_string().into(), similar: Vec::new() }.into()
}
