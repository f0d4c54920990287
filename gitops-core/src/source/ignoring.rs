//! `.sourceignore`: files that a repository itself keeps out.

use super::glob::Glob;

/// The name of the files that say what is kept out.
pub const IGNORE_FILE: &str = ".sourceignore";
/// The most rules in force at the same time. Each is tried on each file.
const RULES: usize = 1_000;

/// What is kept out of every source that has a `.sourceignore`, or none: Flux, `pkg/sourceignore`, as far as it can be
/// manifests.
const ALWAYS: &str = ".git/\n.github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\n\
                      cloudbuild.yaml\ncodeship-services.yml\ncodeship-steps.yml\n.goreleaser.yml\n.sops.yaml\n.flux.yaml\n";

/// The rules that are in force in a folder, those of outer folders first.
///
/// The files are written as `.gitignore` is (gitignore(5)) and mean what they mean for Flux: the last rule that fits a
/// file or a folder around it decides. So, other than for Git, what a rule with `!` names is wanted again also within a
/// folder that is kept out.
///
/// ```
/// use gitops_core::source::{Ignoring, Kind};
///
/// let rules = Ignoring::new().with_file("", b"/*\n!/deploy\n*.md\n").with_file("deploy", b"dev/\n");
/// for (path, ignored) in [("app.yaml", true), ("deploy/app.yaml", false), ("deploy/dev/app.yaml", true)] {
///     assert_eq!(rules.ignores(path, Kind::File), ignored, "{path}");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Ignoring {
    rules: Vec<Rule>,
    /// Files whose rules are too many.
    has_too_many: bool,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a named boolean")]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// Which rule decides about a folder, to go on from within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing(Option<usize>);

#[derive(Clone, Debug)]
struct Rule {
    /// The folder of the file that it is in, with a `/` at the end; empty for the root.
    base: String,
    glob: Glob,
    wants_again: bool,
    folders_only: bool,
    /// Whether it is about names in any folder, not about paths.
    any_folder: bool,
}

impl Default for Ignoring {
    fn default() -> Self {
        Self::new()
    }
}

impl Ignoring {
    /// Keeps out what Flux keeps out of every source: the files of Git hosts and build systems.
    #[must_use]
    pub fn new() -> Self {
        Self { rules: Vec::new(), has_too_many: false }.with_file("", ALWAYS.as_bytes())
    }

    /// Adds the rules of the file in `folder`, which is written from the root of the source, without `/` at its end.
    #[must_use]
    pub fn with_file(mut self, folder: &str, text: &[u8]) -> Self {
        let base = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(rule) = Rule::read(line, &base) else { continue };
            if self.rules.len() >= RULES {
                self.has_too_many = true;
                return self;
            }
            self.rules.push(rule);
        }
        self
    }

    /// Returns whether there are more rules than are heeded.
    #[must_use]
    pub fn has_too_many(&self) -> bool {
        self.has_too_many
    }

    /// Returns how many rules there are, to go back to with [`Ignoring::truncate`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Forgets the rules that were added since there were `len`: the folder that has them was left.
    pub fn truncate(&mut self, len: usize) {
        self.rules.truncate(len);
        self.has_too_many &= self.rules.len() >= RULES;
    }

    /// Returns whether what lies at `path`, from the root of the source, is kept out.
    #[must_use]
    pub fn ignores(&self, path: &str, kind: Kind) -> bool {
        let above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        let standing = above.fold(Standing::default(), |above, folder| self.decide(folder, Kind::Folder, above));
        self.keeps_out(self.decide(path, kind, standing))
    }

    /// Returns which rule decides about what lies at `path`, in a folder with this standing.
    #[must_use]
    pub fn decide(&self, path: &str, kind: Kind, above: Standing) -> Standing {
        let from = above.0.map_or(0, |rule| rule + 1);
        let later = self.rules.get(from..).unwrap_or_default();
        let last = later.iter().rposition(|rule| rule.fits(path, kind));
        Standing(last.map(|at| from + at).or(above.0))
    }

    /// Returns whether the rule that decides keeps something out.
    #[must_use]
    pub fn keeps_out(&self, standing: Standing) -> bool {
        standing.0.and_then(|at| self.rules.get(at)).is_some_and(|rule| !rule.wants_again)
    }

    /// Returns whether something in a folder with this standing may be wanted.
    #[must_use]
    pub fn may_enter(&self, standing: Standing) -> bool {
        let later = || self.rules.get(standing.0.map_or(0, |at| at + 1)..).unwrap_or_default();
        !self.keeps_out(standing) || later().iter().any(|rule| rule.wants_again)
    }
}

