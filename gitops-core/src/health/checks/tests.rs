use super::Checks;
#[cfg(any(feature = "cel", feature = "lua"))]
use crate::health::{Clues, Health, HealthStatus, assess};
#[cfg(any(feature = "cel", feature = "lua"))]
use crate::model::ApiModel;
#[cfg(any(feature = "cel", feature = "lua"))]
use crate::resource::Resource;
use crate::value::Value;

fn value(json: &str) -> Value {
    Value::from_json(json.as_bytes()).unwrap()
}

/// An object of the kind `Pump` of `example.org`, with more fields.
#[cfg(any(feature = "cel", feature = "lua"))]
fn pump(fields: &str) -> Resource {
    let text = format!(
        r#"{{"apiVersion":"example.org/v1","kind":"Pump","metadata":{{"name":"one","generation":3}},{fields}}}"#
    );
    Resource::new(value(&text)).unwrap()
}

#[cfg(any(feature = "cel", feature = "lua"))]
fn judged(checks: &Checks, object: &Resource) -> Health {
    let model = ApiModel::builtin();
    assess(object, &Clues::new(&model, "2026-03-01T12:00:00Z".parse().unwrap()).checking(checks))
}

#[cfg(feature = "cel")]
mod cel {
    use super::*;

    fn checks(current: &str, more: &str) -> Result<Checks, String> {
        let current = Value::from_serialize(&current).unwrap().to_json();
        let text = format!(r#"[{{"apiVersion":"example.org/v1","kind":"Pump","current":{current}{more}}}]"#);
        Checks::read(value(&text).root()).map_err(|error| error.to_string())
    }

    fn status(expression: &str, fields: &str) -> (HealthStatus, String) {
        let health = judged(&checks(expression, "").unwrap(), &pump(fields));
        (health.status, health.message.to_string())
    }

    #[test]
    fn the_first_of_in_progress_failed_and_current_that_holds_decides() {
        let more = r#","inProgress":"status.state == 'moving'","failed":"has(status.error)""#;
        let checks = checks("status.litres > 10", more).unwrap();
        for (fields, expected) in [
            (r#""status":{"state":"moving","error":"x","litres":20}"#, HealthStatus::Progressing),
            (r#""status":{"state":"still","error":"x","litres":20}"#, HealthStatus::Degraded),
            (r#""status":{"state":"still","litres":20}"#, HealthStatus::Healthy),
            (r#""status":{"state":"still","litres":5}"#, HealthStatus::Progressing),
            (r#""spec":{}"#, HealthStatus::Progressing),
            (r#""status":{"observedGeneration":2,"litres":20}"#, HealthStatus::Progressing),
        ] {
            let health = judged(&checks, &pump(fields));
            assert_eq!((health.status, health.rule), (expected, "user/cel"), "{fields}: {}", health.message);
        }
    }

    #[test]
    fn expressions_say_what_is_in_lists_maps_and_texts() {
        let fields = r#""spec":{"size":3},"status":{"conditions":[{"type":"A","status":"False"},{"type":"Ready","status":"True"}]}"#;
        for (expression, expected) in [
            ("status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", HealthStatus::Healthy),
            ("status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')", HealthStatus::Healthy),
            ("status.conditions.map(c, c.type).exists_one(t, t.startsWith('Rea'))", HealthStatus::Healthy),
            ("size(status.conditions) == 2 && spec.size * 2 >= 6", HealthStatus::Healthy),
            ("self.metadata.name.matches('^o.e$') && 'size' in spec", HealthStatus::Healthy),
            ("metadata.generation == 3 ? spec.size > 2 : false", HealthStatus::Healthy),
            ("status.conditions[1].type == 'Ready'", HealthStatus::Healthy),
            ("status.conditions[7].type == 'Ready'", HealthStatus::Progressing),
            ("!has(status.phase)", HealthStatus::Healthy),
            ("status.phase == 'Up'", HealthStatus::Progressing),
        ] {
            let (status, message) = status(expression, fields);
            assert_eq!(status, expected, "{expression}: {message}");
        }
    }

    #[test]
    fn what_gives_no_answer_is_unknown_and_quotes_no_value() {
        let fields = r#""spec":{"secret":"hunter2","n":0,"big":9223372036854775807}"#;
        for (expression, expected) in [
            ("spec.secret", "gives a string, not true or false"),
            ("spec.secret > 1", "does not fit the types of this object"),
            ("1 / spec.n > 0", "divides by zero"),
            ("spec.big + 1 > 0", "leaves the range of numbers"),
        ] {
            let (status, message) = status(expression, fields);
            assert_eq!(status, HealthStatus::Unknown, "{expression}");
            assert!(message.ends_with(expected) && !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_used_is_refused_when_it_is_read() {
        for (expression, expected) in [
            ("status.x ==", "Syntax error"),
            ("now() > 1", "there is no function `now` here"),
            ("a.?b == 1", "unsupported syntax '.?'"),
            ("example.Type{x: 1} == 1", "not supported"),
            ("a[?1] == 1", "unsupported syntax"),
        ] {
            let error = checks(expression, "").unwrap_err();
            assert!(error.contains(expected) && error.contains("health check 1: `current`"), "{error}");
        }
        assert!(checks(&"(".repeat(5000), "").unwrap_err().contains("longer than 2048 bytes"));
        let nested = |sign: &str, end: &str| format!("{}1{}", sign.repeat(200), end.repeat(200));
        assert!(checks(&nested("[", "]"), "").unwrap_err().contains("recursion limit"));
        assert!(checks(&nested("1 + ", ""), "").unwrap_err().contains("nests deeper"));
        assert!(checks(&nested("a.all(x,", ")"), "").is_err());
    }

    #[test]
    fn what_would_take_too_long_is_not_run() {
        let items: Vec<String> = (0..2000).map(|n| n.to_string()).collect();
        let fields = format!(r#""spec":{{"l":[{}]}}"#, items.join(","));
        for expression in [
            "spec.l.all(a, spec.l.all(b, spec.l.all(c, a + b + c >= 0)))",
            "spec.l.map(a, spec.l).map(b, b.map(c, spec.l)).size() > 0",
            "[spec.l].map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).size() > 0",
        ] {
            let (status, message) = status(expression, &fields);
            assert!(message.ends_with("takes too many steps on this object"), "{expression}: {message}");
            assert_eq!(status, HealthStatus::Unknown);
        }
        assert_eq!(status("spec.l.all(a, a >= 0) && spec.l.exists(a, a == 1999)", &fields).0, HealthStatus::Healthy);
    }

    #[test]
    fn long_expressions_fit_a_small_stack() {
        let expressions = [
            format!("{} == 1", ["1"; 1000].join("+")),
            format!("{}true", "true&&".repeat(300)),
            format!("{}true", "true||".repeat(300)),
            format!("{}b", "a.".repeat(900)),
            format!("{}1{}.size() == 1", "[".repeat(40), "]".repeat(40)),
            format!("a{}", "[0]".repeat(130)),
            format!("{} == 1", ["1"; 198].join("+")),
            format!("{}true", "true&&".repeat(130)),
            format!("{}b", "a.".repeat(199)),
            format!("{}1{} == 1", "(".repeat(1000), ")".repeat(1000)),
            format!("{}true", "!".repeat(1000)),
            format!("{}1 == 1", "- ".repeat(1000)),
            format!("{}1", "true?1:".repeat(290)),
            format!("{}1", "true?".repeat(400)),
        ];
        let run = move || {
            for expression in &expressions {
                if let Ok(checks) = checks(expression, "") {
                    judged(&checks, &pump(r#""spec":{}"#));
                }
            }
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn a_kind_has_one_check_and_the_most_specific_is_asked() {
        let read = |text: &str| Checks::read(value(text).root());
        let twice = r#"[{"apiVersion":"a.io/v1","kind":"X","current":"true"},{"apiVersion":"a.io/v2","kind":"X","current":"true"}]"#;
        let error = read(twice).unwrap_err().to_string();
        assert_eq!(error, "health check 2: `X` of group `a.io` has a check already, in 1; keep one");
        let both = r#"{"healthCheckExprs":[{"apiVersion":"example.org/v1","current":"false"},{"apiVersion":"example.org/v1","kind":"Pump","current":"true"}]}"#;
        assert_eq!(judged(&read(both).unwrap(), &pump(r#""spec":{}"#)).status, HealthStatus::Healthy);
        let group = r#"{"kind":"Kustomization","spec":{"healthCheckExprs":[{"apiVersion":"example.org/v1","current":"false"}]}}"#;
        assert_eq!(judged(&read(group).unwrap(), &pump(r#""spec":{}"#)).status, HealthStatus::Progressing);
        let later = read(both)
            .unwrap()
            .and(&read(r#"[{"apiVersion":"example.org/v1","kind":"Pump","current":"false"}]"#).unwrap());
        assert_eq!((judged(&later, &pump(r#""spec":{}"#)).status, later.len()), (HealthStatus::Progressing, 2));
    }

    #[test]
    fn a_secret_is_judged_by_no_check() {
        let checks = Checks::read(
            value(r#"[{"apiVersion":"v1","kind":"*","failed":"data.a == 'aHVudGVyMg=='","current":"false"}]"#).root(),
        )
        .unwrap();
        let secret = |kind| {
            Resource::new(value(&format!(
                r#"{{"apiVersion":"v1","kind":"{kind}","metadata":{{"name":"s"}},"data":{{"a":"aHVudGVyMg=="}}}}"#
            )))
            .unwrap()
        };
        assert_eq!(judged(&checks, &secret("Secret")).status, HealthStatus::Healthy);
        assert_eq!(judged(&checks, &secret("ConfigMap")).status, HealthStatus::Degraded);
    }
}

#[cfg(feature = "lua")]
mod lua {
    use super::*;

    fn script(text: &str) -> Checks {
        let (checks, wrong) = Checks::from_directory([("example.org/Pump/health.lua", text.as_bytes())]);
        assert_eq!(wrong, []);
        checks
    }

    fn status(text: &str, fields: &str) -> (HealthStatus, String) {
        let health = judged(&script(text), &pump(fields));
        (health.status, health.message.to_string())
    }

    #[test]
    fn a_script_finds_the_object_and_returns_status_and_message() {
        let text = r#"
            hs = {}
            if obj.status ~= nil then
              for i, condition in ipairs(obj.status.conditions) do
                if condition.type == "Ready" and condition.status == "False" then
                  hs.status = "Degraded"
                  hs.message = condition.message
                  return hs
                end
              end
            end
            hs.status = "Progressing"
            hs.message = "Waiting"
            return hs"#;
        let broken = r#""status":{"conditions":[{"type":"Ready","status":"False","message":"no water"}]}"#;
        assert_eq!(status(text, broken), (HealthStatus::Degraded, "no water".to_owned()));
        assert_eq!(status(text, r#""spec":{}"#), (HealthStatus::Progressing, "Waiting".to_owned()));
    }

    #[test]
    fn a_script_that_says_nothing_leaves_the_verdict_to_the_rules_that_are_built_in() {
        let ready = r#""status":{"conditions":[{"type":"Ready","status":"True","message":"fine"}]}"#;
        for text in ["return nil", "return {}", "local x = 1", "return {message='x'}"] {
            assert_eq!(status(text, ready), (HealthStatus::Healthy, "fine".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_script_that_fails_makes_the_object_unknown_and_says_why() {
        for (text, expected) in [
            ("return {status='Great'}", "the script returned the unknown status `Great`"),
            ("return 'Healthy'", "the script returned a string, not a table"),
            ("return obj.status.phase", "attempt to index field 'status' (a nil value)"),
            ("error('no')", "no"),
        ] {
            let (status, message) = status(text, r#""spec":{}"#);
            assert_eq!(status, HealthStatus::Unknown, "{text}");
            assert!(message.contains(expected) && message.contains("example.org/Pump/health.lua"), "{message}");
        }
    }

    #[test]
    fn what_gopher_lua_adds_or_keeps_is_there_and_tables_are_walked_in_order() {
        let text = "local names = {} \
                    for name, value in pairs(obj.spec) do if value == 2 then goto continue end table.insert(names, name) ::continue:: end \
                    local a, b = unpack(names) \
                    return {status = 'Healthy', message = table.concat(names, ' ') .. ' ' .. table.getn(names) .. a .. b .. 3}";
        let fields = r#""spec":{"zeta":1,"alpha":1,"mid":2,"beta":1}"#;
        assert_eq!(status(text, fields), (HealthStatus::Healthy, "alpha beta zeta 3alphabeta3".to_owned()));
    }

    #[test]
    fn a_script_that_takes_too_much_is_stopped() {
        for text in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "local s = 'x' while true do s = s .. s end",
            "local t = {} while true do t[#t + 1] = {} end",
            "return {status = string.rep('x', 1e9)}",
            "local s = string.rep('a', 20000) return {status = s:find(string.rep('a*', 30) .. 'b')}",
            "local function f() return pcall(f) end while true do f() end",
            "for i = 1, 1e7 do table.sort({3, 2, 1}) end",
            "setmetatable(_G, {__index = function(t, k) return t[k .. k] end}) return {status = nothing}",
            "return setmetatable({}, {__index = function() while true do end end})",
        ] {
            let (status, message) = status(text, r#""spec":{}"#);
            let silent = text.starts_with("return setmetatable");
            assert_eq!(status == HealthStatus::Unknown, !silent, "{text}: {message}");
        }
    }

    #[test]
    fn a_script_reaches_neither_the_outside_nor_a_clock_nor_chance() {
        let names = "io, load, loadstring, dofile, loadfile, debug, package, print, coroutine, newproxy, collectgarbage, \
                     math.random, string.dump, os.getenv, os.execute, os.exit, os.clock, getfenv, setfenv";
        for name in names.split(", ") {
            let text = format!("return {{status = {name} == nil and 'Healthy' or 'Degraded'}}");
            assert_eq!(status(&text, r#""spec":{}"#).0, HealthStatus::Healthy, "{name}");
        }
        let text = "local os = require('os') return {status='Healthy', message = os.date('!%Y-%m-%dT%H:%M:%SZ') .. ' ' .. os.time() .. ' ' .. os.time{year=2026,month=3,day=1,hour=12} .. ' ' .. tostring({})}";
        assert_eq!(status(text, r#""spec":{}"#).1, "2026-03-01T12:00:00Z 1772366400 1772366400 table");
        assert!(status("require('io')", r#""spec":{}"#).1.contains("there is no module `io` here"));
    }

    #[test]
    fn a_directory_is_laid_out_by_group_and_kind_with_underscores_for_globs() {
        let healthy = "return {status='Healthy'}".as_bytes();
        let files = [
            ("_.example.org/_/health.lua", healthy),
            ("example.org/Pump/health.lua", "return {status='Degraded'}".as_bytes()),
            ("example.org/Pump/health_test.yaml", b"tests: []".as_slice()),
            ("Namespace/health.lua", healthy),
            ("example.org/Broken/health.lua", b"if".as_slice()),
            ("example.org/Bytes/health.lua", b"\xff".as_slice()),
            ("a/b/c/health.lua", healthy),
        ];
        let (checks, wrong) = Checks::from_directory(files);
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(checks.len(), 3);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(
            wrong[0].starts_with("health check `example.org/Broken/health.lua`: the script cannot be read: "),
            "{wrong:?}"
        );
        assert!(wrong[1].ends_with("it is not UTF-8 text") && wrong[2].ends_with("its folders are not `GROUP/KIND`"));
        assert_eq!(judged(&checks, &pump(r#""spec":{}"#)).status, HealthStatus::Degraded);
        let sub = value(r#"{"apiVersion":"sub.example.org/v1","kind":"Any","metadata":{"name":"x"},"status":{}}"#);
        assert_eq!(judged(&checks, &Resource::new(sub).unwrap()).rule, "user/lua");
    }

    #[test]
    fn the_config_map_of_argo_cd_is_read_in_both_forms() {
        let text = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"argocd-cm"},"data":{
            "resource.customizations.health.example.org_Pump":"return {status='Suspended'}",
            "resource.customizations":"\"*.other.org/*\":\n  health.lua: |\n    return {status='Degraded'}\n",
            "url":"https://example.org"}}"#;
        let checks = Checks::read(value(text).root()).unwrap();
        assert_eq!(checks.len(), 2);
        assert_eq!(judged(&checks, &pump(r#""spec":{}"#)).status, HealthStatus::Suspended);
    }

    #[test]
    fn health_is_never_told_from_a_status_of_an_older_spec() {
        let (status, _) = status("return {status='Healthy'}", r#""status":{"observedGeneration":2}"#);
        assert_eq!(status, HealthStatus::Progressing);
    }
}

#[test]
fn a_check_in_a_language_that_is_not_built_in_says_which_feature_is_missing() {
    let text = r#"[{"apiVersion":"a.io/v1","kind":"X","current":"true"}]"#;
    let read = Checks::read(value(text).root()).map_err(|error| error.to_string());
    match cfg!(feature = "cel") {
        true => assert!(read.is_ok()),
        false => assert!(read.unwrap_err().contains("without the feature `cel`")),
    }
}
