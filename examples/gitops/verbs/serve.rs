//! `cluster serve`: the embedded cluster as an API server, for as long as the program runs.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use gitops_core::memory::MemoryCluster;
use gitops_core::time::Timer;
use gitops_kube::memory_server::MemoryServer;
use tempfile::Builder;

use super::stop::Stop;
use crate::Failure;
use crate::cli::ClusterServe;
use crate::clock::WallClock;
use crate::state_file::StateFile;
use crate::world::state_file;

/// How often what changed is stored.
const SAVES: Duration = Duration::from_millis(500);

pub(super) fn serve(args: &ClusterServe) -> Result<String, Failure> {
    let stop = Stop::on_signals()?;
    // Nobody else writes as long as this runs.
    let mut file = state_file(&args.cluster)?;
    file.lock()?;
    let state = file.load()?;
    let clock = WallClock::default();
    clock.advance_to(state.time);
    let cluster = MemoryCluster::over(state.server, clock.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let server = MemoryServer::new(cluster.clone())?;
        let listening = server.listen(args.listen).await.map_err(|error| {
            format!("`{}` cannot be listened on: {error}; give another address with `--listen`", args.listen)
        })?;
        let kubeconfig = args.kubeconfig.clone().unwrap_or_else(|| file.beside("kubeconfig"));
        let written = listening.kubeconfig();
        let replaces = args.kubeconfig.is_none() && is_of_an_earlier_run(&kubeconfig);
        write_secret(&kubeconfig, &written, replaces).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AlreadyExists => "; name a file that is not there yet, since it goes when this ends",
                _ => "",
            };
            format!("`{}` cannot be written: {error}{hint}", kubeconfig.display())
        })?;
        crate::say(&format!("serving on {listening}\n  KUBECONFIG={} kubectl get all -A\n", kubeconfig.display()));
        let served = until_stopped(&stop, &cluster, &file, &clock).await;
        // It lets in nowhere any more. Another file that came in its place stays.
        if fs::read(&kubeconfig).is_ok_and(|found| found == written.as_bytes()) {
            fs::remove_file(&kubeconfig).unwrap_or_default();
        }
        served
    });
    // What came while the last watch was told to end is stored too.
    drop(runtime);
    save(&cluster, &file, &clock, None)?;
    served.map(|()| String::new())
}

async fn until_stopped(
    stop: &Stop,
    cluster: &MemoryCluster,
    file: &StateFile,
    clock: &WallClock,
) -> Result<(), Failure> {
    let mut saved = cluster.with_server(|server| server.version());
    while !stop.is_wanted() {
        tokio::time::sleep(SAVES).await;
        saved = save(cluster, file, clock, Some(saved))?;
    }
    Ok(())
}

/// Stores what there is, unless it is of this version; returns the version.
fn save(cluster: &MemoryCluster, file: &StateFile, clock: &WallClock, saved: Option<u64>) -> Result<u64, Failure> {
    let (version, bytes) = cluster.with_server(|server| {
        let version = server.version();
        (version, (saved != Some(version)).then(|| server.export()))
    });
    if let Some(bytes) = bytes {
        file.save(&bytes, clock.now())?;
    }
    Ok(version)
}

/// Whether what lies there was written by a run that was killed, and so may be replaced: with an address that only such a
/// server has.
fn is_of_an_earlier_run(path: &Path) -> bool {
    let found = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let server = found.as_ref().and_then(|found| found.pointer("/clusters/0/cluster/server")?.as_str());
    let path = server.and_then(|server| server.strip_prefix("http://")?.split_once('/')).map(|(_, path)| path);
    path.is_some_and(|token| token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Writes a file that only its owner may read; never through what lies there already, and only where `replaces` in its
/// place.
fn write_secret(path: &Path, text: &str, replaces: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = Builder::new().tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    if replaces {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    Ok(())
}
