//! Deletion: preconditions, propagation, finalizers.

use std::time::Duration;

use crate::cluster::Mode;
use crate::resource::{Propagation, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::collect::CLEANUP;
use super::prepare;
use super::refuse;
use super::request::{DeleteOptions, Select};
use super::response::{Body, Details, List, Reason, Response, Status};
use super::server::{ApiServer, Context};
use super::settle::set_condition;
use super::store::versioned;

/// Holds an owner until its blocking dependents are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents have forgotten it.
pub(super) const ORPHAN: &str = "orphan";

/// Namespaces that no cluster is without. Rule: the admission plugin `NamespaceLifecycle`.
const KEPT: [&str; 3] = ["default", "kube-system", "kube-public"];

impl ApiServer {
    pub(super) fn delete(&mut self, context: &Context<'_>, options: &DeleteOptions) -> Result<Response, Status> {
        let live = context.shown(self.live(context)?);
        check(context, &live, options)?;
        if live.key().is("", "Namespace") && KEPT.contains(&&*live.key().name) {
            let why = "this namespace may not be deleted";
            return Err(refuse::forbidden(context.endpoint, &live.key().name, why));
        }
        let marked = mark(&live, options, context.now);
        if prepare::may_go(&marked) {
            // A Pod is seen going, also where no node has to end it first.
            let is_pod = live.key().is("", "Pod");
            let mut last = match context.mode {
                Mode::Commit if is_pod => self.store(&marked),
                _ if is_pod => marked,
                _ => live.clone(),
            };
            if context.mode == Mode::Commit {
                self.erase(live.key());
                last = versioned(&last, &self.store.version().to_string());
            }
            return Ok(gone(context, &last));
        }
        let unchanged = marked.tree() == live.tree();
        let object = match context.mode {
            Mode::Commit if !unchanged => self.store(&marked),
            _ => marked,
        };
        Ok(Response::object(200, context.shown(&object)))
    }

    pub(super) fn delete_collection(
        &mut self,
        context: &Context<'_>,
        select: &Select,
        options: &DeleteOptions,
    ) -> Result<Response, Status> {
        if !context.kind.allows("deletecollection") {
            return Err(refuse::method_not_allowed());
        }
        let selector = self.selector(context, select)?;
        let found = self.store.of_kind(&context.kind.group_kind, context.endpoint.namespace.as_deref());
        let wanted: Vec<Resource> = found.into_iter().filter(|object| selector.matches(object)).cloned().collect();
        // The answer is the list as it was read before the first deletion.
        let version = self.store.version();
        let mut items = Vec::new();
        for object in wanted {
            let mut endpoint = context.endpoint.clone().named(&object.key().name);
            endpoint.namespace.clone_from(&object.key().namespace);
            let context = Context { endpoint: &endpoint, ..*context };
            self.delete(&context, options)?;
            items.push(context.shown(&object));
        }
        Ok(Response::new(Body::List(List { items, version, token: None, remaining: None })))
    }

    /// Deletes an object as controllers do: no preconditions, one finalizer at most.
    pub(super) fn delete_now(&mut self, live: &Resource, propagation: Propagation, now: Timestamp) {
        self.delete_by(live, &DeleteOptions::new(propagation), now);
    }

    /// The same, with all that can be said.
    pub(super) fn delete_by(&mut self, live: &Resource, options: &DeleteOptions, now: Timestamp) {
        let marked = mark(live, options, now);
        if prepare::may_go(&marked) {
            self.erase(live.key());
        } else if marked.tree() != live.tree() {
            self.store(&marked);
        }
    }
}

/// Rule: Kubernetes, `DeleteOptions.preconditions`; messages as recorded.
fn check(context: &Context<'_>, live: &Resource, options: &DeleteOptions) -> Result<(), Status> {
    let name = &live.key().name;
    let kind = live.key().kind();
    let refused = |what: &str, wanted: &str, found: Option<&str>| {
        let found = found.unwrap_or_default();
        let message = format!(
            "Operation cannot be fulfilled on {kind} \"{name}\": the {what} in the precondition ({wanted}) does not \
             match the {what} in record ({found}). The object might have been "
        );
        let end = if what == "UID" { "deleted and then recreated" } else { "modified" };
        Err(Status::new(409, Reason::Conflict, format!("{message}{end}")).about(&context.endpoint.group, kind, name))
    };
    match (&options.uid, &options.version) {
        (Some(uid), _) if Some(&**uid) != live.uid() => refused("UID", uid, live.uid()),
        (_, Some(version)) if Some(&**version) != live.resource_version() => {
            refused("ResourceVersion", version, live.resource_version())
        }
        _ => Ok(()),
    }
}

/// The object with its deletion begun: what holds it is in its finalizers.
fn mark(live: &Resource, options: &DeleteOptions, now: Timestamp) -> Resource {
    let mut draft = live.tree().to_draft();
    if live.is_terminating() {
        hurry(live, options, &mut draft);
    } else {
        begin(live, options, &mut draft, now);
    }
    let propagation = options.propagation.or_else(|| default_propagation(live));
    let old = live.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
    let old: Vec<&str> = old.into_iter().flatten().filter_map(ValueRef::as_str).collect();
    let mut names = old.clone();
    let wanted = match propagation {
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
        _ => None,
    };
    // Without a word about it, what an earlier request asked for stays.
    if propagation.is_some() {
        names.retain(|name| Some(*name) == wanted || !matches!(*name, FOREGROUND | ORPHAN));
    }
    names.extend(wanted.filter(|wanted| !names.contains(wanted)));
    // From its first deletion on, so that it cannot go before its objects.
    if !live.is_terminating() && live.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        names.extend(Some(CLEANUP).filter(|name| !names.contains(name)));
    }
    let metadata = draft.entry("metadata");
    if names.is_empty() {
        drop(metadata.remove("finalizers"));
    } else {
        metadata.set("finalizers", names.into_iter().map(Draft::from).collect::<Vec<_>>());
    }
    Resource::new(draft.freeze()).unwrap_or_else(|_| live.clone())
}

