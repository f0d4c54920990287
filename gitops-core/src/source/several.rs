//! Several sources as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::problem::{Code, Problem};

use super::{
    ContentId, Entry, Folder, History, Paths, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure,
    Target,
};

/// Stands between the revisions of several sources.
const JOINT: char = '+';

/// One of several sources, and what is wanted of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Part<'s> {
    /// The folder under which its files appear, so that a problem names the right one.
    pub name: Arc<str>,
    /// The source.
    pub source: &'s dyn Source,
    /// What is followed of it.
    pub target: Target,
    /// Which of its files are wanted.
    pub paths: Paths,
}

/// Several sources as one: what an application with `sources` is made from.
///
/// A revision of it names one revision of each, in their order, with `+` between; so one id pins all of them, in plans,
/// in histories and for a rollback. The files of each lie in a folder of its name, unless it is the only one. Two that
/// declare the same object are found like two files that do.
///
/// ```
/// use gitops_core::memory::{MemorySource, VirtualTime, ready};
/// use gitops_core::source::{Part, Paths, Several, Source};
/// use gitops_core::time::Timer as _;
///
/// let (shop, common, time) = (MemorySource::default(), MemorySource::default(), VirtualTime::default());
/// shop.commit("Ann <ann@example.org>", time.now(), "Open", [("web.yaml", Some("a: 1"))]);
/// common.commit("Ann <ann@example.org>", time.now(), "Quota", [("quota.yaml", Some("b: 1"))]);
/// let parts = [Part::new("shop", &shop, "main"), Part::new("common", &common, "HEAD")];
/// let both = Several::new(parts);
/// let revision = ready(both.resolve(&both.target())).ok_or("it waits")??;
/// let files = ready(both.snapshot(&revision.id, &Paths::default(), None)).ok_or("it waits")??.files();
/// let paths: Vec<_> = files.iter().map(|file| &*file.path).collect();
/// assert_eq!(paths, ["common/quota.yaml", "shop/web.yaml"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Several<'s> {
    parts: Vec<Part<'s>>,
}

impl<'s> Part<'s> {
    /// Follows `target` of a source, with all its files.
    #[must_use]
    pub fn new(name: &str, source: &'s dyn Source, target: &str) -> Self {
        Self { name: name.into(), source, target: Target::new(target), paths: Paths::default() }
    }

    /// Sets which files are wanted.
    #[must_use]
    pub fn with_paths(self, paths: Paths) -> Self {
        Self { paths, ..self }
    }
}

impl<'s> Several<'s> {
    /// Makes one of several. Of two with the same name, the later one gets a number after it; slashes become dashes.
    #[must_use]
    pub fn new(parts: impl IntoIterator<Item = Part<'s>>) -> Self {
        let mut named: Vec<Part<'s>> = Vec::new();
        for part in parts {
            let name = part.name.replace('/', "-");
            let name = if name.is_empty() { "source".to_owned() } else { name };
            let is_taken = |name: &str| named.iter().any(|other| *other.name == *name);
            let numbered = (2..=named.len().saturating_add(1)).map(|number| format!("{name}-{number}"));
            let name = [name.clone()].into_iter().chain(numbered).find(|name| !is_taken(name)).unwrap_or(name);
            named.push(Part { name: name.into(), ..part });
        }
        Self { parts: named }
    }

    /// Returns what is followed: the targets of all.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::joined(self.parts.iter().map(|part| part.target.as_str()))
    }

    /// The parts with the revision of each; empty where a part is left out.
    fn pinned<'r>(&self, id: &'r RevisionId) -> Result<Vec<(&Part<'s>, &'r str)>, SourceError> {
        let pieces: Vec<&str> = id.pieces().collect();
        if pieces.len() != self.parts.len() {
            let what = format!("revision `{id}`, which is not one of each of these {} sources,", self.parts.len());
            return Err(SourceFailure::Unsupported { what: what.into() }.into());
        }
        Ok(self.parts.iter().zip(pieces).collect())
    }

    /// The log of one part, as revisions of all: only that part is named.
    async fn log_of(&self, nth: usize, at: &str, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let Some(part) = self.parts.get(nth) else { return Ok(Vec::new()) };
        let Some(history) = part.source.history() else { return Ok(Vec::new()) };
        let log = history.log(&RevisionId::new(at), self.asked(part, paths), limit).await?;
        Ok(log.into_iter().map(|revision| Revision { id: self.only(nth, &revision.id), ..revision }).collect())
    }

    /// Which files of a part are asked for: its own, unless it stands for the whole.
    fn asked<'p>(&self, part: &'p Part<'s>, paths: &'p Paths) -> &'p Paths {
        if self.parts.len() == 1 && part.paths == Paths::default() { paths } else { &part.paths }
    }

    fn only(&self, nth: usize, id: &RevisionId) -> RevisionId {
        RevisionId::joined((0..self.parts.len()).map(|at| if at == nth { id.as_str() } else { "" }))
    }
}

