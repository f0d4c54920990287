//! Driving a machine while somebody watches, and may stop it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::sync::{Event, Machine, Progress};
use crate::time::{Timer, Timestamp};

use super::perform;

/// How many effects are under way at once. A cluster may have limits of its own.
const AT_ONCE: usize = 32;

/// Effects under way.
type Pending<'p> = Vec<Pin<Box<dyn Future<Output = Event> + Send + 'p>>>;

/// How long whoever watches is not asked at most.
const ASKS: Duration = Duration::from_secs(5);

/// Somebody who watches an operation and may stop it.
///
/// An implementor promises to return at once: nothing goes on in between.
pub trait Watcher: Send {
    /// Takes a piece of news, in order.
    fn saw(&mut self, progress: &Progress);

    /// Says what to do next. Asked before each effect, and at least every five seconds while the machine waits.
    fn wish(&mut self) -> Wish;
}

/// What somebody who watches wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all there is to want")]
pub enum Wish {
    /// To go on.
    #[default]
    GoOn,
    /// To make room for a newer revision at the next safe point: running hooks end first.
    Supersede,
    /// To stop now: nothing new is written, and running hooks are deleted.
    Terminate,
}

/// Nobody watches.
impl Watcher for () {
    fn saw(&mut self, _: &Progress) {}

    fn wish(&mut self) -> Wish {
        Wish::GoOn
    }
}

/// Drives a machine to its end.
pub async fn run(machine: &mut Machine, cluster: &dyn Cluster, timer: &dyn Timer) {
    drive(machine, cluster, timer, &mut ()).await;
}

/// Drives a machine to its end, tells `watcher` what happens, and does what it wishes.
pub async fn run_watched(
    machine: &mut Machine,
    cluster: &dyn Cluster,
    timer: &dyn Timer,
    watcher: &mut (dyn Watcher + '_),
) {
    machine.watch();
    drive(machine, cluster, timer, watcher).await;
    tell(machine, watcher);
}

async fn drive(machine: &mut Machine, cluster: &dyn Cluster, timer: &dyn Timer, watcher: &mut (dyn Watcher + '_)) {
    let mut wished = Wish::GoOn;
    let mut pending = Pending::new();
    while machine.outcome().is_none() {
        tell(machine, watcher);
        let wish = watcher.wish();
        if wish != std::mem::replace(&mut wished, wish) {
            match wish {
                Wish::GoOn => {}
                Wish::Supersede => machine.handle(Event::Superseded, timer.now()),
                Wish::Terminate => machine.handle(Event::Terminate, timer.now()),
            }
            continue;
        }
        let effect = if pending.len() < AT_ONCE { machine.next_effect() } else { None };
        if let Some(effect) = effect {
            pending.push(Box::pin(perform(effect, cluster)));
            // What needs no waiting is told before anything else begins.
            if let Some(event) = poll_fn(|context| Poll::Ready(first(&mut pending, context))).await {
                machine.handle(event, timer.now());
            }
        } else if !pending.is_empty() {
            let event = next(&mut pending, machine.wake_at(), timer).await;
            machine.handle(event, timer.now());
        } else if let Some(at) = machine.wake_at() {
            // Whoever watches is asked again before long, however late the machine wants to go on.
            timer.sleep_until(at.min(timer.now() + ASKS)).await;
            machine.handle(Event::Tick, timer.now());
        } else {
            // Nothing to do and nothing to wait for, and no receipt: a machine never does that. Rather end than spin.
            machine.handle(Event::Terminate, timer.now());
            if machine.next_effect().is_none() {
                return;
            }
        }
    }
    // A write that is dropped is in doubt, also when nobody asks what became of it.
    for rest in pending {
        rest.await;
    }
}

/// Waits for an answer, or until the machine wants to know that time has passed.
async fn next(pending: &mut Pending<'_>, wake_at: Option<Timestamp>, timer: &dyn Timer) -> Event {
    let mut sleep = wake_at.map(|at| timer.sleep_until(at));
    poll_fn(|context| match (first(pending, context), &mut sleep) {
        (Some(event), _) => Poll::Ready(event),
        (None, Some(sleep)) => sleep.as_mut().poll(context).map(|()| Event::Tick),
        (None, None) => Poll::Pending,
    })
    .await
}

/// Returns the first answer that is there.
fn first(pending: &mut Pending<'_>, context: &mut Context<'_>) -> Option<Event> {
    let mut found = None;
    for (at, effect) in pending.iter_mut().enumerate() {
        if let Poll::Ready(event) = effect.as_mut().poll(context) {
            found = Some((at, event));
            break;
        }
    }
    let (at, event) = found?;
    drop(pending.remove(at));
    Some(event)
}

fn tell(machine: &mut Machine, watcher: &mut (dyn Watcher + '_)) {
    while let Some(progress) = machine.next_progress() {
        watcher.saw(&progress);
    }
}
