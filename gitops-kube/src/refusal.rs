//! What it means when a server says no.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::{Cause, Failure, Guard, Verb, Write};
use gitops_core::value::ValueRef;
use serde::Deserialize;

use crate::conflicts;
use crate::talk::Answer;

/// A refusal, as the server said it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    reason: String,
    pub(crate) message: Arc<str>,
    details: Details,
    /// Whether it came as a `Status` of the API server, and not from something on the way.
    is_status: bool,
    retry_after: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    kind: String,
    code: u16,
    reason: String,
    message: String,
    details: Option<Details>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Vec<StatusCause>,
    retry_after_seconds: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

/// How much of an answer that is no `Status` is told.
const TOLD: usize = 300;

impl Refusal {
    /// Reads the refusal in an answer with an error code.
    pub(crate) fn of(answer: &Answer) -> Self {
        Self::read(answer.code, answer.retry_after, &answer.body)
    }

    pub(crate) fn read(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        match serde_json::from_slice::<Status>(body) {
            Ok(status) if status.kind == "Status" => {
                let details = status.details.unwrap_or_default();
                let told = (details.retry_after_seconds > 0).then(|| Duration::from_secs(details.retry_after_seconds));
                Self {
                    code: if status.code == 0 { code } else { status.code },
                    reason: status.reason,
                    message: status.message.into(),
                    details,
                    is_status: true,
                    retry_after: retry_after.or(told),
                }
            }
            _ => {
                let text: String = String::from_utf8_lossy(body).trim().chars().take(TOLD).collect();
                let message = if text.is_empty() { format!("HTTP {code}").into() } else { text.into() };
                let details = Details::default();
                Self { code, reason: String::new(), message, details, is_status: false, retry_after }
            }
        }
    }

