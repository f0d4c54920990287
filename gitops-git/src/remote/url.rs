//! Where a remote repository is, without its secrets.

use std::fmt;

use gitops_core::source::{SourceError, SourceFailure};

use crate::error::{shown, unsupported};

use super::credentials::{Credential, Secret};

/// The longest address that anybody would write.
const LONGEST: usize = 4096;

/// The address of a remote repository. What it shows never holds a password.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteUrl {
    scheme: Scheme,
    user: Option<String>,
    secret: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: String,
}

/// How a remote is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP in the clear: neither secret nor proof against change on the way.
    Http,
    /// The program `ssh`.
    Ssh,
    /// Git's own protocol over TCP, in the clear.
    Git,
    /// A bundle, a file that `git bundle` made.
    Bundle,
}

impl RemoteUrl {
    /// Reads an address: `https://`, `http://`, `ssh://`, `git://`, `user@host:path`, or the path of a `.bundle` file.
    ///
    /// A user and password in front of the host are kept apart, as if they were given as a [`Credential`].
    ///
    /// # Errors
    /// When it is none of these. `ext::`, `fd::` and other ways to run a program are refused, and what a program would
    /// take for an option.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text.len() > LONGEST || text.contains(|char: char| char.is_control() || char.is_whitespace()) {
            return Err(refused(text, "is no address of a repository"));
        }
        let url = match text.split_once("://") {
            Some((scheme, rest)) => Self::with_scheme(text, scheme, rest)?,
            None if text.ends_with(".bundle") => Self::bundle(text),
            None if text.split_once('/').map_or(text, |(first, _)| first).contains("::") => {
                return Err(refused(text, "asks for a remote helper, which may run any program"));
            }
            None => Self::scp(text)?,
        };
        for part in [Some(&url.host), url.user.as_ref(), Some(&url.path)].into_iter().flatten() {
            if part.starts_with('-') || part.contains('\0') {
                return Err(refused(text, "has a part that a program would take for an option"));
            }
        }
        if url.path.is_empty() || url.host.is_empty() && url.scheme != Scheme::Bundle {
            return Err(refused(text, "names no repository on a host"));
        }
        Ok(url)
    }

    /// Returns how it is reached.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host; empty for a bundle.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, if the address says one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the user, if the address says one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the path on the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether a password would stay on this machine or is encrypted.
    #[cfg(feature = "http")]
    pub(crate) fn is_private(&self) -> bool {
        self.scheme != Scheme::Http || matches!(&*self.host, "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Returns the credential that stood in the address.
    pub(crate) fn credential(&self) -> Option<Credential> {
        let secret = self.secret.clone()?;
        Some(Credential::Basic { user: self.user.clone().unwrap_or_default().into(), password: secret })
    }

    /// Returns the address without user and password: what names the repository, whoever asks.
    pub(crate) fn anonymous(&self) -> Self {
        Self { user: self.user.clone().filter(|_| self.scheme == Scheme::Ssh), secret: None, ..self.clone() }
    }

    /// Returns whether it is reached as the other is: by the same scheme, host, port and, over SSH, user.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        let place = |url: &Self| {
            let port = url.port.or(match url.scheme {
                Scheme::Https => Some(443),
                Scheme::Http => Some(80),
                Scheme::Ssh => Some(22),
                Scheme::Git => Some(9418),
                Scheme::Bundle => None,
            });
            let user = url.user.clone().filter(|_| url.scheme == Scheme::Ssh);
            (url.scheme, url.host.clone(), port, user)
        };
        self.scheme != Scheme::Bundle && place(self) == place(other)
    }

    /// Returns whether both name one repository: nearly all hosts take a `.git` at the end or leave it.
    pub(crate) fn is_same_repository(&self, other: &Self) -> bool {
        let path = |url: &Self| url.path.strip_suffix(".git").unwrap_or(&url.path).to_owned();
        let is_near = self.is_beside(other) || self.scheme == Scheme::Bundle && other.scheme == Scheme::Bundle;
        is_near && path(self) == path(other)
    }

    /// Returns the address that `../lib.git` means seen from here, on the same host; `None` if that leads out of it. As Git
    /// reads the address of a submodule (`relative_url` in its `remote.c`), which would go on to other hosts.
    pub(crate) fn relative(&self, text: &str) -> Option<Self> {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("../") {
                parts.pop().filter(|part| !part.is_empty())?;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else {
                break;
            }
        }
        let rest = rest.trim_end_matches('/');
        let is_odd = |char: char| char.is_control() || char.is_whitespace();
        if rest.contains(is_odd) || rest.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        parts.push(rest);
        let path = parts.join("/");
        let fits = self.scheme != Scheme::Bundle && path.len() <= LONGEST && !path.starts_with('-');
        fits.then(|| Self { path, ..self.anonymous() })
    }

    fn with_scheme(text: &str, scheme: &str, rest: &str) -> Result<Self, SourceError> {
        let scheme = match &*scheme.to_ascii_lowercase() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" | "git+ssh" | "ssh+git" => Scheme::Ssh,
            "git" => Scheme::Git,
            "file" if rest.ends_with(".bundle") => {
                // What stands before the path is a host, and might hold a password.
                return match rest.strip_prefix("localhost").unwrap_or(rest) {
                    path if path.starts_with('/') => Ok(Self::bundle(path)),
                    _ => Err(refused(text, "is on another machine, which")),
                };
            }
            "file" => return Err(refused(text, "is on this machine: open it with `GitSource::open`, as it")),
            _ => return Err(refused(text, "has a scheme other than `https`, `http`, `ssh` and `git`, which")),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user_info, place) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let (host, port) = host_and_port(place).ok_or_else(|| refused(text, "has a port that is no number, which"))?;
        let (user, secret) =
            match user_info.map(|info| info.split_once(':').map_or((info, None), |(u, s)| (u, Some(s)))) {
                None => (None, None),
                Some((user, secret)) => (Some(decoded(user)).filter(|user| !user.is_empty()), secret.map(decoded)),
            };
        // A token without a user, as in `https://TOKEN@host`, is a secret all the same.
        let (user, secret) = match (scheme, user, secret) {
            (Scheme::Https | Scheme::Http, Some(user), None) => (None, Some(user)),
            (_, user, secret) => (user, secret),
        };
        // "The path is decoded", connect.c, for all but HTTP; `/~user` is for the shell of the host.
        let path = match scheme {
            Scheme::Https | Scheme::Http => path.to_owned(),
            _ => decoded(path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(path)),
        };
        let secret = secret.map(|secret| Secret::new(&secret));
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { scheme, user, secret, host: host.to_ascii_lowercase(), port, path })
    }

    /// Reads `user@host:path`.
    fn scp(text: &str) -> Result<Self, SourceError> {
        let (place, path) = match text.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((host, path)) => (host, path),
            None => text.split_once(':').ok_or_else(|| refused(text, "is no address of a repository"))?,
        };
        if place.contains('/') {
            return Err(refused(text, "is no address of a repository"));
        }
        let (user, host) = place.rsplit_once('@').map_or((None, place), |(user, host)| (Some(user.to_owned()), host));
        let (host, path) = (host.to_ascii_lowercase(), path.trim_end_matches('/').to_owned());
        Ok(Self { scheme: Scheme::Ssh, user, secret: None, host, port: None, path })
    }

    fn bundle(path: &str) -> Self {
        let path = path.to_owned();
        Self { scheme: Scheme::Bundle, user: None, secret: None, host: String::new(), port: None, path }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
            Scheme::Ssh => "ssh",
            Scheme::Git => "git",
            Scheme::Bundle => return f.write_str(&self.path),
        };
        write!(f, "{scheme}://")?;
        if let Some(user) = self.user.as_ref().filter(|_| self.scheme == Scheme::Ssh) {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        write!(f, "{slash}{}", self.path)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    let end = place.rfind(']').map_or(0, |end| end + 1);
    // Without brackets a second colon would make a port of a part of the host.
    match place.get(end..)?.split_once(':') {
        None => Some((place, None)),
        Some((_, "")) => Some((place.strip_suffix(':')?, None)),
        Some((_, port)) => {
            let host = place.strip_suffix(port)?.strip_suffix(':')?;
            Some((host, Some(port.parse().ok()?)))
        }
    }
}

