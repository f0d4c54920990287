//! `cargo +nightly fuzz run bundle`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::bundle);
