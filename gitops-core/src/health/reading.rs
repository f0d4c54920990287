//! How rules read an object: tolerant of anything malformed, which counts as absent.

use crate::resource::Resource;
use crate::value::{List, ValueRef, View};

use super::HealthStatus;

/// What a rule finds: a status and why, or nothing when the object does not say (rule 40 of the exact rules decides).
pub(super) type Finding = Option<(HealthStatus, String)>;

/// An object being judged.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) live: &'a Resource,
    pub(super) spec: Option<ValueRef<'a>>,
    pub(super) status: Option<ValueRef<'a>>,
}

/// One entry of `status.conditions` (Kubernetes API conventions, "Typical status properties").
#[derive(Clone, Copy)]
pub(super) struct Condition<'a>(ValueRef<'a>);

/// Whether the controller has seen the present spec.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Observed {
    /// It has, or the object has no generation to tell.
    Current,
    /// The status is about an older spec: never evidence (rule 40).
    Older,
    /// The object has a generation and the status names none.
    Unsaid,
}

impl<'a> Reading<'a> {
    pub(super) fn new(live: &'a Resource) -> Self {
        Self { live, spec: live.tree().get("spec"), status: live.tree().get("status") }
    }

    /// Reads one element of the status, such as what one parent of a route says, as if it were the status.
    pub(super) fn within(self, element: ValueRef<'a>) -> Self {
        Self { status: Some(element), ..self }
    }

    /// Follows a dotted path from the root; `status` is that of [`within`](Self::within).
    pub(super) fn field(self, path: &str) -> Option<ValueRef<'a>> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let start = if first == "status" { self.status? } else { self.live.tree().get(first)? };
        rest.map_or(Some(start), |rest| rest.split('.').try_fold(start, ValueRef::get))
    }

    /// Follows `path` below `spec`.
    pub(super) fn spec(self, path: &[&str]) -> Option<ValueRef<'a>> {
        self.spec?.dig(path)
    }

    /// Follows `path` below `status`.
    pub(super) fn status(self, path: &[&str]) -> Option<ValueRef<'a>> {
        self.status?.dig(path)
    }

    /// Returns a counter of the status; counters at zero are left out by the server.
    pub(super) fn count(self, field: &str) -> i64 {
        self.status(&[field]).and_then(whole).unwrap_or(0)
    }

    /// Returns `spec.replicas`, which the server defaults to 1.
    pub(super) fn replicas(self) -> i64 {
        self.spec(&["replicas"]).and_then(whole).unwrap_or(1)
    }

    /// Returns a text of the status.
    pub(super) fn text(self, field: &str) -> &'a str {
        self.status(&[field]).and_then(ValueRef::as_str).unwrap_or_default()
    }

    /// Returns a non-empty list of the status.
    pub(super) fn list(self, path: &[&str]) -> Option<List<'a>> {
        self.status(path)?.as_list().filter(|list| !list.is_empty())
    }

    pub(super) fn generation(self) -> Option<i64> {
        self.live.tree().dig(&["metadata", "generation"]).and_then(whole)
    }

    pub(super) fn observed(self) -> Observed {
        // Argo Rollouts writes it as text.
        let number = |value: ValueRef<'_>| whole(value).or_else(|| value.as_str()?.parse().ok());
        let observed = self.live.tree().dig(&["status", "observedGeneration"]).and_then(number);
        match (self.generation(), observed) {
            (Some(generation), Some(observed)) if observed < generation => Observed::Older,
            // Typed clients write an unset generation as 0.
            (Some(_), None | Some(0)) => Observed::Unsaid,
            _ => Observed::Current,
        }
    }

    /// Returns what holds every verdict of a kind known to report `observedGeneration` back (rule 36).
    pub(super) fn unobserved(self) -> Finding {
        (self.observed() != Observed::Current).then(|| progressing("waiting for the present spec to be observed"))
    }

    /// Returns what holds every verdict of a kind whose status is about an older spec (rule 40).
    pub(super) fn older(self) -> Finding {
        (self.observed() == Observed::Older).then(|| progressing("waiting for the present spec to be observed"))
    }

    /// Returns the conditions that speak of the present generation.
    pub(super) fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        self.all_conditions().filter(move |condition| !self.is_older(*condition))
    }

    /// Returns whether a condition is about an older generation.
    pub(super) fn has_older_condition(self) -> bool {
        self.all_conditions().any(|condition| self.is_older(condition))
    }

    fn all_conditions(self) -> impl Iterator<Item = Condition<'a>> {
        self.list(&["conditions"]).into_iter().flatten().map(Condition)
    }

    fn is_older(self, condition: Condition<'_>) -> bool {
        let observed = condition.0.get("observedGeneration").and_then(whole).filter(|observed| *observed > 0);
        self.generation().zip(observed).is_some_and(|(generation, observed)| observed < generation)
    }

    /// Returns the first condition of a type.
    pub(super) fn condition(self, name: &str) -> Option<Condition<'a>> {
        self.conditions().find(|condition| condition.name() == name)
    }

    /// Returns the first condition of a type if it is `True`.
    pub(super) fn holds(self, name: &str) -> Option<Condition<'a>> {
        self.condition(name).filter(|condition| condition.is("True"))
    }
}

impl<'a> Condition<'a> {
    pub(super) fn of(value: ValueRef<'a>) -> Self {
        Self(value)
    }

    pub(super) fn name(self) -> &'a str {
        self.text("type")
    }

    pub(super) fn is(self, status: &str) -> bool {
        self.status() == status
    }

    /// Returns `True`, `False` or `Unknown`; an unquoted one in YAML became a boolean.
    pub(super) fn status(self) -> &'a str {
        match self.0.get("status").and_then(ValueRef::as_bool) {
            Some(true) => "True",
            Some(false) => "False",
            None => self.text("status"),
        }
    }

    pub(super) fn reason(self) -> &'a str {
        self.text("reason")
    }

    /// Returns the message, else the reason.
    pub(super) fn message(self) -> String {
        let message = self.text("message");
        if message.is_empty() { self.reason().to_owned() } else { message.to_owned() }
    }

    /// Returns the message, else the reason, else what it is.
    pub(super) fn told(self) -> String {
        let message = self.message();
        if message.is_empty() { format!("{} is {}", self.name(), self.status()) } else { message }
    }

    fn text(self, field: &str) -> &'a str {
        self.0.get(field).and_then(ValueRef::as_str).unwrap_or_default()
    }
}

/// Reads a whole number, however it was written.
pub(super) fn whole(value: ValueRef<'_>) -> Option<i64> {
    match value.view() {
        View::Int(number) => Some(number),
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 53 bits")]
        View::Float(number) if number.trunc() == number && number.abs() < 9e15 => Some(number as i64),
        _ => None,
    }
}

pub(super) fn healthy(message: impl Into<String>) -> (HealthStatus, String) {
    (HealthStatus::Healthy, message.into())
}

pub(super) fn progressing(message: impl Into<String>) -> (HealthStatus, String) {
    (HealthStatus::Progressing, message.into())
}

pub(super) fn degraded(message: impl Into<String>) -> (HealthStatus, String) {
    (HealthStatus::Degraded, message.into())
}

pub(super) fn suspended(message: impl Into<String>) -> (HealthStatus, String) {
    (HealthStatus::Suspended, message.into())
}
