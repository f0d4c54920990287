//! Whether an object is deleted and created again, where a change of it is refused since it cannot be made in place.

use crate::diff::{Claim, Compared, Note};
use crate::policy::Options;
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;

/// Kinds whose objects hold what a new object would not have: data, or all that lives in them.
const PROTECTED: [(&str, &str); 4] = [
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// Returns what to do instead, where an object is not deleted and created again. `claim`: what ties the live object to us;
/// nothing is deleted without proof that it is ours (rule 28 of the exact rules).
pub(crate) fn instead(key: &ResourceKey, options: &Options, claim: Option<&Claim>) -> Option<&'static str> {
    if PROTECTED.iter().any(|(group, kind)| key.is(group, kind)) {
        return Some(
            "undo the change; what the object holds would be lost with it, so it is never deleted and created again",
        );
    }
    if !options.force {
        return Some(
            "undo the change, or set the sync option `Force=true`: the object is deleted and created again then",
        );
    }
    if claim.is_some_and(|claim| !claim.proves_ours()) {
        return Some("undo the change, or delete the object by hand: nothing proves that it is ours to delete");
    }
    None
}

/// The fields that cannot change once set, where the cluster said that this is all it finds wrong.
pub(super) fn fixed(compared: &Compared) -> Option<String> {
    compared.notes.iter().find_map(|note| match note {
        Note::Immutable(fields) => Some(format!("`{}`", fields.join("`, `"))),
        _ => None,
    })
}

pub(super) fn problem(key: &ResourceKey, fixed: &str, instead: &str) -> Problem {
    Problem::warning(Code::Immutable, format!("{fixed} cannot change once set, so the change is refused"))
        .of(key)
        .hint(instead)
}
