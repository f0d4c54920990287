//! Files that are replaced whole: a reader, or a crash, finds the old one or the new one, nothing in between.

use std::fs::{self, File, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// Most links that are followed one after the other, as on Linux.
const LINKS: usize = 40;

/// Returns the file that a path leads to. What links lead to is replaced, not the link, also where that is not there yet.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = folder_of(&target).join(next),
            // No link.
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("links lead round in a circle"))
}

/// Replaces a file by what `write` writes, with the permissions that it has, or that new files get.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let before = path.metadata();
    if before.as_ref().is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("it is no file"));
    }
    let name = path.file_name().unwrap_or_default();
    let mut beside = Builder::new();
    beside.prefix(name).suffix(".new");
    let new = new_file();
    if let Some(permissions) = &new {
        beside.permissions(permissions.clone());
    }
    let mut file = beside.tempfile_in(folder_of(path))?;
    write(file.as_file_mut())?;
    if let Ok(before) = before {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What new files get, before the umask is taken off.
#[cfg(unix)]
fn new_file() -> Option<Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file() -> Option<Permissions> {
    None
}

/// The folder in which a file lies.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
