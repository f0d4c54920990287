//! The arguments of the program.

mod asked;
mod cluster;
#[cfg(feature = "kube")]
mod controller;
mod log;
mod owning;
mod rollback;
mod signed;
mod source;
mod submodules;
mod watch;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use asked::{Asked, Confirm, Prune, Select, Validation};
#[cfg(feature = "kube")]
pub(crate) use cluster::ClusterServe;
pub(crate) use cluster::{ClusterApply, ClusterEdit, ClusterGet, ClusterSet, ClusterVerb};
#[cfg(feature = "kube")]
pub(crate) use controller::{ControllerManifests, ControllerRun, ControllerVerb, Theirs};
pub(crate) use log::Log;
pub(crate) use owning::{Adopt, Change, Release, Some, Transfer};
pub(crate) use rollback::Rollback;
pub(crate) use signed::Signed;
pub(crate) use source::{AppName, Source};
pub(crate) use submodules::SubmoduleArgs;
pub(crate) use watch::{Replay, RepoAt, Watch};

/// Keeps a cluster as Git says.
///
/// Compares what a Git repository declares with what a cluster holds, plans, applies in order, waits for health, and
/// tells of every difference who made it.
#[derive(Debug, Parser)]
#[command(name = "gitops", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Print without colours (as the environment variable NO_COLOR)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 in sync, 1 out of sync or something to do, 2 an error, or a problem that holds \
                          something back";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the cluster as Git says, and show what is there afterwards
    Sync(Sync),
    /// Show what differs, and who set it
    Diff(Diff),
    /// Show why an object and its fields are as they are: line and commit, live value and owner, and what a sync does
    Explain(Explain),
    /// Show what a sync would do, in which order, and what it would leave alone
    Plan(Plan),
    /// Try out on a copy of the cluster what a sync would come to, with failures on purpose if wanted
    WhatIf(WhatIf),
    /// Delete an application: what it applied in the reverse order, with its hooks before and after, and its record last
    Delete(Delete),
    /// Take declared objects over that exist and are nobody's, or another tool's: only who owns what changes
    Adopt(Adopt),
    /// Take declared objects over that another application of this installation holds: only who owns what changes
    Transfer(Transfer),
    /// Let single objects go, which stay as they are, as nobody's; the application goes on
    Release(Release),
    /// Show the objects with their sync status and health
    Status(Look),
    /// Look after many applications: sync what is new, undo what is changed on the cluster, and tell of it
    Watch(Watch),
    /// Go through a recording of `watch` again, and tell what goes otherwise now
    Replay(Replay),
    /// Go back to an earlier revision and stay there: automatic sync waits for a newer commit, or for `--resume`
    Rollback(Rollback),
    /// Show what was synced when, by whom and why
    History(History),
    /// Show which commits changed what: which objects and fields, by whom, when and why
    Log(Log),
    /// Check the manifests without looking at what runs (exit code 0: nothing is held back)
    Validate(Look),
    /// Look into the embedded cluster, or change it by hand
    Cluster {
        #[command(subcommand)]
        verb: ClusterVerb,
    },
    /// Run as a controller on a cluster, which holds its applications as resources; or print what installs one
    #[cfg(feature = "kube")]
    Controller {
        #[command(subcommand)]
        verb: ControllerVerb,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) world: World,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) look: Look,
    /// In which form (default: unified)
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Lines of unified text around a change
    #[arg(long, value_name = "LINES", default_value_t = 3)]
    pub(crate) context: usize,
}

