//! Where the programs of a control plane are.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of a control plane.
#[derive(Clone, PartialEq, Eq)]
pub struct Programs(Found);

#[derive(Clone, PartialEq, Eq)]
enum Found {
    /// One program for each server, in a folder.
    Apart(PathBuf),
    /// One program that is each of them.
    Together(PathBuf),
}

/// No control plane can be started here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no control plane: build one with `gitops-kube/tests/apiserver/build` (it needs Go), or set \
     `KUBEBUILDER_ASSETS` to a folder with `etcd` and `kube-apiserver`"
)]
#[non_exhaustive]
pub struct NoPrograms;

/// The name of the program that `tests/apiserver/build` makes.
const PROGRAM: &str = "control-plane";

impl Programs {
    /// Finds the programs that the environment names, or those that were built.
    ///
    /// # Errors
    /// When there are none.
    pub fn find() -> Result<Self, NoPrograms> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(assets) = folder("KUBEBUILDER_ASSETS")
            && ["etcd", "kube-apiserver"].iter().all(|program| assets.join(program).is_file())
        {
            return Ok(Self(Found::Apart(assets)));
        }
        let built = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let built = built.map(|cache| cache.join("gitops-rs").join(PROGRAM));
        let named = folder("GITOPS_CONTROL_PLANE").into_iter().chain(built);
        named.filter(|path| path.is_file()).map(|path| Self(Found::Together(path))).next().ok_or(NoPrograms)
    }

    pub(super) fn command(&self, program: &str) -> Command {
        match &self.0 {
            Found::Apart(folder) => Command::new(folder.join(program)),
            Found::Together(path) => {
                let mut command = Command::new(path);
                command.arg(program);
                command
            }
        }
    }

    pub(super) fn have_controllers(&self) -> bool {
        match &self.0 {
            Found::Apart(folder) => folder.join("kube-controller-manager").is_file(),
            Found::Together(_) => true,
        }
    }

    fn path(&self) -> &Path {
        let (Found::Apart(path) | Found::Together(path)) = &self.0;
        path
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Programs({})", self.path().display())
    }
}
