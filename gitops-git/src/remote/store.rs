//! The objects of one remote on this machine: a bare repository, shared by everybody who reads that remote.
//!
//! ```text
//! STORE/example.org-shop-1f0c…/lock          held while something is written; its time says when it was last used
//! STORE/example.org-shop-1f0c…/used          held, shared, by every process that has it open
//! STORE/example.org-shop-1f0c…/url           the address, for people
//! STORE/example.org-shop-1f0c…/objects-7.git the repository; the highest number is the one to read
//! ```
//!
//! A fetch writes packs that are renamed into place when they are whole; a crash leaves files that the next writer
//! removes. Each fetch adds a pack, so after some of them the repository is made anew from what is followed, beside the
//! old one, and takes its place.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use gitops_core::source::{SourceError, SourceFailure};
use gix::{ObjectId, Repository};
use sha2::{Digest, Sha256};

use super::RemoteUrl;
use crate::error::{damaged, shown};
use crate::{GitLimits, GitSource, objects};

/// Where the commits that are followed are remembered, so that a fetch can say what is here.
const HELD: &str = "refs/gitops/";
/// The most of them that a server is told of.
const TOLD: usize = 256;
/// Packs after which a repository is made anew.
const PACKS: usize = 48;
/// How often a held lock is tried.
const TRY: Duration = Duration::from_millis(20);
/// Repositories that stay when a new one is made: it, and the one before.
const KEPT: usize = 2;
const REPOSITORY: &str = "objects-";
const NEW: &str = "new-";

/// The folder of one remote.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Says to other processes that this one reads.
    _used: File,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Writing<'s> {
    store: &'s Store,
    _lock: File,
}

impl Store {
    /// Opens the folder of a remote below `root`, and makes it if there is none.
    pub(super) fn open(root: &Path, url: &RemoteUrl) -> Result<Self, SourceError> {
        let folder = root.join(name(url));
        let open = || {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("url"), format!("{url}\n"))?;
            let used = file(&folder.join("used"))?;
            used.lock_shared().map(|()| used)
        };
        loop {
            let used = open().map_err(|error| disk(&folder, &error))?;
            // Somebody may have removed the folder to make room, just before it was locked.
            if folder.join("used").exists() {
                return Ok(Self { folder, _used: used });
            }
        }
    }

    /// Opens the repositories that are to be read, the newest first; none if nothing was fetched yet.
    pub(super) fn repositories(&self, limits: &GitLimits) -> Result<Vec<GitSource>, SourceError> {
        let numbers = numbers(&self.folder).map_err(|error| disk(&self.folder, &error))?;
        let open = |number: &u64| GitSource::open_store(&self.folder.join(format!("{REPOSITORY}{number}.git")));
        let mut sources = Vec::new();
        for opened in numbers.iter().rev().take(KEPT).map(open) {
            match opened {
                Ok(source) => sources.push(source.with_limits(limits.clone())),
                // What is in a store can be had again: a damaged one is as good as none.
                Err(error)
                    if matches!(error.failure, SourceFailure::NoRepository { .. } | SourceFailure::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sources)
    }

    /// Returns what tells whether another process has replaced the repository.
    pub(super) fn newest(&self) -> Option<u64> {
        numbers(&self.folder).ok()?.pop()
    }

    /// Waits for the right to write. What writers left that are gone is removed.
    pub(super) fn write(&self, patience: Duration, cancelled: &AtomicBool) -> Result<Writing<'_>, SourceError> {
        let failed = |error: io::Error| disk(&self.folder, &error);
        let lock = file(&self.folder.join("lock")).map_err(failed)?;
        let begin = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begin.elapsed() < patience && !cancelled.load(Ordering::Relaxed) => {
                    thread::sleep(TRY);
                }
                Err(TryLockError::WouldBlock) => {
                    let what =
                        format!("`{}` (another process has been fetching for {patience:?})", self.folder.display());
                    return Err(SourceFailure::Unavailable { what: what.into() }.into());
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        lock.set_modified(SystemTime::now()).map_err(failed)?;
        let writing = Writing { store: self, _lock: lock };
        writing.tidy().map_err(failed)?;
        Ok(writing)
    }
}

impl Writing<'_> {
    /// Makes an empty repository beside the one that is read.
    pub(super) fn begin(&self, hash: gix::hash::Kind, limits: &GitLimits) -> Result<GitSource, SourceError> {
        let number = self.next().map_err(|error| disk(&self.store.folder, &error))?;
        let folder = self.store.folder.join(format!("{NEW}{number}.git"));
        let options = gix::create::Options { object_hash: Some(hash), ..Default::default() };
        let isolated = gix::open::Options::isolated();
        gix::ThreadSafeRepository::init_opts(&folder, gix::create::Kind::Bare, options, isolated)
            .map_err(|error| damaged(format!("making `{}` failed: the disk", folder.display()), error))?;
        Ok(GitSource::open_store(&folder)?.with_limits(limits.clone()))
    }

    /// Puts the repository that [`Writing::begin`] made in the place of the one that is read.
    pub(super) fn replace(&self) -> Result<(), SourceError> {
        let moved = self.next().and_then(|number| {
            let folder = &self.store.folder;
            fs::rename(folder.join(format!("{NEW}{number}.git")), folder.join(format!("{REPOSITORY}{number}.git")))?;
            self.tidy()
        });
        moved.map_err(|error| disk(&self.store.folder, &error))
    }

    fn next(&self) -> io::Result<u64> {
        Ok(numbers(&self.store.folder)?.pop().map_or(1, |number| number.saturating_add(1)))
    }

    /// Removes what nobody reads: all repositories but the newest and the one before it, from which somebody may be
    /// reading still, and files that were never finished.
    fn tidy(&self) -> io::Result<()> {
        let folder = &self.store.folder;
        let numbers = numbers(folder)?;
        for number in numbers.iter().rev().skip(KEPT) {
            fs::remove_dir_all(folder.join(format!("{REPOSITORY}{number}.git")))?;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(NEW) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let Some(newest) = numbers.last() else { return Ok(()) };
        let repository = folder.join(format!("{REPOSITORY}{newest}.git"));
        // What is not there, in a repository that somebody damaged, needs no sweeping.
        for folder in [repository.clone(), repository.join(HELD)].iter().filter(|folder| folder.is_dir()) {
            remove_if(folder, |name| name.ends_with(".lock"))?;
        }
        let finished =
            |name: &str| name.starts_with("pack-") && [".pack", ".idx", ".rev"].iter().any(|end| name.ends_with(end));
        match repository.join("objects/pack") {
            packs if packs.is_dir() => remove_if(&packs, |name| !finished(name)),
            _ => Ok(()),
        }
    }
}

/// Lists the commits and tags that are held, for a server to leave out what they hold.
pub(super) fn held(repository: &Repository) -> Result<Vec<ObjectId>, SourceError> {
    let broken = |error| damaged("the list of what was fetched".into(), error);
    let platform = repository.references().map_err(broken)?;
    let mut ids = Vec::new();
    for reference in platform.prefixed(HELD).map_err(broken)?.take(TOLD) {
        // One that cannot be read was being written when the power went. It only saves work.
        let Ok(reference) = reference else { continue };
        ids.extend(reference.try_id().map(gix::Id::detach).filter(|id| repository.has_object(*id)));
    }
    Ok(ids)
}

/// Remembers that a commit or tag is held, under the name by which it was followed.
pub(super) fn hold(repository: &Repository, name: &str, id: ObjectId) -> Result<(), SourceError> {
    let digest = hex(name.as_bytes());
    let place = format!("{HELD}{}", digest.get(..16).unwrap_or(&digest));
    let any = gix::refs::transaction::PreviousValue::Any;
    repository
        .reference(place.as_str(), id, any, "fetched")
        .map(drop)
        .map_err(|error| damaged("remembering what was fetched failed: the disk".into(), error))
}

/// Returns whether so many packs have come together that reading is slow.
pub(super) fn is_scattered(repository: &Repository) -> bool {
    let packs = fs::read_dir(repository.git_dir().join("objects/pack")).into_iter().flatten().flatten();
    packs.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack")).count() >= PACKS
}

/// Returns whether the commit that `id` leads to is here.
pub(super) fn has_commit(repository: &Repository, id: ObjectId) -> bool {
    objects::peel(repository, "", id).is_ok_and(|id| objects::commit(repository, id).is_ok())
}

/// What was removed to make room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// Bytes that are used now.
    pub kept: u64,
    /// Bytes that were freed.
    pub freed: u64,
}

