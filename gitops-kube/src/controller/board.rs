//! What a controller shows to those who ask over HTTP, and what they tell it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A controller that is silent for longer than this is stuck.
const SILENT: Duration = Duration::from_secs(90);

/// What a controller shows to those who ask, and what they tell it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    metrics: Arc<str>,
    leads: bool,
    /// When the controller, and the campaign of the election, were heard of last.
    heard: Option<Instant>,
    /// Why it cannot do its work, if it cannot.
    trouble: Option<Arc<str>>,
    /// Whether the server answered at least once.
    is_connected: bool,
    /// Repositories of which somebody said that they changed.
    pushed: BTreeSet<Arc<str>>,
    /// Addresses of repositories that are followed, and what of them.
    followed: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Who leads, where that is another one.
    leader: Option<Arc<str>>,
}

/// A condition of the whole program: whether it is well, and a line that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it is.
    pub is_well: bool,
    /// One line for people.
    pub text: Arc<str>,
}

/// Most repositories of which it is kept that they changed: more than that are asked anyway, in time.
const PUSHED: usize = 10_000;

impl Board {
    /// Returns the page of metrics, as it was a few seconds ago.
    #[must_use]
    pub fn metrics(&self) -> String {
        let shown = self.lock();
        let leads = u8::from(shown.leads);
        format!(
            "# HELP gitops_controller_leads Whether this replica leads.\n# TYPE gitops_controller_leads gauge\n\
             gitops_controller_leads {leads}\n{}",
            if shown.leads { &*shown.metrics } else { "" }
        )
    }

    /// Returns whether the program lives: its loop goes round.
    #[must_use]
    pub fn health(&self) -> Verdict {
        let shown = self.lock();
        match shown.heard {
            Some(heard) if heard.elapsed() > SILENT => {
                Verdict::no(&format!("nothing was heard of the controller for {} s", heard.elapsed().as_secs()))
            }
            _ => Verdict::yes("ok"),
        }
    }

    /// Returns whether it could do its work, or does it: a replica that waits for its turn is ready as well.
    #[must_use]
    pub fn readiness(&self) -> Verdict {
        let shown = self.lock();
        match (&shown.trouble, shown.is_connected) {
            (Some(trouble), _) => Verdict::no(trouble),
            (None, false) => Verdict::no("the API server did not answer yet"),
            (None, true) if shown.leads => Verdict::yes("ok: leads"),
            (None, true) => {
                let leader = shown.leader.as_deref().unwrap_or("nobody");
                Verdict::yes(&format!("ok: waits; `{leader}` leads"))
            }
        }
    }

    /// Has all applications looked at that have something from the repository of this address, as after a push.
    pub fn pushed(&self, address: &str) {
        let mut shown = self.lock();
        if shown.pushed.len() < PUSHED {
            shown.pushed.insert(address.into());
        }
    }

    /// Returns the addresses of the repositories that are followed, each with the branch, tag or commit: for whoever hears
    /// of pushes. Only a replica that leads follows any.
    #[must_use]
    pub fn followed(&self) -> BTreeSet<(Arc<str>, Arc<str>)> {
        self.lock().followed.clone()
    }

    pub(super) fn follow(&self, followed: BTreeSet<(Arc<str>, Arc<str>)>) {
        self.lock().followed = followed;
    }

    pub(super) fn take_pushed(&self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.lock().pushed)
    }

    pub(super) fn show_metrics(&self, text: String) {
        self.lock().metrics = text.into();
    }

    /// The loop went round.
    pub(super) fn beat(&self) {
        self.lock().heard = Some(Instant::now());
    }

    pub(super) fn stand(&self, leads: bool, leader: Option<Arc<str>>) {
        let mut shown = self.lock();
        (shown.leads, shown.leader) = (leads, leader);
    }

    /// The server answered, or why nothing can be done.
    pub(super) fn answered(&self, trouble: Option<Arc<str>>) {
        let mut shown = self.lock();
        shown.is_connected |= trouble.is_none();
        shown.trouble = trouble;
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdict {
    fn yes(text: &str) -> Self {
        Self { is_well: true, text: text.into() }
    }

    fn no(text: &str) -> Self {
        Self { is_well: false, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_waits_is_ready_and_one_that_gets_no_answer_is_not() {
        let board = Board::default();
        assert!(!board.readiness().is_well && board.health().is_well, "it has only begun");
        board.answered(None);
        board.stand(false, Some("pod-2".into()));
        assert_eq!(&*board.readiness().text, "ok: waits; `pod-2` leads");
        assert!(board.metrics().contains("gitops_controller_leads 0\n"));
        board.stand(true, None);
        board.show_metrics("a 1\n".to_owned());
        assert!(board.metrics().ends_with("gitops_controller_leads 1\na 1\n"));
        board.answered(Some("forbidden".into()));
        assert_eq!(board.readiness(), Verdict::no("forbidden"));
        board.pushed("https://example.org/a");
        board.pushed("https://example.org/a");
        assert_eq!(board.take_pushed().len(), 1);
        assert!(board.take_pushed().is_empty());
    }
}
