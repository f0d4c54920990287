//! Real objects under real schemas.

use std::path::Path;

use gitops_core::model::Schema;
use gitops_core::ssa::{ConvertError, Converter, Duplicates, Force, Managers, Typed, Updater, equal_values};
use gitops_core::value::Value;

use super::{Json, NEW, Verdict, same, same_set, suite};
use crate::Case;

pub(crate) fn real(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "real", |case, _| {
        let read = |field: &str| {
            let file = folder.join("smd_bench_data").join(case[field].as_str().unwrap());
            let text = std::fs::read_to_string(file).unwrap();
            Value::from_serialize(&serde_yaml::from_str::<Json>(&text).unwrap()).unwrap()
        };
        check(case, &read("schemaFile"), read("objectFile"))
    })
}

#[derive(Debug)]
struct Identity;

impl<'s> Converter<'s> for Identity {
    fn convert(&self, value: &Typed<'s>, _: &str) -> Result<Typed<'s>, ConvertError> {
        Ok(value.clone())
    }
}

fn check(case: &Json, schema: &Value, object: Value) -> Verdict {
    let schema = Schema::from_smd(schema.root()).unwrap();
    let of = schema.named(case["type"].as_str().unwrap()).unwrap();
    let errors = |error| format!("{error:?}");
    let object = Typed::new(object, of, Duplicates::Refuse).map_err(errors)?;
    same_set("set", &object.field_set().map_err(errors)?, &case["toFieldSet"])?;
    let empty = Typed::new(Value::empty_map(), of, Duplicates::Refuse).map_err(errors)?;
    same_set("added", &empty.compare(&object).map_err(errors)?.added, &case["compareFromEmptyAdded"])?;
    for (name, steps) in case["sequences"].as_object().unwrap() {
        sequence(&object, steps).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn sequence(object: &Typed<'_>, steps: &Json) -> Verdict {
    let updater = Updater::new(&Identity).with_emptied(NEW);
    let mut live = Typed::new(Value::null(), object.type_ref(), Duplicates::Allow).unwrap();
    let mut managers = Managers::<String>::new();
    for step in steps.as_array().unwrap() {
        let (version, manager) = (step["apiVersion"].as_str().unwrap(), step["manager"].as_str().unwrap().to_owned());
        if step["op"] == "update" {
            managers = updater.update(&live, object, version, &managers, &manager).map_err(|e| format!("{e:?}"))?;
            live = object.clone();
        } else {
            let applied = updater
                .apply(&live, object, version, &managers, &manager, Force::No)
                .map_err(|error| format!("{error:?}"))?;
            managers = applied.managers;
            if let Some(expected) = step["noop"].as_bool() {
                same("noop", &!applied.is_changed, &expected)?;
            }
            if applied.is_changed {
                live = applied.object;
            }
        }
        let equal = equal_values(live.value().root(), object.value().root());
        same("equal", &equal, &step["liveEqualsObject"].as_bool().unwrap())?;
        same("managers", &managers, &super::merge::managers(&step["managers"]))?;
    }
    Ok(())
}
