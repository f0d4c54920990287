//! What the server allocates for a Service, and takes back. Rule: `pkg/registry/core/service` in Kubernetes 1.36.

use crate::resource::Resource;
use crate::value::{Draft, Value, ValueRef};

use super::server::ApiServer;

impl ApiServer {
    /// Gives a Service addresses and node ports; `live` is what it was before.
    pub(super) fn allocate(&mut self, live: Option<&Resource>, draft: &mut Draft) {
        let old = live.and_then(|live| live.tree().get("spec")).map_or_else(Value::empty_map, ValueRef::to_value);
        let old = old.root();
        let spec = draft.entry("spec");
        let kind = spec.get("type").and_then(Draft::as_str).unwrap_or_default().to_owned();
        drop_what_does_not_apply(&kind, old, spec);
        if kind == "ExternalName" {
            return;
        }
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let (None, Some(value)) = (spec.get(field), old.get(field)) {
                spec.set(field, value);
            }
        }
        if spec.get("clusterIP").and_then(Draft::as_str).is_none_or(str::is_empty) {
            // From 10.96.200.1 on, in the order of creation.
            self.addresses += 1;
            let number = self.addresses;
            spec.set("clusterIP", format!("10.96.{}.{}", (200 + number / 250) % 256, number % 250));
        }
        let address = spec.get("clusterIP").cloned().unwrap_or_default();
        if spec.get("clusterIPs").is_none() {
            spec.set("clusterIPs", vec![address]);
        }
        if spec.get("ipFamilies").is_none() {
            spec.set("ipFamilies", vec!["IPv4".into()]);
        }
        if spec.get("ipFamilyPolicy").is_none() {
            spec.set("ipFamilyPolicy", "SingleStack");
        }
        self.allocate_node_ports(&kind, old, spec);
        let local = spec.get("externalTrafficPolicy").and_then(Draft::as_str) == Some("Local");
        if kind == "LoadBalancer" && local && spec.get("healthCheckNodePort").is_none() {
            let known = old.get("healthCheckNodePort").and_then(ValueRef::as_i64);
            spec.set("healthCheckNodePort", known.unwrap_or_else(|| self.node_port()));
        } else if !local {
            drop(spec.remove("healthCheckNodePort"));
        }
    }

    fn node_port(&mut self) -> i64 {
        self.node_ports += 1;
        30_000 + i64::try_from(self.node_ports % 2768).unwrap_or(0)
    }

    fn allocate_node_ports(&mut self, kind: &str, old: ValueRef<'_>, spec: &mut Draft) {
        let wanted = match kind {
            "NodePort" => true,
            "LoadBalancer" => spec.get("allocateLoadBalancerNodePorts") != Some(&Draft::Bool(false)),
            _ => false,
        };
        if !wanted {
            return;
        }
        let known = |port: &Draft| {
            let same = |old: &ValueRef<'_>| {
                ["port", "protocol"].iter().all(|field| port.get(field) == old.get(field).map(Draft::from).as_ref())
            };
            let ports = old.get("ports").and_then(ValueRef::as_list);
            ports.into_iter().flatten().find(same)?.get("nodePort")?.as_i64()
        };
        for port in spec.get_mut("ports").and_then(Draft::as_list_mut).into_iter().flatten() {
            if port.get("nodePort").is_some() {
                continue;
            }
            port.set("nodePort", known(port).unwrap_or_else(|| self.node_port()));
        }
    }
}

/// What belongs to another type goes, unless it was set anew.
fn drop_what_does_not_apply(kind: &str, old: ValueRef<'_>, spec: &mut Draft) {
    let has_addresses =
        spec.get("externalIPs").is_some_and(|list| matches!(list, Draft::List(items) if !items.is_empty()));
    let external = matches!(kind, "NodePort" | "LoadBalancer");
    let unchanged = |spec: &Draft, field: &str| spec.get(field) == old.get(field).map(Draft::from).as_ref();
    let mut remove = |fields: &[&str]| {
        for field in fields {
            if spec.get(field).is_some() && unchanged(spec, field) {
                drop(spec.remove(field));
            }
        }
    };
    if kind == "ExternalName" {
        remove(&["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if kind != "LoadBalancer" {
        remove(&["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"]);
    }
    if !external && !has_addresses {
        remove(&["externalTrafficPolicy"]);
    }
    if !external {
        let old_ports = old.get("ports").and_then(ValueRef::as_list);
        let was: Vec<i64> = old_ports.into_iter().flatten().filter_map(|port| port.get("nodePort")?.as_i64()).collect();
        for port in spec.get_mut("ports").and_then(Draft::as_list_mut).into_iter().flatten() {
            if port.get("nodePort").and_then(Draft::as_i64).is_some_and(|number| was.contains(&number)) {
                drop(port.remove("nodePort"));
            }
        }
    }
}
