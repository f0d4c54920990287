//! `gitops watch`, under way.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use super::World;

/// A watch under way.
pub struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
    told: BufReader<ChildStderr>,
}

impl Watch {
    pub fn start(world: &World, arguments: &[&str]) -> Self {
        let mut command = world.program(&["watch", "apps.yaml"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let told = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines, told }
    }

    /// The address in the first line that the program says beside its output, after these words.
    #[track_caller]
    pub fn address(&mut self, words: &str) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix(words).and_then(|rest| rest.strip_prefix(" http://"));
        address.unwrap_or_else(|| panic!("no `{words}`: {line}")).split('/').next().unwrap().to_owned()
    }

    /// Reads until a line holds this.
    #[track_caller]
    pub fn until(&mut self, wanted: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "`{wanted}` did not come:\n{all}");
            all.push_str(&line);
            if line.contains(wanted) {
                return all;
            }
        }
    }

    /// As Ctrl-C does.
    pub fn stop(mut self) -> (i32, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
    }
}
