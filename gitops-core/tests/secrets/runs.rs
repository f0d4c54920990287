//! Whole runs: reports, plans and their files, effects, events and progress, ledgers, explanations, what-ifs.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use gitops_core::cluster::{
    Cause, Changes, Cluster, ClusterError, Cursor, Failure, Force, Interest, Observed, Write, Written,
};
use gitops_core::diff;
use gitops_core::health::Checks;
use gitops_core::memory::{MemoryCluster, MemorySource, Moment, VirtualTime, ready};
use gitops_core::model::ApiModel;
use gitops_core::plan::{Confirmation, Plan, Request, StoredPlan};
use gitops_core::policy::ignore::Rules;
use gitops_core::policy::{Prune, SyncPolicy};
use gitops_core::reconcile::{self, App, Looked, Report, Watcher, Wish, World, look, look_at, perform, read_desired};
use gitops_core::resource::{GroupKind, Resource, ResourceKey};
use gitops_core::state::Owner;
use gitops_core::sync::{Machine, Progress};
use gitops_core::time::Timer;
use gitops_core::value::Value;
use gitops_core::what_if::{Trouble, what_if};
use proptest::prelude::*;

use crate::{Outlet, base64, secret};

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

struct Shop {
    source: MemorySource,
    cluster: Quoting,
    time: VirtualTime,
    app: App,
}

/// A cluster that refuses writes of a Secret, dry runs as well, and quotes it.
#[derive(Debug)]
struct Quoting {
    inner: MemoryCluster,
    /// In how many writes, and how.
    faults: Mutex<Option<(u32, Moment, Failure)>>,
}

impl Quoting {
    fn fail(&self, nth: u32, moment: Moment, failure: &Failure) {
        *self.faults.lock().unwrap() = Some((nth, moment, failure.clone()));
    }

    fn fault(&self, write: &Write) -> Option<(Moment, Failure)> {
        let mut faults = self.faults.lock().unwrap();
        let (nth, moment, failure) = faults.as_mut().filter(|_| write.key.is("", "Secret"))?;
        *nth -= 1;
        if *nth > 0 {
            return None;
        }
        let fault = (*moment, failure.clone());
        *faults = None;
        Some(fault)
    }
}

#[async_trait]
impl Cluster for Quoting {
    async fn model(&self, kinds: &BTreeSet<GroupKind>) -> Result<ApiModel, ClusterError> {
        self.inner.model(kinds).await
    }

    async fn observe(&self, interest: &Interest) -> Result<Observed, ClusterError> {
        self.inner.observe(interest).await
    }

    async fn changed(&self, interest: &Interest, after: &Cursor) -> Result<Changes, ClusterError> {
        self.inner.changed(interest, after).await
    }

    async fn write(&self, write: &Write) -> Result<Written, ClusterError> {
        match self.fault(write) {
            Some((Moment::Before, failure)) => Err(failure.into()),
            Some((Moment::After, failure)) => self.inner.write(write).await.and(Err(failure.into())),
            None => self.inner.write(write).await,
        }
    }
}

/// How a Secret is written in Git.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Data,
    Hook,
}

impl Shop {
    fn new() -> Self {
        let time = VirtualTime::starting("2026-03-01T08:00:00Z".parse().unwrap());
        let app = App::new(Owner::new("", "shop").unwrap(), "main").with_namespace("shop");
        let policy = SyncPolicy::default().with_prune(Prune::Owned);
        Self {
            source: MemorySource::default(),
            cluster: Quoting { inner: MemoryCluster::new(1, time.clone()), faults: Mutex::default() },
            app: app.with_policy(policy),
            time,
        }
    }

