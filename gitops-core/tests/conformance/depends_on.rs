//! `argo/depends_on.json`: the graph of cli-utils, by annotation, namespace and CRD.

use std::collections::BTreeSet;
use std::path::Path;

use gitops_core::plan::{After, Plan};
use gitops_core::policy::{self, reference};
use gitops_core::problem::Severity;
use gitops_core::resource::ResourceKey;
use serde_json::json;

use crate::ordering::{Objects, layers};
use crate::sync_order::{Verdict, complete, with};
use crate::{Case, recording};

type Json = serde_json::Value;
type Sets = Vec<BTreeSet<ResourceKey>>;
type Edges = BTreeSet<(ResourceKey, ResourceKey)>;

const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";

pub(crate) fn depends_on(folder: &Path) -> Option<Vec<Case>> {
    let recording = recording(folder, "argo/depends_on.json")?;
    let case = |case: &Json| {
        let function = case["function"].as_str().unwrap();
        let verdict = run(function, &case["input"], &case["expected"]);
        Case { id: format!("{function}:{}", case["name"].as_str().unwrap()), verdict }
    };
    Some(recording["cases"].as_array().unwrap().iter().map(case).collect())
}

fn run(function: &str, input: &Json, expected: &Json) -> Verdict {
    match function {
        "SortObjs" => {
            let plan = declared(&input["objects"]).plan();
            fails(&plan, expected)?;
            same(&layers(&plan), &sets(&expected["sets"]))
        }
        "ReverseSortObjs" => same(&layers(&left(&input["objects"]).plan()), &sets(&expected["sets"])),
        "DependencyGraph" | "addDependsOnEdges" | "addNamespaceEdges" | "addCRDEdges" | "addApplyTimeMutationEdges" => {
            let plan = declared(&input["objects"]).plan();
            if function != "DependencyGraph" {
                fails(&plan, expected)?;
            }
            same(&edges(&plan), &recorded_edges(&expected["edges"]))
        }
        // Deleting is applying read backwards.
        "ReverseSetList" => {
            let wanted = sets(&expected["sets"]);
            let objects = chain(&wanted);
            same(&layers(&declared(&objects).plan()), &wanted)?;
            same(&layers(&left(&objects).plan()), &sets(&input["inputSets"]))
        }
        "Graph.Sort" => {
            let plan = graph(input).plan();
            fails(&plan, expected)?;
            same(&layers(&plan), &sets(&expected["sets"]))
        }
        "Graph.Dependencies" | "Graph.Dependents" => {
            let of = key(&input["of"]);
            let edges = edges(&graph(input).plan());
            let dependents = function == "Graph.Dependents";
            let ends = edges.into_iter().map(|(from, to)| if dependents { (to, from) } else { (from, to) });
            let found = ends.filter(|(end, _)| *end == of).map(|(_, other)| other).collect::<BTreeSet<_>>();
            same(&found, &keys(&expected["result"]))
        }
        "dependson.ReadAnnotation" => parsed(&input["input"], expected),
        "dependson.ParseDependencySet" => parsed(&annotated(input["input"].as_str().unwrap()), expected),
        "dependson.ParseObjMetadata" => {
            let one = json!({ "result": [expected["result"]], "error": expected["error"] });
            match input["input"].as_str().unwrap() {
                several if several.contains(',') => same(&expected["error"].is_string(), &true),
                text => parsed(&annotated(text), &one),
            }
        }
        "dependson.FormatObjMetadata" => formatted(&[reference(&key(&input["input"]))], expected),
        "dependson.FormatDependencySet" => {
            let names: Vec<_> = input["input"].as_array().unwrap().iter().map(|id| reference(&key(id))).collect();
            formatted(&names, expected)
        }
        "ordering.sort" => {
            let plan = declared(&input["objects"]).plan();
            let order: Vec<&str> = plan.steps.iter().map(|step| &*step.key.name).collect();
            same(&json!(order), &expected["order"])
        }
        _ => Err("not done here".into()),
    }
}

fn declared(objects: &Json) -> Objects {
    let mut set = Objects::new("app");
    for object in objects.as_array().unwrap() {
        let mut object = object.clone();
        if object["kind"] == "Secret" {
            // The recorded Secret has a `spec`, which no Secret has.
            object.as_object_mut().unwrap().remove("spec");
        }
        set.declare(&object);
    }
    set
}

fn left(objects: &Json) -> Objects {
    let mut set = Objects::new("app");
    for object in objects.as_array().unwrap() {
        set.leave(object);
    }
    set
}

