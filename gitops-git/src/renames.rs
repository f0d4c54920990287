//! Where a file was before it was renamed, as Git tells: nothing records it, so it is the most similar of the files that
//! went with the same commit.

use std::collections::BTreeMap;

use gitops_core::source::{SourceError, SourceFailure};
use gix::bstr::{BString, ByteSlice};
use gix::objs::Kind;
use gix::objs::tree::EntryKind;
use gix::{ObjectId, Repository};

use crate::GitLimits;
use crate::links::Reader;
use crate::objects;

/// Parts of a whole.
const WHOLE: usize = 60_000;
/// How much two files must share, as `git diff -M` has it.
const SIMILAR: usize = WHOLE / 2;
/// How much the only two files of one name must share to be taken for the same without a look at others.
const SIMILAR_BY_NAME: usize = WHOLE / 4 * 3;
/// Files that are kept to choose from.
const CANDIDATES: usize = 4;
/// The most files that went with one commit that are looked at.
const GONE: usize = 10_000;
/// Longest piece of a file that is compared at once: a line, or this.
const PIECE: usize = 64;
/// A file with a zero among these first bytes is no text.
const BINARY: usize = 8000;
/// Folders within folders, as for what is listed.
const DEPTH: usize = 128;

/// A file that went.
struct Gone {
    path: BString,
    id: ObjectId,
}

/// Returns the file of the tree `old` that became `file` in the tree `new`, and its content. A file that lies behind a link
/// came from nowhere.
pub(crate) fn origin(
    reader: &mut Reader<'_>,
    old: ObjectId,
    new: ObjectId,
    file: &str,
) -> Result<Option<(String, ObjectId)>, SourceError> {
    let path: Vec<&str> = file.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let Some(id) = plain(reader, new, &path)? else { return Ok(None) };
    let path = path.join("/");
    let mut gone = gone(reader, old, new)?;
    gone.sort_by(|left, right| left.path.cmp(&right.path));
    let search = Search { repository: reader.repository, limits: reader.limits };
    let found = search.best(&gone, &path, id)?;
    // A name that is no text could not be asked for.
    Ok(found.and_then(|gone| Some((gone.path.to_str().ok()?.to_owned(), gone.id))))
}

