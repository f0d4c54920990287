//! Bytes of a file → applications and projects, and what is wrong with the rest.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::{self, Fate, Found};
use super::spec::shown;
use super::tree::{Tree, Wrong};
use super::{AppSpec, Application, Project, Signed, Submodules};
use crate::manifest::{Dialect, Limits, locate, parse};
use crate::path::{FieldPath, Segment};
use crate::policy::SyncOption;
use crate::problem::{Code, Problem, Severity};
use crate::resource::{Origin, Resource};
use crate::state::Owner;
use crate::value::Draft;

/// What the documents of some files say.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Documents {
    /// The applications, in order of appearance.
    pub applications: Vec<Application>,
    /// The projects, in order of appearance: name, content, and where it is written.
    pub projects: Vec<(Arc<str>, Project, Origin)>,
    /// Names of applications and projects that are declared, and cannot be used: what they say is not known, so that
    /// nothing may be concluded from their absence.
    pub held_back: Vec<(Declared, Arc<str>, Origin)>,
    /// Whether part of a file could not be read, so that there may be more than is here.
    pub incomplete: bool,
    /// What is wrong with the rest.
    pub problems: Vec<Problem>,
}

/// What a document declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Declared {
    /// An application.
    Application,
    /// A project.
    Project,
}

/// The documents that are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Ours,
    Argo,
}

const GROUP: &str = "gitops.rs";
const ARGO_GROUP: &str = "argoproj.io";
const VERSION: &str = "v1alpha1";
const SKIP: &str = "argocd.argoproj.io/skip-reconcile";

/// Reads the applications and projects of one file. One document that cannot be used stops only itself.
#[must_use]
pub fn read(file: &Arc<str>, bytes: &[u8]) -> Documents {
    let parsed = parse(file, bytes, Dialect::Kubectl, &Limits::default());
    let incomplete = parsed.problems.iter().any(|problem| problem.severity == Severity::Blocks);
    let mut documents = Documents { incomplete, problems: parsed.problems, ..Documents::default() };
    for (resource, origin) in parsed.resources {
        Reading { bytes, resource: &resource, origin }.read(&mut documents);
    }
    documents
}

/// One document, as it is read.
struct Reading<'a> {
    bytes: &'a [u8],
    resource: &'a Resource,
    origin: Origin,
}

/// A document around its `spec`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope<T> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(rename = "metadata")]
    _metadata: IgnoredAny,
    spec: T,
}

