//! Rules of what is left alone, on any two objects.

use gitops_core::diff::{Change, Context, Outcome, Scaled, adapt, compare_one};
use gitops_core::model::ApiModel;
use gitops_core::path::{FieldPath, PathPattern};
use gitops_core::policy::ignore::{Program, Rule, Rules, Selector, Target};
use gitops_core::resource::Resource;
use gitops_core::state::{Inventory, Live, Owner};
use gitops_core::value::Value;

/// A rule only ever shrinks a difference, leaves an object what it is, and never fails. Three lines: a path, pointer
/// or jq program; a declared object; a live one.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let selectors = selectors(line());
    let object = |text: &str| Resource::new(Value::from_json(text.as_bytes()).ok()?).ok();
    let (Some(desired), live) = (object(line()), line()) else { return };
    let live = object(live).filter(|live| live.key() == desired.key()).unwrap_or_else(|| desired.clone());
    let Ok(owner) = Owner::new("", "shop") else { return };
    let (model, inventory) = (ApiModel::builtin(), Inventory::default());
    let bare = Context::new(&model, &owner, &inventory);
    let without = changes(&desired, &live, &bare);
    for selector in selectors {
        let shown = selector.to_string();
        let Ok(rule) = Rule::new(Target::all(), vec![selector]) else { continue };
        let rules = Rules::new([rule]);
        let context = bare.with_rules(&rules);
        for change in changes(&desired, &live, &context) {
            let known = |other: &Change| other.path.contains(&change.path) || change.path.contains(&other.path);
            assert!(without.iter().any(known), "{shown} makes a difference: {change}");
        }
        if let Some(adapted) = adapt(&desired, Some(&live), &context, Scaled::No) {
            for object in [&adapted.sent, &adapted.compared, &adapted.replacement] {
                assert_eq!(object.key(), desired.key(), "{shown}");
                assert_eq!(object.api_version(), desired.api_version(), "{shown}");
            }
            if let Some(released) = &adapted.live {
                // Released once, nothing is left to release.
                let again = adapt(&desired, Some(released), &context, Scaled::No);
                assert!(again.is_none_or(|again| again.release.is_empty()), "{shown}");
            }
        }
    }
}

fn selectors(text: &str) -> Vec<Selector> {
    if let Ok(path) = text.parse::<FieldPath>() {
        assert_eq!(path.to_string().parse(), Ok(path), "{text}");
    }
    let pattern = text.parse::<PathPattern>().ok().map(Selector::Path);
    let pointer = Selector::pointer(text).ok();
    [pattern, pointer, Program::new(text).ok().map(Selector::Jq)].into_iter().flatten().collect()
}

fn changes(desired: &Resource, live: &Resource, context: &Context<'_>) -> Vec<Change> {
    match compare_one(desired, Live::Present(live), context).outcome {
        Outcome::OutOfSync(changes) => changes.to_vec(),
        _ => Vec::new(),
    }
}
