//! The built program in a folder of its own: a repository made by `git`, a cache directory, and nothing of the machine.
#![allow(dead_code, unreachable_pub, reason = "each test target uses a part of it")]
#![allow(clippy::unwrap_used, reason = "tests may fail")]

pub mod watch;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A repository `shop` and an embedded cluster.
pub struct World {
    folder: TempDir,
    commits: Cell<i64>,
}

/// What one run of the program said.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap(), commits: Cell::new(0) };
        fs::create_dir(world.repo()).unwrap();
        world.git(&["init", "-q", "-b", "main", "."]);
        world
    }

    /// A world whose first commit holds these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        files.iter().for_each(|(path, text)| world.write(path, text));
        world.commit("Add the shop");
        world
    }

    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub fn inner(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The default file of the embedded cluster.
    pub fn state_file(&self) -> PathBuf {
        self.inner("cache/gitops/cluster.json")
    }

    /// What the embedded cluster holds, byte for byte; `None` as long as there is none.
    pub fn state(&self) -> Option<Vec<u8>> {
        fs::read(self.state_file()).ok()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.repo().join(path)).unwrap();
    }

    /// Commits the whole work tree and returns the id.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a branch of many empty commits at once; returns their ids, sorted.
    pub fn many_commits(&self, count: usize) -> Vec<String> {
        let mut stream = String::new();
        for at in 0..count {
            let who = format!("Ann <ann@example.org> {} +0000", 1_800_000_000 + at);
            stream.push_str(&format!("commit refs/heads/many\ncommitter {who}\ndata 0\n"));
        }
        let file = self.inner("stream");
        fs::write(&file, stream).unwrap();
        let mut import = self.command("git", &self.repo());
        import.args(["fast-import", "--quiet"]).stdin(fs::File::open(file).unwrap());
        assert!(import.status().unwrap().success());
        let mut ids: Vec<String> = self.git(&["rev-list", "many"]).lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }

    /// Writes a file and commits it.
    pub fn change(&self, path: &str, text: &str, message: &str) -> String {
        self.write(path, text);
        self.commit(message)
    }

    /// Runs `git` with fixed people and times, each later than the last.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.commits.set(self.commits.get() + 1);
        let date = format!("{} +0000", 1_700_000_000 + 60 * self.commits.get());
        let mut command = self.command("git", &self.repo());
        command.args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            let people = [("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", &date)];
            command.envs(people.map(|(what, value)| (format!("GIT_{role}_{what}"), value)));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(folder).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C");
        command.env("HOME", self.folder.path()).env("XDG_CACHE_HOME", self.inner("cache")).env("USER", "ann");
        command
    }

    /// The program in the repository, with these arguments.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_gitops"), &self.repo());
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.program(arguments).output().unwrap())
    }

    /// Runs the program with arguments separated by white space.
    pub fn gitops(&self, arguments: &str) -> Run {
        self.run(&arguments.split_whitespace().collect::<Vec<_>>())
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Asserts the exit code and gives the output.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        assert_eq!(self.code, code, "\n{}{}", self.out, self.err);
        self.out
    }

    /// Asserts that this run failed with code 2, nothing on standard output and one message; gives the message.
    #[track_caller]
    pub fn refuses(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (2, ""), "\n{}", self.err);
        self.err
    }

    /// The output as JSON, whatever the exit code.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A ConfigMap in the namespace `shop`.
pub fn config(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: shop\ndata:\n  {data}\n")
}

pub const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";

/// A Deployment in the namespace `shop`.
pub fn deployment(replicas: u32, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
        - name: web
          image: {image}
"
    )
}
