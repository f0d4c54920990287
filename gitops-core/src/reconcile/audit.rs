//! What each revision changed of an application: which objects, and which of their fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::diff::{FieldEdit, edits};
use crate::manifest;
use crate::model::ApiModel;
use crate::problem::Severity;
use crate::resource::{Origin, ResourceKey};
use crate::source::{ContentId, History, Revision, RevisionId, Snapshot, Source, SourceError, SourceFailure};
use crate::state::{Declared, DesiredState};

use super::App;

/// A revision, and what it changed of the objects of an application. Its JSON is a stable contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Audited {
    /// Which one: who made it, when and why.
    pub revision: Revision,
    /// What it changed, in the order of the objects; nothing where it changed only comments or layout.
    pub objects: Vec<ObjectEdit>,
    /// What could not be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Arc<str>>,
}

/// What a revision did to the declaration of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectEdit {
    /// Which one.
    #[serde(flatten)]
    pub key: ResourceKey,
    /// What was done.
    pub edit: Edit,
    /// Where it is declared, or was if it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The file that declared it before, if it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<Arc<str>>,
    /// The fields that were edited, if the object was there before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldEdit>,
}

/// What was done to a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Edit {
    /// It was not declared before.
    Added,
    /// It is declared otherwise, or in another file.
    Changed,
    /// It is not declared any more.
    Removed,
}

/// Tells what the revisions from `from` backwards changed of an application's objects: the newest first, at most `limit`
/// of those that changed one of its files. Of a merge only what differs from all its parents is told, as `git show` does.
///
/// Values of Secrets are letters. What cannot be read at one revision is a gap of that one.
///
/// ```
/// use gitops_core::memory::{MemorySource, VirtualTime, ready};
/// use gitops_core::model::ApiModel;
/// use gitops_core::reconcile::{App, audit};
/// use gitops_core::source::{Source, Target};
/// use gitops_core::state::Owner;
/// use gitops_core::time::Timer as _;
///
/// let (source, now) = (MemorySource::default(), VirtualTime::default().now());
/// let service = |port: u16| format!("{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{type: X{port}}}}}");
/// source.commit("Ann <ann@example.org>", now, "Open", [("web.yaml", Some(&*service(80)))]);
/// source.commit("Bob <bob@example.org>", now, "Move", [("web.yaml", Some(&*service(81)))]);
/// let app = App::new(Owner::new("", "shop")?, "main").with_namespace("shop");
/// let head = ready(source.resolve(&app.target)).ok_or("it waits")??.id;
/// let told = ready(audit(&app, &source, &ApiModel::builtin(), &head, 10)).ok_or("it waits")??;
///
/// assert_eq!(told[0].objects[0].to_string(), "changed Service shop/web (web.yaml:1)\n  ~ spec.type: \"X80\" -> \"X81\"\n");
/// assert_eq!(told[1].objects[0].to_string(), "added Service shop/web (web.yaml:1)\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the source has no history, or it cannot be read.
pub async fn audit(
    app: &App,
    source: &dyn Source,
    model: &ApiModel,
    from: &RevisionId,
    limit: usize,
) -> Result<Vec<Audited>, SourceError> {
    let what = "the history of this source";
    let history = source.history().ok_or(SourceFailure::Unsupported { what: what.into() })?;
    let mut auditor = Auditor { app, source, history, model, listed: None };
    let mut told = Vec::new();
    for revision in history.log(from, &app.paths, limit).await? {
        told.push(auditor.tell(revision).await);
    }
    Ok(told)
}

/// Reads what single revisions changed.
pub(super) struct Auditor<'a> {
    pub(super) app: &'a App,
    pub(super) source: &'a dyn Source,
    pub(super) history: &'a dyn History,
    pub(super) model: &'a ApiModel,
    /// What was listed last: revisions share nearly all of their folders, and what is shared is not listed again.
    pub(super) listed: Option<Snapshot>,
}

