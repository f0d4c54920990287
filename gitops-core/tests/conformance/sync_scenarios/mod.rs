//! `argo/sync_scenarios.json`: Argo CD's sync engine step by step, beside our plan and machine.
//!
//! A recorded step is one poll of Argo CD's engine; ours goes on until it ends or only waits, and is compared then. The
//! cluster is an API server in memory that holds what the recording says, and refuses what it refuses. Compared are:
//! whether the operation runs, succeeded or failed; what came of each object; how each hook ended; which hooks are
//! deleted at the end; and the order of what is sent, where Argo CD's is fixed.
//!
//! Where a recording says nothing of health, objects come up at once if the operation is recorded as ended, and do not
//! if it is recorded as waiting. A result that has failed while the operation still runs is one poll of Argo CD before
//! its end. Where Argo CD keeps an operation open until a person confirms a deletion, ours has ended and asks, and the yes
//! begins another: compared is that it asks for that object and deletes nothing, and what comes of the yes. A Service or Namespace has nothing to wait for; where Argo CD polls once more for one, ours is ahead, and only
//! what is recorded of each object is compared. Results that Argo CD carries on from an operation before are judged there.

mod scripted;
mod units;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use gitops_core::cluster::Failure;
use gitops_core::memory::Outcome;
use gitops_core::plan::{SkipReason, Skipped};
use gitops_core::policy::WaitFor;
use gitops_core::resource::Resource;
use gitops_core::sync::{Phase, StepOutcome};

use crate::sync_order::Verdict;
use crate::{Case, recording};
use scripted::{Kind, Name, name_of};
use world::{NAMESPACE, Run, STAYS, World};

type Json = serde_json::Value;

