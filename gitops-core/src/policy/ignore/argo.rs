//! Argo CD's rules: `ignoreDifferences` of an Application, and the keys of its ConfigMap.
//!
//! Rule: Argo CD user guide, "Diff Customization", and `util/argo/normalizers`: group and kind are globs, name and
//! namespace are compared whole, and an empty one means any. An empty group is the core group.

use super::read::{self, Fields};
use super::{InvalidRule, Names, OnCreate, Rule, Scope, Selector, Target};
use crate::manifest::{Dialect, Limits, documents};
use crate::value::{Value, ValueRef};

pub(super) const FIELDS: [&str; 3] = ["jsonPointers", "jqPathExpressions", "managedFieldsManagers"];
const PREFIX: &str = "resource.customizations.ignoreDifferences.";

/// Reads an entry of `ignoreDifferences`.
pub(super) fn rule(value: ValueRef<'_>) -> Result<Rule, String> {
    let mut known = vec!["group", "kind", "name", "namespace"];
    known.extend(FIELDS);
    let entry = Fields::of(value, &known)?;
    let exact = |key| -> Result<Names, String> {
        Ok(entry.text(key)?.filter(|text| !text.is_empty()).map_or(Names::Any, |text| Names::Only(text.into())))
    };
    let target = Target {
        group: Names::glob(entry.text("group")?.unwrap_or(""))?,
        kind: Names::glob(entry.text("kind")?.ok_or("`kind` is missing; it may be a glob such as `*`")?)?,
        name: exact("name")?,
        namespace: exact("namespace")?,
        ..Target::default()
    };
    read::rule(target, fields(entry)?, Scope::Application, OnCreate::Send)
}

fn fields(entry: Fields<'_>) -> Result<Vec<Selector>, String> {
    let [pointers, programs, managers] = FIELDS;
    let mut fields = Vec::new();
    entry.each(pointers, &mut fields, Selector::pointer)?;
    entry.each(programs, &mut fields, read::jq)?;
    entry.each(managers, &mut fields, read::owned_by)?;
    Ok(fields)
}

/// Reads the names of annotations of Secrets whose values are not shown, from Argo CD's ConfigMap.
pub(super) fn masked(config_map: ValueRef<'_>) -> impl Iterator<Item = &str> {
    let is_settings = config_map.get("kind").is_none_or(|kind| kind.as_str() == Some("ConfigMap"));
    let names = config_map.dig(&["data", "resource.sensitive.mask.annotations"]).filter(|_| is_settings);
    let names = names.and_then(ValueRef::as_str).unwrap_or_default();
    names.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Reads the keys `resource.customizations.ignoreDifferences.<group>_<kind>` and `….all` of a ConfigMap.
pub(super) fn settings(config_map: ValueRef<'_>) -> Result<Vec<Rule>, InvalidRule> {
    let data = config_map.get("data").and_then(ValueRef::as_map).into_iter().flatten();
    let ours = data.filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?, text)));
    let setting = |(at, (key, text)): (usize, (&str, ValueRef<'_>))| {
        let wrong = |what: String| InvalidRule { rule: at + 1, what: format!("`{PREFIX}{key}`: {what}") };
        setting(key, text).map_err(wrong)
    };
    ours.enumerate().filter_map(|one| setting(one).transpose()).collect()
}

fn setting(key: &str, text: ValueRef<'_>) -> Result<Option<Rule>, String> {
    let (group, kind) = match key {
        "all" => ("*", "*"),
        _ => key.split_once('_').unwrap_or(("", key)),
    };
    let text = text.as_str().ok_or("a text is expected")?;
    let (documents, stopped) = documents(text.as_bytes(), Dialect::Kubectl, &Limits::default());
    if let Some(stopped) = stopped {
        return Err(stopped.to_string());
    }
    let value = documents.into_iter().next().map_or_else(Value::empty_map, |document| document.value);
    let fields = fields(Fields::of(value.root(), &FIELDS)?)?;
    if fields.is_empty() {
        return Ok(None);
    }
    let target = Target { group: Names::glob(group)?, kind: Names::glob(kind)?, ..Target::default() };
    read::rule(target, fields, Scope::System, OnCreate::Send).map(Some)
}
