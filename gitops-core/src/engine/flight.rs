//! What is under way, by what its answer will be about.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resource::ResourceKey;
use crate::source::{RevisionId, Target};

use super::WorkId;
use super::read::Loading;
use super::subject::HoldWish;

/// What an answer will be about.
#[derive(Clone, Debug)]
pub(super) enum Flight {
    Resolve(Arc<str>, Target),
    /// Of which application, and what of it.
    Load(Arc<str>, Loading),
    List(Arc<str>),
    /// Of which cluster, and over which listing.
    Watch(Arc<str>, WorkId),
    Ledgers(BTreeSet<Arc<str>>),
    Ask(Arc<str>),
    Effect(UnderWay),
    Store(Arc<str>, Stored),
}

/// What is being stored of an application, where that is a rollback.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    /// What somebody wanted. It may be something else once it is stored.
    pub(super) hold: Option<HoldWish>,
    /// The revision that ended a rollback.
    pub(super) ended: Option<RevisionId>,
}

/// An effect under way.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    pub(super) app: Arc<str>,
    pub(super) cluster: Arc<str>,
    /// Of which of its operations.
    pub(super) turn: WorkId,
    /// What it deletes for good, as far as that is known before.
    pub(super) deletes: Option<(ResourceKey, Arc<str>)>,
    /// What it writes.
    pub(super) writes: Option<ResourceKey>,
}
