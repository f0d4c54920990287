//! `cargo +nightly fuzz run model`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::model);
