//! What every cluster must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::cluster::{Cluster, Failure, Force, Interest, Observed, Write, Written};
use crate::model::KindFacts;
use crate::resource::{GroupKind, Propagation, Resource, ResourceKey};
use crate::state::{Live, Namespaces};
use crate::value::{Draft, Value};

use super::{BrokenPromises, Check, Verdict, begun, expect, run, writes};

/// How to set up a cluster.
pub trait ClusterFixture: fmt::Debug + Send + Sync {
    /// Returns the cluster under test. It serves ConfigMaps, and no kind `Nothing` of group `contract.gitops.rs`.
    fn cluster(&self) -> &dyn Cluster;

    /// Returns a namespace that exists and in which only the suite writes. It leaves nothing behind when all is well.
    fn namespace(&self) -> &str;
}

/// Runs all checks of a cluster. They write ConfigMaps named `contract-*`, and an autoscaler where it is served in several
/// versions.
///
/// # Errors
/// With every promise that is broken.
pub async fn cluster(fixture: &dyn ClusterFixture) -> Result<(), BrokenPromises> {
    let world = World { port: fixture.cluster(), namespace: fixture.namespace() };
    let w = &world;
    let checks: Vec<(&'static str, Check<'_>)> = vec![
        ("the model tells served kinds from others", Box::pin(model(w))),
        ("an object is absent only where somebody looked completely", Box::pin(absence(w))),
        ("a kind that is not served is told from an absent object", Box::pin(not_served(w))),
        ("partial failure is coverage", Box::pin(partial(w))),
        ("an observation shows every write that answered before it", Box::pin(read_your_writes(w))),
        ("a list shows what a look at the object shows", Box::pin(lists(w))),
        ("an object is read in the version that is asked for", Box::pin(versions(w))),
        ("changes after a cursor are told, also deletions, with the uid", Box::pin(changes(w))),
        ("a cursor that means nothing is told from no change", Box::pin(bad_cursor(w))),
        ("a guard that does not match changes nothing", Box::pin(writes::guards(w))),
        ("a create-only apply takes over nothing", Box::pin(writes::create_only(w))),
        ("a delete takes only the object it means", Box::pin(writes::guarded_delete(w))),
        ("applying the same twice changes nothing the second time", Box::pin(writes::twice(w))),
        ("creating twice is refused the second time", Box::pin(writes::create_twice(w))),
        ("an unforced apply names the fields and managers that stand against it", Box::pin(writes::conflict(w))),
        ("a dry run answers as if, and changes nothing", Box::pin(writes::dry_run(w))),
        ("a patch makes the maps on its way and removes what is there", Box::pin(writes::patch(w))),
        ("a replacement replaces the whole", Box::pin(writes::replace(w))),
        ("what waits for a finalizer is terminating, then gone", Box::pin(writes::finalizer(w))),
        ("what is missing is told by its own failure", Box::pin(writes::missing(w))),
        ("an object that is not valid is refused as such", Box::pin(writes::invalid(w))),
        ("a future that is dropped leaves the cluster usable", Box::pin(dropped(w))),
    ];
    run(checks).await
}

/// The cluster, and short forms of what every check does.
pub(super) struct World<'f> {
    pub(super) port: &'f dyn Cluster,
    pub(super) namespace: &'f str,
}

/// The manager that writes.
pub(super) const ME: &str = "contract";

pub(super) fn nothing() -> GroupKind {
    GroupKind::new("contract.gitops.rs", "Nothing")
}

pub(super) fn maps() -> GroupKind {
    GroupKind::new("", "ConfigMap")
}

