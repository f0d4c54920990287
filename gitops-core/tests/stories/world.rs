//! A repository, a cluster and one application, all in memory.

use std::cell::RefCell;
use std::sync::Mutex;

use async_trait::async_trait;
use gitops_core::cluster::{
    Changes, Cluster, ClusterError, Cursor, Failure, Force, Interest, Mode, Observed, Verb, Write, Written,
};
use gitops_core::memory::{Action, MemoryCluster, MemorySource, Patch, Request, VirtualTime, ready};
use gitops_core::model::ApiModel;
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{self, App, Report, World};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::Owner;
use gitops_core::time::Timestamp;
use gitops_core::value::{Draft, Value};

/// One application `shop` that follows `main` of a repository.
pub(crate) struct Shop {
    pub(crate) source: MemorySource,
    pub(crate) cluster: Spy,
    pub(crate) time: VirtualTime,
    pub(crate) app: App,
}

/// A cluster that remembers what was written.
#[derive(Debug)]
pub(crate) struct Spy {
    pub(crate) inner: MemoryCluster,
    writes: Mutex<RefCell<Vec<String>>>,
    /// What somebody else asks for right before our next patch.
    pub(crate) before_patch: Mutex<Option<Request>>,
    /// A definition that an operator installs, right after somebody missed its kind.
    pub(crate) installs: Mutex<Option<Resource>>,
    /// What every write to the object of this name meets.
    pub(crate) meets: Mutex<Option<(&'static str, Failure)>>,
    /// A kind that is not served when kinds are listed.
    pub(crate) hides: Mutex<Option<GroupKind>>,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let time = VirtualTime::starting(start);
        let inner = MemoryCluster::new(1, time.clone());
        let owner = Owner::new("", "shop").unwrap();
        Self {
            source: MemorySource::default(),
            cluster: Spy {
                inner,
                writes: Mutex::default(),
                before_patch: Mutex::default(),
                installs: Mutex::default(),
                meets: Mutex::default(),
                hides: Mutex::default(),
            },
            time,
            app: App::new(owner, "main").with_namespace("shop").with_initiator("test"),
        }
    }

    pub(crate) fn pruning(mut self) -> Self {
        self.app.policy = SyncPolicy::default().with_prune(Prune::Owned);
        self
    }

