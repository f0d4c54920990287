//! What hosts send, cut down to what is read, and what others might.

use std::fmt::Write;

use super::*;

const SECRET: &str = "s3cret";

fn signed(body: &str) -> String {
    proof::hmac(SECRET.as_bytes(), body.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn all() -> Webhooks {
    [Host::GitHub, Host::GitLab, Host::Bitbucket, Host::Gitea, Host::AzureDevOps]
        .into_iter()
        .fold(Webhooks::default(), |webhooks, host| webhooks.with_secret(host, SECRET))
}

/// The headers with which a host sends `body`, proof included.
fn headers(host: Host, event: &str, body: &str) -> Vec<(&'static str, String)> {
    let event = event.to_owned();
    match host {
        Host::GitHub => vec![("X-GitHub-Event", event), ("X-Hub-Signature-256", format!("sha256={}", signed(body)))],
        Host::GitLab => vec![("X-Gitlab-Event", event), ("X-Gitlab-Token", SECRET.to_owned())],
        Host::Bitbucket => vec![("X-Event-Key", event), ("X-Hub-Signature", format!("sha256={}", signed(body)))],
        // It sends those of GitHub too, for services that know no better.
        Host::Gitea => vec![
            ("X-GitHub-Event", event.clone()),
            ("X-Gitea-Event", event),
            ("X-Hub-Signature-256", "sha256=00".to_owned()),
            ("X-Gitea-Signature", signed(body)),
        ],
        Host::AzureDevOps => vec![("Authorization", "Basic czNjcmV0".to_owned())],
    }
}

fn read(webhooks: &Webhooks, headers: &[(&'static str, String)], body: &str) -> Result<Event, WebhookError> {
    webhooks.read(headers.iter().map(|(name, value)| (*name, value.as_str())), body.as_bytes())
}

/// Host, event, body, the refs, and addresses of the repository.
type Sent = (Host, &'static str, &'static str, Vec<&'static str>, Vec<&'static str>);

/// One push of each kind.
fn pushes() -> Vec<Sent> {
    vec![
        (
            Host::GitHub,
            "push",
            r#"{"ref": "refs/heads/main", "before": "a", "after": "b", "repository": {"full_name": "Shop/web",
                "clone_url": "https://github.com/Shop/web.git", "ssh_url": "git@github.com:Shop/web.git",
                "default_branch": "main"}}"#,
            vec!["refs/heads/main"],
            vec!["https://github.com/shop/web", "git@github.com:Shop/web.git", "ssh://git@github.com:22/Shop/web.git/"],
        ),
        (
            Host::GitHub,
            "create",
            r#"{"ref": "v1.2", "ref_type": "tag", "repository": {"clone_url": "https://github.com/Shop/web.git"}}"#,
            vec!["refs/tags/v1.2"],
            vec!["https://github.com/Shop/web.git"],
        ),
        (
            Host::GitLab,
            "Tag Push Hook",
            r#"{"object_kind": "tag_push", "ref": "refs/tags/v1", "project": {"default_branch": "trunk",
                "git_http_url": "https://gitlab.example/a/b/web.git", "git_ssh_url": "git@gitlab.example:a/b/web.git"}}"#,
            vec!["refs/tags/v1"],
            vec!["https://oauth2:token@gitlab.example:8443/a/b/web.git", "git@gitlab.example:a/b/web"],
        ),
        (
            Host::GitLab,
            "System Hook",
            r#"{"event_name": "repository_update", "refs": ["refs/heads/a", "refs/heads/b"],
                "project": {"git_http_url": "https://gitlab.example/a/web.git"}}"#,
            vec!["refs/heads/a", "refs/heads/b"],
            vec!["https://gitlab.example/a/web.git"],
        ),
        (
            Host::Bitbucket,
            "repo:push",
            r#"{"push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": null},
                {"new": null, "old": {"type": "tag", "name": "v1"}}]},
                "repository": {"links": {"html": {"href": "https://bitbucket.org/shop/web"}}}}"#,
            vec!["refs/heads/main", "refs/tags/v1"],
            vec!["git@bitbucket.org:shop/web.git"],
        ),
        (
            Host::Bitbucket,
            "repo:refs_changed",
            r#"{"changes": [{"ref": {"id": "refs/heads/main"}}], "repository": {"slug": "web", "links": {"clone": [
                {"href": "ssh://git@bitbucket.example:7999/shop/web.git", "name": "ssh"},
                {"href": "https://bitbucket.example/scm/shop/web.git", "name": "http"}]}}}"#,
            vec!["refs/heads/main"],
            vec!["https://bitbucket.example/scm/shop/web.git", "ssh://git@bitbucket.example:7999/shop/web.git"],
        ),
        (
            Host::Gitea,
            "push",
            r#"{"ref": "refs/heads/main", "repository": {"clone_url": "http://gitea.example:3000/shop/web.git"}}"#,
            vec!["refs/heads/main"],
            vec!["ssh://git@gitea.example:2222/shop/web.git"],
        ),
        (
            Host::AzureDevOps,
            "",
            r#"{"eventType": "git.push", "resource": {"refUpdates": [{"name": "refs/heads/main"}], "repository": {
                "defaultBranch": "refs/heads/main", "remoteUrl": "https://shop@dev.azure.com/shop/web/_git/app"}}}"#,
            vec!["refs/heads/main"],
            vec!["https://dev.azure.com/shop/web/_git/app", "git@ssh.dev.azure.com:v3/shop/web/app"],
        ),
    ]
}

