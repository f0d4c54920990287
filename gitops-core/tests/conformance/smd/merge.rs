//! Sequences of applies and updates.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gitops_core::model::{Schema, TypeRef};
use gitops_core::ssa::{
    ConvertError, Converter, Duplicates, Emptied, FieldSet, Filter, Force, Managers, Owned, Typed, UpdateError,
    Updater, path_text,
};
use gitops_core::value::{Draft, Value};

use super::fields::filter;
use super::{Json, NEW, Schemas, Verdict, same, same_value, set, suite, value};
use crate::Case;

pub(crate) fn merge(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "merge", |case, schemas| run(case, schemas, NEW))
}

pub(crate) fn merge_random(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "merge_random", |case, schemas| run(case, schemas, NEW))
}

pub(crate) fn merge_old(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "v6_4_0/merge", |case, schemas| run(case, schemas, Emptied::Kept))
}

pub(crate) fn merge_random_old(folder: &Path) -> Option<Vec<Case>> {
    suite(folder, "v6_4_0/merge_random", |case, schemas| run(case, schemas, Emptied::Kept))
}

pub(super) fn managers(json: &Json) -> Managers<String> {
    let owned = |entry: &Json| {
        let version = entry["apiVersion"].as_str().unwrap();
        Owned::new(set(&entry["fieldsV1"]), version, entry["applied"] == true)
    };
    let entries = json.as_array().unwrap().iter();
    entries.map(|entry| (entry["manager"].as_str().unwrap().to_owned(), owned(entry))).collect()
}

pub(super) fn check_conflicts(found: &BTreeMap<String, FieldSet>, expected: &Json, message: &Json) -> Verdict {
    let paths = |(manager, set): (&String, &FieldSet)| {
        set.iter().map(|path| (manager.clone(), path_text(&path))).collect::<Vec<_>>()
    };
    let found: Vec<_> = found.iter().flat_map(paths).collect();
    let text = |entry: &Json, field: &str| entry[field].as_str().unwrap().to_owned();
    let expected = expected.as_array().unwrap().iter();
    let expected: Vec<_> = expected.map(|entry| (text(entry, "manager"), text(entry, "pathString"))).collect();
    same("conflicts", &found, &expected)?;
    let printed = match &*found {
        [(manager, path)] => format!("conflict with \"{manager}\": {path}"),
        all => {
            let mut lines = Vec::new();
            for of_manager in all.chunk_by(|one, next| one.0 == next.0) {
                lines.extend(of_manager.first().map(|(manager, _)| format!("conflicts with \"{manager}\":")));
                lines.extend(of_manager.iter().map(|(_, path)| format!("- {path}")));
            }
            lines.join("\n")
        }
    };
    same("message", &printed.as_str(), &message.as_str().unwrap())
}

/// The converters of the recordings (README, "Converters").
struct Recorded<'s> {
    kind: String,
    type_names: BTreeMap<String, String>,
    accepted: RefCell<BTreeSet<String>>,
    schema: RefCell<Option<&'s Schema>>,
}

impl<'s> Recorded<'s> {
    fn type_at(&self, version: &str) -> Option<TypeRef<'s>> {
        (*self.schema.borrow())?.named(self.type_names.get(version)?)
    }

    fn retyped(&self, draft: &Draft, version: &str) -> Result<Typed<'s>, ConvertError> {
        let failed = || ConvertError::Failed { version: version.into(), why: "not valid".into() };
        let of = self.type_at(version).ok_or_else(failed)?;
        Typed::new(draft.freeze(), of, Duplicates::Refuse).map_err(|_| failed())
    }
}

impl<'s> Converter<'s> for Recorded<'s> {
    fn convert(&self, typed: &Typed<'s>, version: &str) -> Result<Typed<'s>, ConvertError> {
        let missing = || ConvertError::Missing(version.into());
        let from = typed.type_ref().name().unwrap_or_default();
        let mut draft = typed.value().root().to_draft();
        match &*self.kind {
            "identity" => Ok(typed.clone()),
            "specificVersion" if self.accepted.borrow().contains(version) => Ok(typed.clone()),
            "specificVersion" => Err(missing()),
            "renaming" => {
                rename(&mut draft, from, version);
                self.retyped(&draft, version)
            }
            "repeating" => {
                let times = version.strip_prefix('v').and_then(|digits| digits.parse().ok()).ok_or_else(missing)?;
                self.retyped(&repeat(&draft, times, true), version)
            }
            "reliantFields" => {
                if self.type_names.get(version).is_some_and(|name| name == from) {
                    return Ok(typed.clone());
                }
                let (old, new) = match version {
                    "v1" => ("required_field_bar", "field_foo_rely_on_bar"),
                    "v2" => ("field_foo_rely_on_bar", "required_field_bar"),
                    _ => return Err(missing()),
                };
                let moved = draft.remove(old);
                let moved = moved.ok_or(ConvertError::Failed { version: version.into(), why: "no field".into() })?;
                draft.set(new, moved);
                self.retyped(&draft, version)
            }
            other => Err(ConvertError::Failed { version: version.into(), why: other.into() }),
        }
    }
}