impl World<'_> {
    /// A ConfigMap with these data.
    pub(super) fn map(&self, name: &str, data: &[(&str, &str)]) -> Result<Resource, String> {
        let mut draft = Draft::map();
        draft.set("apiVersion", "v1");
        draft.set("kind", "ConfigMap");
        draft.entry("metadata").set("name", format!("contract-{name}"));
        draft.entry("metadata").set("namespace", self.namespace);
        for (key, value) in data {
            draft.entry("data").set(key, *value);
        }
        Resource::new(draft.freeze()).map_err(|error| error.to_string())
    }

    pub(super) async fn try_write(&self, write: &Write) -> Result<Written, Failure> {
        self.port.write(write).await.map_err(|error| error.failure)
    }

    pub(super) async fn write(&self, write: &Write) -> Result<Written, String> {
        self.port.write(write).await.map_err(|error| format!("a write failed: {error}"))
    }

    /// Applies a ConfigMap, and returns it as the answer has it.
    pub(super) async fn apply(&self, map: &Resource) -> Result<Resource, String> {
        let written = self.write(&Write::apply(map, ME, Force::Yes)).await?;
        written.object.ok_or_else(|| "an apply must answer with the object".to_owned())
    }

    pub(super) async fn delete(&self, key: &ResourceKey) -> Verdict {
        self.write(&Write::delete(key, "v1", Propagation::Background)).await.map(drop)
    }

    pub(super) async fn observe(&self, interest: &Interest) -> Result<Observed, String> {
        self.port.observe(interest).await.map_err(|error| format!("observe failed: {error}"))
    }

    /// The object as it is now, past every cache.
    pub(super) async fn live(&self, key: &ResourceKey) -> Result<Option<Resource>, String> {
        let seen = self.observe(&Interest::in_objects([key.clone()])).await?;
        match seen.live.get(key) {
            Live::Present(live) => Ok(Some(live.clone())),
            Live::Absent => Ok(None),
            other => Err(format!("a looked-up object must be present or absent, not {other:?}")),
        }
    }

    pub(super) fn here(&self, kinds: impl IntoIterator<Item = GroupKind>) -> Interest {
        Interest { namespaces: Namespaces::Only([Arc::from(self.namespace)].into()), ..Interest::in_kinds(kinds) }
    }
}

pub(super) fn datum<'r>(object: &'r Resource, key: &str) -> Option<&'r str> {
    object.tree().dig(&["data", key])?.as_str()
}

async fn model(w: &World<'_>) -> Verdict {
    let kinds = BTreeSet::from([maps(), nothing()]);
    let model = w.port.model(&kinds).await.map_err(|error| error.to_string())?;
    expect("ConfigMap to be served", model.kind(&maps()), |facts| matches!(facts, KindFacts::Served(_)))?;
    expect("a kind nobody serves to be `NotServed`", model.kind(&nothing()), |facts| {
        matches!(facts, KindFacts::NotServed)
    })
}

async fn absence(w: &World<'_>) -> Verdict {
    let map = w.map("absent", &[])?;
    let elsewhere = map.key().in_namespace(Some("contract-elsewhere"));
    let seen = w.observe(&Interest::default()).await?;
    expect("`NotLooked` without a look", seen.live.get(map.key()), |live| matches!(live, Live::NotLooked))?;
    let seen = w.observe(&w.here([maps()])).await?;
    expect("`Absent` from a complete list", seen.live.get(map.key()), |live| matches!(live, Live::Absent))?;
    expect("`NotLooked` in another namespace", seen.live.get(&elsewhere), |live| matches!(live, Live::NotLooked))?;
    let seen = w.observe(&Interest::in_objects([map.key().clone()])).await?;
    expect("`Absent` when looked up", seen.live.get(map.key()), |live| matches!(live, Live::Absent))
}

async fn not_served(w: &World<'_>) -> Verdict {
    let key = ResourceKey::new("contract.gitops.rs", "Nothing", w.namespace, "x");
    for interest in [w.here([nothing()]), Interest::in_objects([key.clone()])] {
        let seen = w.observe(&interest).await?;
        expect("`NotServed`", seen.live.get(&key), |live| matches!(live, Live::NotServed))?;
    }
    Ok(())
}

async fn partial(w: &World<'_>) -> Verdict {
    let map = w.map("partial", &[("a", "1")])?;
    w.apply(&map).await?;
    let seen = w.observe(&w.here([maps(), nothing()])).await?;
    expect("what can be read beside what cannot", seen.live.get(map.key()), |live| matches!(live, Live::Present(_)))?;
    w.delete(map.key()).await
}

async fn read_your_writes(w: &World<'_>) -> Verdict {
    let key = w.map("reads", &[])?.key().clone();
    for value in ["1", "2"] {
        let written = w.apply(&w.map("reads", &[("a", value)])?).await?;
        for interest in [w.here([maps()]), Interest::in_objects([key.clone()])] {
            let seen = w.observe(&interest).await?;
            let Live::Present(live) = seen.live.get(&key) else { return Err(format!("`{key}` is not shown")) };
            expect("the version that was written", live.resource_version(), |version| {
                *version == written.resource_version()
            })?;
        }
    }
    w.delete(&key).await?;
    expect("nothing after the deletion", w.live(&key).await?, Option::is_none)
}

