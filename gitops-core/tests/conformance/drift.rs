//! Drift: what a real API server's dry run would change, against prediction and confirmation.

#![expect(clippy::indexing_slicing, reason = "a malformed recording must stop the run")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gitops_core::cluster::{ClusterError, Failure, Force, Mode, WriteOutcome, Written};
use gitops_core::diff::{
    Answers, Change, ChangeReason, Compared, Context, Doubt, Note, Outcome, Prediction, Receipt, Sides as Rendered,
    compare_one, stamp,
};
use gitops_core::memory::{Action, ApiServer, Request};
use gitops_core::model::ApiModel;
use gitops_core::path::FieldPath;
use gitops_core::resource::Resource;
use gitops_core::ssa::{Apply, apply};
use gitops_core::state::{DesiredState, Inventory, Live, Owner};
use gitops_core::time::Timestamp;
use gitops_core::value::{Digest, Purpose};
use serde_json::{Value, json};

use crate::agree::Sides;
use crate::scope::{Scope, differences};
use crate::{Case, recording};

/// Verdict, changed paths, pointers and values on what we own are exactly those that the recorded dry run shows, and a
/// prediction that acquits is right.
pub(crate) fn verdicts(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "k8s/drift.json")?;
    let world = World::new(folder)?;
    let mut rates = Rates::default();
    let mut cases = Vec::new();
    for case in suite.as_array().unwrap().iter().filter(|case| !is_absent(&case["live"])) {
        let id = case["id"].as_str().unwrap().to_owned();
        cases.push(Case { id, verdict: world.verdict(case, &mut rates) });
    }
    rates.print("k8s/drift");
    Some(cases)
}

/// What a real API server made of a manifest is in sync with it, whoever created it and whatever it filled in.
pub(crate) fn round_trips(folder: &Path) -> Option<Vec<Case>> {
    let suite = recording(folder, "k8s/roundtrip.json")?;
    let world = World::new(folder)?;
    let mut rates = Rates::default();
    let mut cases = Vec::new();
    for case in suite.as_array().unwrap() {
        for (who, live) in [
            ("", &case["live"]),
            ("/controllers", &case["live_after_controllers"]),
            ("/kubectl", &case["created_by_client_apply"]["live"]),
            ("/post", &case["created_by_post"]["live"]),
        ] {
            if is_absent(live) {
                continue;
            }
            let id = format!("{}{who}", case["id"].as_str().unwrap());
            let mut case = case.clone();
            let is_foreign = who == "/kubectl" || who == "/post";
            if is_foreign {
                let own = live["metadata"]["namespace"].clone();
                case["namespace"] = own.clone();
                case["desired"]["metadata"]["namespace"] = own;
            }
            let again = match (is_foreign, &case["reapply_changed"]) {
                (false, Value::Bool(false)) => Again::Same,
                (false, Value::Bool(true)) => Again::Other(case["reapply_live"].clone()),
                _ => Again::NotRecorded,
            };
            cases.push(Case { id, verdict: world.round_trip(&case, live, &again, &mut rates) });
        }
    }
    rates.print("k8s/roundtrip");
    Some(cases)
}

/// What was recorded of a second, identical apply.
enum Again {
    /// It changed nothing.
    Same,
    /// It wrote this object.
    Other(Value),
    /// Nothing, or it was refused for what we do not send: the embedded API server is asked instead.
    NotRecorded,
}

/// What is compared against.
struct World {
    model: ApiModel,
    owner: Owner,
}

impl World {
    /// The built-in kinds and the CRDs that were installed while recording.
    fn new(folder: &Path) -> Option<Self> {
        let crds = recording(folder, "k8s/crds.json")?;
        let crds: Vec<Resource> =
            crds.as_array().unwrap().iter().map(|crd| Resource::from_typed(crd).unwrap()).collect();
        Some(Self { model: ApiModel::builtin().with_crds(&crds), owner: Owner::new("", "app").unwrap() })
    }

