//! Who owns which fields: put right by steps of their own, which change no value.

use gitops_core::cluster::Failure;
use gitops_core::memory::{Action, Moment, Patch, Request};
use gitops_core::policy::{ConflictRule, Conflicts, Stance, SyncPolicy, Take};
use gitops_core::reconcile::{Report, SyncStatus};
use gitops_core::resource::ResourceKey;
use gitops_core::state::{Owner, TrackingStyle};
use gitops_core::value::{Value, ValueRef};

use crate::world::{NAMESPACE, Shop};

fn config(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop}}\ndata: {data}\n")
}

fn json(data: &str, metadata: &str) -> String {
    format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c","namespace":"shop"{metadata}}},"data":{data}}}"#
    )
}

/// A shop with its namespace, and a policy of conflicts.
fn shop(conflicts: Conflicts) -> Shop {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_conflicts(conflicts);
    shop.commit("first", &[("n.yaml", Some(NAMESPACE))]);
    shop.sync();
    shop.written();
    shop
}

fn data(shop: &Shop) -> String {
    shop.get("ConfigMap", "c").unwrap().tree().get("data").map_or_else(|| "{}".to_owned(), |data| data.to_json())
}

/// Who owns fields, and how.
fn managers(shop: &Shop) -> Vec<String> {
    let live = shop.get("ConfigMap", "c").unwrap();
    let entries = live.tree().dig(&["metadata", "managedFields"]).and_then(ValueRef::as_list);
    let text = |entry: ValueRef<'_>, field: &str| entry.get(field).and_then(ValueRef::as_str).unwrap().to_owned();
    entries.into_iter().flatten().map(|one| format!("{} {}", text(one, "manager"), text(one, "operation"))).collect()
}

fn steps(report: &Report) -> Vec<String> {
    report.plan.steps.iter().map(ToString::to_string).collect()
}

fn failure(report: &Report) -> String {
    report.receipt.as_ref().unwrap().message.to_string()
}

