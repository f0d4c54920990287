//! Whether a plan that was made earlier comes too late: a newer revision was synced since, or wants what it deletes.

use std::sync::Arc;

use crate::plan::Plan;
use crate::resource::ResourceKey;
use crate::state::Completeness;

use super::questions::{Age, age};
use super::{App, Looked, SyncError, World, read_desired};

/// Why a plan is stale: what it is about, empty for all of it, and the reason.
type Stale = (String, Arc<str>);

impl Looked {
    /// Says whether what was synced since is newer than the revision of a plan. One that was made to go back says what it
    /// goes back from.
    pub(super) async fn overtaken(&self, plan: &Plan, world: World<'_>) -> Option<Stale> {
        let last = self.last_synced();
        if last == plan.last_synced.as_ref() || last.is_some_and(|last| plan.revisions.contains(last)) {
            return None;
        }
        let why = match age(self, world.source).await {
            Age::Older(newer) => format!("revision `{}` was synced, and is newer than its own", newer.short()),
            Age::Unread(error) => format!("whether a newer revision was synced since cannot be told: {error}"),
            Age::NotOlder | Age::Untold(_) => return None,
        };
        Some((String::new(), why.into()))
    }
}

/// Names what a plan deletes and the revision that the application follows by now declares, unless that is the one the
/// plan goes back from (rule 28 of the exact rules).
///
/// # Errors
/// When source or cluster give no answer at all.
pub(super) async fn wanted_again(app: &App, plan: &Plan, world: World<'_>) -> Result<Vec<Stale>, SyncError> {
    let lost: Vec<&ResourceKey> = plan.losses().collect();
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let now = read_desired(app, world.source, world.cluster).await?;
    let [revision] = now.revisions.as_slice() else { return Ok(Vec::new()) };
    if plan.revisions.contains(&revision.id) || plan.last_synced.as_ref() == Some(&revision.id) {
        return Ok(Vec::new());
    }
    let short = revision.id.short();
    if now.completeness == Completeness::Partial {
        let why = format!("it deletes, and what `{short}` declares, which is followed by now, cannot be read whole");
        return Ok(vec![(String::new(), why.into())]);
    }
    let is_wanted = |key: &ResourceKey| {
        // What makes room for a hook is wanted where it is declared, and is no hook.
        let declared = now.get(key).is_some_and(|declared| declared.options.is_resource());
        declared || now.unplaced_kinds().contains(&*key.group_kind)
    };
    let wanted = lost.into_iter().filter(|key| is_wanted(key));
    Ok(wanted
        .map(|key| (key.to_string(), format!("is declared by `{short}`, which is followed by now").into()))
        .collect())
}
