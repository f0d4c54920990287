//! Argo CD's readers of lists and options in annotations.
//!
//! The recorded words are no real ones, so each is dressed as a sync option, which is a list that we read: a word as an
//! option that is either set or not, an option as one with a value. What is compared stays: which words are there.

use std::collections::BTreeSet;

use gitops_core::policy::{Options, Permission};

use crate::sync_order::{Verdict, options, same, with};

type Json = serde_json::Value;

const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const WORDS: [(&str, &str); 3] = [("bar", "Prune=false"), ("baz", "Delete=false"), ("qux", "Replace=true")];
const NAMES: [(&str, &str); 3] = [("bar", "Prune"), ("baz", "Delete"), ("ServerSideApply", "Prune")];
const VALUES: [(&str, &str); 3] = [("baz", "false"), ("qux", "false"), ("quux", "confirm")];

/// `resource.GetAnnotationCSVs`.
pub(crate) fn list(input: &Json, expected: &Json) -> Verdict {
    let expected: BTreeSet<&str> =
        expected.as_array().into_iter().flatten().map(|word| dressed(word.as_str().unwrap(), &WORDS)).collect();
    let got = listed(input, input["key"].as_str().unwrap())?;
    match got.iter().map(String::as_str).eq(expected.iter().copied().collect::<BTreeSet<_>>()) {
        true => Ok(()),
        false => Err(format!("expected {expected:?}, got {got:?}")),
    }
}

/// `resource.HasAnnotationOption`.
pub(crate) fn has(input: &Json, expected: &Json) -> Verdict {
    let (key, wanted) = (input["key"].as_str().unwrap(), input["val"].as_str().unwrap());
    if key != OPTIONS {
        return same(&listed(input, key)?.contains(dressed(wanted, &WORDS)).into(), expected);
    }
    // One that is there already changes nothing.
    let (there, wanted) =
        (option_text(input["obj"]["metadata"]["annotations"][key].as_str().unwrap_or_default()), option_text(wanted));
    let read = |text: &str| options(&with(&Json::Null, OPTIONS, text));
    let (before, after) = (read(&there)?, read(&format!("{there},{wanted}")));
    same(&after.is_ok_and(|after| after == before).into(), expected)
}

/// `resource.GetAnnotationOptionValue`.
pub(crate) fn value(input: &Json, expected: &Json) -> Verdict {
    let text = input["obj"]["metadata"]["annotations"][input["annotation"].as_str().unwrap()].as_str().unwrap();
    let read = options(&with(&Json::Null, OPTIONS, &option_text(text))).unwrap_or_default();
    let of = |options: &Options| match dressed(input["optionKey"].as_str().unwrap(), &NAMES) {
        "Prune" => options.prune,
        _ => options.delete,
    };
    let wanted = match expected.as_str().map(|value| dressed(value, &VALUES)) {
        None => Permission::Default,
        Some("confirm") => Permission::Confirm,
        Some(_) => Permission::Never,
    };
    if of(&read) == wanted { Ok(()) } else { Err(format!("expected {wanted:?}, got {:?}", of(&read))) }
}

/// The words that are read of an annotation.
fn listed(input: &Json, key: &str) -> Result<BTreeSet<String>, String> {
    let text = input["obj"]["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let text: Vec<String> =
        text.split(',').map(|word| in_place(word, |word| dressed(word, &WORDS).to_owned())).collect();
    let read = options(&with(&Json::Null, OPTIONS, &text.join(",")))?;
    let is_set = [read.prune == Permission::Never, read.delete == Permission::Never, read.replace];
    let set = WORDS.iter().zip(is_set).filter(|(_, is_set)| *is_set);
    Ok(set.map(|((_, word), _)| (*word).to_owned()).collect())
}

fn option_text(text: &str) -> String {
    let option = |option: &str| match option.split_once('=') {
        Some((name, value)) => format!("{}={}", dressed(name, &NAMES), dressed(value, &VALUES)),
        None => dressed(option, &NAMES).to_owned(),
    };
    text.split(',').map(|part| in_place(part, option)).collect::<Vec<_>>().join(",")
}

/// Changes what stands between blanks; the blanks are what the cases are about.
fn in_place(text: &str, change: impl Fn(&str) -> String) -> String {
    let word = text.trim();
    if word.is_empty() { text.to_owned() } else { text.replace(word, &change(word)) }
}

fn dressed<'w>(word: &'w str, dialect: &[(&str, &'w str)]) -> &'w str {
    dialect.iter().find(|(theirs, _)| *theirs == word).map_or(word, |(_, ours)| ours)
}
