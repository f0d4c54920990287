//! Kinds of Kubernetes itself that say how they are, and that Argo CD does not look at.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::super::clause::Test::{All, False, Has, Is, Not, True};
use super::{Rule, quiet, says};

pub(super) const RULES: &[Rule] = &[
    says(
        "/Node",
        &[
            (Is("spec.unschedulable", "true"), Suspended),
            (True("NetworkUnavailable"), Degraded),
            (False("Ready"), Degraded),
            (True("Ready"), Healthy),
        ],
    ),
    quiet(
        "/PersistentVolume",
        &[(Is("status.phase", "Failed"), Degraded), (Is("status.phase", "Pending"), Progressing)],
    ),
    // Somebody, or a controller, approves; then a signer has to sign.
    says(
        "certificates.k8s.io/CertificateSigningRequest",
        &[
            (True("Denied|Failed"), Degraded),
            (All(&[True("Approved"), Has("status.certificate")]), Healthy),
            (Not(&True("Approved")), Suspended),
        ],
    ),
    quiet("flowcontrol.apiserver.k8s.io/FlowSchema", &[(True("Dangling"), Degraded)]),
    quiet("networking.k8s.io/ServiceCIDR", &[(False("Ready"), Progressing), (True("Ready"), Healthy)]),
    says(
        "storage.k8s.io/VolumeAttachment",
        &[
            (Has("status.attachError"), Degraded),
            (Has("status.detachError"), Degraded),
            (Is("status.attached", "true"), Healthy),
        ],
    ),
    quiet("resource.k8s.io/*", &[]),
];
