//! What all handles of one remote share, and the blocking work on it.

mod connect;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gitops_core::source::{Revision, RevisionId, SourceError, SourceFailure, Target};
use gix::{ObjectId, Repository};

use super::credentials::Credentials;
use super::listing::{self, Listing, Meaning};
use super::modules::Followed;
use super::received::{self, Received};
use super::store::{self, Store};
use super::wire::{Depth, Session};
use super::worker::Worker;
use super::{RemoteOptions, RemoteUrl};
use crate::error::{is_boundary, shown, unknown};
use crate::resolve::{self, Base};
use crate::{GitSource, Submodules, objects};

/// Prefixes that are asked for together. Beyond these everything is asked for.
const TOGETHER: usize = 256;
/// How much history is fetched when some is needed, one after the other.
const HISTORY: [Depth; 3] = [Depth::Commits(64), Depth::Commits(2048), Depth::All];
const ALL: [&str; 3] = ["HEAD", "refs/heads/", "refs/tags/"];

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) url: RemoteUrl,
    pub(super) options: RemoteOptions,
    pub(super) worker: Worker,
    credentials: Arc<dyn Credentials>,
    pub(super) submodules: Submodules,
    pub(super) followed: Option<Arc<Followed>>,
    store: Store,
    local: Mutex<Local>,
    asked: Mutex<Asked>,
    #[cfg(feature = "http")]
    client: Mutex<Option<super::http::Client>>,
    #[cfg(feature = "signatures")]
    pub(super) trust: Option<Arc<crate::Trust>>,
    #[cfg(feature = "signatures")]
    pub(super) resolved: crate::trust::Resolved,
}

/// The repositories that are open, the newest first.
#[derive(Debug, Default)]
struct Local {
    number: Option<u64>,
    sources: Vec<GitSource>,
}

/// What the remote was asked last, and what it said.
#[derive(Debug, Default)]
struct Asked {
    /// All that anybody wanted to know so far, so that one question answers everybody.
    prefixes: BTreeSet<String>,
    answer: Option<(Instant, BTreeSet<String>, Arc<Listing>)>,
}

