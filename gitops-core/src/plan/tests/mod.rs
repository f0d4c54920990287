//! Scenarios as text, and laws over generated sets.

mod awaiting;
mod confirm;
mod delete;
mod depend;
mod file;
mod held;
mod laws;
mod order;
mod providers;
mod prune;
mod select;
mod validity;
mod wire;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{HookRun, Plan, Request, plan};
use crate::diff::{
    Change, ChangeKind, ChangeReason, Claim, Compared, Comparison, Context, Evidence, Facts, Outcome, Prediction,
    Repair, Strategy, Why,
};
use crate::model::ApiModel;
use crate::path::FieldPath;
use crate::policy::{self, Prune, SyncPolicy};
use crate::problem::Severity;
use crate::resource::{Origin, Resource, ResourceKey, split_api_version};
use crate::state::{Declared, DesiredState, Entry, Inventory, Owner, Standing, Tracking, Unreadable};
use crate::value::{Digest, Draft, Purpose};

/// What a plan is made from, written one object per line:
///
/// `apiVersion Kind [namespace/]name [key=value …] | state [claim]`
///
/// Keys: `wave`, `hook`, `options` (Argo CD's sync options), `needs` (depends-on), `group` and `rule` (of kapp, with `_`
/// for blanks), `defines` (kind of a CRD), `uid`; and in the content `mounts` (a ConfigMap), `sa` (a service account),
/// `labels` (of pods), `selects` (of a service), `calls` (a service, from a webhook), `role` and `for` (of a binding);
/// `label` (the value of the label `app`), `approved` (when a person approved the deletion), `ssa` (Flux's option).
/// States: `missing`, `synced`, `differs`, `mend` (and who owns what is put right first), `template` (the pod template differs), `stamp` (only our mark is missing),
/// `held`, `unreadable`, `unknown-kind`, `terminating`, `hook`; and for what is not declared any more `extra`.
/// Claims: `created`, `adopted`, `rebuilt`, `tracked` (no field manager, no inventory), `applied` (no inventory), `nobody`,
/// `child` (has an owner), `of=app`. A `created`, `adopted` or `rebuilt` object has an entry in the inventory.
#[derive(Clone, Debug)]
struct World {
    desired: DesiredState,
    comparison: Comparison,
    inventory: Inventory,
    owner: Owner,
}

impl World {
    fn new(lines: &str) -> Self {
        let owner = Owner::new("", "app").unwrap();
        let (desired, comparison) = (DesiredState::default(), Comparison::default());
        let mut world = Self { desired, comparison, inventory: Inventory::whole([]), owner };
        for (at, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            world.add(at, line);
        }
        world
    }

    fn add(&mut self, at: usize, line: &str) {
        let (object, state) = line.split_once(" | ").expect("a state");
        let resource = object_of(object);
        let (state, claim) = state.split_once(' ').unwrap_or((state, "created"));
        let key = resource.key().clone();
        if state != "extra" {
            let line = u32::try_from(at).unwrap() + 1;
            let (options, wrong) = policy::options(&resource);
            let blocked = wrong.iter().any(|problem| problem.severity == Severity::Blocks);
            if blocked || state == "held" {
                self.desired.hold(&key);
            }
            self.desired.problems.extend(wrong.into_iter().map(|problem| problem.of(&key)));
            let origin = Some(Origin::new(&"all.yaml".into(), line - 1, line));
            self.desired
                .declared
                .insert(key.clone(), Declared { resource: resource.clone(), origin, options, lines: BTreeMap::new() });
        }
        let Some(outcome) = outcome_of(state) else { return };
        let absent = matches!(outcome, Outcome::Missing | Outcome::Unknown(_));
        let uid = resource.uid().map_or_else(|| format!("uid of {key}"), str::to_owned);
        let live = resource.edit(|draft| draft.entry("metadata").set("uid", &*uid)).unwrap();
        let tracking = Tracking { app: "app".into(), key: key.clone(), ..Tracking::parse("app:/K:/n").unwrap() };
        let standing = match claim {
            "created" => Some(Standing::Created),
            "adopted" => Some(Standing::Adopted),
            "rebuilt" => Some(Standing::Rebuilt),
            _ => None,
        };
        let claim = match claim {
            "nobody" => Claim::default(),
            "child" => Claim { tracked: true, applied: true, owned: true, ..Claim::default() },
            other => match other.strip_prefix("of=") {
                Some(app) => Claim { tracking: Some(Tracking { app: app.into(), ..tracking }), ..Claim::default() },
                None => Claim {
                    standing: standing.clone(),
                    tracking: Some(tracking),
                    tracked: true,
                    applied: claim != "tracked",
                    owned: false,
                },
            },
        };
        if let (Some(standing), false) = (standing, absent) {
            let wave = policy::options(&resource).0.wave;
            self.inventory.entries.insert(key.clone(), Entry::held(standing, &uid, "v1", wave));
        }
        let facts = (!absent).then(|| Facts(Digest::of(Purpose::Facts, uid.as_bytes())));
        let (live, claim) = if absent { (None, Claim::default()) } else { (Some(live), claim) };
        let compared = Compared {
            outcome,
            claim,
            live,
            facts,
            masked: [].into(),
            ignored: [].into(),
            releases: [].into(),
            repairs: if state == "mend" { [Repair::Fold].into() } else { [].into() },
            strategy: Strategy::Ownership,
            evidence: Evidence::Predicted,
            predicted: Prediction::None,
            notes: [].into(),
            open: None,
        };
        self.comparison.entries.insert(key, Arc::new(compared));
    }

