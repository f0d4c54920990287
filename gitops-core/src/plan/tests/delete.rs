use super::{World, edges, shows};
use crate::plan::{Confirmation, HookRun, Plan, Request};
use crate::policy::{PruneAdopted, SyncPolicy};
use crate::resource::ResourceKey;
use crate::state::{Completeness, Entry, Standing, Trust};
use crate::time::Timestamp;

const APP: &str = "
    v1 Namespace shop prune=enabled | synced
    v1 ConfigMap shop/web | differs
    apps/v1 Deployment shop/web wave=1 | synced
    v1 ConfigMap shop/old | extra
    v1 ConfigMap shop/new | missing
    batch/v1 Job shop/drain hook=PreDelete | hook
    batch/v1 Job shop/migrate hook=PreSync | hook
    batch/v1 Job after/bye hook=PostDelete | hook
";

fn deletion(lines: &str, request: Request) -> Plan {
    World::new(lines).asked(&SyncPolicy::default(), request)
}

fn yes() -> Request {
    Request::to_delete().confirmed(Confirmation::of_all("ann", Timestamp::EPOCH))
}

#[test]
fn an_application_goes_between_its_hooks_in_the_reverse_order() {
    let plan = deletion(APP, Request::to_delete());
    shows(
        &plan,
        "
        PreDelete, wave 0
          run     batch/Job shop/drain: hook
        Delete
          delete  apps/Deployment shop/web: its application is deleted
          delete  ConfigMap shop/old: its application is deleted
          delete  ConfigMap shop/web: its application is deleted
          delete  Namespace shop: its application is deleted; all that is in it goes too
        PostDelete, wave 0
          run     batch/Job after/bye: hook
        problems
          warning: Namespace shop: is a Namespace: everything in it is deleted with it
        ",
    );
    assert_eq!(
        edges(&plan),
        [
            "drain <- ",
            "web <- [drain healthy]",
            "old <- [web gone]",
            "web <- [web gone]",
            "shop <- [old gone, web gone]",
            "bye <- [shop gone]",
        ]
    );
}

#[test]
fn what_is_to_stay_stays_and_so_does_what_holds_it() {
    shows(
        &deletion(
            "
            v1 Namespace shop prune=enabled | synced
            v1 Secret shop/key options=Delete=false | synced
            v1 Secret shop/theirs | differs of=other
            v1 Secret shop/found | synced adopted
            v1 Secret shop/copy | synced tracked
            v1 Secret shop/child | synced child
            v1 Secret shop/dying | terminating
            v1 Secret shop/gone | missing
            v1 Secret shop/web options=Prune=false | synced
            ",
            Request::to_delete(),
        ),
        "
        Delete
          delete  Secret shop/dying: is being deleted already, and is waited for
          delete  Secret shop/web: its application is deleted
        left alone
          Namespace shop: stays: a guard stopped its deletion
          Secret shop/child: belongs to its owner
          Secret shop/copy: no proof that it is ours
          Secret shop/found: existed before us
          Secret shop/key: stays, as its options say
          Secret shop/theirs: belongs to another application
        problems
          note: Namespace shop: stays: the Namespace holds objects that stay; delete it by hand once nothing is in it
          note: Secret shop/copy: stays: nothing proves that it is ours to delete; delete it by hand if nobody needs it
          note: Secret shop/found: stays: it existed before this application; if it is to go as well, confirm it by its name (`--confirm=Secret/shop/found`)
          note: Secret shop/key: stays when the application is deleted, as its options say
        ",
    );
}

#[test]
fn nothing_of_an_application_goes_until_everything_is_known_and_confirmed() {
    let empty = |plan: &Plan, reason: &str| {
        assert!(plan.is_empty(), "{plan}");
        assert!(plan.to_string().contains(reason), "{reason}: {plan}");
    };
    let asks = APP.replace("prune=enabled ", "");
    empty(
        &deletion(&asks, Request::to_delete()),
        "error: Namespace shop: nothing is deleted: all that is in this Namespace would go with it",
    );
    assert_eq!(deletion(&asks, yes()).steps.len(), 6);
    let marked = APP.to_owned() + "v1 Secret shop/key options=Delete=confirm | synced";
    empty(
        &deletion(&marked, Request::to_delete()),
        "Secret shop/key: nothing is deleted: the deletion of this object must be confirmed",
    );
    assert_eq!(deletion(&marked, yes()).steps.len(), 7);
    empty(
        &deletion(&(APP.to_owned() + "v1 Secret shop/key | unreadable"), yes()),
        "whether it is there cannot be told",
    );
    empty(
        &deletion(&APP.replace("hook=PreDelete", "hook=PreDelete wave=x"), yes()),
        "which hooks run before and after cannot be told",
    );
    let never = yes().with_hooks(HookRun::Never);
    assert_eq!(deletion(&APP.replace("hook=PreDelete", "hook=PreDelete wave=x"), never.clone()).steps.len(), 4);
    let mut world = World::new(APP);
    world.desired.completeness = Completeness::Partial;
    empty(&world.asked(&SyncPolicy::default(), yes()), "which hooks run before and after cannot be told");
    assert_eq!(world.asked(&SyncPolicy::default(), never).steps.len(), 4);
    world.inventory.trust = Trust::Lost;
    empty(&world.asked(&SyncPolicy::default(), yes()), "there is no record of what was applied here");
}

