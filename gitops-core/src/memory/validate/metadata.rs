//! What the server refuses in the metadata of any object.
//!
//! Rules: Kubernetes, "Object Names and IDs", "Labels and Selectors", "Annotations"; wording as recorded from
//! kube-apiserver 1.36.

use std::collections::BTreeSet;

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use super::super::refuse::{self, Fault, fault};
use super::super::response::{CauseReason, Status};
use super::super::server::Context;
use super::super::{collect, delete, prepare};
use super::names::{LABEL, LABEL_VALUE, SUBDOMAIN, bad_key, is_label, is_name_part};

/// Limit of all annotations together, in bytes.
const ANNOTATIONS: usize = 262_144;

/// What Go reads a field of the metadata as.
#[derive(Clone, Copy)]
pub(in crate::memory) enum Form {
    Text,
    Time,
    Number,
    Flag,
    Texts,
    TextMap,
    /// A list of maps with these fields.
    Maps(&'static [(&'static str, Self)]),
}

/// The fields of `ObjectMeta`.
pub(in crate::memory) const FORMS: [(&str, Form); 15] = [
    ("name", Form::Text),
    ("generateName", Form::Text),
    ("namespace", Form::Text),
    ("selfLink", Form::Text),
    ("uid", Form::Text),
    ("resourceVersion", Form::Text),
    ("generation", Form::Number),
    ("creationTimestamp", Form::Time),
    ("deletionTimestamp", Form::Time),
    ("deletionGracePeriodSeconds", Form::Number),
    ("labels", Form::TextMap),
    ("annotations", Form::TextMap),
    ("finalizers", Form::Texts),
    (
        "ownerReferences",
        Form::Maps(&[
            ("apiVersion", Form::Text),
            ("kind", Form::Text),
            ("name", Form::Text),
            ("uid", Form::Text),
            ("controller", Form::Flag),
            ("blockOwnerDeletion", Form::Flag),
        ]),
    ),
    (
        "managedFields",
        Form::Maps(&[
            ("manager", Form::Text),
            ("operation", Form::Text),
            ("apiVersion", Form::Text),
            ("time", Form::Time),
            ("fieldsType", Form::Text),
            ("subresource", Form::Text),
        ]),
    ),
];

/// What of these fields in the metadata of an object is of another type than Go reads.
pub(in crate::memory) fn flaw(object: &Draft, forms: &[(&str, Form)]) -> Option<String> {
    match object.get("metadata")? {
        Draft::Null => None,
        metadata @ Draft::Map(_) => flaw_of_fields("metadata", metadata, forms),
        other => Some(expected("metadata", "a map", other)),
    }
}

fn flaw_of_fields(path: &str, map: &Draft, forms: &[(&str, Form)]) -> Option<String> {
    forms.iter().find_map(|(name, form)| form.flaw(&format!("{path}.{name}"), map.get(name)?))
}

fn expected(path: &str, what: &str, found: &Draft) -> String {
    let value = found.freeze();
    format!("`{path}` must be {what}, not a {}", value.root().kind_name())
}

impl Form {
    /// What is wrong with a value. Go reads `null` as what is not there.
    fn flaw(self, path: &str, value: &Draft) -> Option<String> {
        match (self, value) {
            (_, Draft::Null)
            | (Self::Text, Draft::String(_))
            | (Self::Number, Draft::Int(_))
            | (Self::Flag, Draft::Bool(_)) => None,
            (Self::Time, Draft::String(text)) => {
                text.parse::<Timestamp>().err().map(|why| format!("`{path}` is no time: {why}"))
            }
            (Self::Texts, Draft::List(items)) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(at, item)| Self::Text.flaw(&format!("{path}[{at}]"), item))
            }
            (Self::TextMap, Draft::Map(fields)) => {
                fields.iter().find_map(|(name, value)| Self::Text.flaw(&format!("{path}.{name}"), value))
            }
            (Self::Maps(forms), Draft::List(items)) => items.iter().enumerate().find_map(|(at, item)| {
                let path = format!("{path}[{at}]");
                match item {
                    Draft::Null => None,
                    Draft::Map(_) => flaw_of_fields(&path, item, forms),
                    other => Some(expected(&path, "a map", other)),
                }
            }),
            (Self::Text, other) => Some(expected(path, "a string", other)),
            (Self::Time, other) => Some(expected(path, "a time", other)),
            (Self::Number, other) => Some(expected(path, "a whole number", other)),
            (Self::Flag, other) => Some(expected(path, "true or false", other)),
            (Self::Texts | Self::Maps(_), other) => Some(expected(path, "a list", other)),
            (Self::TextMap, other) => Some(expected(path, "a map", other)),
        }
    }
}

