//! Which files of a source are wanted.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Which files of a source are wanted: folders or files, narrowed by globs.
///
/// Paths are relative to the root of the source, use `/`, and may not leave it. Globs are matched against the path
/// below the root it was found under: `*` stays within a folder, `**` does not, `{a,b}` and `[a-z]` work. Exclusion is
/// decided first.
///
/// Without an `include`, files ending in `.yaml`, `.yml` or `.json` are wanted. See [`Globs`] for how Argo CD has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Paths {
    /// Folders or files, sorted, in the form that [`Paths::under`] gives; the default is the whole source.
    #[serde(deserialize_with = "read_roots")]
    pub roots: Vec<Arc<str>>,
    /// Whether folders below the roots are read. Default: `Recurse::Yes`.
    pub recurse: Recurse,
    /// Files wanted; empty means every manifest.
    pub include: Vec<Arc<str>>,
    /// Files not wanted.
    pub exclude: Vec<Arc<str>>,
    /// How the globs are read. Default: `withinFolders`.
    #[serde(skip_serializing_if = "Globs::is_default")]
    pub globs: Globs,
    /// Whether what files of the source keep out is left out. Default: `notRead`.
    #[serde(skip_serializing_if = "IgnoreFiles::is_default")]
    pub ignore_files: IgnoreFiles,
}

/// Whether files of a source, which are not manifests, keep other files of it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum IgnoreFiles {
    /// They are not looked at, as Argo CD does not.
    #[default]
    NotRead,
    /// `.sourceignore` in any folder on the way, as Flux has it, and what Flux keeps out of every source: see
    /// [`Ignoring`](super::Ignoring). A file that is kept out is not wanted, whatever else wants it.
    SourceIgnore,
}

impl IgnoreFiles {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How the globs of [`Paths`] are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Globs {
    /// `*` and `?` stay within a folder. What is included may have any ending.
    #[default]
    WithinFolders,
    /// As Argo CD reads `directory.include` and `directory.exclude`: `*` and `?` also stand for `/`, and whatever is
    /// included, only files ending in `.yaml`, `.yml` or `.json` are wanted.
    AcrossFolders,
}

impl Globs {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether folders below the roots are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Recurse {
    /// Only files directly in a root.
    No,
    /// All levels.
    #[default]
    Yes,
}

/// A path or glob that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPaths {
    /// A root that is absolute or leaves the source.
    #[error("path `{0}` leaves the repository; give a path relative to its root, without `..`")]
    Outside(Arc<str>),
    /// A glob that matches nothing at all.
    #[error("glob `{0}` can match nothing: it is empty, or a bracket is not closed; write one such as `**/*.yaml`")]
    Glob(Arc<str>),
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            roots: vec!["".into()],
            recurse: Recurse::Yes,
            include: Vec::new(),
            exclude: Vec::new(),
            globs: Globs::default(),
            ignore_files: IgnoreFiles::default(),
        }
    }
}