    /// Removes from Git what is being deleted.
    fn undeclare_dying(&mut self) {
        let comparison = &self.comparison;
        let dies = |key: &ResourceKey| comparison.get(key).is_some_and(|found| found.outcome == Outcome::Terminating);
        self.desired.declared.retain(|key, _| !dies(key));
    }

    /// What is compared of an object once it is as declared.
    fn in_sync(world: &Self, key: &ResourceKey) -> Arc<Compared> {
        let compared = Compared::clone(world.comparison.get(key).unwrap());
        let live = world.desired.declared.get(key).map(|declared| declared.resource.clone());
        Arc::new(Compared { outcome: Outcome::Synced, live, ..compared })
    }

    fn plan(&self, policy: &SyncPolicy) -> Plan {
        self.asked(policy, HookRun::default())
    }

    fn asked(&self, policy: &SyncPolicy, request: impl Into<Request>) -> Plan {
        let model = ApiModel::builtin();
        let context = Context::new(&model, &self.owner, &self.inventory);
        plan(&self.comparison, &self.desired, policy, &context, request)
    }
}

fn object_of(text: &str) -> Resource {
    let mut words = text.split_whitespace();
    let (api_version, kind, name) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let mut object = Draft::map();
    object.set("apiVersion", api_version);
    object.set("kind", kind);
    let metadata = object.entry("metadata");
    match name.split_once('/') {
        Some((namespace, name)) => {
            metadata.set("namespace", namespace);
            metadata.set("name", name);
        }
        None => metadata.set("name", name),
    }
    for word in words {
        let (key, value) = word.split_once('=').expect("key=value");
        let annotation = match key {
            "wave" => "argocd.argoproj.io/sync-wave",
            "hook" => "argocd.argoproj.io/hook",
            "prune" => "gitops.rs/prune",
            "approved" => "argocd.argoproj.io/deletion-approved",
            "ssa" => "kustomize.toolkit.fluxcd.io/ssa",
            "options" => "argocd.argoproj.io/sync-options",
            "needs" => "config.kubernetes.io/depends-on",
            "group" => "kapp.k14s.io/change-group",
            "rule" => {
                let annotations = object.entry("metadata").entry("annotations");
                annotations.set(&format!("kapp.k14s.io/change-rule.{value}"), value.replace('_', " "));
                continue;
            }
            "label" => {
                object.entry("metadata").entry("labels").set("app", value);
                continue;
            }
            "mounts" | "sa" | "labels" | "selects" | "calls" | "role" | "for" => {
                fill(&mut object, key, value);
                continue;
            }
            "uid" => {
                object.entry("metadata").set("uid", value);
                continue;
            }
            "defines" => {
                let (group, kind) = split_api_version(value).unwrap();
                object.entry("spec").set("group", group);
                object.entry("spec").entry("names").set("kind", kind);
                continue;
            }
            other => panic!("unknown key {other}"),
        };
        object.entry("metadata").entry("annotations").set(annotation, value);
    }
    Resource::new(object.freeze()).unwrap()
}

