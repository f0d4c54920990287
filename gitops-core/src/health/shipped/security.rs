//! Certificates, secrets, policies, identities.

use super::super::HealthStatus::{Degraded, Healthy, Progressing};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Any, Because, Differ, False, Has, Is, Lacks, True, Unsure};
use super::{READY, Rule, may_say, quiet, says};

pub(super) const RULES: &[Rule] = &[
    // A certificate that is issued for the first time, or anew, is not ready and says why: that is no failure.
    says(
        "cert-manager.io/Certificate",
        &[(True("Issuing"), Progressing), (False("Ready"), Degraded), (True("Ready"), Healthy)],
    ),
    says(
        "cert-manager.io/CertificateRequest",
        &[
            (True("Denied|InvalidRequest"), Degraded),
            (Because("Ready", "Failed|Denied"), Degraded),
            (True("Ready"), Healthy),
        ],
    ),
    says("cert-manager.io/*", READY),
    says("certmanager.k8s.io/*", READY),
    says("acme.cert-manager.io/Order|Challenge", ACME),
    says("trust.cert-manager.io/Bundle", &[(False("Synced"), Degraded), (True("Synced"), Healthy)]),
    quiet("policy.cert-manager.io/*", READY),
    says(
        "external-secrets.io/ClusterExternalSecret|ClusterPushSecret",
        &[(True("PartiallyReady|NotReady"), Degraded), (False("Ready"), Degraded), (True("Ready"), Healthy)],
    ),
    says("external-secrets.io/*", READY),
    quiet("generators.external-secrets.io/*", &[]),
    says(
        "kubernetes-client.io/ExternalSecret",
        &[(Is("status.status", "SUCCESS"), Healthy), (Is("status.status", "ERROR*"), Degraded)],
    ),
    says("bitnami.com/SealedSecret", &[(False("Synced"), Degraded), (True("Synced"), Healthy)]),
    says("onepassword.com/OnePasswordItem", READY),
    quiet("secrets-store.csi.x-k8s.io/SecretProviderClass", &[]),
    // HashiCorp's operator writes conditions of late, before that `status.valid` and the version of the secret.
    may_say(
        "secrets.hashicorp.com/*",
        &[
            (False("Ready|Healthy|SecretSynced"), Degraded),
            (Is("status.valid", "false"), Degraded),
            (Has("status.error"), Degraded),
            (True("Ready|SecretSynced"), Healthy),
            (Is("status.valid", "true"), Healthy),
            (Has("status.secretMAC"), Healthy),
            (Has("status.secretLease.id"), Healthy),
        ],
    ),
    may_say("redhatcop.redhat.io/*", &[(True("ReconcileError"), Degraded), (True("ReconcileSuccessful"), Healthy)]),
    says(
        "kyverno.io/Policy|ClusterPolicy",
        &[(False("Ready"), Progressing), (True("Ready"), Healthy), (Is("status.ready", "true"), Healthy)],
    ),
    may_say("kyverno.io/*", READY),
    may_say("policies.kyverno.io/*", &[(Is("status.conditionStatus.ready", "true"), Healthy)]),
    says(
        "templates.gatekeeper.sh/ConstraintTemplate",
        &[(Has("status.byPod.errors"), Degraded), (Is("status.created", "true"), Healthy)],
    ),
    may_say(
        "constraints.gatekeeper.sh/*",
        &[
            (Any("status.byPod", &Has("status.errors")), Degraded),
            (Any("status.byPod", &Is("status.enforced", "true")), Healthy),
        ],
    ),
    says(
        "policy.open-cluster-management.io/Policy",
        &[
            (Is("spec.disabled", "true"), Healthy),
            (All(&[Lacks("status.compliant"), Lacks("status.status"), Has("status.placement")]), Healthy),
            (Is("status.compliant", "Compliant"), Healthy),
            (Is("status.compliant", "*"), Degraded),
        ],
    ),
    says(
        "policy.open-cluster-management.io/ConfigurationPolicy",
        &[
            (
                All(&[Has("status.compliant"), Differ("status.lastEvaluatedGeneration", "metadata.generation")]),
                Progressing,
            ),
            (Is("status.compliant", "Compliant"), Healthy),
            (Is("status.compliant", "*"), Degraded),
        ],
    ),
    says(
        "policy.open-cluster-management.io/CertificatePolicy",
        &[(Is("status.compliant", "Compliant"), Healthy), (Is("status.compliant", "*"), Degraded)],
    ),
    says(
        "policy.open-cluster-management.io/OperatorPolicy",
        &[(False("Compliant"), Degraded), (Unsure("Compliant"), Degraded), (True("Compliant"), Healthy)],
    ),
    says(
        "k8s.keycloak.org/*",
        &[(True("HasErrors"), Degraded), (True("RollingUpdate"), Progressing), (True("Ready|Done"), Healthy)],
    ),
    says(
        "iammanager.keikoproj.io/Iamrole",
        &[
            (Is("status.state", "Ready"), Healthy),
            (Is("status.state", "Error|RolesMaxLimitReached|PolicyNotAllowed|RoleNameNotAvailable"), Degraded),
        ],
    ),
];

const ACME: &[Clause] = &[
    (Is("status.state", "valid|ready"), Healthy),
    (Is("status.state", "invalid|expired|errored"), Degraded),
    (Is("status.state", "*"), Progressing),
];
