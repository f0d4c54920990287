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