impl Paths {
    /// Wants everything under `roots`. `.` and a trailing `/` are understood.
    ///
    /// # Errors
    /// When a root is absolute or has a `..`.
    pub fn under<'p>(roots: impl IntoIterator<Item = &'p str>) -> Result<Self, InvalidPaths> {
        Ok(Self { roots: normalise_all(roots)?, ..Self::default() })
    }

    /// Sets whether folders below the roots are read.
    #[must_use]
    pub fn with_recurse(self, recurse: Recurse) -> Self {
        Self { recurse, ..self }
    }

    /// Adds a glob of files wanted.
    #[must_use]
    pub fn with_include(mut self, glob: &str) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Adds a glob of files not wanted.
    #[must_use]
    pub fn with_exclude(mut self, glob: &str) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Sets how the globs are read.
    #[must_use]
    pub fn with_globs(self, globs: Globs) -> Self {
        Self { globs, ..self }
    }

    /// Sets whether files of the source may keep other files of it out.
    #[must_use]
    pub fn with_ignore_files(self, ignore_files: IgnoreFiles) -> Self {
        Self { ignore_files, ..self }
    }

    /// Returns whether every glob can match something. Globs that come from people are worth checking: one that is
    /// written wrong wants no file, or keeps none out.
    ///
    /// # Errors
    /// When a glob is empty, or a `[` or `{` in it is not closed.
    pub fn check(&self) -> Result<(), InvalidPaths> {
        let broken = self.include.iter().chain(&self.exclude).find(|glob| !is_closed(glob));
        broken.map_or(Ok(()), |glob| Err(InvalidPaths::Glob(Arc::clone(glob))))
    }

    /// Returns whether the file at `path` (from the root of the source) is wanted, as far as files of the source do not keep
    /// it out.
    #[must_use]
    pub fn wants(&self, path: &str) -> bool {
        self.roots.iter().any(|root| below(root, path).is_some_and(|rest| self.wants_below(rest)))
    }

    /// Returns whether a wanted file may lie in the folder at `path` (from the root of the source).
    #[must_use]
    pub fn may_enter(&self, path: &str) -> bool {
        self.roots.iter().any(|root| {
            below(path, root).is_some()
                || below(root, path).is_some_and(|rest| rest.is_empty() || self.recurse == Recurse::Yes)
        })
    }

    fn wants_below(&self, rest: &str) -> bool {
        // A root that is a file itself has nothing below it and is wanted as such.
        if rest.is_empty() {
            return true;
        }
        if self.recurse == Recurse::No && rest.contains('/') {
            return false;
        }
        let matches = |glob: &Arc<str>| match self.globs {
            Globs::WithinFolders => fast_glob::glob_match(&**glob, rest),
            Globs::AcrossFolders => fast_glob::glob_match(flat(glob), flat(rest)),
        };
        if self.exclude.iter().any(matches) {
            return false;
        }
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|end| rest.ends_with(end));
        if self.include.is_empty() {
            return is_manifest;
        }
        (is_manifest || self.globs == Globs::WithinFolders) && self.include.iter().any(matches)
    }
}

/// The matcher stops `*` at a `/`; something else in its place does not stop it.
fn flat(path: &str) -> String {
    path.replace('/', "\u{1}")
}

fn read_roots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Arc<str>>, D::Error> {
    let roots = Vec::<String>::deserialize(deserializer)?;
    normalise_all(roots.iter().map(String::as_str)).map_err(serde::de::Error::custom)
}

fn normalise_all<'p>(roots: impl IntoIterator<Item = &'p str>) -> Result<Vec<Arc<str>>, InvalidPaths> {
    let mut normal = roots.into_iter().map(normalise).collect::<Result<Vec<_>, _>>()?;
    normal.sort();
    normal.dedup();
    if normal.is_empty() {
        normal.push("".into());
    }
    Ok(normal)
}

fn normalise(path: &str) -> Result<Arc<str>, InvalidPaths> {
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(InvalidPaths::Outside(path.into()));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/").into())
}

/// Whether every bracket of a glob is closed, `\\` taking the next character as it is.
fn is_closed(glob: &str) -> bool {
    let (mut open, mut escaped) = (Vec::new(), false);
    for letter in glob.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' if open.last() == Some(&'[') => drop(open.pop()),
            // Within a class everything else stands for itself.
            _ if open.last() == Some(&'[') => {}
            '[' | '{' => open.push(letter),
            '}' if open.last() == Some(&'{') => drop(open.pop()),
            _ => {}
        }
    }
    !glob.is_empty() && open.is_empty() && !escaped
}

