//! Listing the files of submodules as if they were files of the repository.

use std::sync::Arc;

use gitops_core::problem::{Code, Problem};
use gitops_core::source::{ContentId, Entry, Folder, SourceError};
use gix::bstr::{BString, ByteSlice};
use gix::objs::Kind;
use gix::objs::tree::EntryKind;

use super::{DEPTH, Lister, Pure};
use crate::error::shown;
use crate::ignored::Ignored;
use crate::links::Reader;
use crate::objects::{self, TreeEntry};
use crate::submodules::{Module, NotFound, Rule, Submodule, SubmoduleList};

const FILE: &str = ".gitmodules";

impl Lister<'_> {
    /// Adds what a submodule holds, or says why it does not.
    pub(super) fn submodule(
        &mut self,
        folder: &mut Folder,
        entry: &TreeEntry,
        path: &BString,
        known: Option<&Arc<Folder>>,
    ) -> Result<Pure, SourceError> {
        let text = path.to_str_lossy();
        let modules = match self.rule {
            Rule::Skip => return Ok(self.unread(&text, Problem::warning)),
            Rule::Refuse => return Ok(self.unread(&text, Problem::blocks)),
            Rule::Pin => {
                let commit = Entry::File { id: ContentId::new(&entry.id.to_string()) };
                return self.insert(folder, &entry.name, &text, commit);
            }
            Rule::Follow(modules) => modules,
        };
        let declared = match self.declared(path)? {
            Ok(declared) => declared,
            Err(why) => return Ok(self.refused(&text, &why, "mend `.gitmodules`")),
        };
        match modules.find(&text, &declared, entry.id) {
            Ok(module) => self.within(folder, entry, path, known, &module),
            Err(NotFound::Refused { why, hint }) => Ok(self.refused(&text, &why, hint)),
            Err(NotFound::Failed(error)) => Err(error),
            // What is listed now is thrown away.
            Err(NotFound::Later) => Ok(Pure::No),
        }
    }

    /// Notes that a link leads into a submodule.
    pub(super) fn link_into_submodule(&mut self, path: &str) -> Pure {
        match self.rule {
            Rule::Skip | Rule::Pin => self.unread(path, Problem::warning),
            Rule::Refuse => self.unread(path, Problem::blocks),
            Rule::Follow(_) => {
                let what = format!("the link `{path}` leads into a submodule; it is not followed");
                let problem = Problem::blocks(Code::UnreadableFile, what);
                self.problem(problem.hint("name the folder of the submodule instead"), path)
            }
        }
    }

    /// Lists the commit of a submodule, and adds it if it holds a wanted file.
    fn within(
        &mut self,
        folder: &mut Folder,
        entry: &TreeEntry,
        path: &BString,
        known: Option<&Arc<Folder>>,
        module: &Module,
    ) -> Result<Pure, SourceError> {
        if self.above + self.around.len() >= DEPTH {
            return Ok(self.refused(&path.to_str_lossy(), "folders lie too deep", "use fewer levels"));
        }
        let known = match known.and_then(|known| known.entries.get(&*entry.name.to_str_lossy())) {
            Some(Entry::Folder(known)) => Some(known),
            _ => None,
        };
        let repository = module.source.local();
        let tree = objects::commit(&repository, entry.id)?.tree;
        let outer = self.ignored.outer();
        self.ignored.enter(&path.to_str_lossy());
        let mut inner =
            Lister::new(&repository, self.reader.limits, self.paths).with_rule(Rule::Follow(&*module.within));
        (inner.root, inner.reuse, inner.files) = (tree, self.reuse, self.files);
        inner.prefix.clone_from(path);
        inner.above = self.above + self.around.len();
        inner.reader = Reader::new(&repository, self.reader.limits).counting_on(&self.reader);
        inner.ignored = std::mem::replace(&mut self.ignored, Ignored::new(self.paths));
        let listed = inner.folder(tree, path.as_bstr(), known);
        self.ignored = inner.ignored;
        self.ignored.leave(outer);
        self.files = inner.files;
        self.reader.continue_from(&inner.reader);
        self.problems.append(&mut inner.problems);
        if let Some(damage) = inner.damage {
            self.damage.get_or_insert(damage);
        }
        let (below, _) = listed?;
        if !below.entries.is_empty() {
            self.insert(folder, &entry.name, &path.to_str_lossy(), Entry::Folder(below))?;
        }
        // Its address, and whether it may be followed, stand elsewhere than in this folder.
        Ok(Pure::No)
    }

    /// Returns what `.gitmodules` says of the submodule at `path`.
    fn declared(&mut self, path: &BString) -> Result<Result<Submodule, String>, SourceError> {
        if self.declared.is_none() {
            self.declared = Some(self.declarations()?);
        }
        let inside = path.strip_prefix(self.prefix.as_slice()).unwrap_or(path);
        let inside = inside.strip_prefix(b"/").unwrap_or(inside).to_str_lossy();
        Ok(match &self.declared {
            Some(Ok(list)) => list.at(&inside).map_err(|error| error.to_string()),
            Some(Err(why)) => Err(why.clone()),
            None => Err("`.gitmodules` was not read".to_owned()),
        })
    }

    fn declarations(&mut self) -> Result<Result<SubmoduleList, String>, SourceError> {
        let entries = self.reader.tree(self.root)?;
        let Some(file) = entries.iter().find(|entry| entry.name == FILE) else {
            return Ok(Err("there is no `.gitmodules` that says where it is".to_owned()));
        };
        // Git refuses one that is a link, too (CVE-2018-11235).
        if !matches!(file.kind, EntryKind::Blob | EntryKind::BlobExecutable) {
            return Ok(Err("`.gitmodules` is not a plain file".to_owned()));
        }
        let bytes = objects::load(self.reader.repository, self.reader.limits, file.id, Kind::Blob)?;
        Ok(SubmoduleList::read(&bytes).map_err(|error| error.to_string()))
    }

    fn unread(&mut self, path: &str, problem: fn(Code, String) -> Problem) -> Pure {
        let what = format!("`{path}` is a submodule; its files are not read");
        let problem = problem(Code::UnreadableFile, what);
        self.problem(problem.hint("commit its files here, or make its repository a source of its own"), path)
    }

    fn refused(&mut self, path: &str, why: &str, hint: &str) -> Pure {
        let what = format!("the submodule `{}` is not followed: {why}", shown(path));
        self.problem(Problem::blocks(Code::UnreadableFile, what).hint(hint), path)
    }
}