    fn world(&self) -> World<'_> {
        World::new(&self.source, &self.cluster, &self.time)
    }

    fn commit(&self, files: &[(&str, Option<&str>)]) {
        self.source.commit("Ann", self.time.now(), "a commit", files.iter().copied());
    }

    fn looked(&self) -> Looked {
        ready(look_at(&self.app, self.world())).unwrap().unwrap()
    }

    /// Looks, and shows all that is known then.
    fn look(&self, out: &mut Outlet) -> Looked {
        let looked = self.looked();
        out.debug("everything known", &looked);
        report("a report", &Report::new(&self.app, &looked, self.time.now()), out);
        plan(&looked, out);
        for key in looked.desired.declared.keys().chain(looked.comparison.entries.iter().map(|(key, _)| key)) {
            for field in [None, Some("**".parse().unwrap())] {
                match ready(looked.explain(&self.app, &self.source, key, field.as_ref())).unwrap() {
                    Ok(explanation) => {
                        out.text("an explanation", &explanation);
                        out.json("an explanation as JSON", &explanation);
                        out.debug("an explanation for debugging", &explanation);
                    }
                    Err(error) => out.text("no explanation", error),
                }
            }
        }
        looked
    }

    /// Carries out what is to be done, and shows each step of it.
    fn sync(&self, out: &mut Outlet) {
        let looked = self.look(out);
        if let Some(machine) = looked.machine(&self.app, self.time.now()) {
            self.run(machine, out);
        }
        self.look(out);
        let ledger = self.cluster.inner.with_server(|server| server.get(&self.app.ledger_key()).cloned());
        ledger.into_iter().for_each(|ledger| out.text("the ledger", ledger.expose().to_json()));
        out.debug("the cluster", &self.cluster.inner);
        out.debug("the source", &self.source);
    }

    fn run(&self, mut machine: Machine, out: &mut Outlet) {
        machine.watch();
        // A driver in small: effects at once, else time passes.
        while machine.outcome().is_none() {
            while let Some(effect) = machine.next_effect() {
                out.debug("an effect", &effect);
                let event = ready(perform(effect, &self.cluster)).unwrap();
                out.debug("an event", &event);
                machine.handle(event, self.time.now());
            }
            machine.waits().for_each(|wait| out.debug("a wait", &wait));
            let Some(at) = machine.wake_at() else { break };
            ready(self.time.sleep_until(at));
            machine.handle(gitops_core::sync::Event::Tick, self.time.now().max(at));
        }
        out.debug("a machine", &machine);
        out.debug("a ledger for debugging", machine.ledger());
        if let Some(receipt) = machine.outcome() {
            out.json("a receipt", receipt);
            out.debug("a receipt for debugging", receipt);
        }
    }

    fn secret(&self, name: &str) -> Option<Resource> {
        self.cluster.inner.with_server(|server| server.get(&ResourceKey::new("", "Secret", "shop", name)).cloned())
    }

    /// Somebody writes other values by hand.
    fn edit(&self, value: &str) {
        let Some(live) = self.secret("web") else { return };
        let edited = live.edit(|draft| draft.entry("data").set("a", &*base64(value))).unwrap();
        ready(self.cluster.inner.write(&Write::replace(&edited, "kubectl-edit"))).unwrap().unwrap();
    }
}

fn report(name: &'static str, report: &Report, out: &mut Outlet) {
    out.json(name, report);
    out.debug(name, report);
    out.text(name, &report.plan);
    report.problems.iter().for_each(|problem| out.text("a problem", problem));
    report.rules.iter().for_each(|audit| out.text("an audit", audit));
}

fn plan(looked: &Looked, out: &mut Outlet) {
    let stored = StoredPlan::new(&looked.plan, &looked.forecasts);
    out.debug("a stored plan", &stored);
    let file = serde_json::to_string(&stored).unwrap();
    let read = Plan::from_file(file.as_bytes()).unwrap();
    out.debug("a plan", &read);
    out.json("a plan as JSON", &read);
    out.text("a plan as text", &read);
    // Somebody writes into the file.
    for (from, to) in [("gitops.rs/plan/", "gitops.rs/plan/9"), ("\"steps\"", "\"stops\""), ("}", "")] {
        if let Err(error) = Plan::from_file(file.replacen(from, to, 1).as_bytes()) {
            out.text("an error of a plan file", &error);
            out.debug("an error of a plan file for debugging", &error);
        }
    }
    out.text("a plan file", file);
}

fn manifest(name: &str, a: &str, b: &str, form: Form) -> String {
    let head = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n");
    match form {
        Form::Text => format!("{head}stringData: {{a: {a}, b: {b}}}\n"),
        Form::Data => format!("{head}data: {{a: {}, b: {}}}\n", base64(a), base64(b)),
        Form::Hook => {
            format!("{head}  annotations: {{argocd.argoproj.io/hook: PreSync}}\nstringData: {{a: {a}, b: {b}}}\n")
        }
    }
}

/// What a server or a webhook may say of a value.
fn quoting(value: &str) -> impl Strategy<Value = Failure> + use<> {
    let message = format!("the value {} is not allowed", base64(value));
    let plain = format!("admission webhook denied the request: a={value}");
    let cause = Cause::new("data[a]", &plain);
    prop_oneof![
        Just(Failure::Invalid { message: message.clone().into(), causes: Vec::new() }),
        Just(Failure::Invalid { message: plain.clone().into(), causes: vec![cause] }),
        Just(Failure::Denied { message: plain.clone().into() }),
        Just(Failure::Refused { message: plain.clone().into() }),
        Just(Failure::InDoubt { message: message.into() }),
        Just(Failure::WebhookUnavailable { message: plain.into() }),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let rules = [
        r#"[]"#,
        r#"[{"kind": "Secret", "jsonPointers": ["/data/a"]}]"#,
        r#"[{"kind": "Secret", "jqPathExpressions": [".data | .[]"]}]"#,
        r#"[{"kind": "*", "group": "*", "managedFieldsManagers": ["kubectl-edit"]}]"#,
        r#"[{"kind": "Secret", "jsonPointers": ["/data"]}]"#,
    ];
    let read = |text: &str| Rules::from_argo(Value::from_json(text.as_bytes()).unwrap().root()).unwrap();
    prop::sample::select(rules.to_vec()).prop_map(read)
}

/// Checks that tell of a Secret all that there is to tell.
fn checks() -> Checks {
    let lua = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"argocd-cm"},"data":{
        "resource.customizations.health.Secret": "hs = {}; hs.status = \"Degraded\"; hs.message = obj.data.a; return hs",
        "resource.customizations.health.*_*": "hs = {}; hs.status = \"Degraded\"; hs.message = obj.data.a; return hs"}}"#;
    let cel = r#"[{"apiVersion": "v1", "kind": "Secret", "failed": "data.a.fail()", "current": "data.a"}]"#;
    let read = |text: &str| Checks::read(Value::from_json(text.as_bytes()).unwrap().root());
    let mut all = Checks::default();
    for checks in [lua, cel] {
        if let Ok(checks) = read(checks) {
            all = all.and(&checks);
        }
    }
    all
}

