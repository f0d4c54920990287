//! What Git declares, gathered and canonical.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::{Lines, ParsedFile};
use crate::model::{ApiModel, KindFacts, SchemaFlaw, Scope, ServedKind, defined_by};
use crate::path::{FieldPath, Segment};
use crate::policy::{self, Options, SyncOptions};
use crate::problem::{Code, Problem, Severity};
use crate::resource::{GroupKind, Names, Origin, Resource, ResourceKey};
use crate::source::Revision;

use super::prepare;
use super::unnamed::{self, Prefixes};

/// Everything one application declares, by canonical key, prepared by rules 1 to 3 of the exact rules.
///
/// What cannot be used is a problem; its object is held back ([`DesiredState::is_held`]) and the rest goes on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DesiredState {
    /// The revisions it was read from, one per source.
    pub revisions: Vec<Revision>,
    /// The declared objects, by canonical key.
    pub declared: BTreeMap<ResourceKey, Declared>,
    /// What is wrong, in a fixed order.
    pub problems: Vec<Problem>,
    /// Whether all of the source could be read.
    pub completeness: Completeness,
    pub(super) held: BTreeSet<ResourceKey>,
    unplaced_kinds: BTreeSet<GroupKind>,
    /// The namespace that the policy adds to what the source declares.
    pub(super) made_namespace: Option<ResourceKey>,
    /// What the objects inherit.
    pub(super) inherited: SyncOptions,
    /// Problems that hold nothing back, for what is inherited.
    pub(super) waived: Vec<Problem>,
}

/// One declared object and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declared {
    /// The object, prepared.
    pub resource: Resource,
    /// Where it was declared; `None` for objects built in a program.
    pub origin: Option<Origin>,
    /// How to treat it, from its annotations, and from its application ([`DesiredState::inheriting`]).
    pub options: Options,
    /// The lines of annotations about the order of objects.
    pub(crate) lines: Lines,
}

impl Declared {
    /// Returns where an annotation is written: its line, where that is known, or else that of the object.
    pub(crate) fn place_of(&self, annotation: &str) -> Option<Origin> {
        let origin = self.origin.as_ref()?;
        Some(on_line(origin, self.lines.get(annotation)))
    }
}

fn on_line(origin: &Origin, line: Option<&u32>) -> Origin {
    Origin { line: line.copied().unwrap_or(origin.line), ..origin.clone() }
}

/// Whether all of the source could be read. Only a complete desired state permits pruning (rule 29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Completeness {
    /// All of it.
    #[default]
    Complete,
    /// A part is missing; the problems say which.
    Partial,
}

impl DesiredState {
    /// Gathers parsed files into one set.
    ///
    /// Cluster-scoped objects lose their namespace and namespaced ones without get `default_namespace`; scope comes
    /// from `model`, with the CRDs declared in the same files on top. An object declared twice is held back, and both
    /// places are named. `notes` are problems found while listing the files; a blocking one makes the set partial.
    #[must_use]
    pub fn assemble(
        revisions: &[Revision],
        files: &[Arc<ParsedFile>],
        notes: &[Problem],
        model: &ApiModel,
        default_namespace: Option<&str>,
    ) -> Self {
        let mut desired = Self { revisions: revisions.to_vec(), problems: notes.to_vec(), ..Self::default() };
        for file in files {
            desired.problems.extend(file.problems.iter().cloned());
        }
        // Whatever blocks at this point has no object that could be held back alone: part of the source is unknown.
        if desired.problems.iter().any(|problem| problem.severity == Severity::Blocks) {
            desired.completeness = Completeness::Partial;
        }
        let declared = files.iter().flat_map(|file| {
            let objects = file.resources.iter().enumerate();
            objects.map(|(at, (resource, origin))| (resource, Some((origin, file.lines.get(&at)))))
        });
        desired.gather(declared, model, default_namespace);
        desired
    }

