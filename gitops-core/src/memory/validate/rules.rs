//! What the rules of a CRD in CEL say of an object (`x-kubernetes-validations`).
//!
//! Rule: Kubernetes, "Validation rules", and `cel.Validator` of apiextensions-apiserver 1.36. Refused is only what a rule
//! clearly does not allow: a rule that cannot be read (a function that is not here, such as `quantity`), that errs on this
//! object, or that would take too long is passed over, as are all but `self == oldSelf` without the feature `cel`.

use std::collections::BTreeMap;

use crate::value::{Value, ValueRef};

use super::super::refuse::{Fault, fault};
use super::super::response::CauseReason;
use super::list_type::{child, key_of, map_keys};
use super::openapi::{Checked, DEPTH, by_keys};

/// Asks all rules of a schema.
pub(super) fn check(schema: ValueRef<'_>, at: Checked<'_>, faults: &mut Vec<Fault>) {
    Asking::new().node(schema, at, faults, 0);
}

/// Rules being asked of one object.
struct Asking<'s> {
    programs: asked::Programs<'s>,
}

impl<'s> Asking<'s> {
    fn new() -> Self {
        Self { programs: asked::Programs::default() }
    }

    fn node(&mut self, schema: ValueRef<'s>, at: Checked<'_>, faults: &mut Vec<Fault>, depth: usize) {
        if depth > DEPTH || at.new.is_null() {
            return;
        }
        let rules = schema.get("x-kubernetes-validations").and_then(ValueRef::as_list);
        for rule in rules.into_iter().flatten() {
            if let Some(why) = self.refuses(rule, schema, at) {
                faults.push(refusal(rule, at, &why));
            }
        }
        let (properties, others) = (schema.get("properties"), schema.get("additionalProperties"));
        for (name, new) in at.new.as_map().into_iter().flatten() {
            let old = at.old.and_then(|old| old.get(name)).filter(|old| !old.is_null());
            if let Some(of) = properties.and_then(|properties| properties.get(name)) {
                self.node(of, Checked { path: &child(at.path, name), new, old }, faults, depth + 1);
            } else if let Some(of) = others.filter(|of| of.as_map().is_some()) {
                self.node(of, Checked { path: &format!("{}[{name}]", at.path), new, old }, faults, depth + 1);
            }
        }
        if let (Some(items), Some(of)) = (at.new.as_list(), schema.get("items")) {
            let keys = map_keys(schema);
            let before: BTreeMap<Value, ValueRef<'_>> = at.old.map(|old| by_keys(old, &keys)).unwrap_or_default();
            for (place, new) in items.iter().enumerate() {
                let old = before.get(&key_of(new, &keys)).copied();
                self.node(of, Checked { path: &format!("{}[{place}]", at.path), new, old }, faults, depth + 1);
            }
        }
    }

    /// Returns why a rule does not allow a value; `None` if it does, or cannot be asked.
    fn refuses(&mut self, rule: ValueRef<'s>, schema: ValueRef<'s>, at: Checked<'_>) -> Option<String> {
        let text = |field: &str| rule.get(field).and_then(ValueRef::as_str).filter(|text| !text.is_empty());
        let stated = text("rule")?;
        let fallback = || text("message").map_or_else(|| format!("failed rule: {stated}"), str::to_owned);
        let words: String = stated.split_whitespace().collect();
        if matches!(&*words, "self==oldSelf" | "oldSelf==self") {
            return at.old.filter(|old| *old != at.new).map(|_| fallback());
        }
        if rule.get("optionalOldSelf").and_then(ValueRef::as_bool) == Some(true) {
            return None;
        }
        let message = text("messageExpression");
        self.programs.refuses(stated, message, schema, at).map(|why| why.unwrap_or_else(fallback))
    }
}

