//! `argo/sync_order.json`: what Argo CD reads from annotations, and the order it syncs in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use gitops_core::diff::{Comparison, Context, compare};
use gitops_core::model::ApiModel;
use gitops_core::plan::{HookRun, plan};
use gitops_core::policy::{self, CreateNamespace, Options, Permission, Phase, Role, SyncOptions, SyncPolicy};
use gitops_core::problem::Severity;
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{DesiredState, Inventory, LiveState, Namespaces, Owner};
use gitops_core::value::Value;

use crate::ordering::Objects;
use crate::sync_tasks::tasks;
use crate::{Case, recording, words};

type Json = serde_json::Value;
pub(crate) type Verdict = Result<(), String>;

const HOOK: &str = "argocd.argoproj.io/hook";
const HOOK_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";

pub(crate) fn sync_order(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/sync_order.json")?;
    let case = |case: &Json| {
        let (kind, name) = (case["type"].as_str().unwrap(), case["name"].as_str().unwrap());
        let function = case["function"].as_str().unwrap_or(kind);
        let verdict = match kind {
            "sort-tasks" | "get-sync-tasks" => tasks(case),
            _ => read(function, &case["input"], &case["expected"]),
        };
        Case { id: format!("{function}:{name}"), verdict }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

/// What Argo CD's function reads, from our options.
fn read(function: &str, input: &Json, expected: &Json) -> Verdict {
    let object = [&input["obj"], &input["object"], &input["task"]["target"], &input["task"]["live"]];
    let object = object.into_iter().find(|object| object.is_object()).unwrap_or(&Json::Null);
    match function {
        "syncwaves.Wave" | "helm.Weight" => same(&options(object)?.wave.into(), expected),
        "hook.Types" | "helm.Types" => same_words(hook_phases(&options(object)?), expected),
        "sync.syncPhases" => same_words(phases(&options(object)?), expected),
        "hook.IsHook" | "helm.IsHook" | "isHook" => {
            let options = options(object)?;
            let skip = options.role == Role::Ignored && has(object, HOOK);
            same(&(options.role != Role::Resource && !skip).into(), expected)
        }
        "hook.Skip" => same(&(options(object)?.role == Role::Ignored && has(object, HOOK)).into(), expected),
        "ignore.Ignore" => same(&(options(object)?.role == Role::Ignored && !has(object, HOOK)).into(), expected),
        "isHookOfType" => {
            let wanted = input["hookType"].as_str().unwrap();
            same(&phases(&options(object)?).contains(wanted).into(), expected)
        }
        "hook.DeletePolicies" => same_words(policies(&options(&with(object, HOOK, "Sync"))?), expected),
        "helm.DeletePolicies" => {
            let read = policies(&options(&with(object, HOOK, "Sync"))?);
            let read = if expected.is_null() {
                read.into_iter().filter(|w| w != "BeforeHookCreation").collect()
            } else {
                read
            };
            same_words(read, expected)
        }
        "common.NewHookType" => {
            let accepted = options(&with(&Json::Null, HOOK, input["t"].as_str().unwrap())).is_ok();
            same(&accepted.into(), &expected["ok"])
        }
        "common.NewHookDeletePolicy" => {
            let hook = with(&Json::Null, HOOK, "Sync");
            let accepted = options(&with(&hook, HOOK_DELETE, input["p"].as_str().unwrap())).is_ok();
            same(&accepted.into(), &expected["ok"])
        }
        "syncTask.hookType" => {
            let phase = input["task"]["phase"].as_str().unwrap();
            let options = options(object)?;
            let is = options.role == Role::Hook && phases(&options).contains(phase);
            same(&if is { phase.into() } else { "".into() }, expected)
        }
        "syncTask.hasHookDeletePolicy" => {
            let wanted = input["arg"].as_str().unwrap();
            same(&policies(&options(object)?).contains(wanted).into(), expected)
        }
        "syncTask.deleteBeforeCreation" => {
            let live = input["task"]["live"].is_object();
            let before = policies(&options(object)?).contains("BeforeHookCreation");
            same(&(live && before).into(), expected)
        }
        "syncTask.deleteOnPhaseCompletion" => {
            let policies = policies(&options(object)?);
            let ends = ["HookSucceeded", "HookFailed"].iter().any(|policy| policies.contains(*policy));
            same(&ends.into(), expected)
        }
        "isObjRequiresDeletionConfirmation" => {
            let mut options = options(object)?;
            let of_app = input["appSyncOptions"].as_array().into_iter().flatten();
            let of_app: Vec<_> = of_app.map(|option| option.as_str().unwrap().parse().unwrap()).collect();
            options.inherit(&SyncOptions::new(of_app).unwrap());
            same(&[options.delete, options.prune].contains(&Permission::Confirm).into(), expected)
        }
        "syncNamespace" => made_namespace(input, expected),
        "partitionTargetObjsForSync" => partition(input, expected),
        "FilterObjectsForDeletion" => first_deleted(input, expected),
        "NormalizeTargetObjects" => normalized(input, expected),
        "resource.GetAnnotationCSVs" => words::list(input, expected),
        "resource.HasAnnotationOption" => words::has(input, expected),
        "resource.GetAnnotationOptionValue" => words::value(input, expected),
        "sync.Reconcile" => paired(input, expected),
        _ => Err("not done here".into()),
    }
}

/// Whether the namespace of an application has a step, and what is said of it. We need no option to apply it.
fn made_namespace(input: &Json, expected: &Json) -> Verdict {
    let create = match (&input["managedNs"], &input["managedNamespaceMetadata"]) {
        (Json::Null, _) => CreateNamespace::Never,
        (_, Json::Null) => CreateNamespace::IfMissing,
        (_, metadata) => serde_json::from_value(serde_json::json!({ "managed": metadata })).unwrap(),
    };
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "app").unwrap(), Inventory::default());
    let mut live = LiveState::default();
    live.listed(&Arc::new(GroupKind::new("", "Namespace")), &Namespaces::All);
    if input["liveNs"].is_object() {
        live.insert(complete(&input["liveNs"], "namespace"));
    }
    let name = input["managedNs"]["metadata"]["name"].as_str().unwrap_or("some-namespace");
    let desired = DesiredState::from_resources(&[], &model, None).with_namespace(name, &create);
    let context = Context::new(&model, &owner, &inventory);
    let comparison = compare(&desired, &live, &context, &Comparison::default());
    let plan = plan(&comparison, &desired, &SyncPolicy::default(), &context, HookRun::Always);
    same(&(!plan.is_empty()).into(), &expected["sync"])?;
    let made = desired.declared.values().next().map(|declared| &declared.resource);
    let metadata = made.map(|made| made.tree().get("metadata").unwrap().to_json());
    let metadata: Option<Json> = metadata.map(|metadata| serde_json::from_str(&metadata).unwrap());
    for field in ["labels", "annotations"] {
        let mut wanted = expected["managedNs"]["metadata"][field].clone();
        if let Some(wanted) = wanted.as_object_mut() {
            wanted.retain(|name, _| name != "argocd.argoproj.io/sync-options");
        }
        let texts = |of: &Json| of.as_object().filter(|of| !of.is_empty()).cloned();
        if texts(&wanted) != metadata.as_ref().and_then(|of| texts(&of[field])) {
            return Err(format!("expected {field} {wanted}, got {metadata:?}"));
        }
    }
    Ok(())
}

