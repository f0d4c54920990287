//! When two values are the same to the API server, which stores some in another form, drops some, and fills some in.

use crate::model::{FieldDefault, Meaning, TypeRef};
use crate::value::{ValueRef, View};

use super::step::Step;

/// Returns whether the server makes of `desired` what `live` is.
///
/// Whole numbers equal floats of their size; quantities, times, durations and base64 are what they are stored as: that
/// `1e3` means what `1k` does is not enough, since an apply would change it. Where no schema says what a text means,
/// only equal texts are the same.
pub(super) fn same(desired: ValueRef<'_>, live: ValueRef<'_>, of: TypeRef<'_>) -> bool {
    if desired == live {
        return true;
    }
    match (desired.view(), live.view()) {
        #[expect(clippy::cast_precision_loss, reason = "beyond 53 bits a float cannot hold the number anyway")]
        (View::Int(whole), View::Float(float)) | (View::Float(float), View::Int(whole)) => whole as f64 == float,
        (View::String(_) | View::Int(_) | View::Float(_), View::String(_)) => {
            let is_plain = matches!(of.meaning(), Meaning::Plain | Meaning::Integer | Meaning::IntOrString);
            !is_plain && of.stored(desired).root() == live
        }
        // Go's form of no bytes.
        (View::String(""), View::Null) => of.meaning() == Meaning::Bytes,
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
        // A struct that is filled in turn.
        FieldDefault::Known(default) if default.root().as_map().is_some_and(|map| map.is_empty()) => Fill::Unknown,
        FieldDefault::Known(default) => Fill::With(default.root()),
        FieldDefault::None => Fill::Nothing,
        // Metadata has no defaults.
        FieldDefault::Unknown if matches!(top, Some(Step::Field("metadata"))) => Fill::Nothing,
        FieldDefault::Unknown => Fill::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ApiModel;
    use crate::resource::GroupKind;
    use crate::value::Value;

    #[test]
    fn a_value_is_the_same_in_the_form_the_server_stores_it_in_and_in_no_other() {
        let model = ApiModel::builtin();
        let quota = model.schema(&GroupKind::new("", "ResourceQuota"), "v1").field("spec").field("hard").element();
        let secret = model.schema(&GroupKind::new("", "Secret"), "v1").field("data").element();
        let plain = TypeRef::deduced();
        for (desired, live, of, expected) in [
            ("1", "1.0", plain, true),
            ("1", "\"1\"", plain, false),
            ("\"1000m\"", "\"1\"", plain, false),
            ("\"1000m\"", "\"1\"", quota, true),
            ("0.5", "\"500m\"", quota, true),
            ("\"1024Mi\"", "\"1Gi\"", quota, true),
            ("\"1e3\"", "\"1k\"", quota, false),
            ("\"abc\"", "\"0\"", quota, false),
            ("\"YW\\nJj\"", "\"YWJj\"", secret, true),
            ("\"\"", "null", secret, true),
            ("\"\"", "null", plain, false),
            ("null", "{}", plain, false),
            ("false", "null", plain, false),
        ] {
            let [want, have] = [desired, live].map(|text| Value::from_json(text.as_bytes()).unwrap());
            assert_eq!(same(want.root(), have.root(), of), expected, "{desired} {live}");
        }
    }
}
