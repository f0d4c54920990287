//! The port to live state: what is there, what changed, and guarded writes as data.

mod error;
mod hide;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::ApiModel;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{LiveState, Namespaces};

pub use error::{Cause, ClusterError, Failure, FieldConflict};
pub use write::{Force, Guard, Mode, PatchStep, Verb, Write, WriteOutcome, Written};

/// What somebody wants to know of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interest {
    /// Kinds to list completely in `namespaces`.
    pub kinds: BTreeSet<GroupKind>,
    /// Where to list them. Cluster-scoped kinds are listed whole.
    pub namespaces: Namespaces,
    /// Objects to look up one by one, past every cache.
    pub keys: BTreeSet<ResourceKey>,
    /// In which API versions to look some of them up. All else is read in whatever version the cluster chooses.
    pub versions: BTreeMap<ResourceKey, Arc<str>>,
}

/// A place in the stream of changes of a cluster. Opaque; of use only to the adapter that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Arc<str>);

/// What was seen, and the place after which changes go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observed {
    /// What was seen, with its coverage.
    pub live: LiveState,
    /// Where changes go on.
    pub cursor: Cursor,
}

/// What changed since a cursor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Changes {
    /// Objects that are new or differ.
    pub changed: Vec<Resource>,
    /// Objects that are gone, with the uid they had.
    pub gone: Vec<(ResourceKey, Arc<str>)>,
    /// Where changes go on.
    pub cursor: Cursor,
}

/// Port to live state.
///
/// An implementor promises:
/// 1. An object is absent only where its kind and namespace were read completely, or it was looked up itself.
/// 2. An `observe` that starts after a `write` answered shows that write, or something newer.
/// 3. A guard that does not match changes nothing.
/// 4. One `write` has at most one effect. A lost answer is [`Failure::InDoubt`]; nothing is retried inside the adapter.
/// 5. Every future may be dropped at any point; a dropped `write` is in doubt.
/// 6. Partial failure is coverage: `observe` fails only if nothing could be read.
/// 7. Objects under `Interest::keys` are read past every cache, and in the version of `Interest::versions` where it is
///    served.
#[async_trait]
pub trait Cluster: fmt::Debug + Send + Sync {
    /// Returns what the cluster serves, with schemas at least of `kinds`.
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError>;

    /// Reads what is asked for, with its coverage.
    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError>;

    /// Returns once something within `interest` changed after `after`, or after a while with nothing (long poll).
    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError>;

    /// Performs one write. What a server says of it may quote the values of a Secret: see [`Write::discreet`].
    async fn write(&self, write: &Write) -> Result<Written, ClusterError>;
}

impl Interest {
    /// Wants complete lists of `kinds`.
    #[must_use]
    pub fn in_kinds(kinds: impl IntoIterator<Item = GroupKind>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..Self::default() }
    }

    /// Wants some objects, read past every cache.
    #[must_use]
    pub fn in_objects(keys: impl IntoIterator<Item = ResourceKey>) -> Self {
        Self { keys: keys.into_iter().collect(), ..Self::default() }
    }

    /// Wants some objects in these API versions, read past every cache.
    #[must_use]
    pub fn in_versions(versions: BTreeMap<ResourceKey, Arc<str>>) -> Self {
        Self { keys: versions.keys().cloned().collect(), versions, ..Self::default() }
    }

    /// Adds objects to look up.
    #[must_use]
    pub fn and_objects(mut self, keys: impl IntoIterator<Item = ResourceKey>) -> Self {
        self.keys.extend(keys);
        self
    }
}

impl Cursor {
    /// Wraps what the adapter needs to go on.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self(place.into())
    }

    /// Returns what the adapter wrapped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Observed {
    /// States what was seen.
    #[must_use]
    pub fn new(live: LiveState, cursor: Cursor) -> Self {
        Self { live, cursor }
    }
}

impl Changes {
    /// States that nothing changed up to `cursor`.
    #[must_use]
    pub fn none(cursor: Cursor) -> Self {
        Self { changed: Vec::new(), gone: Vec::new(), cursor }
    }
}
