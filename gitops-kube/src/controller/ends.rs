//! Applications that are being deleted: their objects go first, if that is asked for, and then the resource.
//!
//! That an application has ended is told by its ledger, which is deleted last, and not by what this program remembers: so
//! it is known after a restart as well, and of an application that was never synced. A resource that cannot go says in
//! its status why, and what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gitops_core::automation::Decision;
use gitops_core::cluster::{Cluster, ClusterError, Failure, Guard, Interest, PatchStep, Write, Written};
use gitops_core::engine::{AppStatus, Engine, Event, Wish};
use gitops_core::path::FieldPath;
use gitops_core::plan::{Confirmation, Intent, Request};
use gitops_core::reconcile::App;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::state::{Live, Owner};
use gitops_core::time::Timestamp;
use gitops_core::value::Draft;

use super::declared::{Declared, Ending, finalizers, is_ours};
use super::members::Members;
use super::reign::Tools;
use super::told::{Pending, Told};
use super::{APPROVED, FINALIZER, MANAGER, Settings, VERSION};

/// How often it is looked whether an application has ended, and how often what came to nothing is asked for again.
const LOOK: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(300);
/// Who asks for the deletion, in the history.
const BY: &str = "the deletion of its resource";

/// The applications that are being deleted.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeMap<Arc<str>, End>);

#[derive(Debug)]
struct End {
    ending: Ending,
    asked: Option<Timestamp>,
    look: Timestamp,
    is_looking: bool,
    /// Whether what was under way was told to stop.
    was_stopped: bool,
    /// What it waits for, for people.
    waits: Arc<str>,
}

impl End {
    /// Whether an operation that is under way may go on: a deletion that somebody takes back while it runs may not.
    fn wants(&self, running: Intent) -> bool {
        match &self.ending {
            Ending::Unclear(_) => !running.ends_app(),
            ending => running == request(ending).scope.intent,
        }
    }
}

impl Ends {
    /// Takes over which applications are being deleted, and what for.
    pub(super) fn settle(&mut self, members: &Members, now: Timestamp) {
        self.0.retain(|name, end| members.endings.get(name) == Some(&end.ending));
        for (name, ending) in &members.endings {
            self.0.entry(Arc::clone(name)).or_insert_with(|| End {
                ending: ending.clone(),
                asked: None,
                look: now,
                is_looking: false,
                was_stopped: false,
                waits: "it is looked at".into(),
            });
        }
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What the deletion of an application waits for, if it is being deleted.
    pub(super) fn waits(&self, name: &str) -> Option<Arc<str>> {
        self.0.get(name).map(|end| Arc::clone(&end.waits))
    }

    /// Something ended: it is looked at once whether that was all.
    pub(super) fn look_now(&mut self, name: &str) {
        if let Some(end) = self.0.get_mut(name) {
            end.look = Timestamp::EPOCH;
        }
    }

    /// Asks for what is to be done, and looks whether it is done.
    pub(super) fn round<'r>(
        &mut self,
        members: &Members,
        engine: &mut Engine,
        tools: Tools<'r>,
        now: Timestamp,
    ) -> Vec<Pending<'r>> {
        let mut looks = Vec::new();
        for (name, end) in self.0.iter_mut().filter(|(name, _)| !members.ended.contains(*name)) {
            let running =
                engine.status(name).and_then(|status| status.operation.as_ref()).map(|running| running.intent);
            if running.is_some_and(|intent| !end.wants(intent)) && !std::mem::replace(&mut end.was_stopped, true) {
                engine.handle(Event::Wish { app: Arc::clone(name), wish: Wish::Terminate }, now);
            }
            if let Ending::Unclear(why) = &end.ending {
                end.waits = Arc::clone(why);
                continue;
            }
            if let Some(why) = members.held_back.get(name) {
                end.waits = stuck(&format!("it cannot be looked after: {why}"));
                continue;
            }
            let Some(status) = engine.status(name) else { continue };
            end.waits = waits(status);
            if running.is_some() {
                continue;
            }
            if end.asked.is_none_or(|asked| asked + AGAIN <= now) {
                end.asked = Some(now);
                let wish = Wish::Sync { by: BY.into(), request: Box::new(request(&end.ending)) };
                engine.handle(Event::Wish { app: Arc::clone(name), wish }, now);
            }
            if !end.is_looking && end.look <= now {
                (end.is_looking, end.look) = (true, now + LOOK);
                looks.push(look(Arc::clone(name), tools));
            }
        }
        looks
    }

    /// Takes whether the ledger of an application is there. Where it is not, the finalizer comes off.
    pub(super) fn ledger<'r>(
        &mut self,
        name: &Arc<str>,
        is_there: Result<bool, ClusterError>,
        declared: &Declared,
        members: &mut Members,
        (tools, now): (Tools<'r>, Timestamp),
    ) -> Option<Pending<'r>> {
        let end = self.0.get_mut(name)?;
        end.is_looking = false;
        match is_there {
            Ok(true) => return None,
            Ok(false) => {}
            Err(error) => {
                end.waits = format!("its ledger cannot be read: {error}").into();
                return None;
            }
        }
        // From here on nothing is looked after, so that nothing is made anew.
        members.ended.insert(Arc::clone(name));
        (end.waits, end.look) = ("all is done but that the finalizer comes off".into(), now + LOOK);
        let write = freeing(declared.application(name)?);
        let (name, cluster) = (Arc::clone(name), tools.cluster);
        Some(Box::pin(async move {
            let freed = cluster.write(&write).await;
            Told::Freed(name, freed)
        }))
    }

    /// Takes whether the finalizer came off.
    pub(super) fn freed(&mut self, name: &str, result: &Result<Written, ClusterError>, now: Timestamp) {
        let (Some(end), Err(error)) = (self.0.get_mut(name), result) else { return };
        end.look = now + LOOK;
        if !matches!(error.failure, Failure::Stale | Failure::NotFound) {
            end.waits = format!("the finalizer does not come off: {error}").into();
        }
    }

    /// The applications that ended, of which the finalizer did not come off yet.
    pub(super) fn try_again<'r>(
        &mut self,
        declared: &Declared,
        members: &Members,
        tools: Tools<'r>,
        now: Timestamp,
    ) -> Vec<Pending<'r>> {
        let due = self.0.iter_mut().filter(|(name, end)| members.ended.contains(*name) && end.look <= now);
        let again = due.filter_map(|(name, end)| {
            end.look = now + LOOK;
            let (write, name, cluster) = (freeing(declared.application(name)?), Arc::clone(name), tools.cluster);
            let pending: Pending<'r> = Box::pin(async move { Told::Freed(name, cluster.write(&write).await) });
            Some(pending)
        });
        again.collect()
    }
}

