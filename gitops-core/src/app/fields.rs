//! Fields of Argo CD's documents that mean nothing here, or that cannot be followed.

use crate::path::{FieldPath, Segment};
use crate::value::Draft;

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is passed over in silence: only a server or controller writes it.
    Silent,
    /// It is passed over, and a note says why.
    Note(&'static str),
    /// It is passed over, and a warning says what that means.
    Warning(&'static str),
    /// What it asks for cannot be done; the document is not used.
    Blocks(&'static str, &'static str),
}

/// A field that was found.
pub(super) struct Found {
    pub(super) path: FieldPath,
    pub(super) fate: Fate,
}

/// A path of names, `*` for every item of a list; and whether an empty value counts.
type Row = (&'static [&'static str], Empty, Fate);

/// Whether an empty value (`{}`, `[]`, an empty text, `false`) says something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Counts,
    SaysNothing,
}

use Empty::{Counts, SaysNothing};
use Fate::{Blocks, Note, Silent, Warning};

const SIGNED: &str = "put the keys themselves into `signed` of a `Project` of `gitops.rs/v1alpha1`";
const RENDER: &str = "render it into the repository, or leave it to what does";

const APPLICATION: &[Row] = &[
    (&["status"], Counts, Silent),
    (&["operation"], SaysNothing, Note("an operation is asked of the engine, not written down")),
    (
        &["metadata", "finalizers"],
        SaysNothing,
        Note("objects are deleted when that is asked for, never because this document is gone"),
    ),
    (
        &["metadata", "annotations", "argocd.argoproj.io/sync-wave"],
        SaysNothing,
        Note("applications have no waves; name what must be ready first in `dependsOn`"),
    ),
    (
        &["metadata", "annotations", "argocd.argoproj.io/compare-options"],
        SaysNothing,
        Note("compare options have no effect"),
    ),
    (
        &["metadata", "annotations", "argocd.argoproj.io/client-side-apply-migration-manager"],
        SaysNothing,
        Note("which fields are taken over is told by how they were written, whatever the name of the manager"),
    ),
    (
        &["metadata", "annotations", "argocd.argoproj.io/deletion-approved"],
        SaysNothing,
        Note("deletions are approved on the object itself, or when one asks for them"),
    ),
    (&["spec", "sourceHydrator"], Counts, Blocks("sources are not hydrated", RENDER)),
    (&["spec", "syncPolicy", "retry", "refresh"], SaysNothing, Note("a new revision is always taken up")),
];

/// Below `spec.source` and each of `spec.sources`.
const SOURCE: &[Row] = &[
    (&["helm"], Counts, Blocks("Helm charts are not rendered", RENDER)),
    (&["chart"], SaysNothing, Blocks("Helm charts are not fetched", RENDER)),
    (&["kustomize"], Counts, Blocks("kustomizations are not built", RENDER)),
    (&["plugin"], Counts, Blocks("plugins are not run", RENDER)),
    (&["tagPrefix"], SaysNothing, Blocks("tags are not searched by prefix", "give the whole tag")),
    (&["name"], SaysNothing, Note("sources have no names")),
    (&["directory", "jsonnet"], SaysNothing, Blocks("Jsonnet is not evaluated", RENDER)),
    (
        &["directory", "disableExtensionFilter"],
        SaysNothing,
        Blocks("files without `.yaml`, `.yml` or `.json` are read only where `include` names them", "set `include`"),
    ),
];

const PROJECT: &[Row] = &[
    (&["status"], Counts, Silent),
    (&["metadata", "finalizers"], SaysNothing, Note("a project holds nothing that would have to be deleted")),
    (&["spec", "roles"], SaysNothing, Note("who may use the engine is decided outside of it")),
    (&["spec", "orphanedResources"], SaysNothing, Note("objects that belong to no application are not looked for")),
    (&["spec", "sourceNamespaces"], SaysNothing, Note("applications are read from files, not from namespaces")),
    (
        &["spec", "destinationServiceAccounts"],
        SaysNothing,
        Warning("syncs have the rights of the engine, not those of a service account"),
    ),
    (
        &["spec", "permitOnlyProjectScopedClusters"],
        SaysNothing,
        Blocks("clusters do not belong to projects", "name them in `destinations`"),
    ),
    (&["spec", "signatureKeys"], SaysNothing, Blocks("keys are not known by their ids here", SIGNED)),
    (&["spec", "sourceIntegrity"], SaysNothing, Blocks("keys are not known by their ids here", SIGNED)),
];

/// Takes out of Argo CD's `Application` what is not followed.
pub(super) fn of_application(document: &mut Draft) -> Vec<Found> {
    let mut found = take(document, APPLICATION, &FieldPath::root());
    let spec = FieldPath::fields(&["spec"]);
    let Some(fields) = document.get_mut("spec") else { return found };
    if let Some(source) = fields.get_mut("source") {
        found.extend(take(source, SOURCE, &spec.join(Segment::field("source"))));
    }
    let sources = fields.get_mut("sources").and_then(Draft::as_list_mut).into_iter().flatten();
    for (at, source) in (0..).zip(sources) {
        found.extend(take(source, SOURCE, &spec.join(Segment::field("sources")).join(Segment::Index(at))));
    }
    found
}

/// Takes out of Argo CD's `AppProject` what is not followed.
pub(super) fn of_project(document: &mut Draft) -> Vec<Found> {
    take(document, PROJECT, &FieldPath::root())
}

fn take(draft: &mut Draft, rows: &[Row], below: &FieldPath) -> Vec<Found> {
    let mut found = Vec::new();
    for (path, empty, fate) in rows {
        let Some((last, parents)) = path.split_last() else { continue };
        let parent = parents.iter().try_fold(&mut *draft, |at, name| at.get_mut(name));
        let Some(value) = parent.and_then(|parent| parent.remove(last)) else { continue };
        let says_nothing = value == Draft::Null || *empty == SaysNothing && is_empty(&value);
        if !says_nothing && !matches!(fate, Silent) {
            let path = path.iter().fold(below.clone(), |path, name| path.join(Segment::field(name)));
            found.push(Found { path, fate: *fate });
        }
    }
    found
}

fn is_empty(value: &Draft) -> bool {
    match value {
        Draft::Null | Draft::Bool(false) => true,
        Draft::String(text) => text.is_empty(),
        Draft::List(list) => list.is_empty(),
        Draft::Map(map) => map.values().all(is_empty),
        _ => false,
    }
}
