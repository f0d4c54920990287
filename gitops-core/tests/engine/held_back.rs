//! What an engine does about what it could not do.

use gitops_core::automation::Switch;
use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::ready;

use gitops_core::resource::Resource;
use gitops_core::value::Value;

use super::adversity::{WIDGET, WIDGETS};
use super::*;

/// Without self-heal: what was never made true is no change on the cluster.
#[test]
fn what_could_not_be_applied_is_applied_once_its_kind_comes_though_changes_are_only_reported() {
    let mut world = World::new(123);
    world.0.put(application("shop").with_automation(Automation::syncing()));
    world.put_files(&[("one.yaml", Some(WIDGET))]);
    world.commit("web", "blue");
    world.pass(5);
    assert_eq!(world.colour("web").as_deref(), Some("blue"));
    assert_eq!(world.size(), None);
    let operations = world.status("shop").history.len();
    world.pass(60);
    assert_eq!(world.status("shop").history.len(), operations, "nothing is done while nothing can be done");
    world.paint("web", "red", "kubectl");
    world.pass(60);
    assert_eq!(world.colour("web").as_deref(), Some("red"), "what somebody changes is only reported, here as well");
    world.paint("web", "blue", "kubectl");

    let crd: serde_yaml::Value = serde_yaml::from_str(WIDGETS).unwrap();
    let json = serde_json::to_vec(&crd).unwrap();
    let crd = Resource::new(Value::from_json(&json).unwrap()).unwrap();
    ready(world.0.cluster.write(&Write::create(&crd, "operator"))).unwrap().unwrap();
    world.pass(20);
    assert_eq!(world.size(), Some(1), "{:#?}", world.status("shop"));
    assert_eq!(world.status("shop").sync, SyncStatus::Synced);
    world.paint_widget(2);
    world.pass(20);
    assert_eq!(world.size(), Some(2), "by now it is a change, and such are only reported");
}

/// Such an operation counted for one on a part of the application, so that its failures were none of the revision, and it
/// was tried again at once, for ever.
#[test]
fn an_operation_that_fails_is_tried_again_ever_more_rarely_also_where_it_leaves_something_out() {
    let deployment = |name: &str, image: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: \
             {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: a, image: {image}}}]}}}}}}}}"
        )
    };
    let files = |image: &str| [("a.yaml", deployment("a", image)), ("b.yaml", deployment("b", image))];
    let held = map("held", "blue").replace("name: held", "name: held, finalizers: [example.org/held]");
    for left_out in ["what is being deleted", "what the rollout budget puts off"] {
        let mut world = World::new(125);
        let mut application = application("shop");
        application.app.policy.rollout_budget = Some("1".parse().unwrap());
        world.0.put(application);
        let commit = |world: &World, files: &[(&str, String)]| {
            let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(text.as_str()))).collect();
            world.put_files(&files);
        };
        let denied = if left_out == "what is being deleted" {
            world.commit("web", "blue");
            commit(&world, &[("held.yaml", held.clone())]);
            world.pass(5);
            let key = ResourceKey::new("", "ConfigMap", "default", "held");
            let write = Write::delete(&key, "v1", gitops_core::resource::Propagation::Background);
            ready(world.0.cluster.write(&write)).unwrap().unwrap();
            world.commit("web", "red");
            vec![ResourceKey::new("", "ConfigMap", "default", "web")]
        } else {
            commit(&world, &files("one"));
            world.pass(5);
            commit(&world, &files("two"));
            ["a", "b"].map(|name| ResourceKey::new("apps", "Deployment", "default", name)).to_vec()
        };
        world.0.denied.extend(denied);
        let before = world.work("effect");
        world.pass(60);
        let effects = world.work("effect") - before;
        assert!((2..=120).contains(&effects), "{left_out}: {effects}");
        let history = &world.status("shop").history;
        let last = history.first().unwrap();
        assert_eq!((last.phase, last.partial, last.incomplete), (Phase::Failed, false, true), "{left_out}: {last:#?}");
    }
}

/// Heals of a revision that was left incomplete are heals: they run hooks only where that is wanted.
#[test]
fn hooks_run_in_heals_of_an_incomplete_revision_only_where_they_are_to_run_in_heals() {
    const HOOK: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: hook, annotations: {argocd.argoproj.io/hook: \
                        PreSync, memory.gitops.rs/outcome: succeed}}, spec: {template: {spec: {restartPolicy: Never, \
                        containers: [{name: run, image: busybox}]}}}}";
    for hooks in [Switch::Off, Switch::On] {
        let mut world = World::new(124);
        let mut automation = Automation::healing();
        automation.hooks_on_heal = hooks;
        world.0.put(application("shop").with_automation(automation));
        world.put_files(&[("one.yaml", Some(WIDGET)), ("hook.yaml", Some(HOOK))]);
        world.commit("web", "blue");
        world.pass(10);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
        world.0.take_writes();
        world.paint("web", "red", "kubectl");
        world.pass(30);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{:#?}", world.status("shop"));
        let writes = world.0.take_writes();
        let runs = writes
            .iter()
            .filter(|done| done.write.key.is("batch", "Job") && done.before.is_none() && done.after.is_some());
        assert_eq!(runs.count(), usize::from(hooks.is_on()), "{:#?}", world.status("shop"));
    }
}
