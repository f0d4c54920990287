//! `validate`: are the manifests fit for a sync? What runs is not looked at.

use gitops_core::problem::Severity;
use gitops_core::reconcile;
use gitops_core::state::DesiredState;

use crate::cli::{self, Output};
use crate::render::{self, Paint, counted};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::Access;
use crate::{Answer, ERROR, Failure};

pub(super) fn validate(args: &cli::Look, paint: Paint) -> Result<Answer, Failure> {
    // Of the cluster only its kinds matter: those of CRDs that were synced before are known.
    let world = Site::open(&args.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.source)?;
    let (source, app) = (subject.source()?, subject.app(None)?);
    let desired = world.finish(reconcile::read_desired(&app, &source, world.cluster()))??;
    let text = match args.world.output {
        Output::Text => render::problems(&desired.problems, paint) + &summary(&desired),
        Output::Json => render::json(&desired.problems)?,
        Output::Yaml => render::yaml(&desired.problems)?,
    };
    Ok(Answer { text, code: if errors(&desired) > 0 { ERROR } else { 0 } })
}

fn errors(desired: &DesiredState) -> usize {
    desired.problems.iter().filter(|problem| problem.severity == Severity::Blocks).count()
}

fn summary(desired: &DesiredState) -> String {
    let revisions: Vec<String> = desired.revisions.iter().map(render::revision).collect();
    let (objects, errors) = (counted(desired.declared.len(), "object"), counted(errors(desired), "error"));
    format!("{objects}, {errors} at {}\n", revisions.join(" and "))
}
