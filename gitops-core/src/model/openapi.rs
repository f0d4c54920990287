//! OpenAPI v3 and the structural schemas of CRDs, read as Kubernetes reads them for server-side apply.
//!
//! Rules: kube-openapi's `schemaconv`, which builds the API server's types. What it refuses (an unknown type, an array
//! without items) is deduced here: the model never fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::defaults::FieldDefault;
use super::schema::{
    Atom, DEDUCED, Field, ListType, MapType, Meaning, Relation, Scalar, Schema, TypeId, TypeRef, UNTYPED,
};
use super::smd::override_relation;
use crate::value::{ValueRef, View};

/// Deeper schemas are deduced from there on.
const MAX_DEPTH: usize = 128;

/// Reads JSON schemas into a [`Schema`].
pub(super) struct Reader<'a> {
    pub(super) schema: Schema,
    /// `components.schemas`, for references.
    components: Option<ValueRef<'a>>,
    /// Type of `metadata` where a schema only says that an object is embedded.
    object_meta: Option<TypeId>,
    /// What is known of the default of a field for which none is stated.
    unstated: FieldDefault,
}

impl<'a> Reader<'a> {
    /// Starts on a document whose references point into `components`.
    pub(super) fn of_document(components: ValueRef<'a>) -> Self {
        Self {
            schema: Schema::empty(),
            components: Some(components),
            object_meta: None,
            unstated: FieldDefault::Unknown,
        }
    }

    /// Starts on a CRD; `object_meta` types its metadata and that of embedded resources.
    pub(super) fn of_crd(object_meta: TypeRef<'_>) -> Self {
        let mut schema = Schema::empty();
        let object_meta = Some(schema.import(object_meta, &mut BTreeMap::new()));
        Self { schema, components: None, object_meta, unstated: FieldDefault::None }
    }

    /// Reads the type called `name` and all it refers to.
    pub(super) fn component(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.schema.names.get(name) {
            return *id;
        }
        let Some(of) = self.components.and_then(|components| components.get(name)) else {
            return DEDUCED;
        };
        let id = self.schema.push(Atom::default());
        self.schema.names.insert(name.into(), id);
        let mut atom = match name {
            // Hard-coded in `schemaconv`: their own JSON code decides what they look like.
            "io.k8s.apimachinery.pkg.api.resource.Quantity" => scalar(Scalar::Untyped, Meaning::Quantity),
            "io.k8s.apimachinery.pkg.runtime.RawExtension" => self.schema.at(UNTYPED).atom().clone(),
            _ => self.atom(of, false, 0),
        };
        match name {
            "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => atom.meaning = Meaning::Time,
            "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => atom.meaning = Meaning::MicroTime,
            "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" => atom.meaning = Meaning::Duration,
            _ => {}
        }
        self.put(id, atom);
        id
    }

    /// Reads the root of a custom resource: its `metadata` is the standard one, whatever the schema says of it.
    pub(super) fn custom_resource(&mut self, of: Option<ValueRef<'a>>, preserve: bool) -> TypeId {
        let mut atom = match of {
            Some(of) => self.atom(of, preserve, 0),
            None => self.schema.at(DEDUCED).atom().clone(),
        };
        self.embed(&mut atom);
        // A custom resource is a map, also where its schema forgets to say so.
        (atom.scalar, atom.list) = (None, None);
        self.schema.push(atom)
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

    fn atom(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> Atom {
        if depth > MAX_DEPTH {
            return self.schema.at(DEDUCED).atom().clone();
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
        atom
    }

    fn map(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> MapType {
        let properties = of.get("properties").and_then(ValueRef::as_map);
        let fields: Vec<Field> = properties
            .into_iter()
            .flatten()
            .map(|(name, property)| {
                let default = FieldDefault::stated(property, &self.unstated);
                Field::new(name, self.reference(property, preserve, depth), default)
            })
            .collect();
        let element = match of.get("additionalProperties").map(|more| (more, more.view())) {
            Some((_, View::Bool(allowed))) => allowed.then_some(DEDUCED),
            Some((more, View::Map(_))) => {
                let element = self.reference(more, preserve, depth);
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
        let element = of.get("items").map_or(UNTYPED, |items| self.reference(items, preserve, depth));
        ListType { element, relation, keys }
    }

    fn reference(&mut self, of: ValueRef<'a>, preserve: bool, depth: usize) -> TypeId {
        let reference = |of: ValueRef<'a>| of.get("$ref").and_then(ValueRef::as_str);
        let only = of.get("allOf").and_then(ValueRef::as_list).filter(|all| all.len() == 1);
        let target = reference(of).or_else(|| reference(only?.get(0)?));
        let Some((_, name)) = target.and_then(|target| target.rsplit_once('/')) else {
            let atom = self.atom(of, preserve, depth + 1);
            return self.schema.push(atom);
        };
        let target = self.component(name);
        let relation = match of.get("x-kubernetes-map-type").and_then(ValueRef::as_str) {
            Some("atomic") => Relation::Atomic,
            Some("granular") => Relation::Unstated,
            _ => return target,
        };
        // A type that refers to itself below is not complete here; none of Kubernetes' overrides does.
        let mut atom = self.schema.at(target).atom().clone();
        override_relation(&mut atom, relation);
        self.schema.push(atom)
    }
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
