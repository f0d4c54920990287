//! Rules 2 and 3 of the exact rules: what Git says, reduced to what can be sent.

use crate::model::{ApiModel, KindFacts, TypeRef, encode_string_data};
use crate::path::{FieldPath, Segment};
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, Resource, SERVER_SET};
use crate::ssa::{Duplicates, Typed, TypedError, TypedProblem};
use crate::value::{Draft, ValueRef, View};

use super::placeholder::placeholders;

const HINT: &str =
    "write a quantity as `500m` or `1Gi`, and bytes in base64 (or as plain text in `stringData` of a Secret)";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Reduces a declared object to what can be sent, and says what that changed.
///
/// Drops what only a server sets, `status` where the kind has a status subresource, last-applied, and the `rules` of an
/// aggregated ClusterRole; reads nulls as the server does; encodes `stringData` of a Secret into `data`. Certificates
/// that are placeholders are named, and left alone where they are compared and sent. An object that needs nothing of
/// this is returned as it is. What does not fit the schema of its kind is a problem that holds the object back: the
/// server would answer 500. Rules 2 and 3 of the exact rules.
///
/// A null is no value where a schema declares the field, unless it allows null there. Among the values of a map that the
/// server reads into a Go map it is the zero value, and in content without schema it is a value: both as recorded in
/// `k8s/roundtrip`.
#[must_use]
pub fn prepare(resource: &Resource, model: &ApiModel) -> (Resource, Vec<Problem>) {
    let mut problems = Vec::new();
    // They stay in what is declared: whether the cluster holds something in their place, only a comparison can tell.
    let why = "is not sent: it is no certificate but a place for one";
    problems.extend(placeholders(resource).into_iter().map(|path| Problem::note(Code::Dropped, why).field(path)));
    let mut edits: Vec<Edit<'_>> = Vec::new();
    server_set(resource, model, &mut edits, &mut problems);
    if has_null(resource.tree()) {
        let of = model.schema(&resource.key().group_kind, resource.version());
        let metadata = model.schema(&GroupKind::new("", "ConfigMap"), "v1").field("metadata");
        edits.push(Edit::Nulls { of, metadata });
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
    let of = model.schema(&prepared.key().group_kind, prepared.version());
    problems.extend(flaw(prepared.tree(), of).map(|(flaw, path)| {
        let path = path.into_iter().rev().fold(FieldPath::root(), |path, segment| path.join(segment));
        Problem::blocks(Code::InvalidObject, flaw).field(path).hint(HINT)
    }));
    problems.extend(misfits(&prepared, model));
    (prepared, problems)
}

/// Returns the first text that the server could not read, such as a quantity or base64 that is none, and where it stands,
/// from the inside out.
fn flaw(value: ValueRef<'_>, of: TypeRef<'_>) -> Option<(String, Vec<Segment>)> {
    let ((why, mut path), segment) = match value.view() {
        View::String(text) => return Some((of.meaning().flaw(text)?, Vec::new())),
        View::Map(map) => {
            map.iter().find_map(|(name, value)| Some((flaw(value, of.field(name))?, Segment::field(name))))?
        }
        View::List(list) => {
            let of = of.element();
            (0..).zip(list.iter()).find_map(|(at, item)| Some((flaw(item, of)?, Segment::Index(at))))?
        }
        _ => return None,
    };
    path.push(segment);
    Some((why, path))
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

enum Edit<'a> {
    Remove(&'static [&'static str]),
    Nulls { of: TypeRef<'a>, metadata: TypeRef<'a> },
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
            Self::Nulls { of, metadata } => {
                // What a schema does not say of metadata is the same for all kinds.
                let own = draft.get_mut("metadata").filter(|_| of.field("metadata").is_deduced());
                own.into_iter().for_each(|own| read_nulls(own, metadata, true));
                read_nulls(draft, of, false);
            }
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

/// Reads nulls as the server does: see [`prepare`]. Null items of lists stay: they hold a place.
fn read_nulls(draft: &mut Draft, of: TypeRef<'_>, is_go: bool) {
    match draft {
        Draft::Map(map) => map.retain(|name, value| {
            let (child, go_field) = (of.field(name), of.is_go(name));
            let is_go = go_field.unwrap_or(is_go);
            if *value != Draft::Null {
                read_nulls(value, child, is_go);
                return true;
            }
            match () {
                () if go_field.is_some() => !is_go && child.is_nullable() && !child.is_deduced(),
                () if child.is_deduced() => of.allows(name),
                () if !is_go => child.is_nullable(),
                () => child.zero().map(|zero| *value = zero).is_some(),
            }
        }),
        Draft::List(items) => items.iter_mut().for_each(|item| read_nulls(item, of.element(), is_go)),
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
            (
                "v1/Secret",
                r#""data":{"a":"eA==","b":"not base64"}"#,
                "",
                "`data.b`: error decoding from json: illegal base64 data at input byte 3; write a quantity as",
            ),
            (
                "v1/Pod",
                r#""spec":{"containers":[{"name":"a"},{"name":"b","resources":{"limits":{"cpu":"lots"}}}]}"#,
                "",
                "`spec.containers[1].resources.limits.cpu`: quantities must match",
            ),
            ("v1/Secret", r#""data":"x","stringData":{"a":"b"}"#, "", "`data`: `data` is no map"),
            (
                "apiregistration.k8s.io/v1/APIService",
                r#""spec":{"caBundle":"Cg==","group":"a"}"#,
                "",
                "`spec.caBundle`: is not sent: it is no certificate",
            ),
            (
                "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
                r#""webhooks":[{"name":"a","clientConfig":{"caBundle":"Cg==","url":"u"}}]"#,
                "",
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
    fn a_null_is_read_as_the_server_reads_it() {
        let containers =
            |resources: &str| format!(r#"{{"containers":[{{"name":"a","resources":{{{resources}"requests":"#);
        let [before, after] = [r#""limits":null,"#, ""].map(containers);
        let (before, after) = (before + r#"{"cpu":null}}}]}"#, after + r#"{"cpu":"0"}}}]}"#);
        let free = r#"{"a":null,"b":[{"c":null}]}"#;
        for (kind, field, before, after) in [
            // Fields that a schema declares.
            ("v1/Pod", "spec", r#"{"nodeName":null}"#, "{}"),
            ("apps/v1/ControllerRevision", "data", "null", ""),
            // Values of Go maps.
            ("v1/ConfigMap", "data", r#"{"a":null}"#, r#"{"a":""}"#),
            ("v1/Secret", "data", r#"{"a":null}"#, r#"{"a":""}"#),
            ("v1/Pod", "spec", &*before, &*after),
            // Content without schema.
            ("apps/v1/ControllerRevision", "data", free, free),
            ("example.org/v1/Unknown", "spec", free, free),
        ] {
            let (version, name) = kind.rsplit_once('/').unwrap();
            let json =
                format!(r#"{{"apiVersion":"{version}","kind":"{name}","metadata":{{"name":"x"}},"{field}":{before}}}"#);
            let (prepared, problems) = prepare(&object(&json), &ApiModel::builtin());
            let sent = prepared.tree().get(field).map(|value| value.to_value().to_json()).unwrap_or_default();
            assert_eq!(sent, after, "{kind} {before}: {problems:?}");
        }
        // Metadata is the same for all kinds.
        let object = object(
            r#"{"apiVersion":"example.org/v1","kind":"Unknown","metadata":{"name":"x","labels":null,"annotations":{"a":null}}}"#,
        );
        let (prepared, _) = prepare(&object, &ApiModel::builtin());
        assert!(prepared.expose().to_json().ends_with(r#""metadata":{"annotations":{"a":""},"name":"x"}}"#));
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