    /// Gathers objects built in a program.
    ///
    /// What is not among them is not wanted any more: with pruning, it goes. Say of an object that could not be built
    /// that it is held back ([`DesiredState::held_by`]), and where it is not known which could not, set
    /// [`completeness`](DesiredState::completeness) to [`Completeness::Partial`]: then nothing is pruned.
    #[must_use]
    pub fn from_resources<'r>(
        resources: impl IntoIterator<Item = &'r Resource>,
        model: &ApiModel,
        default_namespace: Option<&str>,
    ) -> Self {
        let mut desired = Self::default();
        desired.gather(resources.into_iter().map(|resource| (resource, None)), model, default_namespace);
        desired
    }

    /// Returns a declared object.
    #[must_use]
    pub fn get(&self, key: &ResourceKey) -> Option<&Declared> {
        self.declared.get(key)
    }

    /// Returns whether something is held back, or waits, since its kind or version was not served, and `model` has it.
    pub(crate) fn is_served_by(&self, model: &ApiModel) -> bool {
        self.problems.iter().any(|problem| {
            let Some(key) = &problem.key else { return false };
            let KindFacts::Served(kind) = model.kind(&key.group_kind) else { return false };
            let serves = |declared: &Declared| kind.versions.iter().any(|one| **one == *declared.resource.version());
            match problem.code {
                Code::UnknownKind => true,
                Code::UnknownVersion => self.declared.get(key).is_some_and(serves),
                _ => false,
            }
        })
    }

    /// Returns whether another state declares the same objects, wherever they are written, and all of both is known.
    #[must_use]
    pub fn declares_same(&self, other: &Self) -> bool {
        let same = |(key, one): (&ResourceKey, &Declared)| {
            let other = other.declared.get(key);
            other.is_some_and(|other| one.resource == other.resource && one.options == other.options)
        };
        self.completeness == Completeness::Complete
            && other.completeness == Completeness::Complete
            && self.declared.len() == other.declared.len()
            && self.held == other.held
            && self.unplaced_kinds == other.unplaced_kinds
            && self.made_namespace == other.made_namespace
            && self.declared.iter().all(same)
    }

    /// Returns whether a problem holds this object back.
    #[must_use]
    pub fn is_held(&self, key: &ResourceKey) -> bool {
        self.held.contains(key)
    }

    pub(super) fn hold_back(&mut self, key: &ResourceKey) {
        self.held.insert(key.clone());
    }

    /// Returns the namespace that is beside what the source declares ([`DesiredState::with_namespace`]).
    #[must_use]
    pub fn made_namespace(&self) -> Option<&ResourceKey> {
        self.made_namespace.as_ref()
    }

    /// Holds back the object of a problem: it is neither applied nor pruned, and the problem says why.
    ///
    /// ```
    /// use gitops_core::{problem::{Code, Problem}, resource::ResourceKey, state::DesiredState};
    ///
    /// let bob = ResourceKey::new("", "ConfigMap", "shops", "bob");
    /// let problem = Problem::blocks(Code::InvalidObject, "the settings of bob cannot be read").of(&bob);
    /// assert!(DesiredState::default().held_by(problem).is_held(&bob));
    /// ```
    #[must_use]
    pub fn held_by(mut self, problem: Problem) -> Self {
        self.held.extend(problem.key.clone());
        self.problems.push(problem);
        self.problems.sort();
        self
    }

    #[cfg(test)]
    pub(crate) fn hold(&mut self, key: &ResourceKey) {
        self.held.insert(key.clone());
    }

    /// Returns the kinds of which some object has no canonical key, since its scope or its namespace is not known.
    /// Nothing of these is pruned: a live object may be the one that is meant (rules 1 and 28).
    #[must_use]
    pub fn unplaced_kinds(&self) -> &BTreeSet<GroupKind> {
        &self.unplaced_kinds
    }

    /// Returns the kinds of all declared objects.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<GroupKind> {
        self.declared.keys().map(|key| (*key.group_kind).clone()).collect()
    }

    fn gather<'r>(
        &mut self,
        resources: impl Iterator<Item = (&'r Resource, Option<(&'r Origin, Option<&'r Lines>)>)>,
        model: &ApiModel,
        default_namespace: Option<&str>,
    ) {
        let resources: Vec<_> = resources.collect();
        let model = model.with_crds(resources.iter().map(|(resource, _)| *resource));
        let (mut names, mut prefixes) = (Names::default(), Prefixes::default());
        for (resource, place) in resources {
            let (origin, lines) = place.unzip();
            let lines = lines.flatten();
            let (resource, problems) = self.canonical(resource, &model, default_namespace);
            let (resource, more) = prepare(&resource, &model);
            let (options, wrong) = policy::options(&resource);
            let mut resource = prefixes.distinct(resource, &options);
            let flaws = flaws(&resource, &model, &more);
            let nameless = unnamed::refused(&resource, &options);
            let key = names.share(&mut resource);
            let problems = problems
                .into_iter()
                .map(|problem| if options.skip_dry_run_on_missing_resource { awaited(problem) } else { problem });
            for problem in problems.chain(more).chain(flaws).chain(wrong).chain(nameless) {
                let problem = problem.of(&key);
                if problem.severity == Severity::Blocks {
                    self.held.insert(key.clone());
                }
                self.problems.push(match origin {
                    Some(origin) if problem.origin.is_none() => {
                        let line = problem.field.as_ref().and_then(|field| lines?.get(annotation(field)?));
                        problem.at(&on_line(origin, line))
                    }
                    _ => problem,
                });
            }
            let (origin, lines) = (origin.cloned(), lines.cloned().unwrap_or_default());
            self.declare(key, Declared { resource, origin, options, lines });
        }
        self.problems.sort();
        self.problems.dedup();
    }

    /// Keeps the first of several declarations and holds the object back: which one is meant is not for us to guess.
    fn declare(&mut self, key: ResourceKey, declared: Declared) {
        let Some(first) = self.declared.get(&key) else {
            self.declared.insert(key, declared);
            return;
        };
        let mut problem = Problem::blocks(Code::DuplicateResource, "is declared twice")
            .of(&key)
            .hint("keep one of the two declarations");
        if let Some(origin) = &declared.origin {
            problem = problem.at(origin);
        }
        if let Some(origin) = &first.origin {
            problem = problem.and_at(origin);
        }
        self.problems.push(problem);
        self.held.insert(key);
    }

    /// Rule 1: canonical scope.
    fn canonical(
        &mut self,
        resource: &Resource,
        model: &ApiModel,
        default_namespace: Option<&str>,
    ) -> (Resource, Vec<Problem>) {
        let key = resource.key();
        let with_namespace = |namespace: Option<&str>| {
            resource.edit(|draft| match namespace {
                Some(namespace) => draft.entry("metadata").set("namespace", namespace),
                None => drop(draft.entry("metadata").remove("namespace")),
            })
        };
        let served = match model.kind(&key.group_kind) {
            KindFacts::Served(kind) => Some(kind),
            _ => None,
        };
        let scope = served.as_ref().map(|kind| kind.scope);
        let (edited, problem) = match (scope, &key.namespace) {
            (Some(Scope::Namespaced), None) => match default_namespace {
                Some(namespace) => (with_namespace(Some(namespace)), None),
                None => {
                    self.unplaced_kinds.insert((*key.group_kind).clone());
                    let problem =
                        Problem::blocks(Code::MissingNamespace, "has no namespace, and the application sets none")
                            .hint("set `metadata.namespace`, or give the application a namespace");
                    (Ok(resource.clone()), Some(problem))
                }
            },
            (Some(Scope::Cluster), Some(_)) => (
                with_namespace(None),
                Some(
                    Problem::warning(Code::NamespaceOnClusterScoped, "is cluster-scoped; its namespace is ignored")
                        .hint("remove `metadata.namespace`"),
                ),
            ),
            (None, _) => {
                self.unplaced_kinds.insert((*key.group_kind).clone());
                (
                    Ok(resource.clone()),
                    Some(
                        Problem::blocks(
                            Code::UnknownKind,
                            format!(
                                "the cluster serves no kind `{}` and no CRD of this set declares it",
                                key.group_kind
                            ),
                        )
                        .hint("check `apiVersion` and `kind`, or add the CRD"),
                    ),
                )
            }
            _ => (Ok(resource.clone()), None),
        };
        let version = served.as_ref().and_then(|kind| unserved(resource, kind));
        // Editing the namespace cannot take away kind or name.
        (edited.unwrap_or_else(|_| resource.clone()), problem.into_iter().chain(version).collect())
    }
}