impl Reading<'_> {
    fn read(&self, documents: &mut Documents) {
        let key = self.resource.key();
        let (form, declared) = match (key.group(), key.kind()) {
            (GROUP, "Application") => (Form::Ours, Declared::Application),
            (GROUP, "Project") => (Form::Ours, Declared::Project),
            (ARGO_GROUP, "Application") => (Form::Argo, Declared::Application),
            (ARGO_GROUP, "AppProject") => (Form::Argo, Declared::Project),
            _ => {
                documents.problems.push(self.foreign());
                return;
            }
        };
        let before = documents.problems.len();
        let read = match declared {
            Declared::Application => self.application(form, &mut documents.problems).map(|application| {
                documents.applications.push(application);
            }),
            Declared::Project => self.project(form, &mut documents.problems).map(|(name, project)| {
                documents.projects.push((name, project, self.origin.clone()));
            }),
        };
        if read.is_none() {
            debug_assert!(documents.problems.len() > before, "a document is never dropped in silence");
            documents.held_back.push((declared, Arc::clone(&key.name), self.origin.clone()));
        }
    }

    fn application(&self, form: Form, problems: &mut Vec<Problem>) -> Option<Application> {
        let mut spec: AppSpec = self.spec(form, fields::of_application, problems)?;
        if form == Form::Argo && self.is_skipped() {
            spec.suspend = true;
            let problem =
                Problem::note(Code::NotFollowed, "the application is suspended: looked at, and never written");
            problems.push(self.about(problem, &FieldPath::fields(&["metadata", "annotations", SKIP])));
        }
        let before = problems.len();
        self.check(&spec, problems);
        let blocked = problems.iter().skip(before).any(|problem| problem.severity == Severity::Blocks);
        let name = Arc::clone(&self.resource.key().name);
        (!blocked).then(|| Application { name, spec, origin: self.origin.clone() })
    }

    /// Whether Argo CD is told to leave the application alone. Rule: its user guide, "Skip Application Reconcile"; what
    /// counts as yes is Go's `ParseBool`.
    fn is_skipped(&self) -> bool {
        let said = self.resource.annotation(SKIP);
        said.is_some_and(|said| matches!(said, "1" | "t" | "T" | "true" | "True" | "TRUE"))
    }

    fn project(&self, form: Form, problems: &mut Vec<Problem>) -> Option<(Arc<str>, Project)> {
        let project: Project = self.spec(form, fields::of_project, problems)?;
        if let Some((field, text)) = project.signed.as_ref().and_then(Signed::fault) {
            let problem = Problem::blocks(Code::InvalidApplication, text);
            problems.push(self.about(problem, &below(&FieldPath::fields(&["spec", "signed"]), &field)));
            return None;
        }
        for doubt in project.sync_windows.doubts() {
            let problem = Problem::warning(Code::InvalidApplication, doubt);
            problems.push(self.about(problem, &FieldPath::fields(&["spec", "syncWindows"])));
        }
        Some((Arc::clone(&self.resource.key().name), project))
    }

    /// Reads `spec`, after taking out what is known and not followed.
    fn spec<T: for<'de> Deserialize<'de>>(
        &self,
        form: Form,
        not_followed: fn(&mut Draft) -> Vec<Found>,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        if self.resource.version() != VERSION {
            let text = format!("version `{}` is not known", self.resource.version());
            let problem = Problem::blocks(Code::InvalidApplication, text).hint(format!("use `{VERSION}`"));
            problems.push(self.about(problem, &FieldPath::fields(&["apiVersion"])));
            return None;
        }
        let value = self.resource.value();
        let mut blocked = false;
        let mut left = None;
        if form == Form::Argo {
            let mut draft = value.root().to_draft();
            for Found { path, fate } in not_followed(&mut draft) {
                let problem = match fate {
                    Fate::Silent => continue,
                    Fate::Note(text) => Problem::note(Code::NotFollowed, text),
                    Fate::Warning(text) => Problem::warning(Code::NotFollowed, text),
                    Fate::Blocks(text, hint) => {
                        blocked = true;
                        Problem::blocks(Code::InvalidApplication, text).hint(hint)
                    }
                };
                problems.push(self.about(problem, &path));
            }
            left = Some(draft.freeze());
        }
        let read = Envelope::<T>::deserialize(Tree(left.as_ref().unwrap_or(value).root()));
        match read {
            Ok(envelope) => (!blocked).then_some(envelope.spec),
            Err(wrong) => {
                problems.push(self.wrong(&wrong));
                None
            }
        }
    }

    /// Checks what only the whole can tell.
    fn check(&self, spec: &AppSpec, problems: &mut Vec<Problem>) {
        let mut blocks = |path: &[&str], text: String, hint: &str| {
            let problem = Problem::blocks(Code::InvalidApplication, text).hint(hint);
            problems.push(self.about(problem, &FieldPath::fields(path)));
        };
        if let Err(error) = Owner::new("", &self.resource.key().name) {
            blocks(&["metadata", "name"], error.to_string(), "give it another name");
        }
        let one = ["spec", "source"];
        if spec.sources().is_empty() {
            blocks(&["spec"], "the application has no source".to_owned(), "set `source`");
        } else if spec.read_sources().next().is_none() {
            let place = if spec.sources.is_empty() { "source" } else { "sources" };
            blocks(&["spec", place], "nothing is made from it: it only has a `ref`".to_owned(), "set `path`");
        }
        for source in spec.sources() {
            let path: &[&str] = if spec.sources.is_empty() { &one } else { &["spec", "sources"] };
            if source.repo_url.trim().is_empty() {
                blocks(path, "`repoURL` is empty".to_owned(), "give the address of the repository");
            }
            if let Err(error) = source.paths() {
                blocks(path, error.to_string(), "paths are relative to the root of the repository");
            }
        }
        let destination = &spec.destination;
        if !destination.server.is_empty() && !destination.name.is_empty() {
            let text =
                format!("both a server ({}) and a name (`{}`) are given", shown(&destination.server), destination.name);
            blocks(&["spec", "destination"], text, "give one of them");
        }
        self.check_signed(spec, problems);
        self.doubts(spec, problems);
    }

    /// Checks what sources say of who must have signed them, and of submodules.
    fn check_signed(&self, spec: &AppSpec, problems: &mut Vec<Problem>) {
        for (at, source) in (0..).zip(spec.sources()) {
            let place = match spec.sources.is_empty() {
                true => FieldPath::fields(&["spec", "source"]),
                false => FieldPath::fields(&["spec", "sources"]).join(Segment::Index(at)),
            };
            let mut blocks = |field: FieldPath, text: String| {
                problems.push(self.about(Problem::blocks(Code::InvalidApplication, text), &field));
            };
            if let Some((field, text)) = source.signed.as_ref().and_then(Signed::fault) {
                blocks(below(&place.join(Segment::field("signed")), &field), text);
            }
            if !source.submodule_repos.is_empty() && source.submodules != Some(Submodules::Follow) {
                let text = "no submodule is followed; set `submodules: follow`, or leave this out";
                blocks(place.join(Segment::field("submoduleRepos")), text.to_owned());
            }
        }
    }

    /// Says what is probably not meant, or not followed.
    fn doubts(&self, spec: &AppSpec, problems: &mut Vec<Problem>) {
        if spec.source.is_some() && !spec.sources.is_empty() {
            let problem = Problem::note(Code::NotFollowed, "`source` means nothing where there are `sources`");
            problems.push(self.about(problem, &FieldPath::fields(&["spec", "source"])));
        }
        let is_made = spec.sync_policy.sync_options.has(SyncOption::CreateNamespace(true));
        if spec.sync_policy.managed_namespace_metadata.is_some() && !is_made {
            let field = FieldPath::fields(&["spec", "syncPolicy", "managedNamespaceMetadata"]);
            let problem = Problem::note(Code::NotFollowed, "no namespace is made, so that this has no effect");
            problems.push(self.about(problem.hint("add the sync option `CreateNamespace=true`, or remove it"), &field));
        }
        let options = FieldPath::fields(&["spec", "syncPolicy", "syncOptions"]);
        for option in spec.unheeded_options() {
            let text = format!("`{option}` has no effect: what it turns off is always done");
            problems.push(self.about(Problem::note(Code::NotFollowed, text).hint("remove it"), &options));
        }
    }

    fn wrong(&self, wrong: &Wrong) -> Problem {
        let problem = Problem::blocks(Code::InvalidApplication, wrong.text.clone());
        let problem = match &wrong.hint {
            Some(hint) => problem.hint(hint.clone()),
            None => problem,
        };
        self.about(problem, &wrong.path())
    }

    fn foreign(&self) -> Problem {
        let text = match (self.resource.key().group(), self.resource.key().kind()) {
            (ARGO_GROUP, "ApplicationSet") => "an ApplicationSet is not expanded",
            _ => "it is neither an application nor a project",
        };
        let hint = format!(
            "use `{GROUP}/{VERSION}` with `Application` or `Project`, or `{ARGO_GROUP}/{VERSION}` with `Application` \
             or `AppProject`"
        );
        self.about(Problem::warning(Code::NotFollowed, text).hint(hint), &FieldPath::root())
    }

    /// Adds the document to a problem, and the place of a field of it.
    fn about(&self, problem: Problem, field: &FieldPath) -> Problem {
        let key = self.resource.key().in_namespace(None);
        let problem = problem.of(&key).at(&self.origin);
        if field.is_root() {
            return problem;
        }
        let problem = problem.field(field.clone());
        match locate(self.bytes, Dialect::Kubectl, self.origin.document, field) {
            Some(position) => {
                let origin = Origin { line: position.line, ..self.origin.clone() };
                problem.at(&origin).column(position.column)
            }
            None => problem,
        }
    }
}

/// A field of something that is itself a field.
fn below(place: &FieldPath, field: &FieldPath) -> FieldPath {
    field.segments().iter().cloned().fold(place.clone(), |place, segment| place.join(segment))
}
