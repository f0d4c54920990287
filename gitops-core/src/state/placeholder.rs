//! Certificates that are no certificates but places for one, such as `Cg==`, which something on the cluster fills in.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::path::{FieldPath, Segment};
use crate::resource::Resource;
use crate::value::ValueRef;

/// Returns the places of certificates that are placeholders, by fields and indices alone. Rule 2 of the exact rules: sent,
/// they would undo what was filled in. What the cluster holds there stays, whoever wrote it.
pub(crate) fn placeholders(resource: &Resource) -> Vec<FieldPath> {
    let key = resource.key();
    let holder: &[&str] = match (key.group(), key.kind()) {
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => &[],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &["spec", "conversion", "webhook", "clientConfig"],
        ("apiregistration.k8s.io", "APIService") => &["spec"],
        _ => return Vec::new(),
    };
    let is_place = |config: ValueRef<'_>| config.get("caBundle").and_then(ValueRef::as_str).is_some_and(is_placeholder);
    let bundle = |config: FieldPath| config.join(Segment::field("caBundle"));
    if !holder.is_empty() {
        let found = resource.tree().dig(holder).filter(|config| is_place(*config));
        return found.map(|_| bundle(FieldPath::fields(holder))).into_iter().collect();
    }
    let webhooks = resource.tree().get("webhooks").and_then(ValueRef::as_list);
    let places = (0..).zip(webhooks.into_iter().flatten()).filter_map(|(at, webhook)| {
        webhook.get("clientConfig").filter(|config| is_place(*config))?;
        let webhook = FieldPath::fields(&["webhooks"]).join(Segment::Index(at));
        Some(bundle(webhook.join(Segment::field("clientConfig"))))
    });
    places.collect()
}

fn is_placeholder(bundle: &str) -> bool {
    let bytes = STANDARD.decode(bundle.replace(['\r', '\n'], "")).unwrap_or_default();
    !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----")
}
