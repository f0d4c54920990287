//! What changed after a version.

use crate::resource::Resource;

use super::refuse;
use super::request::Watch;
use super::response::{Body, CauseReason, Event, Events, Reason, Response, Status};
use super::select::Selector;
use super::server::{ApiServer, Context};
use super::store::versioned;

impl ApiServer {
    /// Answers with the changes up to now; the caller asks again from the version of the answer.
    pub(super) fn watch(&self, context: &Context<'_>, watch: &Watch) -> Result<Response, Status> {
        let selector = self.selector(context, &watch.select)?;
        let now = self.store.version();
        let after = match watch.after.as_deref().unwrap_or_default() {
            "" | "0" => None,
            text => Some(
                text.parse::<u64>()
                    .map_err(|_| refuse::internal(format!("strconv.ParseUint: parsing \"{text}\": invalid syntax")))?,
            ),
        };
        let fault = match (watch.initial, watch.version_match.as_deref()) {
            (None, Some(_)) => Some("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
            (Some(_), found) if found != Some("NotOlderThan") => {
                Some("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
            _ => None,
        };
        if let Some(why) = fault {
            let fault = refuse::fault("resourceVersionMatch", CauseReason::Forbidden, why);
            return Err(refuse::invalid_of("meta.k8s.io", "ListOptions", "", vec![fault]));
        }
        let present = watch.initial.unwrap_or(after.is_none());
        let mut events = Vec::new();
        match after.filter(|_| !present) {
            None if !present => {}
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
