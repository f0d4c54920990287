//! `cargo +nightly fuzz run health`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::health);
