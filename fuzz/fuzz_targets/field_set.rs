//! `cargo +nightly fuzz run field_set`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::field_set);
