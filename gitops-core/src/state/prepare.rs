//! Rules 2 and 3 of the exact rules: what Git says, reduced to what can be sent.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::model::{ApiModel, KindFacts, TypeRef, encode_string_data};
use crate::path::{FieldPath, Segment};
use crate::problem::{Code, Problem};
use crate::resource::{Resource, SERVER_SET};
use crate::ssa::{Duplicates, Typed, TypedError, TypedProblem};
use crate::value::{Draft, ValueRef, View};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Reduces a declared object to what can be sent, and says what that changed.
///
/// Drops what only a server sets, `status` where the kind has a status subresource, last-applied, null values, the
/// `rules` of an aggregated ClusterRole and certificates that are placeholders; encodes `stringData` of a Secret into
/// `data`. An object that needs nothing of this is returned as it is. What does not fit the schema of its kind is a
/// problem that holds the object back: the server would answer 500. Rules 2 and 3 of the exact rules.
#[must_use]
pub fn prepare(resource: &Resource, model: &ApiModel) -> (Resource, Vec<Problem>) {
    let mut problems = Vec::new();
    let filled = without_placeholders(resource, &mut problems);
    let resource = filled.as_ref().unwrap_or(resource);
    let mut edits: Vec<Edit<'_>> = Vec::new();
    server_set(resource, model, &mut edits, &mut problems);
    if has_null(resource.tree()) {
        edits.push(Edit::Nulls(model.schema(&resource.key().group_kind, resource.version())));
    }
    let key = resource.key();
    if key.is("rbac.authorization.k8s.io", "ClusterRole")
        && resource.tree().get("aggregationRule").is_some_and(|rule| !rule.is_null())
        && resource.tree().get("rules").is_some()
    {
        // Applied, they would fight the aggregation controller (observation 8c of the exact rules).
        edits.push(Edit::Remove(&["rules"]));
        problems.push(dropped(&["rules"], "`rules` of an aggregated ClusterRole are filled in by the cluster"));
    }
    if key.is("", "Secret") && resource.tree().get("stringData").is_some() {
        string_data(resource, &mut edits, &mut problems);
    }
    if resource.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list).is_some_and(|l| !l.is_empty())
    {
        problems.push(
            Problem::warning(
                Code::OwnerReferences,
                "owner references in Git: a missing owner means garbage collection",
            )
            .field(FieldPath::fields(&["metadata", "ownerReferences"]))
            .hint("remove `metadata.ownerReferences`"),
        );
    }
    let prepared = if edits.is_empty() {
        resource.clone()
    } else {
        let edited = resource.edit(|draft| edits.into_iter().for_each(|edit| edit.perform(draft)));
        // No edit takes away kind or name.
        edited.unwrap_or_else(|_| resource.clone())
    };
    problems.extend(misfits(&prepared, model));
    (prepared, problems)
}

/// Returns what does not fit the schema of the kind, where one is declared.
fn misfits(prepared: &Resource, model: &ApiModel) -> Vec<Problem> {
    let key = prepared.key();
    let Some(of) = model.declared_schema(&key.group_kind, prepared.version()) else { return Vec::new() };
    let errors = Typed::new(prepared.value().clone(), of, Duplicates::Refuse).err().unwrap_or_default();
    errors.into_iter().filter_map(|error| misfit(error, prepared)).collect()
}

fn misfit(error: TypedError, prepared: &Resource) -> Option<Problem> {
    let hint = match &error.problem {
        // Faults of the schema.
        TypedProblem::NoSuchType(_) | TypedProblem::OpenType => return None,
        TypedProblem::Undeclared => {
            format!("check its name and place against `{}` of this kind", prepared.api_version())
        }
        TypedProblem::Duplicate(_) => "keep one of the items".to_owned(),
        _ => "write what the schema of the kind asks for".to_owned(),
    };
    Some(Problem::blocks(Code::InvalidObject, error.problem.to_string()).field(error.field).hint(hint))
}

