//! What installs a controller: `kubectl apply -f`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gitops_core::model::{ApiModel, KindFacts};
use gitops_core::resource::{GroupKind, InvalidResource, Resource};
use serde_json::{Value, json};

use super::{ArgoCd, GROUP, MANAGER, definitions};

/// What a controller reads of every cluster: the schemas of custom resources, and who scales.
const READ: [(&str, &str); 3] = [
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("keda.sh", "scaledobjects"),
];
/// What an applied object needs.
const WRITE: [&str; 8] = ["get", "list", "watch", "create", "patch", "update", "delete", "deletecollection"];

/// An installation of a controller: what is applied to a cluster to have one.
///
/// It may do what its applications need and no more: which kinds these are is said with [`Installation::with_kinds`]. A
/// role that grants something to others can only be written by who has that, or the verbs `escalate` and `bind`: a
/// controller whose applications contain roles gets these.
///
/// ```
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::GroupKind;
/// use gitops_kube::controller::Installation;
///
/// let kinds = [GroupKind::new("apps", "Deployment"), GroupKind::new("example.org", "Unheard")];
/// let installation = Installation::new("registry.example.org/gitops:1").with_kinds(kinds);
/// let (manifests, unknown) = installation.manifests(&ApiModel::builtin())?;
/// assert_eq!(&*manifests[0].key().kind(), "Namespace");
/// assert_eq!(unknown, [GroupKind::new("example.org", "Unheard")], "the name of its resources is not known");
/// # Ok::<(), gitops_core::resource::InvalidResource>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Installation {
    /// The image, whose program is `gitops`.
    pub image: Arc<str>,
    /// The namespace. Default: `gitops-system`.
    pub namespace: Arc<str>,
    /// How many replicas; one works, the others wait. Default: 2.
    pub replicas: u32,
    /// What is made of applications of Argo CD.
    pub argo_cd: ArgoCd,
    /// The kinds that applications contain.
    pub kinds: BTreeSet<GroupKind>,
}

impl Installation {
    /// Begins with the defaults, and a controller that may apply nothing.
    #[must_use]
    pub fn new(image: &str) -> Self {
        Self {
            image: image.into(),
            namespace: "gitops-system".into(),
            replicas: 2,
            argo_cd: ArgoCd::Ignored,
            kinds: BTreeSet::new(),
        }
    }

    /// Sets the namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// Adds kinds that applications contain.
    #[must_use]
    pub fn with_kinds(mut self, kinds: impl IntoIterator<Item = GroupKind>) -> Self {
        self.kinds.extend(kinds);
        self
    }

    /// Sets what is made of applications of Argo CD.
    #[must_use]
    pub fn with_argo_cd(self, argo_cd: ArgoCd) -> Self {
        Self { argo_cd, ..self }
    }

