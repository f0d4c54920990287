//! What an object that stays keeps: the namespace or CRD that holds it, what it names as a dependency, and what the API
//! server calls for it.
//!
//! An object waits for what it needs, and outlives what needs it; so what it needs does not go while it stays. What is
//! only found in its content, such as the configuration of a pod, gives way here as well: Git says that it goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::Comparison;
use crate::policy::SyncPolicy;
use crate::problem::{Code, Problem};
use crate::resource::{GroupKind, Resource, ResourceKey};
use crate::state::DesiredState;

use super::contents::is_container;
use super::depend::defines;
use super::prune::Removal;
use super::{Intent, Request, SkipReason, Skipped, backends};

/// What a plan is made from.
type Of<'a> = (&'a Comparison, &'a DesiredState, &'a SyncPolicy, &'a Request);

/// Takes out the deletions of what objects that stay need.
pub(super) fn keep(
    removals: &mut Vec<Removal<'_>>,
    skipped: &mut Vec<Skipped>,
    of: Of<'_>,
    intent: Intent,
    problems: &mut Vec<Problem>,
) {
    loop {
        keep_needed(removals, skipped, of, intent, problems);
        let before = removals.len();
        keep_containers(removals, skipped, of, intent, problems);
        // A container that is kept keeps what it needs itself.
        if removals.len() == before {
            return;
        }
    }
}

/// What objects that stay need, and who needs it first.
#[derive(Default)]
struct Needed {
    named: BTreeMap<ResourceKey, ResourceKey>,
    /// Services that the API server calls, by namespace and name.
    called: BTreeMap<(String, String), ResourceKey>,
}

impl Needed {
    /// Adds what one object needs: what it names, and the services it has called.
    fn add(&mut self, object: &Resource, named: &[ResourceKey]) {
        for on in named {
            self.named.entry(on.clone()).or_insert_with(|| object.key().clone());
        }
        for (namespace, name) in backends::called_by(object) {
            let service = (namespace.to_owned(), name.to_owned());
            self.called.entry(service).or_insert_with(|| object.key().clone());
        }
    }

    /// Who needs an object: by its name, as a service, or as the last workload behind one.
    fn holder<'n>(
        &'n self,
        key: &ResourceKey,
        workloads: &BTreeMap<ResourceKey, &'n ResourceKey>,
    ) -> Option<&'n ResourceKey> {
        let as_service = || {
            let service = (key.namespace.as_deref()?.to_owned(), key.name.to_string());
            self.called.get(&service).filter(|_| key.is("", "Service"))
        };
        self.named.get(key).or_else(as_service).or_else(|| workloads.get(key).copied())
    }

    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.called.is_empty()
    }
}

fn keep_needed(
    removals: &mut Vec<Removal<'_>>,
    skipped: &mut Vec<Skipped>,
    (comparison, desired, policy, _): Of<'_>,
    intent: Intent,
    problems: &mut Vec<Problem>,
) {
    if removals.iter().all(Removal::is_under_way) {
        return;
    }
    let left = skipped.iter().filter(|skipped| needs_its_own(skipped.reason));
    let left: Vec<&Resource> = left
        .filter_map(|skipped| comparison.get(&skipped.key)?.live.as_ref())
        .filter(|live| !live.is_terminating())
        .collect();
    let declared = desired.declared.values().filter(|declared| declared.options.is_resource());
    // What is declared and names what is not has no step, and nothing goes: see `depend::report`.
    let declared: Vec<&Resource> = declared.map(|declared| &declared.resource).collect();
    let mut needed = Needed::default();
    declared.iter().for_each(|object| needed.add(object, &[]));
    left.iter().for_each(|object| needed.add(object, &policy.options_of(object).0.depends_on));
    let mut staying: Vec<&Resource> = left.into_iter().chain(declared).collect();
    while !needed.is_empty() {
        let workloads = behind_called(&needed, removals, &staying);
        let kept = removals
            .extract_if(.., |removal| !removal.is_under_way() && needed.holder(removal.key, &workloads).is_some());
        let kept: Vec<Removal<'_>> = kept.collect();
        if kept.is_empty() {
            return;
        }
        let holders: Vec<_> = kept.iter().map(|of| needed.holder(of.key, &workloads).cloned()).collect();
        // What is kept keeps what it needs itself.
        needed = Needed::default();
        for (removal, holder) in kept.iter().zip(holders) {
            let holder = holder.map(|holder| holder.to_string()).unwrap_or_default();
            let text = format!("{}: `{holder}`, which stays, needs it", stays(intent));
            let hint = match intent {
                Intent::Sync | Intent::Adopt | Intent::Release => "remove that first, or take the dependency out of it",
                Intent::Delete | Intent::Orphan => "delete it by hand once nothing needs it",
            };
            problems.push(Problem::note(Code::PruneGuard, text).of(removal.key).hint(hint));
            needed.add(removal.live, &removal.options.depends_on);
            staying.push(removal.live);
            skipped.push(Skipped::new(removal.key, SkipReason::Guarded));
        }
    }
}

