//! Answers as they go over the wire: documents and streams of events, in the form that the client asked for.

use std::sync::Arc;

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::{Draft, Value, ValueRef};

use super::accept::{Accept, Asked, Choice, Form, Media, not_acceptable};
use super::prepare::TEMPLATE_GENERATION;
use super::refuse;
use super::request::{Action, Request};
use super::response::{Body, Event, Events, List, Response, Status};
use super::server::ApiServer;
use super::table::{Include, Printer};

/// An answer as an HTTP front end sends it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Wire {
    /// The HTTP status code.
    pub code: u16,
    /// The media type.
    pub media: Media,
    /// The content.
    pub content: Content,
    /// Warning headers.
    pub warnings: Vec<Arc<str>>,
    /// The header `ETag`, which names the content.
    pub tag: Option<Arc<str>>,
    /// The header `Location`: where to ask instead.
    pub location: Option<Arc<str>>,
}

/// The content of a [`Wire`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// One document.
    Document(Value),
    /// Plain text: there is no such group or path.
    Text(String),
    /// What a watch sends.
    Stream {
        /// Each with `type` and `object`, in order.
        events: Vec<Value>,
        /// The version to go on from; `None` when the server ends the stream.
        version: Option<u64>,
    },
}

/// How the objects of one request are shown.
struct Show<'s> {
    kind: &'s ServedKind,
    api_version: String,
    choice: Choice,
    include: Include,
    /// What defines the kind, if it is custom.
    crd: Option<&'s Resource>,
    printer: Printer,
    now: Timestamp,
}

impl ApiServer {
    /// Answers one request in the form that the client asks for: plain, as a Table, or as metadata only.
    ///
    /// It answers as [`ApiServer::handle`] does, which is what a program that needs no wire form calls. A request
    /// that no acceptable form is left for changes nothing. A watch sends what [`ApiServer::handle`] gives, and a
    /// version that is too old, or yet to come, as an event of type `ERROR`.
    ///
    /// ```
    /// use gitops_core::cluster::Mode;
    /// use gitops_core::memory::{Accept, Action, ApiServer, Content, Request, Select};
    /// use gitops_core::resource::ResourceKey;
    /// use gitops_core::time::Timestamp;
    ///
    /// let mut server = ApiServer::new(7);
    /// let all = server.endpoint(&ResourceKey::new("", "Namespace", None, ""), "v1").ok_or("served")?;
    /// let mut all = Request::new(all, Action::List(Select::default()));
    /// all.endpoint.name = None;
    /// let accept = Accept::new("application/json;as=Table;v=v1;g=meta.k8s.io").including("None");
    /// let Content::Document(table) = server.answer(&all, &accept, Timestamp::EPOCH).content else { panic!("a table") };
    /// let cells = table.root().get("rows").and_then(|rows| rows.item(0)?.get("cells")).ok_or("a row")?;
    /// assert_eq!(cells.to_json(), r#"["default","Active","0s"]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&mut self, request: &Request, accept: &Accept, now: Timestamp) -> Wire {
        let Some(kind) = self.kind_of(request) else {
            let answer = self.handle(request, now);
            let status = match answer.body {
                Body::Status(status) => *status,
                // There is nothing but a refusal where no kind is.
                _ => refuse::not_served(&request.endpoint.group),
            };
            return Wire::of(&status, answer.warnings, accept);
        };
        let asked = Asked {
            is_custom: self.definition_of(&kind).is_some(),
            is_list: request.endpoint.name.is_none() && matches!(request.action, Action::List(_) | Action::Watch(_)),
            is_watch: matches!(request.action, Action::Watch(_)),
        };
        let choice = match accept.choose(asked) {
            Ok(choice) => choice,
            Err(status) => return Wire::of(&status, Vec::new(), accept),
        };
        let include = match included(accept) {
            _ if choice.form != Form::Table => Include::Metadata,
            Ok(include) => include,
            Err(status) => return Wire::of(&status, Vec::new(), accept),
        };
        let response = self.handle(request, now);
        let crd = self.definition_of(&kind);
        let printer = Printer::of(&kind.group_kind, &request.endpoint.version, crd);
        let show =
            Show { kind: &kind, api_version: request.endpoint.api_version(), choice, include, crd, printer, now };
        show.response(response, accept)
    }

    fn kind_of(&self, request: &Request) -> Option<Arc<ServedKind>> {
        let endpoint = &request.endpoint;
        let kind = self.model.by_plural(&endpoint.group, &endpoint.plural)?;
        kind.versions.contains(&endpoint.version).then(|| Arc::clone(kind))
    }
}

