//! What sources and clusters answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::cluster::{Changes, ClusterError, Failure, Observed, PatchStep, Verb, Write, Written};
use crate::model::{ApiModel, KeptModel};
use crate::problem::Problem;
use crate::source::{ContentId, Entry, Folder, Paths, Revision, RevisionId, Snapshot, SourceError, SourceFailure};
use crate::state::KeptLive;
use crate::value::Digest;

use super::State;
use super::kept::{KeptChanges, KeptObserved, KeptWritten};
use super::mask::Masks;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Answer {
    Revision(Result<Revision, SourceFailure>),
    /// The name of what is stored.
    Snapshot(Result<Digest, SourceFailure>),
    /// No file could be read at all.
    NoFiles(SourceFailure),
    Revisions(Result<Vec<Revision>, SourceFailure>),
    Names(Result<Vec<RevisionId>, SourceFailure>),
    Model(Result<Digest, Failure>),
    Observed(Result<KeptObserved, Failure>),
    Changes(Result<KeptChanges, Failure>),
    Written(Result<KeptWritten, Failure>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptSnapshot {
    revision: RevisionId,
    paths: Option<Paths>,
    root: KeptFolder,
    problems: Vec<Problem>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeptFolder {
    id: Option<String>,
    files: BTreeMap<Arc<str>, String>,
    folders: BTreeMap<Arc<str>, Self>,
}

/// Text as it is, everything else in base64.
pub(super) fn encode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("text:{text}"),
        Err(_) => format!("bytes:{}", STANDARD.encode(bytes)),
    }
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    match text.split_once(':')? {
        ("text", text) => Some(text.as_bytes().to_vec()),
        ("bytes", bytes) => STANDARD.decode(bytes).ok(),
        _ => None,
    }
}

pub(super) fn snapshot(text: &str) -> Option<Snapshot> {
    let KeptSnapshot { revision, paths, root, problems } = serde_json::from_str(text).ok()?;
    Some(Snapshot { revision, paths, root: Arc::new(root.restored()), problems })
}

pub(super) fn model(text: &str) -> Option<ApiModel> {
    serde_json::from_str::<KeptModel>(text).ok()?.restored()
}

impl KeptFolder {
    // No deeper than the folders of a source, whose names are bounded by the length of a path.
    fn new(folder: &Folder) -> Self {
        let mut kept = Self { id: folder.id.as_ref().map(ToString::to_string), ..Self::default() };
        for (name, entry) in &folder.entries {
            match entry {
                Entry::File { id } => drop(kept.files.insert(Arc::clone(name), id.to_string())),
                Entry::Folder(below) => drop(kept.folders.insert(Arc::clone(name), Self::new(below))),
            }
        }
        kept
    }

    fn restored(self) -> Folder {
        let files = self.files.into_iter().map(|(name, id)| (name, Entry::File { id: ContentId::new(&id) }));
        let folders = self.folders.into_iter().map(|(name, below)| (name, Entry::Folder(Arc::new(below.restored()))));
        Folder { id: self.id.map(|id| ContentId::new(&id)), entries: files.chain(folders).collect() }
    }
}

impl State {
    pub(super) fn snapshot(&mut self, answer: &Result<Snapshot, SourceError>) -> Answer {
        Answer::Snapshot(match answer {
            Ok(Snapshot { revision, paths, root, problems }) => {
                let (revision, paths, root) = (revision.clone(), paths.clone(), KeptFolder::new(root));
                let kept = KeptSnapshot { revision, paths, root, problems: problems.clone() };
                Ok(self.stored(serde_json::to_string(&kept).unwrap_or_default()))
            }
            Err(error) => Err(error.failure.clone()),
        })
    }

    pub(super) fn model(&mut self, answer: &Result<ApiModel, ClusterError>) -> Answer {
        Answer::Model(match answer {
            Ok(model) => Ok(self.stored(serde_json::to_string(&KeptModel::new(model)).unwrap_or_default())),
            Err(error) => Err(error.failure.clone()),
        })
    }

    pub(super) fn observed(&mut self, answer: &Result<Observed, ClusterError>) -> Answer {
        Answer::Observed(match answer {
            Ok(Observed { live, cursor }) => Ok(KeptObserved {
                live: KeptLive::new(live, |object| self.masks.json(object)),
                cursor: cursor.as_str().to_owned(),
            }),
            Err(error) => Err(error.failure.clone()),
        })
    }

    pub(super) fn changes(&mut self, answer: &Result<Changes, ClusterError>) -> Answer {
        Answer::Changes(match answer {
            Ok(Changes { changed, gone, cursor }) => Ok(KeptChanges {
                changed: changed.iter().map(|object| self.masks.json(object)).collect(),
                gone: gone.clone(),
                cursor: cursor.as_str().to_owned(),
            }),
            Err(error) => Err(error.failure.clone()),
        })
    }

    pub(super) fn written(&mut self, answer: &Result<Written, ClusterError>) -> Answer {
        Answer::Written(match answer {
            Ok(Written { outcome, object, warnings }) => Ok(KeptWritten {
                outcome: *outcome,
                object: object.as_ref().map(|object| self.masks.json(object)),
                warnings: warnings.clone(),
            }),
            Err(error) => Err(error.failure.clone()),
        })
    }
}

impl Masks {
    /// Says all that a write asks for.
    pub(super) fn write_of(&mut self, write: &Write) -> String {
        let Write { key, version, verb, guard, mode } = write;
        let what = match verb {
            Verb::Apply { object, manager, force } => {
                format!("apply as {manager}, force {force:?}: {}", self.json(object))
            }
            Verb::Create { object, manager } => format!("create as {manager}: {}", self.json(object)),
            Verb::Replace { object, manager } => format!("replace as {manager}: {}", self.json(object)),
            Verb::Patch { steps, manager } => {
                let steps: Vec<String> = steps.iter().map(|step| self.step(write, step)).collect();
                format!("patch as {manager}: {}", steps.join(", "))
            }
            Verb::Delete { propagation } => format!("delete, {propagation:?}"),
        };
        format!("{mode:?} {key} at {version} if {guard:?}: {what}")
    }

    fn step(&mut self, write: &Write, step: &PatchStep) -> String {
        match step {
            PatchStep::Set(path, value) if write.key.is("", "Secret") => {
                format!("set {path} to {}", self.value(path, value))
            }
            PatchStep::Set(path, value) => format!("set {path} to {}", value.to_json()),
            PatchStep::Remove(path) => format!("remove {path}"),
        }
    }
}