fn refusal(rule: ValueRef<'_>, at: Checked<'_>, why: &str) -> Fault {
    let text = |field: &str| rule.get(field).and_then(ValueRef::as_str).unwrap_or_default();
    let reason = match text("reason") {
        "FieldValueForbidden" => CauseReason::Forbidden,
        "FieldValueRequired" => CauseReason::Required,
        "FieldValueDuplicate" => CauseReason::Duplicate,
        _ => CauseReason::Invalid,
    };
    let path = format!("{}{}", at.path, text("fieldPath"));
    let path = if path.is_empty() { "<nil>" } else { path.trim_start_matches('.') };
    // The server does not show whole objects and lists.
    let is_shown = reason == CauseReason::Invalid && at.new.as_map().is_none() && at.new.as_list().is_none();
    let text = if is_shown { format!("{}: {why}", at.new.to_json()) } else { why.to_owned() };
    fault(path, reason, &text)
}

#[cfg(feature = "cel")]
mod asked {
    use std::collections::BTreeMap;

    use crate::expression::{Answer, Program, STEPS};
    use crate::value::{Draft, Value, ValueRef, View};

    use super::{Checked, DEPTH};

    /// The server's reserved words, which stand between underscores as fields.
    const RESERVED: [&str; 20] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
    ];

    /// The rules that were read, by their text; `None` where one cannot be.
    pub(super) struct Programs<'s> {
        read: BTreeMap<&'s str, Option<Program>>,
        /// Steps that all rules together may still take.
        left: u64,
    }

    impl Default for Programs<'_> {
        fn default() -> Self {
            Self { read: BTreeMap::new(), left: 10 * STEPS }
        }
    }

    impl<'s> Programs<'s> {
        /// Returns whether a rule is broken, and if it says so itself, with which words.
        pub(super) fn refuses(
            &mut self,
            rule: &'s str,
            message: Option<&'s str>,
            schema: ValueRef<'_>,
            at: Checked<'_>,
        ) -> Option<Option<String>> {
            let program = self.read(rule)?.clone();
            match (program.names("oldSelf"), at.old) {
                (true, None) => return None,
                // What was valid once stays so while it does not change.
                (false, Some(old)) if old == at.new => return None,
                _ => {}
            }
            // Only equality means the same for the text of a duration.
            if rule.contains(['<', '>']) && has_durations(schema, 0) {
                return None;
            }
            let new = typed(at.new, schema, 0).freeze();
            let old = at.old.map(|old| typed(old, schema, 0).freeze());
            let is_broken = self.ask(&program, &new, old.as_ref()) == Answer::Holds(false);
            is_broken.then(|| {
                let program = self.read(message?)?.clone();
                match self.ask(&program, &new, old.as_ref()) {
                    Answer::Says(text) if !text.trim().is_empty() && !text.contains('\n') => Some(text),
                    _ => None,
                }
            })
        }

        fn read(&mut self, text: &'s str) -> Option<&Program> {
            self.read.entry(text).or_insert_with(|| Program::new(text).ok()).as_ref()
        }

        fn ask(&mut self, program: &Program, new: &Value, old: Option<&Value>) -> Answer {
            let nothing = Value::empty_map();
            let find = |name: &str| match (name, old) {
                ("self", _) => new.root(),
                ("oldSelf", Some(old)) => old.root(),
                _ => nothing.root(),
            };
            let (answer, steps) = program.ask(&find, self.left.min(STEPS));
            self.left = self.left.saturating_sub(steps);
            answer
        }
    }

    /// A value as rules see it: fields by names that CEL can write, and numbers of the type that the schema says.
    fn typed(value: ValueRef<'_>, schema: ValueRef<'_>, depth: usize) -> Draft {
        let is = |wanted: &str| schema.get("type").and_then(ValueRef::as_str) == Some(wanted);
        match value.view() {
            _ if depth > DEPTH => value.to_draft(),
            #[expect(clippy::cast_precision_loss, reason = "as JSON numbers are in Go")]
            View::Int(number) if is("number") => Draft::Float(number as f64),
            View::List(list) => match schema.get("items") {
                Some(of) => Draft::List(list.iter().map(|item| typed(item, of, depth + 1)).collect()),
                None => value.to_draft(),
            },
            View::Map(map) => {
                let (properties, others) = (schema.get("properties"), schema.get("additionalProperties"));
                let entry = |(name, value): (&str, ValueRef<'_>)| {
                    let of = properties.and_then(|properties| properties.get(name));
                    match (of, others.filter(|of| of.as_map().is_some())) {
                        (Some(of), _) => (escaped(name), typed(value, of, depth + 1)),
                        (None, Some(of)) => (name.to_owned(), typed(value, of, depth + 1)),
                        (None, None) => (name.to_owned(), value.to_draft()),
                    }
                };
                Draft::Map(map.iter().filter(|(_, value)| !value.is_null()).map(entry).collect())
            }
            _ => value.to_draft(),
        }
    }

    /// Rule: Kubernetes, "Validation rules", escaping of property names.
    fn escaped(name: &str) -> String {
        if RESERVED.contains(&name) || name == "while" {
            return format!("__{name}__");
        }
        let name = name.replace("__", "__underscores__");
        name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
    }

    fn has_durations(schema: ValueRef<'_>, depth: usize) -> bool {
        let is_one = schema.get("format").and_then(ValueRef::as_str) == Some("duration");
        let below = |of: ValueRef<'_>| has_durations(of, depth + 1);
        let properties = schema.get("properties").and_then(ValueRef::as_map);
        depth < DEPTH
            && (is_one
                || ["items", "additionalProperties"].iter().any(|name| schema.get(name).is_some_and(below))
                || properties.into_iter().flatten().any(|(_, of)| below(of)))
    }
}

