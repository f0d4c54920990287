//! Events of Kubernetes: what happened to an application, for `kubectl describe` and `kubectl get events`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::engine::Occasion;
use gitops_core::resource::Resource;
use gitops_core::time::Timestamp;
use gitops_core::value::{Digest, Hasher, Purpose};
use serde_json::json;

use super::MANAGER;

/// How many kinds of news are remembered, to count what happens again.
const REMEMBERED: usize = 512;
/// What happens again within this time is counted, and not told anew.
const AGAIN: Duration = Duration::from_secs(600);
/// How many events an application has at once, and how long each takes to come back. The numbers of `client-go` are 25
/// and five minutes.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(60);
/// The longest message of an event. Rule: validation of events in kube-apiserver.
const MESSAGE: usize = 1024;

/// Makes events of notifications, and keeps them few.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    told: BTreeMap<Digest, Told>,
    budgets: BTreeMap<Arc<str>, Budget>,
}

#[derive(Debug)]
struct Told {
    name: String,
    count: u32,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Debug)]
struct Budget {
    left: u32,
    since: Timestamp,
}

impl Reporter {
    /// Returns the event that tells of something about a resource, if it is told at all.
    pub(super) fn event(
        &mut self,
        about: &Resource,
        (occasion, at): (Occasion, Timestamp),
        text: &str,
        instance: &str,
    ) -> Option<Resource> {
        let app = &about.key().name;
        let (reason, kind) = reason(occasion)?;
        if !self.has_budget(app, at) {
            return None;
        }
        let message = message(text, app);
        // Names of operations are new each time: by them nothing would ever happen again.
        let same = if matches!(occasion, Occasion::OnHealthDegraded | Occasion::OnDrift) { &*message } else { "" };
        let digest = Hasher::new(Purpose::Identity).text(&**app).text(about.uid()).text(reason).text(same).finish();
        let entry = self.told.entry(digest).or_insert_with(|| Told {
            name: name(about, digest, at),
            count: 0,
            first: at,
            last: at,
        });
        if at.since(entry.last) > AGAIN {
            *entry = Told { name: name(about, digest, at), count: 0, first: at, last: at };
        }
        (entry.count, entry.last) = (entry.count.saturating_add(1), at.max(entry.last));
        let key = about.key();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": entry.name, "namespace": key.namespace.as_deref()},
            "involvedObject": {
                "apiVersion": about.tree().get("apiVersion").and_then(|version| version.as_str()),
                "kind": key.kind(),
                "name": &*key.name,
                "namespace": key.namespace.as_deref(),
                "uid": about.uid(),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": instance,
            "firstTimestamp": entry.first.whole_seconds(),
            "lastTimestamp": entry.last.whole_seconds(),
            "count": entry.count,
        });
        self.forget_oldest();
        Resource::from_typed(&event).ok()
    }

    /// Forgets an application that is gone.
    pub(super) fn forget(&mut self, app: &str) {
        self.budgets.remove(app);
    }

    fn has_budget(&mut self, app: &Arc<str>, now: Timestamp) -> bool {
        let budget = self.budgets.entry(Arc::clone(app)).or_insert(Budget { left: BURST, since: now });
        let refilled = now.since(budget.since).as_secs() / REFILL.as_secs();
        if refilled > 0 {
            budget.left = budget.left.saturating_add(u32::try_from(refilled).unwrap_or(BURST)).min(BURST);
            budget.since = now;
        }
        let has_any = budget.left > 0;
        budget.left = budget.left.saturating_sub(1);
        has_any
    }

    fn forget_oldest(&mut self) {
        if self.told.len() > REMEMBERED {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.last).map(|(digest, _)| *digest);
            oldest.map(|digest| self.told.remove(&digest));
        }
    }
}

