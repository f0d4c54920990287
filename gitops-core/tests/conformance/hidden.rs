//! What Argo CD hides of Secrets.

use gitops_core::diff::{Context, Shown, Sides, Unified, compare_one, explain};
use gitops_core::model::ApiModel;
use gitops_core::path::{FieldPath, Segment};
use gitops_core::policy::ignore::Rules;
use gitops_core::state::{Inventory, Live};

use crate::normalize_diff::{compare, owner};
use crate::sync_order::complete;

type Json = serde_json::Value;
type Verdict = Result<(), String>;

/// Equal values get equal masks, and no value is shown: neither of `data` nor of the annotations that are to be hidden.
pub(crate) fn masked(case: &Json) -> Verdict {
    let (model, owner, inventory) = (ApiModel::builtin(), owner(), Inventory::default());
    let hidden: Vec<&str> =
        case["options"]["hideAnnotations"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let rules = Rules::default().with_masked_annotations(hidden.iter().copied());
    let context = Context::new(&model, &owner, &inventory).with_rules(&rules);
    let version = |object: &Json| {
        let mut object = object.clone();
        object["apiVersion"] = "v1".into();
        object
    };
    let [config, live] = ["config", "live"].map(|side| &case[side]);
    if config.is_null() {
        return Extra { live: &version(live), expected: &case["expected"]["live"] }.is_masked(&hidden, &context);
    }
    let changes = compare(&version(config), &version(live), &context)?;
    let expected = &case["expected"];
    let data = expected["config"]["data"].as_object().into_iter().flatten().map(|(key, _)| vec!["data", &**key]);
    let of_hidden = hidden.iter().map(|name| vec!["metadata", "annotations", name]);
    for place in data.chain(of_hidden) {
        let path = FieldPath::fields(&place);
        let side = |side: &str| place.iter().fold(&expected[side], |at, name| &at[*name]);
        if side("config").is_null() {
            continue;
        }
        let is_equal = side("config") == side("live");
        let change = changes.iter().find(|change| change.path.contains(&path));
        if change.is_some() == is_equal {
            return Err(format!("`{path}` is {}", if is_equal { "no change" } else { "a change" }));
        }
        let shown = change.into_iter().flat_map(|change| [&change.live, &change.desired]).flatten();
        if shown.into_iter().any(|shown| !matches!(shown, Shown::Masked(_))) {
            return Err(format!("`{path}` is shown"));
        }
    }
    Ok(())
}

/// An object that is on the cluster only.
struct Extra<'a> {
    live: &'a Json,
    expected: &'a Json,
}

impl Extra<'_> {
    /// All that Argo CD masks is masked in what is rendered and explained, and the rest is not.
    fn is_masked(&self, hidden: &[&str], context: &Context<'_>) -> Verdict {
        let live = complete(self.live, "unnamed");
        let compared = compare_one(&live, Live::Present(&live), context);
        let fields = explain(None, Some(&compared), Some(&"metadata.annotations.*".parse().unwrap()), context);
        for field in fields.map_err(|error| error.to_string())? {
            let name = field.field.segments().last().unwrap();
            let Segment::Field(name) = name else { continue };
            let is_copy = name.contains("last-applied");
            let is_masked = matches!(field.live, Some(Shown::Masked(_)));
            let expected = self.expected["metadata"]["annotations"][&**name].as_str();
            let masks = is_copy || expected.is_some_and(|text| text.starts_with("+++"));
            let text = self.live["metadata"]["annotations"][&**name].as_str().unwrap_or_default();
            // Masked already by who wrote it.
            if masks != is_masked && !text.starts_with("+++") {
                return Err(format!("annotation `{name}` is {}", if is_masked { "masked" } else { "shown" }));
            }
        }
        let rendered = Sides::of(None, &compared).unified("x", &Unified::default().with_context(99));
        let told = hidden.iter().filter_map(|name| self.live["metadata"]["annotations"][*name].as_str());
        match told.into_iter().find(|text| !text.starts_with("+++") && rendered.contains(&format!(": {text}\n"))) {
            Some(text) => Err(format!("{text} is rendered")),
            None => Ok(()),
        }
    }
}
