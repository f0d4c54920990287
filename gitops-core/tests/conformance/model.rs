//! `k8s/roundtrip.json` against the model: what a server stored fits its schema and is in stored form already.

use std::path::Path;

use gitops_core::model::{ApiModel, KindFacts};
use gitops_core::resource::Resource;
use gitops_core::ssa::{Duplicates, Typed};
use gitops_core::value::Value;

use crate::{Case, recording};

type Json = serde_json::Value;

/// Every live object of a built-in kind, and of the recorded CRDs.
pub(crate) fn stored_form(folder: &Path) -> Option<Vec<Case>> {
    let recorded = recording(folder, "k8s/roundtrip.json")?;
    let crds = recording(folder, "k8s/crds.json")?;
    let crds: Vec<_> = crds.as_array().unwrap().iter().filter_map(resource).collect();
    let model = ApiModel::builtin().with_crds(&crds);
    let live = |case: &Json| Some((case["id"].as_str()?.to_owned(), resource(&case["live"])?));
    let cases = recorded.as_array().unwrap().iter().filter_map(live);
    Some(cases.map(|(id, live)| Case { id, verdict: check(&model, &live) }).collect())
}

fn resource(json: &Json) -> Option<Resource> {
    Resource::new(Value::from_serialize(json).unwrap()).ok()
}

fn check(model: &ApiModel, live: &Resource) -> Result<(), String> {
    let kind = &live.key().group_kind;
    let KindFacts::Served(_) = model.kind(kind) else { return Err(format!("{kind} is not known")) };
    let of = model.schema(kind, live.version());
    if let Err(errors) = Typed::new(live.value().clone(), of, Duplicates::Allow) {
        return Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    let stored = of.stored(live.tree());
    if stored.root() == live.tree() { Ok(()) } else { Err(format!("{} is stored otherwise", live.key())) }
}
