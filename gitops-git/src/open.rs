//! Finding and opening a repository, and what it may cost to read one.

use std::path::Path;

use gitops_core::source::{RevisionId, SourceError, SourceFailure};
use gix::discover::upwards;
use gix::odb::store::init::Slots;
use gix::sec::Trust;

use crate::GitSource;
use crate::bases::Bases;
use crate::error::{because, shown, unsupported};
use crate::relation::{self, Relation};
use crate::remote::hidden;
use crate::submodules::{Opened, Submodules};

/// What a repository may use beyond the first format without changing how refs and objects are read by gix.
const EXTENSIONS: [&str; 6] =
    ["noop", "objectformat", "partialclone", "preciousobjects", "relativeworktrees", "worktreeconfig"];

/// Packs of a store that may come while it is open. It has fewer: see `remote::store`.
const STORE_PACKS: u16 = 512;

/// Upper bounds of what is read, against repositories made to exhaust memory or time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GitLimits {
    /// Wanted files in one snapshot. Default: 200,000.
    pub files: usize,
    /// Entries looked at for one snapshot, wanted or not. Default: 2,000,000.
    pub entries: usize,
    /// Bytes of one file or other object. Default: 64 MiB.
    pub object_bytes: u64,
}

impl Default for GitLimits {
    fn default() -> Self {
        Self { files: 200_000, entries: 2_000_000, object_bytes: 64 << 20 }
    }
}

impl GitSource {
    /// Opens the repository that `path` is in: a working copy or any folder in it, a `.git` folder or file, a linked
    /// worktree, or a bare repository.
    ///
    /// Who owns the files does not matter, since nothing in the repository is executed.
    ///
    /// # Errors
    /// When `path` is in no repository, or its repository cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let discovery = upwards::Options { trust: upwards::TrustPolicy::Assume(Trust::Full), ..Default::default() };
        // Isolated: no configuration but the repository's own, and no environment, so that answers do not depend on them.
        let isolated = || gix::open::Options::isolated();
        let trust = gix::sec::trust::Mapping { full: isolated(), reduced: isolated() };
        // A `.git` file says where the repository is, which is known to the folder it is in.
        let folder = match path.parent() {
            Some(parent) if path.ends_with(".git") && path.is_file() => parent,
            _ => path,
        };
        // Of a relative one gix takes `../.git` for `../shop.git` if that is beside a folder around the current one.
        let folder = &folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        match gix::ThreadSafeRepository::discover_opts(folder, discovery, trust) {
            Ok(repository) => {
                check_format(path, &repository.to_thread_local())?;
                Ok(Self {
                    repository,
                    location: path.to_owned(),
                    limits: GitLimits::default(),
                    submodules: Submodules::default(),
                    opened: Opened::default(),
                    #[cfg(feature = "signatures")]
                    trust: None,
                    #[cfg(feature = "signatures")]
                    resolved: crate::trust::Resolved::default(),
                })
            }
            Err(error) => Err(cannot_open(path, error)),
        }
    }

    /// Opens the bare repository in `folder` and no other, wherever that lies.
    pub(crate) fn open_store(folder: &Path) -> Result<Self, SourceError> {
        // Other processes add packs while this one has it open: there must be room for them.
        let options = gix::open::Options::isolated().with(Trust::Full).object_store_slots(Slots::Given(STORE_PACKS));
        match gix::ThreadSafeRepository::open_opts(folder, options.open_path_as_is(true)) {
            Ok(repository) => Ok(Self {
                repository,
                location: folder.to_owned(),
                limits: GitLimits::default(),
                submodules: Submodules::default(),
                opened: Opened::default(),
                #[cfg(feature = "signatures")]
                trust: None,
                #[cfg(feature = "signatures")]
                resolved: crate::trust::Resolved::default(),
            }),
            Err(error) => Err(cannot_open(folder, error)),
        }
    }

    /// Sets what may be read at most.
    #[must_use]
    pub fn with_limits(self, limits: GitLimits) -> Self {
        Self { limits, ..self }
    }

    /// Sets what is done about submodules. They are followed to where `git submodule update --init` puts them: of a
    /// repository on this machine nothing is fetched.
    #[must_use]
    pub fn with_submodules(self, submodules: Submodules) -> Self {
        Self { submodules, ..self }
    }

    /// Resolves to nothing but what is signed as `trust` demands. What is not is an error, `Untrusted`.
    ///
    /// Only what a target resolves to is checked, so whoever has the id of a commit can still look at its files.
    #[cfg(feature = "signatures")]
    #[must_use]
    pub fn with_trust(self, trust: crate::Trust) -> Self {
        Self { trust: Some(std::sync::Arc::new(trust)), ..self }
    }

    /// Judges the signature of the commit `id`.
    ///
    /// # Errors
    /// When it is not here or cannot be read.
    #[cfg(feature = "signatures")]
    pub fn verdict(&self, trust: &crate::Trust, id: &RevisionId) -> Result<crate::Verdict, SourceError> {
        let repository = self.local();
        let (id, _) = crate::objects::pinned(&repository, id)?;
        trust.verdict(&repository, gix::objs::Kind::Commit, id)
    }

    /// Returns the address to push to that the configuration of this repository has for a remote, such as `origin`. The path
    /// of a folder is told from the root, since one that is relative is so to the repository.
    #[must_use]
    pub fn remote_address(&self, name: &str) -> Option<String> {
        let repository = self.local();
        let config = repository.config_snapshot();
        let of = |key: &str| config.string(&format!("remote.{name}.{key}"));
        let address = of("pushUrl").or_else(|| of("url"))?.to_string();
        // "scp-like syntax is only recognized if there are no slashes before the first colon", git-push(1).
        let is_folder = address.split('/').next().is_some_and(|first| !first.contains(':'));
        let root = repository.workdir().unwrap_or_else(|| repository.git_dir());
        Some(if is_folder { root.join(address).display().to_string() } else { address })
    }

    pub(crate) fn follows_submodules(&self) -> bool {
        matches!(self.submodules, Submodules::Follow(_))
    }

    pub(crate) fn limits(&self) -> &GitLimits {
        &self.limits
    }

    /// Returns how a revision stands to one that was followed before: a forced push is seen by it.
    ///
    /// # Errors
    /// When one of them is not here, or the history of a shallow clone ends before the answer is known.
    pub fn relation(&self, old: &RevisionId, new: &RevisionId) -> Result<Relation, SourceError> {
        relation::relation(&self.local(), old, new)
    }

    /// Returns a handle for one call. It sees what was written to the repository since the last.
    pub(crate) fn local(&self) -> gix::Repository {
        let mut repository = self.repository.to_thread_local();
        // A replaced object would give other bytes under the same id.
        repository.objects.ignore_replacements = true;
        repository.objects.set_pack_cache(|| Box::new(Bases::default()));
        repository
    }
}