/// The objects of the files that differ between two revisions, as they were and as they are.
struct Sides {
    before: DesiredState,
    after: DesiredState,
}

impl Auditor<'_> {
    pub(super) async fn tell(&mut self, revision: Revision) -> Audited {
        let mut gaps = BTreeSet::new();
        let objects = match self.objects(&revision.id, &mut gaps).await {
            Ok(objects) => objects,
            Err(error) => {
                gaps.insert(error.to_string().into());
                Vec::new()
            }
        };
        Audited { revision, objects, gaps: gaps.into_iter().collect() }
    }

    async fn objects(
        &mut self,
        id: &RevisionId,
        gaps: &mut BTreeSet<Arc<str>>,
    ) -> Result<Vec<ObjectEdit>, SourceError> {
        let after = self.files(id).await?;
        let parents = self.history.parents(id).await?;
        let Some((first, others)) = parents.split_first() else {
            let nothing = Snapshot::new(id, Arc::default());
            return Ok(self
                .sides(&nothing, &after, gaps)
                .await?
                .edits(self.model, self.app.rules.masked_annotations()));
        };
        let before = self.files(first).await?;
        let mut objects =
            self.sides(&before, &after, gaps).await?.edits(self.model, self.app.rules.masked_annotations());
        for parent in others {
            let before = self.files(parent).await?;
            let also = self.sides(&before, &after, gaps).await?.edits(self.model, self.app.rules.masked_annotations());
            let also: BTreeMap<&ResourceKey, &ObjectEdit> = also.iter().map(|edit| (&edit.key, edit)).collect();
            objects =
                objects.into_iter().filter_map(|edit| also.get(&edit.key).and_then(|also| edit.shared(also))).collect();
        }
        Ok(objects)
    }

    /// Names the files of a revision; none if it has none of the paths.
    async fn files(&mut self, id: &RevisionId) -> Result<Snapshot, SourceError> {
        match self.source.snapshot(id, &self.app.paths, self.listed.as_ref()).await {
            Err(SourceError { failure: SourceFailure::UnknownPath { .. }, .. }) => {
                Ok(Snapshot::new(id, Arc::default()))
            }
            snapshot => Ok(self.listed.insert(snapshot?).clone()),
        }
    }

    async fn sides(
        &self,
        before: &Snapshot,
        after: &Snapshot,
        gaps: &mut BTreeSet<Arc<str>>,
    ) -> Result<Sides, SourceError> {
        // What could not be listed is not gone.
        let problems = before.problems.iter().chain(&after.problems);
        let blocking = problems.filter(|problem| problem.severity == Severity::Blocks);
        gaps.extend(blocking.map(|problem| Arc::from(problem.to_string())));
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for change in after.changes_since(before) {
            old.extend(change.old.map(|id| (Arc::clone(&change.path), id)));
            new.extend(change.new.map(|id| (change.path, id)));
        }
        Ok(Sides { before: self.declared(old, gaps).await?, after: self.declared(new, gaps).await? })
    }

    async fn declared(
        &self,
        files: Vec<(Arc<str>, ContentId)>,
        gaps: &mut BTreeSet<Arc<str>>,
    ) -> Result<DesiredState, SourceError> {
        let (paths, ids): (Vec<Arc<str>>, Vec<ContentId>) = files.into_iter().unzip();
        let mut parsed = Vec::new();
        for (path, content) in paths.iter().zip(self.source.read(&ids).await?) {
            match content {
                Ok(bytes) => {
                    let file = manifest::parse(path, &bytes, self.app.dialect, &self.app.limits);
                    let blocking = file.problems.iter().filter(|problem| problem.severity == Severity::Blocks);
                    gaps.extend(blocking.map(|problem| Arc::from(problem.to_string())));
                    parsed.push(Arc::new(file));
                }
                Err(error) => _ = gaps.insert(format!("`{path}`: {error}").into()),
            }
        }
        Ok(DesiredState::assemble(&[], &parsed, &[], self.model, self.app.namespace.as_deref()))
    }
}

