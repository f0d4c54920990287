//! What jq's operators and functions make of values.

use std::cmp::Ordering;

use jaq_core::ops::{Cmp, Math};

use super::function::Function;
use crate::value::{Draft, Value, ValueRef, View};

/// Functions of the input alone.
pub(super) fn of(function: Function, value: ValueRef<'_>) -> Option<Value> {
    Some(match (function, value.view()) {
        (Function::Not, _) => Value::from(!is_true(value)),
        (Function::Type, _) => Value::from(type_of(value)),
        (Function::Length, View::Null) => Value::from(0),
        (Function::Length, View::String(text)) => integer(text.chars().count()),
        (Function::Length, View::List(list)) => integer(list.len()),
        (Function::Length, View::Map(map)) => integer(map.len()),
        (Function::Keys, View::Map(map)) => {
            Draft::List(map.iter().map(|(name, _)| Draft::String(name.to_owned())).collect()).freeze()
        }
        (Function::Keys, View::List(list)) => {
            Draft::List((0..list.len()).map(|index| integer(index).root().to_draft()).collect()).freeze()
        }
        (Function::ToString, View::String(_)) => value.to_value(),
        (Function::ToString, _) => Value::from(value.to_json().as_str()),
        (Function::ToNumber, View::Int(_) | View::Float(_)) => value.to_value(),
        (Function::ToNumber, View::String(text)) => {
            let read = Value::from_json(text.as_bytes()).ok()?;
            matches!(read.root().view(), View::Int(_) | View::Float(_)).then_some(read)?
        }
        (Function::Downcase, View::String(text)) => Value::from(text.to_ascii_lowercase().as_str()),
        (Function::Upcase, View::String(text)) => Value::from(text.to_ascii_uppercase().as_str()),
        _ => return None,
    })
}

/// Functions of the input and one argument.
pub(super) fn with(function: Function, value: ValueRef<'_>, argument: ValueRef<'_>) -> Option<Value> {
    if function == Function::Contains {
        return Some(Value::from(contains(value, argument)));
    }
    if function == Function::Has {
        return Some(Value::from(match (value.view(), argument.view()) {
            (View::Map(map), View::String(name)) => map.get(name).is_some(),
            (View::List(list), View::Int(index)) => usize::try_from(index).is_ok_and(|index| index < list.len()),
            _ => return None,
        }));
    }
    let (text, other) = (value.as_str()?, argument.as_str()?);
    Some(match function {
        Function::StartsWith => Value::from(text.starts_with(other)),
        Function::EndsWith => Value::from(text.ends_with(other)),
        Function::TrimStart => Value::from(text.strip_prefix(other).unwrap_or(text)),
        Function::TrimEnd => Value::from(text.strip_suffix(other).unwrap_or(text)),
        Function::Split if other.is_empty() => {
            Draft::List(text.chars().map(|c| Draft::String(c.into())).collect()).freeze()
        }
        Function::Split => Draft::List(text.split(other).map(|part| Draft::String(part.to_owned())).collect()).freeze(),
        _ => return None,
    })
}

/// jq's `contains`: texts within texts, items within lists, fields within maps.
fn contains(value: ValueRef<'_>, part: ValueRef<'_>) -> bool {
    match (value.view(), part.view()) {
        (View::String(text), View::String(part)) => text.contains(part),
        (View::List(list), View::List(parts)) => parts.iter().all(|part| list.iter().any(|item| contains(item, part))),
        (View::Map(map), View::Map(parts)) => {
            parts.iter().all(|(name, part)| map.get(name).is_some_and(|value| contains(value, part)))
        }
        _ => order(value, part) == Ordering::Equal,
    }
}

pub(super) fn math(operation: Math, left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Value> {
    match (operation, left.view(), right.view()) {
        (Math::Add, View::Null, _) => Some(right.to_value()),
        (Math::Add, _, View::Null) => Some(left.to_value()),
        (Math::Add, View::String(left), View::String(right)) => Some(Value::from(format!("{left}{right}").as_str())),
        (_, View::Int(left), View::Int(right)) => match operation {
            Math::Add => left.checked_add(right),
            Math::Sub => left.checked_sub(right),
            Math::Mul => left.checked_mul(right),
            Math::Rem => left.checked_rem(right),
            Math::Div => left.checked_rem(right).filter(|rest| *rest == 0).and_then(|_| left.checked_div(right)),
        }
        .map(Value::from)
        .or_else(|| float(operation, as_float(View::Int(left))?, as_float(View::Int(right))?)),
        (_, left, right) => float(operation, as_float(left)?, as_float(right)?),
    }
}

fn float(operation: Math, left: f64, right: f64) -> Option<Value> {
    let result = match operation {
        Math::Add => left + right,
        Math::Sub => left - right,
        Math::Mul => left * right,
        Math::Div => left / right,
        Math::Rem => left % right,
    };
    result.is_finite().then(|| Draft::Float(result).freeze())
}

pub(super) fn holds(comparison: Cmp, order: Ordering) -> bool {
    match comparison {
        Cmp::Lt => order.is_lt(),
        Cmp::Le => order.is_le(),
        Cmp::Gt => order.is_gt(),
        Cmp::Ge => order.is_ge(),
        Cmp::Eq => order.is_eq(),
        Cmp::Ne => order.is_ne(),
    }
}

/// jq's order: null, false, true, numbers, texts, lists, maps.
pub(super) fn order(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    let rank = |value: ValueRef<'_>| match value.view() {
        View::Null => 0,
        View::Bool(flag) => 1 + u8::from(flag),
        View::Int(_) | View::Float(_) => 3,
        View::String(_) => 4,
        View::List(_) => 5,
        View::Map(_) => 6,
    };
    match (left.view(), right.view()) {
        (View::Int(_) | View::Float(_), View::Int(_) | View::Float(_)) if left != right => {
            as_float(left.view()).partial_cmp(&as_float(right.view())).unwrap_or(Ordering::Equal)
        }
        _ => rank(left).cmp(&rank(right)).then_with(|| left.cmp(&right)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "jq's numbers are floats")]
fn as_float(number: View<'_>) -> Option<f64> {
    match number {
        View::Int(number) => Some(number as f64),
        View::Float(number) => Some(number),
        _ => None,
    }
}

pub(super) fn is_true(value: ValueRef<'_>) -> bool {
    !matches!(value.view(), View::Null | View::Bool(false))
}

pub(super) fn type_of(value: ValueRef<'_>) -> &'static str {
    match value.view() {
        View::Null => "null",
        View::Bool(_) => "boolean",
        View::Int(_) | View::Float(_) => "number",
        View::String(_) => "string",
        View::List(_) => "array",
        View::Map(_) => "object",
    }
}

pub(super) fn integer(number: usize) -> Value {
    Value::from(i64::try_from(number).unwrap_or(i64::MAX))
}

/// What handling a value costs.
pub(super) fn size(value: ValueRef<'_>) -> usize {
    match value.view() {
        View::String(text) => 1 + text.len() / 8,
        View::List(list) => list.iter().map(size).sum::<usize>().saturating_add(1),
        View::Map(map) => map.iter().map(|(_, value)| size(value)).sum::<usize>().saturating_add(1),
        _ => 1,
    }
}