#[test]
fn a_push_names_its_repository_and_refs_whoever_sends_it() {
    for (host, event, body, refs, addresses) in pushes() {
        let found = read(&all(), &headers(host, event, body), body).unwrap();
        let Event::Pushed(push) = found else { panic!("{host:?} {event}: {found:?}") };
        assert_eq!(push.refs.iter().map(String::as_str).collect::<Vec<_>>(), refs, "{host:?} {event}");
        for address in addresses {
            assert!(push.concerns(address, &Target::new(refs[0])), "{host:?}: {address} in {:?}", push.repositories);
        }
        assert!(!push.concerns("https://github.com/shop/other", &Target::new(refs[0])), "{host:?}");
    }
}

#[test]
fn only_who_knows_the_secret_is_heeded() {
    for (host, event, body, ..) in pushes() {
        let right = headers(host, event, body);
        let other = Webhooks::default().with_secret(host, "other");
        assert_eq!(read(&other, &right, body), Err(WebhookError::NotProven(host)));
        assert!(read(&other.with_secret(host, SECRET), &right, body).is_ok(), "one of two is enough");
        assert_eq!(read(&Webhooks::default(), &right, body), Err(WebhookError::NoSecret(host)));
        let empty = Webhooks::default().with_secret(host, "");
        assert_eq!(read(&empty, &right, body), Err(WebhookError::NoSecret(host)));
        // Without proof, with an empty one, and with one of something else.
        for change in ["", "0", "sha256=", "Basic ", "sha256=zz"] {
            let mut wrong = right.clone();
            wrong.last_mut().unwrap().1 = change.to_owned();
            let found = read(&all(), &wrong, body);
            assert!(
                matches!(found, Err(WebhookError::NotProven(_) | WebhookError::UnknownHost)),
                "{host:?} {change}: {found:?}"
            );
        }
        if matches!(host, Host::GitHub | Host::Bitbucket | Host::Gitea) {
            assert_eq!(read(&all(), &right, &format!("{body} ")), Err(WebhookError::NotProven(host)));
        }
    }
    assert_eq!(read(&all(), &[], "{}"), Err(WebhookError::UnknownHost));
}

#[test]
fn a_push_concerns_what_follows_a_ref_that_changed() {
    let push = |name: &str, default: Option<&str>| Push {
        repositories: ["https://h/a/b".to_owned()].into(),
        refs: [name.to_owned()].into(),
        default_branch: default.map(str::to_owned),
    };
    let id = "5".repeat(40);
    for (name, default, target, concerned) in [
        ("refs/heads/main", Some("main"), "HEAD", true),
        ("refs/heads/main", Some("main"), "", true),
        ("refs/heads/next", Some("main"), "HEAD", false),
        ("refs/heads/next", None, "HEAD", true),
        ("refs/heads/next", None, "next", true),
        ("refs/heads/next", None, "next~1", true),
        ("refs/heads/next", None, "refs/heads/next", true),
        ("refs/heads/next", None, "heads/next", true),
        ("refs/heads/a/next", None, "next", false),
        ("refs/tags/v1.2", None, "1.x", true),
        ("refs/heads/v1.2", None, ">=1", false),
        ("refs/heads/1.x", None, "1.x", true),
        ("refs/tags/v1.2", None, "v1.2", true),
        ("refs/heads/main", None, &id, false),
    ] {
        let found = push(name, default).concerns("https://h/a/b.git", &Target::new(target));
        assert_eq!(found, concerned, "{name} {default:?} {target}");
    }
}

#[test]
fn what_is_no_push_is_told_apart_from_what_cannot_be_read() {
    let form = format!(
        "payload={}",
        r#"{"ref":"refs/heads/a b","repository":{"clone_url":"https://h/a"}}"#.replace(' ', "+").replace('"', "%22")
    );
    let mut sent = headers(Host::GitHub, "push", &form);
    sent.push(("Content-Type", "application/x-www-form-urlencoded".to_owned()));
    assert!(matches!(read(&all(), &sent, &form), Ok(Event::Pushed(push)) if push.refs.contains("refs/heads/a b")));
    for (host, event, body, expected) in [
        (Host::GitHub, "ping", "{}", Ok(Event::Ping)),
        (Host::GitHub, "issues", "{}", Ok(Event::Other("issues".to_owned()))),
        (Host::Bitbucket, "diagnostics:ping", r#"{"test": true}"#, Ok(Event::Ping)),
        (Host::AzureDevOps, "", r#"{"eventType": "build.complete"}"#, Ok(Event::Other("build.complete".to_owned()))),
        (Host::GitHub, "push", "", Err("it is no JSON (line 1, column 0)")),
        (Host::GitHub, "push", "[1", Err("it is no JSON (line 1, column 2)")),
        (Host::GitLab, "Push Hook", r#"{"ref": 7}"#, Err("it names no repository")),
    ] {
        let expected = expected.map_err(|why| WebhookError::Invalid { host, why: why.to_owned() });
        assert_eq!(read(&all(), &headers(host, event, body), body), expected, "{host:?} {event} {body}");
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_or_refused(body in "\\PC{0,64}", event in "[a-z:_ ]{0,12}") {
        for host in [Host::GitHub, Host::GitLab, Host::Bitbucket, Host::Gitea, Host::AzureDevOps] {
            drop(read(&all(), &headers(host, &event, &body), &body));
        }
        drop(hosts::place(&body));
    }
}
