//! `explain`: why an object and its fields are as they are.

use std::collections::BTreeSet;

use gitops_core::path::PathPattern;
use gitops_core::problem::nearest;
use gitops_core::reconcile::Looked;
use gitops_core::resource::ResourceKey;

use crate::cli::{self, Output};
use crate::render::{self, Paint, Style};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access};
use crate::{Answer, ERROR, Failure, kinds};

pub(super) fn explain(args: &cli::Explain, paint: Paint) -> Result<Answer, Failure> {
    let field = args.field.as_deref().map(field).transpose()?;
    let world = Site::open(&args.look.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.look.source)?;
    let (source, app) = (subject.source()?, subject.app(None)?);
    let looked = world::look(&app, &source, &world)?;
    let key = object(&args.what, app.namespace.as_deref(), &looked)?;
    let explanation = world.finish(looked.explain(&app, &source, &key, field.as_ref()))??;
    let text = match args.look.world.output {
        Output::Text => painted(&explanation.to_string(), paint),
        Output::Json => render::json(&explanation)?,
        Output::Yaml => render::yaml(&explanation)?,
    };
    let code = match explanation.status {
        "Synced" | "NotCompared" => 0,
        "Unknown" => ERROR,
        _ => 1,
    };
    Ok(Answer { text, code })
}

/// Reads a field in the form in which fields are shown, or as a JSON Pointer.
fn field(text: &str) -> Result<PathPattern, Failure> {
    let read = if text.starts_with('/') { PathPattern::from_pointer(text) } else { text.parse() };
    let forms = "`spec.replicas`, `spec.containers[name=web].image` or `/spec/replicas`";
    read.map_err(|error| format!("{error}; write it as {forms}").into())
}

/// Finds the one object of the application that `KIND[.GROUP]/[NAMESPACE/]NAME` names.
fn object(text: &str, namespace: Option<&str>, looked: &Looked) -> Result<ResourceKey, Failure> {
    let named = text.split_once('/').filter(|(_, name)| !name.is_empty() && !name.ends_with('/'));
    let Some((kind_text, name)) = named else {
        return Err(format!("`{text}` names no object; write it as `KIND/NAME`, such as `deploy/web`").into());
    };
    let (place, name) = name.split_once('/').map_or((None, name), |(place, name)| (Some(place), name));
    let kind = kinds::kind(kind_text, &looked.model)?;
    let all: BTreeSet<&ResourceKey> = looked.comparison.entries.keys().chain(looked.desired.declared.keys()).collect();
    let of_kind: Vec<&ResourceKey> = all.into_iter().filter(|key| *key.group_kind == kind).collect();
    let within = |key: &&&ResourceKey| place.is_none_or(|place| key.namespace.as_deref() == Some(place));
    let found: Vec<&ResourceKey> = of_kind.iter().filter(|key| &*key.name == name).filter(within).copied().collect();
    let preferred = found.iter().find(|key| namespace.is_some() && key.namespace.as_deref() == namespace);
    match (&*found, preferred) {
        ([key], _) | (_, Some(key)) => Ok(ResourceKey::clone(key)),
        ([], _) => {
            let elsewhere = of_kind.iter().filter(|key| &*key.name == name).filter_map(|key| key.namespace.as_ref());
            let mut near: Vec<String> = elsewhere.map(|place| format!("{kind_text}/{place}/{name}")).collect();
            if near.is_empty() {
                near = nearest(name, of_kind.iter().map(|key| &*key.name)).into_iter().map(str::to_owned).collect();
            }
            let hint = match &*near {
                [] => "; `gitops status` lists what it has".to_owned(),
                names => format!("; did you mean `{}`?", names.join("` or `")),
            };
            let place = place.map(|place| format!(" in namespace `{place}`")).unwrap_or_default();
            Err(format!("the application has no {} `{name}`{place}{hint}", kind.kind).into())
        }
        (several, None) => {
            let places = several.iter().filter_map(|key| key.namespace.as_ref());
            let names: Vec<String> = places.map(|place| format!("`{kind_text}/{place}/{name}`")).collect();
            Err(format!("there are several {}s `{name}`; write {}", kind.kind, names.join(" or ")).into())
        }
    }
}

/// Lines that begin at the margin are headings.
fn painted(text: &str, paint: Paint) -> String {
    let line = |line: &str| {
        let style = if line.starts_with(' ') { Style::Plain } else { Style::Strong };
        paint.paint(&render::clean(line), style) + "\n"
    };
    text.lines().map(line).collect()
}
