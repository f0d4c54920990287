//! Checks of health that users bring, on any object.

use gitops_core::health::{Checks, Clues, assess};
use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::value::Value;

/// A check never fails, ends within its budget, and judges an object the same way twice. Two lines: an expression in
/// CEL or a script in Lua, in which a form feed stands for a line break; and an object.
pub fn checks(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((program, object)) = text.split_once('\n') else { return };
    let Some(object) = Value::from_json(object.as_bytes()).ok().and_then(|value| Resource::new(value).ok()) else {
        return;
    };
    let script = program.replace('\u{c}', "\n");
    let (scripts, _) = Checks::from_directory([("_/_/health.lua", script.as_bytes())]);
    let entry = [("apiVersion", object.api_version()), ("kind", object.key().kind()), ("current", program)];
    let entry: std::collections::BTreeMap<_, _> = entry.into_iter().collect();
    let expressions = Value::from_serialize(&[entry]).ok().and_then(|list| Checks::read(list.root()).ok());
    let (model, Ok(now)) = (ApiModel::builtin(), "2026-03-01T12:00:00Z".parse()) else { return };
    for checks in [Some(scripts), expressions].into_iter().flatten() {
        let clues = Clues::new(&model, now).checking(&checks);
        assert_eq!(assess(&object, &clues), assess(&object, &clues), "{program:?}");
    }
}