    fn verdict(&self, case: &Value, rates: &mut Rates) -> Result<(), String> {
        let desired = self.desired(case)?;
        let live = self.ours(&case["live"], &desired);
        let predicted = self.compare(&desired, &live, None);
        if case["dry_run_result"].is_null() {
            rates.refused(&predicted);
            let receipt = predicted.open.ok_or("acquitted; the server refuses the apply")?;
            let message = case["dry_run_error"]["message"].as_str().unwrap_or("refused");
            let refusal = ClusterError::new(Failure::Invalid { message: message.into(), causes: Vec::new() });
            let confirmed = self.compare(&desired, &live, Some((receipt, Err(refusal))));
            let is_refused = confirmed.notes.iter().any(|note| matches!(note, Note::Refused(_)));
            return match confirmed.outcome {
                Outcome::OutOfSync(_) if is_refused => Ok(()),
                other => Err(format!("the server refuses the apply, and the verdict is {other:?}")),
            };
        }
        let after = self.ours(&case["dry_run_result"], &desired);
        let sent = stamp(&desired, &self.owner);
        let scope = Scope::new(&sent, &live, &self.owner, &self.model);
        let expected = differences(&scope, &live, &after, &case["changed_paths"])?;
        let (settled, found) = self.settle(&desired, &live, predicted.clone(), || after.clone())?;
        let outcome = settled.outcome.changes();
        rates.count(&predicted, outcome.is_empty(), expected.is_empty());
        if predicted.open.is_some() {
            rates.asked += 1;
            rates.foretold += usize::from(paths(predicted.outcome.changes()) == expected);
        }
        if found != expected {
            let text = |paths: &[FieldPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let (found, expected) = (text(&found), text(&expected));
            return Err(format!("{:?}: found [{found}], recorded [{expected}]", predicted.predicted));
        }
        let recorded: Vec<&str> = case["changed_paths"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let rendered = Rendered::of(Some(&desired), &settled);
        rates.exact += Sides { live: &live, after: &after }.agree(outcome, &rendered, &recorded, &scope)?;
        rates.changes += outcome.len();
        Ok(())
    }

    fn round_trip(&self, case: &Value, live: &Value, again: &Again, rates: &mut Rates) -> Result<(), String> {
        let desired = self.desired(case)?;
        let live = self.ours(live, &desired);
        let predicted = self.compare(&desired, &live, None);
        // The recording answers what it sent, which is what we send where preparing it changed nothing.
        let again = if is_as_recorded(&desired, &case["desired"]) { again } else { &Again::NotRecorded };
        let after = match again {
            Again::Other(after) => self.ours(after, &desired),
            Again::NotRecorded if predicted.open.is_some() => self.answer(&desired, &live)?,
            Again::Same | Again::NotRecorded => live.clone(),
        };
        if predicted.open.is_some() {
            rates.asked += 1;
            rates.embedded += usize::from(matches!(again, Again::NotRecorded));
        }
        let (settled, _) = self.settle(&desired, &live, predicted.clone(), || after)?;
        let changes = settled.outcome.changes();
        rates.count(&predicted, changes.is_empty(), true);
        changes.first().map_or(Ok(()), |first| Err(format!("{:?}: {first}", predicted.predicted)))
    }

    /// What an API server that holds `live` would make of it, or why it refuses.
    fn answer(&self, desired: &Resource, live: &Resource) -> Result<Resource, String> {
        let (sent, manager) = (stamp(desired, &self.owner), self.owner.manager());
        let mut server = holding(live);
        match server.endpoint(sent.key(), sent.version()) {
            Some(endpoint) => {
                let action = Action::Apply { body: sent.value().clone(), force: Force::Yes };
                let request = Request::new(endpoint, action).by(&manager).in_mode(Mode::DryRun);
                let answer = server.handle(&request, Timestamp::EPOCH);
                let refused = || format!("refused: {:?}", answer.refusal().map(|status| &status.message));
                answer.as_object().cloned().ok_or_else(refused)
            }
            // Custom resources have no defaults but those of their schema.
            None => {
                let apply = apply(&Apply::new(Some(live), &sent, &manager, Timestamp::EPOCH, &self.model).force());
                apply.map_err(|error| format!("{error:?}"))
            }
        }
    }

    /// The verdict after the cluster answered, should it have to be asked, and the paths of its changes in order.
    fn settle(
        &self,
        desired: &Resource,
        live: &Resource,
        predicted: Compared,
        after: impl FnOnce() -> Resource,
    ) -> Result<(Compared, Vec<FieldPath>), String> {
        let settled = match predicted.open {
            Some(receipt) => {
                let written = Written::new(WriteOutcome::Changed, Some(after()));
                self.compare(desired, live, Some((receipt, Ok(written))))
            }
            None => predicted,
        };
        let paths = match &settled.outcome {
            Outcome::Synced => Vec::new(),
            Outcome::OutOfSync(changes) => paths(changes),
            other => return Err(format!("{other:?}")),
        };
        Ok((settled, paths))
    }

    fn compare(
        &self,
        desired: &Resource,
        live: &Resource,
        answer: Option<(Receipt, Result<Written, ClusterError>)>,
    ) -> Compared {
        let inventory = Inventory::default();
        let mut answers = Answers::new();
        answer.into_iter().for_each(|(receipt, answer)| answers.take(receipt, answer));
        let context = Context::new(&self.model, &self.owner, &inventory).with_answers(&answers);
        compare_one(desired, Live::Present(live), &context)
    }

    fn desired(&self, case: &Value) -> Result<Resource, String> {
        let declared = Resource::from_typed(&case["desired"]).unwrap();
        let desired = DesiredState::from_resources([&declared], &self.model, case["namespace"].as_str());
        let Some(declared) = desired.declared.values().next() else { return Err("nothing is declared".into()) };
        match desired.problems.first() {
            Some(problem) if desired.is_held(declared.resource.key()) => Err(format!("refused: {problem}")),
            _ => Ok(declared.resource.clone()),
        }
    }

    /// The recorded object as if we had applied it: our field manager and our tracking id.
    fn ours(&self, recorded: &Value, desired: &Resource) -> Resource {
        let mut object = recorded.clone();
        let annotation = self.owner.annotation();
        object["metadata"]["annotations"][annotation] = self.owner.tracking_id(desired.key()).into();
        for entry in object["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            if entry["manager"] == "gitops" {
                entry["manager"] = (*self.owner.manager()).into();
                entry["fieldsV1"]["f:metadata"]["f:annotations"][format!("f:{annotation}")] = json!({});
            }
        }
        Resource::from_typed(&object).unwrap()
    }
}

/// The paths of changes, in order.
fn paths(changes: &[Change]) -> Vec<FieldPath> {
    // An item that is there twice cannot be named.
    let path = |change: &Change| match (change.reason, change.path.segments().split_last()) {
        (ChangeReason::Doubled, Some((_, list))) => list.iter().cloned().collect(),
        _ => change.path.clone(),
    };
    let paths: BTreeSet<FieldPath> = changes.iter().map(path).collect();
    paths.into_iter().collect()
}

/// How often a prediction was of use.
#[derive(Default)]
struct Rates {
    predictions: BTreeMap<Prediction, usize>,
    /// Indeterminate predictions by what made them so; one may count under several.
    doubts: BTreeMap<&'static str, usize>,
    /// Acquittals without a call where the server says otherwise.
    wrong: usize,
    /// Dry runs that changed nothing, by what was predicted.
    needless: BTreeMap<Prediction, usize>,
    /// Applies that the server refuses.
    refused: usize,
    /// Verdicts that asked for an answer.
    asked: usize,
    /// Of these: the answer is not recorded and came from the embedded API server.
    embedded: usize,
    /// Of these: the predicted paths are the recorded ones.
    foretold: usize,
    /// Changes, and those whose pointer is the recorded one.
    changes: usize,
    exact: usize,
}

impl Rates {
    /// `acquitted`: the confirmed verdict; `unchanged`: what the server says.
    fn count(&mut self, predicted: &Compared, acquitted: bool, unchanged: bool) {
        self.predicted(predicted);
        let acquits = predicted.open.is_none();
        self.wrong += usize::from(acquits && !unchanged);
        if !acquits && acquitted {
            *self.needless.entry(predicted.predicted).or_default() += 1;
        }
    }