/// Removes the remotes that were not used for the longest time until at most `most` bytes are used. What any process has
/// open stays.
pub(super) fn trim(root: &Path, most: u64) -> Result<Trimmed, SourceError> {
    let failed = |error: io::Error| disk(root, &error);
    let mut folders = Vec::new();
    for entry in fs::read_dir(root).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        let Ok(lock) = fs::metadata(folder.join("lock")) else { continue };
        let used = lock.modified().map_err(failed)?;
        folders.push((used, size(&folder).map_err(failed)?, folder));
    }
    folders.sort();
    let mut trimmed = Trimmed { kept: folders.iter().map(|(_, size, _)| size).sum(), freed: 0 };
    for (_, size, folder) in folders {
        if trimmed.kept <= most {
            break;
        }
        let (used, lock) = (file(&folder.join("used")).map_err(failed)?, file(&folder.join("lock")).map_err(failed)?);
        if used.try_lock().is_ok() && lock.try_lock().is_ok() {
            fs::remove_dir_all(&folder).map_err(failed)?;
            trimmed.kept = trimmed.kept.saturating_sub(size);
            trimmed.freed = trimmed.freed.saturating_add(size);
        }
    }
    Ok(trimmed)
}

fn size(folder: &Path) -> io::Result<u64> {
    let (mut total, mut waiting) = (0_u64, vec![folder.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                waiting.push(entry.path());
            }
            total = total.saturating_add(about.len());
        }
    }
    Ok(total)
}

fn remove_if(folder: &Path, unwanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if unwanted(&entry.file_name().to_string_lossy()) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Lists the numbers of the finished repositories, the newest last.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_string_lossy().strip_prefix(REPOSITORY).and_then(|rest| rest.strip_suffix(".git")?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn file(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).read(true).open(path)
}

fn disk(folder: &Path, error: &io::Error) -> SourceError {
    let what = format!("the folder `{}` ({error})", folder.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            SourceFailure::Denied { what: what.into() }.into()
        }
        _ => SourceFailure::Unavailable { what: what.into() }.into(),
    }
}

/// Names the folder of a remote: for people by its end, for the machine by the whole.
fn name(url: &RemoteUrl) -> String {
    let text = url.anonymous().to_string();
    let fits = |char: char| if char.is_ascii_alphanumeric() || char == '.' { char } else { '-' };
    let tail: String = url.path().rsplit('/').next().unwrap_or_default().chars().map(fits).take(40).collect();
    let digest = hex(text.as_bytes());
    format!("{}-{}", shown(tail.trim_start_matches('.')), digest.get(..24).unwrap_or(&digest))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
