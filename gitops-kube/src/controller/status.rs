//! What a resource says of its application, for `kubectl get` and whoever waits.
//!
//! It is small whatever the size of the application, and holds nothing that changes while nothing happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::automation::{Decision, Why};
use gitops_core::engine::{AppStatus, ConditionKind};
use gitops_core::health::HealthStatus;
use gitops_core::problem::{Problem, Severity};
use gitops_core::reconcile::SyncStatus;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use gitops_core::value::ValueRef;
use serde_json::{Map, Value, json};

/// Most problems that a condition names, and most bytes of a message.
const NAMED: usize = 5;
const MESSAGE: usize = 2048;

/// What is said of one resource besides what the engine knows.
#[derive(Debug, Default)]
pub(super) struct Said<'s> {
    /// What is wrong with what it declares.
    pub(super) problems: Vec<&'s Problem>,
    /// Why it is not looked after, if it is not.
    pub(super) held_back: Option<&'s str>,
    /// What holds up its deletion, if it is being deleted.
    pub(super) deleting: Option<Arc<str>>,
}

/// A condition without its times.
struct Condition {
    kind: String,
    status: &'static str,
    reason: String,
    message: String,
    since: Option<Timestamp>,
}

/// Returns the status of an application.
pub(super) fn of_application(resource: &Resource, known: Option<&AppStatus>, said: &Said<'_>, now: Timestamp) -> Value {
    let mut conditions = vec![accepted(said), ready(known, said)];
    if let Some(waits) = &said.deleting {
        conditions.push(Condition::of("Deleting", "True", "Deleting", waits));
    }
    for one in known.into_iter().flat_map(|status| &status.conditions) {
        let kind = format!("{:?}", one.kind);
        let condition = Condition::of(&kind, "True", &kind, &one.message);
        conditions.push(Condition { since: Some(one.since), ..condition });
    }
    let mut status = match known {
        Some(known) => engine_part(known),
        None => json!({"sync": {"status": "Unknown"}, "health": {"status": "Unknown"}}),
    };
    finish(&mut status, resource, conditions, now);
    status
}

/// Returns the status of a project.
pub(super) fn of_project(resource: &Resource, said: &Said<'_>, now: Timestamp) -> Value {
    let mut status = json!({});
    finish(&mut status, resource, vec![accepted(said)], now);
    status
}

/// What the engine knows.
fn engine_part(known: &AppStatus) -> Value {
    let whole = serde_json::to_value(known).unwrap_or_default();
    let mut part = Map::new();
    // All but what is named otherwise here, or changes each time that somebody looks.
    for field in ["head", "hold", "history", "operation", "synced", "totals", "worst", "resources"] {
        if let Some(value) = whole.get(field) {
            part.insert(field.to_owned(), value.clone());
        }
    }
    let revisions: Vec<&str> = known.revisions.iter().map(|revision| revision.id.as_str()).collect();
    let mut sync = json!({"status": known.sync.to_string(), "revision": revisions.join("+")});
    if let (true, Some(sync)) = (revisions.len() > 1, sync.as_object_mut()) {
        sync.insert("revisions".to_owned(), json!(revisions));
    }
    part.insert("sync".to_owned(), sync);
    part.insert("health".to_owned(), json!({"status": format!("{:?}", known.health)}));
    Value::Object(part)
}

/// Whether the document can be used.
fn accepted(said: &Said<'_>) -> Condition {
    let texts = || {
        let texts: Vec<String> = said.problems.iter().take(NAMED).map(|problem| told(problem)).collect();
        let more = said.problems.len().saturating_sub(NAMED);
        if more == 0 { texts.join("; ") } else { format!("{}; and {more} more", texts.join("; ")) }
    };
    let blocks = said.problems.iter().any(|problem| problem.severity == Severity::Blocks);
    match said.held_back {
        Some(why) if !blocks => {
            let all = [why.to_owned(), texts()];
            Condition::of("Accepted", "False", "HeldBack", all.join("; ").trim_end_matches("; "))
        }
        Some(_) => Condition::of("Accepted", "False", "Invalid", &texts()),
        None if said.problems.is_empty() => Condition::of("Accepted", "True", "Accepted", ""),
        None => Condition::of("Accepted", "True", "AcceptedWithWarnings", &texts()),
    }
}

/// Whether it is as declared, and healthy: what `kubectl wait --for=condition=Ready` waits for.
fn ready(known: Option<&AppStatus>, said: &Said<'_>) -> Condition {
    let of = |status, reason: &str, message: &str| Condition::of("Ready", status, reason, message);
    if let Some(waits) = &said.deleting {
        return of("False", "Deleting", waits);
    }
    if said.held_back.is_some() {
        return of("False", "NotAccepted", "see the condition `Accepted`");
    }
    let Some(known) = known.filter(|known| known.compared.is_some() || !known.conditions.is_empty()) else {
        return of("Unknown", "NotCompared", "it was not compared yet");
    };
    let gives_nothing = known.conditions.iter().find(|one| one.kind <= ConditionKind::LedgerError);
    if let Some(condition) = gives_nothing {
        return of("Unknown", &format!("{:?}", condition.kind), &condition.message);
    }
    if let Some(operation) = &known.operation {
        let waits: Vec<String> = operation.waits.iter().map(|wait| format!("{} {}", wait.key, wait.what)).collect();
        let text = format!("{}: {}", operation.trigger, waits.join("; "));
        return of("False", "Syncing", text.trim_end_matches(": "));
    }
    let first = known.conditions.first().map(|condition| condition.message.to_string());
    let rests = match &known.decision {
        Some(decided) => match &decided.decision {
            Decision::Rest { why: Why::InSync, .. } => None,
            Decision::Rest { why, .. } => Some(why.to_string()),
            _ => None,
        },
        None => None,
    };
    let why = first.or(rests).unwrap_or_default();
    match (known.sync, known.health) {
        (SyncStatus::Synced, HealthStatus::Healthy | HealthStatus::Suspended) => of("True", "Synced", &why),
        (SyncStatus::Synced, health) => of("False", &format!("{health:?}"), &worst(known).unwrap_or(why)),
        (SyncStatus::OutOfSync, _) => of("False", "OutOfSync", &why),
        _ => of("Unknown", "Unknown", &why),
    }
}

