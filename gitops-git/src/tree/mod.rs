//! Listing the wanted files of a commit.

mod snapshot;
mod submodule;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::problem::{Code, Problem};
use gitops_core::resource::Origin;
use gitops_core::source::{ContentId, Entry, Folder, Kind as What, Paths, SourceError, SourceFailure};
use gix::bstr::{BStr, BString, ByteSlice};
use gix::objs::Kind;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::error::{shown, too_large};
use crate::ignored::Ignored;
use crate::links::{Place, Reader, join};
use crate::objects::{self, TreeEntry};
use crate::submodules::{Rule, SubmoduleList};

pub(crate) use snapshot::snapshot;

/// Folders within folders. Git itself has no limit; ours keeps the stack small, here and in what reads a snapshot.
const DEPTH: usize = 128;

/// What was listed before. Equal folders are shared with it; of the same paths, what has the same id is not read again.
pub(crate) enum Known<'k> {
    SamePaths(&'k Arc<Folder>),
    OtherPaths(&'k Arc<Folder>),
}

/// Lists trees, one after the other, for the same paths.
pub(crate) struct Lister<'r> {
    reader: Reader<'r>,
    paths: &'r Paths,
    root: ObjectId,
    /// Whether what has a known id need not be read.
    reuse: bool,
    files: usize,
    /// The trees we are in.
    around: Vec<ObjectId>,
    ignored: Ignored,
    rule: Rule<'r>,
    /// Where this repository lies, if it is that of a submodule, and how many folders are around that.
    prefix: BString,
    above: usize,
    /// What `.gitmodules` says, or why it does not.
    declared: Option<Result<SubmoduleList, String>>,
    /// Folders known to hold no wanted file.
    barren: BTreeSet<(BString, ObjectId)>,
    pub(crate) problems: Vec<Problem>,
    /// The first error that became a problem.
    pub(crate) damage: Option<SourceError>,
}

/// Whether the id of a tree alone decides what was listed below it. A link or a problem makes it `No`: then the folder
/// gets no id, and is read again next time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pure {
    Yes,
    No,
}

impl<'r> Lister<'r> {
    pub(crate) fn new(repository: &'r Repository, limits: &'r GitLimits, paths: &'r Paths) -> Self {
        Self {
            reader: Reader::new(repository, limits),
            paths,
            root: repository.object_hash().null(),
            reuse: false,
            files: 0,
            around: Vec::new(),
            ignored: Ignored::new(paths),
            rule: Rule::Skip,
            prefix: BString::default(),
            above: 0,
            declared: None,
            barren: BTreeSet::new(),
            problems: Vec::new(),
            damage: None,
        }
    }

    /// Sets what is done where a submodule is.
    pub(crate) fn with_rule(self, rule: Rule<'r>) -> Self {
        Self { rule, ..self }
    }

    /// Lists `tree`.
    pub(crate) fn list(&mut self, tree: ObjectId, known: Option<Known<'_>>) -> Result<Arc<Folder>, SourceError> {
        self.reader.restart();
        self.around.clear();
        self.problems.clear();
        (self.root, self.files, self.damage, self.declared) = (tree, 0, None, None);
        self.ignored = Ignored::new(self.paths);
        self.reuse = matches!(known, Some(Known::SamePaths(_)));
        let known = known.map(|(Known::SamePaths(known) | Known::OtherPaths(known))| known);
        Ok(self.folder(tree, b"".as_bstr(), known)?.0)
    }

