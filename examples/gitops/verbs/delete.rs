//! `delete`: ending an application, and what it applied.

use std::io::{self, BufRead, IsTerminal};

use gitops_core::plan::{HookRun, Intent, Plan, Request};
use gitops_core::problem::Severity;
use gitops_core::reconcile::{self, Report};
use gitops_core::resource::Propagation;
use gitops_core::sync::Phase;

use super::{look, plan};
use crate::cli::{self, Cascade, Output};
use crate::render::{self, Paint};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, ERROR, Failure};

pub(super) fn delete(args: &cli::Delete, paint: Paint) -> Result<Answer, Failure> {
    let cli::Look { source: of, world: on } = &args.look;
    let world = Site::open(&on.cluster, if args.dry_run { Access::Read } else { Access::Write })?;
    let subject = Subject::of(of)?;
    let (source, mut app) = (subject.source()?, subject.app(None)?);
    let request = if args.orphan { Request::to_orphan() } else { Request::to_delete() };
    app.request = world::confirmed(request, &args.confirm, &world)?;
    if !args.orphan {
        app.request.scope.propagation = args.propagation.map(propagation);
    }
    if args.no_hooks {
        app.request.hooks = HookRun::Never;
    }
    let between = reconcile::World::new(&source, world.cluster(), world.timer());
    let looked = match args.orphan {
        true => world.finish(reconcile::look_to_orphan(&app, between))??,
        false => world.finish(reconcile::look_to_delete(&app, between))??,
    };
    if !looked.ledger.is_stored() {
        let name = &app.owner.app;
        let text = format!("application `{name}` was never synced to this cluster, so there is nothing to delete");
        return Err(format!("{text}; name another one with `--app`").into());
    }
    let stopped = looked.plan.problems.iter().any(|problem| problem.severity == Severity::Blocks);
    if args.dry_run || stopped {
        let report = Report::new(&app, &looked, world.now());
        let answer = plan::planned(&looked, &report, on.output, paint)?;
        return Ok(Answer { code: if stopped { ERROR } else { 1 }, ..answer });
    }
    subject.may_be_written(world.now())?;
    if !args.yes && !is_wanted(&looked.plan, &app.owner.app)? {
        return Err("nothing was done: the deletion was not confirmed; say `--yes` where nobody can be asked".into());
    }
    let Some(mut machine) = looked.machine(&app, world.now()) else {
        return Err("nothing was done: there is nothing to delete".into());
    };
    world.finish(reconcile::run(&mut machine, world.cluster(), world.timer()))?;
    world.save()?;
    let report = Report::new(&app, &looked, world.now()).with_receipt(&looked.plan, machine.outcome());
    let done = report.receipt.as_ref().is_some_and(|receipt| receipt.phase == Phase::Succeeded);
    let text = match on.output {
        Output::Text => told(&report, done, paint),
        output => look::machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: if done { 0 } else { ERROR } })
}

fn told(report: &Report, done: bool, paint: Paint) -> String {
    let mut text = report.receipt.as_ref().map(|receipt| render::receipt(report, receipt, paint)).unwrap_or_default();
    for skipped in &report.plan.skipped {
        text += &format!("kept  {}\n", render::clean(&skipped.in_words(report.plan.scope.intent)));
    }
    text += &render::problems(&report.problems, paint);
    if done {
        let what =
            if report.plan.scope.intent == Intent::Orphan { "is ended, and its objects stay" } else { "is deleted" };
        text += &format!("application {} {what}\n", report.app);
    }
    text
}

fn propagation(cascade: Cascade) -> Propagation {
    match cascade {
        Cascade::Foreground => Propagation::Foreground,
        Cascade::Background => Propagation::Background,
        Cascade::Orphan => Propagation::Orphan,
    }
}

/// Asks, if there is somebody to ask; else the answer is no.
fn is_wanted(plan: &Plan, app: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let does = if plan.scope.intent == Intent::Orphan { "ends" } else { "deletes" };
    crate::say(&format!("{}This {does} application {app}. Go on? [y/N] ", render::clean_lines(&plan.to_string())));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