/// What goes first when all goes: Argo CD deletes the highest wave and asks again.
fn first_deleted(input: &Json, expected: &Json) -> Verdict {
    let mut set = Objects::new("app");
    for (at, object) in input["objects"].as_array().unwrap().iter().enumerate() {
        // The recorded objects share one name.
        let mut object = object.clone();
        object["metadata"]["name"] = format!("{}-{at}", object["metadata"]["name"].as_str().unwrap()).into();
        set.leave(&object);
    }
    let plan = set.plan();
    let first: Vec<i32> = plan.steps.iter().filter(|step| step.after.is_empty()).map(|step| step.wave).collect();
    let wave = |object: &Json| options(object).map(|options| options.wave);
    let expected: Vec<i32> = expected.as_array().unwrap().iter().map(wave).collect::<Result<_, _>>()?;
    if first == expected { Ok(()) } else { Err(format!("expected waves {expected:?}, got {first:?}\n{plan}")) }
}

/// Scope and namespace of what is declared; the same object twice is one problem.
fn normalized(input: &Json, expected: &Json) -> Verdict {
    let complete = |object: &Json| {
        let mut object = object.clone();
        if object["kind"].is_null() {
            object["kind"] = "ClusterRole".into();
            object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
        }
        object
    };
    let objects = input["objects"].as_array().unwrap().iter().map(complete);
    let objects: Vec<Resource> =
        objects.map(|object| Resource::new(Value::from_serialize(&object).unwrap()).unwrap()).collect();
    let desired = DesiredState::from_resources(&objects, &ApiModel::builtin(), input["namespace"].as_str());
    let conditions = desired.problems.iter().filter(|problem| problem.severity == Severity::Blocks).count();
    same(&conditions.into(), &expected["conditions"].as_array().unwrap().len().into())?;
    let place = |object: &Json| object["metadata"]["namespace"].as_str().map(str::to_owned);
    let wanted: Vec<_> = expected["objects"].as_array().unwrap().iter().map(place).collect();
    let got: Vec<_> = desired.declared.keys().map(|key| key.namespace.as_deref().map(str::to_owned)).collect();
    if got == wanted { Ok(()) } else { Err(format!("expected namespaces {wanted:?}, got {got:?}")) }
}

