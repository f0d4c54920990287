//! Decisions, row by row.

use super::*;
use crate::time::Timestamp;

const SHUT_UNTIL: &str = "no allow window is open; the next is window";
const BY_HAND: &str = "but a person may sync in spite of it (`manualSync`)";
const OVERRUN: &str = "but a sync that began before may go on (`syncOverrun`)";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A window of two hours; it is noon.
fn window(kind: Kind, hour: u8) -> Window {
    Window::new(kind, format!("0 {hour} * * *").parse().unwrap(), Duration::from_secs(7200))
}

fn allowing(hour: u8) -> Window {
    window(Kind::Allow, hour)
}

fn denying(hour: u8) -> Window {
    window(Kind::Deny, hour)
}

fn manual(window: Window) -> Window {
    Window { manual_sync: true, ..window }
}

fn overrun(window: Window) -> Window {
    Window { sync_overrun: true, ..window }
}

/// The windows, whether a sync is allowed, by which window, and words of the reason.
type Row<'r> = (Vec<Window>, bool, Option<usize>, &'r [&'r str]);

fn check<const ROWS: usize>(asked: Asked, started: Option<&str>, rows: [Row<'_>; ROWS]) {
    for (windows, allowed, number, words) in rows {
        let permit = Windows::new(windows).decide(asked, at("2026-06-01T12:00:00Z"), started.map(at));
        assert_eq!((permit.allowed, permit.window), (allowed, number), "{}", permit.reason);
        let said = words.iter().all(|words| permit.reason.contains(words));
        assert!(said, "{} does not say {words:?}", permit.reason);
    }
}

#[test]
fn the_engine_syncs_while_no_open_window_denies_and_one_allows_if_any_does() {
    let denied = &["deny window 1 (`0 11 * * *` for 2h, UTC) is open until 2026-06-01T13:00:00Z"][..];
    let allowed = &["allow window 1 (`0 11 * * *` for 2h, UTC) is open until 2026-06-01T13:00:00Z"][..];
    let rows = [
        (vec![], true, None, &["no sync window is set"][..]),
        (vec![denying(15)], true, None, &["no deny window is open"]),
        (vec![denying(11)], false, Some(1), denied),
        (vec![manual(denying(11))], false, Some(1), denied),
        (vec![overrun(denying(11))], false, Some(1), denied),
        (vec![allowing(11)], true, Some(1), allowed),
        (vec![allowing(11), denying(15)], true, Some(1), allowed),
        (vec![allowing(15), allowing(11)], true, Some(2), &["allow window 2 (`0 11 * * *` for 2h, UTC) is open until"]),
        (vec![allowing(11), denying(11)], false, Some(2), &["deny window 2"]),
        (vec![allowing(15)], false, Some(1), &[SHUT_UNTIL, "1 (`0 15 * * *` for 2h, UTC) at 2026-06-01T15:00:00Z"]),
        (vec![allowing(9), allowing(15)], false, Some(2), &[SHUT_UNTIL, "2 (`0 15 * * *` for 2h, UTC)"]),
        (vec![manual(allowing(15))], false, Some(1), &[SHUT_UNTIL]),
        (vec![allowing(12)], true, Some(1), &["is open until 2026-06-01T14:00:00Z"]),
        (vec![denying(10)], true, None, &["no deny window is open"]),
    ];
    check(Asked::Automatically, None, rows);
}

#[test]
fn a_person_syncs_in_spite_of_windows_that_all_say_so() {
    let rows = [
        (vec![denying(11)], false, Some(1), &["deny window 1"][..]),
        (vec![manual(denying(11))], true, Some(1), &["deny window 1", BY_HAND]),
        (vec![manual(denying(11)), denying(11)], false, Some(2), &["deny window 2"]),
        (vec![manual(denying(11)), denying(15)], true, Some(1), &[BY_HAND]),
        (vec![manual(allowing(15))], true, Some(1), &["no allow window is open", BY_HAND]),
        (vec![manual(allowing(15)), allowing(16)], false, Some(1), &[SHUT_UNTIL]),
        (vec![manual(allowing(15)), allowing(11)], true, Some(2), &["allow window 2"]),
        // A window that denies does not open what those that allow keep shut; in Argo CD it does.
        (vec![manual(denying(11)), allowing(15)], false, Some(2), &[SHUT_UNTIL]),
        (vec![manual(denying(11)), manual(allowing(15))], true, Some(1), &["deny window 1", BY_HAND]),
    ];
    check(Asked::ByHand, None, rows);
}

#[test]
fn a_sync_that_began_while_it_was_allowed_may_go_on_if_all_windows_in_its_way_say_so() {
    let early = [
        (vec![denying(11)], false, Some(1), &["deny window 1"][..]),
        (vec![overrun(denying(11))], true, Some(1), &["deny window 1", OVERRUN]),
        (vec![overrun(denying(11)), denying(11)], false, Some(2), &["deny window 2"]),
        (vec![overrun(allowing(9))], true, Some(1), &["no allow window is open", OVERRUN]),
        (vec![overrun(allowing(9)), allowing(15)], false, Some(2), &[SHUT_UNTIL]),
        (vec![overrun(denying(11)), allowing(9)], false, Some(2), &[SHUT_UNTIL]),
        (vec![overrun(denying(11)), overrun(allowing(9))], true, Some(1), &[OVERRUN]),
        // It began while it was not allowed.
        (vec![overrun(denying(10)), overrun(denying(11))], false, Some(2), &["deny window 2"]),
        (vec![overrun(allowing(15))], false, Some(1), &[SHUT_UNTIL]),
    ];
    check(Asked::Automatically, Some("2026-06-01T10:30:00Z"), early);
    // The clock was set back since.
    let late = [(vec![overrun(denying(11))], false, Some(1), &["deny window 1"][..])];
    check(Asked::Automatically, Some("2026-06-01T14:00:00Z"), late);
}
