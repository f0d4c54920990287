//! `cargo +nightly fuzz run webhook`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::webhook);
