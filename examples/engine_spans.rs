//! Turns what an engine does into spans of `tracing`, so that they end up wherever the program sends its traces.
//!
//! ```text
//! $ cargo run -p gitops-examples --example engine_spans
//! ```
//!
//! It prints a line for each span: what, of which application, and what about; those of an operation are indented.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};

use gitops_core::automation::Automation;
use gitops_core::engine::{Application, Engine, Item, Observer, Ports, Settings, SpanEvent, WorkId, run};
use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::reconcile::App;
use gitops_core::state::Owner;
use gitops_core::time::Timer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps a span open for each that the engine has open.
#[derive(Default)]
struct Traces(BTreeMap<WorkId, tracing::Span>);

impl Observer for Traces {
    fn saw(&mut self, _: &Item) {}

    fn wants_spans(&self) -> bool {
        true
    }

    fn span(&mut self, event: &SpanEvent) {
        match event {
            SpanEvent::Began(span) => {
                let parent = span.parent.and_then(|parent| self.0.get(&parent)).and_then(tracing::Span::id);
                let (app, about) = (span.app.as_deref().unwrap_or(""), &*span.about);
                let opened = tracing::info_span!(parent: parent, "gitops", what = span.what, app, about);
                self.0.insert(span.id, opened);
            }
            // To drop it is to close it.
            SpanEvent::Ended { id, .. } => drop(self.0.remove(id)),
            _ => {}
        }
    }

    fn is_enough(&mut self, engine: &Engine) -> bool {
        engine.has_settled()
    }
}

/// Prints each span as it is opened. A real program has a subscriber that sends them somewhere.
#[derive(Default)]
struct Printer(AtomicU64);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?} ");
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        self.0 += &format!("{value} ");
    }
}

impl Subscriber for Printer {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.name() == "gitops"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(if span.parent().is_some() { "  ".to_owned() } else { String::new() });
        span.record(&mut line);
        println!("{}", line.0.trim_end());
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing::subscriber::set_global_default(Printer::default())?;
    let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse()?);
    let (source, cluster) = (MemorySource::default(), MemoryCluster::new(1, time.clone()));
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {colour: blue}}";
    source.commit("Ann <ann@example.org>", time.now(), "Open the shop", [("web.yaml", Some(map))]);
    let ports = Ports::new(&time).with_source("git", &source).with_cluster("here", &cluster);
    let mut engine = Engine::new(Settings::default());
    let app = App::new(Owner::new("", "shop")?, "main").with_namespace("default");
    engine.put(Application::new(app, "git", "here").with_automation(Automation::healing()), time.now());
    ready(run(&mut engine, &ports, &mut Traces::default(), pending())).ok_or("it waits")?;
    Ok(())
}
