//! Label and field selectors.

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::{ValueRef, View};

use super::labels::{self, Requirement};
use super::prepare::is_custom;
use super::refuse;
use super::request::Select;
use super::response::Status;

/// A parsed [`Select`].
#[derive(Debug)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
    /// What the kind can be selected by, once it was checked.
    known: &'static [Field],
}

impl Selector {
    pub(super) fn parse(select: &Select) -> Result<Self, Status> {
        Ok(Self {
            labels: labels::parse(select.labels.as_deref().unwrap_or_default()).map_err(refuse::bad_request)?,
            fields: parse_fields(select.fields.as_deref().unwrap_or_default())?,
            known: &[],
        })
    }

    /// Refuses fields that the kind cannot be selected by; a CRD may allow some of its own. There are three wordings,
    /// as recorded.
    pub(super) fn check(&mut self, kind: &ServedKind, own: &[String]) -> Result<(), Status> {
        let known = selectable(kind);
        self.known = known;
        let unknown = |path: &str| {
            let common = matches!(path, "metadata.name" | "metadata.namespace");
            !common && known.iter().all(|field| field.label != path) && !own.iter().any(|field| field == path)
        };
        let Some((path, _, _)) = self.fields.iter().find(|(path, _, _)| unknown(path)) else { return Ok(()) };
        Err(refuse::bad_request(if kind.group_kind.group.as_ref() == "batch" && !known.is_empty() {
            format!("field label \"{path}\" not supported for {}", kind.group_kind.kind)
        } else if known.is_empty() && !is_custom(kind) {
            format!("\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        } else {
            format!("field label not supported: {path}")
        }))
    }

    /// The one name that can be selected, if the fields say so.
    pub(super) fn name(&self) -> Option<&str> {
        let mut names = self.fields.iter().filter(|(path, _, equal)| path == "metadata.name" && *equal);
        names.next().map(|(_, name, _)| name.as_str())
    }

    pub(super) fn matches(&self, object: &Resource) -> bool {
        self.labels.iter().all(|requirement| requirement.holds(object))
            && self.fields.iter().all(|(path, value, equal)| (self.shown(object, path) == *value) == *equal)
    }

    fn shown(&self, object: &Resource, label: &str) -> String {
        match self.known.iter().find(|field| field.label == label) {
            Some(field) => {
                field.paths.iter().find_map(|path| found(object, path)).unwrap_or_else(|| field.zero.to_owned())
            }
            None => found(object, label).unwrap_or_default(),
        }
    }
}

/// A field that objects of a kind can be selected by.
#[derive(Clone, Copy, Debug)]
struct Field {
    label: &'static str,
    /// Where it is; the first one that says something counts.
    paths: &'static [&'static str],
    /// What an object without it has: the zero of its type in Go.
    zero: &'static str,
}

const fn text(label: &'static [&'static str; 1]) -> Field {
    let [name] = label;
    Field { label: name, paths: label, zero: "" }
}

const fn field(label: &'static str, paths: &'static [&'static str], zero: &'static str) -> Field {
    Field { label, paths, zero }
}

/// Rule: `AddFieldLabelConversionFunc` and `ToSelectableFields` of each kind in Kubernetes 1.36, as recorded.
fn selectable(kind: &ServedKind) -> &'static [Field] {
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "Pod") => {
            &const {
                [
                    field("spec.hostNetwork", &["spec.hostNetwork"], "false"),
                    text(&["spec.nodeName"]),
                    text(&["spec.restartPolicy"]),
                    text(&["spec.schedulerName"]),
                    text(&["spec.serviceAccountName"]),
                    text(&["status.nominatedNodeName"]),
                    text(&["status.phase"]),
                    text(&["status.podIP"]),
                    text(&["status.podIPs"]),
                ]
            }
        }
        ("", "Secret") => &const { [text(&["type"])] },
        ("", "Service") => &const { [text(&["spec.clusterIP"]), text(&["spec.type"])] },
        ("", "Node") => &const { [field("spec.unschedulable", &["spec.unschedulable"], "false")] },
        ("", "Namespace") => &const { [text(&["status.phase"])] },
        ("", "ReplicationController") => &const { [field("status.replicas", &["status.replicas"], "0")] },
        ("", "Event") => {
            &const {
                [
                    text(&["involvedObject.apiVersion"]),
                    text(&["involvedObject.fieldPath"]),
                    text(&["involvedObject.kind"]),
                    text(&["involvedObject.name"]),
                    text(&["involvedObject.namespace"]),
                    text(&["involvedObject.resourceVersion"]),
                    text(&["involvedObject.uid"]),
                    text(&["reason"]),
                    text(&["reportingComponent"]),
                    field("source", &["source.component", "reportingComponent"], ""),
                    text(&["type"]),
                ]
            }
        }
        ("events.k8s.io", "Event") => {
            &const {
                [
                    text(&["reason"]),
                    text(&["regarding.apiVersion"]),
                    text(&["regarding.fieldPath"]),
                    text(&["regarding.kind"]),
                    text(&["regarding.name"]),
                    text(&["regarding.namespace"]),
                    text(&["regarding.resourceVersion"]),
                    text(&["regarding.uid"]),
                    text(&["reportingController"]),
                    text(&["type"]),
                ]
            }
        }
        ("batch", "Job") => &const { [field("status.successful", &["status.succeeded"], "0")] },
        ("certificates.k8s.io", "CertificateSigningRequest") => &const { [text(&["spec.signerName"])] },
        _ => &[],
    }
}

fn parse_fields(text: &str) -> Result<Vec<(String, String, bool)>, Status> {
    let one = |part: &str| {
        let (path, value, equal) = match part.split_once("!=") {
            Some((path, value)) => (path, value, false),
            None => part.split_once("==").or_else(|| part.split_once('=')).map(|(path, value)| (path, value, true))?,
        };
        Some((path.to_owned(), value.to_owned(), equal))
    };
    let parts = text.split(',').filter(|part| !part.is_empty());
    let read = |part| {
        one(part).ok_or_else(|| refuse::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")))
    };
    parts.map(read).collect()
}

/// What an object has at a path, as text.
fn found(object: &Resource, path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('.').collect();
    match object.tree().dig(&parts).map(ValueRef::view) {
        Some(View::String(text)) if !text.is_empty() => Some(text.to_owned()),
        Some(View::Int(number)) => Some(number.to_string()),
        Some(View::Bool(flag)) => Some(flag.to_string()),
        _ => None,
    }
}