pub(crate) fn sync_scenarios(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/sync_scenarios.json")?;
    let case = |case: &Json| {
        let id = case["name"].as_str().unwrap().to_owned();
        let verdict = if case["type"] == "unit" { units::unit(case) } else { scenario(case) };
        Case { id, verdict }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn scenario(case: &Json) -> Verdict {
    let steps = case["steps"].as_array().unwrap();
    let wait = if case["steps"][0]["op"] == "terminate" { WaitFor::Everything } else { WaitFor::Gates };
    let mut world = World::new(options(case, &steps[0]), wait);
    if options(case, &steps[0])["createNamespace"] != true {
        world.as_admin("Namespace", "", NAMESPACE);
    }
    prepare(&mut world, &steps[0], options(case, &steps[0]));
    for (index, step) in steps.iter().enumerate() {
        world.set(options(case, step), wait);
        play(&mut world, step, options(case, step));
        judge(&world, step).map_err(|why| format!("step {}: {why}", index + 1))?;
    }
    Ok(())
}

fn options<'a>(case: &'a Json, step: &'a Json) -> &'a Json {
    if step["options"].is_object() { &step["options"] } else { &case["options"] }
}

fn list(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// What the operation is to make true. Argo CD makes the namespace of an application by an option; here it is declared.
fn declared(world: &World, step: &Json, options: &Json) -> Vec<Resource> {
    let targets = list(&step["input"]["resources"]).map(|pair| &pair["target"]).filter(|target| target.is_object());
    let hooks = list(&step["input"]["hooks"]).filter(|_| options["skipHooks"] != true);
    let mut all: Vec<Resource> = targets.chain(hooks).map(|object| world.placed(object, NAMESPACE)).collect();
    if options["createNamespace"] == true {
        let namespace = serde_json::json!({ "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        all.push(world.placed(&namespace, ""));
    }
    all
}

/// Puts into the cluster what is there before the first step: what we applied earlier, what others made, and what
/// earlier hooks left. What the recording carries in as running is brought about by a run of our own.
fn prepare(world: &mut World, step: &Json, options: &Json) {
    let running: BTreeSet<&str> =
        list(&step["input"]["previous"]["results"]).filter_map(|result| result["name"].as_str()).collect();
    let modified: BTreeMap<&str, bool> = list(&step["input"]["modificationResult"])
        .filter_map(|entry| Some((entry["key"]["name"].as_str()?, entry["modified"].as_bool()?)))
        .collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in list(&step["input"]["resources"]).filter(|pair| pair["live"].is_object()) {
        let name = pair["live"]["metadata"]["name"].as_str().unwrap_or_default();
        let is_hook = pair["live"]["metadata"]["annotations"]["argocd.argoproj.io/hook"].is_string();
        if running.contains(name) {
            continue;
        }
        if is_hook {
            let kept = step["expected"]["message"].as_str().unwrap_or_default().contains("waiting for deletion of");
            world.leave_hook(&pair["live"], kept);
        } else if pair["target"].is_null() {
            ours.push(world.placed(&pair["live"], NAMESPACE));
        } else if modified.get(name) == Some(&false) {
            ours.push(world.placed(&pair["target"], NAMESPACE));
        } else {
            theirs.push(pair["live"].clone());
        }
    }
    theirs.iter().for_each(|live| world.create(live, NAMESPACE));
    world.synced_before(&ours);
    world.cluster.written();
    if !running.is_empty() {
        let objects = declared(world, step, options);
        objects.iter().for_each(|object| world.becomes(object.key(), Outcome::Never));
        world.start(&objects);
        world.go_on();
        for result in list(&step["input"]["previous"]["results"]) {
            let ended = match result["hookPhase"].as_str() {
                Some("Succeeded") => Outcome::Succeed,
                Some("Failed" | "Error") => Outcome::Fail,
                _ => Outcome::Never,
            };
            let of = objects.iter().find(|object| Some(&*object.key().name) == result["name"].as_str());
            of.iter().for_each(|object| world.becomes(object.key(), ended));
        }
        world.go_on();
    }
    world.cluster.written();
}

/// Brings about what a step finds, and lets the operation go on.
fn play(world: &mut World, step: &Json, options: &Json) {
    let (mut refusals, mut blind) = (Vec::new(), VecDeque::new());
    for entry in list(&step["script"]) {
        refuse(world, entry, &mut refusals, &mut blind);
    }
    world.cluster.script(refusals, blind);
    let objects = declared(world, step, options);
    let ended = step["expected"]["phase"] != "Running";
    let said: BTreeMap<&str, &str> = list(&step["script"])
        .filter(|entry| entry["op"] == "healthOverride")
        .filter_map(|entry| Some((entry["resource"]["name"].as_str()?, entry["result"]["status"].as_str()?)))
        .collect();
    for object in &objects {
        let outcome = match said.get(&*object.key().name) {
            Some(&"Healthy") => Some(Outcome::Succeed),
            Some(&"Degraded") => Some(Outcome::Fail),
            Some(_) => Some(Outcome::Never),
            None if step["op"] == "terminate" => None,
            None if ended => Some(Outcome::Succeed),
            None => Some(Outcome::Never),
        };
        outcome.into_iter().for_each(|outcome| world.becomes(object.key(), outcome));
    }
    // Where the recorded operation still runs it is the same one, also if ours has ended by now.
    let previous = &step["input"]["previous"];
    let goes_on = world.run.is_some() && previous["phase"] == "Running" && asked_about(previous).is_none();
    let is_over = world.phase().is_some() && !goes_on;
    if step["op"] == "terminate" {
        world.terminate();
    } else if is_over {
        // What came into being after an earlier step.
        let lives = list(&step["input"]["resources"]).filter(|pair| pair["live"].is_object() && world.run.is_some());
        for pair in lives {
            world.create(&pair["live"], NAMESPACE);
        }
        world.start(&objects);
    }
    world.go_on();
}

/// Reads one recorded answer as what our cluster does.
fn refuse(world: &World, entry: &Json, refusals: &mut Vec<(Kind, Name, Failure)>, blind: &mut VecDeque<Failure>) {
    let Some(message) = entry["error"].as_str() else { return };
    let resource = &entry["resource"];
    let text = |field: &str| resource[field].as_str().unwrap_or_default().to_owned();
    let kind = match (text("kind"), text("resource")) {
        (kind, resource) if kind.is_empty() => match &*resource {
            "pods" => "Pod".to_owned(),
            "services" => "Service".to_owned(),
            _ => "Namespace".to_owned(),
        },
        (kind, _) => kind,
    };
    let name = (kind, text("namespace"), text("name"));
    let failure = match entry["reason"].as_str() {
        _ if entry["op"] == "permission" => Failure::Denied { message: message.into() },
        Some("NotFound") => Failure::NotFound,
        Some("Conflict") => Failure::Stale,
        Some("Unauthorized") => Failure::Denied { message: message.into() },
        _ => Failure::Invalid { message: message.into(), causes: Vec::new() },
    };
    match entry["op"].as_str().unwrap() {
        "discovery" => blind.push_back(failure),
        "apply" | "create" | "replace" | "update" | "permission" => refusals.push((Kind::Sends, name, failure)),
        "prune" | "deleteHook" | "get" if failure == Failure::NotFound => {
            let live = world
                .cluster
                .inner
                .with_server(|server| server.objects().map(Resource::key).find(|key| name_of(key) == name).cloned());
            live.iter().for_each(|key| world.vanish(key));
        }
        "prune" | "deleteHook" => refusals.push((Kind::Deletes, name, failure)),
        _ => {}
    }
}

/// Compares what is recorded of a step with what ours did.
fn judge(world: &World, step: &Json) -> Verdict {
    let expected = &step["expected"];
    let recorded: Vec<&Json> = list(&expected["results"]).collect();
    let failing = recorded.iter().any(|result| result["status"] == "SyncFailed" || result["hookPhase"] == "Failed");
    let agrees = match (expected["phase"].as_str().unwrap(), world.phase()) {
        ("Running", None) => true,
        ("Running", Some(Phase::Failed)) => failing,
        ("Succeeded", Some(Phase::Succeeded)) => true,
        ("Failed" | "Error", Some(Phase::Failed | Phase::Terminated | Phase::Error)) => true,
        _ => false,
    };
    let Some(run) = &world.run else {
        // No answer at all: nothing was touched.
        let untouched = recorded.iter().all(|result| result["status"] == "SyncFailed");
        return said(agrees && untouched, || format!("expected {expected}, there is no answer: {:?}", world.no_answer));
    };
    if let Some(object) = asked_about(expected) {
        let is_asked = |skipped: &Skipped| {
            format!("/{}/{}", skipped.key.kind(), skipped.key.name) == object
                && skipped.reason == SkipReason::PruneUnconfirmed
        };
        let deletes = run.steps.keys().any(|id| run.deletes(*id));
        return said(run.plan.skipped.iter().any(is_asked) && !deletes, || {
            format!("expected {expected}, got {}", run.plan)
        });
    }
    let awaited = recorded.iter().filter(|result| result["hookPhase"] == "Running" && result["status"] == "Synced");
    let nothing_to_await = |result: &&Json| result["kind"] == "Service" || result["kind"] == "Namespace";
    let ahead = expected["phase"] == "Running"
        && awaited.clone().count() > 0
        && awaited.copied().all(|of| nothing_to_await(&of));
    let carried: Vec<&Json> = list(&step["input"]["previous"]["results"]).collect();
    let is_carried =
        |result: &Json| carried.iter().any(|old| old["name"] == result["name"] && old["status"] == result["status"]);
    let has_step = |result: &Json| run.steps.values().any(|state| result["name"] == *state.key.name);
    let about = || format!("expected {expected}, got {:?} with {:?}\n{}", world.phase(), run.steps, run.plan);
    said(agrees || ahead, || format!("phase: {}", about()))?;
    for result in recorded.iter().filter(|result| has_step(result) || !is_carried(result)) {
        said(came_of(run, result), || format!("{}: {}", result["name"], about()))?;
    }
    for (id, state) in run.steps.iter().filter(|(_, state)| &*state.key.name != STAYS) {
        let listed = recorded.iter().any(|result| result["name"] == *state.key.name);
        // Argo CD lists what it is about to delete, and hooks whose predecessor goes first, once that is gone.
        let is_news = state.applied || state.ended.is_some_and(|outcome| outcome != StepOutcome::NotRun);
        said(listed || ahead || !is_news, || format!("{} of {id:?} is not expected: {}", state.key, about()))?;
    }
    order(step, &world.cluster.ever_written())?;
    hooks_deleted(run, step, &world.cluster.written())
}

/// The object whose deletion waits for a person.
fn asked_about(state: &Json) -> Option<&str> {
    state["message"].as_str()?.strip_prefix("waiting for pruning confirmation of ")
}

fn said(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(why()) }
}

/// Whether one recorded result is what became of ours.
fn came_of(run: &Run, result: &Json) -> bool {
    let is = |key: &gitops_core::resource::ResourceKey| result["name"] == *key.name && result["kind"] == *key.kind();
    if result["status"] == "PruneSkipped" {
        let left = |reason| matches!(reason, SkipReason::PruneOff | SkipReason::PruneForbidden);
        return run.plan.skipped.iter().any(|skipped| is(&skipped.key) && left(skipped.reason));
    }
    let of_phase = |id| result["syncPhase"].as_str().is_none_or(|phase| run.phase_of(id) == phase);
    let Some((id, state)) =
        run.steps.iter().find(|(id, state)| is(&state.key) && (of_phase(**id) || !run.is_hook(**id)))
    else {
        return false;
    };
    let (failed, applied) = (state.ended == Some(StepOutcome::Failed), state.applied);
    let status = match result["status"].as_str().unwrap() {
        "Synced" => applied && !run.deletes(*id),
        // Argo CD says so as well of what is gone after it was applied.
        "SyncFailed" => failed,
        "Pruned" => run.deletes(*id) && state.ended == Some(StepOutcome::Deleted),
        _ => false,
    };
    let hook = match result["hookPhase"].as_str() {
        _ if !run.is_hook(*id) => true,
        Some("Running") => state.ended.is_none(),
        Some("Succeeded") => state.ended == Some(StepOutcome::Succeeded),
        Some("Failed" | "Error") => failed,
        _ => true,
    };
    status && hook
}

/// Compares the order of what is sent, where Argo CD's is fixed. We delete last, and in the reverse order.
fn order(step: &Json, written: &[(Kind, gitops_core::resource::ResourceKey)]) -> Verdict {
    if step["scriptOrderStable"] != true {
        return Ok(());
    }
    let sends = |entry: &&Json| {
        ["apply", "create", "replace", "update"].iter().any(|op| entry["op"] == *op)
            && entry["dryRun"] == "none"
            && entry["error"].is_null()
    };
    let recorded: Vec<&str> =
        list(&step["script"]).filter(sends).filter_map(|entry| entry["resource"]["name"].as_str()).collect();
    let mut seen = BTreeSet::new();
    let ours: Vec<&str> = written
        .iter()
        .filter(|(kind, key)| *kind == Kind::Sends && recorded.contains(&&*key.name) && seen.insert(key.clone()))
        .map(|(_, key)| &*key.name)
        .collect();
    said(ours == recorded, || format!("expected the order {recorded:?}, got {ours:?}"))
}

/// Compares which hooks are deleted when the operation ends.
fn hooks_deleted(run: &Run, step: &Json, written: &[(Kind, gitops_core::resource::ResourceKey)]) -> Verdict {
    if step["expected"]["phase"] == "Running" {
        return Ok(());
    }
    let recorded: BTreeSet<&str> = list(&step["script"])
        .filter(|entry| entry["op"] == "deleteHook")
        .filter_map(|entry| entry["resource"]["name"].as_str())
        .collect();
    let is_hook = |name: &str| run.steps.iter().any(|(id, state)| run.is_hook(*id) && &*state.key.name == name);
    let deleted: BTreeSet<&str> = written
        .iter()
        .filter(|(kind, key)| *kind == Kind::Deletes && is_hook(&key.name))
        .map(|(_, key)| &*key.name)
        .collect();
    said(deleted == recorded, || format!("expected the hooks {recorded:?} to be deleted, got {deleted:?}"))
}
