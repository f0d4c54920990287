//! Lists and watches.

use std::collections::BTreeSet;
use std::sync::Arc;

use gitops_core::cluster::{Cluster, Interest};
use gitops_core::resource::GroupKind;
use gitops_core::state::Namespaces;
use tokio::task::JoinSet;

use crate::checks;
use crate::world::{World, config_map};

checks!(a_list_of_many_pages_is_read_whole, changes_are_told_once_and_in_full);

fn maps_in(namespace: &str) -> Interest {
    let only = Namespaces::Only([Arc::from(namespace)].into());
    let mut interest = Interest::in_kinds([GroupKind::new("", "ConfigMap")]);
    interest.namespaces = only;
    interest
}

async fn a_list_of_many_pages_is_read_whole(world: World) {
    world.namespace("long-list").await;
    let mut writes = JoinSet::new();
    for at in 0..1_100 {
        let world = world.clone();
        writes.spawn(async move { world.apply(&config_map("long-list", &format!("m{at}"), "1"), "checks").await });
    }
    writes.join_all().await;
    let seen = world.cluster.observe(&maps_in("long-list")).await.unwrap();
    let ours = seen.live.objects().filter(|object| object.key().name.starts_with('m')).count();
    assert_eq!(ours, 1_100);
    let bare = seen.live.objects().find(|object| object.api_version() != "v1");
    assert_eq!(bare, None, "every object has its kind and version");
}

async fn changes_are_told_once_and_in_full(world: World) {
    world.namespace("changes").await;
    let interest = maps_in("changes");
    let mut cursor = world.cluster.observe(&interest).await.unwrap().cursor;
    let mut told = BTreeSet::new();
    for round in 0..5 {
        for at in 0..4 {
            world.apply(&config_map("changes", &format!("c{at}"), &round.to_string()), "checks").await;
        }
        // All four come, in one answer or more, and nothing comes twice.
        let mut left = 4;
        while left > 0 {
            let changes = world.cluster.changed(&interest, &cursor).await.unwrap();
            cursor = changes.cursor;
            for object in changes.changed.iter().filter(|object| object.key().name.starts_with('c')) {
                let version = object.resource_version().unwrap().to_owned();
                assert!(told.insert(version), "{object:?} was told of before");
                left -= 1;
            }
        }
    }
    assert_eq!(told.len(), 20);
}
