//! Watches that stay open: each is told what changed, for as long as somebody listens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gitops_core::memory::OpenWatch;
use gitops_core::value::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{PATIENCE, Part, Shared};

/// How long a watch goes on if the client does not say. A real server takes 30 to 60 minutes.
const OPEN: Duration = Duration::from_secs(1800);
/// The longest that a client may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// When the first bookmark comes, and the others after it.
const FIRST_MARK: Duration = Duration::from_secs(1);
const MARKS: Duration = Duration::from_secs(60);
/// How often is looked for what changed otherwise than by a request, such as what controllers do in time.
const LOOK: Duration = Duration::from_millis(100);
/// How many parts wait for a client that is slow.
const WAITING: usize = 16;

/// Goes on with a watch, after what it began with. It ends when nobody listens any more.
pub(super) fn follow(shared: &Arc<Shared>, open: OpenWatch, first: Bytes) -> Receiver<Part> {
    let (sender, receiver) = channel(WAITING);
    if !first.is_empty() {
        // There is room for it.
        sender.try_send(Ok(first)).unwrap_or_default();
    }
    tokio::spawn(tell(Arc::clone(shared), open, sender));
    receiver
}

async fn tell(shared: Arc<Shared>, mut open: OpenWatch, sender: Sender<Part>) {
    let mut cuts = shared.cuts.subscribe();
    let begin = Instant::now();
    let end = begin + open.timeout_seconds().map_or(OPEN, Duration::from_secs).min(LONGEST);
    let mut mark = begin + FIRST_MARK;
    loop {
        // Before looking: what comes after wakes us.
        let mut news = std::pin::pin!(shared.news.notified());
        news.as_mut().enable();
        let is_marked = open.takes_bookmarks() && Instant::now() >= mark;
        if is_marked {
            mark = Instant::now() + MARKS;
        }
        let (events, goes_on) = shared.cluster.go_on(&mut open, is_marked);
        let told = async {
            match events.is_empty() {
                true => true,
                false => matches!(timeout(PATIENCE, sender.send(Ok(lines(&events)))).await, Ok(Ok(()))),
            }
        };
        let is_heard = tokio::select! {
            () = sleep_until(end) => return,
            _ = cuts.changed() => return cut(&sender),
            is_heard = told => is_heard,
        };
        if !is_heard || !goes_on {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = sleep_until(end) => return,
            _ = cuts.changed() => return cut(&sender),
            () = news => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// Breaks a watch off. Whoever does not listen, or is far behind, does not miss it.
fn cut(sender: &Sender<Part>) {
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "the watch was cut");
    sender.try_send(Err(broken)).unwrap_or_default();
}

/// Events as they go over the wire: one a line.
pub(super) fn lines(events: &[Value]) -> Bytes {
    let mut text = String::new();
    for event in events {
        text.push_str(&event.to_json());
        text.push('\n');
    }
    text.into()
}
