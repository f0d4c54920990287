//! HTTP requests to a Kubernetes API server, as requests of this one: places, methods and the parameters of reads.
//!
//! Rule: `RequestInfoFactory` and `ListOptions` of Kubernetes 1.36, as recorded. What writes say is read in `http`.

use std::str::FromStr;
use std::sync::Arc;

use super::authorize::User;
use super::refuse;
use super::request::{Action, Endpoint, Request, Select, Watch};
use super::response::Status;
use super::server::ApiServer;

/// An HTTP request as it came, but for what is the business of whoever took it: authentication and decoding the URL.
///
/// ```
/// use gitops_core::memory::{Action, ApiServer, HttpRequest};
///
/// let server = ApiServer::new(1);
/// let http = HttpRequest::new("GET", "/apis/apps/v1/namespaces/shop/deployments").with("watch", "1");
/// let request = server.read_request(&http).unwrap();
/// assert_eq!((&*request.endpoint.plural, request.endpoint.namespace.as_deref()), ("deployments", Some("shop")));
/// assert!(matches!(request.action, Action::Watch(_)));
///
/// let refused = server.read_request(&http.with("limit", "many")).unwrap_err();
/// assert_eq!((refused.code, &*refused.message), (400, "strconv.ParseInt: parsing \"many\": invalid syntax"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HttpRequest<'r> {
    /// The method, in capitals.
    pub method: &'r str,
    /// The path, such as `/api/v1/pods`.
    pub path: &'r str,
    /// The query of the URL, decoded, in its order. Of a name that is there twice the first counts.
    pub query: Vec<(&'r str, &'r str)>,
    /// The header `Content-Type`; empty when there is none.
    pub content_type: &'r str,
    /// The header `User-Agent`: its first part names the field manager if the query does not.
    pub agent: &'r str,
    /// The header `If-None-Match`: what the client has already.
    pub known: &'r str,
    /// The body.
    pub body: &'r [u8],
    /// Whose rights count; `None` may do everything.
    pub user: Option<User>,
}

impl ApiServer {
    /// Reads an HTTP request to a resource.
    ///
    /// # Errors
    /// The answer of the server to a request that it cannot read, or that its user may not ask: a path that leads
    /// nowhere, a method that resources do not have, a parameter or a body that does not parse. Discovery and the like
    /// are no resources.
    pub fn read_request(&self, http: &HttpRequest<'_>) -> Result<Request, Status> {
        let Place { mut endpoint, watch } = Place::parse(http.path)?;
        let one = endpoint.name.is_some();
        let watches = http.method == "GET" && (watch || (!one && http.flag("watch").unwrap_or(false)));
        let mut request = if watches {
            let watch = http.watch(endpoint.name.take())?;
            Request::new(endpoint, Action::Watch(watch))
        } else if http.method == "GET" {
            http.check_timeout()?;
            let action = match http.shared("resourceVersion").filter(|version| !matches!(&**version, "" | "0")) {
                Some(version) if one => Action::GetNotOlder(version),
                None if one => Action::Get,
                _ => Action::List(http.select()?),
            };
            Request::new(endpoint, action)
        } else {
            // Who may not ask is not told what is wrong with the question.
            self.authorize(http.user.as_ref(), &endpoint, http.verb(one)?, None)?;
            http.check_timeout()?;
            self.read_write(endpoint, http)?
        };
        if let Action::DeleteCollection(select, _) = &mut request.action {
            *select = http.select()?;
        }
        request.user.clone_from(&http.user);
        Ok(request)
    }
}

impl<'r> HttpRequest<'r> {
    /// Starts a request without parameters and body.
    #[must_use]
    pub fn new(method: &'r str, path: &'r str) -> Self {
        Self { method, path, ..Self::default() }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &'r str, value: &'r str) -> Self {
        self.query.push((name, value));
        self
    }

    /// The verb of a write.
    fn verb(&self, one: bool) -> Result<&'static str, Status> {
        match self.method {
            "POST" => Ok("create"),
            "PUT" => Ok("update"),
            "PATCH" => Ok("patch"),
            "DELETE" if one => Ok("delete"),
            "DELETE" => Ok("deletecollection"),
            _ => Err(refuse::method_not_allowed()),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn shared(&self, name: &str) -> Option<Arc<str>> {
        self.text(name).map(Arc::from)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse::<i64>().map(Some).map_err(|error| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let range = matches!(error.kind(), PosOverflow | NegOverflow);
            let why = if range { "value out of range" } else { "invalid syntax" };
            refuse::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        })
    }

    /// Everything but `0` and `false` is a yes, as recorded.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
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

    fn watch(&self, name: Option<Arc<str>>) -> Result<Watch, Status> {
        let mut select = self.select()?;
        if let Some(name) = name {
            let given = select.fields.filter(|given| !given.is_empty()).map(|given| format!(",{given}"));
            select.fields = Some(format!("metadata.name={name}{}", given.unwrap_or_default()).into());
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

    fn check_timeout(&self) -> Result<(), Status> {
        let Some(text) = self.text("timeout").filter(|text| !is_duration(text)) else { return Ok(()) };
        let why = format!("invalid timeout specified in the request URL - time: invalid duration {text:?}");
        Err(refuse::bad_request(why))
    }
}

impl Endpoint {
    /// Reads the path of a URL; `None` when it is not that of a resource.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Place::parse(path).ok().map(|place| place.endpoint)
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
pub(super) fn is_duration(text: &str) -> bool {
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
