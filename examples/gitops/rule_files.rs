//! Files with rules that users bring: of what to leave alone, and of health.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use gitops_core::health::Checks;
use gitops_core::manifest::{Dialect, Limits, documents};
use gitops_core::policy::ignore::Rules;

use crate::Failure;

/// Reads rules of what to leave alone; each document of the file holds some.
pub(crate) fn rules(file: &Path) -> Result<Rules, Failure> {
    let wrong = |what: &dyn fmt::Display| Failure::from(format!("`{}`: {what}", file.display()));
    let bytes = fs::read(file).map_err(|error| wrong(&error))?;
    let (documents, stopped) = documents(&bytes, Dialect::default(), &Limits::default());
    if let Some(stopped) = stopped {
        return Err(wrong(&stopped));
    }
    let mut all = Rules::default();
    for document in documents {
        all = all.and(&Rules::read(document.value.root()).map_err(|error| wrong(&error))?);
    }
    Ok(all)
}

/// Reads checks of health: a directory of scripts, or a file of which each document holds some.
pub(crate) fn checks(path: &Path) -> Result<Checks, Failure> {
    let wrong = |what: &dyn fmt::Display| Failure::from(format!("`{}`: {what}", path.display()));
    let mut all = Checks::default();
    if path.is_dir() {
        let mut files = Vec::new();
        scripts(path, "", &mut files).map_err(|error| wrong(&error))?;
        files.sort();
        let (checks, invalid) = Checks::from_directory(files.iter().map(|(name, bytes)| (name.as_str(), &**bytes)));
        return match invalid.first() {
            Some(first) => Err(wrong(first)),
            None if checks.is_empty() => Err(wrong(&"holds no `GROUP/KIND/health.lua`")),
            None => Ok(checks),
        };
    }
    let bytes = fs::read(path).map_err(|error| wrong(&error))?;
    let (documents, stopped) = documents(&bytes, Dialect::default(), &Limits::default());
    if let Some(stopped) = stopped {
        return Err(wrong(&stopped));
    }
    for document in documents {
        all = all.and(&Checks::read(document.value.root()).map_err(|error| wrong(&error))?);
    }
    Ok(all)
}

/// Gathers the scripts below a directory, with their paths relative to it.
fn scripts(directory: &Path, below: &str, files: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = format!("{below}{}", name.to_string_lossy());
        // Links are not followed: they may lead round in a circle.
        if kind.is_dir() && below.matches('/').count() < 3 {
            scripts(&entry.path(), &format!("{name}/"), files)?;
        } else if kind.is_file() && entry.file_name() == "health.lua" {
            files.push((name, fs::read(entry.path())?));
        }
    }
    Ok(())
}
