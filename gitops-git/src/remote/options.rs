//! How remotes are reached, and what they may cost.

use std::path::PathBuf;
use std::time::Duration;

use crate::GitLimits;

use super::{Progress, Secret, SshOptions};

/// How remotes are reached, and what they may cost. Nothing is taken from the environment or from Git's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// The longest wait for a connection. Default: 10 s.
    pub connect_timeout: Duration,
    /// The longest wait for a sign of life of the other end. Default: 60 s.
    pub stall_timeout: Duration,
    /// The longest that one request may take. Default: 10 min.
    pub timeout: Duration,
    /// How often something is tried that may go well later. Default: 3.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles. Default: 500 ms.
    pub backoff: Duration,
    /// Bytes that one fetch may bring. Default: 2 GiB.
    pub pack_bytes: u64,
    /// Where HTTP goes through: `http://`, `https://` or `socks5://`. Default: directly.
    pub proxy: Option<Secret>,
    /// Files with certificates, in PEM form, of authorities that are trusted besides those this machine trusts.
    pub authorities: Vec<PathBuf>,
    /// How `ssh` is run.
    pub ssh: SshOptions,
    /// What may be read of a snapshot.
    pub limits: GitLimits,
    /// Who is told how far fetches have come.
    pub progress: Progress,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
            timeout: Duration::from_secs(600),
            attempts: 3,
            backoff: Duration::from_millis(500),
            pack_bytes: 2 << 30,
            proxy: None,
            authorities: Vec::new(),
            ssh: SshOptions::default(),
            limits: GitLimits::default(),
            progress: Progress::default(),
        }
    }
}
