//! `cluster get|apply|set|edit|delete`: looking into the embedded cluster, and changing it by hand.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::process::Command;
use std::sync::Arc;

use gitops_core::cluster::{Cluster, Force, Guard, PatchStep, Write, WriteOutcome};
use gitops_core::manifest::{self, Dialect, Limits};
use gitops_core::problem::Severity;
use gitops_core::resource::{GroupKind, Propagation, Resource};
use gitops_core::state::DesiredState;
use gitops_core::value::Value;

use crate::cli::{ClusterApply, ClusterEdit, ClusterGet, ClusterSet, ClusterVerb, Output};
use crate::render::{self, Cell, Paint};
use crate::world::{Access, Embedded, finish};
use crate::{Answer, Failure, field, kinds};

/// The field manager of hand edits, as `kubectl edit` names it.
const MANAGER: &str = "kubectl-edit";

pub(super) fn run(verb: &ClusterVerb, paint: Paint) -> Result<Answer, Failure> {
    let text = match verb {
        ClusterVerb::Get(args) => get(args, paint)?,
        ClusterVerb::Apply(args) => apply(args)?,
        ClusterVerb::Set(args) => set(args)?,
        ClusterVerb::Edit(args) => edit(args)?,
        ClusterVerb::Delete(args) => delete(args)?,
        #[cfg(feature = "kube")]
        ClusterVerb::Serve(args) => super::serve::serve(args)?,
    };
    Ok(Answer { text, code: 0 })
}

fn get(args: &ClusterGet, paint: Paint) -> Result<String, Failure> {
    let world = Embedded::open(&args.cluster, Access::Read)?;
    let namespace = args.namespace.as_deref();
    if let Some(what) = args.what.as_deref().filter(|what| what.contains('/')) {
        let object = world.cluster.with_server(|server| kinds::object(what, namespace, server))?;
        let object = shown(&object, args.show_managed_fields)?;
        return if args.output == Output::Json { render::json(&object) } else { render::yaml(&object) };
    }
    let objects = world.cluster.with_server(|server| {
        let kind = args.what.as_deref().map(|what| kinds::kind(what, server.model())).transpose()?;
        let wanted = |object: &&Resource| {
            kind.as_ref().is_none_or(|kind: &GroupKind| *object.key().group_kind == *kind)
                && namespace.is_none_or(|namespace| object.key().namespace.as_deref() == Some(namespace))
        };
        Ok::<_, String>(server.objects().filter(wanted).cloned().collect::<Vec<_>>())
    })?;
    if args.output == Output::Text {
        return Ok(listed(&objects, paint));
    }
    let items = objects.iter().map(|object| shown(object, args.show_managed_fields)).collect::<Result<Vec<_>, _>>()?;
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    if args.output == Output::Json { render::json(&list) } else { render::yaml(&list) }
}

fn listed(objects: &[Resource], paint: Paint) -> String {
    let mut rows = vec![["NAMESPACE", "KIND", "NAME", "CREATED"].map(Cell::dim).to_vec()];
    let mut sorted: Vec<&Resource> = objects.iter().collect();
    sorted.sort_by_key(|object| (object.key().namespace.clone(), object.key().clone()));
    rows.extend(sorted.into_iter().map(|object| {
        let (key, created) = (object.key(), object.metadata("creationTimestamp").unwrap_or_default());
        let kind = key.group_kind.to_string();
        [key.namespace.as_deref().unwrap_or_default(), &kind, &key.name, created].map(Cell::plain).to_vec()
    }));
    render::table(&rows, paint)
}

/// Returns the content of an object as `kubectl get -o yaml` prints it.
fn shown(object: &Resource, managed_fields: bool) -> Result<serde_json::Value, Failure> {
    let object = if managed_fields {
        object.clone()
    } else {
        object.edit(|draft| drop(draft.entry("metadata").remove("managedFields")))?
    };
    Ok(serde_json::to_value(object.expose())?)
}

