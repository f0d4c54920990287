//! The arguments of `controller`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::watch::RepoAt;
use super::{Backend, Signed, SubmoduleArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum ControllerVerb {
    /// Look after the applications that a cluster holds as `Application` resources, until the program is stopped. Of
    /// several replicas one works, and the others wait
    Run(ControllerRun),
    /// Print what installs a controller, for `kubectl apply --server-side -f -`: namespace, definitions of the resources,
    /// roles with the rights that the applications of some files need and no more, and a Deployment
    Manifests(ControllerManifests),
}

#[derive(Debug, Args)]
pub(crate) struct ControllerRun {
    /// Context of the kubeconfig (default: the current one; without a kubeconfig, the cluster in which this runs as a pod)
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// Namespace with the applications and projects, the lease and the records
    #[arg(long, short, value_name = "NS", default_value = "gitops-system")]
    pub(crate) namespace: String,
    /// Name of this replica, such as that of its pod
    #[arg(long, value_name = "NAME", default_value = "gitops")]
    pub(crate) name: String,
    /// Name of the installation, where several work on one cluster (default: none, or the namespace if that is another one)
    #[arg(long, value_name = "NAME")]
    pub(crate) installation: Option<String>,
    /// Serve `/metrics`, `/healthz` and `/readyz` at this address, such as `0.0.0.0:8080`
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Hear webhooks of Git hosts at this address. Put a proxy before it that speaks TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) webhooks: Option<SocketAddr>,
    /// File with the secret that those who send webhooks have; without it the variable `GITOPS_WEBHOOK_SECRET` has it
    #[arg(long, value_name = "FILE", requires = "webhooks")]
    pub(crate) webhook_secret: Option<PathBuf>,
    /// How often repositories are asked for something new
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) interval: u32,
    /// What is made of applications of Argo CD in the namespace
    #[arg(long, value_enum, default_value_t)]
    pub(crate) argo_cd: Theirs,
    /// Folder of this machine that has the repository with this address (may be repeated). No application can name another
    #[arg(long = "repo", value_name = "URL=FOLDER")]
    pub(crate) repos: Vec<RepoAt>,
    /// Address whose host gets the token of `GITOPS_GIT_TOKEN` (may be repeated). Whoever may write an application can name
    /// any host, so no other gets it
    #[arg(long = "token-for", value_name = "URL")]
    pub(crate) token_for: Vec<String>,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) submodules: SubmoduleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ControllerManifests {
    /// Files with applications and projects, from which it is told what the controller must be allowed to do. Without any it
    /// may apply nothing
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Image of the controller, whose entry point is this program
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: String,
    /// Its namespace
    #[arg(long, short, value_name = "NS", default_value = "gitops-system")]
    pub(crate) namespace: String,
    /// How many replicas
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    pub(crate) replicas: u32,
    /// What is made of applications of Argo CD in the namespace
    #[arg(long, value_enum, default_value_t)]
    pub(crate) argo_cd: Theirs,
    /// Kinds that it must be allowed to apply besides (may be repeated)
    #[arg(long = "kind", value_name = "KIND[.GROUP]")]
    pub(crate) kinds: Vec<String>,
    /// Folder of this machine that has the repository with this address (may be repeated)
    #[arg(long = "repo", value_name = "URL=FOLDER")]
    pub(crate) repos: Vec<RepoAt>,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) submodules: SubmoduleArgs,
    #[command(flatten)]
    pub(crate) cluster: Backend,
}

/// What is made of applications of Argo CD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Theirs {
    /// Nothing
    #[default]
    Ignored,
    /// They are compared and shown in metrics; nothing is written
    Watched,
    /// They are synced: stop Argo CD's controller first
    Followed,
}
