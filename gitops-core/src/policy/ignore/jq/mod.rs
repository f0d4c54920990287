//! jq programs that name paths.
//!
//! A program is read by jaq's parser and evaluated here, as a path expression: it says where, and what is found there
//! is left alone. jaq's own interpreter is not used. It knows no budget, `?` would swallow the error of one, and its
//! `del` puts nulls where nothing was (recorded). So whatever may run for ever, allocates without bound, reads the
//! outside world or changes a value is refused when the program is read, with its place; the rest runs on a budget.
//!
//! As if everywhere followed by `?`: what does not fit, such as a field of a list, yields nothing.

mod compile;
mod eval;
mod function;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::sync::Arc;

use function::Function;

use crate::path::{FieldPath, quotable};
use crate::value::{Value, ValueRef};

/// Steps one program may take on one object. Every result of every part is one, and values count by their size.
const STEPS: usize = 300_000;
/// Longer programs are refused.
const MAX_BYTES: usize = 1024;
/// Programs of more words and signs are refused: parser and evaluation recurse.
const MAX_TOKENS: usize = 256;
/// Deeper brackets are refused, for the same reason.
const MAX_NESTING: usize = 24;
/// As are more words that nest without brackets.
const MAX_PREFIXES: usize = 16;

/// A jq program that names paths.
#[derive(Clone)]
pub struct Program {
    text: Arc<str>,
    expression: Arc<Expr>,
}

/// A program that cannot be read, or that is not allowed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("jq program `{}` cannot be used: column {column}: {why}", quotable(text))]
#[non_exhaustive]
pub struct InvalidProgram {
    /// The program.
    pub text: Arc<str>,
    /// Where, in characters counted from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

/// Why a program gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Gone {
    /// It did too much.
    #[error("gave up: it takes too many steps on this object")]
    TooManySteps,
    /// It gave a value that has no place in the object.
    #[error("gave a value that is no part of the object; a rule names paths, such as `.spec.replicas`")]
    NotAPath,
}

/// What a program says, checked.
#[derive(Clone, Debug)]
enum Expr {
    Id,
    Constant(Value),
    List(Option<Box<Self>>),
    Negated(Box<Self>),
    Pipe(Box<Self>, Box<Self>),
    Comma(Box<Self>, Box<Self>),
    Alternative(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Math(jaq_core::ops::Math, Box<Self>, Box<Self>),
    Compare(jaq_core::ops::Cmp, Box<Self>, Box<Self>),
    Bind(String, Box<Self>, Box<Self>),
    If(Vec<(Self, Self)>, Option<Box<Self>>),
    Variable(String),
    Path(Box<Self>, Vec<Step>),
    /// `test` with a pattern, and the length of that.
    Test(regex_lite::Regex, usize),
    Call(Function, Vec<Self>),
}

/// One step of a path; its expressions are evaluated where the path begins.
#[derive(Clone, Debug)]
enum Step {
    At(Expr),
    All,
    Slice(Option<Expr>, Option<Expr>),
}

impl Program {
    /// Reads a program.
    ///
    /// # Errors
    /// When it is no jq, too large, or does something that is not allowed here.
    pub fn new(text: &str) -> Result<Self, InvalidProgram> {
        let expression = compile::compile(text).map_err(|(at, why)| {
            let column = text.char_indices().take_while(|(start, _)| *start < at).count() + 1;
            InvalidProgram { text: text.into(), column, why }
        })?;
        Ok(Self { text: text.into(), expression: Arc::new(expression) })
    }

    /// Returns the program as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the place of everything in `tree` that this program names, by fields and indices alone, sorted. Places
    /// that `tree` does not have may be among them.
    ///
    /// # Errors
    /// When it takes too many steps, or gives something that has no place.
    pub fn places(&self, tree: ValueRef<'_>) -> Result<Vec<FieldPath>, Gone> {
        eval::places(&self.expression, tree, STEPS)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
