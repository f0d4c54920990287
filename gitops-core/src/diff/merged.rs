//! Where an apply puts the items of a keyed list or set.

/// An item of the list that an apply leads to: where it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is live.
    Live(usize),
    /// Only Git has it.
    Declared(usize),
}

/// Returns the items in Git's order, and live ones that Git does not declare where they stand among the others.
///
/// `declared` has for each declared item the place of the live one, `live` is how many there are.
///
/// Rule: `mergingWalker.visitListItems` of structured-merge-diff, with items that are there once.
pub(super) fn merged(declared: &[Option<usize>], live: usize) -> Vec<Source> {
    let mut declared_at = vec![None; live];
    for (at, place) in declared.iter().enumerate() {
        if let Some(slot) = place.and_then(|place| declared_at.get_mut(place)) {
            *slot = Some(at);
        }
    }
    let declared_at = |at: usize| declared_at.get(at).copied().flatten();
    let mut shared = declared.iter().enumerate().filter(|(_, place)| place.is_some()).map(|(at, _)| at);
    let mut turn = shared.next();
    let mut merged = Vec::with_capacity(declared.len().max(live));
    let (mut l, mut d) = (0, 0);
    while l < live || d < declared.len() {
        let is_same = l < live && d < declared.len() && declared_at(l) == Some(d);
        if l < live && !is_same {
            match declared_at(l) {
                None => {
                    merged.push(Source::Live(l));
                    l += 1;
                    continue;
                }
                // It was put already, or its turn is yet to come.
                Some(at) if at < d || turn.is_some_and(|turn| turn != at) => {
                    l += 1;
                    continue;
                }
                Some(_) => {}
            }
        }
        if let Some(place) = declared.get(d) {
            merged.push(place.map_or(Source::Declared(d), Source::Live));
            if turn == Some(d) {
                turn = shared.next();
            }
            d += 1;
        }
        l += usize::from(is_same);
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diff::tests::object;
    use crate::model::ApiModel;
    use crate::ssa::{Apply, apply};
    use crate::time::Timestamp;

    fn text(declared: &str, live: &str) -> String {
        let places: Vec<Option<usize>> = declared.chars().map(|item| live.find(item)).collect();
        let name = |source| match source {
            Source::Live(at) => live.chars().nth(at),
            Source::Declared(at) => declared.chars().nth(at),
        };
        merged(&places, live.len()).into_iter().filter_map(name).collect()
    }

    #[test]
    fn git_orders_what_it_declares_and_other_items_stay_where_they_stand() {
        for (declared, live, expected) in [
            ("ab", "ba", "ab"),
            ("ab", "bxa", "xab"),
            ("ba", "xa", "xba"),
            ("abc", "ac", "abc"),
            ("ax", "ay", "ayx"),
            ("", "xy", "xy"),
            ("ab", "", "ab"),
        ] {
            assert_eq!(text(declared, live), expected, "{declared} over {live}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_order_that_an_apply_leads_to(
            declared in prop::sample::subsequence(vec!['a', 'b', 'c', 'd', 'e'], 1..=5).prop_shuffle(),
            live in prop::sample::subsequence(vec!['a', 'b', 'c', 'd', 'e'], 1..=5).prop_shuffle(),
        ) {
            let [declared, live]: [String; 2] = [declared, live].map(|items| items.into_iter().collect());
            // A set of the API.
            let with = |items: &str| {
                let items: Vec<String> = items.chars().map(|item| format!(r#""{item}""#)).collect();
                let items = items.join(",");
                object(&format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web","finalizers":[{items}]}}}}"#))
            };
            let model = ApiModel::builtin();
            let theirs = apply(&Apply::new(None, &with(&live), "they", Timestamp::EPOCH, &model)).unwrap();
            let after = apply(&Apply::new(Some(&theirs), &with(&declared), "we", Timestamp::EPOCH, &model)).unwrap();
            let items = after.tree().dig(&["metadata", "finalizers"]).unwrap().to_value().to_json();
            prop_assert_eq!(items.replace(['[', ']', '"', ','], ""), text(&declared, &live));
        }
    }
}
