//! The commits behind a [`super::MemorySource`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::problem::{Code, Problem};
use crate::resource::Origin;
use crate::source::{
    Commit, ContentId, Entry, Folder, IGNORE_FILE, IgnoreFiles, Ignoring, Kind, Paths, Revision, RevisionId, Snapshot,
    SourceError, SourceFailure, Target,
};
use crate::value::{Hasher, Purpose};

pub(super) struct Repository {
    pub(super) commits: BTreeMap<RevisionId, Node>,
    pub(super) branches: BTreeMap<Arc<str>, RevisionId>,
    pub(super) tags: BTreeMap<Arc<str>, RevisionId>,
    /// The branch that is committed to, and that `HEAD` means.
    pub(super) head: Arc<str>,
    pub(super) contents: BTreeMap<ContentId, Arc<[u8]>>,
    /// Paths that cannot be read.
    pub(super) unreadable: BTreeSet<Arc<str>>,
    /// Why nothing answers, if nothing does.
    pub(super) down: Option<SourceFailure>,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) parent: Option<RevisionId>,
    pub(super) commit: Commit,
    /// All files, unfiltered.
    pub(super) root: Arc<Folder>,
}

impl Repository {
    pub(super) fn new() -> Self {
        Self {
            commits: BTreeMap::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            head: "main".into(),
            contents: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            down: None,
        }
    }

    pub(super) fn tip(&self) -> Option<&Node> {
        self.commits.get(self.branches.get(&self.head)?)
    }

    pub(super) fn record(&mut self, commit: Commit, files: &BTreeMap<Arc<str>, ContentId>) -> RevisionId {
        let parent = self.branches.get(&self.head).cloned();
        let known = self.tip().map(|tip| Arc::clone(&tip.root));
        let root = build(files, known.as_ref());
        let digest = Hasher::new(Purpose::Identity)
            .text(parent.as_ref().map(RevisionId::as_str))
            .text(root.id.as_ref().map(ContentId::as_str))
            .text(&*commit.author)
            .text(&*commit.time.to_string())
            .text(&*commit.message)
            .finish();
        // As long as a commit id of Git.
        let id: String = digest.to_string().chars().take(40).collect();
        let id = RevisionId::new(&id);
        self.commits.insert(id.clone(), Node { parent, commit, root });
        self.branches.insert(Arc::clone(&self.head), id.clone());
        id
    }

    pub(super) fn node(&self, revision: &RevisionId) -> Result<&Node, SourceError> {
        let unknown = || SourceFailure::UnknownRevision { target: revision.as_str().into(), similar: Vec::new() };
        self.commits.get(revision).ok_or_else(|| SourceError::new(unknown()))
    }

    pub(super) fn revision(&self, id: &RevisionId, target: &Target) -> Result<Revision, SourceError> {
        Ok(Revision::new(id, target).with_commit(self.node(id)?.commit.clone()))
    }

    /// `main`, `v1`, an id or the start of one, `HEAD`, and any of these with `~n` or `^` behind it.
    pub(super) fn resolve(&self, target: &str) -> Result<RevisionId, SourceFailure> {
        let (base, steps) =
            target.split_at_checked(target.find(['~', '^']).unwrap_or(target.len())).unwrap_or_default();
        let unknown = |similar| SourceFailure::UnknownRevision { target: target.into(), similar };
        let mut id = self.named(base, target)?;
        let mut rest = steps;
        while let Some(step) = rest.chars().next() {
            rest = rest.get(1..).unwrap_or_default();
            let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
            let (number, more) = rest.split_at_checked(digits).unwrap_or_default();
            let number: u32 = if number.is_empty() { 1 } else { number.parse().map_err(|_| unknown(Vec::new()))? };
            let back = match (step, number) {
                ('~', back) => back,
                ('^', 0 | 1) => number,
                _ => return Err(unknown(Vec::new())),
            };
            for _ in 0..back {
                let parent = self.commits.get(&id).and_then(|node| node.parent.clone());
                id = parent.ok_or_else(|| unknown(Vec::new()))?;
            }
            rest = more;
        }
        Ok(id)
    }

