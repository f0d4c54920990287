//! The rules of ClusterRoles that are put together from others.
//!
//! Rule: `clusterroleaggregation_controller.go` of Kubernetes 1.36: of each selector the roles by name, without the role
//! itself, each rule once; applied with force by a manager of its own, and only if they are others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::Force;
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::time::Timestamp;
use crate::value::{Draft, Value, ValueRef};

use super::request::{Action, Request};
use super::server::ApiServer;

const MANAGER: &str = "clusterrole-aggregation-controller";

type Rules = BTreeMap<Arc<str>, Vec<Value>>;

impl ApiServer {
    /// Fills in the rules of the roles that are put together.
    ///
    /// Roles that are put together from each other in a circle, and never agree, are left as they are: a real controller
    /// turns round for ever.
    pub(super) fn aggregate_roles(&mut self, now: Timestamp) {
        let kind = GroupKind::new("rbac.authorization.k8s.io", "ClusterRole");
        let roles: Vec<Resource> = self.of_kind(&kind).into_iter().cloned().collect();
        let made: Vec<&Resource> = roles.iter().filter(|role| selectors(role).next().is_some()).collect();
        if made.is_empty() {
            return;
        }
        let mut rules: Rules = roles.iter().map(|role| (Arc::clone(&role.key().name), stated(role))).collect();
        let mut is_settled = false;
        for _ in 0..=made.len() {
            let turn: Vec<(Arc<str>, Vec<Value>)> =
                made.iter().map(|role| (Arc::clone(&role.key().name), gathered(role, &roles, &rules))).collect();
            is_settled = turn.iter().all(|(name, found)| rules.get(name) == Some(found));
            if is_settled {
                break;
            }
            rules.extend(turn);
        }
        for role in made.into_iter().filter(|_| is_settled) {
            let wanted = rules.get(&role.key().name).map_or(&[][..], Vec::as_slice);
            if wanted != stated(role) {
                self.set_rules(role, wanted, now);
            }
        }
    }

    fn set_rules(&mut self, role: &Resource, rules: &[Value], now: Timestamp) {
        let Some(endpoint) = self.endpoint(role.key(), role.version()) else { return };
        let mut object = Draft::map();
        object.set("apiVersion", role.api_version());
        object.set("kind", role.key().kind());
        object.entry("metadata").set("name", &*role.key().name);
        if !rules.is_empty() {
            object.set("rules", Draft::List(rules.iter().map(|rule| rule.root().to_draft()).collect()));
        }
        let action = Action::Apply { body: object.freeze(), force: Force::Yes };
        self.handle(&Request::new(endpoint, action).by(MANAGER), now);
    }
}

/// Whether roles may have to be looked at when this object changes, or goes.
pub(super) fn concerns(key: &ResourceKey) -> bool {
    key.is("rbac.authorization.k8s.io", "ClusterRole")
}

fn gathered(role: &Resource, roles: &[Resource], rules: &Rules) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for selector in selectors(role) {
        let others = roles.iter().filter(|other| other.key() != role.key() && selects(selector, other));
        for rule in others.flat_map(|other| rules.get(&other.key().name).into_iter().flatten()) {
            if !found.contains(rule) {
                found.push(rule.clone());
            }
        }
    }
    found
}

fn selectors(role: &Resource) -> impl Iterator<Item = ValueRef<'_>> {
    let list = role.tree().dig(&["aggregationRule", "clusterRoleSelectors"]).and_then(ValueRef::as_list);
    list.into_iter().flatten()
}

fn stated(role: &Resource) -> Vec<Value> {
    let rules = role.tree().get("rules").and_then(ValueRef::as_list);
    rules.into_iter().flatten().map(ValueRef::to_value).collect()
}

/// Whether an object has the labels. Rule: Kubernetes, `LabelSelectorAsSelector`; an empty selector is for all.
fn selects(selector: ValueRef<'_>, object: &Resource) -> bool {
    let labels = selector.get("matchLabels").and_then(ValueRef::as_map);
    let expressions = selector.get("matchExpressions").and_then(ValueRef::as_list);
    let has = |(name, value): (&str, ValueRef<'_>)| value.as_str().is_some() && object.label(name) == value.as_str();
    let holds = |expression: ValueRef<'_>| {
        let text = |field: &str| expression.get(field).and_then(ValueRef::as_str).unwrap_or_default();
        let found = object.label(text("key"));
        let values = expression.get("values").and_then(ValueRef::as_list);
        let is_one = |found: &str| values.into_iter().flatten().any(|value| value.as_str() == Some(found));
        match text("operator") {
            "In" => found.is_some_and(is_one),
            "NotIn" => !found.is_some_and(is_one),
            "Exists" => found.is_some(),
            "DoesNotExist" => found.is_none(),
            _ => false,
        }
    };
    labels.into_iter().flatten().all(has) && expressions.into_iter().flatten().all(holds)
}

#[cfg(test)]
mod tests {
    use crate::memory::ApiServer;
    use crate::resource::{Resource, ResourceKey};
    use crate::time::Timestamp;
    use crate::value::Value;

    fn role(name: &str, labels: &str, rest: &str) -> Resource {
        let text = format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"{name}","labels":{labels}}},{rest}}}"#
        );
        Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap()
    }

    fn verbs(verb: &str) -> String {
        format!(r#""rules":[{{"apiGroups":[""],"resources":["pods"],"verbs":["{verb}"]}}]"#)
    }

    fn from(label: &str) -> String {
        format!(r#""aggregationRule":{{"clusterRoleSelectors":[{{"matchLabels":{{"{label}":"yes"}}}}]}}"#)
    }

    fn rules(server: &ApiServer, name: &str) -> String {
        let key = ResourceKey::new("rbac.authorization.k8s.io", "ClusterRole", None, name);
        server.get(&key).unwrap().tree().get("rules").map_or_else(|| "null".to_owned(), |rules| rules.to_json())
    }

    #[test]
    fn a_role_gets_the_rules_of_those_it_selects_and_loses_them_again() {
        let (mut server, now) = (ApiServer::new(1), Timestamp::EPOCH);
        let parts = [("b", "get"), ("a", "list"), ("c", "get")];
        for object in parts.map(|(name, verb)| role(name, r#"{"part":"yes"}"#, &verbs(verb))) {
            server.create(&object, "kubectl", now);
        }
        server.create(&role("whole", r#"{"more":"yes"}"#, &from("part")), "kubectl", now);
        server.create(&role("wider", "{}", &from("more")), "kubectl", now);
        server.collect(now);
        let wanted = r#"[{"apiGroups":[""],"resources":["pods"],"verbs":["list"]},{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]"#;
        assert_eq!(rules(&server, "whole"), wanted, "by name, and each rule once");
        assert_eq!(rules(&server, "wider"), wanted);
        let before = server.version();
        server.collect(now);
        assert_eq!(server.version(), before, "nothing is written while nothing changes");
        server.update(&role("a", r#"{"part":"no"}"#, &verbs("list")), "kubectl", now);
        server.collect(now);
        assert!(!rules(&server, "wider").contains("list"));
    }

    #[test]
    fn roles_in_a_circle_come_to_an_end() {
        let (mut server, now) = (ApiServer::new(1), Timestamp::EPOCH);
        for (name, label, other) in [("a", "x", "y"), ("b", "y", "z"), ("c", "z", "x")] {
            let labels = format!(r#"{{"{label}":"yes"}}"#);
            server.create(&role(name, &labels, &format!("{},{}", verbs(name), from(other))), "kubectl", now);
        }
        server.collect(now);
        assert_eq!(rules(&server, "a").matches("verbs").count(), 1);
    }
}
