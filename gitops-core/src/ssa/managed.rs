//! `metadata.managedFields`: who owns which fields.

use std::fmt;
use std::sync::Arc;

use super::FieldSet;
use super::fields_v1::FieldsV1Error;
use crate::path::FieldPath;
use crate::resource::Resource;
use crate::time::Timestamp;
use crate::value::{Builder, Value, ValueRef, View};

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// By server-side apply: fields it does not send any more are removed.
    Apply,
    /// By any other write: it owns what it changed.
    Update,
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagedEntry {
    /// Name of the manager.
    pub manager: Arc<str>,
    /// How it came to own the fields.
    pub operation: Operation,
    /// Version in which the fields are named, such as `apps/v1`.
    pub api_version: Arc<str>,
    /// The subresource it was written through, such as `status`.
    pub subresource: Option<Arc<str>>,
    /// When the entry changed last.
    pub time: Option<Timestamp>,
    /// The fields.
    pub fields: FieldSet,
}

/// All entries of an object, in the order in which the server keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManagedFields {
    entries: Vec<ManagedEntry>,
}

/// What makes two entries the same: an applier's entry is one whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ManagerKey {
    pub(crate) manager: Arc<str>,
    pub(crate) operation: Operation,
    pub(crate) api_version: Option<Arc<str>>,
    pub(crate) subresource: Option<Arc<str>>,
}

/// `metadata.managedFields` that cannot be read. The server refuses every apply to such an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry} of `metadata.managedFields` cannot be read: {problem}")]
#[non_exhaustive]
pub struct ManagedFieldsError {
    /// Which entry, counted from 0.
    pub entry: usize,
    /// What is wrong with it.
    pub problem: ManagedFieldsProblem,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedFieldsProblem {
    /// Not a list of maps.
    #[error("it is no map")]
    NotAMap,
    /// Neither `Apply` nor `Update`.
    #[error("`operation` must be `Apply` or `Update`")]
    Operation,
    /// No version.
    #[error("`apiVersion` is missing")]
    ApiVersion,
    /// Another form of fields.
    #[error("`fieldsType` must be `FieldsV1`")]
    FieldsType,
    /// No RFC 3339 time.
    #[error("`time` is not a time")]
    Time,
    /// The fields themselves.
    #[error(transparent)]
    Fields(#[from] FieldsV1Error),
}

impl ManagedEntry {
    /// Names what a manager owns.
    #[must_use]
    pub fn new(manager: &str, operation: Operation, api_version: &str, fields: FieldSet) -> Self {
        let (manager, api_version) = (manager.into(), api_version.into());
        Self { manager, operation, api_version, subresource: None, time: None, fields }
    }

    /// Sets the subresource it was written through.
    #[must_use]
    pub fn through(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.into());
        self
    }

    /// Sets when it changed last.
    #[must_use]
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    pub(crate) fn key(&self) -> ManagerKey {
        let of_update = self.operation == Operation::Update;
        ManagerKey {
            manager: Arc::clone(&self.manager),
            operation: self.operation,
            api_version: of_update.then(|| Arc::clone(&self.api_version)),
            subresource: self.subresource.clone(),
        }
    }

    fn read(of: ValueRef<'_>) -> Result<Self, ManagedFieldsProblem> {
        if of.as_map().is_none() {
            return Err(ManagedFieldsProblem::NotAMap);
        }
        let text = |field: &str| of.get(field).and_then(ValueRef::as_str).filter(|text| !text.is_empty());
        let operation = match text("operation") {
            Some("Apply") => Operation::Apply,
            Some("Update") => Operation::Update,
            _ => return Err(ManagedFieldsProblem::Operation),
        };
        let api_version = text("apiVersion").ok_or(ManagedFieldsProblem::ApiVersion)?;
        if text("fieldsType") != Some("FieldsV1") {
            return Err(ManagedFieldsProblem::FieldsType);
        }
        let fields = of.get("fieldsV1").map(FieldSet::from_fields_v1).transpose()?.unwrap_or_default();
        let mut entry = Self::new(text("manager").unwrap_or(""), operation, api_version, fields);
        entry.subresource = text("subresource").map(Arc::from);
        entry.time = text("time").map(str::parse).transpose().map_err(|_| ManagedFieldsProblem::Time)?;
        Ok(entry)
    }

    fn write(&self, builder: &mut Builder) {
        let mut text = |key: &str, text: &str| {
            builder.key(key);
            builder.string(text);
        };
        text("apiVersion", &self.api_version);
        text("fieldsType", "FieldsV1");
        if !self.manager.is_empty() {
            text("manager", &self.manager);
        }
        text("operation", &self.operation.to_string());
        if let Some(subresource) = &self.subresource {
            text("subresource", subresource);
        }
        if let Some(time) = self.time {
            text("time", &time.to_string());
        }
        builder.key("fieldsV1");
        self.fields.write_fields_v1(builder);
    }
}

impl ManagedFields {
    /// Returns these entries in the order in which the server keeps them.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = ManagedEntry>) -> Self {
        let mut entries: Vec<ManagedEntry> = entries.into_iter().collect();
        // Rule: apimachinery's `sortEncodedManagedFields`.
        let seconds = |entry: &ManagedEntry| entry.time.map_or(0, |time| time.millis().div_euclid(1000));
        entries.sort_by(|a, b| {
            let names = |entry: &ManagedEntry| {
                (Arc::clone(&entry.manager), Arc::clone(&entry.api_version), entry.subresource.clone())
            };
            a.operation.cmp(&b.operation).then(seconds(a).cmp(&seconds(b))).then_with(|| names(a).cmp(&names(b)))
        });
        Self { entries }
    }

