//! Verdicts on any objects, before and after the cluster answered.

use gitops_core::cluster::{Failure, Mode, WriteOutcome, Written};
use gitops_core::diff::{
    Answers, Change, ChangeReason, Compared, Comparison, Context, Outcome, Prediction, Scaled, Sides, Unified, adapt,
    compare, lines, questions, table,
};
use gitops_core::memory::{Action, ApiServer, Request};
use gitops_core::model::ApiModel;
use gitops_core::path::FieldPath;
use gitops_core::policy::ignore::Rules;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::ssa::FieldSet;
use gitops_core::state::{DesiredState, Inventory, LiveState, Owner};
use gitops_core::time::Timestamp;
use gitops_core::value::{Draft, Value};

const NAMESPACE: &str = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#;

/// What acquits is right, and no verdict contradicts a truthful answer. Four lines: rules as JSON; the object that we
/// applied before; what somebody made of it, whole; what Git declares now. All live objects come from an API server, and
/// so do the answers; then any answer at all is given, and nothing panics.
pub fn diff(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(4, '\n').map(|line| Value::from_json(line.as_bytes()).ok());
    let [rules, before, theirs, desired] = std::array::from_fn(|_| lines.next().flatten());
    let rules = rules.and_then(|rules| Rules::read(rules.root()).ok()).unwrap_or_default();
    let Some(desired) = desired.and_then(|desired| Resource::new(desired).ok()) else { return };
    let Ok(owner) = Owner::new("", "shop") else { return };
    let mut world = World { server: ApiServer::new(1), model: ApiModel::builtin(), owner };
    let Some(namespace) = Value::from_json(NAMESPACE.as_bytes()).ok().and_then(|value| Resource::new(value).ok())
    else {
        return;
    };
    world.server.create(&namespace, "x", Timestamp::EPOCH);
    let state = DesiredState::from_resources([&desired], &world.model, Some("shop"));
    let Some((key, declared)) = state.declared.first_key_value().filter(|(key, _)| !state.is_held(key)) else { return };
    let declared = declared.resource.clone();
    world.applied(before, key);
    world.edited(theirs, key);
    let Some(live) = world.server.get(key).cloned() else { return };
    let bare = world.judged(&state, key, &live, &Rules::default(), &declared);
    let ruled = world.judged(&state, key, &live, &rules, &declared);
    if let (Some(bare), Some(ruled), false) = (bare, ruled, rules.is_empty()) {
        for change in ruled.outcome.changes() {
            let known = |other: &Change| other.path.contains(&change.path) || change.path.contains(&other.path);
            assert!(bare.outcome.changes().iter().any(known), "a rule makes a difference: {change}");
        }
    }
    world.is_in_sync_with_itself(&state, key);
}

struct World {
    server: ApiServer,
    model: ApiModel,
    owner: Owner,
}

impl World {
    /// We apply an object, if the server takes it.
    fn applied(&mut self, object: Option<Value>, key: &ResourceKey) {
        let Some(object) = object.and_then(|value| named(&value, key)) else { return };
        let state = DesiredState::from_resources([&object], &self.model, Some("shop"));
        if let Some((_, declared)) = state.declared.first_key_value() {
            let sent = gitops_core::diff::stamp(&declared.resource, &self.owner);
            let manager = self.owner.manager();
            self.server.apply(&sent, &manager, Timestamp::EPOCH);
        }
    }

    /// Somebody writes the whole object, or makes it.
    fn edited(&mut self, object: Option<Value>, key: &ResourceKey) {
        let Some(object) = object.and_then(|value| named(&value, key)) else { return };
        let now = Timestamp::EPOCH;
        let managed =
            self.server.get(key).and_then(|live| Some(live.tree().dig(&["metadata", "annotations"])?.to_draft()));
        let edited = object.edit(|draft| {
            if let Some(annotations) = managed {
                draft.entry("metadata").set("annotations", annotations);
            }
        });
        let Ok(edited) = edited else { return };
        if self.server.get(key).is_some() {
            self.server.update(&edited, "kubectl-edit", now);
        } else {
            self.server.create(&edited, "kubectl-create", now);
        }
    }

    /// The verdict, checked against what the server makes of the apply.
    fn judged(
        &mut self,
        state: &DesiredState,
        key: &ResourceKey,
        live: &Resource,
        rules: &Rules,
        declared: &Resource,
    ) -> Option<Compared> {
        let (model, inventory) = (self.model.clone(), Inventory::default());
        let owner = self.owner.clone();
        let context = Context::new(&model, &owner, &inventory).with_rules(rules);
        let mut there = LiveState::default();
        there.insert(live.clone());
        let first = compare(state, &there, &context, &Comparison::default());
        let compared = first.get(key).cloned()?;
        shown(declared, &compared);
        let asked = questions(&first, state, &context);
        if let (None, Prediction::NoChange | Prediction::Claim, true) =
            (compared.open, compared.predicted, rules.is_empty())
        {
            let sent = sent(declared, Some(live), &context);
            if let Some(after) = self.dry_run(&sent) {
                let wanted = fields(&sent, &model);
                let differs = wanted.iter().find(|path| value(live, path) != value(&after, path));
                assert!(differs.is_none(), "acquitted, and an apply changes {differs:?}");
            }
        }
        for question in asked {
            let truth = match &question.write.verb {
                gitops_core::cluster::Verb::Apply { object, .. } => self.dry_run(object),
                _ => None,
            };
            let Some(after) = truth else { continue };
            let mut answers = Answers::new();
            answers.take(question.receipt, Ok(Written::new(WriteOutcome::Changed, Some(after.clone()))));
            let second = compare(state, &there, &context.with_answers(&answers), &first);
            let Some(confirmed) = second.get(key) else { continue };
            shown(declared, confirmed);
            let by_answer = |change: &&Change| !matches!(change.reason, ChangeReason::Remembered);
            let found = confirmed.outcome.changes().iter().find(by_answer);
            if rules.is_empty() && content(live) == content(&after) {
                assert!(found.is_none(), "the answer changes nothing, and the verdict is {found:?}");
            }
            // What others would answer.
            for wild in [live, declared] {
                let mut answers = Answers::new();
                answers.take(question.receipt, Ok(Written::new(WriteOutcome::Changed, Some(wild.clone()))));
                let wild = compare(state, &there, &context.with_answers(&answers), &first);
                wild.get(key).into_iter().for_each(|compared| shown(declared, compared));
            }
            let mut answers = Answers::new();
            let refusal = Failure::Invalid { message: "no".into(), causes: Vec::new() };
            answers.take(question.receipt, Err(gitops_core::cluster::ClusterError::new(refusal)));
            let refused = compare(state, &there, &context.with_answers(&answers), &first);
            let is_out = refused.get(key).is_some_and(|entry| matches!(entry.outcome, Outcome::OutOfSync(_)));
            assert!(is_out, "the cluster refuses, and the verdict is in sync");
        }
        Some(compared)
    }

