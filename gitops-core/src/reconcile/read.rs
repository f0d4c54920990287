//! Source → desired state: which files there are, what they declare, and whether that is what was declared before.
//!
//! A commit names a new revision for every application of its repository, and changes what one of them contains. So
//! what decides is the content: a revision that says what an earlier one said goes by the name of that one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::Cluster;
use crate::manifest::{self, Kept, ParsedFile, Place};
use crate::policy::WhenEmpty;
use crate::problem::{Code, Problem, Severity};
use crate::resource::{GroupKind, Origin};
use crate::source::{File, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure, Target};
use crate::state::DesiredState;
use crate::value::{Digest, Hasher, Purpose};

use super::{App, SyncError};

/// Most revisions that one is compared with.
const COMPARED: usize = 8;

/// What is known of an earlier revision, so that one which says the same is known by it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Known {
    /// The name that its content goes by.
    pub revision: Revision,
    /// What it declares, where that was read before; else the source is asked.
    pub desired: Option<Arc<DesiredState>>,
    /// Which files it was read from, where these need not be read again if they are the same.
    pub files: Option<Digest>,
}

/// What a revision says for one application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Read {
    /// The revision that was read.
    pub revision: Revision,
    /// The name that its content goes by: an earlier revision that says the same, or itself.
    pub says: Revision,
    /// What it declares, under that name.
    pub desired: Arc<DesiredState>,
    /// Which files it was read from; `None` where not all could be listed and read. Kept in memory only: it is made from
    /// what Secrets hold as well (rule 39 of the exact rules).
    pub files: Option<Digest>,
    /// Whether nothing was read anew: the files are those of a known revision.
    pub is_unread: bool,
}

/// A source, and where files of it are kept that were parsed before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'w> {
    pub(crate) source: &'w dyn Source,
    /// The files, and the name of this source among them.
    pub(crate) kept: Option<(&'w Kept, &'w str)>,
}

/// Reads what the source declares for an application.
///
/// Files that cannot be read or parsed are problems of the result, which is partial then.
///
/// # Errors
/// When the source, or the cluster's list of kinds, gives no answer at all.
pub async fn read_desired(app: &App, source: &dyn Source, cluster: &dyn Cluster) -> Result<DesiredState, SyncError> {
    let revision = source.resolve(&app.target).await?;
    let snapshot = source.snapshot(&revision.id, &app.paths, None).await?;
    Ok(declared(app, &revision, &snapshot, Reader { source, kept: None }, cluster).await?.0)
}

/// Reads what the source declares for an application at a revision, unless an earlier one that is `known` says the same.
///
/// The source is asked which files there are. Are they those of a known revision, none is read. Else all are; and where
/// they declare what a known one declares, such as after a file got another name, its name stays as well.
///
/// # Errors
/// When the source, or the cluster's list of kinds, gives no answer at all for this revision. A known revision that the
/// source does not have any more is like none.
pub(crate) async fn read(
    app: &App,
    revision: Revision,
    known: &[Known],
    from: Reader<'_>,
    cluster: &dyn Cluster,
) -> Result<Read, SyncError> {
    let snapshot = from.source.snapshot(&revision.id, &app.paths, None).await?;
    let files = listed(&snapshot);
    let known = known.get(..COMPARED).unwrap_or(known);
    for known in known {
        if let (Some(desired), true) = (&known.desired, files.is_some() && known.files == files) {
            let (says, desired) = (known.revision.clone(), Arc::clone(desired));
            return Ok(Read { revision, says, desired, files, is_unread: true });
        }
    }
    let (mut desired, is_whole) = declared(app, &revision, &snapshot, from, cluster).await?;
    let files = files.filter(|_| is_whole);
    let mut says = revision.clone();
    for known in known {
        if says_same(app, known, (files, &desired), from, cluster).await {
            says = known.revision.clone();
            desired.revisions = vec![says.clone()];
            break;
        }
    }
    Ok(Read { revision, says, desired: Arc::new(desired), files, is_unread: false })
}

/// Returns whether a revision declares what was read of another one, so that what was decided about it, such as a rollback,
/// holds for both. Where that cannot be told, such as where the source does not have it any more, it does not.
pub async fn declares_same(
    app: &App,
    desired: &DesiredState,
    revision: &RevisionId,
    source: &dyn Source,
    cluster: &dyn Cluster,
) -> bool {
    let files = match desired.revisions.as_slice() {
        [own] => source.snapshot(&own.id, &app.paths, None).await.ok().and_then(|snapshot| listed(&snapshot)),
        _ => None,
    };
    let revision = Revision::new(revision, &Target::new(revision.as_str()));
    let known = Known { revision, desired: None, files: None };
    says_same(app, &known, (files, desired), Reader { source, kept: None }, cluster).await
}

