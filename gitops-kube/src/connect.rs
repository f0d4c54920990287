//! How to reach a cluster, and as whom.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// How long it may take until a connection stands.
const CONNECTING: Duration = Duration::from_secs(10);

/// How to reach a cluster, and as whom. It holds no credentials, only where they are.
///
/// ```
/// use gitops_kube::Connection;
///
/// let prod = Connection::of_context("prod").as_user("gitops", ["deployers"]);
/// assert_eq!(prod.to_string(), "cluster `prod`");
/// assert_eq!(Connection::current().to_string(), "the current cluster of the kubeconfig");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    context: Option<Arc<str>>,
    kubeconfig: Option<PathBuf>,
    user: Option<Arc<str>>,
    groups: Vec<Arc<str>>,
    requests: Option<usize>,
    #[cfg(feature = "server")]
    server: Option<crate::memory_server::MemoryServer>,
}

/// A cluster that cannot be reached, since it is not known how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no kubeconfig, or it is not readable, or lacks what is asked for.
    #[error("the kubeconfig does not say how to reach {cluster}; see `kubectl config get-contexts`")]
    Kubeconfig {
        /// Which cluster.
        cluster: Arc<str>,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is neither a kubeconfig nor a service account.
    #[error("there is no kubeconfig, and this is no pod of a cluster; set `KUBECONFIG`, or run `kubectl config view`")]
    Nowhere {
        /// What is missing.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Certificates or credentials cannot be used.
    #[error("the certificates or credentials for {cluster} cannot be used")]
    Unusable {
        /// Which cluster.
        cluster: Arc<str>,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Connection {
    /// Means the current context of the kubeconfig (`KUBECONFIG`, else `~/.kube/config`); where there is none, the
    /// cluster in which this program runs as a pod.
    #[must_use]
    pub fn current() -> Self {
        Self::default()
    }

    /// Means one context of the kubeconfig.
    #[must_use]
    pub fn of_context(context: &str) -> Self {
        Self { context: Some(context.into()), ..Self::default() }
    }

    /// Means a server in this process. It shows credentials, as a client from elsewhere would.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn in_process(server: &crate::memory_server::MemoryServer) -> Self {
        Self { server: Some(server.clone()), ..Self::default() }
    }

    /// Reads this kubeconfig, and no other.
    #[must_use]
    pub fn in_kubeconfig(self, path: &Path) -> Self {
        Self { kubeconfig: Some(path.to_owned()), ..self }
    }

    /// Acts as another user, whom the credentials must be allowed to impersonate.
    #[must_use]
    pub fn as_user<'g>(self, user: &str, groups: impl IntoIterator<Item = &'g str>) -> Self {
        Self { user: Some(user.into()), groups: groups.into_iter().map(Arc::from).collect(), ..self }
    }

    /// Has at most so many reads, and as many writes, under way at once; 32 if nothing is said.
    #[must_use]
    pub fn with_requests(self, requests: usize) -> Self {
        Self { requests: Some(requests.max(1)), ..self }
    }

    /// Returns the context of the kubeconfig; `None` is the current one.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.unwrap_or(32)
    }

    /// Reads the kubeconfig, or what a pod is given, and sets up a client. Nothing is sent.
    pub(crate) async fn client(&self) -> Result<Client, ConnectError> {
        #[cfg(feature = "server")]
        if let Some(server) = &self.server {
            return Ok(server.client(self.user.as_deref(), &self.groups));
        }
        let mut config = self.config().await?;
        // Who calls knows best what may be tried again.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECTING);
        if let Some(user) = &self.user {
            config.auth_info.impersonate = Some(user.to_string());
            config.auth_info.impersonate_groups =
                (!self.groups.is_empty()).then(|| self.groups.iter().map(ToString::to_string).collect());
        }
        let unusable = |cause: kube::Error| ConnectError::Unusable { cluster: self.name(), cause: Box::new(cause) };
        Ok(ClientBuilder::try_from(config).map_err(unusable)?.build())
    }

    async fn config(&self) -> Result<Config, ConnectError> {
        let options = KubeConfigOptions { context: self.context.as_deref().map(str::to_owned), ..Default::default() };
        let read = match &self.kubeconfig {
            Some(path) => match Kubeconfig::read_from(path) {
                Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
                Err(error) => Err(error),
            },
            None => Config::from_kubeconfig(&options).await,
        };
        let is_named = self.context.is_some() || self.kubeconfig.is_some();
        match read {
            Ok(config) => Ok(config),
            Err(error) if !is_named && is_missing(&error) => Config::incluster().map_err(|cause| {
                let cause: Box<dyn std::error::Error + Send + Sync> = Box::new(cause);
                ConnectError::Nowhere { cause }
            }),
            Err(cause) => Err(ConnectError::Kubeconfig { cluster: self.name(), cause: Box::new(cause) }),
        }
    }

    fn name(&self) -> Arc<str> {
        self.to_string().into()
    }
}

/// Whether there is no kubeconfig at all. One that is there and wrong is never passed over: the program would act on
/// another cluster than its user thinks.
fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::ReadConfig(error, _) => error.kind() == std::io::ErrorKind::NotFound,
        KubeconfigError::FindPath => true,
        _ => false,
    }
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        #[cfg(feature = "server")]
        if self.server.is_some() {
            return f.write_str("the cluster in memory");
        }
        match &self.context {
            Some(context) => write!(f, "cluster `{context}`"),
            None => f.write_str("the current cluster of the kubeconfig"),
        }
    }
}
