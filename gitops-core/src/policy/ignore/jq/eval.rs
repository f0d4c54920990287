//! Evaluates a program on one object, on a budget.

use std::collections::BTreeSet;

use jaq_core::ops::Math;

use super::function::Function;
use super::value::{holds, integer, is_true, math, of, order, size, type_of, with};
use super::{Expr, Gone, Step};
use crate::path::{FieldPath, Segment};
use crate::value::{Draft, Value, ValueRef, View};

/// Places one program may name.
const MAX_PLACES: usize = 10_000;

pub(super) fn places(program: &Expr, tree: ValueRef<'_>, steps: usize) -> Result<Vec<FieldPath>, Gone> {
    let mut run = Run { steps, variables: Vec::new() };
    let mut found = Vec::new();
    run.run(program, &Item { value: Seen::There(tree), path: Some(FieldPath::root()) }, &mut found)?;
    let places: Option<BTreeSet<FieldPath>> = found.into_iter().map(|item| item.path).collect();
    let places = places.ok_or(Gone::NotAPath)?;
    if places.len() > MAX_PLACES { Err(Gone::TooManySteps) } else { Ok(places.into_iter().collect()) }
}

/// A value, and where it is in the object, if it is part of it.
#[derive(Clone)]
struct Item<'a> {
    value: Seen<'a>,
    path: Option<FieldPath>,
}

#[derive(Clone)]
enum Seen<'a> {
    There(ValueRef<'a>),
    Made(Value),
}

impl<'a> Item<'a> {
    fn made(value: impl Into<Value>) -> Self {
        Self { value: Seen::Made(value.into()), path: None }
    }

    /// What it costs to have it: a part of a made value is a copy.
    fn cost(&self) -> usize {
        match &self.value {
            Seen::There(_) => 1,
            Seen::Made(value) => size(value.root()),
        }
    }

    fn get(&self) -> ValueRef<'_> {
        match &self.value {
            Seen::There(value) => *value,
            Seen::Made(value) => value.root(),
        }
    }

    /// The child at `segment`; null where nothing is, as in jq.
    fn child(&self, segment: Segment) -> Self {
        let nothing = || Seen::Made(Value::null());
        let value = match &self.value {
            Seen::There(value) => segment.of(*value).map_or_else(nothing, Seen::There),
            Seen::Made(value) => segment.of(value.root()).map_or_else(nothing, |child| Seen::Made(child.to_value())),
        };
        Self { value, path: self.path.as_ref().map(|path| path.join(segment)) }
    }

    fn at(&self, key: ValueRef<'_>) -> Option<Self> {
        match (self.get().view(), key.view()) {
            (View::Map(_) | View::Null, View::String(name)) => Some(self.child(Segment::field(name))),
            (View::List(list), View::Int(index)) => {
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let index = if index < 0 { index.checked_add(length)? } else { index };
                Some(self.child(Segment::Index(u32::try_from(index).ok()?)))
            }
            (View::Null, View::Int(index)) => Some(self.child(Segment::Index(u32::try_from(index).ok()?))),
            _ => None,
        }
    }

    fn children(&self) -> Vec<Self> {
        match self.get().view() {
            View::Map(map) => map.iter().map(|(name, _)| self.child(Segment::field(name))).collect(),
            View::List(list) => (0..list.len()).filter_map(|index| self.at(integer(index).root())).collect(),
            _ => Vec::new(),
        }
    }
}

struct Run {
    steps: usize,
    variables: Vec<(String, Value)>,
}

impl Run {
    fn spend(&mut self, steps: usize) -> Result<(), Gone> {
        self.steps = self.steps.checked_sub(steps).ok_or(Gone::TooManySteps)?;
        Ok(())
    }

