//! What the API means: which kinds are served, and the types of their fields.
//!
//! An [`ApiModel`] is an immutable snapshot that every pure function takes by reference. Its layers are the table of
//! built-in kinds, what a cluster tells, laid over it field by field, and the CRDs declared beside their objects, which
//! win for their kinds. What is not known is told apart from what is not served, and falls back **per field**: a
//! [`TypeRef`] deduces what no schema declares.
//!
//! The table of built-in kinds takes 29 kB. It is read at the first use of one, whole: 67 kinds in 0.35 ms, as the bench
//! `value` measures it on 2 cores of a shared machine.

mod autoscaler;
mod builtin;
mod canonical;
mod codec;
mod convert;
mod crd;
mod defaults;
mod encoding;
mod facts;
mod flaw;
mod go_types;
mod join;
mod kept;
mod layer;
mod openapi;
mod scalar;
mod schema;
mod served;
mod smd;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

pub(crate) use canonical::encode_string_data;
pub use codec::InvalidTable;
pub(crate) use crd::defined_by;
pub use defaults::FieldDefault;
pub use facts::InvalidFact;
pub use flaw::SchemaFlaw;
pub(crate) use kept::KeptModel;
pub(crate) use scalar::compare_quantities;
pub(crate) use schema::{Atom, ListType, MapType, Relation, TypeId};
pub use schema::{ListKind, Meaning, Scalar, Schema, TypeRef};
pub(crate) use served::priority as version_priority;
pub use served::{Conversion, Freshness, KindFacts, ScalePaths, Scope, ServedKind};
pub use smd::SchemaError;

use crate::resource::{GroupKind, Resource};
use crate::value::{Digest, Hasher, Purpose};
use layer::Layers;

/// A snapshot of kinds and their schemas. Cloning shares it; `Debug` prints only counts.
///
/// ```
/// use gitops_core::model::{ApiModel, KindFacts, ListKind, Scope};
/// use gitops_core::resource::GroupKind;
///
/// let model = ApiModel::builtin();
/// let deployment = GroupKind::new("apps", "Deployment");
/// let KindFacts::Served(kind) = model.kind(&deployment) else { panic!("a built-in kind") };
/// assert_eq!((kind.scope, &*kind.plural), (Scope::Namespaced, "deployments"));
///
/// let pod = model.schema(&deployment, "v1").field("spec").field("template").field("spec");
/// let ListKind::Map { keys } = pod.field("containers").list() else { panic!("containers have a key") };
/// assert_eq!(&*keys[0], "name");
/// assert!(matches!(model.kind(&GroupKind::new("example.com", "Widget")), KindFacts::Unknown));
/// ```
#[derive(Clone)]
pub struct ApiModel(Arc<BTreeMap<GroupKind, Known>>);

/// What is known of one kind.
#[derive(Clone)]
struct Known {
    /// `None`: the cluster said that it does not serve this kind.
    served: Option<Arc<ServedKind>>,
    /// By version, also versions that are declared but not served.
    types: BTreeMap<Arc<str>, RootType>,
    digest: Digest,
    /// The CRD that says so. It wins over documents.
    definition: Option<Resource>,
}

/// The type of one version of a kind.
#[derive(Clone)]
struct RootType {
    schema: Arc<Schema>,
    id: TypeId,
    flaws: Arc<[SchemaFlaw]>,
}

impl ApiModel {
    /// Returns the model of all built-in kinds of Kubernetes 1.36.
    #[must_use]
    pub fn builtin() -> Self {
        static BUILTIN: OnceLock<ApiModel> = OnceLock::new();
        BUILTIN.get_or_init(|| Self(Arc::new(builtin::load()))).clone()
    }

