//! What reading says, and where.

use super::{Dialect, Duplicates, Limits, ParsedFile, documents, locate, parse};
use crate::path::{FieldPath, Segment};
use crate::value::Value;

fn read(text: &str) -> ParsedFile {
    parse(&"a.yaml".into(), text.as_bytes(), Dialect::Kubectl, &Limits::default())
}

fn problems(text: &str) -> Vec<String> {
    read(text).problems.iter().map(ToString::to_string).collect()
}

/// `key @ document:line` of every resource.
fn names(text: &str) -> Vec<String> {
    let name = |(resource, origin): &(crate::resource::Resource, crate::resource::Origin)| {
        format!("{} @ {}:{}", resource.key(), origin.document, origin.line)
    };
    read(text).resources.iter().map(name).collect()
}

const NO_MANIFEST: &str = "a manifest needs `apiVersion`, `kind` and `metadata.name`; \
                           leave files that are no manifests out of the source's paths";

#[test]
fn each_bad_input_gets_one_problem_that_says_what_where_and_what_to_do() {
    for (text, problem) in [
        (
            "a: b: c\n",
            "a.yaml:1:5: a `:` cannot stand here; put a value that holds `: ` in quotes, and check the indentation",
        ),
        ("a:\n\tb: 1\n", "a.yaml:2:1: a tab cannot indent; indent with spaces"),
        ("a: @b\n", "a.yaml:1:4: no value can start with `@`; put the value in quotes"),
        (
            "a: *\n",
            "a.yaml:1:4: an anchor or alias needs a name of letters, digits, `-` and `_`; \
                    put a value that starts with `*` or `&` in quotes",
        ),
        ("a: *b\n", "a.yaml:1:4: no anchor of this name precedes this alias"),
        ("a: &x [*x]\n", "a.yaml:1:8: this alias stands for something that holds itself"),
        ("a: [1, 2\nb: 3\n", "a.yaml:2:2: this flow list needs a `,` or `]` here"),
        ("a: \"x\n", "a.yaml:1:4: no closing quote ends this text"),
        (
            "a: \"\\/\"\n",
            "a.yaml:1:5: no such escape in double quotes; write `\\\\` for a backslash, or use single quotes",
        ),
        (
            "a: 1\n b: 2\n",
            "a.yaml:2:3: a `:` cannot stand here; put a value that holds `: ` in quotes, and check the indentation",
        ),
        ("a: 1\n- b\n", "a.yaml:2:1: a key is expected here; check the indentation"),
        ("a: .nan\n", "a.yaml:1:4: a manifest cannot hold an infinite or undefined number"),
        ("~: 1\n", "a.yaml:1:1: null cannot be a key; put the key in quotes"),
        ("[a]: 1\n", "a.yaml:1:1: a list or map cannot be a key"),
        (
            "--- a: 1\n",
            "a.yaml:1:4: nothing but a comment may follow `---` on its line; write the document on the next line",
        ),
        ("a: \u{7}\n", "a.yaml:1:4: a manifest cannot hold control characters; save the file as UTF-8 text"),
        ("{\"a\": 1e999}", "a.yaml:1:7: the number `1e999` is too large"),
        ("{\"a\": 1", "a.yaml:2:1: this flow map needs a `,` or `}` here"),
        (
            "a: {{ .Values.x }}\n",
            "a.yaml:1:5: a list or map cannot be a key; \
                                  this looks like a template; render it and commit the result, or leave it out of the paths",
        ),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:aa\n",
            "a.yaml:1: this is a Git LFS pointer, not the manifest it stands for; \
          commit the manifest itself; Git LFS content is not fetched",
        ),
        (
            "# c\n- a\n",
            "a.yaml:2: a Kubernetes object is a map, not a list; leave files that are no manifests out of the source's paths",
        ),
        ("kind: Job\n", &format!("a.yaml:1: `apiVersion` is missing; {NO_MANIFEST}")),
        ("\n\napiVersion: v1\nmetadata: {name: a}\n", &format!("a.yaml:3: `kind` is missing; {NO_MANIFEST}")),
        (
            "apiVersion: v1\nkind: Job\nmetadata: {}\n",
            "a.yaml:1: `metadata.name` is missing; a manifest needs `apiVersion`, `kind` and `metadata.name`, or for a hook \
             `metadata.generateName`; leave files that are no manifests out of the source's paths",
        ),
        (
            "apiVersion: v1\nkind: Job\nmetadata: {name: 12}\n",
            "a.yaml:1: `metadata.name` must be a non-empty string, not a number; leave files that are no manifests out of the source's paths",
        ),
    ] {
        assert_eq!(problems(text), [problem], "{text:?}");
    }
    let latin =
        |bytes: &[u8]| parse(&"a.yaml".into(), bytes, Dialect::Kubectl, &Limits::default()).problems[0].to_string();
    let expected = "a.yaml:1:7: the file is not valid UTF-8 from here on; save the file as UTF-8 text";
    assert_eq!(latin(b"a: caf\xe9s\n"), expected);
    assert_eq!(latin(b"a: \"af\xe9s\"\n"), expected, "the quote is there");
    assert_eq!(latin(b"a: 'a\\n\xe9s'\n").replace("1:8", "1:7"), expected);
    let json = latin(b"{\"apiVersion\": \"v1\",\n\"kind\": \"Job\", \"metadata\": {\"name\": \"caf\xe9\"}}");
    assert_eq!(json, "a.yaml:2:41: here is a byte that is no UTF-8; it is read as U+FFFD; save the file as UTF-8 text");
}

