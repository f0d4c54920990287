//! A persistent tree of files by content id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::problem::Problem;

use super::{Paths, RevisionId};

/// Names content: equal ids, equal bytes, for ever. For Git the blob id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ContentId(Arc<str>);

/// The files of one revision that are wanted, and what could not be listed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The revision.
    pub revision: RevisionId,
    /// Which files were asked for; `None` if not told. Only a snapshot of the same paths can stand in for reading again.
    pub paths: Option<Paths>,
    /// The root folder.
    pub root: Arc<Folder>,
    /// What is missing or odd. A blocking problem means the snapshot is incomplete.
    pub problems: Vec<Problem>,
}

/// A folder. Equal folders of two snapshots may be one allocation, so comparing snapshots costs what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folder {
    /// Names all that is below this folder, unfiltered; for Git the tree id. `None` where the tree alone does not decide
    /// what is below, such as with a link to a file elsewhere or a file that cannot be read.
    pub id: Option<ContentId>,
    /// The entries that are wanted, by name.
    pub entries: BTreeMap<Arc<str>, Entry>,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a tree has leaves and branches")]
pub enum Entry {
    /// A file.
    File {
        /// Names its bytes.
        id: ContentId,
    },
    /// A folder that holds at least one wanted file.
    Folder(Arc<Folder>),
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// Path from the root of the source.
    pub path: Arc<str>,
    /// Names its bytes.
    pub id: ContentId,
}

impl ContentId {
    /// Names content.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileChange {
    /// Path from the root of the source.
    pub path: Arc<str>,
    /// Names its bytes before; `None` if it is new.
    pub old: Option<ContentId>,
    /// Names its bytes now; `None` if it is gone.
    pub new: Option<ContentId>,
}

impl Snapshot {
    /// Gathers the files of a revision.
    #[must_use]
    pub fn new(revision: &RevisionId, root: Arc<Folder>) -> Self {
        Self { revision: revision.clone(), paths: None, root, problems: Vec::new() }
    }

    /// Adds which files were asked for.
    #[must_use]
    pub fn with_paths(self, paths: &Paths) -> Self {
        Self { paths: Some(paths.clone()), ..self }
    }

    /// Adds what is missing or odd.
    #[must_use]
    pub fn with_problems(self, problems: Vec<Problem>) -> Self {
        Self { problems, ..self }
    }

    /// Lists the files in byte order of their paths.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        let mut files = Vec::new();
        collect(&self.root, "", &mut files);
        files.sort_by(|left, right| left.path.as_bytes().cmp(right.path.as_bytes()));
        files
    }
}

impl Snapshot {
    /// Lists the files that are not what they were in `old`, in byte order of their paths. Folders that both share are not
    /// looked into, so this costs what changed.
    ///
    /// ```
    /// use gitops_core::source::{ContentId, Folder, RevisionId, Snapshot};
    ///
    /// let snapshot = |files: &[(&str, &str)]| {
    ///     let mut root = Folder::default();
    ///     files.iter().for_each(|(path, id)| root.insert(path, ContentId::new(id)));
    ///     Snapshot::new(&RevisionId::new("1"), root.into())
    /// };
    /// let (old, new) = (snapshot(&[("a/x", "1"), ("b", "2")]), snapshot(&[("a/x", "3"), ("b", "2")]));
    /// let changes = new.changes_since(&old);
    ///
    /// assert_eq!((&*changes[0].path, changes.len()), ("a/x", 1));
    /// assert_eq!((changes[0].old.clone(), changes[0].new.clone()), (Some(ContentId::new("1")), Some(ContentId::new("3"))));
    /// ```
    #[must_use]
    pub fn changes_since(&self, old: &Self) -> Vec<FileChange> {
        let mut changes = Vec::new();
        compare(Some(&old.root), Some(&self.root), "", &mut changes);
        changes.sort_by(|left, right| left.path.as_bytes().cmp(right.path.as_bytes()));
        changes
    }
}

fn compare(old: Option<&Arc<Folder>>, new: Option<&Arc<Folder>>, prefix: &str, changes: &mut Vec<FileChange>) {
    if let (Some(old), Some(new)) = (old, new)
        && Arc::ptr_eq(old, new)
    {
        return;
    }
    let entry = |folder: Option<&Arc<Folder>>, name: &str| folder.and_then(|folder| folder.entries.get(name).cloned());
    let names = |folder: Option<&Arc<Folder>>| {
        folder.into_iter().flat_map(|folder| folder.entries.keys().cloned()).collect::<BTreeSet<Arc<str>>>()
    };
    let all = &names(old) | &names(new);
    for name in all {
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        let (old, new) = (entry(old, &name), entry(new, &name));
        let file = |entry: &Option<Entry>| match entry {
            Some(Entry::File { id }) => Some(id.clone()),
            _ => None,
        };
        let folder = |entry: &Option<Entry>| match entry {
            Some(Entry::Folder(folder)) => Some(Arc::clone(folder)),
            _ => None,
        };
        let (before, after) = (file(&old), file(&new));
        if before != after {
            changes.push(FileChange { path: path.as_str().into(), old: before, new: after });
        }
        compare(folder(&old).as_ref(), folder(&new).as_ref(), &path, changes);
    }
}

impl Folder {
    /// Adds a file at a path with `/` between folders; folders on the way are made.
    pub fn insert(&mut self, path: &str, id: ContentId) {
        match path.split_once('/') {
            None => {
                self.entries.insert(path.into(), Entry::File { id });
            }
            Some((folder, rest)) => {
                let entry = self.entries.entry(folder.into()).or_insert_with(|| Entry::Folder(Arc::default()));
                if matches!(entry, Entry::File { .. }) {
                    *entry = Entry::Folder(Arc::default());
                }
                if let Entry::Folder(below) = entry {
                    Arc::make_mut(below).insert(rest, id);
                }
            }
        }
    }
}

fn collect(folder: &Folder, prefix: &str, files: &mut Vec<File>) {
    for (name, entry) in &folder.entries {
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        match entry {
            Entry::File { id } => files.push(File { path: path.into(), id: id.clone() }),
            Entry::Folder(below) => collect(below, &path, files),
        }
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
