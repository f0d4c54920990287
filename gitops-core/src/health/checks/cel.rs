//! Checks in CEL. Of an object, `self` is the whole, and each field at the top has its name: `status.phase == 'Ready'`.

use crate::expression::{Answer, Program, STEPS};
use crate::health::HealthStatus;
use crate::health::reading::{Observed, Reading};
use crate::value::{Value, ValueRef};

use super::Verdict;

/// The whole object.
const WHOLE: &str = "self";

/// What tells how an object is. Rule: Flux, "Kustomization", `healthCheckExprs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expressions {
    in_progress: Option<Program>,
    failed: Option<Program>,
    current: Program,
}

impl Expressions {
    pub(super) fn new(current: &str, failed: Option<&str>, in_progress: Option<&str>) -> Result<Self, String> {
        let read = |name: &str, text: &str| {
            Program::new(text).map_err(|why| format!("`{name}`: expression `{text}` cannot be used: {why}"))
        };
        Ok(Self {
            in_progress: in_progress.map(|text| read("inProgress", text)).transpose()?,
            failed: failed.map(|text| read("failed", text)).transpose()?,
            current: read("current", current)?,
        })
    }

    /// Judges an object: the first of `inProgress`, `failed` and `current` that holds; if none does, it is on its way.
    pub(super) fn judge(&self, tree: ValueRef<'_>, object: Reading<'_>) -> Verdict {
        if object.observed() == Observed::Older {
            let message = "waiting for the present spec to be observed".to_owned();
            return Verdict::Says(HealthStatus::Progressing, message);
        }
        let in_order = [
            (self.in_progress.as_ref(), HealthStatus::Progressing),
            (self.failed.as_ref(), HealthStatus::Degraded),
            (Some(&self.current), HealthStatus::Healthy),
        ];
        for (program, status) in in_order {
            let Some(program) = program else { continue };
            match holds(program, tree) {
                Ok(true) => return Verdict::Says(status, format!("`{}`", program.text())),
                Ok(false) => {}
                Err(why) => return Verdict::Broken(format!("expression `{}` {why}", program.text())),
            }
        }
        Verdict::Says(HealthStatus::Progressing, format!("`{}` does not hold yet", self.current.text()))
    }
}

/// Returns whether the object is as the expression says. A field that is not there makes it false: an object that has not
/// said anything yet is not as any expression says.
fn holds(program: &Program, tree: ValueRef<'_>) -> Result<bool, String> {
    let nothing = Value::empty_map();
    let find = |name: &str| match name {
        WHOLE => tree,
        _ => tree.get(name).unwrap_or(nothing.root()),
    };
    match program.ask(&find, STEPS).0 {
        Answer::Holds(holds) => Ok(holds),
        Answer::Missing => Ok(false),
        Answer::Says(_) => Err("gives a string, not true or false".to_owned()),
        Answer::Unclear(why) => Err(why),
    }
}