/// Writes what one object names into its content.
fn fill(object: &mut Draft, key: &str, value: &str) {
    let pod = |object: &mut Draft, field: &str, value: Draft| {
        let spec = object.entry("spec").entry("template").entry("spec");
        spec.set("containers", Draft::list());
        spec.set(field, value);
    };
    let mut item = Draft::map();
    match key {
        "mounts" => {
            item.entry("configMap").set("name", value);
            pod(object, "volumes", Draft::from(vec![item]));
        }
        "sa" => pod(object, "serviceAccountName", value.into()),
        "labels" => object.entry("spec").entry("template").entry("metadata").entry("labels").set("app", value),
        "selects" => object.entry("spec").entry("selector").set("app", value),
        "calls" => {
            let (namespace, name) = value.split_once('/').unwrap();
            let service = item.entry("clientConfig").entry("service");
            service.set("namespace", namespace);
            service.set("name", name);
            object.set("webhooks", Draft::from(vec![item]));
        }
        "role" => {
            object.entry("roleRef").set("kind", "Role");
            object.entry("roleRef").set("name", value);
        }
        _ => {
            item.set("kind", "ServiceAccount");
            item.set("name", value);
            object.set("subjects", Draft::from(vec![item]));
        }
    }
}

fn outcome_of(state: &str) -> Option<Outcome> {
    let change = |path: &[&str]| {
        let path = FieldPath::fields(path);
        let change = Change {
            path,
            pointer: "".into(),
            kind: ChangeKind::Added,
            live: None,
            desired: None,
            owners: Vec::new(),
            reason: ChangeReason::Declared,
        };
        Outcome::OutOfSync([change].into())
    };
    Some(match state {
        "hook" => return None,
        "missing" => Outcome::Missing,
        "synced" => Outcome::Synced,
        "differs" | "mend" => change(&["spec", "replicas"]),
        "template" => change(&["spec", "template", "spec"]),
        "stamp" => change(&["metadata", "annotations", "gitops.rs/tracking-id"]),
        "extra" => Outcome::Extra,
        "terminating" => Outcome::Terminating,
        "held" => Outcome::Unknown(Why::Held),
        "unknown-kind" => Outcome::Unknown(Why::UnknownKind),
        "unreadable" => Outcome::Unknown(Why::Unreadable(Unreadable::new("forbidden"))),
        other => panic!("unknown state {other}"),
    })
}

fn pruning() -> SyncPolicy {
    SyncPolicy::default().with_prune(Prune::Owned)
}

/// Compares a plan with the text an operator would see.
#[track_caller]
fn expect(world: &str, policy: &SyncPolicy, expected: &str) {
    shows(&World::new(world).plan(policy), expected);
}

#[track_caller]
fn shows(plan: &Plan, expected: &str) {
    let indent = expected.lines().find(|line| !line.trim().is_empty()).map_or(0, |l| l.len() - l.trim_start().len());
    let expected: Vec<&str> =
        expected.lines().map(|line| line.get(indent..).unwrap_or("")).filter(|line| !line.is_empty()).collect();
    let found = plan.to_string();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "\n{found}");
}

/// The edges of a plan, each as `step <- what it waits for`.
fn edges(plan: &Plan) -> Vec<String> {
    let name = |id: super::StepId| plan.step(id).unwrap().key.name.to_string();
    let after = |after: &super::After| match after {
        super::After::Applied(id) => format!("{} applied", name(*id)),
        super::After::Healthy(id) => format!("{} healthy", name(*id)),
        super::After::Gone(id) => format!("{} gone", name(*id)),
        super::After::Gate(id) => {
            let gate = &plan.gates[id.0 as usize];
            let opens = gate.opens.iter().map(|after| match after {
                super::After::Applied(id) => format!("{} applied", name(*id)),
                super::After::Healthy(id) => format!("{} healthy", name(*id)),
                super::After::Gone(id) => format!("{} gone", name(*id)),
                super::After::Gate(id) => format!("gate {}", id.0),
            });
            format!("[{}]", opens.collect::<Vec<_>>().join(", "))
        }
    };
    let line = |step: &super::Step| {
        let waits: Vec<_> = step.after.iter().map(after).collect();
        format!("{} <- {}", step.key.name, waits.join(" + "))
    };
    plan.steps.iter().map(line).collect()
}
