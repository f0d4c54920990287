use super::*;
use crate::state::Live;

pub(super) fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

pub(super) fn us() -> Owner {
    Owner::new("", "shop").unwrap()
}

/// One object; `live` carries the tracking id, and `owned` as what our last apply owns beside it.
fn differences(kind: &str, desired: &str, live: &str, owned: &str) -> Vec<String> {
    let (api_version, name) = kind.rsplit_once('/').unwrap();
    let head = format!(r#""apiVersion":"{api_version}","kind":"{name}""#);
    let metadata = r#""name":"web","namespace":"shop""#;
    let desired = object(&format!(r#"{{{head},"metadata":{{{metadata}}},{desired}}}"#));
    let id = us().tracking_id(desired.key());
    let other =
        r#"{"manager":"kubectl-edit","operation":"Update","apiVersion":"v1","fieldsV1":{"f:spec":{"f:replicas":{}}}}"#;
    let ours = format!(
        r#"{{"manager":"gitops:shop","operation":"Apply","apiVersion":"{api_version}","fieldsV1":{{{owned}}}}}"#
    );
    let live = object(&format!(
        r#"{{{head},"metadata":{{{metadata},"uid":"1","annotations":{{"gitops.rs/tracking-id":"{id}","theirs":"x"}},"managedFields":[{ours},{other}]}},{live}}}"#
    ));
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    let compared = compare_one(&desired, Live::Present(&live), &context);
    if let Outcome::OutOfSync(changes) = &compared.outcome {
        let after = Sides::of(Some(&desired), &compared).after;
        for change in &**changes {
            let tree = if change.live.is_some() { live.tree() } else { after.root() };
            assert_eq!(find(tree, &change.pointer), change.path.find(tree), "{change}");
        }
    }
    lines(&compared)
}

/// Follows a JSON Pointer.
fn find<'a>(tree: crate::value::ValueRef<'a>, pointer: &str) -> Option<crate::value::ValueRef<'a>> {
    pointer.split('/').skip(1).try_fold(tree, |at, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        at.get(&step).or_else(|| at.item(step.parse().ok()?))
    })
}

const DEPLOYMENT: &str = "apps/v1/Deployment";

fn containers(items: &str) -> String {
    format!(r#""spec":{{"template":{{"spec":{{"containers":[{items}]}}}}}}"#)
}

/// What it is about, kind, desired, live, what we own, and the lines expected.
type Row<'a> = (&'a str, &'a str, String, String, &'a str, &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (about, kind, desired, live, owned, expected) in rows {
        assert_eq!(differences(kind, desired, live, owned), *expected, "{about}");
    }
}

#[test]
fn what_git_declares_and_the_cluster_holds_otherwise_is_drift() {
    check(&[
        (
            "a changed value, and who changed it",
            DEPLOYMENT,
            r#""spec":{"replicas":3}"#.to_owned(),
            r#""spec":{"replicas":5,"paused":false}"#.to_owned(),
            "",
            &["~ spec.replicas: 5 -> 3 (live value by kubectl-edit)"],
        ),
        (
            "a missing field; what Go leaves out is none",
            DEPLOYMENT,
            r#""spec":{"minReadySeconds":5,"paused":false,"strategy":{}}"#.into(),
            r#""spec":{}"#.into(),
            r#""f:spec":{"f:paused":{}}"#,
            &["+ spec.minReadySeconds: 5"],
        ),
    ]);
}