/// The first deletion of an object.
fn begin(live: &Resource, options: &DeleteOptions, draft: &mut Draft, now: Timestamp) {
    let grace = grace(live, options);
    let metadata = draft.entry("metadata");
    let time = now.whole_seconds() + Duration::from_secs(grace);
    metadata.set("deletionTimestamp", time.to_string());
    if live.key().is("apiextensions.k8s.io", "CustomResourceDefinition") {
        // As recorded: its deletion counts as no change of what is wanted.
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        let status = draft.entry("status");
        set_condition(status, "Terminating", "True", "InstanceDeletionPending", message, now);
        return;
    }
    if let Some(generation) = metadata.get("generation").and_then(Draft::as_i64) {
        metadata.set("generation", generation.saturating_add(1));
    }
    if live.key().is("", "Namespace") {
        draft.entry("status").set("phase", "Terminating");
    } else {
        metadata.set("deletionGracePeriodSeconds", i64::try_from(grace).unwrap_or(i64::MAX));
    }
}

/// A further deletion can only shorten the time that a Pod has left.
fn hurry(live: &Resource, options: &DeleteOptions, draft: &mut Draft) {
    let Some(wanted) = options.grace_seconds.map(whole_grace) else { return };
    let before = live.tree().dig(&["metadata", "deletionGracePeriodSeconds"]).and_then(ValueRef::as_i64);
    let Some(before) = before.and_then(|before| u64::try_from(before).ok()).filter(|before| wanted < *before) else {
        return;
    };
    let end = live.metadata("deletionTimestamp").and_then(|text| text.parse::<Timestamp>().ok()).unwrap_or_default();
    let metadata = draft.entry("metadata");
    let begun =
        Timestamp::from_millis(end.millis().saturating_sub(i64::try_from(before).unwrap_or(0).saturating_mul(1000)));
    metadata.set("deletionTimestamp", (begun + Duration::from_secs(wanted)).to_string());
    metadata.set("deletionGracePeriodSeconds", i64::try_from(wanted).unwrap_or(i64::MAX));
}

/// How many seconds an object has to end: only Pods that run somewhere need any.
///
/// Rule: Kubernetes, "Pod Lifecycle", "Termination of Pods"; the strategy of Pods in kube-apiserver.
fn grace(live: &Resource, options: &DeleteOptions) -> u64 {
    let text = |path: &[&str]| live.tree().dig(path).and_then(ValueRef::as_str).unwrap_or_default();
    let ended = matches!(text(&["status", "phase"]), "Succeeded" | "Failed");
    if !live.key().is("", "Pod") || text(&["spec", "nodeName"]).is_empty() || ended {
        return 0;
    }
    let usual = || live.tree().dig(&["spec", "terminationGracePeriodSeconds"]).and_then(ValueRef::as_i64);
    options.grace_seconds.or_else(usual).map_or(0, whole_grace)
}

/// Less than no time is one second, as in kube-apiserver; more than a life is a life.
fn whole_grace(seconds: i64) -> u64 {
    u64::try_from(seconds.min(i32::MAX.into())).unwrap_or(1)
}

/// Jobs keep their Pods unless told otherwise, as recorded.
fn default_propagation(live: &Resource) -> Option<Propagation> {
    live.key().is("batch", "Job").then_some(Propagation::Orphan)
}

/// The answer to a deletion that is done: some kinds answer with the object.
fn gone(context: &Context<'_>, live: &Resource) -> Response {
    if matches!(
        (live.key().group(), live.key().kind()),
        ("", "Service" | "Pod" | "ServiceAccount" | "PodTemplate" | "ResourceQuota")
    ) {
        return Response::object(200, live.clone());
    }
    let status = Status::new(200, Reason::Success, "");
    let endpoint = context.endpoint;
    let status = status.about(&endpoint.group, &endpoint.plural, &live.key().name);
    status.with(Details { uid: live.uid().map(Into::into), ..Details::default() }).into()
}
