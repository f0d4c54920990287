//! `--signers`: nothing is read but what somebody trusted has signed.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::fs;
use std::process::Command;

use support::{NAMESPACE, World, config};

/// Makes an SSH key and lists it as Ann's; returns its file.
fn key(world: &World) -> String {
    let key = world.inner("ann").display().to_string();
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-C", "", "-t", "ed25519", "-f", &key]).status();
    assert!(made.unwrap().success());
    let public = fs::read_to_string(world.inner("ann.pub")).unwrap();
    fs::write(world.inner("signers"), format!("# people\nann@example.org {public}")).unwrap();
    fs::write(world.inner("revoked"), public).unwrap();
    key
}

fn sign(world: &World, key: &str, arguments: &[&str]) -> String {
    let signing = format!("user.signingkey={key}");
    world.git(&[&["-c", "gpg.format=ssh", "-c", &signing], arguments].concat());
    world.git(&["rev-parse", "HEAD"])
}

#[test]
fn nothing_is_synced_that_nobody_trusted_signed() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "a: one"))]);
    let key = key(&world);
    let base = world.git(&["rev-parse", "HEAD"]);
    let refused = world.gitops("sync --signers ../signers").refuses();
    assert!(refused.contains(&format!("commit `{base}` (it is not signed) is not trusted")), "{refused}");
    assert_eq!(world.state(), None);

    let signed = sign(&world, &key, &["commit", "-q", "--allow-empty", "-S", "-m", "Sign"]);
    world.gitops("sync --signers ../signers").exits(0);
    for verb in ["status --signers ../signers", "history"] {
        let told = world.gitops(verb).exits(0);
        assert!(told.contains("[signed by `ann@example.org` with key `SHA256:"), "{told}");
    }
    world.gitops(&format!("sync --signers ../signers --signed since={base}")).exits(0);
    let refused = world.gitops("plan --signers ../signers --signed tag").refuses();
    assert!(refused.contains("it was not asked for by a signed tag"), "{refused}");
    let refused = world.gitops("status --signers ../signers --revoked-signers ../revoked").refuses();
    assert!(refused.contains("which is revoked"), "{refused}");
    sign(&world, &key, &["tag", "-s", "-m", "x", "v1"]);
    world.gitops("plan --signers ../signers --signed tag-and-head --revision v1").exits(0);

    world.change("web.yaml", &config("web", "a: two"), "Not signed");
    for verb in ["sync", "plan", "diff", "status", "validate", "log", "explain cm/web"] {
        let refused = world.gitops(&format!("{verb} --signers ../signers")).refuses();
        assert!(refused.contains("is not trusted; sign it with a key on the list of signers"), "{verb}: {refused}");
    }
    world.gitops(&format!("sync --signers ../signers --revision {signed}")).exits(0);
}

#[test]
fn an_application_that_is_watched_waits_for_a_signature() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "a: one"))]);
    let key = key(&world);
    let app = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argocd}\nspec:\n  \
               project: default\n  source: {repoURL: shop, path: ., targetRevision: main}\n  destination: {name: \
               in-cluster, namespace: shop}\n  syncPolicy: {automated: {}}\n";
    fs::write(world.inner("app.yaml"), app).unwrap();
    let watched = world.gitops("watch ../app.yaml --once --signers ../signers");
    assert!(watched.code != 0 && format!("{}{}", watched.out, watched.err).contains("is not trusted"), "{watched:?}");
    assert!(!world.gitops("cluster get cm").out.contains("web"));
    sign(&world, &key, &["commit", "-q", "--allow-empty", "-S", "-m", "Sign"]);
    world.gitops("watch ../app.yaml --once --signers ../signers").exits(0);
    assert!(world.gitops("cluster get cm").exits(0).contains("web"));
}

#[test]
fn who_is_trusted_must_be_readable() {
    let world = World::with(&[("namespace.yaml", NAMESPACE)]);
    fs::write(world.inner("wrong"), "ann@example.org ssh-ed25519 AAAA").unwrap();
    fs::write(
        world.inner("ring"),
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
    )
    .unwrap();
    for (arguments, expected) in [
        ("--signers ../none", "`../none` cannot be read: "),
        ("--signers ../wrong", "`../wrong`: line 1 of the list of signers is wrong"),
        ("--signers ../ring", "`../ring`: the keyring is wrong: it is damaged, or no keyring"),
        ("--signers ../wrong --signed since=main", "the whole id of a commit must follow `since=`"),
        ("--signers ../wrong --signed all", "it must be `head`, `tag`, `tag-and-head` or `since=COMMIT`"),
        ("--signed tag", "--signers <FILE>"),
        ("--revoked-signers ../none", "`--revoked-signers` demands no signature"),
    ] {
        let told = world.gitops(&format!("validate {arguments}")).refuses();
        assert!(told.contains(expected), "{arguments}: {told}");
    }
}

