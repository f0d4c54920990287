//! OpenAPI v3 and the structural schemas of CRDs, read as Kubernetes reads them for server-side apply.
//!
//! Rules: kube-openapi's `schemaconv`, which builds the API server's types. What it refuses (an unknown type, an array
//! without items) is deduced here, and noted: the model never fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::defaults::FieldDefault;
use super::flaw::{SchemaFlaw, Trail};
use super::schema::{
    Atom, DEDUCED, Field, ListType, MapType, Meaning, Relation, Scalar, Schema, TypeId, TypeRef, UNTYPED,
};
use super::smd::override_relation;
use crate::path::FieldPath;
use crate::value::{ValueRef, View};

/// Deeper schemas are deduced from there on.
const MAX_DEPTH: usize = 128;

/// Reads JSON schemas into a [`Schema`].
pub(super) struct Reader<'a> {
    pub(super) schema: Schema,
    /// `components.schemas` by name, for references.
    components: BTreeMap<&'a str, ValueRef<'a>>,
    /// Components that have a place and wait to be read: they may refer to each other in chains of any length.
    waiting: Vec<(TypeId, &'a str, ValueRef<'a>)>,
    /// Types that are another one but for how they are merged.
    overrides: Vec<(TypeId, TypeId, Relation)>,
    /// Type of `metadata` where a schema only says that an object is embedded.
    object_meta: Option<TypeId>,
    /// What is known of the default of a field for which none is stated.
    unstated: FieldDefault,
    trail: Trail<'a>,
    /// What is wrong with each component.
    flaws: BTreeMap<TypeId, Vec<SchemaFlaw>>,
}

impl<'a> Reader<'a> {
    /// Starts on a document whose references point into `components`.
    pub(super) fn of_document(components: ValueRef<'a>) -> Self {
        let mut reader = Self::new(Schema::empty(), None, FieldDefault::Unknown);
        reader.components = components.as_map().into_iter().flatten().collect();
        reader.trail.base = FieldPath::fields(&["components", "schemas"]);
        reader
    }

    /// Starts on a CRD; `object_meta` types its metadata and that of embedded resources.
    pub(super) fn of_crd(object_meta: TypeRef<'_>) -> Self {
        let mut schema = Schema::empty();
        let object_meta = Some(schema.import(object_meta, &mut BTreeMap::new()));
        Self::new(schema, object_meta, FieldDefault::None)
    }

    fn new(schema: Schema, object_meta: Option<TypeId>, unstated: FieldDefault) -> Self {
        Self {
            schema,
            components: BTreeMap::new(),
            waiting: Vec::new(),
            overrides: Vec::new(),
            object_meta,
            unstated,
            trail: Trail::default(),
            flaws: BTreeMap::new(),
        }
    }

    /// Reads the type called `name` and all it refers to.
    pub(super) fn component(&mut self, name: &'a str) -> TypeId {
        let root = self.named(name);
        while let Some((id, name, of)) = self.waiting.pop() {
            self.trail.steps = vec![name];
            let atom = self.atom(of, false, 0).unwrap_or_else(|| self.deduced());
            let meaning = match name {
                // Hard-coded in `schemaconv`: their own JSON code decides what they look like.
                "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Meaning::Time,
                "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Meaning::MicroTime,
                "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" => Meaning::Duration,
                _ => atom.meaning,
            };
            self.put(id, Atom { meaning, ..atom });
            self.flaws.insert(id, self.trail.take());
        }
        self.trail.steps.clear();
        for (id, target, relation) in std::mem::take(&mut self.overrides) {
            let mut atom = self.schema.at(target).atom().clone();
            override_relation(&mut atom, relation);
            self.put(id, atom);
            self.flaws.insert(id, self.flaws.get(&target).cloned().unwrap_or_default());
        }
        root
    }

