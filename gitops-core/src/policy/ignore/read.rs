//! Rules as they are written: what the three forms have in common.

use super::target::check_glob;
use super::{InvalidRule, OnCreate, Rule, Scope, Selector, Target, argo, flux, own};
use crate::value::{Map, ValueRef};

/// Reads a list in whatever form, or an object that holds one.
pub(super) fn rules(value: ValueRef<'_>) -> Result<Vec<Rule>, InvalidRule> {
    let kind = value.get("kind").and_then(ValueRef::as_str);
    let spec = |field| value.dig(&["spec", field]);
    match kind {
        Some("Application") => {
            let found =
                spec("ignoreDifferences").or_else(|| value.dig(&["spec", "template", "spec", "ignoreDifferences"]));
            found.map_or_else(|| Ok(Vec::new()), |list| each(list, argo::rule))
        }
        Some("Kustomization") => spec("ignore").map_or_else(|| Ok(Vec::new()), |list| each(list, flux::rule)),
        Some("ConfigMap") => argo::settings(value),
        Some(kind) if value.get("apiVersion").is_some() => {
            let what = format!(
                "a {kind} holds no rules; give a list of rules, an Application, a Kustomization or Argo CD's ConfigMap"
            );
            Err(InvalidRule { rule: 1, what })
        }
        _ => match value.get("ignoreDifferences") {
            Some(list) => each(list, argo::rule),
            None => each(value, by_keys),
        },
    }
}

/// Each form has keys that the others do not have.
fn by_keys(value: ValueRef<'_>) -> Result<Rule, String> {
    let has = |keys: &[&str]| keys.iter().any(|key| value.get(key).is_some());
    if has(&argo::FIELDS) {
        argo::rule(value)
    } else if has(&["target"]) {
        flux::rule(value)
    } else {
        own::rule(value)
    }
}

/// Reads a list of rules.
pub(super) fn each(
    value: ValueRef<'_>,
    read: impl Fn(ValueRef<'_>) -> Result<Rule, String>,
) -> Result<Vec<Rule>, InvalidRule> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let Some(list) = value.as_list() else {
        return Err(InvalidRule { rule: 1, what: format!("a list of rules is expected, not a {}", value.kind_name()) });
    };
    let numbered = list.iter().enumerate();
    numbered.map(|(at, value)| read(value).map_err(|what| InvalidRule { rule: at + 1, what })).collect()
}

/// A map of which all keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(Map<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn of(value: ValueRef<'a>, known: &[&str]) -> Result<Self, String> {
        let Some(map) = value.as_map() else { return Err(format!("a map is expected, not a {}", value.kind_name())) };
        match map.iter().find(|(name, _)| !known.contains(name)) {
            Some((name, _)) => Err(format!("there is no key `{name}`; use `{}`", known.join("`, `"))),
            None => Ok(Self(map)),
        }
    }

    pub(super) fn get(self, name: &str) -> Option<ValueRef<'a>> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        let text = |value: ValueRef<'a>| {
            value.as_str().ok_or_else(|| format!("`{name}` is a text, not a {}", value.kind_name()))
        };
        self.get(name).map(text).transpose()
    }

    pub(super) fn list(self, name: &str) -> Result<Vec<ValueRef<'a>>, String> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_list().ok_or_else(|| format!("`{name}` is a list, not a {}", value.kind_name()))?;
        Ok(list.iter().collect())
    }

    /// Reads each text of a list.
    pub(super) fn each<E: ToString>(
        self,
        name: &str,
        fields: &mut Vec<Selector>,
        read: impl Fn(&str) -> Result<Selector, E>,
    ) -> Result<(), String> {
        for value in self.list(name)? {
            let text = value.as_str().ok_or_else(|| format!("`{name}` holds texts, not a {}", value.kind_name()))?;
            fields.push(read(text).map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

/// Makes a rule of its parts.
pub(super) fn rule(target: Target, fields: Vec<Selector>, scope: Scope, on_create: OnCreate) -> Result<Rule, String> {
    if fields.is_empty() {
        return Err("it names no fields".to_owned());
    }
    let rule = Rule::new(target, fields).map_err(|selector| {
        format!(
            "{selector} holds what makes an object what it is, which cannot be ignored: `apiVersion`, `kind`, \
             `metadata.name` and `metadata.namespace`; name the other fields"
        )
    })?;
    Ok(Rule { scope, ..rule.with_on_create(on_create) })
}

/// Reads the name of a manager, which may be a glob.
pub(super) fn owned_by(name: &str) -> Result<Selector, String> {
    check_glob(name)?;
    Ok(Selector::owned_by(name))
}

/// Reads a jq program.
#[cfg(feature = "jq")]
pub(super) fn jq(text: &str) -> Result<Selector, super::InvalidProgram> {
    super::Program::new(text).map(Selector::Jq)
}

/// Reads a jq program.
#[cfg(not(feature = "jq"))]
pub(super) fn jq(text: &str) -> Result<Selector, String> {
    Err(format!("jq program `{text}` cannot be used: the program was built without the feature `jq`; use a path"))
}
