//! `cargo +nightly fuzz run remote_url`
#![cfg_attr(fuzzing, no_main)]
gitops_fuzz::target!(gitops_fuzz::remote_url);
