//! `controller`: looking after applications that a cluster holds as resources.

mod installing;
mod repositories;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use gitops_core::engine;
use gitops_kube::controller::{ArgoCd, Board, Controller, Endpoint, Settings};
use gitops_kube::{Connection, KubeCluster};
use tokio::runtime::Builder;
use tokio::time::sleep;

use repositories::Repositories;

use super::stop::Stop;
use super::watch::Pushes;
use crate::cli::{ControllerRun, ControllerVerb, Theirs};
use crate::{Answer, Failure};

/// How often it is looked whether somebody wants it to stop, or pushed something.
const NAP: Duration = Duration::from_millis(100);

pub(super) fn run(verb: &ControllerVerb) -> Result<Answer, Failure> {
    match verb {
        ControllerVerb::Run(args) => look_after(args),
        ControllerVerb::Manifests(args) => installing::manifests(args),
    }
}

fn look_after(args: &ControllerRun) -> Result<Answer, Failure> {
    let stop = Stop::on_signals()?;
    let repositories = Repositories::of(args)?;
    // One thread for the work, and one for the election, which cannot wait for it.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let connection = args.context.as_deref().map_or_else(Connection::current, Connection::of_context);
        let cluster = KubeCluster::connect(&connection).await?;
        let settings = settings(args);
        crate::say(&format!("replica `{}` of {connection}, namespace `{}`\n", settings.identity, settings.namespace));
        let controller = Controller::new(cluster, Arc::new(repositories), settings);
        let board = controller.board();
        let endpoint = match args.listen {
            Some(address) => Some(Endpoint::open(address, board.clone()).await.map_err(|error| {
                format!("`{address}` cannot be listened on: {error}; give another address with `--listen`")
            })?),
            None => None,
        };
        if let Some(endpoint) = &endpoint {
            crate::say(&format!("metrics are at http://{}/metrics\n", endpoint.address()));
        }
        let followed = board.clone();
        let pushes = Pushes::wanted(args.webhooks, args.webhook_secret.as_deref(), move || {
            followed.followed().into_iter().map(Into::into).collect()
        })?;
        tokio::spawn(controller.run(stopped(stop, board, pushes))).await?;
        Ok(Answer { text: String::new(), code: 0 })
    })
}

/// Passes on what is pushed, until the program shall stop.
async fn stopped(stop: Stop, board: Board, pushes: Option<Pushes>) {
    while !stop.is_wanted() {
        while let Some(address) = pushes.as_ref().and_then(Pushes::next) {
            board.pushed(&address);
        }
        sleep(NAP).await;
    }
}

fn settings(args: &ControllerRun) -> Settings {
    let mut engine = engine::Settings::default();
    engine.interval = Duration::from_secs(args.interval.into());
    // Another run of the same replica is another one to the lease.
    let run = RandomState::new().build_hasher().finish();
    let settings = Settings::new(&format!("{}_{run:016x}", args.name)).in_namespace(&args.namespace);
    let settings = settings.with_engine(engine).with_argo_cd(args.argo_cd.into());
    match &args.installation {
        Some(installation) => settings.with_installation(installation),
        None => settings,
    }
}

impl From<Theirs> for ArgoCd {
    fn from(theirs: Theirs) -> Self {
        match theirs {
            Theirs::Ignored => Self::Ignored,
            Theirs::Watched => Self::Watched,
            Theirs::Followed => Self::Followed,
        }
    }
}
