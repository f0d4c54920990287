//! The state of a server as bytes, and back.

use std::collections::BTreeMap;

use crate::manifest::json_value;
use crate::resource::{Resource, ResourceKey};
use crate::value::{Digest, Draft, Purpose, Value, ValueRef};

use super::server::ApiServer;
use super::store::Store;
use super::validate;

/// What the first line of a state says it is.
const FORMAT: &str = "gitops.rs/memory-api-server";
/// The version of the format that is written, and the newest that is read.
const VERSION: i64 = 1;
/// Levels of nesting that an object may have, but for its managed fields: no field set holds longer paths.
pub(super) const OBJECT_LEVELS: usize = crate::ssa::MAX_DEPTH;
/// Levels of nesting of anything that is read: an object, and the book in it of who owns which field.
pub(super) const LEVELS: usize = 2 * OBJECT_LEVELS;
/// What to do about a state that cannot be used.
const HINT: &str = "restore it from a copy, or remove it to start with an empty cluster";

/// Bytes that are no state of an [`ApiServer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The bytes are something else.
    #[error("this is no cluster state: {0}; {HINT}")]
    Foreign(String),
    /// A newer version of this library wrote it.
    #[error("the cluster state has format version {found}, this program reads up to {VERSION}; use a newer program")]
    TooNew {
        /// The version found.
        found: i64,
    },
    /// The bytes were cut off or changed.
    #[error("the cluster state is damaged: {0}; {HINT}")]
    Damaged(String),
}

impl ApiServer {
    /// Returns the whole state but for the memory of past changes and scripted outcomes. Equal states give equal bytes.
    ///
    /// The bytes are lines of JSON: a header with the format, its version and a checksum of what follows, the
    /// counters, then one object per line. They hold Secrets in clear, as the state of a cluster does.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        let mut counters = Draft::map();
        for (name, number) in [
            ("seed", self.seed),
            ("issued", self.issued),
            ("addresses", self.addresses),
            ("nodePorts", self.node_ports),
            ("resourceVersion", self.store.version()),
        ] {
            // As text: a counter has 64 unsigned bits.
            counters.set(name, number.to_string());
        }
        let mut body = counters.freeze().to_json();
        body.push('\n');
        for object in self.store.objects() {
            body.push_str(&object.expose().to_json());
            body.push('\n');
        }
        let mut header = Draft::map();
        header.set("format", FORMAT);
        header.set("version", VERSION);
        header.set("checksum", Digest::of(Purpose::Content, body.as_bytes()).to_string());
        format!("{}\n{body}", header.freeze().to_json()).into_bytes()
    }

    /// Reads the state that [`ApiServer::export`] wrote.
    ///
    /// # Errors
    /// When the bytes are something else, were cut off or changed, or are of a newer version.
    pub fn import(bytes: &[u8]) -> Result<Self, ImportError> {
        let damaged = |what: &str| ImportError::Damaged(what.to_owned());
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (header, body) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        let body = body.get(1..).unwrap_or_default();
        let header = Value::from_json(header).map_err(|_| ImportError::Foreign("its first line is not JSON".into()))?;
        if header.root().get("format").and_then(ValueRef::as_str) != Some(FORMAT) {
            return Err(ImportError::Foreign(format!("its first line does not name the format `{FORMAT}`")));
        }
        match header.root().get("version").and_then(ValueRef::as_i64) {
            Some(found) if found > VERSION => return Err(ImportError::TooNew { found }),
            Some(1..=VERSION) => {}
            _ => return Err(damaged("the first line has no version")),
        }
        let checksum = Digest::of(Purpose::Content, body).to_string();
        if header.root().get("checksum").and_then(ValueRef::as_str) != Some(&checksum) {
            return Err(damaged("its checksum does not match, so it was cut off or changed"));
        }
        let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let counters =
            lines.next().and_then(|line| Value::from_json(line).ok()).ok_or_else(|| damaged("no counters"))?;
        let counter = |name: &str| {
            let text = counters.root().get(name).and_then(ValueRef::as_str);
            let number = text.and_then(|text| text.parse::<u64>().ok());
            let number = number.ok_or_else(|| damaged(&format!("no counter `{name}`")))?;
            // So that it can be counted on.
            let fits = i64::try_from(number).is_ok() || name == "seed";
            if fits { Ok(number) } else { Err(damaged(&format!("the counter `{name}` is beyond {}", i64::MAX))) }
        };
        let mut objects = BTreeMap::new();
        for (at, line) in lines.enumerate() {
            // A manifest, hence an object, may nest deeper than other JSON that is read.
            let value = json_value(line, LEVELS);
            let value = value.ok_or_else(|| damaged(&format!("line {} is not valid JSON", at + 3)))?;
            let object = Resource::new(value).map_err(|error| damaged(&format!("line {}: {error}", at + 3)))?;
            if let Some(flaw) = validate::flaw(&object.tree().to_draft(), &validate::FORMS) {
                return Err(damaged(&format!("line {}: {flaw}", at + 3)));
            }
            objects.insert(object.key().clone(), object);
        }
        let mut server = Self::empty(counter("seed")?);
        server.issued = counter("issued")?;
        server.addresses = counter("addresses")?;
        server.node_ports = counter("nodePorts")?;
        server.take_over(counter("resourceVersion")?, objects);
        Ok(server)
    }

    /// Starts a server that holds a snapshot of live objects as they are, with their uids, versions and ownership, as
    /// `kubectl get -o yaml` prints them. Objects without a uid get one, and namespaces that are only named are made.
    ///
    /// # Errors
    /// When something is no object that a server could hold.
    pub fn holding(seed: u64, objects: impl IntoIterator<Item = Resource>) -> Result<Self, ImportError> {
        let mut server = Self::empty(seed);
        let mut held = BTreeMap::new();
        let mut version = server.store.version();
        for object in objects {
            if let Some(flaw) = validate::flaw(&object.tree().to_draft(), &validate::FORMS) {
                return Err(ImportError::Damaged(format!("{}: {flaw}", object.key())));
            }
            version = object.resource_version().and_then(|at| at.parse().ok()).unwrap_or(0).max(version);
            held.insert(object.key().clone(), object);
        }
        let missing: Vec<ResourceKey> = held
            .keys()
            .filter_map(|key| Some(ResourceKey::new("", "Namespace", None, key.namespace.as_deref()?)))
            .filter(|namespace| !held.contains_key(namespace))
            .collect();
        for key in missing {
            let mut namespace = Draft::map();
            namespace.set("apiVersion", "v1");
            namespace.set("kind", "Namespace");
            namespace.entry("metadata").set("name", &*key.name);
            let damaged = |error| ImportError::Damaged(format!("{key}: {error}"));
            held.insert(key.clone(), Resource::new(namespace.freeze()).map_err(damaged)?);
        }
        for object in held.values_mut().filter(|object| object.uid().is_none()) {
            let (uid, at) = (server.new_uid(), version.to_string());
            let given = object.edit(|draft| {
                let metadata = draft.entry("metadata");
                metadata.set("uid", uid);
                metadata.set("resourceVersion", at);
            });
            *object = given.map_err(|error| ImportError::Damaged(format!("{}: {error}", object.key())))?;
        }
        server.take_over(version, held);
        Ok(server)
    }

    /// Holds these objects, and nothing else.
    fn take_over(&mut self, version: u64, objects: BTreeMap<ResourceKey, Resource>) {
        self.store = Store::restore(version, objects);
        self.refresh_model();
        let all: Vec<Resource> = self.store.objects().cloned().collect();
        all.iter().for_each(|object| self.notice(None, Some(object)));
    }
}
