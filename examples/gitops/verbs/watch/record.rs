//! Recording a watch, and going through it again.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use gitops_core::engine::{Application, Log, Recorder, Replay};

use super::tell;
use crate::document::{self, CLUSTER};
use crate::render::Paint;
use crate::{Answer, Failure, cli};

/// Most bytes of a recording.
const MOST: u64 = 1 << 30;

/// A file that gets the lines of a recording.
#[derive(Debug)]
struct Tape {
    /// `None` once something could not be written.
    file: Option<File>,
}

impl Log for Tape {
    fn line(&mut self, line: &str) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            crate::say(&format!("warning: the recording ends here, since it cannot be written: {error}\n"));
            self.file = None;
        }
    }
}

pub(super) fn recorder(path: &Path) -> Result<Recorder, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file =
        options.open(path).map_err(|error| format!("`{}` cannot be made: {error}; name a new file", path.display()))?;
    Ok(Recorder::new(Tape { file: Some(file) }, MOST))
}

pub(in super::super) fn replay(args: &cli::Replay, paint: Paint) -> Result<Answer, Failure> {
    let path = args.recording.display();
    let text = fs::read_to_string(&args.recording)
        .map_err(|error| format!("`{path}` cannot be read: {error}; name a file that `watch --record` wrote"))?;
    let recording = Replay::read(&text).map_err(|error| format!("`{path}`: {error}"))?;
    let catalog = document::catalog(&args.files)?;
    let describe = |name: &str| {
        let described = catalog.applications.values().find(|described| &*described.name == name)?;
        let source = document::source_of(described, &catalog)?;
        Application::described(described, &catalog, &source, CLUSTER).ok()
    };
    let replayed = recording.run(describe);
    let (work, news, at) = (replayed.work, replayed.news, replayed.at);
    let (verdict, code) = match &replayed.divergence {
        None => (format!("all {work} pieces of work and {news} of news until {at} were the same\n"), 0),
        Some(other) => (format!("after {work} pieces of work and {news} of news it goes otherwise: {other}\n"), 1),
    };
    crate::say(&verdict);
    Ok(Answer { text: tell::summary(&replayed.engine, args.output, paint)?, code })
}
