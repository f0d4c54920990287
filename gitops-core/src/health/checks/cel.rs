//! Checks in CEL.
//!
//! Expressions are parsed and evaluated by the crate `cel`: by its newer parser, since the one it generates from a
//! grammar takes some 200 kB of stack for a bracket. The evaluation knows no budget and panics on messages of protobuf,
//! so that expressions are looked through when they are read, and what one costs on an object is estimated before it runs.
//! Of an object, `self` is the whole, and each field at the top has its name: `status.phase == 'Ready'`.

use std::fmt;
use std::sync::{Arc, LazyLock};

use ::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use ::cel::parser::PrattParser;
use ::cel::{Context, Env, ExecutionError, Value as CelValue};

use crate::health::HealthStatus;
use crate::health::reading::{Observed, Reading};
use crate::value::{Value, ValueRef, View};

use super::{Verdict, cost};

/// Longer expressions are refused: parser and evaluation recurse.
const MAX_BYTES: usize = 2048;
/// As are expressions of more parts, and of parts that nest deeper.
const MAX_PARTS: usize = 600;
const MAX_DEPTH: u16 = 32;
/// The whole object.
const WHOLE: &str = "self";
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

/// What tells how an object is. Rule: Flux, "Kustomization", `healthCheckExprs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expressions {
    in_progress: Option<Program>,
    failed: Option<Program>,
    current: Program,
}

/// An expression, checked.
#[derive(Clone)]
struct Program {
    text: Arc<str>,
    parsed: Arc<IdedExpr>,
}

impl Expressions {
    pub(super) fn new(current: &str, failed: Option<&str>, in_progress: Option<&str>) -> Result<Self, String> {
        let read = |name: &str, text: &str| {
            Program::new(text).map_err(|why| format!("`{name}`: expression `{text}` cannot be used: {why}"))
        };
        Ok(Self {
            in_progress: in_progress.map(|text| read("inProgress", text)).transpose()?,
            failed: failed.map(|text| read("failed", text)).transpose()?,
            current: read("current", current)?,
        })
    }

    /// Judges an object: the first of `inProgress`, `failed` and `current` that holds; if none does, it is on its way.
    pub(super) fn judge(&self, tree: ValueRef<'_>, object: Reading<'_>) -> Verdict {
        if object.observed() == Observed::Older {
            let message = "waiting for the present spec to be observed".to_owned();
            return Verdict::Says(HealthStatus::Progressing, message);
        }
        let in_order = [
            (self.in_progress.as_ref(), HealthStatus::Progressing),
            (self.failed.as_ref(), HealthStatus::Degraded),
            (Some(&self.current), HealthStatus::Healthy),
        ];
        for (program, status) in in_order {
            let Some(program) = program else { continue };
            match program.holds(tree) {
                Ok(true) => return Verdict::Says(status, format!("`{}`", program.text)),
                Ok(false) => {}
                Err(why) => return Verdict::Broken(format!("expression `{}` {why}", program.text)),
            }
        }
        Verdict::Says(HealthStatus::Progressing, format!("`{}` does not hold yet", self.current.text))
    }
}

impl Program {
    fn new(text: &str) -> Result<Self, String> {
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

    /// Returns whether the object is as the expression says. A field that is not there makes it false: an object that
    /// has not said anything yet is not as any expression says.
    fn holds(&self, tree: ValueRef<'_>) -> Result<bool, String> {
        let nothing = Value::empty_map();
        let find = |name: &str| match name {
            WHOLE => tree,
            _ => tree.get(name).unwrap_or(nothing.root()),
        };
        if cost::of(&self.parsed, &find).is_none() {
            return Err("takes too many steps on this object".to_owned());
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        let references = self.parsed.references();
        let mut names: Vec<&str> = references.variables();
        names.sort_unstable();
        for name in names {
            context.add_variable_from_value(name, convert(find(name)));
        }
        // What an error says may quote values of the object.
        match context.resolve(&self.parsed) {
            Ok(CelValue::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("gives a {:?}, not true or false", other.type_of()).to_lowercase()),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(false),
            Err(ExecutionError::UndeclaredReference(name)) => Err(format!("names `{name}`, which is unknown")),
            Err(ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_)) => {
                Err("divides by zero".into())
            }
            Err(ExecutionError::Overflow(..)) => Err("leaves the range of numbers".to_owned()),
            Err(_) => Err("does not fit the types of this object".to_owned()),
        }
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
