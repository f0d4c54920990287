//! The arguments of `watch`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::{Output, Signed, SubmoduleArgs, World};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Files with applications and projects: `Application` and `Project` of `gitops.rs/v1alpha1`, or `Application` and
    /// `AppProject` of Argo CD as they are
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Folder of this machine that has the repository with this address (may be repeated). An address that is a path is
    /// taken as one, from the folder of FILE
    #[arg(long = "repo", value_name = "URL=FOLDER")]
    pub(crate) repos: Vec<RepoAt>,
    /// End when all that can be done was done: nothing is under way, and nothing is about to become healthy. Time passes
    /// for the embedded cluster at once, as it does for `sync`
    #[arg(long)]
    pub(crate) once: bool,
    /// Longest time of the cluster that `--once` waits
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "once")]
    pub(crate) timeout: u32,
    /// How often repositories are asked for something new
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) interval: u32,
    /// Serve metrics for Prometheus at this address, such as `127.0.0.1:9095`
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "once")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Hear webhooks of GitHub, GitLab, Bitbucket, Gitea and Azure DevOps at this address, such as `0.0.0.0:9096`: what is
    /// pushed is looked at within a second. Put a proxy before it that speaks TLS
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "once")]
    pub(crate) webhooks: Option<SocketAddr>,
    /// File with the secret that those who send webhooks have; without it the variable `GITOPS_WEBHOOK_SECRET` has it. For
    /// Azure DevOps it is `user:password`
    #[arg(long, value_name = "FILE", requires = "webhooks", conflicts_with = "once")]
    pub(crate) webhook_secret: Option<PathBuf>,
    /// Command of the shell that is run when a sync starts, succeeds or fails, an application degrades, or something is
    /// changed on the cluster. It finds `GITOPS_APP`, `GITOPS_OCCASION` and `GITOPS_TEXT` in its environment
    #[arg(long, value_name = "COMMAND")]
    pub(crate) notify: Option<String>,
    /// Folder that gets the whole report of each application as `NAME.json`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) details: Option<PathBuf>,
    /// New file that gets all that happens, up to 1 GiB, for `gitops replay`. It holds everything that is read but for the
    /// values of Secrets
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) submodules: SubmoduleArgs,
    #[command(flatten)]
    pub(crate) world: World,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// What `gitops watch --record` wrote
    #[arg(value_name = "RECORDING")]
    pub(crate) recording: PathBuf,
    /// The files with the applications and projects that were watched. No repository and no cluster is asked
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// Where a repository lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepoAt {
    pub(crate) url: String,
    pub(crate) folder: PathBuf,
}

impl FromStr for RepoAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Addresses have `=` more often than folders.
        match text.rsplit_once('=') {
            Some((url, folder)) if !url.is_empty() && !folder.is_empty() => {
                Ok(Self { url: url.to_owned(), folder: PathBuf::from(folder) })
            }
            _ => Err("write it as `URL=FOLDER`, such as `https://example.org/shop.git=../shop`".to_owned()),
        }
    }
}
