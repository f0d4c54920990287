//! Windows against a simulation that looks at a wall clock every minute.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{Asked, Kind, Schedule, Window, Windows, Zone};
use crate::time::Timestamp;

const MINUTE: i64 = 60_000;
const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"];

/// Around the changes of clocks in 2026, and any day.
fn day() -> impl Strategy<Value = i64> {
    let changes = ["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01", "2028-02-28"];
    let changes: Vec<i64> =
        changes.iter().map(|day| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap().millis()).collect();
    prop_oneof![3 => prop::sample::select(changes), 1 => (0_i64..20_000).prop_map(|day| day * 86_400_000)]
}

fn schedule() -> impl Strategy<Value = String> {
    let minute = prop::sample::select(vec!["0", "30", "*/15", "*", "10-20", "59", "7/20"]);
    let hour = prop::sample::select(vec!["*", "0", "1", "2", "3", "23", "*/6", "1-3", "22-23"]);
    let day = prop::sample::select(vec!["*", "*", "*", "1", "25", "29", "?", "*/2"]);
    let month = prop::sample::select(vec!["*", "*", "3-11", "oct", "2"]);
    let weekday = prop::sample::select(vec!["*", "*", "sun", "mon-fri", "0,6", "*/3"]);
    (minute, hour, day, month, weekday).prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

fn window() -> impl Strategy<Value = Window> {
    let kind = prop::sample::select(vec![Kind::Allow, Kind::Deny]);
    let minutes = prop::sample::select(vec![0_u64, 1, 7, 30, 60, 90, 120, 600, 1440, 2000]);
    (kind, schedule(), minutes, prop::sample::select(ZONES.to_vec()), any::<(bool, bool)>()).prop_map(
        |(kind, schedule, minutes, zone, (manual_sync, sync_overrun))| {
            let schedule = schedule.parse::<Schedule>().unwrap();
            let window = Window::new(kind, schedule, Duration::from_secs(minutes * 60));
            Window { time_zone: zone.parse().unwrap(), manual_sync, sync_overrun, ..window }
        },
    )
}

/// The minutes of some days at which a window is open: an opening at each minute that the wall clock shows and the
/// schedule names, and where the clock skips one.
fn open_minutes(window: &Window, from: i64, days: i64) -> BTreeSet<i64> {
    let length = i64::try_from(window.duration.as_millis()).unwrap();
    let mut open = BTreeSet::new();
    let mut last_wall = None;
    let first = from - length - 86_400_000;
    let mut at = first.div_euclid(MINUTE) * MINUTE;
    while at < from + days * 86_400_000 {
        let wall = at / 1000 + window.time_zone.stretch(at.div_euclid(1000)).offset;
        let skipped = last_wall.filter(|last| last + 60 < wall).map_or(wall, |last| last + 60);
        last_wall = Some(wall);
        if (skipped..=wall).step_by(60).any(|wall| names(window.schedule.as_str(), wall)) {
            open.extend((at..at + length).step_by(60_000));
        }
        at += MINUTE;
    }
    open
}

/// Whether a schedule names a minute, read the slow way.
fn names(schedule: &str, wall: i64) -> bool {
    let text = Timestamp::from_millis(wall * 1000).to_string();
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let weekday = (wall.div_euclid(86_400) + 4).rem_euclid(7);
    let now = [number(14, 16), number(11, 13), number(8, 10), number(5, 7), weekday];
    let fields: Vec<&str> = schedule.split(' ').collect();
    let fits: Vec<bool> =
        fields.iter().zip(now).enumerate().map(|(place, (field, now))| fits(field, now, place)).collect();
    let days = if fields[2..].iter().step_by(2).any(|field| matches!(*field, "*" | "?")) {
        fits[2] && fits[4]
    } else {
        fits[2] || fits[4]
    };
    fits[0] && fits[1] && fits[3] && days
}

fn fits(field: &str, now: i64, place: usize) -> bool {
    let (low, high) = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)][place];
    let number = |text: &str| match text {
        "sun" => 0,
        "mon" => 1,
        "fri" => 5,
        "oct" => 10,
        text => text.parse().unwrap(),
    };
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(number(step))));
        let (low, high) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (low, high),
            Some((low, high)) => (number(low), number(high)),
            None => (number(range), if step.is_some() { high } else { number(range) }),
        };
        (low..=high).contains(&now) && (now - low) % step.unwrap_or(1) == 0
    })
}

