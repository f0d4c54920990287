//! The `gitops` program: what Git says against what a cluster holds, from the command line.
//!
//! Thin over the libraries: it reads arguments ([`cli`]), opens the source and the cluster ([`world`]), calls
//! `gitops-core` ([`verbs`]) and prints ([`render`]).

mod cli;
mod clock;
mod document;
mod field;
mod joined;
mod kinds;
mod live;
mod part;
#[cfg(feature = "kube")]
mod real;
mod render;
mod repository;
mod rule_files;
mod site;
mod state_file;
mod subject;
mod verbs;
mod whole_file;
mod world;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use render::Paint;

/// What a verb has to say, and the exit code: 0 in sync, 1 out of sync or something to do, 2 no (whole) answer.
#[derive(Debug)]
struct Answer {
    text: String,
    code: u8,
}

/// Why there is no answer at all. Every text says what, where and what to do.
type Failure = Box<dyn Error>;

/// The exit code of errors, and of answers with something held back. The same as for wrong usage.
const ERROR: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let paint = Paint::for_stdout(cli.no_color);
    let code = match verbs::run(&cli.verb, paint) {
        Ok(answer) => match print(&answer.text) {
            Ok(()) => answer.code,
            Err(error) => complain(&format!("the output cannot be written: {error}")),
        },
        Err(failure) => complain(&with_causes(&*failure)),
    };
    ExitCode::from(code)
}

/// A reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn complain(text: &str) -> u8 {
    say(&format!("error: {text}\n"));
    ERROR
}

/// Writes to standard error, at once, so that lines of several runs do not mix. Where even that is closed there is
/// nobody to tell.
fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).unwrap_or_default();
}

fn with_causes(failure: &dyn Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str("\n  caused by: ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}
