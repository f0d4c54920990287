//! The verdict on an object that is declared and there: prediction, and the cluster's answer where there is one.

use std::sync::Arc;

use crate::model::{Conversion, KindFacts, ListKind, TypeRef};
use crate::path::FieldPath;
use crate::resource::{Resource, split_api_version};
use crate::state::{AppliedFields, Entry, Mark};
use crate::value::ValueRef;

use super::adapt::{Ignored, Scaled, may_adapt};
use super::answers::{Answer, question};
use super::forgotten::{self, Forgotten};
use super::mask::{LAST_APPLIED, Seen};
use super::owned::{Owned, applied, are_entries, are_readable};
use super::plain::is_plain;
use super::repair::mended;
use super::subject::Subject;
use super::tree::Walk;
use super::{
    Change, Claim, Compared, Context, Doubt, Evidence, Facts, Note, Outcome, Prediction, Receipt, Repair, Strategy,
    confirm, stamp,
};

/// What there is to say of one object.
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) strategy: Strategy,
    pub(super) evidence: Evidence,
    pub(super) predicted: Prediction,
    pub(super) ignored: Arc<[Ignored]>,
    pub(super) releases: Arc<[FieldPath]>,
    pub(super) repairs: Arc<[Repair]>,
    pub(super) notes: Arc<[Note]>,
    pub(super) open: Option<Receipt>,
}

impl Verdict {
    /// A verdict that compared nothing.
    pub(super) fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            strategy: Strategy::None,
            evidence: Evidence::Read,
            predicted: Prediction::None,
            ignored: Arc::default(),
            releases: Arc::default(),
            repairs: Arc::default(),
            notes: Arc::default(),
            open: None,
        }
    }

    /// Adds what it is about.
    pub(super) fn on(
        self,
        claim: Claim,
        live: Option<&Resource>,
        facts: Option<Facts>,
        masked: Arc<[Arc<str>]>,
    ) -> Compared {
        let Self { outcome, strategy, evidence, predicted, ignored, releases, repairs, notes, open } = self;
        Compared {
            outcome,
            claim,
            live: live.cloned(),
            facts,
            masked,
            strategy,
            evidence,
            predicted,
            ignored,
            releases,
            repairs,
            notes,
            open,
        }
    }
}

/// What is taken for ours.
struct Basis<'a> {
    strategy: Strategy,
    mine: Option<Owned<'a>>,
    doubt: Option<Doubt>,
}

/// Judges one object, by what the rules leave of both sides.
pub(super) fn judge(
    desired: &Resource,
    live: &Resource,
    context: &Context<'_>,
    manager: &str,
    entry: Option<&Entry>,
    scaled: Scaled,
) -> Verdict {
    let subject = Subject::of(desired, live, context, manager, scaled);
    let seen = Seen::of(desired, live, context.rules);
    let verdict = weigh(&subject, seen, context, manager, entry);
    let Some(mut adapted) = subject.adapted else { return verdict };
    let whole = weigh(&Subject::whole(desired, &subject.mended), seen, context, manager, entry);
    adapted.hide(whole.outcome.changes().to_vec(), verdict.outcome.changes());
    Verdict { releases: adapted.released().into(), ignored: adapted.ignored.into(), ..verdict }
}

