//! JSON schemas of applications and projects: for editors, and for a check before anything is read.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{AppSpec, IgnoreDifferences, Pattern, Project, Repository, RetryLimit};
use crate::policy::window::{Schedule, Window, Windows, Zone};
use crate::policy::{Glob, Share, SyncOptions};
use crate::value::Value;

impl AppSpec {
    /// Returns the JSON schema of `spec` of an `Application`.
    ///
    /// A schema knows fields and types, and not all that makes a document usable: reading it is the judge.
    #[must_use]
    pub fn json_schema() -> Value {
        schema_of::<Self>()
    }
}

impl Project {
    /// Returns the JSON schema of `spec` of a `Project`.
    #[must_use]
    pub fn json_schema() -> Value {
        schema_of::<Self>()
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    Value::from_serialize(&schema).unwrap_or_else(|_| Value::null())
}

/// Gives types that are written as a text, or otherwise than they are made, the schema of what is written.
macro_rules! written_as {
    ($($of:ty, $name:literal, $schema:tt;)*) => {$(
        impl JsonSchema for $of {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

written_as! {
    Glob, "Glob", {"type": "string", "description": "A glob, such as `shop-*`."};
    IgnoreDifferences, "IgnoreDifferences", {"type": "array", "items": {"type": "object"}};
    Pattern, "Pattern", {"type": "string", "description": "A glob; with `!` before it, what it does not match."};
    Repository, "Repository", {"type": "string", "description": "A glob over addresses; with `!` before it, a veto."};
    RetryLimit, "RetryLimit", {"type": "integer", "description": "How often; below zero for ever."};
    Schedule, "Schedule", {"type": "string", "description": "Five fields of cron, such as `0 22 * * mon-fri`."};
    Share, "Share", {
        "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^([0-9]+|[0-9]{1,2}%|100%)$"}]
    };
    SyncOptions, "SyncOptions", {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z]+=[a-z]+$"}};
    Zone, "Zone", {"type": "string", "description": "A name of the IANA database, such as `Europe/Berlin`."};
}

impl JsonSchema for Windows {
    fn schema_name() -> Cow<'static, str> {
        "Windows".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Window>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueRef;

    /// Follows a reference.
    fn resolved<'a>(root: &'a Value, schema: ValueRef<'a>) -> ValueRef<'a> {
        let options = ["anyOf", "allOf", "oneOf"].iter().find_map(|key| schema.get(key)?.item(0));
        let schema = options.filter(|_| schema.get("properties").is_none()).unwrap_or(schema);
        let Some(name) = schema.get("$ref").and_then(ValueRef::as_str) else { return schema };
        root.root().dig(&["$defs", name.trim_start_matches("#/$defs/")]).unwrap()
    }

    /// Names what of a document its schema does not know.
    fn unknown<'a>(root: &'a Value, schema: ValueRef<'a>, written: ValueRef<'_>, path: &str, found: &mut Vec<String>) {
        let schema = resolved(root, schema);
        for (name, value) in written.as_map().into_iter().flatten() {
            let path = format!("{path}.{name}");
            match schema.get("properties").and_then(|properties| properties.get(name)) {
                Some(schema) => unknown(root, schema, value, &path, found),
                None if schema.get("additionalProperties").and_then(ValueRef::as_bool) != Some(false) => {}
                None => found.push(path),
            }
        }
        for item in written.as_list().into_iter().flatten() {
            if let Some(schema) = schema.get("items") {
                unknown(root, schema, item, path, found);
            }
        }
    }

    #[test]
    fn a_schema_knows_what_is_written_and_nothing_else() {
        let spec = r#"{"project": "a", "source": {"repoURL": "a", "directory": {"recurse": true}}, "suspend": true, "tracking": "argoCd",
            "syncPolicy": {"automated": {"selfHeal": true}, "retry": {"backoff": {"maxDuration": "3m"}}},
            "policy": {"waveTimeoutSeconds": 5, "conflicts": {"take": "all"}}, "destination": {"name": "a"}}"#;
        let project = r#"{"sourceRepos": ["*"], "destinations": [{"server": "*"}], "syncWindows": [{"kind": "deny",
            "schedule": "@daily", "duration": "1h", "timeZone": "UTC", "applications": ["*"]}],
            "clusterResourceWhitelist": [{"group": "", "kind": "*"}]}"#;
        for (schema, text) in [(AppSpec::json_schema(), spec), (Project::json_schema(), project)] {
            let written = Value::from_json(text.as_bytes()).unwrap();
            let mut found = Vec::new();
            unknown(&schema, schema.root(), written.root(), "spec", &mut found);
            assert_eq!(found, [""; 0], "{}", schema.to_json());
            let wrong = Value::from_json(br#"{"sourc": {}, "destinations": [{"sever": "a"}]}"#).unwrap();
            unknown(&schema, schema.root(), wrong.root(), "spec", &mut found);
            assert_eq!(
                found.first().map(String::as_str),
                Some("spec.destinations").filter(|_| text == spec).or(Some("spec.destinations.sever"))
            );
        }
    }
}
