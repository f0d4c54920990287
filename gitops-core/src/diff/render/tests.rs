use crate::diff::tests::{object, us};
use crate::diff::{Compared, Context, Outcome, Sides, Unified, compare_one, table};
use crate::model::ApiModel;
use crate::resource::Resource;
use crate::state::{Inventory, Live};

fn compared(desired: &Resource, live: Live<'_>) -> Compared {
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    compare_one(desired, live, &Context::new(&model, &owner, &inventory))
}

fn deployment(replicas: u8, containers: &str, metadata: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop"{metadata}}},
            "spec":{{"replicas":{replicas},"template":{{"spec":{{"containers":[{containers}]}}}}}}}}"#
    ))
}

/// A live Deployment that somebody scaled, with another image, another order of containers, and one environment
/// variable more.
fn pair() -> (Resource, Resource) {
    let desired = deployment(3, r#"{"name":"web","image":"web:2"},{"name":"log","image":"log:1"}"#, "");
    let server_set = r#","uid":"1","resourceVersion":"7","managedFields":[{"manager":"kubectl-edit",
        "operation":"Update","apiVersion":"apps/v1","fieldsV1":{"f:spec":{"f:replicas":{}}}}],
        "annotations":{"gitops.rs/tracking-id":"shop:apps/Deployment:shop/web"}"#;
    let containers = r#"{"name":"log","image":"log:1"},{"name":"web","image":"web:1","env":[{"name":"A"}]}"#;
    (desired, deployment(5, containers, server_set))
}

#[test]
fn unified_text_shows_what_a_sync_changes_and_nothing_that_only_a_server_sets() {
    let (desired, live) = pair();
    let sides = Sides::of(Some(&desired), &compared(&desired, Live::Present(&live)));
    let expected = "\
--- Deployment shop/web (live)
+++ Deployment shop/web (after a sync)
@@ -6,13 +6,13 @@
   name: web
   namespace: shop
 spec:
-  replicas: 5
+  replicas: 3
   template:
     spec:
       containers:
-      - image: log:1
-        name: log
       - env:
         - name: A
-        image: web:1
+        image: web:2
         name: web
+      - image: log:1
+        name: log
";
    let name = "Deployment shop/web";
    assert_eq!(sides.unified(name, &Unified::default()), expected);
    let bare = sides.unified(name, &Unified::default().with_context(0));
    assert!(bare.contains("@@ -9 +9 @@\n") && bare.contains("@@ -13,2 +12,0 @@\n"), "{bare}");
    let coloured = sides.unified(name, &Unified::default().coloured());
    assert!(coloured.contains("\u{1b}[31m-  replicas: 5\u{1b}[0m\n\u{1b}[32m+  replicas: 3\u{1b}[0m\n"), "{coloured}");
}

#[test]
fn a_table_shows_each_field_with_both_values_and_its_owner_and_keeps_to_its_width() {
    let (desired, live) = pair();
    let Outcome::OutOfSync(changes) = compared(&desired, Live::Present(&live)).outcome else { panic!("they differ") };
    let wide = table(&changes, 200);
    assert!(wide.lines().any(|line| line.starts_with("spec.replicas ") && line.ends_with("  kubectl-edit")), "{wide}");
    for width in [0, 40, 60, 80] {
        let narrow = table(&changes, width);
        assert!(narrow.lines().all(|line| line.chars().count() <= width.max(40)), "{narrow}");
    }
}

#[test]
fn each_patch_leads_from_what_is_live_to_what_a_sync_makes_of_it() {
    let (desired, live) = pair();
    let missing = compared(&desired, Live::Absent);
    for compared in [compared(&desired, Live::Present(&live)), compared(&live, Live::Present(&live)), missing] {
        let sides = Sides::of(Some(&desired), &compared);
        let (before, after) = (json(&sides.live), json(&sides.after));
        let mut patched = before.clone();
        let steps: json_patch::Patch = serde_json::from_value(json(&sides.json_patch())).unwrap();
        json_patch::patch(&mut patched, &steps).unwrap();
        assert_eq!(patched, after);
        let mut merged = before;
        json_patch::merge(&mut merged, &json(&sides.merge_patch()));
        assert_eq!(merged, after);
    }
}

fn json(value: &crate::value::Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn of_a_secret_no_side_holds_a_value_and_equal_letters_mean_equal_values() {
    let secret = |data: &str| {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"key","namespace":"shop"}},"data":{data}}}"#
        ))
    };
    let desired = secret(r#"{"a":"aGVsbG8=","b":"c2VjcmV0","same":"c2FtZQ=="}"#);
    let live = secret(r#"{"a":"c2VjcmV0","same":"c2FtZQ=="}"#);
    for live in [Live::Present(&live), Live::Absent] {
        let sides = Sides::of(Some(&desired), &compared(&desired, live));
        let texts = [
            sides.unified("Secret shop/key", &Unified::default()),
            sides.json_patch().to_json(),
            sides.merge_patch().to_json(),
            sides.live.to_json(),
            sides.after.to_json(),
        ];
        for text in texts {
            assert!(!["aGVsbG8", "c2VjcmV0", "c2FtZQ"].iter().any(|value| text.contains(value)), "{text}");
        }
    }
    let text = Sides::of(Some(&desired), &compared(&desired, Live::Present(&live))).unified("", &Unified::default());
    assert!(text.contains("-  a: (secret A)\n+  a: (secret B)\n+  b: (secret A)\n   same: (secret)\n"), "{text}");
}
