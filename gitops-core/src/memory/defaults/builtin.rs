//! Defaults of built-in kinds that depend on more than the absence of a field. Rule: `SetDefaults_*` of `pkg/apis/*` in
//! Kubernetes 1.36, as recorded. The others are known to the model, and filled in after these; what the server allocates,
//! such as addresses, is not here.

use crate::value::Draft;

use super::{each, is_empty, pod, unset, within};

/// Fills in what an object of a built-in kind gets by what it holds; an absent field stands for its default.
pub(in super::super) fn fill(group: &str, kind: &str, draft: &mut Draft) {
    match (group, kind) {
        ("", _) => core(kind, draft),
        ("apps", _) => apps(kind, draft),
        ("batch", "Job") => job(draft),
        ("batch", "CronJob") => {
            pod::template(draft.entry("spec").entry("jobTemplate").entry("spec").entry("template"));
        }
        ("networking.k8s.io", "NetworkPolicy") => policy_types(draft.entry("spec")),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => each(draft, "subjects", |subject| {
            if matches!(subject.text("kind"), "User" | "Group") {
                unset(subject, "apiGroup", "rbac.authorization.k8s.io");
            }
        }),
        ("resource.k8s.io", "ResourceClaim") => devices(draft.entry("spec")),
        ("resource.k8s.io", "ResourceClaimTemplate") => devices(draft.entry("spec").entry("spec")),
        ("apiextensions.k8s.io", _) => definition(draft),
        _ => {}
    }
}

fn core(kind: &str, draft: &mut Draft) {
    match kind {
        "Pod" => {
            let spec = draft.entry("spec");
            pod::spec(spec);
            pod::alone(spec);
            within(draft, "status", pod::addresses);
        }
        "PodTemplate" => pod::template(draft.entry("template")),
        "ReplicationController" => {
            let spec = draft.entry("spec");
            within(spec, "template", pod::template);
            let labels = spec.get("template").and_then(|of| of.get("metadata")?.get("labels")).cloned();
            if let Some(labels) = labels {
                if is_empty(spec, "selector") {
                    spec.set("selector", labels.clone());
                }
                unset(draft.entry("metadata"), "labels", labels);
            }
        }
        "Service" => {
            service(draft.entry("spec"));
            within(draft, "status", |status| {
                within(status, "loadBalancer", |balancer| {
                    each(balancer, "ingress", |ingress| {
                        if !ingress.text("ip").is_empty() {
                            unset(ingress, "ipMode", "VIP");
                        }
                    });
                })
            });
        }
        "Namespace" => {
            let metadata = draft.entry("metadata");
            let name = metadata.text("name").to_owned();
            if !name.is_empty() {
                metadata.entry("labels").set("kubernetes.io/metadata.name", name);
            }
        }
        "LimitRange" => within(draft, "spec", |spec| each(spec, "limits", limit)),
        _ => {}
    }
}

/// Limits of containers stand for what is not said.
fn limit(item: &mut Draft) {
    if item.text("type") != "Container" {
        return;
    }
    for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(Draft::Map(values)) = item.get(from).cloned() else { continue };
        values.into_iter().for_each(|(name, value)| unset(item.entry(to), &name, value));
    }
}

fn service(spec: &mut Draft) {
    if matches!(spec.text("sessionAffinity"), "" | "None") {
        drop(spec.remove("sessionAffinityConfig"));
    } else {
        unset(spec.entry("sessionAffinityConfig").entry("clientIP"), "timeoutSeconds", 10_800);
    }
    each(spec, "ports", |port| {
        if matches!(port.get("targetPort"), None | Some(Draft::Null | Draft::Int(0)))
            && let Some(number) = port.get("port").cloned()
        {
            port.set("targetPort", number);
        }
    });
    let kind = spec.text("type").to_owned();
    let is_external = match kind.as_str() {
        "NodePort" | "LoadBalancer" => true,
        "" | "ClusterIP" => !is_empty(spec, "externalIPs"),
        _ => false,
    };
    if is_external {
        unset(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind != "ExternalName" {
        unset(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        unset(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn apps(kind: &str, draft: &mut Draft) {
    let spec = draft.entry("spec");
    match kind {
        "Deployment" => rolling(spec.entry("strategy")),
        "DaemonSet" => rolling(spec.entry("updateStrategy")),
        "StatefulSet" => {
            let strategy = spec.entry("updateStrategy");
            // Unlike elsewhere, a type that is given comes without parameters.
            if strategy.text("type").is_empty() {
                rolling(strategy);
            }
            // Behind a feature gate that is off.
            within(strategy, "rollingUpdate", |rolling| drop(rolling.remove("maxUnavailable")));
            each(spec, "volumeClaimTemplates", |template| {
                template.set("apiVersion", "v1");
                template.set("kind", "PersistentVolumeClaim");
            });
        }
        "ReplicaSet" => {}
        _ => return,
    }
    pod::template(spec.entry("template"));
}

/// The parameters of a rolling update count only where one is wanted.
fn rolling(strategy: &mut Draft) {
    if matches!(strategy.text("type"), "" | "RollingUpdate") {
        unset(strategy, "rollingUpdate", Draft::map());
    }
}

fn job(draft: &mut Draft) {
    let spec = draft.entry("spec");
    let given = |spec: &Draft, field: &str| spec.get(field).is_some();
    if !given(spec, "completions") && !given(spec, "parallelism") {
        spec.set("completions", 1);
    }
    let each_index = given(spec, "backoffLimitPerIndex");
    unset(spec, "backoffLimit", if each_index { i64::from(i32::MAX) } else { 6 });
    let fails = spec.get("podFailurePolicy").is_some();
    unset(spec, "podReplacementPolicy", if fails { "Failed" } else { "TerminatingOrFailed" });
    pod::template(spec.entry("template"));
    let labels = spec.get("template").and_then(|of| of.get("metadata")?.get("labels")).cloned();
    if let Some(labels) = labels {
        unset(draft.entry("metadata"), "labels", labels);
    }
}

fn policy_types(spec: &mut Draft) {
    if is_empty(spec, "policyTypes") {
        let egress = (!is_empty(spec, "egress")).then(|| Draft::from("Egress"));
        spec.set("policyTypes", [Draft::from("Ingress")].into_iter().chain(egress).collect::<Vec<_>>());
    }
}

fn devices(spec: &mut Draft) {
    let request = |request: &mut Draft| {
        if matches!(request.text("allocationMode"), "" | "ExactCount") {
            unset(request, "count", 1);
        }
    };
    within(spec, "devices", |devices| {
        each(devices, "requests", |one| {
            within(one, "exactly", request);
            each(one, "firstAvailable", request);
        });
    });
}

fn definition(draft: &mut Draft) {
    let spec = draft.entry("spec");
    unset(spec.entry("conversion"), "strategy", "None");
    let names = spec.entry("names");
    let kind = names.text("kind").to_owned();
    unset(names, "singular", kind.to_lowercase());
    unset(names, "listKind", format!("{kind}List"));
}