#[async_trait]
impl Source for Several<'_> {
    async fn resolve(&self, target: &Target) -> Result<Revision, SourceError> {
        let own = self.target();
        let split: Vec<&str> = target.as_str().split(JOINT).collect();
        let wanted: Vec<&str> = match *target == own {
            // A name of a branch may hold a `+` itself.
            true => self.parts.iter().map(|part| part.target.as_str()).collect(),
            false if split.len() == self.parts.len() => split,
            false => {
                return Err(SourceFailure::UnknownRevision {
                    target: target.as_str().into(),
                    similar: vec![own.as_str().into()],
                }
                .into());
            }
        };
        let mut revisions = Vec::new();
        for (part, target) in self.parts.iter().zip(wanted) {
            revisions.push(part.source.resolve(&Target::new(target)).await?);
        }
        let id = RevisionId::joined(revisions.iter().map(|revision| revision.id.as_str()));
        let signed: Option<Vec<String>> =
            revisions.iter().map(|revision| revision.signature.as_ref().map(ToString::to_string)).collect();
        // The latest commit of all is what made this revision.
        let latest = revisions.into_iter().filter_map(|revision| revision.commit).max_by_key(|commit| commit.time);
        let signature = signed.map(|by| by.join(" and ").into());
        Ok(Revision { id, target: target.clone(), commit: latest, signature })
    }

    async fn snapshot(
        &self,
        revision: &RevisionId,
        paths: &Paths,
        known: Option<&Snapshot>,
    ) -> Result<Snapshot, SourceError> {
        let known = known.filter(|known| known.paths.as_ref() == Some(paths));
        let (mut root, mut problems) = (Folder::default(), Vec::new());
        for (nth, (part, id)) in self.pinned(revision)?.into_iter().enumerate() {
            if id.is_empty() {
                let text = format!("revision `{revision}` names nothing of `{}`", part.name);
                problems.push(Problem::blocks(Code::UnreadableFile, text).hint("resolve all sources anew"));
                continue;
            }
            let is_only = self.parts.len() == 1;
            let before = known.and_then(|known| known.root.entries.get(&part.name));
            let found = part.source.snapshot(&RevisionId::new(id), self.asked(part, paths), None).await?;
            let before = match before {
                Some(Entry::Folder(before)) => Some(before),
                _ => None,
            };
            if is_only {
                root = Folder::clone(&moved(&found.root, nth, "", paths, known.map(|known| &known.root)));
                problems = found.problems;
                continue;
            }
            let folder = moved(&found.root, nth, &part.name, paths, before);
            problems.extend(found.problems.into_iter().map(|problem| problem.below(&part.name)));
            if !folder.entries.is_empty() {
                root.entries.insert(Arc::clone(&part.name), Entry::Folder(folder));
            }
        }
        if let Some(path) = paths.roots.iter().find(|path| !path.is_empty() && !has(&root, path)) {
            let (path, revision) = (Arc::clone(path), revision.as_str().into());
            return Err(SourceFailure::UnknownPath { path, revision }.into());
        }
        Ok(Snapshot::new(revision, Arc::new(root)).with_paths(paths).with_problems(problems))
    }

    async fn read(&self, ids: &[ContentId]) -> Result<Vec<Result<Arc<[u8]>, SourceError>>, SourceError> {
        let mut wanted: BTreeMap<usize, Vec<(usize, ContentId)>> = BTreeMap::new();
        let mut found: BTreeMap<usize, Result<Arc<[u8]>, SourceError>> = BTreeMap::new();
        for (at, id) in ids.iter().enumerate() {
            match unmarked(id).filter(|(nth, _)| *nth < self.parts.len()) {
                Some((nth, id)) => wanted.entry(nth).or_default().push((at, id)),
                None => {
                    let what = format!("content `{}`, which is of none of these sources,", id.as_str());
                    found.insert(at, Err(SourceFailure::Corrupt { what: what.into() }.into()));
                }
            }
        }
        for (nth, asked) in wanted {
            let Some(part) = self.parts.get(nth) else { continue };
            let ids: Vec<ContentId> = asked.iter().map(|(_, id)| id.clone()).collect();
            let contents = part.source.read(&ids).await?;
            found.extend(asked.into_iter().map(|(at, _)| at).zip(contents));
        }
        Ok(found.into_values().collect())
    }

    fn history(&self) -> Option<&dyn History> {
        self.parts.iter().all(|part| part.source.history().is_some()).then_some(self as &dyn History)
    }
}