/// What the rules of Argo CD say of windows of which it is known which are open.
fn allowed(windows: &[(Window, bool)], asked: Asked, overruns: bool) -> bool {
    let spared = |group: &[&Window]| {
        asked == Asked::ByHand && group.iter().all(|window| window.manual_sync)
            || overruns && group.iter().all(|window| window.sync_overrun)
    };
    let of = |kind, open: bool| -> Vec<&Window> {
        windows.iter().filter(|(window, is_open)| window.kind == kind && *is_open == open).map(|one| &one.0).collect()
    };
    let shut = of(Kind::Allow, false);
    let shut = if of(Kind::Allow, true).is_empty() { shut } else { Vec::new() };
    spared(&of(Kind::Deny, true)) && spared(&shut)
        || [of(Kind::Deny, true), shut].iter().all(|group| group.is_empty() || spared(group))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_window_is_open_when_a_simulation_by_the_minute_says_so(window in window(), from in day()) {
        let open = open_minutes(&window, from, 1);
        let mut minute = from;
        while minute < from + 86_400_000 {
            let at = Timestamp::from_millis(minute);
            prop_assert_eq!(window.is_open(at), open.contains(&minute), "{} at {}", window, at);
            prop_assert_eq!(window.is_open(at + Duration::from_millis(59_999)), open.contains(&minute));
            minute += MINUTE;
        }
    }

    #[test]
    fn a_decision_follows_from_which_windows_are_open_and_lasts_until_its_next_change(
        windows in prop::collection::vec(window(), 0..4),
        from in day(),
        asked in prop::sample::select(vec![Asked::Automatically, Asked::ByHand]),
        started in prop::option::of(0_i64..1440),
    ) {
        let open: Vec<BTreeSet<i64>> = windows.iter().map(|window| open_minutes(window, from, 1)).collect();
        let at = |minute: i64| -> Vec<(Window, bool)> {
            windows.iter().cloned().zip(open.iter().map(|open| open.contains(&minute))).collect()
        };
        let all = Windows::new(windows.clone());
        let started = started.map(|minute| from + minute * MINUTE);
        let (mut lasts, mut before) = (None, None);
        for minute in (from..from + 86_400_000).step_by(60_000) {
            let overruns = started.is_some_and(|started| started <= minute && allowed(&at(started), asked, false));
            let permit = all.decide(asked, Timestamp::from_millis(minute), started.map(Timestamp::from_millis));
            prop_assert_eq!(permit.allowed, allowed(&at(minute), asked, overruns), "{}", permit.reason);
            if started.is_none_or(|started| started != minute) {
                let changed = before.is_some_and(|before| before != permit.allowed);
                prop_assert!(!changed || lasts.is_some_and(|lasts| lasts <= minute), "{} {:?}", permit.reason, lasts);
            }
            prop_assert!(permit.next_change.is_none_or(|next| next.millis() > minute));
            (lasts, before) = (permit.next_change.map(Timestamp::millis), Some(permit.allowed));
        }
    }

    #[test]
    fn no_instant_is_too_far_away(window in window(), at in any::<i64>(), length in any::<u64>()) {
        let window = Window { duration: Duration::from_millis(length), ..window };
        let at = Timestamp::from_millis(at);
        for change in [window.next_opening(at), window.next_change(at)].into_iter().flatten() {
            prop_assert!(change > at || at.millis() < -62_135_596_800_000, "{} {}", change, at);
        }
        let permit = Windows::new([window.clone()]).decide(Asked::Automatically, at, Some(at));
        prop_assert_eq!(permit.allowed, window.is_open(at) == (window.kind == Kind::Allow));
    }

    #[test]
    fn a_schedule_is_read_or_refused_and_never_more(text in "[0-9*?/,@A-Za-z \\-é]{0,24}") {
        if let Ok(schedule) = text.parse::<Schedule>() {
            prop_assert_eq!(schedule.to_string().parse::<Schedule>().unwrap(), schedule.clone());
            let window = Window::new(Kind::Deny, schedule, Duration::from_secs(60));
            prop_assert!(window.next_opening(Timestamp::EPOCH).is_some(), "every schedule opens some day");
        }
    }
}

#[test]
fn the_simulation_knows_zones_of_which_clocks_are_changed() {
    let changes = |zone: &str| zone.parse::<Zone>().unwrap().stretch(1_780_000_000).until.is_some();
    assert_eq!(ZONES.map(changes), [false, true, true, true, false, true]);
}