/// Removes certificates that tools are to fill in later, such as `Cg==`: sent, they would undo what was filled in.
fn without_placeholders(resource: &Resource, problems: &mut Vec<Problem>) -> Option<Resource> {
    let key = resource.key();
    let holder: &[&str] = match (key.group(), key.kind()) {
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => &[],
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &["spec", "conversion", "webhook", "clientConfig"],
        ("apiregistration.k8s.io", "APIService") => &["spec"],
        _ => return None,
    };
    let mut removed: Vec<FieldPath> = Vec::new();
    let edited = resource.edit(|draft| {
        let mut clear = |config: &mut Draft, at: FieldPath| {
            if config.get("caBundle").and_then(Draft::as_str).is_some_and(is_placeholder) {
                config.remove("caBundle");
                removed.push(at.join(Segment::field("caBundle")));
            }
        };
        let webhooks = draft.get_mut("webhooks").and_then(Draft::as_list_mut);
        for (at, webhook) in (0..).zip(webhooks.into_iter().flatten()) {
            if let Some(config) = webhook.get_mut("clientConfig") {
                let path = FieldPath::fields(&["webhooks"]).join(Segment::Index(at));
                clear(config, path.join(Segment::field("clientConfig")));
            }
        }
        if let (false, Some(config)) = (holder.is_empty(), holder.iter().try_fold(draft, |at, name| at.get_mut(name))) {
            clear(config, FieldPath::fields(holder));
        }
    });
    let why = "is not sent: it is no certificate but a place for one";
    problems.extend(removed.iter().map(|path| Problem::note(Code::Dropped, why).field(path.clone())));
    edited.ok().filter(|_| !removed.is_empty())
}

fn is_placeholder(bundle: &str) -> bool {
    let bytes = STANDARD.decode(bundle.replace(['\r', '\n'], "")).unwrap_or_default();
    !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----")
}

enum Edit<'a> {
    Remove(&'static [&'static str]),
    Nulls(TypeRef<'a>),
    StringData,
}

impl Edit<'_> {
    fn perform(self, draft: &mut Draft) {
        match self {
            Self::Remove(path) => {
                let Some((last, parents)) = path.split_last() else { return };
                let parent = parents.iter().try_fold(draft, |at, name| at.get_mut(name));
                if let Some(parent) = parent {
                    parent.remove(last);
                }
            }
            Self::Nulls(of) => remove_nulls(draft, of),
            Self::StringData => encode_string_data(draft),
        }
    }
}

