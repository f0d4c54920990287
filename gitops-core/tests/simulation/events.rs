//! What happens in a world.

use std::time::Duration;

use gitops_core::cluster::Failure;
use gitops_core::engine::{Event, Wish};
use gitops_core::memory::Moment;
use gitops_core::plan::Request;
use gitops_core::resource::GroupKind;

use super::world::{APPS, BROKEN, COLOURS, NAMES, World, hook, manifest};

const WINDOWS: [&str; 4] = [
    "[]",
    r#"[{"kind": "deny", "schedule": "0 8 * * *", "duration": "10h", "applications": ["*"]}]"#,
    r#"[{"kind": "allow", "schedule": "0 22 * * *", "duration": "2h", "applications": ["*"], "manualSync": true}]"#,
    r#"[{"kind": "deny", "schedule": "*/20 * * * *", "duration": "5m", "applications": ["*"], "timeZone": "Europe/Berlin"}]"#,
];

fn failures() -> [Failure; 8] {
    let said = || "the test says so".into();
    [
        Failure::Unavailable { message: said() },
        Failure::InDoubt { message: said() },
        Failure::WebhookUnavailable { message: said() },
        Failure::Refused { message: said() },
        Failure::Denied { message: said() },
        Failure::Throttled { retry_after: None },
        Failure::Stale,
        Failure::Invalid { message: said(), causes: Vec::new() },
    ]
}

impl World {
    /// Some weeks.
    pub(crate) fn live(&mut self) {
        self.pass(Duration::from_secs(60));
        let happens = 20 + self.chance.below(40);
        for _ in 0..happens {
            self.happen();
            // From seconds to half a day.
            let most = *self.chance.of(&[2, 20, 200, 2_000, 43_000]);
            let millis = self.chance.below(most * 1000);
            self.pass(Duration::from_millis(millis));
        }
    }

    fn happen(&mut self) {
        match self.chance.below(34) {
            0..=3 => self.edit(),
            4 => self.move_file(),
            5 => self.go_back(),
            6 | 7 => self.by_hand(),
            8..=10 => self.fail_writes(),
            11 => self.read_less(),
            12 => self.toggle(),
            13 => {
                self.note("cursors expire");
                self.sim.cluster.with_server(gitops_core::memory::ApiServer::forget_history);
            }
            14 => {
                let ahead = i64::try_from(self.chance.below(4 * 86_400_000)).unwrap() - 2 * 86_400_000;
                self.note(format!("the clock is {ahead} ms ahead"));
                self.sim.set_clock(ahead);
            }
            15..=17 => {
                self.note("crash");
                self.crash();
            }
            18 => {
                let (app, windows) = (*self.chance.of(&APPS), *self.chance.of(&WINDOWS));
                self.note(format!("windows of {app}: {windows}"));
                self.windows.insert(app, windows);
                self.put(app);
            }
            19 => {
                let app = *self.chance.of(&APPS);
                if self.suspended.remove(app).is_none() {
                    self.suspended.insert(app, self.sim.now());
                }
                self.note(format!("suspended: {:?}", self.suspended));
                self.put(app);
            }
            20..=22 => self.wish(),
            23 => {
                let app = *self.chance.of(&APPS);
                if self.gone.contains(app) {
                    self.note(format!("put {app}"));
                    self.put(app);
                } else {
                    self.note(format!("remove {app}"));
                    self.sim.remove(app);
                    self.gone.insert(app);
                    self.running.remove(app);
                    self.broken.clear();
                }
            }
            24 => self.rename(),
            25 => self.fight(),
            26 => self.say_nothing_new(),
            27 => self.recreate(),
            28 => self.crash_in_a_recreate(),
            29 => self.automate(),
            30 | 31 => self.move_with_a_slip(),
            32 => self.mend(),
            _ => {
                let outcome = *self.chance.of(&["succeed", "succeed", "fail"]);
                self.note(format!("hook: {outcome}"));
                let path = format!("{}/hook.yaml", self.roots.get("a").unwrap());
                self.files.insert(path, hook("a", outcome));
                self.commit("hook");
            }
        }
    }

    fn edit(&mut self) {
        let root = self.roots.get(self.chance.of(&APPS)).unwrap().clone();
        let (name, colour) = (*self.chance.of(&NAMES), *self.chance.of(&COLOURS));
        let path = format!("{root}/{name}.yaml");
        if self.files.contains_key(&path) && self.chance.one_in(3) {
            self.files.remove(&path);
        } else {
            let wave = self.chance.below(3);
            self.files.insert(path.clone(), manifest(name, colour, wave));
        }
        self.note(format!("edit {path}: {:?}", self.files.get(&path).map(|_| colour)));
        self.commit("edit");
    }

