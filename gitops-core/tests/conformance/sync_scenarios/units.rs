//! Inner functions of Argo CD's sync engine, as far as ours says the same of itself.

use std::collections::VecDeque;

use gitops_core::cluster::Failure;
use gitops_core::memory::Outcome;
use gitops_core::policy::WaitFor;
use gitops_core::resource::Resource;
use gitops_core::sync::{Phase, Wait};

use super::scripted::{Kind, name_of};
use super::world::{NAMESPACE, STAYS, World};
use crate::sync_order::Verdict;

type Json = serde_json::Value;

pub(super) fn unit(case: &Json) -> Verdict {
    match case["function"].as_str().unwrap() {
        "setRunningPhase" => waits(case),
        "executeSyncFailPhase" => fails(case),
        _ => Err("not done here".into()),
    }
}

/// What a running operation waits for, in one line: hooks before objects, the first by name and how many more.
fn waits(case: &Json) -> Verdict {
    let (input, expected) = (&case["input"], case["expected"]["message"].as_str().unwrap());
    let going = input["pendingDeletion"] == true;
    let mut world = World::new(&serde_json::json!({ "prune": true }), WaitFor::Everything);
    world.as_admin("Namespace", "", NAMESPACE);
    let tasks: Vec<&Json> = input["tasks"].as_array().into_iter().flatten().collect();
    let objects: Vec<Resource> = tasks.iter().map(|task| world.placed(&task["target"], NAMESPACE)).collect();
    let is_hook = |index: usize| tasks[index]["isHook"] == true;
    if going {
        let ours = (0..objects.len()).filter(|index| !is_hook(*index)).map(|index| objects[index].clone());
        world.synced_before(&Vec::from_iter(ours));
        (0..objects.len()).filter(|index| is_hook(*index)).for_each(|index| {
            world.leave_hook(&tasks[index]["target"], true);
        });
        objects.iter().for_each(|object| world.keep(object.key()));
    }
    objects.iter().for_each(|object| world.becomes(object.key(), Outcome::Never));
    let declared: Vec<Resource> =
        (0..objects.len()).filter(|index| !going || is_hook(*index)).map(|index| objects[index].clone()).collect();
    world.start(&declared);
    world.go_on();
    let waits: Vec<Wait> = world
        .run
        .iter()
        .filter_map(|run| run.machine.as_ref())
        .flat_map(|machine| machine.waits())
        .filter(|wait| &*wait.key.name != STAYS)
        .collect();
    let hooks = |wait: &&Wait| tasks.iter().any(|task| task["isHook"] == true && task["name"] == *wait.key.name);
    let first = waits.iter().filter(hooks).chain(&waits).next();
    let Some(first) = first else {
        return if expected.is_empty() { Ok(()) } else { Err(format!("expected `{expected}`, nothing waits")) };
    };
    let hook = if hooks(&first) { "hook " } else { "" };
    let what = match (going, hook) {
        (true, _) if first.what.contains("its finalizers") => "deletion of ",
        (false, "hook ") => "completion of ",
        (false, _) => "healthy state of ",
        _ => return Err(format!("expected `{expected}`, got {first:?}")),
    };
    let more = match waits.len() - 1 {
        0 => String::new(),
        more if waits.iter().all(|wait| hooks(&wait)) => format!(" and {more} more hooks"),
        more => format!(" and {more} more resources"),
    };
    let text = format!("waiting for {what}{hook}/{}/{}{more}", first.key.kind(), first.key.name);
    if text == expected { Ok(()) } else { Err(format!("expected `{expected}`, got `{text}`")) }
}

/// How an operation ends that has failed: once the hooks for that have ended, and naming each reason once.
///
/// The recorded tasks have no objects: each failed one is a ConfigMap that is refused for its reason, and each hook a Pod.
/// Where nothing has failed, something does all the same, or no hook for that would run.
fn fails(case: &Json) -> Verdict {
    let (input, expected) = (&case["input"], &case["expected"]);
    let message = |task: &Json| task["message"].as_str().unwrap_or_default().to_owned();
    let tasks = |field: &str| input[field].as_array().cloned().unwrap_or_default();
    let mut world = World::new(&serde_json::json!({}), WaitFor::Gates);
    world.as_admin("Namespace", "", NAMESPACE);
    let mut failing: Vec<String> = tasks("failedTasks").iter().map(message).collect();
    if failing.is_empty() {
        failing.push(message(input));
    }
    let (mut objects, mut refusals) = (Vec::new(), Vec::new());
    let mut refuse = |object: &Resource, message: String| {
        refusals.push((
            Kind::Sends,
            name_of(object.key()),
            Failure::Invalid { message: message.into(), causes: Vec::new() },
        ));
    };
    for (at, message) in failing.into_iter().enumerate() {
        let object = serde_json::json!({ "kind": "ConfigMap", "metadata": { "name": format!("failing-{at}") } });
        let object = world.placed(&object, NAMESPACE);
        refuse(&object, message);
        objects.push(object);
    }
    for (at, task) in tasks("syncFailTasks").iter().enumerate() {
        let hook = serde_json::json!({
            "kind": "Pod", "spec": { "containers": [{ "name": "hook", "image": "hook" }] }, "metadata": {
                "name": format!("hook-{at}"), "annotations": { "argocd.argoproj.io/hook": "SyncFail" },
            },
        });
        let hook = world.placed(&hook, NAMESPACE);
        let outcome = match task["operationState"].as_str() {
            Some("Running") => Outcome::Never,
            Some("Succeeded") => Outcome::Succeed,
            _ => Outcome::Fail,
        };
        world.becomes(hook.key(), outcome);
        if task["syncStatus"] == "SyncFailed" {
            refuse(&hook, message(task));
        }
        objects.push(hook);
    }
    world.cluster.script(refusals, VecDeque::new());
    world.start(&objects);
    world.go_on();
    let phase = world.phase();
    if (phase.is_some(), phase == Some(Phase::Failed)) != (expected["completed"] == true, expected["phase"] == "Failed")
    {
        return Err(format!("expected {expected}, got {phase:?}"));
    }
    let Some(run) = &world.run else { return Err("there is no operation".into()) };
    let receipt = run.machine.as_ref().and_then(|machine| machine.outcome()).map(|receipt| receipt.message.to_string());
    let receipt = receipt.unwrap_or_default();
    let told: Vec<&str> = run.steps.values().map(|state| &*state.message).collect();
    let reasons = expected["message"].as_str().unwrap().lines().filter_map(|line| line.split_once("reason: "));
    for (_, reason) in reasons {
        // The end names what failed; a hook for that tells its own.
        let is_told = receipt.matches(reason).count() == 1
            || (!receipt.contains(reason) && told.iter().any(|text| text.contains(reason)));
        if !is_told {
            return Err(format!("`{reason}` is not told once: `{receipt}`, {told:?}"));
        }
    }
    Ok(())
}
