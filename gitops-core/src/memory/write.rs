//! Create, update, patch and apply: from a body to a stored object.

use crate::cluster::{Force, Mode};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::{Draft, Value};

use super::decode;
use super::export::{LEVELS, OBJECT_LEVELS};
use super::ownership;
use super::patching;
use super::prepare;
use super::refuse;
use super::request::{Patch, Validation};
use super::response::{Body, CauseReason, Response, Status};
use super::server::{ApiServer, Context};
use super::unknown;
use super::validate;
use super::warnings;

/// The most bytes that etcd takes in one request.
const REQUEST: usize = 3 << 19;

/// Who keeps the book of field ownership for a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// To be done: the write is an update.
    Update,
    /// Done already: the write is an apply.
    Applied,
}

impl ApiServer {
    pub(super) fn post(&mut self, context: &Context<'_>, body: &Value) -> Result<Response, Status> {
        let mut draft = decode::body(context, body)?;
        if decode::wanted_version(&draft)?.is_some() {
            return Err(refuse::internal("resourceVersion should not be set on objects to be created"));
        }
        drop(draft.entry("metadata").remove("deletionTimestamp"));
        self.check_unknown(context, &draft)?;
        self.insert(context, draft, Ownership::Update)
    }

    pub(super) fn put(&mut self, context: &Context<'_>, body: &Value) -> Result<Response, Status> {
        if context.endpoint.subresource.as_deref() == Some("scale") {
            return self.put_scale(context, body);
        }
        let draft = decode::body(context, body)?;
        let live = context.shown(self.live(context)?);
        let name = &live.key().name;
        if let Some(uid) = decode::wanted_uid(&draft).filter(|uid| Some(uid.as_str()) != live.uid()) {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                live.uid().unwrap_or_default()
            );
            return Err(refuse::conflict(context.endpoint, name, &why));
        }
        self.check_version(context, &draft, &live)?;
        if decode::wanted_version(&draft)?.is_none() && !prepare::takes_unconditional_updates(context.kind) {
            let text = "0: must be specified for an update";
            let fault = refuse::fault("metadata.resourceVersion", CauseReason::Invalid, text);
            return Err(refuse::invalid_of(&context.endpoint.group, &context.endpoint.plural, name, vec![fault]));
        }
        self.check_unknown(context, &draft)?;
        self.replace(context, &live, draft, Ownership::Update)
    }

    /// Warns of unknown fields; a strict request is refused for them.
    fn check_unknown(&self, context: &Context<'_>, draft: &Draft) -> Result<(), Status> {
        let found = unknown::fields(context, &self.model, draft);
        if found.is_empty() || context.validation != Validation::Strict {
            context.warn(found);
            return Ok(());
        }
        let (kind, version) = (&context.kind.group_kind.kind, &context.endpoint.version);
        Err(refuse::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
            found.join(", ")
        )))
    }

    pub(super) fn patch(&mut self, context: &Context<'_>, patch: &Patch) -> Result<Response, Status> {
        if context.endpoint.subresource.as_deref() == Some("scale") {
            return self.patch_scale(context, patch);
        }
        let live = context.shown(self.live(context)?);
        let draft = self.patched(context, live.tree().to_draft(), patch)?;
        let draft = decode::patched(context, &live, draft)?;
        // What a patch makes of an object is read as if it were sent; only the refusal names the patch.
        validate::typed(context, &self.model, &draft).map_err(|status| patch_fault(&status.message))?;
        if let Some(uid) = decode::wanted_uid(&draft).filter(|uid| Some(uid.as_str()) != live.uid()) {
            return Err(validate::immutable_uid(context, &live, &uid));
        }
        self.check_version(context, &draft, &live)?;
        let unknown = unknown::fields(context, &self.model, &draft);
        if context.validation == Validation::Strict && !unknown.is_empty() {
            let text = format!("strict decoding error: {}", unknown.join(", "));
            return Err(patch_fault(&text));
        }
        context.warn(unknown);
        self.replace(context, &live, draft, Ownership::Update)
    }

    pub(super) fn patched(&self, context: &Context<'_>, draft: Draft, patch: &Patch) -> Result<Draft, Status> {
        match patch {
            Patch::Json(steps) => decode::check_depth(steps.root(), LEVELS)?,
            Patch::Merge(patch) | Patch::Strategic(patch) => decode::check_depth(patch.root(), OBJECT_LEVELS)?,
        }
        match patch {
            Patch::Json(steps) => patching::json(draft, steps.root()),
            Patch::Merge(patch) => Ok(patching::merge(draft, patch.root())),
            Patch::Strategic(patch) => patching::strategic(context, &self.model, draft, patch.root()),
        }
    }

    pub(super) fn patch_apply(
        &mut self,
        context: &Context<'_>,
        body: &Value,
        force: Force,
    ) -> Result<Response, Status> {
        let Some(manager) = context.manager.filter(|manager| !manager.is_empty()) else {
            let why = refuse::fault("fieldManager", CauseReason::Required, "is required for apply patch");
            return Err(refuse::invalid_of("meta.k8s.io", "PatchOptions", "", vec![why]));
        };
        let mut draft = decode::applied(context, body)?;
        let key = context.key()?;
        let (version, uid) = (decode::wanted_version(&draft)?, decode::wanted_uid(&draft));
        let metadata = draft.entry("metadata");
        let given = metadata.get("resourceVersion").and_then(Draft::as_str).unwrap_or_default().to_owned();
        if metadata.remove("managedFields").is_some_and(|given| given != Draft::Null) {
            return Err(refuse::bad_request("metadata.managedFields must be nil"));
        }
        ["resourceVersion", "uid"].iter().for_each(|field| drop(metadata.remove(field)));
        let live = self.store.get(&key).map(|live| context.shown(live));
        if live.is_none() && context.endpoint.subresource.is_some() {
            return Err(refuse::not_found(context.endpoint, &key.name));
        }
        let applied = Resource::new(draft.freeze()).map_err(|error| refuse::bad_request(error.to_string()))?;
        let merged = ownership::apply(context, &self.model, live.as_ref(), &applied, manager, force)?;
        let merged = decode::place(context, merged)?;
        let Some(live) = live else {
            if let Some(uid) = uid {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(refuse::conflict(context.endpoint, &key.name, &why));
            }
            let answer = self.insert(context, merged, Ownership::Applied)?;
            return Ok(match (context.mode, answer.as_object()) {
                // A dry run gives back the version it was given.
                (Mode::DryRun, Some(object)) if !given.is_empty() => {
                    Response::object(201, super::store::versioned(object, &given))
                }
                _ => answer,
            });
        };
        if version.is_some_and(|version| Some(version.to_string().as_str()) != live.resource_version()) {
            return Err(refuse::stale(context.endpoint, &key.name));
        }
        if let Some(uid) = uid.filter(|uid| Some(uid.as_str()) != live.uid()) {
            return Err(validate::immutable_uid(context, &live, &uid));
        }
        self.replace(context, &live, merged, Ownership::Applied)
    }

    fn check_version(&self, context: &Context<'_>, draft: &Draft, live: &Resource) -> Result<(), Status> {
        let wanted = decode::wanted_version(draft)?;
        if wanted.is_some_and(|wanted| Some(wanted.to_string().as_str()) != live.resource_version()) {
            return Err(refuse::stale(context.endpoint, &live.key().name));
        }
        Ok(())
    }

    /// Stores a new object.
    fn insert(&mut self, context: &Context<'_>, mut draft: Draft, ownership: Ownership) -> Result<Response, Status> {
        let metadata = draft.entry("metadata");
        if metadata.get("name").and_then(Draft::as_str).unwrap_or_default().is_empty()
            && let Some(prefix) = metadata.get("generateName").and_then(Draft::as_str).map(str::to_owned)
        {
            metadata.set("name", self.generate_name(&prefix));
        }
        let metadata = draft.entry("metadata");
        let name = metadata.get("name").and_then(Draft::as_str).unwrap_or_default().to_owned();
        self.check_namespace(context, &name)?;
        validate::named(context, &name)?;
        metadata.set("uid", self.new_uid());
        metadata.set("creationTimestamp", context.now.whole_seconds().to_string());
        drop(metadata.remove("resourceVersion"));
        if ownership == Ownership::Update {
            validate::typed(context, &self.model, &draft)?;
        }
        prepare::decoded(context, &context.endpoint.version, &mut draft);
        let mut object = resource(&draft)?;
        if ownership == Ownership::Update {
            object = ownership::update(context, &self.model, None, &object);
        }
        let mut draft = object.tree().to_draft();
        let is_incomplete = prepare::is_completed_by_reading(context.kind, &draft);
        self.prepare_new(context.kind, context.mode, &mut draft)?;
        super::autoscalers::keep_annotated_status(context, None, &mut draft);
        let object = resource(&self.stored(context, &draft))?;
        self.validate_new(context, &name, &object)?;
        self.check_grant(context, &name, None, &draft)?;
        context.warn(warnings::of(context.kind, None, &object));
        let object = context.kept(&object);
        if let Some(live) = self.store.get(object.key()) {
            return Err(refuse::already_exists(context.endpoint, live));
        }
        let stored = match context.mode {
            Mode::Commit => self.store(&object),
            Mode::DryRun => object,
        };
        if is_incomplete && context.mode == Mode::Commit {
            self.incomplete.insert(stored.key().clone());
        }
        Ok(Response::object(201, context.shown(&stored)))
    }

    /// Stores a changed object; writes nothing when nothing changed.
    fn replace(
        &mut self,
        context: &Context<'_>,
        live: &Resource,
        mut draft: Draft,
        ownership: Ownership,
    ) -> Result<Response, Status> {
        validate::deletion_stays(context, live, &draft)?;
        if ownership == Ownership::Update {
            validate::typed(context, &self.model, &draft)?;
        }
        prepare::reset_ownership(context.kind, &mut draft);
        prepare::decoded(context, &context.endpoint.version, &mut draft);
        let mut object = resource(&draft)?;
        if ownership == Ownership::Update {
            object = ownership::update(context, &self.model, Some(live), &object);
        }
        // From here on as on the server: what the kind keeps, then the rules.
        let custom = prepare::is_custom(context.kind);
        if custom {
            // An empty map is not the same as none here, as recorded.
            object = crate::ssa::keep_times(live, object);
        }
        let mut draft = object.tree().to_draft();
        prepare::keep_identity(live, &mut draft);
        prepare::keep_others_part(context, live, &mut draft);
        prepare::changed(context.kind, live, &mut draft);
        if live.key().is("", "Service") && context.endpoint.subresource.is_none() {
            self.allocate(context.mode, Some(live), &mut draft)?;
        }
        let mut stored = self.stored(context, &draft);
        prepare::count_generation(context, live, &draft, &mut stored);
        let mut object = resource(&stored)?;
        if !custom {
            object = crate::ssa::keep_times(live, object);
        }
        self.validate_changed(context, live, &object)?;
        self.check_grant(context, &live.key().name, Some(live), &stored)?;
        if context.endpoint.subresource.is_none() {
            context.warn(warnings::of(context.kind, Some(live), &object));
        }
        let object = context.kept(&object);
        let before = self.store.get(object.key());
        if before.is_some_and(|before| context.is_stored(&object, before)) && !self.incomplete.contains(object.key()) {
            return Ok(Response::object(200, live.clone()));
        }
        let object = match context.mode {
            Mode::DryRun => object,
            Mode::Commit if prepare::may_go(&object) => {
                self.erase(object.key());
                object
            }
            Mode::Commit => self.store(&object),
        };
        Ok(Response::object(200, context.shown(&object)))
    }

    /// The object as it is encoded for the store.
    fn stored(&self, context: &Context<'_>, draft: &Draft) -> Draft {
        let schema = self.model.schema(&context.kind.group_kind, &context.endpoint.version);
        schema.stored(draft.freeze().root()).root().to_draft()
    }

    /// Stores an object as it is, under the next version.
    pub(super) fn store(&mut self, object: &Resource) -> Resource {
        let before = self.store.get(object.key()).cloned();
        self.incomplete.remove(object.key());
        let stored = self.store.put(object);
        self.after_change(before.as_ref(), Some(&stored));
        stored
    }

    /// Takes an object out of the store.
    pub(super) fn erase(&mut self, key: &ResourceKey) {
        let before = self.store.get(key).cloned();
        self.store.remove(key);
        self.incomplete.remove(key);
        self.outcomes.remove(key);
        self.after_change(before.as_ref(), None);
    }

    fn after_change(&mut self, before: Option<&Resource>, after: Option<&Resource>) {
        let is_crd = |object: &Resource| object.key().is("apiextensions.k8s.io", "CustomResourceDefinition");
        if before.or(after).is_some_and(is_crd) {
            self.take_up(before, after);
        }
        self.notice(before, after);
    }

    /// Serves what a CRD now says, or no longer.
    fn take_up(&mut self, before: Option<&Resource>, after: Option<&Resource>) {
        let served = |crd: Option<&Resource>| crd.filter(|crd| super::crd::is_established(crd)).cloned();
        let kind = |crd: &Resource| {
            let text =
                |path: &[&str]| crd.tree().dig(path).and_then(crate::value::ValueRef::as_str).unwrap_or_default();
            GroupKind::new(text(&["spec", "group"]), text(&["spec", "names", "kind"]))
        };
        match (served(before), served(after)) {
            (before, Some(after)) => {
                if before.is_none_or(|before| before.tree().get("spec") != after.tree().get("spec")) {
                    // It may serve no version any more.
                    self.model = self.model.without_kind(&kind(&after)).with_crds([&after]);
                }
            }
            (Some(before), None) => self.model = self.model.without_kind(&kind(&before)),
            (None, None) => {}
        }
    }

    /// A new object needs a namespace that is there and stays.
    fn check_namespace(&self, context: &Context<'_>, name: &str) -> Result<(), Status> {
        let Some(namespace) = &context.endpoint.namespace else { return Ok(()) };
        let key = ResourceKey::new("", "Namespace", None, namespace);
        match self.store.get(&key) {
            None => Err(refuse::namespace_missing(namespace)),
            Some(live) if live.is_terminating() => {
                Err(refuse::namespace_terminating(context.endpoint, name, namespace))
            }
            Some(_) => Ok(()),
        }
    }

    /// Completes a prefix by five letters that look as Kubernetes' do.
    fn generate_name(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
        let digest = self.issue();
        let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().map_or('x', char::from);
        let pairs = digest.as_bytes().chunks(2).take(5);
        let suffix =
            pairs.map(|pair| letter(pair.iter().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte))));
        let prefix: String = prefix.chars().take(58).collect();
        prefix.chars().chain(suffix).collect()
    }

    fn put_scale(&mut self, context: &Context<'_>, body: &Value) -> Result<Response, Status> {
        decode::check_depth(body.root(), LEVELS)?;
        let live = context.shown(self.live(context)?);
        self.write_scale(context, &live, &body.root().to_draft())
    }

    fn patch_scale(&mut self, context: &Context<'_>, patch: &Patch) -> Result<Response, Status> {
        let live = context.shown(self.live(context)?);
        let scale = super::scale::read(context.kind, &live);
        let scale = self.patched(context, scale.root().to_draft(), patch)?;
        self.write_scale(context, &live, &scale)
    }

    fn write_scale(&mut self, context: &Context<'_>, live: &Resource, scale: &Draft) -> Result<Response, Status> {
        self.check_version(context, scale, live)?;
        let draft = super::scale::write(context, live, scale)?;
        let draft = ownership::scaled(context, live, draft);
        let answer = self.replace(context, live, draft, Ownership::Applied)?;
        let Some(object) = answer.as_object() else { return Ok(answer) };
        Ok(Response::new(Body::Value(super::scale::read(context.kind, object))))
    }
}

fn patch_fault(why: &str) -> Status {
    refuse::invalid_of("", "", "", vec![refuse::fault("patch", CauseReason::Invalid, why)])
}

fn resource(draft: &Draft) -> Result<Resource, Status> {
    let value = draft.freeze();
    // Text is only made of what may be too large.
    if value.heap_bytes() > REQUEST / 2 && value.to_json().len() > REQUEST {
        return Err(refuse::internal("etcdserver: request is too large"));
    }
    Resource::new(value).map_err(|error| refuse::bad_request(error.to_string()))
}
