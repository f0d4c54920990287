//! What an expression in CEL costs on one object, before it runs.
//!
//! An upper bound in steps, where a step is an operation on one node of a value: macros cost their body once for each
//! item of the list they walk, and what they gather grows by what the body gives. What is read from the object is
//! counted as it is there; anything else by what it was made of. After the cost estimation of Kubernetes' own CEL.

use std::collections::BTreeMap;

use ::cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::value::{ValueRef, View};

/// A text costs a step for so many bytes.
const STEP_BYTES: usize = 16;

/// How large a value is.
#[derive(Clone, Copy)]
enum Size<'a> {
    /// This value of the object.
    Known(ValueRef<'a>),
    /// At most so many nodes.
    AtMost(u64),
}

struct Estimate<'a, F> {
    find: F,
    /// Variables of macros.
    bound: BTreeMap<&'a str, Size<'a>>,
    steps: u64,
    /// How many there may be.
    budget: u64,
}

/// Estimates an expression; `None` if it is over the budget. `find` gives the value of a variable.
pub(super) fn of<'a>(expression: &'a IdedExpr, find: &impl Fn(&str) -> ValueRef<'a>, budget: u64) -> Option<u64> {
    let mut estimate = Estimate { find, bound: BTreeMap::new(), steps: 0, budget };
    estimate.size(expression)?;
    Some(estimate.steps)
}

impl<'a, F: Fn(&str) -> ValueRef<'a>> Estimate<'a, F> {
    /// Counts steps.
    fn spend(&mut self, steps: u64) -> Option<()> {
        self.steps = self.steps.checked_add(steps).filter(|steps| *steps <= self.budget)?;
        Some(())
    }

    /// Adds the cost of an expression, and returns how large its value is.
    fn size(&mut self, expression: &'a IdedExpr) -> Option<Size<'a>> {
        self.spend(1)?;
        Some(match &expression.expr {
            Expr::Ident(name) => match self.bound.get(name.as_str()) {
                Some(size) => *size,
                None => Size::Known((self.find)(name)),
            },
            Expr::Select(select) => match self.size(&select.operand)? {
                Size::Known(value) => value.get(&select.field).map_or(Size::AtMost(1), Size::Known),
                size @ Size::AtMost(_) => size,
            },
            Expr::Call(call) => {
                let parts = call.target.iter().map(|target| &**target).chain(&call.args);
                let mut all = 1_u64;
                for part in parts {
                    all = all.checked_add(self.size(part)?.nodes()?)?;
                }
                self.spend(all)?;
                Size::AtMost(all)
            }
            Expr::List(list) => self.sum(list.elements.iter())?,
            Expr::Map(map) => {
                let parts = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                    EntryExpr::StructField(_) => None,
                });
                self.sum(parts.flatten())?
            }
            Expr::Comprehension(over) => self.comprehension(over)?,
            Expr::Literal(LiteralValue::String(text)) => Size::AtMost((text.inner().len() / STEP_BYTES) as u64 + 1),
            Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Size::AtMost(1),
        })
    }

    fn sum(&mut self, parts: impl Iterator<Item = &'a IdedExpr>) -> Option<Size<'a>> {
        let mut all = 1_u64;
        for part in parts {
            all = all.checked_add(self.size(part)?.nodes()?)?;
        }
        Some(Size::AtMost(all))
    }

    fn comprehension(&mut self, over: &'a ComprehensionExpr) -> Option<Size<'a>> {
        let range = self.size(&over.iter_range)?;
        let (rounds, item) = match range {
            Size::Known(value) => match value.view() {
                View::List(list) => (list.len() as u64, largest(list.iter())?),
                View::Map(map) => (map.len() as u64, largest(map.iter().map(|(_, value)| value))?),
                _ => (1, 1),
            },
            Size::AtMost(nodes) => (nodes, nodes),
        };
        let start = self.size(&over.accu_init)?.nodes()?;
        let names = [Some(&over.iter_var), over.iter_var2.as_ref(), Some(&over.accu_var)];
        let sizes = [Size::AtMost(item), Size::AtMost(item), Size::AtMost(0)];
        let mut hidden = Vec::new();
        for (name, size) in names.into_iter().zip(sizes) {
            let Some(name) = name else { continue };
            hidden.push((name.as_str(), self.bound.insert(name, size)));
        }
        let before = self.steps;
        self.size(&over.loop_cond)?;
        let growth = self.size(&over.loop_step)?.nodes()?;
        let round = self.steps.checked_sub(before)?.checked_add(growth)?;
        self.spend(round.checked_mul(rounds)?)?;
        let gathered = start.checked_add(growth.checked_mul(rounds)?)?;
        self.bound.insert(&over.accu_var, Size::AtMost(gathered));
        let result = self.size(&over.result)?;
        for (name, size) in hidden {
            match size {
                Some(size) => drop(self.bound.insert(name, size)),
                None => drop(self.bound.remove(name)),
            }
        }
        Some(result)
    }
}

impl Size<'_> {
    fn nodes(self) -> Option<u64> {
        match self {
            Self::Known(value) => nodes(value),
            Self::AtMost(nodes) => Some(nodes),
        }
    }
}

fn largest<'v>(values: impl Iterator<Item = ValueRef<'v>>) -> Option<u64> {
    values.map(nodes).try_fold(1, |most, one| Some(one?.max(most)))
}

/// Counts a value, as far as the budget goes.
fn nodes(value: ValueRef<'_>) -> Option<u64> {
    let inner = match value.view() {
        View::String(text) => (text.len() / STEP_BYTES) as u64,
        View::List(list) => list.iter().map(nodes).try_fold(0_u64, |all, one| all.checked_add(one?))?,
        View::Map(map) => {
            map.iter().map(|(_, value)| nodes(value)).try_fold(0_u64, |all, one| all.checked_add(one?))?
        }
        _ => 0,
    };
    inner.checked_add(1)
}
