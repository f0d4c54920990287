//! Whose fields a sync takes over, and whose it leaves alone. Rule 20 of the exact rules.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::ignore::check_glob;
use crate::ssa::{ManagedEntry, Operation};

/// What a sync does about fields that Git declares and others own with another value.
///
/// The first rule that names the owner decides, then `take`. Whatever they say, the tracking id of another application
/// is never overridden.
///
/// ```
/// use gitops_core::policy::{Conflicts, SyncPolicy};
///
/// let policy: SyncPolicy = serde_json::from_str(
///     r#"{"conflicts": {"take": "default", "former": ["argocd-controller"],
///         "rules": [{"manager": "vpa-*", "then": "yield"}, {"manager": "team-?", "operation": "apply", "then": "takeOver"}]}}"#,
/// )?;
/// assert_eq!(policy.conflicts.rules.len(), 2);
/// assert_ne!(policy.conflicts, Conflicts::default());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Conflicts {
    /// What holds where no rule does. Default: `default`.
    pub take: Take,
    /// What is done about single managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ConflictRule>,
    /// Names under which we applied before, or another engine did whose work this application goes on with, such as
    /// `argocd-controller`. Their entries become ours before the next apply, so that what Git drops is removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Arc<str>>,
}

/// From whom fields are taken over where no rule says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "who writes by hand, everybody, nobody")]
pub enum Take {
    /// From whoever wrote by hand, or with a tool that writes on behalf of the same people: every `Update`, and
    /// `kubectl apply --server-side`. Another applier is another system: the object is not applied.
    #[default]
    Default,
    /// From everybody, as Argo CD does.
    All,
    /// From nobody.
    None,
}

/// What is done about fields of some managers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ConflictRule {
    /// Glob over the name of the field manager.
    #[serde(deserialize_with = "glob")]
    pub manager: Arc<str>,
    /// Only what was written like this; without it, whatever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<WrittenBy>,
    /// What is done.
    pub then: Stance,
}

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "the operations of managedFields")]
pub enum WrittenBy {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// What a sync does about a field that another manager owns with another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "ours, theirs, or neither")]
pub enum Stance {
    /// It takes the field over.
    TakeOver,
    /// It leaves the field to its owner: Git's value counts only when the object is created.
    Yield,
    /// It leaves the whole object alone: two systems want different things of it.
    Refuse,
}

impl Conflicts {
    /// Returns what Argo CD does: everything is taken over.
    #[must_use]
    pub fn like_argo_cd() -> Self {
        Self { take: Take::All, ..Self::default() }
    }

    /// Sets from whom fields are taken over where no rule says so.
    #[must_use]
    pub fn with_take(self, take: Take) -> Self {
        Self { take, ..self }
    }

