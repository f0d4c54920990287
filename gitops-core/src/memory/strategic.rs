//! Strategic merge patch: a merge that knows keyed lists, and the directives in it.
//!
//! Rule: apimachinery's `strategicpatch`, with the first key of a list as its merge key, as `patchMergeKey` has it, and
//! `interpretStrategicMergePatchError` of k8s.io/apiserver: which faults of a patch are whose. Wording as theirs, but
//! without the content of the patch.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ListKind, TypeRef};
use crate::value::{Draft, Map, ValueRef, View};

use super::refuse;
use super::response::Status;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE: &str = "$deleteFromPrimitiveList";

/// What `$patch` says of a map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Replace,
    Delete,
}

/// A refusal that takes little room in the frames of the recursion below.
type Refusal = Box<Status>;

/// Merges `patch` into `target`, which is of this type.
pub(super) fn strategic(schema: TypeRef<'_>, target: Draft, patch: ValueRef<'_>) -> Result<Draft, Status> {
    merge(schema, target, patch).map_err(|refusal| *refusal)
}

fn merge(schema: TypeRef<'_>, target: Draft, patch: ValueRef<'_>) -> Result<Draft, Refusal> {
    let View::Map(fields) = patch.view() else { return Ok(patch.to_draft()) };
    let mut target = match (target, directive(patch)?) {
        (target @ Draft::Map(_), None) => target,
        (_, Some(Directive::Delete)) => return Ok(Draft::map()),
        _ => Draft::map(),
    };
    if let Some(kept) = patch.get(RETAIN) {
        retain(&mut target, fields, kept)?;
    }
    for (key, value) in fields {
        if key == PATCH || key == RETAIN || key.starts_with(ORDER) {
            continue;
        }
        if key.starts_with(DELETE) {
            delete_scalars(&mut target, named(key, DELETE, "primitive list")?, value)?;
            continue;
        }
        if value.is_null() {
            drop(target.remove(key));
            continue;
        }
        let order = patch.get(&format!("{ORDER}/{key}"));
        let merged = merge_field(schema.field(key), target.remove(key), value, order)?;
        target.set(key, merged);
    }
    reorder(schema, &mut target, patch, fields)?;
    Ok(target)
}

/// An order alone reorders what is there.
fn reorder(schema: TypeRef<'_>, target: &mut Draft, patch: ValueRef<'_>, fields: Map<'_>) -> Result<(), Refusal> {
    for (key, order) in fields.into_iter().filter(|(key, _)| key.starts_with(ORDER)) {
        let field = named(key, ORDER, "setElementOrder list")?;
        let order = list(order)?;
        if let (None, Some(Draft::List(items))) = (patch.get(field), target.get_mut(field)) {
            let key = merge_key(schema.field(field));
            let before = places(items, key.as_deref());
            *items = ordered(std::mem::take(items), &before, &order, key.as_deref());
        }
    }
    Ok(())
}

/// Keeps what `$retainKeys` names; a patch that sets anything else is none.
fn retain(target: &mut Draft, patch: Map<'_>, kept: ValueRef<'_>) -> Result<(), Refusal> {
    let bad = || Box::new(refuse::bad_request("invalid patch format of retainKeys"));
    let kept: BTreeSet<&str> = kept.as_list().ok_or_else(bad)?.iter().filter_map(ValueRef::as_str).collect();
    let is_content = |key: &str| key != PATCH && key != RETAIN && !key.starts_with(ORDER) && !key.starts_with(DELETE);
    if patch.iter().any(|(key, value)| !value.is_null() && is_content(key) && !kept.contains(key)) {
        return Err(bad());
    }
    if let Some(fields) = target.as_map_mut() {
        fields.retain(|key, _| kept.contains(key.as_str()));
    }
    Ok(())
}

fn delete_scalars(target: &mut Draft, field: &str, gone: ValueRef<'_>) -> Result<(), Refusal> {
    let bad = || Box::new(refuse::bad_request("invalid patch format of primitive list"));
    let gone: Vec<Draft> = gone.as_list().ok_or_else(bad)?.iter().map(ValueRef::to_draft).collect();
    let gone = places(&gone, None);
    if let Some(items) = target.get_mut(field).and_then(Draft::as_list_mut) {
        items.retain(|item| identity(item, None).is_none_or(|identity| !gone.contains_key(&identity)));
    }
    Ok(())
}

fn merge_field(
    schema: TypeRef<'_>,
    old: Option<Draft>,
    value: ValueRef<'_>,
    order: Option<ValueRef<'_>>,
) -> Result<Draft, Refusal> {
    match (value.view(), schema.list()) {
        (View::Map(_), _) => merge(schema, old.unwrap_or_default(), value),
        (View::List(_), ListKind::Map { .. } | ListKind::Set) => merge_list(schema, old, value, order),
        _ => Ok(value.to_draft()),
    }
}

