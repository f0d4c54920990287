//! Manifests of any dialect.

use std::sync::Arc;

use gitops_core::manifest::{Dialect, Limits, locate, parse};
use gitops_core::path::FieldPath;

/// A file gives objects and problems, the same every time, and every object tells where it stands.
pub fn manifest(bytes: &[u8]) {
    let file: Arc<str> = "file.yaml".into();
    let mut limits = Limits::default();
    (limits.bytes, limits.documents) = (64 << 10, 200);
    for dialect in [Dialect::Kubectl, Dialect::Kustomize] {
        let parsed = parse(&file, bytes, dialect, &limits);
        assert_eq!(parse(&file, bytes, dialect, &limits), parsed, "reading is a function of the bytes");
        let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).count();
        for (resource, origin) in &parsed.resources {
            assert!(origin.line >= 1 && origin.line as usize <= lines, "{origin} is a line of the file");
            let found = locate(bytes, dialect, origin.document, &FieldPath::fields(&["kind"]));
            assert!(found.is_none_or(|place| place.line >= origin.line), "{origin}: {found:?}");
            let text = resource.expose().to_json();
            let again = parse(&file, text.as_bytes(), dialect, &limits);
            let read: Vec<_> = again.resources.iter().map(|(resource, _)| resource).collect();
            assert!(read == [resource] || text.len() > limits.bytes, "its JSON is read as another object: {text}");
        }
    }
}
