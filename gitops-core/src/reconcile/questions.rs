//! What source and cluster have to be asked before a plan can be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Cluster, ClusterError, Failure, Interest};
use crate::diff::{self, Answers, Outcome, Question};
use crate::model::{Conversion, KindFacts};
use crate::plan::{Intent, Request};
use crate::policy::{Confirm, Prune};
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::source::{History, Paths, Revision, RevisionId, Source, SourceError, SourceFailure};
use crate::state::{Live, LiveState};

use super::contents::{contents, going};
use super::{App, Looked};

impl Looked {
    /// Asks the cluster what can only be predicted, and what would die with what may go.
    pub(crate) async fn ask_all(&mut self, app: &App, cluster: &dyn Cluster) {
        self.read_as_declared(app, cluster).await;
        if app.policy.confirm == Confirm::DryRun {
            let answers = self.ask(app, cluster).await;
            let predicted = std::mem::take(&mut self.comparison);
            self.compare(app, &answers, &predicted);
        }
        self.read_hooks(app, cluster).await;
        let intent = app.request.scope.intent;
        let mut may_go = match (intent, app.policy.prune) {
            (Intent::Sync, Prune::Never) | (Intent::Orphan | Intent::Adopt | Intent::Release, _) => Vec::new(),
            _ => going(&self.comparison, intent),
        };
        may_go.extend(self.hook_objects(app).seen.into_values().filter_map(|seen| seen.live));
        self.contents = contents(may_go, &self.model, cluster).await;
    }

    /// Reads objects in the versions in which they are declared, where the cluster gave others and only it can convert
    /// them: an object compares with what is declared in one version only. Where that cannot be read, the prediction
    /// stands.
    async fn read_as_declared(&mut self, app: &App, cluster: &dyn Cluster) {
        let other = self.comparison.entries.iter().filter_map(|(key, compared)| {
            let (declared, live) = (&self.desired.get(key)?.resource, compared.live.as_ref()?);
            let KindFacts::Served(kind) = self.model.kind(&key.group_kind) else { return None };
            let is_known = kind.conversion == Conversion::Identity || kind.versions.len() < 2;
            (live.version() != declared.version() && !is_known).then(|| (key.clone(), declared.version().into()))
        });
        let versions: BTreeMap<ResourceKey, Arc<str>> = other.collect();
        if versions.is_empty() {
            return;
        }
        let Ok(observed) = cluster.observe(&Interest::in_versions(versions.clone())).await else { return };
        let mut read = LiveState::default();
        for (key, version) in &versions {
            if let Live::Present(object) = observed.live.get(key)
                && object.version() == &**version
            {
                read.insert(object.clone());
            }
        }
        self.live.merge(read);
        let before = std::mem::take(&mut self.comparison);
        self.compare(app, &Answers::new(), &before);
    }

    /// Where the plan prunes: asks the history whether the revision that was synced last is a newer one, and plans again
    /// if it is (rule 28 of the exact rules). Where that cannot be told, as after the history was rewritten or another
    /// branch is followed, it is said.
    pub(crate) async fn ask_history(&mut self, app: &App, source: &dyn Source) {
        if !self.prunes() {
            return;
        }
        match age(self, source).await {
            Age::NotOlder => {}
            Age::Older(last) => {
                self.newer = Some(last);
                self.plan(app);
            }
            Age::Unread(_) if app.request.scope.intent == Intent::Delete => {}
            Age::Unread(error) => {
                self.history_is_unread = true;
                let unasked = Some("the history of the source could not be read".into());
                self.plan(&App { request: Request { unasked, ..app.request.clone() }, ..app.clone() });
                let text = format!(
                    "whether this revision is older than what was synced before cannot be told, so nothing is pruned \
                     now: {error}"
                );
                self.problems.push(Problem::warning(Code::PruneGuard, text).hint("sync again once it can be read"));
            }
            Age::Untold(last) => {
                let text = format!(
                    "whether this revision is older than `{}`, which was synced last, cannot be told: the history joins \
                     neither to the other",
                    last.short()
                );
                let hint = "check that the target is the one you mean, before anything is pruned";
                self.problems.push(Problem::warning(Code::PruneGuard, text).hint(hint));
            }
        }
    }

    /// The revision that an operation made true last, of one source or several.
    pub(super) fn last_synced(&self) -> Option<&RevisionId> {
        synced(self).next()
    }

    /// Returns whether source or cluster have to be asked before the plan, which was made, can be trusted.
    pub(crate) fn has_questions(&self, app: &App) -> bool {
        let context = app.context(&self.model, &self.ledger.inventory);
        let asks = app.policy.confirm == Confirm::DryRun
            && !diff::questions(&self.comparison, &self.desired, &context).is_empty();
        let may_go = self.comparison.entries.values().any(|compared| matches!(compared.outcome, Outcome::Extra));
        let intent = app.request.scope.intent;
        asks || self.prunes()
            || self.asks_for_hooks(app)
            || intent == Intent::Delete
            || (app.policy.prune == Prune::Owned && may_go && intent == Intent::Sync)
    }

    fn prunes(&self) -> bool {
        self.plan.losses().next().is_some()
    }