    /// Commits files to `main`; `None` removes one.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) {
        use gitops_core::time::Timer;
        self.source.commit("Ann <ann@example.org>", self.time.now(), message, files.iter().copied());
    }

    pub(crate) fn world(&self) -> World<'_> {
        World::new(&self.source, &self.cluster, &self.time)
    }

    pub(crate) fn sync(&self) -> Report {
        ready(reconcile::sync(&self.app, self.world())).expect("ready").expect("an answer")
    }

    pub(crate) fn preview(&self) -> Report {
        ready(reconcile::preview(&self.app, self.world())).expect("ready").expect("an answer")
    }

    /// Everything written since the last call, ledger left out, as `verb Kind namespace/name`.
    pub(crate) fn written(&self) -> Vec<String> {
        self.cluster.writes.lock().unwrap().take()
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Resource> {
        let group = match kind {
            "Deployment" => "apps",
            "Job" => "batch",
            _ => "",
        };
        let namespace = (kind != "Namespace").then_some("shop");
        let key = ResourceKey::new(group, kind, namespace, name);
        self.cluster.inner.with_server(|server| server.get(&key).cloned())
    }

    /// Changes a live object by hand, as `kubectl edit` does.
    pub(crate) fn edit(&self, object: &Resource, edit: impl FnOnce(&mut Draft)) {
        let edited = object.edit(edit).unwrap();
        let write = Write::replace(&edited, "kubectl-edit");
        ready(self.cluster.inner.write(&write)).expect("ready").expect("the edit is taken");
    }

    /// Scales a Deployment through its subresource, as an autoscaler does.
    pub(crate) fn scale(&self, name: &str, replicas: i64) {
        let request = self.request(name, "scale", &format!(r#"{{"spec":{{"replicas":{replicas}}}}}"#), "hpa");
        let now = self.cluster.inner.now();
        let answer = self.cluster.inner.with_server(|server| server.handle(&request, now));
        assert!(answer.refusal().is_none(), "{answer:?}");
    }

    /// A merge patch of a Deployment's subresource.
    pub(crate) fn request(&self, name: &str, subresource: &str, patch: &str, manager: &str) -> Request {
        let key = ResourceKey::new("apps", "Deployment", "shop", name);
        let patch = Value::from_json(patch.as_bytes()).unwrap();
        let endpoint = self.cluster.inner.with_server(|server| server.endpoint(&key, "v1").unwrap().under(subresource));
        Request::new(endpoint, Action::Patch(Patch::Merge(patch))).by(manager)
    }

    /// Creates an object as somebody else.
    pub(crate) fn create(&self, json: &str, manager: &str) {
        let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
        ready(self.cluster.inner.write(&Write::create(&object, manager))).expect("ready").expect("the object is taken");
    }

    /// Applies an object as somebody else.
    pub(crate) fn apply(&self, json: &str, manager: &str) {
        let object = Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap();
        let write = Write::apply(&object, manager, Force::No);
        ready(self.cluster.inner.write(&write)).expect("ready").expect("the object is taken");
    }

    /// `status` of one object of a report.
    pub(crate) fn status(report: &Report, name: &str) -> &'static str {
        report
            .resources
            .iter()
            .find(|resource| &*resource.key.name == name)
            .map_or("not reported", |found| found.status)
    }
}

#[async_trait]
impl Cluster for Spy {
    async fn model(&self, kinds: &std::collections::BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.inner.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        let hidden = self.hides.lock().unwrap().clone().filter(|kind| interest.kinds.contains(kind));
        let Some(kind) = hidden else { return self.inner.observe(interest).await };
        let mut interest = interest.clone();
        interest.kinds.remove(&kind);
        let mut observed = self.inner.observe(&interest).await?;
        observed.live.not_served(&kind);
        Ok(observed)
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.inner.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        let verb = match &write.verb {
            Verb::Apply { .. } => "apply",
            Verb::Create { .. } => "create",
            Verb::Replace { .. } => "replace",
            Verb::Delete { .. } => "delete",
            _ => "patch",
        };
        let ledger = ResourceKey::new("", "Namespace", None, "gitops-system");
        let counts = write.mode == Mode::Commit;
        if counts && write.key.namespace.as_deref() != Some("gitops-system") && write.key != ledger {
            self.writes.lock().unwrap().borrow_mut().push(format!("{verb} {}", write.key));
        }
        if verb == "patch"
            && let Some(request) = self.before_patch.lock().unwrap().take()
        {
            let now = self.inner.now();
            let answer = self.inner.with_server(|server| server.handle(&request, now));
            assert!(answer.refusal().is_none(), "{answer:?}");
        }
        if let Some((_, failure)) = self.meets.lock().unwrap().as_ref().filter(|(name, _)| *name == &*write.key.name) {
            return Err(ClusterError::new(failure.clone()));
        }
        let written = self.inner.write(&admitted(write)).await;
        if written.as_ref().is_err_and(|error| error.failure == Failure::KindNotServed)
            && let Some(definition) = self.installs.lock().unwrap().take()
        {
            ready(self.inner.write(&Write::create(&definition, "operator"))).expect("ready").expect("it is taken");
        }
        written
    }
}

/// What an admission webhook of this cluster makes of an apply: in ConfigMaps it pins `latest`.
fn admitted(write: &Write) -> Write {
    let mut write = write.clone();
    if let Verb::Apply { object, .. } = &mut write.verb
        && object.tree().dig(&["data", "key"]).and_then(|value| value.as_str()) == Some("latest")
    {
        *object = object.edit(|draft| draft.entry("data").set("key", "1.0")).unwrap();
    }
    write
}

pub(crate) const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";

pub(crate) fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n")
}

pub(crate) fn deployment(name: &str, replicas: u32, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  selector:\n    \
         matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n      \
         containers:\n        - name: web\n          image: {image}\n"
    )
}

pub(crate) fn job(name: &str, annotations: &[(&str, &str)]) -> String {
    let annotations: String = annotations.iter().map(|(name, value)| format!("    {name}: {value:?}\n")).collect();
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n{annotations}spec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers:\n        - name: run\n          image: busybox\n"
    )
}
