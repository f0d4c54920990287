//! Writes as HTTP has them: options in the query, bodies by media type.
//!
//! Rule: `apiserver/pkg/endpoints/handlers` and `apimachinery/pkg/apis/meta/v1/validation` in Kubernetes 1.36; wording
//! as recorded.

use crate::cluster::{Force, Mode};
use crate::manifest::{json_body, yaml_body};
use crate::resource::Propagation;
use crate::value::{Value, ValueRef};

use super::export::LEVELS;
use super::prepare::is_custom;
use super::refuse::{self, Fault, fault};
use super::request::{Action, DeleteOptions, Endpoint, Patch, Request, Select, Validation};
use super::response::{CauseReason, NO_MEDIA, Reason, Status};
use super::server::ApiServer;
use super::url::HttpRequest;

/// The most bytes that a body may have.
const BODY: usize = 3 << 20;

impl ApiServer {
    /// Reads a write that came over HTTP. What a deletion of a collection selects is not read.
    pub(super) fn read_write(&self, endpoint: Endpoint, http: &HttpRequest<'_>) -> Result<Request, Status> {
        let kind = self.kind_at(&endpoint)?;
        let meant = match http.method {
            "POST" => endpoint.name.is_none() || endpoint.subresource.is_some(),
            "PUT" | "PATCH" => endpoint.name.is_some(),
            other => other == "DELETE",
        };
        if !meant {
            return Err(refuse::method_not_allowed());
        }
        let media = http.media(is_custom(&kind))?;
        if http.body.len() > BODY {
            return Err(Status::new(413, Reason::TooLarge, format!("Request entity too large: limit is {BODY}")));
        }
        let validation = http.check_options(media)?;
        let strict = validation == Validation::Strict;
        let json = || http.json(&kind.group_kind.kind, strict);
        let body = || if media == Media::Yaml { http.yaml(strict) } else { json() };
        let action = match (http.method, media) {
            ("POST", _) => Action::Create(body()?),
            ("PUT", _) => Action::Update(body()?),
            ("PATCH", Media::Apply) => {
                let force = if http.flag("force") == Some(true) { Force::Yes } else { Force::No };
                Action::Apply { body: http.yaml(strict)?, force }
            }
            ("PATCH", Media::JsonPatch) => Action::Patch(Patch::Json(json()?)),
            ("PATCH", Media::MergePatch) => Action::Patch(Patch::Merge(json()?)),
            ("PATCH", _) => Action::Patch(Patch::Strategic(json()?)),
            _ => return http.deletion(endpoint),
        };
        let agent = http.agent.split('/').next().filter(|_| media != Media::Apply);
        let manager = http.text("fieldManager").filter(|manager| !manager.is_empty()).or(agent);
        let mode = if http.all("dryRun").next().is_some() { Mode::DryRun } else { Mode::Commit };
        let request = Request::new(endpoint, action).in_mode(mode).validated(validation);
        Ok(Request { manager: manager.map(Into::into), ..request })
    }
}

/// The form of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Yaml,
    Apply,
    JsonPatch,
    MergePatch,
    StrategicPatch,
}

impl HttpRequest<'_> {
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn media(&self, custom: bool) -> Result<Media, Status> {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        Ok(match (self.method, media) {
            ("PATCH", "application/apply-patch+yaml") => Media::Apply,
            ("PATCH", "application/json-patch+json") => Media::JsonPatch,
            ("PATCH", "application/merge-patch+json") => Media::MergePatch,
            ("PATCH", "application/strategic-merge-patch+json") => Media::StrategicPatch,
            ("PATCH", _) => {
                return Err(Status::new(415, Reason::UnsupportedMediaType, NO_MEDIA));
            }
            (_, "" | "application/json" | "*/*") => Media::Json,
            (_, "application/yaml") => Media::Yaml,
            _ => {
                let more = if custom { "" } else { ", application/vnd.kubernetes.protobuf" };
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json, application/yaml{more}"
                );
                return Err(Status::new(415, Reason::UnsupportedMediaType, message));
            }
        })
    }

    /// Checks the options in the query; returns what to do about unknown fields.
    fn check_options(&self, media: Media) -> Result<Validation, Status> {
        let kind = match self.method {
            "POST" => "CreateOptions",
            "PUT" => "UpdateOptions",
            "PATCH" => "PatchOptions",
            // Those of a deletion may be in its body.
            _ => return Ok(Validation::default()),
        };
        let mut faults = Vec::new();
        if self.text("force").is_some() && self.method == "PATCH" && media != Media::Apply {
            faults.push(fault("force", CauseReason::Forbidden, "may not be specified for non-apply patch"));
        }
        faults.extend(bad_dry_run(self.all("dryRun")));
        let validation = match self.text("fieldValidation").unwrap_or_default() {
            "Ignore" => Validation::Ignore,
            "" | "Warn" => Validation::Warn,
            "Strict" => Validation::Strict,
            other => {
                let text = format!("\"{other}\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
                faults.push(fault("fieldValidation", CauseReason::NotSupported, &text));
                Validation::Warn
            }
        };
        if faults.is_empty() { Ok(validation) } else { Err(refuse::invalid_of("meta.k8s.io", kind, "", faults)) }
    }

    fn json(&self, kind: &str, strict: bool) -> Result<Value, Status> {
        let Some((value, repeats)) = json_body(self.body, LEVELS) else {
            let shown = if self.body.is_empty() { "<empty>" } else { "not shown" };
            return Err(refuse::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse \
                 error ({shown})"
            )));
        };
        if strict && repeats {
            return Err(refuse::bad_request("strict decoding error: duplicate field"));
        }
        Ok(value)
    }

    /// An apply, JSON or not, is read as YAML.
    fn yaml(&self, strict: bool) -> Result<Value, Status> {
        let read = yaml_body(self.body, LEVELS);
        let read = read.map_err(|stopped| refuse::bad_request(format!("error decoding YAML: {stopped}")))?;
        match read {
            Some((_, true)) if strict => {
                Err(refuse::bad_request("error strict decoding YAML: a key is already set in map"))
            }
            Some((value, _)) => Ok(value),
            None => Ok(Value::empty_map()),
        }
    }

    /// Reads a deletion: its options are in the body, or, without one, in the query.
    ///
    /// What cannot be read is refused: an option that is passed over may be what was to save the object.
    fn deletion(&self, endpoint: Endpoint) -> Result<Request, Status> {
        let body = match self.body {
            [] => Value::null(),
            _ => json_body(self.body, LEVELS).map(|(value, _)| value).ok_or_else(|| unreadable("not JSON"))?,
        };
        let given = if body.root().is_null() { self.given_in_query()? } else { given_in_body(body.root())? };
        let policy = given.policy.as_deref();
        let (propagation, mut faults) = propagation(policy, given.orphan);
        faults.extend(bad_dry_run(given.dry_run.iter().map(String::as_str)));
        if !faults.is_empty() {
            return Err(refuse::invalid_of("meta.k8s.io", "DeleteOptions", "", faults));
        }
        let options = DeleteOptions { propagation, ..given.options };
        let action = match endpoint.name {
            Some(_) => Action::Delete(options),
            None => Action::DeleteCollection(Select::default(), options),
        };
        let mode = if given.dry_run.is_empty() { Mode::Commit } else { Mode::DryRun };
        Ok(Request::new(endpoint, action).in_mode(mode))
    }

    fn given_in_query(&self) -> Result<Given, Status> {
        let options = DeleteOptions { grace_seconds: self.number("gracePeriodSeconds")?, ..DeleteOptions::default() };
        Ok(Given {
            options,
            policy: self.text("propagationPolicy").filter(|policy| !policy.is_empty()).map(str::to_owned),
            orphan: self.flag("orphanDependents"),
            dry_run: self.all("dryRun").map(str::to_owned).collect(),
        })
    }
}

