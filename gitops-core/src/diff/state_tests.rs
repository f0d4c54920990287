use super::tests::{object, us};
use super::*;
use crate::resource::GroupKind;
use crate::ssa;
use crate::state::{DesiredState, Entry, Live, LiveState, Namespaces};
use crate::value::Draft;

#[test]
fn what_could_not_be_read_is_unknown_and_never_missing() {
    let desired = object(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}"#);
    let custom = object(r#"{"apiVersion":"example.com/v1","kind":"Odd","metadata":{"name":"a","namespace":"shop"}}"#);
    let dying = stamp(&desired, &us())
        .edit(|draft| draft.entry("metadata").set("deletionTimestamp", "2026-01-01T00:00:00Z"))
        .unwrap();
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    let denied = Unreadable::new("forbidden");
    for (desired, live, expected) in [
        (&desired, Live::Absent, Outcome::Missing),
        (&desired, Live::NotServed, Outcome::Missing),
        (&custom, Live::NotServed, Outcome::Unknown(Why::UnknownKind)),
        (&desired, Live::NotLooked, Outcome::Unknown(Why::NotLooked)),
        (&desired, Live::MetadataOnly(&desired), Outcome::Unknown(Why::NotLooked)),
        (&desired, Live::Unreadable(&denied), Outcome::Unknown(Why::Unreadable(denied.clone()))),
        (&desired, Live::Present(&dying), Outcome::Terminating),
    ] {
        assert_eq!(compare_one(desired, live, &context).outcome, expected, "{live:?}");
    }
}

fn config_map(name: &str, metadata: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop","uid":"uid-{name}"{metadata}}}}}"#
    ))
}

