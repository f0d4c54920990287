//! Defaults of Pods that depend on what is in them. Rule: `SetDefaults_*` of `pkg/apis/core/v1` in Kubernetes 1.36.

use crate::value::Draft;

use super::{each, is_empty, unset, within};

pub(super) fn template(template: &mut Draft) {
    spec(template.entry("spec"));
}

pub(super) fn spec(spec: &mut Draft) {
    each(spec, "volumes", volume);
    // The older name of the same field; the server keeps both.
    let account = match spec.text("serviceAccountName") {
        "" => spec.text("serviceAccount").to_owned(),
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
            Some(Draft::List(items)) => items.first().map(|item| item.text("ip").to_owned()),
            _ => None,
        };
        match (status.text(one).to_owned(), first(status)) {
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
    let image = container.text("image");
    let name = image.rsplit('/').next().unwrap_or_default();
    let fixed = image.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    unset(container, "imagePullPolicy", if fixed { "IfNotPresent" } else { "Always" });
}

fn volume(volume: &mut Draft) {
    if let Draft::Map(map) = volume
        && map.len() == 1
        && map.contains_key("name")
    {
        volume.set("emptyDir", Draft::map());
    }
    within(volume, "downwardAPI", downward);
    within(volume, "projected", |projected| {
        each(projected, "sources", |source| within(source, "downwardAPI", downward));
    });
    within(volume, "image", |image| {
        let reference = image.text("reference");
        let name = reference.rsplit('/').next().unwrap_or_default();
        let fixed = reference.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
        unset(image, "pullPolicy", if fixed { "IfNotPresent" } else { "Always" });
    });
}

/// A list that is empty is none.
fn downward(source: &mut Draft) {
    if is_empty(source, "items") {
        drop(source.remove("items"));
    }
}
