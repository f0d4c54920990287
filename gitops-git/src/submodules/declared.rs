//! Reading `.gitmodules`, which anybody may have written.

use std::collections::BTreeMap;
use std::sync::Arc;

use gix::bstr::ByteSlice;
use gix::config::File;
use gix::config::file::Metadata;

use crate::RemoteUrl;
use crate::error::shown;

/// The largest file that is read.
const BYTES: usize = 1 << 20;
/// The most submodules of one file.
const ENTRIES: usize = 10_000;

/// What a file `.gitmodules` says.
///
/// Nothing in it is trusted: addresses and names that a program would take for an option or that lead elsewhere are refused
/// where they are used, as Git refuses them since CVE-2018-11235 and CVE-2018-17456. Nothing is executed, whatever the file
/// asks for (`update = !command`).
///
/// ```
/// use gitops_git::{RemoteUrl, SubmoduleList};
///
/// let list = SubmoduleList::read(b"[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n")?;
/// let shop = RemoteUrl::parse("https://example.org/team/shop.git")?;
///
/// assert_eq!(list.at("vendor/lib")?.url(&shop)?.to_string(), "https://example.org/team/lib.git");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmoduleList(BTreeMap<String, Said>);

/// What is said of the submodule at one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    names: Vec<String>,
    urls: Vec<String>,
}

/// One submodule, as `.gitmodules` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submodule {
    name: String,
    url: String,
}

/// A file `.gitmodules` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`.gitmodules` cannot be read: {why}; see gitmodules(5)")]
#[non_exhaustive]
pub struct InvalidSubmodules {
    /// What is wrong with it.
    pub why: &'static str,
}

/// A submodule that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
#[non_exhaustive]
pub struct InvalidSubmodule {
    /// What is wrong with it.
    pub why: Arc<str>,
}

impl SubmoduleList {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// When it is no file of Git's configuration, or larger than any that somebody wrote.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidSubmodules> {
        if bytes.len() > BYTES {
            return Err(InvalidSubmodules { why: "it is larger than 1 MiB" });
        }
        let options = gix::config::file::init::Options { lossy: true, ..Default::default() };
        let Ok(file) = File::from_bytes_no_includes(bytes, Metadata::api(), options) else {
            return Err(InvalidSubmodules { why: "it is not in the form of Git's configuration" });
        };
        let mut named: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for section in file.sections_by_name("submodule").into_iter().flatten() {
            let Some(name) = section.header().subsection_name() else { continue };
            let (paths, urls) = named.entry(name.to_str_lossy().into_owned()).or_default();
            let all = |key: &str| section.values(key).into_iter().map(|value| value.to_str_lossy().into_owned());
            paths.extend(all("path"));
            urls.extend(all("url"));
            if paths.len() > ENTRIES || urls.len() > ENTRIES {
                return Err(InvalidSubmodules { why: "it repeats itself 10,000 times" });
            }
        }
        if named.len() > ENTRIES {
            return Err(InvalidSubmodules { why: "it has more than 10,000 submodules" });
        }
        let mut list = Self::default();
        for (name, (paths, urls)) in named {
            for path in paths {
                let said = list.0.entry(path.trim_end_matches('/').to_owned()).or_default();
                said.names.push(name.clone());
                said.urls.extend(urls.iter().cloned());
            }
        }
        Ok(list)
    }

    /// Returns the submodule at a path.
    ///
    /// # Errors
    /// When there is none, when there are two, when it has no address or two, or a name that leads elsewhere.
    pub fn at(&self, path: &str) -> Result<Submodule, InvalidSubmodule> {
        let Some(said) = self.0.get(path) else { return Err(invalid("`.gitmodules` does not name it")) };
        // Git takes the first and warns. Who reads another one than was reviewed reads something else.
        let one = |values: &[String], what| match values {
            [one] => Ok(one.clone()),
            [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(first.clone()),
            [] => Err(invalid(&format!("`.gitmodules` says no {what} for it"))),
            _ => Err(invalid(&format!("`.gitmodules` says more than one {what} for it"))),
        };
        let name = one(&said.names, "name")?;
        let parts = name.split(['/', '\\']);
        if name.contains('\0') || name.starts_with('-') || parts.clone().any(|part| matches!(part, "" | "." | "..")) {
            return Err(invalid(&format!("its name `{}` in `.gitmodules` leads elsewhere", shown(&name))));
        }
        Ok(Submodule { name, url: one(&said.urls, "url")? })
    }

    /// Lists the paths that are named.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Submodule {
    /// Returns its name, a relative path without `..`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it is, for a repository that is at `base`: an address that starts with `./` or `../` is relative to it.
    ///
    /// # Errors
    /// When that is no address of a remote, or leads above the root of the host.
    pub fn url(&self, base: &RemoteUrl) -> Result<RemoteUrl, InvalidSubmodule> {
        if self.url.starts_with("./") || self.url.starts_with("../") {
            let hint = "leads out of the host of the repository";
            return base
                .relative(&self.url)
                .ok_or_else(|| invalid(&format!("its address `{}` {hint}", shown(&self.url))));
        }
        let url = RemoteUrl::parse(&self.url).map_err(|error| invalid(&format!("its address is refused: {error}")))?;
        match url.path().split('/').any(|part| part == "..") {
            true => Err(invalid(&format!("its address `{url}` has a `..` in it"))),
            false => Ok(url),
        }
    }
}

fn invalid(why: &str) -> InvalidSubmodule {
    InvalidSubmodule { why: why.into() }
}
