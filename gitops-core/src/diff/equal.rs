//! When two values are the same to the API server, which stores some in another form, drops some, and fills some in.

use crate::model::{Meaning, TypeRef};
use crate::value::{ValueRef, View};

use super::step::Step;

/// Returns whether the server makes of `desired` what `live` is.
///
/// Whole numbers equal floats of their size; quantities, times, durations and base64 are what they are stored as.
/// Where no schema says what a text means, only equal texts are the same.
pub(super) fn same(desired: ValueRef<'_>, live: ValueRef<'_>, meaning: Meaning) -> bool {
    if desired == live {
        return true;
    }
    match (desired.view(), live.view()) {
        #[expect(clippy::cast_precision_loss, reason = "beyond 53 bits a float cannot hold the number anyway")]
        (View::Int(whole), View::Float(float)) | (View::Float(float), View::Int(whole)) => whole as f64 == float,
        (_, View::String(live)) => meaning.canonical(desired).is_some_and(|text| text == live),
        _ => false,
    }
}

/// What the server puts where nothing is sent.
#[derive(Clone, Copy)]
pub(super) enum Fill<'a> {
    /// This.
    With(ValueRef<'a>),
    /// Nothing.
    Nothing,
    /// That is not known.
    Unknown,
}

/// Returns what the server puts into a field when it is not sent. `top` is the first step on the way to it.
pub(super) fn fill<'a>(parent: TypeRef<'a>, name: &str, top: Option<&Step<'_>>) -> Fill<'a> {
    match parent.default_of(name) {
        // The zero values that OpenAPI states are those of Go, also where they are left out.
        Some(default) if !parent.drops(name, default.root()) => Fill::With(default.root()),
        // Metadata has no defaults, nor have custom resources beyond those of their schema.
        _ if !parent.is_encoded(name) || matches!(top, Some(Step::Field("metadata"))) => Fill::Nothing,
        _ => Fill::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_is_the_same_in_every_form_the_server_may_store_it_in() {
        use Meaning::{Bytes, MicroTime, Plain, Quantity, Time};
        for (desired, live, meaning, expected) in [
            ("1", "1.0", Plain, true),
            ("1", "\"1\"", Plain, false),
            ("\"1000m\"", "\"1\"", Plain, false),
            ("\"1000m\"", "\"1\"", Quantity, true),
            ("1", "\"1\"", Quantity, true),
            ("0.5", "\"500m\"", Quantity, true),
            ("\"1024Mi\"", "\"1Gi\"", Quantity, true),
            ("\"1e3\"", "\"1k\"", Quantity, false),
            ("\"0.0001\"", "\"100u\"", Quantity, true),
            ("\"-0.5\"", "\"-500m\"", Quantity, true),
            ("\"1Mi\"", "\"1M\"", Quantity, false),
            ("\"abc\"", "\"0\"", Quantity, false),
            ("\"1..5\"", "\"1\"", Quantity, false),
            ("\"1e99999999999\"", "\"1\"", Quantity, false),
            ("\"2026-01-01T01:00:00+01:00\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T00:00:00.5Z\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T01:00:00.12+01:00\"", "\"2026-01-01T00:00:00.120000Z\"", MicroTime, true),
            ("\"2026-01-01T00:00:00.000001Z\"", "\"2026-01-01T00:00:00.000002Z\"", MicroTime, false),
            ("\"YW\\nJj\"", "\"YWJj\"", Bytes, true),
            ("null", "{}", Plain, false),
            ("false", "null", Plain, false),
        ] {
            assert_eq!(same(json(desired).root(), json(live).root(), meaning), expected, "{desired} {live}");
        }
    }
}
