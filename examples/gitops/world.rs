//! What a verb works on: the source, the embedded cluster, and the application between them.

use std::env;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;

use gitops_core::cluster::Interest;
use gitops_core::health::Checks;
use gitops_core::manifest::{Dialect, Limits, documents};
use gitops_core::memory::{MemoryCluster, VirtualTime};
use gitops_core::plan::{Confirmation, Extent, HookRun, Objects, Request, Selection};
use gitops_core::policy::ignore::Rules;
use gitops_core::policy::{self, SyncOptions, Validate};
use gitops_core::problem::Problem;
use gitops_core::reconcile::{self, App, Looked};
use gitops_core::source::Paths;
use gitops_core::state::Owner;
use gitops_core::sync::Ledger;
use gitops_core::time::Timer;

use crate::Failure;
use crate::cli;
use crate::clock::{machine_time, wait_for};
use crate::kinds;
use crate::repository::{self, Repository};
use crate::site::Site;
use crate::state_file::StateFile;

/// The embedded cluster of one run, and its clock.
///
/// Its time starts at the clock of this machine, is never behind what the last run saw, and passes at once when
/// something waits for it.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) cluster: MemoryCluster,
    pub(crate) time: VirtualTime,
    file: StateFile,
    /// The state of the server as it was read.
    before: Vec<u8>,
}

/// What a run may do to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Look. Nothing is stored, even where time has passed for the cluster.
    Read,
    /// Change. Other such runs wait.
    Write,
}

impl Embedded {
    pub(crate) fn open(backend: &cli::Backend, access: Access) -> Result<Self, Failure> {
        let mut file = state_file(backend)?;
        if access == Access::Write {
            file.lock()?;
        }
        let state = file.load()?;
        let time = VirtualTime::starting(state.time.max(machine_time()));
        let before = state.server.export();
        let cluster = MemoryCluster::over(state.server, time.clone());
        Ok(Self { cluster, time, file, before })
    }

    /// Stores what was done, if anything was.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let after = self.cluster.with_server(|server| server.export());
        if after != self.before {
            self.file.save(&after, self.time.now())?;
        }
        Ok(())
    }
}

/// Names the file of the embedded cluster.
pub(crate) fn state_file(backend: &cli::Backend) -> Result<StateFile, Failure> {
    let cli::Cluster::Memory(path) = &backend.cluster else {
        return Err("this is for the embedded cluster only; use `kubectl` on a real one".into());
    };
    Ok(StateFile::locate(path.as_deref())?)
}

/// Runs a future to its end. Those of the embedded cluster and of a local repository wait for nothing, those of a remote
/// for what is fetched.
pub(crate) fn finish<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(wait_for(future))
}

pub(crate) fn open_source(source: &cli::Source) -> Result<Repository, Failure> {
    let trust = repository::trust(&source.signed)?;
    let submodules = source.submodules.policy()?;
    Ok(Repository::open(&source.app.repo.to_string_lossy(), trust.as_ref(), &submodules)?)
}

/// Describes the application that the arguments mean.
pub(crate) fn app(source: &cli::Source, prune: Option<&cli::Prune>) -> Result<App, Failure> {
    let mut paths = Paths::under(source.app.paths.iter().map(String::as_str))?;
    paths = source.include.iter().fold(paths, |paths, glob| paths.with_include(glob));
    paths = source.exclude.iter().fold(paths, |paths, glob| paths.with_exclude(glob));
    paths.check()?;
    let mut app = App::new(owner(&source.app)?, &source.revision).with_paths(paths).with_initiator(&initiator());
    if let Some(namespace) = &source.namespace {
        app = app.with_namespace(namespace);
    }
    for file in &source.ignore {
        app.rules = app.rules.and(&rules(file)?);
    }
    for path in &source.health {
        app.checks = app.checks.and(&checks(path)?);
    }
    if let Some(prune) = prune {
        if prune.prune {
            app.policy.prune = policy::Prune::Owned;
        }
        app.policy.prune_budget_percent = prune.prune_budget;
    }
    app.policy = app.policy.with_sync_options(&SyncOptions::new(source.sync_options.iter().copied())?);
    Ok(app)
}

/// Sets what the arguments ask for. Kinds go by the names that the cluster knows; others are taken as they are written, since
/// their CRD may be about to be synced.
pub(crate) fn ask(app: &mut App, select: &cli::Select, world: &Site) -> Result<(), Failure> {
    let mut only = Selection::of(named(&select.only, world)?);
    if let Some(labels) = &select.selector {
        only = only.with_labels(labels.clone());
    }
    let extent = if select.reapply { Extent::Everything } else { Extent::Differing };
    let hooks = if select.no_hooks { HookRun::Never } else { HookRun::WithChanges };
    let request = Request::default().with_only(only).with_extent(extent).with_hooks(hooks);
    app.request = confirmed(request, &select.confirm, world)?;
    app.policy.rollout_budget = select.rollout_budget;
    app.policy.validate = validation(&select.validate);
    Ok(())
}

