//! Rules of health that users bring: expressions in CEL, and Argo CD's Lua scripts as they are.
//!
//! A check is for one kind, or for the kinds that a glob matches. It comes before the rules that are built in, as a
//! resource override of Argo CD does, and decides unless it has nothing to say. What it may not do: find a status fresh
//! that speaks of an older spec (rule 40 of the exact rules), judge a Secret (its words would be shown), or take longer
//! than its budget.

#[cfg(feature = "cel")]
mod cel;
#[cfg(feature = "lua")]
mod lua;
mod read;
#[cfg(feature = "lua")]
mod sandbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::resource::{GroupKind, Resource};
use crate::time::Timestamp;
use crate::value::ValueRef;

use super::reading::{Observed, Reading, progressing};
use super::{Health, HealthStatus};

/// Rules of health that users bring, by kind. Cloning shares them.
///
/// ```
/// # #[cfg(feature = "cel")] {
/// use gitops_core::health::{Checks, Clues, HealthStatus, assess};
/// use gitops_core::model::ApiModel;
/// use gitops_core::resource::Resource;
/// use gitops_core::value::Value;
///
/// // Flux's `healthCheckExprs`, as they are written there.
/// let written = r#"[{"apiVersion": "example.org/v1", "kind": "Pump",
///     "failed": "status.state == 'broken'", "current": "status.litres > 10"}]"#;
/// let checks = Checks::read(Value::from_json(written.as_bytes())?.root())?;
///
/// let pump = br#"{"apiVersion": "example.org/v1", "kind": "Pump", "metadata": {"name": "one"}, "status": {"litres": 12}}"#;
/// let pump = Resource::new(Value::from_json(pump)?)?;
/// let model = ApiModel::builtin();
/// let clues = Clues::new(&model, "2026-03-01T12:00:00Z".parse()?).checking(&checks);
/// let health = assess(&pump, &clues);
/// assert_eq!((health.status, health.rule), (HealthStatus::Healthy, "user/cel"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks(Arc<Table>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    exact: BTreeMap<GroupKind, Check>,
    /// Those with a glob in group or kind: the most specific first.
    globs: Vec<(Glob, Check)>,
}

/// A group and a kind, of which at least one is a glob. The order is that of asking: exact groups, longer ones first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Glob {
    rank: (bool, bool, std::cmp::Reverse<usize>),
    group: Arc<str>,
    kind: Arc<str>,
}

/// One check, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    origin: Arc<str>,
    program: Program,
}

/// What a check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Program {
    #[cfg(feature = "cel")]
    Cel(cel::Expressions),
    #[cfg(feature = "lua")]
    Lua(lua::Script),
}

/// What a check found.
#[cfg_attr(not(feature = "lua"), expect(dead_code, reason = "an expression always says something"))]
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// This.
    Says(HealthStatus, String),
    /// Nothing: the rules that are built in decide.
    Silent,
    /// It went wrong.
    Broken(String),
}

/// A check that cannot be used. Says where it stands and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("health check {origin}: {what}")]
#[non_exhaustive]
pub struct InvalidCheck {
    /// Where it stands: a file, or a place in a list.
    pub origin: String,
    /// What is wrong.
    pub what: String,
}

impl Checks {
    /// Reads checks in whatever form: Flux's `healthCheckExprs`, or an object that holds them: a Kustomization, or Argo
    /// CD's ConfigMap with the keys `resource.customizations.health.<group>_<kind>` and `resource.customizations`.
    ///
    /// # Errors
    /// When one cannot be read, or two are for the same kind.
    pub fn read(value: ValueRef<'_>) -> Result<Self, InvalidCheck> {
        read::checks(value)
    }

    /// Reads a directory laid out as Argo CD's `resource_customizations`: `GROUP/KIND/health.lua`, or
    /// `KIND/health.lua` for the core group, where `_` stands for `*`. `files` holds paths relative to that directory,
    /// with `/`, and contents; files of other names are passed over. Scripts that cannot be used are returned beside the others.
    #[must_use]
    pub fn from_directory<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> (Self, Vec<InvalidCheck>) {
        let (mut table, mut wrong) = (Table::default(), Vec::new());
        for (path, bytes) in files {
            let Some(place) = path.strip_suffix("health.lua").and_then(|place| place.strip_suffix('/')) else {
                continue;
            };
            let parts: Vec<String> = place.split('/').map(|part| part.replace('_', "*")).collect();
            let invalid = |what: String| InvalidCheck { origin: format!("`{path}`"), what };
            let read = match &*parts {
                [group, kind] => Ok((group.as_str(), kind.as_str())),
                [kind] => Ok(("", kind.as_str())),
                _ => Err("its folders are not `GROUP/KIND`".to_owned()),
            };
            let added = read.and_then(|(group, kind)| {
                let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
                let program = lua_program(text)?;
                table.add(group, kind, Check { origin: path.into(), program })
            });
            wrong.extend(added.err().map(invalid));
        }
        (Self(Arc::new(table)), wrong)
    }

