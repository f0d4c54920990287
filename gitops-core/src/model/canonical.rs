//! When two values mean the same to the server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use super::defaults::FieldDefault;
use super::encoding::Form;
use super::schema::{Meaning, TypeRef};
use crate::value::{Draft, Value, ValueRef, View};

impl TypeRef<'_> {
    /// Returns the one form of all values that mean the same as `value`; what the server would make of them, but for
    /// defaults. It is canonical itself.
    ///
    /// Quantities are equal by size (`1000m` and `1`, `0.5` and `500m`, `1024Mi` and `1Gi`, `1e3` and `1k`), those of
    /// lists of resources in thousandths rounded up; times by instant, durations by length, base64 without its line
    /// breaks, numbers by value (`1.0` and `1`). `80` and `"80"` differ, also where both are allowed. Null, `""`, `0`,
    /// `false`, `[]` and `{}` equal absence exactly where the server drops them: in fields of built-in kinds that leave
    /// them out; of a custom resource only a null that its schema does not allow. `stringData` of a Secret is `data`.
    /// A key of a list item that is not there is its default, such as `protocol: TCP` of a port. The order of lists
    /// counts. Where no schema says what a text means, only equal texts are the same.
    ///
    /// Rules: Kubernetes API conventions; apimachinery's `resource.Quantity`, `metav1.Time` and `metav1.Duration`; Go's
    /// `encoding/json`; "Defaulting and Nullable" of CustomResourceDefinitions.
    ///
    /// ```
    /// use gitops_core::model::ApiModel;
    /// use gitops_core::resource::GroupKind;
    /// use gitops_core::value::Value;
    ///
    /// let model = ApiModel::builtin();
    /// let of = model.schema(&GroupKind::new("", "Secret"), "v1");
    /// let given = Value::from_json(br#"{"stringData":{"a":"b"},"data":null}"#)?;
    /// let stored = Value::from_json(br#"{"data":{"a":"Yg=="},"type":""}"#)?;
    /// assert!(of.equal(given.root(), stored.root()));
    /// # Ok::<(), gitops_core::value::JsonError>(())
    /// ```
    #[must_use]
    pub fn canonical(self, value: ValueRef<'_>) -> Value {
        if self.has_string_data() && value.get("stringData").and_then(ValueRef::as_map).is_some() {
            let mut secret = value.to_draft();
            encode_string_data(&mut secret);
            return self.convert(secret.freeze().root(), Form::Canonical);
        }
        self.convert(value, Form::Canonical)
    }

    /// Returns whether two values mean the same: whether their canonical forms are equal.
    #[must_use]
    pub fn equal(self, left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
        if left == right {
            return true;
        }
        match (left.view(), right.view()) {
            // Texts are told apart often, and mean something else than they say seldom.
            (View::String(_), View::String(_)) if self.is_plain() => false,
            _ => self.canonical(left) == self.canonical(right),
        }
    }

    /// Returns whether the server, which takes `value` in the field `name` for none, fills in what is `live` there.
    pub(crate) fn fills_in(self, name: &str, value: ValueRef<'_>, live: ValueRef<'_>) -> bool {
        let field = self.atom().map.as_ref().and_then(|map| map.field(name));
        let is_unset = field.and_then(|field| field.encoding).is_some_and(|encoding| encoding.zero.is(value));
        match self.default_of(name) {
            FieldDefault::Known(default) => is_unset && self.field(name).equal(default.root(), live),
            _ => false,
        }
    }

    fn is_plain(self) -> bool {
        matches!(self.meaning(), Meaning::Plain | Meaning::Integer | Meaning::IntOrString)
    }

    /// Secrets, and nothing else.
    fn has_string_data(self) -> bool {
        self.declares("stringData") && self.field("data").element().meaning() == Meaning::Bytes
    }
}