/// The annotation that a field is, if it is one.
fn annotation(field: &FieldPath) -> Option<&str> {
    match field.segments() {
        [Segment::Field(metadata), Segment::Field(annotations), Segment::Field(name)] => {
            (&**metadata == "metadata" && &**annotations == "annotations").then_some(name)
        }
        _ => None,
    }
}

/// A kind that is not served is no fault where the object says that something else of the set will bring it. Rule 34 of
/// the exact rules.
pub(super) fn awaited(problem: Problem) -> Problem {
    if problem.code != Code::UnknownKind {
        return problem;
    }
    let text = "the cluster does not serve this kind yet; the sync waits until it does".into();
    Problem { severity: Severity::Note, text, hint: None, ..problem }
}

/// What is wrong with the schema of a CRD, where nothing else was found to be wrong.
fn flaws(resource: &Resource, model: &ApiModel, found: &[Problem]) -> Vec<Problem> {
    let Some(kind) = defined_by(resource) else { return Vec::new() };
    let is_new = |flaw: &&SchemaFlaw| found.iter().all(|problem| problem.field.as_ref() != Some(&flaw.at));
    let problem = |flaw: &SchemaFlaw| {
        Problem::warning(Code::InvalidSchema, Arc::clone(&flaw.text))
            .field(flaw.at.clone())
            .hint("correct the schema: a server refuses it, and until then no type is known here")
    };
    model.flaws(&kind).filter(is_new).map(problem).collect()
}

