//! What the server answers.

use std::sync::Arc;

use crate::cluster::{Cause, FieldConflict};
use crate::resource::Resource;
use crate::value::{Draft, Value};

/// The answer to a [`super::Request`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Response {
    /// The HTTP status code.
    pub code: u16,
    /// The content.
    pub body: Body,
    /// Warning headers.
    pub warnings: Vec<Arc<str>>,
}

/// The content of a [`Response`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// One object.
    Object(Resource),
    /// Something that is no stored object, such as a `Scale`.
    Value(Value),
    /// Many objects.
    List(List),
    /// What changed.
    Events(Events),
    /// Success without an object, or a refusal.
    Status(Box<Status>),
}

/// Many objects.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct List {
    /// The objects, in the byte order of `namespace/name`.
    pub items: Vec<Resource>,
    /// The version of the whole list.
    pub version: u64,
    /// The token of the next page, if there is one.
    pub token: Option<Arc<str>>,
    /// How many objects come after this page, where nothing is selected.
    pub remaining: Option<u64>,
}

/// What changed after a version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Events {
    /// The changes, in order.
    pub events: Vec<Event>,
    /// The version to go on from.
    pub version: u64,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An object is there that was not, or was not selected.
    Added(Resource),
    /// An object differs.
    Modified(Resource),
    /// An object is gone, or is no longer selected; its last content, with the version of this change.
    Deleted(Resource),
    /// Nothing happened up to this version.
    Bookmark(u64),
    /// All objects that were there at this version have been told of.
    InitialEnd(u64),
    /// The watch ends, for this reason: its version is too old, or is not there yet.
    Error(Box<Status>),
}

/// The outcome of a request, as Kubernetes' `Status` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// Why.
    pub reason: Reason,
    /// The whole message.
    pub message: Arc<str>,
    /// The name of the object, where one is meant.
    pub name: Option<Arc<str>>,
    /// Its kind or plural name.
    pub kind: Option<Arc<str>>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// The fields at fault.
    pub causes: Box<[(CauseReason, Cause)]>,
    /// For a field conflict: the same as data.
    pub conflicts: Box<[FieldConflict]>,
    /// What few answers say.
    pub details: Option<Box<Details>>,
}

/// What few answers say beyond a [`Status`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Details {
    /// For a deletion: the uid of the object.
    pub uid: Option<Arc<str>>,
    /// For a list that comes too late: the token that goes on all the same.
    pub token: Option<Arc<str>>,
    /// After how many seconds it may be worth another try.
    pub retry_after: Option<u32>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It was not.
    Success,
    /// There is no such object or namespace.
    NotFound,
    /// No such kind is served.
    NotServed,
    /// No such kind is served in a group that only CRDs could serve; Kubernetes gives no reason.
    NoPage,
    /// There is such an object already.
    AlreadyExists,
    /// A version, a uid or a field manager stands against it.
    Conflict,
    /// The object is not valid.
    Invalid,
    /// The credentials are not known, or no longer.
    Unauthorized,
    /// Not allowed.
    Forbidden,
    /// The request makes no sense.
    BadRequest,
    /// The version is too old.
    Expired,
    /// This cannot be done to this.
    MethodNotAllowed,
    /// Such a body is not understood.
    UnsupportedMediaType,
    /// The request is larger than the server takes.
    TooLarge,
    /// There is no answer in a form that the client reads.
    NotAcceptable,
    /// The version is not there yet.
    Timeout,
    /// The server failed; Kubernetes gives no reason.
    Internal,
    /// The server gave up; on the wire `InternalError`.
    GaveUp,
}

/// Why one field is at fault. Prints as Kubernetes names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CauseReason {
    /// `FieldValueInvalid`
    Invalid,
    /// `FieldValueRequired`
    Required,
    /// `FieldValueForbidden`
    Forbidden,
    /// `FieldValueDuplicate`
    Duplicate,
    /// `FieldValueNotSupported`
    NotSupported,
    /// `FieldValueTooLong`
    TooLong,
    /// `FieldValueTooMany`
    TooMany,
    /// `FieldValueTypeInvalid`
    TypeInvalid,
    /// `FieldValueNotFound`
    NotFound,
    /// `FieldManagerConflict`
    FieldManagerConflict,
    /// `NamespaceTerminating`
    NamespaceTerminating,
    /// `ResourceVersionTooLarge`
    ResourceVersionTooLarge,
}

