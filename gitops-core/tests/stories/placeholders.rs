//! Certificates that Git has only a place for, and that something on the cluster fills in.

use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::value::ValueRef;

use crate::world::Shop;

/// `-----BEGIN CERTIFICATE-----`, as far as anybody looks.
const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";

fn webhook(bundle: &str, seconds: u32) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata:\n  name: guard\n\
         webhooks:\n  - name: guard.example.org\n    timeoutSeconds: {seconds}\n    sideEffects: None\n    \
         admissionReviewVersions: [v1]\n    clientConfig:\n      url: https://guard.example.org/\n      caBundle: {bundle}\n"
    )
}

fn live(shop: &Shop) -> Resource {
    let key = ResourceKey::new("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", None, "guard");
    shop.cluster.inner.with_server(|server| server.get(&key).cloned()).unwrap()
}

fn bundle(object: &Resource) -> Option<&str> {
    let webhook = object.tree().get("webhooks")?.item(0)?;
    webhook.dig(&["clientConfig", "caBundle"]).and_then(ValueRef::as_str)
}

fn fill_in(shop: &Shop) {
    shop.edit(&live(shop), |draft| {
        let webhooks = draft.get_mut("webhooks").and_then(|list| list.as_list_mut()).unwrap();
        webhooks.first_mut().unwrap().entry("clientConfig").set("caBundle", CERTIFICATE);
    });
}

#[test]
fn a_place_for_a_certificate_is_never_sent_and_what_fills_it_stays() {
    let shop = Shop::new();
    shop.commit("first", &[("w.yaml", Some(&webhook("Cg==", 10)))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(bundle(&live(&shop)), None);

    fill_in(&shop);
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
    shop.commit("slower", &[("w.yaml", Some(&webhook("Cg==", 20)))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(bundle(&live(&shop)), Some(CERTIFICATE));
}

#[test]
fn a_certificate_that_git_declared_stays_when_git_turns_it_into_a_place() {
    let shop = Shop::new();
    shop.commit("first", &[("w.yaml", Some(&webhook(CERTIFICATE, 10)))]);
    shop.sync();
    assert_eq!(bundle(&live(&shop)), Some(CERTIFICATE));

    shop.commit("place", &[("w.yaml", Some(&webhook("Cg==", 20)))]);
    assert_eq!(shop.sync().sync, SyncStatus::Synced);
    assert_eq!(bundle(&live(&shop)), Some(CERTIFICATE), "ours before, and released");
    assert_eq!(shop.preview().sync, SyncStatus::Synced);
}
