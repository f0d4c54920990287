//! `log`: who changed what of the objects, when and why, as the repository has it.

use std::collections::BTreeSet;

use gitops_core::plan::Objects;
use gitops_core::reconcile;
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::source::Source;

use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::Access;
use crate::{Answer, Failure, kinds};

pub(super) fn log(args: &cli::Log, paint: Paint) -> Result<Answer, Failure> {
    // Of the cluster only its kinds matter, which say by what the items of lists are known.
    let world = Site::open(&args.look.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.look.source)?;
    let (source, app) = (subject.source()?, subject.app(None)?);
    let revision = world.finish(source.resolve(&app.target))??;
    // What cannot be read now may have been read then.
    let desired = world.finish(reconcile::read_desired(&app, &source, world.cluster()))?.unwrap_or_default();
    let declared: Vec<&Resource> = desired.declared.values().map(|declared| &declared.resource).collect();
    let named: BTreeSet<GroupKind> = declared.iter().map(|object| GroupKind::clone(&object.key().group_kind)).collect();
    let model = world.finish(world.cluster().model(&named))??.with_crds(declared);
    let only: Vec<Objects> = args
        .only
        .iter()
        .map(|only| kinds::kind(only.kind_text(), &model).map_or_else(|_| only.clone(), |kind| only.with_kind(&kind)))
        .collect();
    let mut told = world.finish(reconcile::audit(&app, &source, &model, &revision.id, args.limit))??;
    if !only.is_empty() {
        for audited in &mut told {
            audited.objects.retain(|edit| only.iter().any(|only| only.contain(&edit.key)));
        }
        told.retain(|audited| !audited.objects.is_empty() || !audited.gaps.is_empty());
    }
    let text = match args.look.world.output {
        Output::Text => render::log(&told, paint),
        Output::Json => render::json(&told)?,
        Output::Yaml => render::yaml(&told)?,
    };
    // What was unreadable once stays so for ever: that is said, and no reason to fail.
    Ok(Answer { text, code: 0 })
}
