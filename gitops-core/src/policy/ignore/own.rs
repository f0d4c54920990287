//! Rules in our own form.

use super::read::{self, Fields, owned_by};
use super::target::check_glob;
use super::{Manager, Names, OnCreate, Rule, Scope, Selector, Target};
use crate::value::ValueRef;

const KEYS: [&str; 9] = ["group", "kind", "namespace", "name", "paths", "pointers", "jq", "managers", "onCreate"];

pub(super) fn rule(value: ValueRef<'_>) -> Result<Rule, String> {
    let entry = Fields::of(value, &KEYS)?;
    let names = |key| entry.text(key)?.map_or(Ok(Names::Any), Names::glob);
    let target = Target {
        group: names("group")?,
        kind: names("kind")?,
        namespace: names("namespace")?,
        name: names("name")?,
        ..Target::default()
    };
    let mut fields = Vec::new();
    // No field of a path begins with `/` unless it is quoted; whoever writes one means a JSON Pointer.
    let path = |text: &str| if text.starts_with('/') { Selector::pointer(text) } else { Selector::path(text) };
    entry.each("paths", &mut fields, path)?;
    entry.each("pointers", &mut fields, Selector::pointer)?;
    entry.each("jq", &mut fields, read::jq)?;
    for value in entry.list("managers")? {
        fields.push(manager(value)?);
    }
    let on_create = match entry.text("onCreate")? {
        None | Some("send") => OnCreate::Send,
        Some("omit") => OnCreate::Omit,
        Some(other) => return Err(format!("`onCreate` is `send` or `omit`, not `{other}`")),
    };
    read::rule(target, fields, Scope::Application, on_create)
}

fn manager(value: ValueRef<'_>) -> Result<Selector, String> {
    if let Some(name) = value.as_str() {
        return owned_by(name);
    }
    let entry = Fields::of(value, &["name", "subresource"])?;
    let name = entry.text("name")?.ok_or("a manager needs a `name`, which may be a glob")?;
    check_glob(name)?;
    Ok(Selector::OwnedBy(Manager { name: name.into(), subresource: entry.text("subresource")?.map(Into::into) }))
}