fn request(ending: &Ending) -> Request {
    match ending {
        Ending::Delete { propagation, approved } => {
            let mut request = Request::to_delete();
            request.scope.propagation = *propagation;
            match approved {
                Some(at) => request.confirmed(Confirmation::of_all(BY, *at)),
                None => request,
            }
        }
        Ending::Orphan | Ending::Unclear(_) => Request::to_orphan(),
    }
}

/// What the engine says of it.
fn waits(status: &AppStatus) -> Arc<str> {
    if let Some(operation) = &status.operation {
        let what = if operation.intent.ends_app() { "its objects go" } else { "what was under way stops" };
        let first = operation.waits.first().map(|wait| format!(": {} {}", wait.key, wait.what)).unwrap_or_default();
        return format!("{what}{first}").into();
    }
    let condition = status.conditions.first().map(|condition| condition.message.to_string());
    let rests = || match &status.decision.as_ref()?.decision {
        Decision::Rest { why, .. } => Some(why.to_string()),
        _ => None,
    };
    condition.or_else(rests).map_or_else(|| "it is looked at".into(), |why| stuck(&why))
}

fn stuck(why: &str) -> Arc<str> {
    format!(
        "{why}; mend that, say yes with the annotation `{APPROVED}` where a deletion asks, or take the finalizer \
         `{FINALIZER}` off to let its objects stay"
    )
    .into()
}

fn look<'r>(name: Arc<str>, tools: Tools<'r>) -> Pending<'r> {
    let cluster = tools.cluster;
    let key = ledger_key(&name, tools.settings);
    Box::pin(async move {
        let Some(key) = key else { return Told::Ledger(name, Ok(false)) };
        let seen = cluster.observe(&Interest::in_objects([key.clone()])).await;
        let is_there = seen.and_then(|seen| match seen.live.get(&key) {
            Live::Present(_) | Live::MetadataOnly(_) => Ok(true),
            Live::Absent => Ok(false),
            other => Err(Failure::Unavailable { message: format!("{other:?}").into() }.into()),
        });
        Told::Ledger(name, is_there)
    })
}

fn ledger_key(name: &str, settings: &Settings) -> Option<ResourceKey> {
    let mut app = App::new(Owner::new(&settings.installation, name).ok()?, "");
    app.ledger_namespace = Arc::clone(&settings.namespace);
    Some(app.ledger_key())
}

/// Takes our finalizers off exactly this resource, and no other.
fn freeing(resource: &Resource) -> Write {
    let others: Vec<Draft> = finalizers(resource).filter(|name| !is_ours(name)).map(Draft::from).collect();
    let path = FieldPath::fields(&["metadata", "finalizers"]);
    let step = match others.is_empty() {
        true => PatchStep::Remove(path),
        false => PatchStep::Set(path, Draft::List(others).freeze()),
    };
    Write::patch(resource.key(), VERSION, vec![step], MANAGER).guarded(Guard::exactly(resource))
}
