//! Drift: what a real API server's dry run would change, against prediction and confirmation.

#![expect(clippy::indexing_slicing, reason = "a malformed recording must stop the run")]

use std::collections::BTreeMap;
use std::path::Path;

use gitops_core::cluster::{ClusterError, Failure, Force, Mode, WriteOutcome, Written};
use gitops_core::diff::{
    Answers, Change, ChangeReason, Compared, Context, Doubt, Note, Outcome, Prediction, Receipt, compare_one, stamp,
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

use crate::scope::{Scope, differences};
use crate::{Case, recording};

/// Verdict and changed paths on what we own are exactly those that the recorded dry run shows, and a prediction that
/// acquits is right.
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
            let is_steady = !is_foreign && case["reapply_changed"] != true;
            cases.push(Case { id, verdict: world.round_trip(&case, live, is_steady, &mut rates) });
        }
    }
    rates.print("k8s/roundtrip");
    Some(cases)
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
        let (outcome, found) = self.settle(&desired, &live, &predicted, || after.clone())?;
        rates.count(&predicted, outcome.is_empty(), expected.is_empty());
        if found != expected {
            let text = |paths: &[FieldPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let (found, expected) = (text(&found), text(&expected));
            return Err(format!("{:?}: found [{found}], recorded [{expected}]", predicted.predicted));
        }
        Ok(())
    }

    fn round_trip(&self, case: &Value, live: &Value, is_steady: bool, rates: &mut Rates) -> Result<(), String> {
        let desired = self.desired(case)?;
        let live = self.ours(live, &desired);
        let predicted = self.compare(&desired, &live, None);
        let after = || if is_steady { live.clone() } else { self.answer(&desired, &live) };
        let (changes, _) = self.settle(&desired, &live, &predicted, after)?;
        rates.count(&predicted, changes.is_empty(), true);
        changes.first().map_or(Ok(()), |first| Err(format!("{:?}: {first}", predicted.predicted)))
    }

    /// What an API server that holds `live` would make of it.
    fn answer(&self, desired: &Resource, live: &Resource) -> Resource {
        let (sent, manager) = (stamp(desired, &self.owner), self.owner.manager());
        let mut server = holding(live);
        match server.endpoint(sent.key(), sent.version()) {
            Some(endpoint) => {
                let action = Action::Apply { body: sent.value().clone(), force: Force::Yes };
                let request = Request::new(endpoint, action).by(&manager).in_mode(Mode::DryRun);
                let answer = server.handle(&request, Timestamp::EPOCH);
                answer.as_object().cloned().unwrap_or_else(|| panic!("{}: {:?}", live.key(), answer.refusal()))
            }
            // Custom resources have no defaults but those of their schema.
            None => apply(&Apply::new(Some(live), &sent, &manager, Timestamp::EPOCH, &self.model).force()).unwrap(),
        }
    }

    /// The verdict after the cluster answered, should it have to be asked: changes, and their paths in order.
    fn settle(
        &self,
        desired: &Resource,
        live: &Resource,
        predicted: &Compared,
        after: impl FnOnce() -> Resource,
    ) -> Result<(Vec<Change>, Vec<FieldPath>), String> {
        let answered = predicted.open.map(|receipt| {
            let written = Written::new(WriteOutcome::Changed, Some(after()));
            self.compare(desired, live, Some((receipt, Ok(written))))
        });
        let changes = match &answered.as_ref().unwrap_or(predicted).outcome {
            Outcome::Synced => Vec::new(),
            Outcome::OutOfSync(changes) => changes.to_vec(),
            other => return Err(format!("{other:?}")),
        };
        // An item that is there twice cannot be named.
        let path = |change: &Change| match (change.reason, change.path.segments().split_last()) {
            (ChangeReason::Doubled, Some((_, list))) => list.iter().cloned().collect(),
            _ => change.path.clone(),
        };
        let mut paths: Vec<FieldPath> = changes.iter().map(path).collect();
        paths.sort();
        paths.dedup();
        Ok((changes, paths))
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

/// How often a prediction was of use.
#[derive(Default)]
struct Rates {
    predictions: BTreeMap<Prediction, usize>,
    doubts: BTreeMap<&'static str, usize>,
    wrong: usize,
    needless: usize,
}

impl Rates {
    /// `acquitted`: the confirmed verdict; `unchanged`: what the server says.
    fn count(&mut self, predicted: &Compared, acquitted: bool, unchanged: bool) {
        *self.predictions.entry(predicted.predicted).or_default() += 1;
        let acquits = matches!(predicted.predicted, Prediction::NoChange | Prediction::Claim);
        self.wrong += usize::from(acquits && !unchanged);
        self.needless += usize::from(predicted.predicted == Prediction::Change && acquitted);
        if predicted.predicted == Prediction::Indeterminate {
            for note in &*predicted.notes {
                if let Note::Doubted(doubt) = note {
                    *self.doubts.entry(class(doubt)).or_default() += 1;
                }
            }
        }
    }

    fn print(&self, suite: &str) {
        let total: usize = self.predictions.values().sum();
        let of = |prediction| self.predictions.get(&prediction).copied().unwrap_or_default();
        println!(
            "  {suite}: of {total} predictions {} no change, {} claims, {} changes, {} indeterminate {:?}; {} wrong acquittals, {} needless dry runs of predicted changes",
            of(Prediction::NoChange),
            of(Prediction::Claim),
            of(Prediction::Change),
            of(Prediction::Indeterminate),
            self.doubts,
            self.wrong,
            self.needless,
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

fn is_absent(live: &Value) -> bool {
    live["metadata"]["name"].is_null()
}
