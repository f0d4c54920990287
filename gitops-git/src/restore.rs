//! Commits that take files back to what they were, to be looked at and merged by people.

use std::collections::BTreeMap;

use gitops_core::source::{Paths, RevisionId, SourceError};
use gitops_core::time::Timestamp;
use gix::actor::Signature;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::date::parse::TimeBuf;
use gix::objs::tree::{Entry, EntryKind, EntryMode};
use gix::objs::{Commit, Tree};
use gix::refs::FullName;
use gix::refs::transaction::{PreviousValue, RefEdit};
use gix::{ObjectId, Repository};

use crate::branches::in_the_way;
use crate::error::{cannot_write, shown, too_large, unsupported};
use crate::{GitLimits, GitSource, objects};

/// Folders within folders, as for reading.
const DEPTH: usize = 128;

/// What a commit of [`GitSource::restore`] is to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restore {
    /// The commit to build upon, such as that of the branch that is followed.
    pub onto: RevisionId,
    /// The commit whose files are wanted back.
    pub to: RevisionId,
    /// Which files. All others stay as they are.
    pub paths: Paths,
    /// The branch to make for it. It must not exist.
    pub branch: String,
    /// Who does it, such as `Ann <ann@example.org>`.
    pub author: String,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub message: String,
}

impl Restore {
    /// Wants the files under `paths` of the commit `to` back, on top of `onto`, as a new branch.
    #[must_use]
    pub fn new(onto: &RevisionId, to: &RevisionId, paths: &Paths, branch: &str) -> Self {
        Self {
            onto: onto.clone(),
            to: to.clone(),
            paths: paths.clone(),
            branch: branch.to_owned(),
            author: "gitops <gitops@localhost>".to_owned(),
            time: Timestamp::from_millis(0),
            message: format!("Revert to {}\n", to.short()),
        }
    }

    /// Sets who does it, and when.
    #[must_use]
    pub fn by(self, author: &str, time: Timestamp) -> Self {
        Self { author: author.to_owned(), time, ..self }
    }

    /// Sets the message.
    #[must_use]
    pub fn with_message(self, message: &str) -> Self {
        Self { message: message.to_owned(), ..self }
    }
}

impl GitSource {
    /// Makes a commit in which the wanted files are as they were, and a new branch for it. Nothing else is touched: no
    /// existing branch, no work tree, no index, and no remote. Returns the commit.
    ///
    /// # Errors
    /// When the branch exists or cannot be called so, when the files are already as they were, or when a file would have
    /// to take the place of a folder that stays.
    pub fn restore(&self, restore: &Restore) -> Result<RevisionId, SourceError> {
        let repository = self.local();
        let (onto, onto_commit) = objects::pinned(&repository, &restore.onto)?;
        let (_, to_commit) = objects::pinned(&repository, &restore.to)?;
        let follows = self.follows_submodules();
        let mut weaver =
            Weaver { repository: &repository, limits: self.limits(), paths: &restore.paths, follows, seen: 0 };
        let woven = weaver.weave(Some(onto_commit.tree), Some(to_commit.tree), b"".as_bstr(), 0)?;
        let tree = match woven {
            Some(tree) => tree,
            None => write(&repository, Tree::empty())?,
        };
        if tree == onto_commit.tree {
            let what = format!("taking files back that are as they were in commit `{}`", restore.to.short());
            return Err(unsupported(what));
        }
        let Ok(branch) = FullName::try_from(format!("refs/heads/{}", restore.branch)) else {
            return Err(unsupported(format!("`{}` as the name of a branch", shown(&restore.branch))));
        };
        if repository.try_find_reference(&branch).is_ok_and(|found| found.is_some()) {
            return Err(unsupported(format!("making the branch `{}`, which exists already,", shown(&restore.branch))));
        }
        if let Some(other) = in_the_way(&repository, &branch)? {
            let (branch, other) = (shown(&restore.branch), shown(&other));
            return Err(unsupported(format!("making the branch `{branch}` beside `{other}`")));
        }
        let person = signature(&restore.author, restore.time);
        let commit = Commit {
            tree,
            parents: [onto].into_iter().collect(),
            author: person.clone(),
            committer: person.clone(),
            encoding: None,
            message: restore.message.as_str().into(),
            extra_headers: Vec::new(),
        };
        let id = write(&repository, commit)?;
        let edit = RefEdit::update(branch, id, PreviousValue::MustNotExist, "gitops: revert");
        let made = repository.edit_references_as(Some(edit), Some(person.to_ref(&mut TimeBuf::default())));
        made.map_err(|error| {
            let what = format!("making the branch `{}`, which cannot be written,", shown(&restore.branch));
            unsupported(what).caused_by(error)
        })?;
        Ok(RevisionId::new(&id.to_string()))
    }
}

