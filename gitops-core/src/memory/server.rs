//! The server itself: routing, reading, and what all requests share.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::Mode;
use crate::model::{ApiModel, KindFacts, Scope, ServedKind};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, Hasher, Purpose};

use super::authorize::User;
use super::collect::Queues;
use super::refuse;
use super::request::{Action, Endpoint, Request, Validation};
use super::response::{Body, Response, Status};
use super::settle::Outcome;
use super::store::Store;

/// A Kubernetes API server in one value: synchronous, without a clock, and the same every time for the same seed and
/// requests.
///
/// [`ApiServer::handle`] answers as the recorded server does (kube-apiserver 1.36): field ownership, versions,
/// generations, finalizers, namespaces, CRDs, dry runs, watches. What controllers do is apart: [`ApiServer::collect`]
/// deletes what must follow a deletion and lets CRDs serve their kind, [`ApiServer::settle`] also makes workloads
/// healthy. It runs no webhooks, and admits everybody but a [`User`] whom a request names: then the roles and bindings it
/// holds decide.
///
/// ```
/// use gitops_core::memory::ApiServer;
/// use gitops_core::resource::{Resource, ResourceKey};
/// use gitops_core::time::Timestamp;
/// use gitops_core::value::Value;
///
/// let map = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"default"},"data":{"a":"1"}}"#;
/// let map = Resource::new(Value::from_json(map)?)?;
/// let mut server = ApiServer::new(7);
/// let answer = server.apply(&map, "me", Timestamp::EPOCH);
/// assert_eq!(answer.code, 201);
/// assert_eq!(server.get(map.key()).and_then(Resource::resource_version), Some("105"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ApiServer {
    pub(super) seed: u64,
    /// How many names, uids and addresses were given out.
    pub(super) issued: u64,
    /// How many cluster IPs were given out.
    pub(super) addresses: u64,
    /// How many node ports were given out.
    pub(super) node_ports: u64,
    pub(super) store: Store,
    /// Built-in kinds, and those of established CRDs.
    pub(super) model: ApiModel,
    /// What controllers have not looked at yet.
    pub(super) queues: Queues,
    pub(super) outcomes: BTreeMap<ResourceKey, Outcome>,
    /// Objects of which less is stored than every reader sees: their next write is one, even if it changes nothing.
    pub(super) incomplete: BTreeSet<ResourceKey>,
}

/// What a request is about, once its kind is known.
#[derive(Clone, Copy)]
pub(super) struct Context<'r> {
    pub(super) kind: &'r ServedKind,
    pub(super) model: &'r ApiModel,
    pub(super) endpoint: &'r Endpoint,
    pub(super) manager: Option<&'r str>,
    pub(super) user: Option<&'r User>,
    pub(super) mode: Mode,
    pub(super) validation: Validation,
    pub(super) now: Timestamp,
    /// What is said beside the answer, be it a refusal or not.
    pub(super) warnings: &'r RefCell<Vec<Arc<str>>>,
}

