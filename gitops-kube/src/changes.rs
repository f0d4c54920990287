//! Waiting for changes within an interest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gitops_core::cluster::{Changes, ClusterError, Cursor, Failure, Interest};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::Namespaces;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cluster::Shared;
use crate::cursor::{self, Place, Since};
use crate::discover::Kind;
use crate::watch::{Change, Feed, News};

/// How long to wait for a change. Whoever wants to stop waits as long.
const WAIT: Duration = Duration::from_secs(10);
/// Changes come in bursts: how long to wait for more after the first.
const GATHER: Duration = Duration::from_millis(20);

/// How often what cannot be listed or watched is tried again, with all else that was listed with it.
const AGAIN: Duration = Duration::from_secs(300);
/// How long a feed stays open that nobody reads.
const UNREAD: Duration = Duration::from_secs(600);

/// The feeds that are open.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    open: Mutex<Open>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Open {
    /// Each with when it was read last.
    feeds: BTreeMap<Place, (Feed, Instant)>,
    /// Places that cannot be listed or watched, and since when that is known.
    closed: BTreeMap<Place, Instant>,
    /// When it was asked last whether kinds are served that were not.
    asked: Option<Instant>,
}

/// Returns once something within `interest` changed after `after`, or after a while with nothing.
///
/// Objects of [`Interest::keys`] are told of only where their kinds are watched.
pub(crate) async fn changed(
    shared: &Arc<Shared>,
    interest: &Interest,
    after: &Cursor,
) -> Result<Changes, ClusterError> {
    let mut since = cursor::read(after).filter(|since| covers(since, interest)).ok_or(Failure::CursorExpired)?;
    since.retain(|place, _| interest.kinds.contains(&place.kind));
    is_served_now(shared, &since).await?;
    let until = Instant::now() + WAIT;
    let mut told = Vec::new();
    loop {
        // Before looking: what comes after wakes us.
        let news = Arc::clone(&shared.feeds.news);
        let mut woken = std::pin::pin!(news.notified());
        woken.as_mut().enable();
        let is_first = told.is_empty();
        gather(shared, &mut since, &mut told)?;
        if !told.is_empty() && !is_first {
            return Ok(changes(told, &since));
        }
        if !told.is_empty() {
            sleep(GATHER).await;
            gather(shared, &mut since, &mut told)?;
            return Ok(changes(told, &since));
        }
        if timeout_at(until, woken).await.is_err() {
            return Ok(changes(told, &since));
        }
    }
}

/// Whether a cursor says of every place of an interest since when.
fn covers(since: &BTreeMap<Place, Since>, interest: &Interest) -> bool {
    interest.kinds.iter().all(|kind| match &interest.namespaces {
        Namespaces::All => since.contains_key(&Place::of(kind, None)),
        Namespaces::Only(names) => {
            since.contains_key(&Place::of(kind, None))
                || names.iter().all(|name| since.contains_key(&Place::of(kind, Some(Arc::clone(name)))))
        }
    })
}

/// Takes what is new, and moves on to after it.
fn gather(shared: &Arc<Shared>, since: &mut BTreeMap<Place, Since>, told: &mut Vec<Change>) -> Result<(), Failure> {
    let mut open = shared.feeds.open.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    open.feeds.retain(|_, (_, read)| now.duration_since(*read) < UNREAD);
    for (place, since) in since.iter_mut() {
        let text = match since {
            Since::Version(text) if !open.closed.contains_key(place) => text,
            Since::Version(_) | Since::Unread => {
                open.is_closed(place, now)?;
                continue;
            }
            Since::NotServed => continue,
        };
        let version: u64 = text.parse().map_err(|_| Failure::CursorExpired)?;
        if !open.feeds.contains_key(place) {
            let Kind::Served(kind) = shared.known(&place.kind) else { return Err(Failure::CursorExpired) };
            if !kind.allows("watch") {
                open.is_closed(place, now)?;
                continue;
            }
            let feed = Feed::open(&shared.talk, &kind, place.namespace.as_deref(), version, &shared.feeds.news);
            open.feeds.insert(place.clone(), (feed, now));
        }
        let Some((feed, read)) = open.feeds.get_mut(place) else { continue };
        *read = now;
        match feed.since(version) {
            News::Changes(changes, end) => {
                told.extend(changes);
                *text = end.to_string();
            }
            // The next one begins where the next list ends.
            News::Lost => {
                open.feeds.remove(place);
                return Err(Failure::CursorExpired);
            }
            // A list would not help.
            News::Refused => {
                open.feeds.remove(place);
                open.is_closed(place, now)?;
            }
        }
    }
    Ok(())
}

impl Open {
    /// Notes that a place cannot be watched now. After a while all is listed again, since it may be now.
    fn is_closed(&mut self, place: &Place, now: Instant) -> Result<(), Failure> {
        let since = *self.closed.entry(place.clone()).or_insert(now);
        if now.duration_since(since) < AGAIN {
            return Ok(());
        }
        self.closed.remove(place);
        Err(Failure::CursorExpired)
    }
}

/// When a kind is served now that was not, whoever wants to know of it lists again.
async fn is_served_now(shared: &Arc<Shared>, since: &BTreeMap<Place, Since>) -> Result<(), ClusterError> {
    let missing: Vec<_> = since.iter().filter(|(_, since)| **since == Since::NotServed).collect();
    let is_due = || {
        let mut open = shared.feeds.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = open.asked.is_none_or(|asked| asked.elapsed() >= WAIT);
        if is_due {
            open.asked = Some(Instant::now());
        }
        is_due
    };
    if missing.is_empty() || !is_due() {
        return Ok(());
    }
    let served = shared.refreshed().await?;
    let is_there = missing.iter().any(|(place, _)| matches!(served.kind(&place.kind), Kind::Served(_)));
    if is_there { Err(Failure::CursorExpired.into()) } else { Ok(()) }
}

/// The last state of each object, and every object that went.
fn changes(told: Vec<Change>, since: &BTreeMap<Place, Since>) -> Changes {
    let mut changes = Changes::none(cursor::write(since));
    let mut present: BTreeMap<ResourceKey, Option<Resource>> = BTreeMap::new();
    for change in told {
        match change {
            Change::Present(object) => {
                present.insert(object.key().clone(), Some(object));
            }
            Change::Gone(object) => {
                if let Some(uid) = object.uid() {
                    changes.gone.push((object.key().clone(), uid.into()));
                }
                present.insert(object.key().clone(), None);
            }
        }
    }
    changes.changed = present.into_values().flatten().collect();
    changes
}
