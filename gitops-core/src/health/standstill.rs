//! What waiting alone will not change, and why.

use std::fmt;

use serde::Serialize;

use crate::value::ValueRef;

use super::reading::{Reading, whole};

/// Why an object stays as it is, however long one waits. It says nothing of how the object is: what is suspended on
/// purpose may be as healthy as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Standstill {
    /// A field or an annotation holds it, such as `spec.paused`; nothing goes on until that is taken back.
    HeldBy(&'static str),
    /// A claim whose storage class may bind volumes on first use (`WaitForFirstConsumer`): no pod uses it yet.
    FirstConsumer,
    /// Its pods are updated only when somebody deletes them (`updateStrategy: OnDelete`).
    OnDelete,
    /// Its update stops at a partition until somebody moves that.
    Partition,
    /// A person must approve what comes next.
    Approval,
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldBy(place) => write!(f, "held by `{place}` until that is taken back"),
            Self::FirstConsumer => f.write_str("bound when the first pod uses it, if its storage class waits for that"),
            Self::OnDelete => f.write_str("its pods are updated only when they are deleted"),
            Self::Partition => f.write_str("its update stops at the partition until that is moved"),
            Self::Approval => f.write_str("waits for a person to approve it"),
        }
    }
}

/// Fields, below `spec`, and annotations by which people hold controllers, of built-in kinds and by custom of most others.
const FIELDS: [(&str, &[&str]); 5] = [
    ("spec.paused", &["paused"]),
    ("spec.suspend", &["suspend"]),
    ("spec.pause", &["pause"]),
    ("spec.updateStrategy.paused", &["updateStrategy", "paused"]),
    ("spec.updateStrategy.rollingUpdate.paused", &["updateStrategy", "rollingUpdate", "paused"]),
];
const ANNOTATIONS: [(&str, &str); 6] = [
    ("crossplane.io/paused", "true"),
    ("strimzi.io/pause-reconciliation", "true"),
    ("services.k8s.aws/paused", "true"),
    ("autoscaling.keda.sh/paused", "true"),
    ("cnpg.io/reconciliationLoop", "disabled"),
    ("cnpg.io/hibernation", "on"),
];

/// Returns what holds an object, if anything does.
pub(super) fn of(object: Reading<'_>) -> Option<Standstill> {
    let is_held = |path: &[&str]| object.spec(path).and_then(ValueRef::as_bool) == Some(true);
    if let Some((name, _)) = FIELDS.iter().find(|(_, path)| is_held(path)) {
        return Some(Standstill::HeldBy(name));
    }
    let annotations = object.live.tree().dig(&["metadata", "annotations"]);
    let annotation = |name| annotations?.get(name)?.as_str();
    if let Some((name, _)) = ANNOTATIONS.iter().find(|(name, value)| annotation(name) == Some(*value)) {
        return Some(Standstill::HeldBy(name));
    }
    // Cluster API asks for its being there only.
    if annotation("cluster.x-k8s.io/paused").is_some() {
        return Some(Standstill::HeldBy("cluster.x-k8s.io/paused"));
    }
    let key = object.live.key();
    match (key.group(), key.kind()) {
        ("", "PersistentVolumeClaim") => waits_for_consumer(object).then_some(Standstill::FirstConsumer),
        ("apps", "StatefulSet" | "DaemonSet") => rollout(object),
        ("apps.kruise.io", "CloneSet" | "StatefulSet" | "DaemonSet") => rollout(object),
        ("certificates.k8s.io", "CertificateSigningRequest") => {
            let decided = ["Approved", "Denied", "Failed"].iter().any(|name| object.holds(name).is_some());
            (!decided).then_some(Standstill::Approval)
        }
        ("operators.coreos.com", "InstallPlan") => {
            (object.text("phase") == "RequiresApproval").then_some(Standstill::Approval)
        }
        ("operators.coreos.com", "Subscription") => {
            let asks = object.holds("InstallPlanPending").is_some_and(|plan| plan.reason() == "RequiresApproval");
            asks.then_some(Standstill::Approval)
        }
        _ => None,
    }
}