    /// Asks the cluster what would become of objects whose verdict is only predicted. One that cannot be asked about
    /// keeps its prediction, and the others are asked about all the same.
    async fn ask(&mut self, app: &App, cluster: &dyn Cluster) -> Answers {
        let context = app.context(&self.model, &self.ledger.inventory);
        let questions = diff::questions(&self.comparison, &self.desired, &context);
        let mut answers = Answers::new();
        // Who may not write objects of a kind in a namespace need not ask for the next one.
        let mut denied = BTreeSet::new();
        for Question { key, receipt, write, .. } in questions {
            let place = (Arc::clone(&key.group_kind), key.namespace.clone());
            if denied.contains(&place) {
                continue;
            }
            let answer = write.discreet(cluster.write(&write).await);
            if let Err(ClusterError { failure: Failure::Denied { .. }, .. }) = &answer {
                denied.insert(place);
            }
            answers.take(receipt, answer);
        }
        if !denied.is_empty() {
            let text = "dry runs are not allowed, so that some verdicts are predicted";
            let hint = "allow `patch` of the kinds that are synced, or set `confirm: never`";
            self.problems.push(Problem::note(Code::Predicted, text).hint(hint));
        }
        answers
    }
}

/// Most revisions that were synced before, and are compared with what is wanted.
const LOOKED_AT: usize = 10;

/// How the revision that is wanted stands to the one that was synced last.
pub(super) enum Age {
    Older(RevisionId),
    NotOlder,
    /// Nothing joins the two, as far as the history can be read.
    Untold(RevisionId),
    /// The history gave no answer now.
    Unread(SourceError),
}

/// Looks both up in the history of the source; where it has none there is nothing to ask. A revision that changed no file
/// is in no log: what it holds is what the first one in its log made.
///
/// All that were synced before count, not the last one alone: to go back is one operation, and what it left for a person
/// to confirm is not for the next one to prune. One of which a part was held back counts as well.
pub(super) async fn age(looked: &Looked, source: &dyn Source) -> Age {
    let (wanted, Some(history)) = (looked.wanted(), source.history()) else { return Age::NotOlder };
    let [wanted] = &*wanted else { return Age::NotOlder };
    let mut before: Vec<&RevisionId> = Vec::new();
    for revision in synced(looked) {
        if !before.contains(&revision) {
            before.push(revision);
        }
    }
    let mut first = Age::NotOlder;
    for (nth, last) in before.into_iter().take(LOOKED_AT).enumerate() {
        match age_of_all(last, wanted, history).await {
            found @ (Age::Older(_) | Age::Unread(_)) => return found,
            Age::Untold(last) if nth == 0 => first = Age::Untold(last),
            Age::Untold(_) | Age::NotOlder => {}
        }
    }
    first
}

/// The revisions that were synced, newest operation first.
fn synced(looked: &Looked) -> impl Iterator<Item = &RevisionId> {
    looked.ledger.history.iter().filter(|entry| entry.went_well()).filter_map(|entry| {
        match entry.revisions.as_slice() {
            [revision] => Some(&revision.id),
            _ => None,
        }
    })
}

/// Of several sources each has a history of its own: one that went back makes the whole older.
async fn age_of_all(last: &RevisionId, wanted: &RevisionId, history: &dyn History) -> Age {
    let (before, now): (Vec<&str>, Vec<&str>) = (last.pieces().collect(), wanted.pieces().collect());
    if before.len() != now.len() {
        // Sources came or went.
        return Age::Untold(last.clone());
    }
    let mut worst = Age::NotOlder;
    for nth in 0..now.len() {
        let only = |pieces: &[&str]| {
            RevisionId::joined(pieces.iter().enumerate().map(|(at, piece)| if at == nth { *piece } else { "" }))
        };
        match age_of(&only(&before), &only(&now), history).await {
            Age::Older(_) => return Age::Older(last.clone()),
            unread @ Age::Unread(_) => return unread,
            Age::Untold(_) => worst = Age::Untold(last.clone()),
            Age::NotOlder => {}
        }
    }
    worst
}

async fn age_of(last: &RevisionId, wanted: &RevisionId, history: &dyn History) -> Age {
    const LOOKED_THROUGH: usize = 1000;
    if last == wanted {
        return Age::NotOlder;
    }
    let log = async |from, limit| match history.log(from, &Paths::default(), limit).await {
        Err(error) if may_be_read_later(&error) => Err(error),
        // What is not there, or cannot be told, joins nothing.
        log => Ok(log.unwrap_or_default()),
    };
    let (before, now) = match (log(last, LOOKED_THROUGH).await, log(wanted, 1).await) {
        (Ok(before), Ok(now)) => (before, now),
        (Err(error), _) | (_, Err(error)) => return Age::Unread(error),
    };
    let (Some(newest), Some(now)) = (before.first(), now.first()) else { return Age::Untold(last.clone()) };
    let is_in = |log: &[Revision], of: &Revision| log.iter().any(|revision| revision.id == of.id);
    if now.id == newest.id {
        Age::NotOlder
    } else if is_in(&before, now) {
        Age::Older(last.clone())
    } else {
        match log(wanted, LOOKED_THROUGH).await {
            Ok(log) if is_in(&log, newest) => Age::NotOlder,
            Ok(_) => Age::Untold(last.clone()),
            Err(error) => Age::Unread(error),
        }
    }
}

/// Whether a history that could not be read says nothing of whether the revisions are in it.
fn may_be_read_later(error: &SourceError) -> bool {
    !matches!(
        error.failure,
        SourceFailure::UnknownRevision { .. }
            | SourceFailure::UnknownPath { .. }
            | SourceFailure::NoCommit { .. }
            | SourceFailure::TooLarge { .. }
            | SourceFailure::Unsupported { .. }
    )
}
