//! Steps on single fields, as a patch that a server takes.

use gitops_core::cluster::{Guard, PatchStep};
use gitops_core::path::{FieldPath, Segment};
use gitops_core::resource::Resource;
use gitops_core::value::{Draft, Value, ValueRef, View};

/// A merge patch (RFC 7386) that does what the steps say, with what must hold in it; `None` where no such patch can:
/// where steps name items of lists, meet, or set maps, which would be merged.
///
/// It needs no look at the object, makes the maps on its way, and removes what is there, if it is.
pub(crate) fn merge(steps: &[PatchStep], guard: &Guard) -> Option<Value> {
    let mut patch = Draft::map();
    for (at, step) in steps.iter().enumerate() {
        let (PatchStep::Set(path, _) | PatchStep::Remove(path)) = step;
        let meets = |other: &PatchStep| {
            let (PatchStep::Set(other, _) | PatchStep::Remove(other)) = other;
            path.contains(other) || other.contains(path)
        };
        if steps.iter().take(at).any(meets) {
            return None;
        }
        let value = match step {
            PatchStep::Remove(_) => Draft::Null,
            // A null in it would be taken for a removal only within maps.
            PatchStep::Set(_, value) if matches!(value.root().view(), View::Map(_) | View::Null) => return None,
            PatchStep::Set(_, value) => value.into(),
        };
        let (last, way) = path.segments().split_last()?;
        let mut place = &mut patch;
        for segment in way {
            let Segment::Field(name) = segment else { return None };
            place = place.entry(name);
        }
        let Segment::Field(name) = last else { return None };
        place.set(name, value);
    }
    if let Guard::Present { uid, version } = guard {
        let metadata = patch.entry("metadata");
        metadata.set("uid", &**uid);
        if let Some(version) = version {
            metadata.set("resourceVersion", &**version);
        }
    }
    Some(patch.freeze())
}

/// A JSON patch (RFC 6902) that does what the steps say to exactly this object: it tests uid and version first.
pub(crate) fn json(live: &Resource, steps: &[PatchStep]) -> Value {
    let mut patch = Vec::new();
    for field in ["uid", "resourceVersion"] {
        if let Some(value) = live.metadata(field) {
            patch.push(operation("test", &format!("/metadata/{field}"), Some(value.into())));
        }
    }
    // Later steps point into what the earlier ones left.
    let mut tree = live.tree().to_draft();
    for step in steps {
        let before = tree.freeze();
        match step {
            PatchStep::Set(path, value) => {
                let mut known = before;
                let segments = path.segments();
                for (length, below) in segments.iter().enumerate().skip(1) {
                    let parent: FieldPath = segments.iter().take(length).cloned().collect();
                    if parent.find(known.root()).is_some() {
                        continue;
                    }
                    let fresh = fresh(segments.get(length - 1), below);
                    patch.push(operation("add", &parent.to_pointer(known.root()), Some(fresh.clone())));
                    put(&mut tree, parent.segments(), fresh);
                    known = tree.freeze();
                }
                let verb = if path.find(known.root()).is_some() { "replace" } else { "add" };
                patch.push(operation(verb, &path.to_pointer(known.root()), Some(value.into())));
                put(&mut tree, segments, value.into());
            }
            PatchStep::Remove(path) if path.find(before.root()).is_some() => {
                patch.push(operation("remove", &path.to_pointer(before.root()), None));
                take(&mut tree, path.segments());
            }
            PatchStep::Remove(_) => {}
        }
    }
    Draft::List(patch).freeze()
}

/// What is made on the way to a field: an item with its keys, a list for items, else a map.
fn fresh(here: Option<&Segment>, below: &Segment) -> Draft {
    match (here, below) {
        (Some(Segment::Key(keys)), _) => {
            let mut item = Draft::map();
            keys.iter().for_each(|(name, value)| item.set(name, value));
            item
        }
        (_, Segment::Field(_)) => Draft::map(),
        _ => Draft::list(),
    }
}

fn operation(verb: &str, path: &str, value: Option<Draft>) -> Draft {
    let mut operation = Draft::map();
    operation.set("op", verb);
    operation.set("path", path);
    if let Some(value) = value {
        operation.set("value", value);
    }
    operation
}