    /// The place of a component, followed through components that only name another one.
    fn named(&mut self, name: &'a str) -> TypeId {
        let (mut target, mut aliases) = (name, BTreeSet::new());
        let id = loop {
            if let Some(id) = self.schema.names.get(target) {
                break *id;
            }
            let Some(of) = self.components.get(target).copied() else {
                self.trail.note(None, format!("refers to `{target}`, which is not defined"));
                return DEDUCED;
            };
            if !aliases.insert(target) {
                self.trail.note(None, format!("refers to `{name}`, which refers to nothing but itself"));
                return DEDUCED;
            }
            match referred(of) {
                Some(next) => target = next,
                None => break self.reserve_component(target, of),
            }
        };
        self.schema.names.extend(aliases.into_iter().map(|alias| (alias.into(), id)));
        id
    }

    fn reserve_component(&mut self, name: &'a str, of: ValueRef<'a>) -> TypeId {
        match name {
            // Hard-coded in `schemaconv` too.
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => {
                self.schema.push(scalar(Scalar::Untyped, Meaning::Quantity))
            }
            "io.k8s.apimachinery.pkg.runtime.RawExtension" => {
                let untyped = self.schema.at(UNTYPED).atom().clone();
                self.schema.push(untyped)
            }
            _ => {
                let id = self.schema.push(Atom::default());
                self.waiting.push((id, name, of));
                id
            }
        }
    }

