//! Credential helpers of Git, see gitcredentials(7).

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gitops_core::source::{SourceError, SourceFailure};

use super::{Asked, Credential, Credentials, RemoteUrl, Scheme};
use crate::error::unsupported;

/// The longest answer.
const ANSWER: u64 = 64 << 10;
const LOOK: Duration = Duration::from_millis(10);

/// Asks a program for credentials, as Git asks its credential helpers: `PROGRAM ARGUMENTS get`.
///
/// A credential that a server refuses is given back to the program with `erase`, and it is asked for another.
#[derive(Debug)]
pub struct CredentialHelper {
    program: OsString,
    arguments: Vec<OsString>,
    patience: Duration,
    /// What it said last, to be erased should that be refused.
    given: Mutex<Option<(String, String)>>,
}

impl CredentialHelper {
    /// Names the program, such as `git-credential-libsecret`, or `git` with the argument `credential-store`. It is run
    /// without a shell.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref().to_owned();
        Self { program, arguments: Vec::new(), patience: Duration::from_secs(30), given: Mutex::new(None) }
    }

    /// Adds an argument that comes before the verb.
    #[must_use]
    pub fn with_argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets the longest wait for an answer. Default: 30 s.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn ask(&self, verb: &str, remote: &RemoteUrl, given: Option<&(String, String)>) -> Result<String, SourceError> {
        let program = self.program.to_string_lossy();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env("GIT_TERMINAL_PROMPT", "0");
        let mut child = command.spawn().map_err(|error| {
            unsupported(format!("the credential helper `{program}`, which cannot be run ({error}),"))
        })?;
        let mut question = format!("protocol={}\nhost={}", protocol(remote), remote.host());
        if let Some(port) = remote.port() {
            question.push_str(&format!(":{port}"));
        }
        question.push_str(&format!("\npath={}\n", remote.path().trim_start_matches('/')));
        if let Some((user, password)) = given {
            question.push_str(&format!("username={user}\npassword={password}\n"));
        }
        question.push('\n');
        let (input, output) = (child.stdin.take(), child.stdout.take());
        // A program that does not read what it is asked may still answer.
        let writer = thread::spawn(move || input.map(|mut input| input.write_all(question.as_bytes())));
        let reader = thread::spawn(move || {
            let mut text = String::new();
            output.map(|output| output.take(ANSWER).read_to_string(&mut text)).transpose().map(|_| text)
        });
        let status = self.finish(&mut child);
        drop(writer.join());
        let failed = |what: &str| SourceFailure::Unavailable {
            what: format!("the credential helper `{program}` ({what})").into(),
        };
        let succeeded = status.ok_or_else(|| failed("it does not end"))?;
        let text = reader.join().ok().and_then(Result::ok).ok_or_else(|| failed("what it says is no text"))?;
        match succeeded {
            true => Ok(text),
            false => Err(failed("it fails").into()),
        }
    }

    /// Waits until the program ends, and ends it when it takes too long.
    fn finish(&self, child: &mut Child) -> Option<bool> {
        let deadline = Instant::now() + self.patience;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status.success()),
                Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
                _ => {
                    // It may have ended just now.
                    drop(child.kill());
                    drop(child.wait());
                    return None;
                }
            }
        }
    }
}

impl Credentials for CredentialHelper {
    fn credential(&self, remote: &RemoteUrl, asked: Asked) -> Result<Option<Credential>, SourceError> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = given.take().filter(|_| asked == Asked::Refused);
        if refused.is_some() {
            self.ask("erase", remote, refused.as_ref())?;
        }
        let answer = self.ask("get", remote, None)?;
        let field = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let Some(password) = field("password") else { return Ok(None) };
        let user = field("username").unwrap_or_default();
        let found = (user.to_owned(), password.to_owned());
        if refused.as_ref() == Some(&found) {
            return Ok(None);
        }
        *given = Some(found);
        Ok(Some(Credential::basic(user, password)))
    }
}

fn protocol(remote: &RemoteUrl) -> &'static str {
    match remote.scheme() {
        Scheme::Http => "http",
        Scheme::Https => "https",
        Scheme::Ssh => "ssh",
        Scheme::Git => "git",
        Scheme::Bundle => "file",
    }
}
