//! The rules of the house that a compiler does not check.

#![expect(clippy::disallowed_methods, reason = "reads the sources of the workspace")]
#![expect(clippy::unwrap_used, reason = "a source file that cannot be read must stop the run")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn a_module_uses_only_the_modules_above_it() {
    let order = module_order();
    let mut wrong = Vec::new();
    for (file, text) in sources("gitops-core/src") {
        let module = file.trim_start_matches("gitops-core/src/").split('/').next().unwrap().trim_end_matches(".rs");
        let Some(place) = order.iter().position(|name| name == module) else { continue };
        for (line, used) in uses(&text) {
            let above = order.iter().position(|name| *name == used).is_none_or(|other| other <= place);
            if !above {
                wrong.push(format!("{file}:{line}: `{module}` uses `{used}`, which stands below it in lib.rs"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_module_is_named_for_the_concept_it_owns() {
    let vague = ["utils", "util", "helpers", "helper", "common", "types", "manager", "misc"];
    let wrong: Vec<String> = files("", &["rs"])
        .into_iter()
        .filter(|file| {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let folder = file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            vague.contains(&stem.as_str()) || folder.is_some_and(|folder| vague.contains(&folder.as_str()))
        })
        .map(|file| named(&file))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_half_done() {
    let marks = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let found = lines_with(&["rs"], |line| marks.iter().any(|mark| line.contains(mark)));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_lint_is_never_silenced_without_a_reason() {
    let mut found = Vec::new();
    for (file, text) in sources("") {
        for (at, _) in text.match_indices("[allow(") {
            let (before, attribute) = text.split_at(at);
            let (line, attribute) = (before.lines().count(), attribute.split(")]").next().unwrap_or(""));
            let is_attribute = before.ends_with(['#', '!']);
            if is_attribute && !attribute.contains("reason") {
                found.push(format!("{file}:{line}: {attribute})]"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_path_of_a_machine_is_written_anywhere() {
    let roots = ["work", "root", "home", "farm", "Users"].map(|name| format!("/{name}/"));
    let found = lines_with(&["rs", "md", "toml", "sh", "run"], |line| roots.iter().any(|root| line.contains(root)));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The modules of the core in reading order, from `lib.rs`.
fn module_order() -> Vec<String> {
    let tour = fs::read_to_string(root().join("gitops-core/src/lib.rs")).unwrap();
    let names = tour.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let order: Vec<String> = names.map(str::to_owned).collect();
    assert!(order.len() > 10, "no modules found in lib.rs");
    order
}

/// The lines of a file that name another module of the crate. Comments and unit tests may look anywhere.
fn uses(text: &str) -> Vec<(usize, &str)> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let mut found = Vec::new();
    for (line, code) in (1..).zip(code.lines()).filter(|(_, code)| !code.trim_start().starts_with("//")) {
        for (at, mark) in code.match_indices("crate::") {
            let rest = &code[at + mark.len()..];
            assert!(!rest.starts_with('{'), "line {line}: write one `use crate::module` for each module");
            let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_').unwrap_or(rest.len());
            found.push((line, &rest[..end]));
        }
    }
    found
}

fn lines_with(endings: &[&str], is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files("", endings) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| is_wrong(line)) {
            found.push(format!("{}:{number}: {}", named(&file), line.trim()));
        }
    }
    found
}

fn sources(below: &str) -> Vec<(String, String)> {
    files(below, &["rs"]).into_iter().map(|file| (named(&file), fs::read_to_string(&file).unwrap())).collect()
}

/// The files of the workspace with one of these endings, in order; build output and Git's own are left out.
fn files(below: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut folders = vec![root().join(below)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() && !["target", ".git", "corpus", "artifacts"].contains(&&*name) {
                folders.push(path);
            } else if path.is_file() && endings.iter().any(|end| name == *end || name.ends_with(&format!(".{end}"))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn named(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
