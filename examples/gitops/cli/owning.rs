//! The arguments of `adopt`, `transfer` and `release`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use gitops_core::plan::Objects;
use gitops_core::resource::LabelSelector;
use gitops_core::state::Tool;

use super::Look;

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// From which tools objects are taken over (may be repeated; default: kubectl and helm); what nobody holds always is
    #[arg(long, value_name = "TOOL", value_enum, default_values_t = [FromTool::Kubectl, FromTool::Helm])]
    pub(crate) from: Vec<FromTool>,
    #[command(flatten)]
    pub(crate) some: Some,
    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Transfer {
    /// Name of the application that holds the objects
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) some: Some,
    #[command(flatten)]
    pub(crate) change: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The objects, such as `deploy/web` or `cm/shop/*`
    #[arg(value_name = "KIND[.GROUP][/[NAMESPACE/]NAME]", required = true)]
    pub(crate) objects: Vec<Objects>,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Which of the declared objects.
#[derive(Debug, Args)]
pub(crate) struct Some {
    /// Only these objects, such as `deploy/web`, `cm/shop/*` or `Secret` (may be repeated)
    #[arg(long, value_name = "KIND[.GROUP][/[NAMESPACE/]NAME]")]
    pub(crate) only: Vec<Objects>,
    /// Only objects with these labels, such as `app=web,tier in (a,b)`
    #[arg(long, short = 'l', value_name = "LABELS")]
    pub(crate) selector: Option<LabelSelector>,
}

/// Which application, and whether it is done.
#[derive(Debug, Args)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Show each patch of who owns what, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before it is done
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// A tool that applies objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FromTool {
    /// Argo CD, by its tracking annotation or field manager
    #[value(name = "argocd")]
    ArgoCd,
    /// Flux, by the labels of Kustomizations and HelmReleases
    Flux,
    /// Helm, by the annotations of its release
    Helm,
    /// `kubectl apply`, client-side or server-side
    Kubectl,
}

impl From<FromTool> for Tool {
    fn from(tool: FromTool) -> Self {
        match tool {
            FromTool::ArgoCd => Self::ArgoCd,
            FromTool::Flux => Self::Flux,
            FromTool::Helm => Self::Helm,
            FromTool::Kubectl => Self::Kubectl,
        }
    }
}