impl Shared {
    pub(super) fn open(
        root: &Path,
        url: &RemoteUrl,
        options: &RemoteOptions,
        credentials: Arc<dyn Credentials>,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            store: Store::open(root, url)?,
            url: url.clone(),
            options: options.clone(),
            worker: Worker::default(),
            credentials,
            submodules: Submodules::default(),
            followed: None,
            local: Mutex::default(),
            asked: Mutex::default(),
            #[cfg(feature = "http")]
            client: Mutex::default(),
            #[cfg(feature = "signatures")]
            trust: None,
            #[cfg(feature = "signatures")]
            resolved: crate::trust::Resolved::default(),
        })
    }

    pub(super) fn following(self, submodules: &Submodules, followed: Option<Arc<Followed>>) -> Self {
        Self { submodules: submodules.clone(), followed, ..self }
    }

    #[cfg(feature = "signatures")]
    pub(super) fn trusting(self, trust: Option<Arc<crate::Trust>>) -> Self {
        Self { trust, ..self }
    }

    /// Returns the repositories that can be read, the newest first; none before the first fetch.
    pub(super) fn sources(&self) -> Result<Vec<GitSource>, SourceError> {
        let mut local = lock(&self.local);
        let newest = self.store.newest();
        if newest != local.number || newest.is_none() {
            local.sources = self.store.repositories(&self.options.limits)?;
            local.number = newest;
        }
        Ok(local.sources.clone())
    }

    /// Answers without asking the remote, if `target` is a commit that is here.
    pub(super) fn pinned(&self, target: &Target) -> Option<Revision> {
        #[cfg(feature = "signatures")]
        if self.trust.is_some() {
            return None;
        }
        let Ok((Base::Id(id), "")) = resolve::parse(target.as_str()) else { return None };
        let sources = self.sources().ok()?;
        sources.iter().find_map(|source| {
            let repository = source.local();
            let commit = objects::commit(&repository, objects::peel(&repository, "", id).ok()?).ok()?;
            let id = objects::peel(&repository, "", id).ok()?;
            Some(Revision::new(&RevisionId::new(&id.to_string()), target).with_commit(commit.about))
        })
    }

    /// Pins a target to what the remote says after `asked`.
    pub(super) fn resolve(
        &self,
        target: &Target,
        asked: Instant,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Revision, SourceError> {
        let (base, steps) = resolve::parse(target.as_str())?;
        let (tip, name) = self.persistently(cancelled, || match &base {
            Base::Id(id) => self.fetched_id(*id, cancelled).map(|id| (id, None)),
            base => self.fetched(target, base, asked, cancelled),
        })?;
        #[cfg(not(feature = "signatures"))]
        let _ = name;
        let from = RevisionId::new(&tip.to_string());
        self.with_history(&from, cancelled, |source| {
            let repository = source.local();
            let id =
                resolve::walk(&repository, target.as_str(), objects::peel(&repository, target.as_str(), tip)?, steps)?;
            let commit = objects::commit(&repository, id)?;
            let revision = Revision::new(&RevisionId::new(&id.to_string()), target).with_commit(commit.about);
            #[cfg(feature = "signatures")]
            if let Some(trust) = &self.trust {
                let is_tag =
                    steps.is_empty() && matches!(objects::kind(&repository, tip), Ok(Some(gix::objs::Kind::Tag)));
                let tag = is_tag.then(|| resolve::AskedTag { id: tip, name: name.clone() });
                let signed = trust.check(&repository, id, tag.as_ref())?;
                self.resolved.add(id);
                return Ok(revision.with_signature(signed.as_deref()));
            }
            Ok(revision)
        })
    }

    /// Does something that may need more history than is here, which is then fetched.
    pub(super) fn with_history<T>(
        &self,
        from: &RevisionId,
        cancelled: &Arc<AtomicBool>,
        work: impl Fn(&GitSource) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let id = ObjectId::from_hex(from.as_str().as_bytes()).map_err(|_| unknown(from.as_str(), Vec::new()))?;
        let attempt = || {
            let holding = self.sources()?.into_iter().find(|source| has(&source.local(), id));
            holding.ok_or_else(|| unknown(from.as_str(), Vec::new())).and_then(|source| work(&source))
        };
        let mut found = attempt();
        for depth in HISTORY {
            match &found {
                Err(error) if is_boundary(error) => {}
                _ => break,
            }
            self.persistently(cancelled, || self.fetch(None, &[(from.to_string(), id)], depth, cancelled))?;
            found = attempt();
        }
        found
    }

    /// Fetches what a branch, tag, range or short id means, and returns it.
    fn fetched(
        &self,
        target: &Target,
        base: &Base,
        asked: Instant,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(ObjectId, Option<String>), SourceError> {
        let (listing, session) = self.ask(listing::prefixes(base), asked, cancelled)?;
        if let Meaning::Ref(name, listed) = listing.meaning(base)? {
            let found = (listed.id, Some(name.clone()));
            if self.has(listed.id)? {
                return Ok(found);
            }
            return self.fetch(session, &[(name, listed.id)], Depth::Commit, cancelled).map(|()| found).map_err(
                |error| {
                    // It may have been moved meanwhile, and what it was be gone: it must be asked for again.
                    lock(&self.asked).answer = None;
                    if !matches!(error.failure, SourceFailure::UnknownRevision { .. }) {
                        return error;
                    }
                    let what =
                        format!("`{}` of `{}` (it was moved while it was fetched)", shown(target.as_str()), self.url);
                    SourceError::from(SourceFailure::Unavailable { what: what.into() }).caused_by(error)
                },
            );
        }
        let (text, all) = (base.text(), ALL.map(str::to_owned).to_vec());
        let (listing, session) = self.ask(all, asked, cancelled)?;
        if !resolve::is_short_id(text) {
            return Err(listing.unknown(target.as_str()));
        }
        // Nothing but the whole history tells what the start of an id is, and that it is the only one.
        let tips: Vec<(String, ObjectId)> = listing.tips().map(|id| (id.to_string(), id)).collect();
        self.fetch(session, &tips, Depth::All, cancelled)?;
        let newest = self.sources()?.into_iter().next();
        let found = newest.map(|source| resolve::short_id(&source.local(), text)).transpose()?.flatten();
        found.map(|id| (id, None)).ok_or_else(|| listing.unknown(target.as_str()))
    }

    fn fetched_id(&self, id: ObjectId, cancelled: &Arc<AtomicBool>) -> Result<ObjectId, SourceError> {
        if self.has(id)? {
            return Ok(id);
        }
        let session = self.session(cancelled)?;
        let knows_all = session.gives_any_commit();
        match self.fetch(Some(session), &[(id.to_string(), id)], Depth::Commit, cancelled) {
            Ok(()) if self.has(id)? => Ok(id),
            Ok(()) => Err(unknown(&id.to_string(), Vec::new())),
            Err(error) if matches!(error.failure, SourceFailure::UnknownRevision { .. }) => {
                Err(listing::no_such_id(id))
            }
            Err(error) if knows_all || cancelled.load(Ordering::Relaxed) => Err(error),
            // An old server gives branches and tags only; the commit may be in the history of one.
            Err(_) => {
                let mut session = self.session(cancelled)?;
                let listing = session.list(&ALL.map(str::to_owned).into(), None)?;
                let tips: Vec<(String, ObjectId)> = listing.tips().map(|id| (id.to_string(), id)).collect();
                self.fetch(Some(session), &tips, Depth::All, cancelled)?;
                if self.has(id)? { Ok(id) } else { Err(listing::no_such_id(id)) }
            }
        }
    }

    /// Asks for refs, unless somebody did since `asked`. The conversation is returned if there was one.
    fn ask(
        &self,
        wanted: Vec<String>,
        asked: Instant,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(Arc<Listing>, Option<Session>), SourceError> {
        let (prefixes, before) = {
            let mut known = lock(&self.asked);
            if let Some((began, prefixes, listing)) = &known.answer
                && *began >= asked
                && wanted.iter().all(|prefix| prefixes.contains(prefix))
            {
                return Ok((Arc::clone(listing), None));
            }
            if known.prefixes.len() + wanted.len() > TOGETHER {
                known.prefixes.clear();
            }
            known.prefixes.extend(wanted);
            (known.prefixes.clone(), known.answer.as_ref().map(|(_, _, listing)| Arc::clone(listing)))
        };
        let began = Instant::now();
        let mut session = self.session(cancelled)?;
        let listing = session.list(&prefixes, before.as_ref())?;
        lock(&self.asked).answer = Some((began, prefixes, Arc::clone(&listing)));
        Ok((listing, Some(session)))
    }

    /// Fetches commits and remembers each under its name.
    fn fetch(
        &self,
        session: Option<Session>,
        wanted: &[(String, ObjectId)],
        depth: Depth,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(), SourceError> {
        let writing = self.store.write(self.options.timeout, cancelled)?;
        if depth == Depth::Commit && wanted.iter().all(|(_, id)| self.has(*id).unwrap_or(false)) {
            // Another process was faster.
            return Ok(());
        }
        let session = match session {
            Some(session) => session,
            None => self.session(cancelled)?,
        };
        let hash = session.hash()?;
        let current = self.sources()?.into_iter().next().filter(|source| {
            let repository = source.local();
            repository.object_hash() == hash && !store::is_scattered(&repository)
        });
        let (into, haves, is_new) = match current {
            Some(source) => (source.clone(), store::held(&source.local())?, false),
            None => (writing.begin(hash, &self.options.limits)?, Vec::new(), true),
        };
        let is_whole = !is_new && objects::boundary(&into.local())?.is_empty();
        let depth = match depth {
            // Old servers have no such thing as a part of the history.
            _ if !session.gives_part_of_history() => Depth::AsIs,
            Depth::Commit if is_whole => Depth::AsIs,
            depth => depth,
        };
        let ids: Vec<ObjectId> = wanted.iter().map(|(_, id)| *id).collect();
        let known = haves.clone();
        let received = session.fetch(&into, &ids, haves, depth, &self.options, cancelled)?;
        // Opened again, to see what came.
        let repository = GitSource::open_store(into.local().git_dir())?.local();
        self.check(&repository, &ids, &known, received)?;
        for (name, id) in wanted {
            if has(&repository, *id) {
                store::hold(&repository, name, *id)?;
            }
        }
        if is_new {
            writing.replace()?;
        }
        let mut local = lock(&self.local);
        local.number = None;
        Ok(())
    }

    /// Fails if something is lacking of what was asked for: else it would be taken to be here from then on.
    fn check(
        &self,
        repository: &Repository,
        wanted: &[ObjectId],
        known: &[ObjectId],
        received: Received,
    ) -> Result<(), SourceError> {
        let Some((id, object)) = received::lacking(repository, &self.options.limits, wanted, known)? else {
            return Ok(());
        };
        let what = format!("`{}` (of `{id}` it does not send the object `{object}`)", self.url);
        received.discard().map_err(|error| SourceFailure::Unavailable {
            what: format!("{what}, and what it sent cannot be removed ({error}),").into(),
        })?;
        Err(SourceFailure::Unavailable { what: what.into() }.into())
    }

    fn has(&self, id: ObjectId) -> Result<bool, SourceError> {
        Ok(self.sources()?.iter().any(|source| has(&source.local(), id)))
    }

    /// Tries again what may go well later.
    fn persistently<T>(
        &self,
        cancelled: &AtomicBool,
        work: impl Fn() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let mut wait = self.options.backoff;
        for _ in 1..self.options.attempts {
            match work() {
                Err(error) if error.is_transient() && !cancelled.load(Ordering::Relaxed) => {}
                result => return result,
            }
            let end = Instant::now() + wait;
            while Instant::now() < end && !cancelled.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20).min(wait));
            }
            wait = wait.saturating_mul(2);
        }
        work()
    }
}

fn has(repository: &Repository, id: ObjectId) -> bool {
    store::has_commit(repository, id)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