/// The index of the item that a segment names.
fn index(list: &[Draft], segment: &Segment) -> Option<usize> {
    let is = |item: &Draft, value: ValueRef<'_>| item.freeze().root() == value;
    match segment {
        Segment::Index(index) => usize::try_from(*index).ok().filter(|index| *index < list.len()),
        Segment::Item(value) => list.iter().position(|item| is(item, value.root())),
        Segment::Key(keys) => list.iter().position(|item| {
            keys.iter().all(|(name, value)| item.get(name).is_some_and(|field| is(field, value.root())))
        }),
        Segment::Field(_) => None,
    }
}

fn put(tree: &mut Draft, path: &[Segment], value: Draft) {
    let Some((last, way)) = path.split_last() else { return };
    let Some(place) = walk(tree, way) else { return };
    match (last, place) {
        (Segment::Field(name), map) => map.set(name, value),
        (segment, Draft::List(list)) => match index(list, segment).and_then(|at| list.get_mut(at)) {
            Some(item) => *item = value,
            None => list.push(value),
        },
        _ => {}
    }
}

fn take(tree: &mut Draft, path: &[Segment]) {
    let Some((last, way)) = path.split_last() else { return };
    let Some(place) = walk(tree, way) else { return };
    match (last, place) {
        (Segment::Field(name), map) => drop(map.remove(name)),
        (segment, Draft::List(list)) => {
            if let Some(at) = index(list, segment) {
                list.remove(at);
            }
        }
        _ => {}
    }
}

fn walk<'d>(tree: &'d mut Draft, way: &[Segment]) -> Option<&'d mut Draft> {
    way.iter().try_fold(tree, |at, segment| match (segment, at) {
        (Segment::Field(name), map) => map.get_mut(name),
        (segment, Draft::List(list)) => {
            let at = index(list, segment)?;
            list.get_mut(at)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: FieldPath, value: impl Into<Draft>) -> PatchStep {
        PatchStep::Set(path, value.into().freeze())
    }

    #[test]
    fn plain_fields_become_a_merge_patch_with_its_guard() {
        let steps = [
            set(FieldPath::fields(&["metadata", "annotations", "a/b"]), "x"),
            PatchStep::Remove(FieldPath::fields(&["data", "gone"])),
        ];
        let guard = Guard::Present { uid: "u".into(), version: Some("7".into()) };
        assert_eq!(
            merge(&steps, &guard).map(|patch| patch.to_json()).as_deref(),
            Some(r#"{"data":{"gone":null},"metadata":{"annotations":{"a/b":"x"},"resourceVersion":"7","uid":"u"}}"#)
        );
        for other in [
            vec![set(FieldPath::fields(&["data"]), Draft::map())],
            vec![set(FieldPath::fields(&["spec", "list"]).join(Segment::Index(0)), "x")],
            vec![PatchStep::Remove(FieldPath::fields(&["data"])), set(FieldPath::fields(&["data", "a"]), "x")],
            vec![PatchStep::Remove(FieldPath::root())],
        ] {
            assert_eq!(merge(&other, &Guard::None), None, "{other:?}");
        }
    }

    #[test]
    fn items_of_lists_become_a_json_patch_that_tests_the_object() {
        let live = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"u","resourceVersion":"7"},
            "spec":{"containers":[{"name":"a"},{"name":"web","image":"x"}]}}"#;
        let live = Resource::new(Value::from_json(live).unwrap()).unwrap();
        let container =
            |name: &str| FieldPath::fields(&["spec", "containers"]).join(Segment::key([("name", Value::from(name))]));
        let steps = [
            PatchStep::Remove(container("a")),
            set(container("web").join(Segment::field("image")), "y"),
            set(container("new").join(Segment::field("image")), "z"),
            PatchStep::Remove(container("never")),
        ];
        let operations = [
            r#"{"op":"test","path":"/metadata/uid","value":"u"}"#,
            r#"{"op":"test","path":"/metadata/resourceVersion","value":"7"}"#,
            r#"{"op":"remove","path":"/spec/containers/0"}"#,
            r#"{"op":"replace","path":"/spec/containers/0/image","value":"y"}"#,
            r#"{"op":"add","path":"/spec/containers/-","value":{"name":"new"}}"#,
            r#"{"op":"add","path":"/spec/containers/1/image","value":"z"}"#,
        ];
        assert_eq!(json(&live, &steps).to_json(), format!("[{}]", operations.join(",")));
    }
}
