use super::{World, pruning};
use crate::plan::{Contents, Format, Leftover, Payload, Plan, Reason, Validity};
use crate::policy::Phase;
use crate::resource::Origin;

const WORLD: &str = "
    v1 Namespace shop | missing
    v1 Secret shop/key | missing
    apps/v1 Deployment shop/web | template
    batch/v1 Job shop/migrate hook=PreSync | hook
    v1 ConfigMap shop/stays | synced
    v1 ConfigMap shop/old | extra
    v1 ConfigMap shop/kept options=Prune=false | extra
";

#[test]
fn a_stored_plan_reads_back_and_is_the_same_bytes() {
    let plan = Plan { problems: Vec::new(), ..World::new(WORLD).plan(&pruning()) };
    let json = serde_json::to_string(&plan).unwrap();
    let read: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(read, plan);
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    assert_eq!(read.digest(), plan.digest());
    let later = json.replacen("plan/v2", "plan/v3", 1);
    assert!(serde_json::from_str::<Plan>(&later).is_err(), "an unknown format is refused");
}

#[test]
fn a_plan_of_the_first_format_keeps_its_digest_and_is_not_followed() {
    let world = World::new(WORLD);
    let plan = Plan { format: Format::V1, ..world.plan(&pruning()) };
    let more = Contents { of: plan.steps[0].key.clone(), dies: [plan.steps[0].key.clone()].into() };
    assert_eq!(Plan { contents: vec![more.clone()], ..plan.clone() }.digest(), plan.digest());
    let second = Plan { format: Format::V2, ..plan.clone() };
    assert_ne!(Plan { contents: vec![more], ..second.clone() }.digest(), second.digest());
    let left = Leftover {
        key: plan.steps[0].key.clone(),
        uid: "1".into(),
        version: "v1".into(),
        declared: plan.steps[0].key.clone(),
        phase: Phase::PreSync,
        reason: Reason::NotDeclared,
    };
    assert_ne!(Plan { leftovers: vec![left], ..second.clone() }.digest(), second.digest());
    let Validity::Stale(reasons) = plan.revalidate(&world.plan(&pruning()), &world.comparison) else { panic!() };
    assert!(reasons[0].1.contains("written by an older program"), "{reasons:?}");
}

#[test]
fn the_digest_covers_what_is_done_and_no_wording() {
    let plan = World::new(WORLD).plan(&pruning());
    let quiet = Plan { problems: Vec::new(), skipped: Vec::new(), ..plan.clone() };
    assert_eq!(quiet.digest(), plan.digest());
    let mut other = plan.clone();
    other.steps[0].wave += 1;
    assert_ne!(other.digest(), plan.digest());
}

#[test]
fn a_plan_names_secrets_by_their_place_and_everything_else_by_digest() {
    let mut world = World::new(WORLD);
    let payload = |world: &World, name: &str| {
        let plan = world.plan(&pruning());
        let step = plan.steps.iter().find(|step| &*step.key.name == name).unwrap();
        step.action.payload().unwrap().clone()
    };
    let place = Payload::Declared { source: 0, file: "all.yaml".into(), document: 1 };
    assert_eq!(payload(&world, "key"), place);
    assert!(matches!(payload(&world, "web"), Payload::Digest(_)));
    for declared in world.desired.declared.values_mut() {
        declared.origin = None::<Origin>;
    }
    assert_eq!(payload(&world, "key"), Payload::Opaque);
}
