//! `argo/kapp_order.json`: the change graph of kapp.

use std::collections::BTreeSet;
use std::path::Path;

use gitops_core::plan::Plan;
use gitops_core::policy;
use gitops_core::problem::Severity;
use gitops_core::resource::ResourceKey;
use serde_json::json;

use crate::ordering::{Objects, closure, waits};
use crate::sync_order::{Verdict, complete, with};
use crate::{Case, recording};

type Json = serde_json::Value;

const GROUP: &str = "kapp.k14s.io/change-group";

pub(crate) fn kapp_order(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/kapp_order.json")?;
    let case = |case: &Json| {
        let function = case["function"].as_str().unwrap();
        let (input, expected) = (&case["input"], &case["expected"]);
        let verdict = match function {
            "parseChangeGroup" => parse(input, expected),
            "changeGraph" => graph(input, expected),
            _ => Err("not done here".into()),
        };
        Case { id: format!("{function}:{}", case["name"].as_str().unwrap()), verdict }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn parse(input: &Json, expected: &Json) -> Verdict {
    let text = input.as_str().or(input["input"].as_str()).or(input["text"].as_str()).ok_or("no text")?;
    let (options, problems) = policy::options(&complete(&with(&json!({}), GROUP, text), "unnamed"));
    let name = options.change_groups.first().map(|name| &**name);
    match (problems.is_empty(), expected["name"].as_str()) {
        (true, Some(wanted)) if name == Some(wanted) => Ok(()),
        (false, None) => Ok(()),
        _ => Err(format!("expected {expected}, got {name:?} and {problems:?}")),
    }
}

/// Every wait of kapp must be kept. Where kapp's own rules may be dropped for a circle, they are an order of kinds, and
/// keeping it means that the steps are numbered so; what is asked for by annotation, namespace or CRD is waited for.
/// Without kapp's own rules nothing else is waited for.
fn graph(input: &Json, expected: &Json) -> Verdict {
    let mut set = Objects::new("app");
    let changes: Vec<(&Json, ResourceKey)> = input["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let resource = &change["resource"];
            let resource = &scoped(resource, input);
            let key = if change["op"] == "delete" { set.leave(resource) } else { set.declare(resource) };
            (&change["resource"], key)
        })
        .collect();
    let plan = set.plan();
    let blocked = plan.problems.iter().find(|problem| problem.severity == Severity::Blocks);
    if expected["error"].is_string() {
        return if blocked.is_some() { Ok(()) } else { Err(format!("expected {expected}, got\n{plan}")) };
    }
    let ids = changes.iter().map(|(_, key)| step(&plan, key)).collect::<Result<Vec<usize>, _>>()?;
    let direct: Vec<BTreeSet<usize>> = expected["waitingFor"].as_array().unwrap().iter().map(indices).collect();
    let all = closure(&waits(&plan));
    let mut missed = Vec::new();
    for (at, waits) in direct.iter().enumerate() {
        for on in waits {
            let (own, other) = (ids[at], ids[*on]);
            let kept = if is_asked(changes[at].0, changes[*on].0) { all[own].contains(&other) } else { other < own };
            if !kept {
                missed.push(format!("{} must wait for {}", changes[at].1, changes[*on].1));
            }
        }
    }
    if let Some(first) = missed.first() {
        return Err(format!("{first} (and {} more like it)", missed.len() - 1));
    }
    let is_free = |bindings: &Json| bindings.as_array().is_some_and(Vec::is_empty);
    if is_free(&input["changeRuleBindings"]) {
        let wanted = in_full(&direct);
        for (at, own) in ids.iter().enumerate() {
            let wanted: BTreeSet<usize> = wanted[at].iter().map(|on| ids[*on]).collect();
            if all[*own] != wanted {
                return Err(format!("{} waits for more than it must", changes[at].1));
            }
        }
    }
    Ok(())
}

/// Says of a CRD whether its objects live in namespaces, as those of the case do.
fn scoped(resource: &Json, input: &Json) -> Json {
    let mut resource = resource.clone();
    if resource["kind"] == "CustomResourceDefinition" {
        let kind = resource["spec"]["names"]["kind"].clone();
        let mut of_kind =
            input["changes"].as_array().unwrap().iter().filter(|change| change["resource"]["kind"] == kind);
        let is_cluster = of_kind.any(|change| change["resource"]["metadata"]["namespace"].is_null());
        resource["spec"]["scope"] = if is_cluster { "Cluster" } else { "Namespaced" }.into();
    }
    resource
}

fn step(plan: &Plan, key: &ResourceKey) -> Result<usize, String> {
    plan.steps.iter().position(|step| step.key == *key).ok_or_else(|| format!("{key} has no step: {:?}", plan.problems))
}

fn indices(list: &Json) -> BTreeSet<usize> {
    list.as_array().unwrap().iter().map(|at| usize::try_from(at.as_u64().unwrap()).unwrap()).collect()
}

/// All that each waits for; changes are in no order.
fn in_full(direct: &[BTreeSet<usize>]) -> Vec<BTreeSet<usize>> {
    let of = |at: usize| {
        let (mut found, mut left) = (BTreeSet::new(), vec![at]);
        while let Some(at) = left.pop() {
            left.extend(direct[at].iter().filter(|on| found.insert(**on)));
        }
        found
    };
    (0..direct.len()).map(of).collect()
}

/// Whether one change waits for another by annotation, namespace or CRD.
fn is_asked(one: &Json, other: &Json) -> bool {
    let kind = |of: &Json| of["kind"].as_str().unwrap_or_default().to_owned();
    let group = |of: &Json| {
        of["apiVersion"].as_str().and_then(|text| text.split_once('/')).map_or("", |(group, _)| group).to_owned()
    };
    let annotations = |of: &Json, prefix: &str| -> Vec<String> {
        let all = of["metadata"]["annotations"].as_object().into_iter().flatten();
        all.filter(|(name, _)| name.starts_with(prefix))
            .filter_map(|(_, text)| Some(text.as_str()?.to_owned()))
            .collect()
    };
    let groups = annotations(other, GROUP);
    let rules = annotations(one, "kapp.k14s.io/change-rule");
    let by_rule = rules.iter().any(|rule| groups.iter().any(|group| rule.ends_with(&format!(" {group}"))));
    let namespace = kind(other) == "Namespace" && one["metadata"]["namespace"] == other["metadata"]["name"];
    let defined = kind(other) == "CustomResourceDefinition"
        && other["spec"]["group"] == *group(one)
        && other["spec"]["names"]["kind"] == *kind(one);
    by_rule || namespace || defined
}
