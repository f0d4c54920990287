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
pub(crate) fn kustomize(folder: &Path) -> Option<Vec<Case>> {
    run(
        folder,
        |case| !case["yaml_v3"].is_null(),
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
    let bytes = match (case["input"].as_str(), case["input_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => base64(text),
        (None, None) => Vec::new(),
    };
    // Go stops at 10,000 levels; our default is lower.
    let mut limits = Limits::default();
    limits.depth = 10_000;
    let (documents, stopped) = documents(&bytes, dialect, &limits);
    let mut outcomes = outcomes.peekable();
    let first = outcomes.peek().map(ToString::to_string).unwrap_or_default();
    if outcomes.any(|outcome| agrees(outcome, &documents, stopped.is_some())) {
        return Ok(());
    }
    let got: Vec<String> = documents.iter().map(|document| short(document.value.to_json())).collect();
    let stopped = stopped.map(|stopped| stopped.to_string());
    Err(format!("expected {}\n    got [{}] {}", short(first), got.join(", "), stopped.unwrap_or_default()))
}

fn agrees(outcome: &Json, documents: &[Document], stopped: bool) -> bool {
    if outcome["error"] == true {
        let before = outcome["docs_before_error"].as_array();
        return stopped && before.is_none_or(|before| same(before, documents));
    }
    if stopped {
        return false;
    }
    if let Some(texts) = outcome["docs_text"].as_array() {
        let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let documents = documents.iter().map(|document| plain(&document.value.to_json()));
        return documents.eq(texts.iter().map(|text| plain(text.as_str().unwrap())));
    }
    outcome["docs"].as_array().is_some_and(|expected| same(expected, documents))
}

fn same(expected: &[Json], documents: &[Document]) -> bool {
    expected.len() == documents.len()
        && expected.iter().zip(documents).all(|(expected, document)| equals(expected, document.value.root()))
}

/// Integers and floats are told apart, and so are the two zeros.
fn equals(expected: &Json, got: ValueRef<'_>) -> bool {
    match (expected, got.view()) {
        (Json::Null, View::Null) => true,
        (Json::Bool(a), View::Bool(b)) => *a == b,
        (Json::Number(a), View::Int(b)) => a.as_i64() == Some(b),
        (Json::Number(a), View::Float(b)) => a.is_f64() && a.as_f64().is_some_and(|a| a.to_bits() == b.to_bits()),
        (Json::String(a), View::String(b)) => a == b,
        (Json::Array(a), View::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equals(a, b)),
        (Json::Object(a), View::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|got| equals(value, got)))
        }
        _ => false,
    }
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
