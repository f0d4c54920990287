//! The arguments of `log`.

use clap::Args;
use gitops_core::plan::Objects;

use super::Look;

#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    pub(crate) look: Look,
    /// Most commits that are looked at
    #[arg(long, short = 'N', value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only commits that edited these objects, such as `deploy/web`, `cm/shop/*` or `Secret` (may be repeated)
    #[arg(long, value_name = "KIND[.GROUP][/[NAMESPACE/]NAME]")]
    pub(crate) only: Vec<Objects>,
}
