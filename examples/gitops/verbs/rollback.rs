//! `rollback`: going back to an earlier revision and staying there, and what that means to a sync.

use gitops_core::reconcile::{self, App, Looked, Report};
use gitops_core::resource::ResourceKey;
use gitops_core::source::{RevisionId, Source, Target};
use gitops_core::sync::{Hold, Ledger};
use gitops_core::time::Timestamp;
use gitops_git::{GitSource, Push, Pushed, Restore, Upstream};

use super::sync::{carry_out, may_delete, told};
use super::{look, plan};
use crate::cli::{self, Output};
use crate::render::{self, Paint};
use crate::repository::{self, Repository};
use crate::site::Site;
use crate::subject::Subject;
use crate::world::{self, Access, finish};
use crate::{Answer, Failure};

pub(super) fn rollback(args: &cli::Rollback, paint: Paint) -> Result<Answer, Failure> {
    let cli::Look { source: of, world: on } = &args.look;
    let world = Site::open(&on.cluster, if args.dry_run { Access::Read } else { Access::Write })?;
    let subject = Subject::of(of)?;
    let mut app = subject.app(Some(&args.prune))?;
    let ledger = world::ledger(&app, &world)?;
    let Some(wanted) = &args.to else { return resume(&app, ledger, &world) };
    let source = subject.source()?;
    // What cannot be written to is known before anything is done.
    let local = args.revert.as_ref().map(|_| writable(of, &subject)).transpose()?;
    let onto = local.as_ref().zip(args.push.as_deref()).map(|(local, to)| upstream(local, to)).transpose()?;
    let head = finish(source.resolve(&app.target))??;
    let to = earlier(wanted, &ledger, &source)?;
    if to == head.id {
        let (target, id) = (app.target.as_str(), to.short());
        let text = format!("`{target}` names `{id}` itself, so there is nothing to go back from");
        return Err(format!("{text}; name an earlier revision, or sync with `--resume` to end a rollback").into());
    }
    let followed = std::mem::replace(&mut app.target, Target::new(to.as_str()));
    app.request = world::confirmed(app.request.clone(), &args.confirm, &world)?;
    let by = std::mem::replace(&mut app.initiator, "".into());
    app.initiator = format!("{by} (rollback)").into();
    let mut looked = world::look(&app, &source, &world)?;
    if args.dry_run {
        let report = Report::new(&app, &looked, world.now());
        return plan::planned(&looked, &report, on.output, paint);
    }
    subject.may_be_written(world.now())?;
    if !args.yes && !may_delete(&looked.plan)? {
        return Err(
            "nothing was done: the deletions were not confirmed; leave out `--prune` to keep these objects".into()
        );
    }
    let now = world.now();
    looked.ledger.hold = Some(match looked.ledger.hold.take() {
        Some(hold) if hold.holds(&head.id) => hold.again(&to, &head.id, &by, now),
        _ => Hold::new(&to, &head.id, &by, now),
    });
    let commit =
        match (&local, &args.revert) {
            (Some(local), Some(branch)) => {
                let made = local.restore(&revert(&app, &followed, [&head.id, &to], branch, (&by, now)));
                Some(made.map_err(|error| {
                    format!("nothing was done: {error}; `--revert` makes a new branch: name another")
                })?)
            }
            _ => None,
        };
    let report = hold_and_carry_out(&app, &looked, &world, args.progress.then_some(on.output))?;
    let mut text = match on.output {
        Output::Text => told(&report, &world, paint)?,
        output => look::machine_readable(&report, output)?,
    };
    let mut code = render::code(&report);
    if let (Some(commit), Some(branch), Some(local)) = (commit, &args.revert, &local) {
        let (told, is_there) = handed_on(local, &commit, branch, onto.as_ref());
        if on.output == Output::Text {
            text += &told;
        } else {
            crate::say(&told);
        }
        code = if is_there { code } else { crate::ERROR };
    }
    Ok(Answer { text, code })
}

/// Opens the repository that gets the commit of a revert besides.
fn upstream(local: &GitSource, to: &str) -> Result<Upstream, Failure> {
    let location = local.remote_address(to).unwrap_or_else(|| to.to_owned());
    let hint = "`--push` takes the name of a remote of the repository, an address, or a folder";
    Ok(repository::upstream(&location).map_err(|error| format!("nothing was done: {error}; {hint}"))?)
}

/// Pushes the commit of a revert where that is asked for. Returns what to tell, and whether it is where it should be.
fn handed_on(local: &GitSource, commit: &RevisionId, branch: &str, onto: Option<&Upstream>) -> (String, bool) {
    let made = format!("commit {} on branch `{branch}` takes the files back", commit.short());
    let Some(upstream) = onto else { return (format!("{made}; push it and have it reviewed\n"), true) };
    let failed = |error: &dyn std::fmt::Display| {
        (format!("{made}; it was not pushed: {error}; push it with `git push`\n"), false)
    };
    match finish(upstream.push(local, &Push::new(commit, branch))) {
        Ok(Ok(pushed)) => {
            let said = if let Pushed::Done { said } = pushed { said } else { Vec::new() };
            let said: String = said.iter().map(|line| format!("  it says: {line}\n")).collect();
            (format!("{made}; it was pushed to `{upstream}`: have it reviewed\n{said}"), true)
        }
        Ok(Err(error)) => failed(&error),
        Err(failure) => failed(&failure),
    }
}

