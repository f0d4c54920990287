//! `cargo +nightly fuzz run keyring`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::keyring);