/// A kind that is served, but not in the version that is declared: most often one that was removed from Kubernetes.
fn unserved(resource: &Resource, kind: &ServedKind) -> Option<Problem> {
    if kind.versions.iter().any(|version| **version == *resource.version()) {
        return None;
    }
    let text = format!("the cluster does not serve version `{}` of this kind", resource.version());
    let group = resource.key().group();
    let wanted = if group.is_empty() { kind.preferred.to_string() } else { format!("{group}/{}", kind.preferred) };
    let hint = format!("write `apiVersion: {wanted}`, and check the fields that changed");
    Some(Problem::blocks(Code::UnknownVersion, text).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Dialect, Limits, parse};

    #[test]
    fn a_crd_whose_schema_is_bad_is_named_with_its_file_and_not_held_back() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
            metadata: {name: widgets.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  \
            names: {kind: Widget, plural: widgets}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    \
            schema: {openAPIV3Schema: {type: object, properties: {a: SCHEMA}}}\n";
        for (schema, severity, expected) in [
            ("{type: string}", None, ""),
            (
                "{type: array}",
                Some(Severity::Warning),
                "an array needs `items`; correct the schema: a server refuses it, and until then no type is known here",
            ),
            // What the kind CustomResourceDefinition itself does not allow is told once.
            ("{type: 7}", Some(Severity::Blocks), ""),
        ] {
            let text = crd.replace("SCHEMA", schema);
            let file = parse(&"crds/widget.yaml".into(), text.as_bytes(), Dialect::Kubectl, &Limits::default());
            let desired = DesiredState::assemble(&[], &[Arc::new(file)], &[], &ApiModel::builtin(), None);
            let found: Vec<Option<Severity>> = desired.problems.iter().map(|problem| Some(problem.severity)).collect();
            assert_eq!(found, severity.map(Some).into_iter().collect::<Vec<_>>(), "{schema}: {:?}", desired.problems);
            if !expected.is_empty() {
                let at = "spec.versions[0].schema.openAPIV3Schema.properties.a";
                let key = "apiextensions.k8s.io/CustomResourceDefinition widgets.example.com";
                let shown = format!("crds/widget.yaml:1: {key}: `{at}`: {expected}");
                assert_eq!(desired.problems[0].to_string(), shown);
            }
        }
    }
}
