//! Node ports that are asked for: from the range, and each given out once.
//!
//! Rule: `--service-node-port-range` of kube-apiserver and its default; wording as recorded.

use crate::resource::{GroupKind, ResourceKey};
use crate::value::{Draft, ValueRef};

use super::refuse::{self, Fault, fault};
use super::response::{CauseReason, Status};
use super::server::{ApiServer, Context};

const FIRST: i64 = 30_000;
const LAST: i64 = 32_767;

impl ApiServer {
    /// Refuses a Service that asks for node ports it cannot have.
    pub(super) fn check_node_ports(&self, context: &Context<'_>, name: &str, draft: &Draft) -> Result<(), Status> {
        let key = context.key_of(name);
        let ports = match draft.get("spec").and_then(|spec| spec.get("ports")) {
            Some(Draft::List(ports)) if key.is("", "Service") => ports.as_slice(),
            _ => return Ok(()),
        };
        let wanted = ports.iter().enumerate();
        let wanted = wanted.filter_map(|(at, port)| Some((at, port.get("nodePort")?.as_i64()?)));
        let wanted: Vec<(usize, i64)> = wanted.filter(|(_, port)| *port != 0).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let taken = self.taken_node_ports(&key);
        let why = |port: i64| match port {
            FIRST..=LAST if taken.contains(&port) => Some("provided port is already allocated".to_owned()),
            FIRST..=LAST => None,
            _ => Some(format!("provided port is not in the valid range. The range of valid ports is {FIRST}-{LAST}")),
        };
        let faults: Vec<Fault> = wanted
            .into_iter()
            .filter_map(|(at, port)| {
                let text = format!("{port}: {}", why(port)?);
                Some(fault(&format!("spec.ports[{at}].nodePort"), CauseReason::Invalid, &text))
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(refuse::invalid(context, name, faults)) }
    }

    /// The node ports of all Services but one.
    fn taken_node_ports(&self, but: &ResourceKey) -> Vec<i64> {
        let services = self.store.of_kind(&GroupKind::new("", "Service"), None);
        let others = services.into_iter().filter(|service| service.key() != but);
        let ports = others.filter_map(|service| service.tree().dig(&["spec", "ports"])?.as_list());
        ports.flatten().filter_map(|port| port.get("nodePort").and_then(ValueRef::as_i64)).collect()
    }
}
