//! What the API means: kinds and schemas, one immutable snapshot passed by reference.

use std::sync::Arc;

use crate::resource::{GroupKind, Resource};
use crate::value::{Digest, Purpose};

/// Kinds and schemas. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct ApiModel(());

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Kubernetes has two")]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the whole cluster.
    Cluster,
}

/// What is known of a kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KindFacts {
    /// It is served.
    Served(Arc<ServedKind>),
    /// The cluster said that it does not serve it.
    NotServed,
    /// Nothing is known.
    Unknown,
}

/// A kind that is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServedKind {
    /// Group and kind.
    pub group_kind: Arc<GroupKind>,
    /// Plural name, as in URLs.
    pub plural: Arc<str>,
    /// Where its objects live.
    pub scope: Scope,
    /// The version to prefer.
    pub preferred: Arc<str>,
    /// Served versions.
    pub versions: Vec<Arc<str>>,
    /// Whether status is a subresource.
    pub status_subresource: bool,
}

impl ApiModel {
    /// Returns the built-in kinds.
    #[must_use]
    pub fn builtin() -> Self {
        Self(())
    }

    /// Adds the kinds that `crds` declare.
    #[must_use]
    pub fn with_crds<'r>(&self, _crds: impl IntoIterator<Item = &'r Resource>) -> Self {
        self.clone()
    }

    /// Returns what is known of a kind.
    #[must_use]
    pub fn kind(&self, _kind: &GroupKind) -> KindFacts {
        KindFacts::Unknown
    }

    /// Returns the digest of what is known of a kind.
    #[must_use]
    pub fn digest_of(&self, kind: &GroupKind) -> Digest {
        Digest::of(Purpose::Schema, kind.to_string().as_bytes())
    }
}
