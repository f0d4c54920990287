//! What every cluster must keep when it writes.

use crate::cluster::{Failure, Force, Guard, PatchStep, Write, WriteOutcome, Written};
use crate::path::FieldPath;
use crate::resource::{Propagation, Resource};
use crate::value::Value;

use super::cluster::{ME, World, datum};
use super::{Verdict, expect};

/// What came of a write, in short.
fn short(written: Result<Written, Failure>) -> Result<WriteOutcome, Failure> {
    written.map(|written| written.outcome)
}

pub(super) async fn guards(w: &World<'_>) -> Verdict {
    let created = w.apply(&w.map("guards", &[("a", "1")])?).await?;
    let key = created.key().clone();
    let changed = w.apply(&w.map("guards", &[("a", "2")])?).await?;
    let wanted = w.map("guards", &[("a", "3")])?;
    let uid = |object: &Resource| object.uid().unwrap_or_default().to_owned();
    let data = FieldPath::fields(&["data", "a"]);
    for (about, guard) in [
        ("another uid", Guard::same("00000000-0000-0000-0000-000000000000")),
        ("an old version", Guard::exactly(&created)),
    ] {
        for write in [
            Write::apply(&wanted, ME, Force::Yes),
            Write::replace(&wanted, ME),
            Write::patch(&key, "v1", vec![PatchStep::Set(data.clone(), Value::from("3"))], ME),
            Write::delete(&key, "v1", Propagation::Background),
        ] {
            let verb = format!("{:?}", write.verb).split([' ', '{']).next().unwrap_or_default().to_owned();
            let outcome = short(w.try_write(&write.guarded(guard.clone())).await);
            expect(&format!("`Stale` ({verb}, {about})"), outcome, |outcome| *outcome == Err(Failure::Stale))?;
            let live = w.live(&key).await?;
            expect(&format!("no change ({verb}, {about})"), live, |live| live.as_ref() == Some(&changed))?;
        }
    }
    for (guard, value) in [(Guard::same(&uid(&changed)), "4"), (Guard::None, "5")] {
        let write = Write::apply(&w.map("guards", &[("a", value)])?, ME, Force::Yes).guarded(guard);
        expect("a matching guard to let it pass", short(w.try_write(&write).await), |outcome| {
            *outcome == Ok(WriteOutcome::Changed)
        })?;
    }
    w.delete(&key).await?;
    let write = Write::apply(&wanted, ME, Force::Yes).guarded(Guard::same(&uid(&changed)));
    let outcome = short(w.try_write(&write).await);
    expect("`Stale` or `NotFound` once it is gone", outcome, |outcome| {
        matches!(outcome, Err(Failure::Stale | Failure::NotFound))
    })?;
    expect("nothing to be created", w.live(&key).await?, Option::is_none)
}

/// Rule 27 of the exact rules.
pub(super) async fn create_only(w: &World<'_>) -> Verdict {
    let map = w.map("create-only", &[("a", "1")])?;
    let write = Write::apply(&map, ME, Force::Yes).guarded(Guard::Absent);
    expect("`Created`", short(w.try_write(&write).await), |outcome| *outcome == Ok(WriteOutcome::Created))?;
    let before = w.live(map.key()).await?;
    let other = w.map("create-only", &[("b", "2")])?;
    let write = Write::apply(&other, "contract-other", Force::Yes).guarded(Guard::Absent);
    let outcome = short(w.try_write(&write).await);
    expect("`AlreadyExists`", outcome, |outcome| *outcome == Err(Failure::AlreadyExists))?;
    expect("no change", (w.live(map.key()).await?, before), |(after, before)| after == before)?;
    w.delete(map.key()).await
}

pub(super) async fn guarded_delete(w: &World<'_>) -> Verdict {
    let map = w.map("deleted", &[("a", "1")])?;
    let first = w.apply(&map).await?;
    w.delete(map.key()).await?;
    let second = w.apply(&map).await?;
    let delete = |guard: Guard| Write::delete(map.key(), "v1", Propagation::Background).guarded(guard);
    let outcome = short(w.try_write(&delete(Guard::exactly(&first))).await);
    expect("`Stale` for the one before", outcome, |outcome| *outcome == Err(Failure::Stale))?;
    let outcome = short(w.try_write(&delete(Guard::exactly(&second))).await);
    expect("`Gone` for this one", outcome, |outcome| *outcome == Ok(WriteOutcome::Gone))
}