/// `seen`: both sides before the rules were heard, so that all that is said of the object has the same letters.
fn weigh(subject: &Subject, seen: Seen<'_>, context: &Context<'_>, manager: &str, entry: Option<&Entry>) -> Verdict {
    let Subject { wanted: desired, asked, live, kept, repairs, .. } = subject;
    let of = context.model.schema(&desired.key().group_kind, desired.version());
    let marks = context.owner.marks(desired.key());
    if repairs.is_empty() && plainly(desired, live, &marks, manager, of, entry) {
        let verdict = Verdict::of(Outcome::Synced);
        return Verdict { strategy: Strategy::Ownership, predicted: Prediction::NoChange, ..verdict };
    }
    let Basis { strategy, mine, doubt } = basis(desired, live, context, manager, of);
    let mut walk = Walk::new(live, manager, &marks, mine, seen);
    walk.run(desired, of, mine.unwrap_or_default());
    let Walk { trail, mut found, .. } = walk;
    found.doubts.extend(doubt);
    let sent = || stamp(desired, context.owner);
    let forgotten = match needs_memory(live, strategy, found.gives_up, entry, mine) {
        true => forgotten::find(&sent(), live, of, entry, kept, seen, context),
        false => Forgotten::default(),
    };
    found.doubts.extend(forgotten.doubt.clone().filter(|doubt| !found.doubts.contains(doubt)));
    let changes = trail.changes;
    let certain = changes.len() > found.likely;
    let acquits = !certain && found.doubts.is_empty();
    let predicted = match (certain || !forgotten.changes.is_empty(), acquits) {
        (true, _) => Prediction::Change,
        (false, false) => Prediction::Indeterminate,
        (false, true) if found.unclaimed => Prediction::Claim,
        (false, true) => Prediction::NoChange,
    };
    let judged = |mut changes: Vec<Change>, mut notes: Vec<Note>, evidence| {
        changes.extend(forgotten.changes.iter().cloned());
        notes.extend(forgotten.notes.iter().cloned());
        let outcome = if changes.is_empty() { Outcome::Synced } else { Outcome::OutOfSync(changes.into()) };
        let repairs = repairs.iter().cloned().chain(forgotten.takes(live, manager)).collect();
        Verdict { strategy, evidence, predicted, repairs, notes: notes.into(), ..Verdict::of(outcome) }
    };
    if acquits {
        return judged(changes, Vec::new(), Evidence::Read);
    }
    let question = question(&stamp(asked, context.owner), live, context, manager);
    if entry.is_some_and(|entry| entry.settled == Some(question.0)) {
        return judged(Vec::new(), Vec::new(), Evidence::Remembered);
    }
    let doubts: Vec<Note> = found.doubts.into_iter().map(Note::Doubted).collect();
    match context.answers.and_then(|answers| answers.get(&question)) {
        Some(Answer::Object(after)) => {
            let (changes, notes) = confirm::changes(&sent(), live, after, of, manager, mine.unwrap_or_default(), seen);
            judged(changes, notes, Evidence::Confirmed)
        }
        Some(Answer::Refused(why, fixed)) => {
            let mut notes = vec![Note::Refused(Arc::clone(why))];
            if !fixed.is_empty() {
                notes.push(Note::Immutable(fixed.clone()));
            }
            let verdict = judged(changes, notes, Evidence::Confirmed);
            match verdict.outcome {
                // Refused is out of sync, also where nothing else is known to differ.
                Outcome::Synced => Verdict { outcome: Outcome::OutOfSync(Arc::default()), ..verdict },
                _ => verdict,
            }
        }
        Some(Answer::Silence(why)) => {
            let mut notes = vec![Note::NotConfirmed(Arc::clone(why))];
            notes.extend(doubts);
            // Next time it may say.
            Verdict { open: Some(question), ..judged(changes, notes, Evidence::Predicted) }
        }
        None => {
            // No server applies to what says of its fields what nobody can read.
            // Nor would it tell what becomes of an object that is repaired first.
            let can_ask = !doubts.contains(&Note::Doubted(Doubt::UnreadableOwnership)) && repairs.is_empty();
            let open = can_ask.then_some(question);
            Verdict { open, ..judged(changes, doubts, Evidence::Predicted) }
        }
    }
}

/// Returns whether reading the answer to an apply of `desired` tells all there is to tell: another one would change
/// nothing, and nothing was left behind of what was applied before. Then a later comparison needs no memory of it.
///
/// Where anything may be left alone, or ownership is to be repaired, that is not told here.
pub(crate) fn is_plainly_applied(
    desired: &Resource,
    live: &Resource,
    context: &Context<'_>,
    manager: &str,
    scaled: Scaled,
) -> bool {
    if may_adapt(desired, context, scaled) || mended(live, desired, context, manager).is_some() {
        return false;
    }
    let of = context.model.schema(&desired.key().group_kind, desired.version());
    let (marks, entry) = (context.owner.marks(desired.key()), context.inventory.get(live.key()));
    if plainly(desired, live, &marks, manager, of, entry) {
        return true;
    }
    let Basis { strategy: Strategy::Ownership, mine, doubt: None } = basis(desired, live, context, manager, of) else {
        return false;
    };
    let mut walk = Walk::new(live, manager, &marks, mine, Seen::of(desired, live, context.rules));
    walk.run(desired, of, mine.unwrap_or_default());
    let Walk { trail, found, .. } = walk;
    trail.changes.is_empty()
        && found.doubts.is_empty()
        && !needs_memory(live, Strategy::Ownership, found.gives_up, entry, mine)
}

