//! The arguments of `cluster`.

#[cfg(feature = "kube")]
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Backend, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterVerb {
    /// Show objects
    Get(ClusterGet),
    /// Apply the objects of a file, as `kubectl apply --server-side` would
    Apply(ClusterApply),
    /// Set one field of an object, as a hand edit with `kubectl` would
    Set(ClusterSet),
    /// Open an object in $VISUAL or $EDITOR
    Edit(ClusterEdit),
    /// Delete an object
    Delete(ClusterEdit),
    /// Serve it as a Kubernetes API server, for `kubectl` and every other client, until the program is stopped
    #[cfg(feature = "kube")]
    Serve(ClusterServe),
}

#[derive(Debug, Args)]
pub(crate) struct ClusterGet {
    /// Kind, optionally with group and name: `pods`, `deploy/web`, `deployments.apps` (default: everything)
    #[arg(value_name = "KIND[.GROUP][/NAME]")]
    pub(crate) what: Option<String>,
    /// Namespace (default: all)
    #[arg(long, short, value_name = "NS")]
    pub(crate) namespace: Option<String>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Print who owns which field, too
    #[arg(long)]
    pub(crate) show_managed_fields: bool,
    #[command(flatten)]
    pub(crate) cluster: Backend,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterApply {
    /// File with manifests; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Namespace of objects that name none
    #[arg(long, short, value_name = "NS", default_value = "default")]
    pub(crate) namespace: String,
    #[command(flatten)]
    pub(crate) cluster: Backend,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterSet {
    #[command(flatten)]
    pub(crate) object: ClusterEdit,
    /// Field and value: `spec.replicas=5`, `'spec.template.spec.containers[name=web].image=nginx'`; `null` removes it
    #[arg(value_name = "FIELD=VALUE")]
    pub(crate) assignment: String,
}

#[derive(Debug, Args)]
pub(crate) struct ClusterEdit {
    /// The object, such as `deploy/web`
    #[arg(value_name = "KIND[.GROUP]/NAME")]
    pub(crate) what: String,
    /// Namespace (default: the only one that has such an object)
    #[arg(long, short, value_name = "NS")]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: Backend,
}

#[cfg(feature = "kube")]
#[derive(Debug, Args)]
pub(crate) struct ClusterServe {
    /// Where to listen; port 0 takes one that is free. What goes over it is not encrypted
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where to write the kubeconfig, which holds the token that lets in (default: beside the file of the cluster)
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) cluster: Backend,
}
