//! What an engine does about what it could not do.

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
