//! What people and webhooks want.

use std::sync::Arc;
use std::time::Duration;

use crate::source::{RevisionId, Target};
use crate::sync;

use super::status::ConditionKind;
use super::subject::{HoldWish, Level, Stage, rolling_back};
use super::{Engine, Wish};

impl Engine {
    pub(super) fn source_changed(&mut self, source: &Arc<str>) {
        let first = (Arc::clone(source), Target::new(""));
        let of_it = self.followed.range(first..).take_while(|((name, _), _)| name == source);
        let follows: Vec<_> = of_it.map(|(follows, _)| follows.clone()).collect();
        for follows in follows {
            self.ask_again(&follows);
        }
    }

    /// Asks what a target names now, as soon as may be.
    pub(super) fn ask_again(&mut self, follows: &(Arc<str>, Target)) {
        let Some(followed) = self.followed.get_mut(follows) else { return };
        // What is asked already may be answered by how it was.
        followed.is_stale = followed.flying.is_some();
        if let Some(due) = followed.due.filter(|_| followed.flying.is_none()) {
            self.resolves.remove(&(due, follows.clone()));
            followed.due = Some(self.now);
            self.resolves.insert((self.now, follows.clone()));
        }
    }

    pub(super) fn wished(&mut self, app: &str, wish: Wish) {
        let Some((name, subject)) = self.subjects.get_key_value(app) else { return };
        let (name, source) = (Arc::clone(name), Arc::clone(&subject.application.source));
        match wish {
            Wish::Refresh => {
                self.source_changed(&source);
                if let Some(subject) = self.subjects.get_mut(&name) {
                    subject.load_after = None;
                }
                self.stir(&name, Level::Desired, Duration::ZERO);
            }
            Wish::Sync { by, request } => {
                if let Some(subject) = self.subjects.get_mut(&name) {
                    subject.ask(by, *request, self.now);
                    subject.errors = 0;
                }
                self.stir(&name, Level::Live, Duration::ZERO);
            }
            Wish::Rollback { by, to } => self.roll_back(&name, &by, &to),
            Wish::Resume => {
                if let Some(subject) = self.subjects.get_mut(&name) {
                    subject.hold = Some(HoldWish::Lift);
                    subject.withdraw_rollback();
                }
                self.stir(&name, Level::Anew, Duration::ZERO);
            }
            Wish::Terminate => {
                let Some(subject) = self.subjects.get_mut(&name) else { return };
                if let Stage::Running(running) = &mut subject.stage {
                    running.handle(sync::Event::Terminate, self.now);
                    return self.moved(&name);
                }
                subject.withdraw();
                self.stir(&name, Level::Anew, Duration::ZERO);
            }
        }
    }

    /// A rollback that cannot be remembered is none.
    pub(super) fn refuse_rollback(&mut self, name: &Arc<str>) {
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let damage = subject.ledger.as_ref().and_then(|(_, damage)| damage.as_ref()).map(ToString::to_string);
        let Some(damage) = damage else { return };
        if let Some(to) = subject.take_rollback() {
            let text = format!("the rollback to `{}` is not done, since it could not be stored: {damage}", to.short());
            self.condition(name, ConditionKind::LedgerError, Some(text.into()));
        }
    }

    fn roll_back(&mut self, name: &Arc<str>, by: &Arc<str>, to: &RevisionId) {
        let now = self.now;
        let Some(subject) = self.subjects.get_mut(name) else { return };
        let from = subject.head.as_ref().map(|head| head.id.clone());
        let says = subject.says().map(|says| &says.id);
        subject.hold = Some(match from.as_ref() == Some(to) || says == Some(to) {
            // Back to what the source names is back to following it.
            true => HoldWish::Lift,
            false => HoldWish::Set { to: to.clone(), from, by: Arc::clone(by), at: now },
        });
        subject.ask(rolling_back(by), crate::plan::Request::default(), now);
        if let Stage::Running(running) = &mut subject.stage {
            running.handle(sync::Event::Superseded, now);
        }
        self.stir(name, Level::Live, Duration::ZERO);
        self.moved(name);
    }
}
