//! What the `.sourceignore` files of a commit keep out, on the way through its folders.

use gitops_core::source::{ContentId, IGNORE_FILE, IgnoreFiles, Ignoring, Kind, Paths, Standing};
use gix::ObjectId;
use gix::bstr::BStr;
use sha2::{Digest, Sha256};

use crate::objects::TreeEntry;

/// The rules that are in force where a listing is.
pub(crate) struct Ignored {
    /// `None` where they are not to be heeded.
    rules: Option<Ignoring>,
    standing: Standing,
    /// Names the files with rules in folders around this one; `None` if there is none.
    above: Option<String>,
}

/// What to go back to when a folder is left.
pub(crate) struct Outer {
    rules: usize,
    standing: Standing,
    above: Option<String>,
}

impl Ignored {
    pub(crate) fn new(paths: &Paths) -> Self {
        let rules = (paths.ignore_files == IgnoreFiles::SourceIgnore).then(Ignoring::new);
        Self { rules, standing: Standing::default(), above: None }
    }

    /// Returns whether there is something to heed at all.
    pub(crate) fn is_heeded(&self) -> bool {
        self.rules.is_some()
    }

    /// Names what is below a folder: its tree, and the rules from above that it is seen through.
    pub(crate) fn content_id(&self, tree: ObjectId) -> ContentId {
        match &self.above {
            None => ContentId::new(&tree.to_string()),
            Some(above) => ContentId::new(&format!("{tree}:{above}")),
        }
    }

    /// Returns the file of a folder that has rules.
    pub(crate) fn file<'e>(&self, entries: &'e [TreeEntry]) -> Option<&'e TreeEntry> {
        entries.iter().find(|entry| self.is_heeded() && entry.name == IGNORE_FILE)
    }

    pub(crate) fn outer(&self) -> Outer {
        let rules = self.rules.as_ref().map_or(0, Ignoring::len);
        Outer { rules, standing: self.standing, above: self.above.clone() }
    }

    pub(crate) fn leave(&mut self, outer: Outer) {
        if let Some(rules) = &mut self.rules {
            rules.truncate(outer.rules);
        }
        (self.standing, self.above) = (outer.standing, outer.above);
    }

    /// Puts the rules of a file in the folder `path` in force. Returns whether there are not too many.
    pub(crate) fn add(&mut self, path: &BStr, id: ObjectId, text: &[u8]) -> bool {
        let Some(rules) = self.rules.take() else { return true };
        let rules = rules.with_file(&path.to_string(), text);
        let fits = !rules.has_too_many();
        self.rules = Some(rules);
        let named = format!("{}\n{path}\n{id}", self.above.as_deref().unwrap_or_default());
        let digest = Sha256::digest(named.as_bytes());
        self.above = Some(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect());
        fits
    }

    /// Returns whether what lies at `path`, in the folder where we are, is kept out.
    pub(crate) fn keeps_out(&self, path: &str, kind: Kind) -> bool {
        let of = |rules: &Ignoring| rules.keeps_out(rules.decide(path, kind, self.standing));
        self.rules.as_ref().is_some_and(of)
    }

    /// Returns whether something wanted may lie in the folder at `path`.
    pub(crate) fn may_enter(&self, path: &str) -> bool {
        let of = |rules: &Ignoring| rules.may_enter(rules.decide(path, Kind::Folder, self.standing));
        self.rules.as_ref().is_none_or(of)
    }

    /// Goes into the folder at `path`.
    pub(crate) fn enter(&mut self, path: &str) {
        if let Some(rules) = &self.rules {
            self.standing = rules.decide(path, Kind::Folder, self.standing);
        }
    }
}