/// Returns how what is to be written is tried before.
pub(crate) fn validation(args: &cli::Validating) -> Validate {
    match args.validate {
        None => Validate::Never,
        Some(cli::Validation::Layers) => Validate::Layers,
        Some(cli::Validation::UpFront) => Validate::UpFront,
    }
}

/// Adds the confirmation that the arguments say.
pub(crate) fn confirmed(request: Request, confirm: &cli::Confirm, world: &Site) -> Result<Request, Failure> {
    if confirm.confirm.is_empty() {
        return Ok(request);
    }
    let objects = named(&confirm.confirm, world)?;
    Ok(request.confirmed(Confirmation::of(&initiator(), world.now(), objects)))
}

pub(crate) fn named(all: &[Objects], world: &Site) -> Result<Vec<Objects>, Failure> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let model = world.kinds()?;
    let named = |objects: &Objects| {
        let kind = kinds::kind(objects.kind_text(), &model);
        kind.map_or_else(|_| objects.clone(), |kind| objects.with_kind(&kind))
    };
    Ok(all.iter().map(named).collect())
}

/// Reads rules of what to leave alone; each document of the file holds some.
fn rules(file: &Path) -> Result<Rules, Failure> {
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
fn checks(path: &Path) -> Result<Checks, Failure> {
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

pub(crate) fn owner(app: &cli::AppName) -> Result<Owner, Failure> {
    let name = app.app.clone().unwrap_or_else(|| derived_name(&app.repo, &app.paths));
    Owner::new("", &name).map_err(|error| format!("{error}; set it with `--app`"))?;
    let owner = Owner::new(&app.installation, &name).map_err(|error| format!("`--installation`: {error}"))?;
    Ok(owner.with_style(app.tracking.into()))
}

/// Reads what Git says and what the cluster holds, compares and plans.
pub(crate) fn look(app: &App, source: &Repository, world: &Site) -> Result<Looked, Failure> {
    let between = reconcile::World::new(source, world.cluster(), world.timer());
    Ok(world.finish(reconcile::look_at(app, between))??)
}

/// Reads what the cluster keeps of an application that was synced before.
pub(crate) fn ledger(app: &App, world: &Site) -> Result<Ledger, Failure> {
    match ledger_or_damage(app, world)? {
        (_, Some(damage)) => Err(damage.to_string().into()),
        (ledger, None) if ledger.history.is_empty() => Err(never_synced(app)),
        (ledger, None) => Ok(ledger),
    }
}

/// The same, and what is wrong with it.
pub(crate) fn ledger_or_damage(app: &App, world: &Site) -> Result<(Ledger, Option<Problem>), Failure> {
    let key = app.ledger_key();
    let observed = world.finish(world.cluster().observe(&Interest::in_objects([key.clone()])))??;
    Ok(Ledger::read(&key, observed.live.get(&key))?)
}

pub(crate) fn never_synced(app: &App) -> Failure {
    let name = &app.owner.app;
    format!("application `{name}` was never synced to this cluster; sync it first, or name another one with `--app`")
        .into()
}

/// Names an application after the folder it lies in.
fn derived_name(repo: &Path, paths: &[String]) -> String {
    let folder = match paths {
        [path] => path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    if !matches!(&*folder, "" | ".") {
        let name = [".yaml", ".yml", ".json"].iter().find_map(|end| folder.strip_suffix(end));
        return sanitised(name.unwrap_or(&folder));
    }
    let repo = repo.canonicalize().unwrap_or_else(|_| repo.to_owned());
    let root = repo.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&repo);
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A remote may be called `host:repository`.
    let name = name.rsplit(':').next().unwrap_or_default();
    sanitised(name.strip_suffix(".git").unwrap_or(name))
}

/// Makes a name that field managers and tracking ids can carry, and the name of the ledger as well.
fn sanitised(name: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let name: String = name.chars().map(|char| if fits(char) { char } else { '-' }).take(63).collect();
    let name = name.trim_matches(|char: char| !char.is_ascii_alphanumeric());
    if name.is_empty() { "app".to_owned() } else { name.to_ascii_lowercase() }
}

/// Who starts operations, for the history.
fn initiator() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| env::var(name).ok().filter(|n| !n.is_empty()));
    name.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_is_named_after_its_only_path_or_its_repository() {
        let name = |repo: &str, paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            derived_name(Path::new(repo), &paths)
        };
        for (repo, paths, expected) in [
            ("/srv/none/Web Shop", &[][..], "web-shop"),
            ("/srv/none/shop.git", &[], "shop"),
            ("/srv/none/shop", &["apps/guestbook/"], "guestbook"),
            ("/srv/none/shop", &["./web.yaml"], "web"),
            ("/srv/none/shop", &["."], "shop"),
            ("/srv/none/shop", &["a", "b"], "shop"),
            ("/srv/none/_", &[], "app"),
            ("https://example.org/team/Shop.git", &[], "shop"),
            ("git@example.org:shop.git", &[], "shop"),
        ] {
            assert_eq!(name(repo, paths), expected, "{repo} {paths:?}");
        }
    }
}
