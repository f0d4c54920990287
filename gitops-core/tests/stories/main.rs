//! The stories of the project: what a user does, and what the engine answers. Names are the rules.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a story that cannot be told must fail")]

mod becoming;
mod confirming;
mod containers;
mod deleting;
mod drift;
mod explaining;
mod following;
mod health;
mod held_back;
mod hook_deletions;
mod hook_runs;
mod hooks;
mod inheriting;
mod interruptions;
mod leaving;
mod many;
mod meddling;
mod missing_kinds;
mod namespaces;
mod operations;
mod orphaning;
mod ownership;
mod parts;
mod pending;
mod placeholders;
mod pruning;
mod recreating;
mod removing;
mod rules;
mod syncing;
mod taking;
mod validating;
mod world;
