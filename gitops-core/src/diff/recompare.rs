//! The comparison of what changed: the cost of an event grows with what it tells, not with the application.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resource::ResourceKey;
use crate::state::{DesiredState, Live, LiveState};

use super::adapt::Scaled;
use super::compare::{Made, Pass, compare};
use super::entries::Row;
use super::memo::{Held, Inputs};
use super::scaled::{autoscaled, is_autoscaler, is_unread_somewhere};
use super::undeclared::{Undeclared, may_be_claimed};
use super::{Comparison, Context};

/// Compares again what changed since `previous`, and returns what [`compare`] of everything would.
///
/// `changed` names every object that was declared otherwise, seen otherwise or recorded otherwise in the inventory;
/// naming too many is no fault. Owner, rules and schemas may have changed, too: then everything is compared. What was
/// *not* named must be as it was, and so must coverage: after a new list of a kind, [`compare`].
///
/// An object costs a few microseconds, whatever the size of the application. Only an object that newly is claimed by
/// us and not declared costs a look at the uids of all that is declared.
///
/// ```
/// use gitops_core::diff::{Comparison, Context, Outcome, compare, recompare};
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::{GroupKind, Resource};
/// use gitops_core::state::{DesiredState, Inventory, LiveState, Namespaces, Owner};
/// use gitops_core::value::Value;
///
/// let object = br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}"#;
/// let web = Resource::new(Value::from_json(object)?)?;
/// let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop")?, Inventory::default());
/// let context = Context::new(&model, &owner, &inventory);
/// let desired = DesiredState::from_resources([&web], &model, None);
/// let mut live = LiveState::default();
/// live.listed(&GroupKind::new("", "ConfigMap"), &Namespaces::All);
/// let comparison = compare(&desired, &live, &context, &Comparison::default());
/// assert_eq!(comparison.get(web.key()).unwrap().outcome, Outcome::Missing);
///
/// // A watch tells of one object.
/// live.insert(web.clone());
/// let comparison = recompare(comparison, &[web.key().clone()].into(), &desired, &live, &context);
/// assert!(matches!(comparison.get(web.key()).unwrap().outcome, Outcome::OutOfSync(_)), "it is not stamped as ours");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn recompare(
    previous: Comparison,
    changed: &BTreeSet<ResourceKey>,
    desired: &DesiredState,
    live: &LiveState,
    context: &Context<'_>,
) -> Comparison {
    let before = Arc::clone(&previous.kinds);
    let pass = Pass::new(context, &before);
    if before.iter().any(|(kind, digest)| pass.digest_of(kind) != *digest) {
        return compare(desired, live, context, &previous);
    }
    let mut again = Again { pass, undeclared: Undeclared::new(desired, live), result: previous, told: false };
    let mut work = changed.clone();
    if changed.iter().any(|key| is_autoscaler(&key.group_kind)) || is_unread_somewhere(live) {
        let scaled = autoscaled(desired, live, context.model);
        work.extend(again.result.scaled.symmetric_difference(&scaled).cloned());
        again.result.scaled = Arc::new(scaled);
    }
    work.extend(again.aliases(&work));
    work.iter().for_each(|key| again.look(key));
    again.finish()
}

struct Again<'a> {
    pass: Pass<'a>,
    undeclared: Undeclared<'a>,
    result: Comparison,
    /// Whether other problems are told than before.
    told: bool,
}

impl Again<'_> {
    /// Undeclared objects with a uid that a declared one got or lost: they may be the same object in another group.
    fn aliases(&self, work: &BTreeSet<ResourceKey>) -> Vec<ResourceKey> {
        if self.result.claimed.is_empty() {
            return Vec::new();
        }
        let mut uids = BTreeSet::new();
        for key in work {
            let before = self.result.get(key).and_then(|compared| compared.live.as_ref()?.uid());
            let now = match self.undeclared.live.get(key) {
                Live::Present(object) | Live::MetadataOnly(object) => object.uid(),
                _ => None,
            };
            // Also where the object itself came to be declared, or no longer is.
            uids.extend(before.into_iter().chain(now));
        }
        let claimed = self.result.claimed.iter();
        let aliases = claimed.filter(|(_, uid)| uid.as_deref().is_some_and(|uid| uids.contains(uid)));
        aliases.map(|(key, _)| key.clone()).collect()
    }

    fn look(&mut self, key: &ResourceKey) {
        let Self { pass, undeclared, result, .. } = self;
        result.claimed.remove(key);
        let (live, desired) = (undeclared.live, undeclared.desired);
        let (read, entry) = (live.get(key), pass.context.inventory.get(key));
        let known = result.entries.row(key).map(|(_, row)| row);
        let made = match desired.get(key) {
            Some(declared) if declared.options.is_resource() => {
                let inputs = Inputs {
                    desired: Some(&declared.resource),
                    live: read,
                    held: if desired.is_held(key) { Held::Yes } else { Held::No },
                    scaled: if result.scaled.contains(key) { Scaled::Yes } else { Scaled::No },
                    entry,
                };
                Some(pass.declared(key, &declared.resource, &inputs, known))
            }
            Some(_) => None,
            None if entry.is_none() && !may_be_claimed(read) => None,
            None => undeclared.row(key, read, entry, pass, known),
        };
        let row: Option<Row> = match made {
            Some(Made::Kept) => return,
            Some(Made::New(row)) => Some(*row),
            None => None,
        };
        self.told |= self.result.entries.set(key, row);
    }

    fn finish(self) -> Comparison {
        let Self { pass, undeclared, mut result, told } = self;
        result.claimed.extend(undeclared.claimed);
        if pass.kinds.keys().any(|kind| !result.kinds.contains_key(kind)) {
            Arc::make_mut(&mut result.kinds).extend(pass.kinds);
        }
        if told {
            result.problems = result.entries.problems();
        }
        result
    }
}
