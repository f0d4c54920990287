//! Telling others what happens: by a command of theirs.

use std::process::{Child, Command, Stdio};

use gitops_core::engine::{Notification, Notifier};

/// Most commands at once; what happens meanwhile is not told by a command.
const AT_ONCE: usize = 8;

/// Runs a command for each occasion, and does not wait for it.
#[derive(Debug)]
pub(super) struct Commands {
    command: String,
    running: Vec<Child>,
}

impl Commands {
    pub(super) fn new(command: &str) -> Self {
        Self { command: command.to_owned(), running: Vec::new() }
    }

    /// Waits for those that still run.
    pub(super) fn close(&mut self) {
        for mut child in self.running.drain(..) {
            complain(child.wait().map(|_| ()));
        }
    }
}

impl Notifier for Commands {
    fn notify(&mut self, notification: &Notification) {
        self.running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if self.running.len() >= AT_ONCE {
            crate::say("warning: earlier commands of `--notify` still run, so one was left out\n");
            return;
        }
        let mut command = Command::new("sh");
        // Nothing of what is told becomes part of the command itself.
        command.arg("-c").arg(&self.command).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("GITOPS_APP", &*notification.app).env("GITOPS_OCCASION", notification.occasion.name());
        command.env("GITOPS_TEXT", notification.text.replace('\0', " "));
        match command.spawn() {
            Ok(child) => self.running.push(child),
            Err(error) => complain(Err(error)),
        }
    }
}

fn complain(result: std::io::Result<()>) {
    if let Err(error) = result {
        crate::say(&format!("warning: the command of `--notify` cannot be run: {error}\n"));
    }
}
