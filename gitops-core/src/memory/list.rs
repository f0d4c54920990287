//! Lists: pages, and versions of the past.

use crate::resource::{Resource, ResourceKey};

use super::refuse;
use super::request::Select;
use super::response::{Body, List, Reason, Response, Status};
use super::select::Selector;
use super::server::{ApiServer, Context};
use super::store::etcd_key;

impl ApiServer {
    /// Rule: Kubernetes API concepts, "Resource versions" and "Retrieving large results sets in chunks", as recorded.
    pub(super) fn list(&self, context: &Context<'_>, select: &Select) -> Result<Response, Status> {
        let selector = self.selector(context, select)?;
        let (version, after) = self.wanted_version(select)?;
        let namespace = context.endpoint.namespace.as_deref();
        let kind = &context.kind.group_kind;
        let found = match version {
            Some(version) => self.store.of_kind_at(kind, namespace, version).ok_or_else(too_old)?,
            None => self.store.of_kind(kind, namespace).into_iter().cloned().collect(),
        };
        let beyond = |object: &Resource| after.as_ref().is_none_or(|after| etcd_key(object.key()) > *after);
        let mut wanted = found.into_iter().filter(|object| beyond(object) && selector.matches(object)).peekable();
        // Without an exact version the server answers from its cache, which knows no pages.
        let limit = select.limit.filter(|limit| *limit > 0 && select.version.as_deref() != Some("0"));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let page: Vec<Resource> = wanted.by_ref().take(limit).collect();
        let version = version.unwrap_or_else(|| self.store.version());
        let next = wanted.peek().is_some().then(|| page.last().map(|last| etcd_key(last.key()))).flatten();
        let remaining = u64::try_from(wanted.count()).unwrap_or(u64::MAX);
        let selects = select.labels.as_deref().is_some_and(|text| !text.is_empty())
            || select.fields.as_deref().is_some_and(|text| !text.is_empty());
        let items = page.iter().map(|object| context.shown(object)).collect();
        let remaining = next.as_ref().map(|_| remaining).filter(|_| !selects);
        let token = next.map(|next| format!("{version}:{next}").into());
        Ok(Response::new(Body::List(List { items, version, token, remaining })))
    }

    /// Reads a selector, and checks it against what the kind allows.
    pub(super) fn selector(&self, context: &Context<'_>, select: &Select) -> Result<Selector, Status> {
        let selector = Selector::parse(select)?;
        let kind = &context.kind.group_kind;
        let name = format!("{}.{}", context.kind.plural, kind.group);
        let key = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &name);
        let own = self.store.get(&key).map(|crd| super::crd::selectable(crd, &context.endpoint.version));
        selector.check(context.kind, &own.unwrap_or_default())?;
        Ok(selector)
    }

    /// At which version to list (`None`: now), and after which key.
    fn wanted_version(&self, select: &Select) -> Result<(Option<u64>, Option<String>), Status> {
        let text = select.version.as_deref().unwrap_or_default();
        let wanted = match text.parse::<u64>() {
            Ok(0) => None,
            Ok(version) => Some(version),
            Err(_) if text.is_empty() => None,
            Err(_) => return Err(refuse::bad_request(format!("invalid resource version {text:?}"))),
        };
        if let Some(token) = &select.token {
            let parts = token.split_once(':').and_then(|(version, key)| Some((version.parse::<u64>().ok()?, key)));
            let (version, key) =
                parts.ok_or_else(|| refuse::bad_request("continue key is not valid: it is not from this server"))?;
            if wanted.is_some() {
                return Err(refuse::bad_request("specifying resource version is not allowed when using continue"));
            }
            let version = (text != "0").then_some(version);
            return Ok((version, Some(key.to_owned())));
        }
        let forbidden = |why: &str| {
            let fault = refuse::fault("resourceVersionMatch", super::response::CauseReason::Forbidden, why);
            Err(refuse::invalid_of("meta.k8s.io", "ListOptions", "", vec![fault]))
        };
        match (select.version_match.as_deref(), wanted) {
            (Some("Exact" | "NotOlderThan"), _) if text.is_empty() => {
                forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
            }
            (Some("Exact"), None) => forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
            (Some(other), _) if !matches!(other, "Exact" | "NotOlderThan") => {
                let text = format!("\"{other}\": supported values: \"Exact\", \"NotOlderThan\"");
                let fault = refuse::fault("resourceVersionMatch", super::response::CauseReason::NotSupported, &text);
                Err(refuse::invalid_of("meta.k8s.io", "ListOptions", "", vec![fault]))
            }
            (_, Some(version)) if version > self.store.version() => Err(Status::new(
                504,
                Reason::Timeout,
                format!("Too large resource version: {version}, current: {}", self.store.version()),
            )),
            (Some("Exact"), Some(version)) => Ok((Some(version), None)),
            (None, Some(version)) if select.limit.is_some_and(|limit| limit > 0) => Ok((Some(version), None)),
            _ => Ok((None, None)),
        }
    }
}

fn too_old() -> Status {
    Status::new(410, Reason::Expired, "The resourceVersion for the provided list is too old.")
}
