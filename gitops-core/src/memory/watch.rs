//! What changed after a version.

use crate::resource::Resource;

use super::options;
use super::refuse;
use super::request::Watch;
use super::response::{Body, Event, Events, Reason, Response, Status};
use super::select::Selector;
use super::server::{ApiServer, Context};
use super::store::versioned;

impl ApiServer {
    /// Answers with the changes up to now; the caller asks again from the version of the answer.
    ///
    /// Rule: Kubernetes API concepts, "Efficient detection of changes" and "Streaming lists", as recorded.
    pub(super) fn watch(&self, context: &Context<'_>, watch: &Watch) -> Result<Response, Status> {
        options::check_watch(watch)?;
        let selector = self.selector(context, &watch.select)?;
        let now = self.store.version();
        let after = options::version(watch.after.as_deref()).map_err(refuse::internal)?;
        let present = watch.initial.unwrap_or(after.is_none());
        let ends = match after {
            _ if watch.timeout.is_some_and(|seconds| seconds < 0) => {
                Some(Status::new(500, Reason::GaveUp, "context deadline exceeded"))
            }
            Some(after) if watch.initial == Some(true) && after > now => Some(refuse::too_new(after, now)),
            Some(after) if !present && self.store.changes_after(after).is_none() => Some(too_old(after, now)),
            _ => None,
        };
        if let Some(status) = ends {
            let events = vec![Event::Error(Box::new(status))];
            return Ok(Response::new(Body::Events(Events { events, version: now })));
        }
        let mut events = Vec::new();
        match after.filter(|_| !present) {
            None if !present => {}
            None => {
                let found = self.store.of_kind(&context.kind.group_kind, context.endpoint.namespace.as_deref());
                let wanted = found.into_iter().filter(|object| selector.matches(object));
                events.extend(wanted.map(|object| Event::Added(context.shown(object))));
            }
            Some(after) => {
                for change in self.store.changes_after(after).into_iter().flatten() {
                    let here = change.key.group_kind == context.kind.group_kind
                        && (context.endpoint.namespace.is_none() || change.key.namespace == context.endpoint.namespace);
                    if here {
                        events.extend(event(context, &selector, change));
                    }
                }
            }
        }
        if watch.bookmarks {
            events.push(if present { Event::InitialEnd(now) } else { Event::Bookmark(now) });
        }
        // A version yet to come is waited for.
        let version = after.filter(|_| !present).unwrap_or(0).max(now);
        Ok(Response::new(Body::Events(Events { events, version })))
    }

    /// Forgets all changes up to now, as a real server does after some minutes: later watches from before this are
    /// told that they come too late.
    pub fn forget_history(&mut self) {
        self.store.forget();
    }
}

fn event(context: &Context<'_>, selector: &Selector, change: &super::store::Change) -> Option<Event> {
    let fits = |object: &&Resource| selector.matches(object);
    let (before, after) = (change.before.as_ref().filter(fits), change.after.as_ref().filter(fits));
    match (before, after) {
        (None, Some(after)) => Some(Event::Added(context.shown(after))),
        (Some(_), Some(after)) => Some(Event::Modified(context.shown(after))),
        // The old content under the version of this change, as recorded.
        (Some(before), None) => Some(Event::Deleted(context.shown(&versioned(before, &change.version.to_string())))),
        (None, None) => None,
    }
}

fn too_old(after: u64, now: u64) -> Status {
    Status::new(410, Reason::Expired, format!("too old resource version: {after} ({now})"))
}
