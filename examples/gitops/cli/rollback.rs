//! The arguments of `rollback`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::{Confirm, Look, Prune};

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Revision to go back to: the number or commit id (its beginning is enough) of an entry of `gitops history`, or
    /// whatever the repository knows, such as a tag
    #[arg(value_name = "REVISION", required_unless_present = "resume", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) to: Option<String>,
    /// End a rollback: automatic sync goes on with what is followed; nothing is synced by this itself
    #[arg(long, conflicts_with_all = ["to", "dry_run", "prune", "confirm"])]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) look: Look,
    #[command(flatten)]
    pub(crate) prune: Prune,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    /// Make a commit besides, on a new branch of the local repository, in which the files of the application are as they
    /// were: merged into what is followed, it ends the rollback
    #[arg(
        long,
        value_name = "BRANCH",
        conflicts_with_all = ["resume", "dry_run"],
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(crate) revert: Option<String>,
    /// Push that commit besides, to a branch of the same name, which must not exist there: to the remote `origin` of the
    /// repository, or the one that is named, or a folder. GITOPS_GIT_TOKEN may hold a token that may push
    #[arg(long, value_name = "REMOTE|URL|FOLDER", requires = "revert", num_args = 0..=1, default_missing_value = "origin")]
    pub(crate) push: Option<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what happens while it happens, to standard error; with `-o json`, one JSON object a line (default: on a
    /// terminal, for people)
    #[arg(long)]
    pub(crate) progress: bool,
    /// Do not ask before deleting (it is asked only on a terminal)
    #[arg(long, short)]
    pub(crate) yes: bool,
}
