use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{World, pruning};
use crate::diff::{Outcome, Why};
use crate::plan::{Action, After, Confirmation, Plan, Precondition, Reason, Request, Step, StoredPlan, Validity};
use crate::policy::{self, Order, Permission, Phase, Prune, SyncPolicy, Verb};
use crate::problem::Problem;
use crate::state::{Completeness, DesiredState, Standing};

const KINDS: [&str; 10] = [
    "v1 Namespace {name} {opts}",
    "apiextensions.k8s.io/v1 CustomResourceDefinition {name} defines=example.org/W{name} {opts}",
    "example.org/v1 W{name} n0/w {opts}",
    "v1 ConfigMap {ns}/{name} {opts}",
    "v1 Secret {ns}/{name} {opts}",
    "apps/v1 Deployment {ns}/{name} {opts}",
    "example.com/v1 Thing {ns}/{name} {opts}",
    "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration {name} {opts}",
    "batch/v1 Job {ns}/{name} {opts}",
    "v1 Service {ns}/{name} {opts}",
];
const STATES: [&str; 15] = [
    "missing",
    "missing",
    "synced",
    "differs",
    "mend",
    "template nobody",
    "differs of=other",
    "held",
    "unreadable",
    "terminating",
    "terminating of=other",
    "extra rebuilt",
    "extra",
    "extra adopted",
    "extra tracked",
];
const HOOKS: [&str; 5] = ["PreSync", "Sync", "PostSync", "SyncFail", "PreSync,PostSync"];

/// One line of a world. Names are few, so that things meet.
fn line() -> impl Strategy<Value = String> {
    let names = (0..KINDS.len(), 0..5_usize, 0..3_usize, 0..5_usize);
    (names, -1..3_i32, 0..STATES.len(), 0..30_usize).prop_map(|((kind, name, ns, needs), wave, state, odd)| {
        let mut options = format!("wave={wave}");
        let mut state = STATES[state];
        match odd {
            0..5 if kind == 8 => {
                options += &format!(" hook={}", HOOKS[odd]);
                state = "hook";
            }
            0..20 if kind == 7 => options += &format!(" calls=n{ns}/n{needs}"),
            0..20 if kind == 9 => options += " selects=x",
            5..9 => options += &format!(" needs=/namespaces/n{ns}/ConfigMap/n{needs}"),
            9 => options += " needs=apps/namespaces/n0/Deployment/n0",
            10 => options += " options=Prune=false",
            11 => options += " options=PruneLast=true",
            12..14 => options += &format!(" group=g{}", needs % 3),
            14 => options += &format!(" rule=upsert_after_upserting_g{}", needs % 3),
            15 => options += &format!(" rule=upsert_before_upserting_g{}", needs % 3),
            16 => options += &format!(" rule=delete_before_deleting_g{}", needs % 3),
            17..20 if kind == 5 => options += &format!(" mounts=n{needs}"),
            20 if kind == 7 => options += &format!(" calls=n{ns}/none"),
            20..29 if kind == 5 => options += " labels=x",
            22 => options += " options=Prune=confirm",
            23 => options += " options=Delete=confirm",
            24 => options += " options=Delete=false",
            25 => options += " ssa=IfNotPresent",
            26 => options += " ssa=Ignore",
            27 => options += &format!(" needs=/namespaces/n{ns}/ConfigMap/n{needs} options=Prune=false"),
            28 => options += &format!(" needs=example.com/namespaces/n{ns}/Thing/n{needs} options=Delete=false"),
            _ => {}
        }
        let object = KINDS[kind]
            .replace("{name}", &format!("n{name}"))
            .replace("{ns}", &format!("n{ns}"))
            .replace("{opts}", &options);
        format!("{object} | {state}")
    })
}

/// With a yes; an object that existed before us stays all the same.
fn may_go(standing: &Standing) -> bool {
    matches!(standing, Standing::Created | Standing::Rebuilt)
}

pub(super) fn lines() -> impl Strategy<Value = Vec<String>> {
    // One line per object: the later of two would win otherwise, and the order of lines would matter.
    prop::collection::vec(line(), 0..40).prop_map(|lines| {
        let keyed = lines.into_iter().map(|line| {
            let key: Vec<_> = line.split(' ').take(3).map(str::to_owned).collect();
            (key, line)
        });
        keyed.collect::<BTreeMap<_, _>>().into_values().collect()
    })
}

pub(super) fn raised() -> SyncPolicy {
    SyncPolicy { prune_budget_percent: 100, ..pruning() }
}

