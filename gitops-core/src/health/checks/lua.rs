//! Argo CD's health scripts, as they are.
//!
//! A script finds the object in `obj` and returns a table with `status` and `message`. Rule: Argo CD, "Resource
//! Health", custom checks, and its `util/lua`. Each run has an interpreter of its own, so that nothing is carried from
//! one object to the next, and equal objects are judged alike.

use std::sync::Arc;

use mlua::{Function, Lua, Table, Value as LuaValue};

use crate::health::HealthStatus;
use crate::time::Timestamp;
use crate::value::{ValueRef, View};

use super::{Verdict, sandbox};

/// Larger scripts are refused.
const MAX_SCRIPT: usize = 64 * 1024;
/// A message is cut behind so many bytes.
const MAX_MESSAGE: usize = 4096;

/// A script that was parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script(Arc<str>);

impl Script {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_SCRIPT {
            return Err(format!("the script is longer than {MAX_SCRIPT} bytes"));
        }
        let script = Self(text.into());
        let lua = Lua::new();
        script.load(&lua).map_err(|error| format!("the script cannot be read: {}", first_line(&error)))?;
        Ok(script)
    }

    /// Judges an object. A script that returns nothing, or a table without status, has nothing to say.
    pub(super) fn judge(&self, tree: ValueRef<'_>, now: Timestamp) -> Verdict {
        self.run(tree, now).unwrap_or_else(|error| Verdict::Broken(first_line(&error)))
    }

    fn run(&self, tree: ValueRef<'_>, now: Timestamp) -> mlua::Result<Verdict> {
        let lua = sandbox::open(now)?;
        lua.globals().set("obj", convert(&lua, tree)?)?;
        sandbox::limit(&lua)?;
        let returned: LuaValue = self.load(&lua)?.call(())?;
        let LuaValue::Table(table) = returned else {
            return Ok(match returned {
                LuaValue::Nil => Verdict::Silent,
                other => Verdict::Broken(format!("the script returned a {}, not a table", other.type_name())),
            });
        };
        let Some(status) = text(&table, "status")? else { return Ok(Verdict::Silent) };
        let message = text(&table, "message")?.unwrap_or_default();
        Ok(match status_named(&status) {
            Some(status) => Verdict::Says(status, cut(&message)),
            None => Verdict::Broken(format!("the script returned the unknown status `{}`", cut(&status))),
        })
    }

    fn load(&self, lua: &Lua) -> mlua::Result<Function> {
        lua.load(&*self.0).set_name("=health.lua").set_mode(mlua::chunk::ChunkMode::Text).into_function()
    }
}

/// Reads a field that should be a text. Metatables are not asked: they could run for ever after the script has ended.
fn text(table: &Table, name: &str) -> mlua::Result<Option<String>> {
    Ok(match table.raw_get(name)? {
        LuaValue::String(text) => Some(text.to_string_lossy()).filter(|text| !text.is_empty()),
        LuaValue::Number(number) => Some(number.to_string()),
        LuaValue::Integer(number) => Some(number.to_string()),
        _ => None,
    })
}

fn status_named(name: &str) -> Option<HealthStatus> {
    use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended, Unknown};
    [Healthy, Suspended, Progressing, Missing, Degraded, Unknown].into_iter().find(|status| status.to_string() == name)
}

/// Rule: Argo CD's `decodeValue`: all numbers are floats, and a null is no entry.
fn convert(lua: &Lua, value: ValueRef<'_>) -> mlua::Result<LuaValue> {
    Ok(match value.view() {
        View::Null => LuaValue::Nil,
        View::Bool(flag) => LuaValue::Boolean(flag),
        #[expect(clippy::cast_precision_loss, reason = "Lua 5.2 has no other numbers")]
        View::Int(number) => LuaValue::Number(number as f64),
        View::Float(number) => LuaValue::Number(number),
        View::String(text) => LuaValue::String(lua.create_string(text)?),
        View::List(list) => {
            let table = lua.create_table_with_capacity(list.len(), 0)?;
            for (at, item) in list.iter().enumerate() {
                table.raw_set(at + 1, convert(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
        View::Map(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (name, value) in map.iter() {
                table.raw_set(name, convert(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Returns what went wrong, without the trace.
fn first_line(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::CallbackError { cause, .. } => return first_line(cause),
        mlua::Error::MemoryError(_) => "it takes too much memory".to_owned(),
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    cut(text.lines().next().unwrap_or_default())
}

fn cut(text: &str) -> String {
    let end = (0..=text.len().min(MAX_MESSAGE)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}