impl Sides {
    fn edits(&self, model: &ApiModel, masked: &[Arc<str>]) -> Vec<ObjectEdit> {
        let keys: BTreeSet<&ResourceKey> = self.before.declared.keys().chain(self.after.declared.keys()).collect();
        let edit = |key: &ResourceKey| ObjectEdit::of(key, self.before.get(key), self.after.get(key), (model, masked));
        keys.into_iter().filter_map(edit).collect()
    }
}

impl ObjectEdit {
    /// `None` where nothing was done.
    fn of(
        key: &ResourceKey,
        before: Option<&Declared>,
        after: Option<&Declared>,
        (model, masked): (&ApiModel, &[Arc<str>]),
    ) -> Option<Self> {
        let file = |declared: &Declared| declared.origin.as_ref().map(|origin| Arc::clone(&origin.file));
        let (edit, moved_from, fields) = match (before, after) {
            (None, None) => return None,
            (None, Some(_)) => (Edit::Added, None, Vec::new()),
            (Some(_), None) => (Edit::Removed, None, Vec::new()),
            (Some(before), Some(after)) => {
                let moved_from = file(before).filter(|was| file(after).as_ref() != Some(was));
                (Edit::Changed, moved_from, edits(&before.resource, &after.resource, model, masked))
            }
        };
        if edit == Edit::Changed && moved_from.is_none() && fields.is_empty() {
            return None;
        }
        let origin = after.or(before).and_then(|declared| declared.origin.clone());
        Some(Self { key: key.clone(), edit, origin, moved_from, fields })
    }

    /// Returns one line: `changed Deployment shop/web (apps/web.yaml:1)`.
    #[must_use]
    pub fn heading(&self) -> String {
        let place = match (&self.origin, &self.moved_from) {
            (Some(origin), Some(before)) => format!(" ({origin}, before in {before})"),
            (Some(origin), None) => format!(" ({origin})"),
            (None, _) => String::new(),
        };
        format!("{} {}{place}", self.edit, self.key)
    }

    /// What this and another edit have in common: what a merge made of several parents is only what none of them had.
    fn shared(mut self, other: &Self) -> Option<Self> {
        match (self.edit, other.edit) {
            // One parent did not have it: what the merge made of it is told against the one that did.
            (Edit::Changed, Edit::Added) => return Some(self),
            (Edit::Added, Edit::Changed) => return Some(other.clone()),
            _ => {}
        }
        self.fields.retain(|edit| other.fields.iter().any(|other| other.field == edit.field));
        self.moved_from = self.moved_from.filter(|_| other.moved_from.is_some());
        (self.edit != Edit::Changed || !self.fields.is_empty() || self.moved_from.is_some()).then_some(self)
    }
}

