//! Drift: what a real API server's dry run would change, against the comparison without it.

#![expect(clippy::indexing_slicing, reason = "a malformed recording must stop the run")]

use std::path::Path;

use gitops_core::diff::{Change, Context, Outcome, compare_one};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::state::{DesiredState, Inventory, Live, Owner, TRACKING_ANNOTATION};
use serde_json::Value;

use crate::{Case, recording};

/// The verdict alone: the recordings name paths by index and include what the server fills in.
pub(crate) fn verdicts(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "k8s/drift.json")?;
    let model = model(folder)?;
    let owner = Owner::new("", "app").unwrap();
    let cases = suite.as_array().unwrap().iter().filter(|case| case["changed_paths"].is_array());
    Some(
        cases
            .map(|case| Case { id: case["id"].as_str().unwrap().to_owned(), verdict: verdict(case, &model, &owner) })
            .collect(),
    )
}

fn verdict(case: &Value, model: &ApiModel, owner: &Owner) -> Result<(), String> {
    if is_absent(&case["live"]) {
        return Ok(());
    }
    let changes = changes(case, &case["live"], model, owner)?;
    let expected = case["changed_paths"].as_array().unwrap();
    match (changes.as_slice(), expected.as_slice()) {
        ([], []) => Ok(()),
        ([], expected) => Err(format!("no drift seen; the server changes {expected:?}")),
        ([first, ..], []) => Err(format!("drift seen: {first}; the server changes nothing")),
        _ => Ok(()),
    }
}

/// What a real API server made of a manifest is in sync with it, whoever created it and whatever it filled in.
pub(crate) fn round_trips(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "k8s/roundtrip.json")?;
    let model = model(folder)?;
    let owner = Owner::new("", "app").unwrap();
    let mut cases = Vec::new();
    for case in suite.as_array().unwrap() {
        for (who, live) in [
            ("", &case["live"]),
            ("/controllers", &case["live_after_controllers"]),
            ("/kubectl", &case["created_by_client_apply"]["live"]),
            ("/post", &case["created_by_post"]["live"]),
        ] {
            if is_absent(live) {
                continue;
            }
            let id = format!("{}{who}", case["id"].as_str().unwrap());
            let mut case = case.clone();
            if who == "/kubectl" || who == "/post" {
                let own = live["metadata"]["namespace"].clone();
                case["namespace"] = own.clone();
                case["desired"]["metadata"]["namespace"] = own;
            }
            let verdict = changes(&case, live, &model, &owner).and_then(|changes| match changes.first() {
                None => Ok(()),
                Some(first) => Err(first.to_string()),
            });
            cases.push(Case { id, verdict });
        }
    }
    Some(cases)
}

/// What a sync would change of `live`, the tracking id aside, which the recorded objects do not carry.
fn changes(case: &Value, live: &Value, model: &ApiModel, owner: &Owner) -> Result<Vec<Change>, String> {
    let declared = Resource::from_typed(&case["desired"]).unwrap();
    let desired = DesiredState::from_resources([&declared], model, case["namespace"].as_str());
    let live = Resource::from_typed(&ours(live, owner)).unwrap();
    let inventory = Inventory::default();
    let context = Context::new(model, owner, &inventory);
    let Some(declared) = desired.declared.values().next() else { return Err("nothing is declared".into()) };
    if let (true, Some(problem)) = (desired.is_held(declared.resource.key()), desired.problems.first()) {
        return Err(format!("refused: {problem}"));
    }
    match compare_one(&declared.resource, Live::Present(&live), &context).outcome {
        Outcome::Synced => Ok(Vec::new()),
        Outcome::OutOfSync(changes) => {
            let ours = |change: &&Change| !change.path.to_string().contains(TRACKING_ANNOTATION);
            Ok(changes.iter().filter(ours).cloned().collect())
        }
        other => Err(format!("{other:?}")),
    }
}

/// The built-in kinds and the CRDs that were installed while recording.
fn model(folder: &Path) -> Option<ApiModel> {
    let crds = recording(folder, "k8s/crds.json")?;
    let crds: Vec<Resource> = crds.as_array().unwrap().iter().map(|crd| Resource::from_typed(crd).unwrap()).collect();
    Some(ApiModel::builtin().with_crds(&crds))
}

fn is_absent(live: &Value) -> bool {
    live["metadata"]["name"].is_null()
}

/// The recorded object with our field manager instead of the recorded one.
fn ours(live: &Value, owner: &Owner) -> Value {
    let mut live = live.clone();
    for entry in live["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
        if entry["manager"] == "gitops" {
            entry["manager"] = (*owner.manager()).into();
        }
    }
    live
}