/// A yes to everything that asks.
pub(super) fn yes(request: Request) -> Request {
    request.confirmed(Confirmation::of_all("ann", crate::time::Timestamp::EPOCH))
}

pub(super) fn is_delete(step: &Step) -> bool {
    matches!(step.action, Action::Delete { .. })
}

/// Done when it is done: there is nothing to be healthy.
pub(super) fn is_own(step: &Step) -> bool {
    matches!(step.action, Action::Own { .. })
}

fn steps_of(after: &[After]) -> impl Iterator<Item = u32> {
    after.iter().filter_map(|after| match after {
        After::Applied(id) | After::Healthy(id) | After::Gone(id) => Some(id.0),
        After::Gate(_) => None,
    })
}

fn gates_of(after: &[After]) -> impl Iterator<Item = u32> {
    after.iter().filter_map(|after| if let After::Gate(id) = after { Some(id.0) } else { None })
}

/// For each step, the steps that are certainly over when it starts, and whether their health was awaited.
pub(super) fn finished_before(plan: &Plan) -> Vec<BTreeMap<u32, bool>> {
    let mut all: Vec<BTreeMap<u32, bool>> = Vec::new();
    for step in &plan.steps {
        let mut before = BTreeMap::new();
        let mut waits: Vec<After> = step.after.clone();
        while let Some(after) = waits.pop() {
            let (id, settled) = match after {
                After::Applied(id) => (id.0, false),
                After::Healthy(id) | After::Gone(id) => (id.0, true),
                After::Gate(gate) => {
                    waits.extend(&plan.gates[gate.0 as usize].opens);
                    continue;
                }
            };
            *before.entry(id).or_default() |= settled;
            for (earlier, settled) in all[id as usize].clone() {
                *before.entry(earlier).or_default() |= settled;
            }
        }
        all.push(before);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_the_same_bytes_in_whatever_order_its_input_came(
        (lines, shuffled) in lines().prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        let plan = |lines: &[String]| {
            let mut world = World::new(&lines.join("\n"));
            // Where a line stands is part of the input, so it is left out here.
            world.desired.declared.values_mut().for_each(|declared| declared.origin = None);
            let plan = world.plan(&raised());
            (serde_json::to_vec(&plan).unwrap(), plan.problems, plan.skipped)
        };
        prop_assert_eq!(plan(&lines), plan(&shuffled));
    }

    #[test]
    fn a_plan_reads_back_as_it_was(lines in lines()) {
        let plan = Plan { problems: Vec::<Problem>::new(), ..World::new(&lines.join("\n")).plan(&raised()) };
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Plan>(&json).unwrap(), &plan);
        let file = serde_json::to_vec_pretty(&StoredPlan::new(&plan, &BTreeMap::new())).unwrap();
        let read = Plan::from_file(&file).unwrap();
        prop_assert_eq!(read.digest(), plan.digest());
        prop_assert_eq!(read, plan);
    }

    #[test]
    fn a_plan_holds_as_long_as_nothing_changes_and_what_is_done_of_it_is_left_out(lines in lines()) {
        let world = World::new(&lines.join("\n"));
        for request in [Request::default(), yes(Request::default()), yes(Request::to_delete())] {
            let plan = world.asked(&raised(), request);
            let fresh = world.asked(&raised(), Request::following(&plan));
            prop_assert_eq!(plan.revalidate(&fresh, &world.comparison), Validity::StillValid);
            // Nothing of the first object is left to do.
            let Some(first) = plan.steps.first().filter(|first| first.reason != Reason::Hook) else { continue };
            let mut done = world.clone();
            match is_delete(first) {
                true => done.comparison.entries.remove(&first.key),
                false => done.comparison.entries.insert(first.key.clone(), World::in_sync(&world, &first.key)),
            }
            let fresh = done.asked(&raised(), Request::following(&plan));
            match plan.revalidate(&fresh, &done.comparison) {
                Validity::StillValid => prop_assert!(false, "one step less is to be done"),
                Validity::Narrowed { plan: rest, of } => {
                    prop_assert_eq!(of, plan.digest());
                    let known = |step: &Step| plan.steps.iter().any(|other| other.key == step.key && other.action == step.action);
                    prop_assert!(rest.steps.len() < plan.steps.len() && rest.steps.iter().all(known));
                    let file = serde_json::to_vec(&StoredPlan::new(&rest, &BTreeMap::new())).unwrap();
                    prop_assert!(Plan::from_file(&file).is_ok(), "it is a sound plan itself");
                }
                Validity::Stale(_) => {}
            }
        }
    }

    #[test]
    fn an_application_goes_whole_or_not_at_all_and_nothing_goes_that_is_not_its_own_or_is_to_stay(lines in lines()) {
        let world = World::new(&lines.join("\n"));
        let plan = world.asked(&SyncPolicy::default(), yes(Request::to_delete()));
        for step in plan.steps.iter().filter(|step| is_delete(step)) {
            let compared = world.comparison.get(&step.key).unwrap();
            if step.reason == Reason::Terminating {
                prop_assert!(compared.outcome == Outcome::Terminating, "only what goes already is waited for");
                continue;
            }
            prop_assert!(compared.claim.tracked && compared.claim.standing.as_ref().is_some_and(may_go));
            let options = policy::options(compared.live.as_ref().unwrap()).0;
            prop_assert!(options.delete != Permission::Never);
            let asks = options.delete == Permission::Confirm || compared.claim.standing == Some(Standing::Rebuilt);
            prop_assert!(!asks || plan.is_confirmed(&step.key));
        }
        let unsure = world.comparison.entries.values().any(|compared| {
            matches!(&compared.outcome, Outcome::Unknown(why) if !matches!(why, Why::UnknownKind | Why::Held))
        });
        prop_assert!(!unsure || plan.is_empty());
        let unconfirmed = world.asked(&SyncPolicy::default(), Request::to_delete());
        let asks = plan.steps.iter().any(|step| plan.is_confirmed(&step.key));
        prop_assert!(!asks || unconfirmed.is_empty());
        prop_assert!(unconfirmed.confirmed.is_empty());
    }

    #[test]
    fn steps_are_numbered_and_no_edge_points_forward(lines in lines()) {
        let plan = World::new(&lines.join("\n")).plan(&raised());
        for (at, step) in plan.steps.iter().enumerate() {
            prop_assert_eq!(step.id.0 as usize, at);
            prop_assert!(step.after.is_sorted_by(|a, b| a < b), "sorted, and each once");
            prop_assert!(steps_of(&step.after).all(|before| before < step.id.0));
            for gate in gates_of(&step.after) {
                prop_assert!(steps_of(&plan.gates[gate as usize].opens).all(|before| before < step.id.0));
            }
        }
        for (at, gate) in plan.gates.iter().enumerate() {
            prop_assert_eq!(gate.id.0 as usize, at);
            prop_assert!(gates_of(&gate.opens).all(|inner| inner < gate.id.0));
            prop_assert!(!gate.opens.is_empty());
        }
        let edges: usize = plan.steps.iter().map(|step| step.after.len()).sum();
        let opens: usize = plan.gates.iter().map(|gate| gate.opens.len()).sum();
        prop_assert!(edges + opens <= 6 * plan.steps.len(), "edges grow with the number of steps");
    }

    #[test]
    fn a_step_starts_when_every_earlier_wave_is_healthy_and_deletions_come_last(lines in lines()) {
        let plan = World::new(&lines.join("\n")).plan(&raised());
        let before = finished_before(&plan);
        for step in &plan.steps {
            let turn = |other: &Step| (other.phase, is_delete(other), if is_delete(other) { 0 } else { other.wave });
            for other in plan.steps.iter().filter(|other| other.phase != Phase::SyncFail && turn(other) < turn(step)) {
                let found = before[step.id.0 as usize].get(&other.id.0);
                let settled = found == Some(&true) || found.is_some() && is_own(other);
                prop_assert_eq!(settled, step.phase != Phase::SyncFail, "{} after {}", step, other);
            }
        }
    }

    #[test]
    fn providers_come_before_what_needs_them(lines in lines()) {
        let world = World::new(&lines.join("\n"));
        let plan = world.plan(&raised());
        let before = finished_before(&plan);
        let resources = plan.steps.iter().filter(|step| step.reason != Reason::Hook && !is_delete(step));
        for step in plan.steps.iter().filter(|step| step.phase != Phase::SyncFail && !is_delete(step)) {
            for other in resources.clone() {
                let holds = other.key.is("", "Namespace") && step.key.namespace.as_ref() == Some(&other.key.name);
                let defines = other.key.is("apiextensions.k8s.io", "CustomResourceDefinition")
                    && step.key.kind() == format!("W{}", other.key.name);
                let named = world.desired.declared[&step.key].options.depends_on.contains(&other.key);
                if holds || defines || named {
                    let found = before[step.id.0 as usize].get(&other.id.0);
                    prop_assert!(found.is_some(), "{} after {}", step, other);
                    let settled = found == Some(&true) || is_own(other);
                    prop_assert!(settled || !(defines || named), "{} after {} is healthy", step, other);
                }
            }
        }
    }

    #[test]
    fn change_rules_hold_and_deletions_run_backwards(lines in lines()) {
        let world = World::new(&lines.join("\n"));
        let plan = world.plan(&raised());
        let before = finished_before(&plan);
        let loose = plan.problems.iter().any(|problem| problem.text.contains("no particular order"));
        let is_before = |one: &Step, other: &Step| {
            before[other.id.0 as usize].get(&one.id.0).is_some_and(|settled| *settled || is_own(one))
        };
        let is_ours = |step: &&Step| step.phase == Phase::Sync && step.reason != Reason::Hook;
        for step in plan.steps.iter().filter(is_ours) {
            let live = world.comparison.get(&step.key).unwrap().live.as_ref().filter(|_| is_delete(step));
            let options = match live {
                Some(live) => policy::options(live).0,
                None => world.desired.declared[&step.key].options.clone(),
            };
            let verb = if is_delete(step) { Verb::Delete } else { Verb::Upsert };
            for other in plan.steps.iter().filter(is_ours).filter(|other| is_delete(other) == is_delete(step)) {
                let groups = match &world.comparison.get(&other.key).unwrap().live {
                    Some(live) => policy::options(live).0.change_groups,
                    None => world.desired.declared[&other.key].options.change_groups.clone(),
                };
                for rule in options.change_rules.iter().filter(|rule| rule.verb == verb && groups.contains(&rule.group)) {
                    let kept = match rule.order {
                        Order::Before => is_before(step, other),
                        Order::After => is_before(other, step),
                    };
                    prop_assert!(kept || loose || step.id == other.id, "{} {:?} {}\n{}", step, rule.order, other, plan);
                }
                if is_delete(step) && options.depends_on.contains(&other.key) {
                    prop_assert!(is_before(step, other) || loose, "{} is deleted before {}\n{}", step, other, plan);
                }
            }
        }
    }

    #[test]
    fn nothing_is_deleted_without_proof_policy_and_a_complete_source(lines in lines()) {
        let mut world = World::new(&lines.join("\n"));
        for step in world.plan(&raised()).steps.iter().filter(|step| is_delete(step)) {
            let compared = world.comparison.get(&step.key).unwrap();
            prop_assert!(compared.claim.tracked && compared.claim.standing == Some(Standing::Created));
            prop_assert!(!world.desired.declared.contains_key(&step.key));
            let seen = Precondition::Present {
                uid: compared.live.as_ref().unwrap().uid().unwrap().into(),
                facts: compared.facts.unwrap(),
            };
            prop_assert_eq!(&step.requires, &seen);
        }
        for step in world.plan(&raised()).steps.iter().filter(|step| is_delete(step)) {
            let options = policy::options(world.comparison.get(&step.key).unwrap().live.as_ref().unwrap()).0;
            prop_assert_eq!(options.prune, Permission::Default, "nobody confirmed anything");
            prop_assert!(!raised().protected.contains(&*step.key.group_kind));
        }
        for step in world.asked(&raised(), yes(Request::default())).steps.iter().filter(|step| is_delete(step)) {
            let compared = world.comparison.get(&step.key).unwrap();
            prop_assert!(compared.claim.standing.as_ref().is_some_and(may_go), "a yes is no proof");
            prop_assert!(policy::options(compared.live.as_ref().unwrap()).0.prune != Permission::Never);
        }
        let none = |plan: &Plan| !plan.steps.iter().any(is_delete);
        prop_assert!(none(&world.plan(&SyncPolicy::default().with_prune(Prune::Never))));
        world.desired.completeness = Completeness::Partial;
        prop_assert!(none(&world.plan(&raised())));
        world.desired = DesiredState::default();
        prop_assert!(none(&world.plan(&raised())));
    }

    #[test]
    fn every_object_that_differs_is_in_the_plan_or_left_alone_with_a_reason(lines in lines()) {
        let world = World::new(&lines.join("\n"));
        let plan = world.plan(&raised());
        for (key, compared) in &world.comparison.entries {
            let planned = plan.steps.iter().any(|step| step.key == *key);
            let left = plan.skipped.iter().any(|skipped| skipped.key == *key);
            prop_assert!(!(planned && left), "{} is in both", key);
            let fine = matches!(compared.outcome, Outcome::Synced);
            prop_assert!(planned || left || fine, "{} is in neither", key);
        }
        for key in plan.steps.iter().map(|step| &step.key).chain(plan.skipped.iter().map(|skipped| &skipped.key)) {
            let known = world.desired.declared.contains_key(key) || world.comparison.entries.contains_key(key);
            prop_assert!(known, "{} is nobody's", key);
        }
    }
}
