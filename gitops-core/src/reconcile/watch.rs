//! Driving a machine while somebody watches, and may stop it.

use crate::cluster::Cluster;
use crate::sync::{Event, Machine, Progress};
use crate::time::Timer;

use super::perform;

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
        if let Some(effect) = machine.next_effect() {
            let event = perform(effect, cluster).await;
            machine.handle(event, timer.now());
        } else if let Some(at) = machine.wake_at() {
            timer.sleep_until(at).await;
            machine.handle(Event::Tick, timer.now());
        } else {
            // Nothing to do and nothing to wait for, and no receipt: a machine never does that. Rather end than spin.
            machine.handle(Event::Terminate, timer.now());
            if machine.next_effect().is_none() {
                return;
            }
        }
    }
}

fn tell(machine: &mut Machine, watcher: &mut (dyn Watcher + '_)) {
    while let Some(progress) = machine.next_progress() {
        watcher.saw(&progress);
    }
}
