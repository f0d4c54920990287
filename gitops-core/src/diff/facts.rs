//! Digests of what decisions read of a live object.

use crate::model::TypeRef;
use crate::resource::Resource;
use crate::ssa::{FieldSet, ManagedFields};
use crate::value::{Hasher, Pieces, Purpose, ValueRef};

use super::{Facts, Receipt, owned};

/// Returns the digest of what decisions read of a live object.
///
/// Of a Secret no value goes into it, not even as a digest, which could be guessed (rule 39 of the exact rules): its
/// version stands for them, and their names alone where it has none.
#[must_use]
pub fn facts(live: &Resource) -> Facts {
    let hasher = content(Hasher::new(Purpose::Facts), live, |pieces, entries| {
        let mut entries: Vec<ValueRef<'_>> = entries.as_list().into_iter().flatten().collect();
        if entries.len() > 1 {
            entries.sort_by_cached_key(|entry| {
                ["manager", "operation", "apiVersion", "subresource"]
                    .map(|field| entry.get(field).and_then(ValueRef::as_str))
            });
        }
        pieces.text("managedFields");
        for entry in entries {
            for (field, value) in entry.as_map().into_iter().flatten().filter(|(field, _)| *field != "time") {
                pieces.text(field);
                pieces.value(value);
            }
        }
    });
    Facts(hasher.finish())
}

/// Returns the digest of what a live object says, whoever owns what of it: it tells whether somebody changed it.
pub(crate) fn said(live: &Resource) -> Facts {
    Facts(content(Hasher::new(Purpose::Facts), live, |_, _| {}).finish())
}

/// Returns the key of the question what an apply of `sent` would make of `live`: rule 5 of the exact rules.
///
/// Equal questions have equal answers. Who else owns which fields is part of it only where we would give a field up,
/// which goes unless another holds it. So controllers may write what they like into `status`.
pub(super) fn receipt(sent: &Resource, live: &Resource, of: TypeRef<'_>, manager: &str, rules: Hasher) -> Receipt {
    let ours = owned::applied(live, manager).and_then(|entry| entry.get("fieldsV1"));
    let hasher = rules.text(manager).digest(&sent.intent()).text(live.uid());
    let hasher = ours.into_iter().fold(content(hasher, live, |_, _| {}), Hasher::value);
    let hasher = match held_by_others(sent, live, of, manager) {
        Some(held) if held.is_empty() => hasher,
        Some(held) => hasher.text("held").value(held.to_fields_v1().root()),
        None => hasher.text("unreadable"),
    };
    Receipt(hasher.finish())
}

/// Of what we would give up, what others hold; `None` if that cannot be read.
fn held_by_others(sent: &Resource, live: &Resource, of: TypeRef<'_>, manager: &str) -> Option<FieldSet> {
    let managed = ManagedFields::read(live).ok()?;
    let Some(mine) = managed.applied_by(manager) else { return Some(FieldSet::new()) };
    let given_up = mine.fields.difference(&FieldSet::of(sent.tree(), of).ok()?);
    let others = managed.entries().iter().filter(|entry| entry.key() != mine.key());
    let held = others.map(|entry| entry.fields.recursive_intersection(&given_up));
    Some(held.fold(FieldSet::new(), |all, held| all.union(&held)))
}

/// The content of a live object, without status and versions.
fn content(hasher: Hasher, live: &Resource, managed: impl Fn(&mut Pieces<'_>, ValueRef<'_>)) -> Hasher {
    let is_secret = live.key().is("", "Secret");
    let hasher = hasher.text(live.resource_version().filter(|_| is_secret));
    hasher.packed(|pieces| {
        for (name, value) in live.tree().as_map().into_iter().flatten() {
            match name {
                "status" => continue,
                "data" | "stringData" if is_secret => names(pieces, name, value),
                "metadata" => metadata(pieces, value, is_secret, &managed),
                _ => {
                    pieces.text(name);
                    pieces.value(value);
                }
            }
        }
    })
}

fn names(pieces: &mut Pieces<'_>, of: &str, map: ValueRef<'_>) {
    pieces.text(of);
    map.as_map().into_iter().flatten().for_each(|(name, _)| pieces.text(name));
}

fn metadata(
    pieces: &mut Pieces<'_>,
    metadata: ValueRef<'_>,
    is_secret: bool,
    managed: impl Fn(&mut Pieces<'_>, ValueRef<'_>),
) {
    for (name, value) in metadata.as_map().into_iter().flatten() {
        match name {
            "resourceVersion" | "generation" => continue,
            // It may hold a copy of the values.
            "annotations" if is_secret => names(pieces, name, value),
            "managedFields" => managed(pieces, value),
            _ => {
                pieces.text(name);
                pieces.value(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ApiModel;
    use crate::value::Value;

    fn object(json: &str) -> Resource {
        Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_question_is_another_one_when_somebody_else_holds_what_we_would_give_up() {
        let metadata = r#""name":"c","namespace":"shop""#;
        let sent = object(&format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{{metadata}}},"data":{{"a":"1"}}}}"#
        ));
        let live = |others: &str| {
            let ours = r#"{"manager":"us","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}"#;
            object(&format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{{metadata},"managedFields":[{ours}{others}]}},"data":{{"a":"1","b":"1"}}}}"#
            ))
        };
        let other = |fields: &str| {
            let entry = r#","operation":"Update","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1""#;
            live(&format!(r#",{{"manager":"other"{entry}:{fields}}}"#))
        };
        let model = ApiModel::builtin();
        let of = model.schema(&sent.key().group_kind, sent.version());
        let ask = |live: &Resource| receipt(&sent, live, of, "us", Hasher::new(Purpose::Rules));
        let alone = ask(&live(""));
        for (about, fields, is_same) in [
            ("status", r#"{"f:status":{"f:x":{}}}"#, true),
            ("what we keep", r#"{"f:data":{"f:a":{}}}"#, true),
            ("what we give up", r#"{"f:data":{"f:b":{}}}"#, false),
            ("what cannot be read", r#"{"f:data":{"k:x":{}}}"#, false),
        ] {
            assert_eq!(ask(&other(fields)) == alone, is_same, "{about}");
        }
    }

    #[test]
    fn no_value_of_a_secret_goes_into_a_digest_with_or_without_a_version() {
        for version in ["", r#","resourceVersion":"7""#] {
            let secret = |value: &str, name: &str| {
                object(&format!(
                    r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"s","namespace":"shop"{version},
                    "annotations":{{"copy":"{value}"}}}},"data":{{"{name}":"{value}"}}}}"#
                ))
            };
            assert_eq!(facts(&secret("YQ==", "a")), facts(&secret("Yg==", "a")));
            assert_ne!(facts(&secret("YQ==", "a")), facts(&secret("YQ==", "b")));
        }
    }
}
