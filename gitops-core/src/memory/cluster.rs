//! The cluster port over an [`ApiServer`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::cluster::{
    Changes, Cluster, ClusterError, Cursor, Failure, Guard, Interest, Mode, Observed, PatchStep, Verb, Write,
    WriteOutcome, Written,
};
use crate::model::{ApiModel, KindFacts, Scope};
use crate::path::{FieldPath, Segment};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{LiveState, Namespaces};
use crate::time::{Timer, Timestamp};
use crate::value::{Draft, Value};

use super::export::LEVELS;
use super::faults::{Faults, Moment};
use super::refuse;
use super::request::{Action, DeleteOptions, Patch, Request};
use super::response::{Body, CauseReason, Reason, Response, Status};
use super::server::ApiServer;

/// A [`Cluster`] in memory. Clones share it.
///
/// Controllers run after every write and before every look, so what they do is done at once; what takes time (see
/// [`super::Outcome`]) is done when the timer says so. Nothing waits but [`Cluster::changed`], which sleeps on the
/// timer for a second at a time, half a minute at most.
#[derive(Clone)]
pub struct MemoryCluster {
    shared: Arc<Mutex<Shared>>,
    timer: Arc<dyn Timer>,
}

struct Shared {
    server: ApiServer,
    faults: Faults,
}

/// How long [`Cluster::changed`] waits between looks, and how often it looks.
const PAUSE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 30;

impl MemoryCluster {
    /// Starts an empty cluster.
    #[must_use]
    pub fn new(seed: u64, timer: impl Timer + 'static) -> Self {
        Self::over(ApiServer::new(seed), timer)
    }

    /// Puts a cluster over a server.
    #[must_use]
    pub fn over(server: ApiServer, timer: impl Timer + 'static) -> Self {
        let shared = Shared { server, faults: Faults::default() };
        Self { shared: Arc::new(Mutex::new(shared)), timer: Arc::new(timer) }
    }

    /// Looks into the server, or changes it behind everybody's back. Controllers run when `work` is done.
    pub fn with_server<T>(&self, work: impl FnOnce(&mut ApiServer) -> T) -> T {
        let mut shared = self.lock();
        let result = work(&mut shared.server);
        shared.server.settle(self.timer.now());
        result
    }

    /// Scripts failures to come.
    pub fn with_faults<T>(&self, work: impl FnOnce(&mut Faults) -> T) -> T {
        work(&mut self.lock().faults)
    }

    /// Returns what changed within `interest` since `after`, without waiting.
    ///
    /// # Errors
    /// When the cursor is too old.
    pub fn changes(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        let after = after.as_str().parse::<u64>().map_err(|_| Failure::CursorExpired)?;
        let mut shared = self.lock();
        shared.server.settle(self.timer.now());
        shared.changes(interest, after).ok_or_else(|| Failure::CursorExpired.into())
    }

    /// Returns the present instant of its timer.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.timer.now()
    }

    /// A panic elsewhere leaves the server whole: requests are checked before they change anything.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cluster for MemoryCluster {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        let mut shared = self.lock();
        shared.server.settle(self.timer.now());
        // The server knows all it serves.
        let unknown = kinds.iter().filter(|kind| matches!(shared.server.model().kind(kind), KindFacts::Unknown));
        Ok(unknown.fold(shared.server.model().clone(), |model, kind| model.without_kind(kind)))
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        let mut shared = self.lock();
        if let Some(failure) = shared.faults.next_observe() {
            return Err(failure.into());
        }
        shared.server.settle(self.timer.now());
        Ok(shared.observe(interest))
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        let mut after = after.clone();
        for _ in 0..LOOKS {
            let changes = self.changes(interest, &after)?;
            if !changes.changed.is_empty() || !changes.gone.is_empty() {
                return Ok(changes);
            }
            after = changes.cursor;
            self.timer.sleep_until(self.timer.now() + PAUSE).await;
        }
        Ok(Changes::none(after))
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        let mut shared = self.lock();
        let now = self.timer.now();
        let fault = match write.mode {
            Mode::Commit => shared.faults.next_write(),
            Mode::DryRun => shared.faults.next_dry_run(),
        };
        if let Some((Moment::Before, failure)) = fault {
            return Err(failure.into());
        }
        let result = perform(&mut shared.server, write, now);
        shared.server.settle(now);
        match fault {
            Some((_, failure)) => Err(failure.into()),
            None => result.map_err(ClusterError::new),
        }
    }
}

impl Shared {
    fn observe(&self, interest: &Interest) -> Observed {
        let mut live = LiveState::default();
        for kind in &interest.kinds {
            self.list(kind, &interest.namespaces, &mut live);
        }
        for key in &interest.keys {
            match (self.server.model().kind(&key.group_kind), self.faults.unreadable.get(&*key.group_kind)) {
                (_, Some(why)) => live.unreadable(key, why.clone()),
                (KindFacts::Served(kind), None) => match self.server.get(key) {
                    Some(object) => {
                        let version = interest.versions.get(key).filter(|version| kind.versions.contains(version));
                        live.insert(version.map_or_else(|| object.clone(), |version| self.at_version(object, version)));
                    }
                    None => live.absent(key),
                },
                _ => live.not_served(&key.group_kind),
            }
        }
        Observed::new(live, Cursor::new(&self.server.version().to_string()))
    }

