//! When two scalars are the same to the API server, which stores some of them in another form.

use crate::model::TypeRef;
use crate::value::{ValueRef, View};

/// Returns whether the server makes of `desired` what `live` is: whether both mean the same, or one is nothing and the
/// other what nothing is stored as.
pub(super) fn same(desired: ValueRef<'_>, live: ValueRef<'_>, of: TypeRef<'_>) -> bool {
    match (desired.view(), live.view()) {
        // Go reads null as the zero value, and stores an empty list or map and none at all alike.
        (View::Null, _) => is_zero(live),
        (_, View::Null) => is_empty(desired),
        _ => of.equal(desired, live),
    }
}

/// Returns whether a value is what Go writes as absence: `false`, `0`, `""`, `{}`, `[]`, or nothing but such.
pub(super) fn is_zero(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Null => true,
        View::Bool(flag) => !flag,
        View::Int(number) => number == 0,
        View::Float(number) => number == 0.0,
        View::String(text) => text.is_empty(),
        View::List(list) => list.is_empty(),
        View::Map(map) => map.iter().all(|(_, value)| is_zero(value)),
    }
}

/// Returns whether a value is null, `{}` or `[]`.
pub(super) fn is_empty(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Null => true,
        View::List(list) => list.is_empty(),
        View::Map(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn null_is_what_the_server_stores_nothing_as() {
        for (desired, live, expected) in [
            ("null", "{}", true),
            ("null", "\"\"", true),
            ("null", "{\"a\":[]}", true),
            ("null", "1", false),
            ("[]", "null", true),
            ("false", "null", false),
        ] {
            let [desired_value, live_value] = [desired, live].map(|text| Value::from_json(text.as_bytes()).unwrap());
            let same = same(desired_value.root(), live_value.root(), TypeRef::deduced());
            assert_eq!(same, expected, "{desired} {live}");
        }
    }
}
