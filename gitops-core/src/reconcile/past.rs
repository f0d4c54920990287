//! What the history of the source tells of an object: who wrote its fields, and who dropped them or all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diff::Written;
use crate::manifest;
use crate::model::ApiModel;
use crate::path::FieldPath;
use crate::resource::{Origin, Resource, ResourceKey};
use crate::source::{Paths, Revision, RevisionId, Source, SourceError, SourceFailure};
use crate::state::Declared;

use super::App;
use super::audit::{Auditor, Edit};
use super::explain::{Dropped, Explanation};

/// How many revisions are looked through: few first, since most answers are near, and then many.
const DEPTHS: [usize; 2] = [50, 2_000];
/// How many reasons are told why a revision could not be.
const GAPS: usize = 8;

/// Where an application comes from.
pub(super) struct Past<'a> {
    pub(super) app: &'a App,
    pub(super) source: &'a dyn Source,
    pub(super) model: &'a ApiModel,
    pub(super) revision: &'a RevisionId,
}

impl Past<'_> {
    /// Adds where fields are written, by whom, and who dropped those that are not.
    pub(super) async fn tell(&self, declared: &Declared, origin: &Origin, explanation: &mut Explanation) {
        let file = File { past: self, declared, origin };
        let bytes = match file.content(self.revision).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(error) => return explanation.gaps.push(format!("`{}`: {error}", origin.file).into()),
        };
        for field in &mut explanation.fields {
            let told = match (&field.place, field.verdict) {
                (Some(place), _) => file.written(&bytes, place).await.map(|written| field.written = written),
                (None, verdict) if verdict.is_dropped() => {
                    file.dropped(&field.field).await.map(|revision| field.dropped_in = revision)
                }
                _ => Ok(()),
            };
            if let Err(error) = told {
                let gap = Arc::from(format!("the history of `{}`: {error}", origin.file));
                if !explanation.gaps.contains(&gap) {
                    explanation.gaps.push(gap);
                }
            }
        }
    }

    /// Adds which revision dropped an object that is no longer declared.
    pub(super) async fn tell_dropped(&self, key: &ResourceKey, explanation: &mut Explanation) {
        let Some(history) = self.source.history() else { return };
        let mut auditor = Auditor { app: self.app, source: self.source, history, model: self.model, listed: None };
        let (mut looked, mut untold) = (0, BTreeSet::new());
        for depth in DEPTHS {
            let log = match history.log(self.revision, &self.app.paths, depth).await {
                Ok(log) => log,
                Err(error) => return explanation.gaps.push(format!("the history of the source: {error}").into()),
            };
            let (count, seen) = (log.len(), looked);
            for revision in log.into_iter().skip(seen) {
                let told = auditor.tell(revision).await;
                if let Some(edit) = told.objects.into_iter().find(|edit| edit.key == *key) {
                    if edit.edit == Edit::Removed {
                        explanation.dropped_in = Some(Dropped { revision: told.revision, origin: edit.origin });
                    }
                    return;
                }
                untold.extend(told.gaps);
            }
            looked = count;
            if count < depth {
                // What could not be told may be what was looked for.
                return explanation.gaps.extend(untold.into_iter().take(GAPS));
            }
        }
        explanation.gaps.push(format!("which revision dropped it: none of the last {looked} did").into());
    }
}

/// The file that declares an object.
struct File<'a> {
    past: &'a Past<'a>,
    declared: &'a Declared,
    origin: &'a Origin,
}

impl File<'_> {
    /// Reads the file at a revision; `None` if it was not there.
    async fn content(&self, revision: &RevisionId) -> Result<Option<Arc<[u8]>>, SourceError> {
        let Ok(paths) = Paths::under([&*self.origin.file]) else { return Ok(None) };
        let snapshot = match self.past.source.snapshot(revision, &paths, None).await {
            Err(SourceError { failure: SourceFailure::UnknownPath { .. }, .. }) => return Ok(None),
            snapshot => snapshot?,
        };
        let Some(file) = snapshot.files().into_iter().find(|file| file.path == self.origin.file) else {
            return Ok(None);
        };
        self.past.source.read(&[file.id]).await?.into_iter().next().transpose()
    }

    async fn written(&self, bytes: &[u8], place: &FieldPath) -> Result<Option<Written>, SourceError> {
        let locate = |place: &FieldPath| manifest::locate(bytes, self.past.app.dialect, self.origin.document, place);
        // What a Secret declares as text is compared as data.
        let Some(at) =
            as_text(&self.declared.resource, place).and_then(|place| locate(&place)).or_else(|| locate(place))
        else {
            return Ok(None);
        };
        let file = Arc::clone(&self.origin.file);
        let by = match self.past.source.history() {
            Some(history) => Some(history.blame(self.past.revision, &file, at.line).await?),
            None => None,
        };
        Ok(Some(Written { file, line: at.line, column: at.column, by }))
    }

    /// Finds the revision that dropped a field: the one after the last that had it.
    async fn dropped(&self, field: &FieldPath) -> Result<Option<Revision>, SourceError> {
        let Some(history) = self.past.source.history() else { return Ok(None) };
        let Ok(paths) = Paths::under([&*self.origin.file]) else { return Ok(None) };
        let (mut after, mut looked) = (None, 0);
        for depth in DEPTHS {
            let log = history.log(self.past.revision, &paths, depth).await?;
            let (count, seen) = (log.len(), looked);
            for revision in log.into_iter().skip(seen) {
                let Some(bytes) = self.content(&revision.id).await? else { return Ok(None) };
                if self.had(&bytes, field) {
                    return Ok(after);
                }
                after = Some(revision);
            }
            looked = count;
            if count < depth {
                // Where the history is cut off, that is an error, and not that no revision ever had it.
                if let Some(first) = &after {
                    history.parents(&first.id).await?;
                }
                return Ok(None);
            }
        }
        let what = format!("looking for who dropped a field further back than {looked} revisions");
        Err(SourceFailure::Unsupported { what: what.into() }.into())
    }

    /// Whether a file declared the field of this object.
    fn had(&self, bytes: &[u8], field: &FieldPath) -> bool {
        let parsed = manifest::parse(&self.origin.file, bytes, self.past.app.dialect, &self.past.app.limits);
        let key = self.declared.resource.key();
        let is_it = |object: &&Resource| {
            let other = object.key();
            let namespace = other.namespace.is_none() || other.namespace == key.namespace;
            other.group_kind == key.group_kind && other.name == key.name && namespace
        };
        parsed.resources.iter().map(|(object, _)| object).filter(is_it).any(|object| {
            let text = as_text(object, field);
            text.iter().chain([field]).any(|field| field.find(object.tree()).is_some())
        })
    }
}

/// The same field of a Secret under `stringData`.
fn as_text(object: &Resource, field: &FieldPath) -> Option<FieldPath> {
    let below_data = field.segments().split_first().filter(|_| object.key().is("", "Secret"));
    let (_, rest) = below_data.filter(|_| FieldPath::fields(&["data"]).contains(field))?;
    Some(FieldPath::fields(&["stringData"]).segments().iter().chain(rest).cloned().collect())
}