/// All objects of the file, or none.
fn apply(args: &ClusterApply) -> Result<String, Failure> {
    let name = args.file.to_string_lossy();
    let mut bytes = Vec::new();
    let read = if name == "-" {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        File::open(&args.file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("`{name}` cannot be read: {error}; give a file with manifests, or `-`"))?;
    let world = Embedded::open(&args.cluster, Access::Write)?;
    let model = world.cluster.with_server(|server| server.model().clone());
    let parsed = Arc::new(manifest::parse(&(&*name).into(), &bytes, Dialect::Kubectl, &Limits::default()));
    let desired = DesiredState::assemble(&[], &[parsed], &[], &model, Some(&args.namespace));
    if desired.problems.iter().any(|problem| problem.severity == Severity::Blocks) {
        let problems: Vec<String> =
            desired.problems.iter().map(|problem| render::clean(&problem.to_string())).collect();
        return Err(format!("nothing was applied\n  {}", problems.join("\n  ")).into());
    }
    let mut objects: Vec<&Resource> = desired.declared.values().map(|declared| &declared.resource).collect();
    objects.sort_by_key(|object| !["Namespace", "CustomResourceDefinition"].contains(&object.key().kind()));
    let lines = objects.into_iter().map(|object| perform(&world, &Write::apply(object, "kubectl", Force::Yes)));
    let text = lines.collect::<Result<String, _>>()?;
    world.save()?;
    Ok(text)
}

fn set(args: &ClusterSet) -> Result<String, Failure> {
    let (path, value) = field::assignment(&args.assignment)?;
    let world = Embedded::open(&args.object.cluster, Access::Write)?;
    let object = find(&world, &args.object)?;
    field::reaches(&path, object.tree())?;
    let step = if value.root().is_null() { PatchStep::Remove(path) } else { PatchStep::Set(path, value) };
    write(&world, &Write::patch(object.key(), object.version(), vec![step], MANAGER))
}

fn delete(args: &ClusterEdit) -> Result<String, Failure> {
    let world = Embedded::open(&args.cluster, Access::Write)?;
    let object = find(&world, args)?;
    write(&world, &Write::delete(object.key(), object.version(), Propagation::Background))
}

fn edit(args: &ClusterEdit) -> Result<String, Failure> {
    // Nobody has to wait while the editor is open; the version of what was read guards the write.
    let before = find(&Embedded::open(&args.cluster, Access::Read)?, args)?;
    let text = in_editor(&render::yaml(&shown(&before, false)?)?)?;
    let edited: serde_json::Value = serde_yaml::from_str(&text)
        .map_err(|error| format!("what was saved is no YAML: {error}; nothing was changed"))?;
    let edited = Value::from_serialize(&edited).map_err(|error| error.to_string());
    let edited = edited.and_then(|value| Resource::new(value).map_err(|error| error.to_string()));
    let edited = edited.map_err(|error| format!("what was saved is no object: {error}; nothing was changed"))?;
    if edited.key() != before.key() {
        return Err(format!("`{}` cannot become `{}`; nothing was changed", before.key(), edited.key()).into());
    }
    let world = Embedded::open(&args.cluster, Access::Write)?;
    write(&world, &Write::replace(&edited, MANAGER).guarded(Guard::exactly(&before)))
}

/// Lets the user edit a text. An editor is a command line, as for `git` and `kubectl`.
fn in_editor(text: &str) -> Result<String, Failure> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| OsString::from("vi"));
    let mut file = tempfile::Builder::new().prefix("gitops-edit-").suffix(".yaml").tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    let mut command = Command::new("sh");
    let mut script = editor.clone();
    script.push(" \"$1\"");
    let name = editor.to_string_lossy();
    let status = command.arg("-c").arg(script).arg("sh").arg(file.path()).status();
    let status = status.map_err(|error| format!("the editor `{name}` cannot be run: {error}; set `EDITOR`"))?;
    if !status.success() {
        return Err(format!("the editor `{name}` ended with {status}; nothing was changed").into());
    }
    // By name, since editors replace the file.
    let read = fs::read_to_string(file.path());
    read.map_err(|error| format!("what the editor `{name}` saved cannot be read: {error}; nothing was changed").into())
}

fn find(world: &Embedded, args: &ClusterEdit) -> Result<Resource, Failure> {
    let object = world.cluster.with_server(|server| kinds::object(&args.what, args.namespace.as_deref(), server));
    Ok(object?)
}

fn write(world: &Embedded, write: &Write) -> Result<String, Failure> {
    let text = perform(world, write)?;
    world.save()?;
    Ok(text)
}

fn perform(world: &Embedded, write: &Write) -> Result<String, Failure> {
    let answer = finish(world.cluster.write(write))?;
    let written = answer.map_err(|error| format!("{} was not changed: {error}", write.key))?;
    let word = match written.outcome {
        WriteOutcome::Unchanged => "unchanged",
        WriteOutcome::Created => "created",
        WriteOutcome::Gone => "deleted",
        WriteOutcome::Terminating => "is being deleted",
        _ => "changed",
    };
    Ok(format!("{} {word}\n", render::clean(&write.key.to_string())))
}