    /// An object in another version of its kind.
    fn at_version(&self, object: &Resource, version: &str) -> Resource {
        let group = object.key().group();
        let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let converted = self.server.model().at_version(&object.key().group_kind, object.tree(), &version);
        Resource::new(converted).unwrap_or_else(|_| object.clone())
    }

    fn list(&self, kind: &GroupKind, namespaces: &Namespaces, live: &mut LiveState) {
        let KindFacts::Served(served) = self.server.model().kind(kind) else {
            live.not_served(kind);
            return;
        };
        let namespaces = if served.scope == Scope::Cluster { &Namespaces::All } else { namespaces };
        if let Some(why) = self.faults.unreadable.get(kind) {
            live.unreadable_kind(kind, namespaces, why);
            return;
        }
        let wanted = |object: &&Resource| is_within(namespaces, object.key());
        self.server.of_kind(kind).into_iter().filter(wanted).for_each(|object| live.insert(object.clone()));
        live.listed(kind, namespaces);
    }

    /// What is within `interest` and changed after a version, each object once.
    fn changes(&self, interest: &Interest, after: u64) -> Option<Changes> {
        let mut changed: BTreeMap<&ResourceKey, Option<&Resource>> = BTreeMap::new();
        let mut gone = Vec::new();
        for change in self.server.store.changes_after(after)? {
            let listed = interest.kinds.contains(&*change.key.group_kind)
                && (change.key.namespace.is_none() || is_within(&interest.namespaces, &change.key));
            if !listed && !interest.keys.contains(&change.key) {
                continue;
            }
            if let (Some(uid), None) = (change.before.as_ref().and_then(Resource::uid), &change.after) {
                gone.push((change.key.clone(), uid.into()));
            }
            changed.insert(&change.key, change.after.as_ref());
        }
        let mut changes = Changes::none(Cursor::new(&self.server.version().to_string()));
        changes.changed = changed.into_values().flatten().cloned().collect();
        changes.gone = gone;
        Some(changes)
    }
}

fn is_within(namespaces: &Namespaces, key: &ResourceKey) -> bool {
    match namespaces {
        Namespaces::All => true,
        Namespaces::Only(names) => key.namespace.as_ref().is_some_and(|name| names.contains(name)),
    }
}

fn perform(server: &mut ApiServer, write: &Write, now: Timestamp) -> Result<Written, Failure> {
    let mut endpoint = server.endpoint(&write.key, &write.version).ok_or(Failure::KindNotServed)?;
    let live = server.get(&write.key).cloned();
    check_guard(&write.guard, live.as_ref())?;
    let (action, manager) = match &write.verb {
        Verb::Apply { object, manager, force } => {
            (Action::Apply { body: unversioned(object), force: *force }, Some(manager))
        }
        Verb::Create { object, manager } => {
            endpoint.name = None;
            (Action::Create(unversioned(object)), Some(manager))
        }
        Verb::Replace { object, manager } => (Action::Update(unversioned(object)), Some(manager)),
        Verb::Patch { steps, manager } => {
            let live = live.as_ref().ok_or(Failure::NotFound)?;
            if steps.iter().any(is_too_deep) {
                return written(write, Some(live), refuse::too_deep().into());
            }
            (Action::Patch(Patch::Json(json_patch(live, steps))), Some(manager))
        }
        Verb::Delete { propagation } => (Action::Delete(DeleteOptions::new(*propagation)), None),
    };
    let mut request = Request::new(endpoint, action).in_mode(write.mode);
    request.manager = manager.cloned();
    let answer = server.handle(&request, now);
    written(write, live.as_ref(), answer)
}

fn check_guard(guard: &Guard, live: Option<&Resource>) -> Result<(), Failure> {
    match (guard, live) {
        (Guard::None, _) | (Guard::Absent, None) => Ok(()),
        (Guard::Absent, Some(_)) => Err(Failure::AlreadyExists),
        (Guard::Present { .. }, None) => Err(Failure::NotFound),
        (Guard::Present { uid, version }, Some(live)) => {
            let same = live.uid() == Some(uid)
                && version.as_ref().is_none_or(|version| live.resource_version() == Some(version));
            if same { Ok(()) } else { Err(Failure::Stale) }
        }
    }
}

fn is_too_deep(step: &PatchStep) -> bool {
    let (PatchStep::Set(path, _) | PatchStep::Remove(path)) = step;
    path.segments().len() > LEVELS
}

/// What holds is in the guard; the body carries no precondition of its own.
fn unversioned(object: &Resource) -> Value {
    let bare = object.edit(|draft| {
        let metadata = draft.entry("metadata");
        ["resourceVersion", "uid", "managedFields"].iter().for_each(|field| drop(metadata.remove(field)));
    });
    bare.map_or_else(|_| object.value().clone(), |bare| bare.value().clone())
}