fn rename(draft: &mut Draft, from: &str, to: &str) {
    match draft {
        Draft::Map(map) => {
            let renamed = std::mem::take(map).into_iter().map(|(key, mut value)| {
                rename(&mut value, from, to);
                (key.strip_suffix(from).map(|stem| format!("{stem}{to}")).unwrap_or(key), value)
            });
            *map = renamed.collect();
        }
        Draft::List(items) => items.iter_mut().for_each(|item| rename(item, from, to)),
        _ => {}
    }
}

fn repeat(draft: &Draft, times: usize, is_root: bool) -> Draft {
    let Draft::Map(map) = draft else { return if is_root { draft.clone() } else { Draft::Null } };
    if map.is_empty() {
        return if is_root { draft.clone() } else { Draft::Null };
    }
    let deeper = |value: &Draft| match value {
        Draft::Map(map) if !map.is_empty() => repeat(value, times, false),
        _ => Draft::Null,
    };
    if is_root {
        let (key, value) = map.iter().next().unwrap();
        let value = match value {
            Draft::Map(map) if !map.is_empty() => repeat(value, times, false),
            other => other.clone(),
        };
        return Draft::Map([(key.clone(), value)].into());
    }
    let name = |key: &String| key.chars().next().map(|first| first.to_string().repeat(times)).unwrap_or_default();
    Draft::Map(map.iter().map(|(key, value)| (name(key), deeper(value))).collect())
}

struct State<'s> {
    live: Option<Typed<'s>>,
    managers: Managers<String>,
    is_noop: bool,
}

enum Failure {
    Phase(&'static str, String),
    Conflicts(BTreeMap<String, FieldSet>),
}

fn at<E: std::fmt::Debug>(phase: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::Phase(phase, format!("{error:?}"))
}

fn run(case: &Json, schemas: &Schemas, emptied: Emptied) -> Verdict {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let versions = case["versionTypes"].as_object().unwrap().iter();
    let converter = Recorded {
        kind: text(&case["converter"]),
        type_names: versions.map(|(version, name)| (version.clone(), text(name))).collect(),
        accepted: RefCell::default(),
        schema: RefCell::new(None),
    };
    let mut updater = Updater::new(&converter).with_emptied(emptied);
    for (version, json) in case["ignoreFilter"].as_object().into_iter().flatten() {
        updater = updater.with_filter(version, filter(json));
    }
    for (version, json) in case["ignoredFields"].as_object().into_iter().flatten() {
        updater = updater.with_filter(version, Filter::Exclude(set(json)));
    }
    let mut state = State { live: None, managers: Managers::new(), is_noop: false };
    let initial = &case["initialLive"];
    if !initial.is_null() {
        let of = schemas.type_of(initial);
        *converter.schema.borrow_mut() = Some(schemas.of(&initial["schema"]));
        state.live = Some(Typed::new(value(&initial["object"]), of, Duplicates::Allow).map_err(|e| format!("{e:?}"))?);
    }
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let done = match step["op"].as_str().unwrap() {
            "setAcceptedVersions" => {
                let accepted = step["versions"].as_array().unwrap().iter().map(text);
                *converter.accepted.borrow_mut() = accepted.collect();
                Ok(())
            }
            "changeSchema" => change_schema(&mut state, schemas.of(&step["schema"]), &converter),
            _ => {
                *converter.schema.borrow_mut() = Some(schemas.of(&step["schema"]));
                write(&mut state, step, schemas, &converter, &updater)
            }
        };
        if !step["result"].is_null() {
            let noop = state.is_noop && case["returnInputOnNoop"] != true;
            check(&state, done, &step["result"], noop).map_err(|error| format!("step {number}: {error}"))?;
        }
    }
    Ok(())
}