/// Whether a known revision declares the same. Where that cannot be told, it does not.
async fn says_same(
    app: &App,
    known: &Known,
    (files, desired): (Option<Digest>, &DesiredState),
    from: Reader<'_>,
    cluster: &dyn Cluster,
) -> bool {
    if let Some(theirs) = &known.desired {
        return desired.declares_same(theirs);
    }
    if desired.revisions.iter().any(|own| own.id == known.revision.id) {
        return true;
    }
    let Ok(snapshot) = from.source.snapshot(&known.revision.id, &app.paths, None).await else { return false };
    if files.is_some() && listed(&snapshot) == files {
        return true;
    }
    let theirs = declared(app, &known.revision, &snapshot, from, cluster).await;
    theirs.is_ok_and(|(theirs, _)| desired.declares_same(&theirs))
}

/// Names the files of a snapshot, and what is odd about them; `None` where some could not be listed.
fn listed(snapshot: &Snapshot) -> Option<Digest> {
    if snapshot.problems.iter().any(|problem| problem.severity == Severity::Blocks) {
        return None;
    }
    let hasher = snapshot
        .files()
        .iter()
        .fold(Hasher::new(Purpose::Content), |hasher, file| hasher.text(&*file.path).text(file.id.as_str()));
    let problems = snapshot.problems.iter();
    Some(problems.fold(hasher, |hasher, problem| hasher.text(&*problem.to_string())).finish())
}

/// Reads and parses the files of a snapshot. The second part says whether every file gave its content.
async fn declared(
    app: &App,
    revision: &Revision,
    snapshot: &Snapshot,
    from: Reader<'_>,
    cluster: &dyn Cluster,
) -> Result<(DesiredState, bool), SyncError> {
    let mut notes = snapshot.problems.clone();
    let mut files = snapshot.files();
    files.retain(|file| {
        !is_kustomization(&file.path) || {
            notes.push(not_rendered(file));
            false
        }
    });
    let (mut parsed, mut is_whole) = (Vec::with_capacity(files.len()), true);
    for (file, found) in files.iter().zip(parse_all(app, &files, from).await?) {
        match found {
            Ok(found) => parsed.push(found),
            Err(error) => {
                is_whole = false;
                notes.push(unreadable(file, &error.to_string()));
            }
        }
    }
    notes.extend(nothing_declared(app, &parsed, &notes, revision));
    let kinds = kinds_of(&parsed);
    let model = cluster.model(&kinds).await?;
    let desired =
        DesiredState::assemble(std::slice::from_ref(revision), &parsed, &notes, &model, app.namespace.as_deref());
    let desired = desired.inheriting(&app.policy.sync_options);
    let desired = match &app.namespace {
        Some(name) => desired.with_namespace(name, &app.policy.create_namespace),
        None => desired,
    };
    let desired = match &app.restriction {
        Some(restriction) => restriction.restrict(desired, &model),
        None => desired,
    };
    Ok((desired, is_whole))
}

/// Parses files in order. Those that are kept are not read.
async fn parse_all(
    app: &App,
    files: &[File],
    from: Reader<'_>,
) -> Result<Vec<Result<Arc<ParsedFile>, SourceError>>, SyncError> {
    let place = |file: &File| {
        let (kept, source) = from.kept?;
        Some((kept, kept.place(source, file.id.as_str(), &file.path, app.dialect, &app.limits)))
    };
    let places: Vec<Option<(&Kept, Place)>> = files.iter().map(place).collect();
    let known: Vec<Option<Arc<ParsedFile>>> =
        places.iter().map(|place| place.as_ref().and_then(|(kept, place)| kept.find(place))).collect();
    let unknown = files.iter().zip(&known).filter(|(_, known)| known.is_none());
    let ids: Vec<_> = unknown.map(|(file, _)| file.id.clone()).collect();
    let mut contents = if ids.is_empty() { Vec::new() } else { from.source.read(&ids).await? }.into_iter();
    let short = || SourceFailure::Corrupt { what: "the answer to a read, which is too short".into() }.into();
    let mut all = Vec::with_capacity(files.len());
    for ((file, place), known) in files.iter().zip(places).zip(known) {
        if let Some(known) = known {
            all.push(Ok(known));
            continue;
        }
        all.push(contents.next().unwrap_or_else(|| Err(short())).map(|bytes| {
            let parsed = Arc::new(manifest::parse(&file.path, &bytes, app.dialect, &app.limits));
            if let Some((kept, place)) = place {
                kept.keep(&place, bytes.len(), &parsed);
            }
            parsed
        }));
    }
    Ok(all)
}

fn unreadable(file: &File, why: &str) -> Problem {
    Problem::blocks(Code::UnreadableFile, format!("cannot be read: {why}"))
        .at(&Origin::new(&file.path, 0, 0))
        .hint("nothing is pruned until every file can be read")
}

