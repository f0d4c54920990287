//! The order and equality of values and path elements, as structured-merge-diff has them.
//!
//! Rules: `value.Compare` and `fieldpath.PathElement.Compare` of structured-merge-diff v6.4. They differ from this
//! crate's own order of values: numbers < strings < booleans < lists < maps < null, and `1` equals `1.0`.

use std::cmp::Ordering;

use super::label::Label;
use crate::path::Segment;
use crate::value::{ValueRef, View};

/// Orders two values as structured-merge-diff does.
#[must_use]
pub fn compare_values(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    // The depth of a value is bounded by what its parser allows; this crate's own order needs no stack and takes over
    // where a value was built deeper by hand.
    values(left, right, 256)
}

/// As [`compare_values`], of what two values are.
pub(super) fn compare_views(left: View<'_>, right: View<'_>) -> Ordering {
    views(left, right, 256)
}

/// Returns whether two values are equal for structured-merge-diff: `1` equals `1.0`.
#[must_use]
pub fn equal_values(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    left == right || compare_values(left, right) == Ordering::Equal
}

fn values(left: ValueRef<'_>, right: ValueRef<'_>, depth: u32) -> Ordering {
    match depth.checked_sub(1) {
        Some(depth) => views(left.view(), right.view(), depth),
        None => left.cmp(&right),
    }
}

fn views(left: View<'_>, right: View<'_>, depth: u32) -> Ordering {
    match (left, right) {
        (View::String(a), View::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (View::Bool(a), View::Bool(b)) => a.cmp(&b),
        (View::List(a), View::List(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| values(a, b, depth));
            first_difference(items).then(a.len().cmp(&b.len()))
        }
        (View::Map(a), View::Map(b)) => {
            let entries = a
                .iter()
                .zip(b)
                .map(|((key, a), (other, b))| key.as_bytes().cmp(other.as_bytes()).then_with(|| values(a, b, depth)));
            first_difference(entries).then(a.len().cmp(&b.len()))
        }
        _ => rank(left).cmp(&rank(right)).then_with(|| numbers(left, right)),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

fn rank(view: View<'_>) -> u8 {
    match view {
        View::Int(_) | View::Float(_) => 0,
        View::String(_) => 1,
        View::Bool(_) => 2,
        View::List(_) => 3,
        View::Map(_) => 4,
        View::Null => 5,
    }
}

fn numbers(left: View<'_>, right: View<'_>) -> Ordering {
    #[expect(clippy::cast_precision_loss, reason = "Go compares an int with a float as floats")]
    let (a, b) = match (left, right) {
        (View::Int(a), View::Int(b)) => return a.cmp(&b),
        (View::Float(a), View::Float(b)) => (a, b),
        (View::Int(a), View::Float(b)) => (a as f64, b),
        (View::Float(a), View::Int(b)) => (a, b as f64),
        _ => return Ordering::Equal,
    };
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// Orders two path elements as structured-merge-diff does: fields, keys, values, indices.
#[must_use]
pub fn compare_segments(left: &Segment, right: &Segment) -> Ordering {
    Label::of(left).cmp(Label::of(right))
}
