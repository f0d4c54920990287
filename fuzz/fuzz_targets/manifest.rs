//! `cargo +nightly fuzz run manifest`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::manifest);