    /// Whether an object that was asked for is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.code == 404 && self.is_status && self.reason == "NotFound" && !self.details.name.is_empty()
    }

    /// Whether the kind, at this version, is not served.
    ///
    /// Groups of the server itself answer with a `Status` that names nothing, all others with plain text. Any other text
    /// with this code comes from something on the way, and says nothing.
    pub(crate) fn is_not_served(&self) -> bool {
        let names_nothing = self.is_status && self.reason == "NotFound" && self.details.name.is_empty();
        self.code == 404 && (names_nothing || &*self.message == "404 page not found")
    }

    /// Whether a version is too old to go on from.
    pub(crate) fn is_expired(&self) -> bool {
        self.code == 410 || self.reason == "Expired"
    }

    /// What it means where something was to be read.
    pub(crate) fn into_read_failure(self) -> Failure {
        let message = Arc::clone(&self.message);
        match self.code {
            401 => Failure::Denied { message: format!("the credentials are not accepted: {message}").into() },
            403 => Failure::Denied { message },
            _ if self.is_not_served() => Failure::KindNotServed,
            404 if self.is_absent() => Failure::NotFound,
            410 => Failure::CursorExpired,
            429 => Failure::Throttled { retry_after: self.retry_after },
            405 | 406 | 415 => Failure::Unsupported { message },
            500 if is_webhook(&message) => Failure::WebhookUnavailable { message },
            _ => Failure::Unavailable { message: format!("{message} (HTTP {})", self.code).into() },
        }
    }

    /// What it means for a write.
    pub(crate) fn into_write_failure(self, write: &Write) -> Failure {
        let message = Arc::clone(&self.message);
        let namespace = || write.key.namespace.clone().unwrap_or_default();
        let has = |reason: &str| self.details.causes.iter().any(|cause| cause.reason == reason);
        match self.code {
            401 => Failure::Denied { message: format!("the credentials are not accepted: {message}").into() },
            // Whatever the code: webhooks choose it.
            _ if message.contains("denied the request: ") || message.contains(" denied request: ") => {
                Failure::Refused { message }
            }
            403 if has("NamespaceTerminating") => Failure::NamespaceTerminating { namespace: namespace() },
            403 if is_about_rights(&message) => Failure::Denied { message },
            403 => Failure::Refused { message },
            404 if self.details.kind == "namespaces" && write.key.namespace.is_some() => {
                Failure::NamespaceMissing { namespace: namespace() }
            }
            _ if self.is_not_served() => Failure::KindNotServed,
            404 if self.is_absent() => Failure::NotFound,
            409 => self.conflict(write),
            400 | 422 if is_too_large(&message) => Failure::TooLarge { message },
            422 if self.is_guard(write) => Failure::Stale,
            400 | 422 => self.invalid(),
            413 => Failure::TooLarge { message },
            429 => Failure::Throttled { retry_after: self.retry_after },
            405 | 406 | 415 => Failure::Unsupported { message },
            410 => Failure::Stale,
            500 if is_webhook(&message) => Failure::WebhookUnavailable { message },
            500 if is_too_large(&message) => Failure::TooLarge { message },
            500 if is_about_the_object(&message) => self.invalid(),
            // Said before anything is done: the server starts, stops, or knows no leader of etcd.
            503 if self.is_status
                && self.reason == "ServiceUnavailable"
                && !message.contains("error trying to reach") =>
            {
                Failure::Unavailable { message }
            }
            _ => Failure::InDoubt { message: format!("{message} (HTTP {})", self.code).into() },
        }
    }

    fn conflict(self, write: &Write) -> Failure {
        let creates = matches!(write.verb, Verb::Create { .. });
        let is_absent_wanted = matches!(write.guard, Guard::Absent);
        if self.reason == "AlreadyExists" || creates || is_absent_wanted {
            return Failure::AlreadyExists;
        }
        if self.message.contains("no existing object was found") {
            return Failure::NotFound;
        }
        let tree: Option<ValueRef<'_>> = match &write.verb {
            Verb::Apply { object, .. } => Some(object.tree()),
            _ => None,
        };
        let causes = self.details.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
        let conflicts: Vec<_> = causes.map(|cause| conflicts::read(&cause.message, &cause.field, tree)).collect();
        if conflicts.is_empty() { Failure::Stale } else { Failure::FieldConflict { conflicts } }
    }

    /// Whether what does not hold is the guard: a uid cannot change, and a failed test of a JSON patch names nothing.
    fn is_guard(&self, write: &Write) -> bool {
        let guards_uid = matches!(write.guard, Guard::Present { .. });
        let is_uid = self.details.causes.iter().any(|cause| cause.field == "metadata.uid");
        let is_test =
            matches!(write.verb, Verb::Patch { .. }) && self.message.contains("the server rejected our request");
        (guards_uid && is_uid) || is_test
    }

    fn invalid(self) -> Failure {
        let mut causes: Vec<Cause> =
            self.details.causes.iter().map(|cause| Cause::new(&cause.field, &cause.message)).collect();
        // The server says some things twice.
        causes.dedup();
        Failure::Invalid { message: self.message, causes }
    }
}

fn is_webhook(message: &str) -> bool {
    message.contains("failed calling webhook")
        || message.contains("failed to call webhook")
        || message.contains("conversion webhook for")
}

fn is_too_large(message: &str) -> bool {
    ["request is too large", "trying to send message larger than max", "Too long: may not be more than 1048576 bytes"]
        .iter()
        .any(|said| message.contains(said))
}

/// Authorisation has its own words; quotas, pod security and other admission say that something "is forbidden" as well.
/// Rule: `pkg/registry/rbac` and `apiserver/pkg/endpoints/handlers/responsewriters` in Kubernetes 1.36.
fn is_about_rights(message: &str) -> bool {
    (message.contains("User \"") && message.contains("\" cannot "))
        || message.contains("is attempting to grant RBAC permissions not currently held")
        || message.contains("attempting to grant")
}

/// The server answers 500 for some objects that cannot be: fields that the schema lacks, duplicate keys, versions.
fn is_about_the_object(message: &str) -> bool {
    [
        "failed to create typed patch object",
        "failed to create typed live object",
        "field not declared in schema",
        "request to convert CR",
        "strconv.ParseUint: parsing",
        "unable to decode",
    ]
    .iter()
    .any(|said| message.contains(said))
}
