//! From what a person writes to one commit. The rules are listed at [`GitSource`](crate::GitSource).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use gitops_core::source::{SourceError, SourceFailure};
use gix::bstr::ByteSlice;
use gix::objs::Kind;
use gix::refs::FullName;
use gix::{ObjectId, Repository};

use crate::error::{beyond, damaged, shown, unknown, unsupported};
use crate::objects;

/// Git allows no longer reference on most file systems.
const TARGET_BYTES: usize = 1024;
/// The fewest digits of a short id, as in Git.
const SHORT: usize = 4;
/// References looked at for similar names.
const LOOKED_AT: usize = 10_000;
/// Names or ids an error lists at most.
const SIMILAR: usize = 3;
const CANDIDATES: usize = 10;

/// Where a short name is looked for, as in Git, where the first wins.
const PLACES: [&str; 4] = ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"];

pub(crate) fn resolve(repository: &Repository, target: &str) -> Result<ObjectId, SourceError> {
    refuse(target)?;
    let (base, steps) = target.split_at(target.find(['~', '^']).unwrap_or(target.len()));
    let id = base_commit(repository, base)?;
    walk(repository, target, id, steps)
}

/// Refuses what names no commit by itself.
fn refuse(target: &str) -> Result<(), SourceError> {
    let refused = |what: &str| Err(unsupported(format!("`{}` is {what}; following that", shown(target))));
    if target.len() > TARGET_BYTES || target.starts_with('-') || target.contains(|char: char| char.is_control()) {
        return Err(unknown(target, Vec::new()));
    }
    if target.contains("@{") {
        return refused("an entry of a reflog, which differs in each clone");
    }
    if target.contains("..") {
        return refused("a range of commits");
    }
    if target.starts_with(":/") || target.contains("^{/") {
        return refused("a search in commit messages");
    }
    if target.contains(':') {
        return refused("a path and not a commit");
    }
    if target.starts_with(['~', '^']) {
        return refused("a range of versions");
    }
    Ok(())
}

fn base_commit(repository: &Repository, base: &str) -> Result<ObjectId, SourceError> {
    if matches!(base, "" | "@" | "HEAD") {
        return head(repository);
    }
    let is_hex = base.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && base.len() == repository.object_hash().len_in_hex() {
        let id = objects::parse(repository, base).ok_or_else(|| unknown(base, Vec::new()))?;
        return match objects::kind(repository, id)? {
            None => Err(unknown(base, Vec::new())),
            Some(_) => objects::peel(repository, base, id),
        };
    }
    if let Some(id) = by_reference(repository, base)? {
        return Ok(id);
    }
    let is_short_id = is_hex && base.len() >= SHORT && base.len() < repository.object_hash().len_in_hex();
    if is_short_id && let Some(id) = by_prefix(repository, base)? {
        return Ok(id);
    }
    if let gix::head::Kind::Unborn(branch) = head_kind(repository)? {
        let branch = branch.as_bstr().to_str_lossy();
        if [&*branch, branch.trim_start_matches(PLACES[0])].contains(&base) {
            return Err(no_commit(&branch));
        }
    }
    if base.starts_with(['<', '>', '=']) || base.contains('*') {
        return Err(unsupported(format!("`{}` is a range of versions; following that", shown(base))));
    }
    Err(unknown(base, similar(repository, base)))
}

fn head(repository: &Repository) -> Result<ObjectId, SourceError> {
    match head_kind(repository)? {
        gix::head::Kind::Unborn(branch) => Err(no_commit(&branch.as_bstr().to_str_lossy())),
        gix::head::Kind::Detached { target, .. } => objects::peel(repository, "HEAD", target),
        gix::head::Kind::Symbolic(reference) => follow(repository, &reference.name),
    }
}

fn head_kind(repository: &Repository) -> Result<gix::head::Kind, SourceError> {
    Ok(repository.head().map_err(|error| damaged("`HEAD`".into(), error))?.kind)
}

fn no_commit(branch: &str) -> SourceError {
    SourceFailure::NoCommit { branch: shown(branch.trim_start_matches(PLACES[0])) }.into()
}

/// Finds the commit of a reference, or of several that lead to the same.
fn by_reference(repository: &Repository, base: &str) -> Result<Option<ObjectId>, SourceError> {
    let names = match base.starts_with("refs/") {
        true => vec![base.to_owned()],
        false => {
            PLACES.iter().map(|place| format!("{place}{base}")).chain([format!("refs/remotes/{base}/HEAD")]).collect()
        }
    };
    let mut found = BTreeMap::new();
    for name in names {
        let Ok(full) = FullName::try_from(name.as_str()) else { continue };
        let exists = repository.try_find_reference(full.as_ref().as_partial_name());
        match exists.map_err(|error| damaged(format!("the reference `{}`", shown(&name)), error))? {
            // A short name would also be looked for elsewhere.
            Some(reference) if reference.name() == full.as_ref() => {
                found.insert(name, follow(repository, &full)?);
            }
            _ => {}
        }
    }
    let commits: BTreeSet<&ObjectId> = found.values().collect();
    match commits.len() {
        0 | 1 => Ok(commits.first().map(|id| **id)),
        _ => Err(ambiguous(base, found.keys().map(String::as_str))),
    }
}

