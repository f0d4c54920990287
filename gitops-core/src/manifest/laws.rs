//! Laws of reading, tried on text that looks like manifests, on damaged text and on any bytes.

use proptest::prelude::*;

use super::stream::Input;
use super::text::Text;
use super::{Dialect, Limits, documents, locate, parse, yaml};
use crate::path::FieldPath;
use crate::value::{Builder, Draft, Value};

/// A tree as somebody writes it. Scalars hold `\u{1}` where a line of theirs is indented.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(&'static str),
    Map(Vec<(&'static str, Self)>),
    List { items: Vec<Self>, indented: bool },
}

const SCALARS: &[&str] = &[
    "web",
    "8080",
    "0644",
    "yes",
    "~",
    "",
    "1.10",
    "1e3",
    "-1",
    "2001-01-01",
    "a b # c",
    "v: x",
    "\"8080\"",
    "'it''s'",
    "\"a\\tb \\\"c\\\"\"",
    "'two\n\u{1}lines'",
    "\"two\n\u{1}lines\\\n\u{1} more\"",
    "plain\n\u{1}on two\n\n\u{1}lines",
    "|\n\u{1}a\n\u{1}  b\n\n\u{1}c\n",
    "|-\n\u{1}#!/bin/sh\n\u{1}exec \"$@\"\n",
    ">\n\u{1}folded\n\u{1}text\n",
    "|2\n\u{1}x",
    "{}",
    "[]",
    "{app: web, n: 1}",
    "[a, \"b\", 'c']",
    "&x y",
    "*x",
    "!!str 12",
    "http://a.b/c?d=e&f#g",
    "*.example.com",
    "- x",
    "größe – “x”",
    "tab\there",
    "|+\n\u{1}keep\n\n",
    "''",
    "\"\"",
    "\"[x]: y\"",
    "-",
    "--flag=1",
    ":80",
    "a:b",
    "'a': b",
];

const KEYS: &[&str] = &[
    "name",
    "spec",
    "on",
    "n",
    "\"quoted\"",
    "'q'",
    "app.kubernetes.io/name",
    "<<",
    "key with spaces",
    "1",
    "-x",
    "$ref",
    "x-y_z",
    "\"a b\"",
    "true",
    "{{ x }}",
    "? q",
];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop::sample::select(SCALARS).prop_map(Tree::Scalar);
    leaf.prop_recursive(5, 40, 5, |inner| {
        let entries = prop::collection::vec((prop::sample::select(KEYS), inner.clone()), 1..5);
        let items = prop::collection::vec(inner, 1..4);
        prop_oneof![
            3 => entries.prop_map(Tree::Map),
            2 => (items, any::<bool>()).prop_map(|(items, indented)| Tree::List { items, indented }),
        ]
    })
}

impl Tree {
    /// Writes the tree behind `key:` or `-`, in or below `column`.
    fn write(&self, column: usize, inline: bool, text: &mut String) {
        let pad = " ".repeat(column);
        match self {
            Self::Scalar(scalar) => {
                text.push_str(if scalar.is_empty() { "" } else { " " });
                text.push_str(&scalar.replace('\u{1}', &format!("{pad}  ")));
                text.push('\n');
            }
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    text.push_str(match (inline, at) {
                        (true, 0) => " ",
                        (false, 0) => "\n",
                        _ => "",
                    });
                    text.push_str(if inline && at == 0 { "" } else { &pad });
                    text.push_str(key);
                    text.push(':');
                    value.write(
                        column + if matches!(value, Self::List { indented: false, .. }) { 0 } else { 2 },
                        false,
                        text,
                    );
                }
            }
            Self::List { items, .. } => {
                for (at, item) in items.iter().enumerate() {
                    text.push_str(match (inline, at) {
                        (true, 0) => " ",
                        (false, 0) => "\n",
                        _ => "",
                    });
                    text.push_str(if inline && at == 0 { "" } else { &pad });
                    text.push('-');
                    item.write(column + 2, true, text);
                }
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.write(0, false, &mut text);
        text.trim_start_matches('\n').to_owned()
    }
}

/// One thing that somebody does to a text by mistake.
#[derive(Clone, Debug)]
enum Slip {
    Insert(prop::sample::Index, &'static str),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

const SNIPPETS: &[&str] = &[
    " ", "  ", "\n", "\t", ": ", ":", "- ", "#", " # c", "'", "\"", "\\", "|", ">", "[", "]", "{", "}", ",", "&a ",
    "*a", "!", "%", "@", "`", "---\n", "\n---\n", "...\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{feff}", "\u{0}",
    "\u{7f}", "é", "\u{fffe}", "<<: *a\n", "? ", "''", "0", "~", "y", "\n\n", "\n #\n",
];

fn slips() -> impl Strategy<Value = Vec<Slip>> {
    let place = any::<prop::sample::Index>;
    let slip = prop_oneof![
        3 => (place(), prop::sample::select(SNIPPETS)).prop_map(|(at, text)| Slip::Insert(at, text)),
        1 => (place(), 1..6_usize).prop_map(|(at, len)| Slip::Remove(at, len)),
        1 => (place(), 1..20_usize).prop_map(|(at, len)| Slip::Repeat(at, len)),
    ];
    prop::collection::vec(slip, 0..4)
}

fn damage(text: &str, slips: &[Slip]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for slip in slips {
        let (Slip::Insert(at, _) | Slip::Remove(at, _) | Slip::Repeat(at, _)) = slip;
        let at = at.index(characters.len() + 1);
        match slip {
            Slip::Insert(_, text) => drop(characters.splice(at..at, text.chars())),
            Slip::Remove(_, len) => drop(characters.drain(at..(at + len).min(characters.len()))),
            Slip::Repeat(_, len) => {
                let again = characters[at..(at + len).min(characters.len())].to_vec();
                drop(characters.splice(at..at, again));
            }
        }
    }
    characters.into_iter().collect()
}

fn value() -> impl Strategy<Value = Draft> {
    let leaf = prop_oneof![
        Just(Draft::Null),
        any::<bool>().prop_map(Draft::Bool),
        any::<i64>().prop_map(Draft::Int),
        any::<f64>().prop_filter("JSON has finite numbers", |number| number.is_finite()).prop_map(Draft::Float),
        any::<String>().prop_map(Draft::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Draft::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Draft::Map),
        ]
    })
}