    fn folder(
        &mut self,
        id: ObjectId,
        path: &BStr,
        known: Option<&Arc<Folder>>,
    ) -> Result<(Arc<Folder>, Pure), SourceError> {
        let content = self.ignored.content_id(id);
        if self.reuse
            && let Some(known) = known.filter(|known| known.id.as_ref() == Some(&content))
        {
            return Ok((Arc::clone(known), Pure::Yes));
        }
        let place = (path.to_owned(), id);
        if self.barren.contains(&place) {
            return Ok((Arc::new(with_id(Folder::default(), Some(content))), Pure::Yes));
        }
        let entries = match self.reader.tree(id) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, error).map(|pure| (Arc::default(), pure)),
        };
        let outer = self.ignored.outer();
        let mut pure = self.rules(&entries, path)?;
        self.around.push(id);
        let mut folder = Folder::default();
        for entry in &entries {
            if self.entry(&mut folder, entry, path, known)? == Pure::No {
                pure = Pure::No;
            }
        }
        self.around.pop();
        self.ignored.leave(outer);
        if self.collide(&folder, path) == Pure::No {
            pure = Pure::No;
        }
        // Where there are rules, other ones may let something in elsewhere.
        if folder.entries.is_empty() && pure == Pure::Yes && !self.ignored.is_heeded() {
            self.barren.insert(place);
        }
        let folder = with_id(folder, (pure == Pure::Yes).then_some(content));
        match known {
            Some(known) if **known == folder => Ok((Arc::clone(known), pure)),
            _ => Ok((Arc::new(folder), pure)),
        }
    }

    /// Finds what lies at a path, which may lie in a submodule.
    fn locate(&mut self, path: &BStr) -> Result<Place, SourceError> {
        let inside = path.strip_prefix(self.prefix.as_slice()).unwrap_or(path);
        self.reader.locate(self.root, inside.as_bstr())
    }

    fn wants(&self, path: &str) -> bool {
        self.paths.wants(path) && !self.ignored.keeps_out(path, What::File)
    }

    fn may_enter(&self, path: &str) -> bool {
        self.paths.may_enter(path) && self.ignored.may_enter(path)
    }

    /// Puts the rules of a folder in force that say which files are kept out.
    fn rules(&mut self, entries: &[TreeEntry], path: &BStr) -> Result<Pure, SourceError> {
        let Some(file) = self.ignored.file(entries) else { return Ok(Pure::Yes) };
        let (at, mut pure) = (join(path, file.name.as_bstr()), Pure::Yes);
        let id = match file.kind {
            EntryKind::Blob | EntryKind::BlobExecutable => file.id,
            EntryKind::Link => match self.locate(at.as_bstr()) {
                // What it leads to may change without this folder.
                Ok(Place::File(id)) => {
                    pure = Pure::No;
                    id
                }
                _ => return Ok(self.unruled(&at, "leads to no file of the repository")),
            },
            EntryKind::Tree | EntryKind::Commit => return Ok(self.unruled(&at, "is no file")),
        };
        match objects::load(self.reader.repository, self.reader.limits, id, Kind::Blob) {
            Ok(text) if self.ignored.add(path, id, &text) => Ok(pure),
            Ok(_) => Ok(self.unruled(&at, "has more rules than are heeded")),
            Err(error) => self.unreadable(at.as_bstr(), error),
        }
    }

    /// Notes that what is kept out is not known, so that too much may be listed.
    fn unruled(&mut self, path: &BString, why: &str) -> Pure {
        let path = path.to_str_lossy();
        let problem = Problem::blocks(Code::UnreadableFile, format!("`{}` {why}", shown(&path)));
        self.problem(problem.hint("which files it keeps out is not known: make it a short file"), &path)
    }

    fn entry(
        &mut self,
        folder: &mut Folder,
        entry: &TreeEntry,
        parent: &BStr,
        known: Option<&Arc<Folder>>,
    ) -> Result<Pure, SourceError> {
        let path = join(parent, entry.name.as_bstr());
        let text = path.to_str_lossy();
        let text = text.as_ref();
        if matches!(entry.name.as_slice(), b"" | b"." | b"..") || entry.name.contains(&b'/') {
            let what = format!("a folder of the commit has an entry with the impossible name `{}`", shown(text));
            return Ok(self.problem(Problem::blocks(Code::UnreadableFile, what), text));
        }
        match entry.kind {
            EntryKind::Blob | EntryKind::BlobExecutable if self.wants(text) => {
                self.insert(folder, &entry.name, text, Entry::File { id: ContentId::new(&entry.id.to_string()) })
            }
            EntryKind::Tree if self.may_enter(text) => self.below(folder, entry, &path, entry.id, known),
            EntryKind::Link if self.wants(text) || self.may_enter(text) => {
                self.link(folder, entry, &path, known)?;
                Ok(Pure::No)
            }
            EntryKind::Commit if self.may_enter(text) => self.submodule(folder, entry, &path, known),
            _ => Ok(Pure::Yes),
        }
    }

    /// Lists the folder `tree`, found as `entry`, and adds it if it holds a wanted file.
    fn below(
        &mut self,
        folder: &mut Folder,
        entry: &TreeEntry,
        path: &BString,
        tree: ObjectId,
        known: Option<&Arc<Folder>>,
    ) -> Result<Pure, SourceError> {
        let text = path.to_str_lossy();
        if self.above + self.around.len() >= DEPTH {
            let what = format!("folders lie more than {DEPTH} deep; what is below is not read");
            return Ok(self.problem(Problem::blocks(Code::TooLarge, what).hint("use fewer levels"), &text));
        }
        let known = match known.and_then(|known| known.entries.get(&*entry.name.to_str_lossy())) {
            Some(Entry::Folder(known)) => Some(known),
            _ => None,
        };
        let outer = self.ignored.outer();
        self.ignored.enter(&text);
        let (below, pure) = self.folder(tree, path.as_bstr(), known)?;
        self.ignored.leave(outer);
        if below.entries.is_empty() {
            return Ok(pure);
        }
        match self.insert(folder, &entry.name, &text, Entry::Folder(below))? {
            Pure::Yes => Ok(pure),
            Pure::No => Ok(Pure::No),
        }
    }

    /// Adds what a link leads to, or the problem with it.
    fn link(
        &mut self,
        folder: &mut Folder,
        entry: &TreeEntry,
        path: &BString,
        known: Option<&Arc<Folder>>,
    ) -> Result<Pure, SourceError> {
        let text = path.to_str_lossy();
        let (wanted, enters) = (self.wants(&text), self.may_enter(&text));
        let place = match self.locate(path.as_bstr()) {
            Ok(place) => place,
            Err(error) => return self.unreadable(path.as_bstr(), error),
        };
        let why = match place {
            Place::File(id) if wanted => {
                let file = Entry::File { id: ContentId::new(&id.to_string()) };
                return self.insert(folder, &entry.name, &text, file);
            }
            Place::Folder(tree) if enters && !self.around.contains(&tree) => {
                return self.below(folder, entry, path, tree, known);
            }
            Place::Folder(_) if enters => {
                let what = format!("the link `{text}` leads back to a folder around it; it is not followed");
                return Ok(self.problem(Problem::warning(Code::UnreadableFile, what), &text));
            }
            Place::File(_) | Place::Folder(_) => return Ok(Pure::Yes),
            Place::Submodule => return Ok(self.link_into_submodule(&text)),
            Place::Nothing => "which does not exist at this revision",
            Place::Outside => "which is outside the repository",
            Place::Circle => "which leads round in a circle",
        };
        let target = objects::load(self.reader.repository, self.reader.limits, entry.id, Kind::Blob)?;
        let what = format!("the link `{text}` points to `{}`, {why}", shown(&target.to_str_lossy()));
        // A missing manifest must not look like a removed one.
        let problem = match wanted {
            true => Problem::blocks(Code::UnreadableFile, what),
            false => Problem::warning(Code::UnreadableFile, what),
        };
        Ok(self.problem(problem.hint("commit the file itself, or remove the link"), &text))
    }

    fn insert(&mut self, folder: &mut Folder, name: &BString, path: &str, entry: Entry) -> Result<Pure, SourceError> {
        let text = name.to_str_lossy();
        if folder.entries.contains_key(&*text) {
            let what = format!("two entries of one folder are called `{text}`; only the first is read");
            return Ok(self.problem(Problem::blocks(Code::UnreadableFile, what).hint("rename one of them"), path));
        }
        if matches!(entry, Entry::File { .. }) {
            self.files += 1;
            if self.files > self.reader.limits.files {
                return Err(self.too_many());
            }
        }
        folder.entries.insert(Arc::from(&*text), entry);
        if matches!(text, Cow::Owned(_)) {
            let what = format!("the name `{text}` is not UTF-8; it is shown with replacement characters");
            return Ok(self.problem(Problem::warning(Code::UnreadableFile, what).hint("rename it"), path));
        }
        Ok(Pure::Yes)
    }

    /// Warns of names that are one name on the file systems of macOS and Windows: whoever clones there has one file only.
    fn collide(&mut self, folder: &Folder, path: &BStr) -> Pure {
        // Nearly all names are in lower case already.
        if !folder.entries.keys().any(|name| name.chars().any(char::is_uppercase)) {
            return Pure::Yes;
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut collisions = Vec::new();
        for name in folder.entries.keys() {
            if let Some(other) = seen.insert(name.to_lowercase(), name) {
                collisions.push((other.to_owned(), name.to_string()));
            }
        }
        let mut pure = Pure::Yes;
        for (one, other) in collisions {
            let what = format!("`{}` and `{}` differ in case only", shown(&one), shown(&other));
            let problem =
                Problem::warning(Code::UnreadableFile, what).hint("rename one: not everybody can check out both");
            pure = self.problem(problem, &join(path, other.as_bytes().as_bstr()).to_str_lossy());
        }
        pure
    }

    /// Notes what could not be read; fails if nothing is left without it.
    fn unreadable(&mut self, path: &BStr, error: SourceError) -> Result<Pure, SourceError> {
        let text = path.to_str_lossy();
        let on_the_way = |root: &Arc<str>| text.is_empty() || format!("{root}/").starts_with(&format!("{text}/"));
        if matches!(error.failure, SourceFailure::TooLarge { .. }) || self.paths.roots.iter().any(on_the_way) {
            return Err(error);
        }
        let problem = Problem::blocks(Code::UnreadableFile, error.to_string());
        self.damage.get_or_insert(error);
        Ok(self.problem(problem, &text))
    }

    fn problem(&mut self, problem: Problem, path: &str) -> Pure {
        self.problems.push(problem.at(&Origin::new(&path.into(), 0, 0)));
        Pure::No
    }

    fn too_many(&self) -> SourceError {
        too_large(format!("there are more than {} files under these paths; narrow them", self.reader.limits.files))
    }
}

fn with_id(mut folder: Folder, id: Option<ContentId>) -> Folder {
    folder.id = id;
    folder
}
