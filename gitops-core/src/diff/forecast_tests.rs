//! What an apply does to fields of others, by who they are.

use crate::diff::tests::{object, us};
use crate::diff::{Context, Forecast, Scaled, forecast};
use crate::model::ApiModel;
use crate::resource::Resource;
use crate::state::Inventory;

fn entry(manager: &str, operation: &str, subresource: &str, fields: &str) -> String {
    let subresource = if subresource.is_empty() { String::new() } else { format!(r#","subresource":"{subresource}""#) };
    format!(
        r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"apps/v1","fieldsType":"FieldsV1",
            "fieldsV1":{fields}{subresource}}}"#
    )
}

fn deployment(spec: &str, metadata: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop"{metadata}}},
            "spec":{spec}}}"#
    ))
}

fn foreseen(desired: &str, live: &str, entries: &[String], scaled: bool) -> Forecast {
    let tracking = r#""annotations":{"gitops.rs/tracking-id":"shop:apps/Deployment:shop/web"}"#;
    let metadata = format!(r#","uid":"1",{tracking},"managedFields":[{}]"#, entries.join(","));
    let (desired, live) = (deployment(desired, ""), deployment(live, &metadata));
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let scaled = if scaled { Scaled::Yes } else { Scaled::No };
    forecast(&desired, &live, &Context::new(&model, &owner, &inventory), scaled)
}

const REPLICAS: &str = r#"{"f:spec":{"f:replicas":{}}}"#;

#[test]
fn a_field_of_another_is_taken_over_yielded_or_refused_by_how_it_was_written() {
    for (manager, operation, subresource, scaled, expected) in [
        ("kubectl-edit", "Update", "", false, "takes over `spec.replicas` from `kubectl-edit`"),
        ("before-first-apply", "Update", "", false, "takes over `spec.replicas` from `before-first-apply`"),
        ("kubectl", "Apply", "", false, "takes over `spec.replicas` from `kubectl`"),
        ("kubectl", "Update", "scale", false, "takes over `spec.replicas` from `kubectl (scale)`"),
        ("hpa", "Update", "scale", true, "leaves `spec.replicas` to `hpa (scale)`, which scales it"),
        (
            "helm",
            "Apply",
            "",
            false,
            "is refused: `spec.replicas` is applied by `helm`; remove it from one of the two, or take it over with `{manager: helm, then: takeOver}` among the `conflicts.rules` of the policy",
        ),
    ] {
        let entries = [entry(manager, operation, subresource, REPLICAS)];
        let forecast = foreseen(r#"{"replicas":3}"#, r#"{"replicas":5}"#, &entries, scaled);
        assert_eq!(forecast.lines(), [expected]);
        assert_eq!(forecast.is_refused(), manager == "helm");
        // What agrees meets nobody.
        assert!(foreseen(r#"{"replicas":5}"#, r#"{"replicas":5}"#, &entries, scaled).is_empty(), "{manager}");
    }
}

#[test]
fn of_several_owners_a_refusal_names_the_one_who_does_not_give_way() {
    let entries = [entry("kubectl", "Apply", "", REPLICAS), entry("other", "Apply", "", REPLICAS)];
    let forecast = foreseen(r#"{"replicas":3}"#, r#"{"replicas":5}"#, &entries, false);
    let lines = forecast.lines();
    assert!(lines.len() == 1 && lines[0].contains("is applied by `other`"), "{lines:?}");
}

#[test]
fn an_object_that_is_refused_takes_nothing_over() {
    let entries =
        [entry("helm", "Apply", "", REPLICAS), entry("kubectl-edit", "Update", "", r#"{"f:spec":{"f:paused":{}}}"#)];
    let forecast = foreseen(r#"{"replicas":3,"paused":false}"#, r#"{"replicas":5,"paused":true}"#, &entries, false);
    assert_eq!(forecast.fields.len(), 1, "{forecast:?}");
    assert!(forecast.is_refused());
}

#[test]
fn what_git_dropped_and_others_hold_is_taken_away_from_hands_and_left_to_appliers() {
    for (manager, operation, expected) in [
        ("kubectl-edit", "Update", "takes `spec.paused` from `kubectl-edit` and removes it"),
        ("helm", "Apply", "leaves `spec.paused` to `helm`: Git no longer declares it, and it stays"),
    ] {
        let fields = r#"{"f:spec":{"f:paused":{}}}"#;
        let ours = r#"{"f:spec":{"f:paused":{},"f:replicas":{}}}"#;
        let entries = [entry("gitops:shop", "Apply", "", ours), entry(manager, operation, "", fields)];
        let forecast = foreseen(r#"{"replicas":3}"#, r#"{"replicas":3,"paused":true}"#, &entries, false);
        assert_eq!(forecast.lines(), [expected]);
    }
}

#[test]
fn an_object_whose_ownership_cannot_be_read_or_that_is_another_applications_is_refused_whole() {
    let unreadable = entry("x", "Steal", "", r#"{"f:spec":{}}"#);
    let blind = foreseen(r#"{"replicas":3}"#, r#"{"replicas":5}"#, &[unreadable], false);
    assert!(blind.lines().concat().starts_with("is refused: entry 0 of `metadata.managedFields` cannot be read"));
    let theirs = r#","annotations":{"gitops.rs/tracking-id":"other:apps/Deployment:shop/web"},"managedFields":["#;
    let fields = r#"{"f:metadata":{"f:annotations":{"f:gitops.rs/tracking-id":{}}},"f:spec":{"f:replicas":{}}}"#;
    let metadata = format!("{theirs}{}]", entry("gitops:other", "Apply", "", fields));
    let (owner, inventory, model) = (us(), Inventory::default(), ApiModel::builtin());
    let live = deployment(r#"{"replicas":3}"#, &metadata);
    let desired = deployment(r#"{"replicas":3}"#, "");
    let foreseen = forecast(&desired, &live, &Context::new(&model, &owner, &inventory), Scaled::No);
    assert_eq!(
        foreseen.lines(),
        [
            "is refused: belongs to application `other` (`other:apps/Deployment:shop/web`); remove it from one of the two, or release it there first"
        ]
    );
}

#[test]
fn what_is_left_to_an_autoscaler_is_given_up_first() {
    let ours = entry("gitops:shop", "Apply", "", r#"{"f:spec":{"f:replicas":{},"f:paused":{}}}"#);
    let entries = [ours, entry("hpa", "Update", "scale", REPLICAS)];
    let forecast = foreseen(r#"{"replicas":3,"paused":true}"#, r#"{"replicas":5,"paused":true}"#, &entries, true);
    assert_eq!(
        forecast.lines(),
        [
            "gives up `spec.replicas`, which `hpa (scale)` owns as well",
            "leaves `spec.replicas` to `hpa (scale)`, which scales it"
        ]
    );
}
