//! Ledgers are nobody's to declare: what stands in the place of one takes the record from the application that wrote it,
//! and with it the proof of what that one may delete.

use std::sync::Arc;

use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::state::{Declared, DesiredState, Live, LiveState, is_ledger};

/// How the names of ledgers begin.
const NAMES: &str = "gitops.";

/// Holds back what is declared where a ledger is, or would be: of this application or of another one.
pub(super) fn held_back(desired: Arc<DesiredState>, own: &ResourceKey, live: &LiveState) -> Arc<DesiredState> {
    let is_place = |key: &ResourceKey| key.namespace == own.namespace && key.name.starts_with(NAMES);
    let is_one = |key: &ResourceKey| matches!(live.get(key), Live::Present(live) if is_ledger(live));
    let of_ledgers = |key: &ResourceKey| key.is("", "ConfigMap") && (is_place(key) || is_one(key));
    let declared = desired.declared.iter().filter(|(key, _)| of_ledgers(key));
    let problems: Vec<Problem> = declared.map(|(key, declared)| problem(key, declared)).collect();
    if problems.is_empty() {
        return desired;
    }
    Arc::new(problems.into_iter().fold(Arc::unwrap_or_clone(desired), DesiredState::held_by))
}

fn problem(key: &ResourceKey, declared: &Declared) -> Problem {
    let text = "stands where an application of this engine keeps its ledger, so it is not touched";
    let problem = Problem::blocks(Code::NotOurs, text).of(key).hint("take it out of the source, or rename it");
    match &declared.origin {
        Some(origin) => problem.at(origin),
        None => problem,
    }
}
