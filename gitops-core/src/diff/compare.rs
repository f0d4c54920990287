//! The comparison of two states and of two objects.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::KindFacts;
use crate::policy::{self, Role};
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{DesiredState, Entry, Live, LiveState, Owner, Tracking};
use crate::value::{Digest, Hasher, Purpose};

use super::adapt::Scaled;
use super::facts::facts;
use super::judge::{Verdict, judge};
use super::mask::is_secret;
use super::memo::{Basis, Held};
use super::scaled::autoscaled;
use super::{Claim, Compared, Comparison, Context, Doubt, Facts, Note, Outcome, Why, claim};

/// Compares everything declared with everything live. Entries of `previous` whose inputs did not change are kept.
#[must_use]
pub fn compare(desired: &DesiredState, live: &LiveState, context: &Context<'_>, previous: &Comparison) -> Comparison {
    let mut pass = Pass { scaled: autoscaled(desired, live, context.model), ..Pass::new(context) };
    let mut entries = Vec::with_capacity(desired.declared.len());
    // All four are in order of their keys: one walk beside each other, no look-ups.
    let mut before = Beside::new(previous.entries.iter());
    let mut there = Beside::new(live.read());
    let mut ours = Beside::new(context.inventory.entries.iter());
    for (key, declared) in &desired.declared {
        let (known, read, entry) = (before.at(key), there.at(key), ours.at(key));
        if declared.options.is_resource() {
            let live = read.unwrap_or_else(|| live.get(key));
            let held = if desired.is_held(key) { Held::Yes } else { Held::No };
            entries.push((key.clone(), pass.declared(&declared.resource, live, held, entry, known)));
        }
    }
    let extra = pass.extra(there.others(), ours.others(), live, &entries, previous);
    entries.extend(extra);
    let problems = entries.iter().flat_map(|(key, entry)| problem(key, entry).into_iter().chain(notes(key, entry)));
    let problems = problems.collect();
    Comparison { entries: entries.into_iter().collect(), problems }
}

/// Compares one declared, prepared object with what the cluster holds, as if no autoscaler targeted it: what can be
/// predicted without a call. For laws and for controllers of one object.
///
/// ```
/// use gitops_core::diff::{Context, Prediction, compare_one, stamp};
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::Resource;
/// use gitops_core::ssa::{Apply, apply};
/// use gitops_core::state::{Inventory, Live, Owner};
/// use gitops_core::time::Timestamp;
/// use gitops_core::value::Value;
///
/// let config_map = |data: &str| {
///     let json = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web"}},"data":{data}}}"#);
///     Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
/// };
/// let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop")?, Inventory::default());
/// let context = Context::new(&model, &owner, &inventory);
/// let wanted = config_map(r#"{"colour":"red"}"#);
///
/// // What was applied needs no further apply, and that is known without asking anybody.
/// let manager = owner.manager();
/// let live = apply(&Apply::new(None, &stamp(&wanted, &owner), &manager, Timestamp::EPOCH, &model))?;
/// assert_eq!(compare_one(&wanted, Live::Present(&live), &context).predicted, Prediction::NoChange);
///
/// // Another value is a change, and what Git drops is one, too.
/// for other in [r#"{"colour":"blue"}"#, "{}"] {
///     let compared = compare_one(&config_map(other), Live::Present(&live), &context);
///     assert_eq!(compared.predicted, Prediction::Change, "{other}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn compare_one(desired: &Resource, live: Live<'_>, context: &Context<'_>) -> Compared {
    let declared = Pass::new(context).declared(desired, live, Held::No, context.inventory.get(desired.key()), None);
    Arc::unwrap_or_clone(declared)
}

/// Adds the tracking id: rule 4 of the exact rules. The result is what is sent.
#[must_use]
pub fn stamp(prepared: &Resource, owner: &Owner) -> Resource {
    prepared.annotated(&[(owner.annotation(), &owner.tracking_id(prepared.key()))])
}

/// What stays the same through one comparison.
struct Pass<'a> {
    context: &'a Context<'a>,
    manager: Arc<str>,
    rules: Digest,
    /// The kind looked up last, and what its verdicts are made by; objects come in order of their kinds.
    kind: Option<(Arc<GroupKind>, Digest)>,
    /// What autoscalers scale.
    scaled: BTreeSet<ResourceKey>,
}

