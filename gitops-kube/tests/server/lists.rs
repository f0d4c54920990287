//! Lists and watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gitops_core::cluster::{Cluster, Interest};
use gitops_core::resource::GroupKind;
use gitops_core::state::{Live, Namespaces};
use tokio::task::JoinSet;

use crate::checks;
use crate::world::{World, config_map, object, until};

checks!(
    a_list_of_many_pages_is_read_whole,
    changes_are_told_once_and_in_full,
    what_cannot_be_watched_or_listed_is_no_reason_to_list_all_the_time,
);

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

async fn what_cannot_be_watched_or_listed_is_no_reason_to_list_all_the_time(world: World) {
    let role = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"lister"},"rules":[
        {"apiGroups":[""],"resources":["configmaps"],"verbs":["get","list"]}]}"#;
    let binding = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"lister"},
        "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"lister"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"lister"}]}"#;
    world.apply(&object(role), "checks").await;
    world.apply(&object(binding), "checks").await;
    let lister = world.user("lister").await;
    // The one may be listed and not watched, the other neither, and the third is not served.
    let kinds = [("", "ConfigMap"), ("", "Secret"), ("none.example.com", "Nothing")];
    let interest = Interest::in_kinds(kinds.map(|(group, kind)| GroupKind::new(group, kind)));
    let map = config_map("default", "listed", "1");
    let cursor = until("the role is in force", || async {
        let seen = lister.observe(&interest).await.unwrap();
        matches!(seen.live.get(map.key()), Live::Absent).then_some(seen.cursor)
    })
    .await;
    for _ in 0..2 {
        let begin = Instant::now();
        let changes = lister.changed(&interest, &cursor).await;
        assert!(changes.is_ok_and(|changes| changes.changed.is_empty()));
        assert!(begin.elapsed() >= Duration::from_secs(5), "{:?}", begin.elapsed());
    }
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
