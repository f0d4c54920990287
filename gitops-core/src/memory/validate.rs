//! What the server refuses in the metadata of any object, and the fields that cannot change once set.
//!
//! Of the rules of single kinds only those about immutable fields are here: what else a kind demands, only the real
//! server knows. Rules: Kubernetes, "Object Names and IDs", "Labels and Selectors", "Annotations"; wording as
//! recorded from kube-apiserver 1.36.

use crate::model::{ApiModel, ServedKind};
use crate::resource::Resource;
use crate::ssa::{Duplicates, Typed};
use crate::value::{Draft, Value, ValueRef};

use super::prepare::is_custom;
use super::refuse::{self, Fault, fault};
use super::request::Action;
use super::response::{CauseReason, Status};
use super::server::Context;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(super) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
                     start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
                     validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(super) const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
                           '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
                           'my_value',  or '12345', regex used for validation is \
                           '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Limit of all annotations together, in bytes.
const ANNOTATIONS: usize = 262_144;

/// Checks the name of a field manager: printable, at most 128 bytes.
pub(super) fn manager(action: &Action, manager: Option<&str>) -> Result<(), Status> {
    let kind = match action {
        Action::Create(_) => "CreateOptions",
        Action::Update(_) => "UpdateOptions",
        Action::Patch(_) | Action::Apply { .. } => "PatchOptions",
        _ => return Ok(()),
    };
    let faults = bad_manager("fieldManager", manager.unwrap_or_default());
    if faults.is_empty() { Ok(()) } else { Err(refuse::invalid_of("meta.k8s.io", kind, "", faults)) }
}

fn bad_manager(field: &str, manager: &str) -> Vec<Fault> {
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

/// Checks the types of what was sent: Go cannot read a built-in kind of other types, a CRD's schema refuses them.
pub(super) fn typed(context: &Context<'_>, model: &ApiModel, name: &str, draft: &Draft) -> Result<(), Status> {
    let kind = &context.kind.group_kind;
    let version = &context.endpoint.version;
    let schema = model.schema(kind, version);
    let custom = is_custom(context.kind);
    let mut known = draft.clone();
    // Fields that are not declared are lost, not refused.
    super::defaults::prune(schema, &mut known, 0);
    drop(known.entry("metadata").remove("managedFields"));
    let duplicates = if custom { Duplicates::Refuse } else { Duplicates::Allow };
    let Err(errors) = Typed::new(known.freeze(), schema, duplicates) else { return Ok(()) };
    if !custom {
        let kind = &kind.kind;
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        return Err(refuse::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {first}"
        )));
    }
    let faults =
        errors.iter().map(|error| fault(&error.field.to_string(), CauseReason::Invalid, &error.problem.to_string()));
    Err(refuse::invalid(context, name, faults.collect()))
}

/// Checks a new object.
pub(super) fn new(context: &Context<'_>, name: &str, draft: &Draft) -> Result<(), Status> {
    let mut faults = Vec::new();
    match bad_name(context.kind, name) {
        _ if name.is_empty() => {
            let text = "name or generateName is required";
            faults.push(("metadata.name".to_owned(), CauseReason::Required, format!("Required value: {text}")));
        }
        Some(why) => faults.push(fault("metadata.name", CauseReason::Invalid, &format!("\"{name}\": {why}"))),
        None => {}
    }
    metadata(draft, &mut faults);
    kinds(context.kind, draft, &mut faults);
    refuse_any(context, name, faults)
}

/// A client cannot say when an object is deleted; leaving the time out changes nothing.
pub(super) fn deletion_stays(context: &Context<'_>, live: &Resource, draft: &Draft) -> Result<(), Status> {
    let wanted = draft.get("metadata").and_then(|metadata| metadata.get("deletionTimestamp")).and_then(Draft::as_str);
    match wanted {
        Some(wanted) if Some(wanted) != live.metadata("deletionTimestamp") => {
            let text = format!("\"{wanted}\": field is immutable");
            let fault = fault("metadata.deletionTimestamp", CauseReason::Invalid, &text);
            Err(refuse::invalid(context, &live.key().name, vec![fault]))
        }
        _ => Ok(()),
    }
}

