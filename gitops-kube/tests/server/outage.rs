//! A server that goes away, and comes back.

use std::sync::Arc;

use gitops_core::cluster::{Cluster, Failure, Force, Interest, Write};
use gitops_core::resource::GroupKind;
use gitops_core::state::Namespaces;

use crate::checks;
use crate::world::{World, config_map};

checks!(a_server_that_is_away_is_no_empty_cluster_and_no_change_is_missed);

async fn a_server_that_is_away_is_no_empty_cluster_and_no_change_is_missed(world: World) {
    world.namespace("outage").await;
    let mut interest = Interest::in_kinds([GroupKind::new("", "ConfigMap")]);
    interest.namespaces = Namespaces::Only([Arc::from("outage")].into());
    let map = config_map("outage", "map", "1");
    let mut cursor = world.cluster.observe(&interest).await.unwrap().cursor;
    world.apply(&map, "checks").await;
    while !told_of(&world, &interest, &mut cursor, "1").await {}

    world.kill().await;
    let away = world.cluster.observe(&interest).await.unwrap_err().failure;
    assert!(matches!(away, Failure::Unavailable { .. }), "{away:?}");
    let refused = world.try_write(&Write::apply(&map, "checks", Force::No)).await;
    assert!(matches!(refused, Err(Failure::Unavailable { .. })), "nothing was sent: {refused:?}");
    world.restart().await;

    world.apply(&config_map("outage", "map", "2"), "checks").await;
    while !told_of(&world, &interest, &mut cursor, "2").await {}
}

async fn told_of(world: &World, interest: &Interest, cursor: &mut gitops_core::cluster::Cursor, datum: &str) -> bool {
    let changes = world.cluster.changed(interest, cursor).await.unwrap();
    *cursor = changes.cursor;
    changes.changed.iter().any(|object| object.tree().dig(&["data", "a"]).and_then(|a| a.as_str()) == Some(datum))
}