    fn refused(&mut self, predicted: &Compared) {
        self.predicted(predicted);
        self.refused += 1;
        self.wrong += usize::from(predicted.open.is_none());
    }

    fn predicted(&mut self, predicted: &Compared) {
        *self.predictions.entry(predicted.predicted).or_default() += 1;
        if predicted.predicted == Prediction::Indeterminate {
            let doubts = predicted.notes.iter().filter_map(|note| match note {
                Note::Doubted(doubt) => Some(class(doubt)),
                _ => None,
            });
            doubts.collect::<BTreeSet<_>>().into_iter().for_each(|class| *self.doubts.entry(class).or_default() += 1);
        }
    }

    fn print(&self, suite: &str) {
        let total: usize = self.predictions.values().sum();
        let of = |counts: &BTreeMap<_, usize>, prediction| counts.get(&prediction).copied().unwrap_or_default();
        println!(
            "  {suite}: of {total} predictions {} no change, {} claims, {} changes, {} indeterminate {:?}; {} refused; {} wrong acquittals; needless dry runs: {} of changes, {} of indeterminate",
            of(&self.predictions, Prediction::NoChange),
            of(&self.predictions, Prediction::Claim),
            of(&self.predictions, Prediction::Change),
            of(&self.predictions, Prediction::Indeterminate),
            self.doubts,
            self.refused,
            self.wrong,
            of(&self.needless, Prediction::Change),
            of(&self.needless, Prediction::Indeterminate),
        );
        println!(
            "  {suite}: {} answers asked for, {} of them from the embedded API server; {} times the predicted paths were the recorded ones; {} of {} changes have the recorded pointer",
            self.asked, self.embedded, self.foretold, self.exact, self.changes,
        );
        assert_eq!(self.wrong, 0, "{suite}: an acquittal without a call was wrong");
    }
}

fn class(doubt: &Doubt) -> &'static str {
    match doubt {
        Doubt::UnreadableOwnership => "unreadable ownership",
        Doubt::OtherVersion(_) => "other version",
        Doubt::Dropped(_) => "dropped",
        Doubt::Surplus(_) => "surplus",
        Doubt::Default(_) => "default",
        Doubt::Duplicates(_) => "duplicates",
        _ => "other",
    }
}

