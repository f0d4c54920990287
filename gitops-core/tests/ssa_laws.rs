//! Laws of server-side apply, over any objects of a schema that has every kind of list and map.

#![expect(clippy::unwrap_used, reason = "a law that cannot be set up must fail")]

use std::sync::OnceLock;

use gitops_core::arbitrary;
use gitops_core::model::{ApiModel, Schema, TypeRef};
use gitops_core::path::FieldPath;
use gitops_core::resource::{GroupKind, Resource};
use gitops_core::ssa::{
    Apply, ApplyError, ConvertError, Converter, Duplicates, FieldSet, Force, ManagedFields, Managers, Operation, Owned,
    Typed, Update, UpdateError, Updater, apply, update,
};
use gitops_core::time::Timestamp;
use gitops_core::value::{Value, ValueRef};
use proptest::prelude::*;

/// Every relation of structured-merge-diff, nested in each other. No type that is deduced: there a field may change
/// from a scalar to a map, and then owners of the one lose to owners of the other.
fn root() -> TypeRef<'static> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let element = |name: &str| format!(r#"{{"namedType":"{name}"}}"#);
        let list = |of: &str, keys: &str, relation: &str| {
            format!(r#"{{"list":{{"elementType":{of},"elementRelationship":"{relation}","keys":[{keys}]}}}}"#)
        };
        let (text, number) = (r#"{"scalar":"string"}"#, r#"{"scalar":"numeric"}"#);
        let root = [
            ("text", text.to_owned()),
            ("number", number.to_owned()),
            ("set", list(text, "", "associative")),
            ("whole", list(&element("item"), "", "atomic")),
            ("items", list(&element("item"), r#""name""#, "associative")),
            ("ports", list(&element("port"), r#""port","protocol""#, "associative")),
            ("labels", format!(r#"{{"map":{{"elementType":{text}}}}}"#)),
            ("groups", format!(r#"{{"map":{{"elementType":{}}}}}"#, element("item"))),
            ("fixed", format!(r#"{{"map":{{"elementType":{text},"elementRelationship":"atomic"}}}}"#)),
            ("below", element("item")),
        ];
        let item = [
            ("name", text.to_owned()),
            ("number", number.to_owned()),
            ("labels", format!(r#"{{"map":{{"elementType":{text}}}}}"#)),
            ("ports", list(&element("port"), r#""port","protocol""#, "associative")),
        ];
        let port = [("port", number.to_owned()), ("protocol", text.to_owned()), ("note", text.to_owned())];
        let object = |name: &str, fields: &[(&str, String)]| {
            let field = |(name, of): &(&str, String)| format!(r#"{{"name":"{name}","type":{of}}}"#);
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!(r#"{{"name":"{name}","map":{{"fields":[{}]}}}}"#, fields.join(","))
        };
        let types = [object("root", &root), object("item", &item), object("port", &port)];
        let text = format!(r#"{{"types":[{}]}}"#, types.join(","));
        Schema::from_smd(Value::from_json(text.as_bytes()).unwrap().root()).unwrap()
    });
    schema.named("root").unwrap()
}

fn typed() -> impl Strategy<Value = Typed<'static>> {
    arbitrary::value(root()).prop_map(|value| Typed::new(value, root(), Duplicates::Refuse).unwrap())
}

fn sets() -> impl Strategy<Value = FieldSet> {
    typed().prop_map(|typed| typed.field_set().unwrap())
}

#[derive(Debug)]
struct Same;

impl<'s> Converter<'s> for Same {
    fn convert(&self, value: &Typed<'s>, _: &str) -> Result<Typed<'s>, ConvertError> {
        Ok(value.clone())
    }
}

/// An object and who owns what of it.
#[derive(Clone, Debug)]
struct State {
    live: Typed<'static>,
    managers: Managers<&'static str>,
}

impl State {
    fn new() -> Self {
        Self { live: Typed::new(Value::empty_map(), root(), Duplicates::Refuse).unwrap(), managers: Managers::new() }
    }

    fn apply(&self, manager: &'static str, config: &Typed<'static>, force: Force) -> Option<Self> {
        match Updater::new(&Same).apply(&self.live, config, "v1", &self.managers, &manager, force) {
            Ok(applied) => Some(Self { live: applied.object, managers: applied.managers }),
            Err(UpdateError::Conflicts(_)) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    fn forced(&self, manager: &'static str, config: &Typed<'static>) -> Self {
        self.apply(manager, config, Force::Yes).unwrap()
    }

    fn owned(&self, manager: &str) -> FieldSet {
        self.managers.get(manager).map(|owned| owned.fields.clone()).unwrap_or_default()
    }

    /// Whether both hold the same, whatever the order of their list items.
    fn agrees(&self, other: &Self) -> bool {
        self.live.compare(&other.live).unwrap().is_empty() && self.managers == other.managers
    }
}

/// The scalar at a path. Who owns a map owns that it is there, not what is in it.
fn scalar_at<'a>(typed: &'a Typed<'_>, path: &FieldPath) -> Option<ValueRef<'a>> {
    path.find(typed.value().root()).filter(|value| value.as_map().is_none() && value.as_list().is_none())
}

proptest! {
    #[test]
    fn applying_twice_is_the_identity(start in typed(), config in typed()) {
        let once = State::new().forced("other", &start).forced("ours", &config);
        let twice = once.forced("ours", &config);
        prop_assert_eq!(once.live.value(), twice.live.value());
        prop_assert_eq!(once.managers, twice.managers);
    }

    #[test]
    fn owners_without_conflict_commute(start in typed(), one in typed(), two in typed()) {
        let start = State::new().forced("start", &start);
        let (first, second) = (start.apply("one", &one, Force::No), start.apply("two", &two, Force::No));
        let (Some(first), Some(second)) = (first, second) else { return Ok(()) };
        let (Some(left), Some(right)) = (first.apply("two", &two, Force::No), second.apply("one", &one, Force::No)) else {
            return Ok(());
        };
        prop_assert!(left.agrees(&right), "{} {}", left.live.value().to_json(), right.live.value().to_json());
    }

    #[test]
    fn force_takes_no_field_that_it_does_not_set(theirs in typed(), ours in typed()) {
        let before = State::new().forced("theirs", &theirs);
        let after = before.forced("ours", &ours);
        let left_alone = before.owned("theirs").difference(&after.owned("ours"));
        prop_assert_eq!(left_alone.difference(&after.owned("theirs")), FieldSet::new());
        for path in left_alone.leaves().iter() {
            let (old, new) = (scalar_at(&before.live, &path), scalar_at(&after.live, &path));
            prop_assert!(old.is_none_or(ValueRef::is_null) || old == new, "{}", path);
        }
    }

    #[test]
    fn dropping_everything_leaves_what_others_own(theirs in typed(), ours in typed()) {
        let both = State::new().forced("ours", &ours).forced("theirs", &theirs);
        let nothing = Typed::new(Value::empty_map(), root(), Duplicates::Refuse).unwrap();
        let left = both.forced("ours", &nothing);
        prop_assert_eq!(left.owned("theirs"), both.owned("theirs"));
        prop_assert_eq!(left.owned("ours"), FieldSet::new());
        for path in both.owned("theirs").leaves().iter() {
            let (old, new) = (scalar_at(&both.live, &path), scalar_at(&left.live, &path));
            prop_assert!(old.is_none_or(ValueRef::is_null) || old == new, "{}", path);
        }
        let only_ours = both.owned("ours").difference(&both.owned("theirs"));
        let remains = left.live.field_set().unwrap().intersection(&only_ours.leaves());
        prop_assert!(remains.is_empty(), "{}", remains);
    }

    #[test]
    fn merging_is_what_set_algebra_says(live in typed(), config in typed()) {
        let merged = live.merge(&config).unwrap().field_set().unwrap();
        let union = live.field_set().unwrap().union(&config.field_set().unwrap());
        prop_assert_eq!(merged.leaves(), union.leaves());
    }

    #[test]
    fn a_comparison_reversed_swaps_added_and_removed(left in typed(), right in typed()) {
        let (there, back) = (left.compare(&right).unwrap(), right.compare(&left).unwrap());
        prop_assert_eq!(&there.added, &back.removed);
        prop_assert_eq!(&there.removed, &back.added);
        prop_assert_eq!(&there.modified, &back.modified);
        prop_assert!(left.compare(&left).unwrap().is_empty());
    }

    #[test]
    fn what_is_extracted_is_the_part_and_the_keys_it_needs(typed in typed(), part in typed()) {
        let all = typed.field_set().unwrap();
        let part = part.field_set().unwrap().intersection(&all.leaves());
        let taken = typed.extract_with_keys(&part).field_set().unwrap();
        prop_assert_eq!(part.difference(&taken), FieldSet::new());
        prop_assert_eq!(taken.difference(&all), FieldSet::new());
    }

    #[test]
    fn fields_v1_survives_a_round_trip(set in sets()) {
        prop_assert_eq!(&FieldSet::from_fields_v1_json(set.to_fields_v1_json().as_bytes()).unwrap(), &set);
        prop_assert_eq!(&FieldSet::from_fields_v1(set.to_fields_v1().root()).unwrap(), &set);
        prop_assert_eq!(&set.iter().collect::<FieldSet>(), &set);
        prop_assert_eq!(set.iter().count(), set.len());
        prop_assert!(set.iter().all(|path| set.contains(&path)));
    }

    #[test]
    fn sets_obey_their_algebra(a in sets(), b in sets(), c in sets()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.union(&a), a.clone());
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.difference(&b).intersection(&b), FieldSet::new());
        prop_assert_eq!(a.recursive_difference(&b).difference(&a.difference(&b)), FieldSet::new());
        prop_assert_eq!(a.recursive_difference(&b).union(&a.recursive_intersection(&b)), a);
    }
}

/// Built-in kinds, as the server handles them.
fn deployments() -> impl Strategy<Value = Resource> {
    arbitrary::object(&ApiModel::builtin(), &GroupKind::new("apps", "Deployment"), "v1", "web")
}

fn config_maps() -> impl Strategy<Value = Resource> {
    arbitrary::object(&ApiModel::builtin(), &GroupKind::new("", "ConfigMap"), "v1", "web")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_object_applied_again_is_the_same_object(one in deployments(), other in deployments()) {
        let model = ApiModel::builtin();
        let live = apply(&Apply::new(None, &other, "other", at(1), &model).force()).unwrap();
        let once = apply(&Apply::new(Some(&live), &one, "ours", at(2), &model).force()).unwrap();
        let twice = apply(&Apply::new(Some(&once), &one, "ours", at(3), &model)).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_released_field_keeps_its_value(config in config_maps()) {
        let model = ApiModel::builtin();
        let keeper = config.edit(|draft| drop(draft.remove("data"))).unwrap();
        let live = apply(&Apply::new(None, &config, "ours", at(1), &model)).unwrap();
        let data: FieldSet = [FieldPath::fields(&["data"])].into_iter().collect();
        let released = ManagedFields::read(&live).unwrap().release("ours", &data).write_to(&live);
        let after = apply(&Apply::new(Some(&released), &keeper, "ours", at(2), &model)).unwrap();
        prop_assert_eq!(after.tree().get("data"), live.tree().get("data"));
    }

    #[test]
    fn who_updates_owns_what_changed_and_an_applier_conflicts(one in config_maps(), two in config_maps()) {
        let model = ApiModel::builtin();
        let live = apply(&Apply::new(None, &one, "ours", at(1), &model)).unwrap();
        let edited = ManagedFields::read(&live).unwrap().write_to(&two);
        let edited = update(&Update::new(Some(&live), &edited, "editor", at(2), &model));
        let managed = ManagedFields::read(&edited).unwrap();
        prop_assert_eq!(managed.entries().iter().filter(|entry| entry.operation == Operation::Update).count() <= 1, true);
        match apply(&Apply::new(Some(&edited), &one, "ours", at(3), &model)) {
            Ok(_) => {}
            Err(ApplyError::Conflict(conflicts)) => {
                prop_assert!(conflicts.iter().all(|conflict| &*conflict.manager == "editor"));
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        let forced = apply(&Apply::new(Some(&edited), &one, "ours", at(3), &model).force());
        prop_assert!(forced.is_ok());
    }

    #[test]
    fn any_owned_state_is_read_and_written_alike(fields in sets(), seconds in 0..9_i64) {
        let entry = gitops_core::ssa::ManagedEntry::new("m", Operation::Apply, "v1", fields).at(at(seconds));
        let managed = ManagedFields::new([entry]);
        prop_assert_eq!(ManagedFields::from_value(managed.to_value().root()).unwrap(), managed);
    }
}

#[test]
fn an_owner_at_a_version_that_is_gone_is_dropped_or_refused() {
    #[derive(Debug)]
    struct Only;
    impl<'s> Converter<'s> for Only {
        fn convert(&self, value: &Typed<'s>, version: &str) -> Result<Typed<'s>, ConvertError> {
            if version == "v1" { Ok(value.clone()) } else { Err(ConvertError::Missing(version.into())) }
        }
    }
    let live = Typed::new(Value::from_json(br#"{"text":"a"}"#).unwrap(), root(), Duplicates::Refuse).unwrap();
    let fields = live.field_set().unwrap();
    let managers = Managers::from([("old", Owned::new(fields.clone(), "v0", true))]);
    let applied = Updater::new(&Only).apply(&live, &live, "v1", &managers, &"ours", Force::No).unwrap();
    assert_eq!(applied.managers, Managers::from([("ours", Owned::new(fields, "v1", true))]));
    assert!(!applied.is_changed);
}
