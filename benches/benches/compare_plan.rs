//! Compare and plan: cold, warm with nothing changed, and with one in a hundred objects changed.
//!
//! `cargo bench -p gitops-benches --bench compare_plan`

use gitops_benches::{Effort, each, peak_mib, resources, show};
use gitops_core::diff::{self, Comparison, Context, Outcome};
use gitops_core::model::ApiModel;
use gitops_core::plan::{HookRun, Plan, plan};
use gitops_core::policy::SyncPolicy;
use gitops_core::resource::Resource;
use gitops_core::ssa;
use gitops_core::state::{DesiredState, Entry, Inventory, LiveState, Namespaces, Owner, Standing};
use gitops_core::time::Timestamp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let effort = Effort::from_args();
    let owner = Owner::new("", "bench")?;
    let model = ApiModel::builtin();
    let inventory = Inventory::whole([]);
    let context = Context::new(&model, &owner, &inventory);
    let policy = SyncPolicy::default();
    for count in effort.sizes() {
        let declared = resources(count);
        let desired = DesiredState::from_resources(&declared, &model, None);
        let work = |desired: &DesiredState, live: &LiveState, before: &Comparison| -> (Comparison, Plan) {
            let comparison = diff::compare(desired, live, &context, before);
            let plan = plan(&comparison, desired, &policy, &context, HookRun::WithChanges);
            (comparison, plan)
        };
        let planned = |comparison: &Comparison, desired: &DesiredState| {
            plan(comparison, desired, &policy, &context, HookRun::WithChanges)
        };
        let nothing = Comparison::default();

        let empty = live_state(Vec::new());
        let ((_, plan), time) = effort.fastest(|| work(&desired, &empty, &nothing));
        assert_eq!(plan.steps.len(), count);
        let edges: usize = plan.steps.iter().map(|step| step.after.len()).sum();
        show(&format!("compare_plan/{count}_missing"), &format!("{}, {edges} edges", cost(time, count)));
        if let Some(peak) = peak_mib() {
            assert!(peak < 1024, "a plan of {count} objects, and all it is made from, fits 1 GiB");
            show(&format!("compare_plan/{count}_missing_peak"), &format!("{peak} MiB with manifests and objects"));
        }

        let live = live_state(applied(&desired, &owner, &model)?);
        let ((comparison, plan), time) = effort.fastest(|| work(&desired, &live, &nothing));
        assert!(comparison.is_synced() && plan.is_empty(), "what was just applied is in sync");
        show(&format!("compare_plan/{count}_unchanged_cold"), &cost(time, count));

        let ((warm, plan), time) = effort.fastest(|| work(&desired, &live, &comparison));
        assert!(warm.is_synced() && plan.is_empty() && warm.entries.len() == count, "nothing changed");
        show(&format!("compare_plan/{count}_unchanged_warm"), &cost(time, count));

        // As after a new list and a new look at Git: the same objects in other maps.
        let anew = DesiredState::from_resources(&declared, &model, None);
        let relisted = live_state(live.objects().cloned().collect());
        let first = diff::compare(&anew, &relisted, &context, &comparison);
        let ((warm, plan), time) = effort.fastest(|| work(&anew, &relisted, &first));
        assert!(warm.is_synced() && plan.is_empty() && warm.entries.len() == count, "nothing changed");
        show(&format!("compare_plan/{count}_unchanged_warm_reread"), &cost(time, count));

        let all = inventory_of(&live);
        let owned = Context::new(&model, &owner, &all);
        let comparison_owned = diff::compare(&desired, &live, &owned, &nothing);
        let (_, time) = effort.fastest(|| diff::compare(&desired, &live, &owned, &comparison_owned));
        show(&format!("compare_plan/{count}_unchanged_warm_owned"), &cost(time, count));

        events(effort, &desired, &live, &owned, comparison_owned)?;

        let changed = DesiredState::from_resources(&edit_each(&declared, 100)?, &model, None);
        let all = DesiredState::from_resources(&edit_each(&declared, 1)?, &model, None);
        let differing = diff::compare(&all, &live, &context, &comparison);
        let (plan_of_all, time) = effort.fastest(|| planned(&differing, &all));
        assert_eq!(plan_of_all.steps.len(), count);
        show(&format!("compare_plan/{count}_plan_alone_all_changed"), &cost(time, count));

        let ((after, plan), time) = effort.fastest(|| work(&changed, &live, &comparison));
        let differing = after.entries.values().filter(|entry| matches!(entry.outcome, Outcome::OutOfSync(_))).count();
        assert_eq!((differing, plan.steps.len()), (count.div_ceil(100), count.div_ceil(100)));
        show(&format!("compare_plan/{count}_one_in_100_changed"), &cost(time, count));
    }
    Ok(())
}

