//! The decision table, row by row.

use std::time::Duration;

use super::*;
use crate::source::RevisionId;
use crate::sync::{Cause, Phase};
use crate::time::Timestamp;

fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH + Duration::from_secs(seconds)
}

fn failed(cause: Cause, tries: u32, finished: u64) -> Option<Attempt> {
    Some(Attempt { phase: Phase::Failed, cause, tries, altogether: tries, finished: at(finished), incomplete: false })
}

fn went_well(finished: u64) -> Option<Attempt> {
    failed(Cause::Passing, 1, finished).map(|attempt| Attempt { phase: Phase::Succeeded, ..attempt })
}

fn denied() -> Permission {
    Permission::Denied { why: "window `night` denies it".into(), until: Some(at(5000)) }
}

/// Decides at 1,000 s about an application whose revision `new` differs from the cluster; the last one was `old`.
fn decided(automation: Automation, change: impl FnOnce(&mut Situation<'_>)) -> String {
    let (wanted, synced) = ([RevisionId::new("new")], [RevisionId::new("old")]);
    let mut seen = Situation::new(&wanted, Drift::Something);
    seen.synced = Some(&synced);
    change(&mut seen);
    match decide(&automation, &seen, at(1000)) {
        Decision::Start { trigger } => format!("start: {trigger}"),
        Decision::Rest { why, until } => match until {
            Some(until) => format!("rest: {}, until {}", why.name(), until.since(Timestamp::EPOCH).as_secs()),
            None => format!("rest: {}", why.name()),
        },
    }
}

/// What is wanted was made true before.
fn was_synced(seen: &mut Situation<'_>) {
    seen.synced = Some(seen.wanted);
    seen.attempt = went_well(10);
}

/// What is wanted was made true, and another application gave away an object of it since.
fn takes_over(seen: &mut Situation<'_>) {
    was_synced(seen);
    seen.takes_over = true;
}

/// What was synced left a deletion undone that somebody approves now.
fn was_approved(seen: &mut Situation<'_>) {
    was_synced(seen);
    seen.approved = true;
}

#[test]
fn every_row_of_the_table_decides_as_it_says() {
    type Change = fn(&mut Situation<'_>);
    let (healing, syncing, off) = (Automation::healing(), Automation::syncing(), Automation::default());
    let rows: [(&str, Automation, Change, &str); 23] = [
        ("a new revision", syncing, |_| {}, "start: a new revision"),
        ("the very first revision", syncing, |seen| seen.synced = None, "start: a new revision"),
        ("suspended", healing.suspended(), |_| {}, "rest: suspended"),
        ("suspended, also for what was begun", healing.suspended(), |seen| seen.begun = true, "rest: suspended"),
        ("asked for", off, |seen| seen.asked = Some("Ann".into()), "start: asked for by Ann"),
        (
            "asked for with nothing to do",
            off,
            |seen| (seen.asked, seen.drift) = (Some("Ann".into()), Drift::None),
            "start: asked for by Ann",
        ),
        (
            "asked for, and a window denies it also to people",
            off,
            |seen| (seen.asked, seen.permission) = (Some("Ann".into()), denied()),
            "rest: window, until 5000",
        ),
        (
            "asked for in the pause after a failure",
            syncing,
            |seen| (seen.asked, seen.attempt) = (Some("Ann".into()), failed(Cause::Refused, 9, 999)),
            "start: asked for by Ann",
        ),
        ("begun", off, |seen| seen.begun = true, "start: was begun before the program stopped"),
        (
            "begun, and a window denies it",
            off,
            |seen| (seen.begun, seen.permission) = (true, denied()),
            "rest: window, until 5000",
        ),
        ("nothing differs", healing, |seen| seen.drift = Drift::None, "rest: inSync"),
        ("nothing can be done", healing, |seen| seen.drift = Drift::OutOfReach, "rest: outOfReach"),
        ("no automatic sync", off, |_| {}, "rest: manual"),
        ("another application is not ready", syncing, |seen| seen.dependency = Some("`db`".into()), "rest: dependency"),
        ("a window denies it", syncing, |seen| seen.permission = denied(), "rest: window, until 5000"),
        (
            "somebody stopped it",
            healing,
            |seen| {
                seen.attempt = went_well(1).map(|attempt| Attempt { phase: Phase::Terminated, ..attempt });
            },
            "rest: terminated",
        ),
        (
            "it failed a moment ago",
            syncing,
            |seen| seen.attempt = failed(Cause::Refused, 2, 999),
            "rest: pause, until 1119",
        ),
        (
            "it failed a while ago",
            syncing,
            |seen| seen.attempt = failed(Cause::Refused, 2, 800),
            "start: try 3 of this revision",
        ),
        ("its hooks failed often enough", syncing, |seen| seen.attempt = failed(Cause::Hook, 5, 1), "rest: givenUp"),
        ("changed on the cluster, and only reported", syncing, was_synced, "rest: driftReported"),
        ("a deletion left undone is approved", syncing, was_approved, "start: somebody approved a deletion"),
        ("changed on the cluster", healing, was_synced, "start: the cluster was changed"),
        (
            "changed again right after a heal",
            healing,
            |seen| {
                was_synced(seen);
                seen.rests_until = Some(at(1060));
            },
            "rest: fought, until 1060",
        ),
    ];
    for (about, automation, change, expected) in rows {
        assert_eq!(decided(automation, change), expected, "{about}");
    }
}

/// Rules 28 and 32 of the exact rules: what one application gave away another one takes, without waiting for a new
/// revision of its own. Argo CD deletes it with the first, and the second makes it anew (2573, 12810).
#[test]
fn what_another_application_gave_away_is_taken_over_where_anything_may_be_done() {
    type Change = fn(&mut Situation<'_>);
    let (healing, syncing, off) = (Automation::healing(), Automation::syncing(), Automation::default());
    let rows: [(&str, Automation, Change, &str); 5] = [
        (
            "another application gave an object away",
            syncing,
            takes_over,
            "start: another application gave away what is declared here",
        ),
        (
            "another application gave an object away, and nothing is synced automatically",
            off,
            takes_over,
            "rest: manual",
        ),
        (
            "another application gave an object away, and a window denies it",
            healing,
            |seen| {
                takes_over(seen);
                seen.permission = denied();
            },
            "rest: window, until 5000",
        ),
        (
            "another application gave an object away, and taking it failed a moment ago",
            healing,
            |seen| {
                takes_over(seen);
                seen.attempt = failed(Cause::Refused, 1, 999);
            },
            "rest: pause, until 1059",
        ),
        (
            "another application gave an object away that is fought over",
            healing,
            |seen| {
                takes_over(seen);
                seen.rests_until = Some(at(1060));
            },
            "start: another application gave away what is declared here",
        ),
    ];
    for (about, automation, change, expected) in rows {
        assert_eq!(decided(automation, change), expected, "{about}");
    }
}

/// Argo CD 18442: a revision that failed once is never tried again, not even by self-heal.
#[test]
fn a_heal_that_failed_is_tried_again() {
    let decision = decided(Automation::healing(), |seen| {
        was_synced(seen);
        seen.attempt = failed(Cause::Passing, 3, 900);
    });
    assert_eq!(decision, "start: try 4 of this revision");
}

/// Argo CD: an operation whose result was lost counts as done.
#[test]
fn an_operation_that_could_not_record_its_end_is_tried_again() {
    let decision = decided(Automation::syncing(), |seen| {
        seen.attempt = went_well(990).map(|attempt| Attempt { phase: Phase::Error, ..attempt });
    });
    assert_eq!(decision, "start: try 2 of this revision");
}

#[test]
fn what_failed_at_a_time_that_the_clock_set_back_since_does_not_know_yet_is_tried_again() {
    let decision = decided(Automation::syncing(), |seen| seen.attempt = failed(Cause::Refused, 2, 90_000));
    assert_eq!(decision, "start: try 3 of this revision");
}

/// What failed, newest first, and who started it.
fn history(failures: &[(Option<Cause>, u32, &str)]) -> Vec<crate::sync::HistoryEntry> {
    let entry = |(cause, attempts, initiator): &(Option<Cause>, u32, &str)| {
        let phase = if cause.is_some() { "Failed" } else { "Succeeded" };
        let mut entry: crate::sync::HistoryEntry = serde_json::from_value(serde_json::json!({
            "number": 1, "operation": "o", "revisions": [{"id": "new", "target": "main"}], "initiator": initiator,
            "started": "2026-03-01T12:00:00Z", "finished": "2026-03-01T12:00:00Z",
            "plan": crate::value::Hasher::new(crate::value::Purpose::Identity).finish(), "phase": phase, "message": "",
        }))
        .unwrap();
        (entry.cause, entry.attempts) = (*cause, *attempts);
        entry
    };
    failures.iter().map(entry).collect()
}

#[test]
fn tries_count_by_their_cause_and_altogether_since_somebody_asked_or_it_went_well() {
    let (hook, passing) = (Some(Cause::Hook), Some(Cause::Passing));
    for (failures, expected) in [
        (&[(hook, 3, AUTOMATIC)][..], (3, 3)),
        (&[(hook, 3, AUTOMATIC), (passing, 2, AUTOMATIC)], (3, 5)),
        (&[(passing, 1, AUTOMATIC), (hook, 4, AUTOMATIC), (passing, 2, AUTOMATIC)], (3, 7)),
        (&[(hook, 1, AUTOMATIC), (hook, 1, "Ann"), (hook, 9, AUTOMATIC)], (2, 2)),
        (&[(hook, 1, "Ann"), (hook, 9, AUTOMATIC)], (1, 1)),
        (&[(hook, 1, HEALING), (None, 1, AUTOMATIC), (hook, 9, AUTOMATIC)], (1, 1)),
    ] {
        let attempt = Attempt::last(&history(failures), &[RevisionId::new("new")]).unwrap();
        assert_eq!((attempt.tries, attempt.altogether), expected, "{failures:?}");
    }
}

#[test]
fn a_limit_counts_tries_whatever_they_failed_for() {
    let retry = Retry { limit: Some(4), ..Retry::default() };
    for (altogether, expected) in [(3, "start: try 4 of this revision"), (4, "rest: givenUp")] {
        let decision = decided(Automation::syncing().with_retry(retry), |seen| {
            seen.attempt = failed(Cause::Passing, 1, 1).map(|attempt| Attempt { altogether, ..attempt });
        });
        assert_eq!(decision, expected);
    }
}

/// What was held back is declared and not there: that is no change on the cluster.
#[test]
fn what_was_held_back_is_done_once_it_can_be_and_not_in_a_tight_loop() {
    for (finished, tries, expected) in [
        (990, 1, "start: a new revision"),
        (996, 1, "rest: heldBack, until 1001"),
        (990, 2, "start: a new revision"),
        (900, 6, "rest: heldBack, until 1060"),
        // Written by a clock that was wrong.
        (5000, 1, "start: a new revision"),
    ] {
        let decision = decided(Automation::syncing(), |seen| {
            seen.attempt = went_well(finished).map(|attempt| Attempt { tries, incomplete: true, ..attempt });
        });
        assert_eq!(decision, expected, "{finished} {tries}");
    }
}

/// An application of which something is held back for good is healed no sooner than others, and by nobody unasked.
#[test]
fn what_was_changed_on_the_cluster_is_a_change_also_where_something_is_held_back() {
    for (automation, rests_until, expected) in [
        (Automation::syncing(), None, "rest: driftReported"),
        (Automation::healing(), None, "start: the cluster was changed"),
        (Automation::healing(), Some(at(1060)), "rest: fought, until 1060"),
    ] {
        let decision = decided(automation, |seen| {
            seen.attempt = went_well(900).map(|attempt| Attempt { incomplete: true, ..attempt });
            (seen.only_drift, seen.rests_until) = (true, rests_until);
        });
        assert_eq!(decision, expected);
    }
}

/// Argo CD 11494 and 17254: retries of a revision that fails keep the newer one waiting that mends it.
#[test]
fn a_newer_revision_does_not_wait_for_retries_of_an_older_one() {
    let failed = history(&[(Some(Cause::Refused), 7, AUTOMATIC)]);
    let (old, newer) = ([RevisionId::new("new")], [RevisionId::new("newer")]);
    assert_eq!(Attempt::last(&failed, &old).map(|attempt| attempt.tries), Some(7));
    assert_eq!(Attempt::last(&failed, &newer), None);
    let decision = decided(Automation::syncing(), |seen| seen.attempt = Attempt::last(&failed, &newer));
    assert_eq!(decision, "start: a new revision");
}

/// Argo CD: what could not be read makes an application `Unknown`, which is never synced, nor taken for in sync.
#[test]
fn what_cannot_be_read_starts_nothing_but_what_somebody_asks_for() {
    for (asked, expected) in [(None, "rest: outOfReach"), (Some("Ann".into()), "start: asked for by Ann")] {
        let decision = decided(Automation::healing(), |seen| (seen.drift, seen.asked) = (Drift::OutOfReach, asked));
        assert_eq!(decision, expected);
    }
}
