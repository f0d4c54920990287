//! What each refusal means.

use gitops_core::cluster::{Cluster, Failure, Force, Interest, Write};
use gitops_core::path::FieldPath;
use gitops_core::resource::{GroupKind, Propagation, Resource};
use gitops_core::state::Live;

use crate::checks;
use crate::world::{World, config_map, object, until};

checks!(
    who_may_not_read_learns_that_and_nothing_is_absent,
    who_may_not_write_is_denied,
    a_namespace_that_goes_away_takes_nothing_in,
    a_webhook_that_is_away_is_no_refusal,
    a_policy_that_says_no_is_no_lack_of_rights,
    a_quota_that_is_used_up_is_no_lack_of_rights,
    an_object_that_is_too_large_is_told_so,
    fields_that_a_kind_does_not_have_are_refused,
    a_field_that_cannot_change_is_told_as_such,
    a_conflict_names_fields_whose_names_hold_dots,
);

async fn who_may_not_read_learns_that_and_nothing_is_absent(world: World) {
    let nobody = world.user("nobody").await;
    let map = config_map("default", "unseen", "1");
    let kinds = Interest::in_kinds([GroupKind::new("", "ConfigMap")]);
    for interest in [kinds, Interest::in_objects([map.key().clone()])] {
        let seen = nobody.observe(&interest).await.unwrap();
        let Live::Unreadable(why) = seen.live.get(map.key()) else { panic!("{:?}", seen.live.get(map.key())) };
        assert!(why.to_string().contains(r#"User "nobody" cannot "#), "{why}");
    }
}

async fn who_may_not_write_is_denied(world: World) {
    let nobody = world.user("nobody").await;
    let map = config_map("default", "unwritten", "1");
    for write in [
        Write::apply(&map, "checks", Force::No),
        Write::create(&map, "checks"),
        Write::delete(map.key(), "v1", Propagation::Background),
    ] {
        let denied = nobody.write(&write).await.unwrap_err().failure;
        assert!(matches!(denied, Failure::Denied { .. }), "{denied:?}");
    }
}

async fn a_namespace_that_goes_away_takes_nothing_in(world: World) {
    world.namespace("leaving").await;
    let held = config_map("leaving", "held", "1");
    let held =
        held.edit(|draft| draft.entry("metadata").set("finalizers", vec!["checks.gitops.rs/hold".into()])).unwrap();
    world.apply(&held, "checks").await;
    let namespace = object(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"leaving"}}"#);
    world.delete(namespace.key(), "v1").await;
    let late = config_map("leaving", "late", "1");
    let refused = until("the namespace refuses", || async { world.try_apply(&late).await.err() }).await;
    assert_eq!(refused, Failure::NamespaceTerminating { namespace: "leaving".into() });
    assert!(world.live(namespace.key()).await.unwrap().is_terminating());
    let free = gitops_core::cluster::PatchStep::Remove(FieldPath::fields(&["metadata", "finalizers"]));
    world.cluster.write(&Write::patch(held.key(), "v1", vec![free], "checks")).await.unwrap();
    until("the namespace is gone", || async { world.live(namespace.key()).await.is_none().then_some(()) }).await;
    let refused = world.try_apply(&late).await;
    assert_eq!(refused, Err(Failure::NamespaceMissing { namespace: "leaving".into() }));
}

fn webhook(namespace: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",
            "metadata":{{"name":"{namespace}"}},"webhooks":[{{"name":"away.example.com","sideEffects":"None",
            "admissionReviewVersions":["v1"],"timeoutSeconds":2,"clientConfig":{{"url":"https://127.0.0.1:1/"}},
            "rules":[{{"apiGroups":[""],"apiVersions":["v1"],"operations":["*"],"resources":["configmaps"]}}],
            "namespaceSelector":{{"matchLabels":{{"kubernetes.io/metadata.name":"{namespace}"}}}}}}]}}"#
    ))
}

async fn a_webhook_that_is_away_is_no_refusal(world: World) {
    world.namespace("webhook").await;
    let map = config_map("webhook", "here", "1");
    world.apply(&map, "checks").await;
    let webhook = webhook("webhook");
    world.apply(&webhook, "checks").await;
    let late = config_map("webhook", "late", "1");
    let apply = Write::apply(&late, "checks", Force::No).dry_run();
    let refused = until("the webhook is asked", || async { world.try_write(&apply).await.err() }).await;
    assert!(matches!(refused, Failure::WebhookUnavailable { .. }), "{refused:?}");
    // It stands in the way of deletions as well.
    let refused = world.try_write(&Write::delete(map.key(), "v1", Propagation::Background)).await;
    assert!(matches!(refused, Err(Failure::WebhookUnavailable { .. })), "{refused:?}");
    world.delete(webhook.key(), "v1").await;
}

