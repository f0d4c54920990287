//! Who of several replicas writes: a lease, as a machine without clock or connection.
//!
//! The protocol is that of `client-go`, so that `kubectl get lease` and whoever looks at leases understand it. A replica
//! that waits takes the lease over once it has *seen* it unchanged for as long as it lasts, by its own steady clock: no
//! two clocks are compared. Who holds it counts from before it *asked* to renew it, and stops before the others may begin.
//! It also goes by the clock on the wall, since a machine that slept may not have counted its sleep.

use std::sync::Arc;
use std::time::Duration;

use gitops_core::cluster::{ClusterError, Failure, Guard, PatchStep, Write, Written};
use gitops_core::path::FieldPath;
use gitops_core::resource::{Resource, ResourceKey};
use gitops_core::time::Timestamp;
use gitops_core::value::{Draft, ValueRef};

use super::MANAGER;

/// An instant, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two clocks")]
pub struct Moment {
    /// By one that never goes back and never jumps; since any beginning.
    pub steady: Duration,
    /// By the one on the wall.
    pub wall: Timestamp,
}

/// How long a lease lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// How long others leave it alone that see no renewal. Default: 15 s, as `client-go`; whole seconds, one at least.
    pub duration: Duration,
    /// How long its holder takes it for its own after it asked for the last renewal that was granted. Default: 10 s; it
    /// must be shorter than `duration` by more than a request may be under way unseen.
    pub deadline: Duration,
    /// How often it is renewed, or looked at. Default: 2 s.
    pub retry: Duration,
}

/// What is to be done about a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Look it up, past every cache; the answer goes to [`Election::looked`].
    Look(ResourceKey),
    /// Perform this write; the answer goes to [`Election::wrote`].
    Write(Box<Write>),
    /// Nothing, for so long.
    Wait(Duration),
}

/// One replica among several. It is told the time with everything.
///
/// ```
/// use gitops_kube::controller::{Election, Moment, Step, Terms};
///
/// let mut election = Election::new("gitops-system", "gitops-controller", "pod-1", Terms::default());
/// let now = Moment::default();
/// assert!(matches!(election.next(now), Step::Look(_)));
/// election.looked(Ok(None), now);
/// assert!(matches!(election.next(now), Step::Write(_)), "nobody has it");
/// assert!(!election.holds(now), "it was not granted yet");
/// ```
#[derive(Clone, Debug)]
pub struct Election {
    key: ResourceKey,
    me: Arc<str>,
    terms: Terms,
    seen: Option<Seen>,
    held: Option<Held>,
    /// Whether the lease is to be looked up before anything else is done about it.
    is_stale: bool,
    /// When the next step is due, by the steady clock.
    due: Duration,
    /// Since when an answer is awaited.
    asked: Option<Moment>,
}

/// The lease as it was seen last.
#[derive(Clone, Debug)]
struct Seen {
    /// `None` where there is none.
    lease: Option<Resource>,
    /// Whether somebody else held the one that was there before, and may not have seen yet that it is gone.
    was_held: bool,
    /// Since when it is seen like this.
    since: Duration,
}

/// A lease that is held, until when.
#[derive(Clone, Copy, Debug)]
struct Held {
    until: Moment,
}

const LEASE: (&str, &str, &str) = ("coordination.k8s.io", "v1", "Lease");

impl Default for Terms {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

impl Terms {
    /// Sets all three.
    #[must_use]
    pub fn with(self, duration: Duration, deadline: Duration, retry: Duration) -> Self {
        Self { duration, deadline, retry }
    }
}

impl Moment {
    fn after(self, time: Duration) -> Self {
        Self { steady: self.steady.saturating_add(time), wall: self.wall + time }
    }

    /// Whether any of the two clocks has come to `until`.
    pub(super) fn reaches(self, until: Self) -> bool {
        self.steady >= until.steady || self.wall >= until.wall
    }
}

impl Election {
    /// Begins as one that waits. `me` names this run of this replica and no other: its pod, and something random.
    #[must_use]
    pub fn new(namespace: &str, name: &str, me: &str, terms: Terms) -> Self {
        Self {
            key: ResourceKey::new(LEASE.0, LEASE.2, namespace, name),
            me: me.into(),
            terms,
            seen: None,
            held: None,
            is_stale: true,
            due: Duration::ZERO,
            asked: None,
        }
    }

    /// Returns whether this replica may write now.
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        self.held.is_some_and(|held| !now.reaches(held.until))
    }

    /// Returns until when it may write, if nothing is renewed.
    #[must_use]
    pub fn until(&self) -> Option<Moment> {
        self.held.map(|held| held.until)
    }

