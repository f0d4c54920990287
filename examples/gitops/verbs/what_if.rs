//! `what-if`: a sync on a copy of the cluster, with failures on purpose.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::plan;
use crate::cli::{self, Output};
use crate::render::{self, Paint, Style};
#[cfg(feature = "kube")]
use crate::repository::Repository;
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access, finish};
use crate::{Answer, ERROR, Failure, kinds};
use gitops_core::cluster::Failure as Meaning;
#[cfg(feature = "kube")]
use gitops_core::cluster::Interest;
use gitops_core::diff::Unified;
use gitops_core::manifest::{self, Dialect, Limits};
use gitops_core::memory::{ApiServer, MemoryCluster, VirtualTime};
#[cfg(feature = "kube")]
use gitops_core::reconcile::App;
#[cfg(feature = "kube")]
use gitops_core::reconcile::read_desired;
use gitops_core::reconcile::{World, look_at};
#[cfg(feature = "kube")]
use gitops_core::resource::GroupKind;
use gitops_core::resource::ResourceKey;
use gitops_core::state::DesiredState;
#[cfg(feature = "kube")]
use gitops_core::state::Live;
use gitops_core::sync::Phase;
use gitops_core::what_if::{Trouble, WhatIf, what_if, what_if_of};

/// Seed of uids that objects of a snapshot get if they have none.
const SEED: u64 = 1;

pub(super) fn run(args: &cli::WhatIf, paint: Paint) -> Result<Answer, Failure> {
    let world = Site::open(&args.look.world.cluster, Access::Read)?;
    let subject = Subject::of(&args.look.source)?;
    let (source, mut app) = (subject.source()?, subject.app(Some(&args.asked.prune))?);
    world::ask(&mut app, &args.asked.select, &world)?;
    let server = match (&args.snapshot, &world) {
        (Some(file), _) => snapshot(file)?,
        (None, Site::Embedded(world)) => world.cluster.with_server(|server| server.clone()),
        #[cfg(feature = "kube")]
        (None, Site::Real(_)) => copied(&app, &source, &world)?,
    };
    let copy = MemoryCluster::over(server.clone(), VirtualTime::starting(world.now()));
    // What the history of the source forbids a sync, it forbids this one.
    let looked = match &args.asked.plan {
        Some(file) => plan::follow(file, &mut app, &source, &copy, &world)?,
        None => finish(look_at(&app, World::new(&source, &copy, world.timer())))??,
    };
    app.request.newer.clone_from(&looked.newer);
    if looked.history_is_unread {
        app.request.unasked = Some("the history of the source could not be read".into());
    }
    let trouble = |text: &String| trouble(text, &looked.desired, &server);
    let trouble = args.fail.iter().map(trouble).collect::<Result<Vec<_>, _>>()?;
    let came = match &args.asked.plan {
        Some(_) => what_if_of(&app, &looked, server, &trouble, world.now())?,
        // The look at the copy meets the trouble as well.
        None => what_if(&app, &looked.desired, server, &trouble, world.now())?,
    };
    let failed = came.receipt.as_ref().is_some_and(|receipt| receipt.phase != Phase::Succeeded);
    let code = match &came.after {
        _ if failed => ERROR,
        Some(report) => render::code(report),
        None => ERROR,
    };
    let text = match args.look.world.output {
        Output::Text => told(&came, paint),
        Output::Json => render::json(&came)?,
        Output::Yaml => render::yaml(&came)?,
    };
    Ok(Answer { text, code })
}

