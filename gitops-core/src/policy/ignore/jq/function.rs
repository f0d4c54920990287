//! The functions that a program may call.

/// A function that ends, and that looks at nothing but its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    All,
    Any,
    Contains,
    Downcase,
    Empty,
    EndsWith,
    First,
    GetPath,
    Has,
    IsEmpty,
    Keys,
    Last,
    Length,
    Map,
    Not,
    Recurse,
    Select,
    Split,
    StartsWith,
    Test,
    ToNumber,
    ToString,
    TrimEnd,
    TrimStart,
    Type,
    Upcase,
    /// `values`, `strings` and the like: only inputs of these types.
    Only(&'static [&'static str]),
}

/// Name, arity and meaning.
const KNOWN: &[(&str, usize, Function)] = &[
    ("all", 0, Function::All),
    ("all", 1, Function::All),
    ("all", 2, Function::All),
    ("any", 0, Function::Any),
    ("any", 1, Function::Any),
    ("any", 2, Function::Any),
    ("arrays", 0, Function::Only(&["array"])),
    ("ascii_downcase", 0, Function::Downcase),
    ("ascii_upcase", 0, Function::Upcase),
    ("booleans", 0, Function::Only(&["boolean"])),
    ("contains", 1, Function::Contains),
    ("empty", 0, Function::Empty),
    ("endswith", 1, Function::EndsWith),
    ("first", 0, Function::First),
    ("first", 1, Function::First),
    ("getpath", 1, Function::GetPath),
    ("has", 1, Function::Has),
    ("isempty", 1, Function::IsEmpty),
    ("iterables", 0, Function::Only(&["array", "object"])),
    ("keys", 0, Function::Keys),
    ("last", 0, Function::Last),
    ("last", 1, Function::Last),
    ("length", 0, Function::Length),
    ("ltrimstr", 1, Function::TrimStart),
    ("map", 1, Function::Map),
    ("not", 0, Function::Not),
    ("nulls", 0, Function::Only(&["null"])),
    ("numbers", 0, Function::Only(&["number"])),
    ("objects", 0, Function::Only(&["object"])),
    ("recurse", 0, Function::Recurse),
    ("rtrimstr", 1, Function::TrimEnd),
    ("scalars", 0, Function::Only(&["null", "boolean", "number", "string"])),
    ("select", 1, Function::Select),
    ("split", 1, Function::Split),
    ("startswith", 1, Function::StartsWith),
    ("strings", 0, Function::Only(&["string"])),
    ("test", 1, Function::Test),
    ("tonumber", 0, Function::ToNumber),
    ("tostring", 0, Function::ToString),
    ("type", 0, Function::Type),
    ("values", 0, Function::Only(&["boolean", "number", "string", "array", "object"])),
];

/// What may never end, or grow without bound.
pub(super) const UNBOUNDED: &[&str] =
    &["range", "recurse", "repeat", "while", "until", "limit", "input", "inputs", "combinations", "walk", "env", "now"];
/// What changes values.
const CHANGING: &[&str] = &["del", "delpaths", "setpath", "to_entries", "with_entries", "map_values", "pick"];

impl Function {
    /// Finds a function.
    ///
    /// # Errors
    /// When it is not known here; the text says why.
    pub(super) fn find(name: &str, arity: usize) -> Result<Self, String> {
        if let Some((.., function)) = KNOWN.iter().find(|(known, takes, _)| *known == name && *takes == arity) {
            return Ok(*function);
        }
        Err(if UNBOUNDED.contains(&name) {
            format!("`{name}` may never end or looks outside, and is not allowed in a rule")
        } else if CHANGING.contains(&name) {
            format!("`{name}` changes values; a rule only names paths, such as `.spec.replicas`")
        } else if KNOWN.iter().any(|(known, ..)| *known == name) {
            format!("`{name}` does not take {arity} arguments")
        } else {
            let mut names: Vec<&str> = KNOWN.iter().map(|(known, ..)| *known).collect();
            names.dedup();
            format!("`{name}` is not known here; known are `{}`", names.join("`, `"))
        })
    }
}
