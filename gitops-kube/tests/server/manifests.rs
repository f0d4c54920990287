//! Manifests of real projects: what a sync applied compares as synced, and applied again changes nothing.
//!
//! They are read from the recorded facts (see the README on conformance), with the CRDs of a dozen projects; without these
//! the check says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use gitops_core::diff::{Outcome, Why};
use gitops_core::memory::MemorySource;
use gitops_core::plan::{Extent, Request};
use gitops_core::reconcile::{App, Looked, World as Between, look_at, run};
use gitops_core::resource::ResourceKey;
use gitops_core::state::Owner;
use gitops_core::sync::{StepOutcome, StepResult};
use gitops_core::time::{Timer as _, Timestamp};
use serde_json::{Value, json};

use crate::checks;
use crate::world::{Clock, World};

checks!(manifests_of_real_projects_are_synced_and_then_nothing_differs);

/// Kinds that change what the server does with all others.
const LEFT_OUT: [&str; 11] = [
    "APIService",
    // Those of all recordings are in a file of their own; others of the same kinds stand against them.
    "CustomResourceDefinition",
    "LimitRange",
    "MutatingAdmissionPolicy",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "ResourceQuota",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

fn recorded(file: &str) -> Option<Vec<Value>> {
    let named = std::env::var_os("GITOPS_CONFORMANCE_DIR").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let bytes = fs::read(named.unwrap_or_else(beside).join("k8s").join(file)).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The recorded manifests that a server took, each in a namespace where no other has its name; and which of them the server
/// writes anew whenever they are applied, though nothing in them changes, as was recorded.
fn manifests(crds: Vec<Value>, cases: Vec<Value>) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let (mut files, mut restless) = (BTreeMap::new(), BTreeSet::new());
    let mut taken = BTreeSet::new();
    for crd in crds {
        taken.insert(("CustomResourceDefinition".to_owned(), String::new(), text(&crd, "/metadata/name").to_owned()));
        files.insert(format!("crd-{}.json", text(&crd, "/metadata/name")), crd);
    }
    for case in cases {
        let mut object = case["desired"].clone();
        let kind = text(&object, "/kind").to_owned();
        let name = text(&object, "/metadata/name").to_owned();
        let is_taken = case.pointer("/apply/status") == Some(&json!(201));
        if !is_taken || name.is_empty() || LEFT_OUT.contains(&&*kind) {
            continue;
        }
        let is_namespaced = case["namespaced"] == json!(true);
        let places: Vec<String> =
            if is_namespaced { (0..9).map(|at| format!("real-{at}")).collect() } else { vec![String::new()] };
        let Some(place) = places.into_iter().find(|place| taken.insert((kind.clone(), place.clone(), name.clone())))
        else {
            continue;
        };
        if is_namespaced {
            object["metadata"]["namespace"] = json!(place);
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}});
            files.insert(format!("namespace-{place}.json"), namespace);
        }
        // What a sync does in between is not the question here.
        if let Some(annotations) = object["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
            annotations
                .retain(|name, _| !name.contains("argocd") && !name.contains("gitops") && !name.contains("helm.sh"));
        }
        if case["reapply_changed"] == json!(true) {
            restless.insert(format!("{kind} {place}/{name}"));
        }
        files.insert(format!("{}.json", text(&case, "/id")), object);
    }
    (files, restless)
}

async fn look(app: &App, source: &MemorySource, world: &World) -> Looked {
    look_at(app, Between::new(source, &world.cluster, &Clock)).await.unwrap()
}

