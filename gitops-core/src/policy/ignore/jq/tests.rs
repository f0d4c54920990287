use super::*;

const POD: &str = r#"{"metadata":{"name":"web","labels":{"app":"web","x.y/z":"1"}},"spec":{"replicas":3,
    "containers":[{"name":"init","image":"a:1","env":[{"name":"A","value":"1"},{"name":"B"}]},
                  {"name":"web","image":"b:2"}]}}"#;

fn places(program: &str) -> Result<Vec<String>, Gone> {
    let tree = Value::from_json(POD.as_bytes()).unwrap();
    let program = Program::new(program).unwrap_or_else(|error| panic!("{error}"));
    Ok(program.places(tree.root())?.iter().map(ToString::to_string).collect())
}

#[test]
fn a_program_names_paths_as_jq_does() {
    for (program, expected) in [
        (".", vec!["(whole object)"]),
        (".spec.replicas", vec!["spec.replicas"]),
        (".spec.nothing.here", vec!["spec.nothing.here"]),
        (".spec.initContainers[] | .image", vec![]),
        (".spec[\"replicas\"], .metadata.labels.\"x.y/z\"", vec!["metadata.labels[\"x.y/z\"]", "spec.replicas"]),
        (".spec.containers[] | select(.name == \"init\") | .image", vec!["spec.containers[0].image"]),
        (".spec.containers[].env[]? | select(.value)", vec!["spec.containers[0].env[0]"]),
        (".spec.containers[-1].name", vec!["spec.containers[1].name"]),
        (".spec.containers[1:][].name", vec!["spec.containers[1].name"]),
        (".spec.containers | first | .name", vec!["spec.containers[0].name"]),
        (".. | select(type == \"number\")", vec!["spec.replicas"]),
        (".. | .image? // empty", vec!["spec.containers[0].image", "spec.containers[1].image"]),
        ("..|objects|select(has(\"value\")).value", vec!["spec.containers[0].env[0].value"]),
        (".spec.containers[]|select(.image|test(\"^b:[0-9]+$\")).image", vec!["spec.containers[1].image"]),
        (".spec.containers[]|select(.image|startswith(\"a\") or endswith(\"9\"))", vec!["spec.containers[0]"]),
        (".spec.containers[]|select(any(.env[]?; .name == \"B\")).name", vec!["spec.containers[0].name"]),
        (".metadata.name as $n | .spec.containers[] | select(.name == $n)", vec!["spec.containers[1]"]),
        ("if .spec.replicas > 2 then .spec.replicas else empty end", vec!["spec.replicas"]),
        (".spec | select(.replicas + 1 == 4 and (.containers | length) == 2) | .replicas", vec!["spec.replicas"]),
        ("getpath([\"spec\", \"replicas\"])", vec!["spec.replicas"]),
        (".spec.containers[] | select([.env[]?.name] | contains([\"A\"])) | .name", vec!["spec.containers[0].name"]),
        (".spec.try.replicas?", vec!["spec.try.replicas"]),
    ] {
        assert_eq!(places(program).unwrap(), expected, "{program}");
    }
}