/// Finds a file without following links.
fn plain(reader: &mut Reader<'_>, root: ObjectId, path: &[&str]) -> Result<Option<ObjectId>, SourceError> {
    let (mut tree, mut names) = (root, path.iter().peekable());
    while let Some(name) = names.next() {
        let entry = reader.tree(tree)?.into_iter().find(|entry| entry.name == **name);
        match (entry.map(|entry| (entry.kind, entry.id)), names.peek().is_some()) {
            (Some((EntryKind::Tree, id)), true) => tree = id,
            (Some((EntryKind::Blob | EntryKind::BlobExecutable, id)), false) => return Ok(Some(id)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Lists the files of a tree that are not in another.
fn gone(reader: &mut Reader<'_>, old: ObjectId, new: ObjectId) -> Result<Vec<Gone>, SourceError> {
    let mut files = Vec::new();
    let mut folders = vec![(BString::default(), old, Some(new), 0)];
    while let Some((path, old, new, depth)) = folders.pop() {
        if Some(old) == new || depth > DEPTH {
            continue;
        }
        let now = match new {
            Some(new) => reader.tree(new)?,
            None => Vec::new(),
        };
        let now: BTreeMap<&BString, (EntryKind, ObjectId)> =
            now.iter().map(|entry| (&entry.name, (entry.kind, entry.id))).collect();
        for entry in reader.tree(old)? {
            let below =
                if path.is_empty() { entry.name.clone() } else { gix::bstr::join("/", [&path, &entry.name]).into() };
            let is_still_there =
                |is_tree: bool| now.get(&entry.name).filter(|now| (now.0 == EntryKind::Tree) == is_tree);
            match entry.kind {
                EntryKind::Tree => folders.push((below, entry.id, is_still_there(true).map(|now| now.1), depth + 1)),
                EntryKind::Blob | EntryKind::BlobExecutable if is_still_there(false).is_none() => {
                    files.push(Gone { path: below, id: entry.id });
                }
                _ => {}
            }
        }
    }
    Ok(files)
}

struct Search<'r> {
    repository: &'r Repository,
    limits: &'r GitLimits,
}

impl Search<'_> {
    /// Chooses as `diffcore-rename` of Git does: the same content, then the only file of that name, then the most similar.
    fn best<'g>(&self, gone: &'g [Gone], path: &str, id: ObjectId) -> Result<Option<&'g Gone>, SourceError> {
        let has_name = |gone: &&Gone| name(&gone.path) == name(path.as_bytes());
        let mut same = gone.iter().filter(|gone| gone.id == id).peekable();
        if let Some(first) = same.peek().copied() {
            return Ok(Some(same.find(has_name).unwrap_or(first)));
        }
        let Some(wanted) = Pieces::of(self, id)? else { return Ok(None) };
        let mut named = gone.iter().filter(has_name);
        if let (Some(only), None) = (named.next(), named.next())
            && self.likeness(only, &wanted, SIMILAR_BY_NAME)? >= SIMILAR_BY_NAME
        {
            return Ok(Some(only));
        }
        // The first of the best; of so few kept at a time that among equals it may be another, as with Git.
        let mut kept: Vec<((usize, bool), &Gone)> = Vec::new();
        for gone in gone.iter().take(GONE) {
            let score = (self.likeness(gone, &wanted, SIMILAR)?, has_name(&gone));
            if kept.len() < CANDIDATES {
                kept.push((score, gone));
            } else if let Some(worst) = kept.iter_mut().min_by_key(|kept| kept.0).filter(|worst| worst.0 < score) {
                *worst = (score, gone);
            }
        }
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.0));
        Ok(kept.first().filter(|((likeness, _), _)| *likeness >= SIMILAR).map(|(_, gone)| *gone))
    }

    /// How much of a file is in what is wanted, in parts of [`WHOLE`]; 0 if the sizes alone tell that it is less than `least`.
    fn likeness(&self, gone: &Gone, wanted: &Pieces, least: usize) -> Result<usize, SourceError> {
        let size = self.repository.try_find_header(gone.id).ok().flatten().map(|header| header.size());
        let Some(size) = size.and_then(|size| usize::try_from(size).ok()) else { return Ok(0) };
        let (large, small) = (size.max(wanted.size), size.min(wanted.size));
        if large.saturating_mul(WHOLE - least) < (large - small).saturating_mul(WHOLE) || large == 0 {
            return Ok(0);
        }
        let Some(pieces) = Pieces::of(self, gone.id)? else { return Ok(0) };
        let shared = |(piece, bytes): (&Vec<u8>, &usize)| wanted.bytes.get(piece).map_or(0, |other| *bytes.min(other));
        let copied: usize = pieces.bytes.iter().map(shared).sum();
        Ok(copied.saturating_mul(WHOLE) / large)
    }
}

/// The bytes of a file by the pieces it consists of.
struct Pieces {
    size: usize,
    bytes: BTreeMap<Vec<u8>, usize>,
}

impl Pieces {
    /// `None` for a file that is too large to be read.
    fn of(search: &Search<'_>, id: ObjectId) -> Result<Option<Self>, SourceError> {
        let text = match objects::load(search.repository, search.limits, id, Kind::Blob) {
            Err(SourceError { failure: SourceFailure::TooLarge { .. }, .. }) => return Ok(None),
            text => text?,
        };
        let is_text = !text.iter().take(BINARY).any(|byte| *byte == 0);
        let mut pieces = Self { size: text.len(), bytes: BTreeMap::new() };
        let mut piece = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            // How lines end does not count.
            if is_text && *byte == b'\r' && text.get(at + 1) == Some(&b'\n') {
                continue;
            }
            piece.push(*byte);
            if piece.len() >= PIECE || *byte == b'\n' {
                pieces.add(std::mem::take(&mut piece));
            }
        }
        pieces.add(piece);
        Ok(Some(pieces))
    }

    fn add(&mut self, piece: Vec<u8>) {
        let length = piece.len();
        *self.bytes.entry(piece).or_default() += length;
    }
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit_once_str("/").map_or(path, |(_, name)| name)
}
