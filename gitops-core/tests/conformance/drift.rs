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
    let crds: Vec<Resource> = recording(folder, "k8s/crds.json")?
        .as_array()
        .unwrap()
        .iter()
        .map(|crd| Resource::from_typed(crd).unwrap())
        .collect();
    let model = ApiModel::builtin().with_crds(&crds);
    let owner = Owner::new("", "app").unwrap();
    let cases = suite.as_array().unwrap().iter().filter(|case| case["changed_paths"].is_array());
    Some(
        cases
            .map(|case| Case { id: case["id"].as_str().unwrap().to_owned(), verdict: verdict(case, &model, &owner) })
            .collect(),
    )
}

fn verdict(case: &Value, model: &ApiModel, owner: &Owner) -> Result<(), String> {
    let declared = Resource::from_typed(&case["desired"]).unwrap();
    let desired = DesiredState::from_resources([&declared], model, case["namespace"].as_str());
    let live = (!is_absent(&case["live"])).then(|| Resource::from_typed(&ours(&case["live"], owner)).unwrap());
    let inventory = Inventory::default();
    let context = Context::new(model, owner, &inventory);
    let Some(declared) = desired.declared.values().next() else { return Err("nothing is declared".into()) };
    let compared = compare_one(&declared.resource, live.as_ref().map_or(Live::Absent, Live::Present), &context);
    let changes: Vec<&Change> = match &compared.outcome {
        Outcome::Synced => Vec::new(),
        // The recorded objects carry no tracking id.
        Outcome::OutOfSync(changes) => {
            changes.iter().filter(|change| !change.path.to_string().contains(TRACKING_ANNOTATION)).collect()
        }
        Outcome::Missing if live.is_none() => return Ok(()),
        other => return Err(format!("{other:?}")),
    };
    let expected = case["changed_paths"].as_array().unwrap();
    match (changes.as_slice(), expected.as_slice()) {
        ([], []) => Ok(()),
        ([], expected) => Err(format!("no drift seen; the server changes {expected:?}")),
        ([first, ..], []) => {
            Err(format!("drift seen at {} ({:?}); the server changes nothing", first.path, first.kind))
        }
        _ => Ok(()),
    }
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