    fn named(&self, base: &str, target: &str) -> Result<RevisionId, SourceFailure> {
        if matches!(base, "" | "@" | "HEAD") {
            let tip = self.branches.get(&self.head);
            return tip.cloned().ok_or_else(|| SourceFailure::NoCommit { branch: Arc::clone(&self.head) });
        }
        if self.commits.contains_key(&RevisionId::new(base)) {
            return Ok(RevisionId::new(base));
        }
        let branch = base.strip_prefix("refs/heads/").unwrap_or(base);
        let tag = base.strip_prefix("refs/tags/").unwrap_or(base);
        match (self.branches.get(branch), self.tags.get(tag)) {
            (Some(branch), Some(tag)) if branch != tag => {
                let candidates = vec![format!("refs/heads/{base}").into(), format!("refs/tags/{base}").into()];
                return Err(SourceFailure::AmbiguousRevision { target: target.into(), candidates });
            }
            (Some(id), _) | (None, Some(id)) => return Ok(id.clone()),
            (None, None) => {}
        }
        let fits = |id: &&RevisionId| base.len() >= 4 && id.as_str().starts_with(base);
        let ids: Vec<&RevisionId> = self.commits.keys().filter(fits).collect();
        match ids.as_slice() {
            [only] => Ok((*only).clone()),
            [] => {
                let names = self.branches.keys().chain(self.tags.keys());
                let similar = |name: &&Arc<str>| name.contains(base) || base.contains(&***name);
                Err(SourceFailure::UnknownRevision {
                    target: target.into(),
                    similar: names.filter(similar).take(3).cloned().collect(),
                })
            }
            ids => Err(SourceFailure::AmbiguousRevision {
                target: target.into(),
                candidates: ids.iter().map(|id| id.as_str().into()).collect(),
            }),
        }
    }

    /// The contents of files that cannot be read.
    pub(super) fn hidden(&self) -> BTreeSet<ContentId> {
        let pairs = self.commits.values().flat_map(|node| self.unreadable.iter().map(move |path| (node, path)));
        pairs.filter_map(|(node, path)| find(&node.root, path)?.0).collect()
    }

    /// The rules that say which files are kept out, if they are heeded.
    pub(super) fn ignoring(&self, root: &Arc<Folder>, paths: &Paths, problems: &mut Vec<Problem>) -> Option<Ignoring> {
        if paths.ignore_files == IgnoreFiles::NotRead {
            return None;
        }
        let of_folder = |path: &Arc<str>| Some(path.strip_suffix(IGNORE_FILE)?.trim_end_matches('/').to_owned());
        let files = flat(root).into_iter().filter(|(path, _)| path.rsplit('/').next() == Some(IGNORE_FILE));
        let mut files: Vec<_> = files.filter_map(|(path, id)| Some((of_folder(&path)?, path, id))).collect();
        // Those of outer folders first.
        files.sort_by_key(|(_, path, _)| path.matches('/').count());
        let mut rules = Ignoring::new();
        for (folder, path, id) in files {
            match self.contents.get(&id).filter(|_| !self.unreadable.contains(&path)) {
                Some(text) => {
                    rules = rules.with_file(&folder, text);
                    if rules.has_too_many() {
                        let problem = Problem::blocks(Code::UnreadableFile, "has more rules than are heeded");
                        problems.push(problem.at(&Origin::new(&path, 0, 0)));
                    }
                }
                None => {
                    let problem = Problem::blocks(Code::UnreadableFile, format!("`{path}` cannot be read"));
                    problems.push(problem.at(&Origin::new(&path, 0, 0)));
                }
            }
        }
        Some(rules)
    }

