//! What every source must keep.

use std::fmt;
use std::sync::Arc;

use crate::source::{
    ContentId, Entry, Folder, IgnoreFiles, Paths, RevisionId, Snapshot, Source, SourceFailure, Target,
};

use super::{BrokenPromises, Check, Verdict, begun, expect, run};

/// How to set up a source.
pub trait SourceFixture: fmt::Debug + Send + Sync {
    /// Returns the source under test. It holds nothing but what [`SourceFixture::commit`] made.
    fn source(&self) -> &dyn Source;

    /// Commits to the branch `main`: each file gets this text, or goes away. Returns the full id of the commit.
    fn commit(&self, message: &str, files: &[(&str, Option<&str>)]) -> RevisionId;
}

/// Runs all checks of a source.
///
/// # Errors
/// With every promise that is broken.
pub async fn source(fixture: &dyn SourceFixture) -> Result<(), BrokenPromises> {
    let [ruled, otherwise, without] = rules(fixture);
    let first = fixture
        .commit("first", &[("a/x.yaml", Some("a: 1\n")), ("b/y.yaml", Some("b: 1\n")), ("notes.txt", Some("n"))]);
    let second = fixture.commit("second", &[("a/x.yaml", Some("a: 2\n")), ("a/deep/z.json", Some("{}"))]);
    let third = fixture.commit("third\n\nwith a body", &[("b/y.yaml", None), ("b/w.yaml", Some("b: 1\n"))]);
    let port = fixture.source();
    let [first, second, third] = [&first, &second, &third];
    let checks: Vec<(&'static str, Check<'_>)> = vec![
        ("a branch resolves to its last commit", Box::pin(resolves(port, "main", third))),
        ("`HEAD` resolves to the last commit", Box::pin(resolves(port, "HEAD", third))),
        ("`HEAD~n` resolves to the n-th commit before it", Box::pin(resolves(port, "HEAD~2", first))),
        ("a full revision id resolves to itself", Box::pin(resolves(port, second.as_str(), second))),
        ("a revision keeps the target it was resolved from, and its commit", Box::pin(tells(port, third))),
        ("an unknown target is an error that says so", Box::pin(unknown_target(port))),
        ("an unknown path is an error that says so", Box::pin(unknown_path(port, third))),
        ("a snapshot lists exactly the wanted files", Box::pin(lists(port, first, second, third))),
        ("an old snapshot stays what it was", Box::pin(stays(port, first))),
        ("equal content ids give equal bytes, others do not", Box::pin(contents(port, first, third))),
        ("equal folder ids hold equal entries", Box::pin(folders(port, first, second))),
        ("folders equal to known ones share their storage", Box::pin(shares(port, first, second))),
        ("what is known of other paths is no substitute for reading", Box::pin(other_paths(port, third))),
        ("what `.sourceignore` keeps out is left out", Box::pin(ignores(port, &ruled, &otherwise))),
        ("`read` answers in order, one result for each id", Box::pin(reads(port, second))),
        ("a future that is dropped leaves the source usable", Box::pin(dropped(port, third))),
        ("the log lists what changed the wanted files, newest first", Box::pin(log(port, [first, second, third]))),
        (
            "a revision names those it was made from",
            Box::pin(parents(port, [third, second, first, &without, &otherwise, &ruled])),
        ),
        ("blame names the commit that wrote a line", Box::pin(blame(port, [first, second, third]))),
    ];
    run(checks).await
}

async fn snapshot(
    port: &dyn Source,
    id: &RevisionId,
    paths: &Paths,
    known: Option<&Snapshot>,
) -> Result<Snapshot, String> {
    port.snapshot(id, paths, known).await.map_err(|error| format!("snapshot of `{id}`: {error}"))
}

fn under(root: &str) -> Result<Paths, String> {
    Paths::under([root]).map_err(|error| error.to_string())
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.files().into_iter().map(|file| file.path.to_string()).collect()
}

