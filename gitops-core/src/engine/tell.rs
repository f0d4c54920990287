//! What is written down of a judgement, and what of it is news.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::automation::{Decision, Why};
use crate::diff::{Change, Compared, Outcome};
use crate::health::HealthStatus;
use crate::plan::SkipReason;
use crate::problem::{Code, Severity};
use crate::reconcile::{Looked, Report, SyncStatus};
use crate::resource::ResourceKey;
use crate::sync::Phase;

use super::status::{ConditionKind, Decided};
use super::subject::Subject;
use super::{Counters, Engine, News};

/// Most objects that news of drift name.
const NAMED: usize = 5;

impl Engine {
    /// Writes down what was decided and what is out of order.
    pub(super) fn note(&mut self, name: &Arc<str>, looked: &Looked, report: &Report, decision: &Decision) {
        let now = self.now;
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let status = &mut subject.status;
        let known = status.decision.as_ref().is_some_and(|decided| decided.decision == *decision);
        if !known {
            if let Decision::Rest { why, .. } = decision {
                let again = matches!(&status.decision, Some(Decided { decision: Decision::Rest { why: last, .. }, .. }) if last == why);
                if !again {
                    Counters::count(&mut self.counters.rests, why.name());
                    self.board.pin(now, name, News::Rests { why: why.clone() });
                }
            }
            status.decision = Some(Decided { decision: decision.clone(), since: now });
        }
        let mut blocks = report.problems.iter().filter(|problem| problem.severity == Severity::Blocks);
        let first = blocks.next().map(ToString::to_string);
        let blocked = first.map(|first| match blocks.count() {
            0 => first,
            more => format!("{first}; and {more} more"),
        });
        let shared = report.problems.iter().find(|problem| problem.code == Code::NotOurs);
        let failed = looked.ledger.history.first();
        let failed = failed.filter(|last| matches!(last.phase, Phase::Failed | Phase::Error) && !last.settled);
        let drifts = matches!(decision, Decision::Rest { why: Why::DriftReported, .. });
        let waits = looked.plan.skipped.iter().any(|skipped| skipped.reason == SkipReason::OthersUnknown);
        let is_sync = looked.plan.scope.intent.is_sync();
        let waits =
            subject.unasked.as_ref().filter(|_| waits && is_sync).map(|why| format!("nothing is pruned: {why}"));
        let guarded = looked.plan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Guarded);
        let lived_in = guarded.filter(|_| is_sync).find_map(|kept| subject.lived_in.get_key_value(&kept.key));
        let waits = waits.or_else(|| {
            lived_in.map(|(key, other)| format!("`{key}` is not pruned: application `{other}` has objects in it"))
        });
        for (kind, message) in [
            (ConditionKind::Blocked, blocked),
            (ConditionKind::SharedResource, shared.map(ToString::to_string)),
            (ConditionKind::PruneWaits, waits),
            (ConditionKind::SyncFailed, failed.map(|last| last.message.to_string())),
            (ConditionKind::Drift, drifts.then(|| "the cluster was changed, and self-heal is off".to_owned())),
        ] {
            self.condition(name, kind, message.map(Arc::from));
        }
        if self.subjects.get(name).is_some_and(|subject| subject.store_tries == 0) {
            self.condition(name, ConditionKind::LedgerError, None);
        }
        if let Some(subject) = self.subjects.get_mut(name) {
            let Subject { status, fights, .. } = subject;
            fights.settle(now);
            status.fights(fights.fought(), now);
        }
        self.note_hot(name);
    }

    /// An object was healed: written as it was declared.
    pub(super) fn healed(&mut self, name: &Arc<str>, key: &ResourceKey, changes: &[Change]) {
        self.counters.heals = self.counters.heals.saturating_add(1);
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let was = subject.fights.fought().count();
        subject.fights.healed(key, changes, self.now);
        if subject.fights.fought().count() > was
            && let Some((key, fight)) = subject.fights.fought().find(|(fought, _)| *fought == key)
        {
            let (key, message) = (key.clone(), fight.to_string().into());
            self.board.pin(self.now, name, News::Fight { key, message });
        }
    }

    /// States that something is out of order, or no longer is, and tells if that is news.
    pub(super) fn condition(&mut self, name: &Arc<str>, kind: ConditionKind, message: Option<Arc<str>>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let known = subject.status.conditions.iter().find(|condition| condition.kind == kind);
        match (known, &message) {
            (None, Some(message)) => {
                let message = Arc::clone(message);
                self.board.pin(self.now, name, News::Condition { kind, message });
            }
            (Some(_), None) => self.board.pin(self.now, name, News::Cleared { kind }),
            _ => {}
        }
        subject.status.state(kind, message, self.now);
    }

    pub(super) fn tell_of_changes(
        &mut self,
        name: &Arc<str>,
        (sync, health): (SyncStatus, HealthStatus),
        report: &Report,
        looked: &Looked,
    ) {
        if sync != report.sync {
            self.board.pin(self.now, name, News::Sync { before: sync, now: report.sync });
        }
        if health != report.health {
            self.board.pin(self.now, name, News::Health { before: health, now: report.health });
        }
        let is_synced = looked
            .ledger
            .stands_at()
            .is_some_and(|synced| synced.iter().eq(looked.desired.revisions.iter().map(|revision| &revision.id)));
        let differs = |(key, compared): (&ResourceKey, &Arc<Compared>)| {
            matches!(compared.outcome, Outcome::OutOfSync(_) | Outcome::Missing).then(|| key.clone())
        };
        let drifted: BTreeSet<ResourceKey> =
            if is_synced { looked.comparison.entries.iter().filter_map(differs).collect() } else { Default::default() };
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let news: Vec<ResourceKey> = drifted.difference(&subject.drifted).cloned().collect();
        subject.drifted = drifted;
        if !news.is_empty() {
            let (count, keys) = (news.len(), news.into_iter().take(NAMED).collect());
            self.board.pin(self.now, name, News::Drift { keys, count });
        }
        if (sync, health) != (report.sync, report.health) {
            self.stir_dependents(name);
        }
    }
}
