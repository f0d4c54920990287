//! Tables: what `kubectl get` prints, as the server makes it.
//!
//! A kind has columns, and a column has a cell: a pure function over one object, total over every object. A kind of a
//! CRD has the columns that the CRD declares ([`custom`]); every other kind without columns of its own has its name
//! and when it was created. Names, types, priorities and descriptions are those that the recorded server sends; kinds
//! that were not recorded have the columns of Kubernetes' printers, described in our own words.

mod access;
mod cluster;
mod config;
mod custom;
mod jsonpath;
mod network;
mod pods;
mod row;
mod storage;
mod workloads;

use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::{Draft, ValueRef};

use row::Row;
pub(super) use row::human;

/// One column of a built-in kind.
struct Column {
    name: &'static str,
    /// As in JSON Schema: `string`, `integer`, `boolean`, `date`.
    kind: &'static str,
    /// `name` for the name of the object.
    format: &'static str,
    /// 0 is always shown, 1 only in wide output.
    priority: i64,
    about: &'static str,
    cell: fn(Row<'_>) -> Draft,
}

/// What prints the objects of one kind.
pub(super) struct Printer(Columns);

enum Columns {
    Builtin { columns: &'static [Column], is_pod: bool },
    Custom(Vec<custom::Column>),
}

/// What a row holds of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Printer {
    /// Prints a kind; `crd` is what defines it at `version`, if it is custom.
    pub(super) fn of(kind: &GroupKind, version: &str, crd: Option<&Resource>) -> Self {
        Self(match crd {
            Some(crd) => Columns::Custom(custom::columns(crd, version)),
            None => Columns::Builtin { columns: columns(kind), is_pod: kind.group.is_empty() && &*kind.kind == "Pod" },
        })
    }

    /// The `columnDefinitions`.
    pub(super) fn definitions(&self) -> Draft {
        let definition = |(name, kind, format, priority, about): (&str, &str, &str, i64, &str)| {
            let mut draft = Draft::map();
            for (field, text) in [("name", name), ("type", kind), ("format", format), ("description", about)] {
                draft.set(field, text);
            }
            draft.set("priority", priority);
            draft
        };
        let definitions: Vec<Draft> = match &self.0 {
            Columns::Builtin { columns, .. } => columns
                .iter()
                .map(|column| definition((column.name, column.kind, column.format, column.priority, column.about)))
                .collect(),
            Columns::Custom(columns) => columns.iter().map(|column| definition(column.definition())).collect(),
        };
        definitions.into()
    }

    /// One row, without what it holds of its object.
    pub(super) fn row(&self, object: ValueRef<'_>, now: Timestamp) -> Draft {
        let row = Row { object, now };
        let mut draft = Draft::map();
        match &self.0 {
            Columns::Builtin { columns, is_pod } => {
                draft.set("cells", columns.iter().map(|column| (column.cell)(row)).collect::<Vec<_>>());
                if let Some(condition) = is_pod.then(|| pods::completed(row)).flatten() {
                    draft.set("conditions", vec![condition]);
                }
            }
            Columns::Custom(columns) => {
                draft.set("cells", columns.iter().map(|column| column.cell(row)).collect::<Vec<_>>());
            }
        }
        draft
    }
}

impl Column {
    const fn new(name: &'static str, kind: &'static str, about: &'static str, cell: fn(Row<'_>) -> Draft) -> Self {
        Self { name, kind, format: "", priority: 0, about, cell }
    }

    /// A cell of text.
    const fn text(name: &'static str, about: &'static str, cell: fn(Row<'_>) -> Draft) -> Self {
        Self::new(name, "string", about, cell)
    }

    const fn integer(name: &'static str, about: &'static str, cell: fn(Row<'_>) -> Draft) -> Self {
        Self::new(name, "integer", about, cell)
    }

    const fn boolean(name: &'static str, about: &'static str, cell: fn(Row<'_>) -> Draft) -> Self {
        Self::new(name, "boolean", about, cell)
    }

    /// Shown in wide output only.
    const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }
}

const NAME_ABOUT: &str = "Name must be unique within a namespace. Is required when creating resources, although some \
    resources may allow a client to request the generation of an appropriate name automatically. Name is primarily \
    intended for creation idempotence and configuration definition. Cannot be updated. More info: \
    https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const CREATED_ABOUT: &str = "CreationTimestamp is a timestamp representing the server time when this object was \
    created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set \
    this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for \
    lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

const NAME: Column =
    Column { format: "name", ..Column::text("Name", NAME_ABOUT, |row| row.text("metadata.name").into()) };

const AGE: Column = Column::text("Age", CREATED_ABOUT, |row| row.ago("metadata.creationTimestamp").into());

/// The columns of a kind that nothing else is known of.
const PLAIN: &[Column] = &[
    NAME,
    Column::new("Created At", "date", CREATED_ABOUT, |row| {
        row.instant("metadata.creationTimestamp").map_or(NO_TIME.to_owned(), |at| at.to_string()).into()
    }),
];

/// How the server writes a time that is not set.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

fn columns(kind: &GroupKind) -> &'static [Column] {
    let tables = [workloads::TABLES, config::TABLES, network::TABLES, storage::TABLES, access::TABLES, cluster::TABLES];
    let is = |(group, name, _): &&(&str, &str, &'static [Column])| *group == &*kind.group && *name == &*kind.kind;
    tables.into_iter().flatten().find(is).map_or(PLAIN, |(_, _, columns)| columns)
}

/// Group, kind, columns.
type Tables = &'static [(&'static str, &'static str, &'static [Column])];

#[cfg(test)]
mod tests;
