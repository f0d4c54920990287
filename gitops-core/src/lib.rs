//! The side-effect-free core of a GitOps reconciliation engine.
//!
//! Git says what should run, the cluster says what runs; this crate compares, plans, and says step by step what to do.
//! Everything between its two ports is a pure function or a polling step machine: time is an argument, effects are
//! values. It does no I/O, reads no clock, draws no random numbers, spawns nothing and names no runtime.
//!
//! ```text
//!  Git ──Source──► files by content id ──manifest──► DesiredState ─┐
//!                                           ApiModel ──────────────┼─ diff ─► Comparison ─ plan ─► Plan ─ sync ⇄ Cluster
//!  Kubernetes ──Cluster──► LiveState (objects + coverage) ─────────┘            │
//!                                                                               └─ Synced / OutOfSync / Unknown, health
//! ```
//!
//! # A sync, whole
//!
//! ```
//! use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
//! use gitops_core::reconcile::{App, SyncStatus, World, sync};
//! use gitops_core::state::Owner;
//!
//! let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
//! let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
//! let noon = "2026-03-01T12:00:00Z".parse()?;
//! let source = MemorySource::default();
//! let files = [("namespace.yaml", Some(namespace)), ("web.yaml", Some(service))];
//! source.commit("Ann <ann@example.org>", noon, "Open the web shop", files);
//! let time = VirtualTime::starting(noon);
//! let cluster = MemoryCluster::new(1, time.clone());
//!
//! let app = App::new(Owner::new("", "shop")?, "main").with_namespace("shop");
//! // Nothing in memory waits, so no runtime is needed; elsewhere it is `sync(..).await?`.
//! let report = ready(sync(&app, World::new(&source, &cluster, &time))).ok_or("it waits")??;
//! assert_eq!((report.sync, report.totals.synced), (SyncStatus::Synced, 2), "{:?}", report.problems);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The modules, in reading order
//!
//! Each uses only those above it.
//!
//! | module | is about |
//! |---|---|
//! | [`value`] | one immutable, shared tree for manifests, live objects, merge and diff; digests |
//! | [`path`] | where in an object: one path type for everything |
//! | [`time`] | instants, and the one clock a driver may have |
//! | [`resource`] | one Kubernetes object, its identity, and where it was declared |
//! | [`problem`] | what is wrong with one thing, as data |
//! | [`manifest`] | bytes of a file → objects and problems, as kubectl reads them |
//! | [`model`] | what the API means: kinds and schemas |
//! | [`ssa`] | server-side apply: sets of fields, merge, ownership, conflicts |
//! | [`source`] | the port to desired state: revisions and files |
//! | [`policy`] | how to sync an application, and the options of one object |
//! | [`state`] | desired state, live state with its coverage, inventory, ownership |
//! | [`app`] | applications and projects as they are written down |
//! | [`cluster`] | the port to live state: observations, and writes as data |
//! | [`diff`] | desired × live → what differs, and who owns it |
//! | [`health`] | whether a live object works |
//! | [`plan`] | what a sync will do, in which order, and what it leaves alone |
//! | [`sync`] | the step machine that carries out a plan, and what it records |
//! | [`automation`] | what an application does by itself: auto-sync, self-heal, retries, fights |
//! | [`reconcile`] | the thin drivers: sync, preview, report |
//! | [`engine`] | many applications at once: what to do next, and what came of it |
//! | [`memory`] | a Kubernetes API server, a source and a clock in memory |
//! | [`what_if`] | what a sync would come to, on a copy of the cluster |
//! | `arbitrary` (feature) | strategies of proptest for objects of any kind |
//! | `contract` (feature) | the suites that every `Source` and `Cluster` must pass |

pub mod value;

#[cfg(feature = "cel")]
mod expression;

pub mod path;

pub mod time;

pub mod resource;

pub mod problem;

pub mod manifest;

pub mod model;

pub mod ssa;

pub mod source;

pub mod policy;

pub mod state;

pub mod app;

pub mod cluster;

pub mod diff;

pub mod health;

pub mod plan;

pub mod sync;

pub mod automation;

pub mod reconcile;

pub mod engine;

pub mod memory;

pub mod what_if;

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
#[cfg(any(test, feature = "contract"))]
pub mod contract;

#[cfg(test)]
mod faults;
