//! Expressions in CEL, looked through before they run.
//!
//! Parsed and evaluated by the crate `cel`: by its newer parser, since the one it generates from a grammar takes some
//! 200 kB of stack for a bracket. The evaluation knows no budget and panics on messages of protobuf, so that expressions
//! are looked through when they are read, and what one costs on an object is estimated before it runs.

mod cost;

use std::fmt;
use std::sync::{Arc, LazyLock};

use ::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use ::cel::parser::PrattParser;
use ::cel::{Context, Env, ExecutionError, Value as CelValue};

use crate::value::{ValueRef, View};

/// Steps that an expression may take on one object.
pub(crate) const STEPS: u64 = 1_000_000;
/// Longer expressions are refused: parser and evaluation recurse.
const MAX_BYTES: usize = 2048;
/// As are expressions of more parts, and of parts that nest deeper.
const MAX_PARTS: usize = 600;
const MAX_DEPTH: u16 = 32;
/// Operators and functions of the standard library that are allowed. None reads a clock or the outside.
const FUNCTIONS: [&str; 15] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
    "dyn",
    "max",
    "min",
    "has",
];

/// Building the standard library costs more than most expressions.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression, checked.
#[derive(Clone)]
pub(crate) struct Program {
    text: Arc<str>,
    parsed: Arc<IdedExpr>,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// True or false.
    Holds(bool),
    /// A text.
    Says(String),
    /// It reads something that is not there.
    Missing,
    /// Something else, or nothing: why.
    Unclear(String),
}

impl Program {
    /// Reads an expression. `Err` says what of it cannot be used.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it is longer than {MAX_BYTES} bytes"));
        }
        let parser = PrattParser::new().max_recursion_depth(2 * MAX_DEPTH).max_expression_node_count(MAX_PARTS);
        let parsed = parser.parse(text).map_err(|errors| {
            let all = errors.to_string();
            let line = all.lines().find(|line| !line.trim().is_empty()).unwrap_or("it is no CEL");
            line.trim_start_matches("ERROR: ").to_owned()
        })?;
        allowed(&parsed, 0)?;
        Ok(Self { text: text.into(), parsed: Arc::new(parsed) })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether it names a variable.
    pub(crate) fn names(&self, variable: &str) -> bool {
        self.parsed.references().variables().contains(&variable)
    }

    /// Returns what it gives, where `find` has the values of variables, and how many steps of at most `budget` that took.
    pub(crate) fn ask<'v>(&'v self, find: &impl Fn(&str) -> ValueRef<'v>, budget: u64) -> (Answer, u64) {
        let Some(steps) = cost::of(&self.parsed, find, budget) else {
            return (Answer::Unclear("takes too many steps on this object".to_owned()), budget);
        };
        let mut context = Context::with_env(Arc::clone(&ENV));
        let references = self.parsed.references();
        let mut names: Vec<&str> = references.variables();
        names.sort_unstable();
        for name in names {
            context.add_variable_from_value(name, convert(find(name)));
        }
        let unclear = |text: &str| Answer::Unclear(text.to_owned());
        // What an error says may quote values of the object.
        let answer = match context.resolve(&self.parsed) {
            Ok(CelValue::Bool(holds)) => Answer::Holds(holds),
            Ok(CelValue::String(text)) => Answer::Says(text.to_string()),
            Ok(other) => Answer::Unclear(format!("gives a {:?}, not true or false", other.type_of()).to_lowercase()),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Answer::Missing,
            Err(ExecutionError::UndeclaredReference(name)) => {
                Answer::Unclear(format!("names `{name}`, which is unknown"))
            }
            Err(ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_)) => unclear("divides by zero"),
            Err(ExecutionError::Overflow(..)) => unclear("leaves the range of numbers"),
            Err(_) => unclear("does not fit the types of this object"),
        };
        (answer, steps)
    }
}

/// Refuses what the evaluation cannot bear, or what is not known.
fn allowed(expression: &IdedExpr, depth: u16) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
    }
    let below = |inner: &IdedExpr| allowed(inner, depth + 1);
    match &expression.expr {
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let operator = !name.starts_with(|sign: char| sign.is_ascii_alphabetic());
            if !operator && !FUNCTIONS.contains(&name) {
                return Err(format!("there is no function `{name}` here; use `{}`", FUNCTIONS.join("`, `")));
            }
            if name.contains('?') && name != "_?_:_" {
                return Err("optional values are not supported; use `has(…)`".to_owned());
            }
            call.target.iter().try_for_each(|target| below(target))?;
            call.args.iter().try_for_each(below)
        }
        Expr::Comprehension(over) => {
            let parts = [&over.iter_range, &over.accu_init, &over.loop_cond, &over.loop_step, &over.result];
            parts.into_iter().try_for_each(below)
        }
        Expr::List(list) if list.optional_indices.is_empty() => list.elements.iter().try_for_each(below),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) if !entry.optional => below(&entry.key).and_then(|()| below(&entry.value)),
            _ => Err("only plain maps can be written".to_owned()),
        }),
        Expr::Select(select) => below(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) => Ok(()),
        Expr::List(_) | Expr::Struct(_) | Expr::Unspecified => {
            Err("messages and optional values are not supported".to_owned())
        }
    }
}

fn convert(value: ValueRef<'_>) -> CelValue {
    match value.view() {
        View::Null => CelValue::Null,
        View::Bool(flag) => CelValue::Bool(flag),
        View::Int(number) => CelValue::Int(number),
        View::Float(number) => CelValue::Float(number),
        View::String(text) => CelValue::String(Arc::new(text.to_owned())),
        View::List(list) => CelValue::List(Arc::new(list.iter().map(convert).collect())),
        View::Map(map) => {
            let entries = map.iter().map(|(name, value)| (::cel::objects::Key::from(name), convert(value)));
            CelValue::Map(::cel::objects::Map { map: Arc::new(entries.collect()) })
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({})", self.text)
    }
}

/// The text says it all.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Program {}
