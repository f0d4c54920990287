//! Fault enumeration: every effect fails once with every meaning of an error, and what comes of it is what the table
//! in the documentation says. The table is read from there.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a law that cannot be set up must fail")]
#![expect(clippy::indexing_slicing, reason = "a malformed table must stop the run")]

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::cluster::{ClusterError, Failure, FieldConflict, Guard, Mode, Verb, Write};
use gitops_core::manifest::{Dialect, Limits, documents};
use gitops_core::memory::{ApiServer, MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::policy::ignore::Rules;
use gitops_core::policy::{Prune, SyncPolicy, Validate};
use gitops_core::reconcile::{self, App, World, look, perform, read_desired};
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::Owner;
use gitops_core::sync::{Effect, EffectId, Event, Machine, Phase, StepOutcome};
use gitops_core::time::{Timer, Timestamp};

/// The documentation of the module `sync`.
const DOCUMENTED: &str = include_str!("../src/sync/refusals.md");
/// A namespace that may go unasked.
const SPARE: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: spare\n  annotations: {gitops.rs/prune: enabled}\n";
const WAVE: &str = "argocd.argoproj.io/sync-wave";

/// What is done, as the columns of the table name it.
fn column(effect: &Effect) -> Option<&'static str> {
    let write = match effect {
        Effect::Record { .. } => return Some("record"),
        Effect::Observe { .. } => return Some("look"),
        Effect::List { .. } => return Some("list"),
        Effect::Write { write, .. } => write,
    };
    let is_hook = write.key.is("batch", "Job");
    if write.key.name.starts_with("gitops-system") {
        return None;
    }
    if write.mode == Mode::DryRun {
        return Some("try");
    }
    Some(match (&write.verb, &write.guard) {
        (Verb::Apply { .. }, Guard::Absent) if is_hook => "hook",
        (Verb::Apply { .. }, Guard::Absent) => "create",
        (Verb::Apply { .. }, Guard::Present { version: Some(_), .. }) => "forced",
        (Verb::Apply { .. }, _) => "apply",
        (Verb::Patch { .. }, _) => "patch",
        (Verb::Replace { .. }, _) => "replace",
        // The one is in the way of a hook, the other goes when the operation ends.
        (Verb::Delete { .. }, _) if &*write.key.name == "again" => "hook delete",
        (Verb::Delete { .. }, _) if is_hook => "clean up",
        _ => "delete",
    })
}

/// Every meaning an error can have, under its name in the table; `true`: the write took effect before.
fn meanings() -> Vec<(&'static str, bool, Failure)> {
    let text = || "told by the test".into();
    let field = || "data.key".parse().unwrap();
    vec![
        (
            "FieldConflict",
            false,
            Failure::FieldConflict { conflicts: vec![FieldConflict::new("kubectl-edit", field())] },
        ),
        ("Stale", false, Failure::Stale),
        ("AlreadyExists", false, Failure::AlreadyExists),
        ("NotFound", false, Failure::NotFound),
        ("NamespaceMissing", false, Failure::NamespaceMissing { namespace: "gitops-system".into() }),
        ("NamespaceTerminating", false, Failure::NamespaceTerminating { namespace: "shop".into() }),
        ("KindNotServed", false, Failure::KindNotServed),
        ("Denied", false, Failure::Denied { message: text() }),
        ("Invalid", false, Failure::Invalid { message: text(), causes: Vec::new() }),
        ("Refused", false, Failure::Refused { message: text() }),
        ("WebhookUnavailable", false, Failure::WebhookUnavailable { message: text() }),
        ("TooLarge", false, Failure::TooLarge { message: text() }),
        ("Throttled", false, Failure::Throttled { retry_after: None }),
        ("Unavailable", false, Failure::Unavailable { message: text() }),
        ("InDoubt, not done", false, Failure::InDoubt { message: text() }),
        ("InDoubt, done", true, Failure::InDoubt { message: text() }),
        ("CursorExpired", false, Failure::CursorExpired),
        ("Unsupported", false, Failure::Unsupported { message: text() }),
    ]
}

