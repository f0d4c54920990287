//! What the server allocates for a Service, and takes back. Rule: `pkg/registry/core/service` in Kubernetes 1.36.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Mode;
use crate::resource::Resource;
use crate::value::{Draft, ValueRef};

use super::response::Status;
use super::server::ApiServer;

/// Where a Service belongs, as far as it decides what it is given.
#[derive(Clone, Copy)]
struct Needs {
    address: bool,
    node_ports: bool,
    health_port: bool,
    external_policy: bool,
    balancer: bool,
}

impl Needs {
    fn of(spec: &Draft) -> Self {
        let kind = spec.text("type");
        let external = matches!(kind, "NodePort" | "LoadBalancer");
        let has_addresses = matches!(spec.get("externalIPs"), Some(Draft::List(items)) if !items.is_empty());
        let allocates = spec.get("allocateLoadBalancerNodePorts") != Some(&Draft::Bool(false));
        Self {
            address: kind != "ExternalName",
            node_ports: kind == "NodePort" || (kind == "LoadBalancer" && allocates),
            health_port: kind == "LoadBalancer" && spec.text("externalTrafficPolicy") == "Local",
            external_policy: external || (kind == "ClusterIP" && has_addresses),
            balancer: kind == "LoadBalancer",
        }
    }
}

impl ApiServer {
    /// Gives a Service addresses and node ports; `live` is what it was before.
    pub(super) fn allocate(&mut self, mode: Mode, live: Option<&Resource>, draft: &mut Draft) -> Result<(), Status> {
        let name = draft.get("metadata").map(|metadata| metadata.text("name")).unwrap_or_default();
        self.check_wanted(live, name, draft)?;
        let old = live.map(|live| live.tree().get("spec").map_or_else(Draft::map, ValueRef::to_draft));
        let spec = draft.entry("spec");
        let needs = Needs::of(spec);
        if let Some(old) = &old {
            patch_allocated(old, spec);
        }
        if needs.address {
            self.allocate_address(mode, spec)?;
        }
        if needs.node_ports {
            self.allocate_node_ports(mode, old.is_none(), spec)?;
        }
        if needs.health_port {
            let own = node_ports(spec);
            let before = old.as_ref().map_or(0, |old| old.number("healthCheckNodePort").unwrap_or(0));
            match spec.number("healthCheckNodePort").unwrap_or(0) {
                0 => spec.set("healthCheckNodePort", self.next_port(mode, &own)?),
                wanted if wanted != before => self.check_health_port(wanted, &own)?,
                _ => {}
            }
        }
        if let Some(old) = &old {
            drop_what_does_not_apply(old, spec);
            if !needs.balancer {
                draft.entry("status").set("loadBalancer", Draft::map());
            }
        }
        Ok(())
    }

    fn allocate_address(&mut self, mode: Mode, spec: &mut Draft) -> Result<(), Status> {
        if spec.text("clusterIP").is_empty() {
            spec.set("clusterIP", self.next_address(mode)?);
        }
        let address = spec.get("clusterIP").cloned().unwrap_or_default();
        for (field, value) in [
            ("clusterIPs", vec![address].into()),
            ("ipFamilies", vec!["IPv4".into()].into()),
            ("ipFamilyPolicy", Draft::from("SingleStack")),
        ] {
            if is_unset(spec, field) {
                spec.set(field, value);
            }
        }
        Ok(())
    }

    /// A new Service has one node port for each number of a port, whatever its protocols.
    fn allocate_node_ports(&mut self, mode: Mode, is_new: bool, spec: &mut Draft) -> Result<(), Status> {
        let mut own = node_ports(spec);
        own.insert(spec.number("healthCheckNodePort").unwrap_or(0));
        let Some(Draft::List(ports)) = spec.get_mut("ports") else { return Ok(()) };
        let mut by_port = BTreeMap::new();
        if is_new {
            let wanted = ports.iter().filter(|port| port.number("nodePort").unwrap_or(0) != 0);
            by_port.extend(wanted.map(|port| (port.number("port").unwrap_or(0), port.number("nodePort").unwrap_or(0))));
        }
        for port in ports.iter_mut().filter(|port| port.number("nodePort").unwrap_or(0) == 0) {
            let shared = by_port.get(&port.number("port").unwrap_or(0)).copied().filter(|_| is_new);
            let given = shared.map_or_else(|| self.next_port(mode, &own), Ok)?;
            own.insert(given);
            by_port.insert(port.number("port").unwrap_or(0), given);
            port.set("nodePort", given);
        }
        Ok(())
    }
}

/// Fills in what was allocated before and is not said now: node ports by the names of their ports.
fn patch_allocated(old: &Draft, spec: &mut Draft) {
    let (before, now) = (Needs::of(old), Needs::of(spec));
    if before.address && now.address {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let (true, Some(value)) = (is_unset(spec, field), old.get(field)) {
                spec.set(field, value.clone());
            }
        }
    }
    if before.node_ports && now.node_ports {
        let (was, is) = (node_ports(old), node_ports(spec));
        let mut used: BTreeSet<i64> = was.intersection(&is).copied().collect();
        let by_name: BTreeMap<&str, i64> =
            old.items("ports").iter().map(|port| (port.text("name"), port.number("nodePort").unwrap_or(0))).collect();
        for port in spec.get_mut("ports").and_then(Draft::as_list_mut).into_iter().flatten() {
            let known = by_name.get(port.text("name")).copied().unwrap_or(0);
            if port.number("nodePort").unwrap_or(0) == 0 && known != 0 && used.insert(known) {
                port.set("nodePort", known);
            }
        }
    }
    if before.health_port && now.health_port && spec.number("healthCheckNodePort").unwrap_or(0) == 0 {
        spec.set("healthCheckNodePort", old.number("healthCheckNodePort").unwrap_or(0));
    }
}

/// What belongs to another type goes, unless it was set anew.
fn drop_what_does_not_apply(old: &Draft, spec: &mut Draft) {
    let (before, now) = (Needs::of(old), Needs::of(spec));
    if before.address && !now.address {
        drop_same(old, spec, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if before.health_port && !now.health_port {
        drop_same(old, spec, &["healthCheckNodePort"]);
    }
    if before.balancer && !now.balancer {
        drop_same(old, spec, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    }
    if before.external_policy && !now.external_policy {
        drop_same(old, spec, &["externalTrafficPolicy"]);
    }
    if old.text("type") != "ExternalName" && spec.text("type") == "ExternalName" {
        drop_same(old, spec, &["internalTrafficPolicy"]);
    }
    if before.node_ports && !now.node_ports && node_ports(old).is_superset(&node_ports(spec)) {
        for port in spec.get_mut("ports").and_then(Draft::as_list_mut).into_iter().flatten() {
            drop(port.remove("nodePort"));
        }
    }
}

fn drop_same(old: &Draft, spec: &mut Draft, fields: &[&str]) {
    for field in fields {
        if spec.get(field) == old.get(field) {
            drop(spec.remove(field));
        }
    }
}

fn node_ports(spec: &Draft) -> BTreeSet<i64> {
    spec.items("ports").iter().map(|port| port.number("nodePort").unwrap_or(0)).filter(|number| *number != 0).collect()
}

fn is_unset(spec: &Draft, field: &str) -> bool {
    match spec.get(field) {
        None | Some(Draft::Null) => true,
        Some(Draft::String(text)) => text.is_empty(),
        Some(Draft::List(items)) => items.is_empty(),
        Some(_) => false,
    }
}
