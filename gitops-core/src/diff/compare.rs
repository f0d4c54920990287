//! The comparison of two states and of two objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::KindFacts;
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::{DesiredState, Live, LiveState, Owner};
use crate::value::{Digest, Hasher, Purpose};

use super::adapt::Scaled;
use super::beside::Beside;
use super::entries::{Row, Weave};
use super::facts::facts;
use super::judge::{Verdict, judge};
use super::mask::is_secret;
use super::memo::{Held, Inputs};
use super::scaled::autoscaled;
use super::undeclared::Undeclared;
use super::{Answers, Compared, Comparison, Context, Doubt, Facts, Note, Outcome, Why, claim};

/// Compares everything declared with everything live. Entries of `previous` whose inputs did not change are kept.
#[must_use]
pub fn compare(desired: &DesiredState, live: &LiveState, context: &Context<'_>, previous: &Comparison) -> Comparison {
    let scaled = autoscaled(desired, live, context.model);
    let mut pass = Pass::new(context, &previous.kinds);
    let mut undeclared = Undeclared::new(desired, live);
    let mut entries = Weave::new(&previous.entries);
    // All are in order of their keys: one walk beside each other, no look-ups.
    let mut before = Beside::new(previous.entries.places().map(|(place, row)| (&row.key, (place, row))));
    let mut there = Beside::new(live.read());
    let mut ours = Beside::new(context.inventory.entries.iter());
    let mut targets = Beside::new(scaled.iter().map(|key| (key, ())));
    for (key, declared) in &desired.declared {
        let known = before.at(key);
        let read = there.at_or(key, |live| known.is_some_and(|(_, row)| row.memo.saw(*live)));
        let entry = ours.at(key);
        undeclared.weave(there.passed(), ours.passed(), &mut pass, &mut entries, previous);
        if !declared.options.is_resource() {
            continue;
        }
        let inputs = Inputs {
            desired: Some(&declared.resource),
            live: read.unwrap_or_else(|| live.get(key)),
            held: if desired.is_held(key) { Held::Yes } else { Held::No },
            scaled: if targets.at(key).is_some() { Scaled::Yes } else { Scaled::No },
            entry,
        };
        match (pass.declared(key, &declared.resource, &inputs, known.map(|(_, row)| row)), known) {
            (Made::Kept, Some((place, row))) => entries.keep(place, row),
            (Made::New(row), _) => entries.push(*row),
            // Nothing is kept of what was not known.
            (Made::Kept, None) => {}
        }
    }
    undeclared.weave(there.others(), ours.others(), &mut pass, &mut entries, previous);
    let entries = entries.finish();
    let problems = entries.problems();
    Comparison { entries, problems, kinds: Arc::new(pass.kinds), scaled: Arc::new(scaled), claimed: undeclared.claimed }
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
    let entry = context.inventory.get(desired.key());
    let inputs = Inputs { desired: Some(desired), live, held: Held::No, scaled: Scaled::No, entry };
    let facts = inputs.object().map(facts);
    Pass::new(context, &BTreeMap::new()).judge(desired.key(), desired, &inputs, facts)
}

/// Adds the tracking id: rule 4 of the exact rules. The result is what is sent.
#[must_use]
pub fn stamp(prepared: &Resource, owner: &Owner) -> Resource {
    stamp_with(prepared, owner, None)
}

/// The same, with an annotation more.
pub(crate) fn stamp_with(prepared: &Resource, owner: &Owner, more: Option<(&str, &str)>) -> Resource {
    let marks = owner.marks(prepared.key());
    let texts = |map: &str| marks.iter().filter(|mark| mark.map == map).map(|mark| (mark.name, &*mark.value)).collect();
    let annotations: Vec<(&str, &str)> = texts("annotations");
    let annotations: Vec<(&str, &str)> = annotations.into_iter().chain(more).collect();
    let stamped = prepared.annotated(&annotations);
    let labels: Vec<(&str, &str)> = texts("labels");
    if labels.is_empty() { stamped } else { stamped.labelled(&labels) }
}

/// What verdicts on objects of a kind have in common: owner, rules, and the schema of the kind.
pub(super) type Kinds = BTreeMap<Arc<GroupKind>, Digest>;

/// What stays the same through one comparison.
pub(super) struct Pass<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) manager: Arc<str>,
    pub(super) kinds: Kinds,
    rules: Digest,
    before: &'a Kinds,
    /// The kind looked up last, and whether its verdicts are made as they were before; objects come in order of their
    /// kinds.
    kind: Option<(Arc<GroupKind>, bool)>,
    answers: Option<&'a Answers>,
}

/// A row of the result.
pub(super) enum Made {
    /// The one from before stays as it is.
    Kept,
    New(Box<Row>),
}

/// What an earlier row is worth.
pub(super) enum Known {
    /// It stays as it is.
    Same,
    /// Its verdict stays: status and versions have moved on, or the object was read once more.
    Moved(Box<Row>),
    /// A verdict is made anew, from an object with these facts.
    Nothing(Option<Facts>),
}

