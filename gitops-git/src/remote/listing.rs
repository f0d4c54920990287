//! What a remote says of its branches and tags, and which commit a target means there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gitops_core::source::{SourceError, SourceFailure};
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::protocol::handshake::Ref;

use crate::error::{too_large, unknown};
use crate::resolve::{self, Base, PLACES};

/// The most bytes of a list of refs: a million of them.
const LONGEST: usize = 128 << 20;
/// The most ranges whose answers are kept.
const PICKED: usize = 256;

/// The branches and tags of a remote, as far as they were asked for.
///
/// They are kept as the second version of the protocol writes them, one in a line, so that what did not change is seen
/// without reading it anew, and a hundred thousand of them take little.
#[derive(Debug, Default)]
pub(super) struct Listing {
    text: Vec<u8>,
    /// Where the lines are, by the name in them.
    lines: Vec<Range<usize>>,
    /// What ranges of versions came to, so that tags which did not change are not gone through again.
    picked: Mutex<BTreeMap<String, (String, Listed)>>,
}

/// One branch or tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// The commit or tag.
    pub(super) id: ObjectId,
    /// What the tag leads to in the end.
    pub(super) peeled: ObjectId,
}

/// What a target means at a remote.
#[derive(Debug)]
pub(super) enum Meaning {
    /// This branch or tag.
    Ref(String, Listed),
    /// Nothing that a list of refs tells: perhaps the start of an id.
    Unlisted,
}

/// A list of refs that comes in, compared with the one before: as long as both are the same, nothing is kept.
#[derive(Debug)]
pub(super) struct Incoming<'k> {
    known: Option<&'k Arc<Listing>>,
    /// How much is as it was.
    same: usize,
    text: Option<Vec<u8>>,
}

/// One line: `ID NAME`, or `unborn NAME`, then attributes.
struct Line<'l> {
    name: &'l str,
    listed: Option<Listed>,
    leads_to: Option<&'l str>,
}

impl<'l> Line<'l> {
    /// Reads a line; `None` if it is none. A name that is no UTF-8 cannot be asked for, and is left out.
    fn read(line: &'l [u8]) -> Option<Option<Self>> {
        let mut words = line.trim_end().split_str(" ");
        let (id, name) = (words.next()?, words.next().filter(|name| !name.is_empty())?);
        let id = if id == b"unborn" { None } else { Some(ObjectId::from_hex(id).ok()?) };
        let (mut peeled, mut leads_to) = (id, None);
        for word in words {
            if let Some(hex) = word.strip_prefix(b"peeled:") {
                peeled = Some(ObjectId::from_hex(hex).ok()?);
            } else if let Some(target) = word.strip_prefix(b"symref-target:") {
                leads_to = target.to_str().ok().filter(|target| *target != "(null)");
            }
        }
        let listed = id.zip(peeled).map(|(id, peeled)| Listed { id, peeled });
        Some(name.to_str().ok().map(|name| Self { name, listed, leads_to }))
    }
}

impl<'k> Incoming<'k> {
    /// Begins with nothing, or with the list before.
    pub(super) fn new(known: Option<&'k Arc<Listing>>) -> Self {
        Self { known, same: 0, text: None }
    }

    /// Takes the next line.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), SourceError> {
        let line = line.trim_end();
        let before = self.before();
        let rest = before.get(self.same..).and_then(|rest| rest.strip_prefix(line)?.strip_prefix(b"\n"));
        if self.text.is_none()
            && let Some(rest) = rest
        {
            self.same = before.len() - rest.len();
            return Ok(());
        }
        if self.text.is_none() {
            self.text = Some(self.kept().to_vec());
        }
        let text = self.text.get_or_insert_default();
        if text.len().saturating_add(line.len()) >= LONGEST {
            return Err(too_large(format!("it has more branches and tags than fit into {LONGEST} bytes; the list")));
        }
        text.extend_from_slice(line);
        text.push(b'\n');
        Ok(())
    }

    /// Ends the list. `None` if a line of it is none.
    pub(super) fn finish(self) -> Option<Arc<Listing>> {
        match (self.known, &self.text) {
            (Some(known), None) if known.text.len() == self.same => Some(Arc::clone(known)),
            (_, None) => Listing::read(self.kept().to_vec()).map(Arc::new),
            (_, Some(_)) => Listing::read(self.text.unwrap_or_default()).map(Arc::new),
        }
    }

    fn before(&self) -> &'k [u8] {
        self.known.map_or(&[], |known| &known.text)
    }

    fn kept(&self) -> &'k [u8] {
        self.before().get(..self.same).unwrap_or_default()
    }
}

