//! What comes from elsewhere with Git: addresses, webhooks, lists of signers and keys, submodules, bundles.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use gitops_core::source::{Paths, Source, Target};
use gitops_git::webhook::{Event, Host, Webhooks};
use gitops_git::{GitStore, RemoteOptions, RemoteUrl, SubmoduleList, Trust};

/// An address is read or refused, means the same when it is read again as it is shown, and never shows its password.
pub fn remote_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(url) = RemoteUrl::parse(text) else { return };
    let shown = url.to_string();
    if let Ok(again) = RemoteUrl::parse(&shown) {
        assert_eq!((again.scheme(), again.host(), again.port()), (url.scheme(), url.host(), url.port()), "{shown}");
    }
    let secret = RemoteUrl::parse(&text.replacen("://", "://u:5ecre7@", 1));
    if let Ok(secret) = secret.as_ref() {
        assert!(!format!("{secret} {secret:?}").contains("5ecre7") || text.contains("5ecre7"), "{shown}");
    }
}

/// A webhook is read or refused, whoever says to have sent it; what it names is bounded by what it says.
pub fn webhook(bytes: &[u8]) {
    let (event, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(event) = std::str::from_utf8(event) else { return };
    let body = body.get(1..).unwrap_or_default();
    let webhooks = Webhooks::default().with_secret(Host::GitLab, "s").with_secret(Host::AzureDevOps, "s");
    for headers in [
        vec![("X-Gitlab-Event", event), ("X-Gitlab-Token", "s")],
        vec![("Authorization", "Basic cw==")],
        vec![("X-GitHub-Event", event), ("X-Hub-Signature-256", event)],
    ] {
        if let Ok(Event::Pushed(push)) = webhooks.read(headers, body) {
            assert!(push.refs.iter().all(|name| name.starts_with("refs/")), "{push:?}");
            let all: BTreeSet<&String> = push.repositories.iter().collect();
            assert!(all.iter().map(|text| text.len()).sum::<usize>() <= body.len() * 4, "{push:?}");
            assert!(!push.concerns("https://h/a", &Target::new(&"0".repeat(40))), "a commit stays what it is");
        }
    }
}

/// A list of signers is read as a whole or refused with the line.
pub fn signers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(error) = Trust::by_signers(text) {
        assert!(error.line >= 1 && error.line <= text.lines().count(), "{error}");
    }
}

/// A keyring is read as a whole or refused: keys, and what their owners signed of them. Twice the same is no other thing.
pub fn keyring(bytes: &[u8]) {
    let read = |ring: &[u8]| Trust::by_signers("").is_ok_and(|trust| trust.with_keyring(ring).is_ok());
    if std::str::from_utf8(bytes).is_err() && read(bytes) {
        assert!(read(&bytes.repeat(2)), "a ring that is there twice");
    }
}

/// A submodule has a name that leads nowhere else, and an address that is read again as it is shown; what is relative
/// stays on its host.
pub fn submodules(bytes: &[u8]) {
    let Ok(list) = SubmoduleList::read(bytes) else { return };
    let (Ok(web), Ok(shell)) =
        (RemoteUrl::parse("https://example.org/team/shop.git"), RemoteUrl::parse("git@example.org:team/shop.git"))
    else {
        return;
    };
    for submodule in list.paths().filter_map(|path| list.at(path).ok()) {
        let name = submodule.name();
        assert!(
            !name.starts_with(['/', '-']) && !name.split('/').any(|part| matches!(part, "" | "." | "..")),
            "{name}"
        );
        let urls = [submodule.url(&web), submodule.url(&shell)];
        for url in urls.iter().flatten() {
            assert!(!url.host().starts_with('-') && !url.path().starts_with('-'), "{url}");
            assert!(!url.path().split('/').any(|part| part == ".."), "{url}");
        }
        // One that means another place for another repository is relative.
        if let [Ok(of_web), Ok(of_shell)] = &urls
            && of_web != of_shell
        {
            assert_eq!((of_web.host(), of_shell.host()), ("example.org", "example.org"));
        }
    }
}

/// A bundle is unpacked whole or refused, and what it says is never what breaks the reading of it. What comes of it can be
/// read.
pub fn bundle(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let file = folder.path().join("a.bundle");
    let mut options = RemoteOptions::default();
    (options.attempts, options.pack_bytes, options.limits.object_bytes) = (1, 1 << 20, 1 << 20);
    let store = GitStore::new(folder.path().join("store")).with_options(options);
    let (Ok(()), Ok(url)) = (std::fs::write(&file, bytes), RemoteUrl::parse(&file.to_string_lossy())) else { return };
    let Ok(remote) = store.remote(&url) else { return };
    match wait(remote.resolve(&Target::new("main"))) {
        Err(error) => assert!(!error.to_string().contains("broke the reading"), "{error}"),
        Ok(revision) => {
            let Ok(files) = wait(remote.snapshot(&revision.id, &Paths::default(), None)) else { return };
            let ids: Vec<_> = files.files().into_iter().map(|file| file.id).collect();
            let read = wait(remote.read(&ids)).unwrap_or_default();
            assert_eq!(read.len(), ids.len(), "one answer for each file");
        }
    }
}

/// Waits for something that is done on another thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Parked(Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}