    /// Returns a model that knows nothing: every kind is [`KindFacts::Unknown`], every type deduced.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// Adds the kinds that these CustomResourceDefinitions define; other objects are passed over.
    ///
    /// A CRD wins over what is known of its kind: the OpenAPI document of a cluster lags behind it.
    #[must_use]
    pub fn with_crds<'r>(&self, crds: impl IntoIterator<Item = &'r Resource>) -> Self {
        self.edit(|kinds| {
            for (kind, known) in crds.into_iter().filter_map(crd::read) {
                kinds.insert(kind, known);
            }
        })
    }

    /// Adds the kinds of one OpenAPI v3 document, as a cluster serves it under `/openapi/v3`.
    ///
    /// `group_version` is `v1` or `group/version`. A document that is not JSON adds nothing. Kinds whose CRD is known stay
    /// as that says, whichever was added first. Of built-in kinds the document says which fields there are and of what
    /// type; what it cannot say of them (defaults that are not stated, how they are encoded) stays known, field by field.
    #[must_use]
    pub fn with_openapi(&self, group_version: &str, document: &[u8]) -> Self {
        let mut told = served::read_openapi(group_version, document);
        told.retain(|(kind, _)| self.0.get(kind).is_none_or(|known| known.definition.is_none()));
        let mut layers = Layers::new();
        let mut layered = Vec::new();
        for (kind, known) in &told {
            for (version, root) in &known.types {
                if let Some(known) = self.declared_schema(kind, version) {
                    let id = layers.add(root.schema.at(root.id), known);
                    layered.push((kind.clone(), Arc::clone(version), id));
                }
            }
        }
        let schema = Arc::new(layers.schema);
        self.edit(|kinds| {
            for (kind, known) in told {
                match kinds.get_mut(&kind) {
                    Some(old) if old.served.is_some() => old.add(known),
                    _ => drop(kinds.insert(kind, known)),
                }
            }
            for (kind, version, id) in layered {
                if let Some(root) = kinds.get_mut(&kind).and_then(|known| known.types.get_mut(&version)) {
                    (root.schema, root.id) = (Arc::clone(&schema), id);
                }
            }
        })
    }

    /// Adds or replaces what is known of how a kind is served; its schemas stay.
    #[must_use]
    pub fn with_kind(&self, kind: ServedKind) -> Self {
        self.with_kinds([kind])
    }

    /// Adds or replaces what is known of how kinds are served; their schemas stay.
    #[must_use]
    pub fn with_kinds(&self, served: impl IntoIterator<Item = ServedKind>) -> Self {
        self.edit(|kinds| {
            for kind in served {
                let key = GroupKind::clone(&kind.group_kind);
                let known = kinds.entry(key).or_insert_with(Known::not_served);
                known.served = Some(Arc::new(kind));
            }
        })
    }

    /// Marks a kind as not served: the cluster said so.
    #[must_use]
    pub fn without_kind(&self, kind: &GroupKind) -> Self {
        self.without_kinds([kind])
    }

    /// Marks kinds as not served: the cluster said so.
    #[must_use]
    pub fn without_kinds<'k>(&self, gone: impl IntoIterator<Item = &'k GroupKind>) -> Self {
        self.edit(|kinds| kinds.extend(gone.into_iter().map(|kind| (kind.clone(), Known::not_served()))))
    }

    /// Returns the served kinds, in order of group and kind.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<ServedKind>> {
        self.0.values().filter_map(|known| known.served.as_ref())
    }

    /// Returns what is known of a kind.
    #[must_use]
    pub fn kind(&self, kind: &GroupKind) -> KindFacts {
        match self.0.get(kind) {
            Some(Known { served: Some(served), .. }) => KindFacts::Served(Arc::clone(served)),
            Some(_) => KindFacts::NotServed,
            None => KindFacts::Unknown,
        }
    }

    /// Returns the kind that a group serves under a plural name.
    #[must_use]
    pub fn by_plural(&self, group: &str, plural: &str) -> Option<&Arc<ServedKind>> {
        let first = GroupKind::new(group, "");
        let of_group = self.0.range(first..).take_while(|(kind, _)| &*kind.group == group);
        of_group.filter_map(|(_, known)| known.served.as_ref()).find(|kind| &*kind.plural == plural)
    }

    /// Returns the type of a kind at one version; deduced when it is not known.
    #[must_use]
    pub fn schema(&self, kind: &GroupKind, version: &str) -> TypeRef<'_> {
        match self.declared_schema(kind, version) {
            Some(declared) => declared,
            None => TypeRef::deduced(),
        }
    }

    /// Returns the type of a kind at one version, if that version is declared, served or not.
    #[must_use]
    pub fn declared_schema(&self, kind: &GroupKind, version: &str) -> Option<TypeRef<'_>> {
        let root = self.0.get(kind)?.types.get(version)?;
        Some(root.schema.at(root.id))
    }

    /// Returns whether any version of a kind has a schema.
    #[must_use]
    pub fn has_schemas(&self, kind: &GroupKind) -> bool {
        self.0.get(kind).is_some_and(|known| !known.types.is_empty())
    }

    /// Returns the CRD that declares a kind.
    pub(crate) fn definition(&self, kind: &GroupKind) -> Option<&Resource> {
        self.0.get(kind)?.definition.as_ref()
    }

    /// Returns what is wrong with the schemas of a kind, version by version: places that are deduced from each value since
    /// the CRD or the document does not say what stands there.
    ///
    /// ```
    /// use gitops_core::model::ApiModel;
    /// use gitops_core::resource::{GroupKind, Resource};
    /// use gitops_core::value::Value;
    ///
    /// let crd = br#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    ///     "metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
    ///     "names": {"kind": "Widget", "plural": "widgets"}, "versions": [{"name": "v1", "served": true,
    ///     "schema": {"openAPIV3Schema": {"type": "object", "properties": {"ports": {"type": "array"}}}}}]}}"#;
    /// let model = ApiModel::builtin().with_crds([&Resource::new(Value::from_json(crd)?)?]);
    /// let flaws: Vec<String> = model.flaws(&GroupKind::new("example.com", "Widget")).map(ToString::to_string).collect();
    /// assert_eq!(flaws, ["`spec.versions[0].schema.openAPIV3Schema.properties.ports`: an array needs `items`"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flaws(&self, kind: &GroupKind) -> impl Iterator<Item = &SchemaFlaw> {
        self.0.get(kind).into_iter().flat_map(|known| known.types.values()).flat_map(|root| &*root.flaws)
    }

    /// Returns the digest of all that is known of a kind: a new schema changes it, and nothing else does.
    #[must_use]
    pub fn digest_of(&self, kind: &GroupKind) -> Digest {
        match self.0.get(kind) {
            Some(known) => known.served.iter().fold(known.digest, |digest, kind| {
                Hasher::new(Purpose::Schema).digest(&digest).text(&*kind.summary()).finish()
            }),
            None => Digest::of(Purpose::Schema, b"unknown"),
        }
    }

    fn edit(&self, edit: impl FnOnce(&mut BTreeMap<GroupKind, Known>)) -> Self {
        let mut kinds = BTreeMap::clone(&self.0);
        edit(&mut kinds);
        Self(Arc::new(kinds))
    }
}

impl Known {
    fn not_served() -> Self {
        Self {
            served: None,
            types: BTreeMap::new(),
            digest: Digest::of(Purpose::Schema, b"not served"),
            definition: None,
        }
    }

    /// Adds the versions of another document of the same kind.
    fn add(&mut self, other: Self) {
        self.types.extend(other.types);
        self.digest = Hasher::new(Purpose::Schema).digest(&self.digest).digest(&other.digest).finish();
        if let (Some(kind), Some(more)) = (&self.served, other.served) {
            let mut kind = ServedKind::clone(kind);
            kind.add_versions(&more);
            self.served = Some(Arc::new(kind));
        }
    }
}

impl fmt::Debug for ApiModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiModel({} kinds)", self.kinds().count())
    }
}