fn long_way(text: &str, dialect: Dialect, limits: &Limits) -> Option<(Value, yaml::Mark)> {
    let composed = yaml::compose(text, limits.depth).ok()?;
    let mut builder = Builder::new();
    yaml::load(&composed, dialect, limits, &mut builder).ok()?;
    Some((builder.finish().ok()?, composed.start().unwrap_or_default()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn the_short_way_reads_what_the_long_way_reads_or_gives_up(tree in tree(), slips in slips(), v3: bool) {
        let dialect = if v3 { Dialect::Kustomize } else { Dialect::Kubectl };
        let limits = Limits::default();
        let text = damage(&tree.text(), &slips) + "\n";
        let Some(usual) = Text::usual(text.as_bytes()) else { return Ok(()) };
        let mut builder = Builder::new();
        if let Some(start) = yaml::read_fast(usual, dialect, &limits, &mut builder) {
            let repeats = builder.duplicates() > 0;
            let short = builder.finish().unwrap();
            match long_way(usual, dialect, &limits) {
                Some((long, mark)) => {
                    prop_assert_eq!(short.to_json(), long.to_json(), "{:?}", text);
                    prop_assert!(long.root().is_null() || (start.line, start.column) == (mark.line, mark.column), "{:?}", text);
                }
                None => prop_assert!(v3 && repeats, "the long way refuses {text:?}, the short way reads {}", short.to_json()),
            }
        }
    }

    #[test]
    fn no_text_makes_reading_panic_and_reading_is_a_function(tree in tree(), slips in slips(), v3: bool) {
        let dialect = if v3 { Dialect::Kustomize } else { Dialect::Kubectl };
        let text = damage(&tree.text(), &slips);
        let file = "a.yaml".into();
        let parsed = parse(&file, text.as_bytes(), dialect, &Limits::default());
        prop_assert_eq!(&parsed, &parse(&file, text.as_bytes(), dialect, &Limits::default()));
        for problem in &parsed.problems {
            let line = problem.origin.as_ref().map_or(0, |origin| origin.line) as usize;
            prop_assert!((1..=text.split(['\n', '\r', '\u{85}', '\u{2028}']).count() + 1).contains(&line), "{}", problem);
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), v3: bool) {
        let dialect = if v3 { Dialect::Kustomize } else { Dialect::Kubectl };
        drop(parse(&"a.yaml".into(), &bytes, dialect, &Limits::default()));
        let found = locate(&bytes, dialect, 0, &FieldPath::fields(&["a"]));
        prop_assert!(found.is_none_or(|place| place.line as usize <= bytes.len() + 1));
    }

    #[test]
    fn the_order_of_documents_is_the_order_of_what_is_read(trees in prop::collection::vec(tree(), 1..5), turn in 0..5_usize) {
        let read = |text: &str| Input { bytes: text.as_bytes(), dialect: Dialect::Kubectl, limits: &Limits::default() }.read();
        let single: Vec<(String, Vec<String>)> = trees.iter().filter_map(|tree| {
            let text = tree.text();
            let (pieces, fault) = read(&text);
            let sound = fault.is_none() && !text.trim_start().starts_with('{');
            sound.then(|| (text, pieces.iter().map(|piece| piece.value.to_json()).collect()))
        }).collect();
        let mut turned = single.clone();
        turned.rotate_left(turn.min(single.len()));
        for parts in [single, turned] {
            let text: String = parts.iter().map(|(text, _)| format!("---\n{text}")).collect();
            let (pieces, fault) = read(&text);
            prop_assert!(fault.is_none(), "{:?}", text);
            let values: Vec<String> = pieces.iter().map(|piece| piece.value.to_json()).collect();
            prop_assert_eq!(values, parts.into_iter().flat_map(|(_, values)| values).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_json_of_a_value_reads_as_that_value(draft in value()) {
        let value = Draft::Map([("v".to_owned(), draft)].into()).freeze();
        for text in [value.to_json(), value.root().to_json_pretty()] {
            let (read, stopped) = documents(text.as_bytes(), Dialect::Kubectl, &Limits::default());
            prop_assert!(stopped.is_none(), "{:?}", stopped);
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(&read[0].value, &value, "{}", text);
        }
    }
}
