//! Prediction of lists and maps that are one value: an apply replaces them whole.

use crate::model::TypeRef;
use crate::value::{ValueRef, View};

use super::equal::{Fill, fill, same};
use super::owned::Owned;
use super::step::Step;
use super::tree::Walk;
use super::{ChangeKind, ChangeReason, Doubt};

/// What to think of what Git does not say of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Surplus {
    /// While the value is ours nobody else has written it: it may be what the server filled in, or what Git dropped.
    Ours,
    /// Somebody did write it since our last apply: it is theirs, and goes.
    Theirs,
}

impl<'a> Walk<'a> {
    pub(super) fn atomic(&mut self, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, mine: Owned<'a>) {
        self.agree(mine);
        let taken = self.applied && !mine.is_member();
        self.within(desired, live, of, if taken { Surplus::Theirs } else { Surplus::Ours });
    }

    fn within(&mut self, desired: ValueRef<'a>, live: ValueRef<'a>, of: TypeRef<'a>, surplus: Surplus) {
        match (desired.view(), live.view()) {
            (View::Map(want), View::Map(have)) if !self.trail.is_too_deep() => {
                for (name, value) in want {
                    self.trail.path.push(Step::Field(name));
                    match have.get(name).filter(|have| !have.is_null() || value.is_null()) {
                        Some(have) => self.within(value, have, of.field(name), surplus),
                        None if of.drops(name, value) => {}
                        None => self.trail.note(ChangeKind::Added, None, Some(value), ChangeReason::Declared),
                    }
                    self.trail.path.pop();
                }
                for (name, value) in have.iter().filter(|(name, _)| want.get(name).is_none()) {
                    self.trail.path.push(Step::Field(name));
                    self.surplus(name, value, of, surplus);
                    self.trail.path.pop();
                }
            }
            (View::List(want), View::List(have)) if !self.trail.is_too_deep() => {
                let (mut want, mut have) = (want.iter(), have.iter());
                for at in 0.. {
                    self.trail.path.push(Step::Index { at });
                    match (want.next(), have.next()) {
                        (Some(want), Some(have)) => self.within(want, have, of.element(), surplus),
                        (None, Some(have)) => {
                            self.trail.note(ChangeKind::Removed, Some(have), None, ChangeReason::Surplus);
                        }
                        (Some(want), None) => {
                            self.trail.note(ChangeKind::Added, None, Some(want), ChangeReason::Declared);
                        }
                        (None, None) => break,
                    }
                    self.trail.path.pop();
                }
                self.trail.path.pop();
            }
            _ if same(desired, live, of) => {}
            _ => self.trail.note(ChangeKind::Value, Some(live), Some(desired), ChangeReason::Declared),
        }
    }

    fn surplus(&mut self, name: &'a str, live: ValueRef<'a>, parent: TypeRef<'a>, surplus: Surplus) {
        let (fills, of) = (fill(parent, name, self.trail.path.first()), parent.field(name));
        match (fills, surplus) {
            (Fill::With(default), _) if same(default, live, of) => {}
            (Fill::With(default), _) => {
                self.trail.note(ChangeKind::Value, Some(live), Some(default), ChangeReason::Reset);
            }
            // Fields that are always there, whatever was sent.
            _ if parent.encodes(name, live) => {}
            (Fill::Unknown, Surplus::Ours) => self.found.doubts.push(Doubt::Surplus(self.trail.field())),
            _ => self.trail.note(ChangeKind::Removed, Some(live), None, ChangeReason::Surplus),
        }
    }
}
