//! Checks as they are written: Flux's `healthCheckExprs`, and Argo CD's ConfigMap.

use std::sync::Arc;

use crate::manifest::{Dialect, Limits, documents};
use crate::policy::ignore::Fields;
use crate::value::{Value, ValueRef};

use super::{Check, Checks, InvalidCheck, Program, Table, lua_program};

const HEALTH: &str = "resource.customizations.health.";
const CUSTOMIZATIONS: &str = "resource.customizations";

pub(super) fn checks(value: ValueRef<'_>) -> Result<Checks, InvalidCheck> {
    let mut table = Table::default();
    match value.get("kind").and_then(ValueRef::as_str) {
        Some("ConfigMap") => settings(value, &mut table)?,
        Some("Kustomization") => {
            if let Some(list) = value.dig(&["spec", "healthCheckExprs"]) {
                expressions(list, &mut table)?;
            }
        }
        Some(kind) if value.as_map().is_some() => {
            let what = format!("a {kind} holds no checks; give a list, a Kustomization or Argo CD's ConfigMap");
            return Err(InvalidCheck { origin: "1".into(), what });
        }
        _ => expressions(value.get("healthCheckExprs").unwrap_or(value), &mut table)?,
    }
    Ok(Checks(Arc::new(table)))
}

/// Reads Flux's list.
///
/// Rule: Flux, "Kustomization", `healthCheckExprs`: the version is not looked at, and an entry without a kind is for
/// the whole group.
fn expressions(list: ValueRef<'_>, table: &mut Table) -> Result<(), InvalidCheck> {
    let invalid = |at: usize, what: String| InvalidCheck { origin: format!("{}", at + 1), what };
    if list.is_null() {
        return Ok(());
    }
    let Some(entries) = list.as_list() else {
        return Err(invalid(0, format!("a list of checks is expected, not a {}", list.kind_name())));
    };
    for (at, entry) in entries.iter().enumerate() {
        let read = || {
            let fields = Fields::of(entry, &["apiVersion", "kind", "inProgress", "failed", "current"])?;
            let version = fields.text("apiVersion")?.ok_or("`apiVersion` is missing")?;
            let group = version.rsplit_once('/').map_or("", |(group, _)| group);
            let kind = fields.text("kind")?.filter(|kind| !kind.is_empty()).unwrap_or("*");
            let current =
                fields.text("current")?.ok_or("`current` is missing: the expression that holds when all is well")?;
            let program = cel_program(current, fields.text("failed")?, fields.text("inProgress")?)?;
            Ok((group, kind, program))
        };
        let (group, kind, program) = read().map_err(|what: String| invalid(at, what))?;
        let origin = format!("{}", at + 1).into();
        table.add(group, kind, Check { origin, program }).map_err(|what| invalid(at, what))?;
    }
    Ok(())
}

#[cfg(feature = "cel")]
fn cel_program(current: &str, failed: Option<&str>, in_progress: Option<&str>) -> Result<Program, String> {
    super::cel::Expressions::new(current, failed, in_progress).map(Program::Cel)
}

#[cfg(not(feature = "cel"))]
fn cel_program(_: &str, _: Option<&str>, _: Option<&str>) -> Result<Program, String> {
    Err("it is in CEL, and the program was built without the feature `cel`".to_owned())
}

/// Reads the keys `resource.customizations.health.<group>_<kind>` and `resource.customizations` of a ConfigMap.
///
/// Rule: Argo CD, "Resource Health", custom checks. Standard libraries are open to all scripts here, since none of them
/// reaches the outside.
fn settings(config_map: ValueRef<'_>, table: &mut Table) -> Result<(), InvalidCheck> {
    let data = config_map.get("data").and_then(ValueRef::as_map).into_iter().flatten();
    for (key, text) in data {
        let invalid = |what: String| InvalidCheck { origin: format!("`{key}`"), what };
        let read = || text.as_str().ok_or_else(|| "a text is expected".to_owned());
        if let Some(place) = key.strip_prefix(HEALTH) {
            let (group, kind) = place.rsplit_once('_').unwrap_or(("", place));
            let mut add = || {
                let program = lua_program(read()?)?;
                table.add(group, kind, Check { origin: key.into(), program })
            };
            add().map_err(invalid)?;
        } else if key == CUSTOMIZATIONS {
            read().and_then(|text| customizations(key, text, table)).map_err(invalid)?;
        }
    }
    Ok(())
}

/// Reads the older form: a map from `group/kind` to settings, of which `health.lua` is one.
fn customizations(key: &str, text: &str, table: &mut Table) -> Result<(), String> {
    let (documents, stopped) = documents(text.as_bytes(), Dialect::Kubectl, &Limits::default());
    if let Some(stopped) = stopped {
        return Err(stopped.to_string());
    }
    let value = documents.into_iter().next().map_or_else(Value::empty_map, |document| document.value);
    for (place, settings) in value.root().as_map().into_iter().flatten() {
        let Some(script) = settings.get("health.lua") else { continue };
        let (group, kind) = place.rsplit_once('/').unwrap_or(("", place));
        let mut read = || {
            let program = lua_program(script.as_str().ok_or("`health.lua` is a text")?)?;
            table.add(group, kind, Check { origin: format!("{key} {place}").into(), program })
        };
        read().map_err(|what| format!("`{place}`: {what}"))?;
    }
    Ok(())
}