/// Decodes `%2F`; what is not so encoded stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Refuses an address, without the part that may be secret.
fn refused(text: &str, why: &str) -> SourceError {
    let visible = match text.rsplit_once('@') {
        Some((_, place)) => format!("…@{place}"),
        None => text.to_owned(),
    };
    if why.ends_with("repository") {
        return SourceFailure::NoRepository { location: shown(&visible) }.into();
    }
    unsupported(format!("`{}` {why}", shown(&visible)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_git_reads_them_and_shown_without_secrets() {
        for (text, scheme, host, port, path, display) in [
            (
                "https://example.org/shop.git",
                Scheme::Https,
                "example.org",
                None,
                "/shop.git",
                "https://example.org/shop.git",
            ),
            (
                "https://ann:s3cret@Example.org:8443/a/b/",
                Scheme::Https,
                "example.org",
                Some(8443),
                "/a/b",
                "https://example.org:8443/a/b",
            ),
            ("https://s3cret@example.org/a", Scheme::Https, "example.org", None, "/a", "https://example.org/a"),
            ("http://[::1]:80/a", Scheme::Http, "[::1]", Some(80), "/a", "http://[::1]:80/a"),
            ("ssh://git@host:22/~ann/a%20b", Scheme::Ssh, "host", Some(22), "~ann/a b", "ssh://git@host:22/~ann/a b"),
            ("git@host:team/a.git", Scheme::Ssh, "host", None, "team/a.git", "ssh://git@host/team/a.git"),
            ("git://host/a", Scheme::Git, "host", None, "/a", "git://host/a"),
            ("/srv/a.bundle", Scheme::Bundle, "", None, "/srv/a.bundle", "/srv/a.bundle"),
            ("file:///srv/a.bundle", Scheme::Bundle, "", None, "/srv/a.bundle", "/srv/a.bundle"),
        ] {
            let url = RemoteUrl::parse(text).unwrap();
            assert_eq!((url.scheme, &*url.host, url.port, &*url.path), (scheme, host, port, path), "{text}");
            assert_eq!(url.to_string(), display);
            assert!(!format!("{url:?}").contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn the_address_of_a_submodule_is_read_as_git_reads_it_and_stays_on_its_host() {
        let https = "https://u:s3cret@example.org/team/shop.git";
        for (base, text, expected) in [
            (https, "../lib.git", Some("https://example.org/team/lib.git")),
            (https, "../../other/lib", Some("https://example.org/other/lib")),
            (https, "./lib", Some("https://example.org/team/shop.git/lib")),
            (https, ".././../lib/", Some("https://example.org/lib")),
            ("git@host:team/shop.git", "../lib.git", Some("ssh://git@host/team/lib.git")),
            ("git@host:shop.git", "../lib.git", Some("ssh://git@host/lib.git")),
            // Git goes on to `https://lib` and `https:lib`.
            (https, "../../../lib", None),
            (https, "../../../../evil.example/lib", None),
            ("git@host:shop.git", "../../lib.git", None),
            (https, "../a/../../lib", None),
            (https, "../", None),
            (https, "../a b", None),
            ("git@host:shop.git", "../-oProxyCommand=id", None),
            ("/srv/shop.bundle", "../lib.bundle", None),
        ] {
            let url = RemoteUrl::parse(base).unwrap().relative(text);
            assert_eq!(url.map(|url| url.to_string()).as_deref(), expected, "{base} {text}");
        }
    }

    #[test]
    fn what_would_run_a_program_or_names_nothing_is_refused_without_telling_a_secret() {
        for text in [
            "ext::sh -c id",
            "ext::sh",
            "fd::17",
            "ext://x",
            "file://u:s3cret@host/a.bundle",
            "ssh://-oProxyCommand=id/a",
            "-oProxyCommand=id:a",
            "ssh://host/-a\0",
            "host:-a",
            "https://",
            "https://host",
            "https://u:s3cret@host:port/a",
            "https://u:s3cret@host:8:/a",
            "https://u:s3cret@host:8:9/a",
            "rsync://u:s3cret@host/a",
            "s3cret@",
            "folder",
            "",
        ] {
            let error = RemoteUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{text}: {error}");
        }
    }
}
