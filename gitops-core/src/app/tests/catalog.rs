use super::*;
use crate::policy::window::Asked;

fn catalog(texts: &[&str]) -> Catalog {
    let files: Vec<String> = (1..=texts.len()).map(|number| format!("{number}.yaml")).collect();
    Catalog::of(files.iter().zip(texts).map(|(file, text)| (file.as_str(), text.as_bytes())))
}

fn shown(catalog: &Catalog) -> Vec<String> {
    catalog.problems.iter().map(ToString::to_string).collect()
}

fn named(name: &str, more: &str) -> String {
    argo(&format!("{PLAIN}{more}")).replace("name: shop", &format!("name: {name}"))
}

const TEAM: &str = "
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: team, namespace: argocd}
spec:
  description: the team's
  sourceRepos: ['https://example.org/*']
  destinations: [{server: '*', namespace: shop}]
  roles: [{name: dev}]
  clusterResourceWhitelist: [{group: '', kind: Namespace}]
  syncWindows:
  - {kind: deny, schedule: '0 9 * * *', duration: 1h, applications: [s*], timeZone: Europe/Berlin}
status: {}
";

#[test]
fn two_of_the_same_name_are_both_held_back_and_both_places_are_named() {
    let found = catalog(&[&named("a", ""), &format!("{}---\n{}", named("b", ""), named("a", ""))]);
    let names: Vec<_> = found.applications.keys().map(|name| &**name).collect();
    assert_eq!((names, found.held_back.len()), (vec!["b"], 1));
    assert_eq!(
        shown(&found),
        [
            "2.yaml:8: Application a: application `a` is declared twice, and neither is used (also at 1.yaml:1); rename or remove one"
        ]
    );
    // One that cannot be read is one of them.
    let found = catalog(&[&named("a", ""), &named("a", "helm: {}")]);
    assert_eq!((found.applications.len(), found.held_back.len(), found.problems.len()), (0, 1, 2));
    // So with projects.
    let found = catalog(&[TEAM, TEAM, &named("a", "project: team")]);
    assert_eq!((found.applications.len(), found.projects.len()), (0, 1), "only `default` is left");
    assert!(shown(&found).iter().any(|text| text.contains("project `team` is declared twice")), "{:?}", shown(&found));
}

#[test]
fn a_project_holds_back_what_it_does_not_permit() {
    let apps = [named("shop", "project: team"), named("other", "").replace("default", "x")].join("---\n");
    let found = catalog(&[TEAM, &apps]);
    assert_eq!(found.applications.len(), 2, "{:?}", shown(&found));
    assert!(found.problems[0].text.contains("who may use the engine is decided outside of it"));
    for (spec, problem) in [
        ("project: team\n", "project `team`: repository `https://example.org/deep/shop.git` is forbidden"),
        ("project: nobody\n", "there is no project `nobody`"),
    ] {
        let app = named("a", spec).replace("org/shop.git", "org/deep/shop.git");
        let found = catalog(&[TEAM, &app]);
        let text = shown(&found).join("\n").replace("no source repository permits", "repository");
        let said = text.contains(problem) || text.contains(&problem.replace(" is forbidden", ""));
        assert!(said && found.held_back.contains("a") && found.applications.is_empty(), "{text}");
    }
    let app = named("a", "project: team\n").replace("namespace: shop", "namespace: kube-system");
    let found = catalog(&[TEAM, &app]);
    assert!(
        shown(&found)[1].contains("project `team`: no destination permits namespace `kube-system`"),
        "{:?}",
        shown(&found)
    );
    // A project that cannot be used permits nothing.
    let found = catalog(&[&TEAM.replace("sourceRepos", "sourceRepoz"), &named("a", "project: team")]);
    assert!(shown(&found).iter().any(|text| text.contains("its project `team` cannot be used")), "{:?}", shown(&found));
    // `default` permits everything where nobody declares it, and what it says where somebody does.
    let own = "apiVersion: gitops.rs/v1alpha1\nkind: Project\nmetadata: {name: default}\nspec: {}\n";
    assert!(catalog(&[&named("a", "")]).held_back.is_empty());
    assert!(catalog(&[&named("a", ""), own]).held_back.contains("a"));
}

#[test]
fn what_a_project_asks_for_and_nobody_checks_makes_it_unusable() {
    for (field, unusable) in [
        ("signatureKeys: [{keyID: ABC}]", true),
        ("sourceIntegrity: {git: {policies: []}}", false),
        ("sourceIntegrity: {git: {policies: [{repos: []}, {gpg: {mode: head}}]}}", true),
        ("permitOnlyProjectScopedClusters: true", true),
        ("permitOnlyProjectScopedClusters: false", false),
        ("destinationServiceAccounts: [{server: a, defaultServiceAccount: b}]", false),
    ] {
        let found = catalog(&[&TEAM.replace("roles: [{name: dev}]", field)]);
        assert_eq!(!found.projects.contains_key("team"), unusable, "{field} {:?}", shown(&found));
    }
}

#[test]
fn windows_are_those_of_the_project_that_are_for_the_application() {
    let found = catalog(&[TEAM, &named("shop", "project: team"), &named("web", "project: team")]);
    let at = |hour: u8| format!("2026-06-01T{hour:02}:30:00Z").parse().unwrap();
    for (name, hour, allowed) in [("shop", 7, false), ("shop", 9, true), ("web", 7, true)] {
        let windows = found.windows_of(&found.applications[name]);
        let permit = windows.decide(Asked::Automatically, at(hour), None);
        assert_eq!(permit.allowed, allowed, "{name} at {hour}: {}", permit.reason);
    }
    let wrong = TEAM.replace("'0 9 * * *'", "'0 25 * * *'");
    assert_eq!(
        shown(&catalog(&[&wrong])).last().unwrap(),
        "1.yaml:12:18: argoproj.io/AppProject team: `spec.syncWindows[0].schedule`: schedule `0 25 * * *` cannot be read: \
         column 3: `25` is no hour; use 0 to 23"
    );
}

#[test]
fn a_dependency_that_is_not_there_is_said() {
    let found = catalog(&[&named("a", "dependsOn: [b, c, a]"), &named("b", "helm: {}")]);
    let text = shown(&found).join("\n");
    assert!(text.contains("`dependsOn` names `c`: there is no such application"), "{text}");
    assert!(text.contains("`dependsOn` names `a`: it depends on itself") && !text.contains("names `b`"), "{text}");
}

#[test]
fn a_circle_of_dependencies_is_named_once_where_it_is_read() {
    let app = |name: &str, needs: &str| named(name, &format!("dependsOn: [{needs}]"));
    let found = catalog(&[&app("a", "b"), &app("b", "d, c"), &app("c", "a"), &app("d", ""), &app("e", "a")]);
    let circles: Vec<String> = shown(&found).into_iter().filter(|text| text.contains("in a circle")).collect();
    assert_eq!(
        circles,
        [
            "1.yaml:1: Application a: `dependsOn` goes in a circle: a → b → c → a; none of them is synced by itself; take one \
             of these dependencies out"
        ]
    );
}