pub(super) async fn twice(w: &World<'_>) -> Verdict {
    let map = w.map("twice", &[("a", "1")])?;
    let write = Write::apply(&map, ME, Force::No);
    expect("`Created`", w.write(&write).await?.outcome, |outcome| *outcome == WriteOutcome::Created)?;
    let before = w.live(map.key()).await?;
    expect("`Unchanged`", w.write(&write).await?.outcome, |outcome| *outcome == WriteOutcome::Unchanged)?;
    expect("the same version", (w.live(map.key()).await?, before), |(after, before)| after == before)?;
    w.delete(map.key()).await
}

pub(super) async fn create_twice(w: &World<'_>) -> Verdict {
    let map = w.map("created", &[("a", "1")])?;
    let outcome = w.write(&Write::create(&map, ME)).await?.outcome;
    expect("`Created`", outcome, |outcome| *outcome == WriteOutcome::Created)?;
    let again = short(w.try_write(&Write::create(&map, ME)).await);
    expect("`AlreadyExists`", again, |again| *again == Err(Failure::AlreadyExists))?;
    w.delete(map.key()).await
}

pub(super) async fn conflict(w: &World<'_>) -> Verdict {
    let map = w.map("conflict", &[("a", "1")])?;
    w.apply(&map).await?;
    let theirs = w.map("conflict", &[("a", "2")])?;
    let outcome = short(w.try_write(&Write::apply(&theirs, "contract-other", Force::No)).await);
    let named = |outcome: &Result<WriteOutcome, Failure>| match outcome {
        Err(Failure::FieldConflict { conflicts }) => conflicts
            .iter()
            .any(|conflict| &*conflict.manager == ME && conflict.field == FieldPath::fields(&["data", "a"])),
        _ => false,
    };
    expect("a conflict over `data.a` with `contract`", outcome, named)?;
    let live = w.live(map.key()).await?;
    expect("no change", live.as_ref().and_then(|live| datum(live, "a")), |value| *value == Some("1"))?;
    let outcome = short(w.try_write(&Write::apply(&theirs, "contract-other", Force::Yes)).await);
    expect("force to take the field", outcome, |outcome| *outcome == Ok(WriteOutcome::Changed))?;
    w.delete(map.key()).await
}

pub(super) async fn dry_run(w: &World<'_>) -> Verdict {
    let map = w.map("dry-run", &[("a", "1")])?;
    let written = w.write(&Write::apply(&map, ME, Force::No).dry_run()).await?;
    expect("`Created`", written.outcome, |outcome| *outcome == WriteOutcome::Created)?;
    expect("nothing to be there", w.live(map.key()).await?, Option::is_none)?;
    w.apply(&map).await?;
    let before = w.live(map.key()).await?;
    let written = w.write(&Write::apply(&w.map("dry-run", &[("a", "2")])?, ME, Force::No).dry_run()).await?;
    expect("`Changed`", written.outcome, |outcome| *outcome == WriteOutcome::Changed)?;
    let value = written.object.as_ref().and_then(|object| datum(object, "a"));
    expect("the object as it would be", value, |value| *value == Some("2"))?;
    let same = w.write(&Write::apply(&map, ME, Force::No).dry_run()).await?;
    expect("`Unchanged`", same.outcome, |outcome| *outcome == WriteOutcome::Unchanged)?;
    w.write(&Write::delete(map.key(), "v1", Propagation::Background).dry_run()).await?;
    expect("no change", (w.live(map.key()).await?, before), |(after, before)| after == before)?;
    w.delete(map.key()).await
}

