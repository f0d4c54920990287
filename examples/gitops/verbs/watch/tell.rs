//! Telling what happens, as it happens, and how it is in the end.

use std::io::{self, Write};
use std::time::Duration;

use gitops_core::automation::{Decision, Why};
use gitops_core::engine::{
    AppStatus, ConditionKind, Details, Engine, Event, Item, News, Notification, Notifier, Observer, metrics,
};
use gitops_core::health::HealthStatus;
use gitops_core::reconcile::{Report, SyncStatus};
use gitops_core::sync::{self, Phase};
use gitops_core::time::{Timer, Timestamp};
use serde_json::json;

use super::details::Folder;
use super::metrics::Page;
use super::notify::Commands;
use super::webhooks::Pushes;
use crate::cli::{self, Output};
use crate::render::{self, Cell, Paint, Style};
use crate::{ERROR, Failure};

/// How often metrics are written anew.
const FRESH: Duration = Duration::from_secs(1);

/// Who watches the engine on behalf of the people.
#[derive(Debug)]
pub(super) struct Teller<'t> {
    timer: &'t dyn Timer,
    output: Output,
    paint: Paint,
    /// Until when `--once` waits.
    until: Option<Timestamp>,
    commands: Option<Commands>,
    folder: Option<Folder>,
    page: Option<(Page, Timestamp)>,
    pushes: Option<Pushes>,
    /// Why nobody can be told any more.
    broken: Option<io::Error>,
}

impl<'t> Teller<'t> {
    pub(super) fn new(args: &cli::Watch, timer: &'t dyn Timer, paint: Paint) -> Result<Self, Failure> {
        let now = timer.now();
        let serve = |address| {
            let served = Page::serve(address);
            served.map_err(|error| format!("metrics cannot be served at `{address}`: {error}; name another address"))
        };
        let folder = args.details.as_deref().map(|path| {
            let made = Folder::at(path);
            made.map_err(|error| format!("`{}` cannot be made: {error}; name another folder", path.display()))
        });
        Ok(Self {
            timer,
            output: args.world.output,
            paint,
            until: args.once.then(|| now + Duration::from_secs(args.timeout.into())),
            commands: args.notify.as_deref().map(Commands::new),
            folder: folder.transpose()?,
            page: args.metrics.map(serve).transpose()?.map(|page| (page, Timestamp::EPOCH)),
            pushes: None,
            broken: None,
        })
    }

    /// Passes on what webhooks say.
    pub(super) fn hearing(self, pushes: Option<Pushes>) -> Self {
        Self { pushes, ..self }
    }

    /// Ends what it began.
    pub(super) fn close(mut self) -> Result<(), Failure> {
        if let Some(commands) = &mut self.commands {
            commands.close();
        }
        match self.broken {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("the output cannot be written: {error}").into())
            }
            _ => Ok(()),
        }
    }

    fn line(&self, item: &Item) -> Option<String> {
        match self.output {
            Output::Json => serde_json::to_string(item).ok().map(|line| line + "\n"),
            Output::Yaml => render::yaml(item).ok().map(|text| format!("---\n{text}")),
            Output::Text if is_said_twice(&item.news) => None,
            Output::Text => {
                let line = self.paint.paint(&render::clean(&item.to_string()), style(&item.news));
                Some(format!("{} {line}\n", item.at.whole_seconds()))
            }
        }
    }
}

impl Observer for Teller<'_> {
    fn saw(&mut self, item: &Item) {
        if let (Some(commands), Some(notification)) = (&mut self.commands, Notification::of(item)) {
            commands.notify(&notification);
        }
        if let Some(line) = self.line(item) {
            let mut out = io::stdout().lock();
            if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
                self.broken.get_or_insert(error);
            }
        }
    }

    fn event(&mut self) -> Option<Event> {
        Some(Event::SourceChanged { source: self.pushes.as_ref()?.next()? })
    }

    fn wants_reports(&self) -> bool {
        self.folder.is_some()
    }

    fn report(&mut self, report: &Report) {
        if let Some(folder) = &mut self.folder {
            folder.keep(report);
        }
    }

    fn is_enough(&mut self, engine: &Engine) -> bool {
        let now = self.timer.now();
        if let Some((page, at)) = self.page.as_mut().filter(|(_, at)| *at + FRESH <= now) {
            *at = now;
            page.show(metrics(engine));
        }
        let is_over = self.until.is_some_and(|until| now >= until || has_settled(engine));
        is_over || self.broken.is_some()
    }
}

