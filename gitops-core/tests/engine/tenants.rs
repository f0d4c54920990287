//! Namespaces and CRDs of one application in which another one has objects. Rules 28 and 31 of the exact rules.

use gitops_core::engine::ConditionKind;
use gitops_core::resource::ResourceKey;

use super::World;
use super::handover::{of_folder, text};

const NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: n1, annotations: {gitops.rs/prune: enabled}}}";
const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  \
    name: widgets.example.org\n  annotations: {gitops.rs/prune: enabled}\nspec:\n  group: example.org\n  scope: Namespaced\n  \
    names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}\n  versions:\n    - {name: v1, served: true, \
    storage: true, schema: {openAPIV3Schema: {type: object}}}\n";

#[test]
fn a_namespace_or_crd_in_which_another_application_has_objects_stays_until_it_has_none() {
    let inside = "{apiVersion: v1, kind: ConfigMap, metadata: {name: inside, namespace: n1}}";
    let widget = "{apiVersion: example.org/v1, kind: Widget, metadata: {name: inside, namespace: default}}";
    let (of_core, of_crds) = ("", "apiextensions.k8s.io");
    for (container, guest, place, lodger) in [
        (
            NAMESPACE,
            inside,
            ResourceKey::new(of_core, "Namespace", None, "n1"),
            ResourceKey::new(of_core, "ConfigMap", "n1", "inside"),
        ),
        (
            DEFINITION,
            widget,
            ResourceKey::new(of_crds, "CustomResourceDefinition", None, "widgets.example.org"),
            ResourceKey::new("example.org", "Widget", "default", "inside"),
        ),
    ] {
        let mut world = World::new(21);
        world.0.put(of_folder("a"));
        world.0.put(of_folder("b"));
        world.files(&[
            ("a/container.yaml", Some(container.to_owned())),
            ("a/own.yaml", Some(text("own-a", "colour: grey"))),
            ("a/more.yaml", Some(text("more-a", "colour: grey"))),
            ("b/own.yaml", Some(text("own-b", "colour: grey"))),
        ]);
        world.pass(3);
        world.files(&[("b/guest.yaml", Some(guest.to_owned()))]);
        world.pass(10);
        world.is_at_rest(&["a", "b"]);
        let has = |world: &World, key: &ResourceKey| world.0.cluster.with_server(|server| server.get(key).is_some());
        assert!(has(&world, &lodger));
        world.0.take_writes();
        world.files(&[("a/container.yaml", None)]);
        world.pass(10);
        assert_eq!((world.deletions(), has(&world, &place), has(&world, &lodger)), (0, true, true), "{place}");
        let of_a = world.status("a");
        let waits = of_a.conditions.iter().find(|found| found.kind == ConditionKind::PruneWaits);
        let message = waits.map(|found| found.message.to_string()).unwrap_or_default();
        assert_eq!(message, format!("`{place}` is not pruned: application `b` has objects in it"), "{of_a:#?}");
        // What is given up by its tenant goes, and then there is none.
        world.files(&[("b/guest.yaml", None)]);
        world.pass(10);
        assert_eq!((has(&world, &place), has(&world, &lodger)), (false, false), "{place}");
        world.is_at_rest(&["a", "b"]);
    }
}