    /// An object moves from one application to another.
    fn move_file(&mut self) {
        let name = *self.chance.of(&NAMES);
        let Some((from, _)) = self.declared(name).first().cloned() else { return };
        let to = *self.chance.of(&APPS);
        let root = |world: &Self, app| world.roots.get(app).unwrap().clone();
        let (old, new) = (root(self, from), root(self, to));
        if let Some(text) = self.files.remove(&format!("{old}/{name}.yaml")) {
            self.files.insert(format!("{new}/{name}.yaml"), text);
        }
        self.note(format!("move {name} from {from} to {to}"));
        self.commit("move");
    }

    /// What an application does by itself, and what it follows.
    fn automate(&mut self) {
        let app = *self.chance.of(&APPS);
        if self.chance.one_in(2) {
            self.reports.insert(app);
        } else {
            self.reports.remove(app);
        }
        self.limits.remove(app);
        if self.chance.one_in(2) {
            let most = 1 + u32::try_from(self.chance.below(3)).unwrap();
            self.limits.insert(app, most);
        }
        self.targets.insert(app, *self.chance.of(&["main", "HEAD"]));
        self.note(format!("reports: {:?}, limits: {:?}, targets: {:?}", self.reports, self.limits, self.targets));
        if !self.gone.contains(app) {
            self.put(app);
        }
    }

    /// An object moves to another application, whose file cannot be read.
    fn move_with_a_slip(&mut self) {
        let name = *self.chance.of(&NAMES);
        let declared = self.declared(name);
        let to = *self.chance.of(&APPS);
        let [(from, _)] = declared.as_slice() else { return };
        if *from == to || self.gone.contains(to) || self.gone.contains(from) {
            return;
        }
        let root = |world: &Self, app| world.roots.get(app).unwrap().clone();
        let (old, new) = (root(self, *from), root(self, to));
        self.files.remove(&format!("{old}/{name}.yaml"));
        let path = format!("{new}/{name}.yaml");
        self.files.insert(path.clone(), BROKEN.to_owned());
        self.broken.insert(name, (path, self.sim.now()));
        self.note(format!("move {name} from {from} to {to}, with a slip"));
        self.commit("slip");
    }

    /// Every file can be read again.
    pub(crate) fn mend(&mut self) {
        self.files.retain(|_, text| !text.ends_with(BROKEN));
        self.note("mend");
        self.commit("mend");
    }

    /// The branch is set back, or a commit reverted.
    fn go_back(&mut self) {
        let steps = 1 + usize::try_from(self.chance.below(3)).unwrap();
        let Some(at) = self.revisions.len().checked_sub(1 + steps) else { return };
        let (id, files) = self.revisions.get(at).cloned().unwrap();
        self.files = files;
        self.keep_broken();
        if self.chance.one_in(2) {
            self.note(format!("force-push to {}", id.short()));
            assert!(self.sim.source.reset(&id));
            self.revisions.push((id, self.files.clone()));
        } else {
            self.note(format!("revert to {}", id.short()));
            self.commit("revert");
        }
        self.keep_roots();
    }

    fn by_hand(&mut self) {
        let (name, colour) = (*self.chance.of(&NAMES), *self.chance.of(&COLOURS));
        if self.chance.one_in(2) {
            self.note(format!("paint {name} {colour}"));
            self.paint(name, colour, "kubectl-edit");
        } else {
            self.note(format!("delete {name}"));
            self.delete(name);
        }
    }

    fn fail_writes(&mut self) {
        let failure = self.chance.of(&failures()).clone();
        let moment = *self.chance.of(&[Moment::Before, Moment::After]);
        // What is certain not to have happened did not happen.
        let moment = if matches!(failure, Failure::InDoubt { .. }) { moment } else { Moment::Before };
        let (first, count) = (1 + self.chance.below(6), 1 + self.chance.below(12));
        self.note(format!("writes {first}..{} fail {moment:?}: {failure}", first + count));
        self.sim.cluster.with_faults(|faults| {
            (first..first + count).for_each(|nth| faults.fail_write(nth, moment, failure.clone()));
            if count % 3 == 0 {
                faults.fail_dry_run(1, failure.clone());
                faults.fail_observe(2, Failure::Unavailable { message: "the test says so".into() });
            }
        });
    }

    fn read_less(&mut self) {
        let kind = GroupKind::new("", "ConfigMap");
        let hidden = self.chance.one_in(2);
        self.note(format!("ConfigMaps unreadable: {hidden}"));
        self.sim.cluster.with_faults(|faults| match hidden {
            true => faults.unreadable(&kind, "forbidden"),
            false => faults.readable(&kind),
        });
    }

    fn toggle(&mut self) {
        if self.chance.one_in(2) {
            self.sim.source_is_down ^= true;
        } else {
            self.sim.cluster_is_down ^= true;
        }
        self.note(format!("source down: {}, cluster down: {}", self.sim.source_is_down, self.sim.cluster_is_down));
    }

