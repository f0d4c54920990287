//! Bundles: a list of refs and a pack in one file. See gitformat-bundle(5).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use gitops_core::source::{SourceError, SourceFailure};
use gix::ObjectId;
use gix::protocol::handshake::Ref;

use super::progress::Bounded;
use super::received::{Received, receive};
use super::{RemoteOptions, RemoteUrl};
use crate::GitSource;
use crate::error::{shown, too_large, unsupported};

/// The longest head: it lists every ref.
const HEAD: u64 = 64 << 20;

/// An open bundle, read up to its pack.
pub(super) struct BundleFile {
    url: RemoteUrl,
    hash: gix::hash::Kind,
    needs: Vec<ObjectId>,
    refs: Vec<(String, ObjectId)>,
    pack: BufReader<File>,
}

impl BundleFile {
    pub(super) fn open(url: &RemoteUrl) -> Result<Self, SourceError> {
        let file = File::open(url.path()).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceFailure::NoRepository { location: url.to_string().into() },
            _ => SourceFailure::Unavailable { what: format!("`{url}` ({error})").into() },
        })?;
        let mut bundle = Self {
            url: url.clone(),
            hash: gix::hash::Kind::Sha1,
            needs: Vec::new(),
            refs: Vec::new(),
            pack: BufReader::new(file),
        };
        let mut left = HEAD;
        match &*bundle.line(&mut left)? {
            "# v2 git bundle" | "# v3 git bundle" => {}
            _ => return Err(unsupported(format!("`{url}`, which is no bundle of version 2 or 3,"))),
        }
        loop {
            let line = bundle.line(&mut left)?;
            if line.is_empty() {
                return Ok(bundle);
            }
            match line.strip_prefix('@') {
                Some("object-format=sha1") => {}
                Some("object-format=sha256") => bundle.hash = gix::hash::Kind::Sha256,
                Some(other) => return Err(unsupported(format!("`{}` of the bundle `{url}`", shown(other)))),
                None => {
                    let (id, name) = line.split_once(' ').unwrap_or((&line, ""));
                    let (digits, is_needed) = id.strip_prefix('-').map_or((id, false), |digits| (digits, true));
                    let id = ObjectId::from_hex(digits.as_bytes()).map_err(|_| bundle.damaged())?;
                    match is_needed {
                        true => bundle.needs.push(id),
                        false => bundle.refs.push((name.to_owned(), id)),
                    }
                }
            }
        }
    }

    pub(super) fn hash(&self) -> gix::hash::Kind {
        self.hash
    }

    /// Lists the refs. What a tag leads to is not said, and is known when the pack is read.
    pub(super) fn refs(&self) -> Vec<Ref> {
        let direct = |(name, id): &(String, ObjectId)| Ref::Direct { full_ref_name: name.as_str().into(), object: *id };
        self.refs.iter().map(direct).collect()
    }

    pub(super) fn unpack(
        mut self,
        into: &GitSource,
        options: &RemoteOptions,
        cancelled: &AtomicBool,
    ) -> Result<Received, SourceError> {
        let repository = into.local();
        if let Some(missing) = self.needs.iter().find(|id| !repository.has_object(**id)) {
            let what = format!("the bundle `{}`, which builds on commit `{missing}` that is not here,", self.url);
            return Err(unsupported(what));
        }
        let passed = AtomicBool::new(false);
        let url = self.url.clone();
        let mut pack = Bounded::new(&mut self.pack, options.pack_bytes, &passed, &url, &options.progress);
        let received = receive(&mut pack, into, cancelled);
        drop(pack);
        match received {
            Ok(received) => Ok(received),
            Err(_) if passed.load(Ordering::Relaxed) => {
                Err(too_large(format!("the bundle `{}` has more than {} bytes", self.url, options.pack_bytes)))
            }
            Err(error) => Err(SourceError::from(self.damaged()).caused_by(error)),
        }
    }

    fn line(&mut self, left: &mut u64) -> Result<String, SourceError> {
        let mut line = Vec::new();
        let read = self.pack.by_ref().take(*left).read_until(b'\n', &mut line);
        let read =
            read.map_err(|error| SourceFailure::Unavailable { what: format!("`{}` ({error})", self.url).into() })?;
        *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        match line.pop() {
            Some(b'\n') => String::from_utf8(line).map_err(|_| self.damaged().into()),
            _ => Err(self.damaged().into()),
        }
    }

    fn damaged(&self) -> SourceFailure {
        SourceFailure::Corrupt { what: format!("the bundle `{}`", self.url).into() }
    }
}
