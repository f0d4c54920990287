//! What comes from elsewhere with Git: addresses, webhooks, lists of signers.

use std::collections::BTreeSet;

use gitops_core::source::Target;
use gitops_git::webhook::{Event, Host, Webhooks};
use gitops_git::{RemoteUrl, Trust};

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
