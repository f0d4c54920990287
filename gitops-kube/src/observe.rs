//! Looking: complete lists, and single objects past every cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use gitops_core::cluster::{ClusterError, Failure, Interest, Observed};
use gitops_core::model::{Scope, ServedKind};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::{LiveState, Namespaces, Unreadable};
use tokio::task::JoinSet;

use crate::cluster::Shared;
use crate::cursor::{Place, Since};
use crate::discover::Kind;
use crate::page::Page;
use crate::place;
use crate::refusal::Refusal;
use crate::talk::{Ask, Silence, Talk};

/// How many objects a page has.
const PAGE: &str = "500";
/// How often a list is begun anew when the server no longer knows where it was.
const BEGUN: usize = 3;

/// One thing to read.
enum Task {
    List(Arc<ServedKind>, Option<Arc<str>>),
    Get(Arc<ServedKind>, ResourceKey),
}

/// What came of it.
enum Done {
    Listed(Arc<ServedKind>, Option<Arc<str>>, Result<Listed, Unread>),
    Got(ResourceKey, Result<Option<Resource>, Unread>),
}

struct Listed {
    objects: Vec<Resource>,
    version: String,
}

/// Why something was not read.
enum Unread {
    /// The kind is not served (any more).
    NotServed,
    /// The server refused.
    Refused(Failure),
    /// There was no answer.
    Silent(ClusterError),
}

/// Reads what is asked for. What could not be read is coverage; an error means that there was no answer at all.
pub(crate) async fn observe(shared: &Arc<Shared>, interest: &Interest) -> Result<Observed, ClusterError> {
    let served = shared.served(interest.kinds.iter().chain(interest.keys.iter().map(|key| &*key.group_kind))).await?;
    let mut live = LiveState::default();
    let mut since = BTreeMap::new();
    let mut tasks = Vec::new();
    for kind in &interest.kinds {
        match served.kind(kind) {
            Kind::Served(served) if !served.allows("list") => {
                let why = Unreadable::new("the cluster does not list this kind");
                live.unreadable_kind(kind, &interest.namespaces, &why);
            }
            Kind::Served(served) => match &interest.namespaces {
                Namespaces::Only(names) if served.scope == Scope::Namespaced => {
                    tasks.extend(names.iter().map(|name| Task::List(Arc::clone(&served), Some(Arc::clone(name)))));
                }
                _ => tasks.push(Task::List(served, None)),
            },
            Kind::NotServed => {
                live.not_served(kind);
                since.insert(Place::of(kind, None), Since::NotServed);
            }
            Kind::Unknown => live.unreadable_kind(kind, &interest.namespaces, &silent_group(kind)),
        }
    }
    for key in &interest.keys {
        match served.kind(&key.group_kind) {
            Kind::Served(served) => tasks.push(Task::Get(served, key.clone())),
            Kind::NotServed => live.not_served(&key.group_kind),
            Kind::Unknown => live.unreadable(key, silent_group(&key.group_kind)),
        }
    }
    let asked = tasks.len();
    let mut silent = Vec::new();
    for done in perform(&shared.talk, tasks).await {
        match done {
            Done::Listed(kind, namespace, Ok(listed)) => {
                for object in listed.objects {
                    shared.seen.note(&object);
                    live.insert(object);
                }
                live.listed(&kind.group_kind, &only(namespace.as_ref()));
                since.insert(Place::of(&kind.group_kind, namespace), Since::Version(listed.version));
            }
            Done::Listed(kind, namespace, Err(unread)) => {
                let place = Place::of(&kind.group_kind, namespace.clone());
                match unread {
                    Unread::NotServed => {
                        live.not_served(&kind.group_kind);
                        since.insert(place, Since::NotServed);
                    }
                    unread => {
                        since.insert(place, Since::Unread);
                        let why = unread.why(&mut silent);
                        live.unreadable_kind(&kind.group_kind, &only(namespace.as_ref()), &why);
                    }
                }
            }
            Done::Got(_, Ok(Some(object))) => {
                shared.seen.note(&object);
                live.insert(object);
            }
            Done::Got(key, Ok(None)) => live.absent(&key),
            Done::Got(key, Err(Unread::NotServed)) => live.not_served(&key.group_kind),
            Done::Got(key, Err(unread)) => {
                let why = unread.why(&mut silent);
                live.unreadable(&key, why);
            }
        }
    }
    if asked > 0
        && silent.len() == asked
        && let Some(error) = silent.pop()
    {
        return Err(error);
    }
    Ok(Observed::new(live, crate::cursor::write(&since)))
}

impl Unread {
    fn why(self, silent: &mut Vec<ClusterError>) -> Unreadable {
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

fn silent_group(kind: &GroupKind) -> Unreadable {
    Unreadable::new(&format!("the API group `{}` does not answer", kind.group))
}

fn only(namespace: Option<&Arc<str>>) -> Namespaces {
    namespace.map_or(Namespaces::All, |name| Namespaces::Only([Arc::clone(name)].into()))
}

/// Reads all at once: how many requests are under way is limited elsewhere. Dropping this ends them.
async fn perform(talk: &Talk, tasks: Vec<Task>) -> Vec<Done> {
    let mut set = JoinSet::new();
    for task in tasks {
        let talk = talk.clone();
        set.spawn(async move {
            match task {
                Task::List(kind, namespace) => {
                    let listed = list(&talk, &kind, namespace.as_deref()).await;
                    Done::Listed(kind, namespace, listed)
                }
                Task::Get(kind, key) => {
                    let got = get(&talk, &kind, &kind.preferred, &key).await;
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
