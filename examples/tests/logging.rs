//! `gitops log`, and what `gitops explain` knows of the past.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{NAMESPACE, World, config, deployment};

#[test]
fn the_log_tells_which_commit_edited_which_field_of_which_object() {
    let world = World::with(&[("apps/web.yaml", &deployment(2, "nginx:1.26")), ("README.md", "x")]);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: TOPSECRET}\n";
    world.change("apps/key.yaml", secret, "Add a key");
    world.change("README.md", "y", "Say more");
    world.git(&["checkout", "-q", "-b", "side"]);
    world.change("apps/web.yaml", &deployment(2, "nginx:1.27"), "Newer image");
    world.git(&["checkout", "-q", "main"]);
    world.change("apps/key.yaml", &secret.replace("TOP", "OTHER"), "Another key");
    world.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
    let merged = world.change("apps/web.yaml", &deployment(5, "nginx:1.27"), "Merge side, and scale");
    let text = world.gitops("log --path apps --namespace shop").exits(0);
    let blocks: Vec<&str> = text.split_inclusive('\n').collect();
    let without_ids: String = blocks.iter().filter(|line| line.starts_with(' ')).copied().collect();
    let expected = "  Merge side, and scale
  changed apps/Deployment shop/web (apps/web.yaml:1)
    ~ spec.replicas: 2 -> 5
  Another key
  changed Secret shop/key (apps/key.yaml:1)
    ~ data.key: (secret A) -> (secret B)
  Newer image
  changed apps/Deployment shop/web (apps/web.yaml:1)
    ~ spec.template.spec.containers[name=web].image: \"nginx:1.26\" -> \"nginx:1.27\"
  Add a key
  added Secret shop/key (apps/key.yaml:1)
  Add the shop
  added apps/Deployment shop/web (apps/web.yaml:1)
";
    assert_eq!(without_ids, expected);
    assert!(text.starts_with(merged.get(..12).unwrap()) && text.contains("  Ann <ann@example.org>\n"), "{text}");
    let only = world.gitops("log --path apps --namespace shop --only deploy/web -N 2").exits(0);
    assert!(only.contains("spec.replicas") && !only.contains("Secret") && !only.contains("Newer"), "{only}");
    let json = world.gitops("log --path apps --namespace shop -o json").json();
    let edit = &json[0]["objects"][0];
    assert_eq!((edit["name"].as_str(), edit["edit"].as_str()), (Some("web"), Some("changed")));
    let field = &edit["fields"][0];
    assert_eq!(
        (field["field"].as_str(), field["before"].as_i64(), field["after"].as_i64()),
        (Some("spec.replicas"), Some(2), Some(5))
    );
    assert_eq!(json[0]["revision"]["id"].as_str(), Some(&*merged));
    assert!(!format!("{text}{json}").contains("SECRET"));
}

#[test]
fn explain_tells_which_commit_dropped_an_object_and_follows_renamed_files() {
    let world = World::with(&[
        ("namespace.yaml", NAMESPACE),
        ("a.yaml", &config("web", "a: one")),
        ("b.yaml", &config("db", "b: one")),
    ]);
    world.gitops("sync").exits(0);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git(&["mv", "b.yaml", "renamed.yaml"]);
    world.commit("Rename");
    world.remove("a.yaml");
    let dropped = world.commit("Drop the web");
    world.change("renamed.yaml", &config("db", "b: two"), "Two");
    let told = world.gitops("explain cm/web").exits(1);
    let line = format!("  dropped in {} by Ann <ann@example.org> at ", dropped.get(..12).unwrap());
    assert!(told.contains(&line) && told.contains(": Drop the web; it was declared at a.yaml:1\n"), "{told}");
    let json = world.gitops("explain cm/web -o json").json();
    assert_eq!(json["droppedIn"]["revision"]["id"].as_str(), Some(&*dropped));
    let told = world.gitops("explain cm/db kind").code;
    assert!(told < 2);
    let told = world.gitops("explain cm/db metadata.name").exits(1);
    assert!(told.contains(&format!("renamed.yaml:4:3, last changed in {}", first.get(..12).unwrap())), "{told}");
}