fn id_of(snapshot: &Snapshot, path: &str) -> Result<ContentId, String> {
    let file = snapshot.files().into_iter().find(|file| &*file.path == path);
    file.map(|file| file.id).ok_or_else(|| format!("`{path}` is missing"))
}

fn folder<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s Arc<Folder>, String> {
    match snapshot.root.entries.get(name) {
        Some(Entry::Folder(folder)) => Ok(folder),
        other => Err(format!("`{name}` should be a folder, not {other:?}")),
    }
}

async fn resolves(port: &dyn Source, target: &str, expected: &RevisionId) -> Verdict {
    let found = port.resolve(&Target::new(target)).await.map_err(|error| error.to_string())?;
    expect(&format!("`{expected}`"), found.id, |id| id == expected)
}

async fn tells(port: &dyn Source, third: &RevisionId) -> Verdict {
    let found = port.resolve(&Target::new("main")).await.map_err(|error| error.to_string())?;
    expect("the target `main`", found.target.as_str(), |target| *target == "main")?;
    expect("the id of the last commit", &found.id, |id| *id == third)?;
    // A source without history knows no commits.
    match (port.history(), &found.commit) {
        (Some(_), Some(commit)) => {
            expect("the subject `third`", commit.subject(), |subject| *subject == "third")?;
            expect("the whole message", &*commit.message, |message| *message == "third\n\nwith a body")
        }
        (Some(_), None) => Err("a source with history must name the commit".to_owned()),
        (None, _) => Ok(()),
    }
}

async fn unknown_target(port: &dyn Source) -> Verdict {
    let found = port.resolve(&Target::new("no-such-branch")).await.map_err(|error| error.failure);
    let is = |found: &Result<_, SourceFailure>| matches!(found, Err(SourceFailure::UnknownRevision { target, .. }) if &**target == "no-such-branch");
    expect("`UnknownRevision` with the target", found, is)
}

async fn unknown_path(port: &dyn Source, id: &RevisionId) -> Verdict {
    let found = port.snapshot(id, &under("no/such/folder")?, None).await.map_err(|error| error.failure);
    let is = |found: &Result<_, SourceFailure>| matches!(found, Err(SourceFailure::UnknownPath { path, .. }) if &**path == "no/such/folder");
    expect("`UnknownPath` with the path", found, is)
}

async fn lists(port: &dyn Source, first: &RevisionId, second: &RevisionId, third: &RevisionId) -> Verdict {
    let all = Paths::default();
    for (about, id, paths, expected) in [
        ("first", first, all.clone(), vec!["a/x.yaml", "b/y.yaml"]),
        ("second", second, all.clone(), vec!["a/deep/z.json", "a/x.yaml", "b/y.yaml"]),
        ("third", third, all, vec!["a/deep/z.json", "a/x.yaml", "b/w.yaml"]),
        ("a folder", third, under("a")?, vec!["a/deep/z.json", "a/x.yaml"]),
        ("one file", third, under("a/x.yaml")?, vec!["a/x.yaml"]),
    ] {
        let seen = snapshot(port, id, &paths, None).await?;
        expect(&format!("{expected:?} ({about})"), names(&seen), |names| *names == expected)?;
        expect("no problems", &seen.problems, |problems| problems.is_empty())?;
        expect("the revision asked for", &seen.revision, |revision| *revision == id)?;
    }
    Ok(())
}

async fn stays(port: &dyn Source, first: &RevisionId) -> Verdict {
    let (once, again) =
        (snapshot(port, first, &Paths::default(), None).await?, snapshot(port, first, &Paths::default(), None).await?);
    expect("the same files and ids", (once.files(), again.files()), |(once, again)| once == again)
}

