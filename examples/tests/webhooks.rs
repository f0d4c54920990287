//! `gitops watch --webhooks`: what is pushed is looked at at once, and whatever else comes in is refused.
#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::watch::Watch;
use support::{NAMESPACE, World, config};

const URL: &str = "https://git.example.org/shop/web.git";
const APPS: &str = "apiVersion: gitops.rs/v1alpha1
kind: Application
metadata: {name: web}
spec:
  source: {repoURL: 'https://git.example.org/shop/web.git', path: web, targetRevision: main}
  destination: {namespace: shop}
  syncPolicy: {automated: {selfHeal: true}}
";
const SECRET: &str = "s3cret";
const PUSH: &str = r#"{"ref": "refs/heads/main", "project": {"git_http_url": "https://git.example.org/shop/web.git"}}"#;

fn world() -> World {
    let files =
        [("apps.yaml", APPS), ("web/namespace.yaml", NAMESPACE), ("web/web.yaml", &config("web", "colour: blue"))];
    let world = World::with(&files);
    std::fs::write(world.inner("secret"), format!("{SECRET}\n")).unwrap();
    world
}

/// Begins a watch that asks its repository once an hour.
fn watch(world: &World) -> (Watch, String) {
    let repo = format!("{URL}={}", world.repo().display());
    let heard = ["--webhooks", "127.0.0.1:0", "--webhook-secret", "../secret"];
    let mut watch = Watch::start(world, &[&["--interval", "3600", "--repo", &repo][..], &heard].concat());
    let address = watch.address("webhooks are heard at");
    watch.until("web: Synced");
    (watch, address)
}

fn send(address: &str, request: &[u8]) -> String {
    let mut client = TcpStream::connect(address).unwrap();
    // Who is refused may be so before all is sent.
    client.write_all(request).unwrap_or_default();
    read(&mut client)
}

fn read(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap_or_default();
    String::from_utf8(answer).unwrap()
}

fn request(headers: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn push(secret: &str, body: &str) -> Vec<u8> {
    request(&format!("X-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {secret}\r\n"), body)
}

#[test]
fn what_is_pushed_is_synced_at_once_if_the_secret_is_right() {
    let world = world();
    let (mut watch, address) = watch(&world);
    world.change("web/web.yaml", &config("web", "colour: red"), "Paint it red");

    let refused = send(&address, &push("guess", PUSH));
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("the same secret"), "{refused}");
    assert!(!refused.contains(SECRET) && !refused.contains("guess"), "{refused}");
    let other = send(&address, &push(SECRET, &PUSH.replace("shop/web", "shop/other")));
    assert!(other.starts_with("HTTP/1.1 200 ") && other.contains("no application follows"), "{other}");
    let branch = send(&address, &push(SECRET, &PUSH.replace("heads/main", "heads/next")));
    assert!(branch.contains("no application follows"), "{branch}");
    let object = world.gitops("cluster get cm/web -n shop").exits(0);
    assert!(object.contains("colour: blue"), "nothing was looked at yet: {object}");

    let begin = Instant::now();
    let heard = send(&address, &push(SECRET, PUSH));
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("is looked at now"), "{heard}");
    watch.until("Succeeded");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    let object = world.gitops("cluster get cm/web -n shop").exits(0);
    assert!(object.contains("colour: red"), "{object}");
    assert_eq!(watch.stop().0, 0);
}

#[test]
fn whatever_is_no_webhook_is_refused_and_the_next_one_is_heard() {
    let world = world();
    let (watch, address) = watch(&world);
    let long = "x".repeat(100_000);
    let many = |head: &str| format!("POST / HTTP/1.1\r\n{head}\r\n\r\n").into_bytes();
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "405"),
        (b"\xff\xfe\x00\x01\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "400"),
        (b"POST /\r\n\r\n", "400"),
        (&many("no colon"), "400"),
        (&many("Host: x"), "411"),
        (&many("Transfer-Encoding: chunked\r\nContent-Length: 3"), "411"),
        (&many("Content-Length: 3\r\nContent-Length: 4"), "411"),
        (&many("Content-Length: -3"), "400"),
        (&many("Content-Length: 18446744073709551616"), "400"),
        (&many("Content-Length: 99999999999"), "413"),
        (&many(&format!("Long: {long}")), "431"),
        (format!("POST /{long} HTTP/1.1\r\n\r\n").as_bytes(), "4"),
        (&request("", PUSH), "401"),
        (&request("X-GitHub-Event: push\r\n", PUSH), "401"),
        (&push(SECRET, "[1, 2"), "400"),
        (&push(SECRET, "{}"), "400"),
    ] {
        let answer = send(&address, request);
        let shown = String::from_utf8_lossy(request.get(..80).unwrap_or(request));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {answer}");
    }
    // Whoever ends early, or says nothing at all, disturbs nobody.
    for request in [&b""[..], b"POST", &push(SECRET, PUSH)[..120]] {
        let mut client = TcpStream::connect(&address).unwrap();
        client.write_all(request).unwrap();
    }
    let mut asking = TcpStream::connect(&address).unwrap();
    let head = format!("POST / HTTP/1.1\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {SECRET}\r\n");
    let head = format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", PUSH.len());
    asking.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    asking.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    asking.write_all(PUSH.as_bytes()).unwrap();
    assert!(read(&mut asking).contains("is looked at now"));
    assert_eq!(watch.stop().0, 0);
}

#[test]
fn slow_clients_lose_their_patience_with_us_and_keep_nobody_out() {
    let world = world();
    let (watch, address) = watch(&world);
    let begin = Instant::now();
    let connect = |_| {
        let mut slow = TcpStream::connect(&address).unwrap();
        slow.write_all(b"POST / HTTP/1.1\r\n").unwrap();
        slow
    };
    let mut slow: Vec<TcpStream> = (0..8).map(connect).collect();
    std::thread::sleep(Duration::from_millis(300));
    let busy = send(&address, &push(SECRET, PUSH));
    assert!(busy.starts_with("HTTP/1.1 503 "), "{busy}");
    // A byte now and then does not help.
    let mut dripping = slow.remove(0);
    while begin.elapsed() < Duration::from_secs(20) && dripping.write_all(b"X").is_ok() {
        std::thread::sleep(Duration::from_millis(250));
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "it was let go");
    assert!(read(&mut slow.remove(0)).starts_with("HTTP/1.1 408 "));
    drop(slow);
    let mut heard = send(&address, &push(SECRET, PUSH));
    while heard.starts_with("HTTP/1.1 503 ") && begin.elapsed() < Duration::from_secs(40) {
        heard = send(&address, &push(SECRET, PUSH));
    }
    assert!(heard.contains("is looked at now"), "{heard}");
    assert_eq!(watch.stop().0, 0);
}

#[test]
fn webhooks_need_a_secret() {
    let world = world();
    std::fs::write(world.inner("empty"), "\n").unwrap();
    for (arguments, reason) in [
        (&[][..], "webhooks need a secret"),
        (&["--webhook-secret", "../empty"], "webhooks need a secret"),
        (&["--webhook-secret", "../missing"], "`../missing` cannot be read"),
    ] {
        let repo = format!("{URL}={}", world.repo().display());
        let all = [&["watch", "apps.yaml", "--webhooks", "127.0.0.1:0", "--repo", &repo][..], arguments].concat();
        let told = world.run(&all).refuses();
        assert!(told.contains(reason) && told.contains("GITOPS_WEBHOOK_SECRET"), "{told}");
    }
}
