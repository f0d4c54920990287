//! What the cluster is asked about an apply, and what it said.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cluster::{ClusterError, Failure, Force, Guard, Write, Written};
use crate::policy::Options;
use crate::resource::{Resource, ResourceKey};
use crate::state::DesiredState;
use crate::value::{Digest, Hasher, Purpose};

use super::adapt::Scaled;
use super::facts::receipt;
use super::subject::Subject;
use super::{Comparison, Context, stamp};

/// Names a question, and with it its answer: equal receipts, equal verdicts. Rule 5 of the exact rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub(crate) Digest);

/// What the cluster said. Rules 5 and 8 of the exact rules.
#[derive(Clone, Debug, Default)]
pub struct Answers(BTreeMap<Receipt, Answer>);

#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The object as it would be.
    Object(Resource),
    /// It would refuse the apply: it or an admission webhook finds fault with it. And the fields, if all it says is that
    /// they cannot change once set.
    Refused(Arc<str>, Vec<Arc<str>>),
    /// It did not say: the prediction stands.
    Silence(Arc<str>),
}

/// A dry run that would settle the verdict on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The object.
    pub key: ResourceKey,
    /// Names the question.
    pub receipt: Receipt,
    /// The dry run: a forced apply of what a sync would send, since conflicts are no part of the verdict (rule 9).
    pub write: Write,
}

impl Answers {
    /// Returns no answers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the cluster answered to a question.
    pub fn take(&mut self, receipt: Receipt, answer: Result<Written, ClusterError>) {
        let answer = match answer {
            Ok(Written { object: Some(object), .. }) => Answer::Object(object),
            Ok(Written { object: None, .. }) => Answer::Silence("it showed no object".into()),
            Err(error) if refuses(&error.failure) => {
                let fixed = error.failure.immutable().iter().map(|cause| Arc::clone(&cause.field)).collect();
                Answer::Refused(error.to_string().into(), fixed)
            }
            Err(error) => Answer::Silence(error.to_string().into()),
        };
        self.0.insert(receipt, answer);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, receipt: &Receipt) -> Option<&Answer> {
        self.0.get(receipt)
    }
}

/// Returns what an inventory keeps, once the cluster answered that an apply of `declared` changes nothing of `live`, or
/// made `live` of it: equal questions have equal answers. Nothing of a Secret, whose digest could be guessed (rule 39).
#[must_use]
pub fn settled(declared: &Resource, live: &Resource, context: &Context<'_>, scaled: Scaled) -> Option<Digest> {
    if live.key().is("", "Secret") {
        return None;
    }
    let manager = context.owner.manager();
    let Subject { asked, live, .. } = Subject::of(declared, live, context, &manager, scaled);
    Some(question(&stamp(&asked, context.owner), &live, context, &manager).0)
}

/// Names the question what an apply of `sent` would make of `live`.
pub(super) fn question(sent: &Resource, live: &Resource, context: &Context<'_>, manager: &str) -> Receipt {
    let kind = context.model.digest_of(&sent.key().group_kind);
    let of = context.model.schema(&sent.key().group_kind, sent.version());
    receipt(sent, live, of, manager, Hasher::new(Purpose::Rules).digest(&kind))
}

/// Whether a failure says that what Git declares cannot be applied. Rule 8 of the exact rules: authorisation, a
/// namespace or kind that is missing yet, a webhook that cannot be asked, throttling and outage say nothing of it.
fn refuses(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Invalid { .. } | Failure::Refused { .. } | Failure::TooLarge { .. } | Failure::FieldConflict { .. }
    )
}

/// Returns the dry runs that would settle what a comparison could only predict.
#[must_use]
pub fn questions(comparison: &Comparison, desired: &DesiredState, context: &Context<'_>) -> Vec<Question> {
    let manager = context.owner.manager();
    let asked = comparison.entries.iter().filter_map(|(key, compared)| {
        let receipt = compared.open?;
        // What an apply would do says nothing of an object that is replaced.
        let is_applied = |options: &Options| !options.create_only && !options.replace;
        let declared = desired.get(key).filter(|declared| is_applied(&declared.options))?;
        let live = compared.live.as_ref()?;
        let Subject { asked, .. } = Subject::of(&declared.resource, live, context, &manager, compared.scaled());
        let sent = stamp(&asked, context.owner);
        let guard = live.uid().map_or(Guard::None, Guard::same);
        let write = Write::apply(&sent, &manager, Force::Yes).guarded(guard).dry_run();
        Some(Question { key: key.clone(), receipt, write })
    });
    asked.collect()
}