#[test]
fn an_application_of_argo_cd_is_gone_on_with_and_what_git_drops_is_removed() {
    let mut shop = shop(Conflicts::default().with_former("argocd-controller"));
    shop.app.owner = shop.app.owner.clone().with_style(TrackingStyle::ArgoCd);
    let tracking = r#","annotations":{"argocd.argoproj.io/tracking-id":"shop:/ConfigMap:shop/c"}"#;
    shop.apply(&json(r#"{"a":"1","b":"2"}"#, tracking), "argocd-controller");
    shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}")))]);
    let report = shop.preview();
    assert_eq!(
        steps(&report)[1..3],
        [
            "own     ConfigMap shop/c: takes the place of `argocd-controller`; changes no value",
            "apply   ConfigMap shop/c: differs"
        ]
    );
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!((data(&shop), managers(&shop)), (r#"{"a":"1"}"#.to_owned(), vec!["gitops:shop Apply".to_owned()]));
    assert!(shop.preview().plan.is_empty());
}

/// A shop in a namespace that somebody else made.
fn tracked(owner: Owner) -> Shop {
    let mut shop = Shop::new().pruning();
    shop.app.owner = owner;
    shop.create(r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#, "kubectl");
    let other = config("{a: '1'}").replace("name: c", "name: stays");
    shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}"))), ("stays.yaml", Some(&other))]);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.problems);
    shop
}

#[test]
fn two_installations_with_one_name_leave_each_others_objects_alone_also_under_argo_cds_annotation() {
    for style in [TrackingStyle::Own, TrackingStyle::ArgoCd, TrackingStyle::ArgoCdAndLabel] {
        for (first, second) in [("eu", "us"), ("eu", ""), ("", "eu")] {
            let about = format!("{style:?} `{first}` `{second}`");
            let owner = |installation: &str| Owner::new(installation, "shop").unwrap().with_style(style);
            let mut shop = tracked(owner(first));
            let [before, other] = ["c", "stays"].map(|name| shop.get("ConfigMap", name).unwrap());

            shop.app.owner = owner(second);
            shop.commit("two", &[("c.yaml", Some(&config("{a: '2'}")))]);
            let problems: Vec<String> = shop.sync().problems.iter().map(ToString::to_string).collect();
            for name in ["c", "stays"] {
                let told = format!("ConfigMap shop/{name}: belongs to application `shop`");
                assert!(problems.iter().any(|text| text.contains(&told)), "{about}: {told}: {problems:?}");
            }
            shop.commit("gone", &[("c.yaml", None)]);
            shop.sync();
            assert_eq!(shop.get("ConfigMap", "c").unwrap(), before, "{about}");
            assert_eq!(shop.get("ConfigMap", "stays").unwrap(), other, "{about}: also what differs in nothing");

            // Whose it is may delete it.
            shop.app.owner = owner(first);
            shop.sync();
            assert!(shop.get("ConfigMap", "c").is_none(), "{about}");
        }
    }
}

#[test]
fn the_label_of_the_application_is_drift_when_it_is_changed_and_its_neighbours_are_not() {
    let shop = tracked(Owner::new("eu", "shop").unwrap().with_style(TrackingStyle::ArgoCdAndLabel));
    assert!(shop.preview().plan.is_empty(), "{}", shop.preview().plan);
    let label = |shop: &Shop, name: &str| shop.get("ConfigMap", "c").unwrap().label(name).map(str::to_owned);
    let edit = |shop: &Shop, name: &str, value: &str| {
        let live = shop.get("ConfigMap", "c").unwrap();
        shop.edit(&live, |draft| draft.entry("metadata").entry("labels").set(name, value));
    };
    edit(&shop, "theirs", "yes");
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
    edit(&shop, "app.kubernetes.io/instance", "other");
    assert_eq!(shop.preview().sync, SyncStatus::OutOfSync);
    shop.sync();
    assert_eq!(label(&shop, "app.kubernetes.io/instance").as_deref(), Some("shop"));
    assert_eq!(label(&shop, "theirs").as_deref(), Some("yes"));
}

#[test]
fn what_our_name_wrote_otherwise_is_folded_before_the_object_is_applied() {
    let shop = shop(Conflicts::default());
    shop.create(&json(r#"{"a":"1","b":"2"}"#, ""), "gitops:shop");
    assert_eq!(managers(&shop), ["gitops:shop Update"]);
    shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}")))]);
    let report = shop.preview();
    let expected = "own     ConfigMap shop/c: folds what we wrote otherwise into what we apply; changes no value";
    assert_eq!(steps(&report)[0], expected);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!((data(&shop), managers(&shop)), (r#"{"a":"1"}"#.to_owned(), vec!["gitops:shop Apply".to_owned()]));
}

#[test]
fn what_a_hand_holds_and_git_drops_is_taken_over_by_a_step_and_removed_by_the_next() {
    let shop = shop(Conflicts::default());
    shop.commit("two", &[("c.yaml", Some(&config("{a: '1', b: '2'}")))]);
    shop.sync();
    let live = shop.get("ConfigMap", "c").unwrap();
    shop.edit(&live, |draft| {
        draft.entry("data").set("b", "edited");
        draft.entry("data").set("own", "theirs");
    });
    shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}")))]);
    let report = shop.preview();
    let expected = "own     ConfigMap shop/c: takes `data.b` from `kubectl-edit`, to remove it; changes no value";
    assert_eq!(steps(&report), [expected, "apply   ConfigMap shop/c: differs"]);
    shop.written();
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(shop.written(), ["patch ConfigMap shop/c", "apply ConfigMap shop/c"]);
    assert_eq!(data(&shop), r#"{"a":"1","own":"theirs"}"#, "what was never ours stays");
}

#[test]
fn a_field_changed_by_hand_and_back_is_claimed_by_the_next_sync_and_removed_when_git_drops_it() {
    let shop = shop(Conflicts::default());
    shop.commit("two", &[("c.yaml", Some(&config("{a: '1', b: '2'}")))]);
    shop.sync();
    for value in ["edited", "2"] {
        let live = shop.get("ConfigMap", "c").unwrap();
        shop.edit(&live, |draft| draft.entry("data").set("b", value));
    }
    shop.written();
    let report = shop.sync();
    assert_eq!((report.sync, shop.written().len()), (SyncStatus::Synced, 0), "never by itself a reason to sync");
    shop.commit("docs", &[("README.md", Some("hello"))]);
    assert_eq!(
        steps(&shop.preview()),
        ["apply   ConfigMap shop/c: is as declared, and not ours alone; changes no value"]
    );
    shop.sync();
    assert_eq!(shop.written(), ["apply ConfigMap shop/c"]);
    shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(data(&shop), r#"{"a":"1"}"#);
}

#[test]
fn a_status_write_or_a_lost_answer_only_delays_a_change_of_ownership() {
    for moment in [Moment::Before, Moment::After] {
        let shop = shop(Conflicts::default());
        shop.create(&json(r#"{"a":"1","b":"2"}"#, ""), "gitops:shop");
        shop.commit("one", &[("c.yaml", Some(&config("{a: '1'}")))]);
        // The first write is the ledger's.
        let lost = Failure::InDoubt { message: "connection reset".into() };
        shop.cluster.inner.with_faults(|faults| faults.fail_write(2, moment, lost));
        let report = shop.sync();
        assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
        assert_eq!(data(&shop), r#"{"a":"1"}"#);
    }
}

#[test]
fn conflicts_are_settled_as_the_policy_says() {
    let rule = |manager: &str, then| Conflicts::default().with_rule(ConflictRule::new(manager, then));
    let refused = |manager: &str, how: &str| {
        format!(
            "ConfigMap shop/c: `data.a` is {how} by `{manager}`; remove it from one of the two, or take it over with \
             `{{manager: {manager}, then: takeOver}}` among the `conflicts.rules` of the policy"
        )
    };
    for (conflicts, by_hand, expected, message) in [
        (Conflicts::default(), true, "ours", None),
        (Conflicts::default(), false, "theirs", Some(refused("team", "applied"))),
        (Conflicts::like_argo_cd(), false, "ours", None),
        (Conflicts::default().with_take(Take::None), true, "theirs", Some(refused("edit", "owned"))),
        (rule("te*", Stance::TakeOver), false, "ours", None),
        (rule("edit", Stance::Refuse), true, "theirs", Some(refused("edit", "owned"))),
        (rule("team", Stance::Yield), false, "theirs", None),
        (rule("edit", Stance::Yield), true, "theirs", None),
    ] {
        let shop = shop(conflicts.clone());
        let theirs = json(r#"{"a":"theirs"}"#, "");
        if by_hand {
            shop.create(&theirs, "edit")
        } else {
            shop.apply(&theirs, "team")
        }
        shop.commit("ours", &[("c.yaml", Some(&config("{a: ours, b: '1'}")))]);
        let foreseen = shop.preview();
        let report = shop.sync();
        let a = shop.get("ConfigMap", "c").unwrap().tree().dig(&["data", "a"]).unwrap().to_json();
        assert_eq!(a, format!("{expected:?}"), "{conflicts:?}");
        assert_eq!(report.sync == SyncStatus::Synced, message.is_none(), "{conflicts:?} {:?}", report.receipt);
        let forecast = format!("{:?}", foreseen.resources.iter().map(|one| &one.forecast).collect::<Vec<_>>());
        assert_eq!(forecast.contains("Refused"), message.is_some(), "{forecast}");
        if let Some(message) = message {
            assert_eq!(failure(&report), message);
        }
        // What is left to others stays left to them.
        if report.sync == SyncStatus::Synced {
            shop.written();
            assert_eq!((shop.sync().sync, shop.written().len()), (SyncStatus::Synced, 0), "{conflicts:?}");
        }
    }
}

#[test]
fn no_policy_takes_an_object_from_another_application() {
    let shop = shop(Conflicts::like_argo_cd());
    let tracking = r#","annotations":{"gitops.rs/tracking-id":"other:/ConfigMap:shop/c"}"#;
    shop.apply(&json(r#"{"a":"theirs"}"#, tracking), "gitops:other");
    shop.commit("ours", &[("c.yaml", Some(&config("{a: ours}")))]);
    let report = shop.sync();
    assert_eq!((report.sync, data(&shop)), (SyncStatus::OutOfSync, r#"{"a":"theirs"}"#.to_owned()));
    let text = "belongs to application `other`";
    assert!(report.problems.iter().any(|problem| problem.text.contains(text)), "{:?}", report.problems);
}

fn crd(versions: &[&str]) -> String {
    let one = |(at, version): (usize, &&str)| {
        format!(
            "    - name: {version}\n      served: true\n      storage: {}\n      schema:\n        openAPIV3Schema:\n          \
             type: object\n          properties:\n            spec: {{type: object, properties: {{a: {{type: string}}, b: {{type: string}}}}}}\n",
            at + 1 == versions.len()
        )
    };
    let versions: String = versions.iter().enumerate().map(one).collect();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.example.org\nspec:\n  \
         group: example.org\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}}\n  \
         versions:\n{versions}"
    )
}

fn widget(version: &str, spec: &str) -> String {
    format!("apiVersion: example.org/{version}\nkind: Widget\nmetadata: {{name: w, namespace: shop}}\nspec: {spec}\n")
}

#[test]
fn ownership_moves_to_the_new_version_of_everybody_when_a_definition_drops_the_old_one() {
    let shop = shop(Conflicts::default());
    shop.commit("old", &[("crd.yaml", Some(&crd(&["v1alpha1"]))), ("w.yaml", Some(&widget("v1alpha1", "{a: x}")))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    shop.apply(
        r#"{"apiVersion":"example.org/v1alpha1","kind":"Widget","metadata":{"name":"w","namespace":"shop"},"spec":{"b":"theirs"}}"#,
        "team",
    );
    // Both versions first, then only the new one: the old one leaves `storedVersions` in between.
    shop.commit("both", &[("crd.yaml", Some(&crd(&["v1alpha1", "v1"])))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    let key = ResourceKey::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "widgets.example.org");
    let endpoint = shop.cluster.inner.with_server(|server| server.endpoint(&key, "v1").unwrap().under("status"));
    let patch = Value::from_json(br#"{"status":{"storedVersions":["v1"]}}"#).unwrap();
    let request = Request::new(endpoint, Action::Patch(Patch::Merge(patch))).by("admin");
    let now = shop.cluster.inner.now();
    let answer = shop.cluster.inner.with_server(|server| server.handle(&request, now));
    assert!(answer.refusal().is_none(), "{answer:?}");
    shop.commit("new", &[("crd.yaml", Some(&crd(&["v1"]))), ("w.yaml", Some(&widget("v1", "{a: new}")))]);
    let report = shop.preview();
    let expected = "own     example.org/Widget shop/w: moves the ownership of everybody from `example.org/v1alpha1` to this version; changes no value";
    assert_eq!(steps(&report).get(1).map(String::as_str), Some(expected), "{} {:?}", report.plan, report.problems);
    let report = shop.sync();
    assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.receipt);
    let live = ResourceKey::new("example.org", "Widget", "shop", "w");
    let live = shop.cluster.inner.with_server(|server| server.get(&live).cloned()).unwrap();
    assert_eq!(live.tree().get("spec").unwrap().to_json(), r#"{"a":"new","b":"theirs"}"#);
    let entries = live.tree().dig(&["metadata", "managedFields"]).unwrap().to_json();
    assert!(entries.contains("team") && !entries.contains("v1alpha1"), "{entries}");
}