/// Copies what a real cluster holds of the kinds that this application is about.
///
/// What cannot be read is not in the copy, where it would be taken for absent: then there is no answer.
#[cfg(feature = "kube")]
fn copied(app: &App, source: &Repository, world: &Site) -> Result<ApiServer, Failure> {
    let desired = world.finish(read_desired(app, source, world.cluster()))??;
    let key = app.ledger_key();
    let (ledger, _) = world::ledger_or_damage(app, world)?;
    let mut kinds = desired.kinds();
    kinds.extend(ledger.inventory.entries.keys().map(|key| (*key.group_kind).clone()));
    kinds.insert(GroupKind::new("", "Namespace"));
    kinds.insert(GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition"));
    let interest = Interest::in_kinds(kinds.iter().cloned()).and_objects([key]);
    let observed = world.finish(world.cluster().observe(&interest))??;
    for kind in &kinds {
        let nothing = ResourceKey::new(&kind.group, &kind.kind, "default", "");
        if let Live::Unreadable(why) = observed.live.get(&nothing) {
            return Err(format!("the cluster cannot be copied: {kind} cannot be read: {why}").into());
        }
    }
    ApiServer::holding(SEED, observed.live.objects().cloned())
        .map_err(|error| format!("the cluster cannot be copied: {error}").into())
}

/// Reads live objects as `kubectl get -o yaml` prints them.
fn snapshot(file: &Path) -> Result<ApiServer, Failure> {
    let wrong = |what: String| Failure::from(format!("`{}`: {what}", file.display()));
    let bytes = fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let name: Arc<str> = file.to_string_lossy().into();
    let parsed = manifest::parse(&name, &bytes, Dialect::default(), &Limits::default());
    if let Some(problem) = parsed.problems.first() {
        return Err(wrong(problem.to_string()));
    }
    let objects = parsed.resources.iter().map(|(object, _)| object.clone());
    ApiServer::holding(SEED, objects).map_err(|error| wrong(error.to_string()))
}

/// Reads `KIND/[NAMESPACE/]NAME=HOW`.
fn trouble(text: &str, desired: &DesiredState, server: &ApiServer) -> Result<Trouble, Failure> {
    let (what, how) = text.rsplit_once('=').ok_or_else(|| format!("`{text}`: write it as `KIND/NAME=HOW`"))?;
    let parts: Vec<&str> = what.split('/').collect();
    let (kind, namespace, name) = match *parts {
        [kind, name] => (kind, None, name),
        [kind, namespace, name] => (kind, Some(namespace), name),
        _ => return Err(format!("`{what}` names no object; write it as `KIND/NAME`, such as `deploy/web`").into()),
    };
    let model = server.model().clone().with_crds(desired.declared.values().map(|declared| &declared.resource));
    let kind = kinds::kind(kind, &model)?;
    let is = |key: &&ResourceKey| {
        let in_place = namespace.is_none_or(|namespace| key.namespace.as_deref() == Some(namespace));
        *key.group_kind == kind && &*key.name == name && in_place
    };
    let live = server.objects().map(|object| object.key());
    let key = desired.declared.keys().chain(live).find(is);
    let key = key.ok_or_else(|| format!("there is no {} `{name}`, neither in Git nor in the cluster", kind.kind))?;
    let message = || "asked for with `--fail`".into();
    let every = |failure| Ok(Trouble::with(key, failure));
    match how {
        "denied" => every(Meaning::Denied { message: message() }),
        "invalid" => every(Meaning::Invalid { message: message(), causes: Vec::new() }),
        "refused" => every(Meaning::Refused { message: message() }),
        "too-large" => every(Meaning::TooLarge { message: message() }),
        "unavailable" => every(Meaning::Unavailable { message: message() }),
        "conflict" => Ok(Trouble::with(key, Meaning::Stale).only(1)),
        "throttled" => Ok(Trouble::with(key, Meaning::Throttled { retry_after: None }).only(1)),
        "lost" => Ok(Trouble::with(key, Meaning::InDoubt { message: message() }).only(1).after()),
        _ => Err(format!(
            "`{how}` is no failure; use `conflict`, `denied`, `invalid`, `lost`, `refused`, `throttled`, `too-large` or \
             `unavailable`"
        )
        .into()),
    }
}

fn told(came: &WhatIf, paint: Paint) -> String {
    let mut text = String::new();
    for progress in &came.progress {
        text.push_str(&format!("{} {}\n", progress.at, render::clean(&progress.to_string())));
    }
    if came.receipt.is_none() {
        text.push_str("nothing to do\n");
    }
    for change in came.changes.iter().filter(|change| !change.owned) {
        let unified = change.sides.unified(&change.key.to_string(), &Unified::default());
        text.push('\n');
        unified.lines().for_each(|line| text.push_str(&format!("{}\n", render::clean(line))));
    }
    let owned = came.changes.iter().filter(|change| change.owned).count();
    if owned > 0 {
        let line = format!("\n{} of controllers come, change or go as well\n", render::counted(owned, "object"));
        text.push_str(&paint.paint(&line, Style::Dim));
    }
    if let Some(report) = &came.after {
        text.push_str(&format!("\nafterwards: {}", render::summary(report, paint)));
    }
    text
}
