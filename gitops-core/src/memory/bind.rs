//! The `binding` subresource of Pods, by which a scheduler gives them to a node.

use crate::cluster::Mode;
use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef};

use super::refuse;
use super::response::{CauseReason, Reason, Response, Status};
use super::server::{ApiServer, Context};

impl ApiServer {
    /// Gives a Pod to a node, once. Nobody owns what it writes, as recorded.
    ///
    /// Rule: Kubernetes, `BindingREST`.
    pub(super) fn bind(&mut self, context: &Context<'_>, body: &Value) -> Result<Response, Status> {
        let live = self.live(context)?;
        let name = &live.key().name;
        let Some(node) =
            body.root().dig(&["target", "name"]).and_then(ValueRef::as_str).filter(|node| !node.is_empty())
        else {
            let why = refuse::fault("target.name", CauseReason::Required, "");
            return Err(refuse::invalid_of("", "Binding", name, vec![why]));
        };
        for (field, what) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let wanted = body.root().dig(&["metadata", field]).and_then(ValueRef::as_str).unwrap_or_default();
            let found = live.metadata(field).unwrap_or_default();
            if !wanted.is_empty() && wanted != found {
                let why =
                    format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
                return Err(refuse::conflict(context.endpoint, name, &why));
            }
        }
        let refused = |why: &str| Err(refuse::conflict(&binding(context), name, why));
        if live.is_terminating() {
            return refused(&format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if let Some(host) = live.tree().dig(&["spec", "nodeName"]).and_then(ValueRef::as_str) {
            return refused(&format!("pod {name} is already assigned to node \"{host}\""));
        }
        let gates = live.tree().dig(&["spec", "schedulingGates"]).and_then(ValueRef::as_list);
        if gates.is_some_and(|gates| !gates.is_empty()) {
            return refused(&format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let mut draft = live.tree().to_draft();
        draft.entry("spec").set("nodeName", node);
        for (key, value) in
            body.root().dig(&["metadata", "annotations"]).and_then(ValueRef::as_map).into_iter().flatten()
        {
            draft.entry("metadata").entry("annotations").set(key, value);
        }
        let mut condition = Draft::map();
        condition.set("type", "PodScheduled");
        condition.set("status", "True");
        condition.set("lastProbeTime", Draft::Null);
        condition.set("lastTransitionTime", context.now.whole_seconds().to_string());
        let conditions = draft.entry("status").entry("conditions");
        match conditions.as_list_mut() {
            Some(list) => {
                list.retain(|old| old.get("type").and_then(Draft::as_str) != Some("PodScheduled"));
                list.push(condition);
            }
            None => *conditions = Draft::List(vec![condition]),
        }
        let bound = Resource::new(draft.freeze()).map_err(|error| refuse::internal(error.to_string()))?;
        if context.mode == Mode::Commit {
            self.store(&bound);
        }
        Ok(Status::new(201, Reason::Success, "").into())
    }
}

/// The place as messages have it.
fn binding(context: &Context<'_>) -> super::Endpoint {
    super::Endpoint { plural: "pods/binding".into(), ..context.endpoint.clone() }
}
