//! The recorded facts: what other implementations really do, case by case.
//!
//! Reads the folder named by `GITOPS_CONFORMANCE_DIR` (default: `../shared/conformance` beside the repository), runs
//! every suite it finds there and prints one line each, `conformance FOLDER/SUITE: PASSED/TOTAL`. A case that fails must
//! be listed in `docs/deviations.toml`; a listed case counts as not passed, and one that passes must leave the list.
//!
//! A suite is one function in a module of its own: it gets the folder and returns its cases.

#![expect(clippy::disallowed_methods, reason = "reads recorded files, and their place from the environment")]
#![expect(clippy::print_stdout, reason = "the counts are the output of this program")]
#![expect(clippy::unwrap_used, reason = "a malformed recording must stop the run")]
#![expect(clippy::indexing_slicing, reason = "JSON answers null for what is not there")]

mod agree;
mod app_health;
mod depends_on;
mod deviations;
mod drift;
mod health;
#[cfg(feature = "jq")]
mod hidden;
mod inventory_policy;
mod k8s;
mod kapp_order;
mod model;
#[cfg(feature = "jq")]
mod normalize_diff;
mod ordering;
mod scope;
mod smd;
mod sync_order;
mod sync_scenarios;
mod sync_tasks;
mod tracking;
mod words;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use deviations::Deviations;

/// One recorded case and what came of it.
pub(crate) struct Case {
    /// Its name in the recording; unique in the suite.
    pub(crate) id: String,
    /// Why it failed; short, one line or a few.
    pub(crate) verdict: Result<(), String>,
}

/// Runs one suite; `None` when its recording is not there.
type Suite = fn(&Path) -> Option<Vec<Case>>;

/// Every suite by `FOLDER/NAME`.
const SUITES: &[(&str, Suite)] = &[
    ("argo/app_health", app_health::app_health),
    ("argo/depends_on", depends_on::depends_on),
    ("argo/health", health::argo),
    ("argo/health_custom", health::custom),
    ("argo/inventory_policy", inventory_policy::inventory_policy),
    ("argo/kapp_order", kapp_order::kapp_order),
    ("argo/kstatus", health::kstatus),
    #[cfg(feature = "jq")]
    ("argo/normalize_diff", normalize_diff::normalize_diff),
    ("argo/sync_order", sync_order::sync_order),
    ("argo/sync_scenarios", sync_scenarios::sync_scenarios),
    ("argo/tracking", tracking::tracking),
    ("k8s/drift", drift::verdicts),
    ("k8s/ssa_sequences", k8s::ssa_sequences),
    ("k8s/ownership", k8s::ownership),
    ("k8s/delete", k8s::delete),
    ("k8s/errors", k8s::errors),
    ("k8s/kubectl_traffic", k8s::kubectl),
    ("k8s/list", k8s::list),
    ("k8s/watch", k8s::watch),
    ("k8s/roundtrip", drift::round_trips),
    ("yaml/cases", yaml::kubectl),
    ("yaml/kustomize", yaml::kustomize),
    ("k8s/stored_form", model::stored_form),
    ("k8s/stored_form_openapi", model::stored_form_openapi),
    ("k8s/defaults", model::defaults),
    ("k8s/defaults_openapi", model::defaults_openapi),
    ("smd/conflicts", smd::conflicts),
    ("smd/fieldpath_fieldsv1", smd::fields_v1),
    ("smd/fieldpath_from_value", smd::from_value),
    ("smd/fieldpath_managers", smd::managers),
    ("smd/fieldpath_path_element", smd::path_element),
    ("smd/fieldpath_path_element_order", smd::order),
    ("smd/fieldpath_path_string", smd::path_string),
    ("smd/fieldpath_set_ops", smd::set_ops),
    ("smd/merge", smd::merge),
    ("smd/merge_random", smd::merge_random),
    ("smd/real", smd::real),
    ("smd/schema_resolve", smd::resolve),
    ("smd/typed_compare", smd::compare),
    ("smd/typed_exclude_fields", smd::exclude),
    ("smd/typed_merge", smd::typed_merge),
    ("smd/typed_reconcile", smd::reconcile),
    ("smd/typed_remove_extract", smd::remove),
    ("smd/typed_toset", smd::to_set),
    ("smd/typed_validate", smd::validate),
    ("smd/value_compare", smd::value_compare),
    ("smd/value_json", smd::value_json),
    ("smd/v6_4_0/merge", smd::merge_old),
    ("smd/v6_4_0/merge_random", smd::merge_random_old),
    ("smd/v6_4_0/typed_remove_extract", smd::remove_old),
];

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder =
        std::env::var_os("GITOPS_CONFORMANCE_DIR").map_or_else(|| root.join("../shared/conformance"), PathBuf::from);
    if !folder.is_dir() {
        println!("conformance: no recorded facts at {}; nothing was checked", folder.display());
        return ExitCode::SUCCESS;
    }
    let listed = std::fs::read_to_string(root.join("docs/deviations.toml")).unwrap();
    let deviations = match Deviations::parse(&listed) {
        Ok(deviations) => deviations,
        Err(error) => {
            println!("docs/deviations.toml: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut mistakes = 0;
    // As with other tests, words on the command line narrow what is run: to all that contain one of them.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(&**word));
    for (name, suite) in SUITES.iter().filter(|(name, _)| is_asked(name)) {
        match suite(&folder) {
            None => println!("conformance {name}: no recording"),
            Some(cases) => mistakes += report(name, &cases, &deviations),
        }
    }
    if mistakes == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the suite's line and what is unexpected; returns how much that is.
fn report(suite: &str, cases: &[Case], deviations: &Deviations) -> usize {
    let mut passed = 0;
    let mut unexpected = Vec::new();
    for case in cases {
        match (&case.verdict, deviations.reason(suite, &case.id)) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(_)) => unexpected.push(format!("{}: passes; take it off docs/deviations.toml", case.id)),
            (Err(why), None) => unexpected.push(format!("{}: {why}", case.id)),
            (Err(_), Some(_)) => {}
        }
    }
    println!("conformance {suite}: {passed}/{}", cases.len());
    // Not every folder holds every case; one that is misspelt shows as a failure of its own.
    for entry in deviations.unused(suite, cases) {
        println!("  nothing here is `{entry}` of docs/deviations.toml");
    }
    unexpected.iter().for_each(|line| println!("  {line}"));
    unexpected.len()
}

/// Reads one recording as JSON.
pub(crate) fn recording(folder: &Path, name: &str) -> Option<serde_json::Value> {
    let bytes = std::fs::read(folder.join(name)).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}