/// Whether nothing happens any more unless something happens: no answer is awaited, every application was judged, and
/// none is becoming healthy.
fn has_settled(engine: &Engine) -> bool {
    let settled = |status: &AppStatus| {
        let rests = status.decision.as_ref().is_some_and(|decided| matches!(decided.decision, Decision::Rest { .. }));
        gives_nothing(status)
            || (status.compared.is_some()
                && status.operation.is_none()
                && status.health != HealthStatus::Progressing
                && rests)
    };
    engine.is_quiet() && engine.statuses().all(settled)
}

fn gives_nothing(status: &AppStatus) -> bool {
    status.conditions.iter().any(|condition| condition.kind <= ConditionKind::LedgerError)
}

/// The exit code: 0 all in sync and healthy, 1 something is not, 2 something could not be told or done.
pub(super) fn code(engine: &Engine, is_whole: bool) -> u8 {
    let one = |status: &AppStatus| {
        let failed = status.history.first().is_some_and(|last| matches!(last.phase, Phase::Failed | Phase::Error));
        let blocked = status.conditions.iter().any(|condition| condition.kind == ConditionKind::Blocked);
        match (status.sync, status.health) {
            _ if gives_nothing(status) || failed || blocked => ERROR,
            (SyncStatus::Synced, HealthStatus::Healthy | HealthStatus::Suspended) => 0,
            (SyncStatus::Synced | SyncStatus::OutOfSync, _) => 1,
            _ => ERROR,
        }
    };
    let worst = engine.statuses().map(one).max().unwrap_or(ERROR);
    if is_whole { worst } else { ERROR }
}

/// How all applications are, and what goes on next time.
pub(super) fn summary(engine: &Engine, output: Output, paint: Paint) -> Result<String, Failure> {
    match output {
        Output::Text => {}
        Output::Json => {
            let line =
                |status| Ok(format!("{}\n", json!({"event": "status", "status": serde_json::to_value(status)?})));
            return engine.statuses().map(line).collect();
        }
        Output::Yaml => return engine.statuses().map(|status| Ok(format!("---\n{}", render::yaml(status)?))).collect(),
    }
    let mut rows = vec![["APPLICATION", "SYNC", "HEALTH", "REVISION", "NOTE"].map(Cell::dim).to_vec()];
    for status in engine.statuses() {
        let revisions: Vec<&str> = status.revisions.iter().map(|revision| revision.id.short()).collect();
        rows.push(vec![
            Cell::plain(&status.app),
            Cell::new(&status.sync.to_string(), render::sync_style(status.sync)),
            Cell::new(&format!("{:?}", status.health), render::health_style(status.health)),
            Cell::plain(&revisions.join(" and ")),
            Cell::plain(&note(status)),
        ]);
    }
    Ok(format!("\n{}", render::table(&rows, paint)))
}

fn note(status: &AppStatus) -> String {
    let mut notes = Vec::new();
    if let Some(operation) = &status.operation {
        notes.push(format!("operation {} goes on next time", operation.id));
    }
    if let Some(hold) = &status.hold {
        notes.push(format!("rolled back to {} by {}", hold.to.short(), hold.by));
    }
    match (status.conditions.first(), &status.decision) {
        (Some(condition), _) => notes.push(condition.message.to_string()),
        (None, Some(decided)) => match &decided.decision {
            Decision::Rest { why: Why::InSync, .. } => {}
            Decision::Rest { why, .. } => notes.push(why.to_string()),
            _ => {}
        },
        (None, None) => notes.push("was not looked at".to_owned()),
    }
    notes.join("; ")
}

/// Whether other news says the same to people: that it is in sync, and that an operation starts and ends.
fn is_said_twice(news: &News) -> bool {
    match news {
        News::Rests { why } => *why == Why::InSync,
        News::Progress { progress, .. } => {
            matches!(progress.news, sync::News::Started { .. } | sync::News::Finished { .. })
        }
        _ => false,
    }
}

fn style(news: &News) -> Style {
    match news {
        News::Sync { now: SyncStatus::Synced, .. } | News::Cleared { .. } => Style::Good,
        News::Health { now: HealthStatus::Healthy, .. } => Style::Good,
        News::Ended { phase: Phase::Succeeded, .. } => Style::Good,
        News::Ended { phase: Phase::Failed | Phase::Error, .. } => Style::Bad,
        News::Condition { .. } | News::Fight { .. } | News::Health { now: HealthStatus::Degraded, .. } => Style::Bad,
        News::Drift { .. } | News::Sync { .. } | News::Started { .. } | News::HoldEnded { .. } => Style::Waiting,
        News::Progress { .. } | News::Rests { .. } => Style::Dim,
        _ => Style::Plain,
    }
}
