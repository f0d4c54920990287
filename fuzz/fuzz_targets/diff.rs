//! `cargo +nightly fuzz run diff`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::diff);
