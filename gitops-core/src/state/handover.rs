//! Objects that others hold and that this application gets. Rule 32 of the exact rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::resource::Resource;

use super::{Entry, Owner, Standing, Tool, Tracking};

/// An object that others hold while this application declares it, and that becomes its own.
///
/// It is never stored. That another application gives an object away follows from what all applications declare, or is
/// said by a person, as is that another tool does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handover {
    /// Who holds it.
    pub from: Holder,
    /// The names under which that one applied.
    pub managers: BTreeSet<Arc<str>>,
    /// How it is recorded from then on, uid included; how it came to another application does not change.
    pub entry: Entry,
}

/// Who holds an object that is handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Holder {
    /// Another application, by its tracking id.
    App(Owner),
    /// Another tool, or nobody that is known; and the tracking id that the object carries, if any.
    Tool(Option<Tool>, Option<Arc<str>>),
}

impl Handover {
    /// States that `from`, which applied under its own name and under `managers`, gives an object away.
    #[must_use]
    pub fn new(from: &Owner, managers: impl IntoIterator<Item = Arc<str>>, entry: Entry) -> Self {
        let managers = managers.into_iter().chain([from.manager()]).collect();
        Self { from: Holder::App(from.clone()), managers, entry }
    }

    /// States that a person wants an object that another tool holds, or nobody; `None` if it has no uid.
    #[must_use]
    pub fn by_adoption(live: &Resource) -> Option<Self> {
        let tool = Tool::holding(live);
        let managers = tool.map(Tool::managers).unwrap_or_default().iter().map(|name| Arc::from(*name)).collect();
        let entry = Entry::held(Standing::Adopted, live.uid()?, live.version(), 0);
        Some(Self { from: Holder::Tool(tool, id_of(live)), managers, entry })
    }

    /// Returns whether `live` is that object, and still with the one who gives it away.
    #[must_use]
    pub fn is_of(&self, live: &Resource) -> bool {
        let is_held = match &self.from {
            Holder::App(from) => {
                Tracking::of(live).is_some_and(|tracking| from.is(&tracking) && tracking.key == *live.key())
            }
            Holder::Tool(tool, id) => *tool == Tool::holding(live) && *id == id_of(live),
        };
        is_held && self.entry.uid.is_some() && live.uid() == self.entry.uid.as_deref()
    }
}

fn id_of(live: &Resource) -> Option<Arc<str>> {
    Tracking::of(live).map(|tracking| tracking.to_string().into())
}
