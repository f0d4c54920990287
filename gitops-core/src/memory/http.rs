//! HTTP requests to a Kubernetes API server, as requests of this one.

use std::str::FromStr;
use std::sync::Arc;

use crate::cluster::{Force, Mode};
use crate::resource::Propagation;
use crate::value::{Draft, Value, ValueRef};

use super::authorize::User;
use super::refuse;
use super::request::{Action, DeleteOptions, Endpoint, Patch, Request, Select, Watch};
use super::response::{CauseReason, Reason, Status};

/// An HTTP request as it came, but for what is the business of whoever took it: authentication, decoding the URL and
/// reading the body.
///
/// ```
/// use gitops_core::memory::{Action, HttpRequest, Request};
///
/// let http = HttpRequest::new("GET", "/apis/apps/v1/namespaces/shop/deployments").with("watch", "1");
/// let request = Request::read(&http).unwrap();
/// assert_eq!((&*request.endpoint.plural, request.endpoint.namespace.as_deref()), ("deployments", Some("shop")));
/// assert!(matches!(request.action, Action::Watch(_)));
///
/// let refused = Request::read(&http.with("limit", "many")).unwrap_err();
/// assert_eq!((refused.code, &*refused.message), (400, "strconv.ParseInt: parsing \"many\": invalid syntax"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path, such as `/api/v1/pods`.
    pub path: String,
    /// The parameters in their order. Of a name that is there twice the first counts.
    pub query: Vec<(String, String)>,
    /// The media type of the body, without parameters.
    pub media_type: String,
    /// The client; its first word is the field manager of a write that names none.
    pub user_agent: String,
    /// The body.
    pub body: Option<Value>,
    /// Whose rights count; `None` may do everything.
    pub user: Option<User>,
}

impl HttpRequest {
    /// Starts a request without parameters and body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn shared(&self, name: &str) -> Option<Arc<str>> {
        self.text(name).map(Arc::from)
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse::<i64>().map(Some).map_err(|error| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let range = matches!(error.kind(), PosOverflow | NegOverflow);
            let why = if range { "value out of range" } else { "invalid syntax" };
            refuse::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        })
    }

    /// Everything but `0` and `false` is a yes, as recorded.
    fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text != "0" && !text.eq_ignore_ascii_case("false"))
    }

    fn select(&self) -> Result<Select, Status> {
        Ok(Select {
            labels: self.shared("labelSelector"),
            fields: self.shared("fieldSelector"),
            // Less than one is no limit.
            limit: self.number("limit")?.and_then(|limit| u64::try_from(limit).ok()),
            token: self.shared("continue"),
            version: self.shared("resourceVersion"),
            version_match: self.shared("resourceVersionMatch"),
        })
    }

    fn watch(&self, name: Option<&str>) -> Result<Watch, Status> {
        let mut select = self.select()?;
        if let Some(name) = name {
            select.fields = Some(format!("metadata.name={name}").into());
        }
        Ok(Watch {
            after: select.version.take(),
            version_match: select.version_match.take(),
            select,
            bookmarks: self.flag("allowWatchBookmarks").unwrap_or(false),
            initial: self.flag("sendInitialEvents"),
            timeout: self.number("timeoutSeconds")?,
        })
    }

    fn delete_options(&self) -> DeleteOptions {
        let body = self.body.as_ref().map(Value::root);
        let field = |path: &[&str]| body.and_then(|body| body.dig(path)).and_then(ValueRef::as_str);
        let propagation = match field(&["propagationPolicy"]).or_else(|| self.text("propagationPolicy")) {
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => {
                let orphan = body.and_then(|body| body.get("orphanDependents")?.as_bool());
                orphan.filter(|orphan| *orphan).map(|_| Propagation::Orphan)
            }
        };
        DeleteOptions {
            propagation,
            uid: field(&["preconditions", "uid"]).map(Arc::from),
            version: field(&["preconditions", "resourceVersion"]).map(Arc::from),
        }
    }

    fn body(&self) -> Value {
        self.body.clone().unwrap_or_else(|| Draft::Null.freeze())
    }

    /// What is asked of a place, by the method.
    fn action(&self, place: &Place) -> Result<Action, Status> {
        let one = place.endpoint.name.is_some();
        Ok(match &*self.method {
            "GET" if place.watch => Action::Watch(self.watch(place.endpoint.name.as_deref())?),
            "GET" if one => match self.text("resourceVersion") {
                None | Some("" | "0") => Action::Get,
                Some(version) => Action::GetNotOlder(version.into()),
            },
            "GET" if self.flag("watch").unwrap_or(false) => Action::Watch(self.watch(None)?),
            "GET" => Action::List(self.select()?),
            "POST" => Action::Create(self.body()),
            "PUT" => Action::Update(self.body()),
            "PATCH" => self.patch()?,
            "DELETE" if one => Action::Delete(self.delete_options()),
            "DELETE" => Action::DeleteCollection(self.select()?, self.delete_options()),
            _ => return Err(refuse::method_not_allowed()),
        })
    }

    fn patch(&self) -> Result<Action, Status> {
        let force = self.flag("force");
        let patch = match &*self.media_type {
            "application/apply-patch+yaml" => {
                let force = if force == Some(true) { Force::Yes } else { Force::No };
                return Ok(Action::Apply { body: self.body(), force });
            }
            "application/json-patch+json" => Patch::Json(self.body()),
            "application/merge-patch+json" => Patch::Merge(self.body()),
            "application/strategic-merge-patch+json" => Patch::Strategic(self.body()),
            _ => return Err(Status::new(415, Reason::UnsupportedMediaType, "415: Unsupported Media Type")),
        };
        if force.is_some() {
            let why = refuse::fault("force", CauseReason::Forbidden, "may not be specified for non-apply patch");
            return Err(refuse::invalid_of("meta.k8s.io", "PatchOptions", "", vec![why]));
        }
        Ok(Action::Patch(patch))
    }

    fn mode(&self, action: &Action) -> Result<Mode, Status> {
        let options = match action {
            Action::Create(_) => "CreateOptions",
            Action::Update(_) => "UpdateOptions",
            Action::Apply { .. } | Action::Patch(_) => "PatchOptions",
            Action::Delete(_) | Action::DeleteCollection(..) => "DeleteOptions",
            _ => return Ok(Mode::Commit),
        };
        let deletes = options == "DeleteOptions";
        let in_body = self.body.as_ref().filter(|_| deletes).and_then(|body| body.root().get("dryRun")?.as_list());
        let in_body = in_body.and_then(|list| list.iter().next()?.as_str());
        match self.text("dryRun").or(in_body) {
            None => Ok(Mode::Commit),
            Some("All") => Ok(Mode::DryRun),
            Some(other) => {
                let text = format!("[{other:?}]: supported values: \"All\"");
                let why = refuse::fault("dryRun", CauseReason::NotSupported, &text);
                Err(refuse::invalid_of("meta.k8s.io", options, "", vec![why]))
            }
        }
    }
}

