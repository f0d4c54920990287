//! `diff` and `status`: looking, not touching.

use gitops_core::diff::{Sides, Unified};
use gitops_core::reconcile::{Looked, Report};
use gitops_core::source::Target;
use gitops_core::sync::Hold;
use gitops_core::value::Value;

use crate::cli::{self, Format, Output};
use crate::render::{self, Family, Paint};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, Failure, say};

pub(super) fn diff(args: &cli::Diff, paint: Paint) -> Result<Answer, Failure> {
    let output = args.look.world.output;
    let format = args.format.unwrap_or_default();
    let is_patch = matches!(format, Format::JsonPatch | Format::MergePatch);
    if output != Output::Text && args.format.is_some() && !is_patch {
        return Err("this `--format` is a text; leave it out, or leave out `-o`".into());
    }
    let (_, looked, report) = report(&args.look)?;
    let text = match (format, output) {
        (Format::JsonPatch, _) => patches(&looked, &report, Sides::json_patch, output)?,
        (Format::MergePatch, _) => patches(&looked, &report, Sides::merge_patch, output)?,
        (_, Output::Text) => {
            let style = Unified::default().with_context(args.context);
            render::diff(&report, &looked, format, &style, paint)
                + &render::rules(&report, paint)
                + &render::problems(&report.problems, paint)
        }
        (_, output) => machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: render::code(&report) })
}

/// Patches are for programs, so problems go to standard error.
fn patches(looked: &Looked, report: &Report, patch: fn(&Sides) -> Value, output: Output) -> Result<String, Failure> {
    say(&render::problems(&report.problems, Paint::Off));
    let patches = render::patches(report, looked, patch);
    if output == Output::Yaml { render::yaml(&patches) } else { render::json(&patches) }
}

pub(super) fn status(args: &cli::Look, paint: Paint) -> Result<Answer, Failure> {
    let (world, report) = followed(args)?;
    let text = match args.world.output {
        Output::Text => tree_and_summary(&report, &world, paint)?,
        output => machine_readable(&report, output)?,
    };
    Ok(Answer { text, code: render::code(&report) })
}

/// Looks at what is followed: where a rollback holds, what it went to.
fn followed(args: &cli::Look) -> Result<(Site, Report), Failure> {
    let world = Site::open(&args.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.source)?;
    let (source, mut app) = (subject.source()?, subject.app(None)?);
    let mut looked = world::look(&app, &source, &world)?;
    let holds = |hold: &&Hold| looked.desired.revisions.iter().any(|revision| hold.holds(&revision.id));
    if let Some(hold) = looked.ledger.hold.as_ref().filter(holds) {
        app.target = Target::new(hold.to.as_str());
        looked = world::look(&app, &source, &world)?;
    }
    let report = Report::new(&app, &looked, world.now());
    Ok((world, report))
}

fn report(args: &cli::Look) -> Result<(Site, Looked, Report), Failure> {
    let world = Site::open(&args.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.source)?;
    let (source, app) = (subject.source()?, subject.app(None)?);
    let looked = world::look(&app, &source, &world)?;
    let report = Report::new(&app, &looked, world.now());
    Ok((world, looked, report))
}

/// The tree, what is wrong, and the summary as the last line.
pub(super) fn tree_and_summary(report: &Report, world: &Site, paint: Paint) -> Result<String, Failure> {
    let family = world.finish(Family::of(report, world.cluster(), world.now()))??;
    let parts = [
        render::tree(report, &family, paint),
        render::problems(&report.problems, paint),
        render::info(report),
        render::summary(report, paint),
    ];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
}

pub(super) fn machine_readable(report: &Report, output: Output) -> Result<String, Failure> {
    if output == Output::Yaml { render::yaml(report) } else { render::json(report) }
}
