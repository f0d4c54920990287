use super::{World, pruning};
use crate::plan::{Payload, Plan};
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
    let later = json.replacen("plan/v1", "plan/v2", 1);
    assert!(serde_json::from_str::<Plan>(&later).is_err(), "an unknown format is refused");
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
