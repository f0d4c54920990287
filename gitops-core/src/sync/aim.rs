//! What an effect is for: the columns of the table of errors.
//!
//! Complete by construction: an effect that a machine may ask for and that has no aim here does not compile, and a
//! aim that no world of the fault enumeration meets fails it.

use std::collections::BTreeMap;

use crate::cluster::{Guard, Verb};
use crate::diff::Repair;
use crate::plan::{Action, Step};
use crate::resource::ResourceKey;

use super::Effect;
use super::machine::{Flight, Machine};
use super::step::{At, Look, Next, Run};

macro_rules! aims {
    ($($name:ident in $column:literal,)*) => {
        /// What an effect is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Aim {
            $($name,)*
        }

        impl Aim {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The column of the documented table.
            pub(crate) fn column(self) -> &'static str {
                match self {
                    $(Self::$name => $column,)*
                }
            }
        }
    };
}

aims! {
    Create in "create",
    CreateAnew in "create anew",
    Apply in "apply",
    Forced in "forced",
    OwnBeforeApply in "own",
    Rewrite in "own",
    Rename in "own",
    HandOver in "own",
    Adopt in "own",
    Fold in "own",
    Release in "own",
    TakeOver in "own",
    OwnAfterApply in "own after apply",
    LetGo in "let go",
    Replace in "replace",
    Delete in "delete",
    DeleteToCreate in "delete to create",
    Hook in "hook",
    HookDelete in "hook delete",
    CleanUp in "clean up",
    Try in "try",
    Record in "record",
    Forget in "forget",
    RecordNamespace in "namespace of record",
    LookAtRecord in "look at record",
    LookCreated in "look",
    LookBeforeOwn in "look",
    LookBeforeApply in "look",
    LookBeforeTrial in "look",
    LookConflicts in "look",
    LookBeforeRecreate in "look",
    LookBeforeReplace in "look",
    LookBeforeDelete in "look",
    LookBeforeHook in "look",
    AwaitHealth in "await",
    AwaitGone in "await",
    LookToCleanUp in "look to clean up",
    List in "list",
    ListToCleanUp in "list to clean up",
}

impl Aim {
    pub(crate) fn is_look(self) -> bool {
        matches!(self.column(), "look" | "await" | "look at record" | "look to clean up")
    }

    fn of_write(next: &Next, run: &Run, step: &Step) -> Self {
        match next {
            Next::Create if run.recreates => Self::CreateAnew,
            Next::Create => Self::Create,
            Next::Own(_) => Self::of_own(&step.action),
            Next::Apply(_, Guard::Present { version: Some(_), .. }) => Self::Forced,
            Next::Apply(..) => Self::Apply,
            Next::Replace(_) => Self::Replace,
            Next::TakeOver(_) => Self::OwnAfterApply,
            Next::Delete(_) if run.recreates => Self::DeleteToCreate,
            Next::Delete(_) => Self::Delete,
            Next::HookCreate => Self::Hook,
            Next::HookDelete(..) => Self::HookDelete,
            Next::Try(_) => Self::Try,
            Next::Survey(_) => Self::List,
            Next::Look(look) => Self::of_look(look),
        }
    }

    fn of_own(action: &Action) -> Self {
        let repairs = match action {
            Action::Own { repairs } => repairs.first(),
            Action::Orphan => return Self::LetGo,
            Action::Create { .. }
            | Action::Apply { .. }
            | Action::Replace { .. }
            | Action::Recreate { .. }
            | Action::Delete { .. }
            | Action::Await
            | Action::Hook { .. } => None,
        };
        match repairs {
            None => Self::OwnBeforeApply,
            Some(Repair::Rewrite { .. }) => Self::Rewrite,
            Some(Repair::Rename { .. }) => Self::Rename,
            Some(Repair::HandOver { .. }) => Self::HandOver,
            Some(Repair::Adopt { .. }) => Self::Adopt,
            Some(Repair::Fold) => Self::Fold,
            Some(Repair::Release { .. }) => Self::Release,
            Some(Repair::TakeOver { .. }) => Self::TakeOver,
            Some(Repair::Orphan) => Self::LetGo,
        }
    }

    fn of_look(look: &Look) -> Self {
        match look {
            Look::Created => Self::LookCreated,
            Look::BeforeOwn => Self::LookBeforeOwn,
            Look::BeforeApply => Self::LookBeforeApply,
            Look::BeforeTrial => Self::LookBeforeTrial,
            Look::Conflicts(_) => Self::LookConflicts,
            Look::BeforeRecreate => Self::LookBeforeRecreate,
            Look::BeforeReplace => Self::LookBeforeReplace,
            Look::BeforeDelete => Self::LookBeforeDelete,
            Look::BeforeHook => Self::LookBeforeHook,
            Look::Health => Self::AwaitHealth,
            Look::Gone(_) => Self::AwaitGone,
        }
    }
}

impl Machine {
    /// What an effect that was handed out is for, by the objects it is about.
    pub(crate) fn aims(&self, effect: &Effect) -> BTreeMap<ResourceKey, Aim> {
        let (id, deletes) = match effect {
            Effect::Record { id, write } => (id, matches!(write.verb, Verb::Delete { .. })),
            Effect::Write { id, .. } | Effect::Observe { id, .. } | Effect::List { id, .. } => (id, false),
        };
        let of_step = |id: u32, aim: &dyn Fn(&Run, &Step) -> Aim| {
            let (run, step) = (self.run(id).unwrap(), self.step(id).unwrap());
            (run.key.clone(), aim(run, &step))
        };
        let ledger = || self.setup.ledger_key.clone();
        let one = |key, aim| BTreeMap::from([(key, aim)]);
        match self.flying.get(*id).unwrap() {
            Flight::Record(..) => one(ledger(), if deletes { Aim::Forget } else { Aim::Record }),
            Flight::Namespace => one(ledger(), Aim::RecordNamespace),
            Flight::Ledger(..) => one(ledger(), Aim::LookAtRecord),
            Flight::Step(step, next) => [of_step(*step, &|run, step| Aim::of_write(next, run, step))].into(),
            Flight::Survey(step, _) => [of_step(*step, &|_, _| Aim::List)].into(),
            Flight::Looks(steps) => {
                let seen = |run: &Run, step: &Step| match &run.at {
                    At::Flying(next) => Aim::of_write(next, run, step),
                    _ => panic!("it looks, and waits for no answer"),
                };
                steps.iter().map(|step| of_step(*step, &seen)).collect()
            }
            Flight::CleanupLook(hooks) => hooks.iter().map(|hook| (hook.object.clone(), Aim::LookToCleanUp)).collect(),
            Flight::CleanupSurvey(hook, ..) => one(hook.object.clone(), Aim::ListToCleanUp),
            Flight::Cleanup(hook) => one(hook.object.clone(), Aim::CleanUp),
        }
    }

    /// Whether an object is known as one that a hook left.
    pub(crate) fn knows_hook(&self, key: &ResourceKey) -> bool {
        self.setup.ledger.hooks.iter().any(|hook| hook.object == *key)
    }
}
