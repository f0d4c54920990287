//! Writing statuses: only what changed, not too often, and never as another object's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gitops_core::cluster::{ClusterError, Failure};
use gitops_core::model::ServedKind;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::time::Timestamp;
use gitops_core::value::{Digest, Hasher, Purpose};
use http::Method;
use serde_json::{Value, json};

use super::{Fenced, MANAGER, VERSION};
use crate::KubeCluster;
use crate::discover::Kind;
use crate::place;
use crate::refusal::Refusal;
use crate::talk::{Ask, Silence};

/// Between two statuses of one resource.
const PAUSE: Duration = Duration::from_secs(1);
/// After one that could not be written, doubling up to a minute.
const RETRY: Duration = Duration::from_secs(2);
/// Most statuses that are written at once.
const AT_ONCE: usize = 4;
/// Most resources that are looked at for something new at once.
const LOOKED_AT: usize = 64;

/// Knows what was written, and what is to be written.
#[derive(Debug, Default)]
pub(super) struct Scribe {
    /// Who may have something new to say.
    wanting: BTreeSet<ResourceKey>,
    written: BTreeMap<ResourceKey, Written>,
    writing: usize,
}

#[derive(Debug, Default)]
struct Written {
    digest: Option<Digest>,
    next: Timestamp,
    tries: u32,
    is_away: bool,
}

/// A status to be written.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) key: ResourceKey,
    digest: Digest,
    object: String,
}

impl Scribe {
    /// Something may be new of a resource.
    pub(super) fn want(&mut self, key: &ResourceKey) {
        self.wanting.insert(key.clone());
    }

    /// A resource is gone, or another one has its name.
    pub(super) fn forget(&mut self, key: &ResourceKey) {
        self.wanting.remove(key);
        self.written.remove(key);
    }

    /// The resources whose turn it is, for now.
    pub(super) fn due(&self, now: Timestamp) -> Vec<ResourceKey> {
        let is_due =
            |key: &&ResourceKey| self.written.get(*key).is_none_or(|written| !written.is_away && written.next <= now);
        self.wanting.iter().filter(is_due).take(LOOKED_AT).cloned().collect()
    }

    /// Whether another one may be written now.
    pub(super) fn has_room(&self) -> bool {
        self.writing < AT_ONCE
    }

    /// Takes the status of a resource; returns what is to be written, if it is another than before.
    pub(super) fn draft(&mut self, resource: &Resource, status: &Value) -> Option<Draft> {
        let key = resource.key().clone();
        self.wanting.remove(&key);
        let written = self.written.entry(key.clone()).or_default();
        let text = status.to_string();
        let digest = Hasher::new(Purpose::Identity).text(resource.uid()).text(&*text).finish();
        if written.digest.is_none() {
            // What another replica wrote, or this program before it was started again.
            let live = resource.tree().get("status").map(|status| status.to_value().to_json());
            let live = live.and_then(|live| serde_json::from_str::<Value>(&live).ok());
            written.digest = (live.as_ref() == Some(status)).then_some(digest);
        }
        if written.digest == Some(digest) {
            return None;
        }
        written.is_away = true;
        self.writing = self.writing.saturating_add(1);
        let object = json!({
            "apiVersion": format!("{}/{VERSION}", key.group()),
            "kind": key.kind(),
            // Another object of this name has a status of its own.
            "metadata": {"name": &*key.name, "namespace": key.namespace.as_deref(), "uid": resource.uid()},
            "status": status,
        });
        Some(Draft { key, digest, object: object.to_string() })
    }

    /// Takes what came of it.
    pub(super) fn wrote(
        &mut self,
        key: &ResourceKey,
        digest: Digest,
        result: &Result<(), ClusterError>,
        now: Timestamp,
    ) {
        self.writing = self.writing.saturating_sub(1);
        let Some(written) = self.written.get_mut(key) else { return };
        written.is_away = false;
        match result {
            Ok(()) => {
                (written.digest, written.tries) = (Some(digest), 0);
                written.next = now + PAUSE;
            }
            Err(_) => {
                written.next = now + RETRY.saturating_mul(1 << written.tries.min(5));
                written.tries = written.tries.saturating_add(1);
                self.wanting.insert(key.clone());
            }
        }
    }
}

impl Draft {
    /// The digest of what is written.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes it: by an apply of the status alone.
    pub(super) async fn write(&self, cluster: &Fenced<KubeCluster>) -> Result<(), ClusterError> {
        cluster.check()?;
        let shared = cluster.inner().shared();
        let kind = &*self.key.group_kind;
        let Kind::Served(served) = shared.served([kind]).await?.kind(kind) else {
            return Err(Failure::KindNotServed.into());
        };
        cluster.check()?;
        let answer = shared.talk.write(&self.ask(&served)).await.map_err(Silence::into_write_error)?;
        if matches!(answer.code, 200 | 201) {
            return Ok(());
        }
        let refusal = Refusal::of(&answer);
        Err(match refusal.is_absent() {
            true => Failure::NotFound.into(),
            false => Failure::Refused { message: refusal.message }.into(),
        })
    }

    fn ask(&self, served: &ServedKind) -> Ask {
        let path = place::object(served, VERSION, &self.key) + "/status";
        let query = [("fieldManager", MANAGER), ("force", "true")];
        Ask::with(Method::PATCH, place::with_query(&path, query), "application/apply-patch+yaml", self.object.clone())
    }
}
