//! Who may do what: role-based access control, for requests that name a user.
//!
//! Rule: Kubernetes, "Using RBAC Authorization". What the roles and bindings in the server say decides, and nothing else:
//! of the roles every cluster has only `cluster-admin` is known without being stored.

use std::sync::Arc;

use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::{Draft, Value, ValueRef};

use super::refuse;
use super::request::{Action, Endpoint, Request, Watch};
use super::response::Status;
use super::rules::{self, Held, Rule};
use super::select::Selector;
use super::server::{ApiServer, Context};

const GROUP: &str = "rbac.authorization.k8s.io";
/// May do everything, whatever the roles say.
const MASTERS: &str = "system:masters";
/// Who shows no credentials.
const ANONYMOUS: &str = "system:anonymous";

/// Somebody whose rights count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name, such as `jane` or `system:serviceaccount:shop:deployer`.
    pub name: Arc<str>,
    /// The groups, with those that everybody is in.
    pub groups: Vec<Arc<str>>,
}

impl User {
    /// Names a user who has shown who it is; a service account is in its groups.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut groups: Vec<Arc<str>> = Vec::new();
        if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        {
            groups.extend(["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}").into()]);
        }
        groups.push("system:authenticated".into());
        Self { name: name.into(), groups }
    }

    /// Returns who shows no credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.into(), groups: vec!["system:unauthenticated".into()] }
    }

    /// Puts the user into a group.
    #[must_use]
    pub fn in_group(mut self, group: &str) -> Self {
        // Those that everybody is in come last.
        self.groups.insert(self.groups.len().saturating_sub(1), group.into());
        self
    }

    pub(super) fn is_anonymous(&self) -> bool {
        *self.name == *ANONYMOUS
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|of| **of == *group)
    }

    fn is(&self, subject: ValueRef<'_>, namespace: Option<&str>) -> bool {
        let text = |field: &str| subject.get(field).and_then(ValueRef::as_str).unwrap_or_default();
        match text("kind") {
            "User" => text("name") == &*self.name,
            "Group" => self.is_in(text("name")),
            "ServiceAccount" => {
                let namespace = Some(text("namespace")).filter(|given| !given.is_empty()).or(namespace);
                *self.name == format!("system:serviceaccount:{}:{}", namespace.unwrap_or_default(), text("name"))
            }
            _ => false,
        }
    }
}

/// One thing that somebody wants to do.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    /// With the subresource, as `pods/log`.
    pub(super) resource: &'a str,
    namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

impl ApiServer {
    /// Refuses what the user of a request may not do. Whoever names no user may do everything.
    pub(super) fn authorize_request(&self, request: &Request) -> Result<(), Status> {
        let (user, endpoint) = (request.user.as_ref(), &request.endpoint);
        let selected = match &request.action {
            Action::List(select) | Action::Watch(Watch { select, .. }) => Selector::parse(select).ok(),
            _ => None,
        };
        let name = selected.as_ref().and_then(Selector::name);
        self.authorize(user, endpoint, request.action.verb(), name)?;
        if user.is_some() && matches!(request.action, Action::Apply { .. }) && self.is_absent(endpoint) {
            self.authorize(user, endpoint, "create", None)?;
        }
        Ok(())
    }

    /// Refuses a verb to somebody who may not use it there, or for the one object of a collection that is selected.
    pub(super) fn authorize(
        &self,
        user: Option<&User>,
        endpoint: &Endpoint,
        verb: &str,
        selected: Option<&str>,
    ) -> Result<(), Status> {
        let Some(user) = user else { return Ok(()) };
        let resource = match &endpoint.subresource {
            Some(subresource) => format!("{}/{subresource}", endpoint.plural),
            None => endpoint.plural.to_string(),
        };
        let name = endpoint.name.as_deref().or(selected);
        // A namespace is in itself.
        let is_namespace = endpoint.group.is_empty() && &*endpoint.plural == "namespaces";
        let namespace = endpoint.namespace.as_deref().or(endpoint.name.as_deref().filter(|_| is_namespace));
        self.check(user, Attempt { verb, group: &endpoint.group, resource: &resource, namespace, name }, endpoint)
    }

    fn is_absent(&self, endpoint: &Endpoint) -> bool {
        let Some(kind) = self.model.by_plural(&endpoint.group, &endpoint.plural) else { return false };
        let (kind, name) = (&kind.group_kind, endpoint.name.as_deref().unwrap_or_default());
        self.store.get(&ResourceKey::new(&kind.group, &kind.kind, endpoint.namespace.as_deref(), name)).is_none()
    }