impl Request {
    /// Reads an HTTP request to a resource.
    ///
    /// # Errors
    ///
    /// The answer of the server to a request that it cannot read: a path that leads nowhere (404), a method that
    /// resources do not have (405), a parameter that does not parse (400), a media type it does not know (415). Discovery
    /// and the like are no resources.
    pub fn read(http: &HttpRequest) -> Result<Self, Status> {
        let place = Place::parse(&http.path)?;
        let action = http.action(&place)?;
        let lasts = matches!(action, Action::Watch(_));
        if let Some(text) = http.text("timeout").filter(|text| !lasts && !is_duration(text)) {
            let why = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
            return Err(refuse::bad_request(why));
        }
        let mode = http.mode(&action)?;
        let applies = matches!(action, Action::Apply { .. });
        let mut endpoint = place.endpoint;
        if lasts {
            endpoint.name = None;
        }
        let manager = http.shared("fieldManager").or_else(|| {
            let agent = http.user_agent.split('/').next().filter(|_| !applies);
            agent.map(Arc::from)
        });
        Ok(Self { endpoint, action, manager, mode, user: http.user.clone() })
    }
}

/// A place, and whether it is that of the deprecated `/watch/` prefix, where every GET is a watch.
struct Place {
    endpoint: Endpoint,
    watch: bool,
}

impl Place {
    fn parse(path: &str) -> Result<Self, Status> {
        // Only the last slash means nothing: an empty namespace is none.
        let parts: Vec<&str> = path.trim_start_matches('/').trim_end_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(refuse::no_page()),
        };
        let (watch, rest) = match rest {
            ["watch", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (namespace, rest) = match rest {
            ["namespaces", _, "status" | "finalize"] | ["namespaces"] | ["namespaces", _] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some(*namespace).filter(|name| !name.is_empty()), rest),
            rest => (None, rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, None),
            [plural, name] => (*plural, Some(*name), None),
            [plural, name, subresource] => (*plural, Some(*name), Some(*subresource)),
            _ => return Err(refuse::not_served(group)),
        };
        let endpoint = Endpoint {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            namespace: namespace.map(Arc::from),
            name: name.map(Arc::from),
            subresource: subresource.map(Arc::from),
        };
        Ok(Self { endpoint, watch })
    }
}

/// Whether Go reads this as a duration, such as `1m30s`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim_start_matches(['+', '-']);
    if rest == "0" {
        return true;
    }
    let mut found = false;
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        let number = rest.strip_suffix(after).unwrap_or_default();
        // The longer units first: `ms` is not `m` and an `s`.
        let unit = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"].iter().find_map(|unit| after.strip_prefix(unit));
        let (true, Some(more)) = (f64::from_str(number).is_ok(), unit) else { return false };
        (rest, found) = (more, true);
    }
    found
}
