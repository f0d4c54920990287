//! The steps of an apply and of an update.

use std::sync::Arc;

use super::FieldSet;
use super::apply::{Apply, ApplyError, Conflict, Update};
use super::convert::ByModel;
use super::managed::{ManagedEntry, ManagedFields, ManagerKey, Operation};
use super::tracked::Tracked;
use super::typed::{Duplicates, Typed, TypedError};
use super::updater::{Filter, Managers, Owned, UpdateError, Updater};
use crate::model::{ApiModel, KindFacts, TypeRef};
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::{Builder, Value, ValueRef};

/// Name of the entry that owns what was there before anybody applied.
pub const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What an apply led to, before the server encodes it: empty lists and nulls are still there.
pub(crate) struct Merged {
    pub(crate) object: Resource,
    /// Whether anything but ownership differs from what was live.
    pub(crate) is_changed: bool,
}

/// Object, schema and version that a write is about.
struct Context<'a> {
    api_version: &'a str,
    subresource: Option<&'a str>,
    kind: &'a str,
    schema: TypeRef<'a>,
    converter: ByModel<'a>,
    /// What cannot be owned through this subresource.
    reset: FieldSet,
}

impl<'a> Context<'a> {
    fn new(object: &'a Resource, subresource: Option<&'a str>, model: &'a ApiModel) -> Self {
        let kind = &object.key().group_kind;
        Self {
            api_version: object.api_version(),
            subresource,
            kind: &kind.kind,
            schema: model.schema(kind, object.version()),
            converter: ByModel { model, kind: Arc::clone(kind) },
            reset: reset_fields(model, object, subresource),
        }
    }

    fn updater(&self) -> Updater<'_, 'a> {
        let updater = Updater::new(&self.converter);
        if self.reset.is_empty() {
            return updater;
        }
        updater.with_filter(self.api_version, Filter::Exclude(self.reset.clone()))
    }

    /// The stored object without managed fields, or an empty one.
    fn live(&self, live: Option<&Resource>) -> Result<Typed<'a>, Vec<TypedError>> {
        let value = match live {
            None => self.empty(),
            Some(live) if live.api_version() == self.api_version => with_managed_fields(live.tree(), None),
            Some(live) => {
                let bare = with_managed_fields(live.tree(), None);
                self.converter.model.at_version(&self.converter.kind, bare.root(), self.api_version)
            }
        };
        // What was read from a server fits; what was not may still hold fields that a server would have dropped.
        let decoded = |_| Typed::new(self.schema.decoded(value.root()), self.schema, Duplicates::Allow);
        Typed::new(value.clone(), self.schema, Duplicates::Allow).or_else(decoded)
    }

    /// What the server takes for an object that is not there: its kind, and what is encoded when nothing was set.
    fn empty(&self) -> Value {
        let mut builder = Builder::new();
        builder.start_map();
        for (name, text) in [("apiVersion", self.api_version), ("kind", self.kind)] {
            builder.key(name);
            builder.string(text);
        }
        self.schema.write_zero_fields(&mut builder);
        builder.end();
        // A few entries always fit.
        builder.finish().unwrap_or_else(|_| Value::empty_map())
    }

    fn key(&self, manager: &str, operation: Operation) -> ManagerKey {
        ManagerKey {
            // Rule: apimachinery's `buildManagerInfoManager`.
            manager: if manager.is_empty() { "unknown" } else { manager }.into(),
            operation,
            api_version: (operation == Operation::Update).then(|| self.api_version.into()),
            subresource: self.subresource.map(Arc::from),
        }
    }

    /// Notes that `manager` made `new` of `live`.
    ///
    /// Rule: apimachinery's `managedFieldsUpdater`: the write counts as one by a manager of its own, whose part is
    /// then added to the entry of the real one.
    fn track_update(
        &self,
        tracked: &mut Tracked,
        live: &Typed<'a>,
        new: &Typed<'a>,
        manager: &str,
        now: Timestamp,
    ) -> Result<(), UpdateError<ManagerKey>> {
        let this_write = ManagerKey { api_version: None, ..self.key("current-operation", Operation::Update) };
        tracked.fields = self.updater().update(live, new, self.api_version, &tracked.fields, &this_write)?;
        tracked.strip_meta(&this_write);
        if let Some(written) = tracked.fields.remove(&this_write) {
            let key = self.key(manager, Operation::Update);
            let before = tracked.fields.get(&key).map(|owned| owned.fields.clone()).unwrap_or_default();
            let fields = written.fields.union(&before);
            tracked.fields.insert(key.clone(), Owned { fields, ..written });
            tracked.times.insert(key, now.whole_seconds());
        }
        Ok(())
    }
}

