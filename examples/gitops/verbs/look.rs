//! `diff`, `plan` and `status`: looking, not touching.

use gitops_core::reconcile::{Looked, Report};
use gitops_core::time::Timer;

use crate::cli::{self, Output};
use crate::render::{self, Family, Paint};
use crate::world::{self, Access, Embedded, finish};
use crate::{Answer, ERROR, Failure};

pub(super) fn diff(args: &cli::Look, paint: Paint) -> Result<Answer, Failure> {
    let (_, report) = report(args)?;
    let text = match args.world.output {
        Output::Text => {
            render::diff(&report, paint) + &render::rules(&report, paint) + &render::problems(&report.problems, paint)
        }
        output => machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: render::code(&report) })
}

pub(super) fn status(args: &cli::Look, paint: Paint) -> Result<Answer, Failure> {
    let (world, report) = report(args)?;
    let text = match args.world.output {
        Output::Text => tree_and_summary(&report, &world, paint)?,
        output => machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: render::code(&report) })
}

pub(super) fn plan(look: &cli::Look, prune: &cli::Prune, paint: Paint) -> Result<Answer, Failure> {
    let world = Embedded::open(&look.world.cluster, Access::Read)?;
    let source = world::open_source(&look.source.app)?;
    let app = world::app(&look.source, Some(prune))?;
    let looked = world::look(&app, &source, &world)?;
    let report = Report::new(&app, &looked, world.time.now());
    planned(&looked, &report, look.world.output, paint)
}

/// Shows a plan that is not carried out.
pub(super) fn planned(looked: &Looked, report: &Report, output: Output, paint: Paint) -> Result<Answer, Failure> {
    let text = match output {
        Output::Text => {
            // A plan prints its own problems.
            let rest = report.problems.iter().filter(|problem| !looked.plan.problems.contains(problem));
            format!("{}{}", looked.plan, render::problems(&rest.cloned().collect::<Vec<_>>(), paint))
        }
        Output::Json => render::json(&looked.plan)?,
        Output::Yaml => render::yaml(&looked.plan)?,
    };
    let code = if report.is_blocked() { ERROR } else { u8::from(!looked.plan.is_empty()) };
    Ok(Answer { text, code })
}

fn report(args: &cli::Look) -> Result<(Embedded, Report), Failure> {
    let world = Embedded::open(&args.world.cluster, Access::Read)?;
    let source = world::open_source(&args.source.app)?;
    let app = world::app(&args.source, None)?;
    let looked = world::look(&app, &source, &world)?;
    let report = Report::new(&app, &looked, world.time.now());
    Ok((world, report))
}

/// The tree, what is wrong, and the summary as the last line.
pub(super) fn tree_and_summary(report: &Report, world: &Embedded, paint: Paint) -> Result<String, Failure> {
    let family = finish(Family::of(report, &world.cluster, world.time.now()))??;
    let parts = [
        render::tree(report, &family, paint),
        render::problems(&report.problems, paint),
        render::summary(report, paint),
    ];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
}

pub(super) fn machine_readable(report: &Report, output: Output) -> Result<String, Failure> {
    if output == Output::Yaml { render::yaml(report) } else { render::json(report) }
}
