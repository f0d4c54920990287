//! `cargo +nightly fuzz run merge`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::merge);
