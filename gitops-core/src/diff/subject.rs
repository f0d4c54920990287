//! What is judged of a declared and a live object, once the rules have been heard.

use crate::resource::Resource;
use crate::ssa::FieldSet;

use super::adapt::{Adapted, Scaled, adapt};
use super::repair::mended;
use super::{Context, Repair};

/// What of one declared and live object is judged.
pub(super) struct Subject {
    /// What Git wants of it.
    pub(super) wanted: Resource,
    /// What the cluster is asked about: an apply that changes nothing of what is left alone.
    pub(super) asked: Resource,
    /// The live object, once we have given up what is left alone.
    pub(super) live: Resource,
    /// What is left alone, with all below it.
    pub(super) kept: FieldSet,
    pub(super) adapted: Option<Adapted>,
    /// The live object once it is repaired, with all that is left alone.
    pub(super) mended: Resource,
    /// What must be repaired before anybody can apply it as it is judged.
    pub(super) repairs: Vec<Repair>,
}

impl Subject {
    pub(super) fn of(
        desired: &Resource,
        live: &Resource,
        context: &Context<'_>,
        manager: &str,
        scaled: Scaled,
    ) -> Self {
        let mended = mended(live, desired, context, manager);
        let (live, repairs) = mended.as_ref().map_or((live, Vec::new()), |(live, repairs)| (live, repairs.clone()));
        let Some(adapted) = adapt(desired, Some(live), context, scaled) else {
            return Self { repairs, ..Self::whole(desired, live) };
        };
        // A dry run cannot be told of a release that is still to come: without the fields it would remove them.
        let asked = if adapted.release.is_empty() { &adapted.sent } else { &adapted.replacement };
        Self {
            wanted: adapted.compared.clone(),
            asked: asked.clone(),
            live: adapted.live.clone().unwrap_or_else(|| live.clone()),
            kept: adapted.ignored.iter().flat_map(|ignored| &ignored.fields).collect(),
            adapted: Some(adapted),
            mended: live.clone(),
            repairs,
        }
    }

    /// Nothing is left alone.
    pub(super) fn whole(desired: &Resource, live: &Resource) -> Self {
        let (wanted, asked, live, mended) = (desired.clone(), desired.clone(), live.clone(), live.clone());
        Self { wanted, asked, live, kept: FieldSet::new(), adapted: None, mended, repairs: Vec::new() }
    }
}