/// What the rows of a Table are to hold.
fn included(accept: &Accept) -> Result<Include, Status> {
    match accept.include_object.as_deref().unwrap_or_default() {
        "" | "Metadata" => Ok(Include::Metadata),
        "None" => Ok(Include::Nothing),
        "Object" => Ok(Include::Object),
        other => Err(refuse::bad_request(format!(
            "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', \
             'Object', 'None', or empty"
        ))),
    }
}

impl Wire {
    pub(super) fn new(code: u16, media: Media, content: Content, warnings: Vec<Arc<str>>) -> Self {
        Self { code, media, content, warnings, tag: None, location: None }
    }

    /// A refusal of what could not be read as a request.
    #[must_use]
    pub fn refusal(status: Status, accept: &Accept) -> Self {
        Self::of(&status, Vec::new(), accept)
    }

    /// A Status, which has no form but its own.
    fn of(status: &Status, warnings: Vec<Arc<str>>, accept: &Accept) -> Self {
        let code = status.code;
        match status.as_text() {
            Some(text) => Self { warnings, ..Self::text(code, &text) },
            None => {
                let content = Content::Document(status.to_value());
                Self::new(code, accept.media_of_refusal(), content, warnings)
            }
        }
    }
}

impl Show<'_> {
    fn response(&self, response: Response, accept: &Accept) -> Wire {
        let shown = match &response.body {
            Body::Object(object) => self.one(object.tree()),
            Body::Value(value) => self.one(value.root()),
            Body::List(list) => self.list(list),
            Body::Events(events) => {
                let content = self.stream(events, accept);
                return Wire::new(200, self.choice.media, content, response.warnings);
            }
            Body::Status(status) => return Wire::of(status, response.warnings, accept),
        };
        match shown {
            Ok(document) => {
                let content = Content::Document(document.freeze());
                Wire::new(response.code, self.choice.media, content, response.warnings)
            }
            Err(status) => Wire::of(&status, Vec::new(), accept),
        }
    }

    /// One object.
    fn one(&self, object: ValueRef<'_>) -> Result<Draft, Status> {
        match self.choice.form {
            Form::Plain => Ok(object.into()),
            Form::Partial => Ok(self.partial(object)),
            Form::PartialList => Err(not_acceptable(
                "you requested PartialObjectMetadataList, but the requested object is not a list".to_owned(),
            )),
            Form::Table => {
                let mut metadata = Draft::map();
                if let Some(version) = object.dig(&["metadata", "resourceVersion"]) {
                    metadata.set("resourceVersion", version);
                }
                // A subresource, such as `scale`, is of a kind of its own.
                let text = |field: &str| object.get(field).and_then(ValueRef::as_str).unwrap_or_default();
                let own = (text("kind") != &*self.kind.group_kind.kind).then(|| {
                    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
                    let kind = crate::resource::GroupKind::new(group, text("kind"));
                    Printer::of(&kind, version, None)
                });
                let printer = own.as_ref().unwrap_or(&self.printer);
                Ok(self.table(metadata, printer.definitions(), vec![self.row(printer, object)]))
            }
        }
    }

    fn list(&self, list: &List) -> Result<Draft, Status> {
        let mut metadata = Draft::map();
        metadata.set("resourceVersion", list.version.to_string());
        if let Some(token) = &list.token {
            metadata.set("continue", &**token);
        }
        if let Some(remaining) = list.remaining {
            metadata.set("remainingItemCount", i64::try_from(remaining).unwrap_or(i64::MAX));
        }
        let objects = list.items.iter().map(Resource::tree);
        let (kind, version, items) = match self.choice.form {
            Form::Table => {
                let rows = objects.map(|object| self.row(&self.printer, object)).collect();
                return Ok(self.table(metadata, self.printer.definitions(), rows));
            }
            Form::Partial => {
                let message = "you requested PartialObjectMetadata, but the requested object is a list";
                return Err(not_acceptable(message.to_owned()));
            }
            Form::PartialList => {
                let items: Vec<Draft> = objects.map(|object| self.partial(object)).collect();
                // As recorded.
                let items = if items.is_empty() { Draft::Null } else { items.into() };
                ("PartialObjectMetadataList".to_owned(), self.choice.version, items)
            }
            Form::Plain => {
                if self.crd.is_some() && list.token.is_none() {
                    metadata.set("continue", "");
                }
                (
                    self.list_kind(),
                    &*self.api_version,
                    objects.map(|object| self.item(object)).collect::<Vec<_>>().into(),
                )
            }
        };
        let mut draft = Draft::map();
        draft.set("kind", kind);
        draft.set("apiVersion", version);
        draft.set("metadata", metadata);
        draft.set("items", items);
        Ok(draft)
    }

    fn list_kind(&self) -> String {
        let named = self.crd.and_then(|crd| crd.tree().dig(&["spec", "names", "listKind"])?.as_str());
        named.map_or_else(|| format!("{}List", self.kind.group_kind.kind), str::to_owned)
    }

    /// An object in a list: those of built-in kinds do not repeat their kind.
    fn item(&self, object: ValueRef<'_>) -> Draft {
        let mut draft = object.to_draft();
        if self.crd.is_none() {
            draft.remove("kind");
            draft.remove("apiVersion");
        }
        draft
    }

    fn partial(&self, object: ValueRef<'_>) -> Draft {
        let mut metadata = object.get("metadata").map_or_else(Draft::map, Draft::from);
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Draft::as_map_mut) {
            // Made for `apps/v1` out of a field that no version shows, so it is no metadata of the object itself.
            if annotations.remove(TEMPLATE_GENERATION).is_some() && annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
        let mut draft = Draft::map();
        draft.set("kind", "PartialObjectMetadata");
        draft.set("apiVersion", self.choice.version);
        draft.set("metadata", metadata);
        draft
    }

    fn row(&self, printer: &Printer, object: ValueRef<'_>) -> Draft {
        let mut row = printer.row(object, self.now);
        let held = match self.include {
            Include::Nothing => Draft::Null,
            Include::Metadata => self.partial(object),
            Include::Object => object.into(),
        };
        row.set("object", held);
        row
    }

    fn table(&self, metadata: Draft, definitions: Draft, rows: Vec<Draft>) -> Draft {
        let mut draft = Draft::map();
        draft.set("kind", "Table");
        draft.set("apiVersion", self.choice.version);
        draft.set("metadata", metadata);
        draft.set("columnDefinitions", definitions);
        draft.set("rows", rows);
        draft
    }

    fn stream(&self, events: &Events, accept: &Accept) -> Content {
        let mut version = Some(events.version);
        let mut told = accept.goes_on;
        let mut shown = Vec::with_capacity(events.events.len());
        for change in &events.events {
            let (kind, object) = match change {
                Event::Added(object) => ("ADDED", object.value().clone()),
                Event::Modified(object) => ("MODIFIED", object.value().clone()),
                Event::Deleted(object) => ("DELETED", object.value().clone()),
                Event::Bookmark(version) => ("BOOKMARK", self.bookmark(*version).freeze()),
                Event::InitialEnd(version) => {
                    let mut mark = self.bookmark(*version);
                    mark.entry("metadata").entry("annotations").set("k8s.io/initial-events-end", "true");
                    ("BOOKMARK", mark.freeze())
                }
                Event::Error(status) => {
                    shown.push(event("ERROR", (&status.to_value()).into()));
                    version = None;
                    continue;
                }
            };
            shown.push(match self.one(object.root()) {
                Ok(mut object) => {
                    if std::mem::replace(&mut told, true) && self.choice.form == Form::Table {
                        object.set("columnDefinitions", Draft::Null);
                    }
                    event(kind, object)
                }
                Err(status) => event("ERROR", (&status.to_value()).into()),
            });
        }
        Content::Stream { events: shown, version }
    }

    /// An object without content.
    fn bookmark(&self, version: u64) -> Draft {
        let mut draft = Draft::map();
        draft.set("kind", &*self.kind.group_kind.kind);
        draft.set("apiVersion", self.api_version.as_str());
        draft.entry("metadata").set("resourceVersion", version.to_string());
        draft
    }
}

fn event(kind: &str, object: Draft) -> Value {
    let mut draft = Draft::map();
    draft.set("type", kind);
    draft.set("object", object);
    draft.freeze()
}
