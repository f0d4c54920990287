//! Applications as they are written down, and what their project lets them do.
//!
//! A document is ours (`gitops.rs/v1alpha1`, `Application` and `Project`) or Argo CD's (`argoproj.io/v1alpha1`,
//! `Application` and `AppProject`) as it is. Both have the fields of Argo CD that mean something here; ours has a few
//! more. What an Argo CD document says that means nothing here is a note, what would change the objects (Helm,
//! kustomize, plugins) blocks the application, and a field that nobody knows is a problem with its line: a word that is
//! misspelt must not silently do nothing. One document that cannot be used stops only itself.
//!
//! ```
//! use gitops_core::app::Catalog;
//!
//! let file = b"
//! apiVersion: argoproj.io/v1alpha1
//! kind: Application
//! metadata: {name: shop}
//! spec:
//!   project: default
//!   source: {repoURL: 'https://example.org/shop.git', path: deploy, targetRevision: main}
//!   destination: {server: 'https://kubernetes.default.svc', namespace: shop}
//!   syncPolicy: {automated: {prune: true, selfHeel: true}}
//! ";
//! let catalog = Catalog::of([("apps.yaml", &file[..])]);
//! assert_eq!(
//!     catalog.problems[0].to_string(),
//!     "apps.yaml:9:41: argoproj.io/Application shop: `spec.syncPolicy.automated.selfHeel`: there is no such field; \
//!      did you mean `selfHeal`?",
//! );
//! ```

mod catalog;
mod differences;
mod fields;
mod project;
mod read;
mod restrict;
#[cfg(feature = "schema")]
mod schema;
mod settings;
mod signed;
mod spec;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use crate::resource::Origin;

pub use catalog::Catalog;
pub use differences::IgnoreDifferences;
pub use project::{InvalidPattern, Kinds, NamedKinds, Pattern, Place, Project, Repository};
pub use read::{Declared, Documents, read};
pub use restrict::Answer;
pub use settings::{Automated, Backoff, Retry, RetryLimit, SyncSettings};
pub use signed::{Signed, SignedWhat, Signers, Submodules};
pub use spec::{AppSource, AppSpec, Destination, Directory, Info};

/// One application as it is written down.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Application {
    /// Its name, which no other application has.
    pub name: Arc<str>,
    /// What it is.
    pub spec: AppSpec,
    /// Where it is written.
    pub origin: Origin,
}