/// Which live object is whose, also where nobody could say what has a namespace.
fn paired(input: &Json, expected: &Json) -> Verdict {
    let all = |of: &Json| of.as_array().unwrap().iter().map(|object| complete(object, "unnamed")).collect::<Vec<_>>();
    let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "app").unwrap(), Inventory::default());
    let desired = DesiredState::from_resources(&all(&input["targets"]), &model, input["namespace"].as_str());
    let mut live = LiveState::default();
    for object in all(&input["live"]) {
        live.listed(&object.key().group_kind, &Namespaces::All);
        live.insert(object);
    }
    let comparison = compare(&desired, &live, &Context::new(&model, &owner, &inventory), &Comparison::default());
    let name = |object: &Resource| format!("{} {:?}", object.key(), object.uid());
    let pair = |key| {
        let target = desired.declared.get(key).map(|declared| name(&declared.resource));
        (target, comparison.get(key).and_then(|compared| compared.live.as_ref()).map(name))
    };
    let is_hook = |key: &ResourceKey| desired.declared.get(key).is_some_and(|it| it.options.role == Role::Hook);
    let mut keys: Vec<&ResourceKey> = desired.declared.keys().chain(live.objects().map(Resource::key)).collect();
    keys.sort();
    keys.dedup();
    let got: BTreeSet<_> = keys.into_iter().filter(|key| !is_hook(key)).map(pair).collect();
    let named = |object: &Json| object.is_object().then(|| name(&complete(object, "unnamed")));
    let sides = [&expected["target"], &expected["live"]].map(|side| side.as_array().unwrap().iter().map(named));
    let [targets, lives] = sides;
    let wanted: BTreeSet<_> = targets.zip(lives).collect();
    if got == wanted { Ok(()) } else { Err(format!("expected {wanted:?}, got {got:?}")) }
}

/// Which objects take part in a sync.
fn partition(input: &Json, expected: &Json) -> Verdict {
    let (mut synced, mut hooks) = (Vec::new(), BTreeSet::new());
    for target in input["targets"].as_array().unwrap() {
        let options = options(target)?;
        hooks.extend(phases(&options));
        let in_sync = |hook: &policy::Hook| hook.phases.iter().any(|phase| *phase <= Phase::SyncFail);
        if options.hook.as_ref().is_none_or(in_sync) {
            synced.push(target.clone());
        }
    }
    same(&synced.into(), &expected["syncObjects"])?;
    same(&hooks.contains("PreDelete").into(), &expected["hasPreDeleteHooks"])?;
    same(&hooks.contains("PostDelete").into(), &expected["hasPostDeleteHooks"])
}

/// Reads the options of an object; what is left out of a recorded object is not what is asked.
pub(crate) fn options(object: &Json) -> Result<Options, String> {
    let (options, problems) = policy::options(&complete(object, "unnamed"));
    match problems.iter().find(|problem| problem.severity == Severity::Blocks) {
        Some(problem) => Err(format!("is a problem: {problem}")),
        None => Ok(options),
    }
}

/// Completes an object to one that has an identity.
pub(crate) fn complete(object: &Json, name: &str) -> Resource {
    let mut object = if object.is_object() { object.clone() } else { serde_json::json!({}) };
    if object["kind"].as_str().unwrap_or_default().is_empty() {
        object["kind"] = "Pod".into();
    }
    if object["apiVersion"].is_null() {
        object["apiVersion"] = if object["kind"] == "Job" { "batch/v1" } else { "v1" }.into();
    }
    if object["metadata"]["name"].is_null() {
        object["metadata"]["name"] = name.into();
    }
    Resource::new(Value::from_serialize(&object).unwrap()).unwrap()
}

/// Adds an annotation where there is none of that name.
pub(crate) fn with(object: &Json, name: &str, value: &str) -> Json {
    let mut object = if object.is_object() { object.clone() } else { serde_json::json!({}) };
    if object["metadata"]["annotations"][name].is_null() {
        object["metadata"]["annotations"][name] = value.into();
    }
    object
}

fn has(object: &Json, annotation: &str) -> bool {
    object["metadata"]["annotations"][annotation].is_string()
}

fn hook_phases(options: &Options) -> BTreeSet<String> {
    options.hook.iter().flat_map(|hook| &hook.phases).map(ToString::to_string).collect()
}

fn phases(options: &Options) -> BTreeSet<String> {
    let of_resource = options.is_resource().then(|| Phase::Sync.to_string());
    hook_phases(options).into_iter().chain(of_resource).collect()
}

fn policies(options: &Options) -> BTreeSet<String> {
    options.hook.iter().flat_map(|hook| &hook.delete).map(|policy| format!("{policy:?}")).collect()
}

/// Compares words as sets; Argo CD names `Skip` and Helm's own words where we have phases.
fn same_words(got: BTreeSet<String>, expected: &Json) -> Verdict {
    let word = |word: &Json| match word.as_str().unwrap() {
        "pre-install" | "pre-upgrade" => "PreSync".to_owned(),
        "post-install" | "post-upgrade" => "PostSync".to_owned(),
        "before-hook-creation" => "BeforeHookCreation".to_owned(),
        "hook-succeeded" => "HookSucceeded".to_owned(),
        "hook-failed" => "HookFailed".to_owned(),
        word => word.to_owned(),
    };
    let expected: BTreeSet<String> =
        expected.as_array().into_iter().flatten().map(word).filter(|word| word != "Skip").collect();
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}")) }
}

pub(crate) fn same(got: &Json, expected: &Json) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected}, got {got}")) }
}
