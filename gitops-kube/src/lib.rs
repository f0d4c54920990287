//! Live state from Kubernetes: the [`Cluster`] port over a real API server.
//!
//! **Not yet.** [`KubeCluster`] can be named and passed wherever a [`Cluster`] is wanted, and every method answers
//! [`Failure::Unsupported`], so that a program written against it compiles now and says plainly what is missing. It
//! will do, with kube-rs:
//!
//! - `model`: discovery and OpenAPI v3, kept fresh as CRDs come and go;
//! - `observe`: complete lists with their coverage, single objects by a fresh GET;
//! - `changed`: a cache fed by watches;
//! - `write`: server-side apply, create, replace, patch and delete with their guards, one request each, no retries.
//!
//! It will refuse to decide what to prune, what to wait for and what to heal; `gitops-core` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use gitops_core::cluster::{Changes, Cluster, ClusterError, Cursor, Failure, Interest, Observed, Write, Written};
use gitops_core::model::ApiModel;
use gitops_core::resource::GroupKind;

/// A Kubernetes cluster. Every method answers [`Failure::Unsupported`] so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeCluster {
    context: Option<Arc<str>>,
}

impl KubeCluster {
    /// Names the cluster of the current context of the kubeconfig.
    #[must_use]
    pub fn current() -> Self {
        Self::default()
    }

    /// Names the cluster of one context of the kubeconfig.
    #[must_use]
    pub fn of_context(context: &str) -> Self {
        Self { context: Some(context.into()) }
    }

    /// Returns the context of the kubeconfig; `None` is the current one.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    fn not_yet(&self) -> ClusterError {
        let cluster = match &self.context {
            Some(context) => format!("cluster `{context}`"),
            None => "the current cluster of the kubeconfig".to_owned(),
        };
        let message = format!("{cluster} cannot be reached by this version; use the embedded cluster (`memory`)");
        Failure::Unsupported { message: message.into() }.into()
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn model(&self, _kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        Err(self.not_yet())
    }

    async fn observe(&self, _interest: &Interest) -> Result<Observed, ClusterError> {
        Err(self.not_yet())
    }

    async fn changed(&self, _interest: &Interest, _after: &Cursor) -> Result<Changes, ClusterError> {
        Err(self.not_yet())
    }

    async fn write(&self, _write: &Write) -> Result<Written, ClusterError> {
        Err(self.not_yet())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn answer<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("it waits for something"),
        }
    }

    #[test]
    fn every_question_is_answered_by_what_to_do_instead() {
        for (cluster, named) in [
            (KubeCluster::current(), "the current cluster of the kubeconfig"),
            (KubeCluster::of_context("prod"), "cluster `prod`"),
        ] {
            let cluster: &dyn Cluster = &cluster;
            let error = answer(cluster.model(&BTreeSet::new())).unwrap_err();
            assert!(matches!(error.failure, Failure::Unsupported { .. }));
            assert_eq!(
                error.to_string(),
                format!(
                    "not supported: {named} cannot be reached by this version; use the embedded cluster (`memory`)"
                )
            );
            assert_eq!(answer(cluster.observe(&Interest::default())).unwrap_err().failure, error.failure);
        }
    }
}
