//! What is asked of the server, as the Kubernetes API has it.

use std::sync::Arc;

use crate::cluster::{Force, Mode};
use crate::model::{Scope, ServedKind};
use crate::resource::Propagation;
use crate::value::Value;

use super::authorize::User;

/// One request, as an HTTP request to a Kubernetes API server has it: where, what, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub action: Action,
    /// The field manager of a write.
    pub manager: Option<Arc<str>>,
    /// Whether a write counts.
    pub mode: Mode,
    /// Whose rights count; `None` may do everything.
    pub user: Option<User>,
    /// What becomes of fields that the kind does not have.
    pub validation: Validation,
}

/// What becomes of fields that the kind does not have. An apply refuses them whatever is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the answer has a warning for each.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// The place of a resource in the API, as its URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The API version, such as `v1`.
    pub version: Arc<str>,
    /// The plural name, such as `deployments`.
    pub plural: Arc<str>,
    /// The namespace; `None` for cluster-scoped kinds and for lists over all namespaces.
    pub namespace: Option<Arc<str>>,
    /// The name; `None` for lists and creation.
    pub name: Option<Arc<str>>,
    /// `status` or `scale`; `binding` of a Pod.
    pub subresource: Option<Arc<str>>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Reads one object.
    Get,
    /// Reads one object, as it is at this version or a later one.
    GetNotOlder(Arc<str>),
    /// Reads many.
    List(Select),
    /// Reads what changed after a version.
    Watch(Watch),
    /// Creates an object.
    Create(Value),
    /// Replaces an object.
    Update(Value),
    /// Server-side apply.
    Apply {
        /// The fields wanted.
        body: Value,
        /// Whether fields of others are taken.
        force: Force,
    },
    /// Changes parts of an object.
    Patch(Patch),
    /// Deletes an object.
    Delete(DeleteOptions),
    /// Deletes all objects that are selected.
    DeleteCollection(Select, DeleteOptions),
}

/// A patch, by its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own: a merge that knows keyed lists.
    Strategic(Value),
}

/// Which objects of a list are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Select {
    /// Label selector, as in a URL.
    pub labels: Option<Arc<str>>,
    /// Field selector, as in a URL.
    pub fields: Option<Arc<str>>,
    /// At most so many; the answer then has a token to go on with.
    pub limit: Option<u64>,
    /// The token of the page before.
    pub token: Option<Arc<str>>,
    /// At which version.
    pub version: Option<Arc<str>>,
    /// How that version is meant: `Exact` or `NotOlderThan`.
    pub version_match: Option<Arc<str>>,
}

/// From where, and how, changes are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watch {
    /// Which objects.
    pub select: Select,
    /// After which version; `None`, empty and `0` mean "the present objects first".
    pub after: Option<Arc<str>>,
    /// Whether bookmarks are wanted.
    pub bookmarks: bool,
    /// Whether the present objects come first, whatever the version; `None` leaves it to the version.
    pub initial: Option<bool>,
    /// How the version is meant; with `initial` it must be `NotOlderThan`.
    pub version_match: Option<Arc<str>>,
    /// After how many seconds it ends, which is for the caller to see to; less than 0 ends it at once.
    pub timeout: Option<i64>,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeleteOptions {
    /// What happens to dependents; `None` means the default of the kind.
    pub propagation: Option<Propagation>,
    /// The object must have this uid.
    pub uid: Option<Arc<str>>,
    /// The object must have this resource version.
    pub version: Option<Arc<str>>,
    /// How many seconds a Pod gets to end; `None` means what its spec says.
    pub grace_seconds: Option<i64>,
}

impl Request {
    /// Asks for `action` at `endpoint`.
    #[must_use]
    pub fn new(endpoint: Endpoint, action: Action) -> Self {
        Self { endpoint, action, manager: None, mode: Mode::Commit, user: None, validation: Validation::default() }
    }

    /// Names the field manager.
    #[must_use]
    pub fn by(self, manager: &str) -> Self {
        Self { manager: Some(manager.into()), ..self }
    }

    /// Asks as somebody with limited rights.
    #[must_use]
    pub fn as_user(self, user: User) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Sets whether it counts.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Goes on with a watch: what changed after a version, with a bookmark if one is due. Others stay as they are.
    #[must_use]
    pub fn going_on(self, version: u64, bookmarks: bool) -> Self {
        let action = match self.action {
            Action::Watch(watch) => {
                let after = Some(version.to_string().into());
                Action::Watch(Watch { after, bookmarks, initial: None, version_match: None, ..watch })
            }
            other => other,
        };
        Self { action, ..self }
    }

    /// Sets what becomes of unknown fields.
    #[must_use]
    pub fn validated(self, validation: Validation) -> Self {
        Self { validation, ..self }
    }
}

impl Action {
    /// The verb, as roles and discovery name it.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Get | Self::GetNotOlder(_) => "get",
            Self::List(_) => "list",
            Self::Watch(_) => "watch",
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::Apply { .. } | Self::Patch(_) => "patch",
            Self::Delete(_) => "delete",
            Self::DeleteCollection(..) => "deletecollection",
        }
    }

    /// Whether it is asked of a collection, not of one object.
    pub(super) fn is_of_many(&self) -> bool {
        matches!(self, Self::List(_) | Self::Watch(_) | Self::Create(_) | Self::DeleteCollection(..))
    }
}

impl Endpoint {
    /// Names the collection of a kind at one of its versions.
    #[must_use]
    pub fn of(kind: &ServedKind, version: &str) -> Self {
        Self {
            group: Arc::clone(&kind.group_kind.group),
            version: version.into(),
            plural: Arc::clone(&kind.plural),
            namespace: None,
            name: None,
            subresource: None,
        }
    }

    /// Names the collection in a namespace; a cluster-scoped `kind` has none.
    #[must_use]
    pub fn within(self, kind: &ServedKind, namespace: Option<&Arc<str>>) -> Self {
        let namespace = namespace.filter(|_| kind.scope == Scope::Namespaced).cloned();
        Self { namespace, ..self }
    }

    /// Names one object.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Names a subresource.
    #[must_use]
    pub fn under(self, subresource: &str) -> Self {
        Self { subresource: Some(subresource.into()), ..self }
    }

    /// Returns `apiVersion`, such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the plural name with its group, as messages have it: `deployments.apps`.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_string() } else { format!("{}.{}", self.plural, self.group) }
    }
}

impl DeleteOptions {
    /// Deletes with this propagation.
    #[must_use]
    pub fn new(propagation: Propagation) -> Self {
        Self { propagation: Some(propagation), ..Self::default() }
    }

    /// Demands a uid.
    #[must_use]
    pub fn only_uid(self, uid: &str) -> Self {
        Self { uid: Some(uid.into()), ..self }
    }

    /// Demands a resource version.
    #[must_use]
    pub fn only_version(self, version: &str) -> Self {
        Self { version: Some(version.into()), ..self }
    }
}
