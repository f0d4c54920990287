//! Which form an answer has: the `Accept` header, as the recorded server reads it.

use std::sync::Arc;

use super::response::{NO_ROUTE, Reason, Status};

/// What a client can read, and what of each object it wants in the rows of a Table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accept {
    /// The `Accept` header; `None` and empty take everything.
    pub header: Option<Arc<str>>,
    /// The parameter `includeObject`: `None`, `Metadata` (the default) or `Object`.
    pub include_object: Option<Arc<str>>,
    /// Whether this goes on with a watch that has sent something: a stream tells the columns of a Table only once.
    pub goes_on: bool,
}

/// The media type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/yaml`; JSON is YAML too, so a front end may write it as JSON.
    Yaml,
    /// `text/plain`
    Text,
    /// All that is served, in one document.
    Discovery,
}

/// What the content becomes before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Table,
    Partial,
    PartialList,
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) media: Media,
    pub(super) form: Form,
    /// The `apiVersion` of the form.
    pub(super) version: &'static str,
}

/// What is asked, as far as it matters for the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The kind is defined by a CRD.
    pub(super) is_custom: bool,
    /// A collection is read.
    pub(super) is_list: bool,
    pub(super) is_watch: bool,
}

/// One clause of the header.
struct Clause<'h> {
    media: &'h str,
    parameters: Vec<(&'h str, &'h str)>,
    quality: f64,
}

const DOCUMENTS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAMS: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

impl Accept {
    /// Takes what the header says.
    #[must_use]
    pub fn new(header: &str) -> Self {
        Self { header: Some(header.into()), ..Self::default() }
    }

    /// Sets what the rows of a Table hold.
    #[must_use]
    pub fn including(self, object: &str) -> Self {
        Self { include_object: Some(object.into()), ..self }
    }

    /// Goes on with a watch that has sent something.
    #[must_use]
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// Finds the form of an answer: the first one that the client takes and that there is. Protobuf and CBOR are not.
    pub(super) fn choose(&self, asked: Asked) -> Result<Choice, Status> {
        let header = self.header.as_deref().unwrap_or_default();
        if header.is_empty() {
            return Ok(Choice::plain(Media::Json));
        }
        // Routes of built-in kinds look at the bare types first and know no `application/*`, as recorded.
        let routed = |clause: &str| {
            let media = clause.split(';').next().unwrap_or_default().trim();
            media == "*/*" || DOCUMENTS.split(", ").any(|known| known == media)
        };
        if !asked.is_custom && !header.split(',').any(routed) {
            return Err(not_routed(asked.is_list));
        }
        let found = clauses(header).iter().find_map(|clause| clause.choice(asked.is_watch));
        found.ok_or_else(|| not_acceptable(format!("only the following media types are accepted: {DOCUMENTS}")))
    }

    /// The media type of a refusal; JSON where the client takes nothing that there is.
    pub(super) fn media_of_refusal(&self) -> Media {
        let clauses = clauses(self.header.as_deref().unwrap_or_default());
        let plain = clauses.iter().filter_map(|clause| clause.choice(false)).find(|choice| choice.form == Form::Plain);
        plain.map_or(Media::Json, |choice| choice.media)
    }
}

impl Media {
    /// Returns the value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Text => "text/plain; charset=utf-8",
            Self::Discovery => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        }
    }
}

impl Choice {
    pub(super) fn plain(media: Media) -> Self {
        Self { media, form: Form::Plain, version: "" }
    }
}

/// The clauses of a header: the highest quality first, and the more exact type of two alike.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').map(Clause::read).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality).then_with(|| a.stars().cmp(&b.stars())));
    clauses
}

impl<'h> Clause<'h> {
    fn read(text: &'h str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality = parameters.iter().find(|(name, _)| *name == "q").and_then(|(_, value)| value.parse().ok());
        Self { media, parameters, quality: quality.unwrap_or(1.0) }
    }

    fn stars(&self) -> usize {
        self.media.bytes().filter(|byte| *byte == b'*').count()
    }

    /// The form that this clause asks for, if there is such a one.
    fn choice(&self, is_watch: bool) -> Option<Choice> {
        let media = match self.media {
            "application/json" | "application/*" | "*/*" => Media::Json,
            "application/yaml" if !is_watch => Media::Yaml,
            _ => return None,
        };
        let parameter = |wanted: &str| {
            let found = self.parameters.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        };
        if parameter("stream").is_some_and(|stream| stream != "watch") {
            return None;
        }
        let form = match (parameter("as"), parameter("g"), parameter("v")) {
            (None, None, None) => return Some(Choice::plain(media)),
            (Some(form), Some("meta.k8s.io"), Some("v1")) => (form, "meta.k8s.io/v1"),
            (Some(form), Some("meta.k8s.io"), Some("v1beta1")) => (form, "meta.k8s.io/v1beta1"),
            _ => return None,
        };
        let (form, version) = match form {
            ("Table", version) => (Form::Table, version),
            ("PartialObjectMetadata", version) => (Form::Partial, version),
            ("PartialObjectMetadataList", version) => (Form::PartialList, version),
            _ => return None,
        };
        Some(Choice { media, form, version })
    }
}

/// No route gives such an answer.
pub(super) fn not_routed(is_list: bool) -> Status {
    let streams = if is_list { format!(", {STREAMS}") } else { String::new() };
    not_acceptable(format!("{NO_ROUTE}\n\nAvailable representations: {DOCUMENTS}{streams}"))
}

pub(super) fn not_acceptable(message: String) -> Status {
    Status::new(406, Reason::NotAcceptable, message)
}