    /// The wanted part of a folder. What `known` has alike is shared.
    pub(super) fn list(
        &self,
        folder: &Arc<Folder>,
        path: &str,
        (paths, ignoring): (&Paths, Option<&Ignoring>),
        known: Option<&Arc<Folder>>,
        problems: &mut Vec<Problem>,
    ) -> Arc<Folder> {
        let mut listed = Folder { id: folder.id.clone(), entries: BTreeMap::new() };
        // Where rules from elsewhere decide, the content of the folder does not.
        let mut complete = ignoring.is_none();
        let keeps_out = |path: &str| ignoring.is_some_and(|rules| rules.ignores(path, Kind::File));
        for (name, entry) in &folder.entries {
            let path: Arc<str> = if path.is_empty() { Arc::clone(name) } else { format!("{path}/{name}").into() };
            match entry {
                Entry::File { .. } if paths.wants(&path) && !keeps_out(&path) => {
                    drop(listed.entries.insert(Arc::clone(name), entry.clone()))
                }
                Entry::File { .. } => {}
                Entry::Folder(_) if !paths.may_enter(&path) => {}
                Entry::Folder(_) if self.unreadable.contains(&path) => {
                    let problem = Problem::blocks(Code::UnreadableFile, format!("folder `{path}` cannot be listed"));
                    problems.push(problem.at(&Origin::new(&path, 0, 0)));
                    complete = false;
                }
                Entry::Folder(below) => {
                    let known = known.and_then(|known| match known.entries.get(name) {
                        Some(Entry::Folder(known)) => Some(known),
                        _ => None,
                    });
                    let below = self.list(below, &path, (paths, ignoring), known, problems);
                    complete &= below.id.is_some();
                    if !below.entries.is_empty() {
                        listed.entries.insert(Arc::clone(name), Entry::Folder(below));
                    }
                }
            }
        }
        if !complete {
            listed.id = None;
        }
        match known {
            Some(known) if **known == listed => Arc::clone(known),
            _ => Arc::new(listed),
        }
    }
}

/// What is at a path: a file's content, or a folder.
pub(super) fn find(root: &Arc<Folder>, path: &str) -> Option<(Option<ContentId>, Arc<Folder>)> {
    let mut at = Arc::clone(root);
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        match at.entries.get(part)? {
            Entry::File { id } => return parts.peek().is_none().then(|| (Some(id.clone()), Arc::default())),
            Entry::Folder(below) => at = Arc::clone(below),
        }
    }
    Some((None, at))
}

/// All files of a folder by path.
pub(super) fn flat(root: &Arc<Folder>) -> BTreeMap<Arc<str>, ContentId> {
    let revision = RevisionId::new("");
    Snapshot::new(&revision, Arc::clone(root)).files().into_iter().map(|file| (file.path, file.id)).collect()
}

/// Files as folders, each named by what is below it. What `known` has alike is shared.
fn build(files: &BTreeMap<Arc<str>, ContentId>, known: Option<&Arc<Folder>>) -> Arc<Folder> {
    let mut root = Folder::default();
    files.iter().for_each(|(path, id)| root.insert(path, id.clone()));
    name(root, known)
}

fn name(mut folder: Folder, known: Option<&Arc<Folder>>) -> Arc<Folder> {
    let mut hasher = Hasher::new(Purpose::Content);
    for (entry_name, entry) in &mut folder.entries {
        hasher = hasher.text(&**entry_name);
        match entry {
            Entry::File { id } => hasher = hasher.text("file").text(id.as_str()),
            Entry::Folder(below) => {
                let known = known.and_then(|known| match known.entries.get(entry_name) {
                    Some(Entry::Folder(known)) => Some(known),
                    _ => None,
                });
                *below = name(Folder::clone(below), known);
                hasher = hasher.text("folder").text(below.id.as_ref().map(ContentId::as_str));
            }
        }
    }
    folder.id = Some(ContentId::new(&hasher.finish().to_string()));
    match known {
        Some(known) if known.id == folder.id => Arc::clone(known),
        _ => Arc::new(folder),
    }
}