pub(super) async fn patch(w: &World<'_>) -> Verdict {
    let map = w.map("patched", &[("a", "1")])?;
    w.apply(&map).await?;
    let steps = vec![
        PatchStep::Set(FieldPath::fields(&["metadata", "annotations", "example.com/a.b"]), Value::from("x")),
        PatchStep::Set(FieldPath::fields(&["data", "b"]), Value::from("2")),
        PatchStep::Remove(FieldPath::fields(&["data", "a"])),
        PatchStep::Remove(FieldPath::fields(&["data", "never"])),
    ];
    w.write(&Write::patch(map.key(), "v1", steps, ME)).await?;
    let live = w.live(map.key()).await?.ok_or("the patched object is gone")?;
    let seen = (datum(&live, "a"), datum(&live, "b"), live.annotation("example.com/a.b"));
    expect("what the steps say", seen, |seen| *seen == (None, Some("2"), Some("x")))?;
    w.delete(map.key()).await
}

pub(super) async fn replace(w: &World<'_>) -> Verdict {
    let map = w.map("replaced", &[("a", "1"), ("b", "1")])?;
    w.apply(&map).await?;
    w.write(&Write::replace(&w.map("replaced", &[("b", "2")])?, ME)).await?;
    let live = w.live(map.key()).await?.ok_or("the replaced object is gone")?;
    expect("only the new data", (datum(&live, "a"), datum(&live, "b")), |data| *data == (None, Some("2")))?;
    w.delete(map.key()).await
}

pub(super) async fn finalizer(w: &World<'_>) -> Verdict {
    let map = w.map("held", &[("a", "1")])?;
    let held = map.edit(|draft| draft.entry("metadata").set("finalizers", vec!["contract.gitops.rs/hold".into()]));
    w.apply(&held.map_err(|error| error.to_string())?).await?;
    let delete = Write::delete(map.key(), "v1", Propagation::Background);
    let outcome = w.write(&delete).await?.outcome;
    expect("`Terminating`", outcome, |outcome| *outcome == WriteOutcome::Terminating)?;
    let live = w.live(map.key()).await?;
    expect("it to be terminating", live, |live| live.as_ref().is_some_and(Resource::is_terminating))?;
    let steps = vec![PatchStep::Remove(FieldPath::fields(&["metadata", "finalizers"]))];
    w.write(&Write::patch(map.key(), "v1", steps, ME)).await?;
    expect("it to be gone", w.live(map.key()).await?, Option::is_none)
}

pub(super) async fn missing(w: &World<'_>) -> Verdict {
    let map = w.map("missing", &[("a", "1")])?;
    let steps = vec![PatchStep::Set(FieldPath::fields(&["data", "a"]), Value::from("1"))];
    for write in [
        Write::replace(&map, ME),
        Write::patch(map.key(), "v1", steps, ME),
        Write::delete(map.key(), "v1", Propagation::Background),
    ] {
        let outcome = short(w.try_write(&write).await);
        expect("`NotFound`", outcome, |outcome| *outcome == Err(Failure::NotFound))?;
    }
    let nowhere = "contract-no-such-namespace";
    let moved =
        map.edit(|draft| draft.entry("metadata").set("namespace", nowhere)).map_err(|error| error.to_string())?;
    let outcome = short(w.try_write(&Write::apply(&moved, ME, Force::No)).await);
    expect("`NamespaceMissing`", outcome, |outcome| {
        *outcome == Err(Failure::NamespaceMissing { namespace: nowhere.into() })
    })?;
    let nothing = map.edit(|draft| {
        draft.set("apiVersion", "contract.gitops.rs/v1");
        draft.set("kind", "Nothing");
    });
    let nothing = nothing.map_err(|error| error.to_string())?;
    let outcome = short(w.try_write(&Write::apply(&nothing, ME, Force::No)).await);
    expect("`KindNotServed`", outcome, |outcome| *outcome == Err(Failure::KindNotServed))
}

pub(super) async fn invalid(w: &World<'_>) -> Verdict {
    let map = w.map("invalid", &[("a", "1")])?;
    let upper = map.edit(|draft| draft.entry("metadata").set("name", "Contract_Upper"));
    let outcome = short(w.try_write(&Write::apply(&upper.map_err(|error| error.to_string())?, ME, Force::No)).await);
    expect("`Invalid` for a bad name", outcome, |outcome| matches!(outcome, Err(Failure::Invalid { .. })))
}