/// Refuses extensions of the format that gix would not notice, as "Git Repository Format Versions" in Git's
/// documentation demands. Other versions than 0 and 1 are refused by gix.
fn check_format(path: &Path, repository: &gix::Repository) -> Result<(), SourceError> {
    let config = repository.config_snapshot();
    let version = config.integer("core.repositoryFormatVersion").unwrap_or(0);
    for section in config.plumbing().sections_by_name("extensions").into_iter().flatten().filter(|_| version == 1) {
        for name in section.value_names() {
            let value = section.value(&name).map(|value| value.to_string()).unwrap_or_default();
            let name = name.to_ascii_lowercase();
            let known =
                EXTENSIONS.contains(&name.as_str()) || (name.as_str(), value.as_str()) == ("refstorage", "files");
            if !known {
                let extension = format!("extension `{} = {}`", shown(&name), shown(&value));
                return Err(unsupported(format!("{extension} of the Git repository `{}`", path.display())));
            }
        }
    }
    Ok(())
}

fn cannot_open(path: &Path, error: gix::Error) -> SourceError {
    let text = path.display().to_string();
    // What is no path may be an address.
    let location = if text.contains('@') && !path.exists() { hidden(&text) } else { text };
    let failure = if error.is_permission_denied() || is_closed(path) {
        SourceFailure::Denied { what: format!("`{location}`").into() }
    } else if error.is_unsupported() {
        SourceFailure::Unsupported { what: format!("the format of the Git repository `{location}`").into() }
    } else if error.is_not_found() || !path.is_dir() {
        // The cause says no more than that.
        return SourceFailure::NoRepository { location: location.to_string().into() }.into();
    } else {
        SourceFailure::Corrupt { what: format!("the Git repository `{location}`").into() }
    };
    because(failure, error)
}

/// Returns whether there is a repository at `path` or around it that may not be looked into, which looks like none.
fn is_closed(path: &Path) -> bool {
    let denied = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let places = path.ancestors().flat_map(|folder| [folder.to_owned(), folder.join(".git")]);
    places.take(64).any(|place| std::fs::metadata(place.join("HEAD")).is_err_and(denied))
}
