use super::*;
use crate::path::{FieldPath, Segment};
use crate::plan::Intent;
use crate::resource::{Resource, ResourceKey};
use crate::state::{Leaving, Live, Owner, Standing};
use crate::value::{Draft, ValueRef};

/// A ledger as the first version stored it: entries knew no fields and no answers, records no hooks ahead.
const FIRST: &str = r#"{"version":1,"inventory":[{"group":"apps","kind":"Deployment","namespace":"shop","name":"web",
    "entry":{"standing":"created","uid":"u","wave":-1,"version":"v1"}}],
    "running":{"version":"v1","operation":"0123456789abcdef",
    "plan":"0000000000000000000000000000000000000000000000000000000000000000","revisions":[],"initiator":"Ann",
    "started":"2026-03-01T12:00:00Z","attempt":1,"hooks":[]},"history":[],"hooks":[]}"#;

fn key() -> ResourceKey {
    Ledger::key(&Owner::new("", "shop").unwrap(), "gitops-system")
}

fn stored(text: &str) -> Resource {
    let mut object = Draft::map();
    object.set("apiVersion", "v1");
    object.set("kind", "ConfigMap");
    let metadata = object.entry("metadata");
    metadata.set("name", &*key().name);
    metadata.set("namespace", "gitops-system");
    metadata.set("uid", "1");
    metadata.set("resourceVersion", "7");
    metadata.entry("labels").set("app.kubernetes.io/managed-by", "gitops.rs");
    object.entry("data").set("ledger", text);
    Resource::new(object.freeze()).unwrap()
}

/// The text that a ledger is stored as.
fn text(ledger: &Ledger) -> String {
    let write = ledger.write(&key()).unwrap();
    let crate::cluster::Verb::Replace { object, .. } = write.verb else { panic!("a stored ledger is replaced") };
    let path = FieldPath::fields(&["data"]).join(Segment::field("ledger"));
    path.find(object.tree()).and_then(ValueRef::as_str).unwrap().to_owned()
}

#[test]
fn a_ledger_of_the_first_version_is_read_whole_and_written_as_one_that_it_refuses() {
    let (ledger, problem) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    assert!(problem.is_none(), "{problem:?}");
    let entry = ledger.inventory.get(&ResourceKey::new("apps", "Deployment", "shop", "web")).unwrap();
    assert_eq!((&entry.standing, entry.uid.as_deref(), entry.wave), (&Standing::Created, Some("u"), -1));
    assert!(entry.fields.is_none() && entry.settled.is_none() && ledger.running.is_some());

    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":2,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
}

