use std::collections::BTreeSet;

use super::*;

/// `(group, kind)` of each name of a rule, with `*` in a kind replaced by a word.
fn kinds_of(rule: &Rule) -> impl Iterator<Item = (String, String)> {
    let (group, kinds) = rule.names.split_once('/').unwrap();
    kinds.split('|').map(move |kind| (group.replace('*', "any"), kind.replace('*', "Any")))
}

#[test]
fn no_rule_hides_another() {
    let mut seen = BTreeSet::new();
    for rule in TABLES.into_iter().flatten() {
        for (group, kind) in kinds_of(rule) {
            let found = rule_of(&group, &kind).map(|rule| rule.names);
            assert_eq!(found, Some(rule.names), "{group}/{kind}");
            assert!(seen.insert((group, kind)), "{} is there twice", rule.names);
        }
    }
}

#[test]
fn the_rule_of_a_group_comes_before_that_of_its_family() {
    for (group, kind, names) in [
        ("s3.aws.crossplane.io", "Bucket", Some("*.crossplane.io/*")),
        ("pkg.crossplane.io", "Provider", Some("pkg.crossplane.io/Provider|Configuration|Function")),
        (
            "aws.crossplane.io",
            "ProviderConfig",
            Some("*.crossplane.io/*ProviderConfig|*ProviderConfigUsage|StoreConfig"),
        ),
        ("crossplane.io", "Thing", None),
        ("example.com", "Widget", None),
        ("", "Pod", None),
    ] {
        assert_eq!(rule_of(group, kind).map(|rule| rule.names), names, "{group}/{kind}");
    }
}
