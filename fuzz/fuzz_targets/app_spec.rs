//! `cargo +nightly fuzz run app_spec`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::app_spec);
