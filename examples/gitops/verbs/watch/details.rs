//! The whole report of each application, as a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gitops_core::engine::Details;
use gitops_core::reconcile::Report;
use tempfile::NamedTempFile;

/// Keeps the last report of each application in a folder. A reader finds the old one or the new one.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self(path.to_owned()))
    }

    fn write(&self, report: &Report) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.0)?;
        serde_json::to_writer_pretty(&mut file, report)?;
        file.write_all(b"\n")?;
        file.persist(self.0.join(format!("{}.json", report.app)))?;
        Ok(())
    }
}

impl Details for Folder {
    fn keep(&mut self, report: &Report) {
        if let Err(error) = self.write(report) {
            crate::say(&format!("warning: the report of {} cannot be written: {error}\n", report.app));
        }
    }
}