    fn run<'a>(&mut self, expr: &Expr, input: &Item<'a>, out: &mut Vec<Item<'a>>) -> Result<(), Gone> {
        let before = out.len();
        self.spend(1)?;
        match expr {
            Expr::Id => out.push(input.clone()),
            Expr::Constant(value) => out.push(Item::made(value.clone())),
            Expr::List(inner) => {
                let found = inner.as_ref().map(|inner| self.all(inner, input)).transpose()?.unwrap_or_default();
                out.push(self.list(&found)?);
            }
            Expr::Negated(inner) => {
                let zero = Value::from(0);
                let found = self.all(inner, input)?;
                out.extend(found.iter().filter_map(|item| math(Math::Sub, zero.root(), item.get())).map(Item::made));
            }
            Expr::Pipe(left, right) => {
                for item in self.all(left, input)? {
                    self.run(right, &item, out)?;
                }
            }
            Expr::Comma(left, right) => {
                self.run(left, input, out)?;
                self.run(right, input, out)?;
            }
            Expr::Alternative(left, right) => {
                let found = self.all(left, input)?;
                out.extend(found.into_iter().filter(|item| is_true(item.get())));
                if out.len() == before {
                    self.run(right, input, out)?;
                }
            }
            Expr::And(left, right) => self.logic(left, right, input, false, out)?,
            Expr::Or(left, right) => self.logic(left, right, input, true, out)?,
            Expr::Math(operation, left, right) => {
                for (left, right) in self.pairs(left, right, input)? {
                    let texts = [left.get(), right.get()].map(|value| value.as_str().map_or(0, str::len));
                    self.spend(texts.iter().sum())?;
                    out.extend(math(*operation, left.get(), right.get()).map(Item::made));
                }
            }
            Expr::Compare(comparison, left, right) => {
                for (left, right) in self.pairs(left, right, input)? {
                    out.push(Item::made(holds(*comparison, order(left.get(), right.get()))));
                }
            }
            Expr::Bind(name, source, body) => {
                for item in self.all(source, input)? {
                    self.spend(size(item.get()))?;
                    self.variables.push((name.clone(), item.get().to_value()));
                    let result = self.run(body, input, out);
                    self.variables.pop();
                    result?;
                }
            }
            Expr::If(cases, otherwise) => self.choose(cases, otherwise.as_deref(), input, out)?,
            Expr::Variable(name) => {
                let value = self.variables.iter().rev().find(|(known, _)| known == name);
                out.extend(value.map(|(_, value)| Item::made(value.clone())));
            }
            Expr::Path(from, steps) => self.path(from, steps, input, out)?,
            Expr::Test(regex, length) => {
                if let Some(text) = input.get().as_str() {
                    self.spend(text.len().saturating_mul(*length) / 8)?;
                    out.push(Item::made(regex.is_match(text)));
                }
            }
            Expr::Call(function, arguments) => self.call(*function, arguments, input, out)?,
        }
        self.spend(out.len().saturating_sub(before))
    }

    fn all<'a>(&mut self, expr: &Expr, input: &Item<'a>) -> Result<Vec<Item<'a>>, Gone> {
        let mut found = Vec::new();
        self.run(expr, input, &mut found)?;
        Ok(found)
    }

    fn pairs<'a>(&mut self, left: &Expr, right: &Expr, input: &Item<'a>) -> Result<Vec<(Item<'a>, Item<'a>)>, Gone> {
        let (left, right) = (self.all(left, input)?, self.all(right, input)?);
        self.spend(left.len().saturating_mul(right.len()))?;
        Ok(left.iter().flat_map(|left| right.iter().map(move |right| (left.clone(), right.clone()))).collect())
    }

    /// `and` and `or`: the left side decides alone when it equals `decisive`.
    fn logic<'a>(
        &mut self,
        left: &Expr,
        right: &Expr,
        input: &Item<'a>,
        decisive: bool,
        out: &mut Vec<Item<'a>>,
    ) -> Result<(), Gone> {
        for item in self.all(left, input)? {
            if is_true(item.get()) == decisive {
                out.push(Item::made(decisive));
            } else {
                let right = self.all(right, input)?;
                out.extend(right.iter().map(|item| Item::made(is_true(item.get()))));
            }
        }
        Ok(())
    }

    fn choose<'a>(
        &mut self,
        cases: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
        input: &Item<'a>,
        out: &mut Vec<Item<'a>>,
    ) -> Result<(), Gone> {
        let Some(((test, then), rest)) = cases.split_first() else {
            return match otherwise {
                Some(otherwise) => self.run(otherwise, input, out),
                None => self.run(&Expr::Id, input, out),
            };
        };
        for item in self.all(test, input)? {
            if is_true(item.get()) {
                self.run(then, input, out)?;
            } else {
                self.choose(rest, otherwise, input, out)?;
            }
        }
        Ok(())
    }

    fn path<'a>(&mut self, from: &Expr, steps: &[Step], input: &Item<'a>, out: &mut Vec<Item<'a>>) -> Result<(), Gone> {
        let mut found = self.all(from, input)?;
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            if matches!(step, Step::Slice(..)) {
                // A slice stands for its items, which `[]` would give.
                steps.next_if(|next| matches!(next, Step::All));
            }
            let mut next = Vec::new();
            for item in found {
                let before = next.len();
                match step {
                    Step::All => next.extend(item.children()),
                    Step::At(key) => {
                        next.extend(self.all(key, input)?.iter().filter_map(|key| item.at(key.get())));
                    }
                    Step::Slice(from, to) => {
                        let from = self.bound(from.as_ref(), input)?;
                        let to = self.bound(to.as_ref(), input)?;
                        if item.get().as_list().is_some() {
                            next.extend(slice(item.children(), from, to));
                        }
                    }
                }
                // Paid item by item, so that many long lists are never there at once.
                self.spend(next.iter().skip(before).map(Item::cost).sum())?;
            }
            found = next;
        }
        out.extend(found);
        Ok(())
    }

    fn bound(&mut self, expr: Option<&Expr>, input: &Item<'_>) -> Result<Option<i64>, Gone> {
        let Some(expr) = expr else { return Ok(None) };
        Ok(self.all(expr, input)?.first().and_then(|item| item.get().as_i64()))
    }

    fn list<'a>(&mut self, items: &[Item<'_>]) -> Result<Item<'a>, Gone> {
        // Paid before the copy is made.
        for item in items {
            self.spend(size(item.get()))?;
        }
        let value = Draft::List(items.iter().map(|item| item.get().to_draft()).collect()).freeze();
        self.spend(value.heap_bytes() / 16)?;
        Ok(Item::made(value))
    }

    fn call<'a>(
        &mut self,
        function: Function,
        arguments: &[Expr],
        input: &Item<'a>,
        out: &mut Vec<Item<'a>>,
    ) -> Result<(), Gone> {
        let value = input.get();
        match (function, arguments) {
            (Function::Select, [test]) => {
                if self.all(test, input)?.iter().any(|item| is_true(item.get())) {
                    out.push(input.clone());
                }
            }
            (Function::Recurse, _) => {
                let mut open = vec![input.clone()];
                while let Some(item) = open.pop() {
                    self.spend(item.cost())?;
                    open.extend(item.children());
                    out.push(item);
                }
            }
            (Function::Only(types), _) if types.contains(&type_of(value)) => out.push(input.clone()),
            (Function::Map, [each]) => {
                let mut found = Vec::new();
                for item in input.children() {
                    self.run(each, &item, &mut found)?;
                }
                out.push(self.list(&found)?);
            }
            (Function::First, []) => out.extend(input.at(Value::from(0).root())),
            (Function::Last, []) => out.extend(input.at(Value::from(-1).root())),
            (Function::First, [of]) => out.extend(self.all(of, input)?.into_iter().next()),
            (Function::Last, [of]) => out.extend(self.all(of, input)?.pop()),
            (Function::IsEmpty, [of]) => out.push(Item::made(self.all(of, input)?.is_empty())),
            (Function::Any, _) => out.push(self.quantify(arguments, input, true)?),
            (Function::All, _) => out.push(self.quantify(arguments, input, false)?),
            (Function::GetPath, [path]) => {
                for path in self.all(path, input)? {
                    let keys = path.get().as_list().into_iter().flatten();
                    let found = keys.into_iter().try_fold(input.clone(), |at, key| at.at(key));
                    self.spend(found.as_ref().map_or(0, Item::cost))?;
                    out.extend(found);
                }
            }
            (_, [argument]) => {
                for argument in self.all(argument, input)? {
                    self.spend(size(value).saturating_mul(size(argument.get())))?;
                    out.extend(with(function, value, argument.get()).map(Item::made));
                }
            }
            _ => {
                self.spend(size(value))?;
                out.extend(of(function, value).map(Item::made));
            }
        }
        Ok(())
    }

    /// `any` (one of them is true) and `all` (none is false).
    fn quantify<'a>(&mut self, arguments: &[Expr], input: &Item<'a>, wanted: bool) -> Result<Item<'a>, Gone> {
        let (items, test) = match arguments {
            [] => (input.children(), None),
            [test] => (input.children(), Some(test)),
            [items, test, ..] => (self.all(items, input)?, Some(test)),
        };
        for item in items {
            let results = match test {
                Some(test) => self.all(test, &item)?,
                None => vec![item],
            };
            if results.iter().any(|result| is_true(result.get()) == wanted) {
                return Ok(Item::made(wanted));
            }
        }
        Ok(Item::made(!wanted))
    }
}

fn slice(items: Vec<Item<'_>>, from: Option<i64>, to: Option<i64>) -> impl Iterator<Item = Item<'_>> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let bound = |bound: i64| {
        let at = if bound < 0 { bound.saturating_add(length) } else { bound };
        usize::try_from(at.clamp(0, length)).unwrap_or_default()
    };
    let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
    items.into_iter().take(to).skip(from)
}