    /// What we apply is in sync, without a further call or with a truthful answer.
    fn is_in_sync_with_itself(&mut self, state: &DesiredState, key: &ResourceKey) {
        let Some(declared) = state.get(key) else { return };
        let (model, owner, inventory) = (self.model.clone(), self.owner.clone(), Inventory::default());
        let context = Context::new(&model, &owner, &inventory);
        let first = sent(&declared.resource, None, &context);
        let request = self.server.endpoint(key, first.version()).map(|endpoint| {
            let action = Action::Apply { body: first.value().clone(), force: gitops_core::cluster::Force::Yes };
            Request::new(endpoint, action).by(&self.owner.manager())
        });
        let Some(request) = request else { return };
        let answer = self.server.handle(&request, Timestamp::EPOCH);
        let Some(live) = answer.as_object().cloned() else { return };
        let mut there = LiveState::default();
        there.insert(live.clone());
        let first = compare(state, &there, &context, &Comparison::default());
        let again = sent(&declared.resource, Some(&live), &context);
        let mut answers = Answers::new();
        for question in questions(&first, state, &context) {
            if let Some(after) = self.dry_run(&again) {
                // An apply may take a second one to settle; what it then changes is a difference.
                if content(&after) != content(&live) {
                    return;
                }
                answers.take(question.receipt, Ok(Written::new(WriteOutcome::Changed, Some(after))));
            }
        }
        let second = compare(state, &there, &context.with_answers(&answers), &first);
        let Some(compared) = second.get(key).filter(|compared| compared.open.is_none()) else { return };
        let left = compared.outcome.changes().iter().find(|change| change.reason != ChangeReason::Remembered);
        assert!(left.is_none(), "just applied, and {left:?}");
    }

    fn dry_run(&mut self, sent: &Resource) -> Option<Resource> {
        let endpoint = self.server.endpoint(sent.key(), sent.version())?;
        let action = Action::Apply { body: sent.value().clone(), force: gitops_core::cluster::Force::Yes };
        let request = Request::new(endpoint, action).by(&self.owner.manager()).in_mode(Mode::DryRun);
        self.server.handle(&request, Timestamp::EPOCH).as_object().cloned()
    }
}

/// What the engine sends of an object: without what it leaves alone, such as a placeholder.
fn sent(declared: &Resource, live: Option<&Resource>, context: &Context<'_>) -> Resource {
    let adapted = adapt(declared, live, context, Scaled::No);
    gitops_core::diff::stamp(adapted.as_ref().map_or(declared, |adapted| &adapted.sent), context.owner)
}

/// The same content under the name of another object.
fn named(value: &Value, key: &ResourceKey) -> Option<Resource> {
    let mut draft = value.root().to_draft();
    if !matches!(draft, Draft::Map(_)) {
        return None;
    }
    if !matches!(draft.get("metadata"), Some(Draft::Map(_))) {
        draft.set("metadata", Draft::map());
    }
    let metadata = draft.entry("metadata");
    for field in ["managedFields", "resourceVersion", "uid", "deletionTimestamp"] {
        metadata.remove(field);
    }
    metadata.set("name", &*key.name);
    match &key.namespace {
        Some(namespace) => metadata.set("namespace", &**namespace),
        None => drop(metadata.remove("namespace")),
    }
    Resource::new(draft.freeze()).ok().filter(|object| object.key() == key)
}

fn fields(sent: &Resource, model: &ApiModel) -> Vec<FieldPath> {
    let of = model.schema(&sent.key().group_kind, sent.version());
    FieldSet::of(sent.tree(), of).map(|set| set.leaves().iter().collect()).unwrap_or_default()
}

/// A value, null being none.
fn value(object: &Resource, path: &FieldPath) -> Option<String> {
    path.find(object.tree()).filter(|value| !value.is_null()).map(|value| value.to_value().to_json())
}

/// All but what every write changes.
fn content(object: &Resource) -> Draft {
    let mut draft = object.tree().to_draft();
    let metadata = draft.entry("metadata");
    for field in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(field);
    }
    draft
}

/// Every way to show a verdict comes to an end.
fn shown(desired: &Resource, compared: &Compared) {
    let sides = Sides::of(Some(desired), compared);
    let mut texts = lines(compared);
    texts.push(table(compared.outcome.changes(), 80));
    texts.push(sides.unified("object", &Unified::default()));
    texts.push(sides.json_patch().to_json());
    texts.push(sides.merge_patch().to_json());
    std::hint::black_box(texts);
}