struct Weaver<'r> {
    repository: &'r Repository,
    limits: &'r GitLimits,
    paths: &'r Paths,
    /// Whether files of submodules are read.
    follows: bool,
    /// Entries that were looked at.
    seen: usize,
}

type Entries = BTreeMap<BString, (EntryMode, ObjectId)>;

impl Weaver<'_> {
    /// Makes the tree that has the wanted files of `to`, and all others of `onto`; `None` if there are none.
    fn weave(
        &mut self,
        onto: Option<ObjectId>,
        to: Option<ObjectId>,
        path: &BStr,
        depth: usize,
    ) -> Result<Option<ObjectId>, SourceError> {
        if onto == to {
            return Ok(onto);
        }
        if depth > DEPTH {
            return Err(unsupported(format!("folders more than {DEPTH} deep")));
        }
        let (onto, to) = (self.entries(onto)?, self.entries(to)?);
        let mut entries = Vec::new();
        for name in onto.keys().chain(to.keys().filter(|name| !onto.contains_key(*name))) {
            let path = if path.is_empty() {
                name.clone()
            } else {
                BString::from([path.as_bytes(), b"/", name.as_slice()].concat())
            };
            let text = path.to_str_lossy();
            let (of_onto, of_to) = (onto.get(name), to.get(name));
            let tree =
                |entry: Option<&(EntryMode, ObjectId)>| entry.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| *id);
            let file = |entry: Option<&(EntryMode, ObjectId)>| entry.filter(|(mode, _)| !mode.is_tree()).copied();
            let below = match self.paths.may_enter(&text) {
                true => self.weave(tree(of_onto), tree(of_to), path.as_bstr(), depth + 1)?,
                false => tree(of_onto),
            };
            // The files of a submodule that is followed go back with the commit that it is at.
            let is_module = |entry: Option<&(EntryMode, ObjectId)>| entry.is_some_and(|(mode, _)| mode.is_commit());
            let followed = self.follows && (is_module(of_to) || is_module(of_onto)) && self.paths.may_enter(&text);
            let file = if followed || self.paths.wants(&text) { file(of_to) } else { file(of_onto) };
            let below = below.map(|id| (EntryMode::from(EntryKind::Tree), id));
            if below.is_some() && file.is_some() {
                return Err(unsupported(format!(
                    "taking back `{}`, which is a file there and a folder here,",
                    shown(&text)
                )));
            }
            if let Some((mode, oid)) = below.or(file) {
                entries.push(Entry { mode, filename: name.clone(), oid });
            }
        }
        entries.sort();
        match entries.is_empty() {
            true => Ok(None),
            false => write(self.repository, Tree { entries }).map(Some),
        }
    }

    fn entries(&mut self, tree: Option<ObjectId>) -> Result<Entries, SourceError> {
        let Some(tree) = tree else { return Ok(Entries::new()) };
        let entries = objects::tree(self.repository, self.limits, tree)?;
        self.seen = self.seen.saturating_add(entries.len());
        if self.seen > self.limits.entries {
            let limit = self.limits.entries;
            return Err(too_large(format!("more than {limit} files and folders differ; narrow the paths")));
        }
        Ok(entries.into_iter().map(|entry| (entry.name, (EntryMode::from(entry.kind), entry.id))).collect())
    }
}

fn write(repository: &Repository, object: impl gix::objs::WriteTo) -> Result<ObjectId, SourceError> {
    repository.write_object(object).map(gix::Id::detach).map_err(cannot_write)
}

/// Splits `Ann <ann@example.org>`.
fn signature(author: &str, time: Timestamp) -> Signature {
    let clean = |text: &str| text.replace(['<', '>', '\n', '\0'], "").trim().to_owned();
    let (name, address) = author.split_once('<').unwrap_or((author, ""));
    let seconds = time.millis().div_euclid(1000);
    Signature { name: clean(name).into(), email: clean(address).into(), time: gix::date::Time::new(seconds, 0) }
}
