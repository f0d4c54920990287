//! The addresses and node ports of Services: each is given out once.
//!
//! Rule: `--service-node-port-range` of kube-apiserver and its default, `pkg/registry/core/service` (`alloc.go`) in
//! Kubernetes 1.36. The wording about node ports is as recorded, the other as in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::Mode;
use crate::resource::{Resource, ResourceKey};
use crate::value::{Draft, ValueRef};

use super::refuse::{self, Fault, fault};
use super::response::{CauseReason, Status};
use super::server::ApiServer;

const FIRST: i64 = 30_000;
const LAST: i64 = 32_767;
/// How many node ports and addresses there are to give out.
const PORTS: u64 = 2_768;
const ADDRESSES: u64 = 56 * 250;

/// Who holds what.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ranges {
    ports: BTreeMap<i64, ResourceKey>,
    addresses: BTreeMap<Arc<str>, ResourceKey>,
}

impl Ranges {
    /// Notes what an object holds, if it is a Service.
    pub(super) fn index(&mut self, object: &Resource) {
        if object.key().is("", "Service") {
            let key = object.key();
            self.ports.extend(ports(object.tree()).into_iter().map(|port| (port, key.clone())));
            self.addresses.extend(addresses(object.tree()).into_iter().map(|address| (address.into(), key.clone())));
        }
    }

    /// Takes back what an object holds.
    pub(super) fn unindex(&mut self, object: &Resource) {
        if object.key().is("", "Service") {
            ports(object.tree()).iter().for_each(|port| drop(self.ports.remove(port)));
            addresses(object.tree()).iter().for_each(|address| drop(self.addresses.remove(*address)));
        }
    }
}

impl ApiServer {
    /// Refuses a Service that asks for what it cannot have. What it has already is its own.
    pub(super) fn check_wanted(&self, live: Option<&Resource>, name: &str, service: &Draft) -> Result<(), Status> {
        let service = service.freeze();
        let before = live.map(|live| addresses(live.tree())).unwrap_or_default();
        let taken = |address: &&str| !before.contains(address) && self.store.ranges.addresses.contains_key(*address);
        let wanted = addresses(service.root());
        let mut faults: Vec<Fault> = Vec::new();
        if let Some(address) = wanted.iter().find(|address| taken(address)) {
            let text = format!("{wanted:?}: failed to allocate IP {address}: provided IP is already allocated");
            faults.push(fault("spec.clusterIPs", CauseReason::Invalid, &text));
            return Err(refuse::invalid_of("", "Service", name, faults));
        }
        let before = live.map(|live| ports(live.tree())).unwrap_or_default();
        let list = service.root().dig(&["spec", "ports"]).and_then(ValueRef::as_list).into_iter().flatten();
        for (at, port) in list.enumerate() {
            let port =
                port.get("nodePort").and_then(ValueRef::as_i64).filter(|port| *port != 0 && !before.contains(port));
            if let Some((port, why)) = port.and_then(|port| Some((port, self.bad_port(port)?))) {
                faults.push(fault(
                    &format!("spec.ports[{at}].nodePort"),
                    CauseReason::Invalid,
                    &format!("{port}: {why}"),
                ));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(refuse::invalid_of("", "Service", name, faults)) }
    }

    /// Refuses a port for health checks that is taken or none.
    pub(super) fn check_health_port(&self, port: i64, own: &BTreeSet<i64>) -> Result<(), Status> {
        let taken = || own.contains(&port).then(|| TAKEN.to_owned());
        self.bad_port(port).or_else(taken).map_or(Ok(()), |why| {
            let why = format!("failed to allocate requested HealthCheck NodePort {port}: {why}");
            Err(refuse::internal(format!("Internal error occurred: {why}")))
        })
    }

    fn bad_port(&self, port: i64) -> Option<String> {
        match port {
            FIRST..=LAST => self.store.ranges.ports.contains_key(&port).then(|| TAKEN.to_owned()),
            _ => Some(format!("provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}")),
        }
    }

    /// The next node port that nobody has, nor the Service itself. A dry run is given the same each time.
    pub(super) fn next_port(&mut self, mode: Mode, own: &BTreeSet<i64>) -> Result<i64, Status> {
        let from = self.node_ports.saturating_add(u64::from(mode == Mode::Commit));
        let free = (from..from.saturating_add(PORTS)).find_map(|count| {
            // The first is left to dry runs, as long as there are others.
            let place = if mode == Mode::Commit { count % PORTS } else { count - from };
            let port = FIRST + i64::try_from(place).ok()?;
            let is_free = !self.store.ranges.ports.contains_key(&port) && !own.contains(&port);
            (is_free && (mode == Mode::DryRun || place != 0)).then_some((count, port))
        });
        let (count, port) = free.ok_or_else(|| full("nodePort"))?;
        if mode == Mode::Commit {
            self.node_ports = count;
        }
        Ok(port)
    }

    /// The next address that nobody has: from 10.96.200.1 on, in the order of creation. A dry run is given the same
    /// each time.
    pub(super) fn next_address(&mut self, mode: Mode) -> Result<String, Status> {
        let from = if mode == Mode::Commit { self.addresses.saturating_add(1) } else { 0 };
        let free = (from..from.saturating_add(ADDRESSES)).find_map(|count| {
            let address = format!("10.96.{}.{}", 200 + (count / 250) % 56, count % 250);
            (!self.store.ranges.addresses.contains_key(&*address)).then_some((count, address))
        });
        let (count, address) = free.ok_or_else(|| full("serviceIP"))?;
        if mode == Mode::Commit {
            self.addresses = count;
        }
        Ok(address)
    }
}

const TAKEN: &str = "provided port is already allocated";

fn full(what: &str) -> Status {
    refuse::internal(format!("Internal error occurred: failed to allocate a {what}: range is full"))
}

/// All node ports of a Service.
fn ports(service: ValueRef<'_>) -> BTreeSet<i64> {
    let list = service.dig(&["spec", "ports"]).and_then(ValueRef::as_list).into_iter().flatten();
    let ports = list.filter_map(|port| port.get("nodePort"));
    let all = ports.chain(service.dig(&["spec", "healthCheckNodePort"])).filter_map(ValueRef::as_i64);
    all.filter(|port| *port != 0).collect()
}

/// All addresses of a Service: none if it has no head.
fn addresses(service: ValueRef<'_>) -> Vec<&str> {
    let list = service.dig(&["spec", "clusterIPs"]).and_then(ValueRef::as_list).into_iter().flatten();
    let one = service.dig(&["spec", "clusterIP"]).filter(|one| list.clone().all(|other| other != *one));
    let all = one.into_iter().chain(list).filter_map(ValueRef::as_str);
    all.filter(|address| !matches!(*address, "" | "None")).collect()
}
