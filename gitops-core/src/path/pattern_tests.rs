use super::*;
use crate::value::Value;

#[test]
fn a_path_reads_back_as_it_is_shown() {
    for path in [
        FieldPath::fields(&["spec", "replicas"]),
        FieldPath::fields(&["metadata", "annotations", "a.b/c]\"*\u{13}\\"]),
        FieldPath::fields(&["*", "**", "5"]),
        FieldPath::fields(&["a"]).join(Segment::key([("name", Value::from("80")), ("n", Value::from(80))])),
        FieldPath::fields(&["a"]).join(Segment::key([("name", Value::from("x,y=]"))])).join(Segment::field("b")),
        FieldPath::fields(&["a"]).join(Segment::Item(Value::from("true"))).join(Segment::Index(7)),
        FieldPath::fields(&["a"]).join(Segment::Item(Value::from_json(br#"{"a":["]",{}]}"#).unwrap())),
    ] {
        assert_eq!(path.to_string().parse(), Ok(path));
    }
}

#[test]
fn what_is_no_path_is_refused_with_its_place() {
    for (text, column, why) in [
        ("", 1, "missing"),
        ("spec..a", 6, "missing"),
        ("spec.", 6, "missing"),
        ("spec.é*", 6, "stands alone"),
        ("spec.é[name=web", 7, "`]`"),
        ("spec.a[]", 7, "in brackets"),
        ("spec.a[web]", 7, "in brackets"),
        ("spec.a[=\"]", 7, "`]`"),
        ("a[0]b", 5, "expected"),
        ("a=b", 2, "expected"),
    ] {
        let error = text.parse::<PathPattern>().unwrap_err();
        assert_eq!(error.column, column, "{error}");
        assert!(error.why.contains(why), "{error}");
    }
    assert!("a.*".parse::<FieldPath>().is_err());
    for (text, column) in [("spec", 1), ("/a/~2", 4), ("/a~", 3)] {
        assert_eq!(PathPattern::from_pointer(text).unwrap_err().column, column, "{text}");
    }
}

#[test]
fn a_pattern_names_every_place_once() {
    let tree = r#"{"spec":{"c":[{"name":"a","env":[{"name":"X"}]},{"name":"web","p":[80,"80"]}],"a/b":{"0":{"x":1}}}}"#;
    let tree = Value::from_json(tree.as_bytes()).unwrap();
    let places = |pattern: Result<PathPattern, InvalidPath>| -> Vec<String> {
        pattern.unwrap().places(tree.root()).unwrap().iter().map(ToString::to_string).collect()
    };
    for (text, found) in [
        ("spec.c[name=web].name", vec!["spec.c[1].name"]),
        ("spec.c[*].name", vec!["spec.c[0].name", "spec.c[1].name"]),
        ("**.name", vec!["spec.c[0].env[0].name", "spec.c[0].name", "spec.c[1].name"]),
        ("**.**.c.**.env", vec!["spec.c[0].env"]),
        ("spec.*.*", vec!["spec[\"a/b\"].0"]),
        ("spec.c[1].p[=80]", vec!["spec.c[1].p[0]"]),
        ("spec.c[1].p[=\"80\"]", vec!["spec.c[1].p[1]"]),
        ("spec.c[9].p", vec![]),
        ("spec.replicas", vec![]),
    ] {
        assert_eq!(places(text.parse()), found, "{text}");
    }
    for (text, found) in [
        ("/spec/c/1/name", vec!["spec.c[1].name"]),
        ("/spec/a~1b/0/x", vec!["spec[\"a/b\"].0.x"]),
        ("/spec/c/-", vec![]),
        ("/spec/c/01", vec![]),
        ("", vec!["(whole object)"]),
    ] {
        assert_eq!(places(PathPattern::from_pointer(text)), found, "{text}");
    }
}

#[test]
fn a_path_with_wildcards_gives_up_on_a_budget_and_not_before() {
    let tree = |items: usize| {
        let item = r#"{"a":{"b":[1,2,3,4,5,6]}}"#;
        Value::from_json(format!(r#"{{"list":[{}]}}"#, vec![item; items].join(",")).as_bytes()).unwrap()
    };
    let (usual, huge) = (tree(50), tree(2_000));
    for pattern in ["**.a.**.b", "**.*.**", "list[*].a.b[*]"] {
        let pattern: PathPattern = pattern.parse().unwrap();
        assert!(pattern.within(usual.root(), 40_000).is_ok(), "{pattern}");
        assert_eq!(pattern.within(huge.root(), 40_000), Err(TooManySteps), "{pattern}");
    }
    // What is named outright is found however much lies beside it.
    let outright: [PathPattern; 2] =
        ["list[7].a.b[1]".parse().unwrap(), PathPattern::from_pointer("/list/7/a/b/1").unwrap()];
    for pattern in outright {
        assert_eq!(pattern.within(huge.root(), 0).unwrap().len(), 1, "{pattern}");
    }
}
