//! `cargo +nightly fuzz run ledger`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::ledger);
