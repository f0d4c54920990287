//! The table of built-in kinds, made by `examples/generate_schema.rs` from recorded facts about Kubernetes 1.36.

use std::collections::BTreeMap;

use super::{Known, codec};
use crate::resource::GroupKind;

/// Scope, versions, verbs and types of every built-in kind; see [`super::codec`] for the form.
static TABLE: &[u8] = include_bytes!("builtin/kinds.bin");

/// Reads the table. A damaged one would be a fault of this crate's build; a test reads it.
pub(super) fn load() -> BTreeMap<GroupKind, Known> {
    codec::decode(TABLE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_built_in_kinds_and_stays_small() {
        let kinds = codec::decode(TABLE).unwrap();
        assert!(kinds.len() >= 60, "{} kinds", kinds.len());
        assert!(TABLE.len() <= 150 * 1024, "{} bytes", TABLE.len());
        for (group, kind, version) in [
            ("", "Pod", "v1"),
            ("apps", "Deployment", "v1"),
            ("apiextensions.k8s.io", "CustomResourceDefinition", "v1"),
        ] {
            assert!(kinds[&GroupKind::new(group, kind)].types.contains_key(version), "{group}/{kind}");
        }
    }
}