/// The table: meaning and column → word.
fn table() -> BTreeMap<(String, String), String> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines = DOCUMENTED.lines().filter(|line| line.starts_with('|'));
    let head = cells(lines.next().unwrap());
    let rows = lines.skip(1).map(cells);
    let cells = rows.flat_map(|row| {
        let of: Vec<_> = head.iter().zip(&row).skip(1).map(|(column, word)| (column.clone(), word.clone())).collect();
        let meaning = row[0].clone();
        of.into_iter().map(move |(column, word)| ((meaning.clone(), column), word))
    });
    cells.collect()
}

fn config(name: &str, annotations: &[(&str, &str)], data: &str) -> String {
    let annotations: String = annotations.iter().map(|(name, value)| format!("    {name}: {value:?}\n")).collect();
    let annotations = if annotations.is_empty() { String::new() } else { format!("  annotations:\n{annotations}") };
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{annotations}data: {data}\n")
}

fn job(name: &str, phase: &str, delete: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    argocd.argoproj.io/hook: {phase}\n    \
         argocd.argoproj.io/hook-delete-policy: {delete}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers: [{{name: run, image: busybox}}]\n"
    )
}

/// An application whose next revision needs every kind of effect.
struct Before {
    source: MemorySource,
    app: App,
    server: ApiServer,
    now: Timestamp,
}

struct Attempt<'a> {
    before: &'a Before,
    cluster: MemoryCluster,
    time: VirtualTime,
}

impl Before {
    fn new() -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let cluster = MemoryCluster::new(5, time.clone());
        let source = MemorySource::default();
        let policy = SyncPolicy::default().with_prune(Prune::Owned).with_validate(Validate::Layers);
        let mut app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop").with_policy(policy);
        let commit = |files: &[(&str, Option<&str>)]| {
            source.commit("Ann <ann@example.org>", time.now(), "change", files.iter().copied());
        };
        let replace = [("argocd.argoproj.io/sync-options", "Replace=true")];
        commit(&[
            ("ns.yaml", Some("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")),
            ("old.yaml", Some(&config("old", &[], "{key: a}"))),
            ("spare.yaml", Some(SPARE)),
            ("mine.yaml", Some(&config("mine", &[], "{key: a}"))),
            ("theirs.yaml", Some(&config("theirs", &[], "{key: a}"))),
            ("ruled.yaml", Some(&config("ruled", &[], "{key: a, free: a}"))),
            ("whole.yaml", Some(&config("whole", &replace, "{key: a}"))),
            ("again.yaml", Some(&job("again", "PreSync", "BeforeHookCreation"))),
        ]);
        let report = ready(reconcile::sync(&app, World::new(&source, &cluster, &time))).unwrap().unwrap();
        assert_eq!(report.receipt.as_ref().unwrap().phase, Phase::Succeeded, "{:?}", report.receipt);
        let key = ResourceKey::new("", "ConfigMap", "shop", "theirs");
        let live = cluster.with_server(|server| server.get(&key).cloned()).unwrap();
        let edited = live.edit(|draft| draft.entry("data").set("key", "by hand")).unwrap();
        ready(gitops_core::cluster::Cluster::write(&cluster, &Write::replace(&edited, "kubectl-edit")))
            .unwrap()
            .unwrap();
        commit(&[
            ("old.yaml", None),
            ("spare.yaml", None),
            ("mine.yaml", Some(&config("mine", &[], "{key: b}"))),
            ("theirs.yaml", Some(&config("theirs", &[], "{key: b}"))),
            ("ruled.yaml", Some(&config("ruled", &[], "{key: b, free: b}"))),
            ("whole.yaml", Some(&config("whole", &replace, "{key: b}"))),
            ("new.yaml", Some(&config("new", &[(WAVE, "1")], "{key: b}"))),
            ("again.yaml", Some(&job("again", "PreSync", "BeforeHookCreation"))),
            ("smoke.yaml", Some(&job("smoke", "PostSync", "HookSucceeded"))),
        ]);
        let rules = "ignoreDifferences: [{kind: ConfigMap, name: ruled, jsonPointers: [/data/free]}]";
        let (documents, _) = documents(rules.as_bytes(), Dialect::default(), &Limits::default());
        app.rules = Rules::read(documents[0].value.root()).unwrap();
        let server = cluster.with_server(|server| server.clone());
        Self { source, app, server, now: time.now() }
    }

    fn attempt(&self) -> Attempt<'_> {
        let time = VirtualTime::starting(self.now);
        let cluster = MemoryCluster::over(self.server.clone(), time.clone());
        Attempt { before: self, cluster, time }
    }
}

