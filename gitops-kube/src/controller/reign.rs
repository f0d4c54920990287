//! The work of the replica that leads: an engine, and all that goes with it, in one loop.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::app::{AppSource, Catalog};
use gitops_core::cluster::{ClusterError, Write};
use gitops_core::engine::{Engine, Event, Item, News, Notification, Ports, Task, Work, WorkId, metrics};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::source::{Part, Several, Source};
use gitops_core::time::{Timer, Timestamp};
use tokio::sync::watch;

use super::campaign::Standing;
use super::declared::{Declared, problems_of};
use super::ends::Ends;
use super::members::{CLUSTER, Members, paths};
use super::reporter::Reporter;
use super::scribe::Scribe;
use super::status::{Said, of_application, of_project};
use super::told::{Pending, Told, Woken, woken};
use super::watching::{Seen, Watching};
use super::{Board, Fenced, MachineClocks, Settings, Sources};
use crate::KubeCluster;

/// The loop goes round at least this often.
const ROUND: Duration = Duration::from_secs(1);
/// How often metrics are written anew, and all that is declared is looked at anew.
const METRICS: Duration = Duration::from_secs(5);
const ANEW: Duration = Duration::from_secs(60);
/// How many applications are looked at each round for a status that nobody told of.
const SWEPT: usize = 50;
/// Most pieces of news that wait to become Kubernetes Events.
const EVENTS: usize = 8;

/// What all of it is done with.
#[derive(Clone, Copy)]
pub(super) struct Tools<'r> {
    pub(super) settings: &'r Settings,
    pub(super) cluster: &'r Fenced<KubeCluster>,
    pub(super) clock: &'r MachineClocks,
    pub(super) sources: &'r dyn Sources,
    pub(super) board: &'r Board,
}

/// One reign, from the election to its end.
pub(super) struct Reign<'r> {
    tools: Tools<'r>,
    ports: Ports<'r>,
    engine: Engine,
    declared: Declared,
    catalog: Catalog,
    members: Members,
    ends: Ends,
    scribe: Scribe,
    reporter: Reporter,
    pending: Vec<Pending<'r>>,
    /// Whether all that is declared was read once. Before that nothing is looked after: who reads half of it prunes.
    has_read: bool,
    unreadable: BTreeSet<Arc<str>>,
    events: usize,
    swept: Option<Arc<str>>,
    fresh: Timestamp,
    anew: Timestamp,
}

impl<'r> Reign<'r> {
    pub(super) fn begin(tools: Tools<'r>) -> Self {
        let watching = Box::new(Watching::of(tools.settings));
        let cluster = tools.cluster;
        Self {
            tools,
            ports: Ports::new(tools.clock).with_cluster(CLUSTER, cluster),
            engine: Engine::new(tools.settings.engine),
            declared: Declared::of(&tools.settings.namespace),
            catalog: Catalog::default(),
            members: Members::default(),
            ends: Ends::default(),
            scribe: Scribe::default(),
            reporter: Reporter::default(),
            pending: vec![watching.go_on(cluster)],
            has_read: false,
            unreadable: BTreeSet::new(),
            events: 0,
            swept: None,
            fresh: Timestamp::EPOCH,
            anew: Timestamp::EPOCH,
        }
    }

