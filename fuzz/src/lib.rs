//! What must hold for any bytes.
//!
//! Each function takes bytes and panics where a law is broken. `fuzz_targets/` hands them to libFuzzer, one line each;
//! `tests/replay.rs` runs every one of them over `corpus/` and over bytes made from it, so that they never rot.

mod app;
mod apply;
mod checks;
mod diff;
mod git;
mod health;
mod manifest;
mod merge;
mod model;
mod pipeline;
mod rules;
mod stored;
mod values;

pub use app::app_spec;
pub use apply::apply_sequence;
pub use checks::checks;
pub use diff::diff;
pub use git::{bundle, keyring, remote_url, signers, submodules, webhook};
pub use health::health;
pub use manifest::manifest;
pub use merge::merge;
pub use model::{field_set, model};
pub use pipeline::pipeline;
pub use rules::rules;
pub use stored::{cluster_state, ledger, plan};
pub use values::{texts, value_json};

/// What is run over bytes; panics where a law is broken.
pub type Body = fn(&[u8]);

/// Every body by the name of its target.
pub const TARGETS: &[(&str, Body)] = &[
    ("app_spec", app_spec),
    ("apply_sequence", apply_sequence),
    ("bundle", bundle),
    ("checks", checks),
    ("cluster_state", cluster_state),
    ("diff", diff),
    ("field_set", field_set),
    ("health", health),
    ("keyring", keyring),
    ("ledger", ledger),
    ("manifest", manifest),
    ("merge", merge),
    ("model", model),
    ("pipeline", pipeline),
    ("plan", plan),
    ("remote_url", remote_url),
    ("rules", rules),
    ("signers", signers),
    ("submodules", submodules),
    ("texts", texts),
    ("value_json", value_json),
    ("webhook", webhook),
];

/// Makes a fuzz target of a body; without `cargo fuzz`, an empty program.
#[macro_export]
macro_rules! target {
    ($body:path) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $body(bytes));

        #[cfg(not(fuzzing))]
        fn main() {}
    };
}
