//! Carrying out a plan that was made, and approved, earlier.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diff::{self, Facts};
use crate::plan::{Action, HookRun, Intent, Plan, Request, StepId, Validity};
use crate::policy::{Prune, PruneAdopted};
use crate::resource::ResourceKey;
use crate::source::Target;

use super::overtaken::wanted_again;
use super::{App, Looked, SyncError, World, look_at, look_to_delete, look_to_orphan};

/// Why a plan that was made earlier is not carried out. Nothing was done.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Source or cluster gave no answer.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// It belongs to another application.
    #[error("the plan is of application `{of}`, and this is `{is}`; follow it as that application")]
    AnotherApp {
        /// Whose plan it is.
        of: Arc<str>,
        /// Who was to follow it.
        is: Arc<str>,
    },
    /// It names no single revision.
    #[error("the plan is for {0} revisions, and this application has one source; write the plan anew")]
    Revisions(usize),
    /// It changes who owns objects, and nothing else.
    #[error("the plan is one of taking over or letting go, which is not carried out later; take over, or let go, anew")]
    Ownership,
    /// What it was decided on has changed.
    #[error("the plan is stale, so nothing was done: {}; plan and approve anew", reasons(.0))]
    Stale(Vec<(String, Arc<str>)>),
}

/// Most reasons that an error prints.
const SHOWN: usize = 10;

fn reasons(reasons: &[(String, Arc<str>)]) -> String {
    let shown = reasons.iter().take(SHOWN).map(|(what, why)| match &**what {
        "" => why.to_string(),
        what => format!("{what}: {why}"),
    });
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let more @ 1.. = reasons.len().saturating_sub(SHOWN) {
        text += &format!("; and {more} more");
    }
    text
}

/// Looks at what a plan that was made earlier is about, and takes what is still to be done of it as the plan.
///
/// The revision of the plan is read, whatever the application follows by now, unless that was synced since, or declares
/// what the plan deletes: then the plan comes too late. What is needed of the policy to delete
/// is taken from the plan, since nothing but what it says is done. Proof of ownership is asked for as ever.
///
/// # Errors
/// When the plan is another application's or stale, with the reason of every step that does not hold; and as
/// [`super::sync`].
pub async fn follow(app: &App, plan: &Plan, world: World<'_>) -> Result<(Looked, Validity), FollowError> {
    if plan.owner != app.owner {
        let name = |owner: &crate::state::Owner| match &*owner.installation {
            "" => Arc::clone(&owner.app),
            installation => format!("{installation}/{}", owner.app).into(),
        };
        return Err(FollowError::AnotherApp { of: name(&plan.owner), is: name(&app.owner) });
    }
    let mut late = match plan.scope.intent {
        Intent::Sync => wanted_again(app, plan, world).await?,
        _ => Vec::new(),
    };
    let mut app = app.clone();
    app.request = Request::following(plan);
    match (&*plan.revisions, plan.scope.intent) {
        ([revision], _) => app.target = Target::new(revision.as_str()),
        // A deletion without hooks does not ask the source.
        ([], Intent::Delete | Intent::Orphan) => app.request.hooks = HookRun::Never,
        (revisions, _) => return Err(FollowError::Revisions(revisions.len())),
    }
    app.policy.validate = plan.validation();
    let deletes = plan.losses().next().is_some();
    // The deletion of an application takes all that is its own by the policy as it is, or is stale.
    if deletes && plan.scope.intent == Intent::Sync {
        app.policy.prune = Prune::Owned;
        app.policy.prune_adopted = PruneAdopted::Yes;
        app.policy.prune_budget_percent = 100;
    }
    let mut looked = match plan.scope.intent {
        Intent::Delete => look_to_delete(&app, world).await?,
        Intent::Orphan => look_to_orphan(&app, world).await?,
        Intent::Sync => look_at(&app, world).await?,
        Intent::Adopt | Intent::Release => return Err(FollowError::Ownership),
    };
    if plan.scope.intent == Intent::Sync {
        late.extend(looked.overtaken(plan, world).await);
        if !late.is_empty() {
            return Err(FollowError::Stale(late));
        }
    }
    let validity = plan.revalidate(&looked.plan, &looked.comparison);
    looked.approved = Some(plan.digest());
    let problems = looked.plan.problems.clone();
    looked.plan = Arc::new(match &validity {
        Validity::StillValid => Plan { problems, ..plan.clone() },
        Validity::Narrowed { plan, .. } => Plan { problems, ..Plan::clone(plan) },
        Validity::Stale(reasons) => {
            let name = |step: &Option<StepId>| {
                step.and_then(|id| plan.step(id)).map(|step| step.key.to_string()).unwrap_or_default()
            };
            let named = reasons.iter().map(|(step, reason)| (name(step), Arc::clone(reason)));
            return Err(FollowError::Stale(named.collect()));
        }
    });
    Ok((looked, validity))
}

impl Looked {
    /// Returns what the objects say that an approved plan changes; nothing where no plan is followed.
    pub(super) fn seen_to_follow(&self) -> BTreeMap<ResourceKey, Facts> {
        let steps = self.plan.steps.iter().filter(|_| self.approved.is_some());
        let changed = steps.filter(|step| {
            matches!(step.action, Action::Apply { .. } | Action::Replace { .. } | Action::Recreate { .. })
        });
        let seen = changed.filter_map(|step| {
            let live = self.comparison.get(&step.key)?.live.as_ref()?;
            Some((step.key.clone(), diff::said(live)))
        });
        seen.collect()
    }
}
