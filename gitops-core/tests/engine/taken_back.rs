//! Revisions that did not come true and are taken back, and what failed once.

use gitops_core::automation::Retry;

use super::*;

impl World {
    fn key_of(name: &str) -> ResourceKey {
        ResourceKey::new("", "ConfigMap", "default", name)
    }

    fn take_back(&mut self, to: &RevisionId) {
        assert!(self.0.source.reset(to));
        self.0.tell(Event::SourceChanged { source: "git".into() });
    }

    /// Commits a revision of which only the first of two objects can be written.
    fn half_apply(&mut self, colour: &str) {
        self.0.denied.insert(Self::key_of("zoo"));
        let (one, two) = (map("web", colour), map("zoo", colour));
        let files = [("web.yaml", Some(&*one)), ("zoo.yaml", Some(&*two))];
        self.0.source.commit("Ann <ann@example.org>", self.0.now(), colour, files);
        self.0.tell(Event::SourceChanged { source: "git".into() });
    }
}

/// That is no change on the cluster: we wrote it.
#[test]
fn what_is_half_applied_of_a_revision_that_is_taken_back_is_put_right_though_changes_are_only_reported() {
    for crashes in [false, true] {
        let mut world = World::new(41);
        world.0.put(application("shop").with_automation(Automation::syncing()));
        world.half_apply("blue");
        world.0.denied.clear();
        world.pass(40);
        let good = world.status("shop").synced.clone().unwrap().remove(0);
        world.half_apply("red");
        if crashes {
            world.0.slow.insert(("effect", "cluster".into()), Duration::from_secs(2));
            while world.colour("web").as_deref() == Some("blue") {
                world.0.pass(Duration::from_millis(100));
            }
            world.0.crash();
            world.0.slow.clear();
        } else {
            world.pass(3);
            assert_eq!(world.status("shop").history.first().unwrap().phase, Phase::Failed);
        }
        assert_eq!(world.colour("web").as_deref(), Some("red"));
        world.take_back(&good);
        world.pass(3);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{crashes}: {:#?}", world.status("shop"));
        assert_eq!(world.status("shop").sync, SyncStatus::Synced);
        // From now on it is.
        world.paint("web", "green", "kubectl-edit");
        world.pass(10);
        assert_eq!(world.colour("web").as_deref(), Some("green"));
    }
}

/// Argo CD counts on, so that self-heal ends for good (issue 18442).
#[test]
fn a_heal_that_failed_counts_no_more_once_everything_was_in_sync() {
    for limit in [Some(2), None] {
        let mut world = World::new(42);
        let mut retry = Retry::default();
        retry.limit = limit;
        world.0.put(application("shop").with_automation(Automation::healing().with_retry(retry)));
        world.commit("web", "blue");
        world.pass(5);
        world.0.denied.insert(World::key_of("web"));
        world.paint("web", "red", "kubectl-edit");
        world.pass(6 * 60);
        assert_eq!(world.colour("web").as_deref(), Some("red"));
        if limit.is_some() {
            let decision = world.status("shop").decision.clone().unwrap().decision;
            assert!(matches!(decision, Decision::Rest { why: Why::GivenUp { .. }, .. }), "{decision:?}");
        }
        world.0.denied.clear();
        world.paint("web", "blue", "kubectl-edit");
        world.pass(2);
        assert_eq!(world.status("shop").sync, SyncStatus::Synced);
        let failed = |found: &gitops_core::engine::Condition| found.kind == ConditionKind::SyncFailed;
        assert!(!world.status("shop").conditions.iter().any(failed), "{:#?}", world.status("shop"));
        world.paint("web", "red", "kubectl-edit");
        world.pass(5);
        assert_eq!(world.colour("web").as_deref(), Some("blue"), "{limit:?}: {:#?}", world.status("shop"));
    }
}

/// What it depends on was in sync, at the revision before.
#[test]
fn who_depends_on_an_application_waits_for_each_of_its_revisions() {
    let mut world = World::new(43);
    world.0.put(handover::of_folder("a"));
    world.0.put(handover::of_folder("c").after("a"));
    let files = |colour: &str| [("a/x.yaml", map("of-a", colour)), ("c/x.yaml", map("of-c", colour))];
    for (at, colour) in ["blue", "red", "green", "white"].into_iter().enumerate() {
        if colour == "white" {
            world.0.denied.insert(World::key_of("of-a"));
        }
        // It takes long to read what it depends on.
        world.0.slow.insert(("load", "a".into()), Duration::from_secs(if at % 2 == 1 { 20 } else { 0 }));
        world.0.take_writes();
        let files = files(colour);
        let files = files.iter().map(|(path, text)| (*path, Some(&**text)));
        world.0.source.commit("Ann <ann@example.org>", world.0.now(), colour, files);
        world.0.tell(Event::SourceChanged { source: "git".into() });
        world.pass(3);
        if colour == "white" {
            assert_eq!(world.colour("of-c").as_deref(), Some("green"), "{:#?}", world.status("c"));
            break;
        }
        let written = world.0.take_writes();
        let first = |name: &str| written.iter().position(|done| &*done.write.key.name == name).unwrap();
        assert!(first("of-a") < first("of-c"), "{colour}");
        assert_eq!(world.colour("of-c").as_deref(), Some(colour));
    }
}
