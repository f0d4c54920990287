//! Sequences of applies and updates.

use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::ssa::{Apply, ManagedFields, Update, apply, update};
use gitops_core::time::Timestamp;
use gitops_core::value::Value;

/// Whatever is applied and updated, line by line: what is written of ownership can be read again.
pub fn apply_sequence(bytes: &[u8]) {
    let model = ApiModel::builtin();
    let mut live: Option<Resource> = None;
    for (number, line) in bytes.split(|byte| *byte == b'\n').take(8).enumerate() {
        let Some((how, json)) = line.split_first() else { continue };
        let Some(object) = Value::from_json(json).ok().and_then(|value| Resource::new(value).ok()) else { continue };
        let now = Timestamp::from_millis(i64::try_from(number).unwrap_or(0) * 1000);
        let manager = if how & 1 == 0 { "even" } else { "odd" };
        let same_kind = live.as_ref().is_none_or(|live| live.key().group_kind == object.key().group_kind);
        if !same_kind {
            continue;
        }
        if how & 2 == 0 {
            live = Some(update(&Update::new(live.as_ref(), &object, manager, now, &model)));
            continue;
        }
        let request = Apply::new(live.as_ref(), &object, manager, now, &model);
        let request = if how & 4 == 0 { request } else { request.force() };
        let Ok(applied) = apply(&request) else { continue };
        assert!(ManagedFields::read(&applied).is_ok(), "what we write can be read");
        live = Some(applied);
    }
}
