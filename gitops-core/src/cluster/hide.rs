//! What a server says of a Secret, without the values that it was sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::resource::Resource;
use crate::value::{Value, ValueRef, View};

use super::{Cause, ClusterError, Failure, Verb, Write, Written};

const HIDDEN: &str = "(secret)";

/// Shorter values are hidden only where they stand alone: `1` is a part of many words.
const SHORT: usize = 4;

/// Single lines of a value are hidden from this length on.
const LINE: usize = 12;

impl Write {
    /// Takes the values of a Secret that was to be written out of what the server said about it: admission webhooks and
    /// validation may quote them. Whoever performs a [`Write`] passes the answer on through this.
    ///
    /// ```
    /// use gitops_core::cluster::{ClusterError, Failure, Force, Write};
    /// # use gitops_core::{resource::Resource, value::Value};
    ///
    /// # let json = br#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"},"data":{"key":"aHVudGVyMg=="}}"#;
    /// # let secret = Resource::new(Value::from_json(json)?)?;
    /// let write = Write::apply(&secret, "me", Force::No);
    /// let said = Failure::Refused { message: "`hunter2` is too short".into() };
    /// let error = write.discreet(Err(said.into())).unwrap_err();
    /// assert_eq!(error.to_string(), "refused by the cluster: `(secret)` is too short");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the answer is one.
    pub fn discreet(&self, answer: Result<Written, ClusterError>) -> Result<Written, ClusterError> {
        let (Verb::Apply { object, .. } | Verb::Create { object, .. } | Verb::Replace { object, .. }) = &self.verb
        else {
            return answer;
        };
        if !self.key.is("", "Secret") {
            return answer;
        }
        match answer {
            Ok(mut written) => {
                if !written.warnings.is_empty() {
                    let hidden = Hidden::of(object);
                    written.warnings.iter_mut().for_each(|warning| hidden.clean(warning));
                }
                Ok(written)
            }
            Err(ClusterError { mut failure, cause }) => {
                let hidden = Hidden::of(object);
                hidden.clean_failure(&mut failure);
                let quotes =
                    |error: &Arc<dyn std::error::Error + Send + Sync>| hidden.is_in(&format!("{error} {error:?}"));
                Err(ClusterError { failure, cause: cause.filter(|error| !quotes(error)) })
            }
        }
    }
}

/// The values of a Secret in all forms in which a server may quote them, longest first.
struct Hidden(Vec<String>);

impl Hidden {
    fn of(secret: &Resource) -> Self {
        let mut forms = BTreeSet::new();
        for (field, is_encoded) in [("data", true), ("stringData", false)] {
            let mut open: Vec<ValueRef<'_>> = secret.tree().get(field).into_iter().collect();
            while let Some(value) = open.pop() {
                match value.view() {
                    View::String(text) => {
                        forms_of(text, &mut forms);
                        let decoded = STANDARD.decode(text).ok().filter(|_| is_encoded);
                        if let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                            forms_of(&text, &mut forms);
                        }
                        if !is_encoded {
                            forms_of(&STANDARD.encode(text), &mut forms);
                        }
                    }
                    View::Map(map) => open.extend(map.iter().map(|(_, value)| value)),
                    View::List(list) => open.extend(list.iter()),
                    _ => {}
                }
            }
        }
        let mut forms: Vec<String> = forms.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self(forms)
    }

    fn clean_failure(&self, failure: &mut Failure) {
        match failure {
            Failure::Denied { message }
            | Failure::Refused { message }
            | Failure::WebhookUnavailable { message }
            | Failure::TooLarge { message }
            | Failure::Unavailable { message }
            | Failure::InDoubt { message }
            | Failure::Unsupported { message } => self.clean(message),
            Failure::Invalid { message, causes } => {
                self.clean(message);
                for Cause { field, message } in causes {
                    self.clean(field);
                    self.clean(message);
                }
            }
            Failure::FieldConflict { .. }
            | Failure::Stale
            | Failure::AlreadyExists
            | Failure::NotFound
            | Failure::NamespaceMissing { .. }
            | Failure::NamespaceTerminating { .. }
            | Failure::KindNotServed
            | Failure::Throttled { .. }
            | Failure::CursorExpired => {}
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.iter().any(|form| places(text, form).next().is_some())
    }

    fn clean(&self, text: &mut Arc<str>) {
        for form in &self.0 {
            let places: Vec<usize> = places(text, form).collect();
            if places.is_empty() {
                continue;
            }
            let (mut cleaned, mut from) = (String::new(), 0);
            for at in places {
                cleaned += text.get(from..at).unwrap_or_default();
                cleaned += HIDDEN;
                from = at + form.len();
            }
            cleaned += text.get(from..).unwrap_or_default();
            *text = cleaned.into();
        }
    }
}

