//! An application as a tree: its objects by namespace and kind, and below them what controllers made of them.

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::cluster::{Cluster, Interest};
use gitops_core::health::{self, Clues, Confidence, Health, HealthStatus};
use gitops_core::model::ApiModel;
use gitops_core::reconcile::{Report, ResourceReport, SyncStatus};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::time::Timestamp;
use gitops_core::value::ValueRef;

use super::{Cell, Paint, Style, table};
use crate::Failure;

/// Most levels of owners below an object of the application. Kubernetes has two.
const LEVELS: usize = 8;

/// Kinds that controllers make out of what people declare.
const MADE: [(&str, &str); 3] = [("", "Pod"), ("apps", "ReplicaSet"), ("batch", "Job")];

/// The live objects of an application and who owns whom.
#[derive(Debug, Default)]
pub(crate) struct Family {
    uids: BTreeMap<ResourceKey, String>,
    children: BTreeMap<String, BTreeSet<ResourceKey>>,
    health: BTreeMap<ResourceKey, Health>,
}

impl Family {
    /// Looks at the objects of a report and at what may have been made out of them.
    pub(crate) async fn of(report: &Report, cluster: &dyn Cluster, now: Timestamp) -> Result<Self, Failure> {
        let mut kinds: BTreeSet<GroupKind> =
            report.resources.iter().map(|resource| (*resource.key.group_kind).clone()).collect();
        kinds.extend(MADE.map(|(group, kind)| GroupKind::new(group, kind)));
        let model = cluster.model(&kinds).await?;
        let observed = cluster.observe(&Interest::in_kinds(kinds)).await?;
        let mut family = Self::default();
        observed.live.objects().for_each(|object| family.add(object, &model, now));
        Ok(family)
    }

    fn add(&mut self, object: &Resource, model: &ApiModel, now: Timestamp) {
        let Some(uid) = object.uid() else { return };
        self.uids.insert(object.key().clone(), uid.to_owned());
        let owners = object.tree().dig(&["metadata", "ownerReferences"]).and_then(ValueRef::as_list);
        for owner in owners.into_iter().flatten().filter_map(|owner| owner.get("uid")?.as_str()) {
            self.children.entry(owner.to_owned()).or_default().insert(object.key().clone());
        }
        if MADE.contains(&(object.key().group(), object.key().kind())) {
            self.health.insert(object.key().clone(), health::assess(object, &Clues::new(model, now)));
        }
    }

    fn below(&self, key: &ResourceKey, shown: &mut BTreeSet<ResourceKey>, levels: usize) -> Vec<Node> {
        let children = self.uids.get(key).and_then(|uid| self.children.get(uid)).filter(|_| levels > 0);
        let mut nodes = Vec::new();
        for child in children.into_iter().flatten() {
            if shown.insert(child.clone()) {
                let (health, note) = self.health.get(child).map(judged).unwrap_or_default();
                let cells = [Cell::default(), health, note];
                nodes.push(Node { label: named(child), cells, children: self.below(child, shown, levels - 1) });
            }
        }
        nodes
    }
}

struct Node {
    label: String,
    /// Sync status, health, note.
    cells: [Cell; 3],
    children: Vec<Self>,
}

/// Prints the tree of an application.
pub(crate) fn tree(report: &Report, family: &Family, paint: Paint) -> String {
    // Each object once: several may own one, and those of the application have a place of their own.
    let mut shown: BTreeSet<ResourceKey> = report.resources.iter().map(|resource| resource.key.clone()).collect();
    let mut namespaces: BTreeMap<Option<&str>, Vec<&ResourceReport>> = BTreeMap::new();
    for resource in &report.resources {
        namespaces.entry(resource.key.namespace.as_deref()).or_default().push(resource);
    }
    let mut children = Vec::new();
    for (namespace, mut resources) in namespaces {
        resources.sort_by_key(|resource| (resource.key.kind(), resource.key.name.as_ref(), resource.key.group()));
        let nodes = resources.into_iter().map(|resource| of(resource, family, &mut shown)).collect();
        match namespace {
            None => children = nodes,
            Some(namespace) => {
                children.push(Node { label: format!("{namespace}/"), cells: Default::default(), children: nodes });
            }
        }
    }
    let sync = Cell::new(&report.sync.to_string(), sync_style(report.sync));
    let health = Cell::new(&report.health.to_string(), health_style(report.health));
    let root = Node { label: report.app.to_string(), cells: [sync, health, Cell::default()], children };
    let mut rows = Vec::new();
    root.print("", "", &mut rows);
    table(&rows, paint)
}

impl Node {
    fn print(self, first: &str, further: &str, rows: &mut Vec<Vec<Cell>>) {
        let style = if first.is_empty() { Style::Strong } else { Style::Plain };
        let [sync, health, note] = self.cells;
        rows.push(vec![Cell::new(&format!("{first}{}", self.label), style), sync, health, note]);
        let last = self.children.len().saturating_sub(1);
        for (at, child) in self.children.into_iter().enumerate() {
            let (branch, below) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.print(&format!("{further}{branch}"), &format!("{further}{below}"), rows);
        }
    }
}

fn of(resource: &ResourceReport, family: &Family, shown: &mut BTreeSet<ResourceKey>) -> Node {
    let style = match resource.status {
        "Synced" => Style::Good,
        "Unknown" => Style::Bad,
        _ => Style::Waiting,
    };
    let (health, mut note) = resource.health.as_ref().map(judged).unwrap_or_default();
    if let Some(text) = &resource.note {
        note = Cell::dim(text);
    } else if !resource.changes.is_empty() {
        let fields = if resource.changes.len() == 1 { "field differs" } else { "fields differ" };
        note = Cell::dim(&format!("{} {fields}", resource.changes.len()));
    }
    let cells = [Cell::new(resource.status, style), health, note];
    Node { label: named(&resource.key), cells, children: family.below(&resource.key, shown, LEVELS) }
}

fn named(key: &ResourceKey) -> String {
    format!("{} {}", key.kind(), key.name)
}

/// Health and why it is not better. Kinds that report nothing have nothing to show.
fn judged(health: &Health) -> (Cell, Cell) {
    let word = match (health.status, health.confidence) {
        (HealthStatus::Healthy, Confidence::NothingToReport) => String::new(),
        (status, Confidence::Unconfirmed) => format!("{status} (unconfirmed)"),
        (status, _) => status.to_string(),
    };
    let why = if health.status == HealthStatus::Healthy { "" } else { &*health.message };
    let note = match (why, health.standstill) {
        ("", None) => Cell::default(),
        (why, None) => Cell::dim(why),
        ("", Some(standstill)) => Cell::dim(&standstill.to_string()),
        (why, Some(standstill)) => Cell::dim(&format!("{why}; {standstill}")),
    };
    (Cell::new(&word, health_style(health.status)), note)
}

pub(crate) fn sync_style(status: SyncStatus) -> Style {
    match status {
        SyncStatus::Synced => Style::Good,
        SyncStatus::OutOfSync => Style::Waiting,
        _ => Style::Bad,
    }
}

pub(crate) fn health_style(status: HealthStatus) -> Style {
    match status {
        HealthStatus::Healthy => Style::Good,
        HealthStatus::Suspended | HealthStatus::Progressing | HealthStatus::Missing => Style::Waiting,
        HealthStatus::Degraded | HealthStatus::Unknown => Style::Bad,
    }
}
