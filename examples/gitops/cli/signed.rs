//! The arguments about who must have signed what is read.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use gitops_core::source::RevisionId;
use gitops_git::Demand;

#[derive(Clone, Debug, Args)]
pub(crate) struct Signed {
    /// Compare and sync nothing but what is signed by somebody in this file: SSH keys as in Git's `gpg.ssh.allowedSignersFile`, or
    /// OpenPGP keys as `gpg --export` writes them (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(crate) signers: Vec<PathBuf>,
    /// Compare and sync nothing at this path but what was last changed by a commit that somebody in this file signed (may be
    /// repeated). Once there is one, there must be one for every path that is read; the longest counts
    #[arg(long = "path-signers", value_name = "PATH=FILE")]
    pub(crate) path_signers: Vec<PathSigners>,
    /// SSH keys that are not trusted any more, one a line, whoever lists them (OpenPGP keys say so themselves)
    #[arg(long, value_name = "FILE")]
    pub(crate) revoked_signers: Option<PathBuf>,
    /// What must be signed: the commit (`head`), the tag that `--revision` names (`tag`), both (`tag-and-head`), or every
    /// commit since one that is trusted as it is (`since=COMMIT`, the whole id)
    #[arg(long, value_name = "WHAT", requires = "signers", default_value = "head")]
    pub(crate) signed: What,
}

/// Who must have signed what lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathSigners {
    pub(crate) path: String,
    pub(crate) file: PathBuf,
}

impl FromStr for PathSigners {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((path, file)) if !path.is_empty() && !file.is_empty() => {
                Ok(Self { path: path.to_owned(), file: PathBuf::from(file) })
            }
            _ => Err("write it as `PATH=FILE`, such as `apps/shop=shop-signers`; the path `.` is all".to_owned()),
        }
    }
}

/// What must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct What(pub(crate) Demand);

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = |id: &&str| matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(Self(match (text, text.strip_prefix("since=")) {
            ("head", _) => Demand::Head,
            ("tag", _) => Demand::Tag,
            ("tag-and-head", _) => Demand::TagAndHead,
            (_, Some(id)) => match Some(id).filter(is_id) {
                Some(id) => Demand::EveryCommitSince(RevisionId::new(&id.to_ascii_lowercase())),
                None => return Err("the whole id of a commit must follow `since=`; a branch can be moved".to_owned()),
            },
            _ => return Err("it must be `head`, `tag`, `tag-and-head` or `since=COMMIT`".to_owned()),
        }))
    }
}
