//! Lists: pages, and versions of the past.

use crate::resource::Resource;

use super::options::{self, Token};
use super::refuse;
use super::request::Select;
use super::response::{Body, Details, List, Reason, Response, Status};
use super::select::Selector;
use super::server::{ApiServer, Context};
use super::store::etcd_key;

impl ApiServer {
    /// Rule: Kubernetes API concepts, "Resource versions" and "Retrieving large results sets in chunks", as recorded.
    pub(super) fn list(&self, context: &Context<'_>, select: &Select) -> Result<Response, Status> {
        options::check_list(select)?;
        let selector = self.selector(context, select)?;
        let (version, start) = self.place(select)?;
        let namespace = context.endpoint.namespace.as_deref();
        let kind = &context.kind.group_kind;
        let found = match version {
            Some(version) => self.store.of_kind_at(kind, namespace, version).ok_or_else(|| too_old(select))?,
            None => self.store.of_kind(kind, namespace),
        };
        let key = |object: &Resource| match namespace {
            Some(_) => object.key().name.to_string(),
            None => etcd_key(object.key()).trim_start_matches('/').to_owned(),
        };
        // They are in the order of their keys.
        let from = start.map_or(0, |start| found.partition_point(|object| key(object) < start));
        let found = found.get(from..).unwrap_or_default();
        let mut wanted = found.iter().copied().filter(|object| selector.matches(object)).peekable();
        // Without an exact version the server answers from its cache, which knows no pages.
        let limit = select.limit.filter(|limit| *limit > 0 && select.version.as_deref() != Some("0"));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let page: Vec<&Resource> = wanted.by_ref().take(limit).collect();
        let version = version.unwrap_or_else(|| self.store.version());
        let next = wanted.peek().is_some().then(|| page.last().map(|last| key(last))).flatten();
        let remaining = u64::try_from(found.len().saturating_sub(page.len())).unwrap_or(u64::MAX);
        let selects = select.labels.as_deref().is_some_and(|text| !text.is_empty())
            || select.fields.as_deref().is_some_and(|text| !text.is_empty());
        let items = page.iter().map(|object| context.shown(object)).collect();
        let remaining = next.as_ref().map(|_| remaining).filter(|_| !selects);
        let token = next.map(|last| Token::after(&last, version).encode().into());
        Ok(Response::new(Body::List(List { items, version, token, remaining })))
    }

    /// Reads a selector, and checks it against what the kind allows.
    pub(super) fn selector(&self, context: &Context<'_>, select: &Select) -> Result<Selector, Status> {
        let mut selector = Selector::parse(select)?;
        let own = self.definition_of(context.kind).map(|crd| super::crd::selectable(crd, &context.endpoint.version));
        selector.check(context.kind, &own.unwrap_or_default())?;
        Ok(selector)
    }

    /// At which version to list (`None`: now), and from which key on.
    fn place(&self, select: &Select) -> Result<(Option<u64>, Option<String>), Status> {
        let text = select.version.as_deref();
        let wanted =
            options::version(text).map_err(|why| refuse::bad_request(format!("invalid resource version: {why}")))?;
        if let Some(token) = select.token.as_deref().filter(|token| !token.is_empty()) {
            if wanted.is_some() {
                return Err(refuse::bad_request("specifying resource version is not allowed when using continue"));
            }
            let Token { version, start } = Token::decode(token)?;
            return Ok((version.filter(|_| text != Some("0")), Some(start)));
        }
        match (select.version_match.as_deref(), wanted) {
            (_, Some(version)) if version > self.store.version() => Err(refuse::too_new(version, self.store.version())),
            (Some("Exact"), Some(version)) => Ok((Some(version), None)),
            (None | Some(""), Some(version)) if select.limit.is_some_and(|limit| limit > 0) => {
                Ok((Some(version), None))
            }
            _ => Ok((None, None)),
        }
    }
}

/// A token that comes too late is answered with one that goes on without its version.
fn too_old(select: &Select) -> Status {
    let token = select.token.as_deref().and_then(|token| Token::decode(token).ok());
    let Some(token) = token else {
        return Status::new(410, Reason::Expired, "The resourceVersion for the provided list is too old.");
    };
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter, or use the continue token in this response to retrieve the \
                   remainder of the results. Continuing with the provided token results in an inconsistent list - \
                   objects that were created, modified, or deleted between the time the first chunk was returned and \
                   now may show up in the list.";
    let token = Some(token.unversioned().encode().into());
    Status::new(410, Reason::Expired, message).with(Details { token, ..Details::default() })
}
