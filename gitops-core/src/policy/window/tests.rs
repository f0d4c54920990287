use super::*;
use crate::time::Timestamp;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(kind: Kind, schedule: &str, length: &str, zone: &str) -> Window {
    let window = Window::new(kind, schedule.parse().unwrap(), duration::parse(length).unwrap());
    Window { time_zone: zone.parse().unwrap(), ..window }
}

fn openings(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let window = window(Kind::Allow, schedule, "1m", zone);
    let next = std::iter::successors(Some(at(after)), |at| window.next_opening(*at));
    next.skip(1).take(count).map(|at| at.to_string()).collect()
}

#[test]
fn a_schedule_is_read_as_robfig_reads_it() {
    for (schedule, after, next) in [
        ("* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01:00Z"),
        ("*/15 * * * *", "2026-01-01T00:01:00Z", "2026-01-01T00:15:00Z"),
        ("5/20 * * * *", "2026-01-01T00:26:00Z", "2026-01-01T00:45:00Z"),
        ("10-20/5 3 * * *", "2026-01-01T03:10:00Z", "2026-01-01T03:15:00Z"),
        ("0 0 ? * ?", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 * * MON-fri", "2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z"),
        ("0 0 1 JAN *", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        // Either kind of day is enough where both are given; a step above one is given, also from `*`.
        ("0 0 13 * fri", "2026-02-07T00:00:00Z", "2026-02-13T00:00:00Z"),
        ("0 0 14 * fri", "2026-02-13T00:00:00Z", "2026-02-14T00:00:00Z"),
        ("0 0 */10 * sat", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
        ("0 0 */1 * sat", "2026-01-03T00:00:00Z", "2026-01-10T00:00:00Z"),
        // Leap years.
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("0 0 30 2 mon", "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"),
        ("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("@annually", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("  0   5\t* * *  ", "2026-01-01T00:00:00Z", "2026-01-01T05:00:00Z"),
        ("0 0 1,15,31 * *", "2026-04-15T00:00:00Z", "2026-05-01T00:00:00Z"),
    ] {
        assert_eq!(openings(schedule, "UTC", after, 1), [next], "{schedule}");
    }
}

#[test]
fn a_schedule_that_cannot_be_read_says_where_and_what_to_do() {
    for (schedule, error) in [
        (
            "",
            "column 1: the minute is missing; give minute, hour, day of month, month and day of week, such as `0 22 * * mon-fri`",
        ),
        (
            "0 22 * *",
            "column 9: the day of week is missing; give minute, hour, day of month, month and day of week, such as `0 22 * * mon-fri`",
        ),
        (
            "0 0 22 * * *",
            "column 12: there are more than five fields; give minute, hour, day of month, month and day of week, such as `0 22 * * mon-fri`",
        ),
        ("60 * * * *", "column 1: `60` is no minute; use 0 to 59"),
        ("0 0 0 * *", "column 5: `0` is no day of month; use 1 to 31"),
        ("0 0 * foo *", "column 7: `foo` is no month; use 1 to 12, or `jan` to `dec`"),
        ("0 0 * * 7", "column 9: `7` is no day of week; use 0 to 6, or `sun` to `sat`; Sunday is 0"),
        ("0 18-8 * * *", "column 3: `18-8` ends before it begins; write it as two ranges with a comma between them"),
        ("0 0-5-9 * * *", "column 5: `5-9` is no hour; use 0 to 23"),
        ("*/0 * * * *", "column 3: `0` is no step; use a number above 0, such as `*/15`"),
        ("*/5/5 * * * *", "column 1: `*/5/5` has more than one step; write a range as `8-18/2`"),
        ("1,,2 * * * *", "column 3: `` is no minute; use 0 to 59"),
        ("*-5 * * * *", "column 1: `*` is no minute; use 0 to 59"),
        ("0 0 30 feb *", "column 1: no day of any year fits it; give a day that the month has"),
        ("0 0 31 4,6,9,11 *", "column 1: no day of any year fits it; give a day that the month has"),
        (
            "@every 1h",
            "column 1: `@every` counts from the start of the program, so that nobody knows when the window opens; use steps, such as `*/15 * * * *`",
        ),
        (
            "@reboot",
            "column 1: there is no `@reboot`; use `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`, or five fields",
        ),
        ("TZ=UTC 0 0 * * *", "column 1: a time zone has a place of its own; set it as `timeZone` of the window"),
        ("é * * * *", "column 1: `é` is no minute; use 0 to 59"),
        ("0 é, * * *", "column 3: `é` is no hour; use 0 to 23"),
    ] {
        let found = schedule.parse::<Schedule>().unwrap_err();
        assert_eq!(format!("column {}: {}; {}", found.column, found.what, found.hint), error, "{schedule}");
    }
}

#[test]
fn an_opening_that_the_clock_skips_is_at_the_change_and_one_that_it_shows_twice_is_two() {
    for (zone, schedule, after, next) in [
        // 02:00 becomes 03:00 at 01:00 UTC.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("Europe/Berlin", "0 3 * * *", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]),
        // 03:00 becomes 02:00 at 01:00 UTC.
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]),
        ("Europe/Berlin", "0 3 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"]),
        // The clock never shows 03:00 of summer: at that instant it is 02:00 again.
        ("Europe/Berlin", "0 2 * * *", "2026-10-24T12:00:00Z", ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00:00Z", ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]),
        ("America/New_York", "15,45 2 * * *", "2026-03-07T12:00:00Z", ["2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"]),
        // By half an hour.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00Z", ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"]),
        // At midnight: the day begins at 01:00.
        ("Africa/Cairo", "0 0 * * fri", "2026-04-20T00:00:00Z", ["2026-04-23T22:00:00Z", "2026-04-30T21:00:00Z"]),
        // A whole day was skipped.
        ("Pacific/Apia", "0 12 30 12 *", "2011-12-01T00:00:00Z", ["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"]),
        // Never, and by odd amounts.
        ("Asia/Kathmandu", "0 0 * * *", "2026-01-01T00:00:00Z", ["2026-01-01T18:15:00Z", "2026-01-02T18:15:00Z"]),
        ("Africa/Monrovia", "0 0 * * *", "1900-01-01T00:00:00Z", ["1900-01-01T00:43:08Z", "1900-01-02T00:43:08Z"]),
    ] {
        assert_eq!(openings(schedule, zone, after, 2), next, "{zone} {schedule} after {after}");
    }
}

#[test]
fn the_offset_is_that_of_the_opening_and_the_duration_that_of_a_stop_watch() {
    // 17:00 in Berlin is 16:00 UTC before the change of 29 March, and 15:00 UTC after it.
    let weekend = window(Kind::Deny, "0 17 * * fri", "63h", "Europe/Berlin");
    for (time, open) in [
        ("2026-03-27T15:59:59.999Z", false),
        ("2026-03-27T16:00:00Z", true),
        ("2026-03-30T06:59:59.999Z", true),
        ("2026-03-30T07:00:00Z", false),
        ("2026-04-03T15:00:00Z", true),
        // Across midnight of the new year, and of a leap day.
        ("2027-01-01T23:30:00Z", true),
    ] {
        assert_eq!(weekend.is_open(at(time)), open, "{time}");
    }
    let night = window(Kind::Deny, "0 22 * * *", "8h", "Europe/Berlin");
    for (day, end) in [("2026-06-01", "04:00:00"), ("2026-03-29", "05:00:00"), ("2026-10-25", "04:00:00")] {
        assert_eq!(night.next_change(at(&format!("{day}T01:30:00Z"))), Some(at(&format!("{day}T{end}Z"))), "{day}");
    }
}

#[test]
fn openings_that_overlap_are_one_and_long_ones_never_end() {
    let now = at("2026-06-01T12:00:00Z");
    for (schedule, length, open, change) in [
        ("0 * * * *", "1h", true, Some("2026-06-04T05:00:00Z")),
        ("0 8-12 * * *", "1h", true, Some("2026-06-01T13:00:00Z")),
        ("0 8-13 * * *", "90m", true, Some("2026-06-01T14:30:00Z")),
        ("0 12 * * *", "0s", false, None),
        ("0 12 * * *", "999us", false, None),
        ("0 12 * * *", "1ms", true, Some("2026-06-01T12:00:00.001Z")),
        ("0 0 29 2 *", "8760h", false, Some("2028-02-29T00:00:00Z")),
        ("0 0 29 2 *", "35100h", true, Some("2100-03-02T12:00:00Z")),
        ("0 0 29 2 *", "2562047h", true, None),
    ] {
        let window = window(Kind::Allow, schedule, length, "UTC");
        let found = window.next_change(now).map(|at| at.to_string());
        assert_eq!((window.is_open(now), found), (open, change.map(str::to_owned)), "{schedule} {length}");
    }
}

#[test]
fn a_window_is_for_what_it_names() {
    let globs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Glob>>();
    let placed = Placed { application: "shop-web", namespace: "shop", server: "https://prod.example.org", cluster: "" };
    for (applications, namespaces, clusters, either, both) in [
        (&[][..], &[][..], &[][..], false, false),
        (&["*"], &[], &[], true, true),
        (&["shop-*"], &["other"], &[], true, false),
        (&["other"], &["shop"], &[], true, false),
        (&["shop-*"], &["sh?p"], &["https://*.example.org"], true, true),
        (&["other"], &["other"], &["*"], true, false),
        (&[], &[], &["in-cluster"], false, false),
        (&[], &["shop"], &["*"], true, true),
    ] {
        let window = Window {
            applications: globs(applications),
            namespaces: globs(namespaces),
            clusters: globs(clusters),
            ..window(Kind::Deny, "@daily", "1h", "UTC")
        };
        let found = (window.is_for(&placed), Window { and_operator: true, ..window }.is_for(&placed));
        assert_eq!(found, (either, both), "{applications:?} {namespaces:?} {clusters:?}");
    }
    let nowhere = Placed { application: "web", ..Placed::default() };
    let window = Window { namespaces: globs(&["*"]), ..window(Kind::Deny, "@daily", "1h", "UTC") };
    assert!(!window.is_for(&nowhere), "nothing is no namespace");
}

#[test]
fn what_was_probably_not_meant_is_said() {
    let all: Vec<Glob> = vec!["*".parse().unwrap()];
    let of = |window: Window| Window { applications: all.clone(), ..window };
    let bare = window;
    let window = |kind, schedule: &str, length: &str| of(window(kind, schedule, length, "UTC"));
    let shut = "allows only what window 2";
    for (first, second, doubt) in [
        (window(Kind::Allow, "0 9 * * *", "1h"), window(Kind::Deny, "0 9 * * *", "1h"), Some(shut)),
        (window(Kind::Allow, "0 9 * * mon", "1h"), window(Kind::Deny, "0 9 * * mon-fri", "2h"), Some(shut)),
        (window(Kind::Allow, "0 9 * * mon", "1h"), window(Kind::Deny, "0 9 * * *", "2h"), Some(shut)),
        (window(Kind::Allow, "0 9 * * *", "1h"), window(Kind::Deny, "* * * * *", "1m"), Some(shut)),
        (window(Kind::Allow, "0 9 1 * mon", "1h"), window(Kind::Deny, "30 */12 * * *", "12h"), Some(shut)),
        (window(Kind::Allow, "0 9 * * *", "2h"), window(Kind::Deny, "0 9 * * *", "1h"), None),
        (window(Kind::Allow, "0 9 * * *", "1h"), window(Kind::Deny, "0 9 * * mon", "1h"), None),
        (window(Kind::Allow, "0 9 1 * mon", "1h"), window(Kind::Deny, "0 9 1 * *", "1h"), None),
        (window(Kind::Allow, "0 9 * * *", "1h"), window(Kind::Deny, "0 0 * * *", "23h"), None),
        (window(Kind::Allow, "0 9 * * *", "1h"), window(Kind::Allow, "0 9 * * *", "1h"), None),
        (window(Kind::Allow, "0 9 * * *", "0s"), window(Kind::Allow, "0 9 * * *", "1h"), Some("never opens")),
    ] {
        let doubts = Windows::new([first, second]).doubts();
        assert_eq!(doubts.len(), usize::from(doubt.is_some()), "{doubts:?}");
        assert!(doubts.iter().zip(doubt).all(|(found, doubt)| found.contains(doubt)), "{doubts:?}");
    }
    let for_none = bare(Kind::Deny, "@daily", "1h", "UTC");
    assert!(Windows::new([for_none]).doubts()[0].contains("is for no application"));
    // In a zone with summer time, a day may have 25 hours.
    let berlin = of(bare(Kind::Deny, "0 0 * * *", "24h", "Europe/Berlin"));
    assert!(Windows::new([window(Kind::Allow, "0 9 * * *", "1h"), berlin]).doubts().is_empty());
}

#[test]
fn a_zone_is_one_of_the_table_and_nothing_else() {
    for (text, known) in [("UTC", true), ("", true), ("Europe/Berlin", true), ("US/Eastern", true), ("Etc/GMT+5", true)]
    {
        assert_eq!(text.parse::<Zone>().is_ok(), known, "{text}");
    }
    for (text, hint) in [
        ("Local", "it would mean something else on every machine; name one such as `Europe/Berlin`"),
        ("europe/berlin", "did you mean `Europe/Berlin`?"),
        ("Moon", "use a name of the IANA database such as `Europe/Berlin`, or `UTC`"),
        ("../../etc/passwd", "use a name of the IANA database such as `Europe/Berlin`, or `UTC`"),
    ] {
        let error = text.parse::<Zone>().unwrap_err().to_string();
        assert!(error.ends_with(hint), "{error}");
    }
}

#[test]
fn a_window_survives_text_and_unknown_keys_are_refused() {
    let text = r#"{"kind":"deny","schedule":"0 17 * * fri","duration":"63h","timeZone":"Europe/Berlin","applications":["*"],"namespaces":["shop"],"clusters":["https://*"],"andOperator":true,"manualSync":true,"syncOverrun":true,"description":"weekend"}"#;
    let window: Window = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&window).unwrap(), text);
    for (text, error) in [
        (r#"{"kind":"deny","schedule":"@daily","duration":"1h","zone":"UTC"}"#, "unknown field `zone`"),
        (r#"{"kind":"block","schedule":"@daily","duration":"1h"}"#, "unknown variant `block`"),
        (r#"{"kind":"deny","schedule":"@daily"}"#, "missing field `duration`"),
        (r#"{"kind":"deny","schedule":"0 25 * * *","duration":"1h"}"#, "`25` is no hour"),
        (r#"{"kind":"deny","schedule":"@daily","duration":"1d"}"#, "there is no unit `d`"),
        (r#"{"kind":"deny","schedule":"@daily","duration":"1h","timeZone":"Mars"}"#, "there is no time zone `Mars`"),
        (r#"{"kind":"deny","schedule":"@daily","duration":"1h","clusters":["a["]}"#, "a `]` is missing"),
    ] {
        let found = serde_json::from_str::<Window>(text).unwrap_err().to_string();
        assert!(found.contains(error), "{found}");
    }
}
