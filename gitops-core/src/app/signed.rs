//! Who must have signed what is read of a repository, and what is done about its submodules.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::spec::is_default;
use crate::path::FieldPath;
use crate::path::Segment;

/// Who must have signed what is read of a repository, so that nothing else is compared and synced.
///
/// The keys stand in the document: whoever may write it says whom to trust. Whoever opens the source checks the
/// signatures, as `gitops watch` does; the core itself knows none.
///
/// ```
/// use gitops_core::app::{AppSource, SignedWhat};
///
/// let source: AppSource = serde_json::from_str(
///     r#"{"repoURL": "https://example.org/shop.git", "signed": {"what": "tag", "signers": "ann@example.org ssh-ed25519 AAAA"}}"#,
/// )?;
/// assert_eq!(source.signed.map(|signed| signed.what), Some(SignedWhat::Tag));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Signed {
    /// What must be signed. Default: the commit. Where only `paths` name signers, nothing besides.
    #[serde(skip_serializing_if = "is_default")]
    pub what: SignedWhat,
    /// SSH keys, one a line, as in Git's `gpg.ssh.allowedSignersFile`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub signers: Arc<str>,
    /// OpenPGP keys, as `gpg --export --armor` writes them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub keyring: Arc<str>,
    /// SSH keys that are not trusted any more, one a line, whoever lists them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub revoked: Arc<str>,
    /// Who must have made the last change of what lies at a path. Once there is one, there must be one for every path that
    /// is read; the longest counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<Arc<str>, Signers>,
}

/// What must be signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum SignedWhat {
    /// The commit.
    #[default]
    Head,
    /// The annotated tag that is followed.
    Tag,
    /// Both.
    TagAndHead,
    /// Every commit since this one, which is trusted as it is: a whole id.
    EveryCommitSince(Arc<str>),
}

/// Who signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Signers {
    /// SSH keys, one a line, as in Git's `gpg.ssh.allowedSignersFile`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub signers: Arc<str>,
    /// OpenPGP keys, as `gpg --export --armor` writes them.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub keyring: Arc<str>,
}

/// What is done about submodules of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Submodules {
    /// Nothing of what they might hold is synced, and nothing is pruned.
    Refuse,
    /// They are left out, with a warning.
    Skip,
    /// Their files are read as if they lay in the repository, from its own host or where `submoduleRepos` says.
    Follow,
}

impl Signed {
    /// Returns whether only what lies at paths must be signed.
    #[must_use]
    pub fn is_by_path_only(&self) -> bool {
        self.signers.is_empty() && self.keyring.is_empty()
    }

    /// Returns what cannot be meant, and in which field.
    pub(super) fn fault(&self) -> Option<(FieldPath, String)> {
        let at = |names: &[&str]| FieldPath::fields(names);
        if self.is_by_path_only() && self.what != SignedWhat::Head {
            return Some((at(&["what"]), "nobody is named who may sign; set `signers` or `keyring`".to_owned()));
        }
        if self.is_by_path_only() && self.paths.is_empty() {
            return Some((FieldPath::root(), "nobody may sign; set `signers`, `keyring` or `paths`".to_owned()));
        }
        if let SignedWhat::EveryCommitSince(id) = &self.what
            && !(matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            let text = format!("`{id}` is not the whole id of a commit; a branch or tag can be moved");
            return Some((at(&["what", "everyCommitSince"]), text));
        }
        let unsigned = |(_, who): &(&Arc<str>, &Signers)| who.signers.is_empty() && who.keyring.is_empty();
        let (path, _) = self.paths.iter().find(unsigned)?;
        let place = at(&["paths"]).join(Segment::field(path));
        Some((place, "nobody may sign; set `signers` or `keyring`".to_owned()))
    }
}
