//! Inner functions of Argo CD's sync engine, as far as ours says the same of itself.

use gitops_core::memory::Outcome;
use gitops_core::policy::WaitFor;
use gitops_core::resource::Resource;
use gitops_core::sync::Wait;

use super::world::{NAMESPACE, STAYS, World};
use crate::sync_order::Verdict;

type Json = serde_json::Value;

pub(super) fn unit(case: &Json) -> Verdict {
    match case["function"].as_str().unwrap() {
        "setRunningPhase" => waits(case),
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