fn change_schema<'s>(state: &mut State<'s>, schema: &'s Schema, converter: &Recorded<'s>) -> Result<(), Failure> {
    *converter.schema.borrow_mut() = Some(schema);
    if let Some(live) = &state.live {
        let of = schema.named(live.type_ref().name().unwrap()).unwrap();
        state.live = Some(Typed::new(live.value().clone(), of, Duplicates::Refuse).map_err(at("revalidate"))?);
    }
    Ok(())
}

fn write<'s>(
    state: &mut State<'s>,
    step: &Json,
    schemas: &'s Schemas,
    converter: &Recorded<'s>,
    updater: &Updater<'_, 's>,
) -> Result<(), Failure> {
    let (version, manager) = (step["apiVersion"].as_str().unwrap(), step["manager"].as_str().unwrap().to_owned());
    let of = schemas.type_of(step);
    let duplicates = if step["op"] == "update" { Duplicates::Allow } else { Duplicates::Refuse };
    let object = Typed::new(value(&step["object"]), of, duplicates).map_err(at("parse"))?;
    let was_there = state.live.is_some();
    let live = match state.live.take() {
        Some(live) => live,
        None => Typed::new(Value::null(), of, Duplicates::Allow).map_err(at("init"))?,
    };
    let live = match converter.convert(&live, version) {
        Ok(converted) => converted,
        Err(error) => {
            state.live = was_there.then_some(live);
            return Err(at("convertLive")(error));
        }
    };
    state.live = Some(live.clone());
    if step["op"] == "update" {
        state.managers =
            updater.update(&live, &object, version, &state.managers, &manager).map_err(refused("update"))?;
        state.live = Some(object);
        return Ok(());
    }
    let mut config = object;
    if step["op"] == "extractApply" && was_there {
        let own = state.managers.get(&manager);
        if own.is_some_and(|own| &*own.version != version) {
            return Err(Failure::Phase("extractVersion", String::new()));
        }
        let leaves = own.map_or_else(FieldSet::new, |own| own.fields.leaves());
        config = live.extract(&leaves).merge(&config).map_err(at("extractMerge"))?;
    }
    let force = step["op"] == "extractApply" || step["force"] == true;
    let force = if force { Force::Yes } else { Force::No };
    let applied = updater.apply(&live, &config, version, &state.managers, &manager, force).map_err(refused("apply"))?;
    state.managers = applied.managers;
    state.is_noop = !applied.is_changed;
    if applied.is_changed {
        state.live = Some(applied.object);
    }
    Ok(())
}

fn refused(phase: &'static str) -> impl Fn(UpdateError<String>) -> Failure {
    move |error| match error {
        UpdateError::Conflicts(sets) => Failure::Conflicts(sets),
        error => Failure::Phase(phase, format!("{error:?}")),
    }
}

fn check(state: &State<'_>, done: Result<(), Failure>, expected: &Json, noop: bool) -> Verdict {
    match (expected["outcome"].as_str().unwrap(), done) {
        ("ok", Ok(())) => {
            if let Some(expected) = expected["noop"].as_bool() {
                same("noop", &noop, &expected)?;
            }
        }
        ("conflict", Err(Failure::Conflicts(found))) => {
            check_conflicts(&found, &expected["conflicts"], &expected["conflictMessage"])?;
        }
        ("error", Err(Failure::Phase(phase, _))) => {
            same("phase", &phase, &expected["error"]["phase"].as_str().unwrap())?;
        }
        (outcome, Ok(())) => return Err(format!("expected {outcome}: {}", expected["error"]["message"])),
        (outcome, Err(Failure::Phase(phase, why))) => return Err(format!("expected {outcome}, {phase}: {why}")),
        (outcome, Err(Failure::Conflicts(found))) => return Err(format!("expected {outcome}, conflicts: {found:?}")),
    }
    let live = state.live.as_ref();
    same_value("live", &live.map_or_else(Value::null, |live| live.value().clone()), &expected["live"])?;
    let name = live.and_then(|live| live.type_ref().name());
    if let Some(expected) = expected["liveType"].as_str() {
        same("type", &name, &Some(expected))?;
    }
    let recorded = managers(&expected["managers"]);
    same("managers", &state.managers, &recorded)
}
