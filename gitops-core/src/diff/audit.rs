//! What came of each rule of what is left alone.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::path::FieldPath;
use crate::policy::ignore::{Rules, Scope};
use crate::resource::ResourceKey;

use super::{Change, ChangeKind, ChangeReason, Comparison, IgnoredBy};

/// What one rule did in a comparison. One that names nothing, or hides a removal, deserves a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RuleAudit {
    /// The rule, as people read it.
    pub rule: Arc<str>,
    /// For whom it is made.
    pub scope: Scope,
    /// How many objects it names fields of.
    pub objects: usize,
    /// How many fields of them it names.
    pub fields: usize,
    /// How many differences it hides.
    pub hidden: usize,
    /// Fields that Git no longer has and that stay because of it.
    pub removals: Vec<(ResourceKey, FieldPath)>,
}

impl Comparison {
    /// Says what came of each rule, in their order.
    #[must_use]
    pub fn audit(&self, rules: &Rules) -> Vec<RuleAudit> {
        let empty = |rule: &crate::policy::ignore::Rule| RuleAudit {
            rule: rule.to_string().into(),
            scope: rule.scope,
            objects: 0,
            fields: 0,
            hidden: 0,
            removals: Vec::new(),
        };
        let mut audit: Vec<RuleAudit> = rules.iter().map(empty).collect();
        for (key, entry) in &self.entries {
            for ignored in &*entry.ignored {
                let IgnoredBy::Rule(place) = ignored.by else { continue };
                let Some(rule) = audit.get_mut(place) else { continue };
                rule.objects += usize::from(!ignored.fields.is_empty());
                rule.fields += ignored.fields.len();
                rule.hidden += ignored.hidden.len();
                let is_removal =
                    |change: &&Change| change.kind == ChangeKind::Removed || change.reason == ChangeReason::Reset;
                let removals = ignored.hidden.iter().filter(is_removal);
                rule.removals.extend(removals.map(|change| (key.clone(), change.path.clone())));
            }
        }
        audit
    }
}

impl fmt::Display for RuleAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.rule)?;
        match (self.fields, self.hidden) {
            (0, _) => f.write_str("names nothing"),
            (fields, hidden) => {
                let (objects, plural) = (self.objects, |count| if count == 1 { "" } else { "s" });
                write!(f, "{fields} field{} of {objects} object{}", plural(fields), plural(objects))?;
                write!(f, ", hides {hidden} difference{}", plural(hidden))
            }
        }?;
        self.removals.iter().try_for_each(|(key, path)| write!(f, "; `{path}` of {key} stays though Git dropped it"))
    }
}
