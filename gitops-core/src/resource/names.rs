//! What many keys have in common, kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{GroupKind, Resource, ResourceKey};

/// Shares equal parts of keys: thousands of objects are of a few kinds, in a few namespaces and versions. Saves memory,
/// and shared parts compare by address.
#[derive(Clone, Debug, Default)]
pub struct Names {
    kinds: BTreeSet<Arc<GroupKind>>,
    texts: BTreeSet<Arc<str>>,
}

impl Names {
    /// Returns the same key with the parts that earlier keys had.
    #[must_use]
    pub fn key(&mut self, key: &ResourceKey) -> ResourceKey {
        let group_kind = shared(&mut self.kinds, &key.group_kind);
        let namespace = key.namespace.as_ref().map(|namespace| self.text(namespace));
        ResourceKey { group_kind, namespace, name: Arc::clone(&key.name) }
    }

    /// Returns the key of an object with the parts that earlier ones had. While nobody else holds the object, it gets
    /// these parts as well.
    pub fn share(&mut self, resource: &mut Resource) -> ResourceKey {
        let key = self.key(resource.key());
        resource.take_names(&key, |version| self.text(version));
        key
    }

    fn text(&mut self, text: &Arc<str>) -> Arc<str> {
        shared(&mut self.texts, text)
    }
}

fn shared<T: Ord + ?Sized>(known: &mut BTreeSet<Arc<T>>, part: &Arc<T>) -> Arc<T> {
    if let Some(known) = known.get(part) {
        return Arc::clone(known);
    }
    known.insert(Arc::clone(part));
    Arc::clone(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn equal_parts_of_keys_are_kept_once_and_what_they_say_stays() {
        let object = |name: &str| {
            let text = format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{name}","namespace":"shop"}}}}"#
            );
            Resource::new(Value::from_json(text.as_bytes()).unwrap()).unwrap()
        };
        let mut names = Names::default();
        let (mut first, mut second, before) = (object("a"), object("b"), object("b"));
        let held = second.clone();
        let (one, two) = (names.share(&mut first), names.share(&mut second));
        assert!(Arc::ptr_eq(&one.group_kind, &two.group_kind), "kinds are shared");
        assert!(Arc::ptr_eq(&one.group_kind, &first.key().group_kind), "in the object too");
        assert!(!Arc::ptr_eq(&one.group_kind, &held.key().group_kind), "not in an object that others hold");
        assert_eq!((&two, &second, second.version()), (before.key(), &before, before.version()));
        assert!(one < two && *before.key() == two && two <= *before.key());
    }
}
