//! `cargo +nightly fuzz run apply_sequence`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::apply_sequence);