/// How the router begins where it has no route for the types that a client takes.
pub(super) const NO_ROUTE: &str = "406: Not Acceptable";
pub(super) const NO_MEDIA: &str = "415: Unsupported Media Type";
/// What is said where nothing is.
pub(super) const NO_PAGE: &str = "404 page not found";

impl Response {
    pub(super) fn object(code: u16, object: Resource) -> Self {
        Self { code, body: Body::Object(object), warnings: Vec::new() }
    }

    pub(super) fn new(body: Body) -> Self {
        Self { code: 200, body, warnings: Vec::new() }
    }

    /// Returns the object of the answer, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Resource> {
        if let Body::Object(object) = &self.body { Some(object) } else { None }
    }

    /// Returns the refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Status> {
        match &self.body {
            Body::Status(status) if status.reason != Reason::Success => Some(status),
            _ => None,
        }
    }
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        Self { code: status.code, body: Body::Status(Box::new(status)), warnings: Vec::new() }
    }
}

impl Status {
    pub(super) fn new(code: u16, reason: Reason, message: impl Into<Arc<str>>) -> Self {
        let message = message.into();
        Self {
            code,
            reason,
            message,
            name: None,
            kind: None,
            group: None,
            causes: Box::default(),
            conflicts: Box::default(),
            details: None,
        }
    }

    pub(super) fn about(self, group: &str, kind: &str, name: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Self { group: some(group), kind: some(kind), name: some(name), ..self }
    }

    pub(super) fn with(self, details: Details) -> Self {
        Self { details: Some(Box::new(details)), ..self }
    }

    /// Returns the `Status` object, as it goes over the wire.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut draft = Draft::map();
        draft.set("kind", "Status");
        draft.set("apiVersion", "v1");
        draft.set("metadata", Draft::map());
        let Details { uid, token, retry_after } = self.details.as_deref().cloned().unwrap_or_default();
        if let Some(token) = token {
            draft.entry("metadata").set("continue", &*token);
        }
        let mut details = Draft::map();
        for (field, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &uid)] {
            if let Some(text) = text {
                details.set(field, &**text);
            }
        }
        if self.reason == Reason::Success {
            draft.set("status", "Success");
            if self.code != 200 {
                draft.set("code", i64::from(self.code));
            }
        } else {
            draft.set("status", "Failure");
            draft.set("message", &*self.message);
            draft.set("code", i64::from(self.code));
            if let Some(reason) = self.reason.name() {
                draft.set("reason", reason);
            }
            let causes = self.causes.iter().map(|(reason, cause)| {
                let mut draft = Draft::map();
                draft.set("reason", reason.name());
                draft.set("message", &*cause.message);
                if !cause.field.is_empty() {
                    draft.set("field", &*cause.field);
                }
                draft
            });
            if !self.causes.is_empty() {
                details.set("causes", causes.collect::<Vec<_>>());
            }
            if let Some(seconds) = retry_after {
                details.set("retryAfterSeconds", i64::from(seconds));
            }
        }
        // The answers of the router have details that say nothing.
        let routed = matches!(self.reason, Reason::NotServed | Reason::MethodNotAllowed)
            || [NO_ROUTE, NO_MEDIA].iter().any(|text| self.message.starts_with(text));
        if routed || details != Draft::map() {
            draft.set("details", details);
        }
        draft.freeze()
    }

    /// Returns the body where it is plain text: the server knows nothing of the group, or of the path.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        (self.reason == Reason::NoPage).then(|| format!("{NO_PAGE}\n"))
    }
}

impl Reason {
    /// Returns the name on the wire; the server's own failures have none.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Success | Self::Internal | Self::NoPage => return None,
            Self::GaveUp => "InternalError",
            Self::NotFound | Self::NotServed => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::BadRequest => "BadRequest",
            Self::Expired => "Expired",
            Self::TooLarge => "RequestEntityTooLarge",
            Self::Timeout => "Timeout",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::NotAcceptable => "NotAcceptable",
        })
    }
}

impl CauseReason {
    /// Returns the name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotFound => "FieldValueNotFound",
            Self::FieldManagerConflict => "FieldManagerConflict",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::ResourceVersionTooLarge => "ResourceVersionTooLarge",
        }
    }
}
