//! Who may do what: role-based access control, for requests that name a user.
//!
//! Rule: Kubernetes, "Using RBAC Authorization". What the roles and bindings in the server say decides, and nothing else:
//! of the roles every cluster has only `cluster-admin` is known without being stored, and no role is aggregated.

use std::sync::Arc;

use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::value::{Draft, Value, ValueRef};

use super::refuse;
use super::request::{Action, Endpoint, Request, Watch};
use super::response::Status;
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
struct Attempt<'a> {
    verb: &'a str,
    group: &'a str,
    /// With the subresource, as `pods/log`.
    resource: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
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
    fn rules_of(&self, user: &User, namespace: Option<&str>) -> Vec<Rule> {
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
            .collect()
    }

    /// The rules of the role that a binding names; `None` when there is no such role.
    fn rules_behind(&self, binding: &Draft, namespace: Option<&str>) -> Option<Vec<Rule>> {
        let (kind, name) = role_of(binding)?;
        let key = ResourceKey::new(GROUP, kind, namespace.filter(|_| kind == "Role"), name);
        match self.store.get(&key) {
            Some(role) => Some(rules(role.tree().get("rules"))),
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
            rules(draft.get("rules").map(Draft::freeze).as_ref().map(Value::root))
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
        let mut missing = Vec::new();
        for part in granted.iter().flat_map(Rule::parts).filter(|part| !held.iter().any(|rule| rule.covers(part))) {
            part.join(&mut missing);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut lines: Vec<String> = missing.iter().map(Rule::text).collect();
        lines.sort();
        let (name_of, groups, lines) = (&user.name, quoted(&user.groups), lines.join("\n"));
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

/// One rule of a role: its fields in the order in which the server prints them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rule([Vec<Arc<str>>; 5]);

const FIELDS: [(&str, &str); 5] = [
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
    ("verbs", "Verbs"),
];

fn rules(list: Option<ValueRef<'_>>) -> Vec<Rule> {
    let items = list.and_then(ValueRef::as_list).into_iter().flatten();
    let texts = |rule: ValueRef<'_>, field: &str| -> Vec<Arc<str>> {
        let items = rule.get(field).and_then(ValueRef::as_list).into_iter().flatten();
        items.filter_map(|text| text.as_str().map(Arc::from)).collect()
    };
    items.map(|rule| Rule(FIELDS.map(|(field, _)| texts(rule, field)))).collect()
}

impl Rule {
    fn everything() -> Vec<Self> {
        let all = || vec![Arc::from("*")];
        vec![
            Self([all(), all(), Vec::new(), Vec::new(), all()]),
            Self([Vec::new(), Vec::new(), all(), Vec::new(), all()]),
        ]
    }

    fn allows(&self, attempt: Attempt<'_>) -> bool {
        let Self([groups, resources, _, names, verbs]) = self;
        let has = |list: &[Arc<str>], text: &str| list.iter().any(|one| **one == *"*" || **one == *text);
        let below = || attempt.resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
        has(verbs, attempt.verb)
            && has(groups, attempt.group)
            && (has(resources, attempt.resource) || below().is_some_and(|below| has(resources, &below)))
            && (names.is_empty() || attempt.name.is_some_and(|name| names.iter().any(|one| **one == *name)))
    }

    /// The rule as rules of one verb, one resource and one name each.
    fn parts(&self) -> Vec<Self> {
        let mut parts = vec![Self::default()];
        for (at, values) in self.0.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
            let with = |part: &Self, value: &Arc<str>| {
                let mut part = part.clone();
                part.0.iter_mut().skip(at).take(1).for_each(|field| field.push(Arc::clone(value)));
                part
            };
            parts = parts.iter().flat_map(|part| values.iter().map(move |value| with(part, value))).collect();
        }
        parts
    }

    /// Whether it grants all that a part does.
    fn covers(&self, part: &Self) -> bool {
        let Self([groups, resources, urls, names, verbs]) = part;
        let first = |list: &[Arc<str>]| list.first().cloned().unwrap_or_default();
        let (verb, name) = (first(verbs), names.first().map(|name| &**name));
        if let Some(url) = urls.first() {
            let Self([_, _, held, _, can]) = self;
            let under = |one: &str| one.strip_suffix('*').map_or(one == &**url, |prefix| url.starts_with(prefix));
            return held.iter().any(|one| under(one)) && can.iter().any(|one| **one == *"*" || *one == verb);
        }
        self.allows(Attempt { verb: &verb, group: &first(groups), resource: &first(resources), namespace: None, name })
    }

    /// Adds its verb to the rule that has all else in common with it.
    fn join(self, rules: &mut Vec<Self>) {
        let same = |rule: &&mut Self| rule.0.iter().zip(&self.0).take(4).all(|(left, right)| left == right);
        let Self([.., verbs]) = &self;
        match rules.iter_mut().find(same) {
            Some(Self([.., all])) => all.extend(verbs.iter().cloned()),
            None => rules.push(self),
        }
    }

    fn text(&self) -> String {
        let fields = FIELDS.iter().zip(&self.0).filter(|(_, values)| !values.is_empty());
        let fields: Vec<String> = fields.map(|((_, name), values)| format!("{name}:{}", quoted(values))).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

fn quoted(texts: &[Arc<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(" "))
}
