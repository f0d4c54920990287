//! The health of applications: Argo CD's aggregation and the text of its causes.

#![expect(clippy::indexing_slicing, reason = "a malformed recording must stop the run")]

use std::path::Path;

use gitops_core::health::{AppHealth, Clues, Health, HealthStatus, Part, assess};
use gitops_core::model::ApiModel;
use gitops_core::resource::{Resource, ResourceKey};
use serde_json::Value;

use crate::{Case, recording};

/// Also compares the health of each object that counts.
pub(crate) fn app_health(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "argo/app_health.json")?;
    let cases = suite["cases"].as_array().unwrap().iter();
    let verdict = |case: &Value| match case["function"].as_str().unwrap() {
        "formatHealthCauses" => text_of_causes(case),
        _ => aggregation(case),
    };
    Some(cases.map(|case| Case { id: case["name"].as_str().unwrap().to_owned(), verdict: verdict(case) }).collect())
}

fn same(what: &str, ours: &str, theirs: &Value) -> Result<(), String> {
    let theirs = theirs.as_str().unwrap_or_default();
    if ours == theirs { Ok(()) } else { Err(format!("{what} `{ours}`, not `{theirs}`")) }
}

fn key(resource: &Value) -> ResourceKey {
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    ResourceKey::new(text("group"), text("kind"), Some(text("namespace")), text("name"))
}

fn text_of_causes(case: &Value) -> Result<(), String> {
    let bad = Health::reported(HealthStatus::Degraded, "recorded", "");
    let keys: Vec<ResourceKey> = case["input"]["resources"].as_array().unwrap().iter().map(key).collect();
    let sum = AppHealth::of(keys.iter().map(|key| (key, Part::Judged(&bad))));
    same("text", &sum.to_string(), &case["expected"])
}

fn aggregation(case: &Value) -> Result<(), String> {
    let resources = case["input"]["resources"].as_array().unwrap();
    let keys: Vec<ResourceKey> = resources.iter().map(key).collect();
    let judged: Vec<Option<(Resource, Health)>> =
        resources.iter().map(|resource| judge(resource, &case["input"]["customHealth"])).collect();
    let parts = keys.iter().zip(&judged).filter_map(|(key, judged)| {
        let part = match judged {
            None => Part::Missing,
            Some((live, health)) => Part::of(live, health)?,
        };
        Some((key, part))
    });
    let sum = AppHealth::of(parts);
    let expected = &case["expected"];
    same("status", &sum.status.to_string(), &expected["status"])?;
    same("causes", &sum.to_string(), &expected["causes"])?;
    for ((key, judged), theirs) in keys.iter().zip(&judged).zip(expected["resourceHealth"].as_array().unwrap()) {
        let ours = match judged {
            None => Some(HealthStatus::Missing),
            Some((live, health)) => matches!(Part::of(live, health), Some(Part::Judged(_))).then_some(health.status),
        };
        if let (Some(ours), false) = (ours, theirs.is_null()) {
            same(&format!("health of `{key}`"), &ours.to_string(), &theirs["status"])?;
        }
    }
    Ok(())
}

/// What a script of the user said stands for what we say ourselves.
fn judge(resource: &Value, scripts: &Value) -> Option<(Resource, Health)> {
    let mut live = resource["live"].clone();
    live.as_object()?;
    if live["metadata"]["name"].is_null() {
        live["metadata"]["name"] = "unnamed".into();
    }
    let live = Resource::from_typed(&live).unwrap();
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    let script = format!("{}/{}/{}/{}", text("group"), text("kind"), text("namespace"), text("name"));
    let health = match scripts[&script]["status"].as_str() {
        Some(status) => Health::reported(serde_json::from_value(status.into()).unwrap(), "script", ""),
        None => assess(&live, &Clues::new(&ApiModel::builtin(), "2026-08-22T00:00:00Z".parse().unwrap())),
    };
    Some((live, health))
}
