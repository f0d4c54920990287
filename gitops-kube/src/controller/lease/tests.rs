//! Replicas in virtual time, over a lease that lives in a variable.

use gitops_core::cluster::{Cluster, Interest, Verb};
use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
use gitops_core::state::Live;

use super::*;

/// Replicas, and the cluster that keeps their lease.
struct Town {
    cluster: MemoryCluster,
    now: Moment,
    replicas: Vec<Election>,
    /// Who is frozen, and whose requests are lost.
    frozen: Vec<usize>,
    away: Vec<usize>,
}

impl Town {
    fn of(replicas: usize) -> Self {
        let start: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let cluster = MemoryCluster::new(1, VirtualTime::starting(start));
        let replicas =
            (0..replicas).map(|at| Election::new("default", "gitops", &format!("r{at}"), Terms::default())).collect();
        Self { cluster, now: Moment { steady: Duration::ZERO, wall: start }, replicas, frozen: vec![], away: vec![] }
    }

    /// Lets time pass, in steps of 100 ms, each with all that is due. Never do two hold it.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            for at in 0..self.replicas.len() {
                if !self.frozen.contains(&at) {
                    self.act(at);
                }
                assert!(self.leaders().len() <= 1, "two lead: {:?}", self.leaders());
            }
            self.now = self.now.after(Duration::from_millis(100));
        }
    }

    fn act(&mut self, at: usize) {
        for _ in 0..4 {
            let (now, is_away) = (self.now, self.away.contains(&at));
            let lost = || ClusterError::new(Failure::Unavailable { message: "away".into() });
            match self.replicas[at].next(now) {
                Step::Wait(_) => return,
                Step::Look(key) if !is_away => {
                    let lease = self.lease(&key);
                    self.replicas[at].looked(Ok(lease), now);
                }
                Step::Look(_) => self.replicas[at].looked(Err(lost()), now),
                Step::Write(_) if is_away => self.replicas[at].wrote(Err(lost()), now),
                Step::Write(write) => {
                    let result = ready(self.cluster.write(&write)).unwrap();
                    self.replicas[at].wrote(result, now);
                }
            }
        }
    }

    fn lease(&self, key: &ResourceKey) -> Option<Resource> {
        let seen = ready(self.cluster.observe(&Interest::in_objects([key.clone()]))).unwrap().unwrap();
        match seen.live.get(key) {
            Live::Present(lease) => Some(lease.clone()),
            _ => None,
        }
    }

    fn leaders(&self) -> Vec<usize> {
        (0..self.replicas.len()).filter(|at| self.replicas[*at].holds(self.now)).collect()
    }
}

#[test]
fn one_of_several_leads_and_goes_on_for_as_long_as_it_renews() {
    let mut town = Town::of(3);
    town.pass(1);
    assert_eq!(town.leaders(), [0]);
    town.pass(600);
    assert_eq!(town.leaders(), [0]);
    let lease = town.lease(&town.replicas[0].key.clone()).unwrap();
    let spec = lease.tree().get("spec").unwrap();
    assert_eq!(spec.get("leaseTransitions").and_then(ValueRef::as_i64), Some(0));
    assert_eq!(spec.get("acquireTime").and_then(ValueRef::as_str), Some("2026-03-01T12:00:00.000000Z"));
}

#[test]
fn another_one_leads_after_a_leader_was_killed_and_not_before_the_lease_has_ended() {
    let mut town = Town::of(2);
    town.pass(5);
    town.frozen.push(0);
    town.pass(12);
    assert!(!town.replicas[1].holds(town.now), "the lease still lasts");
    town.pass(6);
    assert_eq!(town.leaders(), [1]);
}

#[test]
fn a_leader_that_was_frozen_does_not_hold_the_lease_when_it_wakes() {
    let mut town = Town::of(2);
    town.pass(5);
    town.frozen.push(0);
    town.pass(60);
    assert_eq!(town.leaders(), [1], "and the frozen one does not, before it does anything");
    town.frozen.clear();
    town.pass(60);
    assert_eq!(town.leaders(), [1], "it waits like the others");
}

