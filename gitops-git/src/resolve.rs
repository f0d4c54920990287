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
use crate::range::Range;

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
pub(crate) const PLACES: [&str; 4] = ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"];

/// A target without its steps: what they start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The commit that is checked out, or the default branch.
    Head,
    /// A full id.
    Id(ObjectId),
    /// A reference, or the start of an id.
    Name(String),
    /// A range of versions. A reference of this name goes first.
    Range(Range),
}

impl Base {
    /// Returns how it is written.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Head => "HEAD",
            Self::Id(_) => "",
            Self::Name(name) => name,
            Self::Range(range) => range.as_str(),
        }
    }
}

pub(crate) fn resolve(repository: &Repository, target: &str) -> Result<ObjectId, SourceError> {
    let (base, steps) = parse(target)?;
    let id = base_commit(repository, &base)?;
    walk(repository, target, id, steps)
}

/// Splits a target into where it starts from and the steps from there, such as `~3^2`.
pub(crate) fn parse(target: &str) -> Result<(Base, &str), SourceError> {
    let end = target.find(['~', '^']).unwrap_or(target.len());
    // `v1~2` is two steps from a tag, `~1.2` and `>1.0 ~1.2` are ranges: those do not start with a name.
    if let Some(range) = Range::parse(target) {
        return Ok((Base::Range(range), ""));
    }
    refuse(target)?;
    let (base, steps) = target.split_at(end);
    let base = match base {
        "" | "@" | "HEAD" => Base::Head,
        _ => match ObjectId::from_hex(base.as_bytes()) {
            Ok(id) => Base::Id(id),
            Err(_) => Range::parse(base).map_or_else(|| Base::Name(base.to_owned()), Base::Range),
        },
    };
    Ok((base, steps))
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
        return refused("neither a range of versions nor a name");
    }
    Ok(())
}

fn base_commit(repository: &Repository, base: &Base) -> Result<ObjectId, SourceError> {
    let base = match base {
        Base::Head => return head(repository),
        Base::Id(id) if id.kind() == repository.object_hash() => {
            let name = id.to_string();
            return match objects::kind(repository, *id)? {
                None => Err(unknown(&name, Vec::new())),
                Some(_) => objects::peel(repository, &name, *id),
            };
        }
        Base::Id(id) => &id.to_string(),
        Base::Name(name) => name,
        Base::Range(range) => range.as_str(),
    };
    if let Some(id) = by_reference(repository, base)? {
        return Ok(id);
    }
    if let Some(id) = short_id(repository, base)? {
        return Ok(id);
    }
    if let Some(range) = Range::parse(base) {
        return in_range(repository, &range);
    }
    if let gix::head::Kind::Unborn(branch) = head_kind(repository)? {
        let branch = branch.as_bstr().to_str_lossy();
        if [&*branch, branch.trim_start_matches(PLACES[0])].contains(&base) {
            return Err(no_commit(&branch));
        }
    }
    Err(unknown(base, similar(repository, base)))
}

/// Finds the commit of the highest tag in a range.
fn in_range(repository: &Repository, range: &Range) -> Result<ObjectId, SourceError> {
    follow(repository, &full_name(&format!("refs/tags/{}", highest(repository, range)?))?)
}

/// Names the highest tag in a range.
fn highest(repository: &Repository, range: &Range) -> Result<String, SourceError> {
    let broken = |error| damaged("the list of tags".into(), error);
    let platform = repository.references().map_err(broken)?;
    let mut tags = Vec::new();
    for tag in platform.tags().map_err(broken)? {
        // A broken reference is none of the versions; asked for by its name, it is an error.
        let Ok(tag) = tag else { continue };
        let name = tag.name().shorten().to_str_lossy().into_owned();
        let commit = follow(repository, &tag.name().to_owned());
        tags.push((name, commit.map_err(|error| error.to_string())));
    }
    let (name, _) = range.highest(tags.iter().map(|(name, commit)| (name.as_str(), commit)))?;
    Ok(name.to_owned())
}