    /// Returns these checks and `others`, which win where both have one for the same kind.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        if others.is_empty() {
            return self.clone();
        }
        let mut table = (*self.0).clone();
        table.exact.extend(others.0.exact.clone());
        table.globs.retain(|(glob, _)| !others.0.globs.iter().any(|(other, _)| other == glob));
        table.globs.extend(others.0.globs.iter().cloned());
        table.globs.sort_by(|(left, _), (right, _)| left.cmp(right));
        Self(Arc::new(table))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.exact.len() + self.0.globs.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks the check of this kind, if there is one that has something to say.
    pub(super) fn judge(&self, live: &Resource, now: Timestamp) -> Option<Health> {
        let kind = &live.key().group_kind;
        if self.is_empty() || live.key().is("", "Secret") {
            return None;
        }
        let check = self.0.find(kind)?;
        let object = Reading::new(live);
        let (rule, verdict) = check.program.judge(object, now);
        let (status, message) = match verdict {
            Verdict::Silent => return None,
            Verdict::Says(HealthStatus::Healthy, _) if object.observed() == Observed::Older => {
                progressing("waiting for the present spec to be observed")
            }
            Verdict::Says(status, message) => (status, message),
            Verdict::Broken(why) => (HealthStatus::Unknown, format!("health check {}: {why}", check.origin)),
        };
        Some(Health::reported(status, rule, message))
    }
}

impl Program {
    /// Judges an object, and names the rule.
    fn judge(&self, object: Reading<'_>, now: Timestamp) -> (&'static str, Verdict) {
        // Which of these is looked at depends on the languages that are built in.
        let (tree, _, _) = (object.live.tree(), object, now);
        match self {
            #[cfg(feature = "cel")]
            Self::Cel(expressions) => ("user/cel", expressions.judge(tree, object)),
            #[cfg(feature = "lua")]
            Self::Lua(script) => ("user/lua", script.judge(tree, now)),
            #[cfg(not(any(feature = "cel", feature = "lua")))]
            _ => ("user", Verdict::Broken(format!("no language to judge {} in", tree.kind_name()))),
        }
    }
}

impl Table {
    /// Adds a check. Two for the same kind cannot both be meant (rule: Flux refuses them too).
    fn add(&mut self, group: &str, kind: &str, check: Check) -> Result<(), String> {
        if kind.is_empty() {
            return Err("it names no kind".to_owned());
        }
        let taken = |origin: &str| format!("`{kind}` of group `{group}` has a check already, in {origin}; keep one");
        if !is_glob(group) && !is_glob(kind) {
            let key = GroupKind { group: group.into(), kind: kind.into() };
            if let Some(other) = self.exact.get(&key) {
                return Err(taken(&other.origin));
            }
            self.exact.insert(key, check);
            return Ok(());
        }
        let literal = group.len() + kind.len();
        let rank = (is_glob(group), is_glob(kind), std::cmp::Reverse(literal));
        let glob = Glob { rank, group: group.into(), kind: kind.into() };
        match self.globs.binary_search_by(|(other, _)| other.cmp(&glob)) {
            Ok(at) => Err(taken(self.globs.get(at).map_or("", |(_, other)| &other.origin))),
            Err(at) => {
                self.globs.insert(at, (glob, check));
                Ok(())
            }
        }
    }

    fn find(&self, kind: &GroupKind) -> Option<&Check> {
        let matches = |pattern: &str, name: &str| fast_glob::glob_match(pattern, name);
        let by_glob = || {
            let mut globs = self.globs.iter();
            globs.find(|(glob, _)| matches(&glob.group, &kind.group) && matches(&glob.kind, &kind.kind))
        };
        self.exact.get(kind).or_else(|| by_glob().map(|(_, check)| check))
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{', '\\', '!'])
}

/// Reads a script.
#[cfg(feature = "lua")]
fn lua_program(text: &str) -> Result<Program, String> {
    lua::Script::new(text).map(Program::Lua)
}

/// Reads a script.
#[cfg(not(feature = "lua"))]
fn lua_program(_: &str) -> Result<Program, String> {
    Err("it is in Lua, and the program was built without the feature `lua`; use an expression in CEL".to_owned())
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} health checks", self.len())
    }
}