#[test]
fn what_is_wrong_with_utf_16_is_told_and_no_document_of_it_is_passed_over() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
    let encoded = |text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
    };
    let several = format!("{pod}---\n{pod}");
    let cannot = "a.yaml:4:1: the file is UTF-16 text that cannot be read from here on; save the file as UTF-8 text";
    let looks = "a.yaml:1:1: the file looks like UTF-16 text without a byte order mark; save the file as UTF-8 text";
    let one =
        "a.yaml:4:1: the file is UTF-16 text, of which only one document can be read; save the file as UTF-8 text";
    for (text, bytes, resources, told) in [
        ("big", encoded(pod, b"\xFE\xFF", u16::to_be_bytes), 1, None),
        // As with `kubectl`, whose reader ends it with half a character.
        ("little", encoded(pod, b"\xFF\xFE", u16::to_le_bytes), 0, Some(cannot)),
        ("unmarked big", encoded(pod, b"", u16::to_be_bytes), 0, Some(looks)),
        ("unmarked little", encoded(pod, b"", u16::to_le_bytes), 0, Some(looks)),
        ("several", encoded(&several, b"\xFE\xFF", u16::to_be_bytes), 0, Some(one)),
    ] {
        let read = parse(&"a.yaml".into(), &bytes, Dialect::Kubectl, &Limits::default());
        let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, told.into_iter().collect::<Vec<_>>(), "{text}");
        assert_eq!(read.resources.len(), resources, "{text}");
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";

#[test]
fn a_syntax_error_keeps_what_precedes_it_and_holds_back_the_rest_of_the_file() {
    let text = format!("{POD}---\nkind: Job\n---\n{POD}---\na: [\n---\n{POD}");
    assert_eq!(names(&text), ["Pod p @ 0:1", "Pod p @ 2:7"]);
    assert_eq!(
        problems(&text),
        [
            format!("a.yaml:5: `apiVersion` is missing; {NO_MANIFEST}"),
            "a.yaml:12:1: a value is expected here".to_owned()
        ]
    );
    assert_eq!(
        names(&format!("{POD}--- x\n{POD}")),
        [] as [&str; 0],
        "a bad separator takes the document before it along"
    );
}

#[test]
fn empty_documents_are_passed_over_and_have_no_number() {
    let text = format!("# only a comment\n---\n---\nnull\n---\n\n{POD}---\n~\n---\n{POD}");
    assert_eq!(names(&text), ["Pod p @ 0:7", "Pod p @ 1:13"]);
    assert_eq!(problems(""), [] as [&str; 0]);
}

