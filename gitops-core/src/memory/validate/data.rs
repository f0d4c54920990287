//! How much a Secret and a ConfigMap may hold.
//!
//! Rule: `MaxSecretSize` of Kubernetes 1.36; wording as recorded.

use crate::model::ServedKind;
use crate::value::Draft;

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason::TooLong;

/// The most bytes of all values together.
const BYTES: usize = 1 << 20;

pub(super) fn check(kind: &ServedKind, draft: &Draft, faults: &mut Vec<Fault>) {
    let (field, encoded) = match (&*kind.group_kind.group, &*kind.group_kind.kind) {
        ("", "Secret") => ("data", true),
        ("", "ConfigMap") => ("[]", false),
        _ => return,
    };
    let size = values(draft, "data").map(|text| if encoded { decoded_len(text) } else { text.len() }).sum::<usize>();
    let binary = values(draft, "binaryData").map(decoded_len).sum::<usize>();
    if size.saturating_add(binary) > BYTES {
        faults.push(fault(field, TooLong, &format!("may not be more than {BYTES} bytes")));
    }
}

fn values<'d>(draft: &'d Draft, field: &str) -> impl Iterator<Item = &'d str> {
    let values = match draft.get(field) {
        Some(Draft::Map(values)) => Some(values),
        _ => None,
    };
    values.into_iter().flatten().filter_map(|(_, value)| value.as_str())
}

/// How many bytes stand behind a text in base64.
fn decoded_len(text: &str) -> usize {
    text.trim_end_matches('=').len().saturating_mul(3) / 4
}
