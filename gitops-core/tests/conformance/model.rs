//! `k8s/roundtrip.json` against the model: what a server stored fits its schema and is in stored form already, and what
//! it filled in is what the model says of absent fields. Each also with the OpenAPI documents of the cluster on top,
//! which say less of built-in kinds than is known of them.

use std::path::Path;

use gitops_core::model::{ApiModel, FieldDefault, KindFacts, TypeRef};
use gitops_core::resource::Resource;
use gitops_core::ssa::{Duplicates, Typed};
use gitops_core::value::{Value, ValueRef, View};

use crate::{Case, recording};

type Json = serde_json::Value;

/// Every live object of a built-in kind, and of the recorded CRDs.
pub(crate) fn stored_form(folder: &Path) -> Option<Vec<Case>> {
    all_stored_form(folder, &model(folder)?)
}

/// The same with the documents of the cluster.
pub(crate) fn stored_form_openapi(folder: &Path) -> Option<Vec<Case>> {
    all_stored_form(folder, &with_documents(folder)?)
}

fn all_stored_form(folder: &Path, model: &ApiModel) -> Option<Vec<Case>> {
    let recorded = recording(folder, "k8s/roundtrip.json")?;
    let live = |case: &Json| Some((case["id"].as_str()?.to_owned(), resource(&case["live"])?));
    let cases = recorded.as_array().unwrap().iter().filter_map(live);
    Some(cases.map(|(id, live)| Case { id, verdict: check(model, &live) }).collect())
}

/// Every object that was stored, beside what was sent: an absent field has become what the model says.
pub(crate) fn defaults(folder: &Path) -> Option<Vec<Case>> {
    all_defaults(folder, &model(folder)?)
}

/// The same with the documents of the cluster.
pub(crate) fn defaults_openapi(folder: &Path) -> Option<Vec<Case>> {
    all_defaults(folder, &with_documents(folder)?)
}

fn all_defaults(folder: &Path, model: &ApiModel) -> Option<Vec<Case>> {
    let recorded = recording(folder, "k8s/roundtrip.json")?;
    let both =
        |case: &Json| Some((case["id"].as_str()?.to_owned(), resource(&case["desired"])?, resource(&case["live"])?));
    let verdict = |sent: Resource, live: Resource| {
        let of = model.schema(&live.key().group_kind, live.version());
        let (sent, mut wrong) = (of.stored(sent.tree()), Vec::new());
        filled(of, sent.root(), live.tree(), &mut Vec::new(), &mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    };
    let cases = recorded.as_array().unwrap().iter().filter_map(both);
    Some(cases.map(|(id, sent, live)| Case { id, verdict: verdict(sent, live) }).collect())
}

/// Compares what became of absent fields. The status is reported, not sent.
fn filled<'a>(
    of: TypeRef<'a>,
    sent: ValueRef<'a>,
    live: ValueRef<'a>,
    path: &mut Vec<&'a str>,
    wrong: &mut Vec<String>,
) {
    match (sent.view(), live.view()) {
        (View::Map(sent), View::Map(live)) => {
            let is_root = path.is_empty();
            for name in of.fields().filter(|name| !is_root || &***name != "status") {
                path.push(name);
                let is_value = |value: &ValueRef<'_>| !value.is_null() || of.field(name).is_nullable();
                let (sent, live) = (sent.get(name).filter(is_value), live.get(name).filter(is_value));
                match (sent, of.default_of(name), live) {
                    (Some(sent), _, Some(live)) => filled(of.field(name), sent, live, path, wrong),
                    (None, FieldDefault::Known(default), Some(live)) => {
                        let mut default = default.root().to_draft();
                        of.field(name).fill_defaults(&mut default);
                        let default = default.freeze();
                        if of.field(name).stored(default.root()).root() != live {
                            wrong.push(format!("{}: not {} but {}", path.join("."), default.to_json(), live.to_json()));
                        }
                    }
                    (None, FieldDefault::Known(_), None) => wrong.push(format!("{}: not filled in", path.join("."))),
                    (None, FieldDefault::None, Some(live)) => {
                        wrong.push(format!("{}: filled in with {}", path.join("."), live.to_json()));
                    }
                    _ => {}
                }
                path.pop();
            }
        }
        (View::List(sent), View::List(live)) if sent.len() == live.len() => {
            sent.iter().zip(live).for_each(|(sent, live)| filled(of.element(), sent, live, path, wrong));
        }
        _ => {}
    }
}

fn model(folder: &Path) -> Option<ApiModel> {
    let crds = recording(folder, "k8s/crds.json")?;
    let crds: Vec<_> = crds.as_array().unwrap().iter().filter_map(resource).collect();
    Some(ApiModel::builtin().with_crds(&crds))
}

/// The built-in kinds and the recorded CRDs, under the documents in `../schema/openapi`, one file a group and version.
fn with_documents(folder: &Path) -> Option<ApiModel> {
    let documents = folder.join("../schema/openapi");
    let names = recording(&documents, "_files.json")?;
    let mut model = model(folder)?;
    for name in names.as_array().unwrap().iter().filter_map(Json::as_str) {
        let group_version = match name.strip_prefix("apis_") {
            Some(name) => name.split_once('_').map(|(group, version)| format!("{group}/{version}")),
            None => name.strip_prefix("api_").map(str::to_owned),
        };
        if let Some(group_version) = group_version {
            let document = std::fs::read(documents.join(format!("{name}.json"))).unwrap();
            model = model.with_openapi(&group_version, &document);
        }
    }
    Some(model)
}

fn resource(json: &Json) -> Option<Resource> {
    Resource::new(Value::from_serialize(json).unwrap()).ok()
}

fn check(model: &ApiModel, live: &Resource) -> Result<(), String> {
    let kind = &live.key().group_kind;
    let KindFacts::Served(_) = model.kind(kind) else { return Err(format!("{kind} is not known")) };
    if let Some(flaw) = model.flaws(kind).next() {
        return Err(format!("schema: {flaw}"));
    }
    let of = model.schema(kind, live.version());
    if let Err(errors) = Typed::new(live.value().clone(), of, Duplicates::Allow) {
        return Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    }
    let stored = of.stored(live.tree());
    if stored.root() == live.tree() { Ok(()) } else { Err(format!("{} is stored otherwise", live.key())) }
}