    /// Works until it leads no longer, or shall stop: then what is half done is done, if the lease lasts. Returns whether
    /// it was told to stop.
    pub(super) async fn work(
        &mut self,
        mut standing: watch::Receiver<Standing>,
        mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> bool {
        let mut is_stopping = false;
        loop {
            let now = self.tools.clock.now();
            self.tools.board.beat();
            self.round(now);
            if is_stopping && self.engine.has_stopped() {
                return true;
            }
            let wake = self.engine.wake_at().map_or(ROUND, |at| at.since(now).min(ROUND));
            let woken = woken(&mut self.pending, &mut standing, (!is_stopping).then_some(stop.as_mut()), wake).await;
            match woken {
                Woken::Round => {}
                Woken::Stop => {
                    is_stopping = true;
                    self.engine.handle(Event::Stop, self.tools.clock.now());
                }
                Woken::Told(told) => self.take(told, self.tools.clock.now()),
                Woken::Deposed => return is_stopping,
            }
            if !standing.borrow_and_update().leads {
                // What is under way is dropped with this: nothing of it is written any more.
                return is_stopping;
            }
        }
    }

    /// All that is due.
    fn round(&mut self, now: Timestamp) {
        for address in self.tools.board.take_pushed() {
            for source in self.members.with(&address) {
                self.engine.handle(Event::SourceChanged { source }, now);
            }
        }
        if self.has_read && self.anew <= now {
            self.settle(now);
        }
        while let Some(Work { id, task, .. }) = self.engine.next_work(now) {
            let pending = self.perform(id, task);
            self.pending.push(pending);
        }
        while let Some(item) = self.engine.next_news() {
            self.heard(&item);
        }
        let chores = self.ends.round(&self.members, &mut self.engine, self.tools, now);
        self.pending.extend(chores);
        self.pending.extend(self.ends.try_again(&self.declared, &self.members, self.tools, now));
        self.write_statuses(now);
        if self.fresh <= now {
            self.fresh = now + METRICS;
            self.tools.board.show_metrics(metrics(&self.engine));
        }
    }

    fn perform(&self, id: WorkId, task: Task) -> Pending<'r> {
        let (Task::Resolve { source, .. } | Task::Load { source, .. } | Task::Ask { source, .. }) = &task else {
            let ports = self.ports.clone();
            return Box::pin(async move { Told::Engine(id, Box::new(ports.perform(task).await)) });
        };
        let (name, opened, ports) = (Arc::clone(source), self.members.sources(source), self.ports.clone());
        Box::pin(async move {
            let done = match opened.as_slice() {
                [] => ports.perform(task).await,
                [(_, one)] => with(ports, &name, &**one).perform(task).await,
                several => {
                    let parts = several.iter().map(|(part, opened): &(AppSource, Arc<dyn Source>)| {
                        Part::new(part.short_name(), &**opened, part.target()).with_paths(paths(part))
                    });
                    with(ports, &name, &Several::new(parts)).perform(task).await
                }
            };
            Told::Engine(id, Box::new(done))
        })
    }

    fn take(&mut self, told: Told, now: Timestamp) {
        match told {
            Told::Engine(id, done) => self.engine.handle(Event::Done { id, done: *done }, now),
            Told::Seen(watching, seen) => {
                self.saw(&watching, seen, now);
                self.pending.push(watching.go_on(self.tools.cluster));
            }
            Told::Status(key, digest, result) => self.scribe.wrote(&key, digest, &result, now),
            Told::Ledger(name, result) => {
                let freed = self.ends.ledger(&name, result, &self.declared, &mut self.members, (self.tools, now));
                if freed.is_some() {
                    // It is looked after no longer, before anything else happens.
                    self.settle(now);
                }
                self.pending.extend(freed);
                self.want_application(&name);
            }
            Told::Freed(name, result) => {
                self.ends.freed(&name, &result, now);
                self.want_application(&name);
            }
            Told::Event => self.events = self.events.saturating_sub(1),
        }
    }

    /// Takes what the cluster holds of applications and projects.
    fn saw(&mut self, watching: &Watching, seen: Result<Seen, ClusterError>, now: Timestamp) {
        let argo = self.tools.settings.argo_cd;
        let mut is_news = false;
        match seen {
            Err(error) => return self.tools.board.answered(Some(error.to_string().into())),
            Ok(Seen::All { resources, complete, unreadable, trouble }) => {
                let there: BTreeSet<ResourceKey> = resources.iter().map(|resource| resource.key().clone()).collect();
                let gone = |key: &&ResourceKey| complete.contains(&*key.group_kind) && !there.contains(*key);
                let gone: Vec<ResourceKey> = self.declared.keys().filter(gone).cloned().collect();
                for key in gone {
                    is_news |= self.forget(&key);
                }
                for resource in resources {
                    is_news |= self.declared.take(resource, argo);
                }
                self.has_read |= trouble.is_none();
                self.tools.board.answered(trouble);
                is_news |= self.unreadable != unreadable;
                self.doubt(unreadable, now);
            }
            Ok(Seen::Changes(changes)) => {
                for (key, _) in changes.gone.iter().filter(|(key, _)| watching.is_about(key)) {
                    is_news |= self.forget(key);
                }
                for resource in changes.changed.into_iter().filter(|resource| watching.is_about(resource.key())) {
                    is_news |= self.declared.take(resource, argo);
                }
            }
        }
        if is_news && self.has_read {
            self.settle(now);
        }
    }

