//! `adopt`, `transfer` and `release`: changing who owns objects, and nothing else of them.

use std::io::{self, BufRead, IsTerminal};

use gitops_core::plan::{Intent, Request, Selection};
use gitops_core::reconcile::{self, App, Looked, Report};
use gitops_core::state::Owner;
use gitops_core::sync::Phase;

use super::{look, plan};
use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::repository::Repository;
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, ERROR, Failure};

pub(super) fn adopt(args: &cli::Adopt, paint: Paint) -> Result<Answer, Failure> {
    let (world, source, app) = open(&args.change)?;
    let app = app.with_request(Request::to_adopt(some(&args.some, &world)?));
    let from = args.from.iter().copied().map(Into::into).collect();
    let between = reconcile::World::new(&source, world.cluster(), world.timer());
    let looked = world.finish(reconcile::look_to_adopt(&app, &from, between))??;
    change(&app, &looked, &args.change, &world, paint)
}

pub(super) fn transfer(args: &cli::Transfer, paint: Paint) -> Result<Answer, Failure> {
    let (world, source, app) = open(&args.change)?;
    let app = app.with_request(Request::to_adopt(some(&args.some, &world)?));
    let from = Owner::new(&app.owner.installation, &args.from).map_err(|error| format!("`--from`: {error}"))?;
    let from = from.with_style(app.owner.style);
    let between = reconcile::World::new(&source, world.cluster(), world.timer());
    let looked = world.finish(reconcile::look_to_transfer(&app, &from, between))??;
    let answer = change(&app, &looked, &args.change, &world, paint)?;
    if args.change.dry_run || answer.code == ERROR {
        return Ok(answer);
    }
    // Also where nothing is left to take: what an earlier run took may still be in the other record.
    let struck = world.finish(reconcile::strike_out(&app, &from, world.cluster()))??;
    world.save()?;
    let mut answer = answer;
    if args.change.look.world.output == Output::Text {
        let rest = match struck.left {
            0 => format!("nothing; `gitops delete --app {} --no-hooks` removes its record", from.app),
            left => render::counted(left, "object"),
        };
        answer.text += &format!("application {} holds {rest}\n", from.app);
    }
    Ok(answer)
}

pub(super) fn release(args: &cli::Release, paint: Paint) -> Result<Answer, Failure> {
    let (world, source, app) = open(&args.change)?;
    let only = Selection::of(world::named(&args.objects, &world)?);
    let app = app.with_request(Request::to_release(only));
    let between = reconcile::World::new(&source, world.cluster(), world.timer());
    let looked = world.finish(reconcile::look_to_release(&app, between))??;
    change(&app, &looked, &args.change, &world, paint)
}

fn open(args: &cli::Change) -> Result<(Site, Repository, App), Failure> {
    let cli::Look { source: of, world: on } = &args.look;
    let world = Site::open(&on.cluster, if args.dry_run { Access::Read } else { Access::Write })?;
    let subject = Subject::of(of)?;
    if !args.dry_run {
        subject.may_be_written(world.now())?;
    }
    Ok((world, subject.source()?, subject.app(None)?))
}

fn some(args: &cli::Some, world: &Site) -> Result<Selection, Failure> {
    let only = Selection::of(world::named(&args.only, world)?);
    Ok(match &args.selector {
        Some(labels) => only.with_labels(labels.clone()),
        None => only,
    })
}

/// Shows the patches, and makes them once they are wanted.
fn change(app: &App, looked: &Looked, args: &cli::Change, world: &Site, paint: Paint) -> Result<Answer, Failure> {
    let output = args.look.world.output;
    let report = Report::new(app, looked, world.now());
    if args.dry_run || report.is_blocked() || looked.plan.is_empty() {
        let mut answer = plan::planned(looked, &report, output, paint)?;
        if output == Output::Text {
            answer.text += &patches(app, looked);
        }
        return Ok(answer);
    }
    if !args.yes && !is_wanted(app, looked)? {
        return Err("nothing was done: it was not confirmed; say `--yes` where nobody can be asked".into());
    }
    let Some(mut machine) = looked.machine(app, world.now()) else {
        return plan::planned(looked, &report, output, paint);
    };
    world.finish(reconcile::run(&mut machine, world.cluster(), world.timer()))?;
    world.save()?;
    let report = report.with_receipt(&looked.plan, machine.outcome());
    let done = report.receipt.as_ref().is_some_and(|receipt| receipt.phase == Phase::Succeeded);
    let text = match output {
        Output::Text => {
            let did = report.receipt.as_ref().map(|receipt| render::receipt(&report, receipt, paint));
            did.unwrap_or_default() + &render::problems(&report.problems, paint)
        }
        output => look::machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: if done { 0 } else { ERROR } })
}

/// Each patch line by line.
fn patches(app: &App, looked: &Looked) -> String {
    let mut text = String::new();
    for (key, mending) in looked.mendings(app) {
        text += &format!("{}\n", render::clean(&key.to_string()));
        for line in mending.to_string().lines() {
            text += &format!("  {}\n", render::clean(line));
        }
    }
    text
}

/// Asks, if there is somebody to ask; else the answer is no.
fn is_wanted(app: &App, looked: &Looked) -> io::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let does = match looked.plan.scope.intent {
        Intent::Release => "lets objects go of",
        _ => "takes objects over for",
    };
    let plan = render::clean_lines(&looked.plan.to_string());
    crate::say(&format!("{plan}{}This {does} application {}. Go on? [y/N] ", patches(app, looked), app.owner.app));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
