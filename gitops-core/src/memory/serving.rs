//! A cluster in memory as an HTTP front end sees it: one answer at a time, and watches that go on.

use crate::model::ApiModel;
use crate::resource::GroupKind;
use crate::value::{Digest, Value};

use super::accept::Accept;
use super::cluster::MemoryCluster;
use super::request::{Action, Request};
use super::url::HttpRequest;
use super::wire::{Content, Wire};

/// A watch that is open: what was asked, and how far it has been answered.
///
/// It comes with the answer that begins it, see [`MemoryCluster::respond`].
#[derive(Clone, Debug)]
pub struct OpenWatch {
    request: Request,
    accept: Accept,
    version: u64,
    kind: GroupKind,
    /// What the kind was when the watch began. Another schema ends it, as recorded.
    model: ApiModel,
    schema: Digest,
}

impl MemoryCluster {
    /// Answers an HTTP request; controllers run before and after it. With the answer to a watch comes what to go on with.
    ///
    /// ```
    /// use gitops_core::memory::{Accept, Content, HttpRequest, MemoryCluster, VirtualTime};
    /// use gitops_core::time::Timestamp;
    ///
    /// let cluster = MemoryCluster::new(1, VirtualTime::starting(Timestamp::EPOCH));
    /// let asked = HttpRequest::new("GET", "/api/v1/configmaps");
    /// let Content::Document(list) = cluster.respond(&asked, &Accept::default()).0.content else { return Err("a list".into()) };
    /// let version = list.root().dig(&["metadata", "resourceVersion"]).and_then(|version| version.as_str()).ok_or("a version")?;
    /// let asked = asked.with("watch", "1").with("resourceVersion", version);
    /// let (wire, open) = cluster.respond(&asked, &Accept::default());
    /// let mut open = open.ok_or("a watch")?;
    /// assert!(matches!(wire.content, Content::Stream { events, .. } if events.is_empty()));
    ///
    /// let mut post = HttpRequest::new("POST", "/api/v1/namespaces/default/configmaps");
    /// post.body = br#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}"#;
    /// assert_eq!(cluster.respond(&post, &Accept::default()).0.code, 201);
    /// let (events, goes_on) = cluster.go_on(&mut open, false);
    /// assert!(events.len() == 1 && goes_on);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn respond(&self, http: &HttpRequest<'_>, accept: &Accept) -> (Wire, Option<OpenWatch>) {
        let now = self.now();
        self.with_server(|server| {
            server.settle(now);
            let wire = server.respond(http, accept, now);
            let open = match &wire.content {
                Content::Stream { version: Some(version), events } => {
                    let request = server.read_request(http).ok();
                    let kind = request.as_ref().and_then(|request| server.kind_at(&request.endpoint).ok());
                    request.zip(kind).map(|(request, kind)| {
                        let accept = if events.is_empty() { accept.clone() } else { accept.clone().going_on() };
                        let kind = GroupKind::clone(&kind.group_kind);
                        let (model, schema) = (server.model().clone(), server.model().digest_of(&kind));
                        OpenWatch { request, accept, version: *version, kind, model, schema }
                    })
                }
                _ => None,
            };
            (wire, open)
        })
    }

    /// Returns what a watch has to tell by now, each event as it goes over the wire, and whether it goes on after that.
    ///
    /// It ends when the version it has come to is forgotten, when the kind is served no longer or otherwise than when it
    /// began, and when its user may no longer watch it: then the stream just ends, as that of a real server does.
    pub fn go_on(&self, open: &mut OpenWatch, bookmark: bool) -> (Vec<Value>, bool) {
        let now = self.now();
        self.with_server(|server| {
            server.settle(now);
            let is_same = server.model().digest_of(&open.kind) == open.schema;
            if is_same && !bookmark && server.version() <= open.version {
                return (Vec::new(), true);
            }
            let request = open.request.clone().going_on(open.version, bookmark);
            // What became of the objects of a kind that is gone is told all the same.
            let present = (!is_same).then(|| std::mem::replace(&mut server.model, open.model.clone()));
            let wire = server.answer(&request, &open.accept, now);
            if let Some(present) = present {
                server.model = present;
            }
            let Content::Stream { events, version } = wire.content else { return (Vec::new(), false) };
            if !events.is_empty() {
                open.accept = std::mem::take(&mut open.accept).going_on();
            }
            open.version = version.unwrap_or(open.version);
            (events, is_same && version.is_some())
        })
    }
}

impl OpenWatch {
    /// Returns whether the client takes bookmarks.
    #[must_use]
    pub fn takes_bookmarks(&self) -> bool {
        matches!(&self.request.action, Action::Watch(watch) if watch.bookmarks)
    }

    /// Returns after how many seconds the client wants it to end.
    #[must_use]
    pub fn timeout_seconds(&self) -> Option<u64> {
        let Action::Watch(watch) = &self.request.action else { return None };
        watch.timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0)
    }
}