async fn lists(w: &World<'_>) -> Verdict {
    let map = w.map("listed", &[("a", "1")])?;
    w.apply(&map).await?;
    let seen = w.observe(&w.here([maps()])).await?;
    let listed = match seen.live.get(map.key()) {
        Live::Present(live) => Some(live.clone()),
        _ => None,
    };
    expect("one content", (listed, w.live(map.key()).await?), |(listed, looked_up)| listed == looked_up)?;
    w.delete(map.key()).await
}

/// Where autoscalers are served in two versions, as every Kubernetes does.
async fn versions(w: &World<'_>) -> Verdict {
    let kind = GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
    let model = w.port.model(&BTreeSet::from([kind.clone()])).await.map_err(|error| error.to_string())?;
    let serves = |version: &str| match model.kind(&kind) {
        KindFacts::Served(served) => served.versions.iter().any(|known| **known == *version),
        _ => false,
    };
    if !(serves("v1") && serves("v2")) {
        return Ok(());
    }
    let json = format!(
        r#"{{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler",
        "metadata":{{"name":"contract-versions","namespace":"{}"}},"spec":{{"maxReplicas":2,
        "scaleTargetRef":{{"apiVersion":"apps/v1","kind":"Deployment","name":"contract-none"}}}}}}"#,
        w.namespace
    );
    let scaler = Value::from_json(json.as_bytes()).map_err(|error| error.to_string())?;
    let scaler = Resource::new(scaler).map_err(|error| error.to_string())?;
    w.apply(&scaler).await?;
    for version in ["v1", "v2"] {
        let asked = Interest::in_versions(BTreeMap::from([(scaler.key().clone(), Arc::from(version))]));
        let seen = w.observe(&asked).await?;
        let found = match seen.live.get(scaler.key()) {
            Live::Present(live) => live.version().to_owned(),
            other => format!("{other:?}"),
        };
        expect("the version", (found, version), |(found, version)| found == version)?;
    }
    w.delete(scaler.key()).await
}

async fn changes(w: &World<'_>) -> Verdict {
    let interest = w.here([maps()]);
    let map = w.map("changes", &[("a", "1")])?;
    let mut cursor = w.observe(&interest).await?.cursor;
    let written = w.apply(&map).await?;
    let mut told = None;
    // An adapter may tell of other things first.
    for _ in 0..10 {
        let changes = w.port.changed(&interest, &cursor).await.map_err(|error| error.to_string())?;
        cursor = changes.cursor;
        told = changes.changed.into_iter().find(|object| object.key() == map.key()).or(told);
        if told.is_some() {
            break;
        }
    }
    let version = told.as_ref().and_then(Resource::resource_version);
    expect("the object that was written", version, |version| *version == written.resource_version())?;
    w.delete(map.key()).await?;
    let mut gone = None;
    for _ in 0..10 {
        let changes = w.port.changed(&interest, &cursor).await.map_err(|error| error.to_string())?;
        cursor = changes.cursor;
        gone = changes.gone.into_iter().find(|(key, _)| key == map.key());
        if gone.is_some() {
            break;
        }
    }
    let uid = gone.as_ref().map(|(_, uid)| &**uid);
    expect("the deletion with the uid", uid, |uid| uid.is_some() && *uid == written.uid())
}

async fn bad_cursor(w: &World<'_>) -> Verdict {
    let cursor = crate::cluster::Cursor::new("no cursor of this cluster");
    let changes = w.port.changed(&w.here([maps()]), &cursor).await.map_err(|error| error.failure);
    expect("`CursorExpired`", changes.map(drop), |changes| *changes == Err(Failure::CursorExpired))
}

async fn dropped(w: &World<'_>) -> Verdict {
    let map = w.map("dropped", &[("a", "1")])?;
    let (interest, write) = (w.here([maps()]), Write::apply(&map, ME, Force::Yes));
    let cursor = w.observe(&interest).await?.cursor;
    begun(w.port.observe(&interest));
    begun(w.port.changed(&interest, &cursor));
    // In doubt: it may have happened or not.
    begun(w.port.write(&write));
    w.apply(&map).await?;
    w.delete(map.key()).await
}