    fn wish(&mut self) {
        let app = *self.chance.of(&APPS);
        let at = usize::try_from(self.chance.below(self.revisions.len() as u64)).unwrap();
        let to = self.revisions.get(at).unwrap().0.clone();
        let wish = match self.chance.below(6) {
            0 => Wish::Refresh,
            1 => Wish::Sync { by: "Ann".into(), request: Box::default() },
            2 => Wish::Rollback { by: "Ben".into(), to },
            3 => Wish::Resume,
            // It is there again at once, since it heals itself; whatever is under way then.
            4 => {
                self.deleted.insert(app);
                Wish::Sync { by: "Ann".into(), request: Box::new(Request::to_delete()) }
            }
            _ => Wish::Terminate,
        };
        if matches!(wish, Wish::Rollback { .. }) {
            // Where it goes back to, nothing is broken.
            self.broken.clear();
        }
        self.note(format!("wish of {app}: {wish:?}"));
        self.sim.tell(Event::Wish { app: app.into(), wish });
    }

    /// A folder gets another name: the commit and the new description come in either order.
    fn rename(&mut self) {
        let app = *self.chance.of(&APPS);
        let old = self.roots.get(app).unwrap().clone();
        let new = if old.ends_with('2') { old.trim_end_matches('2').to_owned() } else { format!("{old}2") };
        let moved = |path: &String| path.strip_prefix(&format!("{old}/")).map(|rest| format!("{new}/{rest}"));
        self.files =
            self.files.iter().map(|(path, text)| (moved(path).unwrap_or_else(|| path.clone()), text.clone())).collect();
        self.note(format!("rename {old} to {new}"));
        let pause = Duration::from_secs(self.chance.below(600));
        let commit_first = self.chance.one_in(2);
        if commit_first {
            self.commit("rename");
            self.pass(pause);
        }
        self.roots.insert(app, new);
        if !self.gone.contains(app) {
            self.put(app);
        }
        if !commit_first {
            self.pass(pause);
            self.commit("rename");
        }
    }

    /// Applications read the folders that there are.
    pub(crate) fn keep_roots(&mut self) {
        for app in APPS {
            let has = |root: &str| self.files.keys().any(|path| path.starts_with(&format!("{root}/")));
            let root = if has(&format!("{app}2")) { format!("{app}2") } else { app.to_owned() };
            if self.roots.insert(app, root.clone()) != Some(root) && !self.gone.contains(app) {
                self.put(app);
            }
        }
    }

    /// Somebody else's file, or a comment, changes.
    fn say_nothing_new(&mut self) {
        let nth = usize::try_from(self.chance.below(8)).unwrap();
        let own = self.files.keys().nth(nth).cloned();
        match own.filter(|path| path.ends_with(".yaml") && self.chance.one_in(2)) {
            Some(path) => drop(self.files.entry(path).and_modify(|text| text.insert_str(0, "# the same\n"))),
            None => drop(self.files.insert("readme.md".to_owned(), self.sim.now().to_string())),
        }
        self.note("a commit that says nothing new");
        self.commit("nothing new");
    }

    /// The program dies about the time when an object is deleted to be created again, and a window closes.
    fn crash_in_a_recreate(&mut self) {
        self.note("crash while an object is recreated");
        self.recreate();
        let pause = self.chance.below(6_000);
        self.pass(Duration::from_secs(120) + Duration::from_millis(pause));
        for app in APPS.into_iter().filter(|app| !self.gone.contains(app)).collect::<Vec<_>>() {
            self.windows.insert(app, WINDOWS[1]);
            self.put(app);
        }
        self.crash();
    }

    /// A field changes that cannot be changed in place.
    fn recreate(&mut self) {
        let name = *self.chance.of(&["d6", "d7"]);
        let Some((app, colour)) = self.declared(name).first().cloned() else { return };
        let path = format!("{}/{name}.yaml", self.roots.get(app).unwrap());
        let tier = self.chance.below(3);
        self.files.insert(path, manifest(name, &colour, tier));
        self.note(format!("{name} of {app} with the selector {tier}"));
        self.commit("selector");
    }

    /// Somebody rewrites an object for some hours, as soon as it is healed.
    fn fight(&mut self) {
        let (name, hours) = (*self.chance.of(&NAMES), 2 + self.chance.below(3));
        self.note(format!("fight over {name} for {hours} h"));
        self.check();
        let before = self.writes_of(name);
        let pause = Duration::from_secs(50 + self.chance.below(60));
        let end = self.sim.now() + Duration::from_secs(hours * 3600);
        while self.sim.now() < end {
            if self.colour(name).is_some_and(|colour| colour != "rival") {
                self.paint(name, "rival", "rival");
            }
            self.pass(pause);
        }
        let writes = self.writes_of(name) - before;
        // Seven in the first hour, one in each hour from then on, and one that was on its way.
        let most = 8 + usize::try_from(hours).unwrap();
        assert!(writes <= most, "{writes} writes in {hours} h\n{}", self.story());
    }
}