#[test]
fn what_lies_at_a_path_must_be_signed_by_those_who_are_listed_for_it() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("shop/web.yaml", &config("web", "a: one"))]);
    let key = key(&world);
    let sync = "sync --path shop --path-signers shop=../signers";
    let refused = world.gitops(sync).refuses();
    assert!(refused.contains("`shop`, last changed by commit") && refused.contains("it is not signed"), "{refused}");
    world.write("shop/web.yaml", &config("web", "a: two"));
    world.git(&["add", "-A"]);
    sign(&world, &key, &["commit", "-q", "-S", "-m", "Sign"]);
    world.git(&["commit", "-q", "--allow-empty", "-m", "Elsewhere"]);
    let planned = world.gitops("plan --path shop --path-signers shop=../signers").exits(1);
    assert!(planned.contains("ConfigMap shop/web"), "{planned}");
    let refused = world.gitops("plan --path-signers shop=../signers").refuses();
    assert!(refused.contains("no list of signers is for this path"), "{refused}");
    assert!(world.gitops("plan --path-signers shop").refuses().contains("write it as `PATH=FILE`"));
}

#[test]
fn an_application_or_its_project_says_who_must_have_signed_it() {
    let world = World::with(&[("namespace.yaml", NAMESPACE), ("web.yaml", &config("web", "a: one"))]);
    let key = key(&world);
    let public = fs::read_to_string(world.inner("ann.pub")).unwrap();
    let signed = format!("signed: {{signers: 'ann@example.org {}'}}", public.trim());
    let application = |source: &str| {
        format!(
            "apiVersion: gitops.rs/v1alpha1\nkind: Application\nmetadata: {{name: web}}\nspec:\n  source: {{repoURL: \
             shop{source}}}\n  syncPolicy: {{automated: {{}}}}\n"
        )
    };
    let project = |more: &str| {
        format!(
            "---\napiVersion: gitops.rs/v1alpha1\nkind: Project\nmetadata: {{name: default}}\nspec:\n  sourceRepos: ['*']\n  \
             destinations: [{{server: '*', namespace: '*'}}]\n  clusterResourceWhitelist: [{{group: '*', kind: '*'}}]\n{more}"
        )
    };
    let own = application(&format!(", {signed}"));
    let by_project = application("") + &project(&format!("  {signed}\n"));
    let by_path =
        application(&format!(", path: ., signed: {{paths: {{web.yaml: {}}}}}", signed.replace("signed: ", "")));
    for documents in [&own, &by_project, &by_path] {
        fs::write(world.inner("app.yaml"), documents).unwrap();
        for verb in ["watch ../app.yaml --once", "sync -f ../app.yaml"] {
            let run = world.gitops(verb);
            let told = format!("{}{}", run.out, run.err);
            let is_refused = told.contains("is not trusted") || told.contains("no list of signers is for this path");
            assert!(run.code == 2 && is_refused, "{verb}\n{documents}\n{told}");
        }
        assert!(!world.gitops("cluster get cm").out.contains("web"));
    }
    sign(&world, &key, &["commit", "-q", "--allow-empty", "-S", "-m", "Sign"]);
    for documents in [&own, &by_project] {
        fs::write(world.inner("app.yaml"), documents).unwrap();
        world.gitops("watch ../app.yaml --once").exits(0);
        assert!(world.gitops("status -f ../app.yaml").exits(0).contains("[signed by `ann@example.org`"));
        let revoked = world.gitops("status -f ../app.yaml --revoked-signers ../revoked").refuses();
        assert!(revoked.contains("which is revoked"), "{revoked}");
        let twice = world.gitops("status -f ../app.yaml --signers ../signers").refuses();
        assert!(twice.contains("and so does `--signers`; leave one of them out"), "{twice}");
    }
    // What is said of one application means nothing for another of the same repository.
    let plain =
        application("").replace("name: web", "name: plain").replace("repoURL: shop", "repoURL: shop, path: none");
    fs::write(world.inner("app.yaml"), format!("{own}---\n{plain}")).unwrap();
    world.change("web.yaml", &config("web", "a: two"), "Not signed");
    let told = world.gitops("watch ../app.yaml --once").out;
    let about =
        |app: &str| told.lines().any(|line| line.contains(&format!(" {app}: ")) && line.contains("is not trusted"));
    assert!(about("web") && !about("plain"), "{told}");

    let wrong = application(", signed: {signers: 'ann@example.org ssh-ed25519 AAAA'}");
    fs::write(world.inner("app.yaml"), &wrong).unwrap();
    let told = world.gitops("watch ../app.yaml --once").refuses();
    assert!(
        told.contains("../app.yaml:1: ") && told.contains("`signed.signers`: line 1 of the list of signers"),
        "{told}"
    );
}