#[test]
fn a_claim_needs_the_uid_or_the_operation_and_our_tracking_id_on_this_very_object() {
    let owner = us();
    let tracked = |name: &str, of: &str| {
        format!(r#","annotations":{{"gitops.rs/tracking-id":"{of}","gitops.rs/operation":"op-{name}"}}"#)
    };
    let applied = r#","managedFields":[{"manager":"gitops:shop","operation":"Apply","apiVersion":"v1"}]"#;
    let mut inventory = Inventory::default();
    let key = config_map("a", "").key().clone();
    for (about, entry, metadata, standing, is_tracked) in [
        (
            "the uid",
            Some(Entry::held(Standing::Created, "uid-a", "v1", 0)),
            String::new(),
            Some(Standing::Created),
            false,
        ),
        ("another uid", Some(Entry::held(Standing::Created, "uid-b", "v1", 0)), String::new(), None, false),
        (
            "the operation",
            Some(Entry::intended("op-a", "v1", 0)),
            tracked("a", "shop:/ConfigMap:shop/a") + applied,
            Some(Standing::Intended("op-a".into())),
            true,
        ),
        (
            "not applied by us",
            Some(Entry::intended("op-a", "v1", 0)),
            tracked("a", "shop:/ConfigMap:shop/a"),
            None,
            true,
        ),
        (
            "another operation",
            Some(Entry::intended("op-b", "v1", 0)),
            tracked("a", "shop:/ConfigMap:shop/a") + applied,
            None,
            true,
        ),
        ("a copied tracking id", None, tracked("a", "shop:/ConfigMap:shop/b"), None, false),
        ("another application's", None, tracked("a", "other:/ConfigMap:shop/a"), None, false),
    ] {
        inventory.entries.clear();
        inventory.entries.extend(entry.map(|entry| (key.clone(), entry)));
        let model = ApiModel::builtin();
        let claim = claim(&config_map("a", &metadata), &Context::new(&model, &owner, &inventory));
        assert_eq!((claim.standing, claim.tracked), (standing, is_tracked), "{about}");
    }
}

#[test]
fn the_comparison_holds_what_is_declared_or_claimed_and_nothing_else() {
    let owner = us();
    let id = |name: &str| format!(r#"{{"gitops.rs/tracking-id":"shop:/ConfigMap:shop/{name}"}}"#);
    let annotated = |name: &str| config_map(name, &format!(r#","annotations":{}"#, id(name)));
    let model = ApiModel::builtin();
    let declared = [
        config_map("declared", ""),
        config_map("hook", r#","annotations":{"argocd.argoproj.io/hook":"PreSync"}"#),
        config_map("held", r#","annotations":{"argocd.argoproj.io/sync-wave":"soon"}"#),
    ];
    let desired = DesiredState::from_resources(&declared, &model, Some("shop"));
    let mut live = LiveState::default();
    live.listed(&GroupKind::new("", "ConfigMap"), &Namespaces::All);
    let alias = object(
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"alias","namespace":"shop","uid":"uid-declared","annotations":{"gitops.rs/tracking-id":"shop:/Service:shop/alias"}}}"#,
    );
    for object in [
        annotated("declared"),
        annotated("held"),
        annotated("tracked"),
        config_map("recorded", ""),
        config_map("foreign", ""),
        config_map("copy", &format!(r#","annotations":{}"#, id("other"))),
        config_map("child", &format!(r#","annotations":{},"ownerReferences":[{{"uid":"7"}}]"#, id("child"))),
        config_map(
            "done-hook",
            r#","annotations":{"helm.sh/hook":"test","gitops.rs/tracking-id":"shop:/ConfigMap:shop/done-hook"}"#,
        ),
        alias,
    ] {
        live.insert(object);
    }
    let hidden = ResourceKey::new("apps", "Deployment", "shop", "hidden");
    live.unreadable(&hidden, Unreadable::new("forbidden"));
    let mut inventory = Inventory::default();
    for (key, uid) in [
        (config_map("recorded", "").key().clone(), "uid-recorded"),
        (config_map("foreign", "").key().clone(), "an older one"),
        (config_map("gone", "").key().clone(), "uid-gone"),
        (hidden.clone(), "uid-hidden"),
    ] {
        inventory.entries.insert(key, Entry::held(Standing::Created, uid, "v1", 0));
    }
    let context = Context::new(&model, &owner, &inventory);
    let comparison = compare(&desired, &live, &context, &Comparison::default());
    let outcomes: Vec<(&str, &Outcome)> =
        comparison.entries.iter().map(|(key, entry)| (&*key.name, &entry.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("declared", &Outcome::Synced),
            ("held", &Outcome::Unknown(Why::Held)),
            ("recorded", &Outcome::Extra),
            ("tracked", &Outcome::Extra),
            ("hidden", &Outcome::Unknown(Why::Unreadable(Unreadable::new("forbidden")))),
        ]
    );
    assert_eq!(comparison.problems.len(), 1);
    assert!(comparison.get(declared[2].key()).unwrap().claim.tracked);

    // A second pass over the same inputs keeps every entry; one changed object changes one entry.
    let again = compare(&desired, &live, &context, &comparison);
    assert!(again.entries.iter().all(|(key, entry)| Arc::ptr_eq(entry, comparison.entries.get(key).unwrap())));
    live.insert(annotated("declared").edit(|draft| draft.set("data", Draft::map())).unwrap());
    let third = compare(&desired, &live, &context, &again);
    let changed: Vec<&ResourceKey> = third
        .entries
        .iter()
        .filter(|(key, entry)| !Arc::ptr_eq(entry, again.entries.get(key).unwrap()))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(changed, [declared[0].key()]);
}

#[cfg(feature = "jq")]
#[test]
fn a_rule_that_reads_the_status_is_heard_again_when_only_the_status_changed() {
    let rules = br#"[{"jq":["select(.status.readyReplicas == 1) | .spec.replicas"]}]"#;
    let rules = Rules::read(Value::from_json(rules).unwrap().root()).unwrap();
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    let deployment = |replicas: u8, ready: u8| {
        object(&format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"a","namespace":"shop"}},
                "spec":{{"replicas":{replicas}}},"status":{{"readyReplicas":{ready}}}}}"#
        ))
    };
    let declared = deployment(3, 0);
    let desired = DesiredState::from_resources([&declared], &model, None);
    let mut live = LiveState::default();
    let mut comparison = Comparison::default();
    for (ready, expected) in [(1, true), (2, false), (1, true)] {
        live.insert(stamp(&deployment(5, ready), &owner));
        comparison = compare(&desired, &live, &context, &comparison);
        assert_eq!(comparison.is_synced(), expected, "{ready} ready");
    }
}

#[test]
fn a_rule_that_keeps_what_would_get_its_default_hides_a_removal() {
    let policy = |protocol: &str| {
        object(&format!(
            r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"a","namespace":"shop"}},
                "spec":{{"podSelector":{{}},"ingress":[{{"ports":[{{"port":80{protocol}}}]}}]}}}}"#
        ))
    };
    let rules = Rules::read(Value::from_json(br#"[{"paths":["**.protocol"]}]"#).unwrap().root()).unwrap();
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    let desired = DesiredState::from_resources([&policy("")], &model, None);
    let mut live = LiveState::default();
    live.insert(stamp(&policy(r#","protocol":"UDP""#), &owner));
    let comparison = compare(&desired, &live, &context, &Comparison::default());
    let [audit] = &*comparison.audit(&rules) else { panic!("one rule") };
    assert_eq!((audit.hidden, audit.removals.len()), (1, 1), "{audit}");
}

#[test]
fn facts_are_content_and_ownership_without_status_versions_and_times() {
    let base = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"1","resourceVersion":"1","generation":1,"managedFields":[{"manager":"m","operation":"Update","time":"2026-01-01T00:00:00Z","fieldsV1":{"f:a":{}}},{"manager":"b","operation":"Apply"}]},"spec":{"x":1},"status":{"phase":"Running"}}"#;
    for (from, to, same) in [
        ("", "", true),
        (r#""resourceVersion":"1""#, r#""resourceVersion":"2""#, true),
        (r#""generation":1"#, r#""generation":2"#, true),
        ("Running", "Failed", true),
        ("2026-01-01", "2026-01-02", true),
        (r#""x":1"#, r#""x":2"#, false),
        (r#""f:a""#, r#""f:b""#, false),
        (r#""uid":"1""#, r#""uid":"2""#, false),
        (r#""manager":"b""#, r#""manager":"c""#, false),
        (r#""name":"a""#, r#""name":"a","finalizers":["x"]"#, false),
    ] {
        assert_eq!(facts(&object(base)) == facts(&object(&base.replace(from, to))), same, "{from} -> {to}");
    }
}

#[test]
fn facts_of_a_secret_are_its_version_and_no_digest_of_its_values() {
    let secret = |version: &str, value: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"a","resourceVersion":"{version}"}},"data":{{"a":"{value}"}}}}"#
        ))
    };
    assert_eq!(facts(&secret("1", "eA==")), facts(&secret("1", "eQ==")));
    assert_ne!(facts(&secret("1", "eA==")), facts(&secret("2", "eA==")));
}

#[test]
fn an_object_whose_ownership_cannot_be_read_is_compared_all_the_same_and_the_others_are_not_touched() {
    let owner = us();
    let model = ApiModel::builtin();
    let map = |name: &str, data: &str, managed: &str| {
        let id = format!("shop:/ConfigMap:shop/{name}");
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop","uid":"{name}",
            "annotations":{{"gitops.rs/tracking-id":"{id}"}}{managed}}},"data":{{"a":"{data}"}}}}"#
        ))
    };
    for broken in [
        r#""x""#,
        r#"[1]"#,
        r#"[{"manager":"gitops:shop","operation":"Other","apiVersion":"v1"}]"#,
        r#"[{"manager":"gitops:shop","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:data":{"b":{}}}}]"#,
        r#"[{"manager":"gitops:shop","operation":"Apply","apiVersion":"v1","fieldsV1":[]}]"#,
    ] {
        let managed = format!(r#","managedFields":{broken}"#);
        let declared = ["bad", "drifted", "good"].map(|name| map(name, "1", ""));
        let desired = DesiredState::from_resources(&declared, &model, None);
        let mut live = LiveState::default();
        live.insert(map("bad", "1", &managed));
        live.insert(map("drifted", "2", &managed));
        live.insert(map("good", "1", ""));
        let inventory = Inventory::default();
        let context = Context::new(&model, &owner, &inventory);
        let comparison = compare(&desired, &live, &context, &Comparison::default());
        let of = |name: &str| {
            let compared = comparison.get(&ResourceKey::new("", "ConfigMap", "shop", name)).unwrap();
            (compared.outcome == Outcome::Synced, compared.evidence, compared.predicted)
        };
        assert_eq!(of("bad"), (true, Evidence::Predicted, Prediction::Indeterminate), "{broken}");
        assert_eq!(of("drifted"), (false, Evidence::Predicted, Prediction::Change), "{broken}");
        assert_eq!(of("good"), (true, Evidence::Read, Prediction::Claim), "{broken}");
        let codes: Vec<_> = comparison.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [crate::problem::Code::UnreadableOwnership; 2], "{broken}");
        assert!(questions(&comparison, &desired, &context).is_empty(), "no server applies to it: {broken}");
    }
}

