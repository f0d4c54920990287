//! Digests of what decisions read of a live object.

use crate::resource::Resource;
use crate::value::{Hasher, Purpose, ValueRef};

use super::{Facts, Receipt, owned};

/// Returns the digest of what decisions read of a live object.
///
/// Of a Secret no value goes into it, not even as a digest, which could be guessed (rule 39 of the exact rules): its
/// version stands for them.
#[must_use]
pub fn facts(live: &Resource) -> Facts {
    let hasher = content(Hasher::new(Purpose::Facts), live, |hasher, entries| {
        let mut entries: Vec<ValueRef<'_>> = entries.as_list().into_iter().flatten().collect();
        entries.sort_by_cached_key(|entry| {
            ["manager", "operation", "apiVersion", "subresource"]
                .map(|field| entry.get(field).and_then(ValueRef::as_str))
        });
        entries.into_iter().fold(hasher.text("managedFields"), |hasher, entry| {
            let fields = entry.as_map().into_iter().flatten().filter(|(field, _)| *field != "time");
            fields.fold(hasher, |hasher, (field, value)| hasher.text(field).value(value))
        })
    });
    Facts(hasher.finish())
}

/// Returns the key of the question what an apply of `sent` would make of `live`: rule 5 of the exact rules.
///
/// Equal questions have equal answers. Who else owns which fields is no part of it, so that controllers may write what
/// they like into `status`.
pub(super) fn receipt(sent: &Resource, live: &Resource, manager: &str, rules: Hasher) -> Receipt {
    let ours = owned::applied(live, manager).and_then(|entry| entry.get("fieldsV1"));
    let hasher = rules.text(manager).digest(&sent.intent()).text(live.uid());
    let hasher = content(hasher, live, |hasher, _| hasher);
    Receipt(ours.into_iter().fold(hasher, Hasher::value).finish())
}

/// The content of a live object, without status and versions.
fn content(hasher: Hasher, live: &Resource, managed: impl Fn(Hasher, ValueRef<'_>) -> Hasher) -> Hasher {
    let version = live.resource_version().filter(|_| live.key().is("", "Secret"));
    let mut hasher = hasher.text(version);
    for (name, value) in live.tree().as_map().into_iter().flatten() {
        hasher = match name {
            "status" => continue,
            "data" | "stringData" if version.is_some() => continue,
            "metadata" => metadata(hasher, value, version.is_some(), &managed),
            _ => hasher.text(name).value(value),
        };
    }
    hasher
}

fn metadata(
    mut hasher: Hasher,
    metadata: ValueRef<'_>,
    is_secret: bool,
    managed: impl Fn(Hasher, ValueRef<'_>) -> Hasher,
) -> Hasher {
    for (name, value) in metadata.as_map().into_iter().flatten() {
        hasher = match name {
            "resourceVersion" | "generation" => continue,
            // It may hold a copy of the values.
            "annotations" if is_secret => continue,
            "managedFields" => managed(hasher, value),
            _ => hasher.text(name).value(value),
        };
    }
    hasher
}