/// Kustomize's own file is no manifest (Argo CD, too, never reads it as one).
fn is_kustomization(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

fn not_rendered(file: &File) -> Problem {
    Problem::warning(Code::NotRendered, "is kustomize's own file: the manifests beside it are read as they are")
        .at(&Origin::new(&file.path, 0, 0))
        .hint("render it and commit the result, or leave the folder out of the paths")
}

/// An empty source is far more often a wrong path than a wish to delete everything.
fn nothing_declared(app: &App, parsed: &[Arc<ParsedFile>], notes: &[Problem], revision: &Revision) -> Option<Problem> {
    let blocked = parsed.iter().flat_map(|file| &file.problems).chain(notes).any(|p| p.severity == Severity::Blocks);
    let may_be = app.policy.when_empty == WhenEmpty::Prune;
    if may_be || blocked || parsed.iter().any(|file| !file.resources.is_empty()) {
        return None;
    }
    let roots: Vec<String> =
        app.paths.roots.iter().map(|root| format!("`{}`", if root.is_empty() { "." } else { root })).collect();
    let text = format!("no objects are declared under {} at revision `{}`", roots.join(", "), revision.id.short());
    Some(Problem::blocks(Code::IncompleteSource, text).hint("check the path; nothing is pruned from an empty source"))
}

fn kinds_of(parsed: &[Arc<ParsedFile>]) -> BTreeSet<GroupKind> {
    let resources = parsed.iter().flat_map(|file| &file.resources);
    resources.map(|(resource, _)| (*resource.key().group_kind).clone()).collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
    use crate::source::{ContentId, History, Paths, RevisionId, Target};
    use crate::state::Owner;

    /// Counts the files that are read.
    #[derive(Debug, Default)]
    struct Counting {
        source: MemorySource,
        files: std::sync::atomic::AtomicUsize,
    }

    #[async_trait]
    #[deny(clippy::missing_trait_methods)]
    impl Source for Counting {
        async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
            self.source.resolve(target).await
        }

        async fn snapshot(
            &self,
            revision: &RevisionId,
            paths: &Paths,
            known: Option<&Snapshot>,
        ) -> Result<Snapshot, SourceError> {
            self.source.snapshot(revision, paths, known).await
        }

        async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
            self.files.fetch_add(ids.len(), std::sync::atomic::Ordering::Relaxed);
            self.source.read(ids).await
        }

        fn history(&self) -> Option<&dyn History> {
            self.source.history()
        }
    }

    #[test]
    fn of_what_changes_only_that_is_read_by_all_applications_together() {
        let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse().unwrap());
        let (source, cluster) = (Counting::default(), MemoryCluster::new(1, time));
        let map = |name: &str, colour: &str| {
            format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{c: {colour}}}}}")
        };
        let commit = |path: &str, text: Option<&str>| {
            let now = "2026-03-01T12:00:00Z".parse().unwrap();
            source.source.commit("Ann <ann@example.org>", now, path, [(path, text)])
        };
        for name in ["a", "b", "c"] {
            commit(&format!("{name}.yaml"), Some(&map(name, "red")));
        }
        let app = |name: &str| App::new(Owner::new("", name).unwrap(), "main").with_namespace("shop");
        let kept = Kept::default();
        let look = |app: &App| {
            let revision = ready(source.resolve(&app.target)).unwrap().unwrap();
            let with = Reader { source: &source, kept: Some((&kept, "git")) };
            let read = ready(read(app, revision.clone(), &[], with, &cluster)).unwrap().unwrap();
            let plain = ready(declared_plainly(app, &revision, &source, &cluster)).unwrap();
            assert_eq!(format!("{:?}", read.desired), format!("{plain:?}"), "as without anything kept");
            read
        };
        let count = || source.files.swap(0, std::sync::atomic::Ordering::Relaxed);
        // Reading again without anything kept takes three more each time.
        look(&app("one"));
        assert_eq!(count(), 3 + 3);
        look(&app("two"));
        assert_eq!(count(), 3, "another application reads nothing anew");
        commit("b.yaml", Some(&map("b", "blue")));
        look(&app("one"));
        assert_eq!(count(), 1 + 3, "the one that changed");
        commit("b.yaml", None);
        commit("moved.yaml", Some(&map("b", "blue")));
        let moved = look(&app("one"));
        assert_eq!(count(), 1 + 3, "its place is told in problems, so another path is another file");
        assert_eq!(moved.desired.declared.len(), 3);
    }

    async fn declared_plainly(
        app: &App,
        revision: &Revision,
        source: &dyn Source,
        cluster: &dyn Cluster,
    ) -> DesiredState {
        let snapshot = source.snapshot(&revision.id, &app.paths, None).await.unwrap();
        declared(app, revision, &snapshot, Reader { source, kept: None }, cluster).await.unwrap().0
    }
}
