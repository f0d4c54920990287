//! What an engine counts, as text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::app::AppSource;

use super::tally::{CLASSES, Durations, Tally};
use super::{AppStatus, Application, Engine};

/// Writes what an engine counts in the text format of Prometheus, version 0.0.4.
///
/// Names and labels are those of Argo CD (`argocd_app_…`) and Flux (`gotk_…`) where they mean the same, so that
/// dashboards and alerts go on; what only this engine has begins with `gitops_`. The size grows with the applications,
/// not with their objects.
///
/// ```
/// # use gitops_core::engine::{Application, Engine, Settings, metrics};
/// # use gitops_core::reconcile::App;
/// # use gitops_core::state::Owner;
/// let mut engine = Engine::new(Settings::default());
/// let app = App::new(Owner::new("", "shop")?, "main").with_namespace("shop");
/// engine.put(Application::new(app, "https://example.org/shop.git", "in-cluster"), "2026-03-01T12:00:00Z".parse()?);
/// assert!(metrics(&engine).contains(
///     "argocd_app_info{namespace=\"gitops-system\",name=\"shop\",project=\"default\",repo=\"https://example.org/shop.git\",\
///      dest_server=\"in-cluster\",dest_namespace=\"shop\",sync_status=\"Unknown\",health_status=\"Unknown\",operation=\"\",\
///      autosync_enabled=\"false\"} 1\n"
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn metrics(engine: &Engine) -> String {
    let mut page = Page::default();
    let all: Vec<One<'_>> =
        engine.all().map(|(application, status, tally)| One { application, status, tally }).collect();
    of_applications(&mut page, &all);
    of_operations(&mut page, &all);
    of_reconciles(&mut page, &all);
    of_the_engine(&mut page, engine);
    page.0
}

/// One application.
struct One<'e> {
    application: &'e Application,
    status: &'e AppStatus,
    tally: &'e Tally,
}

