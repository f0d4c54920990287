//! No bytes in a repository and no target make it panic or hang.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use gitops_core::source::{ContentId, History, Paths, Source};
use gix::objs::{Kind, Write};
use proptest::prelude::*;

use support::{Repo, answer, resolve, revision, snapshot};

fn repo() -> Repo {
    let repo = Repo::new();
    repo.write("apps/a.yaml", "a\nb\n").link("apps/link.yaml", "a.yaml").commit("One");
    repo.write("apps/a.yaml", "a\nc\n").commit("Two");
    repo.git(&["tag", "-a", "-m", "Tag", "v1"]);
    repo
}

/// Parts of objects and noise, so that the bytes are often nearly right.
fn object(known: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    let bytes: Vec<Vec<u8>> =
        known.iter().map(|id| gix::ObjectId::from_hex(id.as_bytes()).unwrap().as_slice().to_vec()).collect();
    let words = ["tree ", "parent ", "author ", "committer ", "object ", "type commit", "tag x", "A <a@b> ", "1 +0000"];
    let names =
        ["100644 a.yaml\0", "40000 d\0", "120000 l.yaml\0", "160000 s\0", "7 \0", "\n", "\n\n", " ", "../..", "/"];
    let part = prop_oneof![
        3 => proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        3 => proptest::sample::select(names.to_vec()).prop_map(|name| name.as_bytes().to_vec()),
        3 => proptest::sample::select(known).prop_map(String::into_bytes),
        3 => proptest::sample::select(bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

#[test]
fn no_object_makes_it_panic() {
    let repo = repo();
    let known: Vec<String> = ["HEAD", "HEAD^{tree}", "HEAD:apps", "HEAD:apps/a.yaml", "HEAD:apps/link.yaml", "v1"]
        .map(|name| repo.id(name))
        .to_vec();
    let store = gix::open_opts(repo.path(), gix::open::Options::isolated()).unwrap();
    let source = repo.source();
    let kinds = prop_oneof![Just(Kind::Commit), Just(Kind::Tree), Just(Kind::Tag)];
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) }, |(bytes in object(known), kind in kinds)| {
        let id = store.objects.write_buf(kind, &bytes).unwrap();
        let commit = match kind {
            Kind::Tree => store.objects.write_buf(Kind::Commit, format!("tree {id}\n\nx").as_bytes()).unwrap(),
            _ => id,
        };
        let commit = commit.to_string();
        let _found = resolve(&source, &commit);
        let _parent = resolve(&source, &format!("{commit}~1^2"));
        for paths in [Paths::default(), Paths::under(["d", "a.yaml"]).unwrap()] {
            if let Ok(found) = snapshot(&source, &commit, &paths) {
                let ids: Vec<ContentId> = found.files().into_iter().map(|file| file.id).collect();
                prop_assert_eq!(answer(source.read(&ids)).unwrap().len(), ids.len());
            }
            let _log = answer(source.log(&revision(&commit), &paths, 10));
        }
        let _blame = answer(source.blame(&revision(&commit), "a.yaml", 1));
    });
}

#[test]
fn no_target_makes_it_panic_and_what_it_resolves_to_resolves_to_itself() {
    let repo = repo();
    let source = repo.source();
    let head = repo.id("HEAD");
    let parts = ["HEAD", "main", "v1", "refs/", "heads/", "~", "^", "1", "{", "}", "@", ":", "..", "-", "*", "/", "a"];
    let part = prop_oneof![
        4 => proptest::sample::select(parts.to_vec()).prop_map(str::to_owned),
        1 => Just(head[..5].to_owned()),
        1 => any::<char>().prop_map(String::from),
    ];
    let targets = proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat());
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) }, |(target in targets)| {
        match resolve(&source, &target) {
            Ok(found) => {
                let again = resolve(&source, found.id.as_str()).unwrap();
                prop_assert_eq!((again.id, again.commit), (found.id, found.commit));
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(!text.contains(char::is_control) && text.len() < 2000, "{:?}", text);
            }
        }
    });
}
