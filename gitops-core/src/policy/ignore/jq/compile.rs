//! Text → checked expression.

use jaq_core::load::lex::{Lexer, StrPart, Tok, Token};
use jaq_core::load::parse::{BinaryOp, Parser, Pattern, Term};
use jaq_core::load::span;
use jaq_core::path::{Part, Path};

use super::function::Function;
use super::{Expr, MAX_BYTES, MAX_NESTING, MAX_PREFIXES, MAX_TOKENS, Step};
use crate::value::Value;

/// Patterns that compile to more bytes are refused.
const MAX_REGEX: usize = 1 << 15;

/// Where, in bytes, and what is wrong.
type Fault = (usize, String);

pub(super) fn compile(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_BYTES {
        return Err((0, format!("it is longer than {MAX_BYTES} bytes")));
    }
    if let Some(at) = too_deep(text) {
        return Err((at, format!("brackets nest deeper than {MAX_NESTING}")));
    }
    let place = |part: &str| span(text, part).start;
    let tokens = Lexer::new(text).lex().map_err(|faults| match faults.first() {
        Some((expected, rest)) => (place(rest), format!("{} is expected", described(expected))),
        None => (0, "it cannot be read".to_owned()),
    })?;
    let mut count = Count::default();
    if let Some(word) = forbidden(&tokens, &mut count) {
        return Err((place(word), format!("`{word}` is not allowed in a rule: a rule names paths, step by step")));
    }
    if count.tokens > MAX_TOKENS || count.prefixes > MAX_PREFIXES {
        let text = format!("it has more than {MAX_TOKENS} words and signs, or more than {MAX_PREFIXES} `if` and `-`");
        return Err((0, text));
    }
    let term = Parser::new(&tokens).parse(|parser| parser.term()).map_err(|faults| match faults.first() {
        Some((expected, found)) => {
            let at = found.map_or(text.len(), |token| place(token.0));
            (at, format!("{} is expected", expected.as_str()))
        }
        None => (0, "it cannot be read".to_owned()),
    })?;
    Compiler { text, variables: Vec::new() }.expr(&term)
}

fn described(expected: &jaq_core::load::lex::Expect<&str>) -> &'static str {
    use jaq_core::load::lex::Expect;
    match expected {
        Expect::Digit => "a digit",
        Expect::Ident => "a name",
        Expect::Delim(_) => "a closing bracket or quote",
        Expect::Escape | Expect::Unicode => "an escape sequence such as `\\n`",
        _ => "another character",
    }
}

/// Words with which programs begin that may never end, or nest without brackets.
const FORBIDDEN: [&str; 9] = ["try", "catch", "def", "reduce", "foreach", "label", "import", "include", "__loc__"];

/// Words and signs, those in brackets and texts too.
#[derive(Default)]
struct Count {
    tokens: usize,
    /// Those that nest without brackets.
    prefixes: usize,
}

/// Finds such a word, and counts.
fn forbidden<'t>(tokens: &[Token<&'t str>], count: &mut Count) -> Option<&'t str> {
    let mut after_dot = false;
    for Token(text, kind) in tokens {
        count.tokens += 1;
        count.prefixes += usize::from(matches!(*text, "-" | "if"));
        let found = match kind {
            Tok::Word => FORBIDDEN.contains(text).then_some(*text).filter(|_| !after_dot),
            Tok::Block(tokens) => forbidden(tokens, count),
            Tok::Str(parts) => {
                count.tokens += parts.len();
                None
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        after_dot = text.ends_with('.');
    }
    None
}

/// Returns where brackets nest too deep. Those in texts count as well, which hurts nobody.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, char)| {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth > MAX_NESTING).then_some(at)
    })
}

struct Compiler<'t> {
    text: &'t str,
    /// Those in scope, with their `$`.
    variables: Vec<&'t str>,
}

impl<'t> Compiler<'t> {
    fn boxed(&mut self, term: &Term<&'t str>) -> Result<Box<Expr>, Fault> {
        self.expr(term).map(Box::new)
    }

