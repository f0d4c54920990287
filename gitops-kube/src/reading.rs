//! Reading single things: lists page by page, and objects past every cache.

use std::sync::Arc;

use gitops_core::cluster::{ClusterError, Failure};
use gitops_core::model::ServedKind;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::Unreadable;
use tokio::task::JoinSet;

use crate::page::Page;
use crate::place;
use crate::refusal::Refusal;
use crate::talk::{Ask, Silence, Talk};

/// How many objects a page has.
const PAGE: &str = "500";
/// How often a list is begun anew when the server no longer knows where it was.
const BEGUN: usize = 3;

/// One thing to read.
pub(crate) enum Task {
    List(Arc<ServedKind>, Option<Arc<str>>),
    /// An object, in a version.
    Get(Arc<ServedKind>, Arc<str>, ResourceKey),
    /// Objects of one kind in one namespace.
    Several(Arc<ServedKind>, Option<Arc<str>>, Vec<ResourceKey>),
}

/// What came of it.
pub(crate) enum Done {
    Listed(Arc<ServedKind>, Option<Arc<str>>, Result<Listed, Unread>),
    Got(ResourceKey, Result<Option<Resource>, Unread>),
    /// The list that several objects were to be found in.
    Found(Arc<ServedKind>, Vec<ResourceKey>, Result<Listed, Unread>),
}

/// A whole list.
pub(crate) struct Listed {
    pub(crate) objects: Vec<Resource>,
    pub(crate) version: String,
}

/// Why something was not read.
pub(crate) enum Unread {
    /// The kind is not served (any more).
    NotServed,
    /// The server refused.
    Refused(Failure),
    /// There was no answer.
    Silent(ClusterError),
}

impl Unread {
    pub(crate) fn why(self, silent: &mut Vec<ClusterError>) -> Unreadable {
        match self {
            Self::NotServed => Unreadable::new("the cluster serves no such kind"),
            Self::Refused(failure) => Unreadable::new(&failure.to_string()),
            Self::Silent(error) => {
                let why = Unreadable::new(&error.to_string());
                silent.push(error);
                why
            }
        }
    }
}

impl From<Silence> for Unread {
    fn from(silence: Silence) -> Self {
        Self::Silent(silence.into_read_error())
    }
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        if refusal.is_not_served() { Self::NotServed } else { Self::Refused(refusal.into_read_failure()) }
    }
}

/// Reads all at once: how many requests are under way is limited elsewhere. Dropping this ends them.
pub(crate) async fn perform(talk: &Talk, tasks: Vec<Task>) -> Vec<Done> {
    let mut set = JoinSet::new();
    for task in tasks {
        let talk = talk.clone();
        set.spawn(async move {
            match task {
                Task::List(kind, namespace) => {
                    let listed = list(&talk, &kind, namespace.as_deref()).await;
                    Done::Listed(kind, namespace, listed)
                }
                Task::Several(kind, namespace, keys) => {
                    let listed = list(&talk, &kind, namespace.as_deref()).await;
                    Done::Found(kind, keys, listed)
                }
                Task::Get(kind, version, key) => {
                    let got = get(&talk, &kind, &version, &key).await;
                    Done::Got(key, got)
                }
            }
        });
    }
    set.join_all().await
}

/// Reads all objects of a kind, as they are at one moment that is not before this call.
async fn list(talk: &Talk, kind: &ServedKind, namespace: Option<&str>) -> Result<Listed, Unread> {
    let path = place::collection(kind, &kind.preferred, namespace);
    let mut refused = None;
    for begun in 0..BEGUN {
        // Whole at last, if the pages take longer than the server keeps them.
        let paged: &[_] = if begun + 1 < BEGUN { &[("limit", PAGE)] } else { &[] };
        match pages(talk, kind, &path, paged).await? {
            Ok(listed) => return Ok(listed),
            Err(expired) => refused = Some(expired),
        }
    }
    Err(refused.map_or(Unread::NotServed, Unread::from))
}

/// Reads page after page; inside, the refusal to go on.
async fn pages(
    talk: &Talk,
    kind: &ServedKind,
    path: &str,
    paged: &[(&str, &str)],
) -> Result<Result<Listed, Refusal>, Unread> {
    let mut objects = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let token_query = token.as_deref().map(|token| ("continue", token));
        let answer = talk.read(&Ask::get(place::with_query(path, paged.iter().copied().chain(token_query)))).await?;
        if answer.code != 200 {
            let refusal = Refusal::of(&answer);
            return if refusal.is_expired() { Ok(Err(refusal)) } else { Err(refusal.into()) };
        }
        let api_version = kind.api_version(&kind.preferred);
        let page = Page::read(&answer.body, &api_version, &kind.group_kind.kind)
            .map_err(|error| Unread::Refused(Failure::Unavailable { message: error.to_string().into() }))?;
        objects.extend(page.objects);
        token = page.token;
        if token.is_none() {
            return Ok(Ok(Listed { objects, version: page.version }));
        }
    }
}

/// Reads one object, past every cache; `None` if it is not there.
async fn get(talk: &Talk, kind: &ServedKind, version: &str, key: &ResourceKey) -> Result<Option<Resource>, Unread> {
    let answer = talk.read(&Ask::get(place::object(kind, version, key))).await?;
    match answer.code {
        200 => object_of(&answer.body).map(Some).map_err(Unread::Refused),
        _ => match Refusal::of(&answer) {
            refusal if refusal.is_absent() => Ok(None),
            refusal => Err(refusal.into()),
        },
    }
}

/// Reads the object of an answer.
pub(crate) fn object_of(body: &[u8]) -> Result<Resource, Failure> {
    let unreadable = |error: String| Failure::Unavailable {
        message: format!("the server sent what cannot be read: {error}").into(),
    };
    let value = gitops_core::value::Value::from_json(body).map_err(|error| unreadable(error.to_string()))?;
    Resource::new(value).map_err(|error| unreadable(error.to_string()))
}

/// Reads one object for a write that needs to know it.
pub(crate) async fn look(
    talk: &Talk,
    kind: &ServedKind,
    version: &str,
    key: &ResourceKey,
) -> Result<Option<Resource>, ClusterError> {
    get(talk, kind, version, key).await.map_err(|unread| match unread {
        Unread::NotServed => Failure::KindNotServed.into(),
        Unread::Refused(failure) => failure.into(),
        Unread::Silent(error) => error,
    })
}