    /// Reads the entries of an object; none when it has none.
    ///
    /// # Errors
    /// When an entry cannot be read. The server then refuses every apply.
    pub fn read(resource: &Resource) -> Result<Self, ManagedFieldsError> {
        resource.tree().dig(&["metadata", "managedFields"]).map_or_else(|| Ok(Self::default()), Self::from_value)
    }

    /// Reads the entries from the value of `metadata.managedFields`.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub fn from_value(value: ValueRef<'_>) -> Result<Self, ManagedFieldsError> {
        let list = match value.view() {
            View::Null => return Ok(Self::default()),
            View::List(list) => list,
            _ => return Err(ManagedFieldsError { entry: 0, problem: ManagedFieldsProblem::NotAMap }),
        };
        let read = |(entry, of)| ManagedEntry::read(of).map_err(|problem| ManagedFieldsError { entry, problem });
        Ok(Self { entries: list.iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }

    /// Returns the value of `metadata.managedFields`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut builder = Builder::new();
        builder.start_list();
        for entry in &self.entries {
            builder.start_map();
            entry.write(&mut builder);
            builder.end();
        }
        builder.end();
        // Only more than 4 GiB of text can fail.
        builder.finish().unwrap_or_else(|_| Value::null())
    }

    /// Returns `resource` with these entries instead of its own; without any, the field goes.
    #[must_use]
    pub fn write_to(&self, resource: &Resource) -> Resource {
        let value = super::write::with_managed_fields(resource.tree(), Some(self));
        // Nothing that makes it an object changes.
        Resource::new(value).unwrap_or_else(|_| resource.clone())
    }

    /// Returns the entries.
    #[must_use]
    pub fn entries(&self) -> &[ManagedEntry] {
        &self.entries
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the entries that own `path` itself.
    pub fn owners_of(&self, path: &FieldPath) -> impl Iterator<Item = &ManagedEntry> {
        self.entries.iter().filter(move |entry| entry.fields.contains(path))
    }

    /// Returns the entry of a manager that applies to the main resource.
    #[must_use]
    pub fn applied_by(&self, manager: &str) -> Option<&ManagedEntry> {
        let is = |entry: &&ManagedEntry| {
            &*entry.manager == manager && entry.operation == Operation::Apply && entry.subresource.is_none()
        };
        self.entries.iter().find(is)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        })
    }
}
