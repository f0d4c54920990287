//! What makes an engine a controller that is installed on a cluster (feature `controller`).

mod definitions;
mod fence;
mod lease;
mod structural;

pub use definitions::{GROUP, VERSION, definitions};
pub use fence::{Clocks, Fence, Fenced, MachineClocks};
pub use lease::{Election, Moment, Step, Terms};