#[test]
fn lists_are_flattened_and_each_item_keeps_its_line_and_gets_a_number() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n\
                - kind: PodList\n  apiVersion: v1\n  items:\n  - metadata: {name: b}\n  - kind: Pod\n  - {apiVersion: v1, kind: Pod, metadata: {name: c}}\n";
    assert_eq!(names(&format!("{list}---\n{POD}")), ["Pod a @ 0:4", "Pod b @ 1:7", "Pod c @ 3:7", "Pod p @ 4:14"]);
    assert_eq!(problems(list), [format!("a.yaml:7: `apiVersion` is missing; {NO_MANIFEST}")]);
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMapList\",\n\"items\":[{\"metadata\":{\"name\":\"a\"}},\n{\"metadata\":{\"name\":\"b\"}}]}";
    assert_eq!(names(json), ["ConfigMap a @ 0:2", "ConfigMap b @ 1:3"]);
    let name = locate(list.as_bytes(), Dialect::Kubectl, 3, &FieldPath::fields(&["metadata", "name"])).unwrap();
    assert_eq!((name.line, name.column), (12, 44), "an item of a list in a list");
    assert_eq!(names("apiVersion: v1\nkind: List\nitems: []\n"), [] as [&str; 0]);
    let custom = "apiVersion: a.b/v1\nkind: AllowList\nmetadata: {name: x}\nspec: {items: []}\n";
    assert_eq!(names(custom), ["a.b/AllowList x @ 0:1"], "a kind that only ends in `List`");
}

#[test]
fn the_last_of_equal_keys_wins_and_a_warning_names_both_lines() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: {x: \"1\"}\n  name: b\n";
    assert_eq!(names(text), ["Pod b @ 0:1"]);
    assert_eq!(
        problems(text),
        ["a.yaml:6:3: key `name` is given twice in one map; the last one wins (also at a.yaml:4); keep one of the two"]
    );
    let json = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":\n{\"name\":\"a\",\n\"ü\":1,\"name\":\"b\"}}";
    assert_eq!(
        problems(json),
        ["a.yaml:3:7: key `name` is given twice in one map; the last one wins (also at a.yaml:2); keep one of the two"]
    );
    assert_eq!(
        problems(&format!("{POD}x: &x {{a: 1}}\ny: {{a: 2, <<: *x}}\n")),
        [] as [&str; 0],
        "a merge repeats nothing"
    );
}

#[test]
fn equal_keys_are_refused_where_that_is_asked_for_and_always_for_kustomize() {
    let text = format!("kind: Pod\n{POD}---\n{POD}");
    let limits = Limits { duplicates: Duplicates::Refuse, ..Limits::default() };
    let refused = parse(&"a.yaml".into(), text.as_bytes(), Dialect::Kubectl, &limits);
    assert_eq!(refused.resources.len(), 1, "only the document that has them");
    assert_eq!(
        refused.problems[0].to_string(),
        "a.yaml:3:1: key `kind` is given twice in one map (also at a.yaml:1); keep one of the two"
    );
    let kustomize = parse(&"a.yaml".into(), text.as_bytes(), Dialect::Kustomize, &Limits::default());
    assert_eq!(kustomize.resources.len(), 0, "yaml.v3 stops there");
    assert_eq!(
        kustomize.problems[0].to_string(),
        "a.yaml:3:1: key `kind` is given twice, first on line 1; keep one of the two"
    );
}