/// What would go of the workloads behind services that are called, where none of those stays; and who calls them.
fn behind_called<'n>(
    needed: &'n Needed,
    removals: &[Removal<'_>],
    staying: &[&Resource],
) -> BTreeMap<ResourceKey, &'n ResourceKey> {
    let mut found = BTreeMap::new();
    for ((namespace, name), caller) in &needed.called {
        let key = ResourceKey::new("", "Service", &**namespace, name);
        let going = removals.iter().map(|removal| removal.live);
        let Some(service) = staying.iter().copied().chain(going.clone()).find(|object| *object.key() == key) else {
            continue;
        };
        let is_behind = |object: &&Resource| {
            object.key().namespace.as_deref() == Some(&**namespace) && backends::serves(service, object)
        };
        let behind: Vec<&Resource> = going.filter(is_behind).collect();
        if !behind.is_empty() && !staying.iter().any(is_behind) {
            found.extend(behind.into_iter().map(|object| (object.key().clone(), caller)));
        }
    }
    found
}

/// Whether an object that is left alone for this reason stays, and what it needs is ours to keep. What has an owner goes
/// with that, and carries a copy of its annotations; others look after their own.
fn needs_its_own(reason: SkipReason) -> bool {
    !matches!(
        reason,
        SkipReason::Terminating | SkipReason::NotOurs | SkipReason::OwnedByAnother | SkipReason::SameObject
    )
}

fn stays(intent: Intent) -> &'static str {
    match intent {
        Intent::Sync | Intent::Adopt | Intent::Release => "is not pruned",
        Intent::Delete | Intent::Orphan => "stays",
    }
}

/// Keeps namespaces and CRDs that hold something that stays, of this application or of another one. No consent counts
/// against that: whoever gave it cannot have known of what is wanted there.
fn keep_containers(
    removals: &mut Vec<Removal<'_>>,
    skipped: &mut Vec<Skipped>,
    (_, desired, _, request): Of<'_>,
    intent: Intent,
    problems: &mut Vec<Problem>,
) {
    if !removals.iter().any(|removal| is_container(removal.key)) {
        return;
    }
    // What is being deleted and not waited for is still there.
    let staying: Vec<&ResourceKey> =
        desired.declared.keys().chain(skipped.iter().map(|skipped| &skipped.key)).collect();
    let namespaces: BTreeSet<&str> = staying.iter().filter_map(|key| key.namespace.as_deref()).collect();
    let kinds: BTreeSet<&GroupKind> = staying.iter().map(|key| &*key.group_kind).collect();
    let mut guarded = Vec::new();
    removals.retain(|removal| {
        if removal.is_under_way() {
            return true;
        }
        let holds = if removal.key.is("", "Namespace") {
            namespaces.contains(&*removal.key.name)
        } else {
            defines(removal.live).is_some_and(|kind| kinds.contains(&kind))
        };
        let tenant = request.lived_in.get(removal.key);
        let holds = holds || tenant.is_some();
        if holds {
            let hint = match intent {
                Intent::Sync | Intent::Adopt | Intent::Release => "declare it again, or remove what is in it first",
                Intent::Delete | Intent::Orphan => "delete it by hand once nothing is in it",
            };
            let (does, kind) = (stays(intent), removal.key.kind());
            let text = match tenant {
                Some(tenant) => format!("{does}: the {kind} holds objects of application `{tenant}`"),
                None => format!("{does}: the {kind} holds objects that stay"),
            };
            problems.push(Problem::note(Code::PruneGuard, text).of(removal.key).hint(hint));
            guarded.push(Skipped::new(removal.key, SkipReason::Guarded));
        }
        !holds
    });
    skipped.append(&mut guarded);
}
