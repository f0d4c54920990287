//! The arguments about submodules of what is read.

use clap::{Args, ValueEnum};
use gitops_git::{Follow, RemoteUrl, Submodules};

use crate::Failure;

#[derive(Clone, Debug, Args)]
pub(crate) struct SubmoduleArgs {
    /// What is done about submodules of the repository
    #[arg(long, value_enum, default_value_t)]
    pub(crate) submodules: What,
    /// Repository of a submodule that is followed at another host than that of the repository (may be repeated)
    #[arg(long = "submodule-repo", value_name = "URL", requires = "submodules")]
    pub(crate) listed: Vec<String>,
}

/// What is done about submodules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Sync nothing of what they might hold, and prune nothing
    Refuse,
    /// Leave them out, with a warning
    #[default]
    Skip,
    /// Read their files as if they lay in the repository: fetched if they are at its host or listed; of a local
    /// repository, from where `git submodule update --init` puts them
    Follow,
}

impl SubmoduleArgs {
    /// Returns what is asked for.
    pub(crate) fn policy(&self) -> Result<Submodules, Failure> {
        let mut follow = Follow::default();
        for url in &self.listed {
            follow = follow.with_listed(RemoteUrl::parse(url).map_err(|error| format!("`--submodule-repo`: {error}"))?);
        }
        Ok(match self.submodules {
            What::Refuse => Submodules::Refuse,
            What::Skip => Submodules::Skip,
            What::Follow => Submodules::Follow(follow),
        })
    }
}