    /// What is wrong with a component and all it refers to.
    pub(super) fn flaws_of(&self, root: TypeId) -> Arc<[SchemaFlaw]> {
        let (mut seen, mut waiting, mut found) = (BTreeSet::new(), vec![root], Vec::new());
        if self.flaws.values().all(Vec::is_empty) {
            return Arc::default();
        }
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                found.extend(self.flaws.get(&id).into_iter().flatten().cloned());
                self.schema.at(id).atom().clone().follow(&mut |id| waiting.push(*id));
            }
        }
        found.sort();
        found.dedup();
        found.into()
    }

    /// Reads the root of a custom resource, and what is wrong with it: its `metadata` is the standard one, whatever the
    /// schema says of it. The schema stands at `base`.
    pub(super) fn custom_resource(
        &mut self,
        of: Option<ValueRef<'a>>,
        preserve: bool,
        base: FieldPath,
    ) -> (TypeId, Arc<[SchemaFlaw]>) {
        self.trail.base = base;
        let mut atom = of.and_then(|of| self.atom(of, preserve, 0)).unwrap_or_else(|| self.deduced());
        self.embed(&mut atom);
        // A custom resource is a map, also where its schema forgets to say so.
        (atom.scalar, atom.list) = (None, None);
        (self.schema.push(atom), self.trail.take().into())
    }

    fn deduced(&self) -> Atom {
        self.schema.at(DEDUCED).atom().clone()
    }

    fn embed(&mut self, atom: &mut Atom) {
        let text = self.schema.push(scalar(Scalar::String, Meaning::Plain));
        let metadata = self.object_meta.unwrap_or(DEDUCED);
        let Some(map) = &mut atom.map else { return };
        map.fields.retain(|field| !matches!(&*field.name, "apiVersion" | "kind" | "metadata"));
        for (name, type_id) in [("apiVersion", text), ("kind", text), ("metadata", metadata)] {
            map.fields.push(Field::new(name, type_id, FieldDefault::Unknown));
        }
        map.fields.sort_by(|left, right| left.name.cmp(&right.name));
        map.free_form = false;
    }

    fn put(&mut self, id: TypeId, atom: Atom) {
        if let Some(place) = self.schema.atoms.get_mut(id.0 as usize) {
            *place = atom;
        }
    }

    /// Reads one schema; `None` where there is none to be read.
    fn atom(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> Option<Atom> {
        if depth > MAX_DEPTH {
            self.trail.note(None, format!("nests deeper than {MAX_DEPTH} schemas"));
            return None;
        }
        if !self.trail.check(of) {
            return None;
        }
        let flag = |name: &str| of.get(name).and_then(ValueRef::as_bool) == Some(true);
        let preserve = preserve || flag("x-kubernetes-preserve-unknown-fields");
        let format = of.get("format").and_then(ValueRef::as_str).unwrap_or("");
        let mut atom = match of.get("type").and_then(ValueRef::as_str) {
            Some("object") => Atom { map: Some(self.map(of, preserve, depth)), ..Atom::default() },
            Some("array") => Atom { list: Some(self.list(of, preserve, depth)), ..Atom::default() },
            Some("integer") => scalar(Scalar::Numeric, Meaning::Integer),
            Some("number") => scalar(Scalar::Numeric, Meaning::Plain),
            Some("boolean") => scalar(Scalar::Boolean, Meaning::Plain),
            Some("string") => text(format),
            _ if format == "int-or-string" => scalar(Scalar::Untyped, Meaning::IntOrString),
            _ => Atom {
                scalar: Some(Scalar::Untyped),
                list: Some(self.list(of, preserve, depth)),
                map: Some(self.map(of, preserve, depth)),
                ..Atom::default()
            },
        };
        if flag("x-kubernetes-int-or-string") {
            atom.meaning = Meaning::IntOrString;
        }
        if flag("x-kubernetes-embedded-resource") {
            self.embed(&mut atom);
        }
        atom.nullable = flag("nullable");
        Some(atom)
    }

    fn map(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> MapType {
        let properties = of.get("properties").and_then(ValueRef::as_map);
        let fields: Vec<Field> = properties
            .into_iter()
            .flatten()
            .map(|(name, property)| {
                let default = FieldDefault::stated(property, &self.unstated);
                Field::new(name, self.below(&["properties", name], property, preserve, depth), default)
            })
            .collect();
        let element = match of.get("additionalProperties").map(|more| (more, more.view())) {
            Some((_, View::Bool(allowed))) => allowed.then_some(DEDUCED),
            Some((more, View::Map(_))) => {
                let element = self.element("additionalProperties", more, preserve, depth);
                Some(self.amount(element))
            }
            _ => (preserve || fields.is_empty()).then_some(DEDUCED),
        };
        let atomic = of.get("x-kubernetes-map-type").and_then(ValueRef::as_str) == Some("atomic");
        MapType { free_form: fields.is_empty() && self.is_untyped(element), fields, element, atomic }
    }

    /// A map of quantities is a list of resources, whose amounts are rounded. Rule: `SetDefaults_ResourceList` of
    /// `pkg/apis/core/v1`.
    fn amount(&mut self, element: TypeId) -> TypeId {
        if self.schema.at(element).meaning() != Meaning::Quantity {
            return element;
        }
        self.schema.push(scalar(Scalar::Untyped, Meaning::Amount))
    }

    fn is_untyped(&self, element: Option<TypeId>) -> bool {
        // An inlined scalar of any type counts, a named one does not (structured-merge-diff, `isUntypedDeducedRef`).
        element.is_some_and(|id| {
            let named = || self.schema.names.values().any(|named| *named == id);
            id == DEDUCED || (self.schema.at(id).scalar() == Some(Scalar::Untyped) && !named())
        })
    }

    fn list(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> ListType {
        let text = |name: &str| of.get(name).and_then(ValueRef::as_str);
        let keys = of.get("x-kubernetes-list-map-keys").and_then(ValueRef::as_list);
        let keys: Arc<[Arc<str>]> = keys.into_iter().flatten().filter_map(ValueRef::as_str).map(Arc::from).collect();
        let (relation, keys) = match (text("x-kubernetes-list-type"), text("x-kubernetes-patch-strategy")) {
            (Some("set"), _) => (Relation::Associative, Arc::new([]) as _),
            (Some("map"), _) if !keys.is_empty() => (Relation::Associative, keys),
            (Some(_), _) => (Relation::Atomic, Arc::new([]) as _),
            (None, Some("merge" | "merge,retainKeys")) => {
                (Relation::Associative, text("x-kubernetes-patch-merge-key").into_iter().map(Arc::from).collect())
            }
            _ => (Relation::Atomic, Arc::new([]) as _),
        };
        let items = of.get("items").filter(|items| !items.is_null());
        if items.is_none() && text("type") == Some("array") {
            self.trail.note(None, "an array needs `items`");
        }
        if text("x-kubernetes-list-type") == Some("map") {
            self.check_keys(of, items);
        }
        let element = items.map_or(UNTYPED, |items| self.element("items", items, preserve, depth));
        ListType { element, relation, keys }
    }

    /// Notes what is wrong with the keys of a list. The server's types take keys that no item declares all the same.
    fn check_keys(&mut self, of: ValueRef<'a>, items: Option<ValueRef<'a>>) {
        const KEYS: &str = "x-kubernetes-list-map-keys";
        let keys = of.get(KEYS).and_then(ValueRef::as_list);
        let mut keys = keys.into_iter().flatten().filter_map(ValueRef::as_str).peekable();
        if keys.peek().is_none() {
            self.trail.note(None, format!("a list of type `map` needs `{KEYS}`"));
        }
        let Some(fields) = items.map(|items| self.properties(items)) else { return };
        for key in keys.filter(|key| fields.is_none_or(|fields| fields.get(key).is_none())) {
            self.trail.note(Some(KEYS), format!("the items do not declare the key `{key}`"));
        }
    }

    /// The `properties` of a schema, or of the component it refers to.
    fn properties(&self, of: ValueRef<'a>) -> Option<ValueRef<'a>> {
        let (mut of, mut seen) = (of, BTreeSet::new());
        while let Some(name) = referred(of).filter(|name| seen.insert(*name)) {
            of = *self.components.get(name)?;
        }
        of.get("properties")
    }

    /// The type of list items or values of a map. In a CRD it may have a default, which nulls become.
    fn element(&mut self, keyword: &'a str, of: ValueRef<'a>, preserve: bool, depth: usize) -> TypeId {
        let id = self.below(&[keyword], of, preserve, depth);
        let default = FieldDefault::stated(of, &self.unstated);
        if let (FieldDefault::None, Some(default)) = (&self.unstated, default.known()) {
            let mut atom = self.schema.at(id).atom().clone();
            atom.default = Some(default.clone());
            return self.schema.push(atom);
        }
        id
    }

    fn below(&mut self, steps: &[&'a str], of: ValueRef<'a>, preserve: bool, depth: usize) -> TypeId {
        let length = self.trail.steps.len();
        self.trail.steps.extend(steps);
        let id = self.reference(of, preserve, depth);
        self.trail.steps.truncate(length);
        id
    }

    fn reference(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> TypeId {
        let Some(name) = referred(of) else {
            let atom = self.atom(of, preserve, depth + 1);
            return atom.map_or(DEDUCED, |atom| self.schema.push(atom));
        };
        let target = self.named(name);
        let relation = match of.get("x-kubernetes-map-type").and_then(ValueRef::as_str) {
            Some("atomic") => Relation::Atomic,
            Some("granular") => Relation::Unstated,
            _ => return target,
        };
        let id = self.schema.push(Atom::default());
        self.overrides.push((id, target, relation));
        id
    }
}

/// The name of the component that a schema refers to, also as the only one of `allOf`.
fn referred(of: ValueRef<'_>) -> Option<&str> {
    let only = || of.get("allOf").and_then(ValueRef::as_list).filter(|all| all.len() == 1)?.get(0);
    let target = of.get("$ref").and_then(ValueRef::as_str).or_else(|| only()?.get("$ref")?.as_str())?;
    Some(target.rsplit_once('/').map_or(target, |(_, name)| name))
}

fn scalar(scalar: Scalar, meaning: Meaning) -> Atom {
    Atom { scalar: Some(scalar), meaning, ..Atom::default() }
}

fn text(format: &str) -> Atom {
    match format {
        "" => scalar(Scalar::String, Meaning::Plain),
        "byte" => scalar(Scalar::String, Meaning::Bytes),
        "int-or-string" => scalar(Scalar::Untyped, Meaning::IntOrString),
        _ => scalar(Scalar::Untyped, Meaning::Plain),
    }
}
