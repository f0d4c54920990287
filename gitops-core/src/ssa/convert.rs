//! Conversion between the versions of a kind, as far as the model knows it.

use std::sync::Arc;

use super::typed::{Duplicates, Typed};
use super::updater::{ConvertError, Converter};
use crate::model::{ApiModel, KindFacts, TypeRef};
use crate::resource::{GroupKind, split_api_version};
use crate::value::ValueRef;

/// The conversion of a CRD with strategy `None`, and the best guess for other kinds.
///
/// For kinds whose [`crate::model::Conversion`] is unknown the values of another version may differ; who predicts asks
/// that first.
#[derive(Debug)]
pub(super) struct ByModel<'a> {
    pub(super) model: &'a ApiModel,
    pub(super) kind: Arc<GroupKind>,
}

impl<'a> ByModel<'a> {
    fn schema(&self, api_version: &str) -> Result<TypeRef<'a>, ConvertError> {
        let missing = || ConvertError::Missing(api_version.into());
        let Some((group, version)) = split_api_version(api_version) else { return Err(missing()) };
        if group != &*self.kind.group {
            return Err(missing());
        }
        if let Some(schema) = self.model.declared_schema(&self.kind, version) {
            return Ok(schema);
        }
        if !self.model.has_schemas(&self.kind) {
            return Ok(TypeRef::deduced());
        }
        // The server drops entries of a built-in kind at versions it does not know; custom resources refuse to be
        // converted. Rule 22 of the exact rules.
        match ApiModel::builtin().kind(&self.kind) {
            KindFacts::Served(_) => Err(missing()),
            _ => Err(ConvertError::Failed {
                version: api_version.into(),
                why: "the CustomResourceDefinition does not declare it (any more)".into(),
            }),
        }
    }
}

impl<'a> Converter<'a> for ByModel<'a> {
    fn convert(&self, value: &Typed<'a>, version: &str) -> Result<Typed<'a>, ConvertError> {
        if value.value().root().get("apiVersion").and_then(ValueRef::as_str) == Some(version) {
            return Ok(value.clone());
        }
        let schema = self.schema(version)?;
        let converted = self.model.at_version(&self.kind, value.value().root(), version);
        Typed::new(converted, schema, Duplicates::Refuse).map_err(|errors| {
            let why = errors.first().map_or_else(String::new, ToString::to_string).into();
            ConvertError::Failed { version: version.into(), why }
        })
    }
}
