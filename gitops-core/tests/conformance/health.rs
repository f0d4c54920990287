//! Health: Argo CD's built-in checks, and kstatus for what both judge.

#![expect(clippy::indexing_slicing, reason = "a malformed recording must stop the run")]

use std::path::Path;

use gitops_core::health::{Clues, Health, HealthStatus, assess};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use serde_json::Value;

use crate::{Case, recording};

/// Argo CD has no clock: an object that says nothing is judged as if it had been changed this instant.
pub(crate) fn argo(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "argo/health.json")?;
    let now: Timestamp = "2026-08-22T00:00:00Z".parse().unwrap();
    Some(cases(&suite, |case| {
        let health = judge(&case["object"], &Clues::new(&ApiModel::builtin(), now).changed_at(now));
        let expected = &case["expected"];
        if expected.is_null() {
            // No check of its own for this kind; of custom resources `custom` judges.
            let general = ["conditions", "phase", "observed-generation", "silence", "no-status"];
            let is_custom = case["object"]["apiVersion"].as_str().unwrap().split_once('.').is_some();
            return if is_custom || general.contains(&health.rule) {
                Ok(())
            } else {
                Err(format!("rule {}", health.rule))
            };
        }
        agree(&health, &[expected["status"].as_str().unwrap()])?;
        let message = expected["message"].as_str().unwrap();
        if case["messageAsserted"] == true && *health.message != *message {
            return Err(format!("message `{}`, not `{message}`", health.message));
        }
        Ok(())
    }))
}

/// Argo CD's Lua checks for custom resources. The status must agree; messages are ours.
pub(crate) fn custom(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "argo/health_custom.json")?;
    let now: Timestamp = "2026-08-22T00:00:00Z".parse().unwrap();
    let model = ApiModel::builtin();
    let clues = Clues::new(&model, now).changed_at(now);
    let verdict_by = |clues: &Clues<'_>, object: &Value, case: &Value| {
        // Argo CD itself asks no script of an object that is being deleted; the recording asked the scripts alone.
        let is_terminating = !object["metadata"]["deletionTimestamp"].is_null();
        let expected = case["expected"]["status"].as_str().unwrap_or("Healthy");
        agree(&judge(object, clues), &[if is_terminating { "Progressing" } else { expected }])
    };
    let verdict = |object: &Value, case: &Value| verdict_by(&clues, object, case);
    // No rule is for a group that does not exist.
    let generic = |case: &Value| {
        let mut object = case["object"].clone();
        object["apiVersion"] = "unheard-of.example/v1".into();
        verdict(&object, case).is_ok()
    };
    let recorded = suite["cases"].as_array().unwrap();
    println!("  {} are right by generic conditions alone", recorded.iter().filter(|case| generic(case)).count());
    #[cfg(feature = "lua")]
    match std::env::var_os("GITOPS_HEALTH_LUA_DIR") {
        None => println!(
            "  skipped with Lua: GITOPS_HEALTH_LUA_DIR names no directory like Argo CD's resource_customizations"
        ),
        Some(directory) => {
            let checks = scripts(Path::new(&directory));
            let right = |case: &&Value| match verdict_by(&clues.checking(&checks), &case["object"], case) {
                Ok(()) => true,
                Err(why) => {
                    println!("  with Lua: {}: {why}", case["name"]);
                    false
                }
            };
            let right = recorded.iter().filter(right).count();
            println!("  {right} are right with the {} in that directory", checks);
        }
    }
    Some(cases(&suite, |case| verdict(&case["object"], case)))
}

/// Reads a directory of scripts.
#[cfg(feature = "lua")]
fn scripts(directory: &Path) -> gitops_core::health::Checks {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("health.lua") {
                let name = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    let (checks, wrong) =
        gitops_core::health::Checks::from_directory(files.iter().map(|(name, bytes)| (name.as_str(), &**bytes)));
    assert!(wrong.is_empty(), "{wrong:?}");
    checks
}

/// kstatus knows no suspension, and calls current what it does not wait for. Its `Augment`, which writes conditions into
/// objects, has no counterpart here.
pub(crate) fn kstatus(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "argo/kstatus.json")?;
    Some(cases(&suite, |case| {
        let now: Timestamp = case["now"].as_str().unwrap().parse().unwrap();
        let health = judge(&case["object"], &Clues::new(&ApiModel::builtin(), now));
        let expected: &[&str] = match case["expected"]["status"].as_str().unwrap() {
            "Current" => &["Healthy", "Suspended"],
            "Failed" => &["Degraded"],
            "InProgress" | "Terminating" => &["Progressing"],
            _ => &["Unknown"],
        };
        agree(&health, expected)
    }))
}

fn cases(suite: &Value, verdict: impl Fn(&Value) -> Result<(), String>) -> Vec<Case> {
    let cases = suite["cases"].as_array().unwrap().iter().filter(|case| case["function"] != "Augment");
    cases.map(|case| Case { id: case["name"].as_str().unwrap().to_owned(), verdict: verdict(case) }).collect()
}

/// Some recorded objects have no name, which no live object lacks.
fn judge(object: &Value, clues: &Clues<'_>) -> Health {
    let mut object = object.clone();
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = "unnamed".into();
    }
    assess(&Resource::from_typed(&object).unwrap(), clues)
}

fn agree(health: &Health, expected: &[&str]) -> Result<(), String> {
    let status: HealthStatus = health.status;
    if expected.contains(&status.to_string().as_str()) {
        return Ok(());
    }
    Err(format!("{status} by {} (`{}`), not {}", health.rule, health.message, expected.join(" or ")))
}
