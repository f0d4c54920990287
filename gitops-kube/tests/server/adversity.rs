//! What happens to somebody who watches: connections break, credentials end, rights and kinds go, history is forgotten.

use std::sync::Arc;

use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{Live, Namespaces};

use crate::checks;
use crate::kinds::{crd, gear};
use crate::world::{World, config_map, object, until};

checks!(
    a_watch_that_is_cut_misses_nothing,
    a_history_that_is_forgotten_is_told_and_a_list_goes_on,
    a_token_that_expires_is_followed_by_the_next_and_nothing_is_done_twice,
    rights_that_are_narrowed_make_a_kind_unreadable_and_no_other,
    a_kind_that_goes_while_it_is_watched_is_not_served_and_no_object_of_another_is_lost,
);

fn maps_in(namespace: &str) -> Interest {
    let mut interest = Interest::in_kinds([GroupKind::new("", "ConfigMap")]);
    interest.namespaces = Namespaces::Only([Arc::from(namespace)].into());
    interest
}

fn datum(object: &Resource) -> Option<&str> {
    object.tree().dig(&["data", "a"])?.as_str()
}

/// Follows until a map holds this; lists anew where it is told to. Returns how often that was.
async fn follow(world: &World, interest: &Interest, cursor: &mut Cursor, wanted: &str) -> usize {
    let mut lists = 0;
    for _ in 0..100 {
        let is_it = |object: &Resource| datum(object) == Some(wanted);
        let found = match world.cluster.changed(interest, cursor).await {
            Ok(Changes { changed, cursor: after, .. }) => {
                *cursor = after;
                changed.iter().any(is_it)
            }
            Err(ClusterError { failure: Failure::CursorExpired, .. }) => {
                lists += 1;
                let observed = world.cluster.observe(interest).await.unwrap();
                *cursor = observed.cursor;
                observed.live.objects().any(is_it)
            }
            Err(error) => panic!("{error}"),
        };
        if found {
            return lists;
        }
    }
    panic!("`{wanted}` was never told of");
}

async fn a_watch_that_is_cut_misses_nothing(world: World) {
    world.namespace("cut").await;
    let interest = maps_in("cut");
    let mut cursor = world.cluster.observe(&interest).await.unwrap().cursor;
    for round in 0..5 {
        world.apply(&config_map("cut", "map", &format!("{round}a")), "checks").await;
        assert_eq!(follow(&world, &interest, &mut cursor, &format!("{round}a")).await, 0);
        world.cut_watches();
        world.apply(&config_map("cut", "map", &format!("{round}b")), "checks").await;
        assert_eq!(follow(&world, &interest, &mut cursor, &format!("{round}b")).await, 0, "nothing is listed anew");
    }
}

async fn a_history_that_is_forgotten_is_told_and_a_list_goes_on(world: World) {
    world.namespace("forgotten").await;
    let interest = maps_in("forgotten");
    let mut cursor = world.cluster.observe(&interest).await.unwrap().cursor;
    // Nobody watches yet, so what comes between is known to the history alone.
    for value in ["one", "two", "three"] {
        world.apply(&config_map("forgotten", "map", value), "checks").await;
    }
    world.delete(config_map("forgotten", "map", "").key(), "v1").await;
    world.apply(&config_map("forgotten", "other", "four"), "checks").await;
    world.forget_history();
    assert_eq!(follow(&world, &interest, &mut cursor, "four").await, 1);
    let gone = config_map("forgotten", "map", "");
    assert_eq!(world.live(gone.key()).await, None);
    world.apply(&config_map("forgotten", "other", "five"), "checks").await;
    assert_eq!(follow(&world, &interest, &mut cursor, "five").await, 0, "the watch goes on");
}

async fn a_token_that_expires_is_followed_by_the_next_and_nothing_is_done_twice(world: World) {
    world.namespace("expired").await;
    let interest = maps_in("expired");
    let mut cursor = world.cluster.observe(&interest).await.unwrap().cursor;
    let first = world.apply(&config_map("expired", "map", "one"), "checks").await;
    follow(&world, &interest, &mut cursor, "one").await;
    world.expire_token();
    world.cut_watches();
    let second = world.apply(&config_map("expired", "map", "two"), "checks").await;
    let generation = |written: &gitops_core::cluster::Written| {
        written.object.as_ref().and_then(|object| object.resource_version()?.parse::<u64>().ok())
    };
    assert!(generation(&second) > generation(&first));
    follow(&world, &interest, &mut cursor, "two").await;
}

async fn rights_that_are_narrowed_make_a_kind_unreadable_and_no_other(world: World) {
    let role = |resources: &str| {
        object(&format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"narrowed"}},"rules":[
                {{"apiGroups":[""],"resources":[{resources}],"verbs":["get","list","watch"]}}]}}"#
        ))
    };
    let binding = r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"narrowed"},
        "roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"narrowed"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"narrowed"}]}"#;
    world.namespace("narrowed").await;
    world.apply(&role(r#""configmaps","secrets""#), "checks").await;
    world.apply(&object(binding), "checks").await;
    let user = world.user("narrowed").await;
    let mut interest = maps_in("narrowed");
    interest.kinds.insert(GroupKind::new("", "Secret"));
    let secret = ResourceKey::new("", "Secret", "narrowed", "none");
    let map = config_map("narrowed", "map", "one");
    until("both may be read", || async {
        let seen = user.observe(&interest).await.unwrap();
        matches!(seen.live.get(&secret), Live::Absent).then_some(())
    })
    .await;
    world.apply(&role(r#""configmaps""#), "checks").await;
    let mut cursor = until("only one may be read", || async {
        let seen = user.observe(&interest).await.unwrap();
        assert!(matches!(seen.live.get(map.key()), Live::Absent), "the other one is as it was");
        matches!(seen.live.get(&secret), Live::Unreadable(_)).then_some(seen.cursor)
    })
    .await;
    world.apply(&map, "checks").await;
    let narrowed = world.clone().through(user);
    assert_eq!(follow(&narrowed, &interest, &mut cursor, "one").await, 0, "it is still watched");
}

async fn a_kind_that_goes_while_it_is_watched_is_not_served_and_no_object_of_another_is_lost(world: World) {
    let group = "going.example.com";
    world.namespace("vanishing").await;
    let definition = crd(group, &[("v1", true)]);
    world.apply(&definition, "checks").await;
    let gear = gear(group, "v1", "{}");
    until("the kind is served", || async { world.try_apply(&gear).await.ok() }).await;
    let mut interest = Interest::in_kinds([GroupKind::new(group, "Gear"), GroupKind::new("", "ConfigMap")]);
    interest.namespaces = Namespaces::Only([Arc::from("vanishing"), Arc::from("default")].into());
    let observed = world.cluster.observe(&interest).await.unwrap();
    assert!(matches!(observed.live.get(gear.key()), Live::Present(_)));
    let mut cursor = observed.cursor;
    world.delete(definition.key(), "v1").await;
    until("the kind is gone", || async {
        let seen = world.cluster.observe(&interest).await.unwrap();
        matches!(seen.live.get(gear.key()), Live::NotServed).then_some(())
    })
    .await;
    world.apply(&config_map("vanishing", "map", "here"), "checks").await;
    follow(&world, &interest, &mut cursor, "here").await;
    let seen = world.cluster.observe(&interest).await.unwrap();
    assert!(matches!(seen.live.get(gear.key()), Live::NotServed), "never absent: {:?}", seen.live.get(gear.key()));
}