#[test]
fn what_is_over_a_limit_is_refused_with_its_place() {
    let with = |text: &str, change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        let parsed = parse(&"a.yaml".into(), text.as_bytes(), Dialect::Kubectl, &limits);
        (parsed.resources.len(), parsed.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    };
    let two = format!("{POD}---\n{POD}");
    assert_eq!(
        with(&two, |limits| limits.bytes = 50),
        (0, "a.yaml:1:1: the file has 94 bytes; the limit is 50; split the file, or raise the limit".to_owned())
    );
    assert_eq!(
        with(&two, |limits| limits.documents = 1),
        (1, "a.yaml:5:1: the file has more than 1 documents".to_owned())
    );
    for text in ["a:\n  - b:\n     [c]\n", "a: {b: {c: {d: 1}}}", "{\"a\": [[{}]]}", "a: &x [[1]]\nb: [*x]\n"] {
        let (count, problem) = with(text, |limits| limits.depth = 3);
        assert!(count == 0 && problem.ends_with("more than 3 levels of nesting"), "{text:?}: {problem}");
    }
    let list = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n";
    assert_eq!(with(list, |limits| limits.documents = 1).0, 1, "items count");
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let last = level - 1;
        text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{last}"); 9].join(", "));
    }
    let problem = problems(&text).remove(0);
    assert!(
        problem.starts_with("a.yaml:")
            && problem.ends_with("aliases repeat too much of this document; write the values out")
    );
    let long = "y".repeat(10 << 20);
    let text = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 90].join(", "));
    assert_eq!(problems(&text), ["a.yaml:2:29: aliases repeat too much text; write the values out"]);
}

#[test]
fn many_small_lists_cost_no_more_than_their_text() {
    let text = format!("kind: XList\napiVersion: v1\nitems:\n{}", "- {kind: XList, items: [1]}\n".repeat(20_000));
    assert_eq!(read(&text).problems.len(), 20_000);
    let deep = format!("{}{}{}", "{kind: XList, items: [".repeat(100), "1,".repeat(200_000), "]}".repeat(100));
    assert_eq!(read(&deep).problems.len(), 100_001, "the limit of documents holds for items");
}