#[async_trait]
impl History for Several<'_> {
    /// Of a revision that names one source alone: the log of that one. Of others: all logs, by the time of the commits.
    /// Of several, the paths are their own.
    async fn log(&self, from: &RevisionId, paths: &Paths, limit: usize) -> Result<Vec<Revision>, SourceError> {
        let pinned: Vec<(usize, String)> = {
            let pinned = self.pinned(from)?.into_iter().enumerate();
            pinned.filter(|(_, (_, id))| !id.is_empty()).map(|(nth, (_, id))| (nth, id.to_owned())).collect()
        };
        let mut all = Vec::new();
        for (nth, id) in &pinned {
            all.extend(self.log_of(*nth, id, paths, limit).await?);
        }
        if pinned.len() > 1 {
            all.sort_by_key(|revision| std::cmp::Reverse(revision.commit.as_ref().map(|commit| commit.time)));
        }
        all.truncate(limit);
        Ok(all)
    }

    /// Of a revision that names one source alone: its parents. Of others: one of each source after the other.
    async fn parents(&self, of: &RevisionId) -> Result<Vec<RevisionId>, SourceError> {
        let mut parents = Vec::new();
        for (nth, (part, id)) in self.pinned(of)?.into_iter().enumerate().filter(|(_, (_, id))| !id.is_empty()) {
            let Some(history) = part.source.history() else { continue };
            parents.extend(history.parents(&RevisionId::new(id)).await?.iter().map(|parent| self.only(nth, parent)));
        }
        Ok(parents)
    }

    async fn blame(&self, at: &RevisionId, file: &str, line: u32) -> Result<Revision, SourceError> {
        let unknown = || SourceFailure::UnknownPath { path: file.into(), revision: at.as_str().into() };
        let only = self.parts.first().filter(|_| self.parts.len() == 1);
        let (name, rest) = match only {
            Some(part) => (&*part.name, file),
            None => file.split_once('/').ok_or_else(unknown)?,
        };
        let (nth, id) = {
            let mut pinned = self.pinned(at)?.into_iter().enumerate();
            let found = pinned.find(|(_, (part, id))| *part.name == *name && !id.is_empty());
            found.map(|(nth, (_, id))| (nth, RevisionId::new(id))).ok_or_else(unknown)?
        };
        let history = self.parts.get(nth).and_then(|part| part.source.history()).ok_or_else(unknown)?;
        let revision = history.blame(&id, rest, line).await?;
        Ok(Revision { id: self.only(nth, &revision.id), ..revision })
    }
}

impl RevisionId {
    /// Names the revisions of several sources at once.
    pub(crate) fn joined<'i>(ids: impl Iterator<Item = &'i str>) -> Self {
        Self(ids.collect::<Vec<_>>().join("+").into())
    }

    /// Returns the revisions of several sources that this names, in their order; itself, if it is one of a single source.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.0.split(JOINT)
    }
}

impl Target {
    /// Names what is followed of several sources at once.
    #[must_use]
    pub fn joined<'t>(targets: impl IntoIterator<Item = &'t str>) -> Self {
        Self(targets.into_iter().collect::<Vec<_>>().join("+").into())
    }
}

/// A folder of one source, with ids that say of which one, and only what is wanted. Equal to `before`, it is that.
fn moved(folder: &Folder, nth: usize, path: &str, paths: &Paths, before: Option<&Arc<Folder>>) -> Arc<Folder> {
    let id = folder.id.as_ref().map(|id| marked(nth, id));
    if let Some(before) = before.filter(|before| before.id.is_some() && before.id == id) {
        return Arc::clone(before);
    }
    let wants_all = *paths == Paths::default();
    let entries = folder.entries.iter().filter_map(|(name, entry)| {
        let path = if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
        let entry = match entry {
            Entry::File { id } => Entry::File { id: marked(nth, id) },
            Entry::Folder(below) => {
                let before = match before.and_then(|before| before.entries.get(name)) {
                    Some(Entry::Folder(before)) => Some(before),
                    _ => None,
                };
                Entry::Folder(moved(below, nth, &path, paths, before))
            }
        };
        let is_wanted = match &entry {
            Entry::File { .. } => wants_all || paths.wants(&path),
            Entry::Folder(below) => !below.entries.is_empty(),
        };
        is_wanted.then(|| (Arc::clone(name), entry))
    });
    Arc::new(Folder { id, entries: entries.collect() })
}

fn has(folder: &Folder, path: &str) -> bool {
    let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (folder.entries.get(name), rest) {
        (Some(_), None) => true,
        (Some(Entry::Folder(below)), Some(rest)) => has(below, rest),
        _ => false,
    }
}

fn marked(nth: usize, id: &ContentId) -> ContentId {
    ContentId::new(&format!("{nth}:{}", id.as_str()))
}

fn unmarked(id: &ContentId) -> Option<(usize, ContentId)> {
    let (nth, id) = id.as_str().split_once(':')?;
    Some((nth.parse().ok()?, ContentId::new(id)))
}
