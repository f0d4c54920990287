//! A plan as a file: written, reviewed, and read back to be carried out as it is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diff::Forecast;
use crate::resource::ResourceKey;
use crate::value::{Digest, Hasher, Purpose, Value};

use super::{Format, Plan};

const CHECKSUM: &str = "checksum";
const DIGEST: &str = "digest";
const FORECASTS: &str = "forecasts";

/// A plan with all that its file holds. It is written by its `Serialize`, and read by [`Plan::from_file`].
#[derive(Clone, Copy, Debug)]
pub struct StoredPlan<'p> {
    plan: &'p Plan,
    forecasts: &'p BTreeMap<ResourceKey, Forecast>,
}

/// Why a file is no plan that can be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// It is not JSON, or ends too early.
    #[error("is not JSON, or not all of it; write it anew with `gitops plan`")]
    Syntax(#[source] crate::value::JsonError),
    /// It is JSON, and no plan.
    #[error("holds no plan: {0}; write one with `gitops plan -o FILE.json`")]
    NotAPlan(String),
    /// It is too large for a plan.
    #[error("is larger than any plan ({} bytes)", Plan::LARGEST_FILE)]
    TooLarge,
    /// It has a format that this program does not know.
    #[error("has the format `{0}`, which this program does not know; update the program, or write the plan anew")]
    UnknownFormat(String),
    /// It was changed after it was written.
    #[error("was changed after it was written: it does not match its own {0}; review and approve a new plan")]
    Changed(&'static str),
    /// It has a known format and is not as that says.
    #[error("is a plan that cannot be followed: {0}; write it anew with `gitops plan`")]
    Malformed(String),
}

#[derive(Serialize)]
struct Written<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    digest: Digest,
    forecasts: Vec<Foretold<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Digest>,
}

#[derive(Serialize)]
struct Foretold<'p> {
    #[serde(flatten)]
    key: &'p ResourceKey,
    #[serde(flatten)]
    forecast: &'p Forecast,
}

impl<'p> StoredPlan<'p> {
    /// Gathers what a plan file holds: the plan, and what it does to fields of others, for the reviewer.
    #[must_use]
    pub fn new(plan: &'p Plan, forecasts: &'p BTreeMap<ResourceKey, Forecast>) -> Self {
        Self { plan, forecasts }
    }

    fn written(&self, checksum: Option<Digest>) -> Written<'p> {
        let forecasts = self.forecasts.iter().map(|(key, forecast)| Foretold { key, forecast });
        Written { plan: self.plan, digest: self.plan.digest(), forecasts: forecasts.collect(), checksum }
    }
}

/// The fields of the plan, then `digest` (what somebody approves), `forecasts`, and `checksum` over all of these.
impl Serialize for StoredPlan<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = Value::from_serialize(&self.written(None)).map_err(serde::ser::Error::custom)?;
        self.written(Some(checksum(&content))).serialize(serializer)
    }
}

impl Plan {
    /// Bytes of the largest file that is read: 100,000 steps take less than a third of this.
    pub const LARGEST_FILE: usize = 256 << 20;

    /// Reads a plan file. White space and the order of fields do not matter; anything else that was changed does.
    ///
    /// # Errors
    /// When the file holds no plan, one of an unknown format, or one that was changed.
    pub fn from_file(bytes: &[u8]) -> Result<Self, PlanFileError> {
        if bytes.len() > Self::LARGEST_FILE {
            return Err(PlanFileError::TooLarge);
        }
        let (file, repeated) = Value::from_json_counting(bytes).map_err(PlanFileError::Syntax)?;
        let text = |name: &str| file.root().get(name).and_then(|value| value.as_str());
        let Some(map) = file.root().as_map() else {
            return Err(PlanFileError::NotAPlan(format!("it is a {}", file.root().kind_name())));
        };
        let format = text("format").ok_or_else(|| PlanFileError::NotAPlan("it has no `format`".to_owned()))?;
        if serde_json::from_value::<Format>(format.into()).is_err() {
            let known = format.starts_with("gitops.rs/plan/");
            let format: String = format.chars().take(60).filter(|char| !char.is_control()).collect();
            let other = PlanFileError::NotAPlan(format!("its format is `{format}`"));
            return Err(if known { PlanFileError::UnknownFormat(format) } else { other });
        }
        if repeated > 0 {
            return Err(PlanFileError::Malformed(format!("it gives {repeated} of its fields twice")));
        }
        let mut draft = file.root().to_draft();
        let stated = |name: &str| text(name).and_then(|text| text.parse::<Digest>().ok());
        draft.remove(CHECKSUM);
        let content = draft.freeze();
        match stated(CHECKSUM) {
            None => return Err(PlanFileError::Malformed(missing(map.get(CHECKSUM).is_some(), CHECKSUM))),
            Some(stated) if stated != checksum(&content) => return Err(PlanFileError::Changed(CHECKSUM)),
            Some(_) => {}
        }
        let Some(digest) = stated(DIGEST) else {
            return Err(PlanFileError::Malformed(missing(map.get(DIGEST).is_some(), DIGEST)));
        };
        draft.remove(DIGEST);
        draft.remove(FORECASTS);
        let plan: Self = serde_json::from_str(&draft.freeze().to_json())
            .map_err(|error| PlanFileError::Malformed(error.to_string()))?;
        if plan.digest() != digest {
            return Err(PlanFileError::Changed(DIGEST));
        }
        plan.is_sound().map_err(PlanFileError::Malformed)?;
        Ok(plan)
    }

    /// Checks what every plan of ours keeps: names are places, and no edge points forward.
    fn is_sound(&self) -> Result<(), String> {
        use super::After;
        // How many steps each gate may wait for: those before the first that waits for it.
        let mut opened: Vec<usize> = Vec::with_capacity(self.gates.len());
        for (at, gate) in self.gates.iter().enumerate() {
            let last = gate.opens.iter().map(|after| match after {
                After::Applied(id) | After::Healthy(id) | After::Gone(id) => Some((id.0 as usize).saturating_add(1)),
                After::Gate(id) => opened.get(id.0 as usize).copied(),
            });
            let last = last.collect::<Option<Vec<_>>>().map(|last| last.into_iter().max().unwrap_or(0));
            let Some(last) = last.filter(|last| gate.id.0 as usize == at && *last <= self.steps.len()) else {
                return Err(format!("gate {at} is out of place"));
            };
            opened.push(last);
        }
        for (at, step) in self.steps.iter().enumerate() {
            let forward = step.after.iter().any(|after| match after {
                After::Applied(id) | After::Healthy(id) | After::Gone(id) => id.0 as usize >= at,
                After::Gate(gate) => opened.get(gate.0 as usize).is_none_or(|opened| *opened > at),
            });
            if step.id.0 as usize != at || forward {
                return Err(format!("step {at}, `{}`, is out of place", step.key));
            }
        }
        Ok(())
    }
}

fn missing(is_there: bool, name: &str) -> String {
    if is_there { format!("its `{name}` is no digest") } else { format!("it has no `{name}`") }
}

fn checksum(content: &Value) -> Digest {
    Hasher::new(Purpose::Content).text("plan file").value(content.root()).finish()
}
