//! `cargo +nightly fuzz run texts`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::texts);
