//! `watch`: looking after many applications for as long as the program runs.

mod declared;
mod details;
mod metrics;
mod notify;
mod once;
mod record;
mod tell;
mod webhooks;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use gitops_core::cluster::Cluster;
use gitops_core::engine::{Engine, Ports, Settings, run, run_recorded};
use gitops_core::time::Timer;

use once::Patient;
use tell::Teller;

pub(super) use declared::Declared;
pub(super) use record::replay;
pub(super) use webhooks::Pushes;

use super::stop::Stop;
use crate::cli;
use crate::clock::wait_for;
use crate::document::CLUSTER;
use crate::live::LiveCluster;
use crate::render::{self, Paint};
#[cfg(feature = "kube")]
use crate::site::Site;
use crate::world::{Access, Embedded};
use crate::{Answer, Failure};

pub(super) fn watch(args: &cli::Watch, paint: Paint) -> Result<Answer, Failure> {
    let stop = Stop::on_signals()?;
    let declared = Declared::read(args)?;
    crate::say(&render::problems(&declared.problems, Paint::Off));
    if declared.applications.is_empty() {
        let files: Vec<_> = args.files.iter().map(|file| format!("`{}`", file.display())).collect();
        return Err(format!("there is no application to look after in {}", files.join(", ")).into());
    }
    #[cfg(feature = "kube")]
    if matches!(args.world.cluster.cluster, cli::Cluster::Kube(_)) {
        let site = Site::open(&args.world.cluster, Access::Write)?;
        let wait = |watched: Watched<'_>| site.finish(watched);
        return look_after(args, &declared, site.cluster(), site.timer(), &stop, paint, wait);
    }
    if args.once {
        let world = Embedded::open(&args.world.cluster, Access::Write)?;
        let cluster = LiveCluster::alone(&world);
        let timer = Patient { time: &world.time, asked: &declared.asked };
        let answer = look_after(args, &declared, &cluster, &timer, &stop, paint, now);
        world.save()?;
        answer
    } else {
        let (cluster, clock) = LiveCluster::shared(&args.world.cluster)?;
        look_after(args, &declared, &cluster, &clock, &stop, paint, now)
    }
}

/// The run of an engine.
type Watched<'r> = Pin<Box<dyn Future<Output = ()> + Send + 'r>>;

/// Waits for what is waited for by looking often.
fn now(watched: Watched<'_>) -> Result<(), Failure> {
    wait_for(watched);
    Ok(())
}

fn look_after(
    args: &cli::Watch,
    declared: &Declared,
    cluster: &dyn Cluster,
    timer: &dyn Timer,
    stop: &Stop,
    paint: Paint,
    wait: impl FnOnce(Watched<'_>) -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    let mut settings = Settings::default();
    settings.interval = Duration::from_secs(args.interval.into());
    let mut engine = Engine::new(settings);
    let mut ports = Ports::new(timer).with_cluster(CLUSTER, cluster);
    for (url, source) in &declared.sources {
        ports = ports.with_source(url, source);
    }
    let joined = declared.joined();
    for (name, sources) in &joined {
        ports = ports.with_source(name, sources);
    }
    let begin = timer.now();
    declared.unknown.iter().for_each(|(name, why)| engine.put_unknown(name, CLUSTER, why, begin));
    declared.applications.iter().for_each(|application| engine.put(application.clone(), begin));
    let recorder = args.record.as_deref().map(record::recorder).transpose()?;
    let followed = declared.followed();
    let pushes = Pushes::wanted(args.webhooks, args.webhook_secret.as_deref(), move || followed.clone())?;
    let mut teller = Teller::new(args, timer, paint)?.hearing(pushes);
    let stopped = poll_fn(|_| if stop.is_wanted() { Poll::Ready(()) } else { Poll::Pending });
    wait(match &recorder {
        Some(recorder) => Box::pin(run_recorded(&mut engine, &ports, &mut teller, stopped, recorder)),
        None => Box::pin(run(&mut engine, &ports, &mut teller, stopped)),
    })?;
    teller.close()?;
    let code = tell::code(&engine, declared.is_whole());
    let text = tell::summary(&engine, args.world.output, paint)?;
    // Who stops a watch got what they wanted, whatever the applications are like.
    Ok(Answer { text, code: if stop.is_wanted() { 0 } else { code } })
}