#[test]
fn a_post_delete_hook_whose_place_goes_before_it_runs_stops_the_deletion_and_says_what_to_do() {
    let hook = "batch/v1 Job shop/bye hook=PostDelete | hook\nv1 ConfigMap other/web | synced\n";
    let why = "this PostDelete hook needs the Namespace `shop`, which";
    for (home, expected) in [
        (
            "v1 Namespace shop prune=enabled | synced",
            format!("{why} this deletion removes before the hook runs; make it"),
        ),
        // Also before anybody said yes: both are told at once.
        ("v1 Namespace shop | synced", format!("{why} this deletion removes before the hook runs; make it")),
        ("v1 Namespace shop | terminating", format!("{why} is being deleted; make it")),
        ("v1 Namespace shop | missing", format!("{why} is not there; make it")),
    ] {
        let lines = format!("{hook}{home}");
        let plan = deletion(&lines, Request::to_delete());
        assert!(plan.is_empty(), "{home}: {plan}");
        let text = plan.to_string();
        assert!(text.contains(&format!("all.yaml:1: batch/Job shop/bye: nothing is deleted: {expected}")), "{text}");
        let without = deletion(&lines, yes().with_hooks(HookRun::Never));
        assert!(!without.is_empty(), "{home}: without hooks it goes: {without}");
    }
    let widget = "example.org/v1 Widget after/bye hook=PostDelete | hook\nv1 ConfigMap other/web | synced\n\
        apiextensions.k8s.io/v1 CustomResourceDefinition widgets.example.org defines=example.org/Widget | synced";
    let text = deletion(widget, yes()).to_string();
    assert!(
        text.contains("needs the CustomResourceDefinition `widgets.example.org`, which this deletion removes"),
        "{text}"
    );
    for stays in ["v1 Namespace shop options=Delete=false | synced", "v1 Namespace shop | synced of=other"] {
        let plan = deletion(&format!("{hook}{stays}"), yes());
        assert!(plan.steps.iter().any(|step| &*step.key.name == "bye"), "{stays}: {plan}");
    }
}

const CONTROLLED: &str = "
    v1 Namespace shop prune=enabled | synced
    apiextensions.k8s.io/v1 CustomResourceDefinition widgets.example.org defines=example.org/Widget prune=enabled | synced
    example.org/v1 Widget shop/w | synced
    apps/v1 Deployment shop/controller | synced
    v1 ConfigMap shop/settings wave=-1 | synced
";

#[test]
fn what_is_being_deleted_already_goes_before_what_it_needs_as_if_we_had_deleted_it() {
    let first = edges(&deletion(CONTROLLED, Request::to_delete()));
    for dying in ["Widget shop/w |", "Deployment shop/controller |", "Namespace shop prune=enabled |"] {
        let lines = CONTROLLED.replace(&format!("{dying} synced"), &format!("{dying} terminating"));
        assert_ne!(lines, CONTROLLED);
        let plan = deletion(&lines, Request::to_delete());
        assert_eq!(edges(&plan), first, "{dying}");
        assert!(plan.skipped.is_empty() && plan.confirmed.is_empty(), "{plan}");
    }
}

#[test]
fn nobody_is_asked_about_what_is_being_deleted_already() {
    let lines = "
        v1 Namespace shop | terminating
        v1 Secret shop/key options=Delete=confirm | terminating
        v1 Secret shop/kept options=Delete=false | terminating
        v1 Secret shop/theirs | terminating of=other
        v1 Namespace gitops-system | terminating
    ";
    let request = Request { ledger: Some("gitops-system".into()), ..Request::to_delete() };
    shows(
        &deletion(lines, request),
        "
        Delete
          delete  Secret shop/kept: is being deleted already, and is waited for
          delete  Secret shop/key: is being deleted already, and is waited for
          delete  Secret shop/theirs: is being deleted already, and is waited for
          delete  Namespace shop: is being deleted already, and is waited for; all that is in it goes too
        left alone
          Namespace gitops-system: is being deleted
        ",
    );
}