/// What is wrong with the name of a field manager.
pub(super) fn bad_manager(field: &str, manager: &str) -> Vec<Fault> {
    if manager.len() > 128 {
        return vec![fault(field, CauseReason::TooLong, "may not be more than 128 bytes")];
    }
    let bad = manager.chars().enumerate().find(|(_, letter)| letter.is_control());
    bad.map(|(at, letter)| {
        let text = format!("{manager:?}: invalid character U+{:04X} (at position {at})", u32::from(letter));
        fault(field, CauseReason::Invalid, &text)
    })
    .into_iter()
    .collect()
}

/// Checks the name of a new object.
pub(super) fn name(kind: &ServedKind, name: &str, faults: &mut Vec<Fault>) {
    match bad_name(kind, name) {
        _ if name.is_empty() => {
            faults.push(fault("metadata.name", CauseReason::Required, "name or generateName is required"));
        }
        Some(why) => faults.push(fault("metadata.name", CauseReason::Invalid, &format!("\"{name}\": {why}"))),
        None => {}
    }
}

/// The refusal of another value for what only the server sets. Two checks say the same.
pub(super) fn immutable(context: &Context<'_>, live: &Resource, field: &str, wanted: &str) -> Status {
    let fault = fault(&format!("metadata.{field}"), CauseReason::Invalid, &format!("\"{wanted}\": field is immutable"));
    refuse::invalid(context, &live.key().name, vec![fault.clone(), fault])
}

/// Groups whose validation is not that of the core.
const APART: [&str; 3] = ["admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io"];

/// Checks what is wrong whatever was there before.
pub(super) fn of_new(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(metadata) = draft.get("metadata") else { return };
    common(metadata, faults);
    // Kinds that are not the core's, custom ones among them, take any qualified name. Rule: `ValidateObjectMeta` of
    // `pkg/apis/core/validation`, against that of apimachinery.
    if !prepare::is_custom(kind) && !APART.contains(&&*kind.group_kind.group) {
        finalizers(metadata, faults);
    }
    managers(metadata, faults);
}

/// Checks what is wrong with metadata that takes the place of `live`'s.
pub(super) fn of_changed(live: &Resource, draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(metadata) = draft.get("metadata") else { return };
    if live.is_terminating() {
        no_new_finalizers(live, metadata, faults);
    }
    common(metadata, faults);
    managers(metadata, faults);
}

fn no_new_finalizers(live: &Resource, metadata: &Draft, faults: &mut Vec<Fault>) {
    let before = live.tree().dig(&["metadata", "finalizers"]).and_then(ValueRef::as_list);
    let before: BTreeSet<&str> = before.into_iter().flatten().filter_map(ValueRef::as_str).collect();
    let Some(Draft::List(after)) = metadata.get("finalizers") else { return };
    let added = after.iter().filter_map(Draft::as_str).filter(|name| !before.contains(name));
    let names: Vec<String> = added.map(|name| format!("\"{name}\"")).collect();
    if !names.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            names.join(",")
        );
        faults.push(fault("metadata.finalizers", CauseReason::Forbidden, &why));
    }
}

/// What is wrong with a name, by the rules of its kind.
fn bad_name(kind: &ServedKind, name: &str) -> Option<&'static str> {
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("rbac.authorization.k8s.io", _) => {
            let bad = matches!(name, "." | "..") || name.contains(['/', '%']);
            bad.then_some("may not contain '/' or '%', and may not be '.' or '..'")
        }
        ("", "Namespace" | "Service") if name.contains('.') => Some("must not contain dots"),
        ("", "Namespace" | "Service") if name.len() > 63 => Some("must be no more than 63 characters"),
        ("", "Namespace" | "Service") => (!is_label(name)).then_some(LABEL),
        // Its Jobs are named after it, with eleven more letters.
        ("batch", "CronJob") if name.len() > 52 => Some("must be no more than 52 characters"),
        _ if name.len() > 253 => Some("must be no more than 253 characters"),
        _ => (!name.split('.').all(is_label)).then_some(SUBDOMAIN),
    }
}