async fn contents(port: &dyn Source, first: &RevisionId, third: &RevisionId) -> Verdict {
    let (old, new) =
        (snapshot(port, first, &Paths::default(), None).await?, snapshot(port, third, &Paths::default(), None).await?);
    let same = (id_of(&old, "b/y.yaml")?, id_of(&new, "b/w.yaml")?);
    expect("one id for one content", same, |(old, new)| old == new)?;
    let differs = (id_of(&old, "a/x.yaml")?, id_of(&new, "a/x.yaml")?);
    expect("two ids for two contents", &differs, |(old, new)| old != new)?;
    let bytes = read(port, &[differs.0, differs.1]).await?;
    expect("the bytes of both commits", bytes, |bytes| *bytes == ["a: 1\n", "a: 2\n"])
}

async fn read(port: &dyn Source, ids: &[ContentId]) -> Result<Vec<String>, String> {
    let found = port.read(ids).await.map_err(|error| error.to_string())?;
    let text = |bytes: Result<Arc<[u8]>, _>| match bytes {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("error: {error}"),
    };
    Ok(found.into_iter().map(text).collect())
}

async fn folders(port: &dyn Source, first: &RevisionId, second: &RevisionId) -> Verdict {
    let (old, new) =
        (snapshot(port, first, &Paths::default(), None).await?, snapshot(port, second, &Paths::default(), None).await?);
    for (name, equal) in [("a", false), ("b", true)] {
        let (old, new) = (folder(&old, name)?, folder(&new, name)?);
        if old.id.is_some() {
            let what = format!("the ids of `{name}` to {}", if equal { "be equal" } else { "differ" });
            expect(&what, (&old.id, &new.id), |(old, new)| (old == new) == equal)?;
        }
    }
    Ok(())
}

async fn shares(port: &dyn Source, first: &RevisionId, second: &RevisionId) -> Verdict {
    let old = snapshot(port, first, &Paths::default(), None).await?;
    let new = snapshot(port, second, &Paths::default(), Some(&old)).await?;
    expect(
        "one allocation for `b`",
        (),
        |()| matches!((folder(&old, "b"), folder(&new, "b")), (Ok(old), Ok(new)) if Arc::ptr_eq(old, new)),
    )?;
    let fresh = snapshot(port, second, &Paths::default(), None).await?;
    expect("the files of a fresh read", (new.files(), fresh.files()), |(new, fresh)| new == fresh)
}

async fn other_paths(port: &dyn Source, third: &RevisionId) -> Verdict {
    let narrow = snapshot(port, third, &Paths::default().with_include("**/x.yaml"), None).await?;
    let wide = snapshot(port, third, &Paths::default(), Some(&narrow)).await?;
    expect("all files", names(&wide), |names| names.len() == 3)
}

/// Commits files that no manifest is, with two sets of rules for them, and removes them again.
fn rules(fixture: &dyn SourceFixture) -> [RevisionId; 3] {
    let files = ["drop.txt", "b/c.txt", "a/drop.txt", "a/keep.txt", "a/.sourceignore", ".sourceignore"];
    let text = |file: &str| match file {
        "a/.sourceignore" => "!drop.txt\n",
        ".sourceignore" => "drop.txt\n/b/\n",
        _ => "text\n",
    };
    let ruled = fixture.commit("ruled", &files.map(|file| (file, Some(text(file)))));
    let otherwise = fixture.commit("ruled otherwise", &[(".sourceignore", Some("keep.txt\n"))]);
    let without = fixture.commit("without rules", &files.map(|file| (file, None)));
    [ruled, otherwise, without]
}