    /// Adds a rule; the first that names a manager decides.
    #[must_use]
    pub fn with_rule(mut self, rule: ConflictRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds a name under which we applied before.
    #[must_use]
    pub fn with_former(mut self, manager: &str) -> Self {
        self.former.push(manager.into());
        self
    }

    /// Returns what a sync does about fields of this entry of `metadata.managedFields`.
    pub(crate) fn towards(&self, entry: &ManagedEntry) -> Stance {
        match (self.rule_for(&entry.manager, entry.operation), self.take) {
            (Some(rule), _) => rule.then,
            (None, _) if self.is_former(&entry.manager) => Stance::TakeOver,
            (None, Take::All) => Stance::TakeOver,
            (None, Take::None) => Stance::Refuse,
            (None, Take::Default) if is_by_hand(entry) => Stance::TakeOver,
            (None, Take::Default) => Stance::Refuse,
        }
    }

    /// Whether what this entry holds and Git dropped is taken over and removed (rule 21). Force takes values and removes
    /// nothing, so that `all` does not reach what another applier still declares; a rule that names it does. A status is
    /// nobody's hand; `kubectl scale` is one.
    pub(crate) fn gives_way(&self, entry: &ManagedEntry) -> bool {
        let is_main = matches!(entry.subresource.as_deref(), None | Some("scale"));
        let rule = self.rule_for(&entry.manager, entry.operation).map(|rule| rule.then);
        let otherwise = self.take != Take::None && is_by_hand(entry) || self.is_former(&entry.manager);
        is_main && rule.map_or(otherwise, |then| then == Stance::TakeOver)
    }

    pub(crate) fn yields(&self) -> bool {
        self.rules.iter().any(|rule| rule.then == Stance::Yield)
    }

    pub(crate) fn is_former(&self, manager: &str) -> bool {
        self.former.iter().any(|former| **former == *manager)
    }

    fn rule_for(&self, manager: &str, operation: Operation) -> Option<&ConflictRule> {
        self.rules.iter().find(|rule| rule.names(manager, operation))
    }
}

/// Every `Update`, and `kubectl apply --server-side`: a hand, not a system.
fn is_by_hand(entry: &ManagedEntry) -> bool {
    entry.operation != Operation::Apply || &*entry.manager == "kubectl"
}

impl ConflictRule {
    /// Says what is done about the managers that a glob names, however they wrote.
    #[must_use]
    pub fn new(manager: &str, then: Stance) -> Self {
        Self { manager: manager.into(), operation: None, then }
    }

    /// Narrows the rule to what was written like this.
    #[must_use]
    pub fn only(self, operation: WrittenBy) -> Self {
        Self { operation: Some(operation), ..self }
    }

    fn names(&self, manager: &str, operation: Operation) -> bool {
        let wrote = if operation == Operation::Apply { WrittenBy::Apply } else { WrittenBy::Update };
        self.operation.is_none_or(|only| only == wrote) && fast_glob::glob_match(&*self.manager, manager)
    }
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::All => "all",
            Self::None => "none",
        })
    }
}

fn glob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    let glob = String::deserialize(deserializer)?;
    check_glob(&glob).map_err(D::Error::custom)?;
    Ok(glob.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssa::FieldSet;

    #[test]
    fn hands_give_way_appliers_do_not_and_rules_win_over_both() {
        use Operation::{Apply, Update};
        use Stance::{Refuse, TakeOver, Yield};
        let plain = Conflicts::default();
        let (all, none) = (Conflicts::like_argo_cd(), Conflicts::default().with_take(Take::None));
        let ruled = Conflicts::default()
            .with_rule(ConflictRule::new("team-*", TakeOver).only(WrittenBy::Apply))
            .with_rule(ConflictRule::new("vpa", Yield))
            .with_former("argocd-controller");
        for (policy, manager, operation, stance, gives_way) in [
            (&plain, "kubectl-edit", Update, TakeOver, true),
            (&plain, "kubectl", Apply, TakeOver, true),
            (&plain, "team-a", Apply, Refuse, false),
            (&all, "team-a", Apply, TakeOver, false),
            (&all, "kubectl-edit", Update, TakeOver, true),
            (&none, "kubectl-edit", Update, Refuse, false),
            (&ruled, "team-a", Apply, TakeOver, true),
            (&ruled, "team-a", Update, TakeOver, true),
            (&ruled, "vpa", Update, Yield, false),
            (&ruled, "argocd-controller", Apply, TakeOver, true),
            (&ruled, "other", Apply, Refuse, false),
        ] {
            let entry = ManagedEntry::new(manager, operation, "v1", FieldSet::new());
            let is = (policy.towards(&entry), policy.gives_way(&entry));
            assert_eq!(is, (stance, gives_way), "{manager} {operation} {policy:?}");
        }
        assert!(!plain.gives_way(&ManagedEntry::new("kubelet", Update, "v1", FieldSet::new()).through("status")));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_refused() {
        let read = serde_json::from_str::<ConflictRule>(r#"{"manager": "team-[a", "then": "takeOver"}"#);
        assert!(read.unwrap_err().to_string().contains("is no glob"));
    }
}