/// How differences are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// YAML of each object line by line, as `diff -u` prints it
    #[default]
    Unified,
    /// Field by field, both values below each other
    Fields,
    /// Field by field, both values beside each other
    Table,
    /// A JSON Patch (RFC 6902) of each object
    JsonPatch,
    /// A merge patch (RFC 7396) of each object
    MergePatch,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The object, such as `deploy/web`, or `deploy/shop/web` where several namespaces have one
    #[arg(value_name = "KIND[.GROUP]/[NAMESPACE/]NAME")]
    pub(crate) what: String,
    /// The field, such as `spec.replicas`, `**.image` or `/spec/replicas` (default: all that differ)
    #[arg(value_name = "FIELD")]
    pub(crate) field: Option<String>,
    #[command(flatten)]
    pub(crate) look: Look,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) cluster: Backend,
    /// How to print (text, json or yaml), or a file such as `plan.json` that `gitops sync --plan` carries out
    #[arg(long, short, visible_alias = "out", value_name = "FORM|FILE.json", default_value = "text")]
    pub(crate) output: PlanOutput,
    #[command(flatten)]
    pub(crate) prune: Prune,
    #[command(flatten)]
    pub(crate) select: Select,
}

/// Where a plan goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlanOutput {
    /// To the standard output.
    Print(Output),
    /// Into a file; a text is printed all the same.
    File(PathBuf),
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) look: Look,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    /// Run no hooks, and do not read the source
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// What happens to what the objects own, where they do not say it themselves [default: as the sync options of the
    /// application say, else foreground]
    #[arg(long, value_enum)]
    pub(crate) propagation: Option<Cascade>,
    /// Let all objects stay as they are, as nobody's: only our mark and our field ownership leave them, then the record of
    /// the application goes; no hook runs
    #[arg(long, conflicts_with_all = ["no_hooks", "propagation"])]
    pub(crate) orphan: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before deleting
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// What happens to what a deleted object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cascade {
    /// It goes first
    Foreground,
    /// It goes later
    Background,
    /// It stays
    Orphan,
}

#[derive(Debug, Args)]
pub(crate) struct WhatIf {
    #[command(flatten)]
    pub(crate) look: Look,
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// File with the live objects to start from, as `kubectl get -o yaml` prints them (default: the cluster as it is)
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// Make writes of an object fail: `conflict`, `denied`, `invalid`, `lost`, `refused`, `throttled`, `too-large` or
    /// `unavailable` (may be repeated)
    #[arg(long, value_name = "KIND/[NAMESPACE/]NAME=HOW")]
    pub(crate) fail: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) look: Look,
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// End a rollback, and sync what it keeps back
    #[arg(long)]
    pub(crate) resume: bool,
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

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) app: AppName,
    #[command(flatten)]
    pub(crate) world: World,
}

#[derive(Debug, Args)]
pub(crate) struct World {
    #[command(flatten)]
    pub(crate) cluster: Backend,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Backend {
    /// `memory[:FILE]`, a cluster kept in a file (default: in the user's cache directory), or `kube[:CONTEXT]`
    #[arg(long, value_name = "CLUSTER", default_value = "memory")]
    pub(crate) cluster: Cluster,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// The embedded cluster, in this file or in the default one.
    Memory(Option<PathBuf>),
    /// A real one, by this context of the kubeconfig or by the current one.
    Kube(Option<String>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs; a stable contract
    Json,
    /// The same as YAML
    Yaml,
}

impl FromStr for PlanOutput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(output) = Output::from_str(text, false) {
            return Ok(Self::Print(output));
        }
        if text.len() > ".json".len() && text.ends_with(".json") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        Err("it must be `text`, `json`, `yaml`, or a file whose name ends in `.json`".to_owned())
    }
}

impl FromStr for Cluster {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (backend, rest) = text.split_once(':').map_or((text, None), |(backend, rest)| (backend, Some(rest)));
        match (backend, rest) {
            ("memory", Some("")) => Err("a file must follow `memory:`, such as `memory:cluster.json`".to_owned()),
            ("memory", file) => Ok(Self::Memory(file.map(PathBuf::from))),
            ("kube", Some("")) => Err("a context must follow `kube:`; see `kubectl config get-contexts`".to_owned()),
            ("kube", context) => Ok(Self::Kube(context.map(str::to_owned))),
            _ => Err("it must be `memory`, `memory:FILE`, `kube` or `kube:CONTEXT`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
