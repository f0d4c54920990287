//! Defaults of built-in kinds. Rule: `SetDefaults_*` of `pkg/apis/*` in Kubernetes 1.36, as recorded; also those that
//! depend on other fields. What the server allocates, such as addresses, is not here.

use crate::value::Draft;

use super::{each, is_empty, pod, text, unset, within};

/// Fills in the defaults of an object of a built-in kind.
pub(in super::super) fn fill(group: &str, kind: &str, draft: &mut Draft) {
    match group {
        "" => core(kind, draft),
        "apps" => apps(kind, draft),
        "batch" => batch(kind, draft),
        "autoscaling" => autoscaling(draft),
        "networking.k8s.io" => networking(kind, draft),
        "rbac.authorization.k8s.io" => rbac(kind, draft),
        "storage.k8s.io" => storage(kind, draft),
        "admissionregistration.k8s.io" => admission(kind, draft),
        "scheduling.k8s.io" if kind == "PriorityClass" => unset(draft, "preemptionPolicy", "PreemptLowerPriority"),
        "discovery.k8s.io" if kind == "EndpointSlice" => each(draft, "ports", |port| {
            unset(port, "name", "");
            unset(port, "protocol", "TCP");
        }),
        "flowcontrol.apiserver.k8s.io" => flow_control(kind, draft),
        "resource.k8s.io" => resource(kind, draft),
        "apiextensions.k8s.io" => definition(draft),
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
            unset(spec, "replicas", 1);
            within(spec, "template", pod::template);
            let labels = spec.get("template").and_then(|of| of.get("metadata")?.get("labels")).cloned();
            if let Some(labels) = labels {
                if is_empty(spec, "selector") {
                    spec.set("selector", labels.clone());
                }
                unset(draft.entry("metadata"), "labels", labels);
            }
        }
        "Secret" => unset(draft, "type", "Opaque"),
        "Service" => {
            service(draft.entry("spec"));
            within(draft, "status", |status| {
                within(status, "loadBalancer", |balancer| {
                    each(balancer, "ingress", |ingress| {
                        if !text(ingress, "ip").is_empty() {
                            unset(ingress, "ipMode", "VIP");
                        }
                    });
                })
            });
        }
        "Namespace" => {
            let metadata = draft.entry("metadata");
            let name = text(metadata, "name").to_owned();
            if !name.is_empty() {
                metadata.entry("labels").set("kubernetes.io/metadata.name", name);
            }
            unset(draft.entry("status"), "phase", "Active");
        }
        "PersistentVolumeClaim" => claim(draft),
        "PersistentVolume" => {
            let spec = draft.entry("spec");
            unset(spec, "persistentVolumeReclaimPolicy", "Retain");
            unset(spec, "volumeMode", "Filesystem");
            pod::source(spec);
            unset(draft.entry("status"), "phase", "Pending");
        }
        "Endpoints" => each(draft, "subsets", |subset| each(subset, "ports", |port| unset(port, "protocol", "TCP"))),
        "LimitRange" => within(draft, "spec", |spec| each(spec, "limits", limit)),
        _ => {}
    }
}

fn claim(draft: &mut Draft) {
    unset(draft.entry("spec"), "volumeMode", "Filesystem");
    unset(draft.entry("status"), "phase", "Pending");
}

/// Limits of containers stand for what is not said.
fn limit(item: &mut Draft) {
    if text(item, "type") != "Container" {
        return;
    }
    for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(Draft::Map(values)) = item.get(from).cloned() else { continue };
        values.into_iter().for_each(|(name, value)| unset(item.entry(to), &name, value));
    }
}

