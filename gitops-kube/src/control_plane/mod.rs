//! A control plane of Kubernetes for tests: etcd, the API server and the controllers, on the loopback device, with keys and
//! tokens made on the fly (feature `control-plane`).
//!
//! The programs come from `KUBEBUILDER_ASSETS`, a folder with `etcd`, `kube-apiserver` and, if the controllers are
//! wanted, `kube-controller-manager`; or from `GITOPS_CONTROL_PLANE`, a single program that `tests/apiserver/build` of
//! this crate builds; or from where that is kept. Everything it starts ends with it.

mod files;
mod programs;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::connect::{ConnectError, Connection};
use crate::talk::{Ask, Talk};

pub use programs::{NoPrograms, Programs};

/// How long a program may take until it answers. Slow machines that do much else take most of a minute.
const PATIENCE: Duration = Duration::from_secs(180);

/// A control plane that runs. It stops when it is dropped.
pub struct ControlPlane {
    programs: Programs,
    folder: TempDir,
    server: u16,
    etcd_url: String,
    etcd: Running,
    api_server: Option<Running>,
    controllers: Option<Running>,
}

/// A control plane that did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file or a process could not be made.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        cause: io::Error,
    },
    /// A program ended, or does not answer.
    #[error("{program} did not come up within {} s; it says: {log}", PATIENCE.as_secs())]
    Silent {
        /// Which.
        program: &'static str,
        /// The end of what it wrote.
        log: String,
    },
    /// Its kubeconfig cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl ControlPlane {
    /// Starts one, with controllers where there are any, and waits until it answers.
    ///
    /// # Errors
    /// When a program does not come up; what it wrote is in the text.
    pub async fn start(programs: Programs) -> Result<Self, StartError> {
        let folder = TempDir::new().map_err(|cause| failed("a temporary folder cannot be made", cause))?;
        files::prepare(folder.path()).map_err(|cause| failed("keys and tokens cannot be written", cause))?;
        let (client, peer, server) = (free_port()?, free_port()?, free_port()?);
        let etcd_url = format!("http://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let data = folder.path().join("etcd");
        let mut etcd = programs.command("etcd");
        etcd.arg(format!("--data-dir={}", data.display()));
        etcd.arg(format!("--listen-client-urls={etcd_url}")).arg(format!("--advertise-client-urls={etcd_url}"));
        etcd.arg(format!("--listen-peer-urls={peer_url}")).arg("--unsafe-no-fsync");
        let etcd = Running::start("etcd", etcd, folder.path())?;
        let mut this = Self { programs, folder, server, etcd_url, etcd, api_server: None, controllers: None };
        this.start_api_server().await?;
        this.start_controllers()?;
        Ok(this)
    }

    /// Returns how to reach it as a member of `system:masters`, who may do everything.
    #[must_use]
    pub fn admin(&self) -> Connection {
        Connection::current().in_kubeconfig(&self.kubeconfig())
    }

    /// Returns how to reach it as somebody else, who may do what roles say.
    #[must_use]
    pub fn user(&self, name: &str) -> Connection {
        self.admin().as_user(name, ["system:authenticated"])
    }

    /// Returns the kubeconfig of [`ControlPlane::admin`], for other programs.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join(files::KUBECONFIG)
    }

    /// Returns whether there are controllers: without, no namespace goes away and no Deployment makes Pods.
    #[must_use]
    pub fn has_controllers(&self) -> bool {
        self.controllers.is_some()
    }

    /// Kills the API server, as if its machine went away. What is stored stays.
    pub fn kill_api_server(&mut self) {
        self.api_server = None;
    }

    /// Starts the API server, again or for the first time, and waits until it answers.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_api_server(&mut self) -> Result<(), StartError> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut command = self.programs.command("kube-apiserver");
        for (flag, value) in [
            ("etcd-servers", self.etcd_url.clone()),
            ("secure-port", self.server.to_string()),
            ("bind-address", Ipv4Addr::LOCALHOST.to_string()),
            ("advertise-address", Ipv4Addr::LOCALHOST.to_string()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("cert-dir", file(files::CERTIFICATES)),
            ("token-auth-file", file(files::TOKENS)),
            ("authorization-mode", "RBAC".to_owned()),
            ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
            ("service-account-key-file", file(files::ACCOUNT_PUBLIC_KEY)),
            ("service-account-signing-key-file", file(files::ACCOUNT_KEY)),
            ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
            // Its controller would have to make an account before a Pod can be created.
            ("disable-admission-plugins", "ServiceAccount".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("profiling", "false".to_owned()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        let running = Running::start("kube-apiserver", command, self.folder.path())?;
        let certificate = self.folder.path().join(files::CERTIFICATES).join("apiserver.crt");
        files::kubeconfig(self.folder.path(), self.server, &certificate)
            .map_err(|cause| failed("the kubeconfig cannot be written", cause))?;
        self.api_server = Some(running);
        self.wait().await
    }

    fn start_controllers(&mut self) -> Result<(), StartError> {
        if !self.programs.have_controllers() {
            return Ok(());
        }
        let mut command = self.programs.command("kube-controller-manager");
        for (flag, value) in [
            ("kubeconfig", self.kubeconfig().display().to_string()),
            ("service-account-private-key-file", self.folder.path().join(files::ACCOUNT_KEY).display().to_string()),
            ("leader-elect", "false".to_owned()),
            ("secure-port", "0".to_owned()),
            ("profiling", "false".to_owned()),
            ("kube-api-qps", "200".to_owned()),
            ("kube-api-burst", "400".to_owned()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        self.controllers = Some(Running::start("kube-controller-manager", command, self.folder.path())?);
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), StartError> {
        let until = Instant::now() + PATIENCE;
        let certificate = self.folder.path().join(files::CERTIFICATES).join("apiserver.crt");
        while Instant::now() < until && self.is_alive() {
            // The certificate is made by the server, and read by the client when it is set up.
            if certificate.exists()
                && let Ok(talk) = Talk::open(&self.admin()).await
                && let Ok(answer) = talk.write(&Ask::get("/readyz")).await
                && answer.code == 200
            {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        let silent = [Some(&self.etcd), self.api_server.as_ref()].into_iter().flatten().next_back();
        let (program, log) = silent.map_or(("kube-apiserver", String::new()), |program| (program.name, program.log()));
        Err(StartError::Silent { program, log })
    }

    fn is_alive(&mut self) -> bool {
        self.etcd.is_alive() && self.api_server.as_mut().is_some_and(Running::is_alive)
    }
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPlane(https://127.0.0.1:{}, {:?})", self.server, self.programs)
    }
}

/// A process that ends with its handle.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(name: &'static str, mut command: Command, folder: &Path) -> Result<Self, StartError> {
        let log = folder.join(format!("{name}.log"));
        let starting = |cause| failed(&format!("{name} cannot be started"), cause);
        let file = std::fs::File::options().create(true).append(true).open(&log).map_err(starting)?;
        let errors = file.try_clone().map_err(starting)?;
        // The pipe closes with us, however we end; the program of this crate then ends as well.
        command.stdin(Stdio::piped()).stdout(file).stderr(errors);
        let child = command.spawn().map_err(starting)?;
        Ok(Self { name, child, log })
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it wrote.
    fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn failed(what: &str, cause: io::Error) -> StartError {
    StartError::Io { what: what.to_owned(), cause }
}

/// A port that nobody listens on. Somebody may take it before it is used, in which case the program says so.
fn free_port() -> Result<u16, StartError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|cause| failed("there is no free port", cause))
}
