//! The rules of roles: what one allows, and what some grant beyond what others hold.
//!
//! Rule: `pkg/apis/rbac/v1` (`EvaluationHelpers`) and `component-helpers/auth/rbac/validation` in Kubernetes 1.36.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::value::ValueRef;

use super::authorize::Attempt;

/// How many single grants are named at most, and how many steps are made to find them: fields multiply.
const NAMED: usize = 1_000;
const STEPS: usize = 100_000;

/// One rule of a role: its fields in the order in which the server prints them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rule([Vec<Arc<str>>; 5]);

const FIELDS: [(&str, &str); 5] = [
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
    ("verbs", "Verbs"),
];

/// Reads the rules of a role.
pub(super) fn read(list: Option<ValueRef<'_>>) -> Vec<Rule> {
    let items = list.and_then(ValueRef::as_list).into_iter().flatten();
    let texts = |rule: ValueRef<'_>, field: &str| -> Vec<Arc<str>> {
        let items = rule.get(field).and_then(ValueRef::as_list).into_iter().flatten();
        items.filter_map(|text| text.as_str().map(Arc::from)).collect()
    };
    items.map(|rule| Rule(FIELDS.map(|(field, _)| texts(rule, field)))).collect()
}

impl Rule {
    /// The rules of `cluster-admin`.
    pub(super) fn everything() -> Vec<Self> {
        let all = || vec![Arc::from("*")];
        vec![
            Self([all(), all(), Vec::new(), Vec::new(), all()]),
            Self([Vec::new(), Vec::new(), all(), Vec::new(), all()]),
        ]
    }

    pub(super) fn text(&self) -> String {
        let fields = FIELDS.iter().zip(&self.0).filter(|(_, values)| !values.is_empty());
        let fields: Vec<String> = fields.map(|((_, name), values)| format!("{name}:{}", quoted(values))).collect();
        format!("{{{}}}", fields.join(", "))
    }

    /// Adds its verbs to the rule that has all else in common with it.
    fn join(self, rules: &mut Vec<Self>) {
        let same = |rule: &&mut Self| rule.0.iter().zip(&self.0).take(4).all(|(left, right)| left == right);
        let Self([.., verbs]) = &self;
        match rules.iter_mut().find(same) {
            Some(Self([.., all])) => all.extend(verbs.iter().cloned()),
            None => rules.push(self),
        }
    }
}

/// A rule that somebody holds, for looking things up.
#[derive(Clone, Debug)]
pub(super) struct Held([BTreeSet<Arc<str>>; 5]);

impl From<Rule> for Held {
    fn from(rule: Rule) -> Self {
        Self(rule.0.map(|values| values.into_iter().collect()))
    }
}

impl Held {
    pub(super) fn allows(&self, attempt: Attempt<'_>) -> bool {
        let Self([groups, resources, _, names, verbs]) = self;
        has(verbs, attempt.verb)
            && has(groups, attempt.group)
            && has_resource(resources, attempt.resource)
            && (names.is_empty() || attempt.name.is_some_and(|name| names.contains(name)))
    }

    /// Whether one field of it takes in a value; `None` is a field that says nothing.
    fn takes(&self, field: usize, value: Option<&str>, of: Subject) -> bool {
        let Self([groups, resources, urls, names, verbs]) = self;
        let text = value.unwrap_or_default();
        match (field, of) {
            (0, Subject::Resources) => has(groups, text),
            (1, Subject::Resources) => has_resource(resources, text),
            (2, Subject::Urls) => {
                let under = |url: &Arc<str>| url.strip_suffix('*').is_some_and(|prefix| text.starts_with(prefix));
                urls.contains(text) || urls.iter().any(under)
            }
            (3, Subject::Resources) => names.is_empty() || value.is_some_and(|name| names.contains(name)),
            (4, _) => has(verbs, text),
            _ => true,
        }
    }
}

fn has(list: &BTreeSet<Arc<str>>, text: &str) -> bool {
    list.contains("*") || list.contains(text)
}

fn has_resource(list: &BTreeSet<Arc<str>>, resource: &str) -> bool {
    let below = resource.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
    has(list, resource) || below.is_some_and(|below| list.contains(&*below))
}

/// What a rule is about.
#[derive(Clone, Copy)]
enum Subject {
    Resources,
    Urls,
}

/// What rules grant beyond what is held, each with one value in every field but the verbs; and whether that is all.
pub(super) fn missing(granted: &[Rule], held: &[Held]) -> (Vec<Rule>, bool) {
    let mut search = Search { found: Vec::new(), named: 0, steps: 0 };
    for rule in granted {
        let Rule([_, _, urls, ..]) = rule;
        let of = if urls.is_empty() { Subject::Resources } else { Subject::Urls };
        search.part(rule, of, &held.iter().collect::<Vec<_>>(), &Rule::default(), 0);
    }
    let is_whole = !search.is_over();
    (search.found, is_whole)
}

struct Search {
    found: Vec<Rule>,
    named: usize,
    steps: usize,
}

impl Search {
    fn is_over(&self) -> bool {
        self.named >= NAMED || self.steps >= STEPS
    }

    /// Looks for gaps in the part of a rule that has the values of `chosen` in the fields before `field`. Those of
    /// `held` take them in. Most rules are held or missing as a whole; only what is neither is taken apart.
    fn part(&mut self, rule: &Rule, of: Subject, held: &[&Held], chosen: &Rule, field: usize) {
        let mut rest = rule.0.iter().enumerate().skip(field);
        let takes_all = |held: &&Held| {
            let takes = |(at, values): (usize, &Vec<Arc<str>>)| match values.as_slice() {
                [] => held.takes(at, None, of),
                values => values.iter().all(|value| held.takes(at, Some(value), of)),
            };
            rest.clone().all(takes)
        };
        self.steps = self.steps.saturating_add(1);
        if self.is_over() || held.iter().any(takes_all) {
            return;
        }
        let Some((_, values)) = rest.next() else {
            self.named += 1;
            return chosen.clone().join(&mut self.found);
        };
        let values = if values.is_empty() { vec![None] } else { values.iter().map(Some).collect() };
        for value in values {
            let text = value.map(|value| &**value);
            let held: Vec<&Held> = held.iter().copied().filter(|held| held.takes(field, text, of)).collect();
            let mut chosen = chosen.clone();
            chosen.0.iter_mut().skip(field).take(1).for_each(|field| field.extend(value.cloned()));
            self.part(rule, of, &held, &chosen, field + 1);
            if self.is_over() {
                return;
            }
        }
    }
}

pub(super) fn quoted(texts: &[Arc<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(" "))
}