/// The steps as RFC 6902 has them, for this object: maps on the way are made, what is not there is not removed.
fn json_patch(live: &Resource, steps: &[PatchStep]) -> Value {
    let mut tree = live.value().clone();
    let mut patch = Vec::new();
    for step in steps {
        let from = patch.len();
        match step {
            PatchStep::Set(path, value) => {
                let segments = path.segments();
                for (length, (here, below)) in segments.iter().zip(segments.iter().skip(1)).enumerate() {
                    let parent: FieldPath = segments.iter().take(length + 1).cloned().collect();
                    if parent.find(tree.root()).is_none() {
                        patch.push(json_step("add", &parent, &tree, Some(fresh(here, below))));
                    }
                }
                let operation = if path.find(tree.root()).is_some() { "replace" } else { "add" };
                patch.push(json_step(operation, path, &tree, Some(value.into())));
            }
            PatchStep::Remove(path) if path.find(tree.root()).is_some() => {
                patch.push(json_step("remove", path, &tree, None));
            }
            PatchStep::Remove(_) => {}
        }
        // Later steps point into what the earlier ones left.
        let done = Draft::List(patch.get(from..).unwrap_or_default().to_vec()).freeze();
        if let Ok(next) = super::patching::json(tree.root().to_draft(), done.root()) {
            tree = next.freeze();
        }
    }
    Draft::List(patch).freeze()
}

/// What is made on the way to a field: an item with its keys, a list for items, else a map.
fn fresh(here: &Segment, below: &Segment) -> Draft {
    match (here, below) {
        (Segment::Key(keys), _) => {
            let mut item = Draft::map();
            keys.iter().for_each(|(name, value)| item.set(name, value));
            item
        }
        (_, Segment::Field(_)) => Draft::map(),
        _ => Draft::list(),
    }
}

fn json_step(operation: &str, path: &FieldPath, tree: &Value, value: Option<Draft>) -> Draft {
    let mut step = Draft::map();
    step.set("op", operation);
    step.set("path", path.to_pointer(tree.root()));
    if let Some(value) = value {
        step.set("value", value);
    }
    step
}

fn written(write: &Write, live: Option<&Resource>, answer: Response) -> Result<Written, Failure> {
    if let Some(status) = answer.refusal() {
        return Err(failure(write, status));
    }
    let deleting = matches!(write.verb, Verb::Delete { .. });
    let object = match answer.body {
        Body::Object(object) => Some(object),
        _ => None,
    };
    let version = |object: Option<&Resource>| object.and_then(Resource::resource_version).map(str::to_owned);
    let outcome = match &object {
        Some(object) if deleting && object.is_terminating() => WriteOutcome::Terminating,
        _ if deleting => WriteOutcome::Gone,
        _ if answer.code == 201 => WriteOutcome::Created,
        Some(object) if super::prepare::may_go(object) => WriteOutcome::Gone,
        Some(object) => {
            let same = match write.mode {
                Mode::Commit => version(Some(object)) == version(live),
                Mode::DryRun => live.is_some_and(|live| crate::ssa::keep_times(live, object.clone()) == *live),
            };
            if same { WriteOutcome::Unchanged } else { WriteOutcome::Changed }
        }
        None => WriteOutcome::Changed,
    };
    let mut written = Written::new(outcome, object.filter(|_| outcome != WriteOutcome::Gone));
    written.warnings = answer.warnings;
    Ok(written)
}

/// What a refusal means.
fn failure(write: &Write, status: &Status) -> Failure {
    let message = Arc::clone(&status.message);
    let namespace = || write.key.namespace.clone().unwrap_or_default();
    let is = |reason: CauseReason| status.causes.iter().any(|(found, _)| *found == reason);
    match status.reason {
        Reason::NotServed | Reason::NoPage => Failure::KindNotServed,
        Reason::NotFound if status.kind.as_deref() == Some("namespaces") && write.key.namespace.is_some() => {
            Failure::NamespaceMissing { namespace: namespace() }
        }
        Reason::NotFound => Failure::NotFound,
        Reason::AlreadyExists => Failure::AlreadyExists,
        Reason::Conflict if !status.conflicts.is_empty() => {
            Failure::FieldConflict { conflicts: status.conflicts.to_vec() }
        }
        Reason::Conflict => Failure::Stale,
        Reason::Forbidden if is(CauseReason::NamespaceTerminating) => {
            Failure::NamespaceTerminating { namespace: namespace() }
        }
        Reason::Forbidden => Failure::Denied { message },
        Reason::Expired => Failure::CursorExpired,
        Reason::MethodNotAllowed => Failure::Unsupported { message },
        _ => {
            let causes = status.causes.iter().map(|(_, cause)| cause.clone()).collect();
            Failure::Invalid { message, causes }
        }
    }
}

impl fmt::Debug for MemoryCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.lock();
        write!(f, "MemoryCluster({} objects)", shared.server.objects().count())
    }
}
