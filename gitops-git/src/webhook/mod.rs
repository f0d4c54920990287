//! Webhooks of Git hosts: from the headers and body of a request to what was pushed, as a pure function.
//!
//! ```
//! use gitops_core::source::Target;
//! use gitops_git::webhook::{Event, Host, Webhooks};
//!
//! let webhooks = Webhooks::default().with_secret(Host::GitLab, "s3cret");
//! let headers = [("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "s3cret")];
//! let body = br#"{"ref": "refs/heads/main", "project": {"git_http_url": "https://gitlab.example/shop/web.git"}}"#;
//!
//! let Event::Pushed(push) = webhooks.read(headers, body)? else { panic!("this is a push") };
//! assert!(push.concerns("git@gitlab.example:shop/web.git", &Target::new("main")));
//! assert!(!push.concerns("git@gitlab.example:shop/web.git", &Target::new("next")));
//! # Ok::<(), gitops_git::webhook::WebhookError>(())
//! ```

mod hosts;
mod proof;

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::source::Target;

use crate::remote::Secret;
use crate::resolve::{self, Base, PLACES};

/// The longest body that is read: GitHub sends no longer one.
const LONGEST: usize = 25 << 20;

/// What sends webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Host {
    /// GitHub, also as a server of one's own. Proof: `X-Hub-Signature-256`.
    GitHub,
    /// GitLab. Proof: `X-Gitlab-Token`, the secret itself.
    GitLab,
    /// Bitbucket, in the cloud and as a server. Proof: `X-Hub-Signature`.
    Bitbucket,
    /// Gitea, Forgejo and Gogs. Proof: `X-Gitea-Signature` and those named after the others.
    Gitea,
    /// Azure DevOps. Proof: basic authentication; the secret is `user:password`.
    AzureDevOps,
}

/// Which hosts may send, and how they prove that it is them.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    secrets: BTreeMap<Host, Vec<Secret>>,
}

/// What a webhook says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Branches or tags are not what they were.
    Pushed(Push),
    /// The host tries whether we answer.
    Ping,
    /// Something that changes no branch and no tag, by the host's name for it.
    Other(String),
}

/// Branches and tags of one repository that are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// The addresses of the repository that the host names, for several protocols.
    pub repositories: BTreeSet<String>,
    /// The full names of what changed, such as `refs/heads/main`.
    pub refs: BTreeSet<String>,
    /// The branch that `HEAD` is, if the host says so.
    pub default_branch: Option<String>,
}

/// Why a webhook is not heeded. None of the texts holds a secret, or what was sent in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// It is from no host that is known.
    #[error(
        "no header says which Git host sent this; GitHub, GitLab, Bitbucket, Gitea and Azure DevOps are understood"
    )]
    UnknownHost,
    /// No secret is set for its host.
    #[error("there is no secret for webhooks of {0:?}, so anybody could have sent this; set one here and at the host")]
    NoSecret(Host),
    /// It proves nothing, or not with a secret that is known.
    #[error("the request does not prove that {0:?} sent it; check that both sides have the same secret")]
    NotProven(Host),
    /// The body cannot be read.
    #[error("the body is not what {host:?} sends: {why}")]
    Invalid {
        /// The host.
        host: Host,
        /// What is wrong with it.
        why: String,
    },
}

impl Webhooks {
    /// Lets a host send that proves itself with `secret`. With several secrets for one host any will do, so that one can
    /// take the place of another.
    #[must_use]
    pub fn with_secret(mut self, host: Host, secret: &str) -> Self {
        // An empty one would let in whoever sends an empty one.
        if !secret.is_empty() {
            self.secrets.entry(host).or_default().push(Secret::new(secret));
        }
        self
    }

    /// Reads a request. Nothing of the body is looked at before it is proven who sent it.
    ///
    /// # Errors
    /// When the host is not known, does not prove itself, or sends what it should not.
    pub fn read<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) -> Result<Event, WebhookError> {
        let headers: BTreeMap<String, &str> =
            headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
        let (host, event) = hosts::identify(&headers).ok_or(WebhookError::UnknownHost)?;
        let secrets =
            self.secrets.get(&host).filter(|secrets| !secrets.is_empty()).ok_or(WebhookError::NoSecret(host))?;
        if !proof::is_given(host, &headers, body, secrets) {
            return Err(WebhookError::NotProven(host));
        }
        let invalid = |why: &str| WebhookError::Invalid { host, why: why.to_owned() };
        if body.len() > LONGEST {
            return Err(invalid("it is too long"));
        }
        hosts::read(host, event, &headers, body).map_err(|why| invalid(&why))
    }
}

impl Push {
    /// Returns whether what an application follows may have changed. A commit id never does.
    ///
    /// Repositories are the same if host and path are, whatever the protocol, user, port, case and a `.git` at the end.
    #[must_use]
    pub fn concerns(&self, repository: &str, target: &Target) -> bool {
        let wanted = hosts::place(repository);
        wanted.is_some()
            && self.repositories.iter().any(|known| hosts::place(known) == wanted)
            && self.refs.iter().any(|name| self.may_be(name, target))
    }

    fn may_be(&self, name: &str, target: &Target) -> bool {
        let named = |short: &str| name == short || PLACES.iter().any(|place| name.strip_prefix(place) == Some(short));
        match resolve::parse(target.as_str()) {
            Ok((Base::Head, _)) => self.default_branch.as_deref().is_none_or(named),
            Ok((Base::Name(short), _)) => named(&short),
            Ok((Base::Range(range), _)) => name.starts_with("refs/tags/") || named(range.as_str()),
            // What cannot be read is asked for, to say so.
            Ok((Base::Id(_), _)) => false,
            Err(_) => true,
        }
    }
}

#[cfg(test)]
mod tests;