    /// Returns who holds the lease, as it was seen last.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        holder(self.seen.as_ref()?.lease.as_ref()?)
    }

    /// Returns what is to be done now. A step that was given waits for its answer; one that is never answered is given
    /// up after `retry`.
    pub fn next(&mut self, now: Moment) -> Step {
        if self.held.is_some_and(|held| now.reaches(held.until)) {
            // From here on it is one of the others, also if nobody took it.
            (self.held, self.is_stale) = (None, true);
        }
        if let Some(left) = self.due.checked_sub(now.steady).filter(|left| !left.is_zero()) {
            return Step::Wait(left);
        }
        self.due = now.steady.saturating_add(self.terms.retry);
        self.asked = Some(now);
        if self.is_stale {
            return Step::Look(self.key.clone());
        }
        let claim = self.claim(now);
        claim.map_or_else(|| Step::Look(self.key.clone()), |write| Step::Write(Box::new(write)))
    }

    /// Takes the lease as it is: `None` where there is none.
    pub fn looked(&mut self, lease: Result<Option<Resource>, ClusterError>, now: Moment) {
        self.asked = None;
        let Ok(lease) = lease else { return };
        self.see(lease, now);
        self.is_stale = false;
        if self.held.is_some() && self.holder() != Some(&self.me) {
            self.held = None;
        }
        if self.held.is_some() || self.is_free(now) {
            self.due = now.steady;
        } else {
            self.is_stale = true;
        }
    }

    /// Takes what came of the write that was given last.
    pub fn wrote(&mut self, result: Result<Written, ClusterError>, now: Moment) {
        let Some(asked) = self.asked.take() else { return };
        match result {
            Ok(written) => {
                self.see(written.object, now);
                // Counted from before it was asked: the server may have begun to count then.
                self.held = (self.holder() == Some(&self.me)).then(|| Held { until: asked.after(self.terms.deadline) });
                self.is_stale = self.held.is_none();
            }
            Err(error) => {
                self.is_stale = true;
                // Somebody else wrote: who it was decides whether anything may be written from now on.
                if matches!(error.failure, Failure::Stale | Failure::NotFound | Failure::AlreadyExists) {
                    self.due = now.steady;
                }
            }
        }
    }

    /// Gives the lease back, so that another replica need not wait until it ends; `None` if it is not held. Nothing may be
    /// written any more from this call on.
    pub fn release(&mut self, now: Moment) -> Option<Write> {
        let held = self.holds(now);
        (self.held, self.is_stale) = (None, true);
        let lease = self.seen.as_ref().filter(|_| held)?.lease.as_ref()?;
        let spec = [
            ("holderIdentity", "".into()),
            ("leaseDurationSeconds", 1_i64.into()),
            ("renewTime", micros(now.wall).into()),
        ];
        Some(self.change(lease, spec))
    }

    fn see(&mut self, lease: Option<Resource>, now: Moment) {
        let version = |lease: &Resource| (lease.uid().map(str::to_owned), lease.resource_version().map(str::to_owned));
        let is_same =
            self.seen.as_ref().is_some_and(|seen| seen.lease.as_ref().map(version) == lease.as_ref().map(version));
        if !is_same {
            let was_held = self.holder().is_some_and(|holder| *holder != *self.me);
            self.seen = Some(Seen { lease, was_held, since: now.steady });
        }
    }

    /// Whether nobody holds it, or whoever does has not renewed it for as long as it says that it lasts.
    fn is_free(&self, now: Moment) -> bool {
        let Some(seen) = &self.seen else { return false };
        let since = now.steady.saturating_sub(seen.since);
        let Some(lease) = &seen.lease else { return !seen.was_held || since >= self.terms.duration };
        match holder(lease) {
            None => true,
            Some(holder) if *holder == *self.me => true,
            Some(_) => {
                let lasts = lease.tree().dig(&["spec", "leaseDurationSeconds"]).and_then(ValueRef::as_i64);
                let lasts = lasts.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
                // One that was written by somebody with other terms keeps its own.
                since >= lasts.unwrap_or(self.terms.duration)
            }
        }
    }

    /// The write that makes it ours, or keeps it so.
    fn claim(&self, now: Moment) -> Option<Write> {
        let seen = self.seen.as_ref()?;
        let lasts = i64::try_from(self.terms.duration.as_secs().max(1)).unwrap_or(i64::MAX);
        let time = || Draft::from(micros(now.wall));
        let mut spec = vec![
            ("holderIdentity", Draft::from(&*self.me)),
            ("leaseDurationSeconds", lasts.into()),
            ("renewTime", time()),
        ];
        let Some(lease) = &seen.lease else {
            spec.extend([("acquireTime", time()), ("leaseTransitions", 0_i64.into())]);
            let mut draft = Draft::map();
            draft.set("apiVersion", format!("{}/{}", LEASE.0, LEASE.1));
            draft.set("kind", LEASE.2);
            draft.entry("metadata").set("name", &*self.key.name);
            draft.entry("metadata").set("namespace", self.key.namespace.as_deref().unwrap_or_default());
            spec.into_iter().for_each(|(field, value)| draft.entry("spec").set(field, value));
            return Some(Write::create(&Resource::new(draft.freeze()).ok()?, MANAGER));
        };
        if self.held.is_none() {
            let before = lease.tree().dig(&["spec", "leaseTransitions"]).and_then(ValueRef::as_i64).unwrap_or(0);
            spec.extend([("acquireTime", time()), ("leaseTransitions", before.saturating_add(1).into())]);
        }
        Some(self.change(lease, spec))
    }

    /// Changes these fields of exactly this lease; what others have written beside them stays.
    fn change(&self, lease: &Resource, spec: impl IntoIterator<Item = (&'static str, Draft)>) -> Write {
        let step = |(field, value): (&str, Draft)| PatchStep::Set(FieldPath::fields(&["spec", field]), value.freeze());
        let steps = spec.into_iter().map(step).collect();
        Write::patch(&self.key, LEASE.1, steps, MANAGER).guarded(Guard::exactly(lease))
    }
}

fn holder(lease: &Resource) -> Option<&str> {
    lease.tree().dig(&["spec", "holderIdentity"]).and_then(ValueRef::as_str).filter(|holder| !holder.is_empty())
}

/// A time as leases have it: exactly six digits of a second. Rule: `MicroTime` of apimachinery.
fn micros(at: Timestamp) -> String {
    let whole = at.whole_seconds();
    let millis = at.since(whole).as_millis();
    format!("{}.{millis:03}000Z", whole.to_string().trim_end_matches('Z'))
}

#[cfg(test)]
mod tests;