/// Namespaces that are there from the start.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl ApiServer {
    /// Starts a server with nothing but the namespaces every cluster has.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut server = Self::empty(seed);
        for name in NAMESPACES {
            let mut draft = Draft::map();
            draft.set("apiVersion", "v1");
            draft.set("kind", "Namespace");
            draft.entry("metadata").set("name", name);
            if let Ok(namespace) = Resource::new(draft.freeze()) {
                server.create(&namespace, "kube-apiserver", Timestamp::EPOCH);
            }
        }
        server
    }

    pub(super) fn empty(seed: u64) -> Self {
        Self {
            seed,
            issued: 0,
            addresses: 0,
            node_ports: 0,
            store: Store::new(),
            model: ApiModel::builtin(),
            queues: Queues::default(),
            outcomes: BTreeMap::new(),
            incomplete: BTreeSet::new(),
        }
    }

    /// Answers one request. A refusal and a dry run change nothing, but what they gave out (uids, addresses) does not
    /// come again.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Response {
        let warnings = RefCell::default();
        let answer = self.route(request, now, &warnings).unwrap_or_else(Response::from);
        Response { warnings: warnings.into_inner(), ..answer }
    }

    /// Returns what is served now: built-in kinds and those of established CRDs.
    #[must_use]
    pub fn model(&self) -> &ApiModel {
        &self.model
    }

    /// Returns the version of the last write.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.store.version()
    }

    /// Returns an object as it is stored.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Resource> {
        self.store.get(key)
    }

    /// Returns all objects, in order of their keys.
    pub fn objects(&self) -> impl Iterator<Item = &Resource> {
        self.store.objects()
    }

    /// Returns the objects of a kind, in the byte order of `namespace/name`.
    #[must_use]
    pub fn of_kind(&self, kind: &GroupKind) -> Vec<&Resource> {
        self.store.of_kind(kind, None)
    }

    /// Names the place of an object in the API; `None` when its kind is not served.
    #[must_use]
    pub fn endpoint(&self, key: &ResourceKey, version: &str) -> Option<Endpoint> {
        let KindFacts::Served(kind) = self.model.kind(&key.group_kind) else { return None };
        Some(Endpoint::of(&kind, version).within(&kind, key.namespace.as_ref()).named(&key.name))
    }

    /// Server-side apply by `manager`, unforced.
    pub fn apply(&mut self, object: &Resource, manager: &str, now: Timestamp) -> Response {
        let (body, force) = (object.value().clone(), crate::cluster::Force::No);
        self.ask(object, Action::Apply { body, force }, manager, now)
    }

    /// Creates an object as `manager`.
    pub fn create(&mut self, object: &Resource, manager: &str, now: Timestamp) -> Response {
        self.ask(object, Action::Create(object.value().clone()), manager, now)
    }

    /// Replaces an object as `manager`.
    pub fn update(&mut self, object: &Resource, manager: &str, now: Timestamp) -> Response {
        self.ask(object, Action::Update(object.value().clone()), manager, now)
    }

    /// Replaces the status of an object as `manager`.
    pub fn update_status(&mut self, object: &Resource, manager: &str, now: Timestamp) -> Response {
        let Some(endpoint) = self.endpoint(object.key(), object.version()) else {
            return refuse::not_served(object.key().group()).into();
        };
        let request = Request::new(endpoint.under("status"), Action::Update(object.value().clone()));
        self.handle(&request.by(manager), now)
    }

    fn ask(&mut self, object: &Resource, action: Action, manager: &str, now: Timestamp) -> Response {
        let Some(mut endpoint) = self.endpoint(object.key(), object.version()) else {
            return refuse::not_served(object.key().group()).into();
        };
        if matches!(action, Action::Create(_)) {
            endpoint.name = None;
        }
        self.handle(&Request::new(endpoint, action).by(manager), now)
    }

    fn route(
        &mut self,
        request: &Request,
        now: Timestamp,
        warnings: &RefCell<Vec<Arc<str>>>,
    ) -> Result<Response, Status> {
        self.authorize_request(request)?;
        let endpoint = &request.endpoint;
        let kind = self.kind_at(endpoint)?;
        check_method(&kind, request)?;
        let manager = request.manager.as_deref();
        super::validate::manager(&request.action, manager)?;
        let model = self.model.clone();
        let (user, mode, validation) = (request.user.as_ref(), request.mode, request.validation);
        let context = Context { kind: &kind, model: &model, endpoint, manager, user, mode, validation, now, warnings };
        context.warn(self.deprecation(&kind, &endpoint.version));
        match &request.action {
            Action::Get => self.read(&context),
            Action::GetNotOlder(version) => self.read_not_older(&context, version),
            Action::List(select) => self.list(&context, select),
            Action::Watch(watch) => self.watch(&context, watch),
            Action::Create(body) if endpoint.subresource.is_some() => self.bind(&context, body),
            Action::Create(body) => self.post(&context, body),
            Action::Update(body) => self.put(&context, body),
            Action::Apply { body, force } => self.patch_apply(&context, body, *force),
            Action::Patch(patch) => self.patch(&context, patch),
            Action::Delete(options) => self.delete(&context, options),
            Action::DeleteCollection(select, options) => self.delete_collection(&context, select, options),
        }
    }

    /// What is said to everybody who uses a version that shall go.
    fn deprecation(&self, kind: &ServedKind, version: &str) -> Option<Arc<str>> {
        match (&*kind.group_kind.group, &*kind.group_kind.kind) {
            ("", "ComponentStatus") => Some("v1 ComponentStatus is deprecated in v1.19+".into()),
            ("", "Endpoints") => {
                Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".into())
            }
            _ => super::crd::deprecation(self.definition_of(kind)?, kind, version),
        }
    }

    /// The kind that an endpoint means, if it is served there.
    pub(super) fn kind_at(&self, endpoint: &Endpoint) -> Result<Arc<ServedKind>, Status> {
        let missing = || refuse::not_served(&endpoint.group);
        let kind = self.model.by_plural(&endpoint.group, &endpoint.plural).ok_or_else(missing)?;
        let one = endpoint.name.is_some();
        let placed = match kind.scope {
            Scope::Namespaced => endpoint.namespace.is_some() || !one,
            _ => endpoint.namespace.is_none(),
        };
        let below = match endpoint.subresource.as_deref() {
            None => true,
            Some("status") => one && kind.has_status_subresource,
            Some("scale") => one && kind.scale.is_some(),
            Some("binding") => one && kind.group_kind.group.is_empty() && &*kind.group_kind.kind == "Pod",
            Some(_) => false,
        };
        let served = kind.versions.contains(&endpoint.version);
        if placed && below && served { Ok(Arc::clone(kind)) } else { Err(missing()) }
    }

    fn read(&self, context: &Context<'_>) -> Result<Response, Status> {
        let live = self.live(context)?;
        if context.endpoint.subresource.as_deref() == Some("scale") {
            return Ok(Response::new(Body::Value(super::scale::read(context.kind, live))));
        }
        Ok(Response::object(200, context.shown(live)))
    }

    fn read_not_older(&self, context: &Context<'_>, version: &str) -> Result<Response, Status> {
        let (wanted, now) = (super::options::version(Some(version)).map_err(refuse::internal)?, self.store.version());
        match wanted.filter(|wanted| *wanted > now) {
            Some(wanted) => Err(refuse::too_new(wanted, now)),
            None => self.read(context),
        }
    }

    /// The object a request names.
    pub(super) fn live(&self, context: &Context<'_>) -> Result<&Resource, Status> {
        let key = context.key()?;
        self.store.get(&key).ok_or_else(|| refuse::not_found(context.endpoint, &key.name))
    }

    /// A number that was not given out before, mixed with the seed.
    pub(super) fn issue(&mut self) -> String {
        self.issued += 1;
        let text = format!("{}/{}", self.seed, self.issued);
        Hasher::new(Purpose::Identity).text(&*text).finish().to_string()
    }

    /// A uid in the form of a random UUID (RFC 9562, version 4).
    pub(super) fn new_uid(&mut self) -> String {
        let hex = self.issue();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
    }

    /// Takes up what all CRDs say.
    pub(super) fn refresh_model(&mut self) {
        let crds = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
        let established = |crd: &&Resource| super::crd::is_established(crd);
        let crds: Vec<&Resource> = self.store.of_kind(&crds, None).into_iter().filter(established).collect();
        self.model = ApiModel::builtin().with_crds(crds);
    }
}

