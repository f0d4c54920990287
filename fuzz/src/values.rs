//! Values and the small texts: paths, times, tracking ids, globs.

use gitops_core::source::Paths;
use gitops_core::state::Tracking;
use gitops_core::time::Timestamp;
use gitops_core::value::{Purpose, Value};

/// A value survives JSON and a draft, whole and to the digest.
pub fn value_json(bytes: &[u8]) {
    let Ok(value) = Value::from_json(bytes) else { return };
    let text = value.to_json();
    let again = Value::from_json(text.as_bytes()).map_err(|error| error.to_string());
    assert_eq!(again.as_ref().map(Value::to_json), Ok(text.clone()), "JSON of a value reads back as the same value");
    let drafted = value.root().to_draft().freeze();
    for copy in [again.as_ref().unwrap_or(&drafted), &drafted, &value.root().to_value()] {
        assert!(*copy == value, "a copy differs: {text}");
        assert_eq!(copy.root().digest(Purpose::Content), value.root().digest(Purpose::Content), "{text}");
    }
}

/// What is read from a short text prints as a text that reads as the same.
pub fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(at) = text.parse::<Timestamp>() {
        assert_eq!(at.to_string().parse(), Ok(at), "{text}");
    }
    if let Some(tracking) = Tracking::parse(text) {
        assert_eq!(Tracking::parse(&tracking.to_string()), Some(tracking), "{text}");
    }
    let (root, path) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(paths) = Paths::under([root]) {
        let again = Paths::under(paths.roots.iter().map(|root| &**root));
        assert_eq!(again.as_ref(), Ok(&paths), "a normal path is normal: {root}");
        let narrow = paths.clone().with_include(root).with_exclude(path);
        assert!(!narrow.wants(path) || narrow.may_enter(parent(path)), "{path} is wanted, its folder not entered");
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
