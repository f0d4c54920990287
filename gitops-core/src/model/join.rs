//! One schema of many, in which no two types are alike.

use std::collections::BTreeMap;

use super::schema::{Atom, DEDUCED, Schema, TypeId, TypeRef, UNTYPED};

impl Schema {
    /// Returns one schema that holds these types and all they refer to, each once, and their places in it.
    ///
    /// Types are alike when nothing that can be reached from them differs; their names do not count. Equal input
    /// gives an equal schema, and so does what this made.
    pub(super) fn joined(roots: &[TypeRef<'_>]) -> (Self, Vec<TypeId>) {
        let mut all = Self::empty();
        let mut known = BTreeMap::<*const Self, BTreeMap<TypeId, TypeId>>::new();
        let ids: Vec<TypeId> = roots
            .iter()
            .map(|root| all.import(*root, known.entry(std::ptr::from_ref(root.schema)).or_default()))
            .collect();
        let first = all.first_alike();
        for atom in &mut all.atoms {
            atom.follow(&mut |id| *id = first.get(id.0 as usize).copied().unwrap_or(*id));
        }
        let mut once = Self::empty();
        let mut known = BTreeMap::new();
        let alike = |id: &TypeId| first.get(id.0 as usize).copied().unwrap_or(*id);
        let ids = ids.iter().map(|id| once.import(all.at(alike(id)), &mut known)).collect();
        (once, ids)
    }

    /// The first type like each type. Rule: partition refinement, from "all are alike" until no more are told apart.
    fn first_alike(&self) -> Vec<TypeId> {
        let mut classes = vec![DEDUCED; self.atoms.len()];
        let mut count = 0;
        loop {
            let mut seen = BTreeMap::<Atom, TypeId>::new();
            let next: Vec<TypeId> = self
                .atoms
                .iter()
                .zip((0..).map(TypeId))
                .map(|(atom, id)| {
                    // The two deduced types are told by their places.
                    if id == UNTYPED || id == DEDUCED {
                        return id;
                    }
                    let mut atom = atom.clone();
                    atom.follow(&mut |id| *id = classes.get(id.0 as usize).copied().unwrap_or(*id));
                    *seen.entry(atom).or_insert(id)
                })
                .collect();
            if seen.len() == count {
                return next;
            }
            (classes, count) = (next, seen.len());
        }
    }

    /// Copies a type of another schema, and all it refers to, into this one. `known` maps what was copied before.
    pub(super) fn import(&mut self, of: TypeRef<'_>, known: &mut BTreeMap<TypeId, TypeId>) -> TypeId {
        let mut waiting = vec![of.id];
        let target = self.reserve(of.id, known);
        while let Some(id) = waiting.pop() {
            let place = self.reserve(id, known);
            let mut atom = of.to(id).atom().clone();
            atom.follow(&mut |id: &mut TypeId| {
                if *id != UNTYPED && *id != DEDUCED && !known.contains_key(id) {
                    waiting.push(*id);
                }
                *id = self.reserve(*id, known);
            });
            if let Some(slot) = self.atoms.get_mut(place.0 as usize) {
                *slot = atom;
            }
        }
        target
    }

    fn reserve(&mut self, id: TypeId, known: &mut BTreeMap<TypeId, TypeId>) -> TypeId {
        if id == UNTYPED || id == DEDUCED {
            return id;
        }
        *known.entry(id).or_insert_with(|| self.push(Atom::default()))
    }
}

impl Atom {
    /// Calls `edit` with every type that this one refers to.
    pub(super) fn follow(&mut self, edit: &mut impl FnMut(&mut TypeId)) {
        if let Some(list) = &mut self.list {
            edit(&mut list.element);
        }
        if let Some(map) = &mut self.map {
            map.element.iter_mut().for_each(&mut *edit);
            map.fields.iter_mut().for_each(|field| edit(&mut field.type_id));
        }
    }
}