fn merge_list(
    schema: TypeRef<'_>,
    old: Option<Draft>,
    value: ValueRef<'_>,
    order: Option<ValueRef<'_>>,
) -> Result<Draft, Refusal> {
    let key = merge_key(schema);
    let key = key.as_deref();
    let is_new = !matches!(old, Some(Draft::List(_)));
    let old = match old {
        Some(Draft::List(items)) => items,
        _ => Vec::new(),
    };
    let before = places(&old, key);
    let (mut replaces, mut gone, mut patch) = (false, BTreeSet::new(), Vec::new());
    for item in value.as_list().into_iter().flatten() {
        let draft = item.to_draft();
        let identity = identity(&draft, key);
        let needs_key = matches!(draft, Draft::Map(_)) && identity.is_none();
        match directive(item)? {
            Some(Directive::Replace) => replaces = true,
            Some(Directive::Delete) if needs_key => return Err(no_merge_key(key)),
            Some(Directive::Delete) => gone.extend(identity),
            None if needs_key && !is_new => return Err(no_merge_key(key)),
            None => patch.push((item, identity)),
        }
    }
    let is_gone = |item: &Draft| replaces || identity(item, key).is_some_and(|identity| gone.contains(&identity));
    let mut items: Vec<Draft> = old.into_iter().filter(|item| !is_gone(item)).collect();
    let mut at = places(&items, key);
    for (item, identity) in patch {
        let found = identity.as_ref().and_then(|identity| items.get_mut(*at.get(identity)?));
        match found {
            Some(old) => *old = merge(schema.element(), std::mem::take(old), item)?,
            None => {
                at.extend(identity.map(|identity| (identity, items.len())));
                items.push(merge(schema.element(), Draft::Null, item)?);
            }
        }
    }
    let order = list(order.unwrap_or(value))?;
    Ok(Draft::List(ordered(items, &before, &order, key)))
}

fn directive(patch: ValueRef<'_>) -> Result<Option<Directive>, Refusal> {
    let Some(directive) = patch.get(PATCH) else { return Ok(None) };
    match directive.as_str() {
        Some("replace") => Ok(Some(Directive::Replace)),
        Some("delete") => Ok(Some(Directive::Delete)),
        // Only its kind: anything may stand there.
        other => {
            let found = other.map_or_else(|| format!("a {}", directive.kind_name()), |text| format!("`{text}`"));
            Err(Box::new(refuse::internal(format!("unknown patch type: {found}; use `replace` or `delete`"))))
        }
    }
}

/// The field that a directive in a key is about.
fn named<'k>(key: &'k str, prefix: &str, of: &str) -> Result<&'k str, Refusal> {
    let field = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    field.ok_or_else(|| Box::new(refuse::bad_request(format!("invalid patch format of {of}"))))
}

fn list(value: ValueRef<'_>) -> Result<Vec<Draft>, Refusal> {
    let items = value.as_list().ok_or_else(|| {
        Box::new(refuse::internal(format!("expected a []interface {{}}, but received a {}", value.kind_name())))
    })?;
    Ok(items.iter().map(ValueRef::to_draft).collect())
}

fn no_merge_key(key: Option<&str>) -> Refusal {
    Box::new(refuse::internal(format!("map does not contain declared merge key: {}", key.unwrap_or_default())))
}

/// The field that tells the items of a list apart; `None` for scalars.
fn merge_key(schema: TypeRef<'_>) -> Option<String> {
    match schema.list() {
        ListKind::Map { keys } => keys.first().map(|key| key.to_string()),
        _ => None,
    }
}

/// What tells an item apart from the others; `None` for an item without its key.
fn identity(item: &Draft, key: Option<&str>) -> Option<String> {
    Some(match key.map_or(Some(item), |key| item.get(key))? {
        Draft::String(text) => format!("\"{text}"),
        other => other.freeze().to_json(),
    })
}

/// Where each item stands first.
fn places(items: &[Draft], key: Option<&str>) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        if let Some(identity) = identity(item, key) {
            places.entry(identity).or_insert(at);
        }
    }
    places
}

/// Items that the patch names come in its order, others in that of before; of two where one is new, the patch's first.
fn ordered(items: Vec<Draft>, before: &BTreeMap<String, usize>, patch: &[Draft], key: Option<&str>) -> Vec<Draft> {
    let patch = places(patch, key);
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in items {
        let identity = identity(&item, key);
        let place = |of: &BTreeMap<String, usize>| of.get(identity.as_ref()?).copied();
        let was = place(before);
        match place(&patch) {
            Some(at) => named.push((at, was, item)),
            None => others.push((was, item)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    others.sort_by_key(|(was, _)| *was);
    let mut merged = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for (_, was, item) in named {
        while let Some((_, other)) = others.next_if(|(other, _)| matches!((*other, was), (Some(o), Some(w)) if o < w)) {
            merged.push(other);
        }
        merged.push(item);
    }
    merged.extend(others.map(|(_, item)| item));
    merged
}
