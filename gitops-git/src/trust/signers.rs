//! Who may sign: the format of `gpg.ssh.allowedSignersFile`, see "ALLOWED SIGNERS" in ssh-keygen(1).

use std::sync::Arc;

use gitops_core::time::Timestamp;

use super::InvalidSigners;
use super::ssh::Key;

/// One line of the list.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) name: Arc<str>,
    pub(super) key: Key,
    pub(super) valid_after: Option<Timestamp>,
    pub(super) valid_before: Option<Timestamp>,
}

/// Reads a list of signers. Lines that are for other things than Git are left out.
pub(super) fn read(text: &str) -> Result<Vec<Signer>, InvalidSigners> {
    let mut signers = Vec::new();
    for (number, line) in lines(text) {
        let invalid = |why| InvalidSigners { line: number, why };
        let mut words = words(line);
        let name = words.next().ok_or(invalid("it names nobody"))?;
        let mut next = words.next().ok_or(invalid("it has no key"))?;
        let (mut after, mut before, mut is_for_git) = (None, None, true);
        if !is_kind(&next) {
            for option in split_options(&next) {
                let (key, value) = option.split_once('=').unwrap_or((&option, ""));
                let value = value.trim_matches('"');
                match &*key.to_ascii_lowercase() {
                    "namespaces" => is_for_git = value.split(',').any(|pattern| matches!(pattern, "git" | "*")),
                    "valid-after" => after = Some(time(value).ok_or(invalid("`valid-after` is no time"))?),
                    "valid-before" => before = Some(time(value).ok_or(invalid("`valid-before` is no time"))?),
                    "cert-authority" => {
                        return Err(invalid("certificates are not supported; list the keys themselves"));
                    }
                    _ => return Err(invalid("it has an option that is not known")),
                }
            }
            next = words.next().ok_or(invalid("it has no key"))?;
        }
        let encoded = words.next().ok_or(invalid("its key is not whole"))?;
        let key = Key::parse(&next, &encoded).ok_or(invalid("its key cannot be read"))?;
        if is_for_git {
            signers.push(Signer { name: name.trim_matches('"').into(), key, valid_after: after, valid_before: before });
        }
    }
    Ok(signers)
}

/// Reads a list of keys, one a line, as in `authorized_keys` without options.
pub(super) fn keys(text: &str) -> Result<Vec<Key>, InvalidSigners> {
    let key = |(line, text): (usize, &str)| {
        let mut words = text.split_whitespace();
        let key = words.next().zip(words.next()).and_then(|(kind, encoded)| Key::parse(kind, encoded));
        key.ok_or(InvalidSigners { line, why: "it is no key" })
    };
    lines(text).map(key).collect()
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let counted = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    counted.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

/// Splits at white space that is not within quotes.
fn words(line: &str) -> impl Iterator<Item = String> {
    split(line, char::is_whitespace)
}

fn split_options(word: &str) -> impl Iterator<Item = String> {
    split(word, |char| char == ',')
}

fn split(text: &str, is_end: impl Fn(char) -> bool) -> impl Iterator<Item = String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for char in text.chars() {
        quoted ^= char == '"';
        match parts.last_mut() {
            Some(last) if quoted || !is_end(char) => last.push(char),
            _ => parts.push(String::new()),
        }
    }
    parts.into_iter().filter(|part| !part.is_empty())
}

/// Reads `YYYYMMDD[HHMM[SS]][Z]`. Without `Z` it is the local time for OpenSSH; here it is UTC, the same everywhere.
fn time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| digits.get(from..from + 2).unwrap_or("00");
    let (year, month, day) = (digits.get(..4)?, part(4), part(6));
    format!("{year}-{month}-{day}T{}:{}:{}Z", part(8), part(10), part(12)).parse().ok()
}
