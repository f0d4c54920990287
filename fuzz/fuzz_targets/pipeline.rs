//! `cargo +nightly fuzz run pipeline`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::pipeline);