#[test]
fn while_an_application_is_deleted_its_ledger_is_one_that_a_program_without_deletions_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let Some(Record::V1(running)) = &mut ledger.running else { panic!("it runs") };
    running.intent = Intent::Delete;
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":3,"#), "{written}");
    assert!(written.contains(r#""intent":"delete""#), "a record of the second version has no such field: {written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");

    let Some(Record::V1(running)) = &mut ledger.running else { panic!("it runs") };
    running.intent = Intent::Orphan;
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":6,"#), "nor one that would delete what is to stay: {written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");

    for intent in [Intent::Adopt, Intent::Release] {
        let Some(Record::V1(running)) = &mut ledger.running else { panic!("it runs") };
        running.intent = intent;
        let written = text(&ledger);
        assert!(written.starts_with(r#"{"version":13,"#), "nor one that would sync all of it: {written}");
        let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
        assert!(problem.is_none() && again == ledger, "{problem:?}");
    }

    ledger.running = None;
    assert!(text(&ledger).starts_with(r#"{"version":2,"#), "whoever could go on is not shut out");
}

#[test]
fn while_an_object_is_half_recreated_its_ledger_is_one_that_a_program_which_would_leave_it_so_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let Some(Record::V1(running)) = &mut ledger.running else { panic!("it runs") };
    running.recreating = [ResourceKey::new("apps", "Deployment", "shop", "web")].into();
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":10,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
    let newer = written.replacen("10", "99", 1);
    assert!(Ledger::read(&key(), Live::Present(&stored(&newer))).is_err(), "{newer}");
}

#[test]
fn while_objects_are_about_to_leave_the_ledger_is_one_that_a_program_which_would_take_it_for_damaged_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let web = ResourceKey::new("apps", "Deployment", "shop", "web");
    for (leaving, told) in [(Leaving::Deleting, "deleting"), (Leaving::Releasing, "releasing")] {
        ledger.inventory.leave(&web, Some(leaving));
        let written = text(&ledger);
        assert!(written.starts_with(r#"{"version":11,"#), "{written}");
        assert!(written.contains(&format!(r#""standing":"created","leaving":"{told}""#)), "{written}");
        let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
        assert!(problem.is_none() && again == ledger, "{problem:?}");
        let newer = written.replacen("11", "99", 1);
        assert!(Ledger::read(&key(), Live::Present(&stored(&newer))).is_err(), "{newer}");
    }
    ledger.inventory.leave(&web, None);
    assert!(text(&ledger).starts_with(r#"{"version":2,"#), "whoever could go on is not shut out");
}

#[test]
fn while_a_rollback_holds_the_ledger_is_one_that_a_program_without_rollbacks_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let revision = crate::source::RevisionId::new;
    ledger.hold = Some(Hold::new(&revision("good"), &revision("bad"), "Ann", Timestamp::EPOCH));
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":4,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");

    ledger.hold = None;
    assert!(text(&ledger).starts_with(r#"{"version":2,"#), "whoever could go on is not shut out");
}

#[test]
fn a_ledger_with_entries_rebuilt_from_tracking_ids_is_one_that_a_program_without_them_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    ledger.running = None;
    for entry in ledger.inventory.entries.values_mut() {
        entry.standing = Standing::Rebuilt;
    }
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":5,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
}

#[test]
fn while_an_operation_on_a_part_runs_the_ledger_is_one_that_a_program_without_parts_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let Some(Record::V1(running)) = &mut ledger.running else { panic!("it runs") };
    running.part = Some(Part { asked: running.plan, partial: true });
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":8,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
    assert!(ledger.running.as_ref().is_some_and(Record::is_partial));

    ledger.running = None;
    assert!(text(&ledger).starts_with(r#"{"version":2,"#), "whoever could go on is not shut out");
}

#[test]
fn what_a_newer_program_stored_is_refused_and_what_nobody_stored_so_is_damaged() {
    let of = |text: &str| Ledger::read(&key(), Live::Present(&stored(text)));
    assert!(of(&FIRST.replacen("\"version\":1", "\"version\":99", 1)).is_err());
    // A record that says more than is known here belongs to somebody who knows more.
    assert!(of(&FIRST.replace("\"attempt\":1", "\"attempt\":1,\"later\":{}")).is_err());
    for unknown in [
        FIRST.replace("\"history\":[]", "\"history\":[],\"later\":[]"),
        FIRST.replace("\"wave\":-1", "\"wave\":-1,\"later\":1"),
    ] {
        let (ledger, problem) = of(&unknown).unwrap();
        assert!(problem.is_some() && ledger.inventory.is_empty(), "nothing is dropped in silence");
    }
}

#[test]
fn a_long_ledger_is_packed_and_an_older_program_refuses_it() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    for at in 0..2_000 {
        let key = ResourceKey::new("", "ConfigMap", "shop", &format!("settings-{at}"));
        let uid = format!("{at:08}-0000-4000-8000-000000000000");
        ledger.inventory.entries.insert(key, crate::state::Entry::held(Standing::Created, &uid, "v1", 0));
    }
    let write = ledger.write(&key()).unwrap();
    let crate::cluster::Verb::Replace { object, .. } = write.verb else { panic!("a stored ledger is replaced") };
    assert_eq!(text(&ledger), r#"{"version":9}"#);
    assert!(object.tree().to_json().len() < 100_000, "{}", object.tree().to_json().len());
    let at = |object: Resource| {
        object.edit(|draft| {
            let metadata = draft.entry("metadata");
            metadata.set("uid", "1");
            metadata.set("resourceVersion", "7");
        })
    };
    let object = at(object).unwrap();
    let (again, problem) = Ledger::read(&key(), Live::Present(&object)).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
    assert!(ledger.is_stored_in(&object));

    // Damage is a loss, and never an empty ledger that prunes.
    for damage in ["", "AAAA", "not base64"] {
        let damaged = object.edit(|draft| draft.entry("binaryData").set("ledger.z", damage)).unwrap();
        let (lost, problem) = Ledger::read(&key(), Live::Present(&damaged)).unwrap();
        assert!(problem.is_some() && lost.is_stored(), "{damage}");
        assert_eq!(lost.inventory.trust, crate::state::Trust::Lost, "{damage}");
    }
}

#[test]
fn while_something_that_was_asked_for_is_not_done_the_ledger_is_one_that_a_program_which_would_forget_it_refuses() {
    let (mut ledger, _) = Ledger::read(&key(), Live::Present(&stored(FIRST))).unwrap();
    let mut request = crate::plan::Request::to_delete();
    request.within = Some(Arc::new([key()].into()));
    request.hooks = crate::plan::HookRun::Never;
    let request = request.confirmed(crate::plan::Confirmation::of_all("Ben", Timestamp::EPOCH));
    ledger.requested = Some(Requested::new("Ann", Timestamp::EPOCH, &request));
    let written = text(&ledger);
    assert!(written.starts_with(r#"{"version":12,"#), "{written}");
    let (again, problem) = Ledger::read(&key(), Live::Present(&stored(&written))).unwrap();
    assert!(problem.is_none() && again == ledger, "{problem:?}");
    assert_eq!(again.requested.unwrap().request(), request);
}
