//! Defaults of Pods and what is in them. Rule: `SetDefaults_*` of `pkg/apis/core/v1` in Kubernetes 1.36.

use crate::value::Draft;

use super::{each, is_empty, text, unset, within};

pub(super) fn template(template: &mut Draft) {
    spec(template.entry("spec"));
}

pub(super) fn spec(spec: &mut Draft) {
    unset(spec, "dnsPolicy", "ClusterFirst");
    unset(spec, "restartPolicy", "Always");
    unset(spec, "securityContext", Draft::map());
    unset(spec, "terminationGracePeriodSeconds", 30);
    unset(spec, "schedulerName", "default-scheduler");
    each(spec, "volumes", volume);
    // The older name of the same field; the server keeps both.
    let account = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount").to_owned(),
        account => account.to_owned(),
    };
    for field in ["serviceAccount", "serviceAccountName"].iter().filter(|_| !account.is_empty()) {
        spec.set(field, &*account);
    }
    let host_network = spec.get("hostNetwork") == Some(&Draft::Bool(true));
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, field, |one| {
            container(one);
            if host_network {
                each(one, "ports", |port| {
                    if let Some(number) = port.get("containerPort").cloned() {
                        unset(port, "hostPort", number);
                    }
                });
            }
        });
    }
}

/// What only a Pod itself gets, not the template of one.
pub(super) fn alone(spec: &mut Draft) {
    unset(spec, "enableServiceLinks", true);
    for field in ["containers", "initContainers"] {
        each(spec, field, |container| within(container, "resources", requests_from_limits));
    }
    within(spec, "resources", requests_from_limits);
}

fn requests_from_limits(resources: &mut Draft) {
    let Some(Draft::Map(limits)) = resources.get("limits").cloned() else { return };
    for (name, limit) in limits {
        unset(resources.entry("requests"), &name, limit);
    }
}

/// One address is the first of several; where they disagree the one counts. Rule: `Convert_v1_PodStatus_To_core_PodStatus`.
pub(super) fn addresses(status: &mut Draft) {
    for (one, many) in [("podIP", "podIPs"), ("hostIP", "hostIPs")] {
        let first = |status: &Draft| match status.get(many) {
            Some(Draft::List(items)) => items.first().map(|item| text(item, "ip").to_owned()),
            _ => None,
        };
        match (text(status, one).to_owned(), first(status)) {
            (address, first) if !address.is_empty() && first.as_ref() != Some(&address) => {
                let mut item = Draft::map();
                item.set("ip", address);
                status.set(many, vec![item]);
            }
            (address, Some(first)) if address.is_empty() => status.set(one, first),
            _ => {}
        }
    }
}

fn container(container: &mut Draft) {
    let image = text(container, "image");
    let name = image.rsplit('/').next().unwrap_or_default();
    let fixed = image.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    unset(container, "imagePullPolicy", if fixed { "IfNotPresent" } else { "Always" });
    unset(container, "terminationMessagePath", "/dev/termination-log");
    unset(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| unset(port, "protocol", "TCP"));
    each(container, "env", |env| {
        within(env, "valueFrom", |from| {
            within(from, "fieldRef", |field| unset(field, "apiVersion", "v1"));
            within(from, "fileKeyRef", |file| unset(file, "optional", false));
        });
    });
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, field, probe);
    }
    within(container, "lifecycle", |lifecycle| {
        for field in ["postStart", "preStop"] {
            within(lifecycle, field, |handler| within(handler, "httpGet", http_get));
        }
    });
}

fn probe(probe: &mut Draft) {
    unset(probe, "timeoutSeconds", 1);
    unset(probe, "periodSeconds", 10);
    unset(probe, "successThreshold", 1);
    unset(probe, "failureThreshold", 3);
    within(probe, "httpGet", http_get);
    within(probe, "grpc", |grpc| unset(grpc, "service", ""));
}

fn http_get(action: &mut Draft) {
    unset(action, "path", "/");
    unset(action, "scheme", "HTTP");
}

fn volume(volume: &mut Draft) {
    if let Draft::Map(map) = volume
        && map.len() == 1
        && map.contains_key("name")
    {
        volume.set("emptyDir", Draft::map());
    }
    for field in ["configMap", "secret", "downwardAPI", "projected"] {
        within(volume, field, |source| unset(source, "defaultMode", 420));
    }
    within(volume, "downwardAPI", downward);
    within(volume, "projected", |projected| {
        each(projected, "sources", |source| {
            within(source, "downwardAPI", downward);
            within(source, "serviceAccountToken", |token| unset(token, "expirationSeconds", 3600));
        });
    });
    within(volume, "ephemeral", |source| {
        within(source, "volumeClaimTemplate", |claim| unset(claim.entry("spec"), "volumeMode", "Filesystem"));
    });
    within(volume, "image", |image| {
        let reference = text(image, "reference");
        let name = reference.rsplit('/').next().unwrap_or_default();
        let fixed = reference.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
        unset(image, "pullPolicy", if fixed { "IfNotPresent" } else { "Always" });
    });
    source(volume);
}

/// Volume sources that PersistentVolumes have as well.
pub(super) fn source(volume: &mut Draft) {
    within(volume, "hostPath", |source| unset(source, "type", ""));
    within(volume, "iscsi", |source| unset(source, "iscsiInterface", "default"));
    within(volume, "rbd", |source| {
        unset(source, "keyring", "/etc/ceph/keyring");
        unset(source, "pool", "rbd");
        unset(source, "user", "admin");
    });
    within(volume, "azureDisk", |source| {
        unset(source, "cachingMode", "ReadWrite");
        unset(source, "fsType", "ext4");
        unset(source, "kind", "Shared");
        unset(source, "readOnly", false);
    });
    within(volume, "scaleIO", |source| {
        unset(source, "fsType", "xfs");
        unset(source, "storageMode", "ThinProvisioned");
    });
}

fn downward(source: &mut Draft) {
    each(source, "items", |item| {
        within(item, "fieldRef", |field| unset(field, "apiVersion", "v1"));
    });
    if is_empty(source, "items") {
        drop(source.remove("items"));
    }
}