fn reason(occasion: Occasion) -> Option<(&'static str, &'static str)> {
    Some(match occasion {
        Occasion::OnSyncRunning => ("SyncStarted", "Normal"),
        Occasion::OnSyncSucceeded => ("SyncSucceeded", "Normal"),
        Occasion::OnSyncFailed => ("SyncFailed", "Warning"),
        Occasion::OnHealthDegraded => ("HealthDegraded", "Warning"),
        Occasion::OnDrift => ("Drift", "Warning"),
        _ => return None,
    })
}

/// A name as `client-go` makes them, that no two events share.
fn name(about: &Resource, digest: Digest, at: Timestamp) -> String {
    let digest = Hasher::new(Purpose::Identity).digest(&digest).text(&*at.to_string()).finish().short();
    // A name has 253 bytes at most, and is ASCII.
    let app: String = about.key().name.chars().take(200).collect();
    format!("{}.{digest}", app.trim_end_matches(['.', '-']))
}

/// What is told, without the name of the application, which is the object of the event.
fn message(text: &str, app: &str) -> String {
    let text = text.strip_prefix(app).and_then(|text| text.strip_prefix(": ")).unwrap_or(text);
    let mut end = text.len().min(MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use gitops_core::value::ValueRef;

    use super::*;

    fn shop() -> Resource {
        Resource::from_typed(&json!({"apiVersion": "gitops.rs/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "a", "uid": "1"}}))
        .unwrap()
    }

    fn at(minute: u64) -> Timestamp {
        Timestamp::EPOCH + Duration::from_secs(60 * minute)
    }

    fn text<'e>(event: &'e Resource, path: &[&str]) -> Option<&'e str> {
        event.tree().dig(path).and_then(ValueRef::as_str)
    }

    #[test]
    fn what_happens_again_is_counted_in_one_event() {
        let mut reporter = Reporter::default();
        let mut tell =
            |minute, occasion, text: &str| reporter.event(&shop(), (occasion, at(minute)), text, "pod-1").unwrap();
        let first = tell(1, Occasion::OnDrift, "shop: changed on the cluster: a");
        assert_eq!(text(&first, &["message"]), Some("changed on the cluster: a"));
        assert_eq!((text(&first, &["reason"]), text(&first, &["type"])), (Some("Drift"), Some("Warning")));
        assert_eq!(text(&first, &["involvedObject", "uid"]), Some("1"));
        let again = tell(2, Occasion::OnDrift, "shop: changed on the cluster: a");
        assert_eq!(again.key(), first.key());
        assert_eq!(again.tree().get("count").and_then(ValueRef::as_i64), Some(2));
        assert_eq!(text(&again, &["firstTimestamp"]), text(&first, &["firstTimestamp"]));
        assert_ne!(tell(2, Occasion::OnDrift, "shop: changed on the cluster: b").key(), first.key());
        assert_ne!(tell(60, Occasion::OnDrift, "shop: changed on the cluster: a").key(), first.key(), "long after");
        let one = tell(60, Occasion::OnSyncSucceeded, "shop: operation 1: succeeded");
        let two = tell(61, Occasion::OnSyncSucceeded, "shop: operation 2: succeeded");
        assert_eq!(one.key(), two.key(), "each operation has another name");
        assert_eq!(text(&two, &["message"]), Some("operation 2: succeeded"));
    }

    #[test]
    fn what_happens_too_often_is_not_told_and_nothing_grows_without_end() {
        let mut reporter = Reporter::default();
        let mut tell =
            |minute: u64, text: &str| reporter.event(&shop(), (Occasion::OnDrift, at(minute)), text, "pod-1");
        let told = (0..100).filter(|nth| tell(1, &format!("change {nth}")).is_some()).count();
        assert_eq!(told, 25);
        assert!(tell(2, "change").is_some(), "one comes back after a minute");
        assert!(tell(2, "change").is_none());
        for minute in 3..2000 {
            tell(minute, &format!("change {minute}"));
        }
        assert!(reporter.told.len() <= REMEMBERED);
        reporter.forget("shop");
        assert!(reporter.budgets.is_empty());
    }
}
