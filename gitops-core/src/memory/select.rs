//! Label and field selectors.

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::{ValueRef, View};

use super::refuse;
use super::request::Select;
use super::response::Status;

/// A parsed [`Select`].
#[derive(Debug)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Debug)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    pub(super) fn parse(select: &Select) -> Result<Self, Status> {
        let labels = select.labels.as_deref().unwrap_or_default();
        let fields = select.fields.as_deref().unwrap_or_default();
        let bad = |what: &str, text: &str| refuse::bad_request(format!("unable to parse {what} selector `{text}`"));
        Ok(Self {
            labels: parse_labels(labels).ok_or_else(|| bad("label", labels))?,
            fields: parse_fields(fields).ok_or_else(|| bad("field", fields))?,
        })
    }

    /// Refuses fields that the kind cannot be selected by; a CRD may allow some of its own.
    pub(super) fn check(&self, kind: &ServedKind, own: &[String]) -> Result<(), Status> {
        let known = selectable(kind);
        for (path, _, _) in &self.fields {
            let path = path.as_str();
            let common = matches!(path, "metadata.name" | "metadata.namespace");
            if !common && !known.contains(&path) && !own.iter().any(|field| field == path) {
                return Err(refuse::bad_request(format!("field label not supported: {path}")));
            }
        }
        Ok(())
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
        ("" | "events.k8s.io", "Event") => &[
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
        ("batch", "Job") => &["status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        _ => &[],
    }
}

impl Requirement {
    /// Rule: Kubernetes, "Labels and Selectors": `!=` and `notin` also match objects without the label.
    fn holds(&self, object: &Resource) -> bool {
        match self {
            Self::Exists(key) => object.label(key).is_some(),
            Self::Missing(key) => object.label(key).is_none(),
            Self::In(key, values) => object.label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(key, values) => {
                object.label(key).is_none_or(|value| values.iter().all(|wanted| wanted != value))
            }
        }
    }
}

fn parse_labels(text: &str) -> Option<Vec<Requirement>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma inside parentheses belongs to the values.
        let open = rest.find('(').unwrap_or(rest.len());
        let end = match rest.find(',') {
            Some(comma) if comma < open => comma,
            _ => match rest.find(')') {
                Some(close) => close + 1,
                None => rest.len(),
            },
        };
        let (one, more) = rest.split_at_checked(end)?;
        found.push(requirement(one.trim())?);
        let more = more.trim_start();
        rest = match more.strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => next.trim(),
            Some(_) => return None,
            None if more.is_empty() => "",
            None => return None,
        };
    }
    Some(found)
}

fn requirement(text: &str) -> Option<Requirement> {
    let key = |text: &str| {
        let text = text.trim();
        let fine =
            !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || "(),!=".contains(letter));
        fine.then(|| text.to_owned())
    };
    if let Some(values) = text.strip_suffix(')') {
        let (head, values) = values.split_once('(')?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (name, word) = head.trim().rsplit_once(char::is_whitespace)?;
        return match word {
            "in" => Some(Requirement::In(key(name)?, values)),
            "notin" => Some(Requirement::NotIn(key(name)?, values)),
            _ => None,
        };
    }
    if let Some((name, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Requirement::In(key(name)?, vec![value.trim().to_owned()]));
    }
    match text.strip_prefix('!') {
        Some(name) => Some(Requirement::Missing(key(name)?)),
        None => Some(Requirement::Exists(key(text)?)),
    }
}

fn parse_fields(text: &str) -> Option<Vec<(String, String, bool)>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let one = |part: &str| {
        let (path, value, equal) = match part.split_once("!=") {
            Some((path, value)) => (path, value, false),
            None => part.split_once("==").or_else(|| part.split_once('=')).map(|(path, value)| (path, value, true))?,
        };
        Some((path.to_owned(), value.to_owned(), equal))
    };
    parts.map(one).collect()
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
