//! What is particular about HorizontalPodAutoscalers: the old version has a part of the status in annotations.

use crate::resource::Resource;
use crate::value::Draft;

use super::server::Context;

/// Keeps the part of the status that `autoscaling/v1` has in annotations; a new object has none.
///
/// Rule: the server converts first and then drops the status that is written, or keeps the one there is.
pub(super) fn keep_annotated_status(context: &Context<'_>, live: Option<&Resource>, draft: &mut Draft) {
    const ANNOTATED: [&str; 2] =
        ["autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics"];
    let kind = (&*context.kind.group_kind.group, &*context.endpoint.version);
    let Some(annotations) = draft.get_mut("metadata").filter(|_| kind == ("autoscaling", "v1")) else { return };
    let annotations = annotations.entry("annotations");
    for name in ANNOTATED {
        match live.and_then(|live| live.annotation(name)) {
            Some(text) => annotations.set(name, text),
            None => drop(annotations.remove(name)),
        }
    }
}
