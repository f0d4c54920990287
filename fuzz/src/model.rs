//! Schemas, and sets of fields.

use gitops_core::model::ApiModel;
use gitops_core::resource::Resource;
use gitops_core::ssa::FieldSet;
use gitops_core::value::Value;

/// A set of fields that reads is written as one that reads as the same.
pub fn field_set(bytes: &[u8]) {
    let Ok(set) = FieldSet::from_fields_v1_json(bytes) else { return };
    let again = FieldSet::from_fields_v1_json(set.to_fields_v1_json().as_bytes());
    assert_eq!(again.map_err(|error| error.to_string()), Ok(set.clone()));
    assert!(set.difference(&set).is_empty());
    assert_eq!(set.union(&set), set);
    assert_eq!(set.intersection(&set), set);
    assert!(set.iter().all(|path| set.contains(&path)));
}

/// No schema, OpenAPI document or CRD, makes the model fall; its kinds survive the compact form.
pub fn model(bytes: &[u8]) {
    let _table = ApiModel::from_table(bytes).map(|model| model.to_table());
    let mut model = ApiModel::empty().with_openapi("example.org/v1", bytes);
    if let Some(crd) = Value::from_json(bytes).ok().and_then(|value| Resource::new(value).ok()) {
        model = model.with_crds([&crd]);
    }
    let table = model.to_table();
    let again = ApiModel::from_table(&table).map(|model| model.to_table());
    assert_eq!(again, Ok(table));
}
