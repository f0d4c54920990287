//! What changed after a version.

use crate::resource::Resource;

use super::refuse;
use super::request::Watch;
use super::response::{Body, Event, Events, Reason, Response, Status};
use super::select::Selector;
use super::server::{ApiServer, Context};
use super::store::versioned;

impl ApiServer {
    /// Answers with the changes up to now; the caller asks again from the version of the answer.
    pub(super) fn watch(&self, context: &Context<'_>, watch: &Watch) -> Result<Response, Status> {
        let selector = Selector::parse(&watch.select)?;
        let now = self.store.version();
        let after = match watch.after.as_deref().unwrap_or_default() {
            "" | "0" => None,
            text => Some(
                text.parse::<u64>()
                    .map_err(|_| refuse::internal(format!("strconv.ParseUint: parsing \"{text}\": invalid syntax")))?,
            ),
        };
        let mut events = Vec::new();
        match after {
            None => {
                let found = self.store.of_kind(&context.kind.group_kind, context.endpoint.namespace.as_deref());
                let wanted = found.into_iter().filter(|object| selector.matches(object));
                events.extend(wanted.map(|object| Event::Added(context.shown(object))));
            }
            Some(after) => {
                let changes = self.store.changes_after(after).ok_or_else(|| too_old(after, now))?;
                for change in changes {
                    let here = change.key.group_kind == context.kind.group_kind
                        && (context.endpoint.namespace.is_none() || change.key.namespace == context.endpoint.namespace);
                    if here {
                        events.extend(event(context, &selector, change));
                    }
                }
            }
        }
        if watch.bookmarks {
            events.push(Event::Bookmark(now));
        }
        Ok(Response::new(Body::Events(Events { events, version: now })))
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
