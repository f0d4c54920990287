//! What stands under some names, whatever Git declares of it.

use std::collections::BTreeMap;

use crate::resource::ResourceKey;
use crate::state::{DesiredState, Live, LiveState};

use super::compare::Pass;
use super::facts::facts;
use super::judge::Verdict;
use super::{Compared, Context, Outcome, Why, claim};

/// Says what is there under these names, and what ties it to us: for hooks, which a comparison leaves out.
///
/// Nothing is compared: [`Outcome::Extra`] says that something is there, whoever's it is.
#[must_use]
pub fn standing<'k>(
    keys: impl IntoIterator<Item = &'k ResourceKey>,
    desired: &DesiredState,
    live: &LiveState,
    context: &Context<'_>,
) -> BTreeMap<ResourceKey, Compared> {
    let before = BTreeMap::new();
    let pass = Pass::new(context, &before);
    let stands = |key: &ResourceKey| {
        let (object, outcome) = match live.get(key) {
            Live::Present(object) if object.is_terminating() => (Some(object), Outcome::Terminating),
            Live::Present(object) => (Some(object), Outcome::Extra),
            Live::Absent => (None, Outcome::Missing),
            Live::NotServed => (None, Outcome::Unknown(Why::UnknownKind)),
            Live::Unreadable(why) => (None, Outcome::Unknown(Why::Unreadable(why.clone()))),
            Live::MetadataOnly(_) | Live::NotLooked => (None, Outcome::Unknown(Why::NotLooked)),
        };
        let declared = desired.get(key).map(|declared| &declared.resource);
        let claim = object.map(|object| claim::of(object, declared, context, &pass.manager)).unwrap_or_default();
        Verdict::of(outcome).on(claim, object, object.map(facts), pass.masked(key))
    };
    keys.into_iter().map(|key| (key.clone(), stands(key))).collect()
}