/// Whether it takes no more to see that an apply changes nothing. Most objects are like that.
fn plainly(
    desired: &Resource,
    live: &Resource,
    marks: &[Mark],
    manager: &str,
    of: TypeRef<'_>,
    entry: Option<&Entry>,
) -> bool {
    let ours = applied(live, manager).filter(|_| are_entries(live));
    ours.is_some_and(|ours| {
        let mine = Owned::of(ours);
        ours.get("apiVersion").and_then(ValueRef::as_str) == Some(desired.api_version())
            && is_plain(desired, live, mine, marks, of)
            && !needs_memory(live, Strategy::Ownership, false, entry, Some(mine))
    })
}

/// Whether there may be fields that an apply alone leaves behind.
fn needs_memory(
    live: &Resource,
    strategy: Strategy,
    gives_up: bool,
    entry: Option<&Entry>,
    mine: Option<Owned<'_>>,
) -> bool {
    let remembered = entry.filter(|entry| entry.uid.as_deref() == live.uid()).and_then(|entry| entry.fields.as_ref());
    // What is still ours an apply removes by itself.
    let is_lost = |fields: &AppliedFields| mine.is_none_or(|mine| !mine.has_all(fields));
    gives_up || strategy == Strategy::ThreeWay || remembered.is_some_and(is_lost)
}

/// What our last apply owns, by the best that is known. Rule 7 of the exact rules.
fn basis<'a>(
    desired: &Resource,
    live: &'a Resource,
    context: &Context<'_>,
    manager: &str,
    of: TypeRef<'_>,
) -> Basis<'a> {
    let without = |doubt| {
        let is_kubectls = live.annotation(LAST_APPLIED).is_some();
        let strategy = if is_kubectls { Strategy::ThreeWay } else { Strategy::Adoption };
        Basis { strategy, mine: None, doubt }
    };
    if !are_readable(live, manager) {
        return without(Some(Doubt::UnreadableOwnership));
    }
    let Some(ours) = applied(live, manager) else { return without(None) };
    let mine = Owned::of(ours);
    let written = ours.get("apiVersion").and_then(ValueRef::as_str).unwrap_or_default();
    let doubt = (written != desired.api_version() && !is_identity(desired, written, context, of, mine))
        .then(|| Doubt::OtherVersion(written.into()));
    Basis { strategy: Strategy::Ownership, mine: Some(mine), doubt }
}

/// Whether what we own under `written` has the same names in the version that is declared now: conversion changes no
/// value, and lists are of the same kind in both (the narrowed rule 7).
fn is_identity(desired: &Resource, written: &str, context: &Context<'_>, of: TypeRef<'_>, mine: Owned<'_>) -> bool {
    let kind = &desired.key().group_kind;
    let KindFacts::Served(served) = context.model.kind(kind) else { return false };
    let Some((group, version)) = split_api_version(written).filter(|_| served.conversion == Conversion::Identity)
    else {
        return false;
    };
    let before = context.model.declared_schema(kind, version);
    group == &*kind.group && before.is_some_and(|before| names_alike(mine, before, of, 0))
}

fn names_alike(mine: Owned<'_>, before: TypeRef<'_>, of: TypeRef<'_>, depth: usize) -> bool {
    let mut items = mine.items().peekable();
    let alike = items.peek().is_none() || before.list() == of.list() && of.list() != ListKind::Atomic;
    depth < super::trail::MAX_DEPTH
        && alike
        && items.all(|item| names_alike(item.below, before.element(), of.element(), depth + 1))
        && mine.fields().all(|(name, below)| names_alike(below, before.field(name), of.field(name), depth + 1))
}