#[test]
fn no_input_exhausts_a_small_stack() {
    let deep = [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "a: {b: ".repeat(50_000),
        format!("a: {}", "- ".repeat(20_000)),
        "- ".repeat(20_000),
        "? ".repeat(20_000),
        format!("{}1{}", "[".repeat(500), "]".repeat(500)),
        (0..600).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
        format!("a: &a {}{}\nb: *a\n", "[".repeat(500), "]".repeat(500)),
        (1..5000).fold("a0: &a0 {x: 1}\n".to_owned(), |text, level| {
            text + &format!("a{level}: &a{level} {{<<: *a{}}}\n", level - 1)
        }),
        format!(
            "kind: XList\napiVersion: v1\nitems:\n- {}{}\n",
            "{kind: XList, items: [".repeat(200),
            "]}".repeat(200)
        ),
        format!("kind: XList\napiVersion: v1\nitems:\n- a: {}{}\n", "[".repeat(500), "]".repeat(500)),
        "[a: ".repeat(20_000),
        "[]v: ".repeat(10_000),
        "'".repeat(10_000),
    ];
    let work = move || {
        for text in &deep {
            for dialect in [Dialect::Kubectl, Dialect::Kustomize] {
                let parsed = parse(&"a.yaml".into(), text.as_bytes(), dialect, &Limits::default());
                assert!(parsed.resources.is_empty());
                let _ = locate(text.as_bytes(), dialect, 0, &FieldPath::fields(&["a"]));
            }
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn every_field_is_found_where_it_is_written() {
    let field = |names: &[&str]| FieldPath::fields(names);
    let text = "# c\n---\nnull\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: app\n    image: x\n  \
                - image: y\n    name: web\n    args: [a, 'b']\n  \"größe\": {on: 1, m: 2}\n  base: &b {k: v}\n  merged:\n    <<: *b\n    \
                z: 1\n";
    let web = field(&["spec", "containers"]).join(Segment::key([("name", Value::from("web"))]));
    for (path, place) in [
        (FieldPath::root(), Some((5, 1))),
        (field(&["metadata", "name"]), Some((8, 3))),
        (field(&["spec", "containers"]).join(Segment::Index(0)), Some((11, 5))),
        (web.join(Segment::field("name")), Some((14, 5))),
        (web.join(Segment::field("args")).join(Segment::Item(Value::from("b"))), Some((15, 15))),
        (web.join(Segment::field("nothing")), None),
        (field(&["spec", "größe"]), Some((16, 3))),
        (field(&["spec", "größe", "true"]), Some((16, 13))),
        (field(&["spec", "größe", "m"]), Some((16, 20))),
        (field(&["spec", "merged", "k"]), Some((17, 13))),
    ] {
        let found = locate(text.as_bytes(), Dialect::Kubectl, 0, &path).map(|at| (at.line, at.column));
        assert_eq!(found, place, "{path}");
    }
    assert_eq!(locate(text.as_bytes(), Dialect::Kubectl, 1, &FieldPath::root()), None);

    let twice = "a: {x: 1}\na:\n  x: 2\n";
    let found = locate(twice.as_bytes(), Dialect::Kubectl, 0, &field(&["a", "x"])).unwrap();
    assert_eq!((found.line, found.column), (3, 3), "the last of equal keys counts");

    let json =
        "{\"a\": 1}\n{\"kind\": \"PodList\", \"items\": [\n  {\"ö\": 1, \"metadata\": {}}, {\"x\": [1, {\"y\": 2}]}]}";
    let y = field(&["x"]).join(Segment::Index(1)).join(Segment::field("y"));
    for (document, path, place) in [(0, field(&["a"]), (1, 2)), (1, field(&["metadata"]), (3, 12)), (2, y, (3, 40))] {
        let found = locate(json.as_bytes(), Dialect::Kubectl, document, &path).map(|at| (at.line, at.column));
        assert_eq!(found, Some(place), "{path}");
    }
}

#[test]
fn line_endings_change_neither_values_nor_lines() {
    let text = format!("{POD}---\n{POD}x: \"a\n  b\"\ny: |\n  c\n");
    let (plain, _) = documents(text.as_bytes(), Dialect::Kubectl, &Limits::default());
    let (windows, _) = documents(text.replace('\n', "\r\n").as_bytes(), Dialect::Kubectl, &Limits::default());
    let (unended, _) = documents(text.trim_end().as_bytes(), Dialect::Kubectl, &Limits::default());
    assert_eq!(plain, windows);
    assert_eq!(plain, unended);
}

#[test]
fn the_lines_of_annotations_about_order_are_kept_wherever_their_object_stands() {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    other: x\n    \
        gitops.rs/depends-on: b\ndata: {gitops.rs/depends-on: x}\n---\n\
        apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n---\n\
        apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Pod, metadata: {name: no}}\n  \
        - apiVersion: v1\n    kind: Pod\n    metadata:\n      name: b\n      annotations:\n        kapp.k14s.io/change-rule.x: y\n\
        - apiVersion: v1\n  kind: Pod\n  metadata:\n    name: c\n    annotations: {argocd.argoproj.io/depends-on: a,\n      \
        kapp.k14s.io/change-group: z, kapp.k14s.io/change-groups: no}\n";
    let json = r#"
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "d",
 "annotations": {
   "config.kubernetes.io/depends-on": "first",
   "config.kubernetes.io/depends-on": "last counts"}}}"#;
    let lines = |text: &str| {
        let parsed = read(text);
        let named = |(at, lines): (&usize, &super::Lines)| {
            let lines: Vec<String> = lines.iter().map(|(name, line)| format!("{name}@{line}")).collect();
            format!("{}: {}", parsed.resources[*at].0.key().name, lines.join(" "))
        };
        parsed.lines.iter().map(named).collect::<Vec<_>>()
    };
    let expected = [
        "a: gitops.rs/depends-on@7",
        "b: kapp.k14s.io/change-rule.x@26",
        "c: argocd.argoproj.io/depends-on@31 kapp.k14s.io/change-group@32",
    ];
    assert_eq!(lines(yaml), expected);
    assert_eq!(lines(&yaml.replace('\n', "\r\n")), expected);
    assert_eq!(lines(json), ["d: config.kubernetes.io/depends-on@5"]);
}
