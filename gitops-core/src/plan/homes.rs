//! PostDelete hooks whose namespace, or the CRD of whose kind, goes before they run.

use crate::diff::{Comparison, Outcome};
use crate::policy::Phase;
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;

use super::depend::{defines, problem_at};
use super::node::Node;
use super::prune::Removal;

/// Returns which PostDelete hooks have no place to run: their namespace, or the CRD of their kind, goes before they do.
/// Such a deletion would never end.
pub(super) fn homeless(nodes: &[Node<'_>], removals: &[Removal<'_>], comparison: &Comparison) -> Vec<Problem> {
    let last = nodes.iter().filter(|node| node.work().is_some() && node.phases().any(|at| at == Phase::PostDelete));
    let homeless = last.filter_map(|node| {
        let (container, state) = missing_home(node, removals, comparison)?;
        let text = format!(
            "nothing is deleted: this PostDelete hook needs the {} `{}`, {state}",
            container.kind(),
            container.name
        );
        let hint =
            "make it a PreDelete hook, move it to a namespace that stays, or delete without hooks (`--no-hooks`)";
        Some(problem_at(Problem::blocks(Code::PruneGuard, text), node).hint(hint))
    });
    homeless.collect()
}

fn missing_home(
    node: &Node<'_>,
    removals: &[Removal<'_>],
    comparison: &Comparison,
) -> Option<(ResourceKey, &'static str)> {
    const GOES: &str = "which this deletion removes before the hook runs";
    if let Some(name) = &node.key.namespace {
        let namespace = ResourceKey::new("", "Namespace", None, name);
        if removals.iter().any(|removal| *removal.key == namespace && !removal.is_under_way()) {
            return Some((namespace, GOES));
        }
        match comparison.get(&namespace).map(|compared| &compared.outcome) {
            Some(Outcome::Terminating) => return Some((namespace, "which is being deleted")),
            Some(Outcome::Missing) => return Some((namespace, "which is not there")),
            _ => {}
        }
    }
    let crd = removals.iter().find(|removal| defines(removal.live).is_some_and(|kind| kind == *node.key.group_kind))?;
    Some((crd.key.clone(), GOES))
}
