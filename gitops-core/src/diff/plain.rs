//! The proof that an object is as it is declared, for those that are: most. One walk over three trees that notes nothing.
//!
//! It knows fewer reasons than [`Walk`](super::tree::Walk): what is not alike letter by letter, or not owned field by
//! field, it leaves to that one. Types are looked up only where they matter.

use std::cell::Cell;

use crate::model::{ListKind, TypeRef};
use crate::resource::{Resource, SERVER_SET};
use crate::state::{Mark, OPERATION_ANNOTATION};
use crate::value::{List, Map, ValueRef, View};

use super::owned::{Owned, same_key};
use super::step::Step;

/// Nothing that most objects have is nested deeper.
const MAX_DEPTH: usize = 32;
/// Longer lists are left to the other walk, which finds their items by more than a search.
const MAX_ITEMS: usize = 16;

/// Whether the live object holds all that is declared and the marks, and `mine` owns that and nothing else: an apply
/// changes nothing, claims nothing and gives up nothing.
pub(super) fn is_plain(
    desired: &Resource,
    live: &Resource,
    mine: Owned<'_>,
    marks: &[Mark],
    root: TypeRef<'_>,
) -> bool {
    let is_there = |mark: &Mark| {
        let live = live.tree().dig(&["metadata", mark.map, mark.name]);
        live.and_then(ValueRef::as_str) == Some(&*mark.value)
    };
    let at = At { place: Place::Root, depth: 0, of: &Type::root(root) };
    let trees = desired.tree().as_map().zip(live.tree().as_map()).zip(mine.as_map());
    let walk = Plain { marks };
    trees.is_some_and(|((desired, live), mine)| walk.map(desired, live, mine, &at)) && marks.iter().all(is_there)
}

struct Plain<'a> {
    marks: &'a [Mark],
}

/// Where the walk is.
struct At<'a, 'p> {
    place: Place<'a>,
    depth: usize,
    of: &'p Type<'a, 'p>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Root,
    Metadata,
    /// A map of the metadata.
    Within(&'a str),
    Below,
}

impl<'a> Place<'a> {
    fn of(self, name: &'a str) -> Self {
        match (self, name) {
            (Place::Root, "metadata") => Place::Metadata,
            (Place::Metadata, name) => Place::Within(name),
            _ => Place::Below,
        }
    }
}

impl Plain<'_> {
    fn map<'a>(&self, desired: Map<'a>, live: Map<'a>, mine: Map<'a>, at: &At<'a, '_>) -> bool {
        let (mut there, mut owned, mut found) = (live.iter(), mine.iter(), 0);
        for (name, value) in desired {
            match at.place {
                Place::Root if matches!(name, "apiVersion" | "kind") => continue,
                Place::Metadata if SERVER_SET.contains(&name) => return false,
                Place::Within(map) if self.is_mark(map, name) => return false,
                _ => {}
            }
            let Some(live) = beside(&mut there, name) else { return false };
            found += 1;
            if at.place == Place::Metadata && matches!(name, "name" | "namespace") {
                // Nobody owns what names the object.
                if value != live {
                    return false;
                }
                continue;
            }
            let Some(below) = self.owned(&mut owned, name, at) else { return false };
            let of = Type { around: Some((at.of, name)), own: Cell::new(None) };
            let inner = At { place: at.place.of(name), depth: at.depth + 1, of: &of };
            if !self.node(value, live, below, &inner) {
                return false;
            }
        }
        // An atomic map holds nothing else; of others, the rest is somebody else's.
        let is_whole = at.place == Place::Root || found == live.len() || !at.of.get().is_atomic_map();
        is_whole && owned.all(|(field, below)| is_self(field, below) || self.is_of_marks(field, below, at.place))
    }

    /// What is owned below a field, where nothing is owned before it that is not declared.
    fn owned<'a>(
        &self,
        owned: &mut impl Iterator<Item = (&'a str, ValueRef<'a>)>,
        name: &str,
        at: &At<'_, '_>,
    ) -> Option<Map<'a>> {
        loop {
            let (field, below) = owned.next()?;
            match field.strip_prefix("f:") {
                Some(field) if field == name => return below.as_map(),
                Some(before) if before < name && self.is_of_marks(field, below, at.place) => {}
                None if is_self(field, below) => {}
                _ => return None,
            }
        }
    }

    fn node<'a>(&self, desired: ValueRef<'a>, live: ValueRef<'a>, mine: Map<'a>, at: &At<'a, '_>) -> bool {
        match (desired.view(), live.view()) {
            // One value.
            _ if mine.is_empty() => {
                desired == live
                    && match desired.view() {
                        View::List(_) => at.of.get().list() == ListKind::Atomic,
                        View::Map(map) => map.is_empty() || at.of.get().is_atomic_map(),
                        _ => true,
                    }
            }
            _ if at.depth > MAX_DEPTH => false,
            (View::Map(desired), View::Map(live)) => self.map(desired, live, mine, at),
            (View::List(desired), View::List(live)) => self.list(desired, live, mine, at),
            _ => false,
        }
    }

    /// Items that have keys, each where the declared one stands.
    fn list<'a>(&self, desired: List<'a>, live: List<'a>, mine: Map<'a>, at: &At<'a, '_>) -> bool {
        let of = at.of.get();
        let (ListKind::Map { keys }, element) = (of.list(), of.element()) else { return false };
        if desired.len() != live.len() || desired.len() > MAX_ITEMS {
            return false;
        }
        let (element_type, mut taken) = (Type::root(element), 0_u64);
        for (want, item) in desired.iter().zip(live) {
            let step = Step::Keyed { keys, item, element, at: 0 };
            let is_it = |(_, (field, _)): &(usize, (&str, ValueRef<'_>))| {
                field.strip_prefix("k:").is_some_and(|name| step.is_spelled(name))
            };
            let Some((place, (_, below))) = mine.iter().enumerate().find(is_it) else { return false };
            let Some(below) = below.as_map().filter(|below| !below.is_empty()) else { return false };
            let mark = bit(place);
            // Two items of one key are not told apart here.
            if mark == 0 || taken & mark != 0 || !same_key(want, item, keys, element) {
                return false;
            }
            taken |= mark;
            let inner = At { place: Place::Below, depth: at.depth + 1, of: &element_type };
            if !self.node(want, item, below, &inner) {
                return false;
            }
        }
        mine.iter().enumerate().all(|(place, (field, below))| taken & bit(place) != 0 || is_self(field, below))
    }

    /// Whether what is owned of a field are marks, which are not declared.
    fn is_of_marks(&self, field: &str, below: ValueRef<'_>, place: Place<'_>) -> bool {
        let (Some(name), Some(below)) = (field.strip_prefix("f:"), below.as_map()) else { return false };
        match place {
            Place::Metadata if below.is_empty() => false,
            Place::Metadata => below.iter().all(|(field, below)| {
                let is_leaf = below.as_map().is_some_and(Map::is_empty);
                is_leaf && (field == "." || field.strip_prefix("f:").is_some_and(|field| self.is_mark(name, field)))
            }),
            Place::Within(map) => below.is_empty() && self.is_mark(map, name),
            Place::Root | Place::Below => false,
        }
    }

    fn is_mark(&self, map: &str, name: &str) -> bool {
        self.marks.iter().any(|mark| mark.map == map && mark.name == name)
            || map == "annotations" && name == OPERATION_ANNOTATION
    }
}

