//! `cargo +nightly fuzz run plan`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::plan);
