//! What is to be written is tried first, where the policy says so. Rule 33 of the exact rules.

use gitops_core::cluster::Failure;
use gitops_core::memory::ready;
use gitops_core::plan::{DryRun, Plan, When};
use gitops_core::policy::{Confirm, SyncPolicy, Validate};
use gitops_core::reconcile::{self, Report};
use gitops_core::resource::ResourceKey;
use gitops_core::sync::{Cause, Phase, StepOutcome};

use crate::world::{NAMESPACE, Shop, config, deployment, job};

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer, maximum: 3}}}}}}
"#;

fn shop(validate: Validate) -> Shop {
    let mut shop = Shop::new();
    shop.app.policy = SyncPolicy::default().with_validate(validate);
    shop
}

/// A shop whose namespace stands.
fn open(validate: Validate) -> Shop {
    let shop = shop(validate);
    shop.commit("open", &[("n.yaml", Some(NAMESPACE))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    shop.written();
    shop
}

/// In a wave.
fn at(wave: i32, manifest: &str) -> String {
    let wave = format!("metadata:\n  annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}\n");
    manifest.replacen("metadata:\n", &wave, 1)
}

/// A Deployment that no server takes: its selector does not match.
fn bad(name: &str) -> String {
    deployment(name, 1, "nginx:1").replacen(&format!("app: {name}"), "app: other", 1)
}

fn refused(message: &str) -> Failure {
    Failure::Refused { message: message.into() }
}

fn meet(shop: &Shop, name: &'static str, failure: Failure) {
    *shop.cluster.meets.lock().unwrap() = Some((name, failure));
}

fn dry_runs(shop: &Shop) -> u64 {
    shop.cluster.inner.with_faults(|faults| faults.dry_runs())
}

/// What came of each step, as `outcome name: message`.
fn told(report: &Report) -> Vec<String> {
    let results = &report.receipt.as_ref().unwrap().results;
    results.iter().map(|result| format!("{} {}: {}", result.outcome, result.key.name, result.message)).collect()
}

fn trial(plan: &Plan, name: &str) -> (When, DryRun) {
    let step = plan.steps.iter().find(|step| &*step.key.name == name).unwrap();
    let trial = step.trial.clone().unwrap();
    (trial.when, trial.dry_run)
}

#[test]
fn nothing_of_a_wave_is_written_if_any_of_it_would_be_refused_and_all_that_would_be_are_named() {
    let shop = open(Validate::Layers);
    shop.commit(
        "all",
        &[
            ("a.yaml", Some(&config("early", "1"))),
            ("b.yaml", Some(&at(1, &config("good", "1")))),
            ("c.yaml", Some(&at(1, &bad("one")))),
            ("d.yaml", Some(&at(1, &bad("two")))),
            ("e.yaml", Some(&at(2, &config("late", "1")))),
        ],
    );
    let report = shop.sync();
    assert_eq!(shop.written(), ["apply ConfigMap shop/early"]);
    let told = told(&report);
    assert_eq!(told[0], "created early: ");
    assert_eq!(
        told[1],
        "not run good: nothing of its wave was written, since `apps/Deployment shop/one` and 1 more would be refused"
    );
    for (line, name) in told[2..4].iter().zip(["one", "two"]) {
        assert!(line.starts_with(&format!("failed {name}: would be refused, so nothing of its wave was written: ")));
        assert!(line.contains("`selector` does not match template `labels`"), "{line}");
    }
    assert_eq!(told[4], "not run late: ");
    let receipt = report.receipt.as_ref().unwrap();
    assert!(receipt.message.contains("; and 1 more"), "{}", receipt.message);
    assert_eq!(report.history[0].cause, Some(Cause::Refused));

    shop.commit("mend", &[("c.yaml", Some(&at(1, &deployment("one", 1, "nginx:1")))), ("d.yaml", None)]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
}

#[test]
fn nothing_at_all_is_written_if_what_can_be_tried_up_front_would_be_refused() {
    let shop = open(Validate::UpFront);
    let alarm = job("alarm", &[("argocd.argoproj.io/hook", "SyncFail")]);
    let before = job("before", &[("argocd.argoproj.io/hook", "PreSync")]);
    shop.commit(
        "all",
        &[
            ("a.yaml", Some(&config("early", "1"))),
            ("b.yaml", Some(&at(1, &bad("one")))),
            ("c.yaml", Some(&alarm)),
            ("d.yaml", Some(&before)),
        ],
    );
    let report = shop.sync();
    assert_eq!(shop.written(), [""; 0]);
    let failed: Vec<String> = told(&report).into_iter().filter(|line| line.starts_with("failed")).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].starts_with("failed one: would be refused, so nothing was written: not valid: "), "{failed:?}");
    assert_eq!(report.receipt.unwrap().phase, Phase::Failed);
}

#[test]
fn a_hook_that_would_be_refused_stops_what_comes_before_it_where_all_is_tried_up_front() {
    for (validate, written) in [(Validate::UpFront, 0), (Validate::Layers, 1)] {
        let shop = open(validate);
        let after = job("after", &[("argocd.argoproj.io/hook", "PostSync")]).replace("Never", "Always");
        shop.commit("all", &[("a.yaml", Some(&config("early", "1"))), ("b.yaml", Some(&after))]);
        let report = shop.sync();
        assert_eq!(shop.written().len(), written, "{validate:?} {:?}", told(&report));
        assert_eq!(report.receipt.unwrap().phase, Phase::Failed);
    }
}

#[test]
fn what_lives_in_what_is_made_on_the_way_is_tried_once_that_is_there() {
    for validate in [Validate::Layers, Validate::UpFront] {
        let shop = shop(validate);
        let widget = "apiVersion: example.org/v1\nkind: Widget\nmetadata:\n  name: wide\nspec: {size: 5}\n";
        shop.commit(
            "all",
            &[
                ("n.yaml", Some(NAMESPACE)),
                ("a.yaml", Some(&config("inside", "1"))),
                ("b.yaml", Some(CRD)),
                ("c.yaml", Some(widget)),
                ("d.yaml", Some("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: beside\n")),
            ],
        );
        let plan = shop.preview().plan;
        let late: Vec<_> = plan.tried_late().map(|step| &*step.key.name).collect();
        assert_eq!(late, ["inside", "wide"]);
        let text = plan.to_string();
        let lines = "validated later\n  ConfigMap shop/inside: once `Namespace shop` is there\n  example.org/Widget \
                     shop/wide: once `Namespace shop` and `apiextensions.k8s.io/CustomResourceDefinition \
                     widgets.example.org` is there\n";
        assert!(text.contains(lines), "{text}");
        let report = shop.sync();
        let told = told(&report);
        assert!(told.contains(&"created inside: ".to_owned()), "{told:?}");
        let wide = told.iter().find(|line| line.contains("wide")).unwrap();
        assert!(wide.starts_with("failed wide: would be refused, so nothing of its wave was written: "), "{wide}");
        assert!(!shop.written().iter().any(|line| line.contains("Widget")));
    }
}

#[test]
fn of_a_new_namespace_nothing_is_written_if_anything_in_it_would_be_refused() {
    let shop = shop(Validate::UpFront);
    shop.commit(
        "all",
        &[("n.yaml", Some(NAMESPACE)), ("a.yaml", Some(&config("inside", "1"))), ("b.yaml", Some(&bad("web")))],
    );
    let report = shop.sync();
    assert_eq!(shop.written(), ["apply Namespace shop"]);
    assert_eq!(told(&report)[1].split(':').next(), Some("not run inside"), "{:?}", told(&report));
}

#[test]
fn what_the_comparison_has_asked_about_is_not_asked_again() {
    let files = |image: &str, value: &str| [deployment("web", 1, image), config("settings", value)];
    let calls = |validate: Validate| {
        let shop = open(validate);
        let ([web, settings], before) = (files("nginx:1", "1"), dry_runs(&shop));
        shop.commit("new", &[("web.yaml", Some(&web)), ("s.yaml", Some(&settings))]);
        shop.sync();
        let (of_new, before) = (dry_runs(&shop) - before, dry_runs(&shop));
        let [web, settings] = files("nginx:2", "2");
        shop.commit("changed", &[("web.yaml", Some(&web)), ("s.yaml", Some(&settings))]);
        let plan = shop.preview().plan;
        if validate != Validate::Never {
            assert!(plan.steps.iter().all(|step| trial(&plan, &step.key.name).1 == DryRun::Answered), "{plan}");
        }
        let before = (dry_runs(&shop) - before, dry_runs(&shop));
        let report = shop.sync();
        assert_eq!(report.receipt.unwrap().phase, Phase::Succeeded);
        (of_new, before.0, dry_runs(&shop) - before.1)
    };
    let (new, look, changed) = calls(Validate::Never);
    for validate in [Validate::Layers, Validate::UpFront] {
        // One more for each object that is new, none for what differs.
        assert_eq!(calls(validate), (new + 2, look, changed), "{validate:?}");
    }
}

#[test]
fn a_refusal_that_the_comparison_has_heard_stops_the_wave() {
    for (confirm, validate) in [(Confirm::DryRun, Validate::Layers), (Confirm::Never, Validate::UpFront)] {
        let mut shop = open(validate);
        shop.app.policy = SyncPolicy::default().with_validate(validate).with_confirm(confirm);
        shop.commit(
            "new",
            &[("web.yaml", Some(&deployment("web", 1, "nginx:1"))), ("s.yaml", Some(&config("s", "1")))],
        );
        shop.sync();
        shop.written();
        shop.commit("changed", &[("web.yaml", Some(&bad("web"))), ("s.yaml", Some(&config("s", "2")))]);
        let report = shop.sync();
        assert_eq!(shop.written(), [""; 0], "{:?}", told(&report));
        assert_eq!(report.receipt.unwrap().phase, Phase::Failed);
    }
}

#[test]
fn an_object_that_is_replaced_is_tried_as_it_will_be_sent() {
    let shop = open(Validate::Layers);
    let replaced = |manifest: String| {
        manifest.replacen(
            "metadata:\n",
            "metadata:\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n",
            1,
        )
    };
    shop.commit("new", &[("web.yaml", Some(&replaced(deployment("web", 1, "nginx:1"))))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    shop.written();
    shop.commit("bad", &[("web.yaml", Some(&replaced(bad("web")))), ("a.yaml", Some(&config("a", "1")))]);
    let report = shop.sync();
    assert_eq!(shop.written(), [""; 0], "{:?}", told(&report));
    shop.commit("good", &[("web.yaml", Some(&replaced(deployment("web", 2, "nginx:1"))))]);
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
}

#[test]
fn an_object_that_says_so_is_not_tried() {
    let shop = open(Validate::UpFront);
    let skips = "metadata:\n  annotations: {argocd.argoproj.io/sync-options: Validate=false}\n";
    let bad = bad("web").replacen("metadata:\n", skips, 1);
    shop.commit("all", &[("a.yaml", Some(&config("a", "1"))), ("web.yaml", Some(&bad))]);
    assert_eq!(trial(&shop.preview().plan, "web"), (When::First, DryRun::Skipped));
    let report = shop.sync();
    assert_eq!(shop.written(), ["apply ConfigMap shop/a", "apply apps/Deployment shop/web"]);
    assert_eq!(report.receipt.unwrap().phase, Phase::Failed);
}

#[test]
fn the_no_of_admission_counts_only_once_all_that_it_goes_by_is_written() {
    let quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: quota\nspec: {hard: {pods: \"5\"}}\n";
    for validate in [Validate::Layers, Validate::UpFront] {
        let shop = open(validate);
        meet(&shop, "claimed", refused("no quota"));
        shop.commit("all", &[("a.yaml", Some(&config("claimed", "1"))), ("b.yaml", Some(&config("good", "1")))]);
        shop.sync();
        assert_eq!(shop.written(), [""; 0], "{validate:?}");
        // The quota may be what it waits for.
        shop.commit("quota", &[("q.yaml", Some(quota))]);
        shop.sync();
        let written = shop.written();
        assert!(written.contains(&"apply ConfigMap shop/good".to_owned()), "{validate:?} {written:?}");
        // A wave later it is there, and the answer is sure.
        shop.commit(
            "wave",
            &[("a.yaml", Some(&at(1, &config("claimed", "1")))), ("c.yaml", Some(&at(1, &config("c", "1"))))],
        );
        shop.sync();
        let written = shop.written();
        assert!(!written.iter().any(|line| line.ends_with("/c")), "{validate:?} {written:?}");
    }
}

#[test]
fn a_cluster_that_is_away_while_it_is_tried_is_asked_again_and_then_nothing_is_written() {
    let away = || Failure::Unavailable { message: "it restarts".into() };
    let shop = open(Validate::Layers);
    shop.commit("all", &[("a.yaml", Some(&config("a", "1"))), ("b.yaml", Some(&config("b", "1")))]);
    shop.cluster.inner.with_faults(|faults| faults.fail_dry_run(1, away()));
    assert_eq!(shop.sync().receipt.unwrap().phase, Phase::Succeeded);
    assert_eq!(shop.written().len(), 2);
    shop.commit("more", &[("a.yaml", Some(&config("c", "1"))), ("b.yaml", Some(&config("d", "1")))]);
    shop.cluster.inner.with_faults(|faults| (1..40).for_each(|nth| faults.fail_dry_run(nth, away())));
    let report = shop.sync();
    assert_eq!(shop.written(), [""; 0]);
    assert!(told(&report)[0].starts_with("failed c: could not be tried, so nothing of its wave was written: "));
    assert_eq!(report.history[0].cause, Some(Cause::Passing));
}

#[test]
fn a_plan_that_was_approved_is_tried_as_it_says_and_is_stale_once_the_cluster_would_refuse() {
    let mut shop = open(Validate::Layers);
    shop.commit("new", &[("s.yaml", Some(&config("s", "1")))]);
    shop.sync();
    shop.commit("changed", &[("s.yaml", Some(&config("s", "2"))), ("a.yaml", Some(&config("a", "1")))]);
    let plan = shop.preview().plan;
    shop.app.policy.validate = Validate::Never;
    let (looked, _) = ready(reconcile::follow(&shop.app, &plan, shop.world())).unwrap().unwrap();
    assert_eq!(looked.plan.digest(), plan.digest());
    assert_eq!(looked.plan.validation(), Validate::Layers);
    meet(&shop, "s", refused("frozen"));
    let error = ready(reconcile::follow(&shop.app, &plan, shop.world())).unwrap().unwrap_err();
    assert!(error.to_string().contains("would have taken it, and does not say so any more"), "{error}");
}

#[test]
fn a_step_in_a_refused_wave_is_never_begun() {
    let shop = open(Validate::Layers);
    shop.commit("all", &[("a.yaml", Some(&bad("bad"))), ("b.yaml", Some(&config("good", "1")))]);
    let receipt = shop.sync().receipt.unwrap();
    assert!(receipt.results.iter().all(|result| result.started.is_none()), "{receipt:?}");
    assert!(receipt.results.iter().any(|result| result.outcome == StepOutcome::NotRun));
    let key = ResourceKey::new("", "ConfigMap", "shop", "good");
    assert!(shop.cluster.inner.with_server(|server| server.get(&key).is_none()));
}