/// Writes the texts of `stringData` into `data`, over what is there. Rule: Kubernetes API, `Secret`.
pub(crate) fn encode_string_data(secret: &mut Draft) {
    let Some(Draft::Map(texts)) = secret.remove("stringData") else { return };
    for (name, text) in texts {
        if let Draft::String(text) = text {
            secret.entry("data").set(&name, STANDARD.encode(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ApiModel;
    use super::super::schema::{Atom, Scalar, Schema};
    use super::*;
    use crate::resource::GroupKind;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    fn assert_equal(of: TypeRef<'_>, left: &str, right: &str, expected: bool) {
        let canonical = of.canonical(json(left).root()).to_json();
        assert_eq!(of.equal(json(left).root(), json(right).root()), expected, "{left} {right} {canonical}");
        assert_eq!(of.equal(json(right).root(), json(left).root()), expected, "{right} {left}");
    }

    #[test]
    fn a_scalar_is_equal_in_every_form_the_server_may_store_it_in() {
        use Meaning::{Amount, Bytes, Duration, IntOrString, MicroTime, Plain, Quantity, Time};
        for (left, right, meaning, expected) in [
            ("1", "1.0", Plain, true),
            ("-0.0", "0", Plain, true),
            ("9007199254740993", "9007199254740992.0", Plain, false),
            ("1", "\"1\"", Plain, false),
            ("\"1000m\"", "\"1\"", Plain, false),
            ("80", "\"80\"", IntOrString, false),
            ("80", "80.0", IntOrString, true),
            ("\"1000m\"", "\"1\"", Quantity, true),
            ("1", "\"1\"", Quantity, true),
            ("0.5", "\"500m\"", Quantity, true),
            ("\"1024Mi\"", "\"1Gi\"", Quantity, true),
            ("\"1073741824\"", "\"1Gi\"", Quantity, true),
            ("\"1e3\"", "\"1k\"", Quantity, true),
            ("\"+1\"", "\"1\"", Quantity, true),
            ("\"1E\"", "\"1000P\"", Quantity, true),
            ("\"1E3\"", "\"1k\"", Quantity, true),
            ("\"-0.5\"", "\"-500m\"", Quantity, true),
            ("\"0.0001\"", "\"1m\"", Quantity, false),
            ("\"0.0001\"", "\"1m\"", Amount, true),
            ("\"0.0001\"", "\"900u\"", Amount, true),
            ("\"0.0011\"", "\"1m\"", Amount, false),
            ("\"1Mi\"", "\"1M\"", Quantity, false),
            ("\"abc\"", "\"0\"", Quantity, false),
            ("\"1..5\"", "\"1\"", Quantity, false),
            ("\"1e99999999999\"", "\"1\"", Quantity, false),
            ("\"2026-01-01T01:00:00+01:00\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T00:00:00.5Z\"", "\"2026-01-01T00:00:00Z\"", Time, true),
            ("\"2026-01-01T01:00:00.12+01:00\"", "\"2026-01-01T00:00:00.120000Z\"", MicroTime, true),
            ("\"2026-01-01T00:00:00.000001Z\"", "\"2026-01-01T00:00:00.000002Z\"", MicroTime, false),
            ("\"90m\"", "\"1h30m0s\"", Duration, true),
            ("\"90m\"", "\"1h30m0s\"", Plain, false),
            ("\"YW\\nJj\"", "\"YWJj\"", Bytes, true),
        ] {
            let mut schema = Schema::empty();
            let of = schema.push(Atom { scalar: Some(Scalar::Untyped), meaning, ..Atom::default() });
            assert_equal(schema.at(of), left, right, expected);
        }
    }

    #[test]
    fn absence_equals_what_the_server_drops_and_nothing_else() {
        for (kind, field, left, right, expected) in [
            ("apps/Deployment", "spec", r#"{"paused":false}"#, "{}", true),
            ("apps/Deployment", "spec", r#"{"replicas":0}"#, "{}", false),
            ("apps/Deployment", "spec", r#"{"replicas":null,"selector":null}"#, "{}", true),
            ("apps/Deployment", "spec", r#"{"template":{"spec":{"volumes":[]}}}"#, "{}", true),
            ("apps/Deployment", "spec", r#"{"template":{"spec":{"affinity":{}}}}"#, "{}", false),
            ("/ConfigMap", "data", r#"{"a":""}"#, "{}", false),
            ("/Service", "spec", r#"{"ports":[{"port":80}]}"#, r#"{"ports":[{"port":80,"protocol":"TCP"}]}"#, true),
            ("/Service", "spec", r#"{"ports":[{"port":80}]}"#, r#"{"ports":[{"port":80,"protocol":"UDP"}]}"#, false),
            ("/Service", "spec", r#"{"type":""}"#, "{}", true),
            // A default that no list is told apart by is not filled in.
            ("/Service", "spec", r#"{"type":"ClusterIP"}"#, "{}", false),
            ("/ResourceQuota", "spec", r#"{"hard":{"cpu":"0.0001"}}"#, r#"{"hard":{"cpu":"1m"}}"#, true),
        ] {
            let (group, kind) = kind.split_once('/').unwrap();
            let model = ApiModel::builtin();
            assert_equal(model.schema(&GroupKind::new(group, kind), "v1").field(field), left, right, expected);
        }
        assert_equal(TypeRef::deduced(), r#"{"a":null}"#, "{}", false);
        assert_equal(TypeRef::deduced(), r#"{"a":1.0}"#, r#"{"a":1}"#, true);
    }
}