impl Listing {
    /// Reads lines.
    fn read(text: Vec<u8>) -> Option<Self> {
        let mut lines: Vec<(&str, Range<usize>)> = Vec::new();
        let mut at = 0;
        for whole in text.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = Line::read(whole)? {
                lines.push((line.name, at..at + whole.len()));
            }
            at += whole.len();
        }
        // Of two lines for one name the last counts, which a stable sort leaves last.
        lines.sort_by_key(|(name, _)| *name);
        let lines = lines.into_iter().map(|(_, line)| line).collect();
        Some(Self { text, lines, picked: Mutex::default() })
    }

    /// Lists what older servers and bundles say.
    pub(super) fn new(found: Vec<Ref>) -> Self {
        let mut text = Vec::new();
        for reference in found {
            let (name, ids, leads_to) = match reference {
                Ref::Direct { full_ref_name, object } => (full_ref_name, Some((object, object)), None),
                Ref::Peeled { full_ref_name, tag, object } => (full_ref_name, Some((tag, object)), None),
                Ref::Symbolic { full_ref_name, target, tag, object } => {
                    (full_ref_name, Some((tag.unwrap_or(object), object)), Some(target))
                }
                Ref::Unborn { full_ref_name, target } => (full_ref_name, None, Some(target)),
            };
            let mut line = String::new();
            // Writing to a string cannot fail.
            let written = match ids {
                Some((id, peeled)) if id == peeled => write!(line, "{id} "),
                Some((id, peeled)) => write!(line, "{id} peeled:{peeled} "),
                None => write!(line, "unborn "),
            };
            debug_assert!(written.is_ok());
            let (id, attributes) = line.split_once(' ').unwrap_or_default();
            // A name with white space in it is none that Git allows.
            let fits = |name: &[u8]| !name.is_empty() && !name.iter().any(u8::is_ascii_whitespace);
            if !fits(&name) || leads_to.as_ref().is_some_and(|target| !fits(target)) {
                continue;
            }
            let leads_to = leads_to.map(|target| [b" symref-target:", target.as_slice()].concat()).unwrap_or_default();
            text.extend([id.as_bytes(), b" ", &name, b" ", attributes.trim_end().as_bytes()].concat().trim_end());
            text.extend(leads_to);
            text.push(b'\n');
        }
        Self::read(text).unwrap_or_default()
    }

    fn picked(&self) -> MutexGuard<'_, BTreeMap<String, (String, Listed)>> {
        self.picked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        self.lines.iter().filter_map(|line| Line::read(self.text.get(line.clone())?)?)
    }

    fn line(&self, name: &str) -> Option<Line<'_>> {
        let read = |range: &Range<usize>| Line::read(self.text.get(range.clone())?)?;
        let end = self.lines.partition_point(|range| read(range).is_some_and(|line| line.name <= name));
        let last = self.lines.get(end.checked_sub(1)?)?;
        read(last).filter(|line| line.name == name)
    }

    fn listed(&self, name: &str) -> Option<Listed> {
        self.line(name)?.listed
    }

    /// Returns which commit `base`, a target without its steps, means.
    pub(super) fn meaning(&self, base: &Base) -> Result<Meaning, SourceError> {
        match base {
            Base::Head => match self.line("HEAD") {
                Some(Line { listed: Some(listed), .. }) => Ok(Meaning::Ref("HEAD".to_owned(), listed)),
                Some(Line { leads_to: Some(branch), .. }) => Err(resolve::no_commit(branch)),
                _ => Err(resolve::no_commit("HEAD")),
            },
            Base::Name(name) => self.named(name),
            Base::Range(range) => {
                if let Meaning::Ref(name, listed) = self.named(range.as_str())? {
                    return Ok(Meaning::Ref(name, listed));
                }
                if let Some((name, listed)) = self.picked().get(range.as_str()) {
                    return Ok(Meaning::Ref(name.clone(), *listed));
                }
                let tags = self.all().filter_map(|line| Some((line.name.strip_prefix("refs/tags/")?, line.listed?)));
                let (tag, listed) = range.highest(tags)?;
                let name = format!("refs/tags/{tag}");
                let mut picked = self.picked();
                if picked.len() >= PICKED {
                    picked.clear();
                }
                picked.insert(range.as_str().to_owned(), (name.clone(), listed));
                Ok(Meaning::Ref(name, listed))
            }
            Base::Id(_) => Ok(Meaning::Unlisted),
        }
    }

    fn named(&self, name: &str) -> Result<Meaning, SourceError> {
        let full = |place: &&str| format!("{place}{name}");
        let names: Vec<String> = match name.starts_with("refs/") {
            true => vec![name.to_owned()],
            false => PLACES.iter().map(full).collect(),
        };
        let found: Vec<(String, Listed)> =
            names.into_iter().filter_map(|name| self.listed(&name).map(|listed| (name, listed))).collect();
        let commits: BTreeSet<ObjectId> = found.iter().map(|(_, listed)| listed.peeled).collect();
        if commits.len() > 1 {
            return Err(resolve::ambiguous(name, found.iter().map(|(name, _)| name.as_str())));
        }
        Ok(found.into_iter().next().map_or(Meaning::Unlisted, |(name, listed)| Meaning::Ref(name, listed)))
    }

    /// Lists all branches and tags.
    pub(super) fn tips(&self) -> impl Iterator<Item = ObjectId> {
        let wanted = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        self.all().filter(move |line| wanted(line.name)).filter_map(|line| Some(line.listed?.id))
    }

    /// States that a target does not exist here, with names that are close to it.
    pub(super) fn unknown(&self, target: &str) -> SourceError {
        let names = self.all().filter_map(|line| PLACES.iter().find_map(|place| line.name.strip_prefix(place)));
        let similar: Vec<Arc<str>> = resolve::closest(target, names);
        unknown(target, similar)
    }
}

