//! Argo CD's sync options, as an application has them, and which of them its objects inherit.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::problem::{Problem, nearest};
use crate::resource::{Propagation, Resource};

use super::{CreateNamespace, Options, Permission, Shared, SyncPolicy, options};

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
    /// Whether objects are tried by a dry run first, where their application wants it: see [`SyncPolicy::validate`].
    Validate(bool),
    /// Whether objects are pruned after everything else.
    PruneLast(bool),
    /// Whether objects are replaced instead of applied.
    Replace(bool),
    /// Whether objects may be deleted and created again.
    Force(bool),
    /// Whether objects of kinds that are served only later are no problem.
    SkipDryRunOnMissingResource(bool),
    /// What happens to what a deleted object owns.
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

    /// Adds an option, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, option: SyncOption) -> Self {
        self.0.insert(option.parts().0, option);
        self
    }

    /// Returns whether this very option is among them.
    #[must_use]
    pub fn has(&self, option: SyncOption) -> bool {
        self.0.get(option.parts().0) == Some(&option)
    }
}

impl SyncOption {
    /// Returns whether it turns off what is always done, so that it has no effect.
    #[must_use]
    pub fn is_unheeded(self) -> bool {
        matches!(
            self,
            Self::ApplyOutOfSyncOnly(false)
                | Self::ClientSideApplyMigration(false)
                | Self::RespectIgnoreDifferences(false)
                | Self::ServerSideApply(false)
        )
    }

    /// Returns what an object says about the same thing, should it say anything; `None` where the option is about the
    /// whole application, or means nothing here.
    pub(super) fn said(self) -> Option<Said> {
        Some(match self {
            Self::Prune(_) => Said::Prune,
            Self::Delete(_) => Said::Delete,
            Self::PruneLast(_) => Said::PruneLast,
            Self::Replace(_) => Said::Replace,
            Self::Force(_) => Said::Force,
            Self::SkipDryRunOnMissingResource(_) => Said::SkipDryRun,
            Self::PrunePropagationPolicy(_) => Said::Propagation,
            Self::Validate(_) => Said::Validate,
            _ => return None,
        })
    }
}

/// What an object may say itself, and inherits where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Prune,
    Delete,
    PruneLast,
    Replace,
    Force,
    SkipDryRun,
    Propagation,
    Validate,
}

/// What an object says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AllSaid(u8);

impl AllSaid {
    pub(super) fn add(&mut self, said: Said) {
        self.0 |= 1 << said as u8;
    }

    fn has(self, said: Said) -> bool {
        self.0 & (1 << said as u8) != 0
    }
}

impl Options {
    /// Says that the object stays, whatever happens.
    pub(super) fn stay(&mut self) {
        (self.prune, self.delete) = (Permission::Never, Permission::Never);
        self.said.add(Said::Prune);
        self.said.add(Said::Delete);
    }

    /// Fills in what the object does not say itself. Once more, with other options, takes back what was filled in before.
    ///
    /// Only objects that are synced inherit: a hook is never pruned, applied or replaced.
    ///
    /// Rule: Argo CD user guide, "Sync Options": the object wins over its application.
    ///
    /// ```
    /// use gitops_core::policy::{Options, Permission, SyncOption, SyncOptions};
    ///
    /// let mut options = Options::default();
    /// options.inherit(&SyncOptions::default().with(SyncOption::Prune(Permission::Confirm)));
    /// assert_eq!(options.prune, Permission::Confirm);
    /// ```
    pub fn inherit(&mut self, from: &SyncOptions) {
        if !self.is_resource() {
            return;
        }
        let blank = Self::default();
        if !self.said.has(Said::Propagation) {
            self.propagation = blank.propagation;
        }
        for (said, flag) in [
            (Said::PruneLast, &mut self.prune_last),
            (Said::Replace, &mut self.replace),
            (Said::Force, &mut self.force),
            (Said::SkipDryRun, &mut self.skip_dry_run_on_missing_resource),
            (Said::Validate, &mut self.skip_validation),
        ] {
            *flag &= self.said.has(said);
        }
        for (said, permission) in [(Said::Prune, &mut self.prune), (Said::Delete, &mut self.delete)] {
            if !self.said.has(said) {
                *permission = blank.prune;
            }
        }
        for option in from.iter().filter(|option| option.said().is_some_and(|said| !self.said.has(said))) {
            match option {
                SyncOption::Prune(allowed) => self.prune = allowed,
                SyncOption::Delete(allowed) => self.delete = allowed,
                SyncOption::PruneLast(last) => self.prune_last = last,
                SyncOption::Replace(replace) => self.replace = replace,
                SyncOption::Force(force) => self.force = force,
                SyncOption::SkipDryRunOnMissingResource(skip) => self.skip_dry_run_on_missing_resource = skip,
                SyncOption::PrunePropagationPolicy(propagation) => self.propagation = Some(propagation),
                SyncOption::Validate(validate) => self.skip_validation = !validate,
                _ => {}
            }
        }
    }
}

impl SyncPolicy {
    /// Sets what sync options say: those about the whole application here, and those about objects for all objects that
    /// say nothing else. Options that mean nothing to us change nothing.
    ///
    /// ```
    /// use gitops_core::policy::{SyncOptions, SyncPolicy};
    ///
    /// let options = SyncOptions::new(["FailOnSharedResource=true".parse()?, "Prune=confirm".parse()?])?;
    /// let policy = SyncPolicy::default().with_sync_options(&options);
    /// assert_eq!(policy.sync_options.iter().map(|option| option.to_string()).collect::<Vec<_>>(), ["Prune=confirm"]);
    /// # Ok::<(), gitops_core::policy::InvalidSyncOption>(())
    /// ```
    #[must_use]
    pub fn with_sync_options(mut self, options: &SyncOptions) -> Self {
        for option in options.iter() {
            match option {
                // Labels and annotations for it are no option, and stay.
                SyncOption::CreateNamespace(true) if self.create_namespace != CreateNamespace::Never => {}
                SyncOption::CreateNamespace(true) => self.create_namespace = CreateNamespace::IfMissing,
                SyncOption::CreateNamespace(false) => self.create_namespace = CreateNamespace::Never,
                SyncOption::FailOnSharedResource(true) => self.shared = Shared::Stop,
                SyncOption::FailOnSharedResource(false) => self.shared = Shared::Leave,
                option if option.said().is_some() => {
                    self.sync_options = std::mem::take(&mut self.sync_options).with(option)
                }
                _ => {}
            }
        }
        self
    }

    /// Reads how a live object is treated: as [`options`], and what it does not say it inherits.
    #[must_use]
    pub fn options_of(&self, live: &Resource) -> (Options, Vec<Problem>) {
        let (mut options, problems) = options(live);
        options.inherit(&self.sync_options);
        (options, problems)
    }
}

/// Reads the sync options of a policy: those about the whole application are fields of the policy.
pub(super) fn of_objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SyncOptions, D::Error> {
    let options = SyncOptions::deserialize(deserializer)?;
    let other = options.iter().find(|option| option.said().is_none());
    match other {
        None => Ok(options),
        Some(option @ SyncOption::CreateNamespace(_)) => {
            Err(D::Error::custom(format!("`{option}` is no option of objects; use `createNamespace` of the policy")))
        }
        Some(option @ SyncOption::FailOnSharedResource(_)) => {
            Err(D::Error::custom(format!("`{option}` is no option of objects; use `shared` of the policy")))
        }
        Some(option) => Err(D::Error::custom(format!("`{option}` has no effect on objects; remove it"))),
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
