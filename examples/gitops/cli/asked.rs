//! The arguments that say what of an application is to be done.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gitops_core::plan::Objects;
use gitops_core::policy::Share;
use gitops_core::resource::LabelSelector;

/// What is to be done, said by arguments or by a plan that was stored.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) prune: Prune,
    #[command(flatten)]
    pub(crate) select: Select,
    /// Carry out the plan in this file, which `gitops plan -o FILE.json` wrote: exactly that, at its revision, or nothing
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["only", "selector", "reapply", "no_hooks", "prune", "prune_budget", "revision", "confirm", "rollout_budget", "validate"]
    )]
    pub(crate) plan: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Delete what is provably ours and no longer declared
    #[arg(long)]
    pub(crate) prune: bool,
    /// Most of what was applied that may be deleted at once, in percent; up to 5 objects always may, unless it is 0
    /// (default: 30, or what the file of the application says)
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) prune_budget: Option<u8>,
}

/// What of an application is meant.
#[derive(Debug, Args)]
pub(crate) struct Select {
    /// Only these objects, such as `deploy/web`, `cm/shop/*` or `Secret` (may be repeated); hooks do not run, and the
    /// application does not count as synced
    #[arg(long, value_name = "KIND[.GROUP][/[NAMESPACE/]NAME]")]
    pub(crate) only: Vec<Objects>,
    /// Only objects with these labels, such as `app=web,tier in (a,b)`
    #[arg(long, short = 'l', value_name = "LABELS")]
    pub(crate) selector: Option<LabelSelector>,
    /// Apply everything, also what is in sync
    #[arg(long)]
    pub(crate) reapply: bool,
    /// Run no hooks
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Most workloads whose pods are replaced at once, as a number or a part such as `25%`; the others wait for the next
    /// sync (default: no limit)
    #[arg(long, value_name = "N|N%")]
    pub(crate) rollout_budget: Option<Share>,
    #[command(flatten)]
    pub(crate) validate: Validating,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct Validating {
    /// Try by dry runs what is to be written: wave by wave, so that nothing of a wave is written if the cluster would
    /// refuse any of it, or `up-front`, so that nothing at all is (default: the writes themselves tell)
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "layers")]
    pub(crate) validate: Option<Validation>,
}

/// When it is tried what is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Validation {
    /// Each wave before it is written
    Layers,
    /// All that can be before the first write
    UpFront,
}

#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// Confirm deletions that ask for it: those of namespaces, CRDs and volumes, and those marked `confirm`; of these
    /// objects (may be repeated), or of all. What existed before the application goes only if it is named
    #[arg(long, value_name = "KIND[.GROUP][/[NAMESPACE/]NAME]", num_args = 0..=1, require_equals = true,
          default_missing_value = "*")]
    pub(crate) confirm: Vec<Objects>,
}
