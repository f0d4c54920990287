//! Laws over the in-memory world, without an async runtime: whatever the history, a quiet world converges.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a law that cannot be set up must fail")]

use std::collections::BTreeMap;
use std::time::Duration;

use gitops_core::cluster::{Cluster, Write};
use gitops_core::memory::{MemoryCluster, VirtualTime, ready};
use gitops_core::model::ApiModel;
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{self, App, Report, SyncStatus};
use gitops_core::resource::{Propagation, Resource, ResourceKey};
use gitops_core::state::{DesiredState, Owner};
use gitops_core::sync::Phase;
use gitops_core::value::Draft;
use proptest::prelude::*;

/// Something that happens between two syncs.
#[derive(Clone, Debug)]
enum Happening {
    /// Git declares this object with this content.
    Declare(u8, u8),
    /// Git forgets it.
    Forget(u8),
    /// Somebody edits it on the cluster.
    Edit(u8, u8),
    /// Somebody adds a field of their own.
    Annotate(u8),
    /// Somebody deletes it.
    Delete(u8),
    /// Somebody creates an object we never declared.
    Foreign(u8),
    /// Time passes.
    Wait(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..6u8, 0..4u8).prop_map(|(name, value)| Happening::Declare(name, value)),
        2 => (0..6u8).prop_map(Happening::Forget),
        2 => (0..6u8, 0..4u8).prop_map(|(name, value)| Happening::Edit(name, value)),
        1 => (0..6u8).prop_map(Happening::Annotate),
        1 => (0..6u8).prop_map(Happening::Delete),
        1 => (6..9u8).prop_map(Happening::Foreign),
        1 => (0..9000u16).prop_map(Happening::Wait),
    ]
}

/// A cluster, what is declared for it, and the application between them.
struct World {
    cluster: MemoryCluster,
    time: VirtualTime,
    declared: BTreeMap<u8, u8>,
    app: App,
}

impl World {
    fn new() -> Self {
        let time = VirtualTime::default();
        let policy = SyncPolicy::default().with_prune(Prune::Owned);
        let mut app = App::new(Owner::new("", "law").unwrap(), "main").with_policy(policy);
        app.namespace = Some("default".into());
        Self { cluster: MemoryCluster::new(7, time.clone()), time, declared: BTreeMap::new(), app }
    }

    fn sync(&self) -> Report {
        let resources: Vec<Resource> = self.declared.iter().map(|(name, value)| config_map(*name, *value)).collect();
        let desired = DesiredState::from_resources(&resources, &ApiModel::builtin(), Some("default"));
        let report = reconcile::sync_desired(&self.app, desired, &self.cluster, &self.time);
        ready(report).expect("the world in memory never waits").expect("it answers")
    }

    fn live(&self, name: u8) -> Option<Resource> {
        self.cluster.with_server(|server| server.get(&key(name)).cloned())
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Declare(name, value) => drop(self.declared.insert(*name, *value)),
            Happening::Forget(name) => drop(self.declared.remove(name)),
            Happening::Edit(name, value) => {
                self.edit(*name, |draft| draft.entry("data").set("value", value.to_string()));
            }
            Happening::Annotate(name) => {
                self.edit(*name, |draft| draft.entry("metadata").entry("annotations").set("note", "theirs"));
            }
            Happening::Delete(name) => {
                self.write(&Write::delete(&key(*name), "v1", Propagation::Background));
            }
            Happening::Foreign(name) => self.write(&Write::create(&config_map(*name, 0), "somebody")),
            Happening::Wait(seconds) => self.time.advance(Duration::from_secs(u64::from(*seconds))),
        }
    }

    fn edit(&self, name: u8, edit: impl FnOnce(&mut Draft)) {
        if let Some(live) = self.live(name) {
            self.write(&Write::replace(&live.edit(edit).unwrap(), "kubectl-edit"));
        }
    }

    /// What somebody else tries may be refused; that is no concern of ours.
    fn write(&self, write: &Write) {
        let _refused = ready(self.cluster.write(write)).expect("the world in memory never waits");
    }
}

fn key(name: u8) -> ResourceKey {
    ResourceKey::new("", "ConfigMap", "default", &format!("object-{name}"))
}

fn config_map(name: u8, value: u8) -> Resource {
    let mut draft = Draft::map();
    draft.set("apiVersion", "v1");
    draft.set("kind", "ConfigMap");
    draft.entry("metadata").set("name", &*key(name).name);
    draft.entry("metadata").set("namespace", "default");
    draft.entry("data").set("value", value.to_string());
    Resource::new(draft.freeze()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_quiet_world_converges_whatever_happened(history in proptest::collection::vec((happening(), any::<bool>()), 1..30)) {
        let mut world = World::new();
        for (happening, sync) in &history {
            world.happen(happening);
            if *sync {
                world.sync();
            }
        }
        // One run to repair, one more for what had to wait for the first (such as objects that were being deleted).
        world.sync();
        let report = world.sync();
        for (name, value) in &world.declared {
            let live = world.live(*name);
            let data = live.as_ref().and_then(|live| live.tree().dig(&["data", "value"])?.as_str());
            let wanted = value.to_string();
            prop_assert_eq!(data, Some(&*wanted), "object-{}: {:?}", name, report.problems);
        }
        if !world.declared.is_empty() {
            let unsynced: Vec<_> = report.resources.iter().filter(|r| !matches!(r.status, "Synced" | "Extra")).collect();
            prop_assert!(unsynced.is_empty(), "{:?}", unsynced);
        }
    }

    #[test]
    fn after_a_sync_the_next_one_writes_nothing(history in proptest::collection::vec(happening(), 1..30)) {
        let mut world = World::new();
        history.iter().for_each(|happening| world.happen(happening));
        world.sync();
        let version = world.cluster.with_server(|server| server.version());
        let report = world.sync();
        prop_assert!(report.receipt.is_none(), "{:?}", report.receipt);
        prop_assert_eq!(world.cluster.with_server(|server| server.version()), version);
    }

    #[test]
    fn what_we_never_declared_is_never_touched(history in proptest::collection::vec((happening(), any::<bool>()), 1..30)) {
        let mut world = World::new();
        for (happening, sync) in &history {
            world.happen(happening);
            if *sync {
                world.sync();
            }
        }
        let before: Vec<_> = (6..9).map(|name| world.live(name)).collect();
        world.sync();
        let after: Vec<_> = (6..9).map(|name| world.live(name)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn every_operation_that_ends_well_leaves_what_it_planned(history in proptest::collection::vec(happening(), 1..20)) {
        let mut world = World::new();
        history.iter().for_each(|happening| world.happen(happening));
        let report = world.sync();
        if let Some(receipt) = &report.receipt {
            prop_assert_eq!(receipt.results.len(), report.plan.steps.len());
            if receipt.phase == Phase::Succeeded && !world.declared.is_empty() {
                prop_assert_eq!(report.sync, SyncStatus::Synced, "{:?}", report.resources);
            }
        }
    }
}