/// A value as it is, as JSON and Go quote it, and its lines.
fn forms_of(text: &str, forms: &mut BTreeSet<String>) {
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= LINE);
    for form in [text, text.trim()].into_iter().chain(lines).filter(|form| !form.is_empty()) {
        let quoted = Value::from(form).to_json();
        forms.extend(quoted.get(1..quoted.len() - 1).map(str::to_owned));
        forms.insert(form.to_owned());
    }
}

/// Where a value stands in a text.
fn places<'t>(text: &'t str, form: &'t str) -> impl Iterator<Item = usize> + use<'t> {
    let stands_alone = move |at: usize| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + form.len()..).and_then(|text| text.chars().next());
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    };
    text.match_indices(form).map(|(at, _)| at).filter(move |at| form.len() >= SHORT || stands_alone(*at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Force, WriteOutcome};

    fn write(data: &str) -> Write {
        let json = format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"key"}},{data}}}"#);
        Write::apply(&Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap(), "me", Force::No)
    }

    #[test]
    fn values_are_taken_out_of_refusals_and_warnings_in_every_form() {
        let pem = "-----BEGIN KEY-----\\nabcdefghijklmnop\\n-----END KEY-----";
        for (data, said, expected) in [
            (r#""stringData":{"a":"hunter2"}"#, "a=hunter2, b=hunter22", "a=(secret), b=(secret)2"),
            (r#""stringData":{"a":"hunter2"}"#, "`aHVudGVyMg==`", "`(secret)`"),
            (r#""data":{"a":"aHVudGVyMg=="}"#, "`hunter2` or aHVudGVyMg==", "`(secret)` or (secret)"),
            (r#""stringData":{"a":"1"}"#, "value 1 in v1 of 11", "value (secret) in v1 of 11"),
            (r#""stringData":{"a":"say \"hi\""}"#, r#"got "say \"hi\"""#, r#"got "(secret)""#),
            (r#""stringData":{"a":["hunter2"]}"#, "hunter2", "(secret)"),
            (r#""stringData":{"a":""}"#, "nothing", "nothing"),
            (&format!(r#""stringData":{{"a":"{pem}"}}"#), "line abcdefghijklmnop", "line (secret)"),
            (&format!(r#""stringData":{{"a":"{pem}"}}"#), pem, "(secret)"),
        ] {
            let failure = Failure::Invalid { message: said.into(), causes: vec![Cause::new(said, said)] };
            let cause = ClusterError::new(failure.clone());
            let error = write(data).discreet(Err(ClusterError::new(failure).caused_by(cause))).unwrap_err();
            let wanted = Failure::Invalid { message: expected.into(), causes: vec![Cause::new(expected, expected)] };
            assert_eq!(error.failure, wanted, "{data}");
            assert_eq!(error.cause.is_some(), said == expected, "{data}");
            let mut written = Written::new(WriteOutcome::Changed, None);
            written.warnings = vec![said.into()];
            assert_eq!(write(data).discreet(Ok(written)).unwrap().warnings, [expected.into()], "{data}");
        }
    }
}
