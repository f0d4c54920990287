//! Columns of custom kinds, as their CRD declares them (`additionalPrinterColumns`).

use crate::resource::Resource;
use crate::value::{Draft, ValueRef, View};

use super::row::{Row, human};
use super::{CREATED_ABOUT, NAME_ABOUT, jsonpath};

/// One column that a CRD declares.
pub(super) struct Column {
    name: String,
    kind: String,
    format: String,
    priority: i64,
    about: String,
    /// Where the cell is.
    path: String,
}

/// The columns of one version: the name, and those declared; when none are, the age.
pub(super) fn columns(crd: &Resource, version: &str) -> Vec<Column> {
    let versions = crd.tree().dig(&["spec", "versions"]).and_then(ValueRef::as_list).into_iter().flatten();
    let mut of_version = versions.filter(|of| of.get("name").and_then(ValueRef::as_str) == Some(version));
    let declared = of_version.find_map(|of| of.get("additionalPrinterColumns")?.as_list()).into_iter().flatten();
    let mut columns = vec![Column::new("Name", "string", NAME_ABOUT, ".metadata.name")];
    columns.first_mut().into_iter().for_each(|name| "name".clone_into(&mut name.format));
    columns.extend(declared.map(Column::declared));
    if columns.len() == 1 {
        columns.push(Column::new("Age", "date", CREATED_ABOUT, ".metadata.creationTimestamp"));
    }
    columns
}

impl Column {
    fn new(name: &str, kind: &str, about: &str, path: &str) -> Self {
        let [name, kind, about, path] = [name, kind, about, path].map(str::to_owned);
        Self { name, kind, format: String::new(), priority: 0, about, path }
    }

    fn declared(column: ValueRef<'_>) -> Self {
        let text = |field: &str| column.get(field).and_then(ValueRef::as_str).unwrap_or_default();
        let about = match text("description") {
            "" => format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath")),
            about => about.to_owned(),
        };
        let priority = column.get("priority").and_then(ValueRef::as_i64).unwrap_or(0);
        let format = text("format").to_owned();
        Self { format, priority, ..Self::new(text("name"), text("type"), &about, text("jsonPath")) }
    }

    /// Name, type, format, priority, description.
    pub(super) fn definition(&self) -> (&str, &str, &str, i64, &str) {
        (&self.name, &self.kind, &self.format, self.priority, &self.about)
    }

    /// What is there, if it is of the column's type; else null.
    pub(super) fn cell(&self, row: Row<'_>) -> Draft {
        if self.format == "name" && self.path == ".metadata.name" {
            return row.text("metadata.name").into();
        }
        let Some(found) = jsonpath::first(&self.path, row.object) else { return Draft::Null };
        match (self.kind.as_str(), found.view()) {
            ("string", _) => printed(found).into(),
            ("integer", View::Int(number)) => number.into(),
            ("integer", View::Float(number)) => whole(number),
            ("number", View::Int(_) | View::Float(_)) | ("boolean", View::Bool(_)) => found.to_draft(),
            ("date", View::String(text)) => match text.parse() {
                Ok(at) => human(at, row.now).into(),
                Err(_) => "<invalid>".into(),
            },
            _ => Draft::Null,
        }
    }
}

/// A float cut to its whole part.
#[expect(clippy::cast_possible_truncation, reason = "a cell shows what fits; the cast saturates")]
fn whole(number: f64) -> Draft {
    Draft::Int(number as i64)
}

/// A value as text: strings as they are, all else as JSON.
fn printed(value: ValueRef<'_>) -> String {
    match value.view() {
        View::String(text) => text.to_owned(),
        View::Null => "<no value>".to_owned(),
        _ => value.to_json(),
    }
}
