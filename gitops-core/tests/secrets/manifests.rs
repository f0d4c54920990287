//! Manifests that cannot be read: what is wrong with them is said without saying what they hold.

use std::sync::Arc;

use gitops_core::manifest::{Dialect, Limits, documents, parse};
use gitops_core::model::ApiModel;
use gitops_core::state::DesiredState;
use proptest::prelude::*;

use crate::{Outlet, base64, secret};

/// A Secret with a mistake near its value.
const MISTAKES: [&str; 34] = [
    "stringData:\n  a: @VALUE\n",
    "stringData:\n  a: `VALUE\n",
    "stringData:\n  a: %VALUE\n",
    "stringData:\n  a: *VALUE\n",
    "stringData:\n  a: &VALUE\n",
    "stringData:\n  a: !VALUE x\n",
    "stringData:\n  a: !<VALUE x\n",
    "stringData:\n  a: \"VALUE\n",
    "stringData:\n  a: 'VALUE\n",
    "stringData:\n  a: \"\\xVALUE\"\n",
    "stringData:\n  a: VALUE: b\n",
    "stringData:\n  a: [VALUE\n",
    "stringData:\n  a: {VALUE\n",
    "stringData:\n  a: |9VALUE\n",
    "stringData:\n  a: >VALUE\n    b\n",
    "stringData:\n\ta: VALUE\n",
    "stringData:\n  a: VALUE\n b: x\n",
    "stringData:\n  a: VALUE\n  a: VALUE\n",
    "stringData:\n  a: {b: VALUE}\n",
    "stringData:\n  a: [VALUE]\n",
    "stringData: VALUE\n",
    "stringData: [VALUE]\n",
    "data: {a: \"VALUE!\"}\n",
    "data: {a: {VALUE: b}}\n",
    "data: VALUE\n",
    "data: {a: !!binary VALUE!}\n",
    "data: {a: !!int VALUE}\n",
    "stringData: {a: !!float VALUE}\n",
    "stringData: {<<: VALUE}\n",
    "stringData: {a: VALUE}\nstringData: {a: VALUE}\n",
    "stringDate: {a: VALUE}\n",
    "data: {a: VALUE}\ntype: [x]\n",
    "stringData:\n  ? VALUE\n  : [\n",
    "stringData:\n  a: VALUE\u{7}\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn no_problem_of_a_manifest_quotes_a_secret(value in secret()) {
        let mut out = Outlet::default();
        let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\n";
        let json = |rest: &str| format!(r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"web"}},{rest}"#);
        let mut texts: Vec<String> = MISTAKES.iter().map(|rest| format!("{head}{rest}")).collect();
        texts.extend(MISTAKES.iter().map(|rest| format!("{rest}{head}")));
        texts.push(format!("{head}{}", MISTAKES[0]).replace("v1", "v2"));
        for rest in [
            r#""stringData":{"a":"VALUE}}"#, r#""stringData":{"a":VALUE}}"#, r#""stringData":{"a":"VALUE","a":"VALUE"}}"#,
            r#""data":{"a":"\qVALUE"}}"#, r#""data":{"a":"VALUE"}} VALUE"#, r#""data":"VALUE"}"#, r#""data":{"a":"VALUE!"}}"#,
        ] {
            texts.push(json(rest));
        }
        for text in texts {
            for form in [value.clone(), base64(&value)] {
                let text = text.replace("VALUE", &form);
                let (dialect, limits) = (Dialect::Kubectl, Limits::default());
                let file = Arc::new(parse(&"secret.yaml".into(), text.as_bytes(), dialect, &limits));
                out.debug("a file", &file);
                documents(text.as_bytes(), dialect, &limits).1.iter().for_each(|stopped| out.text("a fault", stopped));
                let desired = DesiredState::assemble(&[], &[file], &[], &ApiModel::builtin(), Some("shop"));
                out.debug("a desired state", &desired);
                desired.problems.iter().for_each(|problem| {
                    out.text("a problem", problem);
                    out.json("a problem as JSON", problem);
                });
            }
        }
        out.holds_none_of(&[value])?;
    }
}