    /// Returns the objects, in the order in which they are applied, and the kinds to which no right was given since it is
    /// not known what their resources are called.
    ///
    /// # Errors
    /// When a name that was given cannot be one.
    pub fn manifests(&self, model: &ApiModel) -> Result<(Vec<Resource>, Vec<GroupKind>), InvalidResource> {
        let (rules, unknown) = self.rules(model);
        let labels = json!({"app.kubernetes.io/name": MANAGER, "app.kubernetes.io/part-of": "gitops"});
        let named = |kind: &str, group: &str, more: Value| {
            let mut object = json!({"apiVersion": group, "kind": kind,
                "metadata": {"name": MANAGER, "namespace": &*self.namespace, "labels": labels}});
            if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
                object.extend(more);
            }
            object
        };
        let cluster = format!("{MANAGER}:{}", self.namespace);
        let subjects = json!([{"kind": "ServiceAccount", "name": MANAGER, "namespace": &*self.namespace}]);
        let role =
            |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        let rbac = "rbac.authorization.k8s.io/v1";
        let of_cluster = json!({"name": cluster, "labels": labels});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &*self.namespace, "labels": {
                "app.kubernetes.io/part-of": "gitops", "pod-security.kubernetes.io/enforce": "restricted"}}}),
            named("ServiceAccount", "v1", json!({})),
            named("Role", rbac, json!({"rules": self.own_rules()})),
            named("RoleBinding", rbac, json!({"roleRef": role("Role", MANAGER), "subjects": subjects})),
            json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": of_cluster, "rules": rules}),
            json!({"apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": of_cluster,
                "roleRef": role("ClusterRole", &cluster), "subjects": subjects}),
            named(
                "Service",
                "v1",
                json!({"spec": {
                    "selector": {"app.kubernetes.io/name": MANAGER},
                    "ports": [{"name": "http", "port": 8080, "targetPort": "http"}],
                }}),
            ),
            named("Deployment", "apps/v1", json!({"spec": self.deployment()})),
        ];
        let [namespace, rest @ ..] = objects;
        let mut manifests = vec![Resource::from_typed(&namespace)?];
        manifests.extend(definitions()?);
        for object in rest {
            manifests.push(Resource::from_typed(&object)?);
        }
        Ok((manifests, unknown))
    }

    /// What it needs in its own namespace.
    fn own_rules(&self) -> Value {
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let mut rules = vec![
            // The finalizer comes off by a patch.
            rule(GROUP, &["applications", "projects"], &["get", "list", "watch", "patch"]),
            rule(GROUP, &["applications/status", "projects/status"], &["get", "patch"]),
            rule("coordination.k8s.io", &["leases"], &["get", "create", "patch"]),
            rule("", &["events"], &["create", "patch"]),
            // The ledgers.
            rule("", &["configmaps"], &["get", "list", "watch", "create", "patch", "update", "delete"]),
        ];
        if self.argo_cd != ArgoCd::Ignored {
            rules.push(rule("argoproj.io", &["applications", "appprojects"], &["get", "list", "watch"]));
        }
        rules.into()
    }

    /// What it needs of the cluster.
    fn rules(&self, model: &ApiModel) -> (Value, Vec<GroupKind>) {
        let mut written: BTreeMap<Arc<str>, BTreeSet<Arc<str>>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for kind in &self.kinds {
            match model.kind(kind) {
                KindFacts::Served(served) => {
                    written.entry(Arc::clone(&kind.group)).or_default().insert(Arc::clone(&served.plural));
                }
                _ => unknown.push(kind.clone()),
            }
        }
        let mut rules: Vec<Value> = READ
            .iter()
            .map(|(group, plural)| json!({"apiGroups": [group], "resources": [plural], "verbs": ["get", "list", "watch"]}))
            .collect();
        for (group, plurals) in &written {
            rules.push(json!({"apiGroups": [group], "resources": plurals, "verbs": WRITE}));
        }
        let roles = written.get("rbac.authorization.k8s.io").into_iter().flatten();
        let roles: Vec<&Arc<str>> = roles.filter(|plural| plural.ends_with("roles")).collect();
        if !roles.is_empty() {
            rules.push(
                json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": roles, "verbs": ["bind", "escalate"]}),
            );
        }
        (rules.into(), unknown)
    }

    fn deployment(&self) -> Value {
        let labels = json!({"app.kubernetes.io/name": MANAGER});
        let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": 10});
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let argo_cd = match self.argo_cd {
            ArgoCd::Watched => "watched",
            ArgoCd::Followed => "followed",
            ArgoCd::Ignored => "ignored",
        };
        json!({
            "replicas": self.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "serviceAccountName": MANAGER,
                "terminationGracePeriodSeconds": 90,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "controller",
                    "image": &*self.image,
                    "args": ["controller", "run", "--namespace", "$(POD_NAMESPACE)", "--name", "$(POD_NAME)",
                        "--listen", "0.0.0.0:8080", "--argo-cd", argo_cd],
                    "env": [field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace"),
                        {"name": "XDG_CACHE_HOME", "value": "/cache"}],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "livenessProbe": probe("/healthz"),
                    "readinessProbe": probe("/readyz"),
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
                    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "cache", "mountPath": "/cache"}, {"name": "tmp", "mountPath": "/tmp"}],
                }],
                "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
            }},
        })
    }
}