fn service(spec: &mut Draft) {
    unset(spec, "sessionAffinity", "None");
    unset(spec, "type", "ClusterIP");
    if text(spec, "sessionAffinity") == "None" {
        drop(spec.remove("sessionAffinityConfig"));
    } else {
        unset(spec.entry("sessionAffinityConfig").entry("clientIP"), "timeoutSeconds", 10_800);
    }
    each(spec, "ports", |port| {
        unset(port, "protocol", "TCP");
        if matches!(port.get("targetPort"), None | Some(Draft::Null | Draft::Int(0)))
            && let Some(number) = port.get("port").cloned()
        {
            port.set("targetPort", number);
        }
    });
    let kind = text(spec, "type").to_owned();
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || !is_empty(spec, "externalIPs") {
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
        "Deployment" => {
            unset(spec, "progressDeadlineSeconds", 600);
            unset(spec, "replicas", 1);
            unset(spec, "revisionHistoryLimit", 10);
            rolling(spec.entry("strategy"), &[("maxSurge", "25%".into()), ("maxUnavailable", "25%".into())]);
        }
        "ReplicaSet" => unset(spec, "replicas", 1),
        "DaemonSet" => {
            unset(spec, "revisionHistoryLimit", 10);
            rolling(spec.entry("updateStrategy"), &[("maxSurge", 0.into()), ("maxUnavailable", 1.into())]);
        }
        "StatefulSet" => {
            unset(spec, "podManagementPolicy", "OrderedReady");
            unset(spec, "replicas", 1);
            unset(spec, "revisionHistoryLimit", 10);
            let strategy = spec.entry("updateStrategy");
            // Unlike elsewhere, a type that is given comes without parameters.
            if text(strategy, "type").is_empty() || strategy.get("rollingUpdate").is_some() {
                rolling(strategy, &[("partition", 0.into())]);
            }
            // Behind a feature gate that is off.
            within(spec.entry("updateStrategy"), "rollingUpdate", |rolling| drop(rolling.remove("maxUnavailable")));
            let retention = spec.entry("persistentVolumeClaimRetentionPolicy");
            unset(retention, "whenDeleted", "Retain");
            unset(retention, "whenScaled", "Retain");
            each(spec, "volumeClaimTemplates", |template| {
                template.set("apiVersion", "v1");
                template.set("kind", "PersistentVolumeClaim");
                claim(template);
            });
        }
        _ => return,
    }
    pod::template(spec.entry("template"));
}

/// The parameters of a rolling update count only where one is wanted.
fn rolling(strategy: &mut Draft, parameters: &[(&str, Draft)]) {
    unset(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = strategy.entry("rollingUpdate");
        parameters.iter().for_each(|(field, value)| unset(rolling, field, value.clone()));
    }
}

fn batch(kind: &str, draft: &mut Draft) {
    match kind {
        "Job" => {
            let spec = draft.entry("spec");
            let given = |field: &str| spec.get(field).is_some();
            if !given("completions") && !given("parallelism") {
                spec.set("completions", 1);
            }
            unset(spec, "parallelism", 1);
            unset(spec, "backoffLimit", 6);
            unset(spec, "completionMode", "NonIndexed");
            unset(spec, "suspend", false);
            unset(spec, "manualSelector", false);
            let fails = spec.get("podFailurePolicy").is_some();
            unset(spec, "podReplacementPolicy", if fails { "Failed" } else { "TerminatingOrFailed" });
            failure_policy(spec);
            pod::template(spec.entry("template"));
            let labels = spec.get("template").and_then(|of| of.get("metadata")?.get("labels")).cloned();
            if let Some(labels) = labels {
                unset(draft.entry("metadata"), "labels", labels);
            }
        }
        "CronJob" => {
            let spec = draft.entry("spec");
            unset(spec, "concurrencyPolicy", "Allow");
            unset(spec, "suspend", false);
            unset(spec, "successfulJobsHistoryLimit", 3);
            unset(spec, "failedJobsHistoryLimit", 1);
            let job = spec.entry("jobTemplate").entry("spec");
            failure_policy(job);
            pod::template(job.entry("template"));
        }
        _ => {}
    }
}

fn failure_policy(job: &mut Draft) {
    within(job, "podFailurePolicy", |policy| {
        each(policy, "rules", |rule| each(rule, "onPodConditions", |condition| unset(condition, "status", "True")));
    });
}

fn autoscaling(draft: &mut Draft) {
    let is_v1 = text(draft, "apiVersion") == "autoscaling/v1";
    let spec = draft.entry("spec");
    unset(spec, "minReplicas", 1);
    if is_v1 {
        return;
    }
    if is_empty(spec, "metrics") {
        let mut metric = Draft::map();
        metric.set("type", "Resource");
        let resource = metric.entry("resource");
        resource.set("name", "cpu");
        resource.entry("target").set("type", "Utilization");
        resource.entry("target").set("averageUtilization", 80);
        spec.set("metrics", vec![metric]);
    }
    within(spec, "behavior", |behavior| {
        let policy = |kind: &str, value: i64| {
            let mut policy = Draft::map();
            policy.set("type", kind);
            policy.set("value", value);
            policy.set("periodSeconds", 15);
            policy
        };
        let up = behavior.entry("scaleUp");
        unset(up, "stabilizationWindowSeconds", 0);
        unset(up, "selectPolicy", "Max");
        unset(up, "policies", vec![policy("Pods", 4), policy("Percent", 100)]);
        let down = behavior.entry("scaleDown");
        unset(down, "selectPolicy", "Max");
        unset(down, "policies", vec![policy("Percent", 100)]);
    });
}

