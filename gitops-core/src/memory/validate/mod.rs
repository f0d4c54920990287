//! What the server refuses: metadata, fields that cannot change once set, what a CRD's schema demands, and some rules
//! of single kinds. What else a built-in kind demands, only the real server knows (see LIMITATIONS.md).

mod custom;
mod data;
mod definition;
mod formats;
mod immutable;
mod kinds;
mod list_type;
mod metadata;
mod names;
mod openapi;
mod pod_spec;
mod pods;
mod rules;

use crate::model::ApiModel;
use crate::resource::Resource;
use crate::ssa::{Duplicates, Typed};
use crate::value::Draft;

use super::prepare::is_custom;
use super::refuse::{self, Fault};
use super::request::Action;
use super::response::Status;
use super::server::{ApiServer, Context};

pub(super) use metadata::{FORMS, Form, flaw};
pub(super) use names::{LABEL_VALUE, bad_selector_key, is_name_part};

/// Checks the name of a field manager: printable, at most 128 bytes.
pub(super) fn manager(action: &Action, manager: Option<&str>) -> Result<(), Status> {
    let kind = match action {
        Action::Create(_) => "CreateOptions",
        Action::Update(_) => "UpdateOptions",
        Action::Patch(_) | Action::Apply { .. } => "PatchOptions",
        _ => return Ok(()),
    };
    let faults = metadata::bad_manager("fieldManager", manager.unwrap_or_default());
    if faults.is_empty() { Ok(()) } else { Err(refuse::invalid_of("meta.k8s.io", kind, "", faults)) }
}

/// Checks the types of what was sent: Go cannot read a built-in kind of other types. A CRD's schema is asked later.
pub(super) fn typed(context: &Context<'_>, model: &ApiModel, draft: &Draft) -> Result<(), Status> {
    if is_custom(context.kind) {
        return Ok(());
    }
    let kind = &context.kind.group_kind;
    let version = &context.endpoint.version;
    let schema = model.schema(kind, version);
    let mut known = draft.clone();
    // Fields that are not declared are lost, not refused.
    super::defaults::prune(schema, &mut known, 0);
    drop(known.entry("metadata").remove("managedFields"));
    let known = known.freeze();
    let flaw = super::decode::flaw(schema, known.root(), 0);
    let first = match Typed::new(known, schema, Duplicates::Allow) {
        Ok(_) => flaw,
        Err(errors) => errors.first().map(ToString::to_string),
    };
    let Some(first) = first else { return Ok(()) };
    let kind = &kind.kind;
    Err(refuse::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {first}")))
}

/// Nothing without a name is an object.
pub(super) fn named(context: &Context<'_>, name: &str) -> Result<(), Status> {
    let mut faults = Vec::new();
    if name.is_empty() {
        metadata::name(context.kind, name, &mut faults);
    }
    refuse_any(context, name, faults)
}

/// A client cannot say when an object is deleted; leaving the time out changes nothing.
pub(super) fn deletion_stays(context: &Context<'_>, live: &Resource, draft: &Draft) -> Result<(), Status> {
    let wanted = draft.get("metadata").and_then(|metadata| metadata.get("deletionTimestamp")).and_then(Draft::as_str);
    match wanted {
        Some(wanted) if Some(wanted) != live.metadata("deletionTimestamp") => {
            Err(metadata::immutable(context, live, "deletionTimestamp", wanted))
        }
        _ => Ok(()),
    }
}

/// The uid of an object is given by the server.
pub(super) fn immutable_uid(context: &Context<'_>, live: &Resource, uid: &str) -> Status {
    metadata::immutable(context, live, "uid", uid)
}

impl ApiServer {
    /// Checks a new object, in the form in which it is stored.
    pub(super) fn validate_new(&self, context: &Context<'_>, name: &str, object: &Resource) -> Result<(), Status> {
        let draft = object.tree().to_draft();
        let mut faults = Vec::new();
        metadata::name(context.kind, name, &mut faults);
        metadata::of_new(context.kind, &draft, &mut faults);
        self.validate_content(context, None, object, &draft, &mut faults);
        refuse_any(context, name, faults)
    }

    /// Checks a changed object, in the form in which it is stored.
    ///
    /// Rule: `rest.BeforeUpdate` checks the metadata, then the strategy of the kind does it again: its rules for changed
    /// objects always, those for new ones for some kinds. Causes are listed as often as that.
    pub(super) fn validate_changed(
        &self,
        context: &Context<'_>,
        live: &Resource,
        object: &Resource,
    ) -> Result<(), Status> {
        let draft = object.tree().to_draft();
        let mut faults = Vec::new();
        metadata::of_new(context.kind, &draft, &mut faults);
        metadata::of_changed(live, &draft, &mut faults);
        // Once more, as the strategy does: a client sees each of these causes twice.
        metadata::of_changed(live, &draft, &mut faults);
        if kinds::are_checked_as_new(context.kind) {
            metadata::of_new(context.kind, &draft, &mut faults);
        }
        let whole = context.endpoint.subresource.as_deref() != Some("status");
        let mut fixed = Vec::new();
        if whole {
            immutable::check(live, object.tree(), &mut fixed);
        }
        let content_first = immutable::come_last(context.kind);
        if content_first {
            self.validate_content(context, Some(live), object, &draft, &mut faults);
            faults.append(&mut fixed);
        } else {
            faults.append(&mut fixed);
            self.validate_content(context, Some(live), object, &draft, &mut faults);
        }
        refuse_any(context, &live.key().name, faults)
    }

    fn validate_content(
        &self,
        context: &Context<'_>,
        live: Option<&Resource>,
        object: &Resource,
        draft: &Draft,
        faults: &mut Vec<Fault>,
    ) {
        if is_custom(context.kind) {
            if let Some(crd) = self.definition_of(context.kind) {
                custom::check(crd, context, live, object, faults);
            }
        } else {
            kinds::check(context.kind, draft, faults);
            pods::check(context.kind, draft, faults);
            data::check(context.kind, draft, faults);
            definition::check(object, faults);
        }
    }
}

fn refuse_any(context: &Context<'_>, name: &str, faults: Vec<Fault>) -> Result<(), Status> {
    if faults.is_empty() { Ok(()) } else { Err(refuse::invalid(context, name, faults)) }
}
