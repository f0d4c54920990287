//! Deletion: preconditions, propagation, finalizers.

use crate::cluster::Mode;
use crate::resource::{Propagation, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::collect::CLEANUP;
use super::prepare;
use super::refuse;
use super::request::{DeleteOptions, Select};
use super::response::{Body, Details, List, Reason, Response, Status};
use super::server::{ApiServer, Context, NAMESPACES};
use super::settle::set_condition;

/// Holds an owner until its blocking dependents are gone.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents have forgotten it.
pub(super) const ORPHAN: &str = "orphan";

impl ApiServer {
    pub(super) fn delete(&mut self, context: &Context<'_>, options: &DeleteOptions) -> Result<Response, Status> {
        let live = context.shown(self.live(context)?);
        check(context, &live, options)?;
        if live.key().is("", "Namespace") && NAMESPACES.iter().take(3).any(|name| **name == *live.key().name) {
            let why = "this namespace may not be deleted";
            return Err(refuse::forbidden(context.endpoint, &live.key().name, why));
        }
        let marked = mark(&live, options.propagation, context.now);
        if prepare::may_go(&marked) {
            // A Pod is seen going, also where no node has to end it first.
            let is_pod = live.key().is("", "Pod");
            let last = match context.mode {
                Mode::Commit if is_pod => self.store(&marked),
                _ if is_pod => marked,
                _ => live.clone(),
            };
            if context.mode == Mode::Commit {
                self.erase(live.key());
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
        let selector = self.selector(context, select)?;
        let found = self.store.of_kind(&context.kind.group_kind, context.endpoint.namespace.as_deref());
        let wanted: Vec<Resource> = found.into_iter().filter(|object| selector.matches(object)).cloned().collect();
        let mut items = Vec::new();
        for object in wanted {
            let mut endpoint = context.endpoint.clone().named(&object.key().name);
            endpoint.namespace.clone_from(&object.key().namespace);
            let context = Context { endpoint: &endpoint, ..*context };
            let answer = self.delete(&context, options)?;
            items.push(answer.as_object().cloned().unwrap_or(object));
        }
        Ok(Response::new(Body::List(List { items, version: self.store.version(), token: None, remaining: None })))
    }

    /// Deletes an object as controllers do: no preconditions, one finalizer at most.
    pub(super) fn delete_now(&mut self, live: &Resource, propagation: Propagation, now: Timestamp) {
        let marked = mark(live, Some(propagation), now);
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
fn mark(live: &Resource, propagation: Option<Propagation>, now: Timestamp) -> Resource {
    let mut draft = live.tree().to_draft();
    let metadata = draft.entry("metadata");
    if !live.is_terminating() {
        metadata.set("deletionTimestamp", now.whole_seconds().to_string());
        let definition = live.key().is("apiextensions.k8s.io", "CustomResourceDefinition");
        if live.key().is("", "Namespace") {
            draft.entry("status").set("phase", "Terminating");
        } else if !definition {
            metadata.set("deletionGracePeriodSeconds", 0);
        }
        let metadata = draft.entry("metadata");
        if definition {
            // As recorded: its deletion counts as no change of what is wanted.
            let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
            let status = draft.entry("status");
            set_condition(status, "Terminating", "True", "InstanceDeletionPending", message, now);
        } else if let Some(generation) = metadata.get("generation").and_then(Draft::as_i64) {
            metadata.set("generation", generation + 1);
        }
    }
    let propagation = propagation.or_else(|| default_propagation(live));
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
