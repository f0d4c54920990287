//! Rules for the custom resources people meet most, written for this engine from the APIs of their operators.
//!
//! Each file is a table; its clauses are tried in order. Kinds of the same group are told apart by name, with `*` where
//! all kinds of a group (or all groups of a family) report alike. What fits no table is a function in [`special`].

mod cloud;
mod cluster;
mod data;
mod delivery;
mod messaging;
mod network;
mod observation;
mod platform;
mod security;
mod special;
mod storage;
mod workload;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::clause::{self, Clause, Test, named};
use super::reading::{Finding, Reading, progressing};

/// What kinds say of themselves.
pub(super) struct Rule {
    /// `GROUP/KIND|KIND`, `/KIND` in the core group; the group may begin with `*.`, a kind may be `*` or begin or end with it.
    names: &'static str,
    judge: Judge,
    /// What it means when nothing of this is said.
    otherwise: Otherwise,
}

enum Judge {
    Table(&'static [Clause]),
    Code(fn(Reading<'_>) -> Finding),
}

/// What silence of a kind means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// Its controller has yet to report: known to do so (compare rule 36 of the exact rules).
    Wait,
    /// The conditions that most controllers write may tell; else it is silence (rule 40).
    Ask,
    /// The same, but silence is all there is to expect.
    Quiet,
}

/// Kinds that always report.
const fn says(names: &'static str, clauses: &'static [Clause]) -> Rule {
    Rule { names, judge: Judge::Table(clauses), otherwise: Otherwise::Wait }
}

/// Kinds of which only some report this.
const fn may_say(names: &'static str, clauses: &'static [Clause]) -> Rule {
    Rule { names, judge: Judge::Table(clauses), otherwise: Otherwise::Ask }
}

/// Kinds that speak up at most when something is wrong.
const fn quiet(names: &'static str, clauses: &'static [Clause]) -> Rule {
    Rule { names, judge: Judge::Table(clauses), otherwise: Otherwise::Quiet }
}

/// Kinds that need a function.
const fn code(names: &'static str, judge: fn(Reading<'_>) -> Finding) -> Rule {
    Rule { names, judge: Judge::Code(judge), otherwise: Otherwise::Wait }
}

use super::HealthStatus::{Degraded, Healthy};

/// The most usual: `Ready` says it all, and `False` is a failure rather than a step on the way.
const READY: &[Clause] = &[(Test::False("Ready"), Degraded), (Test::True("Ready"), Healthy)];

const TABLES: [&[Rule]; 11] = [
    cloud::RULES,
    cluster::RULES,
    data::RULES,
    delivery::RULES,
    messaging::RULES,
    network::RULES,
    observation::RULES,
    platform::RULES,
    security::RULES,
    storage::RULES,
    workload::RULES,
];

/// Returns the rule of a kind: that of its very group before that of a family of groups.
pub(super) fn rule_of(group: &str, kind: &str) -> Option<&'static Rule> {
    static INDEX: OnceLock<BTreeMap<&str, Vec<(&str, &Rule)>>> = OnceLock::new();
    let index = INDEX.get_or_init(|| {
        let mut index = BTreeMap::<_, Vec<_>>::new();
        for rule in TABLES.into_iter().flatten() {
            let (group, kinds) = rule.names.split_once('/').unwrap_or((rule.names, "*"));
            // `*.crossplane.io` is filed under `.crossplane.io`.
            index.entry(group.strip_prefix('*').unwrap_or(group)).or_default().push((kinds, rule));
        }
        index
    });
    let of = |group: &str| Some(index.get(group)?.iter().find(|(kinds, _)| named(kinds, kind))?.1);
    of(group).or_else(|| group.match_indices('.').find_map(|(at, _)| of(group.get(at..)?)))
}

impl Rule {
    /// Returns what a verdict names.
    pub(super) fn name(&self) -> &'static str {
        self.names.strip_prefix('/').unwrap_or(self.names)
    }

    /// Returns whether there is nothing to wait for when the object says nothing.
    pub(super) fn is_quiet(&self) -> bool {
        self.otherwise == Otherwise::Quiet
    }

    /// Judges an object that the rule is for.
    pub(super) fn judge(&self, object: Reading<'_>) -> Finding {
        let found = match self.judge {
            Judge::Table(clauses) => clause::judge(clauses, object),
            Judge::Code(judge) => judge(object),
        };
        let waits = || (self.otherwise == Otherwise::Wait).then(|| progressing("waits for its controller to report"));
        found.or_else(waits)
    }
}

#[cfg(test)]
mod tests;
