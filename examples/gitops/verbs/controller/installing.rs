//! `controller manifests`: what installs a controller, with the rights that its applications need.

use std::collections::BTreeSet;

use gitops_core::model::{ApiModel, KindFacts};
use gitops_core::problem::Severity;
use gitops_core::reconcile::read_desired;
use gitops_core::resource::GroupKind;
use gitops_kube::controller::Installation;

use super::super::watch::Declared;
use crate::cli::ControllerManifests;
use crate::part::How;
use crate::render::{self, Paint};
use crate::site::Site;
use crate::world::Access;
use crate::{Answer, ERROR, Failure};

pub(super) fn manifests(args: &ControllerManifests) -> Result<Answer, Failure> {
    let site = Site::open(&args.cluster, Access::Read)?;
    let mut model = site.kinds()?;
    let mut kinds = args.kinds.iter().map(|name| kind(name, &model)).collect::<Result<BTreeSet<_>, Failure>>()?;
    let mut is_whole = true;
    if !args.files.is_empty() {
        let declared =
            Declared::of(&args.files, &How { repos: &args.repos, signed: &args.signed, submodules: &args.submodules })?;
        crate::say(&render::problems(&declared.problems, Paint::Off));
        is_whole &= declared.is_whole();
        let joined = declared.joined();
        for application in &declared.applications {
            let several = joined.iter().find(|(name, _)| *name == &*application.source);
            let one = declared.sources.get(&application.source);
            let source = several.map(|(_, several)| several as &dyn gitops_core::source::Source);
            let Some(source) = source.or_else(|| one.map(|one| one as &dyn gitops_core::source::Source)) else {
                continue;
            };
            let desired = site.finish(read_desired(&application.app, source, site.cluster()))??;
            crate::say(&render::problems(&desired.problems, Paint::Off));
            is_whole &= desired.problems.iter().all(|problem| problem.severity != Severity::Blocks);
            model = model.with_crds(desired.declared.values().map(|declared| &declared.resource));
            kinds.extend(desired.declared.keys().map(|key| (*key.group_kind).clone()));
        }
    }
    let mut installation = Installation::new(&args.image).in_namespace(&args.namespace).with_kinds(kinds);
    (installation.replicas, installation.argo_cd) = (args.replicas, args.argo_cd.into());
    let (manifests, unknown) = installation.manifests(&model)?;
    for kind in &unknown {
        crate::say(&format!("warning: no right is given for {kind}, since the cluster serves no such kind\n"));
    }
    let text = manifests.iter().map(|manifest| {
        let json: serde_json::Value = serde_json::from_str(&manifest.tree().to_json())?;
        Ok(format!("---\n{}", render::yaml(&json)?))
    });
    let text = text.collect::<Result<String, Failure>>()?;
    Ok(Answer { text, code: if is_whole && unknown.is_empty() { 0 } else { ERROR } })
}

/// A kind as `KIND[.GROUP]`.
fn kind(name: &str, model: &ApiModel) -> Result<GroupKind, Failure> {
    let (kind, group) = name.split_once('.').unwrap_or((name, ""));
    let kind = GroupKind::new(group, kind);
    match model.kind(&kind) {
        KindFacts::Served(_) => Ok(kind),
        _ => Err(format!("there is no kind `{name}`; write it as `Deployment.apps`").into()),
    }
}