#[test]
fn a_leader_whose_machine_slept_goes_by_the_clock_on_the_wall() {
    let mut town = Town::of(1);
    town.pass(5);
    assert!(town.replicas[0].holds(town.now));
    let slept = Moment { steady: town.now.steady, wall: town.now.wall + Duration::from_secs(60) };
    assert!(!town.replicas[0].holds(slept));
}

#[test]
fn a_clock_that_is_set_back_neither_prolongs_a_lease_nor_holds_up_a_renewal() {
    let mut town = Town::of(2);
    town.pass(5);
    town.now.wall = "2026-03-01T11:00:00Z".parse().unwrap();
    town.pass(30);
    assert_eq!(town.leaders(), [0]);
    town.away.push(0);
    town.pass(11);
    assert!(town.leaders().is_empty());
    town.pass(10);
    assert_eq!(town.leaders(), [1]);
}

#[test]
fn a_clock_that_jumps_ahead_takes_no_lease_from_another() {
    let mut town = Town::of(2);
    town.pass(5);
    let ahead = Moment { steady: town.now.steady, wall: town.now.wall + Duration::from_secs(7200) };
    let before = town.replicas[1].clone();
    town.replicas[1].due = Duration::ZERO;
    assert!(matches!(town.replicas[1].next(ahead), Step::Look(_)));
    let lease = town.lease(&before.key);
    town.replicas[1].looked(Ok(lease), ahead);
    assert!(!matches!(town.replicas[1].next(ahead), Step::Write(_)));
}

#[test]
fn a_leader_that_cannot_reach_the_server_stops_before_another_begins() {
    let mut town = Town::of(2);
    town.pass(5);
    town.away.push(0);
    town.pass(8);
    assert_eq!(town.leaders(), [0], "its time is not over");
    town.pass(3);
    assert!(town.leaders().is_empty());
    town.pass(8);
    assert_eq!(town.leaders(), [1]);
    town.away.clear();
    town.pass(60);
    assert_eq!(town.leaders(), [1]);
}

#[test]
fn a_lease_that_is_given_back_is_taken_at_the_next_look() {
    let mut town = Town::of(2);
    town.pass(5);
    let now = town.now;
    let write = town.replicas[0].release(now).unwrap();
    assert!(!town.replicas[0].holds(now), "nothing is written from here on");
    ready(town.cluster.write(&write)).unwrap().unwrap();
    town.frozen.push(0);
    town.pass(3);
    assert_eq!(town.leaders(), [1]);
    assert!(town.replicas[0].release(now).is_none(), "it is given back once");
}

#[test]
fn a_lease_that_somebody_deleted_or_labelled_goes_to_one_replica_all_the_same() {
    let mut town = Town::of(2);
    town.pass(5);
    let key = town.replicas[0].key.clone();
    let label = PatchStep::Set(
        FieldPath::fields(&["metadata", "labels", "team"]),
        gitops_core::value::Value::from_serialize(&"a").unwrap(),
    );
    ready(town.cluster.write(&Write::patch(&key, "v1", vec![label], "kubectl"))).unwrap().unwrap();
    town.pass(5);
    assert_eq!(town.leaders(), [0]);
    assert_eq!(town.lease(&key).unwrap().label("team"), Some("a"), "what others wrote stays");
    ready(town.cluster.write(&Write::delete(&key, "v1", gitops_core::resource::Propagation::Background)))
        .unwrap()
        .unwrap();
    // The one that waits sees first that it is gone, and the leader not at all for a while.
    town.away.push(0);
    town.pass(7);
    assert_eq!(town.leaders(), [0]);
    town.pass(13);
    assert_eq!(town.leaders(), [1]);
}

#[test]
fn each_write_names_the_lease_that_was_seen() {
    let mut town = Town::of(1);
    town.pass(1);
    town.replicas[0].due = Duration::ZERO;
    let Step::Write(write) = town.replicas[0].next(town.now) else { panic!("it is to be renewed") };
    assert!(matches!(write.verb, Verb::Patch { .. }));
    assert!(matches!(write.guard, Guard::Present { version: Some(_), .. }), "{:?}", write.guard);
}