    fn check(&self, user: &User, attempt: Attempt<'_>, endpoint: &Endpoint) -> Result<(), Status> {
        if self.allows(user, attempt) {
            return Ok(());
        }
        let Attempt { verb, group, resource, namespace, name } = attempt;
        let place = match namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let user = &user.name;
        let why = format!("User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}");
        Err(refuse::forbidden(endpoint, name.unwrap_or_default(), &why))
    }

    fn allows(&self, user: &User, attempt: Attempt<'_>) -> bool {
        user.is_in(MASTERS) || self.rules_of(user, attempt.namespace).iter().any(|rule| rule.allows(attempt))
    }

    /// All that a user is granted in a namespace, or in the cluster.
    fn rules_of(&self, user: &User, namespace: Option<&str>) -> Vec<Held> {
        let bindings = |kind: &str, within| self.store.of_kind(&GroupKind::new(GROUP, kind), within);
        let mut all = bindings("ClusterRoleBinding", None);
        if namespace.is_some() {
            all.extend(bindings("RoleBinding", namespace));
        }
        let names = |binding: &&Resource| {
            let subjects = binding.tree().get("subjects").and_then(ValueRef::as_list);
            subjects.into_iter().flatten().any(|subject| user.is(subject, binding.key().namespace.as_deref()))
        };
        let granted = all.into_iter().filter(names);
        granted
            .flat_map(|binding| self.rules_behind(&binding.tree().to_draft(), namespace).unwrap_or_default())
            .map(Held::from)
            .collect()
    }

    /// The rules of the role that a binding names; `None` when there is no such role.
    fn rules_behind(&self, binding: &Draft, namespace: Option<&str>) -> Option<Vec<Rule>> {
        let (kind, name) = role_of(binding)?;
        let key = ResourceKey::new(GROUP, kind, namespace.filter(|_| kind == "Role"), name);
        match self.store.get(&key) {
            Some(role) => Some(rules::read(role.tree().get("rules"))),
            None if (kind, name) == ("ClusterRole", "cluster-admin") => Some(Rule::everything()),
            None => None,
        }
    }

    /// Nobody grants what it does not hold: neither by a role nor by binding one, unless it may `escalate` or `bind`.
    pub(super) fn check_grant(
        &self,
        context: &Context<'_>,
        name: &str,
        live: Option<&Resource>,
        draft: &Draft,
    ) -> Result<(), Status> {
        let kind = &context.kind.group_kind;
        let Some(user) = context.user.filter(|user| &*kind.group == GROUP && !user.is_in(MASTERS)) else {
            return Ok(());
        };
        let field = |draft: &Draft, field: &str| draft.get(field).cloned().unwrap_or_default();
        let before = live.map(|live| live.tree().to_draft()).unwrap_or_default();
        let same =
            |names: &[&str]| live.is_some() && names.iter().all(|name| field(&before, name) == field(draft, name));
        let namespace = context.endpoint.namespace.as_deref();
        let attempt = |verb, resource, name| Attempt { verb, group: GROUP, resource, namespace, name };
        let granted = if kind.kind.ends_with("Role") {
            let plural = &context.endpoint.plural;
            if same(&["rules"]) || self.allows(user, attempt("escalate", plural, Some(name))) {
                return Ok(());
            }
            rules::read(draft.get("rules").map(Draft::freeze).as_ref().map(Value::root))
        } else {
            let Some((kind, role)) = role_of(draft).filter(|_| !same(&["roleRef", "subjects"])) else { return Ok(()) };
            let plural = if kind == "Role" { "roles" } else { "clusterroles" };
            if self.allows(user, attempt("bind", plural, Some(role))) {
                return Ok(());
            }
            let there = Endpoint { group: GROUP.into(), plural: plural.into(), ..context.endpoint.clone() };
            self.rules_behind(draft, namespace).ok_or_else(|| refuse::not_found(&there, role))?
        };
        let held = self.rules_of(user, namespace);
        let (missing, is_whole) = rules::missing(&granted, &held);
        if missing.is_empty() && is_whole {
            return Ok(());
        }
        let mut lines: Vec<String> = missing.iter().map(Rule::text).collect();
        lines.sort();
        lines.extend((!is_whole).then(|| "and more than can be told".to_owned()));
        let (name_of, groups, lines) = (&user.name, rules::quoted(&user.groups), lines.join("\n"));
        let why = format!(
            "user \"{name_of}\" (groups={groups}) is attempting to grant RBAC permissions not currently held:\n{lines}"
        );
        Err(refuse::forbidden(context.endpoint, name, &why))
    }
}

fn role_of(binding: &Draft) -> Option<(&str, &str)> {
    let role = binding.get("roleRef")?;
    Some((role.get("kind")?.as_str()?, role.get("name")?.as_str()?))
}
