//! `cargo +nightly fuzz run signers`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::signers);
