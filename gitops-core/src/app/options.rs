//! Argo CD's sync options, as an application has them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::Permission;
use crate::problem::nearest;
use crate::resource::Propagation;

/// One sync option. Rule: Argo CD user guide, "Sync Options".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncOption {
    /// Whether the namespace of the application is made.
    CreateNamespace(bool),
    /// Whether nothing is done where an object belongs to another application.
    FailOnSharedResource(bool),
    /// Whether fields that are left alone when comparing are left alone when applying. Here they always are.
    RespectIgnoreDifferences(bool),
    /// Whether only what differs is applied. Here it always is.
    ApplyOutOfSyncOnly(bool),
    /// Whether objects are applied by server-side apply. Here they always are.
    ServerSideApply(bool),
    /// Whether fields of `kubectl apply` are taken over first. Here they are, see [`crate::policy::Conflicts`].
    ClientSideApplyMigration(bool),
    /// Whether objects are validated. The server always does.
    Validate(bool),
    /// Whether objects are pruned after everything else.
    PruneLast(bool),
    /// Whether objects are replaced instead of applied.
    Replace(bool),
    /// Whether objects may be deleted and created again.
    Force(bool),
    /// Whether objects of kinds that are served only later are no problem.
    SkipDryRunOnMissingResource(bool),
    /// What happens to what a pruned object owns.
    PrunePropagationPolicy(Propagation),
    /// Whether objects may be pruned.
    Prune(Permission),
    /// Whether objects may go with the application.
    Delete(Permission),
}

/// The sync options of an application, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions(BTreeMap<&'static str, SyncOption>);

/// A text that is no sync option, or says the contrary of another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSyncOption(String);

const NAMES: [&str; 14] = [
    "CreateNamespace",
    "FailOnSharedResource",
    "RespectIgnoreDifferences",
    "ApplyOutOfSyncOnly",
    "ServerSideApply",
    "ClientSideApplyMigration",
    "Validate",
    "PruneLast",
    "Replace",
    "Force",
    "SkipDryRunOnMissingResource",
    "PrunePropagationPolicy",
    "Prune",
    "Delete",
];

impl SyncOption {
    /// Returns name and value.
    fn parts(self) -> (&'static str, &'static str) {
        let flag = |name, flag| (name, if flag { "true" } else { "false" });
        let permission = |name, permission| match permission {
            Permission::Default => (name, "true"),
            Permission::Never => (name, "false"),
            Permission::Confirm => (name, "confirm"),
        };
        match self {
            Self::CreateNamespace(on) => flag("CreateNamespace", on),
            Self::FailOnSharedResource(on) => flag("FailOnSharedResource", on),
            Self::RespectIgnoreDifferences(on) => flag("RespectIgnoreDifferences", on),
            Self::ApplyOutOfSyncOnly(on) => flag("ApplyOutOfSyncOnly", on),
            Self::ServerSideApply(on) => flag("ServerSideApply", on),
            Self::ClientSideApplyMigration(on) => flag("ClientSideApplyMigration", on),
            Self::Validate(on) => flag("Validate", on),
            Self::PruneLast(on) => flag("PruneLast", on),
            Self::Replace(on) => flag("Replace", on),
            Self::Force(on) => flag("Force", on),
            Self::SkipDryRunOnMissingResource(on) => flag("SkipDryRunOnMissingResource", on),
            Self::PrunePropagationPolicy(policy) => {
                let value = match policy {
                    Propagation::Foreground => "foreground",
                    Propagation::Background => "background",
                    Propagation::Orphan => "orphan",
                };
                ("PrunePropagationPolicy", value)
            }
            Self::Prune(allowed) => permission("Prune", allowed),
            Self::Delete(allowed) => permission("Delete", allowed),
        }
    }
}

impl FromStr for SyncOption {
    type Err = InvalidSyncOption;

    fn from_str(text: &str) -> Result<Self, InvalidSyncOption> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let wrong = |hint: &str| InvalidSyncOption(format!("`{}` is no sync option; {hint}", shown(text)));
        let flag = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("its value is `true` or `false`")),
        };
        let permission = || match value {
            "true" => Ok(Permission::Default),
            "false" => Ok(Permission::Never),
            "confirm" => Ok(Permission::Confirm),
            _ => Err(wrong("its value is `true`, `false` or `confirm`")),
        };
        match name {
            "CreateNamespace" => flag().map(Self::CreateNamespace),
            "FailOnSharedResource" => flag().map(Self::FailOnSharedResource),
            "RespectIgnoreDifferences" => flag().map(Self::RespectIgnoreDifferences),
            "ApplyOutOfSyncOnly" => flag().map(Self::ApplyOutOfSyncOnly),
            "ServerSideApply" => flag().map(Self::ServerSideApply),
            "ClientSideApplyMigration" => flag().map(Self::ClientSideApplyMigration),
            "Validate" => flag().map(Self::Validate),
            "PruneLast" => flag().map(Self::PruneLast),
            "Replace" => flag().map(Self::Replace),
            "Force" => flag().map(Self::Force),
            "SkipDryRunOnMissingResource" => flag().map(Self::SkipDryRunOnMissingResource),
            "PrunePropagationPolicy" => match value {
                "foreground" => Ok(Self::PrunePropagationPolicy(Propagation::Foreground)),
                "background" => Ok(Self::PrunePropagationPolicy(Propagation::Background)),
                "orphan" => Ok(Self::PrunePropagationPolicy(Propagation::Orphan)),
                _ => Err(wrong("its value is `foreground`, `background` or `orphan`")),
            },
            "Prune" => permission().map(Self::Prune),
            "Delete" => permission().map(Self::Delete),
            _ => Err(wrong(&match &*nearest(name, NAMES) {
                [] => format!("use one of `{}`, such as `Prune=false`", NAMES.join("`, `")),
                names => format!("did you mean `{}`?", names.join("`, `")),
            })),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

impl SyncOptions {
    /// Gathers options.
    ///
    /// # Errors
    /// When two of them have the same name and different values.
    pub fn new(options: impl IntoIterator<Item = SyncOption>) -> Result<Self, InvalidSyncOption> {
        let mut all = BTreeMap::new();
        for option in options {
            let before = all.insert(option.parts().0, option);
            if let Some(before) = before.filter(|before| *before != option) {
                return Err(InvalidSyncOption(format!("there are both `{before}` and `{option}`; remove one")));
            }
        }
        Ok(Self(all))
    }

    /// Returns the options, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = SyncOption> {
        self.0.values().copied()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether this very option is among them.
    #[must_use]
    pub fn has(&self, option: SyncOption) -> bool {
        self.0.get(option.parts().0) == Some(&option)
    }
}

/// `Prune=false`
impl fmt::Display for SyncOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = self.parts();
        write!(f, "{name}={value}")
    }
}

impl Serialize for SyncOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|option| option.to_string()))
    }
}

impl<'de> Deserialize<'de> for SyncOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let options = texts.iter().map(|text| text.trim().parse()).collect::<Result<Vec<SyncOption>, _>>();
        options.and_then(Self::new).map_err(D::Error::custom)
    }
}