/// The volume controller names a provisioner on a claim as soon as it has one to wait for; with a class that waits for
/// the first consumer that is once the scheduler has named a node (Kubernetes, "Volume Binding Mode"). Whether the class
/// does is not written on the claim.
fn waits_for_consumer(object: Reading<'_>) -> bool {
    const AT_WORK: [&str; 3] = [
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
    ];
    matches!(object.text("phase"), "" | "Pending")
        && object.spec(&["volumeName"]).is_none()
        && object.spec(&["storageClassName"]).and_then(ValueRef::as_str) != Some("")
        && AT_WORK.iter().all(|name| object.live.annotation(name).is_none())
}

fn rollout(object: Reading<'_>) -> Option<Standstill> {
    let (wanted, updated) = match object.status(&["desiredNumberScheduled"]).and_then(whole) {
        Some(wanted) => (wanted, object.count("updatedNumberScheduled")),
        None => (object.replicas(), object.count("updatedReplicas")),
    };
    let strategy = object.spec(&["updateStrategy"])?;
    let partition = strategy.dig(&["rollingUpdate", "partition"]).or_else(|| strategy.get("partition"));
    if updated >= wanted {
        None
    } else if strategy.get("type").and_then(ValueRef::as_str) == Some("OnDelete") {
        Some(Standstill::OnDelete)
    } else {
        let partition = partition.and_then(whole).filter(|partition| *partition > 0)?;
        (updated >= wanted.saturating_sub(partition)).then_some(Standstill::Partition)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{judge, live};
    use super::*;

    #[test]
    fn what_waiting_does_not_change_is_named() {
        use Standstill::{Approval, FirstConsumer, HeldBy, OnDelete, Partition};
        const CLAIM: &str = "v1/PersistentVolumeClaim";
        for (kind, rest, standstill) in [
            ("apps/v1/Deployment", r#""spec":{"paused":true}"#, Some(HeldBy("spec.paused"))),
            ("apps/v1/Deployment", r#""spec":{"paused":false}"#, None),
            ("batch/v1/CronJob", r#""spec":{"suspend":true}"#, Some(HeldBy("spec.suspend"))),
            ("example.com/v1/Widget", r#""spec":{"suspend":true}"#, Some(HeldBy("spec.suspend"))),
            (CLAIM, r#""status":{"phase":"Pending"}"#, Some(FirstConsumer)),
            (CLAIM, r#""status":{"phase":"Bound"}"#, None),
            // Bound by hand: no class is asked.
            (CLAIM, r#""spec":{"storageClassName":""},"status":{"phase":"Pending"}"#, None),
            (CLAIM, r#""spec":{"volumeName":"pv-1"},"status":{"phase":"Pending"}"#, None),
            (
                "apps/v1/StatefulSet",
                r#""spec":{"replicas":2,"updateStrategy":{"type":"OnDelete"}},"status":{"updatedReplicas":1}"#,
                Some(OnDelete),
            ),
            (
                "apps/v1/DaemonSet",
                r#""spec":{"updateStrategy":{"type":"OnDelete"}},"status":{"desiredNumberScheduled":2,"updatedNumberScheduled":2}"#,
                None,
            ),
            (
                "apps/v1/StatefulSet",
                r#""spec":{"replicas":3,"updateStrategy":{"rollingUpdate":{"partition":2}}},"status":{"updatedReplicas":1}"#,
                Some(Partition),
            ),
            (
                "apps/v1/StatefulSet",
                r#""spec":{"replicas":3,"updateStrategy":{"rollingUpdate":{"partition":1}}},"status":{"updatedReplicas":1}"#,
                None,
            ),
            ("operators.coreos.com/v1alpha1/InstallPlan", r#""status":{"phase":"RequiresApproval"}"#, Some(Approval)),
        ] {
            assert_eq!(judge(&live(kind, rest)).standstill, standstill, "{kind} {rest}");
        }
    }
}