fn server_set(resource: &Resource, model: &ApiModel, edits: &mut Vec<Edit<'_>>, problems: &mut Vec<Problem>) {
    const PATHS: [&[&str]; SERVER_SET.len()] = [
        &["metadata", "creationTimestamp"],
        &["metadata", "deletionGracePeriodSeconds"],
        &["metadata", "deletionTimestamp"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
    ];
    for path in PATHS {
        // `creationTimestamp: null` is what generators write; it means nothing and is worth no note.
        if let Some(value) = resource.tree().dig(path) {
            edits.push(Edit::Remove(path));
            if !value.is_null() {
                problems.push(dropped(path, "only the server sets it"));
            }
        }
    }
    if resource.annotation(LAST_APPLIED).is_some() {
        edits.push(Edit::Remove(&["metadata", "annotations", LAST_APPLIED]));
        problems.push(dropped(&["metadata", "annotations", LAST_APPLIED], "it is kubectl's own note"));
    }
    let has_status = resource.tree().get("status");
    let subresource =
        matches!(model.kind(&resource.key().group_kind), KindFacts::Served(kind) if kind.has_status_subresource);
    if let (Some(status), true) = (has_status, subresource) {
        edits.push(Edit::Remove(&["status"]));
        // Generators write `status: {}`; only a status with content was meant to say something.
        if status.as_map().is_none_or(|map| !map.is_empty()) {
            problems.push(dropped(&["status"], "the cluster reports it"));
        }
    }
}

fn string_data(resource: &Resource, edits: &mut Vec<Edit<'_>>, problems: &mut Vec<Problem>) {
    let field = || FieldPath::fields(&["stringData"]);
    let Some(View::Map(texts)) = resource.tree().get("stringData").map(ValueRef::view) else {
        if resource.tree().get("stringData").is_some_and(|value| !value.is_null()) {
            problems.push(Problem::blocks(Code::InvalidObject, "`stringData` is no map").field(field()));
        }
        return;
    };
    if let Some((name, _)) = texts.iter().find(|(_, value)| value.as_str().is_none() && !value.is_null()) {
        problems.push(
            Problem::blocks(Code::InvalidObject, "a value of `stringData` is no text")
                .field(field().join(Segment::field(name)))
                .hint("put the value in quotes"),
        );
        return;
    }
    if resource.tree().get("data").is_some_and(|data| data.as_map().is_none() && !data.is_null()) {
        problems.push(Problem::blocks(Code::InvalidObject, "`data` is no map").field(FieldPath::fields(&["data"])));
        return;
    }
    edits.push(Edit::StringData);
}

fn dropped(path: &[&str], why: &str) -> Problem {
    Problem::note(Code::Dropped, format!("is not sent: {why}")).field(FieldPath::fields(path))
}

fn has_null(value: ValueRef<'_>) -> bool {
    match value.view() {
        View::Map(map) => map.iter().any(|(_, value)| value.is_null() || has_null(value)),
        View::List(list) => list.iter().any(has_null),
        _ => false,
    }
}

/// Removes map entries whose value is null, unless the schema says that null is a value there. Null items of lists
/// stay: they hold a place.
fn remove_nulls(draft: &mut Draft, of: TypeRef<'_>) {
    match draft {
        Draft::Map(map) => map.retain(|name, value| {
            let of = of.field(name);
            remove_nulls(value, of);
            *value != Draft::Null || of.is_nullable() && !of.is_deduced()
        }),
        Draft::List(items) => items.iter_mut().for_each(|item| remove_nulls(item, of.element())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn object(json: &str) -> Resource {
        Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
    }

    /// `kind` as `apiVersion/Kind`; the rest of the object before and after, and the problems.
    fn prepared(kind: &str, rest: &str) -> (String, Vec<String>) {
        let (version, kind) = kind.rsplit_once('/').unwrap();
        let head = format!(r#""apiVersion":"{version}","kind":"{kind}","metadata":{{"name":"x"}}"#);
        let (prepared, problems) = prepare(&object(&format!("{{{head},{rest}}}")), &ApiModel::builtin());
        let prepared = prepared.expose().to_json();
        let head = prepared.find(r#""metadata":{"name":"x"}"#).unwrap();
        let rest = prepared[head + 23..].trim_matches([',', '}']).to_owned();
        (rest, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_only_the_cluster_says_is_not_sent() {
        for (kind, rest, expected, problem) in [
            ("v1/Pod", r#""spec":{"nodeName":null,"x":1}"#, r#""spec":{"x":1"#, "`spec.x`: is not declared"),
            (
                "v1/Pod",
                r#""spec":{"nodeName":"a"},"status":{"phase":"Running"}"#,
                r#""spec":{"nodeName":"a""#,
                "`status`: is not sent",
            ),
            (
                "rbac.authorization.k8s.io/v1/ClusterRole",
                r#""aggregationRule":{"clusterRoleSelectors":[]},"rules":[]"#,
                "",
                "`rules`: is not sent",
            ),
            ("v1/Secret", r#""data":{"a":"b2xk"},"stringData":{"a":"new"}"#, "", ""),
            ("v1/Secret", r#""stringData":{"a":1}"#, "", "`stringData.a`: a value of `stringData` is no text"),
            ("v1/Secret", r#""data":"x","stringData":{"a":"b"}"#, "", "`data`: `data` is no map"),
            (
                "apiregistration.k8s.io/v1/APIService",
                r#""spec":{"caBundle":"Cg==","group":"a"}"#,
                r#""spec":{"group":"a""#,
                "`spec.caBundle`: is not sent: it is no certificate",
            ),
            (
                "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
                r#""webhooks":[{"name":"a","clientConfig":{"caBundle":"Cg==","url":"u"}}]"#,
                r#""webhooks":[{"clientConfig":{"url":"u"},"name":"a"}]"#,
                "`webhooks[0].clientConfig.caBundle`: is not sent",
            ),
        ] {
            let (sent, problems) = prepared(kind, rest);
            assert!(expected.is_empty() || sent == expected, "{kind} {rest}: {sent}");
            assert!(
                problem.is_empty() || problems.iter().any(|text| text.contains(problem)),
                "{kind} {rest}: {problems:?}"
            );
        }
        let secret = object(
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"data":{"a":"b2xk"},"stringData":{"a":"new","b":"b"}}"#,
        );
        let (secret, problems) = prepare(&secret, &ApiModel::builtin());
        assert!(problems.is_empty());
        assert!(secret.expose().to_json().starts_with(r#"{"apiVersion":"v1","data":{"a":"bmV3","b":"Yg=="},"kind""#));
    }

    #[test]
    fn what_does_not_fit_the_schema_holds_the_object_back() {
        for (rest, expected) in [
            (r#""spec":{"replicsa":1}"#, "`spec.replicsa`: is not declared in the schema; check its name"),
            (r#""spec":{"replicas":"1"}"#, "`spec.replicas`: must be a"),
            (
                r#""spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"a"}]}}}"#,
                "`spec.template.spec.containers`: has more than one item [name=a]; keep one of the items",
            ),
            (r#""spec":{"replicas":1}"#, ""),
        ] {
            let (_, problems) = prepared("apps/v1/Deployment", rest);
            assert_eq!(problems.is_empty(), expected.is_empty(), "{rest}: {problems:?}");
            assert!(problems.iter().all(|text| text.contains(expected)), "{rest}: {problems:?}");
        }
    }

    #[test]
    fn what_needs_nothing_is_returned_as_it_is() {
        let plain = object(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"b"}}"#);
        let (prepared, problems) = prepare(&plain, &ApiModel::builtin());
        assert!(prepared.value().same(plain.value()) && problems.is_empty());
    }
}