#[cfg(not(feature = "cel"))]
mod asked {
    use std::marker::PhantomData;

    use crate::value::ValueRef;

    use super::Checked;

    /// No rule can be read.
    #[derive(Default)]
    pub(super) struct Programs<'s>(PhantomData<&'s ()>);

    impl Programs<'_> {
        /// Refuses nothing.
        pub(super) fn refuses(
            &mut self,
            _rule: &str,
            _message: Option<&str>,
            _schema: ValueRef<'_>,
            _at: Checked<'_>,
        ) -> Option<Option<String>> {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(schema: &str, new: &str, old: Option<&str>) -> String {
        let read = |text: &str| Value::from_json(text.as_bytes()).unwrap();
        let (schema, new, old) = (read(schema), read(new), old.map(read));
        let mut found = Vec::new();
        let at = Checked { path: "", new: new.root(), old: old.as_ref().map(Value::root) };
        check(schema.root(), at, &mut found);
        found.into_iter().map(|(path, _, text)| format!("{path}: {text}")).collect::<Vec<_>>().join("; ")
    }

    fn of_field(rest: &str, rule: &str) -> String {
        format!(r#"{{"properties":{{"a":{{{rest},"x-kubernetes-validations":[{rule}]}}}}}}"#)
    }

    #[test]
    fn what_may_not_change_does_not() {
        let schema = of_field(r#""type":"string""#, r#"{"rule":"self == oldSelf","message":"is fixed"}"#);
        assert_eq!(faults(&schema, r#"{"a":"1"}"#, Some(r#"{"a":"1"}"#)), "");
        assert_eq!(faults(&schema, r#"{"a":"1"}"#, None), "");
        assert_eq!(faults(&schema, r#"{"a":"2"}"#, Some(r#"{"a":"1"}"#)), "a: Invalid value: \"2\": is fixed");
    }

    #[cfg(feature = "cel")]
    #[test]
    fn rules_are_asked_of_fields_items_and_values_as_the_schema_has_them() {
        let number = |rule: &str| of_field(r#""type":"number""#, &format!(r#"{{"rule":"{rule}"}}"#));
        let list = |kind: &str, rule: &str| {
            format!(
                r#"{{"properties":{{"a":{{"type":"array"{kind},"items":{{"type":"object","properties":{{"name":{{"type":"string"}},
                    "v":{{"type":"integer"}}}},"x-kubernetes-validations":[{{"rule":"{rule}","message":"no"}}]}}}}}}}}"#
            )
        };
        let keyed = r#","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"]"#;
        let map = r#"{"properties":{"m":{"type":"object","additionalProperties":{"type":"string","x-kubernetes-validations":
            [{"rule":"self.startsWith('x')","messageExpression":"'not ' + self","reason":"FieldValueForbidden"}]}}}}"#;
        let escaped = r#"{"properties":{"a-b":{"type":"integer"},"namespace":{"type":"string"}},"x-kubernetes-validations":
            [{"rule":"self.a__dash__b > 1 && self.__namespace__ == 'x'","message":"no","fieldPath":".a-b"}]}"#;
        for (schema, new, old, expected) in [
            (number("self > 0.5"), r#"{"a":1}"#, None, ""),
            (number("self > 1.5"), r#"{"a":1}"#, None, "a: Invalid value: 1: failed rule: self > 1.5"),
            (number("self > 1.5"), r#"{"a":1}"#, Some(r#"{"a":1}"#), ""),
            (
                number("self >= oldSelf"),
                r#"{"a":1}"#,
                Some(r#"{"a":2}"#),
                "a: Invalid value: 1: failed rule: self >= oldSelf",
            ),
            (number("self >= oldSelf"), r#"{"a":1}"#, None, ""),
            (list("", "self.v < 5"), r#"{"a":[{"v":1},{"v":7}]}"#, None, "a[1]: Invalid value: no"),
            (
                list("", "self.v >= oldSelf.v"),
                r#"{"a":[{"name":"x","v":1}]}"#,
                Some(r#"{"a":[{"name":"x","v":2}]}"#),
                "",
            ),
            (
                list(keyed, "self.v >= oldSelf.v"),
                r#"{"a":[{"name":"x","v":1}]}"#,
                Some(r#"{"a":[{"name":"y","v":9},{"name":"x","v":2}]}"#),
                "a[0]: Invalid value: no",
            ),
            (list("", "has(self.v)"), r#"{"a":[{"name":"x"}]}"#, None, "a[0]: Invalid value: no"),
            (map.to_owned(), r#"{"m":{"k":"y","l":"xy"}}"#, None, "m[k]: Forbidden: not y"),
            (escaped.to_owned(), r#"{"a-b":1,"namespace":"x"}"#, None, "a-b: Invalid value: no"),
            (escaped.to_owned(), r#"{"a-b":2,"namespace":"x"}"#, None, ""),
        ] {
            assert_eq!(faults(&schema, new, old), expected, "{schema} {new}");
        }
    }

    #[cfg(feature = "cel")]
    #[test]
    fn a_rule_that_cannot_be_asked_refuses_nothing() {
        let text = |rule: &str| of_field(r#""type":"string""#, &format!(r#"{{"rule":"{rule}"}}"#));
        for rule in ["quantity(self).isInteger()", "self.b == 1", "self ==", "self > 1", "self.matches('[')"] {
            assert_eq!(faults(&text(rule), r#"{"a":"1"}"#, None), "", "{rule}");
        }
        let long = format!(r#"{{"a":[{}]}}"#, vec!["1"; 2000].join(","));
        let slow = of_field(r#""type":"array""#, r#"{"rule":"self.all(x, self.all(y, x == y && x == 2))"}"#);
        assert_eq!(faults(&slow, &long, None), "");
        let duration = of_field(r#""type":"string","format":"duration""#, r#"{"rule":"self > '9h'"}"#);
        assert_eq!(faults(&duration, r#"{"a":"10h"}"#, None), "");
    }
}
