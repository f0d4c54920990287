//! Kinds that come and go.

use std::collections::BTreeSet;

use gitops_core::cluster::{Cluster, Failure, Force, Interest, Write, WriteOutcome};
use gitops_core::model::{KindFacts, Scope};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::Live;

use crate::checks;
use crate::world::{World, object, until};

checks!(
    kinds_of_the_server_are_served_and_others_are_not,
    a_new_kind_is_served_with_the_schema_of_its_crd,
    a_version_that_is_no_longer_served_is_told_from_an_absent_object,
);

pub(crate) fn crd(group: &str, versions: &[(&str, bool)]) -> Resource {
    let version = |(at, (name, served)): (usize, &(&str, bool))| {
        format!(
            r#"{{"name":"{name}","served":{served},"storage":{},"schema":{{"openAPIV3Schema":{{"type":"object",
                "properties":{{"spec":{{"type":"object","properties":{{"size":{{"type":"integer","default":3}}}}}}}}}}}}}}"#,
            at == 0
        )
    };
    let versions: Vec<String> = versions.iter().enumerate().map(version).collect();
    object(&format!(
        r#"{{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{{"name":"gears.{group}"}},
            "spec":{{"group":"{group}","scope":"Namespaced","names":{{"kind":"Gear","plural":"gears","singular":"gear",
            "listKind":"GearList"}},"versions":[{}]}}}}"#,
        versions.join(",")
    ))
}

pub(crate) fn gear(group: &str, version: &str, spec: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"{group}/{version}","kind":"Gear","metadata":{{"name":"g","namespace":"default"}},"spec":{spec}}}"#
    ))
}

/// Applies an object once its kind is served.
async fn apply_once_served(world: &World, wanted: &Resource) -> WriteOutcome {
    until("the kind is served", || async {
        match world.try_apply(wanted).await {
            Err(Failure::KindNotServed) => None,
            outcome => Some(outcome.unwrap()),
        }
    })
    .await
}

async fn kinds_of_the_server_are_served_and_others_are_not(world: World) {
    let [pod, node, nothing] = [("", "Pod"), ("", "Node"), ("none.example.com", "Nothing")];
    let kinds: BTreeSet<GroupKind> =
        [pod, node, nothing].iter().map(|(group, kind)| GroupKind::new(group, kind)).collect();
    let model = world.cluster.model(&kinds).await.unwrap();
    let facts = |(group, kind): (&str, &str)| model.kind(&GroupKind::new(group, kind));
    assert!(
        matches!(facts(pod), KindFacts::Served(kind) if kind.scope == Scope::Namespaced && kind.has_status_subresource)
    );
    assert!(matches!(facts(node), KindFacts::Served(kind) if kind.scope == Scope::Cluster));
    assert_eq!(facts(nothing), KindFacts::NotServed);
    let deployment = GroupKind::new("apps", "Deployment");
    assert!(matches!(facts(("apps", "Deployment")), KindFacts::Served(kind) if kind.scale.is_some()));
    assert!(model.has_schemas(&deployment), "the table has the kinds of this version");
    // A Scale or a review is nothing that lies somewhere.
    assert_eq!(facts(("autoscaling", "Scale")), KindFacts::Unknown);
}

async fn a_new_kind_is_served_with_the_schema_of_its_crd(world: World) {
    let group = "new.example.com";
    let key = ResourceKey::new(group, "Gear", "default", "g");
    let seen = world.cluster.observe(&Interest::in_objects([key.clone()])).await.unwrap();
    assert!(matches!(seen.live.get(&key), Live::NotServed));
    world.apply(&crd(group, &[("v1", true)]), "checks").await;
    assert_eq!(apply_once_served(&world, &gear(group, "v1", r#"{"size":1}"#)).await, WriteOutcome::Created);
    let kind = GroupKind::new(group, "Gear");
    let model = world.cluster.model(&[kind.clone()].into()).await.unwrap();
    let size = model.schema(&kind, "v1").field("spec").field("size");
    assert!(size.scalar().is_some(), "a schema, not deduced: {size:?}");
    let odd = world.try_apply(&gear(group, "v1", r#"{"size":1,"odd":true}"#)).await;
    assert!(matches!(&odd, Err(Failure::Invalid { message, .. }) if message.contains("spec.odd")), "{odd:?}");
    let seen = world.cluster.observe(&Interest::in_kinds([kind])).await.unwrap();
    assert!(matches!(seen.live.get(&key), Live::Present(_)));
}

async fn a_version_that_is_no_longer_served_is_told_from_an_absent_object(world: World) {
    let group = "old.example.com";
    let two = [("v2", true), ("v1", true)];
    world.apply(&crd(group, &two), "checks").await;
    let old = gear(group, "v1", "{}");
    apply_once_served(&world, &old).await;
    let mut only_new = two;
    only_new[1].1 = false;
    world.cluster.write(&Write::apply(&crd(group, &only_new), "checks", Force::Yes)).await.unwrap();
    let outcome = until("the version is gone", || async {
        let outcome = world.try_apply(&old).await;
        outcome.is_err().then_some(outcome)
    })
    .await;
    assert_eq!(outcome, Err(Failure::KindNotServed));
    assert!(world.live(old.key()).await.is_some(), "the object is there at its other version");
    world
        .delete(
            &ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, &format!("gears.{group}")),
            "v1",
        )
        .await;
    until("the kind is gone", || async {
        let seen = world.cluster.observe(&Interest::in_kinds([GroupKind::new(group, "Gear")])).await.unwrap();
        matches!(seen.live.get(old.key()), Live::NotServed).then_some(())
    })
    .await;
}