/// Labels, annotations and owners.
fn common(metadata: &Draft, faults: &mut Vec<Fault>) {
    if let Some(Draft::Map(labels)) = metadata.get("labels") {
        for (key, value) in labels {
            if let Some(why) = bad_key(key) {
                faults.push(fault("metadata.labels", CauseReason::Invalid, &format!("\"{key}\": {why}")));
            }
            let value = value.as_str().unwrap_or_default();
            if value.len() > 63 {
                faults.push((
                    "metadata.labels".to_owned(),
                    CauseReason::Invalid,
                    format!("Invalid value: \"{value}\": must be no more than 63 bytes"),
                ));
            }
            if !value.is_empty() && !is_name_part(value) {
                faults.push(fault("metadata.labels", CauseReason::Invalid, &format!("\"{value}\": {LABEL_VALUE}")));
            }
        }
    }
    if let Some(Draft::Map(annotations)) = metadata.get("annotations") {
        for key in annotations.keys() {
            if let Some(why) = bad_key(&key.to_lowercase()) {
                faults.push(fault("metadata.annotations", CauseReason::Invalid, &format!("\"{key}\": {why}")));
            }
        }
        let size =
            annotations.iter().map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum::<usize>();
        if size > ANNOTATIONS {
            let text = format!("may not be more than {ANNOTATIONS} bytes");
            faults.push(fault("metadata.annotations", CauseReason::TooLong, &text));
        }
    }
    owners(metadata, faults);
}

fn managers(metadata: &Draft, faults: &mut Vec<Fault>) {
    if let Some(Draft::List(entries)) = metadata.get("managedFields") {
        for (at, entry) in entries.iter().enumerate() {
            let name = entry.get("manager").and_then(Draft::as_str).unwrap_or_default();
            faults.extend(bad_manager(&format!("metadata.managedFields[{at}].manager"), name));
        }
    }
}

fn finalizers(metadata: &Draft, faults: &mut Vec<Fault>) {
    if let Some(Draft::List(names)) = metadata.get("finalizers") {
        for (at, name) in names.iter().filter_map(Draft::as_str).enumerate() {
            let standard = ["kubernetes", delete::FOREGROUND, delete::ORPHAN, collect::CLEANUP];
            if !name.contains('/') && !standard.contains(&name) {
                let why = "name is neither a standard finalizer name nor is it fully qualified";
                let field = format!("metadata.finalizers[{at}]");
                faults.push(fault(&field, CauseReason::Invalid, &format!("\"{name}\": {why}")));
            }
        }
    }
}

/// At most one owner may be the controller.
fn owners(metadata: &Draft, faults: &mut Vec<Fault>) {
    let Some(Draft::List(owners)) = metadata.get("ownerReferences") else { return };
    let text = |owner: &Draft, field: &str| owner.get(field).and_then(Draft::as_str).unwrap_or_default().to_owned();
    for owner in owners {
        for (field, what) in [("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")] {
            if text(owner, field).is_empty() {
                let field = format!("metadata.ownerReferences.{field}");
                faults.push(fault(&field, CauseReason::Invalid, &format!("\"\": {what} must not be empty")));
            }
        }
    }
    let controls = |owner: &&Draft| owner.get("controller") == Some(&Draft::Bool(true));
    let names: Vec<String> = owners
        .iter()
        .filter(controls)
        .map(|owner| format!("{}/{}", text(owner, "kind"), text(owner, "name")))
        .collect();
    if let [first, second, ..] = names.as_slice() {
        let all: Vec<String> = owners.iter().map(as_go_writes_it).collect();
        let all = format!("[{}]", all.join(","));
        let why = format!(
            "{all}: Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        faults.push(fault("metadata.ownerReferences", CauseReason::Invalid, &why));
    }
}

/// An owner reference as the server quotes it: in the order of the fields of its Go type.
fn as_go_writes_it(owner: &Draft) -> String {
    let fields = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let told = fields.iter().filter_map(|field| Some((field, owner.get(field)?)));
    let told: Vec<String> =
        told.map(|(field, value)| format!("\"{field}\":{}", value.clone().freeze().to_json())).collect();
    format!("{{{}}}", told.join(","))
}