/// The options of a deletion, before they are checked.
struct Given {
    options: DeleteOptions,
    policy: Option<String>,
    orphan: Option<bool>,
    dry_run: Vec<String>,
}

fn given_in_body(body: ValueRef<'_>) -> Result<Given, Status> {
    if body.as_map().is_none() {
        return Err(unreadable(&format!("a {} is no DeleteOptions", body.kind_name())));
    }
    if let Some(kind) = text_of(body, "kind")?.filter(|kind| !matches!(&**kind, "" | "DeleteOptions")) {
        return Err(unreadable(&format!("{kind:?} is no DeleteOptions")));
    }
    text_of(body, "apiVersion")?;
    let wanted = field(body, "preconditions", "an object", |value| value.as_map().map(|_| value))?;
    let wanted = |name: &str| wanted.map_or(Ok(None), |wanted| text_of(wanted, name));
    let options = DeleteOptions {
        uid: wanted("uid")?.map(Into::into),
        version: wanted("resourceVersion")?.map(Into::into),
        grace_seconds: field(body, "gracePeriodSeconds", "a whole number", ValueRef::as_i64)?,
        ..DeleteOptions::default()
    };
    let texts = |value: ValueRef<'_>| value.as_list()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
    Ok(Given {
        options,
        policy: text_of(body, "propagationPolicy")?,
        orphan: field(body, "orphanDependents", "true or false", ValueRef::as_bool)?,
        dry_run: field(body, "dryRun", "a list of texts", texts)?.unwrap_or_default(),
    })
}

fn text_of(of: ValueRef<'_>, name: &str) -> Result<Option<String>, Status> {
    field(of, name, "a text", |value| value.as_str().map(str::to_owned))
}

/// A field, if it is there; refused when it is of another type.
fn field<'v, T>(
    of: ValueRef<'v>,
    name: &str,
    what: &str,
    read: impl Fn(ValueRef<'v>) -> Option<T>,
) -> Result<Option<T>, Status> {
    let Some(value) = of.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| unreadable(&format!("{name} must be {what}")))
}

fn unreadable(why: &str) -> Status {
    refuse::bad_request(format!("the body of a deletion must be DeleteOptions in JSON: {why}"))
}

fn bad_dry_run<'v>(values: impl Iterator<Item = &'v str>) -> Option<Fault> {
    let values: Vec<&str> = values.collect();
    let text = format!("{values:?}: supported values: \"All\"");
    let bad = values.iter().any(|value| *value != "All");
    bad.then(|| fault("dryRun", CauseReason::NotSupported, &text))
}

fn propagation(policy: Option<&str>, orphan: Option<bool>) -> (Option<Propagation>, Vec<Fault>) {
    let mut faults = Vec::new();
    if let (Some(policy), Some(_)) = (policy, orphan) {
        let text = format!("\"{policy}\": orphanDependents and deletionPropagation cannot be both set");
        faults.push(fault("propagationPolicy", CauseReason::Invalid, &text));
    }
    let wanted = match policy {
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Background") => Some(Propagation::Background),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            let text = format!("\"{other}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
            faults.push(fault("propagationPolicy", CauseReason::NotSupported, &text));
            None
        }
        None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
    };
    (wanted, faults)
}
