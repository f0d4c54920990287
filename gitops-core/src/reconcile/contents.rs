//! What dies with a namespace or a CRD: rule 31 of the exact rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, Interest};
use crate::diff::{Comparison, Outcome};
use crate::model::ApiModel;
use crate::plan::{Intent, contents_of, found_in, is_container};
use crate::resource::{Resource, ResourceKey};

/// Returns the objects of a comparison that may go.
pub(super) fn going(comparison: &Comparison, intent: Intent) -> Vec<Resource> {
    let goes = |outcome: &Outcome| intent == Intent::Delete || matches!(outcome, Outcome::Extra);
    let going = comparison.entries.values().filter(|compared| goes(&compared.outcome));
    going.filter_map(|compared| compared.live.clone()).filter(|live| is_container(live.key())).collect()
}

/// Reads what lies in the namespaces, and is of the kinds of the CRDs, that may go. Of one that cannot be read whole
/// nothing is returned: the plan then says nothing of it, rather than too little.
pub(super) async fn contents(
    may_go: Vec<Resource>,
    model: &ApiModel,
    cluster: &dyn Cluster,
) -> BTreeMap<ResourceKey, BTreeSet<ResourceKey>> {
    let mut contents = BTreeMap::new();
    // Gathered first: what walks the objects cannot be held while somebody is asked.
    let of = |live: &Resource| Some((live.key().clone(), contents_of(live, model)?));
    let interests: Vec<(ResourceKey, Interest)> = may_go.iter().filter_map(of).collect();
    for (key, interest) in interests {
        let Ok(observed) = cluster.observe(&interest).await else { continue };
        contents.extend(found_in(&key, &interest, &observed.live).map(|found| (key, found)));
    }
    contents
}
