//! From manifests to a plan.

use gitops_core::diff::{self, Comparison, Context};
use gitops_core::manifest::{Dialect, Limits, parse};
use gitops_core::model::ApiModel;
use gitops_core::plan::{After, HookRun, Plan, plan};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::resource::Resource;
use gitops_core::state::{DesiredState, Inventory, LiveState, Namespaces, Owner};

/// Two sets of manifests, divided by a line of `=====`: what the cluster holds, and what is declared. Comparing and
/// planning are total, the same every time, and every dependency of a step stands before it.
pub fn pipeline(bytes: &[u8]) {
    let (Ok(text), Ok(owner)) = (std::str::from_utf8(bytes), Owner::new("", "shop")) else { return };
    let (before, after) = text.split_once("\n=====\n").unwrap_or(("", text));
    let model = ApiModel::builtin();
    let desired = assemble(after, &model);
    let mut live = LiveState::default();
    desired.kinds().iter().for_each(|kind| live.listed(kind, &Namespaces::All));
    for declared in assemble(before, &model).declared.values() {
        let stamped = diff::stamp(&declared.resource, &owner).edit(|draft| {
            draft.entry("metadata").set("uid", "u1");
            draft.entry("metadata").set("resourceVersion", "7");
        });
        live.insert(stamped.unwrap_or_else(|_| declared.resource.clone()));
    }
    let inventory = Inventory::whole([]);
    let context = Context::new(&model, &owner, &inventory);
    let policy = SyncPolicy::default().with_prune(Prune::Owned);
    let decide = |desired: &DesiredState, previous: &Comparison| {
        let comparison = diff::compare(desired, &live, &context, previous);
        let plan = plan(&comparison, desired, &policy, &context, HookRun::WithChanges);
        (comparison, plan)
    };
    let (comparison, plan) = decide(&desired, &Comparison::default());
    check_order(&plan);
    let (warm, again) = decide(&desired, &comparison);
    assert_eq!((&warm.entries, &again), (&comparison.entries, &plan), "what was known changes no verdict");
    let mut resources: Vec<Resource> = desired.declared.values().map(|declared| declared.resource.clone()).collect();
    let steps = |resources: &[Resource]| decide(&DesiredState::from_resources(resources, &model, None), &warm).1.steps;
    let forwards = steps(&resources);
    resources.reverse();
    assert_eq!(steps(&resources), forwards, "the order of declaration does not matter");
}

fn assemble(text: &str, model: &ApiModel) -> DesiredState {
    let mut limits = Limits::default();
    (limits.bytes, limits.documents) = (64 << 10, 200);
    let parsed = parse(&"file.yaml".into(), text.as_bytes(), Dialect::Kubectl, &limits);
    DesiredState::assemble(&[], &[parsed.into()], &[], model, Some("shop"))
}

/// Numbers are places, and reading from the top is a valid run.
fn check_order(plan: &Plan) {
    for (place, step) in (0..).zip(&plan.steps) {
        assert_eq!(step.id.0, place);
        for edge in &step.after {
            match edge {
                After::Applied(other) | After::Healthy(other) | After::Gone(other) => assert!(*other < step.id),
                After::Gate(gate) => {
                    let gate = plan.gates.iter().find(|other| other.id == *gate);
                    let opens = gate.into_iter().flat_map(|gate| &gate.opens);
                    let later = |edge: &&After| matches!(edge, After::Applied(s) | After::Healthy(s) | After::Gone(s) if *s >= step.id);
                    assert_eq!(opens.clone().find(later), None, "a gate waits for what comes after it");
                    assert!(gate.is_some(), "an edge to no gate");
                }
            }
        }
    }
}