impl Rule {
    fn read(line: &[u8], base: &str) -> Option<Self> {
        let line = trimmed(line);
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let (line, wants_again) = line.strip_prefix(b"!").map_or((line, false), |rest| (rest, true));
        let (line, folders_only) = line.strip_suffix(b"/").map_or((line, false), |rest| (rest, true));
        let any_folder = !line.contains(&b'/');
        let glob = Glob::read(line.strip_prefix(b"/").unwrap_or(line))?;
        Some(Self { base: base.to_owned(), glob, wants_again, folders_only, any_folder })
    }

    fn fits(&self, path: &str, kind: Kind) -> bool {
        let Some(path) = path.strip_prefix(&self.base) else { return false };
        let text = if self.any_folder { path.rsplit('/').next().unwrap_or(path) } else { path };
        (kind == Kind::Folder || !self.folders_only) && self.glob.fits(text.as_bytes())
    }
}

/// A line without the spaces at its end, unless a `\` is before them.
fn trimmed(line: &[u8]) -> &[u8] {
    let (mut end, mut bytes) = (None, line.iter().enumerate());
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b' ' => _ = end.get_or_insert(at),
            b'\\' if bytes.next().is_none() => return line,
            _ => end = None,
        }
    }
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Ignoring {
        Ignoring::new().with_file("", text.as_bytes())
    }

    #[test]
    fn lines_are_read_as_git_reads_them() {
        for (text, path, ignored) in [
            ("a.yaml", "x/a.yaml", true),
            ("/a.yaml", "x/a.yaml", false),
            ("x/a.yaml", "y/x/a.yaml", false),
            ("**/x/a.yaml", "y/x/a.yaml", true),
            ("a.yaml/", "a.yaml", false),
            ("x/", "y/x/a.yaml", true),
            ("# a.yaml", "# a.yaml", false),
            ("\\# a.yaml", "# a.yaml", true),
            ("\\!a.yaml", "!a.yaml", true),
            ("a.yaml   ", "a.yaml", true),
            ("a.yaml\\ ", "a.yaml", false),
            ("a.yaml\r\nb.yaml", "a.yaml", true),
            ("\u{feff}a.yaml", "a.yaml", true),
            ("*.yaml\n!a.yaml", "a.yaml", false),
            ("!a.yaml\n*.yaml", "a.yaml", true),
            ("/", "a.yaml", false),
            ("[", "[", false),
        ] {
            assert_eq!(rules(text).ignores(path, Kind::File), ignored, "{text:?} {path}");
        }
    }

    #[test]
    fn a_rule_may_want_something_again_within_what_is_kept_out_as_for_flux() {
        let rules = rules("/*\n!/deploy/prod\n");
        assert!(!rules.ignores("deploy/prod/web.yaml", Kind::File));
        assert!(rules.ignores("deploy/dev/web.yaml", Kind::File));
        let deploy = rules.decide("deploy", Kind::Folder, Standing::default());
        assert!(rules.keeps_out(deploy) && rules.may_enter(deploy));
        let plain = Ignoring::new().with_file("", b"/*\n");
        assert!(!plain.may_enter(plain.decide("deploy", Kind::Folder, Standing::default())));
    }

    #[test]
    fn a_file_rules_its_own_folder_and_inner_ones_have_the_last_word() {
        let rules = rules("*.yml\n").with_file("a", b"!b.yml\n/c.yaml\n");
        for (path, ignored) in
            [("b.yml", true), ("a/b.yml", false), ("ab/b.yml", true), ("a/c.yaml", true), ("a/x/c.yaml", false)]
        {
            assert_eq!(rules.ignores(path, Kind::File), ignored, "{path}");
        }
    }

    #[test]
    fn the_files_of_hosts_and_build_systems_are_kept_out_unless_wanted() {
        let rules = Ignoring::new();
        assert!(rules.ignores(".github/workflows/ci.yaml", Kind::File) && rules.ignores("x/.sops.yaml", Kind::File));
        let wanted = rules.with_file("", b"!.github/workflows/ci.yaml\n");
        assert!(!wanted.ignores(".github/workflows/ci.yaml", Kind::File));
    }

    #[test]
    fn there_are_no_more_rules_than_can_be_tried_on_every_file() {
        let rules = rules(&"a\n".repeat(RULES + 1));
        assert!(rules.has_too_many() && rules.len() == RULES);
    }
}
