//! The answers of Go, and which tag wins.

use gitops_core::source::SourceFailure;

use super::*;

/// `NewVersion`, `NewConstraint` and `Check` of `github.com/Masterminds/semver/v3` v3.5.0, printed by a small program.
const ANSWERS: &str = include_str!("answers.txt");
/// The same of random ranges, then which of some random tags Argo CD takes.
const RANDOM: &str = include_str!("random.txt");

#[test]
fn ranges_allow_what_they_allow_in_go() {
    for answers in [ANSWERS, RANDOM] {
        let mut lines = answers.lines().skip(1);
        let versions = lines.next().unwrap().trim_start_matches("# ").split(' ');
        let versions: Vec<Version> = versions.map(|version| Version::parse(version).unwrap()).collect();
        let wrong: Vec<String> = lines.filter_map(|line| differs(line, &versions)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Says how an answer differs from that of Go; those that pick a tag have a part more.
fn differs(line: &str, versions: &[Version]) -> Option<String> {
    let (text, expected) = line.split_once('\t').filter(|(_, expected)| !expected.contains('\t'))?;
    let text = text.replace("\\t", "\t");
    let bit = |is_in: bool| if is_in { '1' } else { '0' };
    let found = match (Version::parse(&text), Range::parse(&text)) {
        (Some(_), _) => "version".to_owned(),
        (None, None) => "none".to_owned(),
        (None, Some(range)) => versions.iter().map(|version| bit(range.allows(version))).collect(),
    };
    (found != expected).then(|| format!("{text:?}: {found} and not {expected}"))
}

#[test]
fn of_random_tags_the_one_wins_that_argo_cd_takes() {
    let (mut picked, mut wrong) = (0, Vec::new());
    for line in RANDOM.lines().skip(2) {
        let [text, tags, expected] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let found = Range::parse(text).map(|range| range.highest(tags.split(' ').map(|tag| (tag, tag))));
        let found = match &found {
            Some(Ok((tag, _))) => *tag,
            Some(Err(_)) => "none",
            None => "no range",
        };
        picked += usize::from(found != "none");
        if found != expected {
            wrong.push(format!("{text:?} of {tags}: {found} and not {expected}"));
        }
    }
    assert!(picked > 200 && wrong.is_empty(), "{picked}\n{}", wrong.join("\n"));
}

#[test]
fn the_highest_tag_in_the_range_wins() {
    let highest =
        |range: &str, tags: &[(&'static str, u8)]| match Range::parse(range).unwrap().highest(tags.iter().copied()) {
            Ok((tag, _)) => tag.to_owned(),
            Err(error) => error.to_string(),
        };
    for (range, tags, expected) in [
        ("*", &[("v1.2.0", 1), ("v1.10.0", 2), ("nightly", 3), ("v2.0.0-rc.1", 4)][..], "v1.10.0"),
        ("*-0", &[("v1.2.0", 1), ("v2.0.0-rc.2", 4), ("v2.0.0-rc.10", 5)], "v2.0.0-rc.10"),
        ("~1.2", &[("1.2", 1), ("1.1", 2)], "1.2"),
        ("1.x", &[("1.2.0+7", 1), ("1.2.0+10", 2), ("1.2.0+9", 3)], "1.2.0+10"),
        ("1.x", &[("1.2.0", 1), ("v1.2.0", 1)], "v1.2.0"),
        ("1.x", &[("1.2.0", 1), ("v1.2.0", 2)], "revision `1.x` is ambiguous; give one of `1.2.0`, `v1.2.0`"),
        (">=3", &[("1.2.0", 1)], "revision `>=3` does not exist; give a branch, a tag or a commit id"),
    ] {
        assert_eq!(highest(range, tags), expected, "{range} {tags:?}");
    }
    let none = Range::parse("*").unwrap().highest(std::iter::empty::<(&str, u8)>());
    assert!(matches!(none.unwrap_err().failure, SourceFailure::UnknownRevision { .. }));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9v.xX*<>=!~^| ,\t+a-c-]{0,24}", tag in "\\PC{0,12}") {
        if let Some(range) = Range::parse(&text) {
            drop(range.highest([(tag.as_str(), ())].into_iter()));
        }
    }
}