async fn ignores(port: &dyn Source, ruled: &RevisionId, otherwise: &RevisionId) -> Verdict {
    let all = Paths::default().with_include("**/*.txt");
    let paths = all.clone().with_ignore_files(IgnoreFiles::SourceIgnore);
    let first = snapshot(port, ruled, &paths, None).await?;
    expect("what the outer file keeps out and the inner one does not want again", names(&first), |names| {
        *names == ["a/drop.txt", "a/keep.txt"]
    })?;
    let second = snapshot(port, otherwise, &paths, Some(&first)).await?;
    expect("other rules, for the same files", names(&second), |names| *names == ["a/drop.txt", "b/c.txt", "drop.txt"])?;
    let every = snapshot(port, otherwise, &all, Some(&second)).await?;
    expect("all files for who does not ask for rules", names(&every), |names| names.len() == 4)
}

async fn reads(port: &dyn Source, second: &RevisionId) -> Verdict {
    let seen = snapshot(port, second, &Paths::default(), None).await?;
    let (x, z) = (id_of(&seen, "a/x.yaml")?, id_of(&seen, "a/deep/z.json")?);
    let missing = ContentId::new("0000000000000000000000000000000000000000");
    let found = read(port, &[z.clone(), missing, x.clone(), z]).await?;
    let is = |found: &Vec<String>| matches!(found.as_slice(), [a, b, c, d] if a == "{}" && b.starts_with("error: ") && c == "a: 2\n" && d == "{}");
    expect("`{}`, an error, `a: 2`, `{}`", found, is)?;
    expect("nothing for nothing", read(port, &[]).await?, |found| found.is_empty())
}

async fn dropped(port: &dyn Source, third: &RevisionId) -> Verdict {
    begun(port.resolve(&Target::new("main")));
    begun(port.snapshot(third, &Paths::default(), None));
    begun(port.read(&[]));
    resolves(port, "main", third).await
}

async fn log(port: &dyn Source, [first, second, third]: [&RevisionId; 3]) -> Verdict {
    let Some(history) = port.history() else { return Ok(()) };
    for (about, root, limit, expected) in [
        ("all", ".", 10, vec![third, second, first]),
        ("two", ".", 2, vec![third, second]),
        ("a folder", "a", 10, vec![second, first]),
        ("another", "b", 10, vec![third, first]),
    ] {
        let found = history.log(third, &under(root)?, limit).await.map_err(|error| error.to_string())?;
        let ids: Vec<&RevisionId> = found.iter().map(|revision| &revision.id).collect();
        expect(&format!("{expected:?} ({about})"), ids, |ids| *ids == expected)?;
    }
    Ok(())
}

/// `line` is the whole history, newest first.
async fn parents(port: &dyn Source, line: [&RevisionId; 6]) -> Verdict {
    let Some(history) = port.history() else { return Ok(()) };
    for (of, expected) in line.iter().enumerate().map(|(at, of)| (of, line.get(at + 1))) {
        let found = history.parents(of).await.map_err(|error| error.to_string())?;
        expect(&format!("{expected:?} before `{of}`"), found, |found| found.iter().eq(expected.copied()))?;
    }
    let found = history.parents(&RevisionId::new("0000000000000000000000000000000000000000")).await;
    expect("`UnknownRevision` for one that is not there", found.map_err(|error| error.failure), |found| {
        matches!(found, Err(SourceFailure::UnknownRevision { .. }))
    })
}

async fn blame(port: &dyn Source, [first, second, third]: [&RevisionId; 3]) -> Verdict {
    let Some(history) = port.history() else { return Ok(()) };
    // The last one is a file under another name: who follows renames finds the first revision.
    for (at, file, expected) in
        [(third, "a/x.yaml", vec![second]), (first, "a/x.yaml", vec![first]), (third, "b/w.yaml", vec![third, first])]
    {
        let found = history.blame(at, file, 1).await.map_err(|error| error.to_string())?;
        expect(&format!("{expected:?} for `{file}` at `{at}`"), found.id, |id| expected.contains(&id))?;
    }
    let found = history.blame(third, "a/x.yaml", 99).await.map_err(|error| error.failure);
    expect("`UnknownPath` for a line that is not there", found, |found| {
        matches!(found, Err(SourceFailure::UnknownPath { .. }))
    })
}
