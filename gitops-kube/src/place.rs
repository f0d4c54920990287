//! Where things are: the paths of the API.

use std::fmt::Write;

use gitops_core::model::{Scope, ServedKind};
use gitops_core::resource::ResourceKey;

/// The path of all objects of a kind at one version, in a namespace if one is given and the kind has any.
pub(crate) fn collection(kind: &ServedKind, version: &str, namespace: Option<&str>) -> String {
    let group = &kind.group_kind.group;
    let mut path = if group.is_empty() { String::from("/api/") } else { format!("/apis/{}/", escaped(group)) };
    path += &escaped(version);
    if let (Scope::Namespaced, Some(namespace)) = (kind.scope, namespace) {
        path += "/namespaces/";
        path += &escaped(namespace);
    }
    path + "/" + &escaped(&kind.plural)
}

/// The path of one object.
pub(crate) fn object(kind: &ServedKind, version: &str, key: &ResourceKey) -> String {
    collection(kind, version, key.namespace.as_deref()) + "/" + &escaped(&key.name)
}

/// A path with a query.
pub(crate) fn with_query<'q>(path: &str, query: impl IntoIterator<Item = (&'q str, &'q str)>) -> String {
    let mut path = path.to_owned();
    for (at, (name, value)) in query.into_iter().enumerate() {
        path += if at == 0 { "?" } else { "&" };
        path += name;
        path += "=";
        path += &escaped(value);
    }
    path
}

/// One segment of a path, or a value of a query: everything but the unreserved characters of RFC 3986 is escaped.
fn escaped(text: &str) -> String {
    // A server may take these for steps in the path.
    if matches!(text, "." | "..") {
        return text.replace('.', "%2E");
    }
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => escaped.push(byte.into()),
            // Writing to a string does not fail.
            _ => write!(escaped, "%{byte:02X}").unwrap_or_default(),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitops_core::resource::GroupKind;

    #[test]
    fn a_name_stays_one_segment_whatever_it_is() {
        let kind =
            ServedKind::new(GroupKind::new("rbac.authorization.k8s.io", "Role"), "roles", Scope::Namespaced, "v1");
        for (name, path) in [
            ("web", "web"),
            ("system:admin", "system:admin"),
            ("../../secrets/x", "..%2F..%2Fsecrets%2Fx"),
            ("..", "%2E%2E"),
            ("a?b#c%", "a%3Fb%23c%25"),
            ("ä", "%C3%A4"),
        ] {
            let key = ResourceKey::new("rbac.authorization.k8s.io", "Role", "shop", name);
            let whole = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/{path}");
            assert_eq!(object(&kind, "v1", &key), whole);
        }
    }
}
