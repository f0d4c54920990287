//! `cargo +nightly fuzz run checks`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::checks);