impl One<'_> {
    /// The labels that every metric of an application has in Argo CD.
    fn labels(&self) -> Vec<(&'static str, String)> {
        let app = &self.application.app;
        vec![
            ("namespace", app.ledger_namespace.to_string()),
            ("name", app.owner.app.to_string()),
            ("project", self.application.project.to_string()),
        ]
    }

    fn labels_and<const N: usize>(&self, more: [(&'static str, String); N]) -> Vec<(&'static str, String)> {
        let mut labels = self.labels();
        labels.extend(more);
        labels
    }
}

fn of_applications(page: &mut Page, all: &[One<'_>]) {
    page.family("argocd_app_info", "gauge", "How an application is.");
    for one in all {
        let (application, status) = (one.application, one.status);
        let labels = one.labels_and([
            ("repo", AppSource::new(&application.source).shown_repository()),
            ("dest_server", application.cluster.to_string()),
            ("dest_namespace", application.app.namespace.as_deref().unwrap_or_default().to_owned()),
            ("sync_status", status.sync.to_string()),
            ("health_status", format!("{:?}", status.health)),
            ("operation", operation(status).to_owned()),
            ("autosync_enabled", application.automation.sync.is_on().to_string()),
        ]);
        page.sample("argocd_app_info", &labels, 1);
    }
    page.family("argocd_app_condition", "gauge", "What is out of order with an application.");
    for one in all {
        for condition in &one.status.conditions {
            let labels = one.labels_and([("condition", format!("{:?}", condition.kind))]);
            page.sample("argocd_app_condition", &labels, 1);
        }
    }
    page.family("gotk_suspend_status", "gauge", "Whether an application is suspended.");
    for one in all {
        page.sample("gotk_suspend_status", &flux(one), u64::from(one.application.automation.suspend.is_on()));
    }
}

/// Argo CD calls a deletion `delete`, and all other operations `sync`.
fn operation(status: &AppStatus) -> &'static str {
    match &status.operation {
        Some(operation) if operation.intent.ends_app() => "delete",
        Some(_) => "sync",
        None => "",
    }
}

fn of_operations(page: &mut Page, all: &[One<'_>]) {
    page.family("argocd_app_sync_total", "counter", "Operations that ended, by how.");
    for one in all {
        for (phase, count) in &one.tally.operations {
            let labels = one.labels_and([
                ("dest_server", one.application.cluster.to_string()),
                ("phase", capital(phase)),
                ("dry_run", "false".to_owned()),
            ]);
            page.sample("argocd_app_sync_total", &labels, count);
        }
    }
    let name = "argocd_app_sync_duration_seconds_total";
    page.family(name, "counter", "How long operations took altogether.");
    for one in all {
        let labels = one.labels_and([("dest_server", one.application.cluster.to_string())]);
        page.sample(name, &labels, seconds(one.tally.operation_millis));
    }
}

fn of_reconciles(page: &mut Page, all: &[One<'_>]) {
    let mut places: BTreeMap<(&str, &str), Durations> = BTreeMap::new();
    for one in all {
        let place = (&*one.application.app.ledger_namespace, &*one.application.cluster);
        places.entry(place).or_default().add(&one.tally.reconciles);
    }
    page.family("argocd_app_reconcile", "histogram", "How long it takes to look at an application, in seconds.");
    for ((namespace, cluster), durations) in &places {
        let labels = vec![("namespace", (*namespace).to_owned()), ("dest_server", (*cluster).to_owned())];
        page.histogram("argocd_app_reconcile", &labels, durations);
    }
    let name = "gotk_reconcile_duration_seconds";
    page.family(name, "histogram", "How long it takes to look at an application.");
    for one in all {
        page.histogram(name, &flux(one), &one.tally.reconciles);
    }
}

fn of_the_engine(page: &mut Page, engine: &Engine) {
    let counters = engine.counters();
    for (name, help, label, counts) in [
        ("gitops_work_total", "Pieces of work begun.", "task", &counters.work),
        ("gitops_work_failed_total", "Pieces of work that failed.", "task", &counters.failed),
        ("gitops_rests_total", "Decisions to start nothing, by why.", "why", &counters.rests),
    ] {
        page.family(name, "counter", help);
        for (what, count) in counts {
            page.sample(name, &[(label, (*what).to_owned())], count);
        }
    }
    for (name, help, count) in [
        ("gitops_comparisons_total", "Comparisons of an application.", counters.compared),
        ("gitops_watched_objects_total", "Objects that a watch told of.", counters.watched),
        ("gitops_watched_objects_noise_total", "Of these, those without a change that matters.", counters.noise),
        ("gitops_watched_objects_status_total", "Of these, those whose status changed.", counters.statuses),
        ("gitops_hot_changes_total", "Changes of objects that are changed several times a second.", counters.hot),
        ("gitops_heals_total", "Heals of single objects.", counters.heals),
    ] {
        page.family(name, "counter", help);
        page.sample(name, &[], count);
    }
    page.family("argocd_cluster_connection_status", "gauge", "Whether a cluster answers.");
    for (cluster, answers) in engine.connections() {
        page.sample("argocd_cluster_connection_status", &[("server", cluster.to_string())], u8::from(answers));
    }
    let sizes = engine.sizes();
    page.family("gitops_size", "gauge", "How much the engine keeps, by what it is.");
    for (what, size) in [
        ("applications", sizes.applications),
        ("targets", sizes.targets),
        ("clusters", sizes.clusters),
        ("objects", sizes.objects),
        ("indexed", sizes.indexed),
        ("buried", sizes.buried),
        ("due", sizes.due),
        ("waiting", sizes.waiting),
        ("underWay", sizes.under_way),
        ("news", sizes.news),
    ] {
        page.sample("gitops_size", &[("what", what.to_owned())], size);
    }
    page.family("gitops_work_in_flight", "gauge", "Pieces of work under way, watches apart.");
    page.sample("gitops_work_in_flight", &[], engine.in_flight());
}

/// The labels that every metric of an application has in Flux.
fn flux(one: &One<'_>) -> Vec<(&'static str, String)> {
    let app = &one.application.app;
    let (name, namespace) = (app.owner.app.to_string(), app.ledger_namespace.to_string());
    vec![("kind", "Application".to_owned()), ("name", name), ("namespace", namespace)]
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// Names of phases begin with a capital in Argo CD.
fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A text that grows by one line after the other.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&'static str, String)], value: impl Display) {
        self.0.push_str(name);
        if !labels.is_empty() {
            for (at, (label, value)) in labels.iter().enumerate() {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                self.line(format_args!("{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' }));
            }
            self.0.push('}');
        }
        self.line(format_args!(" {value}\n"));
    }

    fn histogram(&mut self, name: &str, labels: &[(&'static str, String)], durations: &Durations) {
        let below = |most: String| labels.iter().cloned().chain([("le", most)]).collect::<Vec<_>>();
        let bucket = format!("{name}_bucket");
        for (most, count) in CLASSES.iter().zip(durations.classes) {
            self.sample(&bucket, &below(short(*most)), count);
        }
        self.sample(&bucket, &below("+Inf".to_owned()), durations.count);
        self.sample(&format!("{name}_sum"), labels, seconds(durations.millis));
        self.sample(&format!("{name}_count"), labels, durations.count);
    }

    /// Writing to a text cannot fail.
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).unwrap_or_default();
    }
}

/// Seconds as Prometheus writes them: `0.25`, `1`.
fn short(millis: u64) -> String {
    let text = seconds(millis);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
