//! `sync`: making the cluster as Git says.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use gitops_core::plan::Plan;
use gitops_core::reconcile::{self, App, Looked, Report, Watcher, Wish};
use gitops_core::sync::Progress;

use super::{look, plan, rollback};
use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, Failure};

pub(super) fn sync(args: &cli::Sync, paint: Paint) -> Result<Answer, Failure> {
    let cli::Look { source: of, world: on } = &args.look;
    let world = Site::open(&on.cluster, if args.dry_run { Access::Read } else { Access::Write })?;
    let subject = Subject::of(of)?;
    let (source, mut app) = (subject.source()?, subject.app(Some(&args.asked.prune))?);
    world::ask(&mut app, &args.asked.select, &world)?;
    let mut looked = match &args.asked.plan {
        Some(file) => plan::follow(file, &mut app, &source, world.cluster(), &world)?,
        None => world::look(&app, &source, &world)?,
    };
    let ends = rollback::ends(&app, &looked, &source, &world, args.resume)?;
    if args.dry_run {
        let report = Report::new(&app, &looked, world.now());
        return plan::planned(&looked, &report, on.output, paint);
    }
    subject.may_be_written(world.now())?;
    if !args.yes && !may_delete(&looked.plan)? {
        let text = "nothing was done: the deletions were not confirmed; sync without `--prune` to keep these objects";
        return Err(text.into());
    }
    let report = if ends {
        looked.ledger.hold = None;
        rollback::hold_and_carry_out(&app, &looked, &world, args.progress.then_some(on.output))?
    } else {
        carry_out(&app, &looked, &world, args.progress.then_some(on.output))?
    };
    let text = match on.output {
        Output::Text => told(&report, &world, paint)?,
        output => look::machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: render::code(&report) })
}

/// Prints what happens while it happens, line by line, to standard error: for people, or one JSON object a line.
struct Lines(Output);

impl Watcher for Lines {
    fn saw(&mut self, progress: &Progress) {
        let text = || format!("{} {}", progress.at, render::clean(&progress.to_string()));
        let line = match self.0 {
            Output::Text => text(),
            // YAML has no lines that stand alone; each JSON object is one document of it.
            Output::Json | Output::Yaml => serde_json::to_string(progress).unwrap_or_else(|_| text()),
        };
        crate::say(&format!("{line}\n"));
    }

    fn wish(&mut self) -> Wish {
        Wish::GoOn
    }
}

/// Makes the plan true, stores the cluster, and looks again. `progress`: how it tells of what happens; on a terminal it
/// does so unasked.
pub(super) fn carry_out(app: &App, looked: &Looked, world: &Site, progress: Option<Output>) -> Result<Report, Failure> {
    let Some(mut machine) = looked.machine(app, world.now()) else {
        return Ok(Report::new(app, looked, world.now()));
    };
    let progress = progress.or_else(|| io::stderr().is_terminal().then_some(Output::Text));
    let (mut lines, mut nothing) = (progress.map(Lines), ());
    let watcher: &mut dyn Watcher = match &mut lines {
        Some(lines) => lines,
        None => &mut nothing,
    };
    world.finish(reconcile::run_watched(&mut machine, world.cluster(), world.timer(), watcher))?;
    world.save()?;
    let after = world.finish(reconcile::look(app, looked.desired.as_ref().clone(), world.cluster()))??;
    Ok(Report::new(app, &after, world.now()).with_receipt(&looked.plan, machine.outcome()))
}

pub(super) fn told(report: &Report, world: &Site, paint: Paint) -> Result<String, Failure> {
    let did = match &report.receipt {
        None => "nothing to do\n".to_owned(),
        Some(receipt) => {
            let took = receipt.finished.since(receipt.started);
            let kind = if world.is_embedded() { " (virtual)" } else { "" };
            let waited = if took.is_zero() { String::new() } else { format!("took {}{kind}\n", seconds(took)) };
            render::receipt(report, receipt, paint) + &waited
        }
    };
    Ok(format!("{did}\n{}", look::tree_and_summary(report, world, paint)?))
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

/// Asks before anything is deleted, if there is somebody to ask.
///
/// Without a terminal the answer is yes: `--prune` was given, and only what is provably ours goes, within the budget.
pub(super) fn may_delete(plan: &Plan) -> io::Result<bool> {
    let going: Vec<String> = plan.losses().map(|key| format!("  {}\n", render::clean(&key.to_string()))).collect();
    if going.is_empty() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    crate::say(&format!("This deletes {}:\n{}Go on? [y/N] ", render::counted(going.len(), "object"), going.concat()));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
