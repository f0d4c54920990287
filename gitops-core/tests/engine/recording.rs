//! What was recorded is gone through again, and what goes otherwise is named.

use std::collections::VecDeque;

use gitops_core::cluster::Failure;
use gitops_core::engine::{Lines, Recorder, Replay};
use gitops_core::memory::{Moment, Simulation};

use super::*;

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData:\n  word: hunter2\n";

/// A world that is recorded, and the applications as they were described, in order.
struct Recorded {
    world: World,
    lines: Lines,
    described: Vec<Application>,
}

impl Recorded {
    fn new(seed: u64) -> Self {
        let (mut world, lines) = (World::new(seed), Lines::default());
        world.0.record(Recorder::new(lines.clone(), 64 << 20));
        Self { world, lines, described: Vec::new() }
    }

    fn put(&mut self, application: &Application) {
        self.described.push(application.clone());
        self.world.0.put(application.clone());
    }

    fn pass(&mut self, minutes: u32) {
        for _ in 0..minutes {
            self.world.pass(1);
            while self.world.0.next_news().is_some() {}
        }
    }

    fn fail(&mut self, writes: std::ops::Range<u64>, failure: Failure) {
        self.world
            .0
            .cluster
            .with_faults(|faults| writes.for_each(|nth| faults.fail_write(nth, Moment::Before, failure.clone())));
    }

    fn crash(&mut self) {
        self.described.push(self.described.last().unwrap().clone());
        self.world.0.crash();
    }
}

/// Commits, a Secret, writes that fail, a change by hand, a source that is away, a wish, and a crash.
fn incident(seed: u64) -> Recorded {
    let mut recorded = Recorded::new(seed);
    recorded.put(&application("shop"));
    recorded.world.commit("web", "blue");
    recorded.world.commit_files(&[("key.yaml", Some(SECRET))]);
    recorded.pass(3);
    recorded.world.commit("web", "red");
    recorded.fail(1..6, Failure::Unavailable { message: "the test says so".into() });
    recorded.pass(5);
    recorded.world.paint("web", "black", "kubectl-edit");
    recorded.world.0.source_is_down = true;
    recorded.pass(5);
    recorded.world.0.source_is_down = false;
    recorded.world.0.cluster_is_down = true;
    recorded.pass(1);
    recorded.world.0.cluster_is_down = false;
    recorded.crash();
    recorded.world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Refresh });
    let request = Box::new(gitops_core::plan::Request::default());
    recorded.world.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Sync { by: "Ann".into(), request } });
    recorded.pass(10);
    assert_eq!(recorded.world.status("shop").sync, SyncStatus::Synced, "{:#?}", recorded.world.status("shop"));
    recorded
}

#[test]
fn what_was_recorded_goes_the_same_way_again_to_the_last_bit() {
    for seed in 51..54 {
        let recorded = incident(seed);
        let text = recorded.lines.text();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "a value of a Secret");
        let mut described = VecDeque::from(recorded.described.clone());
        let replayed = Replay::read(&text).unwrap().run(|_| described.pop_front());
        assert_eq!(replayed.divergence, None, "{seed}");
        assert!(replayed.work > 50 && replayed.news > 20, "{} {}", replayed.work, replayed.news);
        let then = serde_json::to_string(&recorded.world.status("shop")).unwrap();
        let now = serde_json::to_string(&replayed.engine.status("shop")).unwrap();
        assert_eq!(now, then, "{seed}");
    }
}

#[test]
fn what_goes_otherwise_than_recorded_is_named() {
    let recorded = incident(54);
    let text = recorded.lines.text();
    let run = |text: &str, described: &Application| {
        Replay::read(text).unwrap().run(|_| Some(described.clone())).divergence.map(|other| other.to_string())
    };
    // An engine that heals nothing.
    let other = run(&text, &Application::new(app("shop"), "git", "cluster")).unwrap();
    assert!(other.contains("recorded is"), "{other}");
    // A source that says something else.
    let other = run(&text.replacen("colour: red", "colour: pink", 1), recorded.described.first().unwrap()).unwrap();
    assert!(other.contains("pink"), "{other}");
    // One that ends early is one; one that is damaged is none.
    let half = text.get(..text.len() / 2).unwrap();
    assert_eq!(run(half, recorded.described.first().unwrap()), None);
    let damaged = text.replacen("\"line\":\"work\"", "\"line\":\"wrok\"", 1);
    let error = Replay::read(&damaged).unwrap_err().to_string();
    assert!(error.starts_with("line ") && error.contains("wrok"), "{error}");
}

#[test]
fn a_recording_holds_no_credentials_that_stand_in_the_address_of_a_source() {
    let mut recorded = Recorded::new(55);
    let source = "https://bob:hunter2@example.org/shop.git";
    recorded.put(&Application::new(app("shop"), source, "cluster"));
    recorded.pass(2);
    recorded.world.0.tell(Event::SourceChanged { source: source.into() });
    recorded.pass(1);
    let text = recorded.lines.text();
    assert!(!text.contains("hunter2") && text.contains("https://example.org/shop.git"), "{text}");
}

#[test]
fn a_recording_grows_no_further_than_it_may() {
    let lines = Lines::default();
    let mut world = Simulation::new(1, "2026-03-01T12:00:00Z".parse().unwrap());
    world.record(Recorder::new(lines.clone(), 2_000));
    world.put(application("shop"));
    world.pass(MINUTE * 600);
    assert!((1_000..2_000).contains(&lines.text().len()));
    assert!(Replay::read(&lines.text()).unwrap().run(|_| Some(application("shop"))).divergence.is_none());
}
