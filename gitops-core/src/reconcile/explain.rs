//! Why an object, and its fields, are as they are: both states, the plan, and the history of the source.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::diff::{self, Compared, Evidence, FieldExplanation, Forecast, Strategy, UnknownField};
use crate::path::PathPattern;
use crate::plan::{Impact, Reason, SkipReason, Step};
use crate::policy::Phase;
use crate::resource::{Origin, ResourceKey};
use crate::source::{Revision, Source};

use super::past::Past;
use super::{App, Looked, SyncError, World, look, read_desired, report};

/// Why an object is as it is, and what a sync does about it. Its JSON is a stable contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Explanation {
    /// Which one.
    #[serde(flatten)]
    pub key: ResourceKey,
    /// As in a [`super::ResourceReport`]; `NotCompared` for hooks and for objects that are left alone by annotation.
    pub status: &'static str,
    /// Why nothing can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Arc<str>>,
    /// What was taken for ours.
    pub strategy: Strategy,
    /// How sure the verdict is.
    pub evidence: Evidence,
    /// What is worth knowing and is no drift.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Arc<str>>,
    /// Where the object is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The revision that dropped it, if the source no longer declares it and its history tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_in: Option<Dropped>,
    /// What a sync does with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<PlannedStep>,
    /// Why a sync leaves it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<SkipReason>,
    /// What a sync does to fields of others.
    #[serde(skip_serializing_if = "Forecast::is_empty")]
    pub forecast: Forecast,
    /// The fields asked for; without such, those that a sync changes or leaves to somebody.
    pub fields: Vec<FieldExplanation>,
    /// What could not be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Arc<str>>,
}

/// The revision that dropped an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Dropped {
    /// Which one.
    pub revision: Revision,
    /// Where the object was declared before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What a sync does with an object, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PlannedStep {
    /// `create`, `apply`, `replace`, `delete` or `run`.
    pub action: &'static str,
    /// The phase.
    pub phase: Phase,
    /// The wave in it.
    pub wave: i32,
    /// Why.
    pub reason: Reason,
    /// What it means for what runs.
    pub impact: Impact,
}

/// Why there is no explanation.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// Source or cluster gave no answer.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The application neither declares nor claims such an object.
    #[error("the application has no object `{0}`; its status lists what it has")]
    UnknownObject(ResourceKey),
    /// Neither side has such a field.
    #[error("{key}: {field}")]
    UnknownField {
        /// The object.
        key: ResourceKey,
        /// The field.
        field: UnknownField,
    },
}

/// Explains one object of an application, or fields of it. Touches nothing.
///
/// # Errors
/// When source or cluster give no answer at all, and when there is no such object or field.
pub async fn explain(
    app: &App,
    world: World<'_>,
    key: &ResourceKey,
    field: Option<&PathPattern>,
) -> Result<Explanation, ExplainError> {
    let desired = read_desired(app, world.source, world.cluster).await?;
    let app = &app.as_of(world.timer.now());
    let looked = look(app, desired, world.cluster).await?;
    looked.explain(app, world.source, key, field).await
}

impl Looked {
    /// Explains one object of what was looked at, or fields of it: those that `field` names, or else all that a sync
    /// changes or leaves to somebody. The source is asked where they are written, and by whom; what it cannot tell is
    /// said and held against nothing.
    ///
    /// # Errors
    /// When there is no such object or field.
    pub async fn explain(
        &self,
        app: &App,
        source: &dyn Source,
        key: &ResourceKey,
        field: Option<&PathPattern>,
    ) -> Result<Explanation, ExplainError> {
        let (declared, compared) = (self.desired.get(key), self.comparison.get(key));
        if declared.is_none() && compared.is_none() {
            return Err(ExplainError::UnknownObject(key.clone()));
        }
        let context = app.context(&self.model, &self.ledger.inventory);
        let desired = declared.map(|declared| &declared.resource);
        let fields = diff::explain(desired, compared, field, &context)
            .map_err(|field| ExplainError::UnknownField { key: key.clone(), field })?;
        let (status, why) = compared.map_or(("NotCompared", None), |compared| report::status(&compared.outcome));
        let mut explanation = Explanation {
            key: key.clone(),
            status,
            why: why.map(Arc::from),
            strategy: compared.map_or(Strategy::None, |compared| compared.strategy),
            evidence: compared.map_or(Evidence::Read, |compared| compared.evidence),
            notes: compared.map(told).unwrap_or_default(),
            origin: declared.and_then(|declared| declared.origin.clone()),
            dropped_in: None,
            steps: self.plan.steps.iter().filter(|step| step.key == *key).map(PlannedStep::of).collect(),
            left_alone: self.plan.skipped.iter().find(|skipped| skipped.key == *key).map(|skipped| skipped.reason),
            forecast: self.forecasts.get(key).cloned().unwrap_or_default(),
            fields,
            gaps: Vec::new(),
        };
        let origin = declared.map_or(Some(0), |declared| Some(usize::from(declared.origin.as_ref()?.source)));
        if let Some(revision) = origin.and_then(|source| self.desired.revisions.get(source)) {
            let past = Past { app, source, model: &self.model, revision: &revision.id };
            match declared.and_then(|declared| Some((declared, declared.origin.as_ref()?))) {
                Some((declared, origin)) => past.tell(declared, origin, &mut explanation).await,
                None => past.tell_dropped(key, &mut explanation).await,
            }
        }
        Ok(explanation)
    }
}

fn told(compared: &Compared) -> Vec<Arc<str>> {
    compared.notes.iter().map(|note| note.to_string().into()).collect()
}

impl PlannedStep {
    fn of(step: &Step) -> Self {
        let Step { action, phase, wave, reason, impact, .. } = step;
        Self { action: action.verb(), phase: *phase, wave: *wave, reason: *reason, impact: *impact }
    }
}

/// The object, its verdict and the plan; then each field.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.key, self.status)?;
        match (&self.origin, self.status) {
            (Some(origin), _) => writeln!(f, "  declared at {origin}")?,
            (None, "Extra") => writeln!(f, "  not declared")?,
            _ => {}
        }
        if let Some(dropped) = &self.dropped_in {
            let origin = dropped.origin.as_ref().map(|origin| format!("; it was declared at {origin}"));
            writeln!(f, "  dropped in {}{}", diff::told(&dropped.revision), origin.unwrap_or_default())?;
        }
        if let Some(why) = &self.why {
            writeln!(f, "  {why}")?;
        }
        if self.strategy != Strategy::None {
            writeln!(f, "  {}; {}", self.strategy, self.evidence)?;
        }
        for step in &self.steps {
            writeln!(f, "  planned: {step}")?;
        }
        if let Some(reason) = self.left_alone {
            writeln!(f, "  left alone: {reason}")?;
        }
        if self.steps.is_empty() && self.left_alone.is_none() {
            writeln!(f, "  nothing to do")?;
        }
        for line in self.forecast.lines() {
            writeln!(f, "  {line}")?;
        }
        for note in &self.notes {
            writeln!(f, "  {note}")?;
        }
        for gap in &self.gaps {
            writeln!(f, "  could not be told: {gap}")?;
        }
        for field in &self.fields {
            write!(f, "\n{field}")?;
        }
        Ok(())
    }
}

/// `apply in Sync, wave 0: differs`
impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}, wave {}: {}", self.action, self.phase, self.wave, self.reason)
    }
}