/// What came of one failure.
struct Came {
    word: &'static str,
    phase: Phase,
    message: String,
}

impl Attempt<'_> {
    fn machine(&self) -> Machine {
        let app = &self.before.app;
        let desired = ready(read_desired(app, &self.before.source, &self.cluster)).unwrap().unwrap();
        let looked = ready(look(app, desired, &self.cluster)).unwrap().unwrap();
        looked.machine(app, self.time.now()).expect("there is something to do")
    }

    /// Drives the machine and hands each effect, with the time, to `meet`, which may answer in place of the cluster.
    fn drive(&self, machine: &mut Machine, mut meet: impl FnMut(&Effect, Timestamp) -> Option<(bool, Failure)>) {
        while machine.outcome().is_none() {
            let Some(effect) = machine.next_effect() else {
                ready(self.time.sleep_until(machine.wake_at().expect("it waits for something"))).unwrap();
                machine.handle(Event::Tick, self.time.now());
                continue;
            };
            let event = match meet(&effect, self.time.now()) {
                None => ready(perform(effect, &self.cluster)).unwrap(),
                Some((done, failure)) => {
                    let answer = failed(&effect, failure);
                    if done {
                        ready(perform(effect, &self.cluster)).unwrap();
                    }
                    answer
                }
            };
            machine.handle(event, self.time.now());
        }
    }

    /// How many effects there are of each kind when nothing fails.
    fn count(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        let mut machine = self.machine();
        self.drive(&mut machine, |effect, _| {
            column(effect).into_iter().for_each(|column| *counts.entry(column).or_default() += 1);
            None
        });
        assert_eq!(machine.outcome().unwrap().phase, Phase::Succeeded, "{:?}", machine.outcome());
        counts
    }

    /// Fails the `nth` effect of one kind.
    fn fail(&self, of: &str, nth: usize, done: bool, failure: &Failure) -> Came {
        let mut machine = self.machine();
        let (mut seen, mut failed) = (0, None::<(BTreeSet<ResourceKey>, Timestamp)>);
        // What comes next of that object, and when.
        let mut next: Option<(Option<&'static str>, Timestamp)> = None;
        self.drive(&mut machine, |effect, now| {
            if let Some((keys, _)) = &failed {
                if next.is_none() && !keys.is_disjoint(&keys_of(effect)) {
                    next = Some((column(effect), now));
                }
                return None;
            }
            if column(effect) != Some(of) {
                return None;
            }
            seen += 1;
            (seen == nth).then(|| {
                failed = Some((keys_of(effect), now));
                (done, failure.clone())
            })
        });
        let (keys, at) = failed.expect("it came to that effect");
        let receipt = machine.outcome().unwrap();
        // An object may have two steps: its ownership is put right before it is applied.
        let mut of_object = receipt.results.iter().filter(|result| keys.contains(&result.key));
        let has_failed = of_object.any(|result| result.outcome == StepOutcome::Failed);
        let left = machine.ledger().hooks.iter().any(|hook| keys.contains(&hook.object));
        let word = match next {
            _ if receipt.phase == Phase::Error => "stops",
            _ if has_failed => "fails",
            // What comes after a trial is the step itself, whatever it begins with.
            Some((Some(next), _)) if of == "try" && next != "try" => "done",
            // Of a forced apply nothing is left when it is classed again.
            Some((Some(next), then)) if next == of || (of == "forced" && next == "apply") => match then > at {
                true => "again",
                false if of == "record" => "makes",
                false => "looks",
            },
            // After a try, it is the write itself that looks first, as for a hook or a replace.
            Some((Some("look"), _)) if of != "try" => "looks",
            None if of == "clean up" && left => "keeps",
            _ => "done",
        };
        Came { word, phase: receipt.phase, message: receipt.message.to_string() }
    }

    fn state(&self) -> BTreeMap<String, String> {
        self.cluster.with_server(|server| {
            let ours = server.objects().filter(|object| object.key().namespace.as_deref() == Some("shop"));
            let content = |object: &Resource| object.tree().get("data").map(|data| data.to_json()).unwrap_or_default();
            ours.filter(|object| object.key().is("", "ConfigMap"))
                .map(|object| (object.key().to_string(), content(object)))
                .collect()
        })
    }

    fn sync(&self) -> Phase {
        let world = World::new(&self.before.source, &self.cluster, &self.time);
        let report = ready(reconcile::sync(&self.before.app, world)).unwrap().unwrap();
        report.receipt.map_or(Phase::Succeeded, |receipt| receipt.phase)
    }
}

