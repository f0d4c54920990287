//! Columns of access control, admission and API registration.

use super::row::{NONE, Row, UNSET, or};
use super::{AGE, Column, NAME, Tables};

pub(super) const TABLES: Tables = &[
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy", MUTATING_POLICY),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", POLICY_BINDING),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", WEBHOOKS),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy", VALIDATING_POLICY),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", POLICY_BINDING),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", WEBHOOKS),
    ("apiregistration.k8s.io", "APIService", API_SERVICE),
    ("certificates.k8s.io", "CertificateSigningRequest", SIGNING_REQUEST),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", CLUSTER_ROLE_BINDING),
    ("rbac.authorization.k8s.io", "RoleBinding", ROLE_BINDING),
];

const ROLE_BINDING: &[Column] = &[
    NAME,
    Column::text(
        "Role",
        "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the \
        RoleRef cannot be resolved, the Authorizer must return an error.",
        |row| role(row).into(),
    ),
    AGE,
    Column::text("Users", "Users in the roleBinding", |row| subjects(row, "User").into()).wide(),
    Column::text("Groups", "Groups in the roleBinding", |row| subjects(row, "Group").into()).wide(),
    Column::text("ServiceAccounts", "ServiceAccounts in the roleBinding", |row| subjects(row, "ServiceAccount").into())
        .wide(),
];

const CLUSTER_ROLE_BINDING: &[Column] = &[
    NAME,
    Column::text("Role", "The role that is given to the subjects.", |row| role(row).into()),
    AGE,
    Column::text("Users", "Users in the clusterRoleBinding", |row| subjects(row, "User").into()).wide(),
    Column::text("Groups", "Groups in the clusterRoleBinding", |row| subjects(row, "Group").into()).wide(),
    Column::text("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding", |row| {
        subjects(row, "ServiceAccount").into()
    })
    .wide(),
];

const API_SERVICE: &[Column] = &[
    NAME,
    Column::text("Service", "The reference to the service that hosts this API endpoint.", |row| service(row).into()),
    Column::text("Available", "Whether this service is available.", |row| available(row).into()),
    AGE,
];

const WEBHOOKS: &[Column] = &[
    NAME,
    Column::integer("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration", |row| {
        row.count("webhooks").into()
    }),
    AGE,
];

const VALIDATING_POLICY: &[Column] = &[
    NAME,
    Column::integer(
        "Validations",
        "Validations indicates the number of validation rules defined in this configuration",
        |row| row.count("spec.validations").into(),
    ),
    Column::text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy", |row| {
        param_kind(row).into()
    }),
    AGE,
];

const MUTATING_POLICY: &[Column] = &[
    NAME,
    Column::integer(
        "Mutations",
        "Mutation indicates the number of mutations rules defined in this configuration",
        |row| row.count("spec.mutations").into(),
    ),
    Column::text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy", |row| {
        param_kind(row).into()
    }),
    AGE,
];

const POLICY_BINDING: &[Column] = &[
    NAME,
    Column::text("PolicyName", "The policy that is bound.", |row| row.text("spec.policyName").into()),
    Column::text("ParamRef", "The object that sets the parameters.", |row| param_ref(row).into()),
    AGE,
];

const SIGNING_REQUEST: &[Column] = &[
    NAME,
    AGE,
    Column::text("SignerName", "Who is to sign.", |row| row.text_or("spec.signerName", NONE).into()),
    Column::text("Requestor", "Who asks.", |row| row.text("spec.username").into()),
    Column::text("RequestedDuration", "How long the certificate is to hold.", |row| requested(row).into()),
    Column::text("Condition", "What came of the request.", |row| signed(row).into()),
];

fn role(row: Row<'_>) -> String {
    format!("{}/{}", row.text("roleRef.kind"), row.text("roleRef.name"))
}

/// The subjects of one kind.
fn subjects(row: Row<'_>, kind: &str) -> String {
    let subjects = row.items("subjects").filter(|subject| subject.text("kind") == kind);
    let name = |subject: Row<'_>| match subject.text("kind") {
        "ServiceAccount" => format!("{}/{}", subject.text("namespace"), subject.text("name")),
        _ => subject.text("name").to_owned(),
    };
    subjects.map(name).collect::<Vec<_>>().join(", ")
}

fn service(row: Row<'_>) -> String {
    match row.at("spec.service") {
        Some(_) => format!("{}/{}", row.text("spec.service.namespace"), row.text("spec.service.name")),
        None => "Local".to_owned(),
    }
}

/// The status of the condition, and the reason when it is not true.
fn available(row: Row<'_>) -> String {
    let found = row.items("status.conditions").find(|condition| condition.text("type") == "Available");
    match found.map(|condition| (condition.text("status"), condition.text("reason"))) {
        None => "Unknown".to_owned(),
        Some(("True", _)) => "True".to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    }
}

fn param_kind(row: Row<'_>) -> String {
    match row.at("spec.paramKind") {
        Some(_) => format!("{}/{}", row.text("spec.paramKind.apiVersion"), row.text("spec.paramKind.kind")),
        None => UNSET.to_owned(),
    }
}

fn param_ref(row: Row<'_>) -> String {
    let (namespace, name) = (row.text_or("spec.paramRef.namespace", "*"), row.text("spec.paramRef.name"));
    match row.at("spec.paramRef") {
        None => UNSET.to_owned(),
        Some(_) if name.is_empty() => format!("{namespace}/{}", row.selector("spec.paramRef.selector")),
        Some(_) => format!("{namespace}/{name}"),
    }
}

fn requested(row: Row<'_>) -> String {
    let seconds = row.number("spec.expirationSeconds");
    let until = row.now + std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if seconds == 0 { NONE.to_owned() } else { super::human(row.now, until) }
}

fn signed(row: Row<'_>) -> String {
    let holds = |name: &str| row.items("status.conditions").any(|condition| condition.text("type") == name);
    let decided = if holds("Denied") {
        "Denied"
    } else if holds("Approved") {
        "Approved"
    } else {
        "Pending"
    };
    let failed = holds("Failed").then_some("Failed");
    let issued = row.at("status.certificate").is_some().then_some("Issued");
    or([Some(decided), failed, issued].into_iter().flatten().collect::<Vec<_>>().join(","), NONE)
}
