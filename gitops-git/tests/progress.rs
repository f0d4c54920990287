//! How far a fetch has come is told while it goes on.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::sync::{Arc, Mutex};

use gitops_core::source::{Source, Target};
use gitops_git::{Fetched, GitStore, Progress, RemoteOptions, RemoteUrl};
use support::{Repo, wait};

#[test]
fn a_fetch_tells_what_has_come_and_when_it_is_over() {
    let (repo, folder) = (Repo::new(), tempfile::tempdir().unwrap());
    let mut state = 1_u32;
    let noise = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(u8::try_from(33 + (state >> 16) % 90).unwrap())
    };
    repo.write("a.yaml", &(0..1_000_000).map(noise).collect::<String>()).commit("One");
    let file = folder.path().join("a.bundle");
    repo.git(&["bundle", "create", "-q", &file.to_string_lossy(), "main"]);
    let told: Arc<Mutex<Vec<(String, Fetched)>>> = Arc::default();
    let heard = Arc::clone(&told);
    let mut options = RemoteOptions::default();
    options.progress = Progress::new(move |url, fetched| heard.lock().unwrap().push((url.to_string(), fetched)));
    let url = RemoteUrl::parse(&file.to_string_lossy()).unwrap();
    let remote = GitStore::new(folder.path().join("store")).with_options(options).remote(&url).unwrap();
    wait(remote.resolve(&Target::new("main"))).unwrap();
    let steps = std::mem::take(&mut *told.lock().unwrap());
    assert!(steps.iter().all(|(place, _)| *place == url.to_string()));
    assert!(steps.is_sorted_by_key(|(_, step)| step.bytes), "{steps:?}");
    let over: Vec<bool> = steps.iter().map(|(_, step)| step.is_over).collect();
    assert_eq!((over.last(), over.iter().filter(|is_over| **is_over).count()), (Some(&true), 1));
    let size = std::fs::metadata(&file).unwrap().len();
    assert!(steps.last().is_some_and(|(_, step)| (500_000..=size).contains(&step.bytes)), "{steps:?}");
    // Where nothing new comes, nothing is told.
    wait(remote.resolve(&Target::new("main"))).unwrap();
    assert!(told.lock().unwrap().is_empty());
}