#[test]
fn what_is_plainly_applied_is_in_sync_by_reading_alone_and_leaves_nothing_behind() {
    let (owner, model) = (us(), ApiModel::builtin());
    let config = |data: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","namespace":"shop"}},"data":{data}}}"#
        ))
    };
    let apply = |live: Option<&Resource>, sent: &Resource, manager: &str| {
        ssa::apply(&ssa::Apply::new(live, sent, manager, Timestamp::EPOCH, &model)).unwrap()
    };
    let ours = |data: &str| apply(None, &stamp(&config(data), &owner), &owner.manager());
    let wanted = config(r#"{"a":"1"}"#);
    let plain = ours(r#"{"a":"1"}"#).edit(|draft| draft.entry("metadata").set("uid", "u")).unwrap();
    let edited = |edit: &dyn Fn(&mut Draft)| plain.edit(|draft| edit(draft)).unwrap();
    let more = |draft: &mut Draft| draft.entry("metadata").set("managedFields", "damaged");
    let (nothing, model_of) = (Inventory::default(), ApiModel::builtin());
    let before = applied_fields(&ours(r#"{"a":"1","b":"2"}"#), &Context::new(&model_of, &owner, &nothing));
    let same = applied_fields(&plain, &Context::new(&model_of, &owner, &nothing));
    for (about, live, remembered, expected) in [
        ("an answer", plain.clone(), None, true),
        ("applied before as now", plain.clone(), same, true),
        ("more was applied before", plain.clone(), before, false),
        ("others hold something else", apply(Some(&plain), &config(r#"{"b":"2"}"#), "other"), None, true),
        ("rewritten", edited(&|draft| draft.entry("data").set("a", "2")), None, false),
        ("dropped", edited(&|draft| drop(draft.remove("data"))), None, false),
        ("unreadable", edited(&more), None, false),
        ("not by us", edited(&|draft| drop(draft.entry("metadata").remove("managedFields"))), None, false),
        ("not stamped", edited(&|draft| drop(draft.entry("metadata").remove("annotations"))), None, false),
    ] {
        let entry = Entry::held(Standing::Created, "u", "v1", 0).with_fields(remembered);
        let inventory = Inventory::whole([(wanted.key().clone(), entry)]);
        let context = Context::new(&model, &owner, &inventory);
        assert_eq!(is_plainly_applied(&wanted, &live, &context, &owner.manager(), Scaled::No), expected, "{about}");
        if expected {
            let compared = compare_one(&wanted, Live::Present(&live), &context);
            assert_eq!((&compared.outcome, compared.evidence), (&Outcome::Synced, Evidence::Read), "{about}");
            assert!(takeover(&wanted, &live, &context, Scaled::No).is_none(), "{about}");
        }
    }
}