pub(super) fn apply(request: &Apply<'_>) -> Result<Merged, ApplyError> {
    let given = request.applied.tree().dig(&["metadata", "managedFields"]);
    if given.is_some_and(|given| !given.is_null()) {
        return Err(ApplyError::ManagedFieldsGiven);
    }
    let context = Context::new(request.applied, request.subresource, request.model);
    let before = request.live.map(ManagedFields::read).transpose()?.unwrap_or_default();
    let mut tracked = Tracked::of(&before);
    let config = Typed::new(request.applied.value().clone(), context.schema, Duplicates::Refuse);
    let config = config.map_err(ApplyError::Invalid)?;
    let live = context.live(request.live).map_err(ApplyError::Invalid)?;
    if tracked.fields.is_empty() {
        let empty = context.live(None).map_err(ApplyError::Invalid)?;
        let noted = context.track_update(&mut tracked, &empty, &live, BEFORE_FIRST_APPLY, request.now);
        noted.map_err(|error| refusal(error, &tracked.fields))?;
    }
    let key = context.key(request.manager, Operation::Apply);
    let applied = context
        .updater()
        .apply(&live, &config, context.api_version, &tracked.fields, &key, request.force)
        .map_err(|error| refusal(error, &tracked.fields))?;
    tracked.fields = applied.managers;
    tracked.strip_meta(&key);
    if applied.is_changed {
        // An apply that changes nothing leaves the time alone, also when it adds an owner.
        tracked.times.insert(key, request.now.whole_seconds());
    }
    let managed = tracked.entries();
    let object = if applied.is_changed { applied.object.value() } else { live.value() };
    let object = Resource::new(with_managed_fields(object.root(), Some(&managed)))?;
    Ok(Merged { object, is_changed: applied.is_changed })
}

/// Returns `new` with the times of `old`, if times of managed fields are all that differs; `old` itself, then.
///
/// Rule: the API server's `IgnoreManagedFieldsTimestampsTransformer`. Entries are compared place by place, so an entry
/// that moves behind another with its new time is a change.
#[must_use]
pub fn keep_times(old: &Resource, new: Resource) -> Resource {
    let same_entries = match (ManagedFields::read(old), ManagedFields::read(&new)) {
        (Ok(old), Ok(new)) => {
            let same = |(old, new): (&ManagedEntry, &ManagedEntry)| old.key() == new.key() && old.fields == new.fields;
            old.entries().len() == new.entries().len()
                && old
                    .entries()
                    .iter()
                    .zip(new.entries())
                    .all(|pair| same(pair) && pair.0.api_version == pair.1.api_version)
        }
        _ => false,
    };
    let bare = |object: &Resource| with_managed_fields(object.tree(), None);
    if same_entries && bare(old) == bare(&new) { old.clone() } else { new }
}

pub(super) fn update(request: &Update<'_>) -> Resource {
    let context = Context::new(request.new, request.subresource, request.model);
    let mut tracked = given_or_live(request);
    let bare = with_managed_fields(request.new.tree(), None);
    let with = |managed: Option<&ManagedFields>| {
        // Only managed fields change, so it stays an object.
        Resource::new(with_managed_fields(bare.root(), managed)).unwrap_or_else(|_| request.new.clone())
    };
    // Tracking starts on create, or with the first apply (apimachinery's `skipNonAppliedManager`).
    if tracked.fields.is_empty() && request.live.is_some_and(|live| live.uid().is_some()) {
        return with(None);
    }
    let (live, new) = (
        context.live(request.live),
        Typed::new(context.schema.decoded(bare.root()), context.schema, Duplicates::Allow),
    );
    let (Ok(live), Ok(new)) = (live, new) else { return with(None) };
    match context.track_update(&mut tracked, &live, &new, request.manager, request.now) {
        Ok(()) => {
            tracked.cap_update_managers();
            with(Some(&tracked.entries()))
        }
        Err(_) => with(None),
    }
}

