//! What may go on, and what may not: windows and suspension, with operations under way.

use gitops_core::policy::window::Windows;

use super::*;

const DENIED: &str = r#"[{"kind": "deny", "schedule": "* * * * *", "duration": "10h", "applications": ["*"]}]"#;

fn windows(text: &str) -> Windows {
    serde_json::from_str(text).unwrap()
}

/// Every hour, from a quarter past to a quarter to.
fn hourly(more: &str) -> Windows {
    let window = r#"[{"kind": "deny", "schedule": "15 * * * *", "duration": "30m", "applications": ["*"]MORE}]"#;
    windows(&window.replace("MORE", more))
}

impl World {
    /// Objects of ten waves, each of which takes three seconds to write.
    fn ten(colour: &str) -> Self {
        let mut world = Self::new(31);
        world.0.put(application("shop"));
        world.ten_are(colour);
        world.pass(5);
        world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(3));
        world
    }

    fn ten_are(&mut self, colour: &str) {
        let files: Vec<(String, String)> = (0..10)
            .map(|at| {
                let wave = format!("name: m{at}, annotations: {{argocd.argoproj.io/sync-wave: '{at}'}}");
                (format!("m{at}.yaml"), map(&format!("m{at}"), colour).replace(&format!("name: m{at}"), &wave))
            })
            .collect();
        let files = files.iter().map(|(file, text)| (&**file, Some(&**text)));
        self.0.source.commit("Ann <ann@example.org>", self.0.now(), colour, files);
        self.0.tell(Event::SourceChanged { source: "git".into() });
    }

    fn are(&self, colour: &str) -> usize {
        (0..10).filter(|at| self.colour(&format!("m{at}")).as_deref() == Some(colour)).count()
    }

    /// How long an operation takes until three objects are written, and until all are.
    fn rehearse(&mut self, colour: &str) -> (Duration, Duration) {
        self.ten_are(colour);
        let began = self.0.now();
        let times = [3, 10].map(|count| {
            while self.are(colour) < count && self.0.now().since(began) < MINUTE * 9 {
                self.0.pass(Duration::from_millis(100));
            }
            self.0.now().since(began)
        });
        let [some, all] = times;
        assert!(some < all && all < MINUTE * 8, "{some:?}, {all:?}");
        (some, all)
    }

    /// Lets time pass until so long before a quarter past twelve, when the windows close.
    fn pass_until(&mut self, before: Duration) {
        let closes: gitops_core::time::Timestamp = "2026-03-01T12:15:00Z".parse().unwrap();
        let left = closes.since(self.0.now()).checked_sub(before).unwrap();
        self.0.pass(left);
    }

    /// Lets an operation come half way.
    fn half_way(&mut self, colour: &str) {
        for _ in 0..600 {
            if self.are(colour) >= 3 {
                break;
            }
            self.0.pass(Duration::from_millis(100));
        }
        assert!(self.status("shop").operation.is_some(), "{:#?}", self.status("shop"));
    }

    fn sync_by_ann(&mut self) {
        self.0.tell(Event::Wish { app: "shop".into(), wish: Wish::Sync { by: "Ann".into(), request: Box::default() } });
    }
}

#[test]
fn an_application_that_is_suspended_or_denied_meanwhile_is_written_no_further_until_it_may_be() {
    let suspended = application("shop").with_automation(Automation::healing().suspended());
    let denied = application("shop").with_windows(windows(DENIED));
    for application_now in [suspended, denied] {
        let mut world = World::ten("blue");
        world.ten_are("red");
        world.half_way("red");
        world.0.put(application_now);
        // What is under way comes to its end.
        world.pass(1);
        let red = world.are("red");
        assert!((3..=6).contains(&red), "{red}");
        assert!(world.status("shop").operation.is_none(), "{:#?}", world.status("shop"));
        assert_eq!(world.status("shop").history.first().unwrap().phase, Phase::Superseded);
        world.pass(60);
        assert_eq!(world.are("red"), red);
        world.0.put(application("shop"));
        world.pass(5);
        assert_eq!((world.are("red"), world.status("shop").sync), (10, SyncStatus::Synced));
    }
}

#[test]
fn an_operation_is_cut_by_a_window_and_goes_on_after_it_unless_it_may_overrun() {
    for (more, may_overrun) in [("", false), (r#", "syncOverrun": true"#, true)] {
        let mut world = World::ten("blue");
        world.0.put(application("shop").with_windows(hourly(more)));
        let (some, all) = world.rehearse("green");
        world.pass_until((some + all) / 2);
        world.ten_are("red");
        world.half_way("red");
        world.pass(10);
        assert_eq!(world.are("red") == 10, may_overrun, "{}", world.are("red"));
        if !may_overrun {
            assert!(world.news().iter().any(|news| matches!(news, News::Rests { why: Why::Window { .. } })));
        }
        world.pass(30);
        assert_eq!((world.are("red"), world.status("shop").sync), (10, SyncStatus::Synced));
    }
}

#[test]
fn what_a_person_begins_where_windows_let_people_go_on_is_theirs_also_after_a_restart() {
    for crashes in [false, true] {
        let mut world = World::ten("blue");
        world.0.put(application("shop").with_windows(windows(&DENIED.replace('}', r#", "manualSync": true}"#))));
        world.ten_are("red");
        world.pass(5);
        assert_eq!(world.are("red"), 0, "nothing goes by itself");
        world.sync_by_ann();
        world.half_way("red");
        if crashes {
            world.0.crash();
        }
        world.pass(10);
        assert_eq!(world.are("red"), 10, "{crashes}: {:#?}", world.status("shop"));
    }
}

/// What was left of it was forgotten, where nothing is synced by itself.
#[test]
fn what_a_person_asked_for_is_finished_after_the_window_that_cut_it() {
    let mut world = World::ten("blue");
    let (some, all) = world.rehearse("green");
    world.0.put(application("shop").with_automation(Automation::default()).with_windows(hourly("")));
    world.pass_until((some + all) / 2);
    world.ten_are("red");
    // It is read first, else what is asked for is there already.
    world.0.pass(Duration::from_secs(3));
    world.sync_by_ann();
    world.half_way("red");
    world.pass(10);
    assert!(world.are("red") < 10, "{}", world.are("red"));
    world.pass(40);
    assert_eq!((world.are("red"), world.status("shop").sync), (10, SyncStatus::Synced));
    let last = world.status("shop").history.first().unwrap();
    assert_eq!((&*last.initiator, last.phase), ("Ann", Phase::Succeeded));
}
