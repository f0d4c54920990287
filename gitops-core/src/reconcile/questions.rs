//! What source and cluster have to be asked before a plan can be trusted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::{Cluster, ClusterError, Failure};
use crate::diff::{self, Answers, Outcome, Question};
use crate::plan::Intent;
use crate::policy::{Confirm, Prune};
use crate::problem::{Code, Problem};
use crate::source::{Paths, RevisionId, Source};

use super::contents::{contents, going};
use super::{App, Looked};

impl Looked {
    /// Asks the cluster what can only be predicted, and what would die with what may go.
    pub(crate) async fn ask_all(&mut self, app: &App, cluster: &dyn Cluster) {
        if app.policy.confirm == Confirm::DryRun {
            let answers = self.ask(app, cluster).await;
            let predicted = std::mem::take(&mut self.comparison);
            self.compare(app, &answers, &predicted);
        }
        self.read_hooks(app, cluster).await;
        let intent = app.request.scope.intent;
        let mut may_go = match (intent, app.policy.prune) {
            (Intent::Sync, Prune::Never) => Vec::new(),
            _ => going(&self.comparison, intent),
        };
        may_go.extend(self.hook_objects(app).seen.into_values().filter_map(|seen| seen.live));
        self.contents = contents(may_go, &self.model, cluster).await;
    }

    /// Where the plan prunes: asks the history whether the revision that was synced last is a newer one, and plans again
    /// if it is (rule 28 of the exact rules).
    pub(crate) async fn ask_history(&mut self, app: &App, source: &dyn Source) {
        if self.prunes() {
            self.newer = newer(self, source).await;
            if self.newer.is_some() {
                self.plan(app);
            }
        }
    }

    /// Returns whether source or cluster have to be asked before the plan, which was made, can be trusted.
    pub(crate) fn has_questions(&self, app: &App) -> bool {
        let context = app.context(&self.model, &self.ledger.inventory);
        let asks = app.policy.confirm == Confirm::DryRun
            && !diff::questions(&self.comparison, &self.desired, &context).is_empty();
        let may_go = self.comparison.entries.values().any(|compared| matches!(compared.outcome, Outcome::Extra));
        asks || self.prunes()
            || self.asks_for_hooks(app)
            || app.request.scope.intent == Intent::Delete
            || (app.policy.prune == Prune::Owned && may_go)
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

/// Returns the revision that was synced last, if the one that is wanted is one of those before it.
async fn newer(looked: &Looked, source: &dyn Source) -> Option<RevisionId> {
    const LOOKED_THROUGH: usize = 1000;
    let synced = looked.ledger.last_synced()?;
    let ([last], [wanted]) = (&*synced, &*looked.wanted()) else { return None };
    if last == wanted {
        return None;
    }
    let log = source.history()?.log(last, &Paths::default(), LOOKED_THROUGH).await.ok()?;
    log.iter().any(|revision| revision.id == *wanted).then(|| last.clone())
}
