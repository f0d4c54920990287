//! `argo/tracking.json`: how Argo CD writes and reads the name of the application that an object belongs to.

use std::path::Path;

use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::{Owner, Tracking, TrackingStyle};
use gitops_core::value::Value;

use crate::sync_order::complete;
use crate::{Case, recording};

type Json = serde_json::Value;
type Verdict = Result<(), String>;

const ANNOTATION: &str = "argocd.argoproj.io/tracking-id";

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
        _ if text("trackingMethod") == "label" => Err("tracks by label".into()),
        _ if !text("installationID").is_empty() => Err("tracks installations by an annotation of their own".into()),
        "SetAppInstance" if text("trackingMethod") == "annotation+label" => Err("writes a label too".into()),
        "SetAppInstance" => {
            let id = owner(&text("appName"))?.tracking_id(&key(&input["object"], &text("namespace"))?);
            same(&id.into(), &expected["result"]["metadata"]["annotations"][ANNOTATION])
        }
        "GetAppName" => {
            let id = Tracking::of(&complete(&input["object"], "unnamed"));
            same(&id.map(|id| id.app.to_string()).unwrap_or_default().into(), &expected["result"])
        }
        "isSelfReferencedObj" => {
            let Ok(live) = resource(&input["live"]) else { return same(&true.into(), &expected["result"]) };
            let owner = owner(&text("appName"))?;
            let ours = Tracking::of(&live).is_some_and(|id| owner.is(&id) && id.key == *live.key());
            same(&ours.into(), &expected["result"])
        }
        _ => Err("not done here".into()),
    }
}

fn owner(app: &str) -> Result<Owner, String> {
    let owner = Owner::new("", app).map_err(|error| error.to_string())?;
    Ok(owner.with_style(TrackingStyle::ArgoCd))
}

fn resource(object: &Json) -> Result<Resource, String> {
    Resource::new(Value::from_serialize(object).unwrap()).map_err(|error| error.to_string())
}

fn key(object: &Json, namespace: &str) -> Result<ResourceKey, String> {
    let key = resource(object)?.key().clone();
    Ok(if key.namespace.is_some() || namespace.is_empty() { key } else { key.in_namespace(Some(namespace)) })
}

fn same(got: &Json, expected: &Json) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}
