//! Submodules of a repository on this machine: where `git submodule update --init` puts them.

use std::path::{Path, PathBuf};

use gitops_core::source::SourceFailure;
use gix::ObjectId;

use crate::error::shown;
use crate::{GitSource, objects};

use super::{Budget, Follow, Module, Modules, NotFound, Opened, Submodule};

/// Looks for them below the folder `modules` of a repository. Nothing is fetched, so no address is looked at.
pub(crate) struct LocalModules {
    folder: PathBuf,
    budget: Budget,
    opened: Opened<GitSource>,
}

impl LocalModules {
    pub(crate) fn new(repository: &gix::Repository, follow: &Follow, opened: &Opened<GitSource>) -> Self {
        opened.begin();
        Self { folder: repository.common_dir().join("modules"), budget: Budget::of(follow), opened: opened.clone() }
    }
}

impl Modules for LocalModules {
    fn find(&self, path: &str, submodule: &Submodule, commit: ObjectId) -> Result<Module, NotFound> {
        let budget = self.budget.spend()?;
        let folder = self.folder.join(Path::new(submodule.name()));
        let opened = match self.opened.get(&folder) {
            Some(source) => Some(source),
            None => GitSource::open_store(&folder).ok(),
        };
        let Some(source) = opened.filter(|source| objects::commit(&source.local(), commit).is_ok()) else {
            let hint = "`git submodule update --init --recursive` gets it, if it was pushed";
            let what =
                format!("commit `{commit}` of the submodule `{}`, which is not on this machine ({hint}),", shown(path));
            return Err(NotFound::Failed(SourceFailure::Unavailable { what: what.into() }.into()));
        };
        if !self.opened.keep(folder.clone(), source.clone()) {
            return Err(NotFound::too_many());
        }
        let within = Self { folder: folder.join("modules"), budget, opened: self.opened.clone() };
        Ok(Module { source, within: Box::new(within) })
    }
}
