//! What makes an engine a controller that is installed on a cluster (feature `controller`).
//!
//! A [`Controller`] reads `Application` and `Project` resources ([`definitions`]), makes the cluster as they say, and says
//! in their status what came of it. Of several replicas one works: an [`Election`] decides which, and a [`Fence`] lets no
//! write through that is not covered by the lease, whatever else goes wrong. What stands between it and Git are
//! [`Sources`]; what it shows over HTTP ([`Endpoint`]) is on its [`Board`]. An [`Installation`] is what `kubectl apply` needs.
//!
//! An application whose resource is deleted is looked after no longer, and its objects stay, unless the resource has the
//! [`FINALIZER`]: then they are deleted first, as far as it is proven that they are its own. With the annotation
//! [`ON_DELETE`] `orphan` they are let go. What asks for a yes gets it by the annotation [`APPROVED`].

mod board;
mod campaign;
mod control;
mod declared;
mod definitions;
mod endpoint;
mod ends;
mod fence;
mod lease;
mod manifests;
mod members;
mod reign;
mod reporter;
mod scribe;
mod status;
mod structural;
mod told;
mod watching;

pub use board::{Board, Verdict};
pub use control::{ArgoCd, Controller, Settings};
pub use declared::{APPROVED, FINALIZER, ON_DELETE};
pub use definitions::{GROUP, VERSION, definitions};
pub use endpoint::Endpoint;
pub use fence::{Clocks, Fence, Fenced, MachineClocks};
pub use lease::{Election, Moment, Step, Terms};
pub use manifests::Installation;
pub use members::Sources;

/// As whom everything is written but what applications declare.
const MANAGER: &str = "gitops-controller";