#[test]
fn what_is_known_by_its_tracking_id_alone_goes_only_when_a_person_says_so() {
    let lines =
        "v1 ConfigMap shop/a | synced rebuilt\nv1 ConfigMap shop/b | extra rebuilt\nv1 ConfigMap shop/c | synced";
    let plan = deletion(lines, Request::to_delete());
    let why = "nothing is deleted: the record of the application was lost, so that 2 objects may have been here before: \
        `ConfigMap shop/a`, `ConfigMap shop/b`; confirm that they go";
    assert!(plan.is_empty() && plan.to_string().contains(why), "{plan}");
    assert_eq!(deletion(lines, yes()).steps.len(), 3);
    let adopting = SyncPolicy { prune_adopted: PruneAdopted::Yes, ..SyncPolicy::default() };
    assert_eq!(World::new(lines).asked(&adopting, Request::to_delete()).steps.len(), 3);
}

#[test]
fn what_existed_before_us_goes_with_its_application_only_when_a_person_named_it() {
    let lines = "v1 ConfigMap shop/a | synced\nv1 Secret shop/found | synced adopted";
    for (objects, steps) in [(&[][..], 1), (&["*"], 1), (&["Secret/shop/other"], 1), (&["Secret/shop/found"], 2)] {
        let objects = objects.iter().map(|text| text.parse().unwrap());
        let request = Request::to_delete().confirmed(Confirmation::of("ann", Timestamp::EPOCH, objects));
        let plan = deletion(lines, request);
        assert_eq!((plan.steps.len(), plan.confirmed.len()), (steps, steps - 1), "{plan}");
    }
}

#[test]
fn an_object_that_was_never_created_holds_no_deletion_back() {
    let lines =
        "v1 ConfigMap shop/a | synced\nv1 ConfigMap shop/bad | held\nexample.org/v1 Widget shop/w | unknown-kind";
    let plan = deletion(lines, Request::to_delete());
    assert_eq!((plan.steps.len(), plan.problems.len()), (1, 0), "{plan}");
}

#[test]
fn an_object_whose_kind_is_not_served_holds_a_deletion_back_until_it_is_named() {
    let mut world = World::new("v1 ConfigMap shop/a | synced\nexample.org/v1 Widget shop/w | unknown-kind");
    let key = ResourceKey::new("example.org", "Widget", "shop", "w");
    world.inventory.entries.insert(key, Entry::held(Standing::Created, "u", "v1", 0));
    let of = |objects: &[&str]| {
        let objects = objects.iter().map(|text| text.parse().unwrap());
        let request = Request::to_delete().confirmed(Confirmation::of("ann", Timestamp::EPOCH, objects));
        world.asked(&SyncPolicy::default(), request)
    };
    let why = "example.org/Widget shop/w: nothing is deleted: its kind is not served now, so that nobody knows whether \
        it is there; see to it that the kind is served; if it is gone for good, name it \
        (`--confirm=Widget.example.org/shop/w`)";
    for objects in [&[][..], &["*"], &["Widget.example.org/shop/other"]] {
        let plan = of(objects);
        assert!(plan.is_empty() && plan.to_string().contains(why), "{objects:?}: {plan}");
    }
    let plan = of(&["Widget.example.org/shop/w"]);
    assert_eq!(plan.steps.len(), 1, "{plan}");
    assert!(plan.to_string().contains("Widget shop/w: its kind is not served now"), "it is told all the same: {plan}");
}

#[test]
fn an_object_whose_annotations_cannot_be_read_holds_a_deletion_back() {
    let lines = "v1 ConfigMap shop/a | synced\nv1 ConfigMap shop/b options=Delete=maybe | extra";
    let plan = deletion(lines, yes());
    let why = "ConfigMap shop/b: nothing is deleted: its annotations cannot be read";
    assert!(plan.is_empty() && plan.to_string().contains(why), "{plan}");
}

#[test]
fn a_deletion_that_waits_for_a_yes_counts_what_else_dies_and_not_what_it_deletes_itself() {
    let lines = "v1 Namespace shop | synced\nv1 ConfigMap shop/a | synced";
    let mut request = Request::to_delete();
    let key = |name| ResourceKey::new("", "ConfigMap", "shop", name);
    request.contents.insert(ResourceKey::new("", "Namespace", None, "shop"), [key("a"), key("other")].into());
    let text = deletion(lines, request).to_string();
    assert!(text.contains("1 object that is not in this plan dies with it: `ConfigMap shop/other`"), "{text}");
}
