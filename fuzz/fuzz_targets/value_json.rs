//! `cargo +nightly fuzz run value_json`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::value_json);
