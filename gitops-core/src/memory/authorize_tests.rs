//! What users with few rights may do.

use super::{Action, ApiServer, Request, Response, User};
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::Value;

fn object(json: &str) -> Resource {
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

fn rbac(kind: &str, name: &str, rest: &str) -> Resource {
    let namespace = if kind.starts_with("Cluster") { "" } else { r#","namespace":"default""# };
    let api = r#""apiVersion":"rbac.authorization.k8s.io/v1""#;
    object(&format!(r#"{{{api},"kind":"{kind}","metadata":{{"name":"{name}"{namespace}}},{rest}}}"#))
}

fn bound(kind: &str, role: &str, subject: &str) -> String {
    let role = format!(r#""roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"{kind}","name":"{role}"}}"#);
    format!(r#"{role},"subjects":[{subject}]"#)
}

fn map(namespace: &str, name: &str) -> Resource {
    object(&format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"{namespace}"}}}}"#
    ))
}

/// A server where `jane` may read and change the ConfigMap `web` in `default`, and make and bind roles there.
fn server() -> ApiServer {
    let mut server = ApiServer::new(1);
    let rules = r#""rules":[
        {"apiGroups":[""],"resources":["configmaps"],"resourceNames":["web"],"verbs":["get","patch"]},
        {"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"],"verbs":["create"]}]"#;
    let jane = r#"{"kind":"User","name":"jane"},{"kind":"ServiceAccount","name":"deployer"}"#;
    let objects =
        [rbac("Role", "few", rules), rbac("RoleBinding", "few", &bound("Role", "few", jane)), map("default", "web")];
    for object in objects {
        assert_eq!(server.create(&object, "admin", Timestamp::EPOCH).code, 201);
    }
    server
}

fn ask(server: &mut ApiServer, user: &User, object: &Resource, action: Action) -> Response {
    let mut endpoint = server.endpoint(object.key(), object.version()).unwrap();
    if matches!(action, Action::Create(_)) {
        endpoint.name = None;
    }
    server.handle(&Request::new(endpoint, action).as_user(user.clone()), Timestamp::EPOCH)
}

#[test]
fn a_user_may_do_what_a_role_bound_to_it_says_and_nothing_else() {
    let mut server = server();
    let jane = User::new("jane");
    for (user, namespace, name, code) in [
        (&jane, "default", "web", 200),
        (&User::new("system:serviceaccount:default:deployer"), "default", "web", 200),
        (&User::new("system:serviceaccount:other:deployer"), "default", "web", 403),
        (&jane, "default", "db", 403),
        (&jane, "kube-system", "web", 403),
        (&User::new("joe"), "default", "web", 403),
        (&User::new("joe").in_group("system:masters"), "default", "web", 200),
        (&User::anonymous(), "default", "web", 403),
    ] {
        let answer = ask(&mut server, user, &map(namespace, name), Action::Get);
        assert_eq!(answer.code, code, "{user:?} {namespace}/{name}");
    }
    let answer = ask(&mut server, &jane, &map("default", "web"), Action::Delete(super::DeleteOptions::default()));
    let expected = "configmaps \"web\" is forbidden: User \"jane\" cannot delete resource \"configmaps\" in API group \
                    \"\" in the namespace \"default\"";
    assert_eq!(&*answer.refusal().unwrap().message, expected);
}

#[test]
fn a_cluster_role_counts_everywhere_or_where_it_is_bound() {
    let mut server = server();
    let group = r#"{"kind":"Group","name":"ops"}"#;
    let ops = User::new("joe").in_group("ops");
    let read = |server: &mut ApiServer, namespace: &str| ask(server, &ops, &map(namespace, "x"), Action::Get).code;
    let binding = rbac("RoleBinding", "ops", &bound("ClusterRole", "cluster-admin", group));
    server.create(&binding, "admin", Timestamp::EPOCH);
    assert_eq!((read(&mut server, "default"), read(&mut server, "kube-system")), (404, 403));
    let binding = rbac("ClusterRoleBinding", "ops", &bound("ClusterRole", "cluster-admin", group));
    server.create(&binding, "admin", Timestamp::EPOCH);
    assert_eq!((read(&mut server, "default"), read(&mut server, "kube-system")), (404, 404));
}

#[test]
fn nobody_grants_what_it_does_not_hold() {
    let mut server = server();
    let jane = User::new("jane");
    let rule = |verb: &str, name: &str| {
        format!(
            r#""rules":[{{"apiGroups":[""],"resources":["configmaps"],"resourceNames":["{name}"],"verbs":["get","{verb}"]}}]"#
        )
    };
    let subject = r#"{"kind":"User","name":"joe"}"#;
    for (object, code, missing) in [
        (rbac("Role", "same", &rule("patch", "web")), 201, ""),
        (rbac("Role", "verb", &rule("delete", "web")), 403, "ResourceNames:[\"web\"], Verbs:[\"delete\"]"),
        (rbac("Role", "name", &rule("patch", "db")), 403, "ResourceNames:[\"db\"], Verbs:[\"get\" \"patch\"]"),
        (rbac("RoleBinding", "same", &bound("Role", "few", subject)), 201, ""),
        (rbac("RoleBinding", "all", &bound("ClusterRole", "cluster-admin", subject)), 403, "NonResourceURLs:[\"*\"]"),
        (rbac("RoleBinding", "none", &bound("Role", "none", subject)), 404, ""),
    ] {
        let answer = ask(&mut server, &jane, &object, Action::Create(object.value().clone()));
        let message = answer.refusal().map(|status| status.message.to_string()).unwrap_or_default();
        assert!(answer.code == code && message.contains(missing), "{}: {} {message}", object.key(), answer.code);
    }
}

#[test]
fn a_grant_whose_fields_multiply_is_refused_without_counting_all_it_grants() {
    let mut server = server();
    let list = |prefix: &str| (0..200).map(|at| format!("\"{prefix}{at}\"")).collect::<Vec<_>>().join(",");
    let (groups, names, verbs) = (list("g"), list("n"), list("v"));
    let rule = |groups: &str, resources: &str, verbs: &str| {
        format!(r#"{{"apiGroups":[{groups}],"resources":[{resources}],"resourceNames":[{names}],"verbs":[{verbs}]}}"#)
    };
    let all = format!(r#""rules":[{}]"#, rule(&groups, &list("r"), &verbs));
    let role = rbac("Role", "all", &all);
    let jane = User::new("jane");
    let answer = ask(&mut server, &jane, &role, Action::Create(role.value().clone()));
    assert_eq!(answer.code, 403);
    assert!(answer.refusal().unwrap().message.ends_with("\nand more than can be told"), "{answer:?}");
    // What is held field by field is not taken apart.
    server.create(&rbac("Role", "held", &all), "admin", Timestamp::EPOCH);
    let bound = bound("Role", "held", r#"{"kind":"User","name":"jane"}"#);
    server.create(&rbac("RoleBinding", "held", &bound), "admin", Timestamp::EPOCH);
    assert_eq!(ask(&mut server, &jane, &role, Action::Create(role.value().clone())).code, 201);
}