/// Returns the part of `path` below `root`, empty when they are equal.
fn below<'p>(root: &str, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(root)? {
        rest if root.is_empty() || rest.is_empty() => Some(rest),
        rest => rest.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argo_cd_reads_globs_across_folders_and_manifests_only() {
        let paths = Paths::under(["apps"]).unwrap().with_globs(Globs::AcrossFolders);
        for (include, exclude, path, wanted) in [
            ("*.yaml", "", "apps/a/b.yaml", true),
            ("*", "", "apps/a/README.md", false),
            ("*", "a*", "apps/a/b.yaml", false),
            ("{b.yaml,env-*}", "", "apps/env-a/c/d.json", true),
            ("b.yaml", "", "apps/a/b.yaml", false),
            ("**/b.yaml", "", "apps/a/c/b.yaml", true),
        ] {
            let mut paths = paths.clone().with_include(include);
            if !exclude.is_empty() {
                paths = paths.with_exclude(exclude);
            }
            assert_eq!(paths.wants(path), wanted, "{include} {exclude} {path}");
        }
    }

    #[test]
    fn a_file_is_wanted_if_a_root_holds_it_and_the_globs_agree() {
        let apps = Paths::under(["./apps/"]).unwrap();
        let flat = apps.clone().with_recurse(Recurse::No);
        let narrow = apps.clone().with_include("**/*.yaml").with_exclude("{test,dev}/**");
        let file = Paths::under(["apps/web.yaml"]).unwrap();
        for (paths, path, wanted) in [
            (&apps, "apps/web.yaml", true),
            (&apps, "apps/a/b/web.yml", true),
            (&apps, "apps2/web.yaml", false),
            (&apps, "apps/README.md", false),
            (&flat, "apps/web.json", true),
            (&flat, "apps/a/web.json", false),
            (&narrow, "apps/web.yaml", true),
            (&narrow, "apps/web.json", false),
            (&narrow, "apps/dev/web.yaml", false),
            (&file, "apps/web.yaml", true),
            (&file, "apps/web.yaml2", false),
            (&Paths::default(), "x.yaml", true),
        ] {
            assert_eq!(paths.wants(path), wanted, "{path} {paths:?}");
        }
    }

    #[test]
    fn a_folder_is_entered_on_the_way_to_a_root_and_below_it_if_recursing() {
        let deep = Paths::under(["a/b"]).unwrap();
        let flat = deep.clone().with_recurse(Recurse::No);
        for (paths, path, enters) in [
            (&deep, "", true),
            (&deep, "a", true),
            (&deep, "a/b", true),
            (&deep, "a/b/c", true),
            (&deep, "a/c", false),
            (&flat, "a/b", true),
            (&flat, "a/b/c", false),
        ] {
            assert_eq!(paths.may_enter(path), enters, "{path}");
        }
    }

    #[test]
    fn a_root_cannot_leave_the_source() {
        for path in ["/etc", "..", "a/../../b"] {
            assert!(Paths::under([path]).is_err(), "{path}");
            assert!(serde_json::from_value::<Paths>(serde_json::json!({ "roots": [path] })).is_err(), "{path}");
        }
    }

    #[test]
    fn roots_read_from_text_mean_what_they_mean_in_code() {
        for roots in [&["./apps/", "apps"][..], &["."], &[]] {
            let read: Paths = serde_json::from_value(serde_json::json!({ "roots": roots })).unwrap();
            assert_eq!(read, Paths::under(roots.iter().copied()).unwrap());
        }
    }

    #[test]
    fn a_glob_that_can_match_nothing_is_named() {
        for (glob, valid) in [
            ("**/*.yaml", true),
            ("{a,b[x-z]}/*", true),
            ("\\[x", true),
            ("a}", true),
            ("[!a]*", true),
            ("", false),
            ("[", false),
            ("{a,b", false),
            ("a\\", false),
            ("{[}", false),
        ] {
            assert_eq!(Paths::default().with_include(glob).check().is_ok(), valid, "{glob}");
            assert_eq!(Paths::default().with_exclude(glob).check().is_ok(), valid, "{glob}");
        }
    }
}
