//! The arguments that say which application is meant, and what it is made from.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use gitops_core::policy::{InvalidSyncOption, SyncOption};
use gitops_core::state::TrackingStyle;

use super::{Signed, SubmoduleArgs};
use crate::Failure;

/// Which application; its name is derived from where it lies.
#[derive(Debug, Args)]
pub(crate) struct AppName {
    /// File that describes the application, with its sources and its project, as `watch` reads it (may be repeated);
    /// `--app` names which one of several
    #[arg(long = "file", short, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Folder of the repository, a working copy or a bare one (default: the current one); or the address of a remote, such
    /// as `https://example.org/shop.git`, for which GITOPS_GIT_TOKEN may hold a token (and GITOPS_GIT_USER the user). With
    /// `--file`, as `watch` has it: folder of this machine that has the repository with this address (may be repeated)
    #[arg(long = "repo", value_name = "PATH|URL|URL=FOLDER", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) repos: Vec<String>,
    /// Folder or file to read, from the root of the repository (may be repeated; default: all of it)
    #[arg(long = "path", value_name = "DIR", conflicts_with = "files", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) paths: Vec<String>,
    /// Name of the application (default: the last part of DIR where there is just one, else of the repository)
    #[arg(long, value_name = "NAME")]
    pub(crate) app: Option<String>,
    /// Name of this installation, where several have applications of the same name; always the same one
    #[arg(long, value_name = "NAME", default_value = "", conflicts_with = "files")]
    pub(crate) installation: String,
    /// By what objects are marked as those of the application (default: own)
    #[arg(long, value_enum, default_value_t, conflicts_with = "files")]
    pub(crate) tracking: Tracking,
}

/// By what objects are marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tracking {
    /// An annotation of our own, with the installation
    #[default]
    Own,
    /// Argo CD's annotations: to go on with what Argo CD has applied under the same name
    #[value(name = "argocd")]
    ArgoCd,
    /// The same, and the label `app.kubernetes.io/instance`
    #[value(name = "argocd+label")]
    ArgoCdAndLabel,
}

impl AppName {
    /// Where the repository is, of an application that is described by arguments.
    pub(crate) fn repo(&self) -> Result<&str, Failure> {
        match &*self.repos {
            [] => Ok("."),
            [repo] => Ok(repo),
            _ => Err("`--repo` is given twice; several repositories are named in a file: see `--file`".into()),
        }
    }
}

impl From<Tracking> for TrackingStyle {
    fn from(tracking: Tracking) -> Self {
        match tracking {
            Tracking::Own => Self::Own,
            Tracking::ArgoCd => Self::ArgoCd,
            Tracking::ArgoCdAndLabel => Self::ArgoCdAndLabel,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    #[command(flatten)]
    pub(crate) app: AppName,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) submodules: SubmoduleArgs,
    /// Branch, tag or commit to follow; of several sources one of each, with `+` between (default: HEAD, or what the file of
    /// the application says)
    #[arg(long, value_name = "REVISION", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) revision: Option<String>,
    /// Read only files whose path below DIR matches this glob (may be repeated)
    #[arg(long, value_name = "GLOB", conflicts_with = "files")]
    pub(crate) include: Vec<String>,
    /// Do not read files whose path below DIR matches this glob (may be repeated)
    #[arg(long, value_name = "GLOB", conflicts_with = "files")]
    pub(crate) exclude: Vec<String>,
    /// Namespace of objects that name none
    #[arg(long, short, value_name = "NS", conflicts_with = "files")]
    pub(crate) namespace: Option<String>,
    /// File with rules of what to leave alone: our own, Argo CD's `ignoreDifferences`, or Flux's `spec.ignore` (may be
    /// repeated)
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub(crate) ignore: Vec<PathBuf>,
    /// Sync option of all objects that say nothing else, such as `Prune=confirm`, or of the application, such as
    /// `CreateNamespace=true` (may be repeated)
    #[arg(long = "sync-option", value_name = "OPTION=VALUE", value_parser = sync_option, conflicts_with = "files")]
    pub(crate) sync_options: Vec<SyncOption>,
    /// Checks of health of your own: a directory of Lua scripts laid out as Argo CD's `resource_customizations`, or a
    /// file with Flux's `healthCheckExprs` or Argo CD's ConfigMap (may be repeated; later ones win)
    #[arg(long, value_name = "PATH")]
    pub(crate) health: Vec<PathBuf>,
}

fn sync_option(text: &str) -> Result<SyncOption, String> {
    let option: SyncOption = text.parse().map_err(|error: InvalidSyncOption| error.to_string())?;
    if option.is_unheeded() {
        return Err(format!("`{option}` has no effect: what it turns off is always done; leave it out"));
    }
    Ok(option)
}