/// Refuses what cannot be asked of a kind at all.
fn check_method(kind: &ServedKind, request: &Request) -> Result<(), Status> {
    let (endpoint, action) = (&request.endpoint, &request.action);
    let fits = match endpoint.subresource.as_deref() {
        Some("binding") => matches!(action, Action::Create(_)),
        Some(_) => !action.is_of_many() && !matches!(action, Action::Delete(_)),
        None => {
            let verb = action.verb();
            if verb == "watch" && !kind.allows(verb) && kind.allows("list") {
                return Err(refuse::not_watched(endpoint));
            }
            let everywhere = kind.scope == Scope::Namespaced && endpoint.namespace.is_none();
            let placed = !everywhere || matches!(verb, "list" | "watch");
            kind.allows(verb) && placed && action.is_of_many() != endpoint.name.is_some()
        }
    };
    if fits { Ok(()) } else { Err(refuse::method_not_allowed()) }
}

impl Context<'_> {
    /// Says something beside the answer; what was said before is not repeated.
    pub(super) fn warn(&self, texts: impl IntoIterator<Item = impl Into<Arc<str>>>) {
        let mut said = self.warnings.borrow_mut();
        for text in texts.into_iter().map(Into::into) {
            if !said.contains(&text) {
                said.push(text);
            }
        }
    }

    /// The key of the object that the endpoint names.
    pub(super) fn key(&self) -> Result<ResourceKey, Status> {
        let name = self.endpoint.name.as_ref().ok_or_else(refuse::method_not_allowed)?;
        Ok(self.key_of(name))
    }

    pub(super) fn key_of(&self, name: &str) -> ResourceKey {
        let kind = &self.kind.group_kind;
        ResourceKey::new(&kind.group, &kind.kind, self.endpoint.namespace.as_deref(), name)
    }

    /// The object at the version that was asked for, as its schema has it now.
    pub(super) fn shown(&self, object: &Resource) -> Resource {
        let object = if *object.version() == *self.endpoint.version {
            object.clone()
        } else {
            self.at_version(object, &self.endpoint.api_version())
        };
        if !super::prepare::is_custom(self.kind) {
            return object;
        }
        let read = object.edit(|draft| super::prepare::decoded(self, &self.endpoint.version, draft));
        read.unwrap_or(object)
    }

    /// Whether an object, in the form in which it is kept, is what is stored already.
    pub(super) fn is_stored(&self, kept: &Resource, stored: &Resource) -> bool {
        if kept.version() == stored.version() {
            return kept.tree() == stored.tree();
        }
        kept.tree() == self.at_version(stored, kept.api_version()).tree()
    }

    /// The object in the form in which it is kept.
    pub(super) fn kept(&self, object: &Resource) -> Resource {
        match ApiModel::storage_version(&self.kind.group_kind) {
            Some(version) if version != object.api_version() => {
                let mut draft = self.at_version(object, version).tree().to_draft();
                let (_, number) = version.split_once('/').unwrap_or_default();
                super::prepare::decoded(self, number, &mut draft);
                Resource::new(draft.freeze()).unwrap_or_else(|_| object.clone())
            }
            _ => object.clone(),
        }
    }

    fn at_version(&self, object: &Resource, api_version: &str) -> Resource {
        let converted = self.model.at_version(&self.kind.group_kind, object.tree(), api_version);
        Resource::new(converted).unwrap_or_else(|_| object.clone())
    }
}
