//! Applications with several sources, as one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use gitops_core::contract::{self, SourceFixture};
use gitops_core::memory::{MemoryCluster, MemorySource, VirtualTime, ready};
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{App, Report, SyncStatus, World, preview, sync};
use gitops_core::resource::ResourceKey;
use gitops_core::source::{Part, Paths, RevisionId, Several, Source, Target};
use gitops_core::state::Owner;
use gitops_core::time::Timer as _;

const ANN: &str = "Ann <ann@example.org>";

fn map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{colour: blue}}}}")
}

struct Two {
    shop: MemorySource,
    common: MemorySource,
    time: VirtualTime,
    cluster: MemoryCluster,
}

impl Two {
    fn new() -> Self {
        let time = VirtualTime::starting("2026-03-01T12:00:00Z".parse().unwrap());
        let cluster = MemoryCluster::new(1, time.clone());
        Self { shop: MemorySource::default(), common: MemorySource::default(), time, cluster }
    }

    fn commit(&self, source: &MemorySource, files: &[(&str, Option<&str>)]) -> RevisionId {
        source.commit(
            ANN,
            self.time.now(),
            "files",
            files
                .iter()
                .map(|(path, name)| (*path, name.map(map)))
                .collect::<Vec<_>>()
                .iter()
                .map(|(path, text)| (*path, text.as_deref())),
        )
    }

    fn sources(&self) -> Several<'_> {
        let paths = Paths::under(["deploy"]).unwrap();
        Several::new([
            Part::new("shop", &self.shop, "main").with_paths(paths),
            Part::new("common", &self.common, "main"),
        ])
    }

    fn app(target: &Target) -> App {
        let app = App::new(Owner::new("", "shop").unwrap(), target.as_str()).with_namespace("default");
        app.with_policy(SyncPolicy::default().with_prune(Prune::Owned))
    }

    fn preview(&self, target: &Target) -> Report {
        let (app, sources) = (Self::app(target), self.sources());
        ready(preview(&app, World::new(&sources, &self.cluster, &self.time))).unwrap().unwrap()
    }

    fn sync(&self, target: &Target) -> Report {
        let (app, sources) = (Self::app(target), self.sources());
        ready(sync(&app, World::new(&sources, &self.cluster, &self.time))).unwrap().unwrap()
    }

    fn has(&self, name: &str) -> bool {
        let key = ResourceKey::new("", "ConfigMap", "default", name);
        self.cluster.with_server(|server| server.get(&key).is_some())
    }
}

#[derive(Debug)]
struct One {
    inner: &'static MemorySource,
    one: Several<'static>,
    time: VirtualTime,
}

impl SourceFixture for One {
    fn source(&self) -> &dyn Source {
        &self.one
    }

    fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> RevisionId {
        // The folder of a part is part of the paths.
        let inner = |path: &str| path.to_owned();
        let files: Vec<_> = files.iter().map(|(path, text)| (inner(path), *text)).collect();
        self.inner.commit(ANN, self.time.now(), message, files.iter().map(|(path, text)| (path.as_str(), *text)))
    }
}

#[test]
fn what_several_sources_declare_is_one_application_and_pinned_together() {
    let two = Two::new();
    let first = two.commit(&two.shop, &[("deploy/web.yaml", Some("web")), ("other/not.yaml", Some("not"))]);
    let second = two.commit(&two.common, &[("quota.yaml", Some("quota"))]);
    let target = two.sources().target();
    let report = two.sync(&target);
    assert_eq!((report.sync, report.totals.synced), (SyncStatus::Synced, 2), "{:?}", report.problems);
    assert_eq!(report.revisions[0].id.as_str(), format!("{first}+{second}"));
    assert!(two.has("web") && two.has("quota") && !two.has("not"));
    let origins: Vec<_> = report.resources.iter().map(|one| one.origin.as_ref().unwrap().file.to_string()).collect();
    assert_eq!(origins, ["common/quota.yaml", "shop/deploy/web.yaml"]);
    // A commit to one of them is a new revision of the whole; what it dropped goes.
    let third = two.commit(&two.common, &[("quota.yaml", None), ("limits.yaml", Some("limits"))]);
    let report = two.sync(&target);
    assert_eq!(report.revisions[0].id.as_str(), format!("{first}+{third}"));
    assert!(two.has("web") && two.has("limits") && !two.has("quota"), "{:?}", report.problems);
}

#[test]
fn where_one_of_several_sources_went_back_nothing_is_pruned() {
    let two = Two::new();
    two.commit(&two.shop, &[("deploy/web.yaml", Some("web"))]);
    let old = two.commit(&two.common, &[("quota.yaml", Some("quota"))]);
    let target = two.sources().target();
    two.commit(&two.common, &[("limits.yaml", Some("limits"))]);
    let report = two.sync(&target);
    assert!(two.has("limits"), "{:?}", report.problems);
    let shop = two.commit(&two.shop, &[("deploy/more.yaml", Some("more"))]);
    let back = Target::joined([shop.as_str(), old.as_str()]);
    let report = two.preview(&back);
    two.sync(&back);
    two.sync(&back);
    assert!(two.has("limits") && two.has("more"));
    let said: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|text| text.contains("is older than")), "{said:?}");
}

#[test]
fn a_source_that_cannot_be_read_gives_no_revision_of_the_whole() {
    let two = Two::new();
    two.commit(&two.shop, &[("deploy/web.yaml", Some("web"))]);
    let sources = two.sources();
    assert!(ready(sources.resolve(&sources.target())).unwrap().is_err(), "the other has no commit");
    two.commit(&two.common, &[("quota.yaml", Some("quota"))]);
    let unknown = ready(sources.resolve(&Target::new("main"))).unwrap().unwrap_err().to_string();
    assert!(unknown.contains("did you mean `main+main`"), "{unknown}");
    let other = RevisionId::new("abc");
    let unknown = ready(sources.snapshot(&other, &Paths::default(), None)).unwrap().unwrap_err().to_string();
    assert!(unknown.contains("is not one of each of these 2 sources"), "{unknown}");
    // Of two files with the same object, both are named.
    two.commit(&two.common, &[("again.yaml", Some("web"))]);
    let report = two.sync(&two.sources().target());
    let said: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|text| text.contains("common/again.yaml") && text.contains("shop/deploy/web.yaml")),
        "{said:?}"
    );
}

#[test]
fn one_of_several_keeps_the_promises_of_a_source() {
    let inner: &'static MemorySource = Box::leak(Box::default());
    let one = Several::new([Part::new("", inner, "main")]);
    let fixture = One { inner, one, time: VirtualTime::default() };
    ready(contract::source(&fixture)).unwrap().unwrap();
}
