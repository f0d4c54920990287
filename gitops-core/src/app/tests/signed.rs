//! Who must have signed what is read, and submodules, as they are written down.

use crate::app::{Catalog, SignedWhat, Submodules};

fn catalog(source: &str, project: &str) -> Catalog {
    let text = format!(
        "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {{name: shop}}
spec:
  source:
    repoURL: https://example.org/shop.git
{source}---
apiVersion: gitops.rs/v1alpha1
kind: Project
metadata: {{name: default}}
spec:
  sourceRepos: [https://example.org/*]
  destinations: [{{server: '*', namespace: '*'}}]
{project}"
    );
    Catalog::of([("a.yaml", text.as_bytes())])
}

const ANN: &str = "    signed: {what: tagAndHead, signers: 'ann@example.org ssh-ed25519 AAAA'}\n";
const BEN: &str = "  signed: {keyring: '-----BEGIN PGP PUBLIC KEY BLOCK-----'}\n";

#[test]
fn a_source_or_its_project_says_who_must_have_signed_it() {
    for (source, project, expected) in
        [("", "", None), (ANN, "", Some(SignedWhat::TagAndHead)), ("", BEN, Some(SignedWhat::Head))]
    {
        let catalog = catalog(source, project);
        assert!(catalog.problems.is_empty(), "{:?}", catalog.problems);
        let application = catalog.applications.get("shop").unwrap();
        let source = application.spec.source.as_ref().unwrap();
        assert_eq!(catalog.signed(application, source).map(|signed| signed.what.clone()), expected);
    }
    let both = catalog(ANN, BEN);
    assert!(both.applications.is_empty(), "an application does not soften what its project says");
    assert!(both.problems[0].to_string().contains("take `signed` out of its sources"), "{:?}", both.problems);
}

#[test]
fn submodules_at_other_hosts_must_be_permitted_like_sources() {
    let follow = |url: &str| format!("    submodules: follow\n    submoduleRepos: ['{url}']\n");
    let listed = catalog(&follow("https://example.org/lib.git"), "");
    let source = listed.applications.get("shop").unwrap().spec.source.as_ref().unwrap();
    assert_eq!((source.submodules, source.submodule_repos.len()), (Some(Submodules::Follow), 1));
    let foreign = catalog(&follow("https://elsewhere.example/lib.git"), "");
    assert!(foreign.applications.is_empty());
    let told = foreign.problems[0].to_string();
    assert!(told.contains("no source repository permits `https://elsewhere.example/lib.git`"), "{told}");
}

#[test]
fn what_cannot_be_meant_is_said_with_line_and_field() {
    for (source, project, expected) in [
        ("    signed: {}\n", "", "a.yaml:7:5: gitops.rs/Application shop: `spec.source.signed`: nobody may sign"),
        (
            "    signed: {signer: a}\n",
            "",
            "a.yaml:7:14: gitops.rs/Application shop: `spec.source.signed.signer`: there is no such",
        ),
        (
            "    signed: {what: tag}\n",
            "",
            "a.yaml:7:14: gitops.rs/Application shop: `spec.source.signed.what`: nobody is named",
        ),
        ("    signed: {what: branch}\n", "", "`spec.source.signed.what`: `branch` is not known; use `head`, `tag`"),
        (
            "    signed: {signers: a, what: {everyCommitSince: main}}\n",
            "",
            "a.yaml:7:33: gitops.rs/Application shop: `spec.source.signed.what.everyCommitSince`: `main` is not the whole id",
        ),
        (
            "    signed: {paths: {web: {}}}\n",
            "",
            "a.yaml:7:22: gitops.rs/Application shop: `spec.source.signed.paths.web`: nobody",
        ),
        (
            "    submodules: maybe\n",
            "",
            "a.yaml:7:5: gitops.rs/Application shop: `spec.source.submodules`: `maybe` is not known",
        ),
        (
            "    submoduleRepos: [a]\n",
            "",
            "a.yaml:7:5: gitops.rs/Application shop: `spec.source.submoduleRepos`: no submodule",
        ),
        ("", "  signed: {}\n", "a.yaml:14:3: gitops.rs/Project default: `spec.signed`: nobody may sign"),
    ] {
        let catalog = catalog(source, project);
        let told = catalog.problems.iter().map(ToString::to_string).find(|told| told.contains(expected));
        assert!(told.is_some(), "{expected}\n{:#?}", catalog.problems);
        assert!(catalog.applications.is_empty() && catalog.held_back.contains("shop"), "{source}{project}");
    }
}
