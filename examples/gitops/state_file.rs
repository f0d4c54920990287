//! The embedded cluster between two runs: a file, read whole, replaced whole.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gitops_core::memory::{ApiServer, ImportError};
use gitops_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::Builder;

use crate::whole_file::{self, folder_of};

/// What the first line of the file says it is.
const FORMAT: &str = "gitops.rs/embedded-cluster";
const VERSION: u32 = 1;

/// The file of an embedded cluster: a line with format and time, then the state of the server.
///
/// It holds Secrets in clear, as the state of every cluster does, so only its owner may read it.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    /// Held by a run that may write, until it ends.
    lock: Option<File>,
}

/// What tells one content of the file from another. The file is always replaced, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
    file: u64,
}

#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

/// What the file holds.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) server: ApiServer,
    /// The time of the cluster, when the file was written.
    pub(crate) time: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    time: Timestamp,
}

/// The file cannot be used; it is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateFileError {
    #[error(
        "there is no cache directory for the embedded cluster: neither `XDG_CACHE_HOME` nor `HOME` is set; \
         name a file with `--cluster memory:FILE`"
    )]
    NoCacheDirectory,
    #[error("the folder `{0}` does not exist; create it, or name another file in `--cluster memory:FILE`")]
    NoFolder(PathBuf),
    #[error("`{0}` is no file; name a file in `--cluster memory:FILE`")]
    NoFile(PathBuf),
    #[error("the cluster file `{0}` cannot be read; check its permissions, or name another in `--cluster memory:FILE`")]
    Read(PathBuf, #[source] io::Error),
    #[error("the cluster file `{0}` cannot be written; check its folder: the space that is left, and the permissions")]
    Write(PathBuf, #[source] io::Error),
    #[error(
        "`{0}` is no file of an embedded cluster: its first line does not say so; \
         restore it from a copy, remove it to start with an empty cluster, or name another file"
    )]
    Foreign(PathBuf),
    #[error("the cluster file `{0}` was written by a newer version of this program; update this one")]
    TooNew(PathBuf),
    #[error("the cluster file `{0}` cannot be used: {1}")]
    Damaged(PathBuf, ImportError),
}

impl StateFile {
    /// Names the file: `path`, or the one in the user's cache directory (XDG Base Directory Specification).
    pub(crate) fn locate(path: Option<&Path>) -> Result<Self, StateFileError> {
        let path = match path {
            Some(path) => whole_file::target(path).map_err(|error| StateFileError::Read(path.to_owned(), error))?,
            None => cache_directory().ok_or(StateFileError::NoCacheDirectory)?.join("gitops").join("cluster.json"),
        };
        let folder = folder_of(&path);
        if !folder.is_dir() && path.ends_with("gitops/cluster.json") {
            fs::create_dir_all(folder).map_err(|error| StateFileError::Write(path.clone(), error))?;
        }
        if !folder.is_dir() {
            return Err(StateFileError::NoFolder(folder.to_owned()));
        }
        // A folder, or what has no end, such as a device or a pipe.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(StateFileError::NoFile(path));
        }
        Ok(Self { path, lock: None })
    }

    /// Waits until no other run may write, and keeps others waiting until this value is dropped.
    pub(crate) fn lock(&mut self) -> Result<(), StateFileError> {
        let failed = |error| StateFileError::Write(self.path.clone(), error);
        // Beside the file, since the file itself is replaced; it stays, since removing it would let two runs in.
        let mut name = self.path.as_os_str().to_owned();
        name.push(".lock");
        let lock = File::options().create(true).append(true).open(name).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                crate::say(&format!("waiting for another run that uses `{}` ...\n", self.path.display()));
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        self.lock = Some(lock);
        Ok(())
    }

    /// Names a file beside it, by another ending.
    #[cfg(feature = "kube")]
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }

    /// Lets others write.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Tells one content of the file from another; `None` as long as there is no file.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let found = self.path.metadata().ok()?;
        Some(Stamp { modified: found.modified().ok(), size: found.len(), file: number(&found) })
    }

    /// Reads the state; a file that is not there is an empty cluster.
    pub(crate) fn load(&self) -> Result<State, StateFileError> {
        let path = || self.path.clone();
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(State { server: ApiServer::new(0), time: Timestamp::EPOCH });
            }
            Err(error) => return Err(StateFileError::Read(path(), error)),
        };
        let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
        let (first, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let header: Header = serde_json::from_slice(first).map_err(|_| StateFileError::Foreign(path()))?;
        if header.format != FORMAT {
            return Err(StateFileError::Foreign(path()));
        }
        if header.version > VERSION {
            return Err(StateFileError::TooNew(path()));
        }
        let server = ApiServer::import(rest).map_err(|error| match error {
            ImportError::TooNew { .. } => StateFileError::TooNew(path()),
            error => StateFileError::Damaged(path(), error),
        })?;
        Ok(State { server, time: header.time })
    }

    /// Replaces the file: a reader, or a crash, finds the old one or the new one, nothing in between.
    pub(crate) fn save(&self, server: &[u8], time: Timestamp) -> Result<(), StateFileError> {
        self.replace(server, time).map_err(|error| StateFileError::Write(self.path.clone(), error))
    }

    fn replace(&self, server: &[u8], time: Timestamp) -> io::Result<()> {
        // One name, so that what a killed run left is not left for ever; under the lock there is one writer. Never
        // through what lies there already, and readable by its owner only.
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        match fs::remove_file(self.path.with_file_name(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = Builder::new().prefix(&name).rand_bytes(0).tempfile_in(folder_of(&self.path))?;
        serde_json::to_writer(&mut file, &Header { format: FORMAT.to_owned(), version: VERSION, time })?;
        file.write_all(b"\n")?;
        file.write_all(server)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }
}

pub(crate) fn cache_directory() -> Option<PathBuf> {
    let directory = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")))
}
