//! `argo/normalize_diff.json`: what Argo CD calls modified, and what its ignore rules take out of both sides.
//!
//! `modified` is compared for every kind of diff. Where Argo CD hands out normalised objects, ours are the adapted ones;
//! maps and lists that a rule emptied are left out, which Argo CD keeps empty.

use std::path::Path;

use base64::Engine as _;

use gitops_core::cluster::{WriteOutcome, Written};
use gitops_core::diff::{Adapted, Answers, Change, Context, Outcome, Scaled, adapt, compare_one};
use gitops_core::model::{ApiModel, KindFacts, Scope, ServedKind};
use gitops_core::path::FieldPath;
use gitops_core::policy::ignore::{Rules, Selector};
use gitops_core::resource::Resource;
use gitops_core::ssa::FieldSet;
use gitops_core::state::{DesiredState, Inventory, Live, Owner, TRACKING_ANNOTATION};
use gitops_core::value::Value;
use serde_json::json;

use crate::sync_order::complete;
use crate::{Case, recording};

type Json = serde_json::Value;
type Verdict = Result<(), String>;

pub(crate) fn normalize_diff(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/normalize_diff.json")?;
    let case = |case: &Json| {
        let (kind, name) = (case["kind"].as_str().unwrap(), case["name"].as_str().unwrap());
        Case { id: format!("{kind}:{name}"), verdict: check(kind, case) }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn check(kind: &str, case: &Json) -> Verdict {
    let expected = &case["expected"];
    match kind {
        "two-way" | "three-way" | "structured-merge" | "server-side" | "state-diff" => modified(case),
        "ignore-differences" => {
            let rules = match rules(case) {
                Ok(rules) => rules,
                Err(_) if expected["configError"] == true => return Ok(()),
                Err(error) => return Err(error),
            };
            let object = complete(&case["object"], "unnamed");
            let left = adapted(&object, &object, &rules).map_or(object, |adapted| adapted.compared);
            same(&json_of(&left), &json_of(&complete(&expected["object"], "unnamed")))
        }
        "has-ignore-difference" => matched(case),
        "managed-fields-normalize" => {
            if expected["noop"] == true {
                let managers = case["managedFieldsManagers"].as_array().map_or(0, Vec::len);
                return if managers == 0 || case["config"].is_null() { Ok(()) } else { Err("is not skipped".into()) };
            }
            let rule = json!([{"group": "*", "kind": "*", "managedFieldsManagers": case["managedFieldsManagers"]}]);
            taken_out(&case["config"], &case["live"], &read(&rule)?, &expected["config"])
        }
        "pre-diff-normalize" => {
            let rules = rules(case)?;
            let all = ["configs", "lives"].map(|side| case[side].as_array().unwrap());
            let [configs, lives] = all;
            let expected = expected["configs"].as_array().unwrap();
            configs
                .iter()
                .zip(lives)
                .zip(expected)
                .try_for_each(|((config, live), expected)| taken_out(config, live, &rules, expected))
        }
        "respect-ignore-differences" => {
            let rules = rules(case)?;
            let all = ["configs", "lives"].map(|side| case[side].as_array().unwrap());
            let [configs, lives] = all;
            let expected = expected["configs"].as_array().unwrap();
            configs.iter().zip(lives).zip(expected).try_for_each(|((config, live), expected)| {
                let config = resource(config)?;
                let adapted = adapted(&config, &resource(live)?, &rules);
                let sent = adapted.map_or(config, |adapted| adapted.replacement);
                same(&json_of(&sent), &json_of(&resource(expected)?))
            })
        }
        "hide-secret-data" => crate::hidden::masked(case),
        "remarshal" => {
            // Go's form of an object; here values are compared by what they mean.
            let (model, owner, inventory) = (ApiModel::builtin(), owner(), Inventory::default());
            let context = Context::new(&model, &owner, &inventory);
            match compare(&case["object"], &stored(&expected["object"]), &context)?.first() {
                Some(change) => Err(change.to_string()),
                None => Ok(()),
            }
        }
        "normalize-secret" => prepared(case),
        "remove-namespace" => {
            let cluster_wide = |object: &Json| {
                let mut object = object.clone();
                if object["kind"].is_null() {
                    (object["kind"], object["apiVersion"]) =
                        ("ClusterRole".into(), "rbac.authorization.k8s.io/v1".into());
                }
                object
            };
            prepared(&json!({"object": cluster_wide(&case["object"]),
                "expected": {"object": cluster_wide(&expected["object"])}}))
        }
        "exclude-owned-ancestors" => {
            // What is taken away must hold nothing that is owned.
            let path = |path: &Json| {
                let names: Vec<&str> = path.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                FieldPath::fields(&names)
            };
            let paths = |of: &Json| -> Vec<FieldPath> { of.as_array().unwrap().iter().map(path).collect() };
            let owned: FieldSet = paths(&case["managerFields"]).into_iter().collect();
            let left: Vec<FieldPath> =
                paths(&case["toRemove"]).into_iter().filter(|path| !owned.touches(path)).collect();
            if left == paths(&expected["toRemove"]) { Ok(()) } else { Err(format!("{left:?}")) }
        }
        _ => Err("no counterpart".into()),
    }
}

/// Whether Git and cluster differ, by our comparison.
fn modified(case: &Json) -> Verdict {
    let (owner, inventory) = (owner(), Inventory::default());
    let (config, live) = (current(&case["config"]), current(&case["live"]));
    let model = serving(if live.is_null() { &config } else { &live });
    let rules = rules(case)?;
    let manager = case["options"]["manager"].as_str().unwrap_or("argocd-controller");
    let (live, answer) = (ours(&live, manager), ours(&current(&case["dryRun"][0]["response"]), manager));
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    // What is declared and not there is modified, unless it is held back, which comparing it with itself tells.
    let is_missing = live.is_null() && !config.is_null();
    let changes = compare_answered(&config, if is_missing { &config } else { &live }, &answer, &context)?;
    match (changes.first(), case["expected"]["modified"] == true) {
        (Some(change), false) => Err(format!("in sync with Argo CD, and here: {change}")),
        (None, false) if is_missing => Err("in sync with Argo CD, and missing here".into()),
        (None, true) if !is_missing => Err("modified with Argo CD, and in sync here".into()),
        _ => Ok(()),
    }
}

/// The object at a version that clusters still serve, and its owners.
fn current(object: &Json) -> Json {
    let mut object = object.clone();
    let served = |version: &mut Json| {
        if let Some(group) = version.as_str().and_then(|version| version.strip_suffix("/v1beta1")) {
            *version = format!("{group}/v1").into();
        }
    };
    object.get_mut("apiVersion").into_iter().for_each(served);
    let managed = object.pointer_mut("/metadata/managedFields").and_then(Json::as_array_mut);
    for entry in managed.into_iter().flatten() {
        entry.get_mut("apiVersion").into_iter().for_each(served);
    }
    object
}

/// The built-in kinds, and that of the object.
fn serving(object: &Json) -> ApiModel {
    let model = ApiModel::builtin();
    let object = complete(object, "unnamed");
    let kind = &object.key().group_kind;
    if !matches!(model.kind(kind), KindFacts::Unknown) {
        return model;
    }
    let scope = if object.key().namespace.is_some() { Scope::Namespaced } else { Scope::Cluster };
    model.with_kind(ServedKind::new((**kind).clone(), "objects", scope, object.version()))
}

pub(crate) fn compare(config: &Json, live: &Json, context: &Context<'_>) -> Result<Vec<Change>, String> {
    compare_answered(config, live, &Json::Null, context)
}

/// The same; `answer` is what the cluster says to a dry run, should it have to be asked.
fn compare_answered(config: &Json, live: &Json, answer: &Json, context: &Context<'_>) -> Result<Vec<Change>, String> {
    if config.is_null() || live.is_null() {
        return Ok(Vec::new());
    }
    let declared = complete(config, "unnamed");
    let mut live = complete(live, &declared.key().name);
    let namespace = live.key().namespace.clone().unwrap_or_else(|| "default".into());
    if matches!(context.model.kind(&live.key().group_kind), KindFacts::Served(kind) if kind.scope == Scope::Namespaced)
    {
        live = live.edit(|draft| draft.entry("metadata").set("namespace", &*namespace)).unwrap();
    }
    let desired = DesiredState::from_resources([&declared], context.model, Some(&namespace));
    let Some(declared) = desired.declared.values().next() else { return Err("nothing is declared".into()) };
    if let (true, Some(problem)) = (desired.is_held(declared.resource.key()), desired.problems.first()) {
        return Err(format!("held back: {problem}"));
    }
    let mut compared = compare_one(&declared.resource, Live::Present(&live), context);
    if let Some(receipt) = compared.open.filter(|_| !answer.is_null()) {
        let mut answers = Answers::new();
        let after = complete(answer, &declared.resource.key().name);
        answers.take(receipt, Ok(Written::new(WriteOutcome::Changed, Some(after))));
        compared = compare_one(&declared.resource, Live::Present(&live), &context.with_answers(&answers));
    }
    match compared.outcome {
        Outcome::Synced => Ok(Vec::new()),
        Outcome::OutOfSync(changes) => {
            let stamp = |change: &&Change| !change.path.to_string().contains(TRACKING_ANNOTATION);
            Ok(changes.iter().filter(stamp).cloned().collect())
        }
        other => Err(format!("{other:?}")),
    }
}

/// Which rules are for an object, in order; selectors in the recording are no real ones, so they are dressed as such.
fn matched(case: &Json) -> Verdict {
    let mut dressed = case.clone();
    let dress = |rule: &mut Json| {
        for (field, before, after) in [("jsonPointers", "/", ""), ("jqPathExpressions", ".\"", "\"")] {
            for text in rule[field].as_array_mut().into_iter().flatten() {
                *text = format!("{before}{}{after}", text.as_str().unwrap()).into();
            }
        }
    };
    dressed["ignoreDifferences"].as_array_mut().into_iter().flatten().for_each(dress);
    dressed["overrides"]
        .as_object_mut()
        .into_iter()
        .flatten()
        .for_each(|(_, rule)| dress(&mut rule["ignoreDifferences"]));
    let rules = rules(&dressed)?;
    let of = &case["resource"];
    let object = json!({"apiVersion": format!("{}/v1", of["group"].as_str().unwrap()), "kind": of["kind"],
        "metadata": {"name": of["name"], "namespace": of["namespace"]}});
    let object = resource(&object)?;
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for selector in rules.of(&object).flat_map(|(_, rule)| &rule.fields) {
        let (place, text) = match selector {
            Selector::Path(path) => (0, path.to_string().trim_start_matches('/').to_owned()),
            Selector::Jq(program) => (1, program.to_string().trim_matches(['.', '"']).to_owned()),
            Selector::OwnedBy(manager) => (2, manager.name.to_string()),
            _ => return Err("another selector".into()),
        };
        if !found[place].contains(&text) {
            found[place].push(text);
        }
    }
    let [pointers, programs, managers] = found;
    let got = if pointers.is_empty() {
        Json::Null
    } else {
        json!({"jsonPointers": pointers, "jqPathExpressions": programs, "managedFieldsManagers": managers})
    };
    same(&got, &case["expected"]["ignoreDifference"])
}

/// What Argo CD takes out because it differs and somebody trusted owns it, is ignored here whether it differs or not:
/// what is ignored beyond that does not differ.
fn taken_out(config: &Json, live: &Json, rules: &Rules, expected: &Json) -> Verdict {
    let (config, live, expected) = (resource(config)?, resource(live)?, resource(expected)?);
    let left = adapted(&config, &live, rules).map_or_else(|| config.clone(), |adapted| adapted.compared);
    if rules.is_empty() {
        return same(&json_of(&left), &json_of(&expected));
    }
    let set = |object: &Resource| {
        let schema = ApiModel::builtin();
        FieldSet::of(object.tree(), schema.schema(&object.key().group_kind, object.version())).unwrap()
    };
    let taken = set(&config).difference(&set(&expected));
    let kept = taken.intersection(&set(&left));
    if !kept.is_empty() {
        return Err(format!("Argo CD takes out {kept}, which is compared here"));
    }
    let beyond = set(&config).difference(&set(&left)).difference(&taken);
    let differs = |path: &FieldPath| path.find(config.tree()) != path.find(live.tree());
    match beyond.leaves().iter().find(differs) {
        Some(path) => Err(format!("{path} is ignored here, and Argo CD compares it")),
        None => Ok(()),
    }
}

/// The object as a server would have stored it: `stringData` is write-only, and encoded into `data`.
fn stored(object: &Json) -> Json {
    let mut object = object.clone();
    let texts = object.as_object_mut().and_then(|object| object.remove("stringData"));
    for (name, text) in texts.iter().flat_map(|texts| texts.as_object().into_iter().flatten()) {
        if let Some(text) = text.as_str() {
            object["data"][name] = base64::engine::general_purpose::STANDARD.encode(text).into();
        }
    }
    object
}

/// What Git says, prepared to be compared.
fn prepared(case: &Json) -> Verdict {
    let (object, expected) = (complete(&case["object"], "unnamed"), complete(&case["expected"]["object"], "unnamed"));
    let namespace = object.key().namespace.clone();
    let desired =
        DesiredState::from_resources([&object], &ApiModel::builtin(), namespace.as_deref().or(Some("default")));
    let Some(declared) = desired.declared.values().next() else { return Err("nothing is declared".into()) };
    if desired.is_held(declared.resource.key()) {
        return Err(format!("held back: {:?}", desired.problems.first().map(ToString::to_string)));
    }
    let mut got = declared.resource.clone();
    if namespace.is_none() {
        got = got.edit(|draft| drop(draft.entry("metadata").remove("namespace"))).unwrap();
    }
    same(&json_of(&got), &json_of(&expected))
}

fn adapted(desired: &Resource, live: &Resource, rules: &Rules) -> Option<Adapted> {
    let (model, owner, inventory) = (ApiModel::builtin(), owner(), Inventory::default());
    adapt(desired, Some(live), &Context::new(&model, &owner, &inventory).with_rules(rules), Scaled::No)
}

/// The rules for every application, then those of the application.
fn rules(case: &Json) -> Result<Rules, String> {
    let system: Vec<Json> = case["overrides"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, rule)| rule["ignoreDifferences"].is_object())
        .map(|(key, rule)| {
            let (group, kind) = key.split_once('/').unwrap_or(("", key));
            let mut rule = rule["ignoreDifferences"].clone();
            (rule["group"], rule["kind"]) = (group.into(), kind.into());
            rule
        })
        .collect();
    Ok(read(&system.into())?.for_all().and(&read(&case["ignoreDifferences"])?))
}

fn read(list: &Json) -> Result<Rules, String> {
    Rules::from_argo(Value::from_serialize(list).unwrap().root()).map_err(|error| error.to_string())
}

pub(crate) fn owner() -> Owner {
    Owner::new("", "app").unwrap()
}

/// The live object with our field manager instead of the recorded one.
fn ours(live: &Json, manager: &str) -> Json {
    let mut live = live.clone();
    let managed = live.pointer_mut("/metadata/managedFields").and_then(Json::as_array_mut);
    for entry in managed.into_iter().flatten() {
        if entry["manager"] == manager {
            entry["manager"] = (*owner().manager()).into();
        }
    }
    live
}

fn resource(object: &Json) -> Result<Resource, String> {
    Resource::new(Value::from_serialize(object).unwrap()).map_err(|error| error.to_string())
}

/// The object without empty maps and lists.
fn json_of(object: &Resource) -> Json {
    fn pruned(value: &Json) -> Json {
        let is_full = |value: &Json| !matches!(value, Json::Null) && *value != json!({}) && *value != json!([]);
        match value {
            Json::Object(map) => {
                let map = map.iter().map(|(name, value)| (name.clone(), pruned(value)));
                Json::Object(map.filter(|(_, value)| is_full(value)).collect())
            }
            Json::Array(items) => Json::Array(items.iter().map(pruned).filter(is_full).collect()),
            _ => value.clone(),
        }
    }
    pruned(&serde_json::to_value(object.value()).unwrap())
}

fn same(got: &Json, expected: &Json) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}
