//! A comparison as people and programs read it: unified text, a table of fields, patches.
//!
//! Everything is made from [`Sides`]: what the cluster holds and what a sync makes of it, as both may be shown. What
//! only a server sets is left out, and values of Secrets are letters, so nothing that is rendered holds a secret.

mod edits;
mod patch;
mod sides;
mod table;
mod unified;

use crate::value::Value;

pub use table::table;
pub use unified::Unified;

/// One object before and after a sync, as it may be shown.
///
/// ```
/// use gitops_core::diff::{Context, Sides, Unified, compare_one};
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::Resource;
/// use gitops_core::state::{Inventory, Live, Owner};
/// use gitops_core::value::Value;
///
/// let config_map = |data: &str| {
///     let json = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"web"}},"data":{data}}}"#);
///     Resource::new(Value::from_json(json.as_bytes()).unwrap()).unwrap()
/// };
/// let (model, owner, inventory) = (ApiModel::builtin(), Owner::new("", "shop")?, Inventory::default());
/// let (desired, live) = (config_map(r#"{"colour":"red"}"#), config_map(r#"{"colour":"blue"}"#));
/// let compared = compare_one(&desired, Live::Present(&live), &Context::new(&model, &owner, &inventory));
///
/// let sides = Sides::of(Some(&desired), &compared);
/// assert!(sides.unified("ConfigMap web", &Unified::default()).contains("-  colour: blue\n+  colour: red\n"));
/// assert_eq!(sides.merge_patch().root().dig(&["data", "colour"]).and_then(|text| text.as_str()), Some("red"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Sides {
    /// What the cluster holds; null if there is nothing.
    pub live: Value,
    /// What a sync leads to; null if the object is to go.
    pub after: Value,
}

#[cfg(test)]
mod tests;