/// A server with one object, as it is, and its namespace.
fn holding(live: &Resource) -> ApiServer {
    let state = ApiServer::new(1).export();
    let lines: Vec<&str> = std::str::from_utf8(&state).unwrap().lines().skip(1).collect();
    let mut body = lines.join("\n");
    if let Some(namespace) = &live.key().namespace {
        body += &format!(
            "\n{}",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": **namespace, "uid": "n"}})
        );
    }
    body = format!("{}\n{}\n", body, live.expose().to_json());
    let checksum = Digest::of(Purpose::Content, body.as_bytes()).to_string();
    let header = json!({"format": "gitops.rs/memory-api-server", "version": 1, "checksum": checksum});
    ApiServer::import(format!("{header}\n{body}").as_bytes()).unwrap()
}

/// Whether a prepared object is the recorded one, but for what no apply writes.
fn is_as_recorded(prepared: &Resource, recorded: &Value) -> bool {
    let mut recorded = recorded.clone();
    recorded.as_object_mut().unwrap().remove("status");
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"] {
        recorded["metadata"].as_object_mut().unwrap().remove(field);
    }
    if let Some(namespace) = &prepared.key().namespace {
        recorded["metadata"]["namespace"] = (**namespace).into();
    }
    *prepared.value() == gitops_core::value::Value::from_serialize(&recorded).unwrap()
}

fn is_absent(live: &Value) -> bool {
    live["metadata"]["name"].is_null()
}
