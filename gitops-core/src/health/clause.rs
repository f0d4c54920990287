//! The language in which rules for kinds are written: what a condition or a field of the status means.
//!
//! A rule is a list of clauses, each a test and the status it tells; the first test that holds decides. A status about
//! an older spec is never evidence (rule 40 of the exact rules), so that only tests of the spec are asked then.

use crate::value::{ValueRef, View};

use super::HealthStatus;
use super::reading::{Condition, Finding, Observed, Reading, progressing, whole};

/// A test, and what it tells when it holds.
pub(super) type Clause = (Test, HealthStatus);

/// What may be asked of an object. Texts of several words separated by `|` name alternatives; a word may begin or end
/// with `*`. Paths are dotted; a field that is absent, null, empty or malformed is absent.
pub(super) enum Test {
    /// A condition of one of these types is `True`.
    True(&'static str),
    /// A condition of one of these types is `False`.
    False(&'static str),
    /// A condition of one of these types is neither.
    Unsure(&'static str),
    /// A condition of one of these types is there and not `True`.
    Untrue(&'static str),
    /// A condition is about an older generation; such a one counts in no other test.
    Stale,
    /// A condition of one of these types has one of these reasons.
    Because(&'static str, &'static str),
    /// A field is one of these values, as text.
    Is(&'static str, &'static str),
    /// A field is there.
    Has(&'static str),
    /// A field is absent.
    Lacks(&'static str),
    /// The first number is less than the second; an absent number is 0, absent `spec.replicas` is 1.
    Less(&'static str, &'static str),
    /// A label is one of these values.
    Label(&'static str, &'static str),
    /// An annotation is one of these values.
    Annotation(&'static str, &'static str),
    /// Two fields differ.
    Differ(&'static str, &'static str),
    /// The test holds for an element of a list or map, which is read as if it were the status.
    Any(&'static str, &'static Self),
    /// It holds for every element, and there are elements.
    Every(&'static str, &'static Self),
    /// All of them hold.
    All(&'static [Self]),
    /// The test does not hold.
    Not(&'static Self),
    /// Nothing is asked: the last resort, and why.
    Always(&'static str),
}

use Test::{
    All, Always, Annotation, Any, Because, Differ, Every, False, Has, Is, Label, Lacks, Less, Not, Stale, True, Unsure,
    Untrue,
};

/// Judges by the first clause whose test holds.
pub(super) fn judge(clauses: &[Clause], object: Reading<'_>) -> Finding {
    let stale = object.observed() == Observed::Older;
    let asked = clauses.iter().filter(|(test, _)| !stale || test.is_about_spec());
    // That an object is well for lack of anything worse is told by a status, not by none (rule 40).
    let says = object.status.is_some_and(|status| !status.is_null());
    let counts = |(test, status): &&Clause| says || *status != HealthStatus::Healthy || !matches!(test, Always(_));
    let found = asked.filter(counts).filter_map(|(test, status)| Some((*status, test.holds(object)?))).next();
    found.or_else(|| stale.then(|| progressing("waiting for the present spec to be observed")))
}

impl Test {
    /// Returns what was found, for people, if it holds.
    fn holds(&self, object: Reading<'_>) -> Option<String> {
        let condition = |types, is: fn(Condition<'_>) -> bool| {
            object.conditions().find(|condition| named(types, condition.name()) && is(*condition)).map(Condition::told)
        };
        match self {
            True(types) => condition(types, |condition| condition.is("True")),
            False(types) => condition(types, |condition| condition.is("False")),
            Unsure(types) => condition(types, |condition| !condition.is("True") && !condition.is("False")),
            Untrue(types) => condition(types, |condition| !condition.is("True")),
            Stale => object.has_older_condition().then(|| "waiting for the present spec to be observed".to_owned()),
            Because(types, reasons) => {
                let mut named_so = object.conditions().filter(|condition| named(types, condition.name()));
                named_so.find(|condition| named(reasons, condition.reason())).map(Condition::told)
            }
            Is(path, values) => {
                let value = text(object.field(path)?)?;
                named(values, &value).then(|| told(object, path, &value))
            }
            Label(name, values) => {
                let value = object.live.tree().dig(&["metadata", "labels", name])?.as_str()?;
                named(values, value).then(|| format!("label `{name}` is `{value}`"))
            }
            Annotation(name, values) => {
                let value = object.live.annotation(name)?;
                named(values, value).then(|| format!("annotation `{name}` is `{value}`"))
            }
            Has(path) => present(object, path).map(|_| words(object).unwrap_or_default().to_owned()),
            Lacks(path) => present(object, path).is_none().then(|| format!("`{path}` is not there yet")),
            Less(few, many) => {
                let (few, many) = (number(object, few)?, number(object, many)?);
                (few < many).then(|| format!("{few} of {many}"))
            }
            Differ(one, other) => (object.field(one).and_then(text) != object.field(other).and_then(text))
                .then(|| format!("`{one}` is not yet `{other}`")),
            Any(path, test) => elements(object, path).find_map(|(name, element)| {
                let found = test.holds(object.within(element))?;
                Some(if name.is_empty() { found } else { format!("{name}: {found}") })
            }),
            Every(path, test) => {
                let mut found = None;
                for (_, element) in elements(object, path) {
                    found = Some(test.holds(object.within(element))?);
                }
                found
            }
            All(tests) => tests.iter().try_fold(String::new(), |told, test| {
                let more = test.holds(object)?;
                Some(if more.is_empty() { told } else { more })
            }),
            Not(test) => test.holds(object).is_none().then(String::new),
            Always(why) => Some((*why).to_owned()),
        }
    }

    fn is_about_spec(&self) -> bool {
        let is_spec = |path: &str| !path.starts_with("status");
        match self {
            Is(path, _) | Has(path) | Lacks(path) | Any(path, _) | Every(path, _) => is_spec(path),
            Less(one, other) | Differ(one, other) => is_spec(one) && is_spec(other),
            All(tests) => tests.iter().all(Self::is_about_spec),
            Not(test) => test.is_about_spec(),
            Annotation(..) => true,
            // Controllers write labels, people annotations.
            Label(..) | True(_) | False(_) | Unsure(_) | Untrue(_) | Because(..) | Stale | Always(_) => false,
        }
    }
}

/// Returns whether a word is one of several alternatives.
pub(super) fn named(alternatives: &str, word: &str) -> bool {
    alternatives.split('|').any(|pattern| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => !word.is_empty(),
        (Some(end), _) => word.ends_with(end),
        (None, Some(start)) => word.starts_with(start),
        (None, None) => pattern == word,
    })
}

fn present<'a>(object: Reading<'a>, path: &str) -> Option<ValueRef<'a>> {
    object.field(path).filter(|value| match value.view() {
        View::Null => false,
        View::String(text) => !text.is_empty(),
        View::List(list) => !list.is_empty(),
        View::Map(map) => !map.is_empty(),
        _ => true,
    })
}

fn number(object: Reading<'_>, path: &str) -> Option<i64> {
    match (object.field(path), path) {
        (None, "spec.replicas") => Some(1),
        (None, _) => Some(0),
        (Some(value), _) => whole(value),
    }
}

/// Returns a scalar as text.
fn text(value: ValueRef<'_>) -> Option<std::borrow::Cow<'_, str>> {
    Some(match value.view() {
        View::String(text) => text.into(),
        View::Bool(true) => "true".into(),
        View::Bool(false) => "false".into(),
        _ => whole(value)?.to_string().into(),
    })
}

/// The elements of a list or map, with the name each goes by.
fn elements<'a>(object: Reading<'a>, path: &str) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> {
    const NAMES: &[&[&str]] = &[
        &["parentRef", "name"],
        &["ancestorRef", "name"],
        &["templateMeta", "name"],
        &["name"],
        &["clusterName"],
        &["clustername"],
        &["branch"],
        &["host"],
        &["domain"],
    ];
    let field = object.field(path);
    let list = field.and_then(ValueRef::as_list).into_iter().flatten().map(|element| {
        let name = NAMES.iter().find_map(|name| element.dig(name)?.as_str());
        (name.unwrap_or_default(), element)
    });
    list.chain(field.and_then(ValueRef::as_map).into_iter().flatten())
}

/// Says what a field holds, with the object's own words where it has some.
fn told(object: Reading<'_>, path: &str, value: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    match words(object).filter(|words| *words != value) {
        Some(words) => format!("{name} is `{value}`: {words}"),
        None => format!("{name} is `{value}`"),
    }
}

/// Where kinds without conditions put a text for people.
fn words(object: Reading<'_>) -> Option<&str> {
    const WORDS: &[&str] = &["message", "errorMessage", "errorDescription", "failureMessage", "phaseReason", "reason"];
    WORDS.iter().find_map(|word| object.status(&[word])?.as_str().filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_word_is_named_whole_or_by_its_beginning_or_end() {
        for (alternatives, word, expected) in [
            ("Ready|Available", "Available", true),
            ("Ready|Available", "Avail", false),
            ("Waiting*", "Waiting for pods", true),
            ("*Failed", "ConfigurationFailed", true),
            ("*Failed", "FailedConfiguration", false),
            ("*", "anything", true),
            ("*", "", false),
            ("", "", true),
        ] {
            assert_eq!(named(alternatives, word), expected, "{alternatives} {word}");
        }
    }
}