/// Follows a reference to its commit.
fn follow(repository: &Repository, name: &FullName) -> Result<ObjectId, SourceError> {
    let text = name.as_bstr().to_str_lossy();
    let broken = |error| damaged(format!("the reference `{}`", shown(&text)), error);
    let mut reference = repository.find_reference(name).map_err(broken)?;
    let id = reference.follow_to_object().map_err(broken)?.detach();
    objects::peel(repository, &text, id)
}

/// Finds the one commit whose id, or whose tag's id, starts with `base`. Trees and blobs cannot have been meant.
fn by_prefix(repository: &Repository, base: &str) -> Result<Option<ObjectId>, SourceError> {
    let padded = format!("{base:0<width$}", width = repository.object_hash().len_in_hex());
    let Some(id) = objects::parse(repository, &padded) else { return Ok(None) };
    let Ok(prefix) = gix::hash::Prefix::new(&id, base.len()) else { return Ok(None) };
    let mut ids = HashSet::new();
    repository
        .objects
        .lookup_prefix(prefix, Some(&mut ids))
        .map_err(|error| damaged(format!("looking up `{base}` failed: the repository"), error))?;
    let ids: BTreeSet<ObjectId> = ids.into_iter().collect();
    let (mut commits, mut others) = (BTreeMap::new(), Vec::new());
    for id in ids {
        match objects::kind(repository, id)? {
            Some(Kind::Commit | Kind::Tag) => {
                commits.insert(id.to_string(), objects::peel(repository, base, id)?);
            }
            _ => others.push(id),
        }
    }
    let distinct: BTreeSet<&ObjectId> = commits.values().collect();
    match (distinct.len(), others.first()) {
        (0, Some(other)) => objects::peel(repository, base, *other).map(Some),
        (0 | 1, _) => Ok(distinct.first().map(|id| **id)),
        _ => Err(ambiguous(base, commits.keys().map(String::as_str))),
    }
}

fn ambiguous<'n>(target: &str, names: impl Iterator<Item = &'n str>) -> SourceError {
    let candidates = names.take(CANDIDATES).map(shown).collect();
    SourceFailure::AmbiguousRevision { target: shown(target), candidates }.into()
}

/// Goes to ancestors: `~3`, `^2`, `^{commit}`, in any number and order.
fn walk(repository: &Repository, target: &str, mut id: ObjectId, mut steps: &str) -> Result<ObjectId, SourceError> {
    while let Some(sign) = steps.chars().next() {
        steps = steps.get(1..).unwrap_or("");
        if sign == '^'
            && let Some(rest) = steps.strip_prefix("{}").or_else(|| steps.strip_prefix("{commit}"))
        {
            steps = rest;
            continue;
        }
        let end = steps.find(|char: char| !char.is_ascii_digit()).unwrap_or(steps.len());
        let (digits, rest) = steps.split_at(end);
        if !(rest.is_empty() || rest.starts_with(['~', '^'])) {
            let what = "not followed by `~2` or `^2` only";
            return Err(unsupported(format!("`{}` is {what}; following that", shown(target))));
        }
        steps = rest;
        let number: usize = match digits {
            "" => 1,
            digits => digits.parse().map_err(|_| unknown(target, Vec::new()))?,
        };
        match (sign, number) {
            (_, 0) => {}
            ('~', _) => {
                for _ in 0..number {
                    id = parent(repository, target, id, 1)?;
                }
            }
            _ => id = parent(repository, target, id, number)?,
        }
    }
    Ok(id)
}

/// Returns the parent of a commit, counted from 1.
fn parent(repository: &Repository, target: &str, id: ObjectId, number: usize) -> Result<ObjectId, SourceError> {
    if objects::boundary(repository)?.contains(&id) {
        return Err(beyond(&format!("`{}`", shown(target)), id));
    }
    let parents = objects::commit(repository, id)?.parents;
    parents.get(number.saturating_sub(1)).copied().ok_or_else(|| unknown(target, Vec::new()))
}

/// Lists the names closest to one that does not exist. No answer is no error: this is only a hint.
fn similar(repository: &Repository, wanted: &str) -> Vec<Arc<str>> {
    let Ok(platform) = repository.references() else { return Vec::new() };
    let Ok(references) = platform.all() else { return Vec::new() };
    let allowed = (wanted.chars().count() / 2).clamp(1, 3);
    let mut close = BTreeSet::new();
    for reference in references.take(LOOKED_AT).filter_map(Result::ok) {
        let name = reference.name().shorten().to_str_lossy().into_owned();
        let last = name.rsplit('/').next().unwrap_or("");
        let distance = distance(wanted, &name).min(distance(wanted, last));
        if distance <= allowed {
            close.insert((distance, shown(&name)));
        }
    }
    close.into_iter().map(|(_, name)| name).take(SIMILAR).collect()
}

/// Counts the letters to insert, remove or change to get from one name to the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(128).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, char) in left.chars().take(128).enumerate() {
        let mut corner = line;
        let mut before = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&right) {
            let changed = corner + usize::from(char != *other);
            corner = *cell;
            *cell = changed.min(before + 1).min(corner + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
