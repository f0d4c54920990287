//! The stories of the project: what a user does, and what the engine answers. Names are the rules.

mod drift;
mod hooks;
mod interruptions;
mod pruning;
mod syncing;
mod world;