#[test]
fn items_of_keyed_lists_and_sets_match_by_key_whatever_others_add() {
    check(&[
        (
            "keyed lists match by their keys; others' items and defaulted keys are no drift",
            DEPLOYMENT,
            containers(r#"{"name":"a","image":"x:2","ports":[{"containerPort":80}]},{"name":"c"}"#),
            containers(
                r#"{"name":"sidecar"},{"name":"a","image":"x:1","ports":[{"containerPort":80,"protocol":"TCP"}]}"#,
            ),
            "",
            &[
                r#"~ spec.template.spec.containers[name=a].image: "x:1" -> "x:2""#,
                r#"+ spec.template.spec.containers[name=c]: {"name":"c"}"#,
            ],
        ),
        (
            "sets match by value, and take Git's order",
            "v1/Node",
            r#""spec":{"podCIDRs":["a","b","c"]}"#.into(),
            r#""spec":{"podCIDRs":["b","x","a"]}"#.into(),
            r#""f:spec":{"f:podCIDRs":{"v:\"x\"":{},"v:\"a\"":{}}}"#,
            &[
                r#"+ spec.podCIDRs[=c]: "c""#,
                r#"> spec.podCIDRs: ["b","a"] -> ["a","b"] (live value by gitops:shop)"#,
                r#"- spec.podCIDRs[=x]: "x" (live value by gitops:shop)"#,
            ],
        ),
        (
            "the order of a keyed list is Git's",
            DEPLOYMENT,
            containers(r#"{"name":"a"},{"name":"b"}"#),
            containers(r#"{"name":"b"},{"name":"x"},{"name":"a"}"#),
            "",
            &[r#"> spec.template.spec.containers: ["b","x","a"] -> ["x","a","b"]"#],
        ),
        (
            "a declared item that is there twice",
            DEPLOYMENT,
            containers(r#"{"name":"a"}"#),
            containers(r#"{"name":"a"},{"name":"a","image":"x"}"#),
            "",
            &[r#"- spec.template.spec.containers[1]: {"image":"x","name":"a"}"#],
        ),
        (
            "a declared value that is there twice in a set",
            "v1/Node",
            r#""spec":{"podCIDRs":["a"]}"#.into(),
            r#""spec":{"podCIDRs":["a","b","a"]}"#.into(),
            r#""f:spec":{"f:podCIDRs":{"v:\"a\"":{}}}"#,
            &[r#"- spec.podCIDRs[2]: "a""#],
        ),
    ]);
}

#[test]
fn what_the_server_stores_in_another_form_is_no_drift() {
    check(&[
        (
            "quantities are compared by amount",
            DEPLOYMENT,
            containers(
                r#"{"name":"a","resources":{"limits":{"cpu":"1000m","memory":"1024Mi"},"requests":{"cpu":0.5}}}"#,
            ),
            containers(r#"{"name":"a","resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"500m"}}}"#),
            "",
            &[],
        ),
        (
            "a number is not its text",
            "v1/Service",
            r#""spec":{"ports":[{"port":80,"targetPort":"80"}]}"#.into(),
            r#""spec":{"ports":[{"port":80,"targetPort":80,"protocol":"TCP"}]}"#.into(),
            "",
            &[r#"~ spec.ports[port=80,protocol=TCP].targetPort: 80 -> "80""#],
        ),
    ]);
}

#[test]
fn what_we_own_and_git_dropped_is_removed_and_nothing_of_others() {
    check(&[
        (
            "what we own and Git dropped, topmost only; not what others own beside it",
            DEPLOYMENT,
            r#""spec":{"replicas":1}"#.into(),
            r#""spec":{"replicas":1,"strategy":{"type":"Recreate"},"template":{"metadata":{"labels":{"a":"1","theirs":"2"}},"spec":{"nodeSelector":{"x":"y"}}}}"#.into(),
            r#""f:spec":{"f:replicas":{},"f:strategy":{"f:type":{}},"f:gone":{},"f:template":{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:nodeSelector":{}}}}"#,
            &[
                r#"- spec.strategy: {"type":"Recreate"} (live value by gitops:shop)"#,
                r#"- spec.template.metadata.labels.a: "1" (live value by gitops:shop)"#,
                r#"- spec.template.spec: {"nodeSelector":{"x":"y"}} (live value by gitops:shop)"#,
            ],
        ),
        (
            "an item we own and Git dropped",
            DEPLOYMENT,
            containers(r#"{"name":"a"}"#),
            containers(r#"{"name":"a"},{"name":"old","image":"x"}"#),
            r#""f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}},"k:{\"name\":\"old\"}":{".":{},"f:name":{}}}}}}"#,
            &[r#"- spec.template.spec.containers[name=old]: {"image":"x","name":"old"} (live value by gitops:shop)"#],
        ),
        (
            "an annotation that only a create writes is never drift, others of ours are",
            "v1/ConfigMap",
            r#""data":{}"#.into(),
            r#""data":{}"#.into(),
            r#""f:metadata":{"f:annotations":{"f:gitops.rs/operation":{},"f:gitops.rs/tracking-id":{},"f:theirs":{}}}"#,
            &[r#"- metadata.annotations.theirs: "x" (live value by gitops:shop)"#],
        ),
    ]);
}

#[test]
fn lists_without_keys_are_compared_place_by_place() {
    check(&[
        (
            "without a schema lists are compared place by place",
            "example.com/v1/Widget",
            r#""spec":{"a":[{"x":1},{"x":2}],"b":[1,2]}"#.into(),
            r#""spec":{"a":[{"x":1},{"x":3}],"b":[1]}"#.into(),
            "",
            &["~ spec.a[1].x: 3 -> 2", "+ spec.b[1]: 2"],
        ),
        (
            "of long texts the first line that differs",
            "v1/ConfigMap",
            r#""data":{"f":"a\nb\nc\n"}"#.into(),
            r#""data":{"f":"a\nx\n"}"#.into(),
            "",
            &[r#"~ data.f: line 2: "x" -> "b""#],
        ),
        (
            "a line break at the end",
            "v1/ConfigMap",
            r#""data":{"f":"a\nb"}"#.into(),
            r#""data":{"f":"a\nb\n"}"#.into(),
            "",
            &[r#"~ data.f: line 3: "" -> (end)"#],
        ),
        (
            "line breaks of another system",
            "v1/ConfigMap",
            r#""data":{"f":"a\nb"}"#.into(),
            r#""data":{"f":"a\r\nb"}"#.into(),
            "",
            &[r#"~ data.f: line 1: "a\r" -> "a""#],
        ),
    ]);
}

#[test]
fn surplus_in_an_atomic_value_is_drift_unless_it_is_a_default() {
    const ROLE: &str = "rbac.authorization.k8s.io/v1/Role";
    let rules = r#""rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#;
    let wider = r#""rules":[{"apiGroups":[""],"resources":["pods"],"resourceNames":["x"],"verbs":["get"]}]"#;
    // Ours: Git dropped it, unless admission added it, which a dry run tells.
    let ours = [r#"- rules[0].resourceNames: ["x"] (live value by gitops:shop)"#];
    assert_eq!(differences(ROLE, rules, wider, r#""f:rules":{}"#), ours);
    assert_eq!(differences(ROLE, rules, wider, ""), [r#"- rules[0].resourceNames: ["x"]"#]);
    const POLICY: &str = "networking.k8s.io/v1/NetworkPolicy";
    let ports = r#""spec":{"podSelector":{},"ingress":[{"ports":[{"port":80}]}]}"#;
    let filled = r#""spec":{"podSelector":{},"ingress":[{"ports":[{"port":80,"protocol":"TCP"}]}]}"#;
    assert!(differences(POLICY, ports, filled, r#""f:spec":{"f:podSelector":{},"f:ingress":{}}"#).is_empty());
}

#[test]
fn the_tracking_id_is_part_of_what_is_declared() {
    let desired = object(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}"#);
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    let stamped = stamp(&desired, &owner);
    assert_eq!(stamped.annotation("gitops.rs/tracking-id"), Some("shop:/ConfigMap:shop/a"));
    assert_eq!(compare_one(&desired, Live::Present(&stamped), &context).outcome, Outcome::Synced);
    let compared = compare_one(&desired, Live::Present(&desired), &context);
    assert_eq!(lines(&compared), [r#"+ metadata.annotations["gitops.rs/tracking-id"]: "shop:/ConfigMap:shop/a""#]);
    let stolen = stamp(&desired, &Owner::new("", "other").unwrap());
    assert_eq!(
        lines(&compare_one(&stolen, Live::Present(&stolen), &context)),
        [r#"~ metadata.annotations["gitops.rs/tracking-id"]: "other:/ConfigMap:shop/a" -> "shop:/ConfigMap:shop/a""#],
    );
}

#[test]
fn secret_values_are_letters_equal_within_one_object() {
    let differ = differences(
        "v1/Secret",
        r#""data":{"a":"bmV3","b":"bmV3","c":"YWRkZWQ="},"type":"Opaque""#,
        r#""data":{"a":"b2xk","b":"b3RoZXI=","z":"b2xk"},"type":"odd""#,
        r#""f:data":{"f:z":{}}"#,
    );
    assert_eq!(
        differ,
        [
            "~ data.a: (secret A) -> (secret B)",
            "~ data.b: (secret C) -> (secret B)",
            "+ data.c: (secret D)",
            "- data.z: (secret A) (live value by gitops:shop)",
            r#"~ type: "odd" -> "Opaque""#,
        ]
    );
}

#[test]
fn an_entry_that_cannot_be_read_is_told_and_what_was_applied_before_is_drift_all_the_same() {
    let head = r#""apiVersion":"v1","kind":"ConfigMap""#;
    let metadata = r#""name":"web","namespace":"shop""#;
    let desired = object(&format!(r#"{{{head},"metadata":{{{metadata}}},"data":{{"a":"1"}}}}"#));
    let id = us().tracking_id(desired.key());
    let ours = r#"{"manager":"gitops:shop","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1",
        "fieldsV1":{"f:data":{"f:a":{}},"f:metadata":{"f:annotations":{"f:gitops.rs/tracking-id":{}}}}}"#;
    let theirs = r#"{"manager":"x","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"k:b":{}}}}"#;
    let live = object(&format!(
        r#"{{{head},"metadata":{{{metadata},"uid":"1","annotations":{{"gitops.rs/tracking-id":"{id}"}},"managedFields":[{ours},{theirs}]}},"data":{{"a":"1","b":"1"}}}}"#
    ));
    let fields = Value::from_json(br#"{"f:data":{"f:a":{},"f:b":{}}}"#).unwrap();
    let fields = crate::state::AppliedFields::of(fields.root().as_map().unwrap());
    let entry = crate::state::Entry::held(Standing::Created, "1", "v1", 0).with_fields(fields);
    let (owner, model) = (us(), ApiModel::builtin());
    let inventory = Inventory::whole([(desired.key().clone(), entry)]);
    let compared = compare_one(&desired, Live::Present(&live), &Context::new(&model, &owner, &inventory));
    assert_eq!(lines(&compared), [r#"- data.b: "1""#]);
    assert!(compared.notes.contains(&Note::Doubted(Doubt::UnreadableOwnership)), "{:?}", compared.notes);
    assert_eq!(compared.open, None);
}

#[test]
fn an_item_that_was_applied_is_found_whether_or_not_its_key_tells_a_default() {
    for (recorded, live_key) in
        [(r#"{"port":81}"#, r#""port":81,"protocol":"TCP""#), (r#"{"port":81,"protocol":"TCP"}"#, r#""port":81"#)]
    {
        let head = r#""apiVersion":"v1","kind":"Service""#;
        let metadata = r#""name":"web","namespace":"shop""#;
        let port = r#"{"port":80,"protocol":"TCP"}"#;
        let desired = object(&format!(r#"{{{head},"metadata":{{{metadata}}},"spec":{{"ports":[{port}]}}}}"#));
        let id = us().tracking_id(desired.key());
        let live = object(&format!(
            r#"{{{head},"metadata":{{{metadata},"uid":"1","annotations":{{"gitops.rs/tracking-id":"{id}"}}}},"spec":{{"ports":[{port},{{{live_key}}}]}}}}"#
        ));
        let item = format!("k:{recorded}");
        let mut fields = crate::value::Draft::map();
        *fields.entry("f:spec").entry("f:ports").entry(&item).entry(".") = crate::value::Draft::map();
        let fields = crate::state::AppliedFields::of(fields.freeze().root().as_map().unwrap());
        let entry = crate::state::Entry::held(Standing::Created, "1", "v1", 0).with_fields(fields);
        let (owner, model) = (us(), ApiModel::builtin());
        let inventory = Inventory::whole([(desired.key().clone(), entry)]);
        let compared = compare_one(&desired, Live::Present(&live), &Context::new(&model, &owner, &inventory));
        let lines = lines(&compared);
        assert!(lines.len() == 1 && lines[0].starts_with("- spec.ports[port=81"), "{recorded}: {lines:?}");
    }
}
