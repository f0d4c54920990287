//! Strategic merge patch: a merge that knows keyed lists, and the directives in it.
//!
//! Rule: apimachinery's `strategicpatch`, with the first key of a list as its merge key, as `patchMergeKey` has it.

use crate::model::{ListKind, TypeRef};
use crate::value::{Draft, ValueRef, View};

/// How deep a patch may nest; JSON from outside is no deeper.
const DEPTH: usize = 128;

const ORDER: &str = "$setElementOrder/";
const DELETE: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into `target`, which is of this type.
pub(super) fn merge(schema: TypeRef<'_>, target: Draft, patch: ValueRef<'_>, depth: usize) -> Draft {
    let View::Map(fields) = patch.view() else { return patch.to_draft() };
    let directive = patch.get("$patch").and_then(ValueRef::as_str);
    let mut target = match (target, directive) {
        (target @ Draft::Map(_), None | Some("merge")) => target,
        (_, Some("delete")) => return Draft::map(),
        _ => Draft::map(),
    };
    if depth > DEPTH {
        return target;
    }
    if let (Some(kept), Some(map)) = (patch.get("$retainKeys").and_then(ValueRef::as_list), target.as_map_mut()) {
        map.retain(|key, _| kept.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, value) in fields {
        if key == "$patch" || key == "$retainKeys" || key.starts_with(ORDER) {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE) {
            let gone: Vec<Draft> = value.as_list().into_iter().flatten().map(ValueRef::to_draft).collect();
            if let Some(items) = target.get_mut(field).and_then(Draft::as_list_mut) {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if value.is_null() {
            drop(target.remove(key));
            continue;
        }
        let order = patch.get(&format!("{ORDER}{key}"));
        let merged = merge_field(schema.field(key), target.remove(key), value, order, depth);
        target.set(key, merged);
    }
    // An order alone reorders what is there.
    for (key, order) in fields {
        if let Some(field) = key.strip_prefix(ORDER).filter(|field| patch.get(field).is_none())
            && let Some(Draft::List(items)) = target.remove(field)
        {
            let key = merge_key(schema.field(field));
            target.set(field, Draft::List(ordered(items.clone(), &items, order, key.as_deref())));
        }
    }
    target
}

fn merge_field(
    schema: TypeRef<'_>,
    old: Option<Draft>,
    value: ValueRef<'_>,
    order: Option<ValueRef<'_>>,
    depth: usize,
) -> Draft {
    match (value.view(), schema.list()) {
        (View::Map(_), _) => merge(schema, old.unwrap_or_default(), value, depth + 1),
        (View::List(patch), ListKind::Map { .. } | ListKind::Set) => {
            let key = merge_key(schema);
            let old = match old {
                Some(Draft::List(items)) => items,
                _ => Vec::new(),
            };
            let directive =
                |item: &ValueRef<'_>, word: &str| item.get("$patch").and_then(ValueRef::as_str) == Some(word);
            let replaces = patch.iter().any(|item| directive(&item, "replace"));
            let mut items = if replaces { Vec::new() } else { old.clone() };
            for item in patch.iter().filter(|item| !directive(item, "replace")) {
                let at = items.iter().position(|old| same(old, &item.to_draft(), key.as_deref()));
                match at {
                    Some(at) if directive(&item, "delete") => drop(items.remove(at)),
                    None if directive(&item, "delete") => {}
                    Some(at) => {
                        if let Some(old) = items.get_mut(at) {
                            *old = merge(schema.element(), std::mem::take(old), item, depth + 1);
                        }
                    }
                    None => items.push(merge(schema.element(), Draft::Null, item, depth + 1)),
                }
            }
            Draft::List(ordered(items, &old, order.unwrap_or(value), key.as_deref()))
        }
        _ => value.to_draft(),
    }
}

/// The field that tells the items of a list apart; `None` for scalars.
fn merge_key(schema: TypeRef<'_>) -> Option<String> {
    match schema.list() {
        ListKind::Map { keys } => keys.first().map(|key| key.to_string()),
        _ => None,
    }
}

fn same(left: &Draft, right: &Draft, key: Option<&str>) -> bool {
    match key {
        Some(key) => left.get(key).is_some() && left.get(key) == right.get(key),
        None => left == right,
    }
}

/// Items that the patch names come in its order, others in that of before; of two where one is new, the patch's first.
fn ordered(items: Vec<Draft>, before: &[Draft], patch: ValueRef<'_>, key: Option<&str>) -> Vec<Draft> {
    let patch: Vec<Draft> = patch.as_list().into_iter().flatten().map(ValueRef::to_draft).collect();
    let place = |list: &[Draft], item: &Draft| list.iter().position(|other| same(other, item, key));
    let (mut named, mut others): (Vec<Draft>, Vec<Draft>) =
        items.into_iter().partition(|item| place(&patch, item).is_some());
    named.sort_by_key(|item| place(&patch, item));
    others.sort_by_key(|item| place(before, item));
    let mut merged = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(other), Some(one)) = (others.peek(), named.peek()) {
        let other_first = matches!((place(before, other), place(before, one)), (Some(other), Some(one)) if other < one);
        merged.extend(if other_first { others.next() } else { named.next() });
    }
    merged.extend(others);
    merged.extend(named);
    merged
}
