//! What Git declares, what the cluster holds, and what is recorded of it in between.
//!
//! Three things are never mixed up: *absent* (somebody looked, completely), *unknown* (nobody looked) and *unreadable*
//! (somebody looked and failed).

mod applied;
mod desired;
mod handover;
mod hook;
mod inherit;
mod inventory;
mod live;
mod namespace;
mod owner;
mod placeholder;
mod prepare;
mod tool;
mod unnamed;

pub use applied::AppliedFields;
pub use desired::{Completeness, Declared, DesiredState};
pub use handover::{Handover, Holder};
pub use hook::HookResult;
pub use inventory::{Entry, Inventory, Leaving, Standing, Trust};
pub(crate) use live::KeptLive;
pub use live::{Live, LiveState, Namespaces, Unreadable};
pub(crate) use owner::{ANNOTATIONS, ARGO_INSTALLATION_ANNOTATION, LEDGER_MANAGER, is_ledger};
pub use owner::{InvalidName, Mark, OPERATION_ANNOTATION, Owner, TRACKING_ANNOTATION, Tracking, TrackingStyle};
pub(crate) use placeholder::placeholders;
pub use prepare::prepare;
pub(crate) use tool::MARKS_OF_TOOLS;
pub use tool::Tool;