async fn a_policy_that_says_no_is_no_lack_of_rights(world: World) {
    world.namespace("policy").await;
    let policy = r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy",
        "metadata":{"name":"checks"},"spec":{"failurePolicy":"Fail","matchConstraints":{"resourceRules":[{"apiGroups":[""],
        "apiVersions":["v1"],"operations":["CREATE","UPDATE"],"resources":["configmaps"]}]},
        "validations":[{"expression":"!('a' in object.data) || object.data.a != 'bad'","message":"a must not be bad"}]}}"#;
    let binding = r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding",
        "metadata":{"name":"checks"},"spec":{"policyName":"checks","validationActions":["Deny"],"matchResources":
        {"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"policy"}}}}}"#;
    world.apply(&object(policy), "checks").await;
    world.apply(&object(binding), "checks").await;
    let bad = config_map("policy", "bad", "bad");
    let refused = until("the policy is in force", || async { world.try_apply(&bad).await.err() }).await;
    assert!(matches!(&refused, Failure::Refused { message } if message.contains("a must not be bad")), "{refused:?}");
    world.delete(object(binding).key(), "v1").await;
    world.delete(object(policy).key(), "v1").await;
}

async fn a_quota_that_is_used_up_is_no_lack_of_rights(world: World) {
    world.namespace("quota").await;
    let quota = r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"none","namespace":"quota"},
        "spec":{"hard":{"count/secrets":"0"}}}"#;
    world.apply(&object(quota), "checks").await;
    let secret = object(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"quota"},"data":{"key":"aHVudGVyMg=="}}"#,
    );
    let apply = Write::apply(&secret, "checks", Force::No).dry_run();
    let refused = until("the quota counts", || async { world.try_write(&apply).await.err() }).await;
    assert!(matches!(&refused, Failure::Refused { message } if message.contains("exceeded quota")), "{refused:?}");
}

async fn an_object_that_is_too_large_is_told_so(world: World) {
    for size in [1_100_000, 4_000_000] {
        let large = config_map("default", "large", &"x".repeat(size));
        let refused = world.try_apply(&large).await;
        assert!(matches!(refused, Err(Failure::TooLarge { .. })), "{size}: {refused:?}");
    }
}

async fn fields_that_a_kind_does_not_have_are_refused(world: World) {
    let odd = config_map("default", "odd", "1").edit(|draft| draft.set("odd", "1")).unwrap();
    for write in [Write::apply(&odd, "checks", Force::No), Write::create(&odd, "checks")] {
        let refused = world.try_write(&write).await;
        assert!(matches!(&refused, Err(Failure::Invalid { message, .. }) if message.contains("odd")), "{refused:?}");
    }
}

async fn a_field_that_cannot_change_is_told_as_such(world: World) {
    let map = config_map("default", "frozen", "1").edit(|draft| draft.set("immutable", true)).unwrap();
    world.apply(&map, "checks").await;
    let other = map.edit(|draft| draft.entry("data").set("a", "2")).unwrap();
    let refused = world.try_apply(&other).await.unwrap_err();
    assert!(!refused.immutable().is_empty(), "{refused:?}");
}

async fn a_conflict_names_fields_whose_names_hold_dots(world: World) {
    let with = |value: &str| {
        config_map("default", "dotted", "1")
            .edit(|draft| draft.entry("metadata").entry("annotations").set("a.example.com/b.c", value))
            .unwrap()
    };
    world.apply(&with("1"), "first").await;
    let refused = world.try_write(&Write::apply(&with("2"), "second", Force::No)).await;
    let Err(Failure::FieldConflict { conflicts }) = refused else { panic!("{refused:?}") };
    let field = FieldPath::fields(&["metadata", "annotations", "a.example.com/b.c"]);
    assert_eq!(
        conflicts.iter().map(|conflict| (&*conflict.manager, &conflict.field)).collect::<Vec<_>>(),
        [("first", &field)]
    );
}
