//! `argo/tracking.json`: how Argo CD writes and reads the name of the application that an object belongs to.
//!
//! Many recorded objects have neither kind nor name: they are completed to a Pod, and so are the ids written for them.

use std::collections::BTreeSet;
use std::path::Path;

use gitops_core::cluster::{PatchStep, Verb};
use gitops_core::diff::{ChangeReason, Context, Outcome, compare_one, orphan, stamp};
use gitops_core::model::ApiModel;
use gitops_core::path::FieldPath;
use gitops_core::resource::Resource;
use gitops_core::state::{Inventory, Live, Owner, Tracking, TrackingStyle};

use crate::sync_order::complete;
use crate::{Case, recording};

type Json = serde_json::Value;
type Verdict = Result<(), String>;

const ANNOTATION: &str = "argocd.argoproj.io/tracking-id";
const LABEL: &str = "app.kubernetes.io/instance";

pub(crate) fn tracking(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/tracking.json")?;
    let case = |case: &Json| {
        let (function, name) = (case["function"].as_str().unwrap(), case["name"].as_str().unwrap());
        Case { id: format!("{function}:{name}"), verdict: check(function, &case["input"], &case["expected"]) }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn check(function: &str, input: &Json, expected: &Json) -> Verdict {
    let text = |field: &str| input[field].as_str().unwrap_or_default().to_owned();
    let method = text("trackingMethod");
    match function {
        "ParseAppInstanceValue" => {
            let got = Tracking::parse(&text("value")).map(|id| {
                serde_json::json!({
                    "applicationName": &*id.app,
                    "group": id.key.group(),
                    "kind": id.key.kind(),
                    "namespace": id.key.namespace.as_deref().unwrap_or(""),
                    "name": &*id.key.name,
                })
            });
            same(&got.unwrap_or(Json::Null), &expected["result"])
        }
        "TruncateLabel" => {
            let stamped = stamp(&complete(&Json::Null, "unnamed"), &owner("", &text("value"), "annotation+label")?);
            same(&marks(&json(&stamped))[1][LABEL], &expected["result"])
        }
        "isSelfReferencedObj" => {
            if input["live"].is_null() {
                return same(&true.into(), &expected["result"]);
            }
            let (live, owner) = (completed(&input["live"]), owner("", &text("appName"), &method)?);
            let ours = Tracking::of(&live).is_some_and(|id| owner.is(&id) && id.key == *live.key());
            same(&ours.into(), &expected["result"])
        }
        _ if method == "label" => Err("tracks by label".into()),
        "SetAppInstance" => match owner(&text("installationID"), &text("appName"), &method) {
            Err(error) => {
                if expected["error"].is_string() {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Ok(owner) => {
                let object = completed(&input["object"]);
                let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
                let placed = object.edit(|draft| {
                    if let (None, Some(namespace)) = (&object.key().namespace, namespace) {
                        draft.entry("metadata").set("namespace", namespace.as_str());
                    }
                });
                let stamped = stamp(&placed.map_err(|error| error.to_string())?, &owner);
                same(&marks(&json(&stamped)), &marks(&renamed(&expected["result"])))
            }
        },
        "GetAppName" => {
            let id = Tracking::of(&completed(&input["object"]));
            let is_ours =
                |id: &Tracking| owner(&text("installationID"), &id.app, &method).is_ok_and(|owner| owner.is(id));
            same(&id.filter(is_ours).map(|id| id.app.to_string()).unwrap_or_default().into(), &expected["result"])
        }
        "RemoveAppInstance" => removed(&completed(&input["object"]), &method, &renamed(&expected["result"])),
        "Normalize" => left(input, &method, &expected["result"]),
        _ => Err("not done here".into()),
    }
}

/// What letting an object go takes off it.
fn removed(live: &Resource, method: &str, expected: &Json) -> Verdict {
    let id = Tracking::of(live).ok_or("says of no application that it is its own")?;
    let (model, owner, inventory) = (ApiModel::builtin(), owner("", &id.app, method)?, Inventory::default());
    let mending = orphan(live, &Context::new(&model, &owner, &inventory)).ok_or("there is nothing to let go")?;
    let Verb::Patch { steps, .. } = &mending.write.verb else { return Err("is no patch".into()) };
    let mut object = json(live);
    for step in steps {
        let PatchStep::Remove(path) = step else { continue };
        let mut names: Vec<String> = path.segments().iter().map(|name| name.to_string()).collect();
        let last = names.pop().unwrap();
        let parent = names.iter().fold(&mut object, |at, name| &mut at[name.as_str()]);
        parent.as_object_mut().unwrap().remove(&last).ok_or_else(|| format!("`{path}` is not there"))?;
    }
    same(&marks(&object), &marks(expected))
}

/// Argo CD evens out how an object was tracked before it compares. What is compared here is what is left: which marks of
/// the declared object differ from the live one.
fn left(input: &Json, method: &str, expected: &Json) -> Verdict {
    let differing = |maps: &Json| {
        let [config, live] = ["config", "live"].map(|side| marks(&maps[side]));
        let names = |map: usize| config[map].as_object().cloned().unwrap_or_default().into_iter();
        let differs = |(at, map): (usize, &'static str)| {
            names(at)
                .filter(|(name, value)| live[at][name] != *value)
                .map(|(name, _)| FieldPath::fields(&["metadata", map, &name]))
                .collect::<Vec<_>>()
        };
        [(0, "annotations"), (1, "labels")].into_iter().flat_map(differs).collect::<BTreeSet<_>>()
    };
    let (desired, live) = (completed(&input["config"]), completed(&input["live"]));
    let id = Tracking::of(&desired);
    let owner = owner("", id.as_ref().map_or("nobody", |id| &*id.app), method)?;
    let (model, inventory) = (ApiModel::builtin(), Inventory::default());
    let compared = compare_one(&desired, Live::Present(&live), &Context::new(&model, &owner, &inventory));
    let Outcome::OutOfSync(changes) = &compared.outcome else {
        return same_paths(&BTreeSet::new(), &differing(expected));
    };
    // Without an id, Argo CD adds none here.
    let changes = changes.iter().filter(|change| id.is_some() || change.reason != ChangeReason::Stamp);
    same_paths(&changes.map(|change| change.path.clone()).collect(), &differing(expected))
}

fn owner(installation: &str, app: &str, method: &str) -> Result<Owner, String> {
    let owner = Owner::new(installation, app).map_err(|error| error.to_string())?;
    let style = if method == "annotation+label" { TrackingStyle::ArgoCdAndLabel } else { TrackingStyle::ArgoCd };
    Ok(owner.with_style(style))
}

fn completed(object: &Json) -> Resource {
    complete(&renamed(object), "unnamed")
}

/// Gives the id of an object without kind and name those that it is completed by.
fn renamed(object: &Json) -> Json {
    let mut object = object.clone();
    if let Some(app) = object["metadata"]["annotations"][ANNOTATION].as_str().and_then(|id| id.strip_suffix(":/:/")) {
        object["metadata"]["annotations"][ANNOTATION] = format!("{app}:/Pod:/unnamed").into();
    }
    object
}

fn json(object: &Resource) -> Json {
    serde_json::from_str(&object.tree().to_json()).unwrap()
}

/// Annotations and labels; none is as good as an empty map.
fn marks(object: &Json) -> Json {
    ["annotations", "labels"]
        .map(|map| match &object["metadata"][map] {
            Json::Null => serde_json::json!({}),
            map => map.clone(),
        })
        .to_vec()
        .into()
}

fn same(got: &Json, expected: &Json) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}

fn same_paths(got: &BTreeSet<FieldPath>, expected: &BTreeSet<FieldPath>) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}")) }
}
