//! Rules 2 and 3 of the exact rules: what Git says, reduced to what can be sent.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::model::{ApiModel, KindFacts, TypeRef};
use crate::path::FieldPath;
use crate::problem::{Code, Problem};
use crate::resource::{Resource, SERVER_SET};
use crate::value::{Draft, ValueRef, View};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Reduces a declared object to what can be sent, and says what that changed.
///
/// Drops what only a server sets, `status` where the kind has a status subresource, last-applied, null values, the
/// `rules` of an aggregated ClusterRole; encodes `stringData` of a Secret into `data`. An object that needs nothing of
/// this is returned as it is. Rules 2 and 3 of the exact rules.
#[must_use]
pub fn prepare(resource: &Resource, model: &ApiModel) -> (Resource, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut edits: Vec<Edit<'_>> = Vec::new();
    server_set(resource, model, &mut edits, &mut problems);
    if has_null(resource.tree()) {
        edits.push(Edit::Nulls(model.schema(&resource.key().group_kind, resource.version())));
    }
    let key = resource.key();
    if key.is("rbac.authorization.k8s.io", "ClusterRole")
        && resource.tree().get("aggregationRule").is_some_and(|rule| !rule.is_null())
        && resource.tree().get("rules").is_some()
    {
        // Applied, they would fight the aggregation controller (observation 8c of the exact rules).
        edits.push(Edit::Remove(&["rules"]));
        problems.push(dropped(&["rules"], "`rules` of an aggregated ClusterRole are filled in by the cluster"));
    }
    if key.is("", "Secret") && resource.tree().get("stringData").is_some() {
        string_data(resource, &mut edits, &mut problems);
    }
    if resource.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list).is_some_and(|l| !l.is_empty())
    {
        problems.push(
            Problem::warning(
                Code::OwnerReferences,
                "owner references in Git: a missing owner means garbage collection",
            )
            .field(FieldPath::fields(&["metadata", "ownerReferences"]))
            .hint("remove `metadata.ownerReferences`"),
        );
    }
    if edits.is_empty() {
        return (resource.clone(), problems);
    }
    let edited = resource.edit(|draft| edits.into_iter().for_each(|edit| edit.perform(draft)));
    // No edit takes away kind or name.
    (edited.unwrap_or_else(|_| resource.clone()), problems)
}

enum Edit<'a> {
    Remove(&'static [&'static str]),
    Nulls(TypeRef<'a>),
    StringData,
}

impl Edit<'_> {
    fn perform(self, draft: &mut Draft) {
        match self {
            Self::Remove(path) => {
                let Some((last, parents)) = path.split_last() else { return };
                let parent = parents.iter().try_fold(draft, |at, name| at.get_mut(name));
                if let Some(parent) = parent {
                    parent.remove(last);
                }
            }
            Self::Nulls(of) => remove_nulls(draft, of),
            Self::StringData => {
                let Some(Draft::Map(texts)) = draft.remove("stringData") else { return };
                for (name, text) in texts {
                    if let Draft::String(text) = text {
                        draft.entry("data").set(&name, STANDARD.encode(text));
                    }
                }
            }
        }
    }
}

fn server_set(resource: &Resource, model: &ApiModel, edits: &mut Vec<Edit<'_>>, problems: &mut Vec<Problem>) {
    const PATHS: [&[&str]; SERVER_SET.len()] = [
        &["metadata", "creationTimestamp"],
        &["metadata", "deletionGracePeriodSeconds"],
        &["metadata", "deletionTimestamp"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
    ];
    for path in PATHS {
        // `creationTimestamp: null` is what generators write; it means nothing and is worth no note.
        if let Some(value) = resource.tree().dig(path) {
            edits.push(Edit::Remove(path));
            if !value.is_null() {
                problems.push(dropped(path, "only the server sets it"));
            }
        }
    }
    if resource.annotation(LAST_APPLIED).is_some() {
        edits.push(Edit::Remove(&["metadata", "annotations", LAST_APPLIED]));
        problems.push(dropped(&["metadata", "annotations", LAST_APPLIED], "it is kubectl's own note"));
    }
    let has_status = resource.tree().get("status");
    let subresource =
        matches!(model.kind(&resource.key().group_kind), KindFacts::Served(kind) if kind.has_status_subresource);
    if let (Some(status), true) = (has_status, subresource) {
        edits.push(Edit::Remove(&["status"]));
        // Generators write `status: {}`; only a status with content was meant to say something.
        if status.as_map().is_none_or(|map| !map.is_empty()) {
            problems.push(dropped(&["status"], "the cluster reports it"));
        }
    }
}

fn string_data(resource: &Resource, edits: &mut Vec<Edit<'_>>, problems: &mut Vec<Problem>) {
    let field = || FieldPath::fields(&["stringData"]);
    let Some(View::Map(texts)) = resource.tree().get("stringData").map(ValueRef::view) else {
        if resource.tree().get("stringData").is_some_and(|value| !value.is_null()) {
            problems.push(Problem::blocks(Code::InvalidObject, "`stringData` is no map").field(field()));
        }
        return;
    };
    if let Some((name, _)) = texts.iter().find(|(_, value)| value.as_str().is_none() && !value.is_null()) {
        problems.push(
            Problem::blocks(Code::InvalidObject, "a value of `stringData` is no text")
                .field(field().join(crate::path::Segment::field(name)))
                .hint("put the value in quotes"),
        );
        return;
    }
    edits.push(Edit::StringData);
}

fn dropped(path: &[&str], why: &str) -> Problem {
    Problem::note(Code::Dropped, format!("is not sent: {why}")).field(FieldPath::fields(path))
}

fn has_null(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Map(map) => map.iter().any(|(_, value)| value.is_null() || has_null(value)),
        View::List(list) => list.iter().any(has_null),
        _ => false,
    }
}

/// Removes map entries whose value is null, unless the schema says that null is a value there. Null items of lists
/// stay: they hold a place.
fn remove_nulls(draft: &mut Draft, of: TypeRef<'_>) {
    match draft {
        Draft::Map(map) => map.retain(|name, value| {
            let of = of.field(name);
            remove_nulls(value, of);
            *value != Draft::Null || of.is_nullable() && !of.is_deduced()
        }),
        Draft::List(items) => items.iter_mut().for_each(|item| remove_nulls(item, of.element())),
        _ => {}
    }
}
