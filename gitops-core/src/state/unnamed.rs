//! Objects that have no name, only `metadata.generateName`.

use std::collections::{BTreeMap, BTreeSet};

use crate::path::FieldPath;
use crate::policy::Options;
use crate::problem::{Code, Problem};
use crate::resource::{Resource, ResourceKey};

/// Tells apart hooks that have no name and the same prefix, by their order in the source: the second of `job-` becomes
/// `job-2-`. And no prefix is also a name: it ends in `-`.
///
/// Rule: Argo CD runs each of them, whatever they are called.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    taken: BTreeSet<ResourceKey>,
    /// How many there are of each.
    counts: BTreeMap<ResourceKey, u32>,
}

impl Prefixes {
    /// Returns a hook with a prefix that no other one has; whatever else there is stays as it is.
    pub(super) fn distinct(&mut self, resource: Resource, options: &Options) -> Resource {
        let Some(prefix) = resource.generate_name().filter(|_| !options.is_resource()) else { return resource };
        let count = self.counts.entry(resource.key().clone()).or_default();
        let key = |prefix: &str| ResourceKey { name: prefix.into(), ..resource.key().clone() };
        let distinct = loop {
            *count = count.saturating_add(1);
            let distinct = match *count {
                1 if prefix.ends_with('-') => prefix.to_owned(),
                1 => format!("{prefix}-"),
                more if prefix.ends_with('-') => format!("{prefix}{more}-"),
                more => format!("{prefix}-{more}-"),
            };
            if self.taken.insert(key(&distinct)) || *count == u32::MAX {
                break distinct;
            }
        };
        if distinct == prefix {
            return resource;
        }
        // It stays what it was but for its prefix.
        resource.edit(|draft| draft.entry("metadata").set("generateName", &*distinct)).unwrap_or(resource)
    }
}

/// What is wrong with an object that is synced and has no name: its prefix would be taken for the name of an object,
/// which may well be somebody else's.
///
/// Rule: `kubectl apply`, "cannot use generate name with apply".
pub(super) fn refused(resource: &Resource, options: &Options) -> Option<Problem> {
    let prefix = resource.generate_name().filter(|_| options.is_resource())?;
    let text = format!("there is only the prefix `{prefix}`, and only hooks may be without a name");
    let hint = "set `metadata.name`, or make it a hook (`gitops.rs/hook`)";
    let field = FieldPath::fields(&["metadata", "generateName"]);
    Some(Problem::blocks(Code::InvalidObject, text).field(field).hint(hint))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::manifest::{Dialect, Limits, parse};
    use crate::model::ApiModel;
    use crate::state::DesiredState;

    fn assemble(text: &str) -> DesiredState {
        let file = parse(&"all.yaml".into(), text.as_bytes(), Dialect::Kubectl, &Limits::default());
        DesiredState::assemble(&[], &[Arc::new(file)], &[], &ApiModel::builtin(), Some("shop"))
    }

    #[test]
    fn an_object_that_is_no_hook_and_has_no_name_is_held_back_with_its_place() {
        for prefix in ["web", "web-"] {
            let desired = assemble(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{generateName: {prefix}}}\n"));
            let shown: Vec<_> = desired.problems.iter().map(ToString::to_string).collect();
            let expected = format!(
                "all.yaml:1: ConfigMap shop/{prefix}: `metadata.generateName`: there is only the prefix `{prefix}`, and \
                 only hooks may be without a name; set `metadata.name`, or make it a hook (`gitops.rs/hook`)"
            );
            assert_eq!(shown, [expected]);
            assert!(desired.declared.keys().all(|key| desired.is_held(key)));
        }
    }

    #[test]
    fn hooks_with_one_prefix_are_as_many_as_there_are() {
        let hook = |prefix: &str| {
            let annotations = "annotations: {gitops.rs/hook: PreSync}";
            format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{generateName: {prefix}, {annotations}}}\n---\n")
        };
        let prefixes = ["job-", "job-", "job-2-", "job-", "job", "job-2-"];
        let named = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: job}\n";
        let desired = assemble(&(prefixes.map(hook).concat() + named));
        assert!(desired.problems.is_empty(), "{:?}", desired.problems);
        let found = desired.declared.iter().map(|(key, of)| (&*key.name, of.origin.as_ref().unwrap().document));
        let found: Vec<_> = found.collect();
        let expected =
            [("job", 6), ("job-", 0), ("job-2-", 1), ("job-2-2-", 2), ("job-3-", 3), ("job-2-3-", 5), ("job-4-", 4)];
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
        for (key, declared) in &desired.declared {
            assert_eq!(
                (declared.resource.key(), declared.resource.generate_name().is_some()),
                (key, &*key.name != "job")
            );
        }
    }
}