struct Told<'o>(&'o mut Outlet);

impl Watcher for Told<'_> {
    fn saw(&mut self, progress: &Progress) {
        self.0.text("news", progress);
        self.0.json("news as JSON", progress);
        self.0.debug("news for debugging", progress);
    }

    fn wish(&mut self) -> Wish {
        Wish::GoOn
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_run_tells_a_secret(
        secrets in [secret(), secret(), secret(), secret()],
        form in prop::sample::select(vec![Form::Text, Form::Data, Form::Hook]),
        rules in rules(),
        with_checks in any::<bool>(),
    ) {
        let [a, b, c, d] = &secrets;
        let mut shop = Shop::new();
        shop.app = shop.app.with_rules(rules);
        if with_checks {
            shop.app = shop.app.with_checks(checks());
        }
        let mut out = Outlet::default();
        shop.commit(&[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&manifest("web", a, b, form)))]);
        shop.sync(&mut out);
        shop.edit(c);
        let bad = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: bad}}\ndata: {{a: \"!{d}\"}}\n");
        shop.commit(&[("web.yaml", Some(&manifest("web", d, b, form))), ("bad.yaml", Some(&bad))]);
        shop.sync(&mut out);
        // Values that Git drops, then the object, then the application.
        shop.commit(&[("web.yaml", Some(&manifest("web", d, b, form).replace(", b: ", ", c: "))), ("bad.yaml", None)]);
        shop.sync(&mut out);
        shop.commit(&[("web.yaml", None)]);
        shop.sync(&mut out);
        shop.app.request = Request::to_delete().confirmed(Confirmation::of_all("ann", shop.time.now()));
        report("a deletion", &ready(reconcile::delete(&shop.app, shop.world())).unwrap().unwrap(), &mut out);
        out.holds_none_of(&secrets)?;
    }

    #[test]
    fn no_refusal_that_quotes_a_secret_is_passed_on(
        secrets in [secret(), secret(), secret()],
        (nth, is_after) in (1..5_u32, any::<bool>()),
        form in prop::sample::select(vec![Form::Text, Form::Data, Form::Hook]),
        failure in secret().prop_flat_map(|value| (Just(value.clone()), quoting(&value))),
        recreated in any::<bool>(),
    ) {
        // The value that is quoted is one that Git declares.
        let (d, failure) = failure;
        let [a, b, c] = &secrets;
        let shop = Shop::new();
        let mut out = Outlet::default();
        let secret = |a: &str| {
            let text = manifest("web", a, b, form);
            let force = "  annotations: {argocd.argoproj.io/sync-options: Force=true}\n";
            if recreated && !matches!(form, Form::Hook) { text.replace("  name: web\n", &format!("  name: web\n{force}")) } else { text }
        };
        shop.commit(&[("n.yaml", Some(NAMESPACE)), ("web.yaml", Some(&secret(a)))]);
        shop.sync(&mut out);
        shop.edit(c);
        shop.commit(&[("web.yaml", Some(&secret(&d)))]);
        let moment = if is_after { Moment::After } else { Moment::Before };
        shop.cluster.fail(nth, moment, &failure);
        shop.sync(&mut out);
        // What goes wrong on a copy.
        let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
        let server = shop.cluster.inner.with_server(|server| server.clone());
        let key = ResourceKey::new("", "Secret", "shop", "web");
        let came = what_if(&shop.app, &desired, server, &[Trouble::with(&key, failure.clone())], shop.time.now()).unwrap();
        out.json("a what-if", &came);
        out.debug("a what-if for debugging", &came);
        // And in a run that is watched.
        shop.edit(c);
        shop.cluster.fail(1, moment, &failure);
        let desired = ready(read_desired(&shop.app, &shop.source, &shop.cluster)).unwrap().unwrap();
        let mut told = Told(&mut out);
        let run = reconcile::sync_watched(&shop.app, desired.clone(), &shop.cluster, &shop.time, &mut told);
        let watched = ready(run).unwrap().unwrap();
        report("a report of a watched run", &watched, &mut out);
        // And when somebody asks without a run.
        let looked = ready(look(&shop.app, desired, &shop.cluster)).unwrap().unwrap();
        let questions = diff::questions(&looked.comparison, &looked.desired, &diff::Context::new(&looked.model, &shop.app.owner, &looked.ledger.inventory));
        out.debug("questions", &questions);
        shop.secret("web").iter().for_each(|live| out.debug("a write", &Write::apply(live, "me", Force::No)));
        out.holds_none_of(&[a.clone(), b.clone(), c.clone(), d])?;
    }
}
