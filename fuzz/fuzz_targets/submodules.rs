//! `cargo +nightly fuzz run submodules`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::submodules);
