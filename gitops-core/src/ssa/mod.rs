//! stub
use crate::path::FieldPath;
use crate::resource::Resource;
use std::sync::Arc;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Apply,
    Update,
}
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct FieldSet;
#[allow(missing_docs)]
impl FieldSet {
    pub fn contains(&self, _: &FieldPath) -> bool {
        false
    }
}
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ManagedEntry {
    pub manager: Arc<str>,
    pub operation: Operation,
    pub subresource: Option<Arc<str>>,
    pub fields: FieldSet,
}
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ManagedFields(Vec<ManagedEntry>);
#[allow(missing_docs)]
impl ManagedFields {
    pub fn read(_: &Resource) -> Result<Self, ()> {
        Ok(Self(vec![]))
    }
    pub fn entries(&self) -> &[ManagedEntry] {
        &self.0
    }
}
