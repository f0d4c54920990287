//! Reading `.gitmodules`, which anybody may have written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gix::bstr::ByteSlice;
use gix::config::File;
use gix::config::file::Metadata;

use crate::RemoteUrl;
use crate::error::shown;

/// The largest file that is read.
const BYTES: usize = 1 << 20;
/// The most submodules of one file, and the most sections: gix takes a time that grows with the square of their number.
const ENTRIES: usize = 4_096;

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
    names: BTreeSet<String>,
    urls: BTreeSet<String>,
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
        let many = InvalidSubmodules { why: "it has more than 4,096 sections or submodules" };
        if bytes.iter().filter(|byte| **byte == b'[').count() > ENTRIES {
            return Err(many);
        }
        let options = gix::config::file::init::Options { lossy: true, ..Default::default() };
        let Ok(file) = File::from_bytes_no_includes(bytes, Metadata::api(), options) else {
            return Err(InvalidSubmodules { why: "it is not in the form of Git's configuration" });
        };
        let mut named: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
        let mut count = 0_usize;
        for section in file.sections_by_name("submodule").into_iter().flatten() {
            let Some(name) = section.header().subsection_name() else { continue };
            let (paths, urls) = named.entry(name.to_str_lossy().into_owned()).or_default();
            let all = |key: &str| section.values(key).into_iter().map(|value| value.to_str_lossy().into_owned());
            for path in all("path") {
                count += 1;
                paths.insert(path);
            }
            // Two are as many as a hundred: neither is followed.
            for url in all("url") {
                if urls.len() < 2 {
                    urls.insert(url);
                }
            }
            if count > ENTRIES {
                return Err(many);
            }
        }
        let mut list = Self::default();
        for (name, (paths, urls)) in named {
            for path in paths {
                let said = list.0.entry(path.trim_end_matches('/').to_owned()).or_default();
                said.names.insert(name.clone());
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
        let one = |values: &BTreeSet<String>, what| match (values.len(), values.first()) {
            (1, Some(one)) => Ok(one.clone()),
            (0, _) => Err(invalid(&format!("`.gitmodules` says no {what} for it"))),
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_says_two_things_or_leads_elsewhere_is_not_followed() {
        for (text, why) in [
            ("", "does not name it"),
            ("[submodule \"a\"]\npath = lib\n", "says no url"),
            ("[submodule \"a\"]\npath = lib\nurl = u\nurl = v\n", "says more than one url"),
            ("[submodule \"a\"]\npath = lib\nurl = u\n[submodule \"b\"]\npath = lib\nurl = u\n", "more than one name"),
            ("[submodule \"../a\"]\npath = lib\nurl = u\n", "leads elsewhere"),
            ("[submodule \"a/../../b\"]\npath = lib\nurl = u\n", "leads elsewhere"),
            ("[submodule \"/a\"]\npath = lib\nurl = u\n", "leads elsewhere"),
            ("[submodule \"\"]\npath = lib\nurl = u\n", "leads elsewhere"),
            ("[submodule \"-a\"]\npath = lib\nurl = u\n", "leads elsewhere"),
        ] {
            let error = SubmoduleList::read(text.as_bytes()).unwrap().at("lib").unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let again = "[submodule \"a\"]\npath = lib/\nurl = u\n[submodule \"a\"]\npath = lib\nurl = u\n";
        assert_eq!(SubmoduleList::read(again.as_bytes()).unwrap().at("lib").unwrap().name(), "a");
        assert!(SubmoduleList::read(b"[submodule").is_err());
    }

    #[test]
    fn a_file_made_to_cost_much_is_read_or_refused_soon() {
        let line = |at: usize| format!("path = p{at}\nurl = u{at}\n");
        let one_name: String = (0..9_000).map(line).collect();
        for text in [
            format!("[submodule \"a\"]\n{one_name}"),
            "[submodule \"a\"]\npath = p\n".repeat(ENTRIES),
            "[submodule \"a\"]\n".repeat(60_000),
            "a = b\n".repeat(100_000),
            "[".repeat(BYTES),
            "a".repeat(BYTES + 1),
        ] {
            let begin = Instant::now();
            let _read = SubmoduleList::read(text.as_bytes());
            assert!(begin.elapsed() < Duration::from_secs(20), "{} took {:?}", shown(&text), begin.elapsed());
        }
    }
}
