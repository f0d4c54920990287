//! Reading addresses as people write them.

use gitops_core::source::{SourceError, SourceFailure};

use super::super::credentials::Secret;
use super::{LONGEST, RemoteUrl, Scheme};
use crate::error::{shown, unsupported};

impl RemoteUrl {
    /// Reads an address: `https://`, `http://`, `ssh://`, `git://`, `user@host:path`, or the path of a `.bundle` file.
    ///
    /// A user and password in front of the host are kept apart, as if they were given as a [`Credential`](crate::Credential).
    ///
    /// # Errors
    /// When it is none of these. `ext::`, `fd::` and other ways to run a program are refused, and what a program would
    /// take for an option.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text.len() > LONGEST || text.contains(char::is_control) {
            return Err(refused(text, "is no address of a repository"));
        }
        if text.contains(char::is_whitespace) {
            return Err(refused(text, "has a blank in it (write `%20` if one is meant), which"));
        }
        if let Some((scheme, _)) = text.split_once(':').filter(|(scheme, rest)| is_torn(scheme, rest)) {
            return Err(refused(text, &format!("has no `://` after `{scheme}`, which")));
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
        let is_web = matches!(url.scheme, Scheme::Https | Scheme::Http);
        if is_web && url.path.contains(['?', '#']) {
            return Err(refused(text, "has a `?` or `#` in it (a secret belongs into a credential), which"));
        }
        // What stands before it may be a password with a `/` in it, or of an address without its scheme.
        let first = url.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if url.scheme != Scheme::Bundle && first.find('@').is_some_and(|at| at > 0) {
            return Err(refused(text, "has an `@` in its path (write `%40` in a password or path), which"));
        }
        if url.path.is_empty() || url.host.is_empty() && url.scheme != Scheme::Bundle {
            return Err(refused(text, "names no repository on a host"));
        }
        Ok(url)
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

/// Returns whether something is an address that lost a slash, and no host with a path. Hosts are called `ssh` or `git`.
fn is_torn(scheme: &str, rest: &str) -> bool {
    match &*scheme.to_ascii_lowercase() {
        "http" | "https" | "file" | "ftp" | "ftps" | "rsync" => !rest.starts_with("//"),
        "ssh" | "git" | "git+ssh" | "ssh+git" => !rest.starts_with("//") && rest.contains('@'),
        _ => false,
    }
}

/// An address, without the parts that may be secret.
pub(crate) fn hidden(text: &str) -> String {
    let (mark, place) = text.rsplit_once('@').map_or(("", text), |(_, place)| ("…@", place));
    let open = place.split(['?', '#']).next().unwrap_or_default();
    let end = if open.len() < place.len() { "?…" } else { "" };
    format!("{mark}{open}{end}")
}

/// Refuses an address.
fn refused(text: &str, why: &str) -> SourceError {
    let visible = hidden(text);
    if why.contains("repository") && !why.ends_with("which") {
        return SourceFailure::NoRepository { location: shown(&visible) }.into();
    }
    unsupported(format!("`{}` {why}", shown(&visible)))
}