    /// Kinds that cannot be read may declare anything.
    fn doubt(&mut self, unreadable: BTreeSet<Arc<str>>, now: Timestamp) {
        for kind in self.unreadable.difference(&unreadable) {
            self.engine.remove(&format!("? ({kind})"), now);
        }
        for kind in unreadable.difference(&self.unreadable) {
            self.engine.put_unknown(&format!("? ({kind})"), CLUSTER, "may be among what cannot be read", now);
        }
        self.unreadable = unreadable;
    }

    fn forget(&mut self, key: &ResourceKey) -> bool {
        self.scribe.forget(key);
        if key.kind() == "Application" {
            self.reporter.forget(&key.name);
            self.ends.forget(&key.name);
            self.members.ended.remove(&key.name);
        }
        self.declared.forget(key)
    }

    /// Has the engine look after what is declared now.
    fn settle(&mut self, now: Timestamp) {
        self.anew = now + ANEW;
        self.catalog = self.declared.catalog();
        let Tools { settings, sources, .. } = self.tools;
        let place = (settings, now);
        let news = self.members.settle(&self.declared, &self.catalog, sources, &mut self.engine, place);
        self.ends.settle(&self.members, now);
        self.tools.board.follow(self.members.followed());
        news.iter().for_each(|name| self.want_application(name));
        // A new generation of any resource, and what its project says, is acknowledged.
        for resource in self.declared.ours("Application").chain(self.declared.ours("Project")) {
            self.scribe.want(resource.key());
        }
    }

    fn heard(&mut self, item: &Item) {
        self.want_application(&item.app);
        if let News::Ended { .. } | News::Gone = item.news {
            self.ends.look_now(&item.app);
        }
        let (Some(told), Some(about)) = (Notification::of(item), self.declared.application(&item.app)) else { return };
        if self.events >= EVENTS {
            return;
        }
        let instance = &self.tools.settings.identity;
        let Some(event) = self.reporter.event(about, (told.occasion, told.at), &told.text, instance) else { return };
        self.events = self.events.saturating_add(1);
        let cluster = self.tools.cluster;
        self.pending.push(Box::pin(async move {
            let write = Write::apply(&event, super::MANAGER, gitops_core::cluster::Force::Yes);
            // Nobody waits for an event, and what it tells of is in the status as well.
            gitops_core::cluster::Cluster::write(cluster, &write).await.map(drop).unwrap_or_default();
            Told::Event
        }));
    }

    fn want_application(&mut self, name: &str) {
        if let Some(resource) = self.declared.application(name) {
            self.scribe.want(resource.key());
        }
    }

    fn write_statuses(&mut self, now: Timestamp) {
        self.sweep();
        for key in self.scribe.due(now) {
            if !self.scribe.has_room() {
                return;
            }
            let Some(resource) = self.declared.resource(&key) else {
                self.scribe.forget(&key);
                continue;
            };
            let status = self.status_of(resource, now);
            let Some(draft) = self.scribe.draft(resource, &status) else { continue };
            let cluster = self.tools.cluster;
            self.pending.push(Box::pin(async move {
                let result = draft.write(cluster).await;
                Told::Status(draft.key.clone(), draft.digest(), result)
            }));
        }
    }

    fn status_of(&self, resource: &Resource, now: Timestamp) -> serde_json::Value {
        let key = resource.key();
        let problems = problems_of(&self.catalog.problems, key.kind(), &key.name);
        if key.kind() == "Project" {
            let held = (!self.catalog.projects.contains_key(&key.name)).then_some("it cannot be used");
            return of_project(resource, &Said { problems, held_back: held, deleting: None }, now);
        }
        let held_back = self.members.held_back.get(&key.name).map(|why| &**why);
        let deleting = self.ends.waits(&key.name).or_else(|| {
            resource.is_terminating().then(|| "it is being deleted, and its objects stay as they are".into())
        });
        of_application(resource, self.engine.status(&key.name), &Said { problems, held_back, deleting }, now)
    }

    /// Some changes of a status nobody tells of, such as what an operation waits for: each in its turn is looked at.
    fn sweep(&mut self) {
        let from = self.swept.take();
        let names = self.engine.statuses().map(|status| &status.app);
        let after = names.filter(|name| from.as_ref().is_none_or(|from| *name > from)).take(SWEPT);
        let swept: Vec<Arc<str>> = after.cloned().collect();
        swept.iter().for_each(|name| self.want_application(name));
        self.swept = swept.last().cloned();
    }
}

/// The ports, with a source.
fn with<'p>(ports: Ports<'p>, name: &str, source: &'p dyn Source) -> Ports<'p> {
    ports.with_source(name, source)
}
