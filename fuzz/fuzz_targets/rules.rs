//! `cargo +nightly fuzz run rules`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::rules);
