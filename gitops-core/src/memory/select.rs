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
}

impl Selector {
    pub(super) fn parse(select: &Select) -> Result<Self, Status> {
        Ok(Self {
            labels: labels::parse(select.labels.as_deref().unwrap_or_default()).map_err(refuse::bad_request)?,
            fields: parse_fields(select.fields.as_deref().unwrap_or_default())?,
        })
    }

    /// Refuses fields that the kind cannot be selected by; a CRD may allow some of its own. There are three wordings,
    /// as recorded.
    pub(super) fn check(&self, kind: &ServedKind, own: &[String]) -> Result<(), Status> {
        let known = selectable(kind);
        let unknown = |path: &str| {
            let common = matches!(path, "metadata.name" | "metadata.namespace");
            !common && !known.contains(&path) && !own.iter().any(|field| field == path)
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
            && self.fields.iter().all(|(path, value, equal)| (field(object, path) == *value) == *equal)
    }
}

/// Rule: `AddFieldLabelConversionFunc` of each kind in Kubernetes 1.36, as recorded.
fn selectable(kind: &ServedKind) -> &'static [&'static str] {
    match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "Pod") => &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
            "status.podIPs",
        ],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Namespace") => &["status.phase"],
        ("", "ReplicationController") => &["status.replicas"],
        ("", "Event") => &[
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.resourceVersion",
            "involvedObject.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingController",
            "type",
        ],
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
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

fn field(object: &Resource, path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match object.tree().dig(&parts).map(ValueRef::view) {
        Some(View::String(text)) => text.to_owned(),
        Some(View::Int(number)) => number.to_string(),
        Some(View::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    }
}
