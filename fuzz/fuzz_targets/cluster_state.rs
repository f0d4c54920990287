//! `cargo +nightly fuzz run cluster_state`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::cluster_state);
