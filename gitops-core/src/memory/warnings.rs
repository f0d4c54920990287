//! Warnings: what the server says about a write that it takes all the same.
//!
//! Rule: `WarningsOnCreate` and `WarningsOnUpdate` of each kind's strategy in Kubernetes 1.36, which look at what passed
//! validation; for Pods `pkg/api/pod/warnings.go`, for Services `pkg/api/service/warnings.go`. Wording as recorded; a
//! warning that no recording has is left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ServedKind;
use crate::resource::Resource;
use crate::value::ValueRef;

use super::prepare::{TEMPLATE_GENERATION, is_custom};

/// When a kind is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// At every write.
    Always,
    /// When it is created.
    New,
    /// When it is created, and when what is wanted changes.
    Changed,
}

/// Looks at an object or a part of it, which stands at the path.
type Rule = fn(&mut Vec<String>, &str, ValueRef<'_>);

/// Which kinds are looked at: group, kind, when, the part that is looked at, and how.
const RULES: [(&str, &str, When, &str, Rule); 14] = [
    ("", "Service", When::Always, "spec", service),
    ("", "PersistentVolumeClaim", When::Always, "metadata", claim),
    ("", "Pod", When::New, "", template),
    ("", "PodTemplate", When::Changed, "template", template),
    ("", "ReplicationController", When::Changed, "spec.template", template),
    ("apps", "DaemonSet", When::Changed, "spec.template", template),
    ("apps", "Deployment", When::Changed, "spec.template", template),
    ("apps", "ReplicaSet", When::Changed, "spec.template", template),
    ("apps", "StatefulSet", When::Changed, "spec.template", template),
    ("apps", "StatefulSet", When::Always, "spec", stateful_set),
    ("batch", "CronJob", When::Changed, "spec.jobTemplate.spec.template", template),
    ("batch", "Job", When::Changed, "spec.template", template),
    ("networking.k8s.io", "Ingress", When::New, "metadata", ingress),
    ("discovery.k8s.io", "EndpointSlice", When::New, "", endpoint_slice),
];

/// Volumes that go, or are gone.
const VOLUMES: [(&str, &str); 2] = [
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
];

/// The warnings about an object that is stored in place of `live`.
pub(super) fn of(kind: &ServedKind, live: Option<&Resource>, object: &Resource) -> Vec<String> {
    let mut found = Vec::new();
    if is_custom(kind) {
        finalizers(&mut found, live, object);
        return found;
    }
    for (group, name, when, path, rule) in RULES {
        let looked_at = match (when, live) {
            (When::Always, _) | (_, None) => true,
            (When::New, Some(_)) => false,
            (When::Changed, Some(live)) => count(live) != count(object),
        };
        if looked_at && object.key().is(group, name) {
            let steps = path.split('.').filter(|step| !step.is_empty());
            let part = steps.into_iter().try_fold(object.tree(), |at, step| at.get(step));
            part.into_iter().for_each(|part| rule(&mut found, path, part));
        }
    }
    found
}

/// How often what is wanted was changed; a DaemonSet counts its template alone.
fn count(object: &Resource) -> Option<String> {
    if object.key().is("apps", "DaemonSet") {
        return object.annotation(TEMPLATE_GENERATION).map(str::to_owned);
    }
    Some(object.tree().dig(&["metadata", "generation"])?.as_i64()?.to_string())
}

/// Custom resources: finalizers that are new.
fn finalizers(found: &mut Vec<String>, live: Option<&Resource>, object: &Resource) {
    let of = |object: Option<&Resource>| {
        let names = object.and_then(|object| object.tree().dig(&["metadata", "finalizers"])?.as_list());
        names.into_iter().flatten().filter_map(ValueRef::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = of(live);
    for name in of(Some(object)).iter().filter(|name| !name.contains('/') && !before.contains(name)) {
        found.push(format!(
            "metadata.finalizers: \"{name}\": prefer a domain-qualified finalizer name including a path (/) to avoid \
             accidental conflicts with other finalizer writers"
        ));
    }
}

fn service(found: &mut Vec<String>, path: &str, spec: ValueRef<'_>) {
    if text(spec, "clusterIP") == "None" && !matches!(text(spec, "sessionAffinity"), "" | "None") {
        found.push(format!("{path}.SessionAffinity is ignored for headless services"));
    }
    if items(spec, "externalIPs").next().is_some() {
        found.push(match text(spec, "type") {
            "ExternalName" => format!("{path}.externalIPs is ignored when spec.type is \"ExternalName\""),
            _ => format!("{path}.externalIPs is deprecated and may no longer be implemented in some clusters"),
        });
    }
}

fn stateful_set(found: &mut Vec<String>, path: &str, spec: ValueRef<'_>) {
    if spec.get("revisionHistoryLimit").and_then(ValueRef::as_i64).is_some_and(|limit| limit < 0) {
        found.push(format!(
            "{path}.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        ));
    }
}

fn claim(found: &mut Vec<String>, path: &str, metadata: ValueRef<'_>) {
    let name = "volume.beta.kubernetes.io/storage-class";
    if metadata.dig(&["annotations", name]).is_some() {
        let instead = "deprecated since v1.8; use \"storageClassName\" attribute instead";
        found.push(format!("{path}.annotations[{name}]: {instead}"));
    }
}

fn ingress(found: &mut Vec<String>, _: &str, metadata: ValueRef<'_>) {
    let name = "kubernetes.io/ingress.class";
    if metadata.dig(&["annotations", name]).is_some() {
        found.push(format!("annotation \"{name}\" is deprecated, please use 'spec.ingressClassName' instead"));
    }
}

fn endpoint_slice(found: &mut Vec<String>, _: &str, slice: ValueRef<'_>) {
    if text(slice, "addressType") == "FQDN" {
        found.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
}

/// A Pod, or what Pods are made from.
fn template(found: &mut Vec<String>, path: &str, template: ValueRef<'_>) {
    let Some(spec) = template.get("spec") else { return };
    let within = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    let (path, metadata) = (within("spec"), within("metadata"));
    if spec.dig(&["nodeSelector", "node-role.kubernetes.io/master"]).is_some() {
        let (old, new) = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane");
        found.push(format!("{path}.nodeSelector[{old}]: use \"{new}\" instead"));
    }
    for (at, of) in items(spec, "topologySpreadConstraints").enumerate() {
        selector(found, &format!("{path}.topologySpreadConstraints[{at}]"), of);
    }
    affinity(found, &path, spec);
    seccomp(found, &metadata, template, spec);
    for (at, volume) in items(spec, "volumes").enumerate() {
        for (source, why) in VOLUMES.iter().filter(|(source, _)| volume.get(source).is_some()) {
            found.push(format!("{path}.volumes[{at}].{source}: {why}"));
        }
    }
    for (at, secret) in items(spec, "imagePullSecrets").enumerate() {
        if text(secret, "name").is_empty() {
            found.push(format!("{path}.imagePullSecrets[{at}].name: invalid empty name \"\""));
        }
    }
    containers(spec, &path).iter().for_each(|(path, container)| variables_and_amounts(found, path, *container));
    ports(found, &path, spec);
}

/// What selects Pods and names none.
fn selector(found: &mut Vec<String>, path: &str, of: ValueRef<'_>) {
    if of.get("labelSelector").is_none_or(ValueRef::is_null) {
        found.push(format!("{path}.labelSelector: a null labelSelector results in matching no pod"));
    }
}

fn affinity(found: &mut Vec<String>, path: &str, spec: ValueRef<'_>) {
    for side in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = spec.dig(&["affinity", side]) else { continue };
        let (must, should) =
            ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution");
        for (at, term) in items(terms, must).enumerate() {
            selector(found, &format!("{path}.affinity.{side}.{must}[{at}]"), term);
        }
        for (at, term) in items(terms, should).enumerate() {
            let place = format!("{path}.affinity.{side}.{should}[{at}].podAffinityTerm");
            term.get("podAffinityTerm").into_iter().for_each(|term| selector(found, &place, term));
        }
    }
}

/// Annotations that were a field before there was one.
fn seccomp(found: &mut Vec<String>, path: &str, template: ValueRef<'_>, spec: ValueRef<'_>) {
    for (_, container) in containers(spec, "") {
        let name = format!("container.seccomp.security.alpha.kubernetes.io/{}", text(container, "name"));
        let annotated = template.dig(&["metadata", "annotations", &name]).is_some();
        if annotated && container.dig(&["securityContext", "seccompProfile"]).is_none() {
            let why = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
            found.push(format!("{path}.annotations[{name}]: {why}"));
        }
    }
}

fn variables_and_amounts(found: &mut Vec<String>, path: &str, container: ValueRef<'_>) {
    let mut names = BTreeSet::new();
    for (at, variable) in items(container, "env").enumerate() {
        let name = text(variable, "name");
        // A value made from the one before hides nothing.
        if !names.insert(name) && !text(variable, "value").contains(&format!("$({name})")) {
            found.push(format!(
                "{path}.env[{at}]: hides previous definition of \"{name}\", which may be dropped when using apply"
            ));
        }
    }
    for of in ["limits", "requests"] {
        for what in ["memory", "ephemeral-storage"] {
            let amount = container.dig(&["resources", of, what]).and_then(ValueRef::as_str).unwrap_or_default();
            // Quantities are stored in their shortest form.
            if amount.ends_with(['m', 'u', 'n']) {
                let why = format!("fractional byte value \"{amount}\" is invalid, must be an integer");
                found.push(format!("{path}.resources.{of}[{what}]: {why}"));
            }
        }
    }
}

/// Two ports of a Pod that are the same.
fn ports(found: &mut Vec<String>, path: &str, spec: ValueRef<'_>) {
    let mut seen = BTreeMap::new();
    for (path, container) in containers(spec, path) {
        for (at, port) in items(container, "ports").enumerate() {
            let number = |field: &str| port.get(field).and_then(ValueRef::as_i64).unwrap_or_default();
            let same = (number("containerPort"), text(port, "protocol"), text(port, "hostIP"), number("hostPort"));
            let here = format!("{path}.ports[{at}]");
            match seen.get(&same) {
                Some(first) => found.push(format!("{here}: duplicate port definition with {first}")),
                None => drop(seen.insert(same, here)),
            }
        }
    }
}

/// All containers, each with its path.
fn containers<'o>(spec: ValueRef<'o>, path: &str) -> Vec<(String, ValueRef<'o>)> {
    let lists = ["initContainers", "containers"].into_iter();
    lists
        .flat_map(|list| items(spec, list).enumerate().map(move |(at, of)| (format!("{path}.{list}[{at}]"), of)))
        .collect()
}

fn text<'o>(of: ValueRef<'o>, field: &str) -> &'o str {
    of.get(field).and_then(ValueRef::as_str).unwrap_or_default()
}

fn items<'o>(of: ValueRef<'o>, field: &str) -> impl Iterator<Item = ValueRef<'o>> + use<'o> {
    of.get(field).and_then(ValueRef::as_list).into_iter().flatten()
}
