//! A web server that runs `git http-backend`, and can misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Serves the repositories below a folder until the test ends.
pub struct Server {
    pub address: String,
    state: Arc<State>,
}

struct State {
    root: PathBuf,
    requests: Mutex<Vec<String>>,
    fault: Mutex<Vec<Fault>>,
    /// What the header `Authorization` must hold.
    authorization: Mutex<Option<String>>,
    /// Whether the second version of the protocol may be spoken.
    modern: Mutex<bool>,
}

/// What goes wrong with one request. `None` is an answer as it should be.
#[derive(Clone, Debug)]
pub enum Fault {
    None,
    /// Another status, with a header line.
    Status(u16, &'static str),
    /// The body ends after so many bytes.
    Cut(usize),
    /// One byte of the body, counted from its end, is another.
    Flip(usize),
    /// Nothing comes for so long.
    Silence(Duration),
    /// The connection is closed without an answer.
    Close,
    /// Something that is not Git.
    Garbage,
    /// Another body, of the right type.
    Instead(Vec<u8>),
    /// This is done first.
    After(fn(&Path)),
}

impl Server {
    pub fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            root: root.to_owned(),
            requests: Mutex::default(),
            fault: Mutex::default(),
            authorization: Mutex::default(),
            modern: Mutex::new(true),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || while serve(&state, &stream).is_some() {});
            }
        });
        Self { address, state }
    }

    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Takes the requests that came since the last time: method, path, and the command in the body if it has one.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.requests.lock().unwrap())
    }

    /// Lets the next requests go wrong, one after the other.
    pub fn fail(&self, faults: &[Fault]) {
        *self.state.fault.lock().unwrap() = faults.iter().rev().cloned().collect();
    }

    pub fn require(&self, authorization: &str) {
        *self.state.authorization.lock().unwrap() = Some(authorization.to_owned());
    }

    pub fn speak_old_protocol(&self) {
        *self.state.modern.lock().unwrap() = false;
    }
}

fn serve(state: &State, mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (method, target) = (line.split(' ').next()?.to_owned(), line.split(' ').nth(1)?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let command = String::from_utf8_lossy(&body);
    let command = command.split("command=").nth(1).and_then(|rest| rest.split(['\n', '0']).next()).unwrap_or_default();
    state.requests.lock().unwrap().push(format!("{method} {target} {command}").trim_end().to_owned());

    let wanted = state.authorization.lock().unwrap().clone();
    if wanted.is_some_and(|wanted| headers.get("authorization") != Some(&wanted)) {
        return answer(stream, 401, "WWW-Authenticate: Basic", b"no");
    }
    let fault = state.fault.lock().unwrap().pop().unwrap_or(Fault::None);
    match fault {
        Fault::Status(status, header) => return answer(stream, status, header, b"no"),
        Fault::Close => return None,
        Fault::Silence(time) => {
            thread::sleep(time);
            return None;
        }
        Fault::After(work) => work(&state.root),
        Fault::Instead(body) => {
            return answer(stream, 200, "Content-Type: application/x-git-upload-pack-result", &body);
        }
        Fault::Garbage => return answer(stream, 200, "Content-Type: text/html", b"<html>Sign in</html>"),
        _ => {}
    }
    let (status, head, mut content) = backend(state, &method, &target, &headers, &body);
    if let Fault::Flip(from_end) = fault
        && let Some(at) = content.len().checked_sub(from_end)
    {
        content[at] ^= 0x55;
    }
    if let Fault::Cut(at) = fault {
        let head = format!("HTTP/1.1 {status} x\r\n{head}\r\nContent-Length: {}\r\n\r\n", content.len());
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&content[..at.min(content.len())]).ok()?;
        return None;
    }
    answer(stream, status, &head, &content)
}

fn answer(mut stream: &TcpStream, status: u16, head: &str, body: &[u8]) -> Option<()> {
    let head = format!("HTTP/1.1 {status} x\r\n{head}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

fn backend(
    state: &State,
    method: &str,
    target: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("GIT_PROJECT_ROOT", &state.root);
    command.envs([("GIT_HTTP_EXPORT_ALL", "1"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
    command.envs([("REQUEST_METHOD", method), ("PATH_INFO", path), ("QUERY_STRING", query)]);
    command.env("CONTENT_TYPE", headers.get("content-type").map_or("", String::as_str));
    command.env("CONTENT_LENGTH", body.len().to_string()).env("REMOTE_ADDR", "127.0.0.1");
    if let Some(version) = headers.get("git-protocol").filter(|_| *state.modern.lock().unwrap()) {
        command.env("GIT_PROTOCOL", version);
    }
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    drop(writer.join());
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")?.get(..3)?.parse().ok()).unwrap_or(200);
    let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status:")).collect();
    (status, head.join("\r\n"), output[end + 4..].to_vec())
}