async fn manifests_of_real_projects_are_synced_and_then_nothing_differs(world: World) {
    let (Some(crds), Some(cases)) = (recorded("crds.json"), recorded("roundtrip.json")) else {
        return println!("  skipped: there are no recorded manifests");
    };
    let (files, restless) = manifests(crds, cases);
    let source = MemorySource::default();
    let texts: Vec<(String, String)> = files.iter().map(|(file, object)| (file.clone(), object.to_string())).collect();
    let texts = texts.iter().map(|(file, text)| (file.as_str(), Some(text.as_str())));
    source.commit("Ann <ann@example.org>", Timestamp::EPOCH, "Real manifests", texts);
    let mut app = App::new(Owner::new("", "real").unwrap(), "main").with_namespace("real-0");
    app.policy.wave_timeout = std::time::Duration::from_secs(120);

    let looked = look(&app, &source, &world).await;
    let total = looked.desired.declared.len();
    assert!(total >= 800, "{total}");
    let mut machine = looked.machine(&app, Clock.now()).unwrap();
    run(&mut machine, &world.cluster, &Clock).await;
    let receipt = machine.outcome().unwrap();
    let mut refused = BTreeSet::new();
    for result in receipt.results.iter().filter(|result| result.outcome != StepOutcome::Created) {
        println!("  {} {:?}: {}", result.key, result.outcome, result.message);
        refused.insert(result.key.clone());
    }
    println!("  {}: {}", receipt.phase, receipt.message);

    let looked = look(&app, &source, &world).await;
    let (mut differing, mut held) = (0, 0);
    for (key, compared) in looked.comparison.entries.iter() {
        if matches!(compared.outcome, Outcome::Unknown(Why::Held)) {
            let of = looked.desired.problems.iter().filter(|problem| problem.key.as_ref() == Some(key));
            println!("  {key} is held back: {}", of.map(|problem| problem.text.clone()).collect::<Vec<_>>().join("; "));
            held += 1;
            continue;
        }
        // Jobs end where there is a scheduler, and some are to be gone then.
        let is_over = || {
            let declared = looked.desired.declared.get(key).map(|declared| declared.resource.tree());
            declared.is_some_and(|job| job.dig(&["spec", "ttlSecondsAfterFinished"]).is_some())
        };
        if matches!(compared.outcome, Outcome::Missing) && is_over() {
            println!("  {key} has ended and is gone");
            continue;
        }
        if !matches!(compared.outcome, Outcome::Synced) && !refused.contains(key) {
            println!("  {key}: {:?}", compared.outcome);
            differing += 1;
        }
    }
    let groups: BTreeSet<Arc<str>> =
        looked.desired.declared.keys().map(|key| Arc::clone(&key.group_kind.group)).collect();
    println!(
        "  {total} objects of {} groups, {} refused, {held} held back, {differing} differ after a sync",
        groups.len(),
        refused.len()
    );

    let again = app.clone().with_request(Request::default().with_extent(Extent::Everything));
    let mut changed = Vec::new();
    // The first time each object loses the mark of the operation that created it.
    for _ in 0..2 {
        let looked = look(&again, &source, &world).await;
        let mut machine = looked.machine(&again, Clock.now()).unwrap();
        run(&mut machine, &world.cluster, &Clock).await;
        // A controller may have written a status in between, which is a new version and no new generation.
        let generation = |key: &ResourceKey| {
            let live = looked.comparison.get(key).and_then(|compared| compared.live.as_ref());
            live.and_then(|live| live.tree().dig(&["metadata", "generation"])?.as_i64())
        };
        let is_same = |result: &StepResult| {
            let after = result.answer.as_ref().and_then(|answer| answer.generation);
            after.is_some() && after == generation(&result.key)
        };
        let results = machine.outcome().unwrap().results.iter();
        let results = results.filter(|result| result.outcome == StepOutcome::Changed && !is_same(result));
        changed = results.map(|result| result.key.clone()).collect();
    }
    changed.retain(|key: &ResourceKey| {
        let name = format!("{} {}/{}", key.kind(), key.namespace.as_deref().unwrap_or_default(), key.name);
        println!("  {key} changed when it was applied again");
        !restless.contains(&name)
    });
    assert_eq!((differing, changed.len()), (0, 0));
}