/// The entry of that name, behind those that others put there; all are in order.
fn beside<'a>(there: &mut impl Iterator<Item = (&'a str, ValueRef<'a>)>, name: &str) -> Option<ValueRef<'a>> {
    for (key, value) in there {
        if key == name {
            return Some(value);
        }
        if key > name {
            return None;
        }
    }
    None
}

/// Whether it says that what is around it is owned.
fn is_self(field: &str, below: ValueRef<'_>) -> bool {
    field == "." && below.as_map().is_some_and(Map::is_empty)
}

/// The bit of a place; none where there are more places than bits.
fn bit(place: usize) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

/// A type that is looked up once it is asked for.
struct Type<'a, 'p> {
    around: Option<(&'p Self, &'a str)>,
    own: Cell<Option<TypeRef<'a>>>,
}

impl<'a> Type<'a, '_> {
    fn root(of: TypeRef<'a>) -> Self {
        Self { around: None, own: Cell::new(Some(of)) }
    }

    fn get(&self) -> TypeRef<'a> {
        let own = self.own.get().unwrap_or_else(|| match self.around {
            Some((around, name)) => around.get().field(name),
            None => TypeRef::deduced(),
        });
        self.own.set(Some(own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::super::mask::Seen;
    use super::super::owned::applied;
    use super::super::tree::Walk;
    use super::super::{stamp, stamp_with};
    use super::*;
    use crate::model::ApiModel;
    use crate::policy::ignore::Rules;
    use crate::ssa;
    use crate::state::Owner;
    use crate::time::Timestamp;
    use crate::value::{Draft, Value};

    fn owner() -> Owner {
        Owner::new("", "shop").unwrap()
    }

    fn object(json: &str) -> Resource {
        Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
    }

    fn is_plain(desired: &Resource, live: &Resource) -> bool {
        let (model, owner) = (ApiModel::builtin(), owner());
        let of = model.schema(&desired.key().group_kind, desired.version());
        let marks = owner.marks(desired.key());
        let Some(ours) = applied(live, &owner.manager()) else { return false };
        super::is_plain(desired, live, Owned::of(ours), &marks, of)
    }

    /// What the other walk finds: nothing at all?
    fn finds_nothing(desired: &Resource, live: &Resource) -> bool {
        let (model, owner, rules) = (ApiModel::builtin(), owner(), Rules::default());
        let of = model.schema(&desired.key().group_kind, desired.version());
        let (marks, manager) = (owner.marks(desired.key()), owner.manager());
        let mine = applied(live, &manager).map(Owned::of);
        let mut walk = Walk::new(live, &manager, &marks, mine, Seen::of(desired, live, &rules));
        walk.run(desired, of, mine.unwrap_or_default());
        let Walk { trail, found, .. } = walk;
        trail.changes.is_empty() && found.doubts.is_empty() && !found.unclaimed && !found.gives_up
    }

    fn sent(live: Option<&Resource>, object: &Resource, manager: &str) -> Resource {
        ssa::apply(&ssa::Apply::new(live, object, manager, Timestamp::EPOCH, &ApiModel::builtin()).force()).unwrap()
    }

    fn deployment() -> Resource {
        object(
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},
            "spec":{"replicas":2,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},
            "spec":{"containers":[
                {"name":"web","image":"web:1","command":["run"],"ports":[{"containerPort":80},{"containerPort":81,"name":"b"}],
                "env":[{"name":"B","value":"1"},{"name":"A","value":"2"}]},{"name":"side","image":"side:1"}],
            "volumes":[{"name":"v","emptyDir":{}}]}}}}"#,
        )
    }

    #[test]
    fn what_was_applied_and_is_there_with_defaults_and_the_fields_of_others_is_plain() {
        let (wanted, owner) = (deployment(), owner());
        let create = stamp_with(&wanted, &owner, Some((OPERATION_ANNOTATION, "op")));
        let created = sent(None, &create, &owner.manager());
        let theirs = object(
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","annotations":{"x":"y"}},
            "spec":{"paused":false,"template":{"spec":{"containers":[{"name":"web","tty":true}]}}}}"#,
        );
        let live = sent(Some(&created), &theirs, "other");
        let live = live.edit(|draft| draft.entry("status").set("replicas", 2)).unwrap();
        assert!(is_plain(&wanted, &live) && finds_nothing(&wanted, &live));
        let again = sent(Some(&live), &stamp(&wanted, &owner), &owner.manager());
        assert!(is_plain(&wanted, &again) && finds_nothing(&wanted, &again));
        let unlabelled = wanted.edit(|draft| _ = draft.entry("metadata").remove("labels")).unwrap();
        assert!(!is_plain(&unlabelled, &again), "it gives up its label");
        for (wanted, from, to) in [
            (&wanted, r#""f:metadata":{"#, r#""f:metadata":{"f:finalizers":{},"#),
            (&unlabelled, r#""f:labels":{"f:app":{}}"#, r#""f:labels":{}"#),
        ] {
            // Nobody declares what is ours there.
            let text = again.expose().to_json().replacen(from, to, 1);
            assert!(text.contains(to) && !is_plain(wanted, &object(&text)), "{to}: {text}");
        }
    }

    /// Replaces the entry of that number, counted through the whole tree; returns what is left to count.
    fn replace(draft: &mut Draft, at: usize, with: &Option<Draft>) -> Option<usize> {
        let mut left = at;
        match draft {
            Draft::Map(map) => {
                let names: Vec<_> = map.keys().cloned().collect();
                for name in names {
                    match (left, with) {
                        (0, Some(with)) => drop(map.insert(name, with.clone())),
                        (0, None) => drop(map.remove(&name)),
                        _ => {
                            left = replace(map.get_mut(&name).unwrap(), left - 1, with)?;
                            continue;
                        }
                    }
                    return None;
                }
            }
            Draft::List(items) => {
                for item in items {
                    left = replace(item, left, with)?;
                }
            }
            _ => {}
        }
        Some(left)
    }

    #[test]
    fn whatever_is_edited_what_is_plain_leaves_nothing_to_find() {
        let (wanted, owner) = (deployment(), owner());
        let live = sent(None, &stamp(&wanted, &owner), &owner.manager());
        let others = [None, Some(Draft::Null), Some(Draft::map()), Some("other".into()), Some(Draft::List(Vec::new()))];
        let (mut plain, mut edits) = (0, 0);
        for other in &others {
            for at in 0.. {
                let mut is_end = false;
                let edit = |draft: &mut Draft| is_end = replace(draft, at, other).is_some();
                // What names an object cannot be missing.
                let edited = live.edit(edit);
                if is_end {
                    break;
                }
                for edited in edited.into_iter().filter(|edited| edited.key() == wanted.key()) {
                    edits += 1;
                    if is_plain(&wanted, &edited) {
                        plain += 1;
                        assert!(finds_nothing(&wanted, &edited), "{at} {other:?}: {}", edited.expose().to_json());
                    }
                    if let Ok(declared) = wanted.edit(|draft| _ = replace(draft, at, other)) {
                        let both = is_plain(&declared, &live);
                        assert!(
                            !both || finds_nothing(&declared, &live),
                            "{at} {other:?}: {}",
                            declared.expose().to_json()
                        );
                    }
                }
            }
        }
        assert!(edits > 400 && plain > 0 && plain < edits / 2, "{plain} of {edits}");
    }
}
