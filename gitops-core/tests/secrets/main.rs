//! Values of Secrets appear nowhere: random ones are fed through every way out, as text, as JSON and as `Debug`.

#![expect(clippy::unwrap_used, reason = "what cannot be built cannot be looked at")]

mod manifests;
mod runs;

use std::fmt::{Debug, Display};

use base64::Engine as _;
use gitops_core::cluster::{Force, Write};
use gitops_core::diff::{self, Comparison, Context, Outcome, Sides, Unified, compare_one};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::ssa::{Apply, apply};
use gitops_core::state::{Inventory, Live, Owner};
use gitops_core::time::Timestamp;
use gitops_core::value::Value;
use proptest::prelude::*;
use serde::Serialize;

/// Everything that came out, with where it came from.
#[derive(Default)]
pub(crate) struct Outlet(Vec<(&'static str, String)>);

impl Outlet {
    pub(crate) fn text(&mut self, name: &'static str, text: impl Display) {
        self.0.push((name, text.to_string()));
    }

    pub(crate) fn debug(&mut self, name: &'static str, value: &impl Debug) {
        self.0.push((name, format!("{value:?} {value:#?}")));
    }

    pub(crate) fn json(&mut self, name: &'static str, value: &impl Serialize) {
        self.0.push((name, serde_json::to_string(value).unwrap()));
    }

    /// Fails where one of the values came out, as it is or encoded.
    pub(crate) fn holds_none_of(&self, secrets: &[String]) -> Result<(), TestCaseError> {
        for secret in secrets {
            for form in [secret.clone(), base64(secret)] {
                for (name, text) in &self.0 {
                    prop_assert!(!text.contains(&form), "{name} tells `{form}`: {text}");
                }
            }
        }
        Ok(())
    }
}

pub(crate) fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A value that is found again wherever it comes out.
pub(crate) fn secret() -> impl Strategy<Value = String> {
    "[a-z]{4}[A-Z]{4}[a-z]{4}[0-9]{6}"
}

/// The data of a Secret: as it should be, and as only a broken or hostile writer makes it.
fn data(secrets: [String; 3]) -> impl Strategy<Value = String> {
    let [a, b, c] = secrets;
    prop_oneof![
        Just(format!(r#"{{"a":"{}","b":"{}"}}"#, base64(&a), base64(&b))),
        Just(format!(r#"{{"b":"{}","a":"{}","c":"{}"}}"#, base64(&a), base64(&a), base64(&c))),
        Just(format!(r#"{{"a":"{a}","b":{{"c":"{b}"}}}}"#)),
        Just(format!(r#"{{"a":["{a}","{b}","{b}"]}}"#)),
        Just(format!(r#"["{a}","{a}","{c}"]"#)),
        Just(format!(r#"[{{"name":"{a}"}},{{"name":"{b}"}}]"#)),
        Just(format!(r#""{a}""#)),
        Just("null".to_owned()),
    ]
}

fn secret_object(field: &str, data: &str, metadata: &str) -> Resource {
    let json = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"web","namespace":"shop"{metadata}}},"{field}":{data}}}"#
    );
    Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
}

/// What a live Secret carries beside its data: a copy of it, and who owns which field, sometimes by value.
fn metadata(copy: &str, fields: &str) -> String {
    let copy = serde_json::to_string(&format!(r#"{{"data":{copy}}}"#)).unwrap();
    let entry = |manager: &str, operation: &str| {
        format!(
            r#"{{"manager":"{manager}","operation":"{operation}","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{fields}}}"#
        )
    };
    let entries = [entry("gitops:shop", "Apply"), entry("kubectl-edit", "Update"), entry("helm", "Apply")].join(",");
    format!(
        r#","uid":"1","annotations":{{"kubectl.kubernetes.io/last-applied-configuration":{copy}}},"managedFields":[{entries}]"#
    )
}

fn look_at(desired: &Resource, live: &Resource, out: &mut Outlet) {
    let (owner, inventory, model) = (Owner::new("", "shop").unwrap(), Inventory::default(), ApiModel::builtin());
    let context = Context::new(&model, &owner, &inventory);
    out.debug("an object", live);
    for (want, have) in [(desired, Live::Present(live)), (desired, Live::Absent)] {
        let compared = compare_one(want, have, &context);
        out.debug("a verdict", &compared);
        diff::lines(&compared).iter().for_each(|line| out.text("a line", line));
        if let Outcome::OutOfSync(changes) = &compared.outcome {
            out.text("a table", diff::table(changes, 200));
            changes.iter().for_each(|change| out.json("a change", change));
        }
        let sides = Sides::of(Some(want), &compared);
        out.debug("both sides", &sides);
        out.text("unified text", sides.unified("web", &Unified::default().with_context(9).coloured()));
        out.json("a JSON patch", &sides.json_patch());
        out.json("a merge patch", &sides.merge_patch());
        for asked in [None, Some("**".parse().unwrap()), Some("data.*".parse().unwrap())] {
            match diff::explain(Some(want), Some(&compared), asked.as_ref(), &context) {
                Ok(fields) => fields.iter().for_each(|field| {
                    out.text("an explained field", field);
                    out.json("an explained field as JSON", field);
                    out.debug("an explained field for debugging", field);
                }),
                Err(error) => out.text("an unknown field", error),
            }
        }
        let comparison = Comparison::default();
        out.debug("a comparison", &comparison);
    }
    let forecast = diff::forecast(desired, live, &context, diff::Scaled::No);
    out.debug("a forecast", &forecast);
    out.json("a forecast as JSON", &forecast);
    forecast.lines().iter().for_each(|line| out.text("a line of a forecast", line));
    match apply(&Apply::new(Some(live), desired, "gitops:shop", Timestamp::EPOCH, &model)) {
        Ok(applied) => out.debug("what was applied", &applied),
        Err(error) => {
            out.text("an error of an apply", &error);
            out.debug("an error of an apply for debugging", &error);
        }
    }
    let write = Write::apply(desired, "gitops:shop", Force::No);
    out.debug("a write", &write);
}

fn drawn() -> impl Strategy<Value = ([String; 3], String, [String; 3], String)> {
    let side = || [secret(), secret(), secret()].prop_flat_map(|secrets| (Just(secrets.clone()), data(secrets)));
    (side(), side()).prop_map(|((ours, desired), (theirs, live))| (ours, desired, theirs, live))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_comparison_forecast_explanation_or_error_tells_a_secret(
        (ours, desired, theirs, live) in drawn(),
        field in prop_oneof![Just("data"), Just("stringData")],
        by_value in any::<bool>(),
    ) {
        let fields = match by_value {
            true => format!(r#"{{"f:data":{{"v:\"{}\"":{{}},"f:a":{{}},"f:b":{{}}}}}}"#, theirs[0]),
            false => r#"{"f:data":{".":{},"f:a":{},"f:b":{}}}"#.to_owned(),
        };
        let desired = secret_object(field, &desired, "");
        let live = secret_object("data", &live, &metadata(&live, &fields));
        let mut out = Outlet::default();
        look_at(&desired, &live, &mut out);
        // Whoever reads managed fields sees what a writer put there by value; we only pass it on to nobody.
        let secrets: Vec<String> = ours.into_iter().chain(theirs).collect();
        out.holds_none_of(&secrets)?;
    }
}
