//! `plan`: what a sync would do; printed, or stored for review; and plans that were stored.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use gitops_core::cluster::Cluster;
use gitops_core::plan::{Plan, StoredPlan, Validity};
use gitops_core::policy::Prune;
use gitops_core::reconcile::{self, App, Looked, Report};

use crate::cli::{self, Output, PlanOutput};
use crate::render::{self, Paint};
use crate::repository::Repository;
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, ERROR, Failure, whole_file};

pub(super) fn plan(args: &cli::Plan, paint: Paint) -> Result<Answer, Failure> {
    let world = Site::open(&args.cluster, Access::Read)?;
    let subject = Subject::of(&args.source)?;
    let (source, mut app) = (subject.source()?, subject.app(Some(&args.prune))?);
    world::ask(&mut app, &args.select, &world)?;
    let looked = world::look(&app, &source, &world)?;
    let report = Report::new(&app, &looked, world.now());
    match &args.output {
        PlanOutput::Print(output) => planned(&looked, &report, *output, paint),
        PlanOutput::File(file) => {
            may_hold_plan(file)?;
            let text = render::json(&StoredPlan::new(&looked.plan, &looked.forecasts))?;
            let written = whole_file::target(file)
                .and_then(|file| whole_file::replace(&file, |to| to.write_all(text.as_bytes())));
            written.map_err(|error| format!("`{}` cannot be written: {error}", file.display()))?;
            let mut answer = planned(&looked, &report, Output::Text, paint)?;
            let (digest, file) = (looked.plan.digest(), render::clean(&file.to_string_lossy()));
            answer.text += &format!("plan {} is in {file}\n", digest.short());
            Ok(answer)
        }
    }
}

/// Refuses to write a plan over anything but an older plan, or a file without content.
fn may_hold_plan(file: &Path) -> Result<(), Failure> {
    const FORMAT: &str = "gitops.rs/plan/";
    let Ok(found) = File::open(file) else { return Ok(()) };
    let mut start = Vec::new();
    // What cannot be read is told when it is written.
    if found.take(4096).read_to_end(&mut start).is_ok()
        && !start.is_empty()
        && !String::from_utf8_lossy(&start).contains(FORMAT)
    {
        let name = render::clean(&file.to_string_lossy());
        return Err(format!("`{name}` is there, and is no plan; remove it, or name another file").into());
    }
    Ok(())
}

/// Shows a plan that is not carried out.
pub(super) fn planned(looked: &Looked, report: &Report, output: Output, paint: Paint) -> Result<Answer, Failure> {
    let stored = StoredPlan::new(&looked.plan, &looked.forecasts);
    let text = match output {
        Output::Text => {
            // A plan prints its own problems.
            let rest = report.problems.iter().filter(|problem| !looked.plan.problems.contains(problem));
            let forecasts = render::forecasts(looked, paint);
            format!("{}{forecasts}{}", looked.plan, render::problems(&rest.cloned().collect::<Vec<_>>(), paint))
        }
        Output::Json => render::json(&stored)?,
        Output::Yaml => render::yaml(&stored)?,
    };
    let code = if report.is_blocked() { ERROR } else { u8::from(!looked.plan.is_empty()) };
    Ok(Answer { text, code })
}

/// Reads a stored plan and looks at what is still to be done of it. Whether pruning is on is what the plan says.
///
/// `cluster`: that of the world, or a copy of it.
pub(super) fn follow(
    file: &Path,
    app: &mut App,
    source: &Repository,
    cluster: &dyn Cluster,
    world: &Site,
) -> Result<Looked, Failure> {
    let name = render::clean(&file.to_string_lossy());
    let read = || {
        let mut bytes = Vec::new();
        let most = u64::try_from(Plan::LARGEST_FILE).unwrap_or(u64::MAX);
        File::open(file)?.take(most.saturating_add(1)).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = read().map_err(|error| format!("the plan `{name}` cannot be read: {error}"))?;
    let plan = Plan::from_file(&bytes).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {}", causes(cause))).unwrap_or_default();
        format!("`{name}` {error}{cause}")
    })?;
    if plan.prunes() {
        app.policy.prune = Prune::Owned;
    }
    let between = reconcile::World::new(source, cluster, world.timer());
    let (looked, validity) = world.finish(reconcile::follow(app, &plan, between))??;
    if let Validity::Narrowed { plan: rest, of } = validity {
        let (rest, all) = (rest.steps.len(), render::counted(plan.steps.len(), "step"));
        crate::say(&format!("of plan {}, {rest} of {all} are still to be done\n", of.short()));
    }
    Ok(looked)
}

fn causes(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