/// What is worst, in a line.
fn worst(known: &AppStatus) -> Option<String> {
    let worst = known.worst.first()?;
    Some(format!("{}: {}", worst.key, worst.message).trim_end_matches(": ").to_owned())
}

/// A problem without what the reader has before the eyes: the resource itself.
fn told(problem: &Problem) -> String {
    let field = problem.field.as_ref().map(|field| format!("`{field}`: ")).unwrap_or_default();
    let hint = problem.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{field}{}{hint}", problem.text)
}

/// Adds the conditions, each with the time since when it is so, and the generation that all this is about.
fn finish(status: &mut Value, resource: &Resource, conditions: Vec<Condition>, now: Timestamp) {
    let before = since(resource);
    let generation = resource.tree().dig(&["metadata", "generation"]).and_then(ValueRef::as_i64);
    let written = conditions.into_iter().map(|condition| {
        let was = before.get(condition.kind.as_str()).filter(|(status, _)| *status == condition.status);
        let since = condition.since.or(was.map(|(_, at)| *at)).unwrap_or(now).whole_seconds();
        let mut written = json!({
            "type": condition.kind,
            "status": condition.status,
            "reason": condition.reason,
            "message": cut(&condition.message),
            "lastTransitionTime": since,
        });
        if let (Some(generation), Some(written)) = (generation, written.as_object_mut()) {
            written.insert("observedGeneration".to_owned(), json!(generation));
        }
        written
    });
    let Some(status) = status.as_object_mut() else { return };
    status.insert("conditions".to_owned(), written.collect());
    if let Some(generation) = generation {
        status.insert("observedGeneration".to_owned(), json!(generation));
    }
}

/// How the conditions of a resource were, and since when.
fn since(resource: &Resource) -> BTreeMap<&str, (&str, Timestamp)> {
    let conditions = resource.tree().dig(&["status", "conditions"]).and_then(ValueRef::as_list);
    let read = conditions.into_iter().flatten().filter_map(|condition| {
        let text = |field: &str| condition.get(field).and_then(ValueRef::as_str);
        Some((text("type")?, (text("status")?, text("lastTransitionTime")?.parse().ok()?)))
    });
    read.collect()
}

fn cut(message: &str) -> String {
    let mut end = message.len().min(MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let (kept, left) = message.split_at_checked(end).unwrap_or((message, ""));
    if left.is_empty() { kept.to_owned() } else { format!("{kept} …") }
}

impl Condition {
    fn of(kind: &str, status: &'static str, reason: &str, message: &str) -> Self {
        Self { kind: kind.to_owned(), status, reason: reason.to_owned(), message: message.to_owned(), since: None }
    }
}

#[cfg(test)]
mod tests {
    use gitops_core::problem::Code;

    use super::*;

    fn resource(status: &Value) -> Resource {
        Resource::from_typed(&json!({"apiVersion": "gitops.rs/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "a", "generation": 4}, "spec": {}, "status": status}))
        .unwrap()
    }

    fn condition<'s>(status: &'s Value, name: &str) -> Option<&'s Value> {
        status["conditions"].as_array().unwrap().iter().find(|one| one["type"] == name)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH + std::time::Duration::from_secs(seconds)
    }

    #[test]
    fn a_document_that_cannot_be_used_says_so_with_the_field_and_what_to_do() {
        let problem = Problem::blocks(Code::InvalidApplication, "the application has no source").hint("set `source`");
        let said = Said { problems: vec![&problem], held_back: Some("is held back"), deleting: None };
        let status = of_application(&resource(&json!({})), None, &said, at(9));
        let accepted = condition(&status, "Accepted").unwrap();
        assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("Invalid")));
        assert_eq!(accepted["message"], "the application has no source; set `source`");
        assert_eq!(accepted["observedGeneration"], 4);
        assert_eq!(condition(&status, "Ready").unwrap()["reason"], "NotAccepted");
        assert_eq!(status["sync"]["status"], "Unknown");
    }

    #[test]
    fn a_condition_keeps_its_time_for_as_long_as_it_is_so() {
        let first = of_application(&resource(&json!({})), None, &Said::default(), at(9));
        let again = of_application(&resource(&first), None, &Said::default(), at(60));
        assert_eq!(first, again, "nothing is written where nothing changed");
        let said = Said { deleting: Some("waits for nothing".into()), ..Said::default() };
        let deleting = of_application(&resource(&first), None, &said, at(60));
        let ready = condition(&deleting, "Ready").unwrap();
        assert_eq!((&ready["status"], &ready["lastTransitionTime"]), (&json!("False"), &json!("1970-01-01T00:01:00Z")));
        assert_eq!(condition(&deleting, "Accepted").unwrap()["lastTransitionTime"], "1970-01-01T00:00:09Z");
    }

    #[test]
    fn a_message_has_an_end() {
        let long = "ä".repeat(5000);
        let said = Said { deleting: Some(long.into()), ..Said::default() };
        let status = of_application(&resource(&json!({})), None, &said, at(0));
        assert!(status.to_string().len() < 8192, "{}", status.to_string().len());
    }
}
