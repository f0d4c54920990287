//! Why a field is as it is, with the line and the commit behind it.

use gitops_core::memory::ready;
use gitops_core::path::PathPattern;
use gitops_core::reconcile::{self, ExplainError, Explanation};
use gitops_core::resource::ResourceKey;

use crate::world::{NAMESPACE, Shop, config};

fn explain(shop: &Shop, kind: &str, field: Option<&str>) -> Result<Explanation, ExplainError> {
    let key = ResourceKey::new("", kind, "shop", "web");
    let pattern: Option<PathPattern> = field.map(|field| field.parse().expect("a path"));
    ready(reconcile::explain(&shop.app, shop.world(), &key, pattern.as_ref())).expect("ready")
}

#[test]
fn a_field_is_told_with_its_line_and_commit_and_with_who_changed_it() {
    let shop = Shop::new();
    shop.commit("Open the shop", &[("namespace.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "one")))]);
    shop.sync();
    let live = shop.get("ConfigMap", "web").unwrap();
    shop.edit(&live, |draft| draft.entry("data").set("key", "two"));
    let explanation = explain(&shop, "ConfigMap", None).expect("an explanation");
    let revision = &explanation.fields[0].written.as_ref().expect("a place").by.as_ref().expect("a commit").id;
    assert_eq!(
        explanation.to_string().replace(revision.short(), "COMMIT"),
        "ConfigMap shop/web: OutOfSync
  declared at web.yaml:1
  compared by what our last apply owns; confirmed by a dry run
  planned: apply in Sync, wave 0: differs
  takes over `data.key` from `kubectl-edit`

data.key: a sync sets another value; Git declares it so
  desired  \"one\"
           web.yaml:6:3, last changed in COMMIT by Ann <ann@example.org> at 2026-03-01T08:00:00Z: Open the shop
  live     \"two\"
           owned by `kubectl-edit` (Update, last at 2026-03-01T08:00:00Z)
"
    );
}

#[test]
fn of_a_field_that_git_dropped_the_commit_is_named() {
    let shop = Shop::new();
    let both = format!("{}  other: two\n", config("web", "one"));
    shop.commit("Open the shop", &[("namespace.yaml", Some(NAMESPACE)), ("web.yaml", Some(&both))]);
    shop.sync();
    shop.commit("Drop other", &[("web.yaml", Some(&config("web", "one")))]);
    shop.commit("Change key", &[("web.yaml", Some(&config("web", "three")))]);
    let explanation = explain(&shop, "ConfigMap", Some("data.other")).expect("an explanation");
    let revision = explanation.fields[0].dropped_in.as_ref().expect("a revision");
    assert_eq!(revision.commit.as_ref().expect("a commit").subject(), "Drop other");
}

#[test]
fn who_dropped_something_so_long_ago_that_nobody_looks_is_a_gap() {
    let shop = Shop::new();
    let both = format!("{}  other: two\n", config("web", "one"));
    shop.commit("Open the shop", &[("namespace.yaml", Some(NAMESPACE)), ("web.yaml", Some(&both))]);
    shop.sync();
    shop.commit("Drop other", &[("web.yaml", Some(&config("web", "one")))]);
    for number in 0..2_000 {
        shop.commit("Change", &[("web.yaml", Some(&config("web", &format!("n{number}"))))]);
    }
    let explanation = explain(&shop, "ConfigMap", Some("data.other")).expect("an explanation");
    assert_eq!(explanation.fields[0].dropped_in, None);
    let why = "looking for who dropped a field further back than 2000 revisions is not supported";
    assert_eq!(explanation.gaps, [format!("the history of `web.yaml`: {why}").into()]);

    // The same of all of it.
    shop.commit("Drop all", &[("web.yaml", None)]);
    for number in 0..2_000 {
        shop.commit("Change", &[("more.yaml", Some(&config("more", &format!("n{number}"))))]);
    }
    let explanation = explain(&shop, "ConfigMap", None).expect("an explanation");
    assert_eq!(explanation.dropped_in, None);
    assert_eq!(explanation.gaps, ["which revision dropped it: none of the last 2000 did".into()]);
}

#[test]
fn what_git_does_not_know_is_refused() {
    let shop = Shop::new();
    shop.commit("Open the shop", &[("namespace.yaml", Some(NAMESPACE)), ("web.yaml", Some(&config("web", "one")))]);
    let error = |kind: &str, field: Option<&str>| explain(&shop, kind, field).expect_err("an error").to_string();
    assert_eq!(error("Secret", None), "the application has no object `Secret shop/web`; its status lists what it has");
    assert_eq!(
        error("ConfigMap", Some("date")),
        "ConfigMap shop/web: neither Git nor the cluster has a field `date`; did you mean `data`?"
    );
}