/// The prefixes of refs to ask for to learn what `base` means.
pub(super) fn prefixes(base: &Base) -> Vec<String> {
    match base {
        Base::Head => vec!["HEAD".to_owned()],
        Base::Name(name) if name.starts_with("refs/") => vec![name.clone()],
        Base::Name(name) => PLACES.iter().map(|place| format!("{place}{name}")).collect(),
        Base::Range(range) => {
            let mut all = vec!["refs/tags/".to_owned()];
            // What could be a name is looked for as one first.
            if range.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
                all.extend(PLACES.iter().map(|place| format!("{place}{}", range.as_str())));
            }
            all
        }
        Base::Id(_) => Vec::new(),
    }
}

/// Tags of one version are one if they lead to the same commit.
impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.peeled == other.peeled
    }
}

/// States that an id is not at the remote.
pub(super) fn no_such_id(id: ObjectId) -> SourceError {
    SourceFailure::UnknownRevision { target: id.to_string().into(), similar: Vec::new() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1111111111111111111111111111111111111111";
    const OTHER: &str = "2222222222222222222222222222222222222222";

    fn list(lines: &[&str], known: Option<&Arc<Listing>>) -> Option<Arc<Listing>> {
        let mut incoming = Incoming::new(known);
        lines.iter().for_each(|line| incoming.push(line.as_bytes()).unwrap());
        incoming.finish()
    }

    #[test]
    fn a_list_that_did_not_change_is_the_one_before() {
        let lines = [format!("{ID} HEAD symref-target:refs/heads/main"), format!("{ID} refs/heads/main\n")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let first = list(&lines, None).unwrap();
        assert!(Arc::ptr_eq(&first, &list(&lines, Some(&first)).unwrap()));
        let changed = format!("{OTHER} refs/heads/main");
        let more = format!("{OTHER} refs/heads/next");
        for other in [&lines[..1], &[lines[0], &changed], &[lines[1]], &[lines[0], lines[1], &more], &[]] {
            let next = list(other, Some(&first)).unwrap();
            assert!(!Arc::ptr_eq(&first, &next), "{other:?}");
            assert_eq!(next.text, list(other, None).unwrap().text, "{other:?}");
        }
    }

    #[test]
    fn the_lines_of_the_protocol_are_read_as_it_says() {
        let head = format!("{ID} HEAD symref-target:refs/heads/main");
        let tag = format!("{ID} refs/tags/v1 peeled:{OTHER}");
        let last = format!("{OTHER} refs/heads/a");
        let listing = list(&[&head, &format!("{ID} refs/heads/a"), &tag, &last], None).unwrap();
        assert_eq!(listing.listed("refs/heads/a").unwrap().id.to_string(), OTHER, "the last counts");
        let listed = listing.listed("refs/tags/v1").unwrap();
        assert_eq!((listed.id.to_string(), listed.peeled.to_string()), (ID.to_owned(), OTHER.to_owned()));
        assert!(listing.listed("refs/tags").is_none() && listing.listed("refs/tags/v11").is_none());
        let unborn = list(&["unborn HEAD symref-target:refs/heads/main"], None).unwrap();
        let told = unborn.meaning(&Base::Head).unwrap_err().to_string();
        assert!(told.contains("branch `main` has no commit yet"), "{told}");
        for bad in ["", "x", "xyz refs/heads/main", "unborn", ID, &format!("{ID} "), &format!("{ID} a peeled:x")] {
            assert!(list(&[&head, bad], None).is_none(), "{bad}");
        }
    }
}
