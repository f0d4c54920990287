//! The map entries anywhere below a node.

use super::{Tag, ValueRef};

/// Keys of a tree that are told apart by a bit each.
const MARKED: u32 = u128::BITS;

impl ValueRef<'_> {
    /// The map entries below this node, at any depth, in the order in which they lie. Lists within lists are passed over.
    pub(crate) fn entries_below(self) -> impl Iterator<Item = Self> {
        let Self { tree, at } = self;
        let (end, mut next) = (at.saturating_add(tree.span(at)), at.saturating_add(1));
        std::iter::from_fn(move || {
            while next < end {
                let (at, node) = (next, tree.node(next));
                // What has no key is an item of a list.
                let is_passed_over = node.key() == 0 && node.tag() == Tag::List;
                next = next.saturating_add(if is_passed_over { node.span() } else { 1 });
                if node.key() != 0 {
                    return Some(Self { tree, at });
                }
            }
            None
        })
    }

    /// The same of the entries whose key is one of those wanted. Each key of the tree is asked about once, so that of the
    /// other entries no text is read.
    pub(crate) fn entries_called(self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Self> {
        let keys = &self.tree.keys;
        let marks = (0..MARKED)
            .zip(keys.iter())
            .fold(0_u128, |marks, (at, key)| marks | u128::from(is_wanted(self.tree.text_at(*key))) << at);
        let has_any = marks != 0 || keys.len() > MARKED as usize;
        let is_called = move |entry: &Self| match entry.key_id().saturating_sub(1) {
            at if at < MARKED => marks >> at & 1 == 1,
            _ => is_wanted(entry.key()),
        };
        has_any.then(|| self.entries_below().filter(is_called)).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;

    #[test]
    fn entries_are_found_by_their_keys_wherever_they_stand_and_however_many_keys_there_are() {
        let many: String = (0..200).map(|number| format!("\"other{number}\": {{\"in\": {number}}},")).collect();
        for (more, inside) in [("", 0), (&*many, 200)] {
            let json = format!(
                r#"{{{more} "list": [{{"a": 1, "b": [{{"a": 2}}]}}, [{{"a": 3}}]], "z": {{"a": {{"a": 4}}}}}}"#
            );
            let value = Value::from_json(json.as_bytes()).unwrap();
            let found = |wanted: &[&str]| {
                let entries = value.root().entries_called(|key| wanted.contains(&key));
                entries.map(|entry| (entry.key().to_owned(), entry.as_i64())).collect::<Vec<_>>()
            };
            let all = value.root().entries_below();
            let same: Vec<_> =
                all.filter(|entry| entry.key() == "a").map(|entry| ("a".to_owned(), entry.as_i64())).collect();
            assert_eq!(found(&["a"]), same);
            assert_eq!(same.len(), 4, "those in lists within lists are passed over");
            assert_eq!((found(&["in"]).len(), found(&["z"]).len(), found(&["nothing"]).len()), (inside, 1, 0));
        }
    }
}
