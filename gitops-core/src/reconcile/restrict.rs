//! What the project of an application does not permit is held back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::{Destination, Project};
use crate::model::{ApiModel, KindFacts, Scope};
use crate::problem::{Code, Problem};
use crate::resource::ResourceKey;
use crate::state::DesiredState;

/// What an application may have, and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Restriction {
    /// Name of its project.
    pub name: Arc<str>,
    /// What that permits.
    pub project: Arc<Project>,
    /// Where the application goes.
    pub destination: Destination,
}

impl Restriction {
    /// States the project of an application, and where that goes.
    #[must_use]
    pub fn new(name: &str, project: Project, destination: Destination) -> Self {
        Self { name: name.into(), project: Arc::new(project), destination }
    }

    /// Holds back what the project does not permit. Each namespace that an object is in must be permitted.
    pub(super) fn restrict(&self, desired: DesiredState, model: &ApiModel) -> DesiredState {
        let refused: Vec<Problem> = desired
            .declared
            .iter()
            .filter_map(|(key, declared)| {
                let text = format!("project `{}`: {}", self.name, self.objection(key, model)?);
                let hint = "change what the project permits, or where this is declared";
                let problem = Problem::blocks(Code::NotPermitted, text).of(key).hint(hint);
                Some(match &declared.origin {
                    Some(origin) => problem.at(origin),
                    None => problem,
                })
            })
            .collect();
        refused.into_iter().fold(desired, DesiredState::held_by)
    }

    /// Says what of these objects the project does not permit. Rule: Argo CD neither applies nor prunes such objects.
    pub(super) fn refused<'k>(
        &self,
        keys: impl Iterator<Item = &'k ResourceKey>,
        model: &ApiModel,
    ) -> BTreeMap<ResourceKey, Arc<str>> {
        let refused = keys.filter_map(|key| Some((key, self.objection(key, model)?)));
        refused.map(|(key, why)| (key.clone(), format!("project `{}`: {why}", self.name).into())).collect()
    }

    /// Whether the project permits an object.
    pub(crate) fn permits(&self, key: &ResourceKey, model: &ApiModel) -> bool {
        self.objection(key, model).is_none()
    }

    fn objection(&self, key: &ResourceKey, model: &ApiModel) -> Option<String> {
        let scope = match (model.kind(&key.group_kind), &key.namespace) {
            (KindFacts::Served(served), _) => served.scope,
            (_, Some(_)) => Scope::Namespaced,
            (_, None) => Scope::Cluster,
        };
        let kind = self.project.permits(key, scope);
        let place = key.namespace.as_ref().filter(|namespace| **namespace != self.destination.namespace);
        let place = place.map(|namespace| self.project.permits_destination(&self.destination.in_namespace(namespace)));
        [Some(kind), place].into_iter().flatten().find(|answer| !answer.permitted).map(|answer| answer.reason)
    }
}
