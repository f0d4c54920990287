//! What the program can do, one verb a file.

mod cluster;
#[cfg(feature = "kube")]
mod controller;
mod delete;
mod explain;
mod history;
mod log;
mod look;
mod owning;
mod plan;
mod rollback;
#[cfg(feature = "kube")]
mod serve;
mod stop;
mod sync;
mod validate;
mod watch;
mod what_if;

use crate::cli::Verb;
use crate::render::Paint;
use crate::{Answer, Failure};

pub(crate) fn run(verb: &Verb, paint: Paint) -> Result<Answer, Failure> {
    match verb {
        Verb::Sync(args) => sync::sync(args, paint),
        Verb::Diff(args) => look::diff(args, paint),
        Verb::Explain(args) => explain::explain(args, paint),
        Verb::Plan(args) => plan::plan(args, paint),
        Verb::WhatIf(args) => what_if::run(args, paint),
        Verb::Delete(args) => delete::delete(args, paint),
        Verb::Adopt(args) => owning::adopt(args, paint),
        Verb::Transfer(args) => owning::transfer(args, paint),
        Verb::Release(args) => owning::release(args, paint),
        Verb::Status(args) => look::status(args, paint),
        Verb::Watch(args) => watch::watch(args, paint),
        Verb::Replay(args) => watch::replay(args, paint),
        Verb::Rollback(args) => rollback::rollback(args, paint),
        Verb::History(args) => history::history(args, paint),
        Verb::Log(args) => log::log(args, paint),
        Verb::Validate(args) => validate::validate(args, paint),
        Verb::Cluster { verb } => cluster::run(verb, paint),
        #[cfg(feature = "kube")]
        Verb::Controller { verb } => controller::run(verb),
    }
}