/// Opens the repository that gets the commit of a revert.
fn writable(of: &cli::Source, subject: &Subject<'_>) -> Result<GitSource, Failure> {
    let hint = "`--revert` makes a commit in a local repository; clone it, and give its folder to `--repo`";
    let source = GitSource::open(subject.folder()?).map_err(|error| format!("{error}; {hint}"))?;
    Ok(source.with_submodules(of.submodules.policy()?))
}

/// Describes the commit that takes the files of an application back.
fn revert(
    app: &App,
    target: &Target,
    [head, to]: [&RevisionId; 2],
    branch: &str,
    (by, now): (&str, Timestamp),
) -> Restore {
    let name = &app.owner.app;
    let message = format!(
        "Revert {name} to {}\n\nThe files of the application {name} are as they were in commit {to}.\nIt was rolled back \
         from {head}, while following {target}.\n",
        to.short()
    );
    Restore::new(head, to, &app.paths, branch).by(&format!("{by} <>"), now).with_message(&message)
}

/// Makes the plan true; the first thing that is written, and the only one if there is nothing to do, is the ledger with
/// the rollback that holds, or holds no longer.
pub(super) fn hold_and_carry_out(
    app: &App,
    looked: &Looked,
    world: &Site,
    progress: Option<Output>,
) -> Result<Report, Failure> {
    if looked.has_work() {
        return carry_out(app, looked, world, progress);
    }
    store(&looked.ledger, &app.ledger_key(), world)?;
    Ok(Report::new(app, looked, world.now()))
}

/// Whether a sync ends the rollback that holds, if one does.
///
/// What was rolled back is not synced again unless somebody insists: with `--resume`, or by naming the very commit.
/// Anything else but what the rollback went to ends it, as it does for automatic sync: a newer commit, or a revert. One that
/// says the same under another name, such as a commit to other files, does not.
pub(super) fn ends(
    app: &App,
    looked: &Looked,
    source: &Repository,
    world: &Site,
    resume: bool,
) -> Result<bool, Failure> {
    let Some(hold) = &looked.ledger.hold else {
        return if resume { Err(none_holds(app).into()) } else { Ok(false) };
    };
    let Some(revision) = looked.desired.revisions.first() else { return Ok(resume) };
    if revision.id == hold.to {
        return Ok(resume);
    }
    let target = app.target.as_str();
    let is_named = target.len() >= SHORTEST && revision.id.as_str().starts_with(&*target.to_ascii_lowercase());
    let mut is_held = hold.holds(&revision.id);
    for skipped in hold.skipped.iter().filter(|_| !resume && !is_named).take(COMPARED) {
        let same = reconcile::declares_same(app, &looked.desired, skipped, source, world.cluster());
        is_held = is_held || world.finish(same)?;
    }
    if !resume && !is_named && is_held {
        let (id, to, by) = (revision.id.short(), hold.to.short(), render::clean(&hold.by));
        return Err(format!(
            "`{id}`, which `{target}` names, was rolled back to `{to}` by {by} at {}; sync with `--resume` to bring it \
             back, with `--revision {to}` to stay, or commit something newer",
            hold.at.whole_seconds()
        )
        .into());
    }
    Ok(true)
}

/// Most revisions that a newer one is compared with.
const COMPARED: usize = 8;

/// Git takes no shorter beginning of an id.
const SHORTEST: usize = 4;

fn resume(app: &App, mut ledger: Ledger, world: &Site) -> Result<Answer, Failure> {
    let Some(hold) = ledger.hold.take() else { return Err(none_holds(app).into()) };
    store(&ledger, &app.ledger_key(), world)?;
    let text = format!(
        "the rollback to {} by {} holds no longer; `gitops sync` brings what is followed\n",
        hold.to.short(),
        render::clean(&hold.by)
    );
    Ok(Answer { text, code: 0 })
}

fn none_holds(app: &App) -> String {
    format!("no rollback of application `{}` holds, so there is nothing to resume; leave out `--resume`", app.owner.app)
}

fn store(ledger: &Ledger, key: &ResourceKey, world: &Site) -> Result<(), Failure> {
    world.finish(world.cluster().write(&ledger.write(key)?))??;
    world.save()
}

/// Finds the revision that is meant: of the history, or what the repository knows.
fn earlier(wanted: &str, ledger: &Ledger, source: &Repository) -> Result<RevisionId, Failure> {
    let revisions =
        || ledger.history.iter().flat_map(|entry| entry.revisions.iter().map(move |one| (entry.number, one)));
    if let Some((_, revision)) = revisions().find(|(number, _)| number.to_string() == wanted) {
        return Ok(revision.id.clone());
    }
    let lower = wanted.to_ascii_lowercase();
    let mut found: Vec<&RevisionId> = revisions()
        .map(|(_, revision)| &revision.id)
        .filter(|id| lower.len() >= SHORTEST && id.as_str().starts_with(&lower))
        .collect();
    found.sort();
    found.dedup();
    match *found {
        [id] => return Ok(id.clone()),
        [] => {}
        _ => {
            let ids: Vec<&str> = found.iter().map(|id| id.short()).collect();
            return Err(format!("`{wanted}` may be each of `{}`; write more of it", ids.join("`, `")).into());
        }
    }
    match finish(source.resolve(&Target::new(wanted)))? {
        Ok(revision) => Ok(revision.id),
        Err(error) => {
            let text = format!("`{wanted}` is neither in the history of the application nor in the repository");
            Err(format!("{text}: {error}; `gitops history` shows what was synced").into())
        }
    }
}
