//! `argo/inventory_policy.json`: which objects cli-utils applies to and prunes, by who holds them.

use std::path::Path;

use gitops_core::plan::Action;
use gitops_core::policy::Adopt;
use gitops_core::resource::ResourceKey;
use gitops_core::state::Owner;

use crate::ordering::Objects;
use crate::sync_order::{Verdict, with};
use crate::{Case, recording};

type Json = serde_json::Value;

const OWNING: &str = "config.k8s.io/owning-inventory";

pub(crate) fn inventory_policy(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/inventory_policy.json")?;
    let case = |case: &Json| {
        let function = case["function"].as_str().unwrap();
        let verdict = run(function, &case["input"], &case["expected"]["result"]);
        Case { id: format!("{function}:{}", case["name"].as_str().unwrap()), verdict }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn run(function: &str, input: &Json, expected: &Json) -> Verdict {
    let own = input["inventoryID"].as_str().unwrap();
    let mut set = Objects::new(own);
    set.policy.adopt = match input["policy"].as_str() {
        Some("MustMatch") => Adopt::Never,
        _ => Adopt::Unclaimed,
    };
    let mut object = input["object"].clone();
    // The recorded Deployment is of the core group, where there is none.
    object["kind"] = "ConfigMap".into();
    let holder = object["metadata"]["annotations"][OWNING].as_str().map(str::to_owned);
    object["metadata"]["annotations"] = serde_json::json!({});
    let got: Json = match function {
        "CanPrune" if holder.as_deref() == Some(own) => {
            set.leave(&object);
            deletes(&set).into()
        }
        "CanPrune" => {
            // Asked only of what is in the inventory.
            let (key, uid) = put(&mut set, &object, holder.as_deref());
            set.record(&key, &uid);
            deletes(&set).into()
        }
        "CanApply" => {
            put(&mut set, &object, holder.as_deref());
            set.declare(&with(&object, "example.org/changed", "yes"));
            set.plan().steps.iter().any(|step| matches!(step.action, Action::Apply { .. })).into()
        }
        "IDMatch" => {
            put(&mut set, &object, holder.as_deref());
            let key = set.declare(&object);
            let (_, comparison) = set.compared();
            match &comparison.get(&key).unwrap().claim.tracking {
                None => "Empty".into(),
                Some(tracking) if set.owner.is(tracking) => "Match".into(),
                Some(_) => "NoMatch".into(),
            }
        }
        _ => return Err("not done here".into()),
    };
    if got == *expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}

/// Puts an object there that bears the mark of its holder; returns its uid.
fn put(set: &mut Objects, object: &Json, holder: Option<&str>) -> (ResourceKey, String) {
    let name = |field: &str| object["metadata"][field].as_str().unwrap();
    let key = ResourceKey::new("", "ConfigMap", name("namespace"), name("name"));
    let mark = holder.map(|holder| Owner::new("", holder).unwrap().tracking_id(&key));
    let uid = match mark {
        None => set.put(object),
        Some(mark) => set.put(&with(object, "gitops.rs/tracking-id", &mark)),
    };
    (key, uid)
}

fn deletes(set: &Objects) -> bool {
    set.plan().steps.iter().any(crate::ordering::deletes)
}