/// The managed fields a write starts from. It may replace them itself, but not through a subresource; `[{}]` asks for
/// none, and an empty list counts as that of a client that does not know them.
///
/// Rule: apimachinery's `decodeLiveOrNew`.
fn given_or_live(request: &Update<'_>) -> Tracked {
    let live = || {
        let live = request.live.and_then(|live| ManagedFields::read(live).ok());
        Tracked::of(&live.unwrap_or_default())
    };
    if request.subresource.is_some() {
        return live();
    }
    let given = request.new.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list);
    let is_reset = given.is_some_and(|given| {
        let is_empty = |item: ValueRef<'_>| item.as_map().is_some_and(|map| map.is_empty());
        given.len() == 1 && given.iter().all(is_empty)
    });
    match ManagedFields::read(request.new) {
        _ if is_reset => Tracked::default(),
        Ok(given) if !given.is_empty() => Tracked::of(&given),
        _ => live(),
    }
}

/// What a write through this subresource cannot change, and so nobody can own through it.
///
/// Rule: `GetResetFields` of the storage strategies in Kubernetes 1.36 and of `customresource`.
fn reset_fields(model: &ApiModel, object: &Resource, subresource: Option<&str>) -> FieldSet {
    let kind = &object.key().group_kind;
    let KindFacts::Served(served) = model.kind(kind) else { return FieldSet::new() };
    let is_builtin = || matches!(ApiModel::builtin().kind(kind), KindFacts::Served(_));
    let fields: &[&[&str]] = match subresource {
        None if served.has_status_subresource => &[&["status"]],
        Some("status") if object.key().is("apps", "Deployment") => &[&["spec"], &["metadata", "labels"]],
        Some("status") if is_builtin() => &[&["spec"]],
        Some("status") => &[&["apiVersion"], &["kind"], &["metadata"], &["spec"]],
        _ => &[],
    };
    fields.iter().map(|path| FieldPath::fields(path)).collect()
}

/// Returns an object with these managed fields instead of its own; without any, it has none.
pub(super) fn with_managed_fields(object: ValueRef<'_>, managed: Option<&ManagedFields>) -> Value {
    let managed = managed.filter(|managed| !managed.is_empty()).map(ManagedFields::to_value);
    let mut builder = Builder::new();
    builder.start_map();
    for (name, value) in object.as_map().into_iter().flatten() {
        builder.key(name);
        match value.as_map() {
            Some(metadata) if name == "metadata" => {
                builder.start_map();
                for (name, value) in metadata.iter().filter(|(name, _)| *name != "managedFields") {
                    builder.key(name);
                    builder.value(value);
                }
                if let Some(managed) = &managed {
                    builder.key("managedFields");
                    builder.value(managed.root());
                }
                builder.end();
            }
            _ => builder.value(value),
        }
    }
    builder.end();
    // A copy of trees that were held; only more than 4 GiB of text can fail.
    builder.finish().unwrap_or_else(|_| Value::empty_map())
}

fn refusal(error: UpdateError<ManagerKey>, managers: &Managers<ManagerKey>) -> ApplyError {
    let sets = match error {
        UpdateError::Invalid(errors) => return ApplyError::Invalid(errors),
        UpdateError::Convert(error) => return ApplyError::Convert(error),
        UpdateError::Conflicts(sets) => sets,
    };
    let mut conflicts = Vec::new();
    for (key, set) in sets {
        let api_version = managers.get(&key).map_or_else(|| "".into(), |owned| Arc::clone(&owned.version));
        conflicts.extend(set.iter().map(|field| Conflict {
            manager: Arc::clone(&key.manager),
            operation: key.operation,
            api_version: Arc::clone(&api_version),
            subresource: key.subresource.clone(),
            field,
        }));
    }
    ApplyError::Conflict(conflicts)
}
