//! The decision table: does an operation start now, what for, and if not, why not and until when.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::sync::{Cause, Phase};
use crate::time::Timestamp;

use super::situation::{Attempt, Drift, Permission, Situation};
use super::{AUTOMATIC, Automation, HEALING};

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "decision")]
#[non_exhaustive]
pub enum Decision {
    /// An operation starts.
    Start {
        /// What for.
        trigger: Trigger,
    },
    /// None starts now.
    Rest {
        /// Why.
        why: Why,
        /// When that may change by itself; `None` if something must happen first.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// What an operation is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "trigger")]
#[non_exhaustive]
pub enum Trigger {
    /// Somebody asked.
    Asked {
        /// Who.
        by: Arc<str>,
    },
    /// It was begun before the program stopped.
    Begun,
    /// The source has something new.
    NewRevision,
    /// The last one failed, and it may succeed now.
    Retry {
        /// Which try this is, counted from 1.
        attempt: u32,
    },
    /// Another application gave an object away that this one declares.
    HandOver,
    /// Somebody approved a deletion that Git asks for: what was declared is carried on, also where changes on the cluster
    /// are reported only. Argo CD keeps its operation open until then.
    Approved,
    /// The cluster was changed.
    Heal,
}

/// Why nothing starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "why")]
#[non_exhaustive]
pub enum Why {
    /// Everything is as declared.
    InSync,
    /// What differs cannot be changed now: it is held back, stays on purpose, or could not be read.
    OutOfReach,
    /// The application is suspended.
    Suspended,
    /// Nothing is synced automatically.
    Manual,
    /// The cluster was changed, and such changes are reported only.
    DriftReported,
    /// A sync window says no.
    Window {
        /// What it says.
        text: Arc<str>,
    },
    /// Another application must be ready first.
    Dependency {
        /// Which one, and what it lacks.
        text: Arc<str>,
    },
    /// The last operation failed, and the pause is not over.
    Pause {
        /// Why it failed.
        cause: Cause,
        /// How often it was tried.
        tries: u32,
    },
    /// The last operation failed, and it was tried often enough; another revision, or a request, starts anew.
    GivenUp {
        /// Why it failed.
        cause: Cause,
        /// How often it was tried.
        tries: u32,
    },
    /// The last operation could not do all, as something was held back, and the pause is not over.
    HeldBack,
    /// Somebody stopped the last operation; another revision, or a request, starts anew.
    Terminated,
    /// What differs is rewritten by somebody after each heal, and is left to rest.
    Fought,
    /// As many operations are under way as may be at once; it has its turn when one of them ends.
    Busy,
}

/// Decides whether an operation starts.
///
/// The first row that applies decides:
///
/// | situation | decision |
/// |---|---|
/// | suspended | rest |
/// | asked for, window denies it also to people | rest until the window changes |
/// | asked for | start |
/// | an operation was begun, window denies what goes by itself | rest until the window changes |
/// | an operation was begun | go on with it, also where nothing is synced automatically: somebody wanted it |
/// | nothing differs | rest |
/// | nothing that differs can be changed | rest |
/// | nothing is synced automatically | rest |
/// | another application must be ready first | rest |
/// | the window denies it | rest until the window changes |
/// | somebody stopped the last operation on this revision | rest |
/// | it failed on this revision, often enough | rest |
/// | it failed on this revision, a moment ago | rest until the pause is over |
/// | it failed on this revision | try again |
/// | the revision was made true but for what was held back, a moment ago | rest until the pause is over |
/// | the revision was not made true yet | start |
/// | another application gave away what is declared here | start |
/// | somebody approved a deletion | start |
/// | changes on the cluster are reported only | rest |
/// | what differs was healed a moment ago | rest until one of it may be healed |
/// | else | heal |
///
/// Faults of Argo CD that are not here: a revision that failed once is never tried again, not even by self-heal (issue
/// 18442); an operation that died early counts as done; what a person started is lost at a restart; all that differs is
/// healed again and again at the pace of the worst.
#[must_use]
pub fn decide(automation: &Automation, seen: &Situation<'_>, now: Timestamp) -> Decision {
    let rest = |why: Why, until: Option<Timestamp>| Decision::Rest { why, until };
    let start = |trigger: Trigger| Decision::Start { trigger };
    let denied = match &seen.permission {
        Permission::Granted => None,
        Permission::Denied { why, until } => Some(rest(Why::Window { text: Arc::clone(why) }, *until)),
    };
    if automation.suspend.is_on() {
        return rest(Why::Suspended, None);
    }
    if let Some(by) = &seen.asked {
        return denied.unwrap_or_else(|| start(Trigger::Asked { by: Arc::clone(by) }));
    }
    if seen.begun {
        return denied.unwrap_or_else(|| start(Trigger::Begun));
    }
    match seen.drift {
        Drift::None => return rest(Why::InSync, None),
        Drift::OutOfReach => return rest(Why::OutOfReach, None),
        Drift::Something if !automation.sync.is_on() => return rest(Why::Manual, None),
        Drift::Something => {}
    }
    if let Some(text) = &seen.dependency {
        return rest(Why::Dependency { text: Arc::clone(text) }, None);
    }
    if let Some(denied) = denied {
        return denied;
    }
    let failed = seen.attempt.filter(|attempt| attempt.phase != Phase::Succeeded);
    if let Some(Attempt { phase, cause, tries, altogether, finished, .. }) = failed {
        if phase == Phase::Terminated {
            return rest(Why::Terminated, None);
        }
        return match automation.retry.pause(cause, tries).filter(|_| !automation.retry.is_enough(altogether)) {
            None => rest(Why::GivenUp { cause, tries }, None),
            // An end that lies further ahead than the pause was written by a clock that was wrong.
            Some(pause) if finished + pause > now && finished <= now + pause => {
                rest(Why::Pause { cause, tries }, Some(finished + pause))
            }
            Some(_) => start(Trigger::Retry { attempt: altogether.saturating_add(1) }),
        };
    }
    let incomplete = seen.attempt.filter(|attempt| attempt.incomplete);
    if seen.synced != Some(seen.wanted) && !(incomplete.is_some() && seen.only_drift) {
        if let Some(last) = incomplete {
            // What came since, or was changed, is done at a pace that nobody can drive up.
            let pause = automation.retry.pace(last.tries);
            if last.finished + pause > now && last.finished <= now + pause {
                return rest(Why::HeldBack, Some(last.finished + pause));
            }
        }
        return start(Trigger::NewRevision);
    }
    if seen.takes_over {
        return start(Trigger::HandOver);
    }
    if seen.approved {
        return start(Trigger::Approved);
    }
    if !automation.self_heal.is_on() {
        return rest(Why::DriftReported, None);
    }
    match seen.rests_until {
        Some(until) if until > now => rest(Why::Fought, Some(until)),
        _ => start(Trigger::Heal),
    }
}

impl Trigger {
    /// Returns who or what the history names for an operation that starts so.
    #[must_use]
    pub fn initiator(&self) -> Arc<str> {
        match self {
            Self::Asked { by } => Arc::clone(by),
            Self::Heal => HEALING.into(),
            Self::Begun | Self::NewRevision | Self::HandOver | Self::Approved | Self::Retry { .. } => AUTOMATIC.into(),
        }
    }
}

impl Why {
    /// Returns one word for it, for counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::InSync => "inSync",
            Self::OutOfReach => "outOfReach",
            Self::Suspended => "suspended",
            Self::Manual => "manual",
            Self::DriftReported => "driftReported",
            Self::Window { .. } => "window",
            Self::Dependency { .. } => "dependency",
            Self::Pause { .. } => "pause",
            Self::GivenUp { .. } => "givenUp",
            Self::HeldBack => "heldBack",
            Self::Terminated => "terminated",
            Self::Fought => "fought",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { by } => write!(f, "asked for by {by}"),
            Self::Begun => f.write_str("was begun before the program stopped"),
            Self::NewRevision => f.write_str("a new revision"),
            Self::Retry { attempt } => write!(f, "try {attempt} of this revision"),
            Self::HandOver => f.write_str("another application gave away what is declared here"),
            Self::Approved => f.write_str("somebody approved a deletion"),
            Self::Heal => f.write_str("the cluster was changed"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InSync => f.write_str("everything is as declared"),
            Self::OutOfReach => f.write_str("what differs is held back, stays on purpose, or could not be read"),
            Self::Suspended => f.write_str("the application is suspended"),
            Self::Manual => f.write_str("nothing is synced automatically"),
            Self::DriftReported => f.write_str("the cluster was changed, and self-heal is off"),
            Self::Window { text } => f.write_str(text),
            Self::Dependency { text } => write!(f, "waits for {text}"),
            Self::Pause { cause, tries } => write!(f, "try {tries} failed ({cause}); the pause is not over"),
            Self::GivenUp { cause, tries } => write!(f, "given up after {tries} tries ({cause})"),
            Self::HeldBack => f.write_str("something was held back by the last operation; the pause is not over"),
            Self::Terminated => f.write_str("the last operation on this revision was stopped"),
            Self::Busy => f.write_str("as many operations are under way as may be at once"),
            Self::Fought => f.write_str("what differs is rewritten after each heal, and is left to rest"),
        }
    }
}
