//! Fields of one pair of objects, explained.

use crate::diff::tests::{object, us};
use crate::diff::{Context, FieldExplanation, UnknownField, compare_one, explain};
use crate::model::ApiModel;
use crate::path::PathPattern;
use crate::resource::Resource;
use crate::state::{Inventory, Live};

const CONTAINER: &str = r#"{"name":"web","image":"web:2","resources":{"limits":{"cpu":"1000m"}}}"#;

fn deployment(spec: &str, metadata: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop"{metadata}}},
            "spec":{spec}}}"#
    ))
}

fn pair() -> (Resource, Resource) {
    let desired = format!(r#"{{"replicas":3,"template":{{"spec":{{"containers":[{CONTAINER}]}}}}}}"#);
    let live = r#"{"replicas":5,"paused":true,"revisionHistoryLimit":10,"template":{"spec":{"restartPolicy":"Always",
        "containers":[{"name":"log","image":"log:1"},
            {"name":"web","image":"web:2","resources":{"limits":{"cpu":"1"}}}]}}}"#;
    let metadata = r#","uid":"1","generation":4,"annotations":{"gitops.rs/tracking-id":"shop:apps/Deployment:shop/web"},
        "managedFields":[
        {"manager":"kubectl-edit","operation":"Update","apiVersion":"apps/v1","time":"2026-03-01T08:00:00Z",
         "fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:replicas":{},"f:paused":{}}}}]"#;
    (deployment(&desired, ""), deployment(live, metadata))
}

fn explained(field: Option<&str>) -> Result<Vec<FieldExplanation>, UnknownField> {
    let (desired, live) = pair();
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    let compared = compare_one(&desired, Live::Present(&live), &context);
    let pattern = field.map(|text| match text.starts_with('/') {
        true => PathPattern::from_pointer(text).unwrap(),
        false => text.parse().unwrap(),
    });
    explain(Some(&desired), Some(&compared), pattern.as_ref(), &context)
}

#[test]
fn every_field_says_what_a_sync_makes_of_it_and_why() {
    let containers = "spec.template.spec.containers";
    for (field, verdict) in [
        ("spec.replicas".to_owned(), "a sync sets another value"),
        ("spec".to_owned(), "a sync changes a field below it"),
        (format!("{containers}[name=web].image"), "Git and cluster agree"),
        (format!("{containers}[name=web].resources.limits.cpu"), "Git and cluster write the same in different ways"),
        (containers.to_owned(), "the cluster holds all that Git declares, and more that is left alone"),
        ("spec.paused".to_owned(), "not declared; others own it, so it is left alone"),
        ("spec.revisionHistoryLimit".to_owned(), "not declared; it has its default"),
        (
            format!("{containers}[name=log].image"),
            "not declared; nobody owns it: the server filled it in, and it is left alone",
        ),
        ("metadata.generation".to_owned(), "only the server sets it; never compared"),
        ("spec.minReadySeconds".to_owned(), "neither Git nor the cluster has it"),
    ] {
        let fields = explained(Some(&field)).unwrap();
        assert_eq!(fields.len(), 1, "{field}");
        assert_eq!((fields[0].field.to_string(), fields[0].verdict.to_string()), (field, verdict.to_owned()));
    }
}

#[test]
fn without_a_field_all_that_differ_are_told_with_both_sides_and_owners() {
    let fields = explained(None).unwrap();
    let text: String = fields.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        "spec.replicas: a sync sets another value; Git declares it so
  desired  3
  live     5
           owned by `kubectl-edit` (Update, last at 2026-03-01T08:00:00Z)
  default  1
"
    );
}

#[test]
fn a_json_pointer_means_the_live_object_and_a_wildcard_both() {
    for (asked, expected) in [
        ("/spec/template/spec/containers/0/image", &["spec.template.spec.containers[name=log].image"][..]),
        ("/spec/template/spec/containers/1/image", &["spec.template.spec.containers[name=web].image"]),
        (
            "**.image",
            &["spec.template.spec.containers[name=log].image", "spec.template.spec.containers[name=web].image"],
        ),
    ] {
        let fields: Vec<String> = explained(Some(asked)).unwrap().iter().map(|field| field.field.to_string()).collect();
        assert_eq!(fields, expected, "{asked}");
    }
    assert_eq!(&*explained(Some("**[name=web].image")).unwrap()[0].pointer, "/spec/template/spec/containers/1/image");
}

#[test]
fn a_field_that_is_not_there_is_refused_with_the_nearest_names() {
    for (asked, expected) in [
        ("spec.replica", "neither Git nor the cluster has a field `spec.replica`; did you mean `spec.replicas`?"),
        ("/spec/replica", "neither Git nor the cluster has a field `/spec/replica`; did you mean `spec.replicas`?"),
        (
            "spec.template.spec.containers[name=wep].image",
            "neither Git nor the cluster has a field `spec.template.spec.containers[name=wep].image`; did you mean \
             `spec.template.spec.containers[name=web]`?",
        ),
        (
            "xyzxyz",
            "neither Git nor the cluster has a field `xyzxyz`; write it as `spec.replicas`, \
             `spec.containers[name=web].image` or `/spec/replicas`",
        ),
    ] {
        assert_eq!(explained(Some(asked)).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_field_of_a_secret_has_the_name_under_which_git_writes_it_as_well() {
    let secret = object(
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key","namespace":"shop"},"data":{"a":"aHVudGVyMg=="}}"#,
    );
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    let compared = compare_one(&secret, Live::Present(&secret), &context);
    let asked = ["stringData.a".parse().unwrap(), PathPattern::from_pointer("/stringData/a").unwrap()];
    for asked in asked.into_iter().chain(["stringData.*".parse().unwrap()]) {
        let fields = explain(Some(&secret), Some(&compared), Some(&asked), &context).unwrap();
        assert_eq!(fields.iter().map(|field| field.field.to_string()).collect::<Vec<_>>(), ["data.a"], "{asked}");
    }
}
