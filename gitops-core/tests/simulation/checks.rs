//! What must hold, all the time and in the end.

use std::time::Duration;

use gitops_core::automation::Decision;
use gitops_core::cluster::{Guard, Verb};
use gitops_core::engine::{Event, News, Wish};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::Resource;

use super::world::{APPS, BROKEN, NAMES, World, config, hook, object};

const ID: &str = "gitops.rs/tracking-id";

/// Most answers in five minutes, with operations under way and everything failing.
const ANSWERS: usize = 600;

impl World {
    /// Lets time pass, and sees that promises are kept.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let mut left = duration;
        while !left.is_zero() {
            let some = left.min(Duration::from_secs(300));
            let answers = self.sim.pass(some);
            left -= some;
            self.check();
            assert!(answers < ANSWERS, "{answers} answers in five minutes: a tight loop\n{}", self.story());
        }
    }

    pub(crate) fn check(&mut self) {
        assert!(!self.sim.is_stuck(), "the engine goes on and on\n{}", self.story());
        for done in self.sim.take_writes() {
            self.may_be_written(&done);
            let (before, after) = (done.before.as_ref(), done.after.as_ref());
            let uid = |object: Option<&Resource>| object.and_then(Resource::uid).map(str::to_owned);
            if let (true, Some(made)) = (uid(before) != uid(after), uid(after)) {
                self.made.insert(made);
                if done.write.key.is("batch", "Job") {
                    let operation = after.and_then(|job| job.annotation("gitops.rs/operation")).unwrap_or("none");
                    let runs = self.runs.entry(format!("{operation} {}", done.write.key)).or_default();
                    *runs += 1;
                    let twice = *runs > 1;
                    assert!(!twice, "hook {} ran twice in operation {operation}\n{}", done.write.key, self.story());
                }
            }
            if before.is_some() && after.is_none_or(Resource::is_terminating) {
                let Verb::Delete { .. } = done.write.verb else { continue };
                let guarded = matches!(done.write.guard, Guard::Present { .. });
                let made = uid(before).is_some_and(|uid| self.made.contains(&uid));
                assert!(guarded && made, "deleted without proof: {}\n{}", done.write.key, self.story());
                let holder = before.and_then(|object| object.annotation(ID)?.split(':').next());
                let other = done.declared_by.iter().find(|app| Some(&***app) != holder);
                let is_hook = before.and_then(|object| object.annotation("gitops.rs/hook")).is_some();
                // One that holds and declares an object may recreate it, whoever else declares it as well.
                let is_own = done.declared_by.iter().any(|app| Some(&**app) == holder);
                assert!(
                    other.is_none() || is_hook || is_own,
                    "{} of {holder:?} was deleted, and {other:?} declares it\n{}",
                    done.write.key,
                    self.story()
                );
            }
            if uid(before) != uid(after) || version(before) != version(after) {
                *self.runs.entry(format!("write {}", done.write.key.name)).or_default() += 1;
            }
        }
        let sizes = self.sim.engine.sizes();
        assert!(
            sizes.due <= sizes.applications + sizes.targets && sizes.under_way <= 24,
            "{sizes:?}\n{}",
            self.story()
        );
        assert!(sizes.indexed <= 120 && sizes.waiting <= sizes.applications, "{sizes:?}\n{}", self.story());
        while let Some(item) = self.sim.engine.next_news() {
            match &item.news {
                News::Started { trigger, .. } => {
                    self.may_start(&item.app, trigger, item.at);
                    self.running.insert(item.app.to_string());
                    self.starts += 1;
                }
                News::Ended { .. } | News::Gone => drop(self.running.remove(&*item.app)),
                _ => {}
            }
            assert!(!matches!(item.news, News::Missed { .. }), "news was lost\n{}", self.story());
            self.told.push(format!("{} {}", item.at, serde_json::to_string(&item).unwrap()));
        }
        for status in self.sim.engine.statuses() {
            let decided = status.decision.is_some() || status.compared.is_none();
            assert!(decided, "{}: no decision is recorded\n{}", status.app, self.story());
        }
    }

    pub(crate) fn writes_of(&self, name: &str) -> usize {
        usize::try_from(self.runs.get(&format!("write {name}")).copied().unwrap_or_default()).unwrap()
    }

    /// The world is quiet: everything works again, nobody holds anything back, and a last commit comes.
    pub(crate) fn come_to_rest(&mut self) {
        self.note("rest");
        self.sim.cluster.with_faults(|faults| faults.clear());
        (self.sim.source_is_down, self.sim.cluster_is_down) = (false, false);
        self.windows.clear();
        self.suspended.clear();
        (self.reports, self.limits) = Default::default();
        self.files.retain(|_, text| !text.ends_with(BROKEN));
        self.keep_roots();
        for app in APPS {
            self.put(app);
            self.sim.tell(Event::Wish { app: app.into(), wish: Wish::Resume });
        }
        // An object of two applications goes to the first.
        for name in NAMES {
            let declared = self.declared(name);
            for (app, _) in declared.iter().skip(1) {
                let path = format!("{}/{name}.yaml", self.roots.get(app).unwrap());
                self.files.remove(&path);
            }
        }
        for app in APPS {
            let root = self.roots.get(app).unwrap();
            let text = super::world::manifest(&format!("own-{app}"), "last", 0);
            self.files.insert(format!("{root}/own.yaml"), text);
        }
        let path = format!("{}/hook.yaml", self.roots.get("a").unwrap());
        self.files.insert(path, hook("a", "succeed"));
        self.commit("the last one");
        self.pass(Duration::from_secs(900));
        self.pass(Duration::from_secs(3 * 3600));
        self.is_as_declared();
        let starts = self.starts;
        let answers = self.sim.pass(Duration::from_secs(3600));
        self.check();
        // Each target of the source is asked for about every two minutes.
        let targets = APPS.map(|app| self.targets.get(app).copied().unwrap_or("main"));
        let targets = std::collections::BTreeSet::from(targets).len();
        assert!(answers <= 25 + 25 * targets, "{answers} answers in an hour of peace\n{}", self.story());
        assert_eq!(self.starts, starts, "an operation in peace\n{}", self.story());
        self.leaves_nothing();
    }

    fn is_as_declared(&mut self) {
        for name in NAMES {
            let (declared, live) = (self.declared(name), self.colour(name));
            match declared.as_slice() {
                [] => {
                    let object = self.sim.cluster.with_server(|server| server.get(&object(name).0).cloned());
                    let ours = object.as_ref().and_then(Resource::uid).is_some_and(|uid| self.made.contains(uid));
                    assert!(!ours, "{name} was not pruned\n{}", self.story());
                }
                [(app, colour)] => {
                    assert_eq!(live.as_ref(), Some(colour), "{name} of {app}\n{}", self.story());
                }
                _ => {}
            }
        }
        for name in ["theirs", "stranger"] {
            let there = self.sim.cluster.with_server(|server| server.get(&config(name)).is_some());
            assert!(there, "{name} is gone\n{}", self.story());
        }
        for app in APPS {
            let status = self.sim.engine.status(app).unwrap();
            let rests = matches!(status.decision.as_ref().unwrap().decision, Decision::Rest { .. });
            assert!(rests && status.sync == SyncStatus::Synced, "{app} is not in sync\n{}", self.story());
            assert!(status.conditions.is_empty(), "{app}: {:?}\n{}", status.conditions, self.story());
        }
    }

    /// What was kept of applications goes with them.
    fn leaves_nothing(&mut self) {
        APPS.iter().for_each(|app| self.sim.remove(app));
        self.sim.pass(Duration::from_secs(600));
        while self.sim.engine.next_news().is_some() {}
        let sizes = self.sim.engine.sizes();
        let kept = [sizes.applications, sizes.targets, sizes.clusters, sizes.objects, sizes.indexed, sizes.due];
        assert_eq!((kept, sizes.waiting, sizes.news), ([0; 6], 0, 0), "{sizes:?}");
    }

    pub(crate) fn story(&self) -> String {
        let statuses: Vec<String> = self
            .sim
            .engine
            .statuses()
            .map(|status| {
                format!(
                    "{}: {} {:?} head {:?} {:?}\n  conditions {:?}\n  worst {:?}\n  operation {:?}\n",
                    status.app,
                    status.sync,
                    status.health,
                    status.head.as_ref().map(|head| head.id.short()),
                    status.decision,
                    status.conditions,
                    status.worst,
                    status.operation
                )
            })
            .collect();
        let last = self.told.len().saturating_sub(60);
        let (news, diary) = (self.told.get(last..).unwrap_or_default().join("\n"), self.diary.join("\n"));
        format!("seed {}\n{news}\n--- diary\n{diary}\n--- at {}\n{}", self.seed, self.sim.now(), statuses.concat())
    }
}

fn version(object: Option<&Resource>) -> Option<&str> {
    object.and_then(Resource::resource_version)
}