impl<'a> Pass<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        let manager = context.owner.manager();
        let rules = Hasher::new(Purpose::Rules).text(&*manager).text(context.owner.annotation());
        let rules = rules.digest(&context.rules.digest());
        let former: Vec<&str> =
            context.inventory.managers.iter().map(|used| &**used).filter(|used| **used != *manager).collect();
        // Serialising these cannot fail: texts and lists of them.
        let names = serde_json::to_vec(&(context.conflicts, former)).unwrap_or_default();
        let rules = rules.bytes(&names);
        Self { context, manager, rules: rules.finish(), kind: None, scaled: BTreeSet::new() }
    }

    fn declared(
        &mut self,
        desired: &Resource,
        live: Live<'_>,
        held: Held,
        entry: Option<&Entry>,
        known: Option<&Arc<Compared>>,
    ) -> Arc<Compared> {
        let (read, facts) = read(live, known);
        let basis = self.basis(desired.key(), Some(desired), live, held, facts);
        // What the cluster answered is no part of what was compared.
        if let Some(known) = known.filter(|known| known.memo.is(&basis, entry) && !self.is_answered(known)) {
            return kept(known, read);
        }
        let memo = basis.with(entry);
        let claim = read.map(|live| claim::of(live, Some(desired), self.context, &self.manager)).unwrap_or_default();
        let verdict = match (held, live) {
            (Held::Yes, _) => Verdict::of(Outcome::Unknown(Why::Held)),
            (Held::No, Live::Present(live)) if !live.is_terminating() => {
                let scaled = if self.scaled.contains(desired.key()) { Scaled::Yes } else { Scaled::No };
                judge(desired, live, self.context, &self.manager, entry, scaled)
            }
            (Held::No, live) => Verdict::of(self.without_content(desired.key(), live)),
        };
        Arc::new(verdict.on(claim, read, facts, self.masked(desired.key()), memo))
    }

    /// Annotations of an object that are not shown.
    fn masked(&self, key: &ResourceKey) -> Arc<[Arc<str>]> {
        if is_secret(key) { Arc::clone(self.context.rules.masked_annotations()) } else { Arc::default() }
    }

    /// Whether the cluster answered meanwhile what this verdict left open.
    fn is_answered(&self, known: &Compared) -> bool {
        let answer = known.open.and_then(|receipt| self.context.answers?.get(&receipt));
        answer.is_some()
    }

    /// The verdict where there is no content to compare.
    fn without_content(&self, key: &ResourceKey, live: Live<'_>) -> Outcome {
        match live {
            // Only terminating ones come here.
            Live::Present(_) => Outcome::Terminating,
            Live::MetadataOnly(live) if live.is_terminating() => Outcome::Terminating,
            Live::MetadataOnly(_) | Live::NotLooked => Outcome::Unknown(Why::NotLooked),
            Live::Absent => Outcome::Missing,
            Live::Unreadable(why) => Outcome::Unknown(Why::Unreadable(why.clone())),
            // A kind that a CRD of the same set declares will be served.
            Live::NotServed => match self.context.model.kind(&key.group_kind) {
                KindFacts::Served(_) => Outcome::Missing,
                _ => Outcome::Unknown(Why::UnknownKind),
            },
        }
    }

    /// What is not declared and claimed by us, or was: of the objects and inventory entries that nothing declares.
    fn extra<'l>(
        &mut self,
        there: Vec<(&'l ResourceKey, Live<'l>)>,
        ours: Vec<(&'l ResourceKey, &'l Entry)>,
        live: &LiveState,
        declared: &[(ResourceKey, Arc<Compared>)],
        previous: &Comparison,
    ) -> BTreeMap<ResourceKey, Arc<Compared>> {
        let mut extra = BTreeMap::new();
        let mut uids = None;
        for (key, read) in there {
            let (Live::Present(object) | Live::MetadataOnly(object)) = read else { continue };
            let entry = self.context.inventory.get(key);
            if entry.is_none() && Tracking::of(object).is_none() {
                continue;
            }
            let claim = claim::of(object, None, self.context, &self.manager);
            let uids = uids.get_or_insert_with(|| uids_of(declared));
            let is_claimed = claim.standing.is_some() || claim.tracked && !claim.owned;
            if is_claimed && object.uid().is_none_or(|uid| !uids.contains(uid)) && !is_hook(object, &claim) {
                let known = previous.entries.get(key);
                extra.insert(key.clone(), self.entry_of_extra(read, object, claim, entry, known));
            }
        }
        for (key, entry) in ours {
            let outcome = match live.get(key) {
                Live::Unreadable(why) => Outcome::Unknown(Why::Unreadable(why.clone())),
                Live::NotLooked => Outcome::Unknown(Why::NotLooked),
                // A kind that is not served now may come back with its objects (rule 29).
                Live::NotServed => Outcome::Unknown(Why::UnknownKind),
                Live::Absent | Live::Present(_) | Live::MetadataOnly(_) => continue,
            };
            let basis = self.basis(key, None, live.get(key), Held::No, None);
            let known = previous.entries.get(key).filter(|known| known.memo.is(&basis, Some(entry)));
            let memo = basis.with(Some(entry));
            let new = || Arc::new(Verdict::of(outcome).on(Claim::default(), None, None, Arc::default(), memo));
            extra.insert(key.clone(), known.cloned().unwrap_or_else(new));
        }
        extra
    }

    fn entry_of_extra(
        &mut self,
        live: Live<'_>,
        object: &Resource,
        claim: Claim,
        entry: Option<&Entry>,
        known: Option<&Arc<Compared>>,
    ) -> Arc<Compared> {
        let (_, facts) = read(live, known);
        let basis = self.basis(object.key(), None, live, Held::No, facts);
        if let Some(known) = known.filter(|known| known.memo.is(&basis, entry)) {
            return kept(known, Some(object));
        }
        let memo = basis.with(entry);
        let outcome = if object.is_terminating() { Outcome::Terminating } else { Outcome::Extra };
        Arc::new(Verdict::of(outcome).on(claim, Some(object), facts, self.masked(object.key()), memo))
    }

    /// Everything an entry depends on, but for the inventory.
    fn basis(
        &mut self,
        key: &ResourceKey,
        desired: Option<&Resource>,
        live: Live<'_>,
        held: Held,
        facts: Option<Facts>,
    ) -> Basis {
        let (by, intent) = (Some(self.digest_of(&key.group_kind)), desired.map(Resource::intent));
        Basis { by, intent, facts, state: live.into(), held, scaled: self.scaled.contains(key) }
    }

    fn digest_of(&mut self, kind: &Arc<GroupKind>) -> Digest {
        match &self.kind {
            Some((last, digest)) if last == kind => *digest,
            _ => {
                let schema = self.context.model.digest_of(kind);
                let digest = Hasher::new(Purpose::Rules).digest(&self.rules).digest(&schema).finish();
                self.kind = Some((Arc::clone(kind), digest));
                digest
            }
        }
    }
}