/// Objects that name each other as the edges of a graph say.
fn graph(input: &Json) -> Objects {
    let mut set = Objects::new("app");
    let edges = recorded_edges(&input["inputEdges"]);
    for vertex in input["vertices"].as_array().unwrap() {
        let own = key(vertex);
        let api_version = if own.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", own.group()) };
        let object = json!({
            "apiVersion": api_version, "kind": own.kind(), "metadata": { "name": &*own.name, "namespace": own.namespace.as_deref() },
        });
        let needs: Vec<String> =
            edges.iter().filter(|(from, _)| *from == own).map(|(_, to)| reference(to).unwrap()).collect();
        set.declare(&if needs.is_empty() { object } else { with(&object, DEPENDS_ON, &needs.join(",")) });
    }
    set
}

/// Objects of which each names all of the set before its own.
fn chain(sets: &Sets) -> Json {
    let mut objects = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| sets.get(before)).into_iter().flatten();
        let needs: Vec<String> = before.map(|key| reference(key).unwrap()).collect();
        for own in set {
            let api_version = if own.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", own.group()) };
            let mut object = json!({
                "apiVersion": api_version, "kind": own.kind(), "metadata": { "name": &*own.name, "namespace": own.namespace.as_deref() },
            });
            if own.kind() == "CustomResourceDefinition" {
                // Of a kind of its group that is among them.
                let group = own.name.split_once('.').unwrap().1;
                let kind = sets.iter().flatten().find(|key| key.group() == group).map_or("Thing", ResourceKey::kind);
                let plural = own.name.split_once('.').unwrap().0;
                object["spec"] = json!({ "group": group, "names": { "kind": kind, "plural": plural } });
            }
            objects.push(if needs.is_empty() { object } else { with(&object, DEPENDS_ON, &needs.join(",")) });
        }
    }
    objects.into()
}

/// Whether something is wrong where cli-utils says so.
fn fails(plan: &Plan, expected: &Json) -> Verdict {
    let wrong = plan.problems.iter().find(|problem| problem.severity >= Severity::Warning);
    match (wrong, expected["error"].is_null()) {
        (None, false) => Err(format!("no problem, where theirs is {}", expected["error"])),
        (Some(problem), true) => Err(format!("is a problem: {problem}")),
        _ => Ok(()),
    }
}

/// Who waits for whom by an edge of its own; of a cycle, what the problem names.
fn edges(plan: &Plan) -> Edges {
    let mut edges = Edges::new();
    for step in &plan.steps {
        for after in &step.after {
            if let After::Applied(id) | After::Healthy(id) = after {
                edges.insert((step.key.clone(), plan.step(*id).unwrap().key.clone()));
            }
        }
    }
    let known: Vec<ResourceKey> = plan.skipped.iter().map(|skipped| skipped.key.clone()).collect();
    for problem in &plan.problems {
        let Some(members) = problem.text.strip_prefix("must follow itself: ") else { continue };
        let named = |part: &str| known.iter().find(|key| part.starts_with(&format!("`{key}`"))).unwrap().clone();
        let members: Vec<ResourceKey> = members.split(" needs ").map(named).collect();
        edges.extend(members.iter().cloned().zip(members.iter().skip(1).cloned()));
    }
    edges
}

fn annotated(text: &str) -> Json {
    with(&json!({ "kind": "ConfigMap" }), DEPENDS_ON, text)
}

fn parsed(object: &Json, expected: &Json) -> Verdict {
    let (options, problems) = policy::options(&complete(object, "unnamed"));
    let wrong = problems.iter().any(|problem| problem.severity == Severity::Blocks);
    same(&wrong, &expected["error"].is_string())?;
    if wrong {
        return Ok(());
    }
    let expected: Vec<ResourceKey> = expected["result"].as_array().unwrap().iter().map(key).collect();
    same(&options.depends_on, &expected)
}

fn formatted(names: &[Option<String>], expected: &Json) -> Verdict {
    let text: Option<Vec<&str>> = names.iter().map(Option::as_deref).collect();
    same(&text.map(|names| names.join(",")).as_deref(), &expected["result"].as_str())
}

fn key(id: &Json) -> ResourceKey {
    let text = |field: &str| id[field].as_str().unwrap_or_default();
    ResourceKey::new(text("group"), text("kind"), text("namespace"), text("name"))
}

fn keys(ids: &Json) -> BTreeSet<ResourceKey> {
    ids.as_array().unwrap().iter().map(key).collect()
}

fn sets(sets: &Json) -> Sets {
    sets.as_array().unwrap().iter().map(keys).collect()
}

fn recorded_edges(edges: &Json) -> Edges {
    edges.as_array().unwrap().iter().map(|edge| (key(&edge["from"]), key(&edge["to"]))).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {got:?}")) }
}
