//! Gateways, routes, meshes, load balancers, networks.

use super::super::HealthStatus::{Degraded, Healthy, Progressing, Suspended};
use super::super::clause::Clause;
use super::super::clause::Test::{All, Any, Every, False, Has, Is, Lacks, Not, Stale, True, Untrue};
use super::{READY, Rule, code, may_say, quiet, says, special};

pub(super) const RULES: &[Rule] = &[
    says(
        "gateway.networking.k8s.io/Gateway",
        &[
            (False("Accepted|ResolvedRefs"), Degraded),
            (Any("status.listeners", &False("Accepted|ResolvedRefs")), Degraded),
            (Untrue("Programmed"), Progressing),
            (Any("status.listeners", &Untrue("Programmed")), Progressing),
            (True("Programmed|Accepted|Ready|Scheduled"), Healthy),
            (Every("status.listeners", &True("Programmed|Accepted|Ready")), Healthy),
        ],
    ),
    says("gateway.networking.k8s.io/GatewayClass", &[(False("Accepted"), Degraded), (True("Accepted"), Healthy)]),
    code("gateway.networking.k8s.io/*Route", special::route),
    says("gateway.networking.k8s.io/*Policy", POLICY),
    quiet("gateway.networking.k8s.io/ReferenceGrant", &[]),
    says("gateway.networking.k8s.io/*", &[(False("Accepted|Programmed"), Degraded), (True("Accepted"), Healthy)]),
    says("gateway.networking.x-k8s.io/*Policy", POLICY),
    says(
        "gateway.networking.x-k8s.io/*",
        &[(False("Accepted"), Degraded), (Untrue("Programmed"), Progressing), (True("Accepted"), Healthy)],
    ),
    may_say("gateway.envoyproxy.io/*", POLICY),
    says(
        "microgateway.airlock.com/*Policy",
        &[
            (Any("status.ancestors", &Stale), Progressing),
            (Any("status.ancestors", &Not(&True("Accepted"))), Degraded),
            (Any("status.ancestors", &Untrue("ResolvedRefs")), Degraded),
            (Has("status.ancestors"), Healthy),
        ],
    ),
    quiet("microgateway.airlock.com/*", &[]),
    says("gateway.solo.io/*", SOLO),
    says("gloo.solo.io/*", SOLO),
    says("projectcontour.io/HTTPProxy|ExtensionService", &[(False("Valid"), Degraded), (True("Valid"), Healthy)]),
    quiet("projectcontour.io/TLSCertificateDelegation", &[]),
    says(
        "install.istio.io/IstioOperator",
        &[
            (Is("status.status", "3|HEALTHY"), Healthy),
            (Is("status.status", "4|ERROR"), Degraded),
            (Is("status.status", "0|NONE"), super::super::HealthStatus::Unknown),
            (Is("status.status", "*"), Progressing),
        ],
    ),
    says(
        "sailoperator.io/*",
        &[(False("Reconciled"), Degraded), (Untrue("Ready"), Progressing), (True("Ready"), Healthy)],
    ),
    // The mesh reports only when its analysis is switched on, and then what is wrong.
    quiet("networking.istio.io/*", ISTIO),
    quiet("security.istio.io/*", ISTIO),
    quiet("*.istio.io/*", ISTIO),
    quiet(
        "cilium.io/*",
        &[(False("Valid|cilium.io/PoolConflict"), Degraded), (True("cilium.io/PoolConflict"), Degraded)],
    ),
    may_say(
        "operator.tigera.io/*",
        &[(True("Degraded"), Degraded), (True("Progressing"), Progressing), (True("Available|Ready"), Healthy)],
    ),
    quiet("crd.projectcalico.org/*", &[]),
    quiet("projectcalico.org/*", &[]),
    quiet("metallb.io/*", &[]),
    quiet("traefik.io/*", &[]),
    quiet("traefik.containo.us/*", &[]),
    quiet("elbv2.k8s.aws/*", &[]),
    quiet("externaldns.k8s.io/*", &[]),
    quiet("k8s.cni.cncf.io/*", &[]),
    may_say(
        "k8s.nginx.org/*",
        &[(Is("status.state", "Valid"), Healthy), (Is("status.state", "Invalid|Warning"), Degraded)],
    ),
    may_say("configuration.konghq.com/*", &[(False("Programmed"), Degraded), (True("Programmed"), Healthy)]),
    quiet("policy.linkerd.io/*", POLICY),
    quiet("linkerd.io/*", &[]),
    says(
        "route.openshift.io/Route",
        &[(Any("status.ingress", &False("Admitted")), Degraded), (Every("status.ingress", &True("Admitted")), Healthy)],
    ),
    says(
        "nmstate.io/NodeNetworkConfigurationPolicy",
        &[
            (True("Degraded"), Degraded),
            (True("Progressing"), Progressing),
            (True("Ignored"), Suspended),
            (True("Available"), Healthy),
        ],
    ),
    may_say(
        "nmstate.io/*",
        &[(True("Failing"), Degraded), (True("Progressing"), Progressing), (True("Available"), Healthy)],
    ),
    says("proclaim.dogmatiq.io/*", PROCLAIM),
    may_say("networking.gke.io/*", READY),
];

const POLICY: &[Clause] = &[
    (Any("status.ancestors", &False("Accepted|ResolvedRefs")), Degraded),
    (Every("status.ancestors", &True("Accepted")), Healthy),
];

/// Gloo: one status per namespace of a controller, before that a single one; numbers in older versions.
const SOLO: &[Clause] = &[
    (Any("status.statuses", &Is("status.state", "Rejected|2|Warning|3")), Degraded),
    (Any("status.statuses", &Is("status.state", "Pending|0")), Suspended),
    (Every("status.statuses", &Is("status.state", "Accepted|1")), Healthy),
    (Is("status.state", "Rejected|2|Warning|3"), Degraded),
    (Is("status.state", "Pending|0"), Suspended),
    (Is("status.state", "Accepted|1"), Healthy),
];

const ISTIO: &[Clause] = &[
    (Any("status.validationMessages", &Is("status.level", "ERROR|Error")), Degraded),
    (False("PassedValidation|PassedAnalysis"), Degraded),
];

const PROCLAIM: &[Clause] = &[
    (False("Adopted"), Degraded),
    (All(&[Has("status"), Lacks("status.conditions")]), Progressing),
    (super::Test::Because("Advertised", "AdvertiseError|UnadvertiseError"), Degraded),
    (super::Test::Because("Discoverable", "DiscoveryError"), super::super::HealthStatus::Unknown),
    (True("Discoverable"), Healthy),
];