/// One object changes, and changes back: what a watch tells.
fn events(
    effort: Effort,
    desired: &DesiredState,
    live: &LiveState,
    context: &Context<'_>,
    comparison: Comparison,
) -> Result<(), Box<dyn std::error::Error>> {
    let count = desired.declared.len();
    let old = live.objects().nth(count / 2).ok_or("an object")?;
    let new = old.edit(|draft| draft.entry("metadata").entry("labels").set("by", "hand"))?;
    let stolen = new.edit(|draft| draft.entry("metadata").entry("annotations").set("gitops.rs/tracking-id", "x"))?;
    let (changed, mut live) = ([old.key().clone()].into(), live.clone());
    let (mut turn, mut kept) = (0_usize, comparison);
    let ((), time) = effort.fastest(|| {
        turn += 1;
        live.insert(if turn % 2 == 1 { stolen.clone() } else { old.clone() });
        kept = diff::recompare(std::mem::take(&mut kept), &changed, desired, &live, context);
        assert_eq!(kept.is_synced(), turn % 2 == 0, "what changed is seen");
    });
    show(&format!("compare_plan/{count}_one_event"), &format!("{:.2} µs per event", time.as_secs_f64() * 1e6));
    Ok(())
}

fn cost(time: std::time::Duration, count: usize) -> String {
    format!("{:.2} ms, {}", time.as_secs_f64() * 1e3, each(time, count))
}

/// The objects as a server holds them after they were applied.
fn applied(
    desired: &DesiredState,
    owner: &Owner,
    model: &ApiModel,
) -> Result<Vec<Resource>, Box<dyn std::error::Error>> {
    let manager = owner.manager();
    let stamped = desired.declared.values().map(|declared| diff::stamp(&declared.resource, owner));
    let mut objects = Vec::with_capacity(desired.declared.len());
    for (number, object) in stamped.enumerate() {
        let stored = ssa::apply(&ssa::Apply::new(None, &object, &manager, Timestamp::EPOCH, model))?;
        objects.push(stored.edit(|draft| {
            let metadata = draft.entry("metadata");
            metadata.set("uid", format!("00000000-0000-4000-8000-{number:012}"));
            metadata.set("resourceVersion", number.to_string());
            metadata.set("creationTimestamp", "1970-01-01T00:00:00Z");
        })?);
    }
    Ok(objects)
}

fn live_state(objects: Vec<Resource>) -> LiveState {
    let mut live = LiveState::default();
    for (group, kind) in [("apps", "Deployment"), ("", "Service"), ("", "ConfigMap")] {
        live.listed(&gitops_core::resource::GroupKind::new(group, kind), &Namespaces::All);
    }
    objects.into_iter().for_each(|object| live.insert(object));
    live
}

/// All of it is ours.
fn inventory_of(live: &LiveState) -> Inventory {
    let entry =
        |object: &Resource| Entry::held(Standing::Created, object.uid().unwrap_or_default(), object.version(), 0);
    Inventory::whole(live.objects().map(|object| (object.key().clone(), entry(object))))
}

/// Gives one object in `each` another label.
fn edit_each(declared: &[Resource], each: usize) -> Result<Vec<Resource>, Box<dyn std::error::Error>> {
    let edited = declared.iter().enumerate().map(|(index, object)| match index % each {
        0 => object.edit(|draft| {
            draft.entry("metadata").entry("labels").set("edited", "yes");
        }),
        _ => Ok(object.clone()),
    });
    Ok(edited.collect::<Result<_, _>>()?)
}