/// Its heading, then a line for each field.
impl fmt::Display for ObjectEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading())?;
        self.fields.iter().try_for_each(|edit| writeln!(f, "  {edit}"))
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MemorySource, VirtualTime, ready};
    use crate::source::{Paths, Target};
    use crate::state::Owner;
    use crate::time::Timer as _;

    fn told(source: &MemorySource, app: &App, limit: usize) -> Vec<String> {
        let head = ready(source.resolve(&Target::new("HEAD"))).unwrap().unwrap().id;
        let audited = ready(audit(app, source, &ApiModel::builtin(), &head, limit)).unwrap().unwrap();
        let line = |audited: &Audited| {
            let objects: String = audited.objects.iter().map(ToString::to_string).collect();
            let subject = audited.revision.commit.as_ref().unwrap().subject().to_owned();
            let gaps: String = audited.gaps.iter().map(|gap| format!("? {gap}\n")).collect();
            format!("{subject}\n{objects}{gaps}")
        };
        audited.iter().map(line).collect()
    }

    fn commit(source: &MemorySource, message: &str, files: &[(&str, Option<&str>)]) {
        source.commit("Ann <ann@example.org>", VirtualTime::default().now(), message, files.iter().copied());
    }

    const WEB: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {key: TOPSECRET}\n";

    #[test]
    fn each_revision_is_told_by_the_objects_and_fields_it_edited() {
        let source = MemorySource::default();
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop");
        let space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        commit(&source, "Begin", &[("notes.txt", Some("x"))]);
        commit(&source, "Add", &[("a.yaml", Some(&*[space, WEB].join("---\n"))), ("bad.yaml", Some("a: [1"))]);
        commit(&source, "Comment", &[("a.yaml", Some(&*[space, "# here\n", WEB].join("---\n"))), ("bad.yaml", None)]);
        commit(&source, "Move", &[("a.yaml", Some(space)), ("b/web.yaml", Some(WEB))]);
        commit(&source, "Change", &[("b/web.yaml", Some(&*WEB.replace("TOP", "OTHER")))]);
        commit(&source, "Drop", &[("b/web.yaml", None)]);
        let found = told(&source, &app, 99);
        let expected = [
            "Drop\nremoved Secret shop/web (b/web.yaml:1)\n",
            "Change\nchanged Secret shop/web (b/web.yaml:1)\n  ~ data.key: (secret A) -> (secret B)\n",
            "Move\nchanged Secret shop/web (b/web.yaml:1, before in a.yaml)\n",
            "Comment\n? bad.yaml:2:1: ",
            "Add\nadded Namespace shop (a.yaml:1)\nadded Secret shop/web (a.yaml:5)\n? bad.yaml:2:1: ",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
        assert!(!found.concat().contains("SECRET"));
        assert_eq!(told(&source, &app, 2).len(), 2);
        let below = app.with_paths(Paths::under(["b"]).unwrap());
        assert_eq!(told(&source, &below, 99).last().unwrap(), "Move\nadded Secret shop/web (b/web.yaml:1)\n");
    }

    #[test]
    fn annotations_of_secrets_that_somebody_masked_are_letters_in_the_log_as_well() {
        let source = MemorySource::default();
        let rules = crate::policy::ignore::Rules::default().with_masked_annotations(["token"]);
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_rules(rules);
        let web = |token: &str| WEB.replace("{name: web}", &format!("{{name: web, annotations: {{token: {token}}}}}"));
        commit(&source, "Add", &[("web.yaml", Some(&*web("HIDDEN-1")))]);
        commit(&source, "Change", &[("web.yaml", Some(&*web("HIDDEN-2")))]);
        let found = told(&source, &app, 1).concat();
        // A is the value below `data`.
        assert!(found.contains("metadata.annotations.token: (secret B) -> (secret C)"), "{found}");
        assert!(!found.contains("HIDDEN"), "{found}");
    }

    #[test]
    fn of_a_merge_only_what_no_parent_had_is_told() {
        let edit = |edit: Edit, fields: &[&str]| ObjectEdit {
            key: ResourceKey::new("", "Secret", Some("shop"), "web"),
            edit,
            origin: None,
            moved_from: None,
            fields: fields
                .iter()
                .map(|field| FieldEdit::new(field.parse().unwrap(), crate::diff::ChangeKind::Value))
                .collect(),
        };
        use Edit::{Added, Changed, Removed};
        for (first, second, expected) in [
            (edit(Changed, &["a", "b"]), edit(Changed, &["b", "c"]), Some(edit(Changed, &["b"]))),
            (edit(Changed, &["a"]), edit(Changed, &["b"]), None),
            (edit(Changed, &["a"]), edit(Added, &[]), Some(edit(Changed, &["a"]))),
            (edit(Added, &[]), edit(Changed, &["a"]), Some(edit(Changed, &["a"]))),
            (edit(Added, &[]), edit(Added, &[]), Some(edit(Added, &[]))),
            (edit(Removed, &[]), edit(Removed, &[]), Some(edit(Removed, &[]))),
        ] {
            assert_eq!(first.clone().shared(&second), expected, "{first} {second}");
        }
    }
}