/// Checks a changed object.
pub(super) fn changed(context: &Context<'_>, live: &Resource, draft: &Draft) -> Result<(), Status> {
    let mut faults = Vec::new();
    metadata(draft, &mut faults);
    if live.is_terminating() {
        let before = texts(live.tree().dig(&["metadata", "finalizers"]));
        let after = draft.get("metadata").and_then(|metadata| metadata.get("finalizers")).map(Draft::freeze);
        let after = texts(after.as_ref().map(Value::root));
        let added: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
        if !added.is_empty() {
            let names = added.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(",");
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{names}}}"
            );
            faults.push(fault("metadata.finalizers", CauseReason::Forbidden, &why));
        }
    }
    if context.endpoint.subresource.as_deref() != Some("status") {
        immutable(live, draft, &mut faults);
        super::frozen::check(live, draft.freeze().root(), &mut faults);
    }
    kinds(context.kind, draft, &mut faults);
    refuse_any(context, &live.key().name, faults)
}

/// The rules of single kinds.
fn kinds(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    if !is_custom(kind) {
        super::validate_kinds::check(kind, draft, faults);
        super::validate_pods::check(kind, draft, faults);
        super::validate_data::check(kind, draft, faults);
    }
}

fn refuse_any(context: &Context<'_>, name: &str, faults: Vec<Fault>) -> Result<(), Status> {
    if faults.is_empty() { Ok(()) } else { Err(refuse::invalid(context, name, faults)) }
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

pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn metadata(draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(metadata) = draft.get("metadata") else { return };
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
    if let Some(Draft::List(entries)) = metadata.get("managedFields") {
        for (at, entry) in entries.iter().enumerate() {
            let name = entry.get("manager").and_then(Draft::as_str).unwrap_or_default();
            faults.extend(bad_manager(&format!("metadata.managedFields[{at}].manager"), name));
        }
    }
    if let Some(Draft::List(names)) = metadata.get("finalizers") {
        for (at, name) in names.iter().filter_map(Draft::as_str).enumerate() {
            let standard = ["kubernetes", super::delete::FOREGROUND, super::delete::ORPHAN, super::collect::CLEANUP];
            if !name.contains('/') && !standard.contains(&name) {
                let why = "name is neither a standard finalizer name nor is it fully qualified";
                let field = format!("metadata.finalizers[{at}]");
                faults.push(fault(&field, CauseReason::Invalid, &format!("\"{name}\": {why}")));
            }
        }
    }
    owners(metadata, faults);
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
        let all = Draft::List(owners.clone()).freeze().to_json();
        let why = format!(
            "{all}: Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        faults.push(fault("metadata.ownerReferences", CauseReason::Invalid, &why));
    }
}

/// What is wrong with the key of a label or annotation.
fn bad_key(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| prefix.len() > 253 || !prefix.split('.').all(is_label)) {
        return Some("prefix part must be a DNS subdomain");
    }
    if name.is_empty() || name.len() > 63 || !is_name_part(name) {
        return Some(
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
             alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
             '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        );
    }
    None
}

pub(super) fn is_name_part(text: &str) -> bool {
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.bytes().all(inner) && ends(text.chars().next()) && ends(text.chars().last())
}

fn texts(list: Option<ValueRef<'_>>) -> Vec<String> {
    let items = list.and_then(ValueRef::as_list).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Fields that cannot change once set. Rule: the validation of each kind in kube-apiserver 1.36, as recorded.
fn immutable(live: &Resource, draft: &Draft, faults: &mut Vec<Fault>) {
    let before = live.tree();
    let after = draft.freeze();
    let after = after.root();
    let differs = |path: &[&str]| before.dig(path) != after.dig(path);
    let shown = |path: &[&str]| after.dig(path).map_or_else(|| "null".to_owned(), ValueRef::to_json);
    let mut frozen = |path: &[&str]| {
        if differs(path) {
            let text = format!("{}: field is immutable", shown(path));
            faults.push(fault(&path.join("."), CauseReason::Invalid, &text));
        }
    };
    match (live.key().group(), live.key().kind()) {
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") => frozen(&["spec", "selector"]),
        ("batch", "Job") => {
            frozen(&["spec", "selector"]);
            if after.dig(&["spec", "completionMode"]).and_then(ValueRef::as_str) != Some("Indexed") {
                frozen(&["spec", "completions"]);
            }
            frozen(&["spec", "completionMode"]);
            if before.dig(&["spec", "suspend"]).and_then(ValueRef::as_bool) != Some(true) {
                frozen(&["spec", "template"]);
            }
        }
        ("apps", "StatefulSet") => {
            const FREE: [&str; 7] = [
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ];
            let fixed = |object: ValueRef<'_>| {
                let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
                FREE.iter().for_each(|field| drop(spec.remove(field)));
                spec
            };
            if fixed(before) != fixed(after) {
                faults.push(fault(
                    "spec",
                    CauseReason::Forbidden,
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                     'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                     'minReadySeconds' are forbidden",
                ));
            }
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") if differs(&["roleRef"]) => {
            let text = format!("{}: cannot change roleRef", shown(&["roleRef"]));
            faults.push(fault("roleRef", CauseReason::Invalid, &text));
        }
        ("storage.k8s.io", "StorageClass") => {
            frozen(&["parameters"]);
            frozen(&["provisioner"]);
        }
        ("", "Secret" | "ConfigMap") => immutable_data(live, before, after, faults),
        ("", "PersistentVolumeClaim") => immutable_claim(before, after, faults),
        ("", "Service") => {
            let address = |object: ValueRef<'_>| object.dig(&["spec", "clusterIP"])?.as_str().map(str::to_owned);
            let outside = after.dig(&["spec", "type"]).and_then(ValueRef::as_str) == Some("ExternalName");
            if address(before).is_some_and(|set| !set.is_empty() && !outside && address(after).as_ref() != Some(&set)) {
                let text = format!("[\"{}\"]: may not change once set", address(after).unwrap_or_default());
                faults.push(fault("spec.clusterIPs[0]", CauseReason::Invalid, &text));
            }
        }
        _ => {}
    }
}

fn immutable_data(live: &Resource, before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let kind = |object: ValueRef<'_>| object.get("type").and_then(ValueRef::as_str).unwrap_or("Opaque").to_owned();
    if live.key().kind() == "Secret" && kind(before) != kind(after) {
        let text = format!("\"{}\": field is immutable", kind(after));
        faults.push(fault("type", CauseReason::Invalid, &text));
    }
    if before.get("immutable").and_then(ValueRef::as_bool) != Some(true) {
        return;
    }
    if after.get("immutable").and_then(ValueRef::as_bool) != Some(true) {
        faults.push(fault("immutable", CauseReason::Forbidden, WHY));
    }
    for field in ["data", "binaryData"] {
        if before.get(field) != after.get(field) {
            faults.push(fault(field, CauseReason::Forbidden, WHY));
        }
    }
}

fn immutable_claim(before: ValueRef<'_>, after: ValueRef<'_>, faults: &mut Vec<Fault>) {
    let fixed = |object: ValueRef<'_>| {
        let mut spec = object.get("spec").map_or_else(Draft::map, ValueRef::to_draft);
        drop(spec.entry("resources").remove("requests"));
        ["volumeAttributesClassName", "volumeName"].iter().for_each(|field| drop(spec.remove(field)));
        spec
    };
    if fixed(before) != fixed(after) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        faults.push(fault("spec", CauseReason::Forbidden, why));
    }
}
