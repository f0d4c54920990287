//! Runs every fuzz body on stable: over its corpus, and over bytes made from it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test, and its output")]

use std::fs;
use std::path::{Path, PathBuf};

use gitops_fuzz::{Body, TARGETS};

/// Inputs made from each seed.
const VARIANTS: usize = 300;

#[test]
fn no_bytes_break_a_law() {
    for (name, body) in TARGETS {
        let seeds = corpus(name);
        assert!(seeds.len() > 1, "`{name}` has no corpus");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for seed in &seeds {
            run(name, *body, seed);
            for _ in 0..VARIANTS {
                run(name, *body, &random.variant(seed, &seeds));
            }
        }
    }
}

#[test]
fn every_body_has_a_target_and_every_target_a_body() {
    let mut targets: Vec<String> = fs::read_dir(root().join("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    assert_eq!(targets, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

/// Runs a body and shows the bytes that broke it.
fn run(name: &str, body: Body, bytes: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| body(bytes)) {
        println!("`{name}` is broken by b\"{}\"", bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

/// The seeds of a body, and an empty one.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("corpus").join(name))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).chain([Vec::new()]).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fixed sequence (xorshift), so that a failure happens again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Changes a seed in one to four places.
    fn variant(&mut self, seed: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        const PIECES: &[&str] = &[
            "",
            " ",
            "\n",
            "\t",
            "\r\n",
            "---\n",
            "- ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "'",
            "&a ",
            "*a",
            "<<: ",
            "!!",
            "|\n",
            "null",
            "~",
            "0",
            "-1",
            "9223372036854775808",
            "1e308",
            "-0.0",
            "/",
            "..",
            "**",
            "\u{feff}",
            "é",
        ];
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let from = self.below(bytes.len() + 1);
            let to = (from + self.below(16)).min(bytes.len());
            let piece = match self.below(4) {
                0 => vec![u8::try_from(self.below(256)).unwrap()],
                1 => PIECES[self.below(PIECES.len())].as_bytes().to_vec(),
                2 => bytes[from..to].repeat(1 + self.below(40)),
                _ => {
                    let other = &others[self.below(others.len())];
                    let start = self.below(other.len() + 1);
                    other[start..(start + self.below(64)).min(other.len())].to_vec()
                }
            };
            bytes.splice(from..to, piece);
        }
        bytes
    }
}