    fn expr(&mut self, term: &Term<&'t str>) -> Result<Expr, Fault> {
        Ok(match term {
            Term::Id => Expr::Id,
            Term::Recurse => Expr::Call(Function::Recurse, Vec::new()),
            Term::Num(number) => {
                Expr::Constant(Value::from_json(number.as_bytes()).map_err(|_| self.fault(number, "it is no number"))?)
            }
            Term::Str(None, parts) => Expr::Constant(Value::from(self.text_of(parts)?.as_str())),
            Term::Str(Some(format), _) => return Err(self.fault(format, "formats are not allowed in a rule")),
            Term::Arr(None) => Expr::List(None),
            Term::Arr(Some(inner)) => Expr::List(Some(self.boxed(inner)?)),
            Term::Obj(_) => return Err((self.start(term), "a rule makes no objects; it names paths".to_owned())),
            Term::Neg(inner) => Expr::Negated(self.boxed(inner)?),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right)?,
            Term::TryCatch(inner, None) => self.expr(inner)?,
            Term::IfThenElse(cases, otherwise) => {
                let cases: Result<_, Fault> =
                    cases.iter().map(|(test, then)| Ok((self.expr(test)?, self.expr(then)?))).collect();
                Expr::If(cases?, otherwise.as_ref().map(|otherwise| self.boxed(otherwise)).transpose()?)
            }
            Term::Call(name, arguments) => self.call(name, arguments)?,
            Term::Var(name) if self.variables.contains(name) => Expr::Variable((*name).to_owned()),
            Term::Var(name) => return Err(self.fault(name, "this variable is not set")),
            Term::Path(from, Path(parts)) => {
                let from = self.boxed(from)?;
                let steps: Result<_, Fault> = parts.iter().map(|(part, _)| self.step(part)).collect();
                Expr::Path(from, steps?)
            }
            Term::Fold(..) | Term::Label(..) | Term::Break(_) | Term::Def(..) | Term::TryCatch(..) => {
                return Err((
                    self.start(term),
                    "this is not allowed in a rule: it names paths, step by step".to_owned(),
                ));
            }
        })
    }

    fn operation(
        &mut self,
        left: &Term<&'t str>,
        operator: &BinaryOp<&'t str>,
        right: &Term<&'t str>,
    ) -> Result<Expr, Fault> {
        let start = self.start(left);
        if let BinaryOp::Pipe(Some(pattern)) = operator {
            let Pattern::Var(name) = pattern else {
                return Err((start, "a variable is one name, such as `$x`".to_owned()));
            };
            let source = self.boxed(left)?;
            self.variables.push(name);
            let body = self.boxed(right);
            self.variables.pop();
            return Ok(Expr::Bind((*name).to_owned(), source, body?));
        }
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        Ok(match operator {
            BinaryOp::Pipe(_) => Expr::Pipe(left, right),
            BinaryOp::Comma => Expr::Comma(left, right),
            BinaryOp::Alt => Expr::Alternative(left, right),
            BinaryOp::Or => Expr::Or(left, right),
            BinaryOp::And => Expr::And(left, right),
            BinaryOp::Math(operation) => Expr::Math(*operation, left, right),
            BinaryOp::Cmp(comparison) => Expr::Compare(*comparison, left, right),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                return Err((start, "an assignment changes values; a rule only names paths".to_owned()));
            }
        })
    }

    fn call(&mut self, name: &'t str, arguments: &[Term<&'t str>]) -> Result<Expr, Fault> {
        let constant = match (name, arguments) {
            ("null", []) => Some(Value::null()),
            ("true", []) => Some(Value::from(true)),
            ("false", []) => Some(Value::from(false)),
            _ => None,
        };
        if let Some(constant) = constant {
            return Ok(Expr::Constant(constant));
        }
        let function = Function::find(name, arguments.len()).map_err(|why| self.fault(name, &why))?;
        let compiled: Result<Vec<Expr>, Fault> = arguments.iter().map(|argument| self.expr(argument)).collect();
        let compiled = compiled?;
        if function == Function::Test {
            return self.test(name, &compiled);
        }
        Ok(Expr::Call(function, compiled))
    }

    fn test(&self, name: &str, arguments: &[Expr]) -> Result<Expr, Fault> {
        let pattern = match arguments {
            [Expr::Constant(pattern)] => pattern.root().as_str().map(str::to_owned),
            _ => None,
        };
        let pattern = pattern.ok_or_else(|| self.fault(name, "the pattern of `test` is a text that is written out"))?;
        let regex = regex_lite::RegexBuilder::new(&pattern).size_limit(MAX_REGEX).build();
        let regex = regex.map_err(|error| self.fault(name, &error.to_string()))?;
        Ok(Expr::Test(regex, pattern.len()))
    }

    fn step(&mut self, part: &Part<Term<&'t str>>) -> Result<Step, Fault> {
        let mut optional = |term: &Option<Term<&'t str>>| term.as_ref().map(|term| self.expr(term)).transpose();
        Ok(match part {
            Part::Index(at) => Step::At(self.expr(at)?),
            Part::Range(None, None) => Step::All,
            Part::Range(from, to) => Step::Slice(optional(from)?, optional(to)?),
        })
    }

    fn text_of(&self, parts: &[StrPart<&'t str, Term<&'t str>>]) -> Result<String, Fault> {
        let mut text = String::new();
        for part in parts {
            match part {
                StrPart::Str(part) => text.push_str(part),
                StrPart::Char(char) => text.push(*char),
                StrPart::Term(term) => {
                    return Err((self.start(term), "texts hold no programs in a rule".to_owned()));
                }
            }
        }
        Ok(text)
    }

    fn fault(&self, part: &str, why: &str) -> Fault {
        (self.place(part), why.to_owned())
    }

    /// Where a part of the text is; names that are no part of it are looked for.
    fn place(&self, part: &str) -> usize {
        let (whole, part_at) = (self.text.as_ptr() as usize, part.as_ptr() as usize);
        let is_within = (whole..whole + self.text.len()).contains(&part_at);
        if is_within { part_at - whole } else { self.text.find(part).unwrap_or(0) }
    }

    /// Where a term begins, as far as it holds text.
    fn start(&self, term: &Term<&'t str>) -> usize {
        match term {
            Term::Num(text) | Term::Call(text, _) | Term::Var(text) | Term::Fold(text, ..) => self.place(text),
            Term::BinOp(first, ..) | Term::Neg(first) | Term::TryCatch(first, _) => self.start(first),
            Term::Path(first, Path(parts)) => match (&**first, parts.first()) {
                (Term::Id, Some((Part::Index(at), _))) => self.start(at),
                _ => self.start(first),
            },
            Term::Str(_, parts) => match parts.first() {
                Some(StrPart::Str(text)) => self.place(text),
                _ => 0,
            },
            Term::Obj(entries) => entries.first().map_or(0, |(key, _)| self.start(key)),
            _ => 0,
        }
    }
}