impl<'a> Pass<'a> {
    pub(super) fn new(context: &'a Context<'a>, before: &'a Kinds) -> Self {
        let manager = context.owner.manager();
        let rules = Hasher::new(Purpose::Rules).text(&*manager);
        let rules = context.owner.marked().fold(rules, |rules, mark| rules.text(&*mark.to_string()));
        let rules = rules.digest(&context.rules.digest());
        let former: Vec<&str> =
            context.inventory.managers.iter().map(|used| &**used).filter(|used| **used != *manager).collect();
        // Serialising these cannot fail: texts and lists of them.
        let given = context.inventory.receiving.iter().map(|(key, handover)| (key.to_string(), &handover.from));
        let given: Vec<_> = given.collect();
        let names = serde_json::to_vec(&(context.conflicts, former, given)).unwrap_or_default();
        let rules = rules.bytes(&names);
        let answers = context.answers.filter(|answers| !answers.is_empty());
        Self { context, manager, kinds: Kinds::new(), rules: rules.finish(), before, kind: None, answers }
    }

    /// Returns the row of a declared object.
    pub(super) fn declared(
        &mut self,
        key: &ResourceKey,
        desired: &Resource,
        inputs: &Inputs<'_>,
        known: Option<&Row>,
    ) -> Made {
        match self.known(key, inputs, known) {
            Known::Same => Made::Kept,
            Known::Moved(row) => Made::New(row),
            Known::Nothing(facts) => {
                let compared = self.judge(key, desired, inputs, facts);
                Made::New(Box::new(Row::new(key.clone(), Arc::new(compared), inputs.memo())))
            }
        }
    }

    /// Returns what an earlier row is worth.
    pub(super) fn known(&mut self, key: &ResourceKey, inputs: &Inputs<'_>, known: Option<&Row>) -> Known {
        let is_same_kind = self.is_same(&key.group_kind);
        let facts_now = || inputs.object().map(facts);
        let Some(row) = known else { return Known::Nothing(facts_now()) };
        // What the cluster answered is no part of what was compared.
        let holds = is_same_kind && !self.is_answered(row);
        if holds && row.memo.is(inputs) {
            return Known::Same;
        }
        let facts = if row.memo.saw(inputs.live) { row.compared.facts } else { facts_now() };
        let is_seen = || row.memo.saw(inputs.live) || !self.may_read_status(inputs);
        if holds && facts == row.compared.facts && row.memo.says(inputs) && is_seen() {
            let row = Row::new(key.clone(), moved(&row.compared, inputs.object()), inputs.memo());
            return Known::Moved(Box::new(row));
        }
        Known::Nothing(facts)
    }

    /// Whether a verdict may depend on what is not among the facts.
    fn may_read_status(&self, inputs: &Inputs<'_>) -> bool {
        inputs.desired.is_some_and(|desired| self.context.rules.of(desired).any(|(_, rule)| rule.reads_values()))
    }

    fn judge(&self, key: &ResourceKey, desired: &Resource, inputs: &Inputs<'_>, facts: Option<Facts>) -> Compared {
        let read = inputs.object();
        let claim = read.map(|live| claim::of(live, Some(desired), self.context, &self.manager)).unwrap_or_default();
        let verdict = match (inputs.held, inputs.live) {
            (Held::Yes, live) => Verdict::of(match self.without_content(key, live) {
                // What is held and cannot be looked at is not said to be there, nor to be missing.
                unknown @ Outcome::Unknown(_) if read.is_none() => unknown,
                _ => Outcome::Unknown(Why::Held),
            }),
            (Held::No, Live::Present(live)) if !live.is_terminating() => {
                judge(desired, live, self.context, &self.manager, inputs.entry, inputs.scaled)
            }
            (Held::No, live) => Verdict::of(self.without_content(key, live)),
        };
        verdict.on(claim, read, facts, self.masked(key))
    }

    /// Annotations of an object that are not shown.
    pub(super) fn masked(&self, key: &ResourceKey) -> Arc<[Arc<str>]> {
        if is_secret(key) { Arc::clone(self.context.rules.masked_annotations()) } else { Arc::default() }
    }

    /// Whether the cluster answered meanwhile what this verdict left open.
    fn is_answered(&self, known: &Row) -> bool {
        self.answers.is_some_and(|answers| known.compared.open.is_some_and(|open| answers.get(&open).is_some()))
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

    /// Whether verdicts on objects of a kind are made as they were before.
    fn is_same(&mut self, kind: &Arc<GroupKind>) -> bool {
        match &self.kind {
            Some((last, is_same)) if last == kind => *is_same,
            _ => {
                let digest = self.digest_of(kind);
                let is_same = self.before.get(kind) == Some(&digest);
                self.kinds.insert(Arc::clone(kind), digest);
                self.kind = Some((Arc::clone(kind), is_same));
                is_same
            }
        }
    }

    pub(super) fn digest_of(&self, kind: &GroupKind) -> Digest {
        let schema = self.context.model.digest_of(kind);
        Hasher::new(Purpose::Rules).digest(&self.rules).digest(&schema).finish()
    }
}

/// An earlier verdict that still holds, on the object as it is now.
fn moved(known: &Arc<Compared>, live: Option<&Resource>) -> Arc<Compared> {
    match (&known.live, live) {
        (Some(before), Some(now)) if !before.same(now) => {
            Arc::new(Compared { live: Some(now.clone()), ..Compared::clone(known) })
        }
        _ => Arc::clone(known),
    }
}

/// What is wrong with an object.
pub(super) fn problems_of<'a>(key: &'a ResourceKey, entry: &'a Compared) -> impl Iterator<Item = Problem> + 'a {
    problem(key, entry).into_iter().chain(notes(key, entry))
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
