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

#[cfg(test)]
mod tests {
    use super::super::tests::{now, object};
    use super::*;

    fn service(name: &str, ports: &str) -> crate::resource::Resource {
        object(&format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}","namespace":"default"}},
                "spec":{{"type":"NodePort","ports":[{ports}]}}}}"#
        ))
    }

    #[test]
    fn a_node_port_is_given_out_once_and_only_from_the_range() {
        for (port, refusal) in [
            (29_999, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
            (30_000, ""),
            (30_080, "provided port is already allocated"),
            (32_767, ""),
            (32_768, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
            // None is asked for; one is allocated.
            (0, ""),
        ] {
            let mut server = ApiServer::new(1);
            server.create(&service("first", r#"{"port":80,"nodePort":30080}"#), "me", now());
            let ports = format!(r#"{{"name":"a","port":80}},{{"name":"b","port":81,"nodePort":{port}}}"#);
            let answer = server.create(&service("second", &ports), "me", now());
            let message = answer.refusal().map(|status| status.message.to_string()).unwrap_or_default();
            match refusal {
                "" => assert_eq!(answer.code, 201, "{port}: {message}"),
                why => {
                    assert_eq!(answer.code, 422, "{port}");
                    assert!(
                        message.ends_with(&format!("spec.ports[1].nodePort: Invalid value: {port}: {why}")),
                        "{message}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_service_keeps_its_own_node_port_and_a_deleted_one_gives_it_back() {
        let mut server = ApiServer::new(1);
        let first = service("first", r#"{"port":80,"nodePort":30080}"#);
        assert_eq!(server.apply(&first, "me", now()).code, 201);
        assert_eq!(server.apply(&service("first", r#"{"port":81,"nodePort":30080}"#), "me", now()).code, 200);
        let second = service("second", r#"{"port":80,"nodePort":30080}"#);
        assert_eq!(server.apply(&second, "me", now()).code, 422);
        let endpoint = server.endpoint(first.key(), "v1").unwrap();
        let deletion = super::super::Action::Delete(super::super::DeleteOptions::default());
        assert_eq!(server.handle(&super::super::Request::new(endpoint, deletion), now()).code, 200);
        assert_eq!(server.apply(&second, "me", now()).code, 201);
    }
}