fn networking(kind: &str, draft: &mut Draft) {
    match kind {
        "NetworkPolicy" => {
            let spec = draft.entry("spec");
            for field in ["ingress", "egress"] {
                each(spec, field, |rule| each(rule, "ports", |port| unset(port, "protocol", "TCP")));
            }
            if is_empty(spec, "policyTypes") {
                let egress = (!is_empty(spec, "egress")).then(|| Draft::from("Egress"));
                spec.set("policyTypes", [Draft::from("Ingress")].into_iter().chain(egress).collect::<Vec<_>>());
            }
        }
        "IngressClass" => within(draft, "spec", |spec| {
            within(spec, "parameters", |parameters| unset(parameters, "scope", "Cluster"));
        }),
        _ => {}
    }
}

fn rbac(kind: &str, draft: &mut Draft) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if matches!(kind, "RoleBinding" | "ClusterRoleBinding") {
        unset(draft.entry("roleRef"), "apiGroup", GROUP);
        each(draft, "subjects", |subject| {
            if matches!(text(subject, "kind"), "User" | "Group") {
                unset(subject, "apiGroup", GROUP);
            }
        });
    }
}

fn storage(kind: &str, draft: &mut Draft) {
    match kind {
        "StorageClass" => {
            unset(draft, "reclaimPolicy", "Delete");
            unset(draft, "volumeBindingMode", "Immediate");
        }
        "CSIDriver" => {
            let spec = draft.entry("spec");
            unset(spec, "attachRequired", true);
            unset(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
            for field in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
                unset(spec, field, false);
            }
            unset(spec, "volumeLifecycleModes", vec!["Persistent".into()]);
        }
        _ => {}
    }
}

fn admission(kind: &str, draft: &mut Draft) {
    each(draft, "webhooks", |webhook| {
        within(webhook, "clientConfig", |client| within(client, "service", |service| unset(service, "port", 443)));
        unset(webhook, "failurePolicy", "Fail");
        unset(webhook, "matchPolicy", "Equivalent");
        unset(webhook, "timeoutSeconds", 10);
        unset(webhook, "namespaceSelector", Draft::map());
        unset(webhook, "objectSelector", Draft::map());
        if kind == "MutatingWebhookConfiguration" {
            unset(webhook, "reinvocationPolicy", "Never");
        }
        each(webhook, "rules", |rule| unset(rule, "scope", "*"));
    });
    let matching = match kind {
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => {
            unset(draft.entry("spec"), "failurePolicy", "Fail");
            "matchConstraints"
        }
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => "matchResources",
        _ => return,
    };
    within(draft.entry("spec"), matching, |matching| {
        unset(matching, "matchPolicy", "Equivalent");
        unset(matching, "namespaceSelector", Draft::map());
        unset(matching, "objectSelector", Draft::map());
        for field in ["resourceRules", "excludeResourceRules"] {
            each(matching, field, |rule| unset(rule, "scope", "*"));
        }
    });
}

fn flow_control(kind: &str, draft: &mut Draft) {
    let spec = draft.entry("spec");
    if kind == "FlowSchema" {
        unset(spec, "matchingPrecedence", 1000);
        return;
    }
    within(spec, "exempt", |exempt| {
        unset(exempt, "lendablePercent", 0);
        unset(exempt, "nominalConcurrencyShares", 0);
    });
    within(spec, "limited", |limited| {
        unset(limited, "lendablePercent", 0);
        unset(limited, "nominalConcurrencyShares", 30);
        within(limited, "limitResponse", |response| {
            within(response, "queuing", |queuing| {
                unset(queuing, "handSize", 8);
                unset(queuing, "queueLengthLimit", 50);
                unset(queuing, "queues", 64);
            });
        });
    });
}

fn resource(kind: &str, draft: &mut Draft) {
    let spec = match kind {
        "ResourceClaim" => draft.entry("spec"),
        "ResourceClaimTemplate" => draft.entry("spec").entry("spec"),
        _ => return,
    };
    let request = |request: &mut Draft| {
        unset(request, "allocationMode", "ExactCount");
        if text(request, "allocationMode") == "ExactCount" {
            unset(request, "count", 1);
        }
        each(request, "tolerations", |toleration| unset(toleration, "operator", "Equal"));
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
    let kind = text(names, "kind").to_owned();
    unset(names, "singular", kind.to_lowercase());
    unset(names, "listKind", format!("{kind}List"));
}