/// A tag object that was asked for.
#[cfg(feature = "signatures")]
pub(crate) struct AskedTag {
    pub(crate) id: ObjectId,
    /// The ref that leads to it; `None` if it was asked for by its id.
    pub(crate) name: Option<String>,
}

/// Returns the annotated tag that a target names, if it names one.
#[cfg(feature = "signatures")]
pub(crate) fn tag(repository: &Repository, target: &str) -> Result<Option<AskedTag>, SourceError> {
    let (base, steps) = parse(target)?;
    if !steps.is_empty() {
        return Ok(None);
    }
    let names = |base: &str| match base.starts_with("refs/") {
        true => vec![base.to_owned()],
        false => PLACES.iter().map(|place| format!("{place}{base}")).collect(),
    };
    let named = |base: &str| -> Result<Option<AskedTag>, SourceError> {
        for name in names(base) {
            let reference = repository.try_find_reference(name.as_str()).ok().flatten();
            let id = reference
                .filter(|found| found.name().as_bstr() == name)
                .and_then(|found| Some(found.try_id()?.detach()));
            if let Some(id) = id
                && objects::kind(repository, id)? == Some(Kind::Tag)
            {
                return Ok(Some(AskedTag { id, name: Some(name) }));
            }
        }
        Ok(None)
    };
    match base {
        Base::Name(name) => named(&name),
        Base::Id(id) => {
            Ok(Some(AskedTag { id, name: None })
                .filter(|_| matches!(objects::kind(repository, id), Ok(Some(Kind::Tag)))))
        }
        Base::Range(range) if by_reference(repository, range.as_str())?.is_some() => named(range.as_str()),
        Base::Range(range) => named(&format!("refs/tags/{}", highest(repository, &range)?)),
        Base::Head => Ok(None),
    }
}

fn full_name(name: &str) -> Result<FullName, SourceError> {
    FullName::try_from(name).map_err(|_| unknown(name, Vec::new()))
}

/// Finds the one commit whose id starts so, if this can be the start of an id.
pub(crate) fn short_id(repository: &Repository, base: &str) -> Result<Option<ObjectId>, SourceError> {
    let whole = repository.object_hash().len_in_hex();
    match is_short_id(base) && base.len() < whole {
        true => by_prefix(repository, base),
        false => Ok(None),
    }
}

/// Returns whether this can be the start of an id.
pub(crate) fn is_short_id(base: &str) -> bool {
    base.len() >= SHORT && base.bytes().all(|byte| byte.is_ascii_hexdigit())
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

pub(crate) fn no_commit(branch: &str) -> SourceError {
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

pub(crate) fn ambiguous<'n>(target: &str, names: impl Iterator<Item = &'n str>) -> SourceError {
    let candidates = names.take(CANDIDATES).map(shown).collect();
    SourceFailure::AmbiguousRevision { target: shown(target), candidates }.into()
}

/// Goes to ancestors: `~3`, `^2`, `^{commit}`, in any number and order.
pub(crate) fn walk(
    repository: &Repository,
    target: &str,
    mut id: ObjectId,
    mut steps: &str,
) -> Result<ObjectId, SourceError> {
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
    let names = references.take(LOOKED_AT).filter_map(Result::ok);
    let names: Vec<String> = names.map(|reference| reference.name().shorten().to_str_lossy().into_owned()).collect();
    closest(wanted, names.iter().map(String::as_str))
}

/// Lists the names closest to one that does not exist.
pub(crate) fn closest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<Arc<str>> {
    let allowed = (wanted.chars().count() / 2).clamp(1, 3);
    let mut close = BTreeSet::new();
    for name in names.take(LOOKED_AT) {
        let last = name.rsplit('/').next().unwrap_or("");
        let distance = distance(wanted, name).min(distance(wanted, last));
        if distance <= allowed {
            close.insert((distance, shown(name)));
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
