//! What a host answers to a push: its report, and what it says to people.

use std::sync::Arc;

use crate::error::shown_within;

/// The most bytes of a report, and of what is said beside it.
const REPORT: usize = 64 << 10;
const SAID: usize = 16 << 10;
/// The most lines that are told of what is said, and the most characters of each: addresses with a query are long.
const LINES: usize = 16;
const CHARACTERS: usize = 400;
/// The bands of gitprotocol-pack(5), "Packfile Data".
const DATA: u8 = 1;
const PROGRESS: u8 = 2;
const ERROR: u8 = 3;

/// What has been heard so far.
pub(super) struct Answer {
    /// Whether each line begins with its band, and those of the report stand within.
    is_banded: bool,
    report: Vec<u8>,
    said: Vec<u8>,
}

impl Answer {
    pub(super) fn new(is_banded: bool) -> Self {
        Self { is_banded, report: Vec::new(), said: Vec::new() }
    }

    /// Takes a line, and returns whether another one is wanted.
    pub(super) fn hear(&mut self, line: &[u8]) -> bool {
        match line.split_first() {
            Some((&DATA, report)) if self.is_banded => self.report.extend_from_slice(report),
            // What is too much is heard, since the report comes after it, and forgotten.
            Some((&(PROGRESS | ERROR), said)) if self.is_banded => {
                let room = SAID.saturating_sub(self.said.len()).min(said.len());
                self.said.extend_from_slice(said.get(..room).unwrap_or_default());
            }
            _ if self.is_banded => return false,
            _ => {
                let length = line.len().saturating_add(4);
                self.report.extend_from_slice(format!("{length:04x}").as_bytes());
                self.report.extend_from_slice(line);
            }
        }
        self.report.len() <= REPORT
    }

    /// Returns the lines of the report.
    pub(super) fn report(&self) -> Vec<String> {
        let (mut rest, mut lines) = (&*self.report, Vec::new());
        while let Some((line, after)) = packet(rest) {
            lines.push(String::from_utf8_lossy(line).trim_end().to_owned());
            rest = after;
        }
        lines
    }

    /// Returns what is said to people. Of a line that is written over, as progress is, the last counts.
    pub(super) fn said(&self) -> Vec<Arc<str>> {
        let text = String::from_utf8_lossy(&self.said);
        let last = |line: &str| line.trim_end().rsplit('\r').next().unwrap_or_default().trim().to_owned();
        let lines = text.split('\n').map(last).filter(|line| !line.is_empty());
        lines.take(LINES).map(|line| shown_within(&line, CHARACTERS)).collect()
    }
}

/// Splits the first line of the protocol off; `None` at its end.
fn packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, _) = bytes.split_at_checked(4)?;
    let length = usize::from_str_radix(std::str::from_utf8(head).ok()?, 16).ok()?;
    let (line, after) = bytes.split_at_checked(length)?;
    Some((line.get(4..)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bands: &[(u8, &[u8])]) -> Answer {
        let mut answer = Answer::new(true);
        for (band, bytes) in bands {
            assert!(answer.hear(&[&[*band], *bytes].concat()));
        }
        answer
    }

    #[test]
    fn a_report_is_put_together_from_its_parts_and_ends_where_it_says() {
        let heard =
            answer(&[(1, b"000eunpa"), (2, b"hello\n"), (1, b"ck ok\n0017ok refs/he"), (1, b"ads/main\n0000x")]);
        assert_eq!(heard.report(), ["unpack ok", "ok refs/heads/main"]);
        assert_eq!(heard.said(), ["hello".into()]);
        for torn in [&b"0"[..], b"zzzz", b"0003a", b"ffffa", b"+00ea", b"\xff\xff00"] {
            assert_eq!(answer(&[(1, torn)]).report(), [""; 0], "{torn:?}");
        }
        assert!(!Answer::new(true).hear(b"unpack ok"), "what has no band is no answer");
        let mut plain = Answer::new(false);
        assert!(plain.hear(b"unpack ok\n") && plain.hear(b"ok refs/heads/x"));
        assert_eq!(plain.report(), ["unpack ok", "ok refs/heads/x"]);
    }

    #[test]
    fn what_a_host_says_is_bounded_and_harmless() {
        let told = |text: &[u8]| answer(&[(2, text)]).said();
        assert_eq!(told(b"\n  \ndeltas: 1%\rdeltas: 100%, done.\r\n"), ["deltas: 100%, done.".into()]);
        assert_eq!(told(b"\x1b[2J\xe2\x80\xaeevil"), ["\\u{1b}[2J\\u{202e}evil".into()]);
        let long = told("x".repeat(9999).as_bytes());
        assert_eq!((long.len(), long[0].chars().count()), (1, CHARACTERS + 1));
        assert_eq!(told("a\n".repeat(999).as_bytes()).len(), LINES);
        let loud: Vec<(u8, &[u8])> = vec![(2, b"noise\n"); 99_999];
        let heard = answer(&[&loud[..], &[(1, b"000eunpack ok\n")]].concat());
        assert_eq!((heard.said.len(), heard.report()), (SAID, vec!["unpack ok".to_owned()]));
        let mut endless = Answer::new(true);
        assert!((0..=REPORT).any(|_| !endless.hear(b"\x01xxxx")), "a report without end is not heard to it");
    }
}
