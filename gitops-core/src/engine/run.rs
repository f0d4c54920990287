//! The thin driver of an engine: it performs work, and decides nothing.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::reconcile::Report;
use crate::time::Timestamp;

use super::{Done, Engine, Event, Item, Ports, Recorder, SpanEvent, Task, Work, WorkId};

/// How long the driver waits at most before it asks its observer again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Somebody who watches an engine, and may want something of it.
///
/// An implementor promises to return at once: nothing goes on in between.
pub trait Observer: Send {
    /// Takes a piece of news, in order.
    fn saw(&mut self, item: &Item);

    /// Returns something that the engine shall be told, such as a [`Wish`](super::Wish) or what a webhook says; asked
    /// until there is nothing, at least once a second.
    fn event(&mut self) -> Option<Event> {
        None
    }

    /// Returns whether it wants the whole report of each application, whenever that was compared. Asked once.
    fn wants_reports(&self) -> bool {
        false
    }

    /// Returns whether it wants to know what begins and ends. Asked once.
    fn wants_spans(&self) -> bool {
        false
    }

    /// Takes what began or ended, in order.
    fn span(&mut self, event: &SpanEvent) {
        let _ = event;
    }

    /// Takes the report of an application, in place of the one before.
    fn report(&mut self, report: &Report) {
        let _ = report;
    }

    /// Returns whether it is enough; asked whenever something happened.
    fn is_enough(&mut self, engine: &Engine) -> bool {
        let _ = engine;
        false
    }
}

/// Nobody watches.
impl Observer for () {
    fn saw(&mut self, _: &Item) {}
}

type Pending<'p> = Pin<Box<dyn Future<Output = Done> + Send + 'p>>;

/// Drives an engine until `stop` is ready, or its observer has enough. It spawns nothing and names no runtime.
///
/// What is under way then is awaited, and nothing new begins. An operation that has not ended is in its ledger: another
/// engine goes on with it.
pub async fn run(
    engine: &mut Engine,
    ports: &Ports<'_>,
    observer: &mut (dyn Observer + '_),
    stop: impl Future<Output = ()> + Send,
) {
    drive(engine, ports, observer, stop, None).await;
}

/// Drives an engine as [`run`] does, and records it. Nothing may have happened to the engine but that it was given its
/// applications.
pub async fn run_recorded(
    engine: &mut Engine,
    ports: &Ports<'_>,
    observer: &mut (dyn Observer + '_),
    stop: impl Future<Output = ()> + Send,
    recorder: &Recorder,
) {
    recorder.begins(&engine.settings);
    for (app, unknown) in &engine.unknown {
        recorder.unknown(app, &unknown.cluster, &unknown.why, engine.now);
    }
    engine.subjects.keys().for_each(|app| recorder.put(app, engine.now));
    drive(engine, ports, observer, stop, Some(recorder)).await;
}

async fn drive(
    engine: &mut Engine,
    ports: &Ports<'_>,
    observer: &mut (dyn Observer + '_),
    stop: impl Future<Output = ()> + Send,
    recorder: Option<&Recorder>,
) {
    let tell = |engine: &mut Engine, event: Event, now: Timestamp| {
        recorder.iter().for_each(|recorder| recorder.told(&event, now));
        engine.handle(event, now);
    };
    let mut stop = pin!(stop);
    let mut pending: Vec<(WorkId, Pending<'_>)> = Vec::new();
    let mut is_over = false;
    if observer.wants_reports() {
        engine.keep_reports();
    }
    if observer.wants_spans() {
        engine.keep_spans();
    }
    loop {
        let now = ports.timer.now();
        while let Some(event) = observer.event() {
            tell(engine, event, now);
        }
        loop {
            let work = engine.next_work(now);
            recorder.iter().for_each(|recorder| recorder.gave(work.as_ref(), now));
            let Some(Work { id, task }) = work else { break };
            pending.push((id, perform(ports, id, task, recorder)));
        }
        while let Some(item) = engine.next_news() {
            recorder.iter().for_each(|recorder| recorder.news(&item));
            observer.saw(&item);
        }
        while let Some(report) = engine.next_report() {
            observer.report(&report);
        }
        while let Some(event) = engine.next_span() {
            observer.span(&event);
        }
        if !is_over && observer.is_enough(engine) {
            is_over = true;
            tell(engine, Event::Stop, now);
        }
        if is_over && engine.has_stopped() {
            return;
        }
        let patience = now + PATIENCE;
        let wake = engine.wake_at().map_or(patience, |at| at.min(patience));
        let mut sleep = ports.timer.sleep_until(wake);
        let done = poll_fn(|context| {
            // First, since work may be done all the time.
            if !is_over && stop.as_mut().poll(context).is_ready() {
                is_over = true;
                return Poll::Ready(None);
            }
            if let Some(done) = first(&mut pending, context) {
                return Poll::Ready(Some(done));
            }
            sleep.as_mut().poll(context).map(|()| None)
        });
        let done = done.await;
        drop(sleep);
        let now = ports.timer.now();
        match done {
            Some((id, done)) => tell(engine, Event::Done { id, done }, now),
            None if is_over => tell(engine, Event::Stop, now),
            None => {}
        }
    }
}

fn perform<'p>(ports: &'p Ports<'p>, id: WorkId, task: Task, recorder: Option<&'p Recorder>) -> Pending<'p> {
    match recorder {
        Some(recorder) => Box::pin(recorder.perform(ports, id, task)),
        None => Box::pin(ports.perform(task)),
    }
}

/// Returns the first piece of work that is done.
fn first(pending: &mut Vec<(WorkId, Pending<'_>)>, context: &mut Context<'_>) -> Option<(WorkId, Done)> {
    let mut found = None;
    for (at, (id, work)) in pending.iter_mut().enumerate() {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            found = Some((at, *id, done));
            break;
        }
    }
    let (at, id, done) = found?;
    drop(pending.swap_remove(at));
    Some((id, done))
}