#[test]
fn what_may_never_end_changes_values_or_is_unknown_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for (program, column, why) in [
        ("", 1, "term is expected"),
        (".spec[", 7, "closing"),
        (".a | | .b", 6, "expected"),
        (".nothing) | .data |= fromjson", 9, "expected"),
        (".\"é\" | range(10)", 8, "`range` may never end"),
        ("repeat(.a)", 1, "`repeat`"),
        ("recurse(.a)", 1, "`recurse`"),
        ("def f: f; f", 1, "`def`"),
        ("reduce .[] as $x (0; . + $x)", 1, "`reduce`"),
        ("label $out | .a", 1, "`label`"),
        ("limit(1; .[])", 1, "`limit`"),
        ("env.HOME", 1, "`env`"),
        (".a | $x", 6, "not set"),
        (".a | $ENV", 6, "not set"),
        ("del(.a)", 1, "`del` changes"),
        (".a = 1", 2, "assignment"),
        (".a |= . + 1", 2, "assignment"),
        (".a | foo(.b)", 6, "`foo` is not known"),
        (".a | select", 6, "arguments"),
        (".a | test(.b)", 6, "written out"),
        (".a | test(\"(\")", 6, "open group"),
        ("{a: 1}", 2, "objects"),
        (".a | \"x\\(.b)\"", 11, "texts"),
        (".a | @base64", 6, ""),
        (".a | try .b catch .c", 6, "`try`"),
    ] {
        let error = Program::new(program).unwrap_err();
        if !error.why.contains(why) || error.column != column {
            wrong.push(error.to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for program in ["-".repeat(1025), "(".repeat(40), "[".repeat(1000)] {
        assert!(Program::new(&program).is_err());
    }
}

#[test]
fn the_largest_programs_fit_on_a_small_stack() {
    let nested = format!("{}.{}", "(-if . then [".repeat(6), "] else . end)".repeat(6));
    assert!(Program::new(&nested).is_ok(), "{:?}", Program::new(&nested));
    for (start, each, end) in [
        ("", "-", "1"),
        ("", ".|", "."),
        ("", ".,", "."),
        ("", ".//", "."),
        ("", ".+", "."),
        ("", ".+.*", "."),
        ("", ". as $x|", "."),
        (".", ".a", ""),
        (".", "[0]", ""),
        ("", "if . then . elif . then ", ". end"),
        ("", ".and ", "."),
        ("", "if . then . else if . then . end end|", "."),
        ("", "..|", "."),
    ] {
        // As long as it is taken.
        let longest = (1..MAX_BYTES / each.len()).rev().map(|times| format!("{start}{}{end}", each.repeat(times)));
        let Some(program) = longest.into_iter().find(|program| compile::compile(program).is_ok()) else { continue };
        if let Ok(program) = Program::new(&program) {
            let tree = Value::from_json(br#"{"a":null}"#).unwrap();
            assert!(!matches!(program.places(tree.root()), Ok(places) if places.len() > 100), "{program}");
        }
    }
}

#[test]
fn a_program_that_explodes_gives_up() {
    for program in [
        "..|..|..|..|..|..|..|..|..|..|..|..|..|..|..|..|select(false)",
        "[..,..,..]|[..,..,..]|[..,..,..]|[..,..,..]|[..,..,..]|[..,..,..]|.[]",
        "(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)",
        "\"aaaaaaaa\"|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.|.+.",
        "select([..]|contains([..,..,..]|[..,..,..]|[..,..,..]|[..,..]))",
    ] {
        let tree = Value::from_json(POD.as_bytes()).unwrap();
        let program = Program::new(program).unwrap();
        assert_eq!(eval::places(&program.expression, tree.root(), 20_000), Err(Gone::TooManySteps), "{program}");
    }
}

#[test]
fn a_program_pays_for_values_before_it_has_them() {
    let items: Vec<String> = (0..2_000).map(|at| at.to_string()).collect();
    let tree = Value::from_json(format!(r#"{{"a":[{}]}}"#, items.join(",")).as_bytes()).unwrap();
    let twice = "|(.,.)".repeat(14);
    // Had they them all at once, these would have some thirty million values.
    for program in
        [format!("(.a{twice})[]"), format!("[.a{twice}]"), format!(". as $x|null{twice}|$x|getpath([\"a\"])|empty")]
    {
        assert_eq!(Program::new(&program).unwrap().places(tree.root()), Err(Gone::TooManySteps), "{program}");
    }
}

#[test]
fn a_value_that_has_no_place_is_no_answer() {
    for program in ["1", ".spec.replicas + 1", "[.spec]", ".spec | keys", ".spec | keys[]"] {
        assert_eq!(places(program), Err(Gone::NotAPath), "{program}");
    }
}
