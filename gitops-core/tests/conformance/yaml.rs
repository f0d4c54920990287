//! `yaml/cases.json`: bytes → documents, as Go's decoders of Kubernetes read them.

use std::path::Path;

use gitops_core::manifest::{Dialect, Document, Limits, documents};
use gitops_core::value::{ValueRef, View};

use crate::{Case, recording};

type Json = serde_json::Value;

/// What kubectl and Argo CD read.
pub(crate) fn kubectl(folder: &Path) -> Option<Vec<Case>> {
    let verdict = |case: &Json| {
        let outcomes = case["alternatives"].as_array().cloned().unwrap_or_default();
        check(case, Dialect::Kubectl, outcomes.iter().chain([&case["expect"]]))
    };
    run(folder, |_| true, verdict)
}

/// What kustomize resolves, for the inputs whose reading differs.
///
/// Recorded is plain yaml.v3 over the whole text. kustomize (kyaml, `kio.ByteReader`) cuts the text at lines that begin
/// with `---` first, and decodes the first document of each part: of what is cut, and of what comes behind a first
/// document, the recording says nothing, and it is left out.
pub(crate) fn kustomize(folder: &Path) -> Option<Vec<Case>> {
    let is_whole = |case: &Json| {
        let is_cut = String::from_utf8_lossy(&input(case)).contains("\n---");
        let error = case["yaml_v3"]["go_error"].as_str().unwrap_or_default();
        !is_cut && !error.contains("did not find expected <document start>")
    };
    run(
        folder,
        |case| !case["yaml_v3"].is_null() && is_whole(case),
        |case| check(case, Dialect::Kustomize, [&case["yaml_v3"]].into_iter()),
    )
}

fn run(
    folder: &Path,
    select: impl Fn(&Json) -> bool,
    verdict: impl Fn(&Json) -> Result<(), String>,
) -> Option<Vec<Case>> {
    let recording = recording(folder, "yaml/cases.json")?;
    let cases = recording.as_array().unwrap().iter().filter(|case| select(case));
    Some(cases.map(|case| Case { id: case["name"].as_str().unwrap().to_owned(), verdict: verdict(case) }).collect())
}

fn check<'c>(case: &Json, dialect: Dialect, outcomes: impl Iterator<Item = &'c Json>) -> Result<(), String> {
    let bytes = input(case);
    // Go stops at 10,000 levels; our default is lower.
    let mut limits = Limits::default();
    limits.depth = 10_000;
    let (documents, stopped) = documents(&bytes, dialect, &limits);
    let mut outcomes = outcomes.peekable();
    let first = outcomes.peek().map(ToString::to_string).unwrap_or_default();
    if outcomes.any(|outcome| agrees(outcome, &documents, dialect, stopped.is_some())) {
        return Ok(());
    }
    let got: Vec<String> = documents.iter().map(|document| short(document.value.to_json())).collect();
    let stopped = stopped.map(|stopped| stopped.to_string());
    Err(format!("expected {}\n    got [{}] {}", short(first), got.join(", "), stopped.unwrap_or_default()))
}

fn input(case: &Json) -> Vec<u8> {
    match (case["input"].as_str(), case["input_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => base64(text),
        (None, None) => Vec::new(),
    }
}

fn agrees(outcome: &Json, documents: &[Document], dialect: Dialect, stopped: bool) -> bool {
    if outcome["error"] == true {
        let before = outcome["docs_before_error"].as_array();
        return stopped && before.is_none_or(|before| same(before, documents, dialect));
    }
    if stopped {
        return false;
    }
    if let Some(texts) = outcome["docs_text"].as_array() {
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let documents = documents.iter().map(|document| plain(&document.value.to_json()));
        return documents.eq(texts.iter().map(|text| plain(text.as_str().unwrap())));
    }
    outcome["docs"].as_array().is_some_and(|expected| same(expected, documents, dialect))
}

fn same(expected: &[Json], documents: &[Document], dialect: Dialect) -> bool {
    expected.len() == documents.len()
        && expected.iter().zip(documents).all(|(expected, document)| equals(expected, document.value.root(), dialect))
}

/// Integers and floats are told apart, and so are the two zeros.
fn equals(expected: &Json, got: ValueRef<'_>, dialect: Dialect) -> bool {
    let text = |a: &str, b: &str| a == b || dialect == Dialect::Kustomize && go_time(b).as_deref() == Some(a);
    match (expected, got.view()) {
        (Json::Null, View::Null) => true,
        (Json::Bool(a), View::Bool(b)) => *a == b,
        (Json::Number(a), View::Int(b)) => a.as_i64() == Some(b),
        (Json::Number(a), View::Float(b)) => a.is_f64() && a.as_f64().is_some_and(|a| a.to_bits() == b.to_bits()),
        (Json::String(a), View::String(b)) => text(a, b),
        (Json::Array(a), View::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equals(a, b, dialect)),
        (Json::Object(a), View::Map(b)) => {
            let find = |key: &str| b.iter().find(|(name, _)| text(key, name)).map(|(_, got)| got);
            a.len() == b.len() && a.iter().all(|(key, value)| find(key).is_some_and(|got| equals(value, got, dialect)))
        }
        _ => false,
    }
}

/// The form in which Go writes the time that a text is to yaml.v3: kustomize keeps the text itself, where the recording
/// has this.
fn go_time(text: &str) -> Option<String> {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "0:0:0"));
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(at);
    let (clock, fraction) = clock.trim_end().split_once('.').unwrap_or((clock.trim_end(), ""));
    let numbers = |text: &str, by: char| text.split(by).map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>();
    let (date, clock) = (numbers(date, '-')?, numbers(clock, ':')?);
    let (&[year, month, day], &[hours, minutes, seconds]) = (&*date, &*clock) else { return None };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let zone = if zone.is_empty() { "Z" } else { zone };
    Some(format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{point}{fraction}{zone}"))
}

fn short(text: String) -> String {
    if text.len() > 200 { text.chars().take(200).chain("…".chars()).collect() } else { text }
}

/// Recorded base64 is well-formed.
fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let digits = group.iter().filter(|byte| **byte != b'=').count();
        let bits = group.iter().fold(0_u32, |bits, byte| (bits << 6) | u32::from(value(*byte)) & 63);
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(digits * 6 / 8));
    }
    bytes
}
