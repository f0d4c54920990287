//! Flux's rules: `spec.ignore` of a Kustomization.
//!
//! Rule: Flux, "Kustomization", `ignore`: JSON Pointers, and a target of which every part is a regular expression over
//! the whole name (kustomize's `Selector`); without a target, every object. Flux 2.8 keeps only the last of several
//! rules without a target; here each counts.

use super::read::{self, Fields};
use super::{Names, OnCreate, Rule, Scope, Selector, Target};
use crate::resource::LabelSelector;
use crate::value::{Value, ValueRef};

pub(super) fn rule(value: ValueRef<'_>) -> Result<Rule, String> {
    let entry = Fields::of(value, &["paths", "target"])?;
    let none = Value::empty_map();
    let known = ["group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"];
    let target = Fields::of(entry.get("target").unwrap_or(none.root()), &known)?;
    let names = |key| match target.text(key)? {
        None | Some("") => Ok(Names::Any),
        Some(pattern) => Names::matching(pattern),
    };
    let selector = |key| -> Result<Option<LabelSelector>, String> {
        let text = target.text(key)?.filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|error| format!("`{key}`: {error}"))).transpose()
    };
    let target = Target {
        group: names("group")?,
        version: names("version")?,
        kind: names("kind")?,
        name: names("name")?,
        namespace: names("namespace")?,
        labels: selector("labelSelector")?,
        annotations: selector("annotationSelector")?,
    };
    let mut fields = Vec::new();
    entry.each("paths", &mut fields, Selector::pointer)?;
    read::rule(target, fields, Scope::Application, OnCreate::Send)
}