fn keys_of(effect: &Effect) -> BTreeSet<ResourceKey> {
    match effect {
        Effect::Record { write, .. } | Effect::Write { write, .. } => BTreeSet::from([write.key.clone()]),
        Effect::Observe { keys, .. } => keys.clone(),
        Effect::List { .. } => BTreeSet::from([ResourceKey::new("", "Namespace", None, "spare")]),
    }
}

fn failed(effect: &Effect, failure: Failure) -> Event {
    let error = ClusterError::from(failure);
    let id = |id: &EffectId| *id;
    match effect {
        Effect::Record { id: of, .. } => Event::Recorded { id: id(of), result: Err(error) },
        Effect::Write { id: of, .. } => Event::Wrote { id: id(of), result: Err(error) },
        Effect::Observe { id: of, .. } | Effect::List { id: of, .. } => {
            Event::Observed { id: id(of), result: Err(error) }
        }
    }
}

#[test]
fn what_comes_of_each_failure_of_each_effect_is_what_the_table_says() {
    let (before, table) = (Before::new(), table());
    let whole = before.attempt();
    let counts = whole.count();
    let expected = whole.state();
    let columns: BTreeSet<&str> = table.keys().map(|(_, column)| &**column).collect();
    assert_eq!(columns, counts.keys().copied().collect(), "every column has an effect, and every effect a column");
    let (mut tried, mut wrong) = (0, Vec::new());
    for (meaning, done, failure) in meanings() {
        for (of, count) in &counts {
            let Some(documented) = table.get(&(meaning.to_owned(), (*of).to_owned())) else {
                wrong.push(format!("{meaning} × {of} is not in the table"));
                continue;
            };
            // Of looks and records there are many alike.
            for nth in (1..=*count).filter(|nth| *nth <= 2 || nth == count) {
                tried += 1;
                let attempt = before.attempt();
                // What is not found is gone.
                let gone = failure == Failure::NotFound && ["delete", "hook delete", "clean up"].contains(of);
                let came = attempt.fail(of, nth, done || gone, &failure);
                let phase = match &**documented {
                    "fails" => Phase::Failed,
                    "stops" => Phase::Error,
                    _ => Phase::Succeeded,
                };
                if came.word != documented || came.phase != phase {
                    wrong.push(format!(
                        "{meaning} × {of} ({nth}): `{documented}`, but `{}`: {} {}",
                        came.word, came.phase, came.message
                    ));
                    continue;
                }
                // Whatever failed, the next sync makes it good.
                if came.phase != Phase::Succeeded {
                    assert_eq!(attempt.sync(), Phase::Succeeded, "{meaning} × {of} ({nth})");
                }
                assert_eq!(attempt.state(), expected, "{meaning} × {of} ({nth})");
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 300, "{tried}");
}

/// Keeps the parser of the table honest.
#[test]
fn the_table_names_every_meaning_once() {
    let table = table();
    let named: BTreeSet<&str> = table.keys().map(|(meaning, _)| &**meaning).collect();
    let all: BTreeSet<&str> = meanings().iter().map(|(name, ..)| *name).collect();
    assert_eq!(named, all);
}
