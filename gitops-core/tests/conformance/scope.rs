//! What differs between two recorded objects, on what an applier wants or owns: told without the comparison that is
//! being checked.

use std::collections::BTreeSet;

use gitops_core::model::{ApiModel, ListKind, TypeRef};
use gitops_core::path::{FieldPath, Segment};
use gitops_core::resource::Resource;
use gitops_core::ssa::{Duplicates, FieldSet, ManagedFields, Typed};
use gitops_core::state::Owner;
use gitops_core::value::{Value, ValueRef, View};

/// S ∪ R of the exact rules.
pub(crate) struct Scope<'m> {
    pub(crate) of: TypeRef<'m>,
    fields: FieldSet,
}

impl<'m> Scope<'m> {
    pub(crate) fn new(sent: &Resource, live: &Resource, owner: &Owner, model: &'m ApiModel) -> Self {
        let of = model.schema(&sent.key().group_kind, sent.version());
        let wanted = Typed::new(sent.value().clone(), of, Duplicates::Refuse).unwrap().field_set().unwrap();
        let managed = ManagedFields::read(live).unwrap();
        let owned = managed.applied_by(&owner.manager()).map(|entry| entry.fields.clone()).unwrap_or_default();
        Self { of, fields: wanted.union(&owned) }
    }

    /// Whether a field, something below it, or the one value that it is part of is in the scope.
    pub(crate) fn covers(&self, path: &[Segment]) -> bool {
        let at = |end: usize| path[..end].iter().cloned().collect::<FieldPath>();
        self.fields.touches(&at(path.len()))
            || (1..path.len()).any(|end| {
                let above = at(end);
                self.fields.contains(&above) && self.fields.below(&above).is_empty() && self.is_whole(&path[..end])
            })
    }

    /// Whether the value at a path is replaced whole.
    fn is_whole(&self, path: &[Segment]) -> bool {
        let of = path.iter().fold(self.of, |of, segment| match segment {
            Segment::Field(name) => of.field(name),
            _ => of.element(),
        });
        of.is_atomic_map() || of.has_list() && of.list() == ListKind::Atomic
    }
}

/// Returns the paths that differ within the scope; items of keyed lists and sets by name, their order as the list.
///
/// Fails where the recording, which compares lists by place, says that nothing differs and something does, or the
/// other way round.
pub(crate) fn differences(
    scope: &Scope<'_>,
    live: &Resource,
    after: &Resource,
    recorded: &serde_json::Value,
) -> Result<Vec<FieldPath>, String> {
    let mut walk = Walk { scope, path: Vec::new(), all: 0, found: BTreeSet::new() };
    walk.map(live.tree(), after.tree(), scope.of);
    if (walk.all == 0) != recorded.as_array().unwrap().is_empty() {
        return Err(format!("the recording names {recorded}, and {} fields differ", walk.all));
    }
    Ok(walk.found.into_iter().collect())
}

/// The name of an item in a keyed list or set.
pub(crate) fn name(item: ValueRef<'_>, of: TypeRef<'_>) -> Segment {
    match of.list() {
        ListKind::Map { keys } => Segment::key(keys.iter().filter_map(|key| {
            let value = item.get(key).map(ValueRef::to_value);
            Some((&**key, value.or_else(|| of.element().default_of(key).known().cloned())?))
        })),
        _ => Segment::Item(item.to_value()),
    }
}

struct Walk<'s, 'm> {
    scope: &'s Scope<'m>,
    path: Vec<Segment>,
    all: usize,
    found: BTreeSet<FieldPath>,
}

impl Walk<'_, '_> {
    fn node(&mut self, live: Option<ValueRef<'_>>, after: Option<ValueRef<'_>>, of: TypeRef<'_>) {
        let there = |value: &ValueRef<'_>| !value.is_null();
        let (Some(live), Some(after)) = (live.filter(there), after.filter(there)) else {
            return if live.filter(there).is_some() || after.filter(there).is_some() {
                self.differs()
            };
        };
        match (live.view(), after.view()) {
            _ if live == after => {}
            (View::Map(_), View::Map(_)) => self.map(live, after, of),
            (View::List(l), View::List(a)) if of.list() == ListKind::Atomic => {
                for at in 0..l.len().max(a.len()) {
                    let segment = Segment::Index(at.try_into().unwrap());
                    self.at(segment, |walk| walk.node(l.get(at), a.get(at), of.element()));
                }
            }
            (View::List(l), View::List(a)) => self.items(l.iter().collect(), a.iter().collect(), of),
            _ => self.differs(),
        }
    }

    fn map(&mut self, live: ValueRef<'_>, after: ValueRef<'_>, of: TypeRef<'_>) {
        let names = |tree: ValueRef<'_>| {
            tree.as_map().into_iter().flatten().map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>()
        };
        for name in names(live).union(&names(after)) {
            let of_server = ["managedFields", "resourceVersion", "generation"];
            if matches!(&*self.path, [Segment::Field(top)] if &**top == "metadata") && of_server.contains(&&**name) {
                continue;
            }
            self.at(Segment::field(name), |walk| walk.node(live.get(name), after.get(name), of.field(name)));
        }
    }

    fn items(&mut self, live: Vec<ValueRef<'_>>, after: Vec<ValueRef<'_>>, of: TypeRef<'_>) {
        let names = |items: &[ValueRef<'_>]| items.iter().map(|item| name(*item, of)).collect::<Vec<Segment>>();
        let (l, a) = (names(&live), names(&after));
        let all: BTreeSet<&Segment> = l.iter().chain(&a).collect();
        for name in all {
            let one = |names: &[Segment], items: &[ValueRef<'_>]| {
                names.iter().position(|other| other == name).map(|at| items[at].to_value())
            };
            let (l, a): (Option<Value>, Option<Value>) = (one(&l, &live), one(&a, &after));
            self.at(name.clone(), |walk| {
                walk.node(l.as_ref().map(Value::root), a.as_ref().map(Value::root), of.element());
            });
        }
        let in_scope = |names: &[Segment], others: &[Segment]| -> Vec<Segment> {
            let path = |name: &Segment| self.path.iter().cloned().chain([name.clone()]).collect::<Vec<_>>();
            names.iter().filter(|name| others.contains(name) && self.scope.covers(&path(name))).cloned().collect()
        };
        let both = |names: &[Segment], others: &[Segment]| -> Vec<Segment> {
            names.iter().filter(|name| others.contains(name)).cloned().collect()
        };
        if in_scope(&l, &a) != in_scope(&a, &l) {
            self.found.insert(self.path.iter().cloned().collect());
        }
        self.all += usize::from(both(&l, &a) != both(&a, &l));
    }

    fn at(&mut self, segment: Segment, work: impl FnOnce(&mut Self)) {
        self.path.push(segment);
        work(self);
        self.path.pop();
    }

    fn differs(&mut self) {
        self.all += 1;
        if self.scope.covers(&self.path) {
            self.found.insert(self.path.iter().cloned().collect());
        }
    }
}
