//! Typed values: merged, compared, cut.

use std::sync::OnceLock;

use gitops_core::model::{ApiModel, TypeRef};
use gitops_core::resource::GroupKind;
use gitops_core::ssa::{Duplicates, Emptied, FieldSet, Typed};
use gitops_core::value::Value;

/// Of two JSON values, a line each, of the kind that the first byte picks: what structured-merge-diff promises of them.
pub fn merge(bytes: &[u8]) {
    let Some((kind, values)) = bytes.split_first() else { return };
    let of = type_of(*kind);
    let mut lines = values.splitn(2, |byte| *byte == b'\n');
    // What is stored may hold duplicates; what is applied may not.
    let mut next = |duplicates| Typed::new(Value::from_json(lines.next()?).ok()?, of, duplicates).ok();
    let (Some(live), Some(applied)) = (next(Duplicates::Allow), next(Duplicates::Refuse)) else { return };
    let (Ok(there), Ok(back)) = (live.compare(&applied), applied.compare(&live)) else { return };
    assert_eq!((&there.added, &there.removed, &there.modified), (&back.removed, &back.added, &back.modified));
    assert!(live.compare(&live).is_ok_and(|nothing| nothing.is_empty()), "equal to itself");
    let (Ok(before), Ok(set)) = (live.field_set(), applied.field_set()) else { return };
    let stays = live.remove(&FieldSet::new(), Emptied::Kept);
    // As in Go, an empty map or list comes back as null.
    assert_eq!(stays.field_set().as_ref(), Ok(&before), "nothing removed, nothing changes");
    let _cut = (live.remove(&set, Emptied::Null), live.extract(&set), live.extract_with_keys(&before));
    let Ok(merged) = live.merge(&applied) else { return };
    let twice = merged.merge(&applied).map(|twice| twice.value().clone());
    assert_eq!(twice.as_ref(), Ok(merged.value()), "merging twice is merging once");
    if let Ok(fields) = merged.field_set() {
        let lost = set.leaves().iter().find(|path| !fields.touches(path));
        assert_eq!(lost, None, "what is applied is there");
    }
}

fn type_of(kind: u8) -> TypeRef<'static> {
    static MODEL: OnceLock<ApiModel> = OnceLock::new();
    let (group, kind, version) = match kind % 4 {
        0 => ("", "Pod", "v1"),
        1 => ("apps", "Deployment", "v1"),
        2 => ("", "Service", "v1"),
        _ => ("example.org", "Unknown", "v1"),
    };
    MODEL.get_or_init(ApiModel::builtin).schema(&GroupKind::new(group, kind), version)
}