/// A sorted map, walked beside other keys in the same order.
struct Beside<'m, V, I: Iterator<Item = (&'m ResourceKey, V)>> {
    rest: I,
    next: Option<(&'m ResourceKey, V)>,
    passed: Vec<(&'m ResourceKey, V)>,
}

impl<'m, V, I: Iterator<Item = (&'m ResourceKey, V)>> Beside<'m, V, I> {
    fn new(mut rest: I) -> Self {
        let next = rest.next();
        Self { rest, next, passed: Vec::new() }
    }

    /// Returns the value of `key`; keys must be asked for in ascending order.
    fn at(&mut self, key: &ResourceKey) -> Option<V> {
        while let Some((other, value)) = self.next.take() {
            match other.cmp(key) {
                Ordering::Less => self.passed.push((other, value)),
                Ordering::Equal => {
                    self.next = self.rest.next();
                    return Some(value);
                }
                Ordering::Greater => {
                    self.next = Some((other, value));
                    return None;
                }
            }
            self.next = self.rest.next();
        }
        None
    }

    /// Returns what was not asked for, in order.
    fn others(mut self) -> Vec<(&'m ResourceKey, V)> {
        self.passed.extend(self.next);
        self.passed.extend(self.rest);
        self.passed
    }
}

/// Returns the object that was read, and its facts; those of the last time are kept while the object is the same.
fn read<'l>(live: Live<'l>, known: Option<&Arc<Compared>>) -> (Option<&'l Resource>, Option<Facts>) {
    let (Live::Present(live) | Live::MetadataOnly(live)) = live else { return (None, None) };
    let before = known.and_then(|known| known.live.as_ref().zip(known.facts));
    let same = before.filter(|(before, _)| before.same(live));
    (Some(live), Some(same.map_or_else(|| facts(live), |(_, facts)| facts)))
}

/// An earlier verdict that still holds; status and versions may have moved on.
fn kept(known: &Arc<Compared>, live: Option<&Resource>) -> Arc<Compared> {
    match (&known.live, live) {
        (Some(before), Some(now)) if !before.same(now) => {
            Arc::new(Compared { live: Some(now.clone()), ..Compared::clone(known) })
        }
        _ => Arc::clone(known),
    }
}

/// One object that is served in two groups has one uid (rule 28).
fn uids_of(declared: &[(ResourceKey, Arc<Compared>)]) -> BTreeSet<&str> {
    declared.iter().filter_map(|(_, entry)| entry.live.as_ref()?.uid()).collect()
}

fn is_hook(object: &Resource, claim: &Claim) -> bool {
    claim.standing.is_none() && policy::options(object).0.role != Role::Resource
}

/// Rules that were not followed to the letter.
fn notes<'a>(key: &'a ResourceKey, entry: &'a Compared) -> impl Iterator<Item = Problem> + 'a {
    let notes = entry.ignored.iter().filter_map(|ignored| ignored.note.as_ref());
    notes.map(|note| Problem::warning(Code::IgnoreRule, Arc::clone(note)).of(key))
}

fn problem(key: &ResourceKey, entry: &Compared) -> Option<Problem> {
    match &entry.outcome {
        Outcome::Unknown(Why::Unreadable(why)) => Some(
            Problem::blocks(Code::UnreadableLive, format!("could not be read: {why}"))
                .of(key)
                .hint("allow `get` and `list` of this kind, or see whether the cluster answers"),
        ),
        _ if entry.notes.contains(&Note::Doubted(Doubt::UnreadableOwnership)) => Some(
            Problem::warning(Code::UnreadableOwnership, "`metadata.managedFields` cannot be read")
                .of(key)
                .hint("it is compared by what Git says; no apply succeeds until the field is repaired"),
        ),
        _ => None,
    }
}
