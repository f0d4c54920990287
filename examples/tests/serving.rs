//! `gitops cluster serve`: the embedded cluster for everybody, until it is stopped.

#![expect(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use support::World;

/// A server that runs; what it said first, and where it lets in.
struct Served {
    child: Child,
    address: String,
    token: String,
}

#[test]
fn a_kubeconfig_that_is_not_its_own_stays_as_it_is_and_one_of_a_run_that_was_killed_is_replaced() {
    let world = World::new();
    let given = world.inner("mine.kubeconfig");
    let beside = world.inner("cache/gitops/cluster.kubeconfig");
    std::fs::create_dir_all(beside.parent().unwrap()).unwrap();
    for (path, arguments) in
        [(&given, vec!["cluster", "serve", "--kubeconfig", "../mine.kubeconfig"]), (&beside, vec!["cluster", "serve"])]
    {
        let theirs = r#"{"clusters": [{"name": "prod", "cluster": {"server": "https://prod.example.org"}}]}"#;
        std::fs::write(path, theirs).unwrap();
        let error = world.run(&arguments).refuses();
        assert!(error.contains("cannot be written") && error.contains("name a file that is not there yet"), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), theirs);
    }
    let token = "0123456789abcdef".repeat(4);
    let own =
        format!(r#"{{"clusters": [{{"name": "memory", "cluster": {{"server": "http://127.0.0.1:1/{token}"}}}}]}}"#);
    std::fs::write(&beside, own).unwrap();
    let served = Served::start(&world);
    assert_ne!(served.token, token);
    assert_eq!(served.stop(), Some(0));
    assert!(!beside.exists());
}

#[test]
fn whoever_is_not_let_in_is_answered_before_the_body() {
    let world = World::new();
    let served = Served::start(&world);
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer wrong\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        served.address
    )
    .unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 401"), "{line}");
    assert_eq!(served.stop(), Some(0));
}

impl Served {
    fn start(world: &World) -> Self {
        let mut command = world.program(&["cluster", "serve"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving on http://").unwrap().to_owned();
        let kubeconfig = std::fs::read_to_string(world.inner("cache/gitops/cluster.kubeconfig")).unwrap();
        let server = format!("http://{address}/");
        let token = kubeconfig.split(&*server).nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { child, address, token }
    }

    /// One request; returns the status line and all the rest.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn what_is_written_over_http_is_in_the_embedded_cluster_once_the_server_is_stopped() {
    let world = World::new();
    let served = Served::start(&world);
    let maps = "api/v1/namespaces/default/configmaps";
    let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"},"data":{"colour":"blue"}}"#;
    let stranger = served.ask("POST", &format!("/{maps}"), map);
    assert!(stranger.starts_with("HTTP/1.1 403"), "{stranger}");
    let wrong = served.ask("GET", &format!("/{}x/{maps}", served.token), "");
    assert!(wrong.starts_with("HTTP/1.1 403"), "{wrong}");
    let created = served.ask("POST", &format!("/{}/{maps}", served.token), map);
    assert!(created.starts_with("HTTP/1.1 201"), "{created}");
    assert_eq!(served.stop(), Some(0));
    assert!(!world.inner("cache/gitops/cluster.kubeconfig").exists(), "it lets in nowhere any more");
    let found = world.gitops("cluster get cm/web -n default").exits(0);
    assert!(found.contains("colour: blue"), "{found}");
}
