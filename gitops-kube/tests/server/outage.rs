//! A server that goes away, and comes back.

use std::sync::Arc;

use gitops_core::cluster::{Cluster, ClusterError, Cursor, Failure, Force, Interest, Write};
use gitops_core::resource::{GroupKind, Resource};
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

/// Whether the map is told of with `datum`. A server that was started again may not know what changed before it was; then
/// this lists all again, as every caller must.
async fn told_of(world: &World, interest: &Interest, cursor: &mut Cursor, datum: &str) -> bool {
    let has_datum = |object: &Resource| object.tree().dig(&["data", "a"]).and_then(|a| a.as_str()) == Some(datum);
    let (is_told, after) = match world.cluster.changed(interest, cursor).await {
        Ok(changes) => (changes.changed.iter().any(has_datum), changes.cursor),
        Err(ClusterError { failure: Failure::CursorExpired, .. }) => {
            let observed = world.cluster.observe(interest).await.unwrap();
            (observed.live.objects().any(has_datum), observed.cursor)
        }
        Err(error) => panic!("{error}"),
    };
    *cursor = after;
    is_told
}
